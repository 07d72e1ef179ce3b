//! The store over any backend: each method one function of this room, in a
//! transaction that reads or one that writes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::claims::{self, Lease};
use super::inbox::{self, Retention};
use super::{
    Backend, Db, backlog, calendars, cards, directory, heard, heartbeats, incidents, journal, outbox, pins,
    rings, spending, storms, upkeep,
};
use crate::domain::{
    Allotment, Contact, Destination, Heartbeat, Incident, IncidentId, MessageId, Phase, RecordedEntry, Spent,
    StormId, Urgent,
};
use crate::rules::CalendarCopy;
use crate::store::{
    Appetite, Attendance, Backlog, Card, Change, Claim, Commit, Decide, Delivery, DirectoryEntry, Folded,
    HeldAlert, InboxId, Lookup, NewDelivery, Pins, Report, Ring, Spending, Store, StoreError, Storm, Ticket,
};

/// A store whose tables are in a database of some kind.
pub struct SqlStore<B> {
    pub(in crate::store) backend: B,
    retention: Retention,
    /// Claims of which it is not known whether they were committed.
    lost_claims: Mutex<Vec<String>>,
}

impl<B> SqlStore<B> {
    /// A store over tables that are ready for use.
    pub(in crate::store) fn over(backend: B, retention: Retention) -> Self {
        Self { backend, retention, lost_claims: Mutex::default() }
    }

