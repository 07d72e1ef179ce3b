//! Which alerts of an incident fire: what a sighting means for what is known.
//!
//! Senders repeat themselves, retry, and speak through two mouths (HA pairs),
//! so the same news comes twice and old news comes late. An alert's `startsAt`
//! orders its firings; within one firing, recovery is the later news. Replicas
//! that disagree about the start still end the firing that is known.

use jiff::{SignedDuration, Timestamp};

use std::collections::BTreeSet;

use super::{Observation, Sighting};
use crate::domain::{AlertStatus, Listing, Member, MemberState, Severity, Standing};

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
    /// Alerts that are listed again after they were not.
    pub(super) relisted: usize,
    /// Alerts that recovered.
    pub(super) recovered: usize,
    /// Alerts that a complete payload left out.
    pub(super) unlisted: usize,
}

impl MemberChange {
    /// Whether any alert's state is another now, and so the card is out of date.
    pub(super) fn shows(self) -> bool {
        self.fired + self.relisted + self.recovered + self.unlisted > 0
    }
}

/// The worst severity among the sightings that fire.
pub(super) fn worst_firing(sightings: &[Sighting]) -> Option<&Severity> {
    sightings.iter().filter(|s| s.status == AlertStatus::Firing).map(|s| &s.severity).min_by_key(|s| s.rank)
}

/// The worst severity among the sightings that fire and are not old news: what a
/// late copy says of an alert that has recovered raises nothing.
pub(super) fn worst_held<'a>(standing: &Standing, sightings: &'a [Sighting]) -> Option<&'a Severity> {
    let fires = |sighting: &&Sighting| {
        let held = standing.members.get(&sighting.fingerprint);
        sighting.status == AlertStatus::Firing && held.is_some_and(|m| m.state == MemberState::Firing)
    };
    sightings.iter().filter(fires).map(|s| &s.severity).min_by_key(|s| s.rank)
}

/// Applies what a payload says to the members.
pub(super) fn apply(standing: &mut Standing, observation: &Observation, now: Timestamp) -> MemberChange {
    let mut change = MemberChange::default();
    for sighting in &observation.sightings {
        let held = standing.members.get(&sighting.fingerprint);
        let Some(state) = news(held, sighting, now) else { continue };
        // Of what a person declared over while it fired: a firing that began later.
        let anew = standing.resolved_at().is_some_and(|over| sighting.starts_at > Some(over));
        match (state, held.map(|m| m.state)) {
            (MemberState::Firing, Some(_)) if anew => change.fired += 1,
            (MemberState::Firing, Some(MemberState::Firing)) | (MemberState::Unlisted, _) => {}
            (MemberState::Firing, Some(MemberState::Unlisted))
                if held.map(|m| m.starts_at) == Some(sighting.starts_at) =>
            {
                change.relisted += 1;
            }
            (MemberState::Firing, _) => change.fired += 1,
            (MemberState::Resolved, _) => change.recovered += 1,
        }
        let starts_at = if held.is_some_and(|held| is_older(sighting, held)) {
            held.and_then(|held| held.starts_at)
        } else {
            sighting.starts_at
        };
        let listing = observation.listing.or(held.and_then(|held| held.listing));
        let member = Member { state, starts_at, changed_at: now, listing };
        standing.members.insert(sighting.fingerprint, member);
        change.touched = true;
    }
    if let Some(listing) = observation.listing.filter(|_| observation.complete) {
        change.unlisted = leave_out(standing, listing, &observation.sightings, now);
        change.touched |= change.unlisted > 0;
    }
    change
}

/// Marks what fires in a group of which a complete payload has come without it.
fn leave_out(standing: &mut Standing, listing: Listing, listed: &[Sighting], now: Timestamp) -> usize {
    let listed: BTreeSet<_> = listed.iter().map(|sighting| sighting.fingerprint).collect();
    let mut count = 0;
    for (fingerprint, member) in &mut standing.members {
        let burns = member.state == MemberState::Firing && member.listing == Some(listing);
        if burns && !listed.contains(fingerprint) {
            (member.state, member.changed_at) = (MemberState::Unlisted, now);
            count += 1;
        }
    }
    count
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
        let recovers = held.state != MemberState::Resolved && sighting.status == AlertStatus::Resolved;
        return (recovers && ends_this).then_some(MemberState::Resolved);
    }
    let same_firing = sighting.starts_at == held.starts_at;
    match (held.state, sighting.status) {
        (MemberState::Firing, AlertStatus::Firing) => (!same_firing).then_some(MemberState::Firing),
        (MemberState::Unlisted, AlertStatus::Firing) => Some(MemberState::Firing),
        (MemberState::Firing | MemberState::Unlisted, AlertStatus::Resolved) => Some(MemberState::Resolved),
        (MemberState::Resolved, AlertStatus::Resolved) => None,
        (MemberState::Resolved, AlertStatus::Firing) => {
            (!is_late_copy(held, sighting.starts_at, now)).then_some(MemberState::Firing)
        }
    }
}
