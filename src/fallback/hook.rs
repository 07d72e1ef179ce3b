//! Any server that takes a JSON body.

use reqwest::header::AUTHORIZATION;
use reqwest::{Client, Url};
use secrecy::SecretString;
use serde_json::json;

use super::{FallbackError, Notice, SinkError, address, posted};
use crate::settings::FallbackWebhook;
use crate::wire;

/// Its key in the settings.
pub(super) const NAME: &str = "webhook";

/// See the module.
pub(super) struct Hook {
    http: Client,
    url: Url,
    authorization: Option<reqwest::header::HeaderValue>,
    secrets: Vec<SecretString>,
}

impl Hook {
    pub(super) fn new(settings: &FallbackWebhook, http: Client) -> Result<Self, FallbackError> {
        let url = address("webhook.url", &settings.url)?;
        let authorization = match &settings.bearer_token {
            Some(token) => Some(wire::authorization("Bearer", token).ok_or_else(|| {
                FallbackError(
                    "fallback.webhook.bearer_token holds characters that cannot go into a header".into(),
                )
            })?),
            None => None,
        };
        let secrets = [Some(settings.url.clone()), settings.bearer_token.clone()];
        Ok(Self { http, url, authorization, secrets: secrets.into_iter().flatten().collect() })
    }

    pub(super) async fn tell(&self, notice: &Notice) -> Result<(), SinkError> {
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
        posted(NAME, request, &self.secrets).await.map(drop)
    }
}
