//! SQLite backend: one file, one process.
//!
//! One thread writes ([`writer`]), a few connections read ([`readers`]), one thread
//! keeps the write-ahead log short ([`checkpoint`]). The other modules hold the SQL, one
//! noun each, as functions of a connection that is in a transaction.
//!
//! # Invariants
//!
//! * Only the writer's connection changes rows.
//! * The file is ours alone while it is open ([`mod@file`]), so leases found at opening
//!   belong to a dead process and are void.
//! * Nothing is cached in memory but SQLite's own pages.

pub use file::{Probe, probe};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::types::FromSqlError;

use self::readers::Readers;
use self::writer::Writer;
use super::{
    Appetite, Backlog, Card, Change, Claim, Commit, Decide, Delivery, DirectoryEntry, Folded, HeldAlert,
    InboxId, Lookup, NewDelivery, Pins, Report, Ring, Spending, Store, StoreError, Storm,
};
use crate::domain::{
    Allotment, Contact, Destination, Heartbeat, Incident, IncidentId, JobId, MessageId, Phase, RecordedEntry,
    Spent, StormId, Urgent,
};

mod answer_rows;
mod backlog;
mod cards;
mod checkpoint;
mod claims;
mod directory;
mod file;
mod heard;
mod heartbeats;
mod inbox;
mod incident_rows;
mod incidents;
mod job_rows;
mod outbox;
mod pins;
mod policy_rows;
mod readers;
mod rings;
mod rows;
mod schema;
mod spending;
mod storms;
mod writer;

pub use inbox::Retention;

/// A store in an SQLite file.
///
/// Dropping it carries out what is queued, empties the write-ahead log and
/// frees the file; that blocks for some milliseconds.
pub struct SqliteStore {
    writer: Writer,
    readers: Readers,
    retention: Retention,
}

