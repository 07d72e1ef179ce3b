//! How bad it is, and how loud that may get.

use std::fmt;

use jiff::SignedDuration;

/// How loudly a person is urged, quietest first.
///
/// SMS and phone include the in-app buzz (feishu-api.md §4), so a louder value
/// covers all quieter ones and "the quieter of two" is `min`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Urgent {
    /// Nobody is buzzed; the card alone tells.
    #[default]
    None,
    /// A strong in-app notification.
    App,
    /// In-app plus a text message (costs tenant quota).
    Sms,
    /// In-app plus a call (costs tenant quota).
    Phone,
}

impl Urgent {
    /// All values, quietest first.
    pub const ALL: [Self; 4] = [Self::None, Self::App, Self::Sms, Self::Phone];

    /// The word used in rules, on cards and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::App => "app",
            Self::Sms => "sms",
            Self::Phone => "phone",
        }
    }

    /// How loud work of a [priority](super::Job::priority) is.
    pub fn of_priority(priority: u8) -> Self {
        match priority {
            0 => Self::Phone,
            1 => Self::Sms,
            2 => Self::App,
            _ => Self::None,
        }
    }

    /// Reads the word back; `None` for any other.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|u| u.as_str() == word)
    }
}

impl fmt::Display for Urgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One row of the severity table, as an incident remembers it.
///
/// Compared by [`rank`](Self::rank) alone: 0 is the loudest, as in the rules'
/// order. The whole row is kept so that a reload cannot take an open
/// incident's loudness away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Severity {
    /// Position in the table, 0 = loudest.
    pub rank: u16,
    /// The table's name for it, e.g. `critical`.
    pub name: String,
    /// The loudest buzz any step may use.
    pub urgent: Urgent,
    /// Whether chats are pinned on top for the people paged.
    pub pin: bool,
    /// How long an acknowledgement holds; `None`: until the end.
    pub ack_timeout: Option<SignedDuration>,
    /// Whether only people who were paged may acknowledge, rather than anyone.
    pub acknowledge_by_targets: bool,
}

impl Severity {
    /// Whether `self` is worse than `other`.
    pub fn outranks(&self, other: &Self) -> bool {
        self.rank < other.rank
    }
}
