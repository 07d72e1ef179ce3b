//! What happened to an incident.

use std::fmt;

use jiff::Timestamp;

use super::{Cap, Urgent, Via};

/// Something that happened to an incident, for its timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// It opened.
    Opened {
        /// Severity at that time.
        severity: String,
        /// How many alerts fired.
        firing: usize,
    },
    /// Its alerts changed.
    AlertsChanged {
        /// Alerts that fire now.
        firing: usize,
        /// Alerts that have recovered.
        resolved: usize,
    },
    /// It got worse.
    SeverityRose {
        /// The new severity.
        to: String,
    },
    /// A step of the ladder ran.
    Stepped {
        /// From 0.
        step: u16,
        /// From 0.
        round: u16,
        /// How loudly it pages.
        urgent: Urgent,
        /// Names of the people it pages.
        people: Vec<String>,
    },
    /// A step was passed over: nobody stands behind its targets, or its `when`
    /// did not hold.
    StepSkipped {
        /// From 0.
        step: u16,
        /// From 0.
        round: u16,
    },
    /// The ladder is used up and nobody has answered.
    Exhausted,
    /// The catch-all was paged.
    CatchAll {
        /// How often by now.
        times: u32,
        /// How loudly.
        urgent: Urgent,
        /// Names of the people paged.
        people: Vec<String>,
    },
    /// Somebody has it.
    Acknowledged {
        /// Who.
        by: String,
        /// By what means.
        via: Via,
    },
    /// Somebody has it no more.
    Unacknowledged {
        /// Who took it back.
        by: String,
        /// By what means.
        via: Via,
    },
    /// Whoever has it was reminded that their acknowledgement will lapse.
    Reminded {
        /// Who.
        by: String,
    },
    /// An acknowledgement lapsed: the ladder starts over.
    AcknowledgeExpired {
        /// Whose.
        by: String,
    },
    /// Quiet until a time.
    Snoozed {
        /// Who wanted it.
        by: String,
        /// By what means.
        via: Via,
        /// Until then.
        until: Timestamp,
    },
    /// Silenced in Alertmanager until a time.
    Silenced {
        /// Who wanted it.
        by: String,
        /// By what means.
        via: Via,
        /// Until then.
        until: Timestamp,
    },
    /// Somebody has read a message of it. Nothing follows from that.
    Seen {
        /// Who.
        by: String,
    },
    /// Snooze or silence is over and it still fires: the ladder starts over.
    HoldEnded,
    /// Somebody wants the next step now.
    Escalated {
        /// Who.
        by: String,
        /// By what means.
        via: Via,
    },
    /// Somebody else has it now.
    HandedOver {
        /// Who gave it away.
        by: String,
        /// By what means.
        via: Via,
        /// Who has it.
        to: String,
    },
    /// None of its firing alerts is listed by its sender any more.
    Unlisted,
    /// One of them is listed again.
    ListedAgain,
    /// Nothing was heard of its alerts for so long that it counts as over.
    Stale,
    /// A person said that it is over.
    ResolvedBy {
        /// Who.
        by: String,
        /// By what means.
        via: Via,
    },
    /// It is over.
    Resolved,
    /// It came back within the rule's `reopen_within`.
    Reopened {
        /// How often by now.
        times: u32,
    },
    /// A card was posted.
    CardPosted {
        /// Chat id or person.
        to: String,
        /// Feishu's id of the message.
        message: String,
    },
    /// Feishu accepted a buzz.
    Buzzed {
        /// How loud.
        urgent: Urgent,
        /// Names of the people buzzed.
        people: Vec<String>,
        /// Names of those Feishu would not buzz.
        refused: Vec<String>,
    },
    /// Feishu does not answer; people are told by other ways.
    FellBack {
        /// Which, by their keys in the settings.
        ways: Vec<String>,
        /// Names of whom it is for.
        people: Vec<String>,
    },
    /// People were buzzed more quietly than was wanted, because of the budget.
    HeldBack {
        /// Their names.
        people: Vec<String>,
        /// The channel they do not get.
        wanted: Urgent,
        /// The limit of it that is used up.
        cap: Cap,
        /// How loudly they are buzzed instead.
        urgent: Urgent,
    },
    /// A lot came new to the chat: it is listed on the card of the storm and
    /// gets none of its own there.
    Folded {
        /// Chat id or person.
        to: String,
    },
    /// People were not buzzed once more: a buzz that reached them since the page
    /// is for this incident too.
    BuzzShared {
        /// Names of the people.
        people: Vec<String>,
        /// The incident that they were buzzed for.
        with: String,
    },
    /// Something could not be delivered, or only in another way.
    DeliveryFailed {
        /// What was tried: `post`, `buzz`, …
        what: String,
        /// Chat id or person.
        to: String,
        /// Why, with Feishu's code and log id where there is one.
        reason: String,
        /// What is done instead; empty when it was given up.
        instead: String,
    },
}

/// A value in a timeline entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A word or sentence.
    Text(String),
    /// A count.
    Number(i64),
    /// Several words.
    List(Vec<String>),
}

