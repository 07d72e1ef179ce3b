//! A custom bot of a chat: its own address, its own limits, no app behind it
//! (feishu-api.md §9). It speaks while the app is locked out of Feishu. What it
//! says cannot be urged, edited or answered.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use reqwest::{Client, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::wire::{self, Lost};

/// Codes that pass: too many messages, an internal error (feishu-api.md §9, §2).
const PASSING: [i64; 3] = [11_232, 11_233, 2200];
/// Answers are a few hundred bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// See the module. The address is as good as a password and never printed.
pub struct CustomBot {
    http: Client,
    url: Url,
    secret: Option<SecretString>,
    secrets: Vec<SecretString>,
}

/// Why a bot did not say it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BotError {
    /// Feishu's code and words, or what went wrong on the way.
    pub message: String,
    /// Whether trying again may help.
    pub again: bool,
}

impl CustomBot {
    /// `None` when the address is none. `secret`: where the bot's security
    /// settings ask for a signature.
    pub fn new(http: Client, url: &SecretString, secret: Option<SecretString>) -> Option<Self> {
        let url = wire::address(url.expose_secret())?;
        // The end of the address is the password.
        let token = url.path_segments().and_then(Iterator::last).unwrap_or_default().to_owned();
        let secrets = [Some(token.into()), secret.clone()].into_iter().flatten().collect();
        Some(Self { http, url, secret, secrets })
    }

    /// Says a text in its chat.
    ///
    /// # Errors
    ///
    /// When it did not, or nobody knows.
    pub async fn say(&self, text: &str, now: Timestamp) -> Result<(), BotError> {
        let mut body = json!({"msg_type": "text", "content": {"text": text}});
        if let (Some(secret), Some(fields)) = (&self.secret, body.as_object_mut()) {
            let timestamp = now.as_second();
            fields.insert("sign".to_owned(), sign(timestamp, secret).into());
            fields.insert("timestamp".to_owned(), timestamp.to_string().into());
        }
        let request = self.http.post(self.url.clone()).json(&body);
        let (http, answer) = wire::answer(request, ANSWER_BYTES_MAX, &self.secrets)
            .await
            .map_err(|error| BotError { message: error.message, again: error.lost != Lost::Senseless })?;
        let (mut message, again) = match said(&answer) {
            Some((0, _)) if http < 300 => return Ok(()),
            Some((code, words)) => (format!("{code} {words}"), PASSING.contains(&code)),
            None if http < 400 => ("the answer is not a bot's; is the address right?".to_owned(), false),
            None => (format!("HTTP {http}"), matches!(http, 408 | 425 | 429 | 500..)),
        };
        wire::redact(&mut message, &self.secrets);
        Err(BotError { message, again })
    }
}

/// Code and words of an answer.
fn said(answer: &[u8]) -> Option<(i64, String)> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let code = answer.get("code").or_else(|| answer.get("StatusCode"))?.as_i64()?;
    let words = answer.get("msg").and_then(Value::as_str).unwrap_or_default();
    Some((code, words.to_owned()))
}

/// The signature of a bot: HMAC-SHA256 of nothing, keyed by time and secret.
fn sign(timestamp: i64, secret: &SecretString) -> String {
    let key = format!("{timestamp}\n{}", secret.expose_secret());
    // A key of any length will do.
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes());
    mac.map(|mac| STANDARD.encode(mac.finalize().into_bytes())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_documentation() {
        // feishu-api.md §9
        assert_eq!(
            sign(1_599_360_473, &"test-secret".into()),
            "wSds2BzzFIIGf/WrhUO+NI1q/9j+FRJd3JNHKAq0NZY="
        );
        assert_eq!(sign(1_700_000_000, &"abc".into()), "VIS10b0EBvzzSdFnuk4tznEmK5wHaruvf/WnViv2yR4=");
    }
}
