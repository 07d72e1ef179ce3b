//! Who is to be paged, in which order, how loudly.

use jiff::SignedDuration;

use super::{ChatId, Person, Urgent};

/// Whom a step pages. Resolved to people when the step runs, not before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A person, by the rules' name.
    Person(String),
    /// A chat, by the rules' name.
    Chat(String),
}

/// What the targets of a step turned out to be when it ran.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipients {
    /// The people, each once, in the step's order.
    pub people: Vec<Person>,
    /// Chats named as targets, besides the incident's own.
    pub chats: Vec<ChatId>,
}

impl Recipients {
    /// Whether there is nobody and nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.people.is_empty() && self.chats.is_empty()
    }
}

/// One rung of the ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// How long after the previous step (or the opening) it runs. Not negative.
    pub wait: SignedDuration,
    /// Whom it pages.
    pub notify: Vec<Target>,
    /// How loud it wants to be; `None`: as loud as the severity allows.
    pub urgent: Option<Urgent>,
}

impl Step {
    /// The quieter of what the step wants and what the severity allows.
    pub fn loudness(&self, ceiling: Urgent) -> Urgent {
        self.urgent.map_or(ceiling, |wanted| wanted.min(ceiling))
    }
}

/// A ladder of steps, climbed until somebody answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// The rungs in order. Empty: the card alone tells.
    pub steps: Vec<Step>,
    /// Rounds after the first.
    pub repeat: u16,
}
