//! Steps that do less than they seem to, and ladders that cost more than there is.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::{BUDGET, EMPTY_STEP, PERSON_TWICE, Read, SHORT_WAIT};
use crate::domain::{Limits, Severity, Step, Target, Urgent};
use crate::rules::load::Notes;
use crate::rules::load::policies::{Ladder, StepPlaces};
use crate::rules::load::teams::Known;

/// A phone rings for about half a minute, and there is no key to press in the
/// call: an answer needs the app (escalation.md §2).
const ANSWER_TIME: SignedDuration = SignedDuration::from_secs(60);

pub(super) fn look(read: &Read<'_, '_>, notes: &mut Notes) {
    for (name, (_, ladder)) in &read.policies.entries {
        let steps: Vec<(usize, &Step, &StepPlaces<'_>)> = (1..)
            .zip(ladder.policy.steps.iter().zip(&ladder.steps))
            .map(|(number, (step, places))| (number, step, places))
            .collect();
        for (number, step, places) in &steps {
            chats_only(name, (*number, step, places), notes);
            named_twice(name, (*number, step, places), read.known, notes);
        }
        for (before, after) in steps.iter().zip(steps.iter().skip(1)) {
            short_wait(name, before.1, *after, read.rows(), notes);
            at_once(name, *before, *after, read.known, notes);
        }
        spending(name, ladder, read, notes);
    }
}

/// A step that is to be loud, but nobody is there to hear it.
fn chats_only(policy: &str, (number, step, places): (usize, &Step, &StepPlaces<'_>), notes: &mut Notes) {
    let only_chats = !step.notify.is_empty() && step.notify.iter().all(|t| matches!(t, Target::Chat(_)));
    if let Some(urgent) = step.urgent.filter(|urgent| *urgent > Urgent::None && only_chats) {
        let message = format!(
            "step {number} of policy {policy:?} buzzes nobody: it is {urgent}, but names only chats; \
             name people, or leave urgent out"
        );
        notes.warning(EMPTY_STEP, places.step, message);
    }
}

/// Somebody who is in a step by name and by a team.
fn named_twice(
    policy: &str,
    (number, step, places): (usize, &Step, &StepPlaces<'_>),
    known: &Known<'_>,
    notes: &mut Notes,
) {
    let in_teams = |name: &String| {
        step.notify.iter().find_map(|target| match target {
            Target::Team(team) => members(team, known).contains(name).then_some(team),
            Target::Person(_) | Target::Schedule(_) | Target::Chat(_) => None,
        })
    };
    for target in &step.notify {
        let Target::Person(name) = target else { continue };
        if let Some(team) = in_teams(name) {
            let message = format!(
                "step {number} of policy {policy:?} has {name:?} twice, by name and in team {team:?}; keep one"
            );
            notes.warning(PERSON_TWICE, places.step, message);
        }
    }
}

/// Two steps that run at the same time and have somebody in common.
fn at_once(
    policy: &str,
    (number, first, _): (usize, &Step, &StepPlaces<'_>),
    (next, second, places): (usize, &Step, &StepPlaces<'_>),
    known: &Known<'_>,
    notes: &mut Notes,
) {
    if second.wait.is_positive() || first.when.is_some() || second.when.is_some() {
        return;
    }
    let (before, now) = (Reach::of(first, known), Reach::of(second, known));
    let person = now.people.intersection(&before.people).next().map(|name| format!("{name:?}"));
    let schedule = now.schedules.intersection(&before.schedules).next();
    let who = person.or_else(|| schedule.map(|name| format!("whoever is on call by {name:?}")));
    if let Some(who) = who {
        let message = format!(
            "steps {number} and {next} of policy {policy:?} run at once and both page {who}; \
             give step {next} a wait, or make them one"
        );
        notes.warning(PERSON_TWICE, places.wait, message);
    }
}

/// A step that follows a call before anybody can have answered it.
fn short_wait(
    policy: &str,
    before: &Step,
    (number, step, places): (usize, &Step, &StepPlaces<'_>),
    rows: &[Severity],
    notes: &mut Notes,
) {
    let calls = rows.iter().any(|row| {
        runs_at(before, row) && runs_at(step, row) && before.loudness(row.urgent) == Urgent::Phone
    });
    if calls && step.wait < ANSWER_TIME {
        let message = format!(
            "step {number} of policy {policy:?} comes {}s after a phone call, which rings for half a minute; \
             wait 1m or longer",
            step.wait.as_secs()
        );
        notes.warning(SHORT_WAIT, places.wait, message);
    }
}

/// One round of a ladder against what an incident and a month may cost.
fn spending(policy: &str, ladder: &Ladder<'_>, read: &Read<'_, '_>, notes: &mut Notes) {
    let (budget, places) = read.budget;
    for channel in [Urgent::Phone, Urgent::Sms] {
        let (Some(limits), Some(places)) = (budget.of(channel), places.of(channel)) else { continue };
        let worst = read.rows().iter().map(|row| (needed(ladder, row, channel, read.known), row));
        let Some((needed, row)) = worst.max_by_key(|(needed, row)| (*needed, std::cmp::Reverse(row.rank)))
        else {
            continue;
        };
        let Limits { month, reserve, incident, .. } = *limits;
        let for_all = month.map(|month| if row.rank == 0 { month } else { month.saturating_sub(reserve) });
        let too_little = [(incident, "an incident", places.incident), (for_all, "a month", places.month)];
        for (limit, what, at) in too_little {
            let Some((limit, at)) = limit.zip(at).filter(|(limit, _)| *limit < needed) else { continue };
            let kind = if channel == Urgent::Phone { "phone call" } else { "text message" };
            let plural = if needed == 1 { "" } else { "s" };
            let message = format!(
                "one round of policy {policy:?} takes up to {needed} {kind}{plural}, but {what} may have {limit}; \
                 raise it, or page fewer people so loudly"
            );
            notes.warning(BUDGET, at, message);
        }
    }
}

/// How many people one round buzzes over a channel at most.
fn needed(ladder: &Ladder<'_>, row: &Severity, channel: Urgent, known: &Known<'_>) -> u32 {
    let steps = ladder.policy.steps.iter();
    let loud = steps.filter(|step| runs_at(step, row) && step.loudness(row.urgent) == channel);
    let people: usize = loud.map(|step| Reach::of(step, known).count()).sum();
    u32::try_from(people).unwrap_or(u32::MAX)
}

fn runs_at(step: &Step, row: &Severity) -> bool {
    step.when.as_ref().and_then(|when| when.severity).is_none_or(|ranks| ranks.contain(row))
}

/// Whom a step may reach.
struct Reach {
    people: BTreeSet<String>,
    schedules: BTreeSet<String>,
}

impl Reach {
    fn of(step: &Step, known: &Known<'_>) -> Self {
        let mut reach = Self { people: BTreeSet::new(), schedules: BTreeSet::new() };
        for target in &step.notify {
            match target {
                Target::Person(name) => drop(reach.people.insert(name.clone())),
                Target::Team(team) => reach.people.extend(members(team, known).iter().cloned()),
                Target::Schedule(name) => drop(reach.schedules.insert(name.clone())),
                Target::Chat(_) => {}
            }
        }
        reach
    }

    fn count(&self) -> usize {
        self.people.len() + self.schedules.len()
    }
}

fn members<'k>(team: &str, known: &'k Known<'_>) -> &'k [String] {
    known.teams.entries.get(team).map(|(_, people)| people.as_slice()).unwrap_or_default()
}
