//! The incidents a turn works on: loaded, moved, and handed back as changes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::listings::silently_moved;
use super::opening;
use super::parcel::Parcel;
use super::slot::Slot;
use crate::domain::{
    Action, Actor, Alert, AlertStatus, Answer, Fingerprint, Happening, Incident, IncidentId, IncidentKey,
    Labels, Listing, Member, Severity, Standing,
};
use crate::escalation::{self, Event, Observation, Roster, Sighting};
use crate::rules::{Rule, RuleSet};
use crate::store::{Change, HeldAlert, Lookup, Store, StoreError};

/// How long unlisted alerts count as burning where the rule is gone: as long as
/// with a rule that does not say.
const STALE_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// Whom alerts of a parcel concern: an incident at hand, or one to be opened.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Slot(usize),
    New(IncidentKey),
}

/// The incidents of a turn. At most one slot per key takes new firings.
#[derive(Debug, Default)]
pub(super) struct Desk {
    pub(super) slots: Vec<Slot>,
    by_key: BTreeMap<IncidentKey, usize>,
    /// Alerts that recover in this turn; of no others the holders are asked for.
    recovering: BTreeSet<Fingerprint>,
    holders: BTreeMap<(String, Fingerprint), BTreeSet<usize>>,
    /// Listings that a complete payload of this turn speaks of, and the slots
    /// with alerts that are listed there.
    pub(super) listed: BTreeMap<Listing, BTreeSet<usize>>,
}

/// How an incident stood before a parcel, as far as its name depends on it.
struct Was {
    reopens: u32,
    severity: Severity,
}

impl Was {
    fn of(standing: &Standing) -> Self {
        Self { reopens: standing.reopens, severity: standing.severity.clone() }
    }
}

/// Incidents too large to be loaded again for the next slice of the same webhook.
#[derive(Debug, Default)]
pub(super) struct Large(Vec<(Incident, Option<usize>)>);

impl Large {
    /// The incidents as they are after the commit that gave their changes these ids.
    pub(super) fn committed(self, ids: &[IncidentId]) -> Vec<Incident> {
        let after = |(mut incident, change): (Incident, Option<usize>)| {
            if let Some(id) = change.and_then(|at| ids.get(at)) {
                incident.id = Some(*id);
                incident.version += 1;
            }
            incident
        };
        self.0.into_iter().map(after).collect()
    }
}

impl Desk {
    /// Fetches every incident that the parcels may concern, but those at hand.
    pub(super) async fn load(
        &mut self,
        store: &dyn Store,
        parcels: &[Parcel],
        at_hand: Vec<Incident>,
    ) -> Result<(), StoreError> {
        let mut lookup = Lookup::default();
        for parcel in parcels {
            let recovered = parcel.resolved.iter().filter_map(|at| parcel.alerts.get(*at));
            lookup.holders.extend(recovered.map(|alert| (parcel.source.clone(), alert.fingerprint)));
        }
        let complete = parcels.iter().filter(|parcel| parcel.complete);
        self.listed = complete.filter_map(|parcel| Some((parcel.listing?, BTreeSet::new()))).collect();
        lookup.listings = self.listed.keys().copied().collect();
        self.recovering = lookup.holders.iter().map(|(_, fingerprint)| *fingerprint).collect();
        let known: BTreeSet<Option<IncidentId>> = at_hand.iter().map(|incident| incident.id).collect();
        for incident in at_hand {
            self.place(incident);
        }
        let keys = parcels.iter().flat_map(|parcel| parcel.firing.keys().chain(parcel.ended.keys()));
        lookup.keys = keys.filter(|key| !self.by_key.contains_key(key)).cloned().collect();
        for incident in store.find(lookup).await? {
            if !known.contains(&incident.id) {
                self.place(incident);
            }
        }
        Ok(())
    }

