//! Looks at the structure of a whole file and names every key that is not known,
//! every one that is missing and every value of the wrong kind.
//!
//! The typed reading of a file ends at its first mistake. This one goes on: it
//! compares the bare YAML with the [schema](super::schema()), which is made from
//! the same types, so both want the same.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::{Location, Spanned};

use crate::rules::finding::{Finding, unknown};

/// Any YAML, with places.
pub(super) type Node = Spanned<Kind>;

#[derive(Debug)]
pub(super) enum Kind {
    Nothing,
    Bool,
    Number,
    Text,
    List(Vec<Node>),
    Mapping(Vec<(Spanned<String>, Node)>),
}

impl Kind {
    /// As JSON Schema calls it.
    fn name(&self) -> &'static str {
        match self {
            Self::Nothing => "null",
            Self::Bool => "boolean",
            Self::Number => "number",
            Self::Text => "string",
            Self::List(_) => "array",
            Self::Mapping(_) => "object",
        }
    }
}

const TEXT: &str = "a text";

/// Everything about a file's structure that is not as the schema wants it, and
/// whether all of that is keys that nobody knows.
pub(super) fn look(path: &str, node: &Node, schema: &Value) -> (Vec<Finding>, bool) {
    let mut look = Look { path, schema, findings: Vec::new(), only_unknown: true };
    look.compare(node, schema);
    (look.findings, look.only_unknown)
}

struct Look<'a> {
    path: &'a str,
    schema: &'a Value,
    findings: Vec<Finding>,
    only_unknown: bool,
}

impl<'a> Look<'a> {
    fn say(&mut self, at: Location, code: &'static str, message: String) {
        self.only_unknown &= code == "unknown-key";
        self.findings.push(super::place(self.path, at).finding(code, message));
    }

    /// Follows a reference into the schema's definitions.
    fn resolved(&self, wanted: &'a Value) -> &'a Value {
        let reference = wanted["$ref"].as_str().and_then(|text| text.strip_prefix('#'));
        reference.and_then(|pointer| self.schema.pointer(pointer)).unwrap_or(wanted)
    }

    /// Whether a schema takes that kind of value at all.
    fn takes(&self, wanted: &'a Value, kind: &Kind) -> bool {
        let wanted = self.resolved(wanted);
        if let Some(ways) = wanted["anyOf"].as_array() {
            return ways.iter().any(|way| self.takes(way, kind));
        }
        match &wanted["type"] {
            Value::String(one) => one == kind.name(),
            Value::Array(some) => some.iter().any(|one| one == kind.name()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => true,
        }
    }

    fn compare(&mut self, node: &Node, wanted: &'a Value) {
        let wanted = self.resolved(wanted);
        if let Some(ways) = wanted["anyOf"].as_array() {
            let ways: Vec<&Value> = ways.iter().map(|way| self.resolved(way)).collect();
            let way = ways.iter().find(|way| self.takes(way, &node.value));
            let Some(way) = way else { return self.wrong_kind(node, wanted) };
            return self.compare(node, way);
        }
        if !self.takes(wanted, &node.value) {
            return self.wrong_kind(node, wanted);
        }
        match &node.value {
            Kind::List(items) => {
                for item in items {
                    self.compare(item, &wanted["items"]);
                }
            }
            Kind::Mapping(entries) => self.entries(node.referenced, entries, wanted),
            Kind::Nothing | Kind::Bool | Kind::Number | Kind::Text => {}
        }
    }

    fn entries(&mut self, at: Location, entries: &[(Spanned<String>, Node)], wanted: &'a Value) {
        let known = wanted["properties"].as_object();
        for (key, value) in entries {
            match known.and_then(|known| known.get(&key.value)) {
                Some(wanted) => self.compare(value, wanted),
                None if wanted["additionalProperties"].is_object() => {
                    self.compare(value, &wanted["additionalProperties"]);
                }
                None => {
                    let names = known.into_iter().flatten().map(|(name, _)| name.as_str());
                    let message = unknown("key", "keys", &key.value, names);
                    self.say(key.referenced, "unknown-key", message);
                }
            }
        }
        for missing in wanted["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !entries.iter().any(|(key, _)| key.value == missing) {
                self.say(at, "missing-key", format!("the key {missing:?} is missing here"));
            }
        }
    }

    fn wrong_kind(&mut self, node: &Node, wanted: &'a Value) {
        let mut expected = Vec::new();
        self.expected(wanted, &mut expected);
        let message = if matches!(node.value, Kind::Nothing) && expected == [TEXT] {
            "a value is missing here; write it, or \"\" for an empty text".to_owned()
        } else {
            format!("expected {}", expected.join(" or "))
        };
        self.say(node.referenced, "wrong-type", message);
    }

    /// The kinds a schema takes, in words, each once. Nothing is not among them.
    fn expected(&self, wanted: &'a Value, words: &mut Vec<&'static str>) {
        let wanted = self.resolved(wanted);
        for way in wanted["anyOf"].as_array().into_iter().flatten() {
            self.expected(way, words);
        }
        let kinds = &wanted["type"];
        let kinds = kinds.as_array().map_or(std::slice::from_ref(kinds), Vec::as_slice);
        let text = kinds.iter().any(|kind| kind == "string");
        for kind in kinds.iter().filter_map(Value::as_str) {
            let word = match kind {
                "array" => "a list, as in [a, b]",
                "object" => "a mapping, as in {key: value}",
                // Where texts will do, they are what is meant.
                "boolean" if !text => "true or false",
                "string" => TEXT,
                _ => continue,
            };
            if !words.contains(&word) {
                words.push(word);
            }
        }
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyKind)
    }
}

struct AnyKind;

impl<'de> Visitor<'de> for AnyKind {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Nothing)
    }

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Kind, D::Error> {
        Kind::deserialize(inner)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Kind, E> {
        Ok(Kind::Bool)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Kind, E> {
        Ok(Kind::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Kind, E> {
        Ok(Kind::Number)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Kind, E> {
        Ok(Kind::Number)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Kind, E> {
        Ok(Kind::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Kind, E> {
        Ok(Kind::Number)
    }

    fn visit_str<E>(self, _: &str) -> Result<Kind, E> {
        Ok(Kind::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Kind, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Kind::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Kind, A::Error> {
        let mut mapping = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            mapping.push(entry);
        }
        Ok(Kind::Mapping(mapping))
    }
}
