//! Decides what happens next to an incident, and nothing else.
//!
//! Alerts open an incident, more of them join it, some recover. Until somebody
//! answers, the incident climbs the steps of its policy; when the ladder is used
//! up, the catch-all is paged again and again. When every alert has recovered it
//! is over. This room does no I/O and reads no clock: the engine loads a
//! standing, calls [`advance`] or [`act`], and commits the new standing and the
//! effects in one transaction. What was not committed did not happen.
//!
//! # Invariants
//!
//! * Same inputs, same outputs.
//! * Every pair of standing and event has an answer. One that comes late, twice
//!   or out of order changes nothing and asks for nothing.
//! * An open incident has a next deadline, or was answered, or has nobody to page.
//! * `generation` grows by one with every change, by nothing without one;
//!   `epoch` only with the answer, so that old buttons are known as old.
//! * An incident that is answered, held or over pages nobody.
//! * Effects are requests and may be carried out twice; each is safe to repeat.
//!
//! Which rule owns an alert and who is on call is answered by `rules`, how a
//! page looks by `feishu`, when a failed send is retried by `worker`.

mod answers;
pub mod budget;
mod climb;
mod holds;
mod members;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::domain::{
    AlertStatus, Fingerprint, Happening, Hold, Ladder, Listing, MemberState, Policy, Recipients, Response,
    Severity, Standing, Target, Urgent, Window,
};

pub use answers::act;
pub use climb::{is_met, reached};

/// How long a person's word that an incident is over outlives alerts that go
/// on firing all the same; after that their next mention opens a new incident.
const SAID_OVER: SignedDuration = SignedDuration::from_hours(24);

/// Who the targets of a step are at a time.
///
/// Asked when a step runs, never before: the people of a schedule change hands
/// while an incident climbs.
pub trait Roster {
    /// The people and chats behind `targets` at `now`; empty if there is nobody.
    fn recipients(&self, targets: &[Target], now: Timestamp) -> Recipients;

    /// Whether `now` lies within the window.
    fn within(&self, window: &Window, now: Timestamp) -> bool;

    /// Who is paged when a ladder is used up; `None`: nobody was named.
    fn catch_all(&self, now: Timestamp) -> Option<CatchAll>;
}

/// The last resort of the rules, at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatchAll {
    /// Who they are now.
    pub recipients: Recipients,
    /// How often they are paged until somebody answers. Positive.
    pub every: SignedDuration,
}

/// One alert of a payload, as far as deciding is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Which alert.
    pub fingerprint: Fingerprint,
    /// What its sender says of it.
    pub status: AlertStatus,
    /// Start of the firing meant; `None` where the sender gives none.
    pub starts_at: Option<Timestamp>,
    /// End of the firing meant; `None` while it fires, or where the sender gives none.
    pub ends_at: Option<Timestamp>,
    /// How bad it is by the rules of now.
    pub severity: Severity,
}

/// What a payload says about one incident, with the rules of now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Its alerts that belong here. May be empty: then it only says who is missing.
    pub sightings: Vec<Sighting>,
    /// The sender's group; `None` where the format has none.
    pub listing: Option<Listing>,
    /// Whether the payload lists all of that group (nothing was truncated), so
    /// that what it leaves out is no longer listed.
    pub complete: bool,
    /// The policy to follow if this opens or reopens the incident.
    pub policy: Policy,
    /// How long alerts are gathered before anybody is told.
    pub group_wait: SignedDuration,
    /// How long alerts that nobody lists any more count as burning.
    pub stale_after: SignedDuration,
}

/// What the sender's API says of alerts that its payloads leave out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reconciliation {
    /// Alerts that fire there and are told to receivers.
    pub firing: BTreeSet<Fingerprint>,
    /// Alerts that fire there, silenced or inhibited.
    pub suppressed: BTreeSet<Fingerprint>,
}

