//! `larkhorn man`: the manual, a page for each command.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Command;

use super::output::pour;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  larkhorn man > larkhorn.1
  larkhorn man incidents list > larkhorn-incidents-list.1
  larkhorn man --all .")]
pub(super) struct Options {
    /// The command whose page is printed (default: larkhorn itself)
    #[arg(value_name = "COMMAND")]
    path: Vec<String>,
    /// Write all pages into a folder instead
    #[arg(long, value_name = "FOLDER", conflicts_with = "path")]
    all: Option<PathBuf>,
}

pub(super) fn run(options: &Options, mut command: Command) -> anyhow::Result<ExitCode> {
    // Fills in what subcommands take from above them.
    command.build();
    if let Some(folder) = &options.all {
        for (name, page) in pages(&command)? {
            let file = folder.join(format!("{name}.1"));
            std::fs::write(&file, page).with_context(|| format!("{}: cannot be written", file.display()))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let (mut found, mut name) = (&command, command.get_name().to_owned());
    for word in &options.path {
        found = found.find_subcommand(word).with_context(|| format!("{name} has no command {word:?}"))?;
        name = format!("{name}-{}", found.get_name());
    }
    pour(&page(found)?);
    Ok(ExitCode::SUCCESS)
}

/// One page; a command that was built knows its whole name.
fn page(command: &Command) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}

/// Every command's page, under the name of its file.
fn pages(root: &Command) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut pages = Vec::new();
    let mut waiting = vec![(root.get_name().to_owned(), root)];
    while let Some((name, command)) = waiting.pop() {
        pages.push((name.clone(), page(command)?));
        let below =
            command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help");
        waiting.extend(below.map(|below| (format!("{name}-{}", below.get_name()), below)));
    }
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let mut command = crate::cli::command();
        command.build();
        let pages = pages(&command).unwrap();
        for name in ["larkhorn", "larkhorn-simulate", "larkhorn-incidents-acknowledge"] {
            let (_, page) = pages.iter().find(|(known, _)| known == name).unwrap();
            let text = String::from_utf8_lossy(page);
            let title = format!(".TH {name} 1");
            assert!(text.contains(&title) && text.contains("Examples:"), "{name}: {text}");
        }
    }
}
