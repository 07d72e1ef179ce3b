//! The engine: what came in and what is due → decisions, committed.
//!
//! The only writer of standings, so every incident has one order of events.
//! It decides nothing itself: `rules` says whose an alert is, `escalation` what
//! happens next; here the two are brought together with what the store holds.
//!
//! Deadlines live in the store beside the standing and are looked for at each
//! turn; there is no timer that could be lost.

mod desk;
mod heartbeats;
mod listings;
mod opening;
mod own;
mod parcel;
mod preview;
mod reconcile;
mod run;
mod self_alarm;
mod silencing;
mod slices;
mod slot;
mod storms;

use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::Notify;

use self::desk::Desk;
pub use self::own::Alarm;
use self::parcel::Parcel;
pub use self::preview::{Foreseen, ForeseenStep, Preview, preview};
pub use self::storms::Answered;
use crate::alertmanager;
use crate::domain::{
    Action, Actor, Answer, Fact, Happening, Incident, IncidentId, Recipients, RecordedEntry, Target, Window,
};
use crate::escalation::{CatchAll, Event, Roster};
use crate::rules::RuleSet;
use crate::settings::Locale;
use crate::sources;
use crate::store::{Change, Commit, Delivery, Store, StoreError};
use crate::telemetry::{Metrics, Tap};
use crate::worker::told;

/// Webhooks taken in one turn, at most.
const DELIVERIES_MAX: usize = 64;
/// Bodies taken in one turn, at most, in bytes (but at least one).
const BODIES_MAX_BYTES: usize = 2 << 20;
/// Deadlines taken in one turn, at most.
const DUE_MAX: usize = 256;
/// How often a decision is made again because an incident changed meanwhile.
const CONFLICTS_MAX: usize = 8;

/// See the module.
pub struct Engine {
    store: Arc<dyn Store>,
    rules: Arc<ArcSwap<RuleSet>>,
    metrics: Metrics,
    outbox_signal: Arc<Notify>,
    alertmanager: Option<alertmanager::Client>,
    locale: Locale,
    tap: Tap,
}

impl Engine {
    /// An engine over a store. `outbox_signal` is notified when jobs may have been added.
    pub fn new(
        store: Arc<dyn Store>,
        rules: Arc<ArcSwap<RuleSet>>,
        metrics: Metrics,
        outbox_signal: Arc<Notify>,
    ) -> Self {
        let (locale, tap) = (Locale::En, Tap::default());
        Self { store, rules, metrics, outbox_signal, alertmanager: None, locale, tap }
    }

    /// The same engine, wording its own alerts in that language.
    #[must_use]
    pub fn speaking(self, locale: Locale) -> Self {
        Self { locale, ..self }
    }

    /// The same engine, telling those who watch what it decides.
    #[must_use]
    pub fn with_tap(self, tap: Tap) -> Self {
        Self { tap, ..self }
    }

    /// The same engine, over incidents that can be silenced there.
    #[must_use]
    pub fn with_alertmanager(self, alertmanager: alertmanager::Client) -> Self {
        Self { alertmanager: Some(alertmanager), ..self }
    }

    /// Takes one helping of the inbox and of the deadlines that are due at `now`.
    /// Whether there was anything, so perhaps there is more.
    ///
    /// # Errors
    ///
    /// When the store cannot: nothing happened, try again later.
    pub async fn turn(&self, now: Timestamp) -> Result<bool, StoreError> {
        let ticked = self.take_due(now).await? | self.take_silent(now).await?;
        let took = self.take_inbox(DELIVERIES_MAX, now).await?;
        Ok(took || ticked)
    }

    async fn take_inbox(&self, helping: usize, now: Timestamp) -> Result<bool, StoreError> {
        for _ in 0..CONFLICTS_MAX {
            // Anew after a conflict: another replica may have dealt with some of them.
            let deliveries = self.store.inbox(helping, BODIES_MAX_BYTES).await?;
            let taken = match deliveries.as_slice() {
                [] => return Ok(false),
                [large] if large.content.body.len() > BODIES_MAX_BYTES => {
                    slices::take(self, large, now).await
                }
                several => self.take_deliveries(several, now).await,
            };
            match taken {
                Err(StoreError::Conflict) => {}
                other => return other.map(|()| true),
            }
        }
        Err(StoreError::Conflict)
    }

