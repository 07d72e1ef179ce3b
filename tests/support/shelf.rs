//! A store in memory for tests of the HTTP door: keeps webhooks, shows the
//! incidents it was given, and can be made to fail.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use larkhorn::domain::{
    Allotment, Contact, Destination, Heartbeat, Incident, IncidentId, Phase, RecordedEntry, Spent, StormId,
    Urgent,
};
use larkhorn::rules::CalendarCopy;
use larkhorn::store::{
    Appetite, Backlog, Card, Claim, Commit, Decide, Delivery, DirectoryEntry, Folded, HeldAlert, InboxId,
    Lookup, NewDelivery, Pins, Report, Ring, Spending, Store, StoreError, Storm, Ticket,
};

/// What is on the shelf.
#[derive(Default)]
pub(crate) struct Shelf {
    /// Webhooks kept so far.
    pub(crate) kept: Mutex<Vec<NewDelivery>>,
    /// Incidents to show, oldest first.
    pub(crate) incidents: Vec<Incident>,
    /// Timelines to show.
    pub(crate) timelines: BTreeMap<IncidentId, Vec<RecordedEntry>>,
    /// What waits.
    pub(crate) backlog: Backlog,
    /// Whether every call fails.
    pub(crate) broken: AtomicBool,
}

impl Shelf {
    fn check(&self) -> Result<(), StoreError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("disk full".into()));
        }
        Ok(())
    }
}

fn unused<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable("the HTTP door has no business with this".into()))
}

#[async_trait]
impl Store for Shelf {
    async fn accept(&self, delivery: NewDelivery) -> Result<InboxId, StoreError> {
        self.check()?;
        let mut kept = self.kept.lock().unwrap();
        kept.push(delivery);
        Ok(InboxId(i64::try_from(kept.len()).unwrap()))
    }

    async fn incident(&self, id: IncidentId) -> Result<Option<Incident>, StoreError> {
        self.check()?;
        Ok(self.incidents.iter().find(|i| i.id == Some(id)).cloned())
    }

    async fn incidents(
        &self,
        phase: Option<Phase>,
        before: Option<IncidentId>,
        limit: usize,
    ) -> Result<Vec<Incident>, StoreError> {
        self.check()?;
        let wanted = |i: &&Incident| {
            phase.is_none_or(|p| i.standing.phase() == p) && before.is_none_or(|b| i.id < Some(b))
        };
        Ok(self.incidents.iter().rev().filter(wanted).take(limit).cloned().collect())
    }

    async fn timeline(&self, id: IncidentId) -> Result<Vec<RecordedEntry>, StoreError> {
        self.check()?;
        Ok(self.timelines.get(&id).cloned().unwrap_or_default())
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.check()?;
        Ok(self.backlog.clone())
    }

    async fn inbox(&self, _: usize, _: usize) -> Result<Vec<Delivery>, StoreError> {
        unused()
    }

    async fn find(&self, _: Lookup) -> Result<Vec<Incident>, StoreError> {
        unused()
    }

    async fn due(&self, _: Timestamp, _: usize) -> Result<Vec<Incident>, StoreError> {
        unused()
    }

    async fn silent(&self, _: Timestamp, _: usize) -> Result<Vec<Heartbeat>, StoreError> {
        unused()
    }

    async fn heartbeats(&self) -> Result<Vec<Heartbeat>, StoreError> {
        unused()
    }

    async fn unlisted(&self, _: Option<IncidentId>, _: usize) -> Result<Vec<Incident>, StoreError> {
        unused()
    }

    async fn commit(&self, _: Commit) -> Result<Vec<IncidentId>, StoreError> {
        unused()
    }

    async fn alerts(&self, _: IncidentId, _: usize) -> Result<Vec<HeldAlert>, StoreError> {
        unused()
    }

    async fn claim(&self, _: Timestamp, _: Timestamp, _: Appetite) -> Result<Vec<Claim>, StoreError> {
        unused()
    }

    async fn next_job_at(&self) -> Result<Option<Timestamp>, StoreError> {
        unused()
    }

    async fn report(&self, _: Report) -> Result<(), StoreError> {
        unused()
    }

    async fn incident_of(&self, _: larkhorn::domain::MessageId) -> Result<Option<IncidentId>, StoreError> {
        unused()
    }

    async fn was_heard(&self, _: String) -> Result<bool, StoreError> {
        unused()
    }

    async fn mark_heard(&self, _: String, _: Timestamp) -> Result<(), StoreError> {
        unused()
    }

    async fn spend(&self, _: Spending, _: Decide) -> Result<(Spent, Allotment), StoreError> {
        unused()
    }

    async fn spent(&self, _: Timestamp) -> Result<BTreeMap<Urgent, u32>, StoreError> {
        unused()
    }

    async fn card(&self, _: IncidentId, _: Destination) -> Result<Option<Card>, StoreError> {
        unused()
    }

    async fn arrivals(&self, _: Destination, _: Timestamp) -> Result<u64, StoreError> {
        unused()
    }

    async fn storm(&self, _: StormId, _: usize) -> Result<Option<Storm>, StoreError> {
        unused()
    }

    async fn storm_open(&self, _: StormId, _: u64) -> Result<Vec<IncidentId>, StoreError> {
        unused()
    }

    async fn folded(&self, _: IncidentId, _: Destination) -> Result<Option<Folded>, StoreError> {
        unused()
    }

    async fn ring(
        &self,
        _: Ticket,
        _: Vec<String>,
        _: Urgent,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<Vec<Option<Ring>>, StoreError> {
        unused()
    }

    async fn journal(
        &self,
        _: Option<InboxId>,
        _: Timestamp,
        _: usize,
        _: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        unused()
    }

    async fn forget(&self, _: Timestamp, _: usize) -> Result<u64, StoreError> {
        unused()
    }

    async fn size_bytes(&self) -> Result<u64, StoreError> {
        unused()
    }

    async fn pins(&self, _: Destination) -> Result<Pins, StoreError> {
        unused()
    }

    async fn reconcile_pins(&self, _: Timestamp) -> Result<u64, StoreError> {
        unused()
    }

    async fn directory(&self, _: Vec<Contact>) -> Result<BTreeMap<Contact, DirectoryEntry>, StoreError> {
        unused()
    }

    async fn calendar(&self, _: String) -> Result<Option<CalendarCopy>, StoreError> {
        unused()
    }

    async fn keep_calendar(&self, _: String, _: CalendarCopy) -> Result<(), StoreError> {
        unused()
    }

    async fn remember(&self, _: Vec<(Contact, DirectoryEntry)>) -> Result<(), StoreError> {
        unused()
    }
}
