//! What stands still and what wakes it: acknowledgements that lapse, snoozes and
//! silences that end, alerts that nobody lists any more.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::{Effect, Reconciliation, Roster, after, burning, climb, end, resolve};
use crate::domain::{Fingerprint, Happening, Hold, Ladder, MemberState, Phase, Response, Standing};

/// Whoever has it is reminded when so many hundredths of the time are over.
const REMINDER_PERCENT: i32 = 75;
/// How long alerts that nobody lists count as burning, where the rule's own
/// `stale_after` is not at hand: after a snooze, say. The rules' default.
pub(super) const UNLISTED_FOR: SignedDuration = SignedDuration::from_hours(1);

/// Time has passed: does what is due. Whether the standing changed.
pub(super) fn tick(
    standing: &mut Standing,
    roster: &dyn Roster,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) -> bool {
    if standing.due_at.is_none_or(|due| due > now) {
        return false;
    }
    match (&standing.hold, &standing.response) {
        (Some(Hold::Unlisted { stale_at, .. }), _) if *stale_at <= now => {
            effects.push(Effect::Note(Happening::Stale));
            end(standing, None, now, effects);
        }
        (Some(hold @ (Hold::Snoozed { .. } | Hold::Silenced { .. })), _) => {
            let silenced = matches!(hold, Hold::Silenced { .. });
            effects.push(Effect::Note(Happening::HoldEnded));
            if silenced {
                lose_sight(standing, now);
            }
            rearm(standing, roster, now, effects);
        }
        (_, Response::Acknowledged { .. }) => acknowledged(standing, roster, now, effects),
        (Some(Hold::Unlisted { .. }), _) | (_, Response::Resolved { .. }) => due_again(standing),
        (None, Response::Open) => {
            climb::run_due(standing, roster, now, effects);
        }
    }
    true
}

/// A sender never tells what recovered while it was silenced. Whether it fires
/// still is said by its next payload, or by its API when it is asked.
fn lose_sight(standing: &mut Standing, now: Timestamp) {
    for member in standing.members.values_mut().filter(|member| member.state == MemberState::Firing) {
        (member.state, member.changed_at) = (MemberState::Unlisted, now);
    }
}

/// An acknowledgement comes to its reminder, or to its end.
fn acknowledged(standing: &mut Standing, roster: &dyn Roster, now: Timestamp, effects: &mut Vec<Effect>) {
    let Response::Acknowledged { by, expires_at, reminded, .. } = &mut standing.response else { return };
    let by = by.clone();
    if expires_at.is_some_and(|at| at <= now) {
        effects.push(Effect::Note(Happening::AcknowledgeExpired { by }));
        rearm(standing, roster, now, effects);
        return;
    }
    if !*reminded && expires_at.is_some() {
        *reminded = true;
        effects.push(Effect::Note(Happening::Reminded { by: by.clone() }));
        effects.extend([Effect::Remind { name: by }, Effect::Refresh]);
    }
    due_again(standing);
}

/// Puts the deadline of whatever stands still: a hold's end, a reminder, an
/// acknowledgement's end. An open ladder has its own.
pub(super) fn due_again(standing: &mut Standing) {
    let lapse = match &standing.response {
        Response::Acknowledged { at, expires_at: Some(expires_at), reminded, .. } => {
            let span = expires_at.duration_since(*at);
            let reminder = after(*at, span / 100 * REMINDER_PERCENT);
            Some(if *reminded { *expires_at } else { reminder })
        }
        Response::Acknowledged { .. } | Response::Open | Response::Resolved { .. } => None,
    };
    standing.due_at = match &standing.hold {
        Some(Hold::Snoozed { until, .. } | Hold::Silenced { until, .. }) => Some(*until),
        Some(Hold::Unlisted { stale_at, .. }) => lapse.into_iter().chain([*stale_at]).min(),
        None => lapse,
    };
}

/// Starts the ladder over: nobody has it any more.
pub(super) fn rearm(standing: &mut Standing, roster: &dyn Roster, now: Timestamp, effects: &mut Vec<Effect>) {
    start_over(standing, now, effects);
    effects.push(Effect::Refresh);
    if standing.hold.is_none() {
        climb::run_due(standing, roster, now, effects);
    }
}

