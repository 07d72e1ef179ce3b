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
#[command(after_help = "Examples:
  larkhorn check
  larkhorn check rules --deny-warnings
  larkhorn check -o json rules")]
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

/// What was found.
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
    let found = look(&paths);
    let ok = found.passes(options.deny_warnings);
    match options.output {
        Format::Text => print(&found),
        Format::Json => say(&json(ok, &found)),
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Looks at all paths as one set of rules, as `serve` does with a folder.
fn look(paths: &[PathBuf]) -> Found {
    match app::read_rules(paths) {
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
                paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" "),
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

fn json(ok: bool, found: &Found) -> String {
    serde_json::json!({ "ok": ok, "errors": found.errors, "warnings": found.warnings }).to_string()
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
        let said: serde_json::Value = serde_json::from_str(&json(false, &doubtful)).unwrap();
        assert_eq!(said, serde_json::json!({"ok": false, "errors": [], "warnings": ["w"]}));
    }
}
