//! Which alerts of an incident fire: what a sighting means for what is known.
//!
//! Senders repeat themselves, retry, and speak through two mouths (HA pairs),
//! so the same news comes twice and old news comes late. An alert's `startsAt`
//! orders its firings; within one firing, recovery is the later news. Replicas
//! that disagree about the start still end the firing that is known.

use jiff::{SignedDuration, Timestamp};

use super::Sighting;
use crate::domain::{AlertStatus, Member, MemberState, Severity, Standing};

/// How long after a recovery a firing with the *same* `startsAt` is taken for a
/// late copy. Copies come from retries and HA peers within seconds (inputs.md
/// §A, HA); later than this it is an alert whose sender lost sight of it and
/// found it still burning, and that must page again.
const LATE_COPY: SignedDuration = SignedDuration::from_secs(60);

/// What a round of sightings changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct MemberChange {
    /// Whether anything is known now that was not before.
    pub(super) touched: bool,
    /// Alerts that fire now and did not before.
    pub(super) fired: usize,
    /// Alerts that recovered.
    pub(super) recovered: usize,
}

impl MemberChange {
    /// Whether an alert began to fire or recovered, and so the card is out of date.
    pub(super) fn shows(self) -> bool {
        self.fired + self.recovered > 0
    }
}

/// The worst severity among the sightings that fire.
pub(super) fn worst_firing(sightings: &[Sighting]) -> Option<&Severity> {
    sightings.iter().filter(|s| s.status == AlertStatus::Firing).map(|s| &s.severity).min_by_key(|s| s.rank)
}

/// Applies the sightings to the members.
pub(super) fn apply(standing: &mut Standing, sightings: &[Sighting], now: Timestamp) -> MemberChange {
    let mut change = MemberChange::default();
    for sighting in sightings {
        let held = standing.members.get(&sighting.fingerprint);
        let Some(state) = news(held, sighting, now) else { continue };
        match state {
            MemberState::Firing if held.is_none_or(|m| m.state != MemberState::Firing) => change.fired += 1,
            MemberState::Resolved => change.recovered += 1,
            MemberState::Firing => {}
        }
        let starts_at = if held.is_some_and(|held| is_older(sighting, held)) {
            held.and_then(|held| held.starts_at)
        } else {
            sighting.starts_at
        };
        let member = Member { state, starts_at, changed_at: now };
        standing.members.insert(sighting.fingerprint, member);
        change.touched = true;
    }
    change
}

/// Whether a sighting speaks of a firing that began before the one that is known.
fn is_older(sighting: &Sighting, held: &Member) -> bool {
    matches!((sighting.starts_at, held.starts_at), (Some(new), Some(old)) if new < old)
}

/// Whether a firing that began then is old news of an alert that has recovered.
pub(super) fn is_late_copy(held: &Member, starts_at: Option<Timestamp>, now: Timestamp) -> bool {
    let recovered = held.state == MemberState::Resolved && starts_at.is_some() && starts_at <= held.starts_at;
    recovered && now.duration_since(held.changed_at) <= LATE_COPY
}

/// The state an alert is in after a sighting; `None` if the sighting is no news.
fn news(held: Option<&Member>, sighting: &Sighting, now: Timestamp) -> Option<MemberState> {
    let Some(held) = held else {
        return (sighting.status == AlertStatus::Firing).then_some(MemberState::Firing);
    };
    if is_older(sighting, held) {
        // Replicas that evaluate for themselves do not agree on the start. An end
        // after the start we hold is the end of this firing, whoever tells it.
        let ends_this = matches!((sighting.ends_at, held.starts_at), (Some(end), Some(start)) if end > start);
        let recovers = held.state == MemberState::Firing && sighting.status == AlertStatus::Resolved;
        return (recovers && ends_this).then_some(MemberState::Resolved);
    }
    let same_firing = sighting.starts_at == held.starts_at;
    match (held.state, sighting.status) {
        (MemberState::Firing, AlertStatus::Firing) => (!same_firing).then_some(MemberState::Firing),
        (MemberState::Firing, AlertStatus::Resolved) => Some(MemberState::Resolved),
        (MemberState::Resolved, AlertStatus::Resolved) => None,
        (MemberState::Resolved, AlertStatus::Firing) => {
            (!is_late_copy(held, sighting.starts_at, now)).then_some(MemberState::Firing)
        }
    }
}
