//! Decides what happens next to an incident, and nothing else.
//!
//! Alerts open an incident, more of them join it, some recover. Until somebody
//! answers, the incident climbs the steps of its policy; when every alert has
//! recovered it is over. This room does no I/O and reads no clock: the engine
//! loads a standing, calls [`advance`], and commits the new standing and the
//! effects in one transaction. What was not committed did not happen.
//!
//! # Invariants
//!
//! * Same inputs, same outputs.
//! * Every pair of standing and event has an answer. One that comes late, twice
//!   or out of order changes nothing and asks for nothing.
//! * `due_at` is set exactly while the ladder waits for it: an open incident has
//!   a next deadline, or its ladder says why there is none.
//! * `generation` grows by one with every change, by nothing without one.
//! * A resolved incident pages nobody.
//! * Effects are requests and may be carried out twice; each is safe to repeat.
//!
//! Which rule owns an alert and who is on call is answered by `rules`, how a
//! page looks by `feishu`, when a failed send is retried by `worker`.

mod climb;
mod members;

use jiff::{SignedDuration, Timestamp};

use crate::domain::{
    AlertStatus, Fingerprint, Happening, Ladder, Policy, Recipients, Response, Severity, Standing, Target,
    Urgent, Window,
};

/// Who the targets of a step are at a time.
///
/// Asked when a step runs, never before: the people of a schedule change hands
/// while an incident climbs.
pub trait Roster {
    /// The people and chats behind `targets` at `now`; empty if there is nobody.
    fn recipients(&self, targets: &[Target], now: Timestamp) -> Recipients;

    /// Whether `now` lies within the window.
    fn within(&self, window: &Window, now: Timestamp) -> bool;
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
    /// Its alerts that belong here.
    pub sightings: Vec<Sighting>,
    /// The policy to follow if this opens or reopens the incident.
    pub policy: Policy,
    /// How long alerts are gathered before anybody is told.
    pub group_wait: SignedDuration,
}

/// Something that may move an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A payload spoke of its alerts.
    Observed(Observation),
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
    /// Take all pins off.
    Unpin,
    /// Write it into the timeline.
    Note(Happening),
}

/// Opens an incident, if any sighting fires.
///
/// `None` when nothing fires: a recovery of something never seen is no news.
pub fn open(
    observation: Observation,
    roster: &dyn Roster,
    now: Timestamp,
) -> Option<(Standing, Vec<Effect>)> {
    let severity = members::worst_firing(&observation.sightings)?.clone();
    let mut standing = Standing {
        members: std::collections::BTreeMap::new(),
        severity,
        response: Response::Open,
        ladder: Ladder::Gathering,
        // A wait too long for the calendar is a wait for ever: due at its end.
        due_at: Some(now.checked_add(observation.group_wait).unwrap_or(Timestamp::MAX)),
        last_step: None,
        policy: observation.policy,
        generation: 1,
        opened_at: now,
        reopens: 0,
    };
    members::apply(&mut standing, &observation.sightings, now);
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
    event: Event,
    roster: &dyn Roster,
    now: Timestamp,
) -> (Standing, Vec<Effect>) {
    let mut effects = Vec::new();
    let changed = match event {
        Event::Observed(observation) => observe(&mut standing, observation, roster, now, &mut effects),
        Event::Tick => climb::run_due(&mut standing, roster, now, &mut effects),
    };
    if changed {
        standing.generation += 1;
    }
    (standing, effects)
}

/// Whether new firings of its key belong to this incident: it is open, or was
/// resolved no longer than `reopen_within` ago.
pub fn takes(standing: &Standing, reopen_within: SignedDuration, now: Timestamp) -> bool {
    standing.resolved_at().is_none_or(|at| now.duration_since(at) <= reopen_within)
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

fn observe(
    standing: &mut Standing,
    observation: Observation,
    roster: &dyn Roster,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) -> bool {
    let was_open = standing.is_open();
    let change = members::apply(standing, &observation.sightings, now);
    if !change.shows() {
        return change.touched;
    }
    match (was_open, standing.firing() > 0) {
        (true, false) => resolve(standing, now, effects),
        (false, true) => reopen(standing, observation, roster, now, effects),
        (true, true) => {
            note_members(standing, effects);
            if !matches!(standing.ladder, Ladder::Gathering) {
                effects.push(Effect::Refresh);
            }
            let worst = members::worst_firing(&observation.sightings);
            if let Some(severity) = worst.filter(|s| s.outranks(&standing.severity)).cloned() {
                climb::rise(standing, severity, roster, now, effects);
            }
        }
        (false, false) => {}
    }
    true
}

fn note_members(standing: &Standing, effects: &mut Vec<Effect>) {
    let firing = standing.firing();
    let resolved = standing.members.len() - firing;
    effects.push(Effect::Note(Happening::AlertsChanged { firing, resolved }));
}

/// Everything has recovered. What was never announced ends without a word.
fn resolve(standing: &mut Standing, now: Timestamp, effects: &mut Vec<Effect>) {
    let announced = !matches!(standing.ladder, Ladder::Gathering);
    standing.response = Response::Resolved { at: now };
    standing.ladder = Ladder::Idle;
    standing.due_at = None;
    effects.push(Effect::Note(Happening::Resolved));
    if announced {
        effects.extend([Effect::Refresh, Effect::Unpin]);
    }
}

/// It came back: same incident, same card, from the first step, by today's policy.
fn reopen(
    standing: &mut Standing,
    observation: Observation,
    roster: &dyn Roster,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
    if let Some(severity) = members::worst_firing(&observation.sightings) {
        standing.severity = severity.clone();
    }
    standing.response = Response::Open;
    standing.policy = observation.policy;
    standing.last_step = None;
    standing.reopens += 1;
    standing.ladder = Ladder::Gathering;
    standing.due_at = Some(now);
    effects.push(Effect::Note(Happening::Reopened { times: standing.reopens }));
    effects.push(Effect::Refresh);
    climb::run_due(standing, roster, now, effects);
}

#[cfg(test)]
mod tests;
