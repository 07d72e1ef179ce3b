//! Keeps what must not be lost: the inbox, incidents with their alerts, storms,
//! silences, the outbox, timelines, cards, pins, budgets, the directory of people and
//! the last copies of shared calendars.
//!
//! # Invariants
//!
//! * What [`Store::accept`] and [`Store::commit`] returned `Ok` for is on disk, synced.
//! * A commit is one transaction: the new standings, their timeline, their jobs and
//!   the inbox entries they came from become visible together or not at all.
//! * At most one incident with a key is open.
//! * A commit made on an older version of an incident changes nothing
//!   ([`StoreError::Conflict`]); the caller loads again and decides again.
//! * A claimed job belongs to its claimer until the lease ends or it is reported.
//!   A claim that was never reported shows as [`Claim::interrupted`] next time.
//!
//! The only room that knows SQL. It decides nothing: which rule, whom to page
//! and when to retry is said by its callers. Backends implement [`Store`] and
//! pass the same contract test (`tests/store_contract`).

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use crate::domain::{
    Alert, Allotment, Contact, Destination, Fingerprint, Heartbeat, Incident, IncidentId, IncidentKey,
    Listing, Member, MessageId, Phase, RecordedEntry, SourceKind, Spent, StormId, Urgent,
};

use crate::rules::CalendarCopy;

mod attendance;
mod commit;
mod jobs;
pub mod postgres;
mod spending;
mod sql;
pub mod sqlite;
mod storms;
mod taking;

pub use attendance::{Attendance, Holder};
pub use jobs::{Card, Claim, PinState, Pins, Report};
pub use spending::{Decide, Spending};
pub use sql::{Retention, SqlStore};
pub use storms::{Arrival, Fold, Folded, Ring, Storm};
pub use taking::{Appetite, JobEnd, Ticket};

pub use commit::{Change, Commit, HeartbeatChange, NewJob, PinChange};

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// An incident changed since it was loaded, or one with the key was opened
    /// meanwhile. Load again and decide again.
    #[error("an incident changed meanwhile")]
    Conflict,
    /// Anything else: disk full, database unreachable, corrupt file. Bad luck; worth a retry.
    #[error("{0}")]
    Unavailable(String),
}

/// Position in the inbox; later entries have larger ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InboxId(pub i64);

/// A webhook to be kept, as its bytes came in.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// Name of the source (`?source=`), part of the incidents' identity.
    pub source: String,
    /// The format the bytes were found to be in.
    pub kind: SourceKind,
    /// The body, byte for byte.
    pub body: Bytes,
    /// When it arrived.
    pub received_at: Timestamp,
}

/// A webhook that waits in the inbox.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its position.
    pub id: InboxId,
    /// How many of its alerts have been applied already (a large one is taken in slices).
    pub taken: u64,
    /// What was accepted.
    pub content: NewDelivery,
}

/// Which incidents a batch of alerts may concern.
#[derive(Debug, Clone, Default)]
pub struct Lookup {
    /// For each key: the incident that is open, else the one resolved last.
    pub keys: Vec<IncidentKey>,
    /// For each (source, fingerprint): every incident of that source that holds
    /// the alert as not recovered, be it over because a person said so.
    pub holders: Vec<(String, Fingerprint)>,
    /// For each: every open incident with an alert that fires and is listed there.
    pub listings: Vec<Listing>,
    /// For each: every open incident of any source where it fires.
    pub firing: Vec<Fingerprint>,
}

/// An alert of an incident: its text and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldAlert {
    /// As last reported.
    pub alert: Alert<'static>,
    /// Its part in the standing.
    pub member: Member,
}

/// What the directory knows of an e-mail address or mobile number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// The person's `ou_…`; `None`: Feishu knows nobody by it.
    pub open_id: Option<String>,
    /// When Feishu was asked.
    pub looked_up_at: Timestamp,
}

/// What waits, for metrics and readiness.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Entries of the inbox that are not dealt with.
    pub inbox: u64,
    /// Their bodies together, in bytes.
    pub inbox_bytes: u64,
    /// When the oldest of them arrived.
    pub inbox_oldest: Option<Timestamp>,
    /// Jobs in the outbox.
    pub outbox: u64,
    /// When the oldest of them was put there.
    pub outbox_oldest: Option<Timestamp>,
    /// When the oldest page that waits (a buzz, or a card that a buzz waits for)
    /// was put there; pages about larkhorn itself do not count.
    pub page_oldest: Option<Timestamp>,
    /// Earliest deadline of an open incident or a heartbeat.
    pub next_due: Option<Timestamp>,
    /// When each rule's heartbeat was last seen; of several groups, the one
    /// that has been silent longest.
    pub heartbeats: BTreeMap<String, Timestamp>,
    /// Incidents by phase, every phase but resolved, 0 where there is none.
    pub incidents: BTreeMap<Phase, u64>,
}

