//! Stories with real programs: Debian's Prometheus and Alertmanager, and the
//! larkhorn binary, each a child process. Feishu alone is played, by the
//! sandbox, inside the test, so that what reached the phones can be looked at.
//!
//! Nothing here waits for a fixed time: what shall come to be is looked for
//! until it is there or patience ends ([`patience`]). A missing program fails
//! the test and says what to install.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests fail by panicking and say why on standard error"
)]

mod alerting;
mod pager;
mod patience;
mod phones;
mod ports;
mod process;
mod sender;

mod answering;
mod answers;
mod command_line;
mod doctor;
mod examples;
mod explain;
mod killed;
mod lab;
mod outage;
mod paging;
mod rehearsals;
mod reload;
mod shared_calendars;
mod silences;
mod storm;
mod watching;
