//! iCalendar (RFC 5545) → events with their instants.
//!
//! The lines, the recurrence rules and the names that Outlook has for time zones
//! are `calcard`'s; what becomes an instant does so by the one time zone database
//! that all schedules use. Repetitions are worked out in wall time, and so is the end of
//! each: a shift to 10:00 ends at 10:00 also in the week when the clock changes.
//!
//! # Invariants
//!
//! * All or nothing: a calendar that ends in the middle, or whose zones are not
//!   known, is refused as a whole. Somebody at the wrong hour is worse than the
//!   copy from before.
//! * The size of what comes out is bounded, whatever goes in.

use std::collections::{BTreeMap, BTreeSet};

use calcard::common::timezone::Tz;
use calcard::icalendar::{
    ICalendar, ICalendarComponent, ICalendarComponentType, ICalendarEntry, ICalendarParameterName,
    ICalendarParameterValue, ICalendarParticipationStatus, ICalendarProperty, ICalendarRecurrenceRule,
    ICalendarStatus, ICalendarValue,
};
use calcard::{Entry, Parser};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::SPAN_YEARS;
use super::written::{Written, Zones, partial, until_by_the_wall};
use crate::rules::schedule::{DAY, Minute, instant, minute, minute_of};

/// How often one event may repeat: 54 years, daily.
const REPEATS_MAX: usize = 20_000;
/// How many events a calendar may come to, repeated ones counted each time.
const EVENTS_MAX: usize = 200_000;
/// Length of a year in days, roughly.
const YEAR_DAYS: i64 = 366;

const FIRST_LINE: &str = "BEGIN:VCALENDAR";
const LAST_LINE: &str = "END:VCALENDAR";

/// Something that takes place once: `from` is part of it, `to` is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rules) struct Event {
    /// Its first instant.
    pub(in crate::rules) from: Timestamp,
    /// The first instant after it. Later than `from`.
    pub(in crate::rules) to: Timestamp,
    /// Its title.
    pub(in crate::rules) title: String,
    /// E-mail addresses of whoever takes part and has not declined.
    pub(in crate::rules) attendees: Vec<String>,
}

/// The events of a text that take place within [`SPAN_YEARS`] of `around`, by their
/// beginnings, and remarks about what was left out. Times without a zone are of
/// `floating`.
///
/// # Errors
///
/// Why it cannot be understood.
pub(super) fn read(
    text: &str,
    floating: &TimeZone,
    around: Timestamp,
) -> Result<(Vec<Event>, Vec<String>), String> {
    let calendars = parse(text)?;
    let years = SignedDuration::from_hours(SPAN_YEARS * YEAR_DAYS * 24);
    let mut reader = Reader {
        from: around.checked_sub(years).unwrap_or(Timestamp::MIN),
        to: around.checked_add(years).unwrap_or(Timestamp::MAX),
        events: Vec::new(),
        remarks: Vec::new(),
    };
    for calendar in &calendars {
        reader.calendar(calendar, floating)?;
    }
    reader.events.sort_by(|a, b| (a.from, a.to, &a.title).cmp(&(b.from, b.to, &b.title)));
    Ok((reader.events, reader.remarks))
}

fn parse(text: &str) -> Result<Vec<ICalendar>, String> {
    if text.contains('\0') {
        return Err("it is no text".to_owned());
    }
    let text = text.trim_start_matches('\u{feff}').trim();
    let has = |part: Option<&str>, line: &str| part.is_some_and(|part| part.eq_ignore_ascii_case(line));
    if !has(text.get(..FIRST_LINE.len()), FIRST_LINE) {
        return Err(format!("no calendar is in it: it does not begin with {FIRST_LINE}"));
    }
    // The parser takes what it gets; half of it would be a calendar without the other half.
    if !has(text.len().checked_sub(LAST_LINE.len()).and_then(|at| text.get(at..)), LAST_LINE) {
        return Err(format!("it ends in the middle: the last line is not {LAST_LINE}"));
    }
    let mut parser = Parser::new(text);
    let mut calendars = Vec::new();
    loop {
        let entry = parser.entry();
        if entry == Entry::Eof {
            return Ok(calendars);
        }
        if entry == Entry::TooManyComponents {
            return Err("it is too large to be understood".to_owned());
        }
        if let Entry::ICalendar(calendar) = entry {
            calendars.push(calendar);
        }
    }
}

