//! The crash harness: the real binary is killed, its power is cut, its disk is
//! full, its clock jumps and Feishu is away; after each of it, everything that
//! was answered 200 is delivered, once, as the rules say (`audit`).
//!
//! Each scenario prints its row of the table. Its length is set from outside:
//!
//! ```sh
//! LARKHORN_CRASHES=3000 cargo test --release --test crash kills -- --nocapture
//! LARKHORN_CUTS=1000 cargo test --release --test crash power_cuts -- --nocapture
//! ```
//!
//! Feishu alone is played, by the sandbox, inside the test, where it survives the
//! kills. What the pager sees of the disk and the clock goes through `shim.c`.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests fail by panicking and say why on standard error"
)]

mod audit;
mod backend;
#[path = "../support/cluster.rs"]
mod cluster;
mod dice;
mod disk;
mod lane;
mod load;
mod pager;
#[path = "../real/patience.rs"]
mod patience;
#[path = "../real/ports.rs"]
mod ports;
mod proxy;
mod servers;
mod shim;
mod table;

mod clocks;
mod disks;
mod kills;
mod outage;
mod power_cuts;
mod replicas;
mod restarts;
mod slow_clients;
mod storms;
mod strange_files;
