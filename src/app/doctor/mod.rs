//! Is everything set up: Feishu's app and tenant, the rules' people and chats,
//! Alertmanager, the store?
//!
//! Each [`Check`] stands for itself and says how to mend what is wrong. A check
//! that another one's failure makes senseless is skipped. Nothing is changed and
//! nobody is told anything, but for the card of [`Asked::click`].

mod chats;
mod click;
mod feishu;
mod here;
mod people;

use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;

use super::{Counted, RuleFiles, connect};
use crate::domain::Clock;
use crate::feishu::Client;
use crate::rules::{RuleSet, Warning};
use crate::settings::{Events, Settings};
use crate::telemetry::Metrics;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// As it should be.
    Ok,
    /// It was not looked at.
    Skip,
    /// It works, but not wholly, or not for long.
    Warn,
    /// It does not work.
    Fail,
}

impl State {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skip => "skip",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What, in a word that stays the same from release to release; with what it
    /// is about after a colon, as in `chat:sre`.
    pub name: String,
    /// How it came out.
    pub state: State,
    /// What was found.
    pub why: String,
    /// How to mend it; empty where there is nothing to mend.
    pub mend: String,
}

impl Check {
    fn new(name: impl Into<String>, state: State, why: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { name: name.into(), state, why: why.into(), mend: mend.into() }
    }

    fn ok(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(name, State::Ok, why, "")
    }

    fn skip(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(name, State::Skip, why, "")
    }

    fn warn(name: impl Into<String>, why: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(name, State::Warn, why, mend)
    }

    fn fail(name: impl Into<String>, why: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(name, State::Fail, why, mend)
    }
}

/// What to look at.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Nothing that needs a network.
    pub offline: bool,
    /// Post a card to this chat (of the rules) and wait for somebody to press its button.
    pub click: Option<Click>,
}

/// A card that waits to be pressed.
#[derive(Debug, Clone)]
pub struct Click {
    /// The chat's name in the rules; `None`: the first.
    pub chat: Option<String>,
    /// How long to wait.
    pub patience: std::time::Duration,
}

/// Looks at everything, telling each result as it comes.
///
/// # Errors
///
/// Nothing that is wrong with the installation: that is what the checks are for.
pub async fn examine(
    settings: &Settings,
    asked: &Asked,
    clock: Arc<dyn Clock>,
    tell: &mut (dyn FnMut(Check) + Send),
) -> anyhow::Result<()> {
    let now = clock.now();
    let rules = rules(settings, asked.offline, now, tell).await;
    here::store(settings, tell);
    if let Some((rules, warnings)) = &rules {
        here::gaps(rules, now, tell);
        here::budgets(rules, warnings, tell);
    }
    if asked.offline {
        for name in ["credentials", "alertmanager"] {
            tell(Check::skip(name, "--offline: what needs a network is not looked at"));
        }
        return Ok(());
    }
    here::alertmanager(settings, tell).await;
    let client = match connect(settings, Counted::new(Metrics::new(env!("CARGO_PKG_VERSION")), clock.clone()))
    {
        Ok(client) => client,
        Err(error) => {
            let mend = "see `feishu:` in larkhorn.yaml; deploy/larkhorn.yaml shows every key";
            tell(Check::fail("credentials", format!("{error:#}"), mend));
            return Ok(());
        }
    };
    let rules = rules.as_ref().map(|(rules, _)| rules);
    let patient = Patient { settings, client, rules, now };
    if !feishu::look(&patient, tell).await {
        tell(Check::skip("chats", "Feishu does not let the app in"));
        tell(Check::skip("people", "Feishu does not let the app in"));
        return Ok(());
    }
    let known = people::look(&patient, tell).await;
    chats::look(&patient, &known, tell).await;
    match &asked.click {
        Some(card) => click::look(&patient, card, clock, tell).await,
        None if settings.feishu.events == Events::Off => {
            tell(Check::skip("callbacks", "feishu.events is off: cards have no buttons"));
        }
        None => tell(Check::skip("callbacks", "only a press tells; run it with --click")),
    }
    Ok(())
}

/// What is looked at.
struct Patient<'a> {
    settings: &'a Settings,
    client: Client,
    /// `None`: they cannot be read.
    rules: Option<&'a RuleSet>,
    now: Timestamp,
}

async fn rules(
    settings: &Settings,
    offline: bool,
    now: Timestamp,
    tell: &mut (dyn FnMut(Check) + Send),
) -> Option<(RuleSet, Vec<Warning>)> {
    let mend = "`larkhorn check` shows every mistake in its line";
    let paths = std::slice::from_ref(&settings.rules);
    let read =
        if offline { RuleFiles::read_offline(paths, now).await } else { RuleFiles::read(paths, now).await };
    let files = match read.context("rules") {
        Ok(files) => files,
        Err(error) => {
            tell(Check::fail("rules", format!("{error:#}"), mend));
            return None;
        }
    };
    here::calendars(&files, tell);
    match files.load() {
        Ok((rules, warnings)) => {
            let why = format!(
                "{} rules, {} people, {} chats",
                rules.rules().len(),
                rules.people().len(),
                rules.chats().len()
            );
            tell(if warnings.is_empty() {
                Check::ok("rules", why)
            } else {
                Check::warn("rules", format!("{why}; {} warnings", warnings.len()), mend)
            });
            Some((rules, warnings))
        }
        Err(errors) => {
            let first = errors.first().map(ToString::to_string).unwrap_or_default();
            let more = errors.len().saturating_sub(1);
            let more = if more > 0 { format!(", and {more} more mistakes") } else { String::new() };
            tell(Check::fail("rules", format!("{first}{more}"), mend));
            None
        }
    }
}