/// A VEVENT.
struct Entries<'c> {
    uid: Option<&'c str>,
    sequence: i64,
    start: Written,
    /// Minutes by the wall.
    length: Minute,
    repeats: Option<&'c ICalendarRecurrenceRule>,
    also: Vec<Written>,
    except: Vec<Written>,
    /// The beginning of the repetition that this stands for, and whether for all
    /// later ones too.
    stands_for: Option<(Written, bool)>,
    cancelled: bool,
    title: String,
    attendees: Vec<String>,
}

struct Reader {
    from: Timestamp,
    to: Timestamp,
    events: Vec<Event>,
    remarks: Vec<String>,
}

impl Reader {
    fn calendar(&mut self, calendar: &ICalendar, floating: &TimeZone) -> Result<(), String> {
        let zones = Zones { named: calendar.build_tz_resolver(), floating };
        let is_event = |one: &&ICalendarComponent| one.component_type == ICalendarComponentType::VEvent;
        let mut all = Vec::new();
        for component in calendar.components.iter().filter(is_event) {
            match entries(component, &zones)? {
                Some(event) => all.push(event),
                None => self.remarks.push(format!("{:?} has no beginning", title(component))),
            }
        }
        // Of two versions of the same the later one counts.
        all.sort_by_key(|event| event.sequence);
        let (instead, events): (Vec<_>, Vec<_>) = all.into_iter().partition(|e| e.stands_for.is_some());
        let mut masters: BTreeMap<&str, usize> = BTreeMap::new();
        for (at, event) in events.iter().enumerate() {
            masters.extend(event.uid.map(|uid| (uid, at)));
        }
        let mut changes: BTreeMap<usize, Changes<'_>> = BTreeMap::new();
        for one in &instead {
            let Some((stands_for, later_too)) = &one.stands_for else { continue };
            match one.uid.and_then(|uid| masters.get(uid)) {
                Some(master) => {
                    let place = (stands_for.instant(), *later_too);
                    changes.entry(*master).or_default().insert(place.0, (one, place.1));
                }
                // Invited to one repetition only.
                None if !one.cancelled => self.add(one, &one.start.zone, one.start.wall)?,
                None => {}
            }
        }
        let none = Changes::new();
        for (at, event) in events.iter().enumerate() {
            let counts = event.uid.is_none_or(|uid| masters.get(uid) == Some(&at));
            if counts && !event.cancelled {
                self.repeat(event, changes.get(&at).unwrap_or(&none))?;
            }
        }
        Ok(())
    }

