//! What was refused at the door for good: its sender will not send it again.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

/// The last webhook that was too large, told by the door to whoever looks
/// after the pager. Alertmanager drops what is answered 413, so somebody must know.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<Option<Refused>>);

/// A webhook that was too large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// When.
    pub at: Timestamp,
    /// What the sender is counted as.
    pub source: String,
    /// What would have been taken, in bytes.
    pub limit: usize,
}

impl Refusals {
    /// Remembers it, in place of the one before.
    pub fn note(&self, refused: Refused) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(refused);
    }

    /// The last one.
    pub fn last(&self) -> Option<Refused> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
