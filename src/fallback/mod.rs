//! The last resort: tells people by other ways when Feishu as a whole cannot be reached.
//!
//! A custom bot of a chat, any server that takes JSON, or mail. None of them
//! rings, none can be answered; they only have to arrive.
//!
//! # Invariants
//!
//! * No call waits or is repeated here; the courier tries again.
//! * Addresses and passwords are never printed, not even when the other side quotes them.
//!
//! When Feishu counts as unreachable, and who is told of what, is decided by `worker`.

mod bot;
mod hook;
mod mail;

use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;

use crate::domain::Urgent;
use crate::settings::Fallback;
use crate::wire;

/// For a whole call, in seconds.
const TIMEOUT: Duration = Duration::from_secs(10);
/// For connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Answers are a few hundred bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What has to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// `INC-142`.
    pub incident: String,
    /// Its headline.
    pub title: String,
    /// Its severity's name.
    pub severity: String,
    /// How loudly people should have been buzzed.
    pub urgent: Urgent,
    /// Names of whom it is for.
    pub people: Vec<String>,
    /// One line that says all of it.
    pub text: String,
    /// When it opened.
    pub opened_at: Timestamp,
}

/// Why a sink did not take a notice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("fallback.{sink}: {message}")]
pub struct SinkError {
    /// Which, by its key in the settings.
    pub sink: &'static str,
    /// What went wrong, without addresses.
    pub message: String,
    /// Whether trying again may help.
    pub again: bool,
}

/// Why the sinks of the settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FallbackError(String);

/// The ways that the settings name.
pub struct Sinks(Vec<Sink>);

enum Sink {
    Bot(bot::Bot),
    Hook(hook::Hook),
    Mail(mail::Mail),
}

impl Sink {
    fn name(&self) -> &'static str {
        match self {
            Self::Bot(_) => bot::NAME,
            Self::Hook(_) => hook::NAME,
            Self::Mail(_) => mail::NAME,
        }
    }
}

impl Sinks {
    /// Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// When an address is none, or the TLS library found no certificates to trust.
    pub fn new(settings: &Fallback) -> Result<Self, FallbackError> {
        let http = wire::client(TIMEOUT, CONNECT_TIMEOUT)
            .map_err(|error| FallbackError(format!("the HTTP client of fallback cannot start: {error}")))?;
        let mut sinks = Vec::new();
        if let Some(bot) = &settings.feishu_bot {
            sinks.push(Sink::Bot(bot::Bot::new(bot, http.clone())?));
        }
        if let Some(hook) = &settings.webhook {
            sinks.push(Sink::Hook(hook::Hook::new(hook, http)?));
        }
        if let Some(mail) = &settings.smtp {
            sinks.push(Sink::Mail(mail::Mail::new(mail)?));
        }
        Ok(Self(sinks))
    }

    /// Their names, as in the settings.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.iter().map(Sink::name)
    }

    /// Tells it by one of them. A sink that the settings name no more takes everything.
    ///
    /// # Errors
    ///
    /// When it did not take it, or nobody knows.
    pub async fn tell(&self, name: &str, notice: &Notice, now: Timestamp) -> Result<(), SinkError> {
        match self.0.iter().find(|sink| sink.name() == name) {
            Some(Sink::Bot(bot)) => bot.tell(notice, now).await,
            Some(Sink::Hook(hook)) => hook.tell(notice).await,
            Some(Sink::Mail(mail)) => mail.tell(notice).await,
            None => Ok(()),
        }
    }
}

/// An address of the settings; an error that does not repeat it.
fn address(key: &str, url: &SecretString) -> Result<reqwest::Url, FallbackError> {
    use secrecy::ExposeSecret;
    wire::address(url.expose_secret())
        .ok_or_else(|| FallbackError(format!("fallback.{key} is not an http or https address")))
}

/// A notice that was posted: the body of the answer, or why there is none.
async fn posted(
    sink: &'static str,
    request: reqwest::RequestBuilder,
    secrets: &[SecretString],
) -> Result<(u16, Vec<u8>), SinkError> {
    let failed = |unanswered: wire::Unanswered| {
        let mut message = unanswered.message;
        wire::redact(&mut message, secrets);
        SinkError { sink, message, again: unanswered.lost != wire::Lost::Senseless }
    };
    let mut response = request.send().await.map_err(|error| failed(error.into()))?;
    let status = response.status().as_u16();
    let body = wire::read(&mut response, ANSWER_BYTES_MAX).await.map_err(failed)?;
    if status < 300 {
        return Ok((status, body));
    }
    let mut message = format!("HTTP {status} {}", String::from_utf8_lossy(&body).trim());
    wire::redact(&mut message, secrets);
    Err(SinkError { sink, message, again: matches!(status, 408 | 425 | 429 | 500..) })
}