    /// An event, each time it takes place.
    fn repeat(&mut self, event: &Entries<'_>, changes: &Changes<'_>) -> Result<(), String> {
        let zone = &event.start.zone;
        let except: BTreeSet<Timestamp> = event.except.iter().map(Written::instant).collect();
        let mut times = self.times(event);
        times.extend(event.also.iter().map(|one| one.wall_in(zone)));
        let mut later: Option<(&Entries<'_>, Minute)> = None;
        for wall in times {
            let at = instant(zone, wall);
            match changes.get(&at) {
                Some((instead, _)) if instead.cancelled => {}
                Some((instead, later_too)) => {
                    let begins = instead.start.wall_in(zone);
                    if *later_too {
                        later = Some((instead, begins - wall));
                    }
                    self.add(instead, zone, begins)?;
                }
                None if except.contains(&at) => {}
                None => match later {
                    Some((instead, shift)) => self.add(instead, zone, wall + shift)?,
                    None => self.add(event, zone, wall)?,
                },
            }
        }
        Ok(())
    }

    /// When an event begins, by the wall: once, or as often as its rule says.
    fn times(&mut self, event: &Entries<'_>) -> BTreeSet<Minute> {
        let Some(rule) = event.repeats else { return BTreeSet::from([event.start.wall]) };
        let zone = &event.start.zone;
        let mut rule = rule.clone();
        // Beyond the end it may repeat for ever.
        let end = minute(zone, self.to);
        let until = rule.until.as_ref().and_then(|until| until_by_the_wall(until, zone));
        rule.until = Some(partial(until.map_or(end, |until| until.min(end)).max(event.start.wall)));
        let alone = ICalendar {
            components: vec![ICalendarComponent {
                component_type: ICalendarComponentType::VEvent,
                entries: vec![
                    entry(
                        ICalendarProperty::Dtstart,
                        ICalendarValue::PartialDateTime(Box::new(partial(event.start.wall))),
                    ),
                    entry(ICalendarProperty::Rrule, ICalendarValue::RecurrenceRule(Box::new(rule))),
                ],
                component_ids: Vec::new(),
            }],
        };
        let expanded = alone.expand_dates(Tz::Floating, REPEATS_MAX);
        if let Some(error) = expanded.errors.first() {
            self.remarks
                .push(format!("{:?} repeats in a way that is not understood: {}", event.title, error.error));
            return BTreeSet::from([event.start.wall]);
        }
        if expanded.events.len() == REPEATS_MAX {
            self.remarks.push(format!(
                "{:?} repeats more than {REPEATS_MAX} times; the later ones are left out",
                event.title
            ));
        }
        // Without a zone they count as UTC.
        let wall = |seconds: i64| {
            Timestamp::from_second(seconds).ok().map(|at| minute_of(TimeZone::UTC.to_datetime(at)))
        };
        expanded.events.iter().filter_map(|one| wall(one.start.timestamp())).collect()
    }

    fn add(&mut self, event: &Entries<'_>, zone: &TimeZone, wall: Minute) -> Result<(), String> {
        let (from, to) = (instant(zone, wall), instant(zone, wall.saturating_add(event.length)));
        if from < to && to > self.from && from < self.to {
            if self.events.len() >= EVENTS_MAX {
                return Err(format!("more than {EVENTS_MAX} events are in it"));
            }
            let (title, attendees) = (event.title.clone(), event.attendees.clone());
            self.events.push(Event { from, to, title, attendees });
        }
        Ok(())
    }
}

/// What stands for a repetition, by its beginning; whether for all later ones too.
type Changes<'e> = BTreeMap<Timestamp, (&'e Entries<'e>, bool)>;

/// Reads a VEVENT; `None`: it has no beginning.
fn entries<'c>(event: &'c ICalendarComponent, zones: &Zones<'_>) -> Result<Option<Entries<'c>>, String> {
    let first = |property: &ICalendarProperty| match event.property(property) {
        Some(entry) => zones.all(entry).map(|all| all.into_iter().next()),
        None => Ok(None),
    };
    let many = |property: &ICalendarProperty| {
        event.properties(property).map(|entry| zones.all(entry)).collect::<Result<Vec<_>, _>>()
    };
    let Some(start) = first(&ICalendarProperty::Dtstart)? else { return Ok(None) };
    let given = event.property(&ICalendarProperty::Duration).and_then(|entry| entry.values.first());
    let length = match (first(&ICalendarProperty::Dtend)?, given) {
        (Some(end), _) => end.wall_in(&start.zone) - start.wall,
        (None, Some(ICalendarValue::Duration(length))) => length.as_seconds().div_euclid(60),
        (None, _) if start.whole_day => DAY,
        (None, _) => 0,
    };
    let later_too = |entry: &ICalendarEntry| entry.has_parameter(&ICalendarParameterName::Range);
    let stands_for = first(&ICalendarProperty::RecurrenceId)?
        .zip(event.property(&ICalendarProperty::RecurrenceId).map(later_too));
    let repeats = event.property(&ICalendarProperty::Rrule).and_then(|entry| {
        let Some(ICalendarValue::RecurrenceRule(rule)) = entry.values.first() else { return None };
        Some(rule.as_ref())
    });
    let sequence = event.property(&ICalendarProperty::Sequence);
    let sequence = sequence.and_then(|entry| entry.values.first()?.as_integer()).unwrap_or_default();
    Ok(Some(Entries {
        uid: event.uid(),
        sequence,
        start,
        length,
        repeats,
        also: many(&ICalendarProperty::Rdate)?.concat(),
        except: many(&ICalendarProperty::Exdate)?.concat(),
        stands_for,
        cancelled: event.status() == Some(&ICalendarStatus::Cancelled),
        title: title(event),
        attendees: event.properties(&ICalendarProperty::Attendee).filter_map(attendee).collect(),
    }))
}

fn title(event: &ICalendarComponent) -> String {
    let text = event.property(&ICalendarProperty::Summary).and_then(|entry| entry.values.first()?.as_text());
    text.unwrap_or_default().trim().to_owned()
}

/// The e-mail address of an attendee who has not declined.
fn attendee(entry: &ICalendarEntry) -> Option<String> {
    let declined = entry.parameters(&ICalendarParameterName::Partstat).any(|answer| {
        matches!(answer, ICalendarParameterValue::Partstat(ICalendarParticipationStatus::Declined))
    });
    let address = entry.calendar_address().filter(|address| address.contains('@') && !declined)?;
    Some(address.to_owned())
}

fn entry(name: ICalendarProperty, value: ICalendarValue) -> ICalendarEntry {
    ICalendarEntry { name, params: Vec::new(), values: vec![value] }
}
