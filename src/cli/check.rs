//! `larkhorn check`: are the rules right?

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;

use super::output::{complain, say};
use crate::app::{self, SystemClock};
use crate::domain::Clock;
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

pub(super) fn run(
    options: &Options,
    settings: impl FnOnce() -> Result<Settings, SettingsError>,
) -> anyhow::Result<ExitCode> {
    let paths = if options.paths.is_empty() { vec![settings()?.rules] } else { options.paths.clone() };
    let found: Vec<Found> = paths.iter().map(|path| look(path)).collect();
    match options.output {
        Format::Text => found.iter().for_each(print),
        Format::Json => say(&json(&found)),
    }
    let bad = |f: &Found| !f.errors.is_empty() || (options.deny_warnings && !f.warnings.is_empty());
    Ok(if found.iter().any(bad) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn look(path: &std::path::Path) -> Found {
    match app::read_rules(path) {
        Ok(checked) => Found {
            errors: Vec::new(),
            warnings: checked
                .warnings
                .iter()
                .chain(&checked.rules.warnings(SystemClock.now()))
                .map(ToString::to_string)
                .collect(),
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

fn json(found: &[Found]) -> String {
    let lines = |pick: fn(&Found) -> &Vec<String>| -> Vec<&String> { found.iter().flat_map(pick).collect() };
    let (errors, warnings) = (lines(|f| &f.errors), lines(|f| &f.warnings));
    serde_json::json!({ "ok": errors.is_empty(), "errors": errors, "warnings": warnings }).to_string()
}
