//! Times as iCalendar writes them: of a zone by name, of UTC, or of no zone at all.

use calcard::common::PartialDateTime;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use crate::rules::schedule::{DAY, Minute, instant, minute, minute_of};

/// A time as it is written.
#[derive(Clone)]
pub(super) struct Written {
    /// By the clocks of its zone.
    pub(super) wall: Minute,
    pub(super) zone: TimeZone,
    /// No zone was written: it is of whoever speaks.
    pub(super) floating: bool,
    /// It is a date.
    pub(super) whole_day: bool,
}

impl Written {
    pub(super) fn instant(&self) -> Timestamp {
        instant(&self.zone, self.wall)
    }

    /// The same time by the clocks of a zone.
    pub(super) fn wall_in(&self, zone: &TimeZone) -> Minute {
        if self.zone == *zone || self.whole_day { self.wall } else { minute(zone, self.instant()) }
    }

    /// What the clocks of a zone show then, be it for the second time.
    pub(super) fn shown_in(&self, zone: &TimeZone) -> Minute {
        if self.zone == *zone || self.whole_day {
            self.wall
        } else {
            minute_of(zone.to_datetime(self.instant()))
        }
    }

    /// Of that zone, if none is written.
    pub(super) fn or_in(&self, zone: &TimeZone) -> Self {
        if self.floating { Self { zone: zone.clone(), ..self.clone() } } else { self.clone() }
    }
}

/// The minute a time lies in; `None`: it is no date.
pub(super) fn wall(time: &PartialDateTime) -> Option<Minute> {
    let part = |part: Option<u8>| part.map(i8::try_from).transpose().ok();
    let (year, month, day) = (i16::try_from(time.year?).ok()?, part(time.month)??, part(time.day)??);
    let (hour, minute) = (part(time.hour)?.unwrap_or_default(), part(time.minute)?.unwrap_or_default());
    DateTime::new(year, month, day, hour, minute, 0, 0).ok().map(minute_of)
}

/// The distance from UTC that is written with a time, or alone.
pub(super) fn offset(time: &PartialDateTime) -> Option<Offset> {
    let seconds = i32::from(time.tz_hour?) * 3600 + i32::from(time.tz_minute.unwrap_or_default()) * 60;
    Offset::from_seconds(if time.tz_minus { -seconds } else { seconds }).ok()
}

/// A minute as a time without a zone.
pub(super) fn partial(wall: Minute) -> PartialDateTime {
    let wall = TimeZone::UTC.to_datetime(instant(&TimeZone::UTC, wall));
    let part = |part: i8| u8::try_from(part).ok();
    PartialDateTime {
        year: u16::try_from(wall.year()).ok(),
        month: part(wall.month()),
        day: part(wall.day()),
        hour: part(wall.hour()),
        minute: part(wall.minute()),
        second: Some(0),
        ..PartialDateTime::default()
    }
}

/// The end of a repetition by the clocks of the event's zone. A day counts whole.
pub(super) fn until_by_the_wall(until: &PartialDateTime, zone: &TimeZone) -> Option<Minute> {
    let given = wall(until)?;
    Some(match offset(until) {
        _ if until.hour.is_none() => given + DAY - 1,
        Some(offset) => minute(zone, instant(&TimeZone::fixed(offset), given)),
        None => given,
    })
}
