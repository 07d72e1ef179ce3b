//! iCalendar (RFC 5545) → events with their instants.
//!
//! The lines and the recurrence rules are `calcard`'s; what becomes an instant does
//! so by the one time zone database that all schedules use. Repetitions are worked
//! out in wall time, and so is the end of each: a shift to 10:00 ends at 10:00 also
//! in the week when the clock changes.
//!
//! # Invariants
//!
//! * A calendar that ends in the middle, or whose zones are not known, is refused as a
//!   whole. Somebody at the wrong hour is worse than the copy from before.
//! * Whatever else is not understood is left out, and said: nothing is guessed.
//! * The size of what comes out is bounded, whatever goes in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use calcard::common::timezone::Tz;
use calcard::icalendar::{
    ICalendar, ICalendarComponent, ICalendarComponentType, ICalendarEntry, ICalendarFrequency,
    ICalendarProperty, ICalendarRecurrenceRule, ICalendarValue,
};
use calcard::{Entry, Parser};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::SPAN_YEARS;
use super::event::{Entries, Length, Unread, title};
use super::written::{Written, partial, until_by_the_wall};
use super::zones::{Zones, is_over_before};
use crate::rules::schedule::{DAY, Day, Minute, day_of, instant, minute, minute_of};

/// How often one event may repeat within the span.
const REPEATS_MAX: usize = 20_000;
/// How many events a calendar may come to, repeated ones counted each time.
const EVENTS_MAX: usize = 200_000;
/// Length of a year in days, roughly.
const YEAR_DAYS: i64 = 366;
const FIRST_LINE: &str = "BEGIN:VCALENDAR";
const LAST_LINE: &str = "END:VCALENDAR";
const EVENT_LINE: &str = "BEGIN:VEVENT";

/// Something that takes place once: `from` is part of it, `to` is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rules) struct Event {
    /// Its first instant.
    pub(in crate::rules) from: Timestamp,
    /// The first instant after it. Later than `from`.
    pub(in crate::rules) to: Timestamp,
    /// Its title.
    pub(in crate::rules) title: Arc<str>,
    /// E-mail addresses of whoever takes part and has not declined.
    pub(in crate::rules) attendees: Arc<[String]>,
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
    // However its lines end.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
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
        if entry == Entry::TooManyComponents {
            return Err("it is too large to be understood".to_owned());
        }
        if entry == Entry::Eof {
            break;
        }
        if let Entry::ICalendar(calendar) = entry {
            calendars.push(calendar);
        }
    }
    let begun = text.lines().filter(|line| line.trim_end().eq_ignore_ascii_case(EVENT_LINE)).count();
    let read: usize = calendars.iter().map(|calendar| events_of(calendar).count()).sum();
    if read == begun {
        Ok(calendars)
    } else {
        Err(format!("it is muddled: {begun} events begin, {read} can be read"))
    }
}

fn events_of(calendar: &ICalendar) -> impl Iterator<Item = &ICalendarComponent> {
    let is_event = |one: &&ICalendarComponent| one.component_type == ICalendarComponentType::VEvent;
    calendar.components.iter().filter(is_event)
}

/// What is said of repetitions, by when they would begin: of a time, or of a whole
/// day where the series or whoever speaks of it knows only days.
struct Marks<T> {
    at: BTreeMap<Timestamp, T>,
    on: BTreeMap<Day, T>,
}

impl<T> Marks<T> {
    fn new() -> Self {
        Self { at: BTreeMap::new(), on: BTreeMap::new() }
    }

    fn insert(&mut self, of: &Written, series: &Written, what: T) {
        if of.whole_day || series.whole_day {
            self.on.insert(day_of(of.wall), what);
        } else {
            self.at.insert(of.instant(), what);
        }
    }

    fn find(&self, at: Timestamp, wall: Minute) -> Option<&T> {
        self.at.get(&at).or_else(|| self.on.get(&day_of(wall)))
    }
}

/// Of several versions of what stands for one repetition the latest.
fn latest_of_each(mut instead: Vec<Entries<'_>>) -> Vec<Entries<'_>> {
    instead.sort_by_key(|one| (one.sequence, one.modified));
    let mut latest = BTreeMap::new();
    for one in instead {
        let of = one.stands_for.as_ref().map(|(of, _)| (of.instant(), of.whole_day));
        latest.insert((one.uid, of), one);
    }
    latest.into_values().collect()
}

/// What becomes of the repetitions after a change of all later ones.
#[derive(Clone, Copy)]
enum Later<'e> {
    AsBefore,
    /// As this one says, so much later by the wall.
    Moved(&'e Entries<'e>, Minute),
    Over,
}

