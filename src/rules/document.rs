//! One rules file as YAML spells it: keys and types, nothing resolved.
//!
//! Unknown keys and wrong types stop the file here. What can be wrong in a
//! value (durations, matchers, names of others) is kept as text with its place,
//! so that [`load`](super::load) can report all such mistakes at once. A new
//! section of the contract becomes a field of [`Document`], a new key of a rule
//! a field of [`RuleEntry`]; until then it is an unknown key.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Error, Location, Spanned};

use super::finding::{Finding, Place, unknown};

/// Text with its place.
pub(super) type Text = Spanned<String>;

/// The top of a file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub(super) severities: Option<Vec<SeverityEntry>>,
    pub(super) default_severity: Option<Text>,
    pub(super) people: Option<Entries<Spanned<PersonEntry>>>,
    pub(super) chats: Option<Entries<Text>>,
    pub(super) teams: Option<Entries<Spanned<Vec<Text>>>>,
    pub(super) calendars: Option<Entries<CalendarEntry>>,
    pub(super) schedules: Option<Entries<ScheduleEntry>>,
    pub(super) policies: Option<Entries<PolicyEntry>>,
    pub(super) catch_all: Option<Spanned<CatchAllEntry>>,
    pub(super) storm: Option<Spanned<StormEntry>>,
    pub(super) rules: Option<Vec<RuleEntry>>,
    pub(super) budget: Option<Spanned<BudgetEntry>>,
}

/// The value of `budget`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BudgetEntry {
    pub(super) phone: Option<LimitsEntry>,
    pub(super) sms: Option<LimitsEntry>,
}

/// The limits of a channel in `budget`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsEntry {
    pub(super) month: Option<Text>,
    pub(super) reserve: Option<Text>,
    pub(super) person_hour: Option<Text>,
    pub(super) incident: Option<Text>,
}

/// A row of `severities`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SeverityEntry {
    pub(super) name: Text,
    pub(super) values: Option<Spanned<Vec<Text>>>,
    pub(super) urgent: Text,
    #[serde(default)]
    pub(super) pin: bool,
    pub(super) ack_timeout: Option<Text>,
    pub(super) acknowledge: Option<Text>,
}

/// A value of `people`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PersonEntry {
    pub(super) open_id: Option<Text>,
    pub(super) user_id: Option<Text>,
    pub(super) union_id: Option<Text>,
    pub(super) email: Option<Text>,
    pub(super) mobile: Option<Text>,
}

/// A value of `calendars`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CalendarEntry {
    pub(super) days: Spanned<OneOrMany>,
    pub(super) closed: Option<Spanned<OneOrMany>>,
    pub(super) open: Option<Spanned<OneOrMany>>,
}

/// A value of `schedules`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScheduleEntry {
    pub(super) timezone: Text,
    pub(super) layers: Spanned<Vec<Spanned<LayerEntry>>>,
    pub(super) overrides: Option<Vec<OverrideEntry>>,
}

/// A layer of a schedule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LayerEntry {
    pub(super) rotate: Option<Text>,
    pub(super) at: Option<Text>,
    pub(super) from: Option<Text>,
    pub(super) who: Spanned<OneOrMany>,
    pub(super) hours: Option<Text>,
    pub(super) days: Option<Spanned<OneOrMany>>,
    pub(super) calendar: Option<Text>,
    pub(super) timezone: Option<Text>,
}

/// An override of a schedule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OverrideEntry {
    pub(super) who: Text,
    pub(super) from: Text,
    pub(super) to: Text,
}

/// A value of `policies`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyEntry {
    pub(super) steps: Spanned<Vec<Spanned<StepEntry>>>,
    pub(super) repeat: Option<Text>,
}

/// A step of a policy.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StepEntry {
    pub(super) wait: Option<Text>,
    pub(super) notify: Option<Spanned<OneOrMany>>,
    pub(super) urgent: Option<Text>,
    pub(super) when: Option<Spanned<WhenEntry>>,
}

/// The value of a step's `when`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhenEntry {
    pub(super) severity: Option<Text>,
    pub(super) firing: Option<Text>,
    pub(super) window: Option<Spanned<WindowEntry>>,
}

/// The value of a condition's `window`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WindowEntry {
    pub(super) hours: Option<Text>,
    pub(super) days: Option<Spanned<OneOrMany>>,
    pub(super) calendar: Option<Text>,
    pub(super) timezone: Text,
}

/// The value of `catch_all`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CatchAllEntry {
    pub(super) notify: Option<Spanned<OneOrMany>>,
    pub(super) chat: Option<Text>,
    pub(super) every: Option<Text>,
}

/// The value of `storm`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StormEntry {
    pub(super) cards_per_minute: Option<Text>,
    pub(super) share_buzz: Option<Text>,
}