    /// Puts an incident on the desk.
    pub(super) fn place(&mut self, incident: Incident) -> usize {
        let slot = self.slots.len();
        let members = &incident.standing.members;
        let held: Vec<Fingerprint> = if members.len() < self.recovering.len() {
            members.keys().filter(|member| self.recovering.contains(member)).copied().collect()
        } else {
            self.recovering.iter().filter(|alert| members.contains_key(alert)).copied().collect()
        };
        for fingerprint in held {
            self.holders.entry((incident.source.clone(), fingerprint)).or_default().insert(slot);
        }
        self.file_by_listing(slot, &incident.standing);
        let taken_by_open =
            |other: &usize| self.slots.get(*other).is_some_and(|s| s.incident.standing.is_open());
        if !self.by_key.get(&incident.key).is_some_and(taken_by_open) {
            self.by_key.insert(incident.key.clone(), slot);
        }
        self.slots.push(Slot::of(incident));
        slot
    }

    /// Tells every incident concerned what the parcel says of it; opens the missing ones.
    pub(super) fn apply(&mut self, rules: &RuleSet, roster: &dyn Roster, parcel: &Parcel, now: Timestamp) {
        for (whose, (rule, alerts)) in self.assign(rules, parcel, now) {
            let rule = rule.and_then(|index| rules.at(index));
            let rule = rule.or_else(|| self.rule_of(&whose, rules));
            let alerts: Vec<&Alert<'static>> =
                alerts.into_iter().filter_map(|at| parcel.alerts.get(at)).collect();
            let observation = observe(rules, rule, &alerts, parcel);
            let slot = match whose {
                Whose::Slot(slot) => {
                    let before = self.known(slot, &alerts);
                    let was = self.slots.get(slot).map(|s| Was::of(&s.incident.standing));
                    self.advance(slot, &Event::Observed(observation), rules, roster, now);
                    if let (Some(about), Some(was)) = (about(rules, &alerts), was) {
                        self.rename(slot, about, &was);
                    }
                    self.join(slot, &alerts, Some(&before));
                    slot
                }
                Whose::New(key) => {
                    let Some(rule) = rule else { continue };
                    let Some((standing, effects)) = escalation::open(&observation, roster, now) else {
                        continue;
                    };
                    let about = about(rules, &alerts);
                    let Some(about) = about else { continue };
                    let (source, url) = (&parcel.source, &parcel.external_url);
                    let slot = self.place(opening::incident(rule, key, source, url, about, standing));
                    if let Some(at) = self.slots.get_mut(slot) {
                        at.changed = true;
                        at.owe(effects, rules, now);
                    }
                    self.join(slot, &alerts, None);
                    slot
                }
            };
            if let Some(slots) = parcel.listing.and_then(|listing| self.listed.get_mut(&listing)) {
                slots.insert(slot);
            }
            for alert in alerts.iter().filter(|alert| self.recovering.contains(&alert.fingerprint)) {
                self.holders.entry((parcel.source.clone(), alert.fingerprint)).or_default().insert(slot);
            }
        }
    }

    /// Moves one incident by one event.
    pub(super) fn advance(
        &mut self,
        slot: usize,
        event: &Event,
        rules: &RuleSet,
        roster: &dyn Roster,
        now: Timestamp,
    ) {
        let Some(slot) = self.slots.get_mut(slot) else { return };
        let before = slot.incident.standing.generation;
        let silent = silently_moved(&slot.incident.standing, event);
        // Moved, because copying 100,000 members for each slice of a storm is what takes time and memory.
        let members = std::mem::take(&mut slot.incident.standing.members);
        let standing = Standing { members, ..slot.incident.standing.clone() };
        let (standing, effects) = escalation::advance(standing, event, roster, now);
        slot.changed |= standing.generation != before;
        let moved = |(fingerprint, was): &(Fingerprint, Member)| {
            standing.members.get(fingerprint).is_some_and(|member| member != was)
        };
        slot.moved.extend(silent.iter().filter(|was| moved(was)).map(|(fingerprint, _)| *fingerprint));
        slot.incident.standing = standing;
        slot.owe(effects, rules, now);
    }

    /// Moves one incident by what somebody does.
    pub(super) fn act(
        &mut self,
        slot: usize,
        (action, actor, epoch): (&Action, &Actor, Option<u64>),
        rules: &RuleSet,
        roster: &dyn Roster,
        now: Timestamp,
    ) -> Option<Answer> {
        let slot = self.slots.get_mut(slot)?;
        let before = slot.incident.standing.clone();
        let (standing, effects, answer) = escalation::act(before, action, actor, epoch, roster, now);
        slot.changed |= answer == Answer::Done;
        slot.incident.standing = standing;
        slot.owe(effects, rules, now);
        Some(answer)
    }

