//! What people do about an incident, and what they are answered.
//!
//! The first answer wins; whoever comes later is told who was first. Resolve
//! beats a late acknowledge. A button drawn before the last answer is void.

use jiff::{SignedDuration, Timestamp};

use super::{Effect, Roster, after, climb, end, holds};
use crate::domain::{
    Action, Actor, Answer, Happening, Hold, Ladder, Recipients, Response, Standing, Target, Via,
};

/// Pause between "not mine after all" and the first step, so that a slip of the
/// finger and its correction page nobody.
const SECOND_THOUGHTS: SignedDuration = SignedDuration::from_secs(10);

/// An emoji taken off so soon takes back the answer that it gave.
const SLIP: SignedDuration = SignedDuration::from_mins(2);

/// Moves an incident by what somebody does, and says what they are answered.
///
/// `epoch`: the [`Standing::epoch`] that the button was drawn in; `None` where
/// there is no button (API, chat). Anything but [`Answer::Done`] changes nothing.
pub fn act(
    mut standing: Standing,
    action: &Action,
    actor: &Actor,
    epoch: Option<u64>,
    roster: &dyn Roster,
    now: Timestamp,
) -> (Standing, Vec<Effect>, Answer) {
    let mut effects = Vec::new();
    let answer = refusal(&standing, action, actor, epoch, now)
        .unwrap_or_else(|| carry_out(&mut standing, action, actor, roster, now, &mut effects));
    if answer == Answer::Done {
        standing.generation += 1;
    }
    (standing, effects, answer)
}

/// Why it cannot be; `None` if it can.
fn refusal(
    standing: &Standing,
    action: &Action,
    actor: &Actor,
    epoch: Option<u64>,
    now: Timestamp,
) -> Option<Answer> {
    if !standing.is_open() {
        return Some(Answer::Over);
    }
    let holder = standing.holder().map(str::to_owned);
    if epoch.is_some_and(|epoch| epoch != standing.epoch) {
        return Some(Answer::Outdated { by: holder });
    }
    let acknowledged = matches!(standing.response, Response::Acknowledged { .. });
    match action {
        Action::Acknowledge if acknowledged => Some(Answer::Already { by: holder }),
        Action::Unacknowledge if holder.is_none() => Some(Answer::Already { by: None }),
        // Tidying up emoji later, or those of others, takes nothing back.
        Action::Unacknowledge if actor.via == Via::Reaction && !is_slip(standing, &actor.name, now) => {
            Some(Answer::Outdated { by: holder })
        }
        Action::Escalate | Action::Unacknowledge => None,
        Action::Acknowledge
        | Action::Snooze { .. }
        | Action::Resolve
        | Action::HandOver { .. }
        | Action::Silence { .. } => {
            let stranger = standing.severity.acknowledge_by_targets && !standing.paged.contains(&actor.name);
            stranger.then_some(Answer::NotAllowed)
        }
    }
}

/// Whether that person acknowledged it a moment ago, and nothing came since.
fn is_slip(standing: &Standing, name: &str, now: Timestamp) -> bool {
    matches!(&standing.response, Response::Acknowledged { by, at, .. }
        if by == name && standing.holder() == Some(name) && now.duration_since(*at) <= SLIP)
}

fn carry_out(
    standing: &mut Standing,
    action: &Action,
    actor: &Actor,
    roster: &dyn Roster,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) -> Answer {
    let (by, via) = (actor.name.clone(), actor.via);
    // Silence at the sender would hide what happens next.
    let silenced = matches!(standing.hold, Some(Hold::Silenced { .. }));
    if silenced && matches!(action, Action::Unacknowledge | Action::Escalate | Action::Resolve) {
        effects.push(Effect::EndSilence);
    }
    match action {
        Action::Acknowledge => {
            effects.push(Effect::Note(Happening::Acknowledged { by: by.clone(), via }));
            take(standing, by, now, effects);
        }
        Action::HandOver { to } => {
            let known = roster.recipients(&[Target::Person(to.clone())], now);
            if known.people.is_empty() {
                return Answer::Impossible { why: "unknown_person" };
            }
            effects.push(Effect::Note(Happening::HandedOver { by, via, to: to.clone() }));
            take(standing, to.clone(), now, effects);
            standing.paged.insert(to.clone());
            effects.push(Effect::Remind { name: to.clone() });
        }
        Action::Unacknowledge => {
            effects.push(Effect::Note(Happening::Unacknowledged { by, via }));
            effects.push(Effect::Refresh);
            holds::start_over(standing, now, effects);
            if standing.hold.is_none() {
                standing.due_at = standing.due_at.map(|due| due.max(after(now, SECOND_THOUGHTS)));
            }
        }
        Action::Snooze { span } => {
            let until = after(now, *span);
            effects.push(Effect::Note(Happening::Snoozed { by: by.clone(), via, until }));
            quiet(standing, Hold::Snoozed { by, until }, effects);
        }
        Action::Silence { span } => {
            let until = after(now, *span);
            effects.push(Effect::Note(Happening::Silenced { by: by.clone(), via, until }));
            effects.push(Effect::Silence { until, by: by.clone() });
            quiet(standing, Hold::Silenced { by, until }, effects);
        }
        Action::Resolve => {
            effects.push(Effect::Note(Happening::ResolvedBy { by: by.clone(), via }));
            end(standing, Some(by), now, effects);
        }
        Action::Escalate => {
            effects.push(Effect::Note(Happening::Escalated { by, via }));
            announce(standing, effects);
            standing.response = Response::Open;
            standing.hold = None;
            standing.epoch += 1;
            climb::hurry(standing, roster, now, effects);
            holds::hold_unlisted(standing, holds::UNLISTED_FOR, now, effects);
            effects.push(Effect::Refresh);
        }
    }
    Answer::Done
}

/// Somebody has it: the ladder stops, only their pin stays.
fn take(standing: &mut Standing, by: String, now: Timestamp, effects: &mut Vec<Effect>) {
    announce(standing, effects);
    let expires_at = standing.severity.ack_timeout.map(|span| after(now, span));
    effects.extend([Effect::Refresh, Effect::Unpin { keep: Some(by.clone()) }]);
    standing.response = Response::Acknowledged { by, at: now, expires_at, reminded: false };
    standing.hold = standing.hold.take().filter(|hold| matches!(hold, Hold::Unlisted { .. }));
    standing.ladder = Ladder::Idle;
    standing.epoch += 1;
    holds::due_again(standing);
    holds::hold_unlisted(standing, holds::UNLISTED_FOR, now, effects);
}

/// Nobody is paged until the hold ends.
fn quiet(standing: &mut Standing, hold: Hold, effects: &mut Vec<Effect>) {
    announce(standing, effects);
    standing.response = Response::Open;
    standing.hold = Some(hold);
    standing.ladder = Ladder::Idle;
    standing.epoch += 1;
    holds::due_again(standing);
    effects.extend([Effect::Refresh, Effect::Unpin { keep: None }]);
}

/// An answer before the announcement (through the API) still leaves a card.
fn announce(standing: &Standing, effects: &mut Vec<Effect>) {
    if matches!(standing.ladder, Ladder::Gathering) {
        effects.push(Effect::Announce);
    }
}

/// Names of those who are paged.
pub(super) fn names(recipients: &Recipients) -> impl Iterator<Item = String> + '_ {
    recipients.people.iter().map(|person| person.name.clone())
}
