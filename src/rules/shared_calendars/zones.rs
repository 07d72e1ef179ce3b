//! Which zone a calendar means by a name.
//!
//! In this order: a name of the time zone database such as `Asia/Shanghai`, with whatever
//! a program puts before it; what the calendar itself says of its zone (VTIMEZONE), as far
//! as that is two offsets and when they change; Outlook's names. Anything else is unknown: a
//! name that merely tells an offset may hide that the clock changes there.

use std::collections::BTreeMap;

use calcard::common::PartialDateTime;
use calcard::common::timezone::Tz;
use calcard::icalendar::timezone::TzResolver;
use calcard::icalendar::{
    ICalendar, ICalendarComponent, ICalendarComponentType, ICalendarEntry, ICalendarFrequency,
    ICalendarPeriod, ICalendarProperty, ICalendarRecurrenceRule, ICalendarValue,
};
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use super::event::Length;
use super::written::{Written, offset, wall};
use crate::rules::schedule::{DAY, Minute, instant};

/// The zones of a calendar.
pub(super) struct Zones<'z> {
    /// Those that it describes.
    described: BTreeMap<String, TimeZone>,
    /// Those whose names mean something to mail programs.
    named: TzResolver<&'z str>,
    /// The one of times without any.
    floating: &'z TimeZone,
}

impl<'z> Zones<'z> {
    pub(super) fn of(calendar: &'z ICalendar, floating: &'z TimeZone) -> Self {
        let described = calendar.timezones().filter_map(|zone| {
            let name = text(zone, &ICalendarProperty::Tzid)?;
            Some((name.to_owned(), described(calendar, zone)?))
        });
        Self { described: described.collect(), named: calendar.build_tz_resolver(), floating }
    }

    fn find(&self, name: &str) -> Result<TimeZone, String> {
        let outlooks = || {
            let zone = self.named.resolve(name).filter(|zone| matches!(zone, Tz::Tz(_)))?;
            let known = zone.name().filter(|known| *known == "Etc/UTC" || !known.starts_with("Etc/"))?;
            TimeZone::get(&known).ok()
        };
        let described = || self.described.get(name).cloned();
        // EST and the like mean to some what they describe, to others what the database says.
        let known = if name.contains('/') {
            ours(name).or_else(described)
        } else {
            described().or_else(|| ours(name))
        };
        known
            .or_else(outlooks)
            .ok_or_else(|| format!("its time zone {name:?} is not known; those such as Asia/Shanghai are"))
    }

    /// All times of an entry, those of periods with their lengths.
    pub(super) fn all(&self, entry: &ICalendarEntry) -> Result<Vec<(Written, Option<Length>)>, String> {
        let mut found = Vec::new();
        for value in &entry.values {
            let (start, length) = if let ICalendarValue::Period(period) = value {
                match period {
                    ICalendarPeriod::Range { start, end } => {
                        (Some(start), self.written(entry, end)?.map(Length::To))
                    }
                    ICalendarPeriod::Duration { start, duration } => {
                        let minutes = duration.as_seconds().div_euclid(60);
                        (Some(start), Some(Length::Lasts { days: 0, minutes }))
                    }
                }
            } else {
                (value.as_partial_date_time(), None)
            };
            let written = start.map(|start| self.written(entry, start)).transpose()?.flatten();
            found.extend(written.map(|written| (written, length)));
        }
        Ok(found)
    }

    fn written(&self, entry: &ICalendarEntry, time: &PartialDateTime) -> Result<Option<Written>, String> {
        let Some(wall) = wall(time) else { return Ok(None) };
        let whole_day = time.hour.is_none();
        let (zone, floating) = match (offset(time), entry.tz_id()) {
            _ if whole_day => (self.floating.clone(), true),
            (Some(offset), _) => (TimeZone::fixed(offset), false),
            (None, Some(name)) => (self.find(name)?, false),
            (None, None) => (self.floating.clone(), true),
        };
        Ok(Some(Written { wall, zone, floating, whole_day }))
    }
}

