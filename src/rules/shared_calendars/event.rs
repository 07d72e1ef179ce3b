//! A VEVENT, property by property.

use std::sync::Arc;

use calcard::icalendar::{
    ICalendarComponent, ICalendarEntry, ICalendarParameterName, ICalendarParameterValue,
    ICalendarParticipationStatus, ICalendarProperty, ICalendarRecurrenceRule, ICalendarStatus,
    ICalendarUserTypes, ICalendarValue,
};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::written::Written;
use super::zones::Zones;
use crate::rules::schedule::{DAY, Minute, instant};

/// Why when an event takes place is not known.
pub(super) enum Unread {
    /// Its zone is none that is known.
    Zone(String),
    /// Part of it cannot be read.
    Part(String),
}

/// Titles are cut here, in characters.
const TITLE_MAX: usize = 200;

/// How long something takes.
#[derive(Clone)]
pub(super) enum Length {
    /// To a time.
    To(Written),
    /// So many days by the calendar, and minutes that pass.
    Lasts {
        /// By the calendar.
        days: i64,
        /// That pass.
        minutes: i64,
    },
}

impl Length {
    /// The end of what is written to begin at `start` and begins at `wall`, by a zone's clocks.
    pub(super) fn end(&self, start: &Written, zone: &TimeZone, wall: Minute) -> Timestamp {
        match self {
            Self::To(_) => instant(zone, wall.saturating_add(self.wall(start, zone))),
            Self::Lasts { days, minutes } => {
                let passes = SignedDuration::from_mins(*minutes);
                let after = instant(zone, wall.saturating_add(days.saturating_mul(DAY)));
                after.checked_add(passes).unwrap_or(Timestamp::MAX)
            }
        }
    }

    /// Minutes by the wall.
    pub(super) fn wall(&self, start: &Written, zone: &TimeZone) -> Minute {
        match self {
            Self::To(end) => match end.shown_in(zone) - start.shown_in(zone) {
                // A day that ends as it begins is that day to everybody but the standard.
                0 if start.whole_day => DAY,
                minutes => minutes,
            },
            Self::Lasts { days, minutes } => days.saturating_mul(DAY).saturating_add(*minutes),
        }
    }
}

/// What an event says.
pub(super) struct Entries<'c> {
    pub(super) uid: Option<&'c str>,
    pub(super) sequence: i64,
    /// When this version of it was made.
    pub(super) modified: Option<Timestamp>,
    pub(super) start: Written,
    pub(super) length: Length,
    pub(super) repeats: Option<&'c ICalendarRecurrenceRule>,
    /// More beginnings, perhaps with lengths of their own.
    pub(super) also: Vec<(Written, Option<Length>)>,
    pub(super) except: Vec<Written>,
    /// The beginning of the repetition that this stands for, and whether for all
    /// later ones too.
    pub(super) stands_for: Option<(Written, bool)>,
    pub(super) cancelled: bool,
    pub(super) title: Arc<str>,
    pub(super) attendees: Arc<[String]>,
}

impl<'c> Entries<'c> {
    /// Reads it; `None`: it has no beginning.
    ///
    /// # Errors
    ///
    /// When it takes place is not known.
    pub(super) fn read(event: &'c ICalendarComponent, zones: &Zones<'_>) -> Result<Option<Self>, Unread> {
        let first = |property: &ICalendarProperty| match event.property(property) {
            Some(entry) => {
                let all = zones.all(entry).map_err(Unread::Zone)?;
                Ok(all.into_iter().next().map(|(written, _)| written))
            }
            None => Ok(None),
        };
        let many = |property: &ICalendarProperty| {
            let all: Result<Vec<_>, String> =
                event.properties(property).map(|entry| zones.all(entry)).collect();
            all.map(|all| all.concat()).map_err(Unread::Zone)
        };
        let replaced = event.property(&ICalendarProperty::RecurrenceId);
        let of = first(&ICalendarProperty::RecurrenceId)?;
        let Some(start) = first(&ICalendarProperty::Dtstart)?.or_else(|| of.clone()) else { return Ok(None) };
        let later_too = replaced.is_some_and(|entry| entry.has_parameter(&ICalendarParameterName::Range));
        Ok(Some(Self {
            uid: event.uid(),
            sequence: number(event, &ICalendarProperty::Sequence).unwrap_or_default(),
            modified: match first(&ICalendarProperty::LastModified)? {
                Some(at) => Some(at.instant()),
                None => first(&ICalendarProperty::Dtstamp)?.map(|at| at.instant()),
            },
            length: length(event, first(&ICalendarProperty::Dtend)?, &start)?,
            start,
            repeats: rule(event)?,
            also: many(&ICalendarProperty::Rdate)?,
            except: many(&ICalendarProperty::Exdate)?.into_iter().map(|(written, _)| written).collect(),
            stands_for: of.map(|of| (of, later_too)),
            cancelled: event.status() == Some(&ICalendarStatus::Cancelled),
            title: title(event).into(),
            attendees: event.properties(&ICalendarProperty::Attendee).filter_map(attendee).collect(),
        }))
    }
}

