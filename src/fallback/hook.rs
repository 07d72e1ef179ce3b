//! Any server that takes a JSON body.

use reqwest::header::AUTHORIZATION;
use reqwest::{Client, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{BadWay, NotTold, Notice};
use crate::settings::FallbackWebhook;
use crate::wire::{self, Lost};

/// Answers are a few hundred bytes; they are only looked at when something is wrong.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// See the module.
pub struct Hook {
    http: Client,
    url: Url,
    authorization: Option<reqwest::header::HeaderValue>,
    secrets: Vec<SecretString>,
}

impl Hook {
    /// Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// When the address is none, or the token does not fit into a header.
    pub fn new(settings: &FallbackWebhook, http: Client) -> Result<Self, BadWay> {
        let url = wire::address(settings.url.expose_secret())
            .ok_or_else(|| BadWay("fallback.webhook.url is not an http or https address".into()))?;
        let authorization = match &settings.bearer_token {
            Some(token) => Some(wire::authorization("Bearer", token).ok_or_else(|| {
                BadWay("fallback.webhook.bearer_token holds characters that cannot go into a header".into())
            })?),
            None => None,
        };
        let secrets = [Some(settings.url.clone()), settings.bearer_token.clone()];
        Ok(Self { http, url, authorization, secrets: secrets.into_iter().flatten().collect() })
    }

    /// Posts a notice.
    ///
    /// # Errors
    ///
    /// When it was not answered with a 2xx.
    pub async fn tell(&self, notice: &Notice) -> Result<(), NotTold> {
        let body = json!({
            "incident": notice.incident,
            "title": notice.title,
            "severity": notice.severity,
            "urgent": notice.urgent.as_str(),
            "people": notice.people,
            "text": notice.text,
            "opened_at": notice.opened_at.to_string(),
        });
        let mut request = self.http.post(self.url.clone()).json(&body);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let (http, answer) = wire::answer(request, ANSWER_BYTES_MAX, &self.secrets)
            .await
            .map_err(|error| NotTold { message: error.message, again: error.lost != Lost::Senseless })?;
        if http < 300 {
            return Ok(());
        }
        let mut message = format!("HTTP {http} {}", String::from_utf8_lossy(&answer)).trim().to_owned();
        wire::redact(&mut message, &self.secrets);
        Err(NotTold { message, again: matches!(http, 408 | 425 | 429 | 500..) })
    }
}
