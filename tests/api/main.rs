//! The edges, tested from outside: formats in, rules read, Feishu spoken, HTTP answered.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod alertmanager;
mod callbacks;
mod dashboard;
mod fallback;
mod feishu;
mod http;
mod long_connection;
mod rules;
mod sandbox;
mod schedules;
mod self_check;
#[path = "../support/shelf.rs"]
mod shelf;
mod sources;