/// An item of `rules`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleEntry {
    pub(super) name: Text,
    #[serde(rename = "match")]
    pub(super) matchers: Option<Spanned<OneOrMany>>,
    pub(super) chat: Option<Spanned<OneOrMany>>,
    pub(super) notify: Option<Vec<Text>>,
    pub(super) policy: Option<Text>,
    pub(super) heartbeat: Option<HeartbeatEntry>,
    pub(super) pin: Option<bool>,
    pub(super) template: Option<Text>,
    pub(super) group_by: Option<Vec<Text>>,
    pub(super) group_wait: Option<Text>,
    #[serde(default, rename = "continue")]
    pub(super) continues: bool,
    pub(super) reopen_within: Option<Text>,
    pub(super) stale_after: Option<Text>,
    #[serde(default)]
    pub(super) thread: bool,
    #[serde(default)]
    pub(super) invite: bool,
}

/// The value of a rule's `heartbeat`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeartbeatEntry {
    pub(super) every: Text,
    pub(super) severity: Option<Text>,
}

/// A text or a list of texts.
#[derive(Debug)]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<Text>),
}

impl OneOrMany {
    /// All texts with their places.
    pub(super) fn texts(spanned: Spanned<Self>) -> Vec<Text> {
        match spanned.value {
            Self::One(text) => vec![Spanned::new(text, spanned.referenced, spanned.defined)],
            Self::Many(texts) => texts,
        }
    }
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany::One(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<OneOrMany, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = items.next_element()? {
                    texts.push(text);
                }
                Ok(OneOrMany::Many(texts))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// A mapping with the places of its keys, in the order of the file.
#[derive(Debug)]
pub(super) struct Entries<V>(pub(super) Vec<(Text, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Pairs<V> {
            type Value = Entries<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping of names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<V>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Entries(pairs))
            }
        }
        deserializer.deserialize_map(Pairs(PhantomData))
    }
}

/// How many nodes aliases may add to a file.
const ALIASED_NODES_MAX: usize = 100_000;

/// Reads a file. An empty one is an empty document.
pub(super) fn parse(path: &str, text: &str) -> Result<Document, Finding> {
    from_yaml::<Option<Document>>(text).map(Option::unwrap_or_default).map_err(|error| {
        let place = place(path, error.location().unwrap_or(Location::UNKNOWN));
        place.finding(code(&error), explain(&error))
    })
}

fn from_yaml<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    // A text spells fewer nodes than it has bytes, so the limits grow with it;
    // what aliases may add to that does not.
    let nodes = text.len().saturating_add(ALIASED_NODES_MAX);
    let budget = serde_saphyr::budget! {
        max_nodes: nodes,
        max_events: nodes.saturating_mul(2),
    };
    let options = serde_saphyr::options! {
        budget: budget,
        strict_booleans: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options)
}

/// A location of the YAML reader as a place; an unknown one is the file's start.
pub(super) fn place(path: &str, location: Location) -> Place<'_> {
    Place { path, line: location.line().max(1), column: location.column().max(1) }
}

/// What kind of mistake it is.
fn code(error: &Error) -> &'static str {
    match error {
        Error::SerdeUnknownField { .. } => "unknown-key",
        Error::SerdeMissingField { .. } => "missing-key",
        Error::DuplicateMappingKey { .. } => "duplicate-key",
        Error::Unexpected { .. }
        | Error::NullIntoString { .. }
        | Error::InvalidBooleanStrict { .. }
        | Error::SerdeInvalidType { .. } => "wrong-type",
        Error::AliasError { error, .. } => code(error),
        _ => "bad-yaml",
    }
}

/// The reader's message in the words of a rules file.
fn explain(error: &Error) -> String {
    if let Error::SerdeUnknownField { field, expected, .. } = error {
        return unknown("key", "keys", field, expected.iter().copied());
    }
    if let Error::SerdeMissingField { field, .. } = error {
        return format!("the key {field:?} is missing here");
    }
    if let Error::DuplicateMappingKey { key, .. } = error {
        let key = key.as_deref().unwrap_or_default();
        return format!("the key {key:?} is already given in this mapping; keep one of them");
    }
    if let Error::Unexpected { expected, .. } = error {
        let wanted = match *expected {
            "sequence start" => "a list, as in [a, b]",
            "mapping start" => "a mapping, as in {key: value}",
            "string scalar" => "a text",
            other => other,
        };
        return format!("expected {wanted}");
    }
    if let Error::NullIntoString { .. } = error {
        return "a value is missing here; write it, or \"\" for an empty text".to_owned();
    }
    if let Error::InvalidBooleanStrict { .. } = error {
        return "expected true or false".to_owned();
    }
    if let Error::SerdeInvalidType { unexpected, expected, .. } = error {
        return format!("expected {expected}, found {unexpected}; quote what is a text");
    }
    if let Error::Budget { .. } | Error::AliasReplayLimitExceeded { .. } = error {
        return "this unfolds to too much; use fewer aliases and less nesting".to_owned();
    }
    if let Error::AliasError { error, .. } = error {
        return explain(error);
    }
    let text = error.to_string();
    let place = text.rfind(" at line ").unwrap_or(text.len());
    format!("bad YAML: {}", text.get(..place).unwrap_or(&text))
}
