//! `larkhorn schema`: what editors need to know about the files.

use std::process::ExitCode;

use clap::ValueEnum;

use super::output::say;
use crate::rules::RuleSet;
use crate::settings::Settings;

const EXAMPLES: &str = "Examples:
  larkhorn schema rules
  larkhorn schema settings > settings.json

In a YAML file, editors with a YAML language server look for the line
  # yaml-language-server: $schema=settings.json";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// Of which files
    #[arg(value_name = "FILES")]
    of: Files,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Files {
    /// Files of `rules/`
    Rules,
    /// larkhorn.yaml
    Settings,
}

pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let schema = match options.of {
        Files::Rules => RuleSet::schema(),
        Files::Settings => Settings::schema(),
    };
    say(&serde_json::to_string_pretty(&schema)?);
    Ok(ExitCode::SUCCESS)
}
