//! `schedules`: layers that hand over, and overrides.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use super::{Documents, Notes, Place, Registry, SCHEDULE, Text, place_of, times};
use crate::domain::{Days, Hours, Person};
use crate::rules::SourceFile;
use crate::rules::document::{LayerEntry, OneOrMany, OverrideEntry, ScheduleEntry, place};
use crate::rules::schedule::{
    Calendar, DAY, Layer, Mask, Minute, Override, Rotation, Schedule, day, instant, minute_of, weekday,
};

/// Longest slot of a rotation, in its unit.
const HOURS_MAX: Minute = 1_000;
const DAYS_MAX: Minute = 366;

/// All schedules under `schedules`.
pub(super) fn schedules<'a>(
    documents: &mut Documents<'a>,
    people: &Registry<'a, Person>,
    calendars: &Registry<'a, Arc<Calendar>>,
    notes: &mut Notes,
) -> Registry<'a, Schedule> {
    let mut schedules = Registry::new(SCHEDULE);
    for (file, document) in documents.iter_mut() {
        for (name, entry) in document.schedules.take().map(|entries| entries.0).unwrap_or_default() {
            let at = place_of(file, &name);
            let mut reader = Reader { file: *file, people, calendars, notes };
            let schedule = reader.schedule(entry, at);
            schedules.add(&name.value, at, schedule, notes);
        }
    }
    schedules
}

/// Reads the schedules of one file.
struct Reader<'r, 'a> {
    file: SourceFile<'a>,
    people: &'r Registry<'a, Person>,
    calendars: &'r Registry<'a, Arc<Calendar>>,
    notes: &'r mut Notes,
}

/// How a layer hands over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rotate {
    Daily,
    Weekly,
    /// After so many minutes.
    Every(Minute),
}

impl Rotate {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "daily" => return Some(Self::Daily),
            "weekly" => return Some(Self::Weekly),
            _ => {}
        }
        let (number, unit, max) = if let Some(number) = text.strip_suffix('h') {
            (number, 60, HOURS_MAX)
        } else {
            (text.strip_suffix('d')?, DAY, DAYS_MAX)
        };
        let plain = number.chars().all(|c| c.is_ascii_digit());
        let number: Minute = if plain { number.parse().ok()? } else { return None };
        (1..=max).contains(&number).then_some(Self::Every(number * unit))
    }

    fn period(self) -> Minute {
        match self {
            Self::Daily => DAY,
            Self::Weekly => 7 * DAY,
            Self::Every(minutes) => minutes,
        }
    }
}

impl Reader<'_, '_> {
    fn schedule(&mut self, entry: ScheduleEntry, at: Place<'_>) -> Schedule {
        let zone = times::zone(&entry.timezone, &self.file, self.notes);
        if entry.layers.value.is_empty() {
            let at = place(self.file.path, entry.layers.referenced);
            self.notes.error(at, "a schedule without a layer calls nobody; add one with rotate, at and who");
        }
        let layers = entry.layers.value.into_iter().map(|layer| {
            let at = place(self.file.path, layer.referenced);
            self.layer(layer.value, &zone, at)
        });
        let layers = layers.collect();
        let overrides = entry.overrides.into_iter().flatten();
        let overrides = overrides.filter_map(|one| self.replacement(&one, &zone)).collect();
        Schedule { zone, layers, overrides, spot: at.spot() }
    }

    fn layer(&mut self, entry: LayerEntry, zone: &TimeZone, at: Place<'_>) -> Layer {
        let zone = entry
            .timezone
            .as_ref()
            .map_or_else(|| zone.clone(), |text| times::zone(text, &self.file, self.notes));
        let hours = entry.hours.as_ref().and_then(|text| times::hours(text, &self.file, self.notes));
        let days = entry.days.map_or(Days::ALL, |texts| times::days(texts, &self.file, self.notes));
        let calendar = entry.calendar.as_ref().and_then(|name| {
            let at = place_of(&self.file, name);
            self.calendars.find(&name.value, at, self.notes).cloned()
        });
        let who = self.who(OneOrMany::texts(entry.who), at);
        if entry.rotate.is_none() && who.len() > 1 {
            let message =
                format!("{} people and no rotate; say when they hand over, as in rotate: weekly", who.len());
            self.notes.error(at, message);
        }
        let rotate = entry.rotate.map_or(Rotate::Weekly, |text| self.rotate(&text));
        let (weekday, minute) = self.hand_over(rotate, entry.at.as_ref(), hours);
        let from = entry.from.as_ref().and_then(|text| self.from(text));
        let anchor = first(from.unwrap_or_default(), weekday) * DAY + minute;
        let mask = Mask::new(hours, days, calendar);
        let rotation = Rotation::new(anchor, rotate.period(), &mask);
        Layer { zone, mask, rotation, who, begins: from.map(|_| anchor), spot: at.spot() }
    }