    /// Does what somebody wants done about an incident, at once. `None`: there is
    /// no such incident. The incident is as it stands afterwards.
    ///
    /// `epoch`: the one the button was drawn in, where there was a button.
    ///
    /// # Errors
    ///
    /// When the store cannot: nothing happened.
    pub async fn act(
        &self,
        id: IncidentId,
        action: &Action,
        actor: &Actor,
        epoch: Option<u64>,
        now: Timestamp,
    ) -> Result<Option<(Answer, Incident)>, StoreError> {
        for _ in 0..CONFLICTS_MAX {
            let Some(incident) = self.store.incident(id).await? else { return Ok(None) };
            if matches!(action, Action::Silence { .. })
                && let Some(why) = self.why_not_silence(&incident).await?
            {
                return Ok(Some((Answer::Impossible { why }, incident)));
            }
            let rules = self.rules.load_full();
            let mut desk = Desk::default();
            let slot = desk.place(incident.clone());
            let Some(answer) =
                desk.act(slot, (action, actor, epoch), &rules, &Reachable { rules: &rules }, now)
            else {
                return Ok(None);
            };
            if answer != Answer::Done {
                return Ok(Some((answer, incident)));
            }
            let commit = Commit { at: now, changes: desk.changes(), ..Commit::default() };
            match self.commit(commit).await {
                Ok(_) => {
                    let after = self.store.incident(id).await?;
                    return Ok(after.map(|incident| (answer, incident)));
                }
                // Somebody else was faster; they may have changed the answer.
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict)
    }

    /// Notes that somebody has seen an incident, the first time while it is open.
    /// It decides nothing.
    ///
    /// # Errors
    ///
    /// When the store cannot: nothing happened.
    pub async fn saw(&self, id: IncidentId, name: &str, now: Timestamp) -> Result<(), StoreError> {
        for _ in 0..CONFLICTS_MAX {
            let open = self.store.incident(id).await?.filter(|incident| incident.standing.is_open());
            let Some(incident) = open else { return Ok(()) };
            let known = |entry: &RecordedEntry| {
                let by = |(fact, value): &(String, Fact)| {
                    fact == "by" && matches!(value, Fact::Text(text) if text == name)
                };
                entry.kind == "seen" && entry.facts.iter().any(by)
            };
            if self.store.timeline(id).await?.iter().any(known) {
                return Ok(());
            }
            let mut desk = Desk::default();
            let slot = desk.place(incident);
            desk.note(slot, Happening::Seen { by: name.to_owned() }, now);
            match self.commit(Commit { at: now, changes: desk.changes(), ..Commit::default() }).await {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict)
    }

    /// Takes the first webhook out of the way without having understood it. Its
    /// bytes stay in the store's journal.
    async fn set_aside_first(&self, now: Timestamp) -> Result<bool, StoreError> {
        let first = self.store.inbox(1, 1).await?;
        for delivery in &first {
            let (inbox, source) = (delivery.id.0, &delivery.content.source);
            tracing::error!(
                inbox,
                source,
                "a webhook that crashes the engine is set aside; its alerts are not paged"
            );
        }
        let done = first.iter().map(|delivery| delivery.id).collect();
        self.commit(Commit { at: now, done, ..Commit::default() }).await?;
        Ok(!first.is_empty())
    }

    async fn take_deliveries(&self, deliveries: &[Delivery], now: Timestamp) -> Result<(), StoreError> {
        let rules = self.rules.load_full();
        let mut parcels = Vec::with_capacity(deliveries.len());
        let mut heartbeats = Vec::new();
        for delivery in deliveries {
            let content = &delivery.content;
            match sources::decode(content.kind, &content.body) {
                Ok(group) => {
                    let parcel = Parcel::sort(&rules, &content.source, &group.header, group.alerts);
                    let (changes, ends) =
                        heartbeats::heard(&rules, &parcel, content.received_at, self.locale);
                    heartbeats.extend(changes);
                    parcels.extend([Some(parcel), ends].into_iter().flatten());
                }
                // Only possible when a newer version wrote it: it was inspected before it was kept.
                Err(error) => tracing::error!(inbox = delivery.id.0, %error, "a kept webhook cannot be read"),
            }
        }
        let mut desk = Desk::default();
        desk.load(self.store.as_ref(), &parcels, Vec::new()).await?;
        let roster = Reachable { rules: &rules };
        for parcel in parcels {
            self.metrics.unmatched(parcel.unmatched);
            desk.apply(&rules, &roster, &parcel, now);
        }
        let done = deliveries.iter().map(|d| d.id).collect();
        let changes = desk.changes();
        self.commit(Commit { at: now, done, changes, heartbeats, ..Commit::default() }).await?;
        Ok(())
    }

    async fn take_due(&self, now: Timestamp) -> Result<bool, StoreError> {
        let due = self.store.due(now, DUE_MAX).await?;
        if due.is_empty() {
            return Ok(false);
        }
        let rules = self.rules.load_full();
        let mut desk = Desk::default();
        for incident in due {
            if let Some(due_at) = incident.standing.due_at {
                self.metrics.escalation_lag(now.duration_since(due_at).as_secs_f64());
            }
            let slot = desk.place(incident);
            desk.advance(slot, &Event::Tick, &rules, &Reachable { rules: &rules }, now);
        }
        match self.commit(Commit { at: now, changes: desk.changes(), ..Commit::default() }).await {
            // Somebody else was faster; what is still due is found again.
            Ok(_) | Err(StoreError::Conflict) => Ok(true),
            Err(error) => Err(error),
        }
    }

    async fn commit(&self, mut commit: Commit) -> Result<Vec<IncidentId>, StoreError> {
        self.fold(&mut commit).await?;
        let news = news(&commit.changes);
        let watched = if self.tap.is_watched() { told::changes(&commit.changes) } else { Vec::new() };
        let owes = commit
            .changes
            .iter()
            .any(|c| c.refresh || !c.jobs.is_empty() || c.pins.changes() || !c.arrivals.is_empty());
        let ids = self.store.commit(commit).await?;
        for (id, (rule, title, what)) in ids.iter().zip(news) {
            tracing::info!(incident = %id, rule, title, what, "incident");
        }
        for (id, change) in ids.iter().zip(watched) {
            change.tell(*id, &self.tap);
        }
        if owes {
            self.outbox_signal.notify_one();
        }
        Ok(ids)
    }
}

/// Rule, title and what happened, for each change.
fn news(changes: &[Change]) -> Vec<(String, String, String)> {
    let told = changes.iter().map(|change| {
        let what: Vec<String> = change.timeline.iter().map(|entry| entry.what.to_string()).collect();
        (change.incident.key.rule.clone(), change.incident.title.clone(), what.join("; "))
    });
    told.collect()
}

/// The rules as a roster: unknown names (a policy outlives the people of an
/// older file) are logged and skipped.
struct Reachable<'a> {
    rules: &'a RuleSet,
}

impl Roster for Reachable<'_> {
    fn recipients(&self, targets: &[Target], now: Timestamp) -> Recipients {
        let (found, missing) = self.rules.recipients(targets, now);
        for name in missing {
            tracing::warn!(name, "an open incident's policy names somebody the rules no longer know");
        }
        found
    }

    fn catch_all(&self, now: Timestamp) -> Option<CatchAll> {
        let rules = self.rules.catch_all()?;
        let mut recipients = self.recipients(&rules.targets, now);
        recipients.chats.extend(rules.chat.clone());
        Some(CatchAll { recipients, every: rules.every })
    }

    fn within(&self, window: &Window, now: Timestamp) -> bool {
        self.rules.within(window, now)
    }
}
