//! What calls and text messages may cost: limits, what is spent of them, and
//! what of a buzz they allow.

use std::collections::BTreeMap;

use super::Urgent;

/// Limits of the channels that cost money. The default has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// For calls.
    pub phone: Limits,
    /// For text messages.
    pub sms: Limits,
}

/// Limits of one channel, in people buzzed: a buzz of three costs three.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// In a calendar month.
    pub month: Option<u32>,
    /// The last of the month, which only the loudest severity may use. Not more than `month`.
    pub reserve: u32,
    /// For one person, in an hour.
    pub person_hour: Option<u32>,
    /// For one incident.
    pub incident: Option<u32>,
}

impl Budget {
    /// The limits of a channel; `None`: it costs nothing.
    pub fn of(&self, channel: Urgent) -> Option<&Limits> {
        match channel {
            Urgent::Phone => Some(&self.phone),
            Urgent::Sms => Some(&self.sms),
            Urgent::App | Urgent::None => None,
        }
    }
}

/// What is spent of each channel. One that is not in it is untouched.
pub type Spent = BTreeMap<Urgent, Used>;

/// What is spent of one channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Used {
    /// In this month.
    pub month: u32,
    /// For the incident in question.
    pub incident: u32,
    /// By name: in the last hour, for the people in question.
    pub person_hour: BTreeMap<String, u32>,
}

/// Which limit is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cap {
    /// The month's.
    Month,
    /// The month's but for the reserve, which is for a louder severity.
    Reserve,
    /// The incident's.
    Incident,
    /// The person's in an hour.
    PersonHour,
}

impl Cap {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Month, Self::Reserve, Self::Incident, Self::PersonHour];

    /// The word for it in timelines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::Reserve => "reserve",
            Self::Incident => "incident",
            Self::PersonHour => "person_hour",
        }
    }
}

/// What the budget makes of a buzz.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allotment {
    /// How loudly it goes on: as the loudest of its people may be buzzed.
    pub urgent: Urgent,
    /// Names of those who may be buzzed so.
    pub people: Vec<String>,
    /// The others, with how loudly they may be buzzed.
    pub quieter: BTreeMap<Urgent, Vec<String>>,
    /// Why people are buzzed more quietly than was wanted: (channel they do not
    /// get, limit, how loudly instead) → names.
    pub held_back: BTreeMap<(Urgent, Cap, Urgent), Vec<String>>,
}
