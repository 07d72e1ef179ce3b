//! `larkhorn check`: are the rules right, and are they meant?
//!
//! `-o json` is for editors and pipelines and keeps its shape:
//!
//! ```json
//! {"ok": true, "errors": [], "warnings": [{"file": "rules/oncall.yaml", "line": 3, "column": 5,
//!  "severity": "warning", "code": "schedule-gap", "message": "…", "hint": "…"}]}
//! ```
//!
//! `file`, `line` and `column` are left out where there is no place to blame,
//! `hint` where there is none to give. Columns count characters, both from 1.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::columns::width;
use super::output::{Format, complain, say};
use crate::app::{RuleFiles, SystemClock, TemplateSource};
use crate::domain::Clock;
use crate::rules::{Finding, LINTS, RuleSet};
use crate::settings::{Settings, SettingsError};

const EXAMPLES: &str = "Examples:
  larkhorn check rules
  larkhorn check --deny-warnings rules/oncall.yaml
  larkhorn check -o json rules
  larkhorn check --at 2026-12-01T09:00:00Z rules
  larkhorn check --lints";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// Rules files or folders, - for standard input (default: `rules` of the settings)
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Exit with 1 on warnings too
    #[arg(long)]
    deny_warnings: bool,
    /// How to print what was found
    #[arg(short, long, default_value = "text")]
    output: Format,
    /// Folder of templates (default: `templates` beside the rules, else of the settings)
    #[arg(long, value_name = "DIR")]
    templates: Option<PathBuf>,
    /// From when to look ahead for gaps and the like (default: now)
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// List the kinds of warnings and exit
    #[arg(long)]
    lints: bool,
}

/// What was found.
struct Found {
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
    summary: String,
}

impl Found {
    fn passes(&self, deny_warnings: bool) -> bool {
        self.errors.is_empty() && (self.warnings.is_empty() || !deny_warnings)
    }
}

