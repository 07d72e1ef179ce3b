//! Asking Alertmanager about alerts that its payloads leave out.
//!
//! Silenced and inhibited alerts vanish from payloads without a word (inputs.md
//! fact 3); its API tells them from those that are over. Grafana's alerts are
//! not asked about: Alertmanager does not know them.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use super::desk::Desk;
use super::{Engine, Reachable};
use crate::alertmanager::{AlertState, CallError, Client};
use crate::domain::{Clock, Fingerprint, Hold, Incident, IncidentId, MemberState};
use crate::escalation::{Event, Reconciliation};
use crate::store::{Commit, Lookup, StoreError};
use crate::worker::replicas::Part;

/// How often it is asked.
const EVERY: Duration = Duration::from_mins(1);
/// Incidents loaded at once.
const PAGE: usize = 100;
/// So many alerts of an incident are looked at to tell Grafana's.
const ALERTS_MAX: usize = 100;

impl Engine {
    /// Asks once a minute, while this process leads, until `stop` is true. Without an Alertmanager it ends at once.
    pub async fn keep_reconciled(
        self: Arc<Self>,
        clock: Arc<dyn Clock>,
        part: Part,
        mut stop: watch::Receiver<bool>,
    ) {
        if self.alertmanager.is_none() {
            return;
        }
        loop {
            let round = async {
                tokio::time::sleep(EVERY).await;
                if !part.borrow().leads {
                    return;
                }
                let now = clock.now();
                let done = async {
                    self.hush(now).await?;
                    self.reconcile(now).await
                };
                if let Err(error) = done.await {
                    tracing::error!(%error, "alerts to ask Alertmanager about cannot be looked up in the store");
                }
            };
            tokio::select! {
                () = round => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Asks about every open incident with alerts that are not listed any more.
    /// What Alertmanager does not answer stays as it is for half of the time
    /// after which it would go stale.
    ///
    /// # Errors
    ///
    /// When the store cannot: ask again later.
    pub async fn reconcile(&self, now: Timestamp) -> Result<(), StoreError> {
        let Some(client) = &self.alertmanager else { return Ok(()) };
        let (mut after, mut silent) = (None, false);
        loop {
            let page = self.store.unlisted(after, PAGE).await?;
            let Some(last) = page.last().and_then(|incident| incident.id) else { return Ok(()) };
            after = Some(last);
            for incident in page {
                let Some(id) = incident.id else { continue };
                if self.is_elsewhere(id).await? {
                    continue;
                }
                let found = if silent {
                    unanswered(&incident, now)
                } else {
                    ask(client, &incident, now).await.unwrap_or_else(|error| {
                        tracing::warn!(incident = %id, %error, "Alertmanager cannot be asked about unlisted alerts");
                        silent = true;
                        unanswered(&incident, now)
                    })
                };
                if let Some(found) = found {
                    self.tell(incident, Event::Reconciled(found), now).await?;
                }
            }
        }
    }

    /// Holds the ladders of what Alertmanager tells nobody of. A group that is
    /// silenced as a whole vanishes without a payload that leaves it out.
    ///
    /// # Errors
    ///
    /// When the store cannot: ask again later.
    pub async fn hush(&self, now: Timestamp) -> Result<(), StoreError> {
        let Some(client) = &self.alertmanager else { return Ok(()) };
        let suppressed = match client.suppressed().await {
            Ok(suppressed) => suppressed,
            Err(error) => {
                tracing::warn!(%error, "Alertmanager cannot be asked what it tells nobody of");
                return Ok(());
            }
        };
        let alerts: Vec<Fingerprint> = suppressed.iter().copied().collect();
        for firing in alerts.chunks(PAGE) {
            let firing = firing.to_vec();
            for incident in self.store.find(Lookup { firing, ..Lookup::default() }).await? {
                let Some(id) = incident.id else { continue };
                if !self.is_elsewhere(id).await? {
                    self.tell(incident, Event::Suppressed(suppressed.clone()), now).await?;
                }
            }
        }
        Ok(())
    }

    async fn is_elsewhere(&self, id: IncidentId) -> Result<bool, StoreError> {
        let held = self.store.alerts(id, ALERTS_MAX).await?;
        Ok(held.iter().any(|held| !held.alert.silence_url.is_empty()))
    }

    async fn tell(&self, incident: Incident, event: Event, now: Timestamp) -> Result<(), StoreError> {
        let rules = self.rules.load_full();
        let mut desk = Desk::default();
        let slot = desk.place(incident);
        desk.advance(slot, &event, &rules, &Reachable { rules: &rules }, now);
        let changes = desk.changes();
        if changes.is_empty() {
            return Ok(());
        }
        match self.commit(Commit { at: now, changes, ..Commit::default() }).await {
            // Somebody else was faster; it is asked about again in a minute.
            Ok(_) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// What Alertmanager says of an incident's unlisted alerts; `None`: nothing
/// that is worth telling, or it has not heard from all its senders yet.
async fn ask(
    client: &Client,
    incident: &Incident,
    now: Timestamp,
) -> Result<Option<Reconciliation>, CallError> {
    let told = client.alerts(&incident.labels).await?;
    let mut found = Reconciliation::default();
    let mut absent = false;
    let members = incident.standing.members.iter();
    for (alert, _) in members.filter(|(_, member)| member.state == MemberState::Unlisted) {
        match told.get(alert) {
            Some(AlertState::Firing) => drop(found.firing.insert(*alert)),
            Some(AlertState::Suppressed { .. }) => drop(found.suppressed.insert(*alert)),
            None => absent = true,
        }
    }
    if absent {
        // Asked afterwards, so that a restart in between shows.
        return Ok(client.status().await?.absence_means_gone(now).then_some(found));
    }
    Ok((!found.firing.is_empty() || is_worth_extending(incident, now)).then_some(found))
}

/// What an Alertmanager that does not answer comes to: nothing at first; before
/// the incident goes stale for want of news, its alerts are taken to burn.
/// Rather a page too many than one too few.
fn unanswered(incident: &Incident, now: Timestamp) -> Option<Reconciliation> {
    let members = incident.standing.members.iter();
    let unlisted = members.filter(|(_, member)| member.state == MemberState::Unlisted);
    let firing = unlisted.map(|(alert, _)| *alert).collect();
    is_worth_extending(incident, now).then(|| Reconciliation { firing, ..Reconciliation::default() })
}

/// Whether half of the time is over after which an unlisted incident goes
/// stale. Until then there is no need to write down that it is still suppressed.
fn is_worth_extending(incident: &Incident, now: Timestamp) -> bool {
    match &incident.standing.hold {
        Some(Hold::Unlisted { since, stale_at }) => {
            now.duration_since(*since) * 2 >= stale_at.duration_since(*since)
        }
        Some(Hold::Snoozed { .. } | Hold::Silenced { .. }) | None => false,
    }
}
