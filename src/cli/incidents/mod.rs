//! `larkhorn incidents`: what burns, and what to do about it, on a running server.

mod text;

use std::process::ExitCode;

use anyhow::Context;
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::output::{Format, Paint, complain, printable, say};
use super::server::{self, Server};
use crate::settings::{Settings, SettingsError};

pub(super) use text::{facts, word};

const MORE: &str = "\
Examples:
  larkhorn incidents list --state triggered
  larkhorn incidents show INC-1
  larkhorn incidents acknowledge INC-1 --by lin
  larkhorn incidents snooze INC-1 --for 2h --by lin
  larkhorn incidents escalate INC-1 --by lin
  larkhorn incidents resolve INC-1 --by lin
  larkhorn incidents list -o json";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    Triggered,
    Acknowledged,
    Snoozed,
    Resolved,
}

#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub(super) struct Options {
    #[command(flatten)]
    server: ServerOptions,
    #[command(subcommand)]
    wish: Wish,
}

#[derive(Debug, clap::Args)]
struct ServerOptions {
    #[arg(long, global = true, value_name = "URL", help = server::HELP)]
    server: Option<String>,
    /// How to print it
    #[arg(short, long, global = true, default_value = "text")]
    output: Format,
}

#[derive(Debug, Subcommand)]
enum Wish {
    /// Incidents, newest first
    #[command(after_help = "Examples:\n  larkhorn incidents list --state triggered --limit 20")]
    List {
        /// Only those in that state
        #[arg(long)]
        state: Option<State>,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// One incident, and what happened to it
    #[command(after_help = "Examples:\n  larkhorn incidents show INC-1")]
    Show {
        /// Such as INC-142
        #[arg(value_name = "INCIDENT")]
        id: String,
    },
    /// It is yours: nobody else is called
    #[command(
        visible_alias = "ack",
        after_help = "Examples:\n  larkhorn incidents acknowledge INC-1 --by lin"
    )]
    Acknowledge(About),
    /// It is not yours after all: paging starts over
    #[command(after_help = "Examples:\n  larkhorn incidents unacknowledge INC-1 --by lin")]
    Unacknowledge(About),
    /// Quiet for a while
    #[command(after_help = "Examples:\n  larkhorn incidents snooze INC-1 --for 2h --by lin")]
    Snooze(Timed),
    /// It is over
    #[command(after_help = "Examples:\n  larkhorn incidents resolve INC-1 --by lin")]
    Resolve(About),
    /// The next step of the ladder, now
    #[command(after_help = "Examples:\n  larkhorn incidents escalate INC-1 --by lin")]
    Escalate(About),
}

#[derive(Debug, clap::Args)]
struct About {
    /// Such as INC-142
    #[arg(value_name = "INCIDENT", required = true)]
    ids: Vec<String>,
    /// Who does it, as the rules name them (default: the user who runs this)
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Timed {
    #[command(flatten)]
    about: About,
    /// How long, such as 30m or 2h; a week at most
    #[arg(long = "for", value_name = "DURATION")]
    span: String,
}

pub(super) async fn run(
    options: Options,
    settings: impl FnOnce() -> Result<Settings, SettingsError>,
    user: Option<String>,
    paint: Paint,
) -> anyhow::Result<ExitCode> {
    let there = server::ServerOptions::new(options.server.server.clone());
    let settings = server::settings(&there, settings)?;
    let server = Server::new(&there, &settings)?;
    let desk = Desk {
        server,
        user,
        page: text::Page { zone: settings.timezone, paint },
        format: options.server.output,
    };
    match options.wish {
        Wish::List { state, limit } => desk.list(state, limit).await,
        Wish::Show { id } => desk.show(&id).await,
        Wish::Acknowledge(about) => desk.act("acknowledge", about, None).await,
        Wish::Unacknowledge(about) => desk.act("unacknowledge", about, None).await,
        Wish::Resolve(about) => desk.act("resolve", about, None).await,
        Wish::Escalate(about) => desk.act("escalate", about, None).await,
        Wish::Snooze(Timed { about, span }) => desk.act("snooze", about, Some(span)).await,
    }
}

/// Where wishes are carried out.
struct Desk {
    server: Server,
    user: Option<String>,
    page: text::Page,
    format: Format,
}

const INCIDENTS: [&str; 3] = ["api", "v1", "incidents"];
/// What the server gives at once.
const PAGE_MAX: usize = 500;

impl Desk {
    async fn list(&self, state: Option<State>, limit: usize) -> anyhow::Result<ExitCode> {
        let state =
            state.and_then(|state| state.to_possible_value()).map(|value| value.get_name().to_owned());
        let mut incidents: Vec<Value> = Vec::new();
        let mut before: Option<String> = None;
        while incidents.len() < limit {
            let count = (limit - incidents.len()).min(PAGE_MAX).to_string();
            let mut query = vec![("limit", count.as_str())];
            query.extend(state.as_deref().map(|state| ("state", state)));
            query.extend(before.as_deref().map(|id| ("before", id)));
            let page = self.server.get(&INCIDENTS, &query).await?;
            incidents.extend(page.get("incidents").and_then(Value::as_array).into_iter().flatten().cloned());
            before = page.get("next").and_then(Value::as_str).map(str::to_owned);
            if before.is_none() {
                break;
            }
        }
        match self.format {
            Format::Json => say(&json!({ "incidents": incidents, "next": before }).to_string()),
            Format::Text => self.page.list(&incidents),
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn show(&self, id: &str) -> anyhow::Result<ExitCode> {
        let incident = self.server.get(&[&INCIDENTS[..], &[id]].concat(), &[]).await?;
        match self.format {
            Format::Json => say(&incident.to_string()),
            Format::Text => self.page.show(&incident),
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Does the same about several; one that cannot be done does not keep the others from it.
    async fn act(&self, action: &str, about: About, span: Option<String>) -> anyhow::Result<ExitCode> {
        let by = about.by.or_else(|| self.user.clone());
        let by = by.context("who does it? give --by NAME")?;
        let mut body = json!({ "by": by });
        if let (Some(span), Some(object)) = (span, body.as_object_mut()) {
            object.insert("for".to_owned(), json!(span));
        }
        let mut code = ExitCode::SUCCESS;
        for id in about.ids {
            match self.server.post(&[&INCIDENTS[..], &[&id, action]].concat(), &body).await {
                Ok(incident) => match self.format {
                    Format::Json => say(&incident.to_string()),
                    Format::Text => self.page.list(&[incident]),
                },
                Err(error) => {
                    complain(&format!("larkhorn: {}", printable(&format!("{error:#}"))));
                    code = ExitCode::FAILURE;
                }
            }
        }
        Ok(code)
    }
}
