//! The machine's clock, and that of a store which several machines share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

use crate::domain::Clock;

/// The real time, for the one who owns it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one real clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The store's clock, as last heard and carried on by the machine's monotonic
/// one: steps of the machine's own clock do not show. Before it was heard first, and
/// where the store has none, it is another clock.
pub struct StoreClock {
    other: Arc<dyn Clock>,
    heard: Mutex<Option<(Timestamp, Instant)>>,
}

impl StoreClock {
    /// Nothing heard yet.
    pub fn beside(other: Arc<dyn Clock>) -> Self {
        Self { other, heard: Mutex::default() }
    }

    /// Hears the time.
    pub fn hear(&self, now: Timestamp) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Instant::now()));
    }
}

impl Clock for StoreClock {
    fn now(&self) -> Timestamp {
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.map_or_else(
            || self.other.now(),
            |(at, then)| {
                let since = SignedDuration::try_from(then.elapsed()).unwrap_or(SignedDuration::MAX);
                at.checked_add(since).unwrap_or(Timestamp::MAX)
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stopped;

    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }
    }

    #[test]
    fn what_was_heard_is_carried_on() {
        let clock = StoreClock::beside(Arc::new(Stopped));
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH);
        let heard: Timestamp = "2027-01-15T08:00:00Z".parse().unwrap();
        clock.hear(heard);
        let (first, second) = (clock.now(), clock.now());
        assert!(heard <= first && first <= second && second < heard + SignedDuration::from_secs(60));
    }
}