/// Something that may move an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A payload spoke of its alerts.
    Observed(Observation),
    /// The sender was asked about alerts that are not listed any more.
    Reconciled(Reconciliation),
    /// The sender was asked for alerts that fire and that it tells nobody of.
    Suppressed(BTreeSet<Fingerprint>),
    /// Time has passed; the deadline may have come.
    Tick,
}

/// What the world is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Post the card in every place of the incident that has none.
    Announce,
    /// Bring the cards up to date.
    Refresh,
    /// A step runs: page these people and chats.
    Page {
        /// Which, from 0.
        step: u16,
        /// Its round, from 0.
        round: u16,
        /// Who they are now. Not empty.
        recipients: Recipients,
        /// How loudly. [`Urgent::None`]: the card alone tells.
        urgent: Urgent,
    },
    /// The ladder is used up: page these people and chats.
    CatchAll {
        /// Who they are now. Not empty.
        recipients: Recipients,
        /// How loudly.
        urgent: Urgent,
    },
    /// Remind whoever has it that their acknowledgement will lapse, or tell
    /// them that they have it now.
    Remind {
        /// The rules' name for them.
        name: String,
    },
    /// Silence its alerts at their sender.
    Silence {
        /// Until then.
        until: Timestamp,
        /// Who wants it.
        by: String,
    },
    /// End the silences made for it: nobody wants them any more.
    EndSilence,
    /// Take pins off: all, or all but one person's.
    Unpin {
        /// Whose stay.
        keep: Option<String>,
    },
    /// Write it into the timeline.
    Note(Happening),
}

/// Opens an incident, if any sighting fires.
///
/// `None` when nothing fires: a recovery of something never seen is no news.
pub fn open(
    observation: &Observation,
    roster: &dyn Roster,
    now: Timestamp,
) -> Option<(Standing, Vec<Effect>)> {
    let severity = members::worst_firing(&observation.sightings)?.clone();
    let mut standing = Standing {
        members: BTreeMap::new(),
        severity,
        response: Response::Open,
        hold: None,
        ladder: Ladder::Gathering,
        // A wait too long for the calendar is a wait for ever: due at its end.
        due_at: Some(after(now, observation.group_wait)),
        last_step: None,
        policy: observation.policy.clone(),
        generation: 1,
        epoch: 1,
        paged: BTreeSet::new(),
        catch_alls: 0,
        opened_at: now,
        reopens: 0,
    };
    members::apply(&mut standing, observation, now);
    if standing.firing() == 0 {
        return None;
    }
    let mut effects = vec![Effect::Note(Happening::Opened {
        severity: standing.severity.name.clone(),
        firing: standing.firing(),
    })];
    climb::run_due(&mut standing, roster, now, &mut effects);
    Some((standing, effects))
}

/// Moves an incident by one event and says what the world owes it.
///
/// `now` is the time of processing, not of the event, so downtime delays the
/// next step instead of firing all missed ones at once.
pub fn advance(
    mut standing: Standing,
    event: &Event,
    roster: &dyn Roster,
    now: Timestamp,
) -> (Standing, Vec<Effect>) {
    let mut effects = Vec::new();
    let changed = match event {
        Event::Observed(observation) => observe(&mut standing, observation, roster, now, &mut effects),
        Event::Reconciled(found) => holds::reconcile(&mut standing, found, roster, now, &mut effects),
        Event::Suppressed(alerts) => holds::hush(&mut standing, alerts, roster, now, &mut effects),
        Event::Tick => holds::tick(&mut standing, roster, now, &mut effects),
    };
    if changed {
        standing.generation += 1;
    }
    (standing, effects)
}

/// Whether new firings of its key belong to this incident: it is open, was
/// resolved no longer than `reopen_within` ago, or a person said that it is over
/// while its alerts go on firing.
pub fn takes(standing: &Standing, reopen_within: SignedDuration, now: Timestamp) -> bool {
    let Response::Resolved { at, by } = &standing.response else { return true };
    let since = now.duration_since(*at);
    since <= reopen_within || (by.is_some() && burning(standing) > 0 && since <= SAID_OVER)
}