    fn who(&mut self, texts: Vec<Text>, at: Place<'_>) -> Vec<String> {
        if texts.is_empty() {
            self.notes.error(at, "nobody is in who; name at least one person");
        }
        let known = |text: &Text| self.person(text);
        let known: Vec<bool> = texts.iter().map(known).collect();
        let names = texts.into_iter().zip(known).filter(|(_, known)| *known);
        names.map(|(text, _)| text.value).collect()
    }

    fn person(&mut self, text: &Text) -> bool {
        self.people.find(&text.value, place_of(&self.file, text), self.notes).is_some()
    }

    fn rotate(&mut self, text: &Text) -> Rotate {
        Rotate::parse(&text.value).unwrap_or_else(|| {
            let message = format!(
                "bad rotate {:?}; write daily, weekly, or hours or days as in 12h (to {HOURS_MAX}h), 3d (to {DAYS_MAX}d)",
                text.value
            );
            self.notes.error(place_of(&self.file, text), message);
            Rotate::Every(DAY)
        })
    }

    /// Day and minute of the day of the hand-over: `mon 10:00` or `10:00`.
    fn hand_over(
        &mut self,
        rotate: Rotate,
        at: Option<&Text>,
        hours: Option<Hours>,
    ) -> (Option<Weekday>, Minute) {
        let Some(text) = at else { return (None, hours.map_or(0, |h| h.start().into())) };
        let words: Vec<&str> = text.value.split_whitespace().collect();
        let (day, clock) = match words.as_slice() {
            [clock] => (Some(None), *clock),
            [day, clock] => (times::weekday(day).map(Some), *clock),
            _ => (None, ""),
        };
        let minute = times::time(clock).filter(|minute| *minute < Hours::DAY);
        let (Some(day), Some(minute)) = (day, minute) else {
            let message =
                format!("bad hand-over {:?}; write it as in \"mon 10:00\" or \"10:00\"", text.value);
            self.notes.error(place_of(&self.file, text), message);
            return (None, 0);
        };
        let complaint = match (rotate, day) {
            (Rotate::Weekly, None) => {
                Some("weekly hands over on one day of the week; name it, as in \"mon 10:00\"")
            }
            (Rotate::Daily, Some(_)) => Some("daily hands over every day; name no day, as in \"10:00\""),
            (Rotate::Weekly | Rotate::Daily | Rotate::Every(_), _) => None,
        };
        if let Some(complaint) = complaint {
            self.notes.error(place_of(&self.file, text), complaint);
        }
        (day, minute.into())
    }

    /// The day a layer starts counting.
    fn from(&mut self, text: &Text) -> Option<i64> {
        let date = times::date(&text.value);
        if date.is_none() {
            let message = format!("bad date {:?}; write it as in \"2026-10-01\"", text.value);
            self.notes.error(place_of(&self.file, text), message);
        }
        date.map(day)
    }

    fn replacement(&mut self, entry: &OverrideEntry, zone: &TimeZone) -> Option<Override> {
        let known = self.person(&entry.who);
        let [from, to] = [&entry.from, &entry.to].map(|text| times::datetime(text, &self.file, self.notes));
        let (from, to) = from.zip(to)?;
        if from >= to {
            let message = format!(
                "this override ends at {}, not after it begins, at {}; swap the two",
                entry.to.value, entry.from.value
            );
            self.notes.error(place_of(&self.file, &entry.to), message);
        }
        let instant = |wall| -> Timestamp { instant(zone, minute_of(wall)) };
        known.then(|| Override { who: entry.who.value.clone(), from: instant(from), to: instant(to) })
    }
}

/// The first day on or after `from` that is such a weekday.
fn first(from: i64, wanted: Option<Weekday>) -> i64 {
    let ahead = wanted.map_or(0, |wanted| weekday(from).until(wanted));
    from + i64::from(ahead)
}
