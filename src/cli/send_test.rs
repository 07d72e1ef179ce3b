//! `larkhorn send-test`: a card and a buzz for real, to see that they arrive.

use std::process::ExitCode;

use super::output::say;
use crate::app::{self, Trial};
use crate::domain::Urgent;
use crate::settings::Settings;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  larkhorn send-test --chat oncall
  larkhorn send-test --person lin --urgent phone
  larkhorn send-test --chat oncall --person mara")]
#[command(group(clap::ArgGroup::new("target").required(true).multiple(true).args(["chat", "person"])))]
pub(super) struct Options {
    /// Chat to send the card to, as the rules name it; without it the person gets it directly
    #[arg(long, value_name = "NAME")]
    chat: Option<String>,
    /// Person to buzz, as the rules name them
    #[arg(long, value_name = "NAME")]
    person: Option<String>,
    /// How loudly: none, app, sms or phone (SMS and phone use the tenant's quota)
    #[arg(long, value_name = "LOUDNESS", default_value = "app", value_parser = loudness, requires = "person")]
    urgent: Urgent,
}

fn loudness(word: &str) -> Result<Urgent, String> {
    Urgent::from_word(word).ok_or_else(|| "one of none, app, sms, phone is expected".to_owned())
}

pub(super) async fn run(options: Options, settings: Settings) -> anyhow::Result<ExitCode> {
    let trial = Trial { chat: options.chat, person: options.person, urgent: options.urgent };
    for line in app::send_test(&settings, trial, std::sync::Arc::new(app::SystemClock)).await? {
        say(&line);
    }
    Ok(ExitCode::SUCCESS)
}
