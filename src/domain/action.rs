//! What people do about an incident, and what they are answered.

use jiff::SignedDuration;

/// Somebody who did something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The rules' name for them, or what they called themselves (API, CLI).
    pub name: String,
    /// Whether the rules know them as a person.
    pub known: bool,
    /// By what means.
    pub via: Via,
}

/// The means of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Via {
    /// A button of the card.
    Card,
    /// A reply to the card in chat.
    Reply,
    /// An emoji on the card.
    Reaction,
    /// The JSON API, the dashboard or the command line.
    Api,
}

impl Via {
    /// The word for it in the timeline.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Reply => "reply",
            Self::Reaction => "reaction",
            Self::Api => "api",
        }
    }
}

/// What somebody wants done about an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// "Mine": the ladder stops.
    Acknowledge,
    /// "Not mine after all": the ladder starts over.
    Unacknowledge,
    /// Quiet for a while; if it still fires then, the ladder starts over.
    Snooze {
        /// How long. Positive.
        span: SignedDuration,
    },
    /// Over, says a person, even if alerts still fire.
    Resolve,
    /// The next step of the ladder, now.
    Escalate,
    /// Somebody else takes it.
    HandOver {
        /// The rules' name for them.
        to: String,
    },
    /// Quiet in Alertmanager for a while; if it still fires then, the ladder starts over.
    Silence {
        /// How long. Positive.
        span: SignedDuration,
    },
}

impl Action {
    /// The longest that an incident can be snoozed or silenced at once: a week.
    pub const SPAN_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);

    /// The word for it in the API, on buttons and in the timeline.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Unacknowledge => "unacknowledge",
            Self::Snooze { .. } => "snooze",
            Self::Resolve => "resolve",
            Self::Escalate => "escalate",
            Self::HandOver { .. } => "hand_over",
            Self::Silence { .. } => "silence",
        }
    }
}

/// What came of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Done,
    /// Nothing changed, because it was so already; the name of who was first, if anybody.
    Already {
        /// Who.
        by: Option<String>,
    },
    /// Nothing changed, because the incident is over.
    Over,
    /// Nothing changed: the button was drawn before somebody else's answer.
    Outdated {
        /// Who has it now, if anybody.
        by: Option<String>,
    },
    /// Nothing changed: this severity lets only the people paged answer.
    NotAllowed,
    /// Nothing changed: it cannot be done here, and why.
    Impossible {
        /// In a word: `no_alertmanager`, `unknown_person`, …
        why: &'static str,
    },
}
