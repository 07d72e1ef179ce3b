//! `larkhorn check`: are the rules right?

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;

use super::output::{complain, say};
use crate::app;
use crate::settings::{Settings, SettingsError};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Rules files or folders (default: `rules` of the settings)
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Exit with 1 on warnings too
    #[arg(long)]
    deny_warnings: bool,
    /// How to print what was found
    #[arg(short, long, default_value = "text")]
    output: Format,
}

/// What was found in one place.
struct Found {
    errors: Vec<String>,
    warnings: Vec<String>,
    summary: String,
}

impl Found {
    fn passes(&self, deny_warnings: bool) -> bool {
        self.errors.is_empty() && (self.warnings.is_empty() || !deny_warnings)
    }
}

pub(super) fn run(
    options: &Options,
    settings: impl FnOnce() -> Result<Settings, SettingsError>,
) -> anyhow::Result<ExitCode> {
    let paths = if options.paths.is_empty() { vec![settings()?.rules] } else { options.paths.clone() };
    let found: Vec<Found> = paths.iter().map(|path| look(path)).collect();
    let ok = found.iter().all(|found| found.passes(options.deny_warnings));
    match options.output {
        Format::Text => found.iter().for_each(print),
        Format::Json => say(&json(ok, &found)),
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn look(path: &std::path::Path) -> Found {
    match app::read_rules(path) {
        Ok(checked) => Found {
            errors: Vec::new(),
            warnings: checked.warnings.iter().map(ToString::to_string).collect(),
            summary: format!(
                "{}: {} rules, {} people, {} chats, {} severities in {} {}",
                path.display(),
                checked.rules.rules().len(),
                checked.rules.people().len(),
                checked.rules.chats().len(),
                checked.rules.severities().len(),
                checked.files,
                if checked.files == 1 { "file" } else { "files" },
            ),
        },
        Err(error) => Found {
            errors: format!("{error:#}").lines().map(str::to_owned).collect(),
            warnings: Vec::new(),
            summary: String::new(),
        },
    }
}

fn print(found: &Found) {
    for error in &found.errors {
        complain(&format!("error: {error}"));
    }
    for warning in &found.warnings {
        complain(&format!("warning: {warning}"));
    }
    if !found.summary.is_empty() {
        say(&found.summary);
    }
}

fn json(ok: bool, found: &[Found]) -> String {
    let lines = |pick: fn(&Found) -> &Vec<String>| -> Vec<&String> { found.iter().flat_map(pick).collect() };
    let (errors, warnings) = (lines(|f| &f.errors), lines(|f| &f.warnings));
    serde_json::json!({ "ok": ok, "errors": errors, "warnings": warnings }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_ok_when_the_exit_code_does() {
        let found = |errors: &[&str], warnings: &[&str]| {
            let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
            Found { errors: owned(errors), warnings: owned(warnings), summary: String::new() }
        };
        let doubtful = found(&[], &["w"]);
        assert!(doubtful.passes(false) && !doubtful.passes(true));
        assert!(!found(&["e"], &[]).passes(false));
        let said: serde_json::Value = serde_json::from_str(&json(false, &[doubtful])).unwrap();
        assert_eq!(said, serde_json::json!({"ok": false, "errors": [], "warnings": ["w"]}));
    }
}