/// Whether an event that happens once is over before an instant, whatever its zone.
pub(super) fn is_over_before(event: &ICalendarComponent, before: Timestamp) -> bool {
    let first = |property| event.property(property).and_then(|entry| entry.values.first());
    let time = |property| first(property).and_then(|value| wall(value.as_partial_date_time()?));
    let end = time(&ICalendarProperty::Dtend).or_else(|| time(&ICalendarProperty::Dtstart));
    let repeats = [ICalendarProperty::Rrule, ICalendarProperty::Rdate, ICalendarProperty::Duration];
    let once = !repeats.iter().any(|property| event.has_property(property));
    once && end.is_some_and(|end| instant(&TimeZone::UTC, end + 2 * DAY) < before)
}

/// A zone of the database by its name, or by the end of its name.
fn ours(name: &str) -> Option<TimeZone> {
    let ends = name.match_indices('/').map(|(at, _)| name.get(at + 1..).unwrap_or_default());
    std::iter::once(name).chain(ends).find_map(|name| TimeZone::get(name.trim()).ok())
}

fn text<'c>(component: &'c ICalendarComponent, property: &ICalendarProperty) -> Option<&'c str> {
    component.property(property)?.values.first()?.as_text()
}

/// One of the two times that a zone has.
struct Observance<'c> {
    since: Minute,
    offset: Offset,
    rule: Option<&'c ICalendarRecurrenceRule>,
}

/// A zone as the calendar describes it, if that can be said in POSIX's words: the
/// latest of each of its two times, and on which weekday of which month they change.
fn described(calendar: &ICalendar, zone: &ICalendarComponent) -> Option<TimeZone> {
    let latest = |kind: ICalendarComponentType| {
        let parts = zone.component_ids.iter().filter_map(|id| calendar.component_by_id(*id));
        let parts = parts.filter(|part| part.component_type == kind).filter_map(observance);
        parts.max_by_key(|part| part.since)
    };
    let standard = latest(ICalendarComponentType::Standard)?;
    let daylight = latest(ICalendarComponentType::Daylight);
    let Some(daylight) = daylight else {
        return Some(TimeZone::fixed(standard.offset));
    };
    // Without a rule its times are listed, and who knows for how long.
    let ended = daylight.rule?.until.as_ref().and_then(wall).is_some_and(|until| until < standard.since);
    if ended {
        return Some(TimeZone::fixed(standard.offset));
    }
    let posix = format!(
        "<std>{}<dst>{},{},{}",
        posix_offset(standard.offset),
        posix_offset(daylight.offset),
        posix_change(&daylight)?,
        posix_change(&standard)?
    );
    TimeZone::posix(&posix).ok()
}

fn observance(part: &ICalendarComponent) -> Option<Observance<'_>> {
    let time = |property: &ICalendarProperty| part.property(property)?.values.first()?.as_partial_date_time();
    let rule = part.property(&ICalendarProperty::Rrule).and_then(|entry| {
        let Some(ICalendarValue::RecurrenceRule(rule)) = entry.values.first() else { return None };
        Some(rule.as_ref())
    });
    Some(Observance {
        since: wall(time(&ICalendarProperty::Dtstart)?)?,
        offset: offset(time(&ICalendarProperty::Tzoffsetto)?)?,
        rule,
    })
}

/// POSIX counts from the zone to UTC.
fn posix_offset(offset: Offset) -> String {
    let minutes = -offset.seconds() / 60;
    let sign = if minutes < 0 { "-" } else { "" };
    format!("{sign}{}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

/// `M10.5.0/3:00`: the last Sunday of October, at three.
fn posix_change(part: &Observance<'_>) -> Option<String> {
    let rule = part.rule.filter(|rule| rule.freq == ICalendarFrequency::Yearly)?;
    let ([month], [day]) = (rule.bymonth.as_slice(), rule.byday.as_slice()) else { return None };
    let week = match day.ordwk? {
        -1 => 5,
        week @ 1..=4 => week,
        _ => return None,
    };
    let minute = part.since.rem_euclid(DAY);
    let weekday = weekday_from_sunday(day.weekday);
    Some(format!("M{}.{week}.{weekday}/{}:{:02}", month.month(), minute / 60, minute % 60))
}

fn weekday_from_sunday(day: calcard::icalendar::ICalendarWeekday) -> u8 {
    use calcard::icalendar::ICalendarWeekday as W;
    match day {
        W::Sunday => 0,
        W::Monday => 1,
        W::Tuesday => 2,
        W::Wednesday => 3,
        W::Thursday => 4,
        W::Friday => 5,
        W::Saturday => 6,
    }
}
