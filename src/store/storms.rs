//! What is told together when a lot happens at once, as it is kept: storms of
//! incidents in a chat, and buzzes of late.
//!
//! Plain values. When incidents fold and when buzzes are shared is said by the
//! worker.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::{Destination, Incident, IncidentId, MessageId, Phase, StormId, Urgent};

/// An incident that comes new to a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Where.
    pub to: Destination,
    /// Arrivals there until then matter no more.
    pub forget: Timestamp,
    /// Into which storm; `None`: it has a card of its own.
    pub fold: Option<Fold>,
}

/// A storm for an incident to be folded into: the one there that began last, if
/// it is as young and as fresh as that; else a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fold {
    /// It began after this.
    pub began_after: Timestamp,
    /// Its latest incident came after this.
    pub last_after: Timestamp,
}

/// Incidents that share one card in one chat.
#[derive(Debug, Clone, PartialEq)]
pub struct Storm {
    /// Its number.
    pub id: StormId,
    /// Where.
    pub to: Destination,
    /// When its first incident came.
    pub began_at: Timestamp,
    /// Its card, and when that was posted; `None`: there is none yet.
    pub card: Option<(MessageId, Timestamp)>,
    /// How many incidents it has of each phase; those it has none of are left out.
    pub counts: BTreeMap<Phase, u64>,
    /// Its most pressing incidents: triggered ones first, resolved ones last,
    /// then by severity, then the oldest. Without their members.
    pub worst: Vec<Incident>,
}

impl Storm {
    /// How many incidents it has.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// How many of them are in that phase.
    pub fn count(&self, phase: Phase) -> u64 {
        self.counts.get(&phase).copied().unwrap_or_default()
    }

    /// Whether any of them is not over.
    pub fn is_open(&self) -> bool {
        self.total() > self.count(Phase::Resolved)
    }
}

/// Where an incident without a card of its own is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded {
    /// In which storm.
    pub storm: StormId,
    /// The storm's card; `None`: there is none yet.
    pub message: Option<MessageId>,
}

/// A buzz of a person's, under way or made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ring {
    /// How loud.
    pub urgent: Urgent,
    /// When it was begun.
    pub at: Timestamp,
    /// About which incident.
    pub incident: IncidentId,
    /// Whether Feishu has accepted it; else that is not known yet.
    pub accepted: bool,
}
