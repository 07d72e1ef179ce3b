//! Taking jobs from the outbox, and giving them back.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::{Destination, Headroom, JobId};

/// Shows that a claimed job is one's own. It is good until the job is claimed
/// again, which happens only after its lease has ended; then nothing that is said
/// with it changes anything any more (a fencing token).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// Which job.
    pub job: JobId,
    /// Its how many-eth claim this is, from 1.
    pub fence: u64,
}

/// Which jobs one is ready for. What does not fit is passed over, so that it
/// holds up nobody behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appetite {
    /// Jobs of any kind.
    pub jobs: Headroom,
    /// Jobs of these [kinds](crate::domain::Job::kind); of all others as many as there are.
    pub kinds: BTreeMap<&'static str, Headroom>,
    /// Posts, buzzes, reminders and lines of threads at these places.
    pub places: BTreeMap<Destination, Headroom>,
    /// The same at each place that is not named.
    pub place: Headroom,
}

impl Appetite {
    /// For any jobs, so many.
    pub fn of(jobs: usize) -> Self {
        Self {
            jobs: Headroom { loud: jobs, app: jobs, rest: jobs },
            kinds: BTreeMap::new(),
            places: BTreeMap::new(),
            place: Headroom::PLENTY,
        }
    }
}

/// What becomes of a claimed job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEnd {
    /// Done, or given up: remove it. An edit whose incident has moved on
    /// beyond [`Card::shown_version`](super::Card::shown_version), and an edit or pin that was asked for
    /// again meanwhile, stays instead: due at once, as a job of its own
    /// (no attempts, another uuid).
    Done,
    /// Try again then.
    Retry {
        /// Not before.
        at: Timestamp,
        /// Whether later jobs of its lane go on waiting for it.
        holds_lane: bool,
    },
    /// Nothing was done: as if it had not been claimed, but not due before then.
    PutBack {
        /// Not before.
        at: Timestamp,
    },
    /// The same, and later jobs of its lane do not wait for it any more.
    StandAside {
        /// Not before.
        at: Timestamp,
    },
    /// Still being worked on by the claimer; only the rest of the report counts.
    Held,
}
