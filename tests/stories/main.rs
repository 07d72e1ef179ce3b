//! Stories: the whole pager on virtual time, from webhook to phone.
//!
//! Rules, engine, store and courier are the real ones; Feishu is the product's
//! own sandbox, served on loopback. Whatever shows on a phone and is not
//! expected fails the story.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod agreement;
mod alerts;
mod answers;
mod bad_luck;
mod budgets;
mod cards;
mod chaos;
mod delivery;
mod duplicates;
mod foresight;
mod heartbeats;
mod ladder;
mod last_resort;
mod life;
mod people;
mod refusals;
mod review;
mod silences;
mod storms;
mod world;