/// Whether a firing that began at `starts_at` is a late copy of one that this
/// incident has just seen end: no reason to open another.
pub fn is_late_copy(
    standing: &Standing,
    fingerprint: Fingerprint,
    starts_at: Option<Timestamp>,
    now: Timestamp,
) -> bool {
    standing.members.get(&fingerprint).is_some_and(|held| members::is_late_copy(held, starts_at, now))
}

/// How many alerts have not recovered, as far as anybody has said.
fn burning(standing: &Standing) -> usize {
    standing.members.len() - standing.count(MemberState::Resolved)
}

fn observe(
    standing: &mut Standing,
    observation: &Observation,
    roster: &dyn Roster,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) -> bool {
    let was_open = standing.is_open();
    let change = members::apply(standing, observation, now);
    if !change.shows() {
        return change.touched;
    }
    if !was_open {
        let back = change.fired > 0 || (change.relisted > 0 && !said_over(standing));
        if back && standing.firing() > 0 {
            reopen(standing, observation, roster, now, effects);
        } else {
            effects.push(Effect::Refresh);
        }
        return true;
    }
    if burning(standing) == 0 {
        resolve(standing, now, effects);
        return true;
    }
    note_members(standing, effects);
    if !matches!(standing.ladder, Ladder::Gathering) {
        effects.push(Effect::Refresh);
    }
    holds::relist(standing, observation.stale_after, roster, now, effects);
    let worst = members::worst_held(standing, &observation.sightings).cloned();
    if let Some(severity) = worst.filter(|s| s.outranks(&standing.severity)) {
        climb::rise(standing, severity, roster, now, effects);
    }
    true
}

fn said_over(standing: &Standing) -> bool {
    matches!(standing.response, Response::Resolved { by: Some(_), .. })
}

fn note_members(standing: &Standing, effects: &mut Vec<Effect>) {
    let resolved = standing.count(MemberState::Resolved);
    effects.push(Effect::Note(Happening::AlertsChanged { firing: standing.firing(), resolved }));
}

/// Everything has recovered. What was never announced ends without a word.
fn resolve(standing: &mut Standing, now: Timestamp, effects: &mut Vec<Effect>) {
    end(standing, None, now, effects);
    effects.push(Effect::Note(Happening::Resolved));
}

/// The incident is over, for whatever reason.
fn end(standing: &mut Standing, by: Option<String>, now: Timestamp, effects: &mut Vec<Effect>) {
    let announced = !matches!(standing.ladder, Ladder::Gathering);
    standing.response = Response::Resolved { at: now, by };
    standing.hold = None;
    standing.ladder = Ladder::Idle;
    standing.due_at = None;
    standing.epoch += 1;
    if announced {
        effects.extend([Effect::Refresh, Effect::Unpin { keep: None }]);
    }
}

/// It came back: same incident, same card, from the first step, by today's policy.
fn reopen(
    standing: &mut Standing,
    observation: &Observation,
    roster: &dyn Roster,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
    if let Some(severity) = members::worst_held(standing, &observation.sightings) {
        standing.severity = severity.clone();
    }
    standing.policy = observation.policy.clone();
    standing.reopens += 1;
    standing.paged.clear();
    standing.ladder = Ladder::Gathering;
    effects.push(Effect::Note(Happening::Reopened { times: standing.reopens }));
    holds::rearm(standing, roster, now, effects);
}

/// The instant after a span; the end of the calendar if that is beyond it.
fn after(now: Timestamp, span: SignedDuration) -> Timestamp {
    now.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// Whether somebody's wish for quiet holds it.
fn is_quieted(standing: &Standing) -> bool {
    matches!(standing.hold, Some(Hold::Snoozed { .. } | Hold::Silenced { .. }))
}

#[cfg(test)]
mod tests;