fn number(event: &ICalendarComponent, property: &ICalendarProperty) -> Option<i64> {
    event.property(property)?.values.first()?.as_integer()
}

fn length(event: &ICalendarComponent, end: Option<Written>, start: &Written) -> Result<Length, Unread> {
    if let Some(end) = end {
        return Ok(Length::To(end.or_in(&start.zone)));
    }
    if event.property(&ICalendarProperty::Dtend).is_some() {
        return Err(Unread::Part(format!("the end of {:?} cannot be read", title(event))));
    }
    let days = i64::from(start.whole_day);
    match event.property(&ICalendarProperty::Duration).map(|entry| entry.values.first()) {
        None => Ok(Length::Lasts { days, minutes: 0 }),
        Some(Some(ICalendarValue::Duration(given))) if !given.neg => Ok(Length::Lasts {
            days: i64::from(given.weeks) * 7 + i64::from(given.days),
            minutes: i64::from(given.hours) * 60 + i64::from(given.minutes) + i64::from(given.seconds) / 60,
        }),
        Some(_) => Err(Unread::Part(format!("how long {:?} takes cannot be read", title(event)))),
    }
}

fn rule(event: &ICalendarComponent) -> Result<Option<&ICalendarRecurrenceRule>, Unread> {
    let unreadable = || Unread::Part(format!("how {:?} repeats cannot be read", title(event)));
    let mut rules = event.properties(&ICalendarProperty::Rrule);
    let rule = match rules.next().map(|entry| entry.values.first()) {
        None => None,
        Some(Some(ICalendarValue::RecurrenceRule(rule))) => Some(rule.as_ref()),
        Some(_) => return Err(unreadable()),
    };
    if rules.next().is_some() || event.has_property(&ICalendarProperty::Exrule) {
        return Err(unreadable());
    }
    Ok(rule)
}

/// What an event is called.
pub(super) fn title(event: &ICalendarComponent) -> String {
    let text = event.property(&ICalendarProperty::Summary).and_then(|entry| entry.values.first()?.as_text());
    text.unwrap_or_default().trim().chars().take(TITLE_MAX).collect()
}

/// The e-mail address of a person who takes part and has not declined.
fn attendee(entry: &ICalendarEntry) -> Option<String> {
    let not_there = |answer: &ICalendarParameterValue| {
        matches!(
            answer,
            ICalendarParameterValue::Partstat(
                ICalendarParticipationStatus::Declined | ICalendarParticipationStatus::Delegated
            )
        )
    };
    let nobody = |kind: &ICalendarParameterValue| {
        matches!(
            kind,
            ICalendarParameterValue::Cutype(
                ICalendarUserTypes::Resource | ICalendarUserTypes::Room | ICalendarUserTypes::Group
            )
        )
    };
    let away = entry.parameters(&ICalendarParameterName::Partstat).any(not_there)
        || entry.parameters(&ICalendarParameterName::Cutype).any(nobody);
    let address = entry.calendar_address().filter(|address| address.contains('@') && !away)?;
    Some(address.to_owned())
}
