//! The machine's clock.

use jiff::Timestamp;

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
