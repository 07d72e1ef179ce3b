//! A custom bot of a chat: its own address, its own limits, no app behind it
//! (feishu-api.md §9). It works while the app is locked out of Feishu.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use reqwest::{Client, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{FallbackError, Notice, SinkError, address, posted};
use crate::settings::FeishuBot;

/// Its key in the settings.
pub(super) const NAME: &str = "feishu_bot";
/// Codes that pass: too many messages, an internal error (feishu-api.md §9, §2).
const PASSING: [i64; 3] = [11_232, 11_233, 2200];

/// See the module.
pub(super) struct Bot {
    http: Client,
    url: Url,
    secret: Option<SecretString>,
    secrets: Vec<SecretString>,
}

impl Bot {
    pub(super) fn new(settings: &FeishuBot, http: Client) -> Result<Self, FallbackError> {
        let url = address("feishu_bot.url", &settings.url)?;
        // The end of the address is the password.
        let token = url.path_segments().and_then(Iterator::last).unwrap_or_default().to_owned();
        let secrets = [Some(token.into()), settings.secret.clone()].into_iter().flatten().collect();
        Ok(Self { http, url, secret: settings.secret.clone(), secrets })
    }

    pub(super) async fn tell(&self, notice: &Notice, now: Timestamp) -> Result<(), SinkError> {
        let mut body = json!({"msg_type": "text", "content": {"text": notice.text}});
        if let (Some(secret), Some(fields)) = (&self.secret, body.as_object_mut()) {
            let timestamp = now.as_second();
            fields.insert("sign".to_owned(), sign(timestamp, secret).into());
            fields.insert("timestamp".to_owned(), timestamp.to_string().into());
        }
        let request = self.http.post(self.url.clone()).json(&body);
        let (_, answer) = posted(NAME, request, &self.secrets).await?;
        let answer: Option<Value> = serde_json::from_slice(&answer).ok();
        let code = answer.as_ref().and_then(|a| a.get("code").or_else(|| a.get("StatusCode"))?.as_i64());
        match code {
            Some(0) => Ok(()),
            Some(code) => {
                let text = answer.as_ref().and_then(|a| a.get("msg")?.as_str()).unwrap_or_default();
                let mut message = format!("{code} {text}");
                crate::wire::redact(&mut message, &self.secrets);
                Err(SinkError { sink: NAME, message, again: PASSING.contains(&code) })
            }
            None => {
                let message = "the answer is not a bot's; is the address right?".to_owned();
                Err(SinkError { sink: NAME, message, again: false })
            }
        }
    }
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
