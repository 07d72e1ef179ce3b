//! The ladder: which step runs when, and what a worse severity does to it.

use jiff::{SignedDuration, Timestamp};

use super::{Effect, Roster};
use crate::domain::{Happening, Ladder, Policy, Recipients, Severity, Standing, Step, Urgent, When};

/// The least pause between the last step of a round and the first of the next,
/// for policies whose waits are all zero.
const ROUND_PAUSE_MIN: SignedDuration = SignedDuration::from_mins(1);

/// Runs what is due at `now`, if anything: the announcement and at most one
/// step that reaches somebody. Whether the standing changed.
///
/// However long ago the deadline was, one step runs and the next is counted
/// from `now`: after downtime the missed ones are never replayed.
pub(super) fn run_due(
    standing: &mut Standing,
    roster: &dyn Roster,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) -> bool {
    if standing.due_at.is_none_or(|due| due > now) {
        return false;
    }
    match standing.ladder {
        Ladder::Gathering => {
            effects.push(Effect::Announce);
            wait_for(standing, Some((0, 0)), SignedDuration::ZERO, now);
            if standing.due_at.is_some_and(|due| due <= now) {
                run_step(standing, roster, now, effects);
            }
        }
        Ladder::Waiting { .. } => run_step(standing, roster, now, effects),
        Ladder::Exhausted | Ladder::Idle => standing.due_at = None,
    }
    true
}

/// Runs the step the ladder waits for. Steps that reach nobody, or whose `when`
/// does not hold, are passed over at once: waiting for nobody helps nobody.
fn run_step(standing: &mut Standing, roster: &dyn Roster, now: Timestamp, effects: &mut Vec<Effect>) {
    while let (Ladder::Waiting { step, round }, true) =
        (standing.ladder, standing.due_at.is_some_and(|due| due <= now))
    {
        let Some(rung) = standing.policy.steps.get(usize::from(step)) else {
            wait_for(standing, None, SignedDuration::ZERO, now);
            break;
        };
        let recipients = reached(rung, standing, roster, now);
        let urgent = rung.loudness(standing.severity.urgent);
        let next = next_rung(&standing.policy, step, round);
        if recipients.is_empty() {
            effects.push(Effect::Note(Happening::StepSkipped { step, round }));
            skip(standing, next, round, now);
            continue;
        }
        effects.push(Effect::Page { step, round, recipients, urgent });
        effects.push(Effect::Refresh);
        standing.last_step = Some((step, round));
        let pause = pause_before(&standing.policy, next, round);
        wait_for(standing, next, pause, now);
        break;
    }
    if matches!(standing.ladder, Ladder::Exhausted) {
        effects.push(Effect::Note(Happening::Exhausted));
    }
}

/// Whom a rung reaches now: nobody unless its `when` holds.
fn reached(rung: &Step, standing: &Standing, roster: &dyn Roster, now: Timestamp) -> Recipients {
    if rung.when.as_ref().is_none_or(|when| holds(when, standing, roster, now)) {
        roster.recipients(&rung.notify, now)
    } else {
        Recipients::default()
    }
}

/// Whether a condition is met.
fn holds(when: &When, standing: &Standing, roster: &dyn Roster, now: Timestamp) -> bool {
    when.severity.is_none_or(|ranks| ranks.contain(&standing.severity))
        && standing.firing() >= when.firing
        && when.window.as_ref().is_none_or(|window| roster.within(window, now))
}

/// The rung after this one; `None` when the ladder is used up.
fn next_rung(policy: &Policy, step: u16, round: u16) -> Option<(u16, u16)> {
    if usize::from(step) + 1 < policy.steps.len() {
        Some((step + 1, round))
    } else {
        (round < policy.repeat).then_some((0, round + 1))
    }
}

/// Moves past a rung that reaches nobody: to the next of the round at once, into
/// the next round only if somebody was reached in this one.
fn skip(standing: &mut Standing, next: Option<(u16, u16)>, round: u16, now: Timestamp) {
    let reached = standing.last_step.is_some_and(|(_, r)| r == round);
    match next {
        Some((_, r)) if r == round => {
            wait_for(standing, next, SignedDuration::ZERO, now);
            standing.due_at = Some(now);
        }
        Some(_) if reached => {
            let pause = pause_before(&standing.policy, next, round);
            wait_for(standing, next, pause, now);
        }
        Some(_) | None => wait_for(standing, None, SignedDuration::ZERO, now),
    }
}

/// The least wait before a rung. Between two rounds it is the longer of the last
/// and the first step's wait, so that a policy that starts at once does not
/// start over at once.
fn pause_before(policy: &Policy, next: Option<(u16, u16)>, round: u16) -> SignedDuration {
    if next.is_none_or(|(_, r)| r == round) {
        return SignedDuration::ZERO;
    }
    let waits = policy.steps.first().into_iter().chain(policy.steps.last()).map(|s| s.wait);
    waits.max().unwrap_or_default().max(ROUND_PAUSE_MIN)
}

/// Points the ladder at a rung: due after the rung's own wait, or after `at_least`.
fn wait_for(standing: &mut Standing, rung: Option<(u16, u16)>, at_least: SignedDuration, now: Timestamp) {
    let rung = rung.and_then(|(step, round)| {
        standing.policy.steps.get(usize::from(step)).map(|s| (step, round, s.wait.max(at_least)))
    });
    if let Some((step, round, wait)) = rung {
        standing.ladder = Ladder::Waiting { step, round };
        // A wait too long for the calendar is a wait for ever: due at its end.
        standing.due_at = Some(now.checked_add(wait).unwrap_or(Timestamp::MAX));
    } else {
        // A single step that reached somebody was all that was asked for, not a
        // ladder that failed.
        let single = standing.policy.steps.len() == 1 && standing.policy.repeat == 0;
        let satisfied = standing.policy.steps.is_empty() || (single && standing.last_step.is_some());
        standing.ladder = if satisfied { Ladder::Idle } else { Ladder::Exhausted };
        standing.due_at = None;
    }
}

/// It got worse while open. The step that ran last runs again at once if it may
/// be louder now; the deadline of the next one stays.
pub(super) fn rise(
    standing: &mut Standing,
    severity: Severity,
    roster: &dyn Roster,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
    let before = standing.severity.urgent;
    effects.push(Effect::Note(Happening::SeverityRose { to: severity.name.clone() }));
    standing.severity = severity;
    let Some((step, round)) = standing.last_step else { return };
    let Some(rung) = standing.policy.steps.get(usize::from(step)) else { return };
    let urgent = rung.loudness(standing.severity.urgent);
    let recipients = reached(rung, standing, roster, now);
    if urgent > rung.loudness(before) && urgent > Urgent::None && !recipients.is_empty() {
        effects.push(Effect::Page { step, round, recipients, urgent });
    }
}
