//! What only shows when looking ahead from a day: calls that fall to nobody,
//! people who never get one, days that run out.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{CALENDAR, EMPTY_STEP, GAP, PERSON_TWICE, STARVATION};
use crate::domain::Target;
use crate::rules::schedule::{Gap, Schedule, Source, Span, Turns, date_of, day_of, minute};
use crate::rules::{Ladder, RuleSet, Warning};

/// How far ahead gaps are warned of.
const AHEAD: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How far ahead turns of a rotation are counted.
const TURNS_AHEAD: SignedDuration = SignedDuration::from_hours(400 * 24);
/// A calendar that lists nothing for so many days ahead is about to be wrong.
const CALENDAR_DAYS: i64 = 30;
/// A shared calendar in which nothing takes place after so long has been forgotten.
const CALENDAR_AHEAD: SignedDuration = SignedDuration::from_hours(14 * 24);
/// Somebody who gets less than this part of a fair share is starved.
const STARVED: i128 = 4;

impl RuleSet {
    /// What only shows when looking ahead from `now`: schedules that leave
    /// somebody's call to nobody within 90 days, rotations that leave somebody
    /// out, steps without anybody, calendars that run out.
    pub fn warnings(&self, now: Timestamp) -> Vec<Warning> {
        let end = now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
        let spans: BTreeMap<&str, Vec<Span<'_>>> =
            self.schedules.iter().map(|(name, one)| (name.as_str(), one.spans(now, end))).collect();
        let mut warnings = Vec::new();
        for (name, schedule) in &self.schedules {
            let spans = spans.get(name.as_str()).map(Vec::as_slice).unwrap_or_default();
            warnings.extend(gap(name, schedule, spans));
            starvation(name, schedule, now, &mut warnings);
            shared_calendars_that_end(name, schedule, now, &mut warnings);
        }
        for ladder in &self.ladders {
            empty_steps(ladder, &spans, &mut warnings);
            self.two_schedules(ladder, &spans, &mut warnings);
        }
        self.calendars_that_end(now, &mut warnings);
        warnings.sort();
        warnings
    }

    /// Steps by different schedules that come to the same person at one time.
    fn two_schedules(
        &self,
        ladder: &Ladder,
        spans: &BTreeMap<&str, Vec<Span<'_>>>,
        warnings: &mut Vec<Warning>,
    ) {
        let named: Vec<(usize, &str)> = (1..)
            .zip(&ladder.policy.steps)
            .flat_map(|(number, step)| step.notify.iter().map(move |target| (number, target)))
            .filter_map(|(number, target)| match target {
                Target::Schedule(name) => Some((number, name.as_str())),
                Target::Person(_) | Target::Team(_) | Target::Chat(_) => None,
            })
            .collect();
        let mut told = BTreeSet::new();
        for (at, (number, second)) in named.iter().enumerate() {
            for (earlier, first) in named.iter().take(at) {
                let pair = if first < second { (*first, *second) } else { (*second, *first) };
                if first == second || !told.insert(pair) {
                    continue;
                }
                let (Some(one), Some(other)) = (spans.get(first), spans.get(second)) else { continue };
                let Some((who, from)) = same_person(one, other) else { continue };
                let Some(spot) = ladder.steps.get(number - 1) else { continue };
                let zone = self.schedule_zone(second).cloned().unwrap_or(TimeZone::UTC);
                let steps = if earlier == number {
                    format!("step {number}")
                } else {
                    format!("steps {earlier} and {number}")
                };
                let message = format!(
                    "{steps} of policy {:?}: from {} {who:?} is on call by both {first:?} and {second:?}, \
                     and there is nobody else to ask; shift one of the rotations",
                    ladder.name,
                    civil(&zone, from),
                );
                warnings.push(spot.finding(PERSON_TWICE, message));
            }
        }
    }

    fn calendars_that_end(&self, now: Timestamp, warnings: &mut Vec<Warning>) {
        let today = day_of(minute(&TimeZone::UTC, now));
        for (name, (spot, calendar)) in &self.calendars {
            let Some(last) = calendar.last_listed() else { continue };
            if last - today >= CALENDAR_DAYS {
                continue;
            }
            let Some(date) = date_of(last) else { continue };
            let when = if last < today { "ended" } else { "ends" };
            let message = format!(
                "calendar {name:?} {when} on {date}, the last day it lists; add the days off and make-up days that follow"
            );
            warnings.push(spot.finding(CALENDAR, message));
        }
    }
}

