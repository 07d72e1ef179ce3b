//! `schedules`: layers that hand over, and overrides.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use super::{Documents, Notes, Place, Registry, SCHEDULE, Text, lint, place_of, times};
use crate::domain::{Days, Hours, Person};
use crate::rules::SourceFile;
use crate::rules::document::{LayerEntry, OneOrMany, OverrideEntry, ScheduleEntry, place};
use crate::rules::schedule::{
    Calendar, DAY, Layer, Mask, Minute, Override, Rotating, Rotation, Schedule, Turns, day, instant,
    minute_of, weekday,
};
use crate::rules::shared_calendars::{CalendarAddress, Calendars, Event, Shifts, events, named};

/// Longest slot of a rotation, in its unit.
const HOURS_MAX: Minute = 1_000;
const DAYS_MAX: Minute = 366;
/// So many titles of events that name nobody are listed.
const STRANGERS_SHOWN: usize = 5;
/// So many events that are left out are listed.
const REMARKS_SHOWN: usize = 5;

/// All schedules under `schedules`.
pub(super) fn schedules<'a>(
    documents: &mut Documents<'a>,
    people: &Registry<'a, Person>,
    calendars: &Registry<'a, Arc<Calendar>>,
    shared: &Calendars,
    notes: &mut Notes,
) -> Registry<'a, Schedule> {
    let mut schedules = Registry::new(SCHEDULE);
    for (file, document) in documents.iter_mut() {
        for (name, entry) in document.schedules.take().map(|entries| entries.0).unwrap_or_default() {
            let at = place_of(file, &name);
            let mut reader = Reader { file: *file, people, calendars, shared, notes };
            let schedule = reader.schedule(entry, at);
            schedules.add(&name.value, at, schedule, notes);
        }
    }
    schedules
}

/// What an event says of people: its title and its attendees.
type Naming<'e> = (&'e str, &'e [String]);

/// Reads the schedules of one file.
struct Reader<'r, 'a> {
    file: SourceFile<'a>,
    people: &'r Registry<'a, Person>,
    calendars: &'r Registry<'a, Arc<Calendar>>,
    shared: &'r Calendars,
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
        if let Some(address) = &entry.ical {
            self.only_ical(&entry);
            return self.shared_calendar(address, zone, at);
        }
        let hours = entry.hours.as_ref().and_then(|text| times::hours(text, &self.file, self.notes));
        let days = entry.days.map_or(Days::ALL, |texts| times::days(texts, &self.file, self.notes));
        let calendar = entry.calendar.as_ref().and_then(|name| {
            let at = place_of(&self.file, name);
            self.calendars.find(&name.value, at, self.notes).cloned()
        });
        if entry.who.is_none() {
            let message = "this layer has nobody; name people with who, or a shared calendar with ical";
            self.notes.error(at, message);
        }
        let who = entry.who.map(|who| self.who(OneOrMany::texts(who), at)).unwrap_or_default();
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
        let turns = Turns::Rotation(Rotating { mask, rotation, begins: from.map(|_| anchor) });
        Layer { zone, who, turns, spot: at.spot() }
    }

    /// Says what has no meaning beside `ical`.
    fn only_ical(&mut self, entry: &LayerEntry) {
        let texts = [&entry.rotate, &entry.at, &entry.from, &entry.hours, &entry.calendar];
        let texts = texts.into_iter().flatten().map(|text| text.referenced);
        let lists = [&entry.who, &entry.days].into_iter().flatten().map(|list| list.referenced);
        for location in texts.chain(lists) {
            let at = place(self.file.path, location);
            let message = "beside ical there is only timezone, for the calendar says who and when; drop this, \
                           or make it a layer of its own";
            self.notes.error(at, message);
        }
    }

    /// A layer whose shifts are in a calendar of others.
    fn shared_calendar(&mut self, written: &Text, zone: TimeZone, at: Place<'_>) -> Layer {
        let place = place_of(&self.file, written);
        let Some(address) = CalendarAddress::new(&written.value, self.file.path) else {
            let message = "ical names neither a file nor an address; write it as in oncall.ics or \
                           https://calendar.example.com/oncall.ics";
            self.notes.error(place, message);
            return Layer { zone, who: Vec::new(), turns: Turns::Calendar(None), spot: at.spot() };
        };
        let read = match self.shared.get(&address) {
            Some(Ok(copy)) => events(copy, &zone),
            Some(Err(why)) => Err(why.clone()),
            None => Err("it has not been read".to_owned()),
        };
        let shifts = match read {
            Ok((events, remarks)) => {
                let more = remarks.len().saturating_sub(REMARKS_SHOWN);
                let more = (more > 0).then(|| format!("{more} more events are left out"));
                for remark in remarks.into_iter().take(REMARKS_SHOWN).chain(more) {
                    let message = format!("calendar {address}: {remark}");
                    self.notes.warning(lint::CALENDAR_STRANGER, place, message);
                }
                Some(self.shifts(&events, &address, place))
            }
            Err(why) if address.file().is_some() => {
                self.notes.error(place, format!("calendar {address}: {why}"));
                None
            }
            Err(why) => {
                let message =
                    format!("calendar {address}: {why}; nobody is on call by this layer until it is read");
                self.notes.warning(lint::UNREAD_CALENDAR, place, message);
                None
            }
        };
        let who = shifts.as_ref().map(Shifts::people).into_iter().flatten().map(str::to_owned).collect();
        Layer { zone, who, turns: Turns::Calendar(shifts), spot: at.spot() }
    }

    /// Who is on call by events; says which of them name nobody.
    fn shifts(&mut self, events: &[Event], address: &CalendarAddress, at: Place<'_>) -> Shifts {
        let people: BTreeMap<&str, &Person> =
            self.people.entries.iter().map(|(name, (_, person))| (name.as_str(), person)).collect();
        // What repeats names the same people each time.
        let mut known: BTreeMap<Naming<'_>, (u8, BTreeSet<String>)> = BTreeMap::new();
        for event in events {
            known.entry((&event.title, &event.attendees)).or_insert_with(|| named(event, &people));
        }
        let strangers: BTreeSet<&str> =
            known.iter().filter(|(_, (_, who))| who.is_empty()).map(|((title, _), _)| *title).collect();
        if !strangers.is_empty() && self.notes.complete {
            let few = strangers.iter().take(STRANGERS_SHOWN).map(|title| format!("{title:?}"));
            let few = few.collect::<Vec<_>>().join(", ");
            let more = match strangers.len().saturating_sub(STRANGERS_SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let message = format!(
                "calendar {address}: {few}{more}: nobody of people is named, so nobody is on call by that; known: {}",
                self.people.names().collect::<Vec<_>>().join(", ")
            );
            self.notes.warning(lint::CALENDAR_STRANGER, at, message);
        }
        let with_people = events.iter().filter_map(|event| {
            let (level, who) = known.get(&(&*event.title, &*event.attendees))?;
            Some((event, *level, who))
        });
        Shifts::of(with_people)
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
