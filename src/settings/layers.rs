//! Puts the layers on top of each other: the file, then the environment.
//!
//! Each layer is first read alone, so that a mistake is reported with the
//! place it was made at: a line of the file or the name of a variable.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use config::{Config, Environment, Format, Map, Source, Value, ValueKind};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::SettingsError;
use super::raw::Raw;

/// What every variable's name starts with.
const PREFIX: &str = "LARKHORN__";

/// Whether an environment variable of that name is read.
pub fn is_ours(name: &str) -> bool {
    name.to_uppercase().starts_with(PREFIX)
}

/// Merges the file and the variables.
pub(super) fn read(
    path: Option<&Path>,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<Raw, SettingsError> {
    let mut builder = Config::builder();
    if let Some(path) = path {
        builder = builder.add_source(beside(path)).add_source(read_file(path)?);
    }
    let variables: BTreeMap<String, String> =
        env.into_iter().filter(|(name, value)| is_ours(name) && !value.is_empty()).collect();
    check_variables(&variables)?;
    builder
        .add_source(environment(variables.into_iter().collect()))
        .build()
        .and_then(Config::try_deserialize)
        .map_err(|e| SettingsError::one(e.to_string()))
}

/// Where rules and templates lie unless something else is said: beside the file.
fn beside(path: &Path) -> Layer {
    let folder = path.parent().unwrap_or(Path::new(""));
    let entry =
        |name: &str| (name.to_owned(), Value::new(None, folder.join(name).to_string_lossy().into_owned()));
    Layer(["rules", "templates"].map(entry).into_iter().collect())
}

fn environment(variables: Map<String, String>) -> Environment {
    Environment::with_prefix("LARKHORN").prefix_separator("__").separator("__").source(Some(variables))
}

fn check_variables(variables: &BTreeMap<String, String>) -> Result<(), SettingsError> {
    let mut problems = Vec::new();
    for (name, value) in variables {
        let alone = environment([(name.clone(), value.clone())].into_iter().collect());
        let read = Config::builder().add_source(alone).build().and_then(Config::try_deserialize::<Raw>);
        if let Err(e) = read {
            problems.push(format!("environment variable {name}: {e}"));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(SettingsError(problems)) }
}

/// Values that were read already.
#[derive(Debug, Clone)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

fn read_file(path: &Path) -> Result<Layer, SettingsError> {
    let shown = path.display();
    let problem = |e: &dyn std::fmt::Display| SettingsError::one(format!("{shown}: {e}"));
    let text = std::fs::read_to_string(path).map_err(|e| problem(&e))?;
    // Read strictly first: this parser knows lines, the merged tree does not.
    let _: Option<Raw> = serde_saphyr::from_str_with_options(&text, options()).map_err(|e| problem(&e))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let yaml = Yaml { folder: folder.to_owned() };
    yaml.parse(Some(&shown.to_string()), &text).map(Layer).map_err(|e| problem(&e))
}

/// Snippets of the source are left out of errors: they could show a secret.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! { with_snippet: false }
}

/// Whether the value of a key is a path of something that is read.
fn is_path(key: &str) -> bool {
    key == "rules" || key == "templates" || key.ends_with("_file")
}

/// YAML for `config`, read by serde-saphyr.
#[derive(Debug, Clone)]
struct Yaml {
    /// What relative paths are relative to.
    folder: PathBuf,
}

impl Format for Yaml {
    fn parse(
        &self,
        uri: Option<&String>,
        text: &str,
    ) -> Result<Map<String, Value>, Box<dyn Error + Send + Sync>> {
        let node: Node = serde_saphyr::from_str_with_options(text, options())?;
        match node {
            Node::Nothing => Ok(Map::new()),
            Node::Section(entries) => Ok(section(entries, uri, &self.folder)),
            Node::Bool(_) | Node::Integer(_) | Node::Float(_) | Node::Text(_) | Node::List(_) => {
                Err("expected sections such as `server:` and `feishu:`".into())
            }
        }
    }
}

/// Any YAML value.
enum Node {
    Nothing,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Section(Vec<(String, Node)>),
}

/// The entries that are set: an empty key says "not set", as in the strict reading.
fn section(entries: Vec<(String, Node)>, uri: Option<&String>, folder: &Path) -> Map<String, Value> {
    let set = entries.into_iter().filter(|(_, node)| !matches!(node, Node::Nothing));
    set.map(|(key, node)| {
        let value = match (is_path(&key), node) {
            (true, Node::Text(path)) => Value::new(uri, folder.join(path).to_string_lossy().into_owned()),
            (_, node) => value(node, uri, folder),
        };
        (key, value)
    })
    .collect()
}

fn value(node: Node, uri: Option<&String>, folder: &Path) -> Value {
    let kind = match node {
        Node::Nothing => ValueKind::Nil,
        Node::Bool(v) => ValueKind::Boolean(v),
        Node::Integer(v) => ValueKind::I64(v),
        Node::Float(v) => ValueKind::Float(v),
        Node::Text(v) => ValueKind::String(v),
        Node::List(items) => ValueKind::Array(items.into_iter().map(|i| value(i, uri, folder)).collect()),
        Node::Section(entries) => ValueKind::Table(section(entries, uri, folder)),
    };
    Value::new(uri, kind)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyNode)
    }
}

struct AnyNode;

impl<'de> Visitor<'de> for AnyNode {
    type Value = Node;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Nothing)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Node, D::Error> {
        Node::deserialize(inner)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(i64::try_from(value).map_or_else(|_| Node::Text(value.to_string()), Node::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut section = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            section.push(entry);
        }
        Ok(Node::Section(section))
    }
}
