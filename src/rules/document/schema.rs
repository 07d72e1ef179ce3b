//! The JSON Schema of a rules file, made from the types that read it.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::entries::Document;

/// A single value: what it means is read from its text, so `5` will do for `"5"`.
pub(super) struct Scalar;

impl JsonSchema for Scalar {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "number", "boolean"]})
    }
}

/// See [`super::OneOrMany`].
pub(super) struct Words;

impl JsonSchema for Words {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Words".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let many = generator.subschema_for::<Vec<Scalar>>();
        json_schema!({"anyOf": [{"type": "string"}, many]})
    }
}

/// JSON Schema 2020-12 of a rules file, with a description for every key.
pub(in crate::rules) fn schema() -> Value {
    let mut schema =
        SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Option<Document>>().to_value();
    if let Some(top) = schema.as_object_mut() {
        top.insert("title".to_owned(), "larkhorn rules".into());
        top.insert("description".to_owned(), "Which alerts reach whom: a file of `rules/`.".into());
    }
    schema
}
