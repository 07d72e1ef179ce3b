//! Wall time as a number, and its way to instants and back.
//!
//! A [`Minute`] counts minutes of wall time, whatever the zone, from the
//! beginning of Monday 2024-01-01. Schedules are worked out in minutes, where
//! each day has 1440, and only the results become instants.
//!
//! # Where a zone changes its offset
//!
//! A wall time that comes twice means its first coming; one that is skipped
//! means the first instant after the gap. So later minutes never have earlier
//! instants, and [`minute`] is the exact inverse of [`instant`]: for any instant
//! `t` and minute `m`, `instant(m) <= t` if and only if `m <= minute(t)`. While
//! an hour passes for the second time, the minute stands still at its end.

use jiff::civil::{Date, DateTime, Time, Weekday, date};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// Minutes of wall time since the beginning of [`EPOCH`].
pub(in crate::rules) type Minute = i64;

/// Days since [`EPOCH`].
pub(in crate::rules) type Day = i64;

/// Minutes of a day.
pub(in crate::rules) const DAY: Minute = 24 * 60;

/// A Monday: day numbers that 7 divides are Mondays.
const EPOCH: Date = date(2024, 1, 1);

const TICK: SignedDuration = SignedDuration::from_nanos(1);

/// The day a minute lies in.
pub(in crate::rules) fn day_of(minute: Minute) -> Day {
    minute.div_euclid(DAY)
}

/// The number of a date.
pub(in crate::rules) fn day(date: Date) -> Day {
    date.duration_since(EPOCH).as_hours() / 24
}

/// The date of a day.
pub(in crate::rules) fn date_of(day: Day) -> Option<Date> {
    EPOCH.checked_add(SignedDuration::from_hours(day.checked_mul(24)?)).ok()
}

/// Its day of the week.
pub(in crate::rules) fn weekday(day: Day) -> Weekday {
    let offset = i8::try_from(day.rem_euclid(7)).unwrap_or_default();
    Weekday::from_monday_zero_offset(offset).unwrap_or(Weekday::Monday)
}

/// The minute a wall time lies in.
pub(in crate::rules) fn minute_of(wall: DateTime) -> Minute {
    day(wall.date()) * DAY + i64::from(wall.hour()) * 60 + i64::from(wall.minute())
}

/// When a minute begins in the zone. Beyond the calendar's ends: the end.
pub(in crate::rules) fn instant(zone: &TimeZone, minute: Minute) -> Timestamp {
    let far = if minute < 0 { Timestamp::MIN } else { Timestamp::MAX };
    let beginning = EPOCH.to_datetime(Time::midnight());
    let Some(span) = minute.checked_mul(60).map(SignedDuration::from_secs) else { return far };
    let Ok(wall) = beginning.checked_add(span) else { return far };
    let ambiguous = zone.to_ambiguous_timestamp(wall);
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => {
            ambiguous.earlier().unwrap_or(far)
        }
        // Read with the offset before the gap, the time lies after it.
        AmbiguousOffset::Gap { .. } => {
            ambiguous.later().ok().and_then(|after| last_change(zone, after)).unwrap_or(far)
        }
    }
}

/// The minute of an instant: the last one that has begun in the zone by then.
pub(in crate::rules) fn minute(zone: &TimeZone, at: Timestamp) -> Minute {
    let offset = zone.to_offset(at);
    let wall = offset.to_datetime(at);
    let second_time = match zone.to_ambiguous_timestamp(wall).offset() {
        AmbiguousOffset::Fold { after, before } => offset == after && before != after,
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Gap { .. } => false,
    };
    let turned_back = second_time.then(|| last_change(zone, at)).flatten();
    let end_of_first = turned_back.and_then(|change| change.checked_sub(TICK).ok());
    end_of_first.map_or_else(|| minute_of(wall), |end| minute_of(zone.to_datetime(end)))
}

/// The last change of the zone's offset at or before an instant.
fn last_change(zone: &TimeZone, at: Timestamp) -> Option<Timestamp> {
    let changes = zone.preceding(at.checked_add(TICK).ok()?);
    changes
        .filter(|change| {
            let before = change.timestamp().checked_sub(TICK).map(|t| zone.to_offset(t));
            before.is_ok_and(|offset| offset != change.offset())
        })
        .map(|change| change.timestamp())
        .next()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    #[test]
    fn doubled_and_skipped_times_have_one_instant() {
        for (name, wall, expected) in [
            ("Asia/Shanghai", "2026-11-22T10:00", "2026-11-22T02:00:00Z"),
            ("Europe/Berlin", "2026-03-29T01:59", "2026-03-29T00:59:00Z"),
            ("Europe/Berlin", "2026-03-29T02:00", "2026-03-29T01:00:00Z"),
            ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:00:00Z"),
            ("Europe/Berlin", "2026-03-29T03:00", "2026-03-29T01:00:00Z"),
            ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30:00Z"),
            ("Europe/Berlin", "2026-10-25T03:00", "2026-10-25T02:00:00Z"),
            ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30:00Z"),
            ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45:00Z"),
            ("Australia/Lord_Howe", "2026-04-05T02:00", "2026-04-04T15:30:00Z"),
            ("America/Sao_Paulo", "2018-11-04T00:00", "2018-11-04T03:00:00Z"),
            ("America/Sao_Paulo", "2018-02-17T23:30", "2018-02-18T01:30:00Z"),
            ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00:00Z"),
        ] {
            let minute = minute_of(wall.parse().unwrap());
            assert_eq!(instant(&zone(name), minute).to_string(), expected, "{wall} in {name}");
        }
    }

    #[test]
    fn the_second_passing_of_an_hour_is_the_end_of_the_first() {
        let berlin = zone("Europe/Berlin");
        for (at, wall) in [
            ("2026-10-25T00:30:00Z", "2026-10-25T02:30"),
            ("2026-10-25T00:59:59Z", "2026-10-25T02:59"),
            ("2026-10-25T01:00:00Z", "2026-10-25T02:59"),
            ("2026-10-25T01:59:59Z", "2026-10-25T02:59"),
            ("2026-10-25T02:00:00Z", "2026-10-25T03:00"),
        ] {
            assert_eq!(minute(&berlin, at.parse().unwrap()), minute_of(wall.parse().unwrap()), "{at}");
        }
    }

    #[test]
    fn the_ends_of_the_calendar_are_ends() {
        for (minute, end) in [(i64::MIN, Timestamp::MIN), (i64::MAX, Timestamp::MAX)] {
            assert_eq!(instant(&zone("Europe/Berlin"), minute), end);
        }
    }

    proptest! {
        #[test]
        fn a_minute_has_begun_exactly_from_its_instant_on(
            name in prop::sample::select(vec![
                "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
                "America/Sao_Paulo", "Asia/Kolkata", "Pacific/Apia", "Africa/Casablanca",
            ]),
            second in 1_293_840_000_i64..2_145_916_800,
            away in -200_i64..200,
        ) {
            let zone = zone(name);
            let at = Timestamp::from_second(second).unwrap();
            // Around the next change of offset, where all the difficulty is.
            let change = zone.following(at).next().map_or(at, |change| change.timestamp());
            for at in [at, change + SignedDuration::from_mins(away)] {
                let now = minute(&zone, at);
                for minute in now - 150..now + 150 {
                    prop_assert_eq!(instant(&zone, minute) <= at, minute <= now, "{} at {}", minute, at);
                }
            }
        }
    }
}
