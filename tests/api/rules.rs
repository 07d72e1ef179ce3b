//! Rules files, read as the program reads them: shipped, good and bad ones.

use std::fs;
use std::path::{Path, PathBuf};

use larkhorn::domain::{Labels, Target, Urgent};
use larkhorn::rules::{Finding, Origin, RuleError, RuleSet, SourceFile, Warning};

/// Every `*.yaml` of a folder, or the one file, with names relative to `base`.
fn read(base: &Path, path: &Path) -> Vec<(String, String)> {
    let mut paths = if path.is_dir() { entries(path) } else { vec![path.to_owned()] };
    paths.retain(|p| p.extension().is_some_and(|e| e == "yaml"));
    let name = |p: &Path| p.strip_prefix(base).unwrap().to_str().unwrap().replace('\\', "/");
    paths.iter().map(|p| (name(p), fs::read_to_string(p).unwrap())).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn load(files: &[(String, String)]) -> Result<(RuleSet, Vec<Warning>), Vec<RuleError>> {
    let files: Vec<SourceFile<'_>> = files.iter().map(|(path, text)| SourceFile { path, text }).collect();
    RuleSet::load(&files)
}

fn load_text(text: &str) -> RuleSet {
    load(&[("rules.yaml".to_owned(), text.to_owned())]).unwrap().0
}

fn lines(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

/// Compares with what the file next to `path` says; nothing when there is none.
fn assert_says(path: &Path, extension: &str, said: &str) {
    let expected = fs::read_to_string(path.with_extension(extension)).unwrap_or_default();
    assert_eq!(said, expected, "\n{}: said\n{said}expected\n{expected}", path.display());
}

#[test]
fn shipped_rules_load_without_a_word() {
    let base = folder("");
    for path in entries(&folder("rules")) {
        let (_, warnings) = load(&read(&base, &path)).unwrap_or_else(|errors| panic!("{}", lines(&errors)));
        assert_eq!(lines(&warnings), "");
    }
}

#[test]
fn good_rules_load_with_the_warnings_next_to_them() {
    let base = folder("tests/rules/good");
    for path in entries(&base).iter().filter(|p| p.extension().is_some_and(|e| e == "yaml")) {
        let (_, warnings) = load(&read(&base, path)).unwrap_or_else(|errors| panic!("{}", lines(&errors)));
        assert_says(path, "warnings", &lines(&warnings));
    }
}

#[test]
fn bad_rules_are_refused_with_the_errors_next_to_them() {
    let base = folder("tests/rules/bad");
    let mut mistakes = 0;
    for path in entries(&base).iter().filter(|p| p.extension().is_none_or(|e| e == "yaml")) {
        let Err(errors) = load(&read(&base, path)) else { panic!("{} was accepted", path.display()) };
        assert_says(path, "expected", &lines(&errors));
        mistakes += errors.len();
    }
    assert!(mistakes > 60, "only {mistakes} mistakes were seen: are the files gone?");
}
