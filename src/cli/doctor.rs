//! `larkhorn doctor`: is everything really set up?

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;

use super::columns::padded;
use super::output::{Format, complain, say};
use super::when::span;
use crate::app::{self, Asked, Check, CheckState, Click, SystemClock};
use crate::settings::Settings;

const EXAMPLES: &str = "Examples:
  larkhorn doctor
  larkhorn doctor --offline
  larkhorn doctor -o json
  larkhorn doctor --click --chat oncall --wait 1m

Exit code: 0 nothing fails, 1 something does, 2 wrong usage.";

/// Room for the names of checks; longer ones push the text on.
const NAME_WIDTH: usize = 18;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// Leave out what needs a network
    #[arg(long, conflicts_with = "click")]
    offline: bool,
    /// Post a card and wait until somebody presses its button
    #[arg(long)]
    click: bool,
    /// Where to post it, as the rules name it (default: the first chat)
    #[arg(long, value_name = "NAME", requires = "click")]
    chat: Option<String>,
    /// How long to wait for the press
    #[arg(long, value_name = "SPAN", default_value = "2m", value_parser = span, requires = "click")]
    wait: SignedDuration,
    /// How to print it
    #[arg(short, long, default_value = "text")]
    output: Format,
}

pub(super) async fn run(options: &Options, settings: &Settings) -> anyhow::Result<ExitCode> {
    let patience = Duration::try_from(options.wait)?;
    let click = options.click.then(|| Click { chat: options.chat.clone(), patience });
    if click.is_some() {
        complain("a card is posted; press any of its buttons");
    }
    let asked = Asked { offline: options.offline, click };
    let mut checks: Vec<Check> = Vec::new();
    let text = options.output == Format::Text;
    let mut tell = |check: Check| {
        if text {
            print(&check);
        }
        checks.push(check);
    };
    app::examine(settings, &asked, Arc::new(SystemClock), &mut tell).await?;
    let count = |state: CheckState| checks.iter().filter(|check| check.state == state).count();
    let failed = count(CheckState::Fail);
    if text {
        let (ok, warn, skip) = (count(CheckState::Ok), count(CheckState::Warn), count(CheckState::Skip));
        say(&format!("{ok} ok, {warn} warn, {failed} fail, {skip} skip"));
    } else {
        let list: Vec<_> = checks
            .iter()
            .map(|c| json!({"name": c.name, "state": c.state.as_str(), "why": c.why, "mend": c.mend}))
            .collect();
        say(&json!({"ok": failed == 0, "checks": list}).to_string());
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(check: &Check) {
    say(&format!("{:4}  {}  {}", check.state.as_str(), padded(&check.name, NAME_WIDTH), check.why));
    if !check.mend.is_empty() {
        say(&format!("      {}  → {}", " ".repeat(NAME_WIDTH), check.mend));
    }
}
