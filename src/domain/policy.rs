//! Who is to be paged, in which order, how loudly.

use jiff::SignedDuration;

use super::{ChatId, Person, Severity, Urgent, Window};

/// Whom a step pages. Resolved to people when the step runs, not before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A person, by the rules' name.
    Person(String),
    /// Everybody of a team, by the rules' name.
    Team(String),
    /// Whoever is on call by a schedule, by the rules' name.
    Schedule(String),
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
    /// What must hold for it to run; `None`: nothing. Else it is passed over.
    pub when: Option<When>,
}

impl Step {
    /// The quieter of what the step wants and what the severity allows.
    pub fn loudness(&self, ceiling: Urgent) -> Urgent {
        self.urgent.map_or(ceiling, |wanted| wanted.min(ceiling))
    }
}

/// What a step asks for before it runs. All must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct When {
    /// How bad it must be; `None`: no matter.
    pub severity: Option<Ranks>,
    /// How many alerts must fire at least; 0: no matter.
    pub firing: usize,
    /// When it must be; `None`: at any time.
    pub window: Option<Window>,
}

/// Some severities next to each other in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ranks {
    /// Rank of the loudest, included.
    pub loudest: u16,
    /// Rank of the quietest, included. Not less than `loudest`.
    pub quietest: u16,
}

impl Ranks {
    /// Whether the severity is among them.
    pub fn contain(self, severity: &Severity) -> bool {
        (self.loudest..=self.quietest).contains(&severity.rank)
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
