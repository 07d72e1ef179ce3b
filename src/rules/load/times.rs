//! Times of the day, days, dates, spans and zones as rules spell them.

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;

use super::{Notes, Text, place_of};
use crate::domain::{Days, Hours};
use crate::rules::document::OneOrMany;
use crate::rules::finding::nearest;
use crate::rules::schedule::{Day, day};
use crate::rules::{SourceFile, duration};
use serde_saphyr::Spanned;

const WEEKDAYS: [(&str, &str, Weekday); 7] = [
    ("mon", "monday", Weekday::Monday),
    ("tue", "tuesday", Weekday::Tuesday),
    ("wed", "wednesday", Weekday::Wednesday),
    ("thu", "thursday", Weekday::Thursday),
    ("fri", "friday", Weekday::Friday),
    ("sat", "saturday", Weekday::Saturday),
    ("sun", "sunday", Weekday::Sunday),
];

/// Longest range of dates, in days: longer ones are slips of a year.
const RANGE_DAYS_MAX: Day = 366;

/// `30s`, `5m`, `1h30m`; zero after saying what is wrong with it.
pub(super) fn span(text: &Text, file: &SourceFile<'_>, notes: &mut Notes) -> SignedDuration {
    duration::parse(&text.value).unwrap_or_else(|| {
        let message =
            format!("bad duration {:?}; write numbers with units, as in 30s, 5m, 1h30m, 2d", text.value);
        notes.error(place_of(file, text), message);
        SignedDuration::ZERO
    })
}

/// A [`span`] that is not shorter than `least`, which is written as `spelled`.
pub(super) fn span_of_at_least(
    (least, spelled): (SignedDuration, &str),
    text: &Text,
    file: &SourceFile<'_>,
    notes: &mut Notes,
) -> SignedDuration {
    if duration::parse(&text.value).is_some_and(|span| span < least) {
        notes.error(place_of(file, text), format!("{:?} is too short; give at least {spelled}", text.value));
    }
    span(text, file, notes)
}

/// `10:00` as minutes from midnight; `24:00` is the midnight at the end.
pub(super) fn time(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let digits =
        |part: &str, least| (least..=2).contains(&part.len()) && part.chars().all(|c| c.is_ascii_digit());
    if !digits(hour, 1) || !digits(minute, 2) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let minutes = hour * 60 + minute;
    (minute < 60 && minutes <= Hours::DAY).then_some(minutes)
}

/// `mon` or `Monday`.
pub(super) fn weekday(text: &str) -> Option<Weekday> {
    let text = text.to_lowercase();
    WEEKDAYS.iter().find(|(short, long, _)| text == *short || text == *long).map(|(_, _, day)| *day)
}

/// `22:00-08:00`.
pub(super) fn hours(text: &Text, file: &SourceFile<'_>, notes: &mut Notes) -> Option<Hours> {
    let parts = text.value.split_once('-').map(|(from, to)| (time(from.trim()), time(to.trim())));
    let place = place_of(file, text);
    let Some((Some(start), Some(end))) = parts else {
        notes.error(place, format!("bad hours {:?}; write them as in \"22:00-08:00\"", text.value));
        return None;
    };
    let hours = Hours::new(start, end);
    if hours.is_none() {
        notes
            .error(place, format!("{:?} is no part of a day; leave hours out for the whole day", text.value));
    }
    hours
}

/// `[mon, tue]`, `mon-fri`, `[mon-thu, sun]`.
pub(super) fn days(texts: Spanned<OneOrMany>, file: &SourceFile<'_>, notes: &mut Notes) -> Days {
    let place = crate::rules::document::place(file.path, texts.referenced);
    let texts = OneOrMany::texts(texts);
    if texts.is_empty() {
        notes.error(place, "no day is named here; name at least one");
    }
    let mut days = Days::default();
    for text in texts {
        let (first, last) = text.value.split_once('-').unwrap_or((&text.value, &text.value));
        let (Some(first), Some(last)) = (weekday(first.trim()), weekday(last.trim())) else {
            let message =
                format!("bad day {:?}; write mon, tue, wed, thu, fri, sat, sun or mon-fri", text.value);
            notes.error(place_of(file, &text), message);
            continue;
        };
        let range: Vec<Weekday> =
            first.cycle_forward().take(1 + usize::from(first.until(last).unsigned_abs())).collect();
        if let Some(twice) = range.iter().find(|day| days.contains(**day)) {
            let name = WEEKDAYS.iter().find(|(_, _, day)| day == twice).map(|(short, ..)| *short);
            let name = name.unwrap_or_default();
            notes.error(place_of(file, &text), format!("{name:?} is listed twice; keep one"));
        }
        days = range.into_iter().fold(days, Days::with);
    }
    days
}

