//! What the engine decides, as one transaction writes it.
//!
//! Plain values. What a commit promises is said by the store.

use jiff::Timestamp;

use super::{Arrival, HeldAlert, InboxId};
use crate::domain::{
    Destination, Fingerprint, Heartbeat, Incident, IncidentKey, Job, Member, Person, TimelineEntry,
};

/// Work to be put into the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// What to do. [`Job::Edit`], [`Job::Pin`] and [`Job::Storm`] fold into one that waits
    /// already: the earlier time counts, unless that one backs off after a
    /// failure. Folded into one that is claimed, they run once more afterwards.
    /// A [`Job::Post`] folds into one that was put off without holding its lane.
    /// A [`Job::Buzz`] lends its priority to what goes before it in its lane. One
    /// that is put in for later stands beside it.
    pub job: Job,
    /// [`Job::priority`]; 0 goes first.
    pub priority: u8,
    /// Not before.
    pub run_at: Timestamp,
}

/// What a change means for the pins that the incident wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PinChange {
    /// Nothing.
    #[default]
    Keep,
    /// These people shall have these places on top, as long as this incident wants it.
    Add(Vec<(Destination, Person)>),
    /// This incident wants no pin any more, but for the person of that name.
    ReleaseOthers(String),
    /// This incident wants no pin any more.
    Release,
}

impl PinChange {
    /// Whether anything is asked for.
    pub fn changes(&self) -> bool {
        *self != Self::Keep
    }
}

/// What one incident became.
#[derive(Debug, Clone)]
pub struct Change {
    /// The new state. `version` is the one that was loaded (0: new, give it an
    /// id); it is stored as one more. Its members are not looked at: `alerts` and
    /// `members` tell which are new or changed.
    pub incident: Incident,
    /// Alerts that are new or changed; the others stay as they are.
    pub alerts: Vec<HeldAlert>,
    /// Members that changed while the text of their alert stays as it is. None
    /// of them is among `alerts`.
    pub members: Vec<(Fingerprint, Member)>,
    /// What happened.
    pub timeline: Vec<TimelineEntry>,
    /// Work that follows. One [`Job::Edit`] per posted card and one [`Job::Storm`]
    /// per storm is added when `refresh` is set; one [`Job::Pin`] per place when `pins` changes something.
    pub jobs: Vec<NewJob>,
    /// Whether the cards of the incident must show the new state.
    pub refresh: bool,
    /// Pins wanted.
    pub pins: PinChange,
    /// Chats that it comes new to, where that is counted. A card of its own is
    /// among `jobs`; the storm's is seen to.
    pub arrivals: Vec<Arrival>,
}

/// What becomes of a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeartbeatChange {
    /// Waited for from now on, unless it is already.
    Await(Heartbeat),
    /// A beat came. One that arrived before the last one known changes nothing.
    Beat(Heartbeat),
    /// Its deadline is another, if it is still the one that was loaded; else
    /// the commit is a conflict.
    Deadline {
        /// Whose.
        key: IncidentKey,
        /// As it was loaded.
        was: Option<Timestamp>,
        /// As it is from now on.
        due_at: Option<Timestamp>,
    },
    /// Nobody waits for it any more.
    Forget(IncidentKey),
}

/// One transaction of the engine.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// Time of the decision.
    pub at: Timestamp,
    /// Inbox entries that are dealt with.
    pub done: Vec<InboxId>,
    /// A large inbox entry of which the first so many alerts are dealt with.
    pub taken: Option<(InboxId, u64)>,
    /// Incidents that changed, each at most once.
    pub changes: Vec<Change>,
    /// Heartbeats that changed.
    pub heartbeats: Vec<HeartbeatChange>,
}
