//! Where an incident stands.
//!
//! Independent facts are kept apart (which alerts fire, what people answered,
//! where the ladder is) and the label shown to people is derived from them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Destination, Fingerprint, IncidentId, IncidentKey, Labels, Policy, Severity};

/// What is known of one alert of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Whether it fires, as last reported.
    pub state: MemberState,
    /// Start of the firing it refers to; `None` where the sender gives none.
    pub starts_at: Option<Timestamp>,
    /// When this state was applied here.
    pub changed_at: Timestamp,
}

/// Whether a member fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemberState {
    /// It fires.
    Firing,
    /// Its sender said that it recovered.
    Resolved,
}

/// What people (or recovery) made of the incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// Nobody has answered yet.
    Open,
    /// Over: every alert recovered.
    Resolved {
        /// When.
        at: Timestamp,
    },
}

/// Where the escalation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ladder {
    /// Alerts are gathered (`group_wait`); nobody has been told yet.
    Gathering,
    /// A step is due at the standing's deadline.
    Waiting {
        /// The step that runs next, from 0.
        step: u16,
        /// The round it belongs to, from 0.
        round: u16,
    },
    /// The last step of the last round has run, or no step reached anybody.
    Exhausted,
    /// Not climbing: the incident is over, or its policy asks for no more than
    /// one page and that has been sent.
    Idle,
}

/// The label people see, derived from the facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Open and unanswered.
    Triggered,
    /// Over.
    Resolved,
}

impl Phase {
    /// All of them, most pressing first.
    pub const ALL: [Self; 2] = [Self::Triggered, Self::Resolved];

    /// The word used in the API, metrics and templates.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Triggered => "triggered",
            Self::Resolved => "resolved",
        }
    }
}

/// Everything that deciding about an incident needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its alerts.
    pub members: BTreeMap<Fingerprint, Member>,
    /// The worst severity seen while open; never goes down before it resolves.
    pub severity: Severity,
    /// What people made of it.
    pub response: Response,
    /// Where the escalation stands.
    pub ladder: Ladder,
    /// When the ladder moves next. `Some` exactly while it gathers or waits.
    pub due_at: Option<Timestamp>,
    /// The last step that ran, `(step, round)` from 0; `None` before the first.
    pub last_step: Option<(u16, u16)>,
    /// The policy as it was when the incident opened or last reopened.
    pub policy: Policy,
    /// Fence: grows by one with every change, so timers and buttons drawn
    /// before it are recognised as old.
    pub generation: u64,
    /// First opening.
    pub opened_at: Timestamp,
    /// How often it came back within `reopen_within`.
    pub reopens: u32,
}

impl Standing {
    /// The label people see.
    pub fn phase(&self) -> Phase {
        match self.response {
            Response::Open => Phase::Triggered,
            Response::Resolved { .. } => Phase::Resolved,
        }
    }

    /// Whether it still needs anybody's attention.
    pub fn is_open(&self) -> bool {
        !matches!(self.response, Response::Resolved { .. })
    }

    /// How many alerts fire now.
    pub fn firing(&self) -> usize {
        self.members.values().filter(|m| m.state == MemberState::Firing).count()
    }

    /// When it was resolved; `None` while it is open.
    pub fn resolved_at(&self) -> Option<Timestamp> {
        match self.response {
            Response::Resolved { at } => Some(at),
            Response::Open => None,
        }
    }
}

/// An incident as the store keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// Its number; `None` until the store has given one.
    pub id: Option<IncidentId>,
    /// Grows by one with every commit; the store refuses a commit made on an older one.
    pub version: u64,
    /// Rule and group.
    pub key: IncidentKey,
    /// Name of the source its alerts come from.
    pub source: String,
    /// Headline: the alert name, or the best there is.
    pub title: String,
    /// One line about what burns; may be empty.
    pub summary: String,
    /// The labels all its alerts share.
    pub labels: Labels<'static>,
    /// The sender's own address, for links; may be empty.
    pub external_url: String,
    /// Where its card is posted: the rule's chats when it opened, plus chats that a step
    /// named since. Direct messages are not among them.
    pub places: Vec<Destination>,
    /// Name of its card template.
    pub template: String,
    /// Whether chats are pinned on top for the people paged.
    pub pin: bool,
    /// What is decided about it.
    pub standing: Standing,
}
