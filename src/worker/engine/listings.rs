//! Alerts that a complete payload of their group leaves out: whom it concerns,
//! and what it moves without saying a word about it.

use std::collections::{BTreeMap, BTreeSet};

use super::desk::Desk;
use super::parcel::Parcel;
use crate::domain::{Fingerprint, Hold, Listing, Member, MemberState, Standing};
use crate::escalation::Event;

impl Desk {
    /// Remembers which of the turn's listings a slot has alerts in.
    pub(super) fn file_by_listing(&mut self, slot: usize, standing: &Standing) {
        if self.listed.is_empty() || !standing.is_open() {
            return;
        }
        let firing = standing.members.values().filter(|member| member.state == MemberState::Firing);
        let listings: BTreeSet<Listing> = firing.filter_map(|member| member.listing).collect();
        for listing in listings {
            if let Some(slots) = self.listed.get_mut(&listing) {
                slots.insert(slot);
            }
        }
    }

    /// For each open incident with alerts in the listing of a complete parcel:
    /// which of the parcel's alerts (indexes) burn there. Those are all that it
    /// has to be told of to know which are missing, whoever owns them now.
    pub(super) fn held_of_listing(&self, parcel: &Parcel) -> BTreeMap<usize, Vec<usize>> {
        let listed = parcel.listing.filter(|_| parcel.complete).and_then(|listing| self.listed.get(&listing));
        let mut held = BTreeMap::new();
        for slot in listed.into_iter().flatten() {
            let Some(standing) = self.slots.get(*slot).map(|slot| &slot.incident.standing) else { continue };
            if !standing.is_open() {
                continue;
            }
            let burns = |alert: &Fingerprint| {
                standing.members.get(alert).is_some_and(|member| member.state != MemberState::Resolved)
            };
            let alerts = parcel.alerts.iter().enumerate();
            let burning = alerts.filter(|(_, alert)| burns(&alert.fingerprint)).map(|(at, _)| at);
            held.insert(*slot, burning.collect());
        }
        held
    }
}

/// The members that an event may move without a sighting of them, as they are before it.
pub(super) fn silently_moved(standing: &Standing, event: &Event) -> Vec<(Fingerprint, Member)> {
    let members = standing.members.iter();
    match event {
        Event::Observed(observation) if observation.complete && observation.listing.is_some() => {
            let seen: BTreeSet<_> = observation.sightings.iter().map(|seen| seen.fingerprint).collect();
            let missing = members.filter(|(alert, member)| {
                let listed = member.state == MemberState::Firing && member.listing == observation.listing;
                listed && !seen.contains(alert)
            });
            missing.map(|(alert, member)| (*alert, *member)).collect()
        }
        Event::Reconciled(_) => {
            let unlisted = members.filter(|(_, member)| member.state == MemberState::Unlisted);
            unlisted.map(|(alert, member)| (*alert, *member)).collect()
        }
        Event::Suppressed(alerts) => {
            let fires = members.filter(|(alert, m)| m.state == MemberState::Firing && alerts.contains(alert));
            fires.map(|(alert, member)| (*alert, *member)).collect()
        }
        // When a silence ends, nobody knows what has recovered under it.
        Event::Tick if matches!(standing.hold, Some(Hold::Silenced { .. })) => {
            let firing = members.filter(|(_, member)| member.state == MemberState::Firing);
            firing.map(|(alert, member)| (*alert, *member)).collect()
        }
        Event::Observed(_) | Event::Tick => Vec::new(),
    }
}
