//! Drives the pure rooms: takes what the store holds, asks for a decision,
//! commits it, and carries out what follows.
//!
//! * [`engine`]: inbox and due deadlines → standings, jobs, timeline.
//! * [`courier`]: jobs of the outbox → Feishu, and what came of them back.
//!
//! # Invariants
//!
//! * Only the engine writes standings; only the courier talks to Feishu.
//! * No transaction spans a network call.
//! * Both work in turns that are given the time. A turn that dies half-way left
//!   nothing half-done: what was committed counts, the rest is found again.
//!
//! Being woken makes a turn quick; polling makes it sure.

pub mod courier;
pub mod engine;
