//! The one place that writes to the terminal.

use std::io::Write;
use std::process::ExitCode;

/// Prints a line of the result. A reader that has gone away is no reason to fail.
pub(super) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{line}").and_then(|()| out.flush());
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
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    drop(written);
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
