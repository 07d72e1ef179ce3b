//! The ladder: which step runs when, what a worse severity does to it, and what
//! comes when it is used up.

use jiff::{SignedDuration, Timestamp};

use super::{Effect, Roster, after, answers, holds};
use crate::domain::{
    Happening, Ladder, Policy, Recipients, Response, Severity, Standing, Step, Urgent, When,
};

/// The least pause between the last step of a round and the first of the next,
/// for policies whose waits are all zero.
const ROUND_PAUSE_MIN: SignedDuration = SignedDuration::from_mins(1);
/// How often the last resort is paged where the rules do not say.
const CATCH_ALL_EVERY: SignedDuration = SignedDuration::from_mins(30);

/// Runs what is due at `now`, if anything: the announcement and at most one
/// step that reaches somebody.
///
/// However long ago the deadline was, one step runs and the next is counted
/// from `now`: after downtime the missed ones are never replayed.
pub(super) fn run_due(
    standing: &mut Standing,
    roster: &dyn Roster,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
    if standing.due_at.is_none_or(|due| due > now) {
        return;
    }
    match standing.ladder {
        Ladder::Gathering => {
            effects.push(Effect::Announce);
            start(standing, now);
            if standing.due_at.is_some_and(|due| due <= now) {
                run_step(standing, roster, now, effects);
            }
        }
        Ladder::Waiting { .. } => run_step(standing, roster, now, effects),
        Ladder::Spent => exhaust(standing, roster, now, effects),
        Ladder::Exhausted => page_catch_all(standing, roster, now, effects),
        Ladder::Idle => standing.due_at = None,
    }
}

/// Points the ladder at its first rung.
pub(super) fn start(standing: &mut Standing, now: Timestamp) {
    if standing.policy.steps.is_empty() {
        (standing.ladder, standing.due_at) = (Ladder::Idle, None);
    } else {
        wait_for(standing, (0, 0), SignedDuration::ZERO, now);
    }
}

/// Goes on after a hold that took nothing back: the rung it stood before is due
/// after its wait, counted from now.
pub(super) fn go_on(standing: &mut Standing, roster: &dyn Roster, now: Timestamp) {
    match standing.ladder {
        Ladder::Waiting { step, round } => wait_for(standing, (step, round), SignedDuration::ZERO, now),
        Ladder::Spent => spend(standing, roster, now),
        Ladder::Exhausted => standing.due_at = Some(after(now, every(roster, now).max(ROUND_PAUSE_MIN))),
        Ladder::Gathering => standing.due_at = Some(now),
        Ladder::Idle => {}
    }
}

/// Somebody wants the next rung now.
pub(super) fn hurry(standing: &mut Standing, roster: &dyn Roster, now: Timestamp, effects: &mut Vec<Effect>) {
    let next = match (standing.ladder, standing.last_step) {
        (Ladder::Waiting { step, round }, _) => Some((step, round)),
        (Ladder::Spent | Ladder::Exhausted, _) => None,
        (Ladder::Gathering | Ladder::Idle, None) => Some((0, 0)),
        (Ladder::Gathering | Ladder::Idle, Some((step, round))) => next_rung(&standing.policy, step, round),
    };
    match next.filter(|_| !standing.policy.steps.is_empty()) {
        Some((step, round)) => {
            standing.ladder = Ladder::Waiting { step, round };
            standing.due_at = Some(now);
            run_step(standing, roster, now, effects);
        }
        None => exhaust(standing, roster, now, effects),
    }
}

/// Runs the step the ladder waits for. Steps that reach nobody, or whose `when`
/// does not hold, are passed over at once: waiting for nobody helps nobody.
fn run_step(standing: &mut Standing, roster: &dyn Roster, now: Timestamp, effects: &mut Vec<Effect>) {
    while let (Ladder::Waiting { step, round }, true) =
        (standing.ladder, standing.due_at.is_some_and(|due| due <= now))
    {
        let Some(rung) = standing.policy.steps.get(usize::from(step)) else {
            exhaust(standing, roster, now, effects);
            return;
        };
        let recipients = reached(rung, standing, roster, now);
        let urgent = rung.loudness(standing.severity.urgent);
        let next = next_rung(&standing.policy, step, round);
        if recipients.is_empty() {
            effects.push(Effect::Note(Happening::StepSkipped { step, round }));
            skip(standing, next, (step, round), roster, now, effects);
            continue;
        }
        standing.paged.extend(answers::names(&recipients));
        effects.push(Effect::Page { step, round, recipients, urgent });
        effects.push(Effect::Refresh);
        standing.last_step = Some((step, round));
        match next {
            Some(next) => wait_for(standing, next, pause_before(&standing.policy, next, round), now),
            None => spend(standing, roster, now),
        }
        return;
    }
}

/// Whom a rung reaches now: nobody unless its `when` holds.
pub fn reached(rung: &Step, standing: &Standing, roster: &dyn Roster, now: Timestamp) -> Recipients {
    if rung.when.as_ref().is_none_or(|when| is_met(when, standing, roster, now)) {
        roster.recipients(&rung.notify, now)
    } else {
        Recipients::default()
    }
}