    fn lost_claims(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.lost_claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn commit(db: &dyn Db, commit: &Commit, retention: Retention) -> Result<Vec<IncidentId>, StoreError> {
    inbox::finish(db, &commit.done, commit.at, retention)?;
    if let Some((id, taken)) = commit.taken {
        inbox::take(db, id, taken)?;
    }
    heartbeats::apply(db, &commit.heartbeats)?;
    commit.changes.iter().map(|change| apply(db, change, commit.at)).collect()
}

fn apply(db: &dyn Db, change: &Change, now: Timestamp) -> Result<IncidentId, StoreError> {
    let id = incidents::save(db, &change.incident)?;
    incidents::save_alerts(db, id, &change.alerts)?;
    incidents::save_members(db, id, &change.members)?;
    incidents::record(db, id, &change.timeline)?;
    if change.incident.standing.phase() != Phase::Triggered {
        outbox::withdraw_buzzes(db, id)?;
    }
    for job in &change.jobs {
        outbox::put(db, Some(id), job, now)?;
    }
    for arrival in &change.arrivals {
        storms::arrive(db, id, arrival, now)?;
    }
    if change.refresh {
        storms::refresh_all(db, id, now)?;
        for to in cards::places(db, id)? {
            outbox::refresh(db, id, to, now)?;
        }
    }
    pins::change(db, id, &change.pins, now)?;
    Ok(id)
}

#[async_trait]
impl<B: Backend> Store for SqlStore<B> {
    async fn accept(&self, delivery: NewDelivery) -> Result<InboxId, StoreError> {
        self.backend.accept(delivery).await
    }

    async fn inbox(&self, limit: usize, max_bytes: usize) -> Result<Vec<Delivery>, StoreError> {
        self.backend.read(move |db| inbox::waiting(db, limit, max_bytes)).await
    }

    async fn journal(
        &self,
        after: Option<InboxId>,
        since: Timestamp,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        self.backend.read(move |db| journal::load(db, after, since, limit, max_bytes)).await
    }

    async fn find(&self, lookup: Lookup) -> Result<Vec<Incident>, StoreError> {
        self.backend.read(move |db| incidents::find(db, &lookup)).await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Incident>, StoreError> {
        self.backend.read(move |db| incidents::due(db, now, limit)).await
    }

    async fn silent(&self, now: Timestamp, limit: usize) -> Result<Vec<Heartbeat>, StoreError> {
        self.backend.read(move |db| heartbeats::silent(db, now, limit)).await
    }

    async fn heartbeats(&self) -> Result<Vec<Heartbeat>, StoreError> {
        self.backend.read(heartbeats::all).await
    }

    async fn unlisted(&self, after: Option<IncidentId>, limit: usize) -> Result<Vec<Incident>, StoreError> {
        self.backend.read(move |db| incidents::unlisted(db, after, limit)).await
    }

    async fn commit(&self, work: Commit) -> Result<Vec<IncidentId>, StoreError> {
        let retention = self.retention;
        self.backend.write(move |db| commit(db, &work, retention)).await
    }

    async fn incident(&self, id: IncidentId) -> Result<Option<Incident>, StoreError> {
        self.backend.read(move |db| incidents::load(db, id)).await
    }

    async fn alerts(&self, id: IncidentId, limit: usize) -> Result<Vec<HeldAlert>, StoreError> {
        self.backend.read(move |db| incidents::alerts(db, id, limit)).await
    }

    async fn incidents(
        &self,
        phase: Option<Phase>,
        before: Option<IncidentId>,
        limit: usize,
    ) -> Result<Vec<Incident>, StoreError> {
        self.backend.read(move |db| incidents::list(db, phase, before, limit)).await
    }

    async fn timeline(&self, id: IncidentId) -> Result<Vec<RecordedEntry>, StoreError> {
        self.backend.read(move |db| incidents::timeline(db, id)).await
    }

    async fn claim(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        appetite: Appetite,
    ) -> Result<Vec<Claim>, StoreError> {
        let Some(holder) = self.backend.holder() else { return Ok(Vec::new()) };
        let lost = self.lost_claims().clone();
        let wanted = appetite.clone();
        let look = move |db: &dyn Db| claims::anything_to_claim(db, now, &wanted);
        if lost.is_empty() && !self.backend.read(look).await? {
            return Ok(Vec::new());
        }
        let lease = Lease { holder, batch: Uuid::new_v4().to_string(), until: lease_until };
        // Known before it is tried: whoever stops waiting for it does not learn how it ended.
        self.lost_claims().push(lease.batch.clone());
        let settled: Vec<String> = lost.iter().chain([&lease.batch]).cloned().collect();
        let claim = move |db: &dyn Db| {
            claims::give_back(db, &lost)?;
            claims::claim(db, now, &lease, &appetite)
        };
        let claimed = self.backend.write(claim).await?;
        self.lost_claims().retain(|batch| !settled.contains(batch));
        Ok(claimed)
    }

    async fn next_job_at(&self) -> Result<Option<Timestamp>, StoreError> {
        self.backend.read(outbox::next_at).await
    }

    async fn report(&self, report: Report) -> Result<(), StoreError> {
        self.backend.write(move |db| outbox::report(db, &report)).await
    }

    async fn spend(&self, spending: Spending, decide: Decide) -> Result<(Spent, Allotment), StoreError> {
        self.backend.write(move |db| spending::spend(db, &spending, decide)).await
    }

    async fn spent(&self, since: Timestamp) -> Result<BTreeMap<Urgent, u32>, StoreError> {
        self.backend.read(move |db| spending::since(db, since)).await
    }

    async fn card(&self, id: IncidentId, to: Destination) -> Result<Option<Card>, StoreError> {
        self.backend.read(move |db| cards::load(db, id, &to)).await
    }

    async fn incident_of(&self, message: MessageId) -> Result<Option<IncidentId>, StoreError> {
        self.backend.read(move |db| cards::incident_of(db, &message)).await
    }

    async fn was_heard(&self, event: String) -> Result<bool, StoreError> {
        self.backend.read(move |db| heard::was(db, &event)).await
    }

    async fn mark_heard(&self, event: String, now: Timestamp) -> Result<(), StoreError> {
        self.backend.write(move |db| heard::mark(db, &event, now)).await
    }

    async fn arrivals(&self, to: Destination, after: Timestamp) -> Result<u64, StoreError> {
        self.backend.read(move |db| storms::arrivals(db, &to, after)).await
    }

    async fn storm(&self, id: StormId, worst: usize) -> Result<Option<Storm>, StoreError> {
        self.backend.read(move |db| storms::load(db, id, worst)).await
    }

    async fn storm_open(&self, id: StormId, seen: u64) -> Result<Vec<IncidentId>, StoreError> {
        self.backend.read(move |db| storms::open(db, id, seen)).await
    }

    async fn folded(&self, id: IncidentId, to: Destination) -> Result<Option<Folded>, StoreError> {
        self.backend.read(move |db| storms::folded(db, id, &to)).await
    }

    async fn ring(
        &self,
        ticket: Ticket,
        people: Vec<String>,
        urgent: Urgent,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Option<Ring>>, StoreError> {
        self.backend.write(move |db| rings::begin(db, ticket, &people, urgent, since, now)).await
    }

    async fn pins(&self, to: Destination) -> Result<Pins, StoreError> {
        self.backend.read(move |db| pins::load(db, &to)).await
    }

    async fn reconcile_pins(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.backend.write(move |db| pins::reconcile(db, now)).await
    }

    async fn directory(
        &self,
        contacts: Vec<Contact>,
    ) -> Result<BTreeMap<Contact, DirectoryEntry>, StoreError> {
        self.backend.read(move |db| directory::load(db, contacts)).await
    }

    async fn remember(&self, entries: Vec<(Contact, DirectoryEntry)>) -> Result<(), StoreError> {
        self.backend.write(move |db| directory::save(db, &entries)).await
    }

    async fn calendar(&self, address: String) -> Result<Option<CalendarCopy>, StoreError> {
        self.backend.read(move |db| calendars::load(db, &address)).await
    }

    async fn keep_calendar(&self, address: String, copy: CalendarCopy) -> Result<(), StoreError> {
        self.backend.write(move |db| calendars::save(db, &address, &copy)).await
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.backend.read(backlog::load).await
    }

    async fn forget(&self, resolved_before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let forgotten = self.backend.write(move |db| upkeep::forget(db, resolved_before, limit)).await?;
        self.backend.shrink().await?;
        Ok(forgotten)
    }

    async fn size_bytes(&self) -> Result<u64, StoreError> {
        self.backend.size_bytes().await
    }

    async fn attend(&self) -> Result<Attendance, StoreError> {
        self.backend.attend().await
    }

    async fn time(&self) -> Result<Option<Timestamp>, StoreError> {
        self.backend.time().await
    }
}
