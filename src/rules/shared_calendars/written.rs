//! Times as iCalendar writes them: of a zone by name, of UTC, or of no zone at all.

use calcard::common::PartialDateTime;
use calcard::common::timezone::Tz;
use calcard::icalendar::timezone::TzResolver;
use calcard::icalendar::{ICalendarEntry, ICalendarPeriod, ICalendarValue};
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
    /// It is a date.
    pub(super) whole_day: bool,
}

impl Written {
    pub(super) fn instant(&self) -> Timestamp {
        instant(&self.zone, self.wall)
    }

    /// The same time by the clocks of a zone.
    pub(super) fn wall_in(&self, zone: &TimeZone) -> Minute {
        if self.zone == *zone { self.wall } else { minute(zone, self.instant()) }
    }
}

/// The zones of a calendar.
pub(super) struct Zones<'z> {
    /// Those that it defines.
    pub(super) named: TzResolver<&'z str>,
    /// The one of times without any.
    pub(super) floating: &'z TimeZone,
}

impl Zones<'_> {
    fn find(&self, name: Option<&str>) -> Result<TimeZone, String> {
        let Some(name) = name else { return Ok(self.floating.clone()) };
        let ours = |name: &str| TimeZone::get(name).ok();
        let theirs = || match self.named.resolve(name)? {
            Tz::Fixed(offset) => Offset::from_seconds(offset.local_minus_utc()).ok().map(TimeZone::fixed),
            zone @ Tz::Tz(_) => ours(&zone.name()?),
            Tz::Floating => None,
        };
        ours(name)
            .or_else(theirs)
            .ok_or_else(|| format!("its time zone {name:?} is not known; those such as Asia/Shanghai are"))
    }

    /// A time of an entry.
    fn written(&self, entry: &ICalendarEntry, time: &PartialDateTime) -> Result<Option<Written>, String> {
        let Some(wall) = wall(time) else { return Ok(None) };
        let zone = match offset(time) {
            Some(offset) => TimeZone::fixed(offset),
            None => self.find(entry.tz_id())?,
        };
        Ok(Some(Written { wall, zone, whole_day: time.hour.is_none() }))
    }

    /// All times of an entry.
    pub(super) fn all(&self, entry: &ICalendarEntry) -> Result<Vec<Written>, String> {
        let mut found = Vec::new();
        for value in &entry.values {
            let time = if let ICalendarValue::Period(
                ICalendarPeriod::Range { start, .. } | ICalendarPeriod::Duration { start, .. },
            ) = value
            {
                Some(start)
            } else {
                value.as_partial_date_time()
            };
            if let Some(time) = time {
                found.extend(self.written(entry, time)?);
            }
        }
        Ok(found)
    }
}

/// The minute a time lies in; `None`: it is no date.
fn wall(time: &PartialDateTime) -> Option<Minute> {
    let part = |part: Option<u8>| part.map(i8::try_from).transpose().ok();
    let (year, month, day) = (i16::try_from(time.year?).ok()?, part(time.month)??, part(time.day)??);
    let (hour, minute) = (part(time.hour)?.unwrap_or_default(), part(time.minute)?.unwrap_or_default());
    DateTime::new(year, month, day, hour, minute, 0, 0).ok().map(minute_of)
}

fn offset(time: &PartialDateTime) -> Option<Offset> {
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
