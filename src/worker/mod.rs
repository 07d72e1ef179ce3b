//! Drives the pure rooms: takes what the store holds, asks for a decision,
//! commits it, and carries out what follows.
//!
//! * [`engine`]: inbox and due deadlines → standings, jobs, timeline.
//! * [`courier`]: jobs of the outbox → Feishu, and what came of them back.
//! * [`purse`]: what calls and text messages may still cost.
//! * [`replicas`]: which part this process has among those that share the store.
//! * [`roll_call`]: whether Feishu knows the people of the rules.
//! * [`self_check`]: what keeps pages from people → incidents of its own.
//! * [`sinks`]: other ways to tell people, while Feishu cannot be reached.
//! * [`long_connection`]: what Feishu says of its own accord → whoever listens.
//!
//! # Invariants
//!
//! * Only the engine of the replica that leads works off the inbox and the deadlines; answers of
//!   people are taken by any. Only the engine writes standings, but that a report may bring a deadline
//!   forward. Only the courier sends to Feishu; the roll call asks it about people, and
//!   the long connection hears it.
//! * No transaction spans a network call.
//! * Engine and courier work in turns that are given the time. A turn that dies half-way left
//!   nothing half-done: what was committed counts, the rest is found again.
//!
//! Being woken makes a turn quick; polling makes it sure.

pub mod courier;
pub mod engine;
pub mod long_connection;
pub mod purse;
pub mod replicas;
pub mod roll_call;
pub mod self_check;
pub mod sinks;
mod told;
