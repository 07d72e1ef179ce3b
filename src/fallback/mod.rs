//! Ways to tell people that do not lead through Feishu: any server that takes
//! JSON, and mail. None of them rings, none can be answered; they only have to arrive.
//!
//! # Invariants
//!
//! * No call waits or is repeated here; the courier tries again.
//! * Addresses and passwords are never printed, not even when the other side quotes them.
//!
//! When they are used, and who is told of what, is decided by `worker`.

mod hook;
mod mail;

use jiff::Timestamp;

use crate::domain::Urgent;

pub use hook::Hook;
pub use mail::Mail;

/// What has to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// `INC-142`.
    pub incident: String,
    /// Its headline.
    pub title: String,
    /// Its severity's name.
    pub severity: String,
    /// How loudly people should have been buzzed.
    pub urgent: Urgent,
    /// Names of whom it is for.
    pub people: Vec<String>,
    /// One line that says all of it.
    pub text: String,
    /// When it opened.
    pub opened_at: Timestamp,
}

/// Why a notice was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotTold {
    /// What went wrong, without addresses.
    pub message: String,
    /// Whether trying again may help.
    pub again: bool,
}

/// Why a way of the settings cannot be used. Does not repeat addresses.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadWay(pub String);
