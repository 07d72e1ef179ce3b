//! One rules file as YAML spells it: keys and types, nothing resolved.
//!
//! Unknown keys, missing ones and wrong types are all named here, and the last two
//! keep a file from being read any further. What can be wrong in a
//! value (durations, matchers, names of others) is kept as text with its place,
//! so that [`load`](super::load) can report all such mistakes at once. A new
//! section of the contract becomes a field of [`Document`], a new key of a rule
//! a field of [`RuleEntry`]; until then it is an unknown key.

mod entries;
mod schema;
mod structure;

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::{Error, Location, Spanned};

pub(super) use entries::{
    CalendarEntry, CatchAllEntry, Document, HeartbeatEntry, LayerEntry, LimitsEntry, OverrideEntry,
    PersonEntry, PolicyEntry, RuleEntry, ScheduleEntry, SeverityEntry, StepEntry, WhenEntry, WindowEntry,
};
pub(super) use schema::schema;

use super::finding::{Finding, Place, unknown};

/// Text with its place.
pub(super) type Text = Spanned<String>;

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

/// Reads a file. An empty one is an empty document. Whatever is wrong with its
/// structure comes second; without a document it cannot be read any further.
pub(super) fn parse(path: &str, text: &str, schema: &Value) -> (Option<Document>, Vec<Finding>) {
    let read = from_yaml::<Option<Document>>(text).map(Option::unwrap_or_default);
    // What the bare reading refuses, the typed one has refused already.
    let found = from_yaml::<Option<structure::Node>>(text).ok().flatten();
    let (mut findings, only_unknown) =
        found.map_or_else(|| (Vec::new(), true), |node| structure::look(path, &node, schema));
    match read {
        Ok(document) => {
            // Where the two disagree it is the types that count.
            if !only_unknown {
                findings.retain(|finding| finding.code == "unknown-key");
            }
            (Some(document), findings)
        }
        Err(error) => {
            let place = place(path, error.location().unwrap_or(Location::UNKNOWN));
            let first = place.finding(code(&error), explain(&error));
            // The two need not agree where a mapping without the key begins, nor
            // whether a value or its key is to blame.
            let away =
                |other: &Finding| (other.line.abs_diff(first.line), other.column.abs_diff(first.column));
            let same = |other: &Finding| {
                away(other) == (0, 0)
                    || other.message == first.message
                    || (other.code == first.code && other.line == first.line)
            };
            let said = findings.iter().enumerate().filter(|(_, other)| same(other));
            let nearest = said.min_by_key(|(_, other)| away(other)).map(|(at, _)| at);
            if let Some(at) = nearest {
                findings.remove(at);
            }
            findings.push(first);
            (None, findings)
        }
    }
}

/// Reads a file of another kind with the same care.
pub(super) fn read<T: DeserializeOwned>(path: &str, text: &str) -> Result<T, Finding> {
    from_yaml(text).map_err(|error| {
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
    if let Error::AliasError { error, .. } = error {
        return code(error);
    }
    let wrong_type = matches!(
        error,
        Error::Unexpected { .. }
            | Error::NullIntoString { .. }
            | Error::InvalidBooleanStrict { .. }
            | Error::SerdeInvalidType { .. }
    );
    if wrong_type {
        "wrong-type"
    } else if matches!(error, Error::SerdeUnknownField { .. }) {
        "unknown-key"
    } else if matches!(error, Error::SerdeMissingField { .. }) {
        "missing-key"
    } else if matches!(error, Error::DuplicateMappingKey { .. }) {
        "duplicate-key"
    } else {
        "bad-yaml"
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
