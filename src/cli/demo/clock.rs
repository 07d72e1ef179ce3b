//! The demo's clock: the real time, and as much more as the story skips.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

use crate::app::SystemClock;
use crate::domain::Clock;

/// Shared by the pager and the phones, so that an hour passes for both at once.
#[derive(Debug, Default)]
pub(super) struct DemoClock {
    ahead_seconds: AtomicI64,
}

impl DemoClock {
    /// Lets time pass.
    pub(super) fn skip(&self, span: SignedDuration) {
        self.ahead_seconds.fetch_add(span.as_secs(), Ordering::SeqCst);
    }
}

impl Clock for DemoClock {
    fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_secs(self.ahead_seconds.load(Ordering::SeqCst));
        let now = SystemClock.now();
        now.checked_add(ahead).unwrap_or(now)
    }
}