impl Happening {
    /// The word for it in the API and the store.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "opened",
            Self::AlertsChanged { .. } => "alerts_changed",
            Self::SeverityRose { .. } => "severity_rose",
            Self::Stepped { .. } => "stepped",
            Self::StepSkipped { .. } => "step_skipped",
            Self::Exhausted => "exhausted",
            Self::CatchAll { .. } => "catch_all",
            Self::Acknowledged { .. } => "acknowledged",
            Self::Unacknowledged { .. } => "unacknowledged",
            Self::Reminded { .. } => "reminded",
            Self::AcknowledgeExpired { .. } => "acknowledge_expired",
            Self::Snoozed { .. } => "snoozed",
            Self::Silenced { .. } => "silenced",
            Self::Seen { .. } => "seen",
            Self::HoldEnded => "hold_ended",
            Self::Escalated { .. } => "escalated",
            Self::HandedOver { .. } => "handed_over",
            Self::Unlisted => "unlisted",
            Self::ListedAgain => "listed_again",
            Self::Stale => "stale",
            Self::ResolvedBy { .. } => "resolved_by",
            Self::Resolved => "resolved",
            Self::Reopened { .. } => "reopened",
            Self::CardPosted { .. } => "card_posted",
            Self::Buzzed { .. } => "buzzed",
            Self::FellBack { .. } => "fell_back",
            Self::HeldBack { .. } => "held_back",
            Self::Folded { .. } => "folded",
            Self::BuzzShared { .. } => "buzz_shared",
            Self::DeliveryFailed { .. } => "delivery_failed",
        }
    }

    /// Its particulars by name. Steps and rounds count from 0.
    pub fn facts(&self) -> Vec<(&'static str, Fact)> {
        let text = |t: &str| Fact::Text(t.to_owned());
        let count = |n: usize| Fact::Number(i64::try_from(n).unwrap_or(i64::MAX));
        match self {
            Self::Exhausted
            | Self::Resolved
            | Self::HoldEnded
            | Self::Unlisted
            | Self::ListedAgain
            | Self::Stale => Vec::new(),
            Self::CatchAll { times, urgent, people } => vec![
                ("times", Fact::Number((*times).into())),
                ("urgent", text(urgent.as_str())),
                ("people", Fact::List(people.clone())),
            ],
            Self::Reminded { by } | Self::AcknowledgeExpired { by } | Self::Seen { by } => {
                vec![("by", text(by))]
            }
            Self::Acknowledged { by, via }
            | Self::Unacknowledged { by, via }
            | Self::Escalated { by, via }
            | Self::ResolvedBy { by, via } => vec![("by", text(by)), ("via", text(via.as_str()))],
            Self::Snoozed { by, via, until } | Self::Silenced { by, via, until } => {
                vec![("by", text(by)), ("via", text(via.as_str())), ("until", text(&until.to_string()))]
            }
            Self::HandedOver { by, via, to } => {
                vec![("by", text(by)), ("via", text(via.as_str())), ("to", text(to))]
            }
            Self::Opened { severity, firing } => {
                vec![("severity", text(severity)), ("firing", count(*firing))]
            }
            Self::AlertsChanged { firing, resolved } => {
                vec![("firing", count(*firing)), ("resolved", count(*resolved))]
            }
            Self::SeverityRose { to } | Self::Folded { to } => vec![("to", text(to))],
            Self::Stepped { step, round, urgent, people } => vec![
                ("step", Fact::Number((*step).into())),
                ("round", Fact::Number((*round).into())),
                ("urgent", text(urgent.as_str())),
                ("people", Fact::List(people.clone())),
            ],
            Self::StepSkipped { step, round } => {
                vec![("step", Fact::Number((*step).into())), ("round", Fact::Number((*round).into()))]
            }
            Self::Reopened { times } => vec![("times", Fact::Number((*times).into()))],
            Self::CardPosted { to, message } => vec![("to", text(to)), ("message", text(message))],
            Self::Buzzed { urgent, people, refused } => vec![
                ("urgent", text(urgent.as_str())),
                ("people", Fact::List(people.clone())),
                ("refused", Fact::List(refused.clone())),
            ],
            Self::FellBack { ways, people } => {
                vec![("ways", Fact::List(ways.clone())), ("people", Fact::List(people.clone()))]
            }
            Self::HeldBack { people, wanted, cap, urgent } => vec![
                ("people", Fact::List(people.clone())),
                ("wanted", text(wanted.as_str())),
                ("budget", text(cap.as_str())),
                ("urgent", text(urgent.as_str())),
            ],
            Self::BuzzShared { people, with } => {
                vec![("people", Fact::List(people.clone())), ("with", text(with))]
            }
            Self::DeliveryFailed { what, to, reason, instead } => vec![
                ("what", text(what)),
                ("to", text(to)),
                ("reason", text(reason)),
                ("instead", text(instead)),
            ],
        }
    }
}

impl fmt::Display for Happening {
    /// For the log: the kind and its facts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        for (name, fact) in self.facts() {
            match fact {
                Fact::Text(text) => write!(f, " {name}={text}")?,
                Fact::Number(number) => write!(f, " {name}={number}")?,
                Fact::List(words) => write!(f, " {name}={}", words.join(","))?,
            }
        }
        Ok(())
    }
}

/// A happening with its time, to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineEntry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Happening,
}

/// A timeline entry read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEntry {
    /// When.
    pub at: Timestamp,
    /// [`Happening::kind`].
    pub kind: String,
    /// [`Happening::facts`].
    pub facts: Vec<(String, Fact)>,
}
