//! How much is taken in at a time: bodies in memory, and webhooks that wait in
//! the inbox. Beyond its bounds a sender is told to come again, which keeps the
//! alerts on its side, and nothing here grows without end.
//!
//! # Bounds
//!
//! * Bodies that are being read hold at most [`BODIES_MAX`] together, and the
//!   largest that is allowed in any case.
//! * [`WAITING_MAX`] webhooks wait to be dealt with, of at most
//!   [`WAITING_BYTES_MAX`] together. That is more than the largest storm that is
//!   promised to be taken (100,000 webhooks at once), and minutes of work.
//!
//! The inbox is counted twice a second, not at each webhook; in between, what this
//! process accepts is added. So a bound is passed by what other replicas accept in
//! that time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use actix_web::http::{StatusCode, header};
use jiff::{SignedDuration, Timestamp};

use super::problem::Problem;
use crate::store::Store;

/// Bytes of bodies that are being read.
const BODIES_MAX: usize = 192 << 20;
/// Webhooks in the inbox.
const WAITING_MAX: usize = 250_000;
/// Their bytes.
const WAITING_BYTES_MAX: usize = 1 << 30;
/// How often the inbox is counted while webhooks arrive.
const COUNT_EVERY: SignedDuration = SignedDuration::from_millis(500);
/// When a sender may come again, in seconds.
pub(super) const RETRY_AFTER: &str = "5";

/// See the module.
#[derive(Debug, Default)]
pub struct Intake {
    reading: AtomicUsize,
    waiting: Mutex<Waiting>,
}

/// What waited in the inbox when it was counted, and what came since.
#[derive(Debug, Default)]
struct Waiting {
    counted_at: Option<Timestamp>,
    entries: usize,
    /// Of their bodies.
    bytes: usize,
}

impl Waiting {
    /// Whether it is time to count, which whoever asks does then.
    fn is_due(&mut self, now: Timestamp) -> bool {
        let due = self.counted_at.is_none_or(|at| now.duration_since(at).abs() >= COUNT_EVERY);
        if due {
            self.counted_at = Some(now);
        }
        due
    }

    fn counted(&mut self, entries: u64, bytes: u64) {
        self.entries = usize::try_from(entries).unwrap_or(usize::MAX);
        self.bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    }

    fn accepted(&mut self, size: usize) {
        self.entries = self.entries.saturating_add(1);
        self.bytes = self.bytes.saturating_add(size);
    }

    fn is_full(&self) -> bool {
        self.entries >= WAITING_MAX || self.bytes >= WAITING_BYTES_MAX
    }
}

impl Intake {
    /// Whether one more webhook may come in.
    pub(super) async fn admit(&self, store: &dyn Store, now: Timestamp) -> Result<(), Problem> {
        let due = self.waiting().is_due(now);
        if due {
            match store.backlog().await {
                Ok(backlog) => self.waiting().counted(backlog.inbox, backlog.inbox_bytes),
                // The store says so itself when something is to be kept.
                Err(error) => tracing::debug!("the inbox cannot be counted: {error}"),
            }
        }
        if self.waiting().is_full() {
            return Err(full("more webhooks wait to be dealt with than are taken in at a time"));
        }
        Ok(())
    }

    /// One more webhook waits.
    pub(super) fn accepted(&self, size: usize) {
        self.waiting().accepted(size);
    }

    /// Room for a body that is about to be read; it grows with it.
    pub(super) fn room(&self) -> Room<'_> {
        Room { intake: self, bytes: 0 }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a body holds of the memory for bodies; given back when dropped.
#[derive(Debug)]
pub(super) struct Room<'a> {
    intake: &'a Intake,
    bytes: usize,
}

impl Room<'_> {
    /// Makes it larger. A body alone gets all it needs.
    pub(super) fn grow(&mut self, by: usize) -> Result<(), Problem> {
        let before = self.intake.reading.fetch_add(by, Ordering::Relaxed);
        self.bytes += by;
        let others = (before + by).saturating_sub(self.bytes);
        if others > 0 && before + by > BODIES_MAX {
            return Err(full("many large bodies are being read at the moment").closing());
        }
        Ok(())
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.intake.reading.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// 503: the sender keeps the alerts and tries again.
fn full(why: &str) -> Problem {
    tracing::warn!("a webhook was sent away for now: {why}");
    let detail = format!("{why}; the alerts were not accepted: send them again in {RETRY_AFTER} s");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).header(header::RETRY_AFTER, RETRY_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + ms).unwrap()
    }

    #[test]
    fn the_inbox_is_counted_now_and_then_whatever_the_clock_does() {
        let mut waiting = Waiting::default();
        let due = [0, 100, 499, 500, 600, 1000, -5000, -4900].map(|ms| waiting.is_due(at(ms)));
        assert_eq!(due, [true, false, false, true, false, true, true, false]);
    }

    #[test]
    fn what_came_since_it_was_counted_is_added() {
        let mut waiting = Waiting::default();
        waiting.counted(3, 100);
        for size in [10, 20, 30] {
            waiting.accepted(size);
        }
        assert_eq!((waiting.entries, waiting.bytes), (6, 160));
        waiting.counted(2, 50);
        assert_eq!((waiting.entries, waiting.bytes), (2, 50));
    }

    #[test]
    fn either_bound_is_enough() {
        let mut waiting = Waiting::default();
        let entries = u64::try_from(WAITING_MAX).unwrap();
        waiting.counted(entries - 1, 1);
        assert!(!waiting.is_full());
        waiting.accepted(1);
        assert!(waiting.is_full());
        waiting.counted(1, 1);
        assert!(!waiting.is_full());
        waiting.accepted(WAITING_BYTES_MAX);
        assert!(waiting.is_full());
    }

    #[test]
    fn bodies_share_their_memory_and_give_it_back() {
        let intake = Intake::default();
        let (mut large, mut small) = (intake.room(), intake.room());
        large.grow(BODIES_MAX + 1).unwrap();
        let refused = small.grow(10).unwrap_err();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        drop(large);
        small.grow(10).unwrap();
        drop(small);
        assert_eq!(intake.reading.load(Ordering::Relaxed), 0);
    }
}
