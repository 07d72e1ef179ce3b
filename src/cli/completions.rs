//! `larkhorn completions`: what shells complete the command line with.

use std::process::ExitCode;

use clap::Command;
use clap_complete::Shell;

use super::output::pour;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  larkhorn completions bash > larkhorn.bash
  larkhorn completions zsh > _larkhorn
  larkhorn completions fish > larkhorn.fish")]
pub(super) struct Options {
    /// Which shell
    shell: Shell,
}

pub(super) fn run(options: &Options, mut command: Command) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut command, "larkhorn", &mut script);
    pour(&script);
    ExitCode::SUCCESS
}
