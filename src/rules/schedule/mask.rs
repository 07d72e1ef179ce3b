//! Which part of the week, and of the calendar, a layer or a step is there for.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::wall::{self, DAY, Day, Minute};
use crate::domain::{Days, Hours};

/// Days on which people work: some of every week, but for those closed, and
/// with make-up days (调休) on top.
#[derive(Debug, Default)]
pub(in crate::rules) struct Calendar {
    /// Of every week.
    pub(in crate::rules) days: Days,
    /// Days off.
    pub(in crate::rules) closed: BTreeSet<Day>,
    /// Days on, whatever else is said of them.
    pub(in crate::rules) open: BTreeSet<Day>,
}

impl Calendar {
    /// The last day it lists as off or on; `None` if it lists none.
    pub(in crate::rules) fn last_listed(&self) -> Option<Day> {
        self.closed.last().max(self.open.last()).copied()
    }

    fn works(&self, day: Day) -> bool {
        self.open.contains(&day) || (self.days.contains(wall::weekday(day)) && !self.closed.contains(&day))
    }
}

/// Windows of wall time, at most one a day, which do not overlap.
///
/// A window belongs to the day on which it starts, also when it lasts beyond
/// midnight. With a calendar a day must be one of the mask's *and* a working
/// day: a make-up Saturday counts only for a mask that holds Saturdays.
#[derive(Debug)]
pub(in crate::rules) struct Mask {
    days: Days,
    /// From the day's beginning.
    start: Minute,
    /// After `start`, at most a day later.
    end: Minute,
    calendar: Option<Arc<Calendar>>,
}

impl Mask {
    pub(in crate::rules) fn new(hours: Option<Hours>, days: Days, calendar: Option<Arc<Calendar>>) -> Self {
        let (start, end) = hours.map_or((0, DAY), |h| (h.start().into(), h.end().into()));
        Self { days, start, end, calendar }
    }

    /// Whether the instant lies in a window.
    pub(in crate::rules) fn holds(&self, zone: &TimeZone, at: Timestamp) -> bool {
        self.at(wall::minute(zone, at)).0
    }

    /// Whether a minute lies in a window, and up to when (not included) that is
    /// sure: the next minutes may be the same again.
    pub(super) fn at(&self, minute: Minute) -> (bool, Minute) {
        let today = wall::day_of(minute);
        if self.is_everything() {
            return (true, Minute::MAX);
        }
        let running = [today - 1, today]
            .into_iter()
            .find(|day| (self.starts(*day)..self.ends(*day)).contains(&minute) && self.has(*day));
        if let Some(day) = running {
            return (true, self.ends(day));
        }
        let next = if self.starts(today) > minute { today } else { today + 1 };
        (false, self.starts(next))
    }

    /// Whether a window lies at least partly in `from..to`, by the pattern of
    /// the week alone or with the calendar's exceptions.
    pub(super) fn touches(&self, from: Minute, to: Minute, exceptions: bool) -> bool {
        (wall::day_of(from) - 1..=wall::day_of(to - 1)).any(|day| {
            let on = if exceptions { self.has(day) } else { self.has_by_pattern(day) };
            on && self.starts(day) < to && self.ends(day) > from
        })
    }

    /// The windows, begin and end, of days on which the calendar departs from
    /// the pattern of the week.
    pub(super) fn exceptions(&self) -> impl Iterator<Item = (Minute, Minute)> + '_ {
        let listed = self.calendar.iter().flat_map(|c| c.closed.iter().chain(&c.open));
        let odd = listed.filter(|day| self.has(**day) != self.has_by_pattern(**day));
        odd.map(|day| (self.starts(*day), self.ends(*day)))
    }

    fn starts(&self, day: Day) -> Minute {
        day * DAY + self.start
    }

    fn ends(&self, day: Day) -> Minute {
        day * DAY + self.end
    }

    fn is_everything(&self) -> bool {
        self.days == Days::ALL && self.end - self.start == DAY && self.calendar.is_none()
    }

    fn has(&self, day: Day) -> bool {
        self.days.contains(wall::weekday(day)) && self.calendar.as_ref().is_none_or(|c| c.works(day))
    }

    fn has_by_pattern(&self, day: Day) -> bool {
        let days = self.calendar.as_ref().map_or(self.days, |c| self.days.common(c.days));
        days.contains(wall::weekday(day))
    }
}
