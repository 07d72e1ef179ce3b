//! A claimed job, and what came of it.
//!
//! Plain values. What becomes of a job by its report is said by the store.

use jiff::Timestamp;
use uuid::Uuid;

use super::{JobEnd, NewJob, Ticket};
use crate::domain::{Destination, IncidentId, Job, MessageId, Person, TimelineEntry, Urgent};

/// A job that the caller now holds.
#[derive(Debug, Clone)]
pub struct Claim {
    /// What shows that the job is the claimer's.
    pub ticket: Ticket,
    /// Whose it is; `None` for pins, which belong to a place.
    pub incident: Option<IncidentId>,
    /// What to do.
    pub job: Job,
    /// [`NewJob::priority`], or that of the loudest buzz behind it.
    pub priority: u8,
    /// Stable over retries and restarts: the idempotency key towards Feishu.
    pub uuid: Uuid,
    /// Claims before this one.
    pub attempts: u32,
    /// The claim before was never reported: what came of it is unknown.
    pub interrupted: bool,
    /// A message that an earlier attempt of this job has sent
    /// ([`Report::sent`]), e.g. the line that is to be urged.
    pub sent: Option<MessageId>,
    /// When the job was put into the outbox.
    pub created_at: Timestamp,
}

impl Claim {
    /// A report on this claim that says nothing but how the job ended.
    pub fn report(&self, at: Timestamp, end: JobEnd) -> Report {
        Report::of(self.ticket, at, end)
    }
}

/// A card as it stands in Feishu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Where.
    pub to: Destination,
    /// Feishu's id of it.
    pub message: MessageId,
    /// The incident's version that it shows. 0: unknown, edit it.
    pub shown_version: u64,
    /// When it was posted; cards older than 13 days are posted anew.
    pub posted_at: Timestamp,
}

/// How sure one is that a place is pinned for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinState {
    /// A call to pin is about to be made: it may be pinned.
    Unsure,
    /// Feishu accepted the pin.
    On,
    /// It is not pinned.
    Off,
}

/// Outcome of working on a claimed job. One transaction.
///
/// A job that is gone, or that was claimed anew after the lease had ended,
/// takes no report: nothing changes. Pins and storms belong to no incident: of
/// their reports `timeline` and follow-ups other than pins are left out, and a
/// storm's `card` is the storm's.
#[derive(Debug, Clone)]
pub struct Report {
    /// Which, and by which claim.
    pub ticket: Ticket,
    /// When.
    pub at: Timestamp,
    /// What becomes of the job.
    pub end: JobEnd,
    /// A message that was sent on the way, to be remembered with the job.
    pub sent: Option<MessageId>,
    /// The deadline of the incident, if triggered, is not after this.
    pub due_by: Option<Timestamp>,
    /// A card that now shows a version. When the incident has moved on, an edit follows.
    pub card: Option<Card>,
    /// Names of people whose buzz Feishu has accepted, and how loud it was. Of
    /// all others the job has begun to ring nobody ([`Store::ring`](super::Store::ring)).
    pub rang: Vec<(String, Urgent)>,
    /// Pins that are now in a state.
    pub pins: Vec<(Person, PinState)>,
    /// What happened, for the incident's timeline.
    pub timeline: Vec<TimelineEntry>,
    /// Names of people whom the job meant to buzz for money ([`Store::spend`](super::Store::spend)) and
    /// surely did not. Unless the job is [held](JobEnd::Held), the others are spent for good.
    pub unspent: Vec<String>,
    /// More work for the same incident.
    pub follow_ups: Vec<NewJob>,
}

impl Report {
    /// One that says nothing but how the job ended.
    pub fn of(ticket: Ticket, at: Timestamp, end: JobEnd) -> Self {
        Self {
            ticket,
            at,
            end,
            sent: None,
            due_by: None,
            card: None,
            rang: Vec::new(),
            pins: Vec::new(),
            timeline: Vec::new(),
            unspent: Vec::new(),
            follow_ups: Vec::new(),
        }
    }
}

/// Pins of one place. Whoever is in one list alone needs a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pins {
    /// Who shall have it on top: wanted by at least one incident.
    pub wanted: Vec<Person>,
    /// For whom it is on top. Where that is unsure: those who shall not have
    /// it, so that it is taken down, but not those who shall, so that it is pinned again.
    pub shown: Vec<Person>,
}