fn gap(name: &str, schedule: &Schedule, spans: &[Span<'_>]) -> Option<Warning> {
    let gaps: Vec<Gap> = gaps(spans);
    let (first, others) = gaps.split_first()?;
    let zone = &schedule.zone;
    let more = match others.len() {
        0 => String::new(),
        1 => ", and once more within 90 days".to_owned(),
        n => format!(", and {n} more times within 90 days"),
    };
    let message = format!(
        "schedule {name:?}: nobody is on call from {} to {}{more}; add a layer below the others",
        zone.to_datetime(first.from).strftime("%Y-%m-%d %H:%M"),
        civil(zone, first.to),
    );
    Some(schedule.spot.finding(GAP, message))
}

/// Calendars of others whose last event is over, or soon will be.
fn shared_calendars_that_end(name: &str, schedule: &Schedule, now: Timestamp, warnings: &mut Vec<Warning>) {
    let soon = now.checked_add(CALENDAR_AHEAD).unwrap_or(Timestamp::MAX);
    for (number, layer) in (1..).zip(&schedule.layers) {
        let Turns::Calendar(Some(shifts)) = &layer.turns else { continue };
        let message = match shifts.end() {
            None => format!(
                "schedule {name:?}: no event in the calendar of layer {number} puts anybody on call; plan there, or \
                 drop the layer"
            ),
            Some(end) if end < soon => format!(
                "schedule {name:?}: the calendar of layer {number} {} at {}, with its last event; plan on there",
                if end <= now { "ended" } else { "ends" },
                civil(&schedule.zone, end),
            ),
            Some(_) => continue,
        };
        warnings.push(layer.spot.finding(CALENDAR, message));
    }
}

/// The spans with nobody.
pub(in crate::rules) fn gaps(spans: &[Span<'_>]) -> Vec<Gap> {
    let empty = spans.iter().filter(|span| span.duty.is_none());
    empty.map(|span| Gap { from: span.from, to: span.to }).collect()
}

/// People of a layer whom it never, or hardly ever, puts on call.
fn starvation(name: &str, schedule: &Schedule, now: Timestamp, warnings: &mut Vec<Warning>) {
    let end = now.checked_add(TURNS_AHEAD).unwrap_or(Timestamp::MAX);
    let mut served: BTreeMap<(usize, &str), i128> = BTreeMap::new();
    for Span { duty, from, to } in schedule.spans(now, end) {
        if let Some((names, Source::Layer(layer))) = duty {
            for who in names {
                *served.entry((layer, who)).or_default() += to.duration_since(from).as_nanos();
            }
        }
    }
    for (at, layer) in schedule.layers.iter().enumerate() {
        let Turns::Rotation(rotating) = &layer.turns else { continue };
        let people: BTreeSet<&str> = layer.who.iter().map(String::as_str).collect();
        // A turn that takes longer than what is looked at says nothing.
        let all = layer.who.len();
        if rotating.begins_after(&layer.zone, now) || !rotating.deals_all_within(all, TURNS_AHEAD / 2) {
            continue;
        }
        let time = |who: &&str| served.get(&(at, *who)).copied().unwrap_or_default();
        let total: i128 = people.iter().map(time).sum();
        if total == 0 {
            let message = format!(
                "schedule {name:?}: layer {} puts nobody on call within 400 days, for later layers always win; \
                 move it down, or drop it",
                at + 1
            );
            warnings.push(layer.spot.finding(STARVATION, message));
            continue;
        }
        let turns = i128::try_from(layer.who.len()).unwrap_or(i128::MAX);
        let count = |who: &str| i128::try_from(layer.who.iter().filter(|w| *w == who).count()).unwrap_or(1);
        let starved = people.iter().filter(|who| time(who) * turns * STARVED < total * count(who));
        for who in starved {
            let share = if time(who) == 0 { "never" } else { "hardly ever" };
            let message = format!(
                "schedule {name:?}: {who:?} is {share} on call by layer {}, for their turns fall where it rests or \
                 others win; hand over at another time, or rotate by other steps",
                at + 1
            );
            warnings.push(layer.spot.finding(STARVATION, message));
        }
    }
}

/// A time in a zone, with the zone.
fn civil(zone: &TimeZone, at: Timestamp) -> String {
    let zone_name = zone.iana_name().unwrap_or_default();
    format!("{} {zone_name}", zone.to_datetime(at).strftime("%Y-%m-%d %H:%M"))
}

/// Steps whose schedules have nobody for as long as is looked ahead.
fn empty_steps(ladder: &Ladder, spans: &BTreeMap<&str, Vec<Span<'_>>>, warnings: &mut Vec<Warning>) {
    for (number, (step, spot)) in (1..).zip(ladder.policy.steps.iter().zip(&ladder.steps)) {
        let nobody = |target: &Target| match target {
            Target::Schedule(name) => {
                spans.get(name.as_str()).is_some_and(|spans| spans.iter().all(|span| span.duty.is_none()))
            }
            Target::Person(_) | Target::Team(_) | Target::Chat(_) => false,
        };
        if !step.notify.is_empty() && step.notify.iter().all(nobody) {
            let message = format!(
                "step {number} of policy {:?} reaches nobody: nobody is on call by its schedules within 90 days; \
                 name somebody else",
                ladder.name
            );
            warnings.push(spot.finding(EMPTY_STEP, message));
        }
    }
}

/// Who is on call by both first, and from when.
fn same_person<'s>(one: &[Span<'s>], other: &[Span<'s>]) -> Option<(&'s str, Timestamp)> {
    let names = |span: &Span<'s>| span.duty.map(|(names, _)| names).unwrap_or_default();
    let (mut a, mut b) = (one.iter().peekable(), other.iter().peekable());
    while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
        if let Some(who) = names(x).iter().find(|who| names(y).contains(who)) {
            return Some((who, x.from.max(y.from)));
        }
        let earlier = if x.to <= y.to { &mut a } else { &mut b };
        earlier.next();
    }
    None
}
