//! What the outside sees of the process: log lines, metrics and the live tap.
//!
//! # Invariants
//!
//! * A log line is one line, whatever its values hold: text from alerts cannot
//!   forge another one or move a terminal's cursor.
//! * Every label of a metric comes from a bounded set. Text from alerts is never
//!   a label; names of sources are, up to [`SOURCES_MAX`] of them.
//!
//! Nothing is measured here: callers say what happened, and numbers that live
//! in the store are handed in when metrics are asked for.

mod logs;
mod metrics;
mod refusals;
mod tap;

pub use logs::{LogFormat, check_filter, init_logs};
pub use metrics::{Metrics, SOURCES_MAX, Waiting};
pub use refusals::{Refusals, Refused};
pub use tap::{News, NoWatch, Seen, Tap, Watching};
