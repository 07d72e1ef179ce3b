//! A running larkhorn, asked over its JSON API.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{Method, RequestBuilder, Response};
use secrecy::SecretString;
use serde_json::Value;

use crate::settings::{Settings, SettingsError};
use crate::wire;

/// For a whole call.
const TIMEOUT: Duration = Duration::from_secs(30);
/// For connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Larger answers are none of larkhorn's.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// What nobody has set.
const DEFAULT_URL: &str = "http://localhost:9119";

pub(super) const HELP: &str = "\
Base URL of the server, such as https://pager.example.com (default: server.external_url of the settings, \
else server.listen); its token is server.api_token of the settings";

/// Which server.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ServerOptions {
    #[arg(long, value_name = "URL", help = HELP)]
    server: Option<String>,
}

impl ServerOptions {
    /// That server; `None`: the one of the settings.
    pub(super) fn new(server: Option<String>) -> Self {
        Self { server }
    }
}

/// See the module.
pub(super) struct Server {
    http: reqwest::Client,
    base: reqwest::Url,
    token: Option<SecretString>,
}

impl Server {
    /// The server that options and settings name. Nothing is asked yet.
    pub(super) fn new(options: &ServerOptions, settings: &Settings) -> anyhow::Result<Self> {
        let url = options.server.clone().unwrap_or_else(|| own_url(settings));
        let base = wire::address(&url)
            .with_context(|| format!("{url:?} is no address of a server, such as {DEFAULT_URL}"))?;
        let http = wire::client(TIMEOUT, CONNECT_TIMEOUT).map_err(anyhow::Error::msg)?;
        Ok(Self { http, base, token: settings.server.api_token.clone() })
    }

    /// Asks for something.
    pub(super) async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> anyhow::Result<Value> {
        self.json(self.request(Method::GET, path, query)).await
    }

    /// Wants something done.
    pub(super) async fn post(&self, path: &[&str], body: &Value) -> anyhow::Result<Value> {
        self.json(self.request(Method::POST, path, &[]).json(body)).await
    }

    /// Asks for something that does not end.
    pub(super) async fn stream(&self, path: &[&str]) -> anyhow::Result<Response> {
        const ENDLESS: Duration = Duration::from_hours(24 * 365);
        let sent = self.request(Method::GET, path, &[]).timeout(ENDLESS).send().await;
        let mut response = sent.map_err(|error| self.unanswered(&error.into()))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let body = wire::read(&mut response, ANSWER_BYTES_MAX).await.unwrap_or_default();
        bail!("{}", self.refusal(response.status().as_u16(), &body))
    }

    fn request(&self, method: Method, path: &[&str], query: &[(&str, &str)]) -> RequestBuilder {
        let url = wire::below(&self.base, path.iter().copied(), query);
        let request = self.http.request(method, url);
        match self.token.as_ref().and_then(|token| wire::authorization("Bearer", token)) {
            Some(token) => request.header(reqwest::header::AUTHORIZATION, token),
            None => request,
        }
    }

    async fn json(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let secrets: Vec<SecretString> = self.token.iter().cloned().collect();
        let answer = wire::answer(request, ANSWER_BYTES_MAX, &secrets).await;
        let (status, body) = answer.map_err(|error| self.unanswered(&error))?;
        if !(200..300).contains(&status) {
            bail!("{}", self.refusal(status, &body));
        }
        serde_json::from_slice(&body)
            .with_context(|| format!("what answers at {} is not larkhorn: its answer is no JSON", self.base))
    }

    fn unanswered(&self, error: &wire::Unanswered) -> anyhow::Error {
        anyhow::anyhow!(
            "{}: {}; is larkhorn up there? --server names another address",
            self.base,
            error.message
        )
    }

    /// The server's own words, if it has any.
    fn refusal(&self, status: u16, body: &[u8]) -> String {
        let problem: Option<Value> = serde_json::from_slice(body).ok();
        let detail = problem.as_ref().and_then(|problem| problem.get("detail")).and_then(Value::as_str);
        let mut words = detail.unwrap_or("the answer is not larkhorn's").to_owned();
        wire::redact(&mut words, self.token.iter());
        match status {
            // Said by whoever runs the command, not by the server.
            401 if self.token.is_none() => {
                format!(
                    "{} answers 401: {words}; put the token into the settings that --config names",
                    self.base
                )
            }
            409 => words,
            _ => format!("{} answers {status}: {words}", self.base),
        }
    }
}

/// Where the server of these settings is found.
fn own_url(settings: &Settings) -> String {
    let url = &settings.server.external_url;
    let mut listen = settings.server.listen;
    if url != DEFAULT_URL || listen.port() == 9119 {
        return url.clone();
    }
    if listen.ip().is_unspecified() {
        listen.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    format!("http://{listen}")
}

/// The settings; with a server named, those that cannot be used count as none.
pub(super) fn settings(
    options: &ServerOptions,
    settings: impl FnOnce() -> Result<Settings, SettingsError>,
) -> anyhow::Result<Settings> {
    Ok(match settings() {
        Err(_) if options.server.is_some() => Settings::defaults()?,
        settings => settings?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_found_where_the_settings_say() {
        for (listen, external, found) in [
            ("127.0.0.1:9119", "http://localhost:9119", "http://localhost:9119"),
            ("0.0.0.0:8000", "http://localhost:9119", "http://127.0.0.1:8000"),
            ("[::1]:8000", "http://localhost:9119", "http://[::1]:8000"),
            ("0.0.0.0:8000", "https://pager.example.com", "https://pager.example.com"),
        ] {
            let mut settings = Settings::defaults().unwrap();
            settings.server.listen = listen.parse().unwrap();
            external.clone_into(&mut settings.server.external_url);
            assert_eq!(own_url(&settings), found);
        }
    }

    #[test]
    fn the_token_shows_nowhere() {
        let mut settings = Settings::defaults().unwrap();
        settings.server.api_token = Some("t-secret".into());
        let server = Server::new(&ServerOptions { server: None }, &settings).unwrap();
        let words = server.refusal(500, br#"{"detail": "t-secret is bad"}"#);
        assert_eq!(words, "http://localhost:9119/ answers 500: [redacted] is bad");
        assert_eq!(server.refusal(409, br#"{"detail": "it is over"}"#), "it is over");
        assert!(server.refusal(502, b"<html>").contains("not larkhorn's"));
    }
}
