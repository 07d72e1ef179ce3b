//! Shared buzzes: pages of one person that come close together ring once.
//!
//! The first page rings at once. One that comes soon after a buzz at least as
//! loud waits until the span is over; then the loudest of those that wait rings,
//! and the others, which came before it rang, are told by it. A louder page
//! waits for nobody.
//!
//! # Invariants
//!
//! * A page is left out only for a buzz that Feishu accepted after the page had
//!   come, at least as loud, to the same person. So nobody who looks at their
//!   phone when it rings misses one, and nothing is left out for a buzz that failed.
//! * A page waits no longer than the span, a ring that died with its process included.
//! * Waiting holds nobody up: later buzzes of the incident overtake it. If it is
//!   answered meanwhile, there is no buzz.
//! * Ladders climb on: they count from the step, not from the buzz.
//!
//! What rang is kept in the store, so that all who buzz agree.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::buzz::Buzz;
use super::{Courier, Outcome};
use crate::domain::{Happening, Job, JobId, Person, Urgent};
use crate::store::{Claim, JobEnd, Ring, StoreError};

/// How soon one looks again what became of a ring that is under way.
pub(super) const UNDER_WAY: SignedDuration = SignedDuration::from_secs(1);

/// What becomes of a page for one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// It rings now.
    Rings,
    /// That buzz told it.
    Told(Ring),
    /// Look again then.
    Waits(Timestamp),
}

/// `came_at`: when the page came; `ring`: a buzz of late, at least as loud.
fn turn(span: SignedDuration, came_at: Timestamp, ring: Option<Ring>, now: Timestamp) -> Turn {
    let Some(ring) = ring else { return Turn::Rings };
    let over = ring.at.checked_add(span).unwrap_or(Timestamp::MAX);
    if over <= now {
        return Turn::Rings;
    }
    match (ring.accepted, ring.at >= came_at) {
        (true, true) => Turn::Told(ring),
        (true, false) => Turn::Waits(over),
        (false, _) => Turn::Waits(over.min(now.checked_add(UNDER_WAY).unwrap_or(Timestamp::MAX))),
    }
}

/// Whose phones ring now, and what becomes of the others.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Who is buzzed.
    pub(super) ring: Vec<Person>,
    told: Vec<(Person, Ring)>,
    wait: Vec<Person>,
    until: Option<Timestamp>,
}

impl Courier {
    /// Sorts the people of a buzz. A line that was sent already is urged in any case.
    pub(super) async fn share(&self, buzz: &Buzz<'_>) -> Result<Shared, StoreError> {
        let everybody = Shared { ring: buzz.people.to_vec(), ..Shared::default() };
        let Some(span) = self.share_span() else { return Ok(everybody) };
        let now = self.clock.now();
        let since = now.checked_sub(span).unwrap_or(Timestamp::MIN);
        let names = buzz.people.iter().map(|person| person.name.clone()).collect();
        let rings = self.store.ring(buzz.claim.ticket, names, buzz.urgent, since, now).await?;
        if buzz.claim.sent.is_some() {
            return Ok(everybody);
        }
        let mut shared = Shared::default();
        for (person, ring) in buzz.people.iter().zip(rings) {
            match turn(span, buzz.claim.created_at, ring, now) {
                Turn::Rings => shared.ring.push(person.clone()),
                Turn::Told(ring) => shared.told.push((person.clone(), ring)),
                Turn::Waits(until) => {
                    shared.wait.push(person.clone());
                    shared.until = Some(shared.until.map_or(until, |other| other.min(until)));
                }
            }
        }
        Ok(shared)
    }

    /// Of jobs that are about to be begun: pages of people for all of whom a louder
    /// one is among them. They wait a moment, so that the louder rings first.
    pub(super) fn outrung(&self, claims: &[Claim]) -> BTreeSet<JobId> {
        if self.share_span().is_none() {
            return BTreeSet::new();
        }
        let mut loudest: BTreeMap<&str, Urgent> = BTreeMap::new();
        let pages = || {
            claims.iter().filter_map(|claim| {
                let Job::Buzz { people, urgent, .. } = &claim.job else { return None };
                Some((claim.ticket.job, people, *urgent))
            })
        };
        for (_, people, urgent) in pages() {
            for person in people {
                let known = loudest.entry(&person.name).or_default();
                *known = urgent.max(*known);
            }
        }
        let is_outrung = |people: &[Person], urgent: Urgent| {
            people.iter().all(|person| loudest.get(person.name.as_str()).is_some_and(|known| *known > urgent))
        };
        pages().filter(|(_, people, urgent)| is_outrung(people, *urgent)).map(|(job, _, _)| job).collect()
    }

    fn share_span(&self) -> Option<SignedDuration> {
        let span = self.rules.as_ref()?.load().storm().share_buzz;
        span.is_positive().then_some(span)
    }
}

impl Shared {
    /// The outcome of the buzz of those who ring, with what became of the others.
    pub(super) fn with(self, buzz: &Buzz<'_>, now: Timestamp, mut outcome: Outcome) -> Outcome {
        if outcome.end != JobEnd::Done {
            // Nobody was reached: all of it is decided again.
            return outcome;
        }
        if self.ring.is_empty() && self.told.is_empty() {
            let end = self.until.map_or(outcome.end, |at| JobEnd::StandAside { at });
            return Outcome { end, ..outcome };
        }
        let mut told: Vec<(String, Vec<String>)> = Vec::new();
        for (person, ring) in self.told {
            let with = ring.incident.to_string();
            match told.iter_mut().find(|(other, _)| *other == with) {
                Some((_, people)) => people.push(person.name),
                None => told.push((with, vec![person.name])),
            }
        }
        outcome
            .timeline
            .extend(told.into_iter().map(|(with, people)| Happening::BuzzShared { people, with }));
        let pause = self.until.map(|until| until.duration_since(now)).unwrap_or_default();
        let waiting: Option<Job> = buzz.of(self.wait);
        outcome.follow_ups.extend(waiting.map(|job| (job, pause)));
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::IncidentId;

    #[test]
    fn who_rings_who_is_told_and_who_waits() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        let span = SignedDuration::from_secs(30);
        let rang = |second, accepted| {
            Some(Ring { urgent: Urgent::App, at: at(second), incident: IncidentId(1), accepted })
        };
        let told = |second| Turn::Told(rang(second, true).unwrap());
        // When the page came, what rang, now.
        let table = [
            (0, None, 0, Turn::Rings),
            (0, rang(0, true), 0, told(0)),
            (5, rang(0, true), 5, Turn::Waits(at(30))),
            (5, rang(30, true), 30, told(30)),
            (5, rang(0, true), 30, Turn::Rings),
            (5, rang(30, true), 59, told(30)),
            (0, rang(0, false), 0, Turn::Waits(at(1))),
            (0, rang(0, false), 29, Turn::Waits(at(30))),
            (0, rang(0, false), 30, Turn::Rings),
        ];
        for (came, ring, now, expected) in table {
            assert_eq!(turn(span, at(came), ring, at(now)), expected, "{came} {ring:?} {now}");
        }
    }
}
