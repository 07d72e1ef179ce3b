//! What is owed to the outside: the jobs of the outbox.

use jiff::Timestamp;

use super::{Destination, Person, StormId, Urgent};

/// One piece of outgoing work, carried out by the courier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// Post the incident's card there, unless it is there already.
    Post {
        /// Where.
        to: Destination,
    },
    /// Bring the card there up to date. Repeated requests fold into one.
    Edit {
        /// Where.
        to: Destination,
    },
    /// Buzz people there.
    Buzz {
        /// Where the message that is urged lives.
        to: Destination,
        /// Who is buzzed.
        people: Vec<Person>,
        /// How loudly. Never [`Urgent::None`].
        urgent: Urgent,
        /// The step that asks for it, from 0.
        step: u16,
        /// Its round, from 0.
        round: u16,
    },
    /// Tell somebody in the app that they have the incident, or soon will not.
    Remind {
        /// Where the message that is urged lives.
        to: Destination,
        /// Whom.
        person: Person,
    },
    /// Tell in the card's thread that a step ran which buzzes nobody.
    Tell {
        /// Where the card is.
        to: Destination,
        /// The step, from 0.
        step: u16,
        /// Names of whom it is for.
        people: Vec<String>,
    },
    /// Make the pins there equal to the wanted ones. Repeated requests fold into one.
    Pin {
        /// The chat, or the conversation with the bot.
        to: Destination,
    },
    /// Bring a storm's card up to date; post it if there is none. Repeated
    /// requests fold into one. It belongs to no incident.
    Storm {
        /// Where.
        to: Destination,
        /// Which.
        storm: StormId,
    },
    /// Silence the incident's alerts in Alertmanager.
    Silence {
        /// Until then; also says for which hold of the incident.
        until: Timestamp,
        /// Who wants it.
        author: String,
    },
    /// Tell people by a way that does not lead through Feishu.
    Fallback {
        /// Which, by its key in the settings.
        sink: String,
        /// How loudly they should have been buzzed.
        urgent: Urgent,
        /// Names of whom it is for.
        people: Vec<String>,
    },
    /// End the incident's silences in Alertmanager: nobody wants them any more.
    EndSilence,
}

impl Job {
    /// The word for it in logs and the store.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Post { .. } => "post",
            Self::Edit { .. } => "edit",
            Self::Buzz { .. } => "buzz",
            Self::Remind { .. } => "remind",
            Self::Tell { .. } => "tell",
            Self::Pin { .. } => "pin",
            Self::Storm { .. } => "storm",
            Self::Silence { .. } => "silence",
            Self::Fallback { .. } => "fallback",
            Self::EndSilence => "end_silence",
        }
    }

    /// Where in Feishu it happens; `None`: elsewhere.
    pub fn to(&self) -> Option<&Destination> {
        match self {
            Self::Post { to }
            | Self::Edit { to }
            | Self::Buzz { to, .. }
            | Self::Remind { to, .. }
            | Self::Tell { to, .. }
            | Self::Pin { to }
            | Self::Storm { to, .. } => Some(to),
            Self::Silence { .. } | Self::Fallback { .. } | Self::EndSilence => None,
        }
    }

    /// How loudly it is to reach somebody; of a job that buzzes nobody itself, not at all.
    pub fn loudness(&self) -> Urgent {
        match self {
            Self::Buzz { urgent, .. } | Self::Fallback { urgent, .. } => *urgent,
            Self::Post { .. }
            | Self::Edit { .. }
            | Self::Remind { .. }
            | Self::Tell { .. }
            | Self::Pin { .. }
            | Self::Storm { .. }
            | Self::Silence { .. }
            | Self::EndSilence => Urgent::None,
        }
    }

    /// What goes first when not everything can: phone, SMS and app buzzes, then
    /// new cards, silences, edits, pins. 0 is the most urgent. A card that a buzz waits
    /// for takes the buzz's class, so pass the loudest buzz that hangs on it.
    pub fn priority(&self, loudest: Urgent) -> u8 {
        let buzz = |urgent: Urgent| match urgent {
            Urgent::Phone => 0,
            Urgent::Sms => 1,
            Urgent::App => 2,
            Urgent::None => 3,
        };
        match self {
            Self::Buzz { urgent, .. } | Self::Fallback { urgent, .. } => buzz(*urgent),
            Self::Post { .. } => buzz(loudest),
            Self::Remind { .. } => buzz(Urgent::App),
            Self::Silence { .. } | Self::EndSilence | Self::Storm { .. } => buzz(Urgent::None),
            Self::Tell { .. } | Self::Edit { .. } => 4,
            Self::Pin { .. } => 5,
        }
    }
}