pub(super) async fn run(
    options: &Options,
    settings: impl FnOnce() -> Result<Settings, SettingsError>,
) -> anyhow::Result<ExitCode> {
    if options.lints {
        for (name, what) in LINTS {
            say(&format!("{name:24} {what}"));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let settings = settings();
    let paths = match &settings {
        // Rules that are named can be checked without settings.
        _ if !options.paths.is_empty() => options.paths.clone(),
        Ok(settings) => vec![settings.rules.clone()],
        Err(error) => return Err(error.clone().into()),
    };
    let templates = settings.ok().map(|settings| templates(options, &settings, &paths));
    let now = options.at.unwrap_or_else(|| SystemClock.now());
    let files = match RuleFiles::read(&paths, SystemClock.now()).await {
        Ok(files) => files,
        Err(error) => {
            let found =
                Found { errors: vec![unplaced(&error)], warnings: Vec::new(), summary: String::new() };
            return Ok(tell(options, &found, None));
        }
    };
    let found = look(&files, &paths, templates.as_ref(), now);
    Ok(tell(options, &found, Some(&files)))
}

/// Prints what was found; the exit code.
fn tell(options: &Options, found: &Found, files: Option<&RuleFiles>) -> ExitCode {
    let ok = found.passes(options.deny_warnings);
    match options.output {
        Format::Text => print(found, files),
        Format::Json => say(&to_json(ok, found).to_string()),
    }
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Where the templates are: as asked, beside the rules that are named, or as set.
fn templates(options: &Options, settings: &Settings, paths: &[PathBuf]) -> TemplateSource {
    let mut source = TemplateSource::of(settings);
    let beside = || {
        let folder = paths.first()?;
        let name = settings.templates.file_name()?;
        let around = [folder.as_path(), folder.parent().unwrap_or_else(|| Path::new(""))];
        around.iter().map(|folder| folder.join(name)).find(|folder| folder.is_dir())
    };
    // Rules that are named may belong to another installation than the settings here.
    let beside = if options.paths.is_empty() { None } else { beside() };
    let set = settings.templates.is_dir().then(|| settings.templates.clone());
    source.folder = options.templates.clone().or(beside).or(set);
    source
}

/// Looks at all files as one set of rules, as `serve` does with a folder.
fn look(files: &RuleFiles, paths: &[PathBuf], templates: Option<&TemplateSource>, now: Timestamp) -> Found {
    let (rules, mut warnings) = match files.load() {
        Ok(loaded) => loaded,
        Err(errors) => return Found { errors, warnings: Vec::new(), summary: String::new() },
    };
    warnings.extend(rules.warnings(now));
    match templates.map(|source| source.prove(&rules, now)) {
        Some(Ok(found)) => warnings.extend(found),
        Some(Err(error)) => warnings.push(unplaced(&error)),
        None => {}
    }
    warnings.sort();
    Found { errors: Vec::new(), warnings, summary: summary(&rules, files.count(), paths) }
}

fn summary(rules: &RuleSet, files: usize, paths: &[PathBuf]) -> String {
    format!(
        "{}: {} rules, {} people, {} chats, {} severities in {files} {}",
        paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" "),
        rules.rules().len(),
        rules.people().len(),
        rules.chats().len(),
        rules.severities().len(),
        if files == 1 { "file" } else { "files" },
    )
}

/// What has no place in a rules file.
fn unplaced(error: &anyhow::Error) -> Finding {
    Finding { path: String::new(), line: 0, column: 0, message: format!("{error:#}"), code: "unreadable" }
}

fn print(found: &Found, files: Option<&RuleFiles>) {
    let picture = |finding: &Finding| {
        let line = files.and_then(|files| files.line(&finding.path, finding.line));
        line.map(|line| picture(finding, &line)).unwrap_or_default()
    };
    for error in &found.errors {
        complain(&format!("error: {error}{}", picture(error)));
    }
    for warning in &found.warnings {
        complain(&format!("warning[{}]: {warning}{}", warning.code, picture(warning)));
    }
    if !found.summary.is_empty() {
        say(&found.summary);
    }
}

/// The line with a caret under the place. Long lines are cut around it.
fn picture(finding: &Finding, line: &str) -> String {
    const BEFORE: usize = 60;
    const SHOWN: usize = 100;
    let column = usize::try_from(finding.column.saturating_sub(1)).unwrap_or_default();
    let start = column.saturating_sub(BEFORE);
    let spaced = |text: &str| text.replace('\t', " ");
    let shown: String = spaced(&line.chars().skip(start).take(SHOWN).collect::<String>());
    let before: String = shown.chars().take(column - start).collect();
    let (cut, indent) = if start > 0 { ("…", width(&before) + 1) } else { ("", width(&before)) };
    let number = finding.line.to_string();
    let gutter = " ".repeat(number.len());
    format!("\n {number} | {cut}{}\n {gutter} | {}^", shown.trim_end(), " ".repeat(indent))
}

fn to_json(ok: bool, found: &Found) -> Value {
    let list = |findings: &[Finding], severity: &str| -> Vec<Value> {
        findings.iter().map(|finding| one(finding, severity)).collect()
    };
    json!({
        "ok": ok,
        "errors": list(&found.errors, "error"),
        "warnings": list(&found.warnings, "warning"),
    })
}

fn one(finding: &Finding, severity: &str) -> Value {
    let mut fields = Map::new();
    if !finding.path.is_empty() {
        fields.insert("file".to_owned(), finding.path.clone().into());
        fields.insert("line".to_owned(), finding.line.into());
        fields.insert("column".to_owned(), finding.column.into());
    }
    fields.insert("severity".to_owned(), severity.into());
    fields.insert("code".to_owned(), finding.code.into());
    fields.insert("message".to_owned(), finding.problem().into());
    if let Some(hint) = finding.hint() {
        fields.insert("hint".to_owned(), hint.into());
    }
    fields.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(line: u64, column: u64, message: &str) -> Finding {
        Finding { path: "a.yaml".to_owned(), line, column, message: message.to_owned(), code: "schedule-gap" }
    }

    #[test]
    fn json_says_ok_when_the_exit_code_does() {
        let found = |errors: &[Finding], warnings: &[Finding]| Found {
            errors: errors.to_vec(),
            warnings: warnings.to_vec(),
            summary: String::new(),
        };
        let doubtful = found(&[], &[finding(3, 5, "nobody; add one")]);
        assert!(doubtful.passes(false) && !doubtful.passes(true));
        assert!(!found(&[finding(1, 1, "e")], &[]).passes(false));
        let warning = json!({
            "file": "a.yaml", "line": 3, "column": 5, "severity": "warning", "code": "schedule-gap",
            "message": "nobody", "hint": "add one",
        });
        assert_eq!(to_json(false, &doubtful), json!({"ok": false, "errors": [], "warnings": [warning]}));
    }

    #[test]
    fn the_caret_stands_below_the_place_whatever_is_before_it() {
        for (line, column, expected) in [
            ("a: b", 4, "\n 7 | a: b\n   |    ^"),
            ("\tb", 2, "\n 7 |  b\n   |  ^"),
            ("值班: x", 5, "\n 7 | 值班: x\n   |       ^"),
            ("a", 9, "\n 7 | a\n   |  ^"),
        ] {
            assert_eq!(picture(&finding(7, column, ""), line), expected, "{line}");
        }
        let long = format!("{}x", "值".repeat(200));
        let said = picture(&finding(7, 201, ""), &long);
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[1].find('x').map(|at| width(&lines[1][..at])), lines[2].find('^'), "{said}");
    }
}
