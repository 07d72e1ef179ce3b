//! Spending on calls and text messages.

use jiff::Timestamp;

use super::Ticket;
use crate::domain::{Allotment, IncidentId, Spent};

/// A job that is about to buzz people for money.
#[derive(Debug, Clone)]
pub struct Spending {
    /// Which, and by which claim.
    pub ticket: Ticket,
    /// For what.
    pub incident: IncidentId,
    /// When.
    pub at: Timestamp,
    /// The beginning of the month that counts.
    pub month_from: Timestamp,
    /// Names of whom it would buzz.
    pub people: Vec<String>,
    /// Of what it spent just before: names of people who surely were not buzzed, as in
    /// [`Report::unspent`](super::Report::unspent).
    pub unspent: Vec<String>,
}

/// Says what may be spent, by what is spent. May be asked more than once.
pub type Decide = Box<dyn Fn(&Spent) -> Allotment + Send + Sync>;
