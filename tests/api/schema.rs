//! The schemas that editors use say what the loaders say.

use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use larkhorn::rules::{RuleSet, SourceFile};
use larkhorn::settings::Settings;
use serde_json::Value;

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn validator(schema: &Value) -> Validator {
    jsonschema::draft202012::new(schema).unwrap()
}

/// What a YAML file holds; `None` if it cannot be read as YAML at all.
fn value(text: &str) -> Option<Value> {
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options::<Option<Value>>(text, options).ok().map(Option::unwrap_or_default)
}

fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![here(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "yaml") {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(!files.is_empty());
    files
}

/// Codes of mistakes in the structure of a file, not in its values.
const STRUCTURE: [&str; 3] = ["unknown-key", "missing-key", "wrong-type"];

#[test]
fn schema_and_loader_agree_on_every_rules_file() {
    let validator = validator(&RuleSet::schema());
    let (mut good, mut bad) = (0, 0);
    for folder in ["rules", "tests/rules/good", "tests/rules/bad"] {
        for path in yaml_files(folder) {
            let text = fs::read_to_string(&path).unwrap();
            let Some(value) = value(&text) else { continue };
            let loaded = RuleSet::load(&[SourceFile { path: "rules.yaml", text: &text }]);
            let errors = loaded.err().unwrap_or_default();
            // What only this reader of YAML refuses is no matter of the schema.
            if errors.iter().any(|e| ["bad-yaml", "duplicate-key"].contains(&e.code)) {
                continue;
            }
            let broken: Vec<_> = errors.iter().filter(|e| STRUCTURE.contains(&e.code)).collect();
            let said: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert_eq!(broken.is_empty(), said.is_empty(), "{}: {broken:?} against {said:?}", path.display());
            if said.is_empty() { good += 1 } else { bad += 1 }
        }
    }
    assert!(good > 30 && bad > 8, "{good} good files, {bad} bad ones");
}

#[test]
fn schema_and_loader_agree_on_settings() {
    let validator = validator(&Settings::schema());
    let folder = tempfile::tempdir().unwrap();
    let shipped = fs::read_to_string(here("deploy/larkhorn.yaml")).unwrap();
    let cases = [
        (shipped.as_str(), true),
        ("server: {listen: 127.0.0.1:0, max_body_bytes: 1024}\nfeishu:\n", true),
        ("webhook: {basic: {username: am, password: x}, open: true}", true),
        ("fallback: {after: 2m, smtp: {url: \"smtp://localhost\", from: a@b.c, to: \"d@e.f\"}}", true),
        ("serve: {listen: 127.0.0.1:0}", false),
        ("server: {lisen: 127.0.0.1:0}", false),
        ("server: {max_body_bytes: many}", false),
        ("webhook: {bearer_token: 12345}", false),
        ("webhook: {open: perhaps}", false),
        ("feishu: [app_id]", false),
    ];
    for (text, fine) in cases {
        let file = folder.path().join("larkhorn.yaml");
        fs::write(&file, text).unwrap();
        assert_eq!(Settings::load(Some(&file), []).is_ok(), fine, "{text:.60}");
        assert_eq!(validator.is_valid(&value(text).unwrap()), fine, "{text:.60}");
    }
}

/// Keys without a description.
fn undescribed(schema: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        for (name, property) in properties {
            if property["description"].as_str().is_none_or(str::is_empty) {
                found.push(format!("{at}.{name}"));
            }
        }
    }
    for (name, part) in schema["$defs"].as_object().into_iter().flatten() {
        undescribed(part, name, found);
    }
    for part in schema["anyOf"].as_array().into_iter().flatten() {
        undescribed(part, at, found);
    }
}

#[test]
fn every_key_is_described() {
    for schema in [RuleSet::schema(), Settings::schema()] {
        let mut found = Vec::new();
        undescribed(&schema, "", &mut found);
        assert!(found.is_empty(), "{found:?}");
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        let keys = schema.to_string().matches("\"description\"").count();
        assert!(keys > 35, "{keys}");
    }
}

#[test]
fn the_samples_point_at_schemas_that_are_current() {
    for (sample, schema) in
        [("rules/oncall.yaml", RuleSet::schema()), ("deploy/larkhorn.yaml", Settings::schema())]
    {
        let text = fs::read_to_string(here(sample)).unwrap();
        let first = text.lines().next().unwrap();
        let named = first.strip_prefix("# yaml-language-server: $schema=").expect(sample);
        let file = here(sample).parent().unwrap().join(named);
        let shipped = fs::read_to_string(&file).unwrap();
        let current = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        assert_eq!(shipped, current, "{}: make it anew with `larkhorn schema`", file.display());
    }
}
