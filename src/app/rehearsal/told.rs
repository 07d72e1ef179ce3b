//! What a rehearsal tells: per incident, what happened when.

use jiff::Timestamp;

use crate::domain::{Incident, Urgent};

/// What happened to one incident.
#[derive(Debug, Clone)]
pub struct Told {
    /// As it stands at the end.
    pub incident: Incident,
    /// What happened, in order.
    pub moments: Vec<Moment>,
    /// Its card as JSON, as it was posted and as it stands at the end; `None`: it has none.
    pub card: Option<(String, String)>,
}

impl Told {
    /// The pages: who was buzzed when, and how loudly.
    pub fn pages(&self) -> impl Iterator<Item = &Moment> {
        self.moments.iter().filter(|moment| moment.what == Deed::Buzz)
    }

    /// How many people were buzzed by a channel.
    pub fn cost(&self, channel: Urgent) -> usize {
        self.pages().filter(|page| page.urgent == Some(channel)).map(|page| page.to.len()).sum()
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Deed,
    /// How loudly; `None`: not loud at all.
    pub urgent: Option<Urgent>,
    /// Names of people, or of the chat.
    pub to: Vec<String>,
    /// The step and round it belongs to, from 0; `None`: to none.
    pub step: Option<(u16, u16)>,
    /// In words, where there is more to say. May be empty.
    pub more: String,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// A card was posted.
    Card,
    /// A card changed its colour.
    CardUpdated,
    /// A chat was put on top of people's lists.
    Pin,
    /// It was taken off again.
    Unpin,
    /// A buzz reached people's phones.
    Buzz,
    /// Whoever is on call by a schedule that the incident pages changed.
    OnCall,
    /// As the incident's timeline calls it ([`Happening::kind`](crate::domain::Happening::kind)).
    Other(String),
}

impl Deed {
    /// The word for it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Card => "card",
            Self::CardUpdated => "card_updated",
            Self::Pin => "pin",
            Self::Unpin => "unpin",
            Self::Buzz => "buzz",
            Self::OnCall => "on_call",
            Self::Other(kind) => kind,
        }
    }
}
