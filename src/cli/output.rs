//! The one place that writes to the terminal.

use std::borrow::Cow;
use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

/// How a result is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

/// Prints a line of the result. A reader that has gone away is no reason to fail.
pub(super) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{line}").and_then(|()| out.flush());
    drop(written);
}

/// Prints a result byte for byte.
pub(super) fn pour(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    drop(written);
}

/// Prints lines of the result.
pub(super) fn say_all(lines: &[String]) {
    for line in lines {
        say(line);
    }
}

/// Prints a result that ends its lines itself.
pub(super) fn write(text: &str) {
    pour(text.as_bytes());
}

/// Prints a line about what went wrong.
pub(super) fn complain(line: &str) {
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}

/// Prints help or what is wrong with the usage; 0 for help asked for, else 2.
pub(super) fn usage(refused: &clap::Error) -> ExitCode {
    drop(refused.print());
    u8::try_from(refused.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Reads a file that an argument names; `-` is standard input.
pub(super) fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).context("standard input cannot be read")?;
        return Ok(bytes);
    }
    std::fs::read(file).with_context(|| format!("{}: cannot be read", file.display()))
}

/// Text of strangers, safe for a terminal: what would move the cursor, colour
/// the screen or turn the direction of writing shows as `�`.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(harmful) { text.replace(harmful, "\u{fffd}").into() } else { text.into() }
}

/// Colours, where they are welcome: on a terminal, unless `NO_COLOR` says no.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint(bool);

/// What a colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// Bad, or very loud.
    Red,
    /// Doubtful, or loud.
    Yellow,
    /// Good.
    Green,
    /// Worth a glance.
    Cyan,
    /// A headline.
    Bold,
    /// Beside the point.
    Dim,
}

impl Paint {
    /// No colours.
    pub(super) const NONE: Self = Self(false);

    /// As standard output and the environment want it.
    pub(super) fn of_env(env: &[(String, String)]) -> Self {
        Self::decide(env, std::io::stdout().is_terminal())
    }

    fn decide(env: &[(String, String)], terminal: bool) -> Self {
        let set = |name: &str| env.iter().find(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str());
        Self(terminal && set("NO_COLOR").is_none() && set("TERM") != Some("dumb"))
    }

    /// The text in that tone.
    pub(super) fn tint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Red => 31,
            Tone::Yellow => 33,
            Tone::Green => 32,
            Tone::Cyan => 36,
            Tone::Bold => 1,
            Tone::Dim => 2,
        };
        if self.0 && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_needs_a_terminal_that_wants_it() {
        let painted = |pairs: &[(&str, &str)], terminal| {
            let env: Vec<_> = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            Paint::decide(&env, terminal).tint(Tone::Red, "x") != "x"
        };
        assert!(painted(&[], true) && painted(&[("NO_COLOR", "")], true));
        assert!(!painted(&[], false));
        assert!(!painted(&[("NO_COLOR", "1")], true) && !painted(&[("TERM", "dumb")], true));
    }

    #[test]
    fn strangers_cannot_write_on_the_terminal() {
        assert_eq!(printable("磁盘 将满 ☎"), "磁盘 将满 ☎");
        assert_eq!(
            printable("a\x1b[2Jb\r\n\u{202e}c\u{9b}"),
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}\u{fffd}c\u{fffd}"
        );
    }
}
