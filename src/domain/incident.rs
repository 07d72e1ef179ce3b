//! Where an incident stands.
//!
//! Independent facts are kept apart (which alerts fire, what people answered,
//! where the ladder is) and the label shown to people is derived from them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Destination, Fingerprint, IncidentId, IncidentKey, Labels, Policy, Severity};

/// A sender's group of alerts, as one number: what makes a payload complete
/// or not about an alert. A digest of (source, receiver, groupKey).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Listing(pub u64);

/// What is known of one alert of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Whether it fires, as last reported.
    pub state: MemberState,
    /// Start of the firing it refers to; `None` where the sender gives none.
    pub starts_at: Option<Timestamp>,
    /// When this state was applied here.
    pub changed_at: Timestamp,
    /// The group its sender lists it in; `None` where that is unknown.
    pub listing: Option<Listing>,
}

/// Whether a member fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemberState {
    /// It fires.
    Firing,
    /// It fired, and a complete later payload of its group left it out: silenced,
    /// inhibited or gone, nobody has said which (inputs.md fact 3).
    Unlisted,
    /// Its sender said that it recovered.
    Resolved,
}

/// What people (or recovery) made of the incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// Nobody has answered yet.
    Open,
    /// Somebody has it.
    Acknowledged {
        /// Who, by the rules' name or what they called themselves.
        by: String,
        /// When.
        at: Timestamp,
        /// When it lapses; `None`: never.
        expires_at: Option<Timestamp>,
        /// Whether they were reminded that it will.
        reminded: bool,
    },
    /// Over.
    Resolved {
        /// When.
        at: Timestamp,
        /// Who said so, perhaps while alerts still fired; `None`: the alerts recovered.
        by: Option<String>,
    },
}

/// Why the ladder stands still although nobody has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// Somebody wants quiet for a while.
    Snoozed {
        /// Who.
        by: String,
        /// Until then.
        until: Timestamp,
    },
    /// Its alerts are silenced in Alertmanager, at somebody's wish here.
    Silenced {
        /// Who.
        by: String,
        /// Until then.
        until: Timestamp,
    },
    /// None of its alerts is listed any more; nobody has said that they recovered.
    Unlisted {
        /// Since then.
        since: Timestamp,
        /// When it counts as over.
        stale_at: Timestamp,
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
    /// The last step of the last round has run; if nobody answers until the
    /// deadline, the ladder has failed.
    Spent,
    /// Nobody answered, or nobody stands behind any step: the catch-all is paged
    /// at the deadline, again and again.
    Exhausted,
    /// Not climbing: answered, over, or nothing to climb for (a severity that
    /// buzzes nobody, a rule that names nobody).
    Idle,
}

/// The label people see, derived from the facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Open and unanswered.
    Triggered,
    /// Somebody has it.
    Acknowledged,
    /// Quiet until a time, by somebody's wish.
    Snoozed,
    /// Over.
    Resolved,
}

impl Phase {
    /// All of them, most pressing first.
    pub const ALL: [Self; 4] = [Self::Triggered, Self::Acknowledged, Self::Snoozed, Self::Resolved];

    /// The word used in the API, metrics and templates.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Triggered => "triggered",
            Self::Acknowledged => "acknowledged",
            Self::Snoozed => "snoozed",
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
    /// Why the ladder stands still; `None`: it does not.
    pub hold: Option<Hold>,
    /// Where the escalation stands.
    pub ladder: Ladder,
    /// When something is due next: a step, the catch-all, the end of a hold, a
    /// reminder. `None`: nothing is, and response and ladder say why.
    pub due_at: Option<Timestamp>,
    /// The last step that ran, `(step, round)` from 0; `None` before the first.
    pub last_step: Option<(u16, u16)>,
    /// The policy as it was when the incident opened or last reopened.
    pub policy: Policy,
    /// Fence: grows by one with every change, so timers and buttons drawn
    /// before it are recognised as old.
    pub generation: u64,
    /// Grows by one whenever the answer changes: acknowledged, snoozed, taken
    /// back, over, back again. A button drawn in an earlier epoch is void.
    pub epoch: u64,
    /// Names of the people paged since it (re)opened.
    pub paged: BTreeSet<String>,
    /// How often the catch-all has been paged since.
    pub catch_alls: u32,
    /// First opening.
    pub opened_at: Timestamp,
    /// How often it came back within `reopen_within`.
    pub reopens: u32,
}

impl Standing {
    /// The label people see.
    pub fn phase(&self) -> Phase {
        match (&self.response, &self.hold) {
            (Response::Resolved { .. }, _) => Phase::Resolved,
            (_, Some(Hold::Snoozed { .. } | Hold::Silenced { .. })) => Phase::Snoozed,
            (Response::Acknowledged { .. }, _) => Phase::Acknowledged,
            (Response::Open, _) => Phase::Triggered,
        }
    }

    /// Whether people may be paged about it now.
    pub fn may_page(&self) -> bool {
        matches!(self.response, Response::Open) && self.hold.is_none()
    }

    /// Who has it, if anybody has answered.
    pub fn holder(&self) -> Option<&str> {
        match (&self.hold, &self.response) {
            (Some(Hold::Snoozed { by, .. } | Hold::Silenced { by, .. }), _)
            | (None | Some(Hold::Unlisted { .. }), Response::Acknowledged { by, .. }) => Some(by),
            (None | Some(Hold::Unlisted { .. }), Response::Resolved { by, .. }) => by.as_deref(),
            (None | Some(Hold::Unlisted { .. }), Response::Open) => None,
        }
    }

    /// Whether it still needs anybody's attention.
    pub fn is_open(&self) -> bool {
        !matches!(self.response, Response::Resolved { .. })
    }

    /// How many alerts fire now, as far as anybody has said.
    pub fn firing(&self) -> usize {
        self.count(MemberState::Firing)
    }

    /// How many alerts are in a state.
    pub fn count(&self, state: MemberState) -> usize {
        self.members.values().filter(|m| m.state == state).count()
    }

    /// When it was resolved; `None` while it is open.
    pub fn resolved_at(&self) -> Option<Timestamp> {
        match self.response {
            Response::Resolved { at, .. } => Some(at),
            Response::Open | Response::Acknowledged { .. } => None,
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
    /// Whether each step is told in the thread of its card.
    pub thread: bool,
    /// Whether people who are to be buzzed are added to its chat if they are not in it.
    pub invite: bool,
    /// What is decided about it.
    pub standing: Standing,
}