/// Points the ladder at its start, and nobody has it any more. While none of its
/// alerts is listed it stands still there. The epoch grows if somebody had it.
pub(super) fn start_over(standing: &mut Standing, now: Timestamp, effects: &mut Vec<Effect>) {
    if standing.phase() != Phase::Triggered {
        standing.epoch += 1;
    }
    standing.response = Response::Open;
    standing.hold = standing.hold.take().filter(|hold| matches!(hold, Hold::Unlisted { .. }));
    standing.last_step = None;
    standing.catch_alls = 0;
    if matches!(standing.ladder, Ladder::Gathering) {
        standing.due_at = Some(now);
    } else {
        climb::start(standing, now);
    }
    hold_unlisted(standing, UNLISTED_FOR, now, effects);
}

/// Holds the ladder if it burns but none of it is listed any more; for so long
/// as is left where it was held for that already.
pub(super) fn hold_unlisted(
    standing: &mut Standing,
    stale_after: SignedDuration,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
    if standing.firing() > 0 || burning(standing) == 0 {
        return;
    }
    if standing.hold.is_none() {
        standing.hold = Some(Hold::Unlisted { since: now, stale_at: after(now, stale_after) });
        effects.push(Effect::Note(Happening::Unlisted));
    }
    due_again(standing);
}

/// After a change of the members: stands still when nothing is listed any more,
/// goes on when something is again.
pub(super) fn relist(
    standing: &mut Standing,
    stale_after: SignedDuration,
    roster: &dyn Roster,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
    let listed = standing.firing() > 0;
    match &standing.hold {
        None => hold_unlisted(standing, stale_after, now, effects),
        Some(Hold::Unlisted { .. }) if listed => {
            standing.hold = None;
            effects.push(Effect::Note(Happening::ListedAgain));
            due_again(standing);
            if matches!(standing.response, Response::Open) {
                climb::go_on(standing, roster, now);
            }
        }
        Some(_) => {}
    }
}

/// The sender was asked: what still fires there fires, what is suppressed stays
/// as it is for another while, what is gone has recovered.
pub(super) fn reconcile(
    standing: &mut Standing,
    found: &Reconciliation,
    roster: &dyn Roster,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) -> bool {
    if !standing.is_open() {
        return false;
    }
    let (mut moved, mut suppressed) = (false, false);
    for (fingerprint, member) in &mut standing.members {
        if member.state != MemberState::Unlisted {
            continue;
        }
        let state = if found.firing.contains(fingerprint) {
            MemberState::Firing
        } else if found.suppressed.contains(fingerprint) {
            suppressed = true;
            continue;
        } else {
            MemberState::Resolved
        };
        (member.state, member.changed_at, moved) = (state, now, true);
    }
    if moved && burning(standing) == 0 {
        resolve(standing, now, effects);
        return true;
    }
    if let Some(Hold::Unlisted { since, stale_at }) = &mut standing.hold
        && suppressed
        && *since != now
    {
        let span = stale_at.duration_since(*since);
        (*since, *stale_at) = (now, after(now, span));
        moved = true;
        due_again(standing);
    }
    if moved {
        relist(standing, UNLISTED_FOR, roster, now, effects);
        effects.push(Effect::Refresh);
    }
    moved
}

/// Its sender holds some of its alerts back: a group that is silenced as a whole
/// vanishes without a payload that leaves it out. Under a silence of ours that
/// is no news.
pub(super) fn hush(
    standing: &mut Standing,
    suppressed: &BTreeSet<Fingerprint>,
    roster: &dyn Roster,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) -> bool {
    if !standing.is_open() || matches!(standing.hold, Some(Hold::Silenced { .. })) {
        return false;
    }
    let mut hushed = false;
    for (fingerprint, member) in &mut standing.members {
        if member.state == MemberState::Firing && suppressed.contains(fingerprint) {
            (member.state, member.changed_at, hushed) = (MemberState::Unlisted, now, true);
        }
    }
    if hushed {
        relist(standing, UNLISTED_FOR, roster, now, effects);
        effects.push(Effect::Refresh);
    }
    hushed
}
