//! Opens a long connection: asks Feishu where, then goes there.
//!
//! The handshake is an HTTP request of the client that makes all other calls,
//! so that certificates, timeouts and proxies are the same for both. That client
//! speaks HTTP/1.1 alone, as an upgrade needs it.

use std::fmt;

use reqwest::header::{CONNECTION, HeaderMap, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use reqwest::header::{HeaderName, SEC_WEBSOCKET_VERSION};
use reqwest::{StatusCode, Upgraded, Url};
use secrecy::SecretString;
use serde_json::Value;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::pace::Pace;
use super::session::Session;
use super::verdict::{self, Verdict};
use crate::feishu::Client;
use crate::wire::{self, Unanswered};

/// Shorter values of the address are no secrets, and stand in many a word.
const SECRET_CHARS_MIN: usize = 6;

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct NotOpened {
    /// Whether trying again may help.
    pub verdict: Verdict,
    /// What went wrong, in words: the same for the same trouble. Holds no secret.
    pub what: String,
    /// Feishu's id of the call, to be quoted to its support.
    pub log_id: Option<String>,
    /// How fast to try again, if Feishu has said so.
    pub pace: Option<Pace>,
}

/// Where to connect to. Its address is as good as a password.
struct Invitation {
    url: Url,
    service: i32,
    pace: Pace,
}

impl Client {
    /// Connects, with a new ticket.
    ///
    /// # Errors
    ///
    /// See [`NotOpened`].
    pub async fn open_long_connection(&self) -> Result<Session<Upgraded>, NotOpened> {
        let answer = self.long_connection_endpoint().await.map_err(|mut error| NotOpened {
            verdict: verdict::of_call(&error),
            log_id: error.log_id.take(),
            what: error.to_string(),
            pace: None,
        })?;
        let invitation = Invitation::read(&answer).ok_or_else(|| NotOpened {
            verdict: Verdict::Retry,
            what: "Feishu's answer holds no usable address of a long connection".to_owned(),
            log_id: None,
            pace: None,
        })?;
        let pace = invitation.pace;
        self.dial(invitation).await.map_err(|(verdict, what)| NotOpened {
            verdict,
            what,
            log_id: None,
            pace: Some(pace),
        })
    }

    async fn dial(&self, invitation: Invitation) -> Result<Session<Upgraded>, (Verdict, String)> {
        let key = generate_key();
        let request = self
            .http()
            .get(invitation.url.clone())
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, key.as_str());
        let broken = |error: reqwest::Error| (Verdict::Retry, Unanswered::from(error).message);
        let response = request.send().await.map_err(broken)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(refusal(&invitation, response.status(), response.headers()));
        }
        let accepted = response.headers().get(SEC_WEBSOCKET_ACCEPT).map(|value| value.as_bytes().to_vec());
        if accepted != Some(derive_accept_key(key.as_bytes()).into_bytes()) {
            return Err((Verdict::Retry, "who answered does not speak WebSocket".to_owned()));
        }
        let stream = response.upgrade().await.map_err(broken)?;
        Ok(Session::over(stream, invitation.service, invitation.pace).await)
    }
}

impl Invitation {
    fn read(answer: &Value) -> Option<Self> {
        let mut url = Url::parse(answer.pointer("/data/URL")?.as_str()?).ok()?;
        let scheme = match url.scheme() {
            "wss" => "https",
            "ws" => "http",
            _ => return None,
        };
        url.set_scheme(scheme).ok()?;
        let (_, service) = url.query_pairs().find(|(key, _)| key == "service_id")?;
        let service = service.parse().ok()?;
        let config = answer.pointer("/data/ClientConfig").map(Value::to_string).unwrap_or_default();
        Some(Self { url, service, pace: Pace::default().told(config.as_bytes()) })
    }

    /// The text without what the address keeps secret.
    fn redacted(&self, text: &str) -> String {
        let secrets = self.url.query_pairs().map(|(_, value)| value.into_owned());
        let secrets: Vec<SecretString> =
            secrets.filter(|s| s.chars().count() >= SECRET_CHARS_MIN).map(SecretString::from).collect();
        let mut text = text.to_owned();
        wire::redact(&mut text, &secrets);
        text
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invitation").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

fn refusal(invitation: &Invitation, http: StatusCode, headers: &HeaderMap) -> (Verdict, String) {
    let header =
        |name: &'static str| headers.get(HeaderName::from_static(name)).and_then(|value| value.to_str().ok());
    let number = |name| header(name).and_then(|text| text.trim().parse::<i64>().ok());
    let (status, auth_code) = (number("handshake-status"), number("handshake-autherrcode"));
    let what = match status {
        Some(status) => {
            let code = auth_code.map(|code| format!(" ({code})")).unwrap_or_default();
            let words = invitation.redacted(header("handshake-msg").unwrap_or("no message"));
            format!("handshake refused: {status}{code} {words}")
        }
        None => format!("handshake refused: HTTP {}", http.as_u16()),
    };
    (verdict::of_handshake(status, auth_code), what)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn read(url: &str) -> Option<Invitation> {
        Invitation::read(&json!({"code": 0, "data": {"URL": url, "ClientConfig": {"PingInterval": 7}}}))
    }

    #[test]
    fn an_invitation_has_an_address_a_service_and_a_pace() {
        let got = read("wss://front.example/ws/v2?device_id=1&service_id=33554678&ticket=secret-t").unwrap();
        assert_eq!((got.service, got.pace.ping), (33_554_678, Duration::from_secs(7)));
        assert!(got.url.as_str().starts_with("https://front.example/ws/v2?device_id=1"));
        assert!(!format!("{got:?}").contains("secret"));
        assert_eq!(got.redacted("no ticket secret-t!"), "no ticket [redacted]!");
        for unusable in
            ["https://front.example/?service_id=1", "wss://front.example/", "wss://x/?service_id=x", ""]
        {
            assert!(read(unusable).is_none(), "{unusable}");
        }
        assert!(Invitation::read(&json!({"code": 0})).is_none());
    }

    #[test]
    fn a_refusal_is_told_in_feishus_words() {
        let invitation = read("ws://x/?service_id=1&ticket=secret-t").unwrap();
        let mut headers = HeaderMap::new();
        let bare = refusal(&invitation, StatusCode::BAD_GATEWAY, &headers);
        assert_eq!(bare, (Verdict::Retry, "handshake refused: HTTP 502".to_owned()));
        headers.insert("Handshake-Status", "514".parse().unwrap());
        headers.insert("Handshake-Autherrcode", "1000040350".parse().unwrap());
        headers.insert("Handshake-Msg", "secret-t exceeds the limit".parse().unwrap());
        let (verdict, what) = refusal(&invitation, StatusCode::BAD_REQUEST, &headers);
        assert!(matches!(verdict, Verdict::Stop(way_out) if way_out.contains("50 connections")));
        assert_eq!(what, "handshake refused: 514 (1000040350) [redacted] exceeds the limit");
    }
}
