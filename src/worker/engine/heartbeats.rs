//! Heartbeats: beats are remembered, and silence becomes an incident.
//!
//! A rule with `heartbeat` owns alerts that must keep coming (Prometheus'
//! `Watchdog`). Its deadlines live in the store. While webhooks wait that
//! arrived before a deadline, nothing is lost yet: a beat may be among them.

use jiff::Timestamp;

use super::parcel::Parcel;
use super::{DUE_MAX, Engine, own};
use crate::domain::{Alert, AlertStatus, Heartbeat, IncidentKey, Labels};
use crate::rules::{HeartbeatRule, Rule, RuleSet};
use crate::settings::Locale;
use crate::store::{HeartbeatChange, StoreError};

/// What the beats of a parcel come to: what is known of them from now on, and
/// the alerts that they end.
pub(super) fn heard(
    rules: &RuleSet,
    parcel: &Parcel,
    at: Timestamp,
    locale: Locale,
) -> (Vec<HeartbeatChange>, Option<Parcel>) {
    let (mut changes, mut over) = (Vec::new(), Vec::new());
    for (key, (index, labels)) in &parcel.beats {
        let Some((rule, beats)) = rules.rules().get(*index).and_then(expecting) else { continue };
        let lost =
            |key, labels| lost(key, labels, Some(beats), Some(at), (AlertStatus::Resolved, at), locale);
        over.push(lost(key, labels));
        changes.push(HeartbeatChange::Beat(Heartbeat::beat(key.clone(), labels.clone(), beats.every, at)));
        let unseen = rule.heartbeat_unseen();
        if unseen != *key {
            over.push(lost(&unseen, labels));
            changes.push(HeartbeatChange::Forget(unseen));
        }
    }
    let ends = (!over.is_empty()).then(|| Parcel::own(Vec::new(), over));
    (changes, ends)
}

impl Engine {
    /// Opens incidents for beats that have not come. Whether there were any.
    pub(super) async fn take_silent(&self, now: Timestamp) -> Result<bool, StoreError> {
        let silent = self.store.silent(now, DUE_MAX).await?;
        if silent.is_empty() {
            return Ok(false);
        }
        let rules = self.rules.load_full();
        let (mut changes, mut firing) = (Vec::new(), Vec::new());
        for heartbeat in silent {
            let Heartbeat { key, labels, last_seen, due_at } = heartbeat;
            let Some((index, beats)) = awaited(&rules, &key) else {
                // The rules changed a moment ago; aligning with them ends it.
                changes.push(HeartbeatChange::Forget(key));
                continue;
            };
            let since = (AlertStatus::Firing, due_at.unwrap_or(now));
            let alert = lost(&key, &labels, Some(beats), last_seen, since, self.locale);
            changes.push(HeartbeatChange::Deadline { key: key.clone(), was: due_at, due_at: None });
            firing.push((key, index, alert));
        }
        self.commit_own(&rules, Parcel::own(firing, Vec::new()), changes, now).await
    }

    /// Waits for the beats that the rules of now ask for, and for no others.
    /// Called at the start, when the pager was `away`, and after a reload.
    ///
    /// # Errors
    ///
    /// When the store cannot: nothing happened, call again.
    pub async fn align_heartbeats(&self, away: bool, now: Timestamp) -> Result<(), StoreError> {
        let rules = self.rules.load_full();
        let known = self.store.heartbeats().await?;
        let (mut changes, mut over) = (Vec::new(), Vec::new());
        for heartbeat in &known {
            let Some((_, beats)) = awaited(&rules, &heartbeat.key) else {
                changes.push(HeartbeatChange::Forget(heartbeat.key.clone()));
                let ended = (AlertStatus::Resolved, now);
                over.push(lost(
                    &heartbeat.key,
                    &heartbeat.labels,
                    None,
                    heartbeat.last_seen,
                    ended,
                    self.locale,
                ));
                continue;
            };
            let due_at = heartbeat.deadline(beats.every, away, now);
            if due_at != heartbeat.due_at {
                let key = heartbeat.key.clone();
                changes.push(HeartbeatChange::Deadline { key, was: heartbeat.due_at, due_at });
            }
        }
        for (rule, beats) in rules.rules().iter().filter_map(expecting) {
            let is_known = |h: &Heartbeat| h.key.rule == rule.name && awaited(&rules, &h.key).is_some();
            if !known.iter().any(is_known) {
                let awaited = Heartbeat::awaited(rule.heartbeat_unseen(), beats.every, now);
                changes.push(HeartbeatChange::Await(awaited));
            }
        }
        if !changes.is_empty() {
            self.commit_own(&rules, Parcel::own(Vec::new(), over), changes, now).await?;
        }
        Ok(())
    }
}

/// The rule's expectation, if it has one.
fn expecting(rule: &Rule) -> Option<(&Rule, &HeartbeatRule)> {
    rule.heartbeat.as_ref().map(|beats| (rule, beats))
}

/// The rule that waits for beats of that key now, and its position.
fn awaited<'r>(rules: &'r RuleSet, key: &IncidentKey) -> Option<(usize, &'r HeartbeatRule)> {
    let at = rules.rules().iter().position(|rule| rule.name == key.rule)?;
    let (rule, beats) = rules.rules().get(at).and_then(expecting)?;
    (rule.group_by.is_some() || *key == rule.heartbeat_unseen()).then_some((at, beats))
}

fn lost(
    key: &IncidentKey,
    labels: &Labels<'_>,
    beats: Option<&HeartbeatRule>,
    last_seen: Option<Timestamp>,
    since: (AlertStatus, Timestamp),
    locale: Locale,
) -> Alert<'static> {
    let (every, severity) = beats.map_or_else(Default::default, |b| (b.every, b.severity.as_str()));
    own::heartbeat_lost(key, labels, severity, (every, last_seen), since, locale)
}
