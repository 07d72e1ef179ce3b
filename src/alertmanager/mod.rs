//! Speaks to Alertmanager: silences, and what it says of alerts now.
//!
//! [`Client`] makes silences, ends them and reads alerts through the API v2.
//! [`matchers_for`] says which labels an incident is silenced by. Known to
//! work with Alertmanager 0.25 to 0.33 (inputs.md §B) and what serves the same
//! API under a path of its own (Mimir, a proxy).
//!
//! # Invariants
//!
//! * Each call can be made again after any failure: a silence carries a marker
//!   in its comment and is looked for before it is made.
//! * No call waits or is repeated here: when to try again is the courier's business.
//! * A silence is never wider than the labels it was asked for, and one without
//!   labels is not made.
//! * Credentials are never printed, not even when the other side quotes them.
//!
//! The only room that knows the JSON of Alertmanager's API; that of its
//! webhooks is for `sources`. Whether an incident is held, and for how long,
//! is decided by `escalation`.

mod alerts;
mod client;
mod elements;
mod error;
mod filters;
mod matchers;
mod silences;

pub use alerts::{AlertState, Status};
pub use client::{Client, ClientConfig, ClientError};
pub use error::{CallError, Verdict};
pub use matchers::matchers_for;
pub use silences::{Silence, SilenceId, SilencePhase, SilenceState};