    /// Notes what happened to one incident and shows it on its cards. Its standing stays.
    pub(super) fn note(&mut self, slot: usize, what: Happening, now: Timestamp) {
        let Some(slot) = self.slots.get_mut(slot) else { return };
        slot.note(what, now);
        (slot.changed, slot.refresh) = (true, true);
    }

    /// What changed, ready to be committed. Members are left out of the
    /// incidents: the store learns of those that changed.
    pub(super) fn changes(self) -> Vec<Change> {
        self.changes_and_large(usize::MAX).0
    }

    /// [`changes`](Self::changes), and the incidents of so many alerts or more.
    pub(super) fn changes_and_large(self, least: usize) -> (Vec<Change>, Large) {
        let (mut changes, mut large) = (Vec::new(), Large::default());
        for mut slot in self.slots {
            let (alerts, moved) = slot.changed_members();
            let mut incident = slot.incident;
            let members = std::mem::take(&mut incident.standing.members);
            if members.len() >= least {
                let standing = Standing { members, ..incident.standing.clone() };
                let at = slot.changed.then_some(changes.len());
                large.0.push((Incident { standing, ..incident.clone() }, at));
            }
            if slot.changed {
                changes.push(Change {
                    incident,
                    alerts,
                    members: moved,
                    timeline: slot.timeline,
                    jobs: slot.jobs,
                    refresh: slot.refresh,
                    pins: slot.pins,
                    arrivals: Vec::new(),
                });
            }
        }
        (changes, large)
    }

    /// Which incidents the parcel's alerts concern: rule and alerts (indexes) for each.
    fn assign(
        &self,
        rules: &RuleSet,
        parcel: &Parcel,
        now: Timestamp,
    ) -> BTreeMap<Whose, (Option<usize>, Vec<usize>)> {
        let mut whose: BTreeMap<Whose, (Option<usize>, Vec<usize>)> = BTreeMap::new();
        for (key, (rule, alerts)) in &parcel.firing {
            let reopen_within = rules.at(*rule).map(|r| r.reopen_within).unwrap_or_default();
            let takes = |slot: &&usize| {
                self.slots
                    .get(**slot)
                    .is_some_and(|s| escalation::takes(&s.incident.standing, reopen_within, now))
            };
            let owner = self
                .by_key
                .get(key)
                .filter(takes)
                .map_or_else(|| Whose::New(key.clone()), |s| Whose::Slot(*s));
            let entry = whose.entry(owner).or_default();
            entry.0 = Some(*rule);
            let last = self.by_key.get(key).and_then(|slot| self.slots.get(*slot));
            entry.1.extend(alerts.iter().filter(|at| {
                let copied = last.zip(parcel.alerts.get(**at)).is_some_and(|(slot, alert)| {
                    let standing = &slot.incident.standing;
                    escalation::is_late_copy(standing, alert.fingerprint, alert.starts_at, now)
                });
                !copied
            }));
        }
        for (at, slot) in self.holders_of_resolved(parcel) {
            whose.entry(Whose::Slot(slot)).or_default().1.push(at);
        }
        for (slot, held) in self.held_of_listing(parcel) {
            let alerts = &mut whose.entry(Whose::Slot(slot)).or_default().1;
            let known: BTreeSet<usize> = alerts.iter().copied().collect();
            alerts.extend(held.into_iter().filter(|at| !known.contains(at)));
        }
        whose
    }

    /// Which slots hold which of the parcel's recovered alerts: those of its
    /// source, and those that its labels lead to.
    fn holders_of_resolved(&self, parcel: &Parcel) -> BTreeSet<(usize, usize)> {
        let holds = |slot: usize, at: usize| {
            let fingerprint = parcel.alerts.get(at).map(|alert| alert.fingerprint);
            let slot = self.slots.get(slot);
            slot.zip(fingerprint).is_some_and(|(s, f)| s.incident.standing.members.contains_key(&f))
        };
        let mut found = BTreeSet::new();
        for at in &parcel.resolved {
            let Some(alert) = parcel.alerts.get(*at) else { continue };
            let holders = self.holders.get(&(parcel.source.clone(), alert.fingerprint));
            found.extend(holders.into_iter().flatten().map(|slot| (*at, *slot)));
        }
        for (key, alerts) in &parcel.ended {
            let Some(slot) = self.by_key.get(key) else { continue };
            found.extend(alerts.iter().filter(|at| holds(*slot, **at)).map(|at| (*at, *slot)));
        }
        found
    }

