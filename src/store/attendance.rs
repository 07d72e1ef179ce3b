//! Who works on a store, when several processes share it.
//!
//! Plain values. Who is taken for dead and who leads is decided in the store,
//! where all see the same; what a leader does alone is said by the worker.

use std::time::Duration;

/// A process among those that share a store. Numbers are never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Holder(pub i64);

/// The part of one process among those that share a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attendance {
    /// How many there are, this one included.
    pub replicas: u32,
    /// Whether this one does what must be done once: the one that has been there longest.
    pub leads: bool,
}

impl Attendance {
    /// How often to attend.
    pub const EVERY: Duration = Duration::from_millis(1500);
    /// How long after it attended last a process is taken for dead.
    pub const LAPSES: Duration = Duration::from_secs(6);
    /// How long after it attended last a leader stops leading by itself, well
    /// before another begins.
    pub const TRUSTED: Duration = Duration::from_millis(4500);

    /// Of a process that shares its store with nobody.
    pub const fn alone() -> Self {
        Self { replicas: 1, leads: true }
    }
}