/// The store. Every method is one transaction and cancel-safe: dropped
/// mid-way, it happened wholly or not at all.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Keeps a webhook. `Ok` means synced to disk.
    async fn accept(&self, delivery: NewDelivery) -> Result<InboxId, StoreError>;

    /// The oldest webhooks not dealt with, in order of arrival: at most
    /// `limit`, and bodies of at most `max_bytes` together, but one in any case.
    async fn inbox(&self, limit: usize, max_bytes: usize) -> Result<Vec<Delivery>, StoreError>;

    /// Webhooks that are kept, dealt with or not: those after `after` that arrived at
    /// or after `since`, in order of arrival. Bounds as of [`inbox`](Self::inbox).
    async fn journal(
        &self,
        after: Option<InboxId>,
        since: Timestamp,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<Delivery>, StoreError>;

    /// Incidents that the lookup asks for, each once, oldest first, with their members.
    async fn find(&self, lookup: Lookup) -> Result<Vec<Incident>, StoreError>;

    /// Open incidents whose deadline is not after `now`, earliest first.
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Incident>, StoreError>;

    /// Heartbeats that were due by `now` and of which no beat waits in the inbox:
    /// by the arrival of the oldest webhook that is not dealt with, if there is one.
    async fn silent(&self, now: Timestamp, limit: usize) -> Result<Vec<Heartbeat>, StoreError>;

    /// All heartbeats that are waited for, by key.
    async fn heartbeats(&self) -> Result<Vec<Heartbeat>, StoreError>;

    /// Open incidents with alerts that fire and are not listed any more, oldest
    /// first: those after `after`, at most `limit`.
    async fn unlisted(&self, after: Option<IncidentId>, limit: usize) -> Result<Vec<Incident>, StoreError>;

    /// Commits decisions; the ids of the changed incidents, in order of `changes`.
    /// An inbox entry that is finished already, or taken further, is a conflict:
    /// somebody else has decided about it.
    /// Buzzes of an incident that is no longer triggered are dropped, unless
    /// they are being worked on.
    async fn commit(&self, commit: Commit) -> Result<Vec<IncidentId>, StoreError>;

    /// One incident; `None` if there is none with that id.
    async fn incident(&self, id: IncidentId) -> Result<Option<Incident>, StoreError>;

    /// Its alerts: firing ones first, then those not listed any more, then by
    /// start, newest first; at most `limit`.
    async fn alerts(&self, id: IncidentId, limit: usize) -> Result<Vec<HeldAlert>, StoreError>;

    /// Incidents, newest first: those in `phase` (all if `None`), older than `before`.
    async fn incidents(
        &self,
        phase: Option<Phase>,
        before: Option<IncidentId>,
        limit: usize,
    ) -> Result<Vec<Incident>, StoreError>;

    /// What happened to an incident, oldest first.
    async fn timeline(&self, id: IncidentId) -> Result<Vec<RecordedEntry>, StoreError>;

    /// Takes jobs that are due and fit: most urgent priority first, within one
    /// oldest first. Of posts and buzzes of one incident to one place only the oldest
    /// is given out, so a buzz never overtakes its card, unless that one was put
    /// off with [`JobEnd::Retry`] not holding its lane; edits and pins wait
    /// for nobody, but an edit only runs once its card is posted (and goes
    /// away with the last post that did not bring it about). Buzzes of
    /// incidents that are no longer triggered are dropped here, in the same
    /// transaction that would have given them out.
    async fn claim(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        appetite: Appetite,
    ) -> Result<Vec<Claim>, StoreError>;

    /// When the next job becomes due, be it because a lease ends; `None`
    /// when the outbox is empty.
    async fn next_job_at(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Writes down what came of a claimed job, or what is about to be done: with a
    /// ticket that is not good any more, [`JobEnd::Held`] is a conflict.
    async fn report(&self, report: Report) -> Result<(), StoreError>;

    /// Writes down, before anybody is buzzed, what that will cost: the people
    /// that `decide` allots a channel above the app. What is spent and what was
    /// decided by it. Both in one transaction, so that no two jobs take the last of a
    /// budget. Whatever becomes of the process then, it counts as spent until a
    /// report says otherwise. A ticket that is not good any more is a conflict.
    async fn spend(&self, spending: Spending, decide: Decide) -> Result<(Spent, Allotment), StoreError>;

    /// How many people were buzzed since then by each channel that costs money.
    async fn spent(&self, since: Timestamp) -> Result<BTreeMap<Urgent, u32>, StoreError>;

    /// The incident's card there, if it was posted.
    async fn card(&self, id: IncidentId, to: Destination) -> Result<Option<Card>, StoreError>;

    /// The incident that a message is about: its card, or one that a report said
    /// was sent for it ([`Report::sent`]). `None`: it is about none.
    async fn incident_of(&self, message: MessageId) -> Result<Option<IncidentId>, StoreError>;

    /// Whether an event of Feishu's was marked as heard before.
    async fn was_heard(&self, event: String) -> Result<bool, StoreError>;

    /// Marks an event of Feishu's as heard; forgets those of more than a day ago
    /// (Feishu repeats itself for some seven hours, feishu-api.md §7).
    async fn mark_heard(&self, event: String, now: Timestamp) -> Result<(), StoreError>;

    /// How many incidents came new to a place after `after` ([`Change::arrivals`]).
    async fn arrivals(&self, to: Destination, after: Timestamp) -> Result<u64, StoreError>;

    /// A storm with at most so many of its `worst`; `None` if there is none with that id.
    async fn storm(&self, id: StormId, worst: usize) -> Result<Option<Storm>, StoreError>;

    /// The incidents of a storm that are not over, of the first `seen` that came.
    async fn storm_open(&self, id: StormId, seen: u64) -> Result<Vec<IncidentId>, StoreError>;

    /// Where the incident is shown at a place in which it was folded into a
    /// storm; `None`: it was not.
    async fn folded(&self, id: IncidentId, to: Destination) -> Result<Option<Folded>, StoreError>;

    /// Begins to ring people on behalf of a job, unless another has of late: for
    /// each the latest ring of another job that is at least as loud and began
    /// after `since`, one that was accepted before one that was not; where there
    /// is none, the job's own is written down and `None` returned. What becomes of it
    /// is said by the job's report. Until then, others find it. A ticket that is not
    /// good any more is a conflict.
    async fn ring(
        &self,
        ticket: Ticket,
        people: Vec<String>,
        urgent: Urgent,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Option<Ring>>, StoreError>;

    /// Pins of a place.
    async fn pins(&self, to: Destination) -> Result<Pins, StoreError>;

    /// Puts a [`Job::Pin`](crate::domain::Job::Pin) into the outbox for every place whose shown pins
    /// differ from the wanted ones; how many. Called at start.
    async fn reconcile_pins(&self, now: Timestamp) -> Result<u64, StoreError>;

    /// What the directory knows of these contacts; unknown ones are left out.
    async fn directory(
        &self,
        contacts: Vec<Contact>,
    ) -> Result<BTreeMap<Contact, DirectoryEntry>, StoreError>;

    /// Remembers what Feishu said about contacts.
    async fn remember(&self, entries: Vec<(Contact, DirectoryEntry)>) -> Result<(), StoreError>;

    /// The copy of a calendar that was kept last, by any replica; `None`: none was.
    async fn calendar(&self, address: String) -> Result<Option<CalendarCopy>, StoreError>;

    /// Keeps a copy of a calendar, unless a later one is kept already.
    async fn keep_calendar(&self, address: String, copy: CalendarCopy) -> Result<(), StoreError>;

    /// What waits.
    async fn backlog(&self) -> Result<Backlog, StoreError>;

    /// Removes incidents that were resolved before then and owe nothing any more, oldest
    /// first and at most `limit`, with their alerts and timelines; how many.
    async fn forget(&self, resolved_before: Timestamp, limit: usize) -> Result<u64, StoreError>;

    /// How much room it takes, in bytes.
    async fn size_bytes(&self) -> Result<u64, StoreError>;

    /// Says that this process is at work, and tells its part. To be said every
    /// [`Attendance::EVERY`]. Whoever has said nothing for [`Attendance::LAPSES`] is
    /// taken for dead: what it had claimed is given to others.
    async fn attend(&self) -> Result<Attendance, StoreError> {
        Ok(Attendance::alone())
    }

    /// The clock by which all that share the store measure their deadlines; `None`:
    /// nobody shares it, the machine's will do.
    async fn time(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }
}