struct Reader {
    from: Timestamp,
    to: Timestamp,
    events: Vec<Event>,
    remarks: Vec<String>,
}

impl Reader {
    fn calendar(&mut self, calendar: &ICalendar, floating: &TimeZone) -> Result<(), String> {
        let zones = Zones::of(calendar, floating);
        let mut all = Vec::new();
        for component in events_of(calendar) {
            match Entries::read(component, &zones) {
                Ok(Some(event)) => all.push(event),
                Ok(None) => self.remarks.push(format!("{:?} has no beginning", title(component))),
                Err(Unread::Part(why)) => self.remarks.push(format!("{why}; it is left out")),
                // A zone that was known once concerns nobody.
                Err(Unread::Zone(_)) if is_over_before(component, self.from) => {}
                Err(Unread::Zone(why)) => return Err(why),
            }
        }
        let (instead, events): (Vec<_>, Vec<_>) = all.into_iter().partition(|e| e.stands_for.is_some());
        // Of several versions of an event the latest counts.
        let mut latest: BTreeMap<&str, i64> = BTreeMap::new();
        for event in &events {
            if let Some(uid) = event.uid {
                let known = latest.entry(uid).or_insert(event.sequence);
                *known = event.sequence.max(*known);
            }
        }
        let instead = latest_of_each(instead);
        let mut changes: BTreeMap<&str, Vec<(usize, &Entries<'_>)>> = BTreeMap::new();
        for (at, one) in instead.iter().enumerate() {
            changes.entry(one.uid.unwrap_or_default()).or_default().push((at, one));
        }
        let mut used = BTreeSet::new();
        for event in &events {
            let counts = event.uid.is_none_or(|uid| latest.get(uid) == Some(&event.sequence));
            let changes = event.uid.and_then(|uid| changes.get(uid)).map(Vec::as_slice).unwrap_or_default();
            if counts && event.cancelled {
                // With all that was changed of it.
                used.extend(changes.iter().map(|(at, _)| *at));
            } else if counts {
                self.repeat(event, changes, &mut used)?;
            }
        }
        // Invited to one repetition only, or to one that its series does not have.
        for (at, one) in instead.iter().enumerate() {
            if !used.contains(&at) && !one.cancelled {
                self.once(one)?;
            }
        }
        Ok(())
    }

    /// An event, each time it takes place.
    fn repeat(
        &mut self,
        event: &Entries<'_>,
        instead: &[(usize, &Entries<'_>)],
        used: &mut BTreeSet<usize>,
    ) -> Result<(), String> {
        if event.repeats.is_none() && event.also.is_empty() && instead.is_empty() {
            return self.once(event);
        }
        let zone = &event.start.zone;
        let (mut except, mut changes) = (Marks::new(), Marks::new());
        for one in &event.except {
            except.insert(&one.or_in(zone), &event.start, ());
        }
        for (at, one) in instead {
            if let Some((of, later_too)) = &one.stands_for {
                changes.insert(&of.or_in(zone), &event.start, (*at, *one, *later_too));
            }
        }
        // All later ones than one of long ago may be changed.
        let whole = instead.iter().any(|(_, one)| one.stands_for.as_ref().is_some_and(|(_, later)| *later));
        let mut times: BTreeMap<Minute, Option<&Length>> =
            self.times(event, whole).into_iter().map(|wall| (wall, None)).collect();
        for (one, length) in &event.also {
            times.insert(one.or_in(zone).wall_in(zone), length.as_ref());
        }
        let mut later = Later::AsBefore;
        for (wall, own_length) in times {
            let at = instant(zone, wall);
            if let Some((index, one, later_too)) = changes.find(at, wall) {
                used.insert(*index);
                let shift = one.start.wall_in(zone) - wall;
                later = match (*later_too, one.cancelled) {
                    (true, true) => Later::Over,
                    (true, false) => Later::Moved(one, shift),
                    (false, _) => later,
                };
                if !one.cancelled {
                    self.once(one)?;
                }
                continue;
            }
            if except.find(at, wall).is_some() {
                continue;
            }
            match later {
                Later::AsBefore => {
                    let to = own_length.unwrap_or(&event.length).end(&event.start, zone, wall);
                    self.add(event, at, to)?;
                }
                Later::Moved(one, shift) => {
                    let to = one.length.end(&one.start, zone, wall + shift);
                    self.add(one, instant(zone, wall + shift), to)?;
                }
                Later::Over => {}
            }
        }
        Ok(())
    }

    /// When an event begins, by the wall: once, or as often as its rule says.
    /// Those long before the span may be left out, unless the `whole` series is wanted.
    fn times(&mut self, event: &Entries<'_>, whole: bool) -> Vec<Minute> {
        let start = event.start.wall;
        let Some(rule) = event.repeats else { return vec![start] };
        if matches!(rule.freq, ICalendarFrequency::Minutely | ICalendarFrequency::Secondly) {
            let message =
                format!("{:?} repeats within the hour, as no shift does; it is left out", event.title);
            self.remarks.push(message);
            return Vec::new();
        }
        let zone = &event.start.zone;
        let mut rule = rule.clone();
        // Beyond the end it may repeat for ever.
        let end = minute(zone, self.to);
        let until = rule.until.as_ref().and_then(|until| until_by_the_wall(until, zone));
        if until.is_some_and(|until| until < start) {
            return Vec::new();
        }
        let start = if whole { start } else { self.shortly_before(&rule, event, start) };
        rule.until = Some(partial(until.map_or(end, |until| until.min(end)).max(start)));
        let alone = ICalendar {
            components: vec![ICalendarComponent {
                component_type: ICalendarComponentType::VEvent,
                entries: vec![
                    entry(
                        ICalendarProperty::Dtstart,
                        ICalendarValue::PartialDateTime(Box::new(partial(start))),
                    ),
                    entry(ICalendarProperty::Rrule, ICalendarValue::RecurrenceRule(Box::new(rule))),
                ],
                component_ids: Vec::new(),
            }],
        };
        let expanded = alone.expand_dates(Tz::Floating, REPEATS_MAX);
        if let Some(error) = expanded.errors.first() {
            let message = format!(
                "{:?} repeats in a way that is not understood, and is left out: {}",
                event.title, error.error
            );
            self.remarks.push(message);
            return Vec::new();
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

    /// A beginning of the same hours, days or weeks that is not long before the span: what
    /// was long over then need not be counted out.
    fn shortly_before(&self, rule: &ICalendarRecurrenceRule, event: &Entries<'_>, start: Minute) -> Minute {
        let units = [
            (ICalendarFrequency::Hourly, 60),
            (ICalendarFrequency::Daily, DAY),
            (ICalendarFrequency::Weekly, 7 * DAY),
        ];
        let Some((_, unit)) = units.into_iter().find(|(freq, _)| *freq == rule.freq) else { return start };
        let period = unit * i64::from(rule.interval.unwrap_or(1).max(1));
        let zone = &event.start.zone;
        let reaches = event.length.wall(&event.start, zone).max(DAY);
        let idle = minute(zone, self.from) - start - reaches - 2 * period;
        if rule.count.is_some() || idle <= 0 { start } else { start + idle.div_euclid(period) * period }
    }

    /// An event by itself.
    fn once(&mut self, event: &Entries<'_>) -> Result<(), String> {
        let start = &event.start;
        let to = if let (Length::To(end), false) = (&event.length, start.whole_day) {
            end.instant()
        } else {
            event.length.end(start, &start.zone, start.wall)
        };
        self.add(event, start.instant(), to)
    }

    fn add(&mut self, event: &Entries<'_>, from: Timestamp, to: Timestamp) -> Result<(), String> {
        if to <= from {
            self.remarks.push(format!("{:?} takes no time", event.title));
        } else if to > self.from && from < self.to {
            if self.events.len() >= EVENTS_MAX {
                return Err(format!("more than {EVENTS_MAX} events are in it"));
            }
            let (title, attendees) = (event.title.clone(), event.attendees.clone());
            self.events.push(Event { from, to, title, attendees });
        }
        Ok(())
    }
}

fn entry(name: ICalendarProperty, value: ICalendarValue) -> ICalendarEntry {
    ICalendarEntry { name, params: Vec::new(), values: vec![value] }
}