impl SqliteStore {
    /// Opens the file, for this process alone; creates it, readable by its
    /// owner only, when there is none. Blocks, for about a second per gigabyte.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] with path and reason when the file cannot be
    /// written, is in use, damaged, of another application or of a later
    /// release. It is then left as it is.
    pub fn open(path: &Path, retention: Retention) -> Result<Self, StoreError> {
        let path = file::resolve(path)?;
        let lock = file::lock(&path)?;
        let conn = file::writer(&path, &lock)?;
        let name: Arc<str> = path.to_string_lossy().into();
        outbox::void_leases(&conn).map_err(|error| error.at(&name))?;
        let checkpointer = checkpoint::Checkpointer::start(file::checkpointer(&path)?)?;
        let writer = Writer::start(conn, lock, name, checkpointer)?;
        Ok(Self { writer, readers: Readers::new(&path), retention })
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<FromSqlError> for StoreError {
    fn from(error: FromSqlError) -> Self {
        rows::unreadable("value", error)
    }
}

impl StoreError {
    /// Names the database in a message that does not.
    fn at(self, path: &str) -> Self {
        match self {
            Self::Unavailable(why) => Self::Unavailable(format!("database {path}: {why}")),
            Self::Conflict => Self::Conflict,
        }
    }
}

fn commit(conn: &Connection, commit: &Commit, retention: Retention) -> Result<Vec<IncidentId>, StoreError> {
    inbox::finish(conn, &commit.done, commit.at, retention)?;
    if let Some((id, taken)) = commit.taken {
        inbox::take(conn, id, taken)?;
    }
    heartbeats::apply(conn, &commit.heartbeats)?;
    commit.changes.iter().map(|change| apply(conn, change, commit.at)).collect()
}

fn apply(conn: &Connection, change: &Change, now: Timestamp) -> Result<IncidentId, StoreError> {
    let id = incidents::save(conn, &change.incident)?;
    incidents::save_alerts(conn, id, &change.alerts)?;
    incidents::save_members(conn, id, &change.members)?;
    incidents::record(conn, id, &change.timeline)?;
    if change.incident.standing.phase() != Phase::Triggered {
        outbox::withdraw_buzzes(conn, id)?;
    }
    for job in &change.jobs {
        outbox::put(conn, Some(id), job, now)?;
    }
    for arrival in &change.arrivals {
        storms::arrive(conn, id, arrival, now)?;
    }
    if change.refresh {
        storms::refresh_all(conn, id, now)?;
        for to in cards::places(conn, id)? {
            outbox::refresh(conn, id, to, now)?;
        }
    }
    pins::change(conn, id, &change.pins, now)?;
    Ok(id)
}

#[async_trait]
impl Store for SqliteStore {
    async fn accept(&self, delivery: NewDelivery) -> Result<InboxId, StoreError> {
        self.writer.call(move |conn| inbox::accept(conn, &delivery)).await
    }

    async fn inbox(&self, limit: usize, max_bytes: usize) -> Result<Vec<Delivery>, StoreError> {
        self.readers.read(move |conn| inbox::waiting(conn, limit, max_bytes)).await
    }

    async fn find(&self, lookup: Lookup) -> Result<Vec<Incident>, StoreError> {
        self.readers.read(move |conn| incidents::find(conn, &lookup)).await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Incident>, StoreError> {
        self.readers.read(move |conn| incidents::due(conn, now, limit)).await
    }

    async fn silent(&self, now: Timestamp, limit: usize) -> Result<Vec<Heartbeat>, StoreError> {
        self.readers.read(move |conn| heartbeats::silent(conn, now, limit)).await
    }

    async fn heartbeats(&self) -> Result<Vec<Heartbeat>, StoreError> {
        self.readers.read(heartbeats::all).await
    }

    async fn unlisted(&self, after: Option<IncidentId>, limit: usize) -> Result<Vec<Incident>, StoreError> {
        self.readers.read(move |conn| incidents::unlisted(conn, after, limit)).await
    }

    async fn commit(&self, work: Commit) -> Result<Vec<IncidentId>, StoreError> {
        let retention = self.retention;
        self.writer.call(move |conn| commit(conn, &work, retention)).await
    }

    async fn incident(&self, id: IncidentId) -> Result<Option<Incident>, StoreError> {
        self.readers.read(move |conn| incidents::load(conn, id)).await
    }

    async fn alerts(&self, id: IncidentId, limit: usize) -> Result<Vec<HeldAlert>, StoreError> {
        self.readers.read(move |conn| incidents::alerts(conn, id, limit)).await
    }

    async fn incidents(
        &self,
        phase: Option<Phase>,
        before: Option<IncidentId>,
        limit: usize,
    ) -> Result<Vec<Incident>, StoreError> {
        self.readers.read(move |conn| incidents::list(conn, phase, before, limit)).await
    }

    async fn timeline(&self, id: IncidentId) -> Result<Vec<RecordedEntry>, StoreError> {
        self.readers.read(move |conn| incidents::timeline(conn, id)).await
    }

    async fn claim(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        appetite: Appetite,
    ) -> Result<Vec<Claim>, StoreError> {
        let wanted = appetite.clone();
        if !self.readers.read(move |conn| claims::anything_to_claim(conn, now, &wanted)).await? {
            return Ok(Vec::new());
        }
        self.writer.call(move |conn| claims::claim(conn, now, lease_until, &appetite)).await
    }

    async fn next_job_at(&self) -> Result<Option<Timestamp>, StoreError> {
        self.readers.read(outbox::next_at).await
    }

    async fn report(&self, report: Report) -> Result<(), StoreError> {
        self.writer.call(move |conn| outbox::report(conn, &report)).await
    }

    async fn spend(&self, spending: Spending, decide: Decide) -> Result<(Spent, Allotment), StoreError> {
        self.writer.call(move |conn| spending::spend(conn, &spending, decide)).await
    }

    async fn spent(&self, since: Timestamp) -> Result<BTreeMap<Urgent, u32>, StoreError> {
        self.readers.read(move |conn| spending::since(conn, since)).await
    }

    async fn card(&self, id: IncidentId, to: Destination) -> Result<Option<Card>, StoreError> {
        self.readers.read(move |conn| cards::load(conn, id, to)).await
    }

    async fn incident_of(&self, message: MessageId) -> Result<Option<IncidentId>, StoreError> {
        self.readers.read(move |conn| cards::incident_of(conn, &message)).await
    }

    async fn was_heard(&self, event: String) -> Result<bool, StoreError> {
        self.readers.read(move |conn| heard::was(conn, &event)).await
    }

    async fn mark_heard(&self, event: String, now: Timestamp) -> Result<(), StoreError> {
        self.writer.call(move |conn| heard::mark(conn, &event, now)).await
    }

    async fn arrivals(&self, to: Destination, after: Timestamp) -> Result<u64, StoreError> {
        self.readers.read(move |conn| storms::arrivals(conn, &to, after)).await
    }

    async fn storm(&self, id: StormId, worst: usize) -> Result<Option<Storm>, StoreError> {
        self.readers.read(move |conn| storms::load(conn, id, worst)).await
    }

    async fn storm_open(&self, id: StormId, seen: u64) -> Result<Vec<IncidentId>, StoreError> {
        self.readers.read(move |conn| storms::open(conn, id, seen)).await
    }

    async fn folded(&self, id: IncidentId, to: Destination) -> Result<Option<Folded>, StoreError> {
        self.readers.read(move |conn| storms::folded(conn, id, &to)).await
    }

    async fn ring(
        &self,
        job: JobId,
        people: Vec<String>,
        urgent: Urgent,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Option<Ring>>, StoreError> {
        self.writer.call(move |conn| rings::begin(conn, job, &people, urgent, since, now)).await
    }

    async fn pins(&self, to: Destination) -> Result<Pins, StoreError> {
        self.readers.read(move |conn| pins::load(conn, &to)).await
    }

    async fn reconcile_pins(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.writer.call(move |conn| pins::reconcile(conn, now)).await
    }

    async fn directory(
        &self,
        contacts: Vec<Contact>,
    ) -> Result<BTreeMap<Contact, DirectoryEntry>, StoreError> {
        self.readers.read(move |conn| directory::load(conn, contacts)).await
    }

    async fn remember(&self, entries: Vec<(Contact, DirectoryEntry)>) -> Result<(), StoreError> {
        self.writer.call(move |conn| directory::save(conn, &entries)).await
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.readers.read(backlog::load).await
    }
}