    /// The rule that opened an incident, if there still is one.
    fn rule_of<'a>(&self, whose: &Whose, rules: &'a RuleSet) -> Option<&'a Rule> {
        let Whose::Slot(slot) = whose else { return None };
        rules.named(&self.slots.get(*slot)?.incident.key.rule)
    }

    /// What came back, or got worse, is called by what burns now.
    fn rename(&mut self, slot: usize, about: (&Alert<'static>, Labels<'static>), before: &Was) {
        let Some(slot) = self.slots.get_mut(slot) else { return };
        let ((worst, shared), incident) = (about, &mut slot.incident);
        let returned = incident.standing.reopens > before.reopens;
        if returned {
            incident.labels = shared;
        }
        if returned || incident.standing.severity.outranks(&before.severity) {
            let shared = incident.labels.common(&worst.labels);
            incident.title = opening::title(&shared, worst);
            incident.summary = opening::summary(worst);
        }
    }

    /// What the incident knows of these alerts.
    fn known(&self, slot: usize, alerts: &[&Alert<'static>]) -> BTreeMap<Fingerprint, Member> {
        let Some(slot) = self.slots.get(slot) else { return BTreeMap::new() };
        let members = &slot.incident.standing.members;
        let known = alerts.iter().map(|alert| alert.fingerprint);
        known.filter_map(|alert| members.get(&alert).map(|member| (alert, *member))).collect()
    }

    /// Keeps the texts of alerts whose part in the incident changed. `before`:
    /// what was [`known`](Self::known) of them; `None`: the incident is new.
    fn join(
        &mut self,
        slot: usize,
        alerts: &[&Alert<'static>],
        before: Option<&BTreeMap<Fingerprint, Member>>,
    ) {
        let Some(slot) = self.slots.get_mut(slot) else { return };
        for alert in alerts {
            let member = slot.incident.standing.members.get(&alert.fingerprint);
            let known = before.and_then(|before| before.get(&alert.fingerprint));
            let Some(member) = member.filter(|m| Some(*m) != known) else { continue };
            if alert.status == AlertStatus::Firing && before.is_some() {
                slot.incident.labels = slot.incident.labels.common(&alert.labels);
            }
            slot.alerts.insert(alert.fingerprint, HeldAlert { alert: (*alert).clone(), member: *member });
        }
    }
}

fn observe(rules: &RuleSet, rule: Option<&Rule>, alerts: &[&Alert<'static>], parcel: &Parcel) -> Observation {
    let sightings = alerts.iter().map(|alert| Sighting {
        fingerprint: alert.fingerprint,
        status: alert.status,
        starts_at: alert.starts_at,
        ends_at: alert.ends_at,
        severity: rules.severity(&alert.labels).clone(),
    });
    Observation {
        sightings: sightings.collect(),
        listing: parcel.listing,
        complete: parcel.complete,
        policy: rule.map(|r| r.policy.clone()).unwrap_or_default(),
        group_wait: rule.map(|r| r.group_wait).unwrap_or_default(),
        stale_after: rule.map_or(STALE_AFTER, |r| r.stale_after),
    }
}

/// The worst firing alert and the labels that all firing ones share.
fn about<'a>(
    rules: &RuleSet,
    alerts: &[&'a Alert<'static>],
) -> Option<(&'a Alert<'static>, Labels<'static>)> {
    let firing = || alerts.iter().copied().filter(|a| a.status == AlertStatus::Firing);
    let worst = firing().min_by_key(|a| rules.severity(&a.labels).rank)?;
    let common = firing().fold(worst.labels.clone(), |common, alert| common.common(&alert.labels));
    Some((worst, common))
}