/// Whether a condition is met.
pub fn is_met(when: &When, standing: &Standing, roster: &dyn Roster, now: Timestamp) -> bool {
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
fn skip(
    standing: &mut Standing,
    next: Option<(u16, u16)>,
    (_, round): (u16, u16),
    roster: &dyn Roster,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
    let reached = standing.last_step.is_some_and(|(_, r)| r == round);
    match next {
        Some((step, r)) if r == round => {
            standing.ladder = Ladder::Waiting { step, round };
            standing.due_at = Some(now);
        }
        Some(next) if reached => wait_for(standing, next, pause_before(&standing.policy, next, round), now),
        Some(_) | None if reached => spend(standing, roster, now),
        Some(_) | None => exhaust(standing, roster, now, effects),
    }
}

/// The least wait before a rung. Between two rounds it is the longer of the last
/// and the first step's wait, so that a policy that starts at once does not
/// start over at once.
fn pause_before(policy: &Policy, next: (u16, u16), round: u16) -> SignedDuration {
    if next.1 == round {
        return SignedDuration::ZERO;
    }
    let waits = policy.steps.first().into_iter().chain(policy.steps.last()).map(|s| s.wait);
    waits.max().unwrap_or_default().max(ROUND_PAUSE_MIN)
}

/// Points the ladder at a rung: due after the rung's own wait, or after `at_least`.
fn wait_for(standing: &mut Standing, (step, round): (u16, u16), at_least: SignedDuration, now: Timestamp) {
    let wait = standing.policy.steps.get(usize::from(step)).map_or(at_least, |s| s.wait.max(at_least));
    standing.ladder = Ladder::Waiting { step, round };
    standing.due_at = Some(after(now, wait));
}

/// The last step has run. Whoever it reached has as long as its own wait (in a
/// policy of one step: until the first catch-all would come) to answer. A
/// severity that buzzes nobody has nothing to be loud with.
fn spend(standing: &mut Standing, roster: &dyn Roster, now: Timestamp) {
    if standing.severity.urgent == Urgent::None {
        (standing.ladder, standing.due_at) = (Ladder::Idle, None);
        return;
    }
    let ladder = standing.policy.steps.len() > 1 || standing.policy.repeat > 0;
    let last = standing.policy.steps.last().map(|s| s.wait).unwrap_or_default();
    let wait = if ladder && last.is_positive() { last.max(ROUND_PAUSE_MIN) } else { every(roster, now) };
    (standing.ladder, standing.due_at) = (Ladder::Spent, Some(after(now, wait)));
}

/// How often the last resort is paged.
fn every(roster: &dyn Roster, now: Timestamp) -> SignedDuration {
    roster.catch_all(now).map_or(CATCH_ALL_EVERY, |all| all.every)
}

/// Nobody answered, or there was nobody to ask.
fn exhaust(standing: &mut Standing, roster: &dyn Roster, now: Timestamp, effects: &mut Vec<Effect>) {
    standing.ladder = Ladder::Exhausted;
    effects.extend([Effect::Note(Happening::Exhausted), Effect::Refresh]);
    page_catch_all(standing, roster, now, effects);
}

/// Pages the last resort, and again after a while. Without one in the rules, or
/// with nobody behind it now: whoever the last step that reached anybody reaches.
/// What buzzes nobody is told once; repeating it would be of no use.
fn page_catch_all(standing: &mut Standing, roster: &dyn Roster, now: Timestamp, effects: &mut Vec<Effect>) {
    let named = roster.catch_all(now);
    let every = named.as_ref().map_or(CATCH_ALL_EVERY, |all| all.every);
    let mut recipients = named.map(|all| all.recipients).unwrap_or_default();
    if recipients.people.is_empty() {
        let rungs = standing.policy.steps.iter().rev().map(|rung| roster.recipients(&rung.notify, now));
        let mut reached = rungs.filter(|found| !found.people.is_empty());
        recipients.people = reached.next().unwrap_or_default().people;
    }
    let urgent = standing.severity.urgent;
    if urgent == Urgent::None {
        (standing.ladder, standing.due_at) = (Ladder::Idle, None);
    } else {
        standing.due_at = Some(after(now, every.max(ROUND_PAUSE_MIN)));
    }
    if recipients.is_empty() {
        return;
    }
    standing.catch_alls += 1;
    standing.paged.extend(answers::names(&recipients));
    let people = answers::names(&recipients).collect();
    effects.push(Effect::Note(Happening::CatchAll { times: standing.catch_alls, urgent, people }));
    effects.extend([Effect::CatchAll { recipients, urgent }, Effect::Refresh]);
}

/// It got worse. Unanswered: the step that ran last runs again at once if it may
/// be louder now; the deadline of the next one stays. Answered or held: the
/// ladder starts over only when the rise crosses into SMS or phone.
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
    let ceiling = standing.severity.urgent;
    let settled = matches!(standing.response, Response::Acknowledged { .. }) || super::is_quieted(standing);
    if settled {
        if ceiling > before && ceiling >= Urgent::Sms {
            holds::rearm(standing, roster, now, effects);
        }
        return;
    }
    if matches!(standing.ladder, Ladder::Idle) && !standing.policy.steps.is_empty() && ceiling > before {
        // Quiet so far because there was nothing to be loud with.
        holds::rearm(standing, roster, now, effects);
        return;
    }
    let Some((step, round)) = standing.last_step else { return };
    let Some(rung) = standing.policy.steps.get(usize::from(step)) else { return };
    let urgent = rung.loudness(ceiling);
    let recipients = reached(rung, standing, roster, now);
    if urgent > rung.loudness(before) && urgent > Urgent::None && !recipients.is_empty() {
        standing.paged.extend(answers::names(&recipients));
        effects.push(Effect::Page { step, round, recipients, urgent });
    }
}