/// `2026-10-01`.
pub(super) fn date(text: &str) -> Option<Date> {
    let shape = |(at, c): (usize, char)| if [4, 7].contains(&at) { c == '-' } else { c.is_ascii_digit() };
    if text.len() != 10 || !text.char_indices().all(shape) {
        return None;
    }
    text.parse().ok()
}

/// `2026-10-01` or `2026-10-01..2026-10-07`, both ends included.
pub(super) fn dates(text: &Text, file: &SourceFile<'_>, notes: &mut Notes) -> Option<(Day, Day)> {
    let place = place_of(file, text);
    let (first, last) = text.value.split_once("..").unwrap_or((&text.value, &text.value));
    let (Some(first), Some(last)) = (date(first.trim()), date(last.trim())) else {
        let message =
            format!("bad date {:?}; write it as in \"2026-10-01\" or \"2026-10-01..2026-10-07\"", text.value);
        notes.error(place, message);
        return None;
    };
    let (first, last) = (day(first), day(last));
    if last < first {
        notes.error(place, format!("{:?} ends before it begins; swap the two", text.value));
        return None;
    }
    if last - first >= RANGE_DAYS_MAX {
        notes.error(place, format!("{:?} is longer than a year; is that meant?", text.value));
        return None;
    }
    Some((first, last))
}

/// `2026-12-01 09:00`, or a date alone for its beginning.
pub(super) fn datetime(text: &Text, file: &SourceFile<'_>, notes: &mut Notes) -> Option<DateTime> {
    let (day, hour) = text.value.split_once([' ', 'T']).unwrap_or((&text.value, "00:00"));
    let minutes = time(hour.trim_start()).filter(|minutes| *minutes < Hours::DAY);
    let clock = minutes.and_then(|minutes| {
        let (hour, minute) = (i8::try_from(minutes / 60).ok()?, i8::try_from(minutes % 60).ok()?);
        Time::new(hour, minute, 0, 0).ok()
    });
    let found = date(day).zip(clock).map(|(date, clock)| date.to_datetime(clock));
    if found.is_none() {
        let message = format!("bad time {:?}; write it as in \"2026-12-01 09:00\"", text.value);
        notes.error(place_of(file, text), message);
    }
    found
}

/// A zone by its IANA name; UTC after saying that there is none.
pub(super) fn zone(text: &Text, file: &SourceFile<'_>, notes: &mut Notes) -> TimeZone {
    if let Ok(zone) = TimeZone::get(&text.value)
        && zone.iana_name().is_some()
    {
        return zone;
    }
    let names: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let hint = nearest(&text.value, &names).map_or_else(
        || "write a name as in Asia/Shanghai or Europe/Berlin".to_owned(),
        |near| format!("did you mean {near:?}?"),
    );
    notes.error(place_of(file, text), format!("unknown time zone {:?}; {hint}", text.value));
    TimeZone::UTC
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_day_are_read() {
        for (text, expected) in [
            ("00:00", Some(0)),
            ("9:05", Some(545)),
            ("10:00", Some(600)),
            ("24:00", Some(1_440)),
            ("24:01", None),
            ("10:60", None),
            ("10", None),
            ("10:0", None),
            ("+1:00", None),
            ("110:00", None),
            ("10:00:00", None),
            ("10am", None),
        ] {
            assert_eq!(time(text), expected, "{text}");
        }
    }

    #[test]
    fn dates_and_days_are_read() {
        for (text, fine) in [
            ("2026-10-01", true),
            ("2026-02-29", false),
            ("2028-02-29", true),
            ("26-10-01", false),
            ("2026-10-1", false),
            ("2026/10/01", false),
        ] {
            assert_eq!(date(text).is_some(), fine, "{text}");
        }
        assert_eq!(weekday("Mon"), Some(Weekday::Monday));
        assert_eq!(weekday("sunday"), Some(Weekday::Sunday));
        assert_eq!(weekday("mo"), None);
    }
}
