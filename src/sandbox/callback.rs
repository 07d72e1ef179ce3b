//! Sends requests to the app's callback address as Feishu does (feishu-api.md §7).

use std::time::Duration;

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeEncrypt, KeyIvInit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Feishu waits so long for an answer.
const ANSWER: Duration = Duration::from_secs(3);
/// And so long for a connection.
const CONNECT: Duration = Duration::from_secs(2);

/// Codes that Feishu shows when a callback goes wrong.
pub(super) const TIMED_OUT: i64 = 200_341;
pub(super) const NOT_CONNECTED: i64 = 200_342;
pub(super) const NOT_200: i64 = 200_671;
pub(super) const BAD_BODY: i64 = 200_672;
pub(super) const BAD_CARD: i64 = 200_673;

/// What the app's developer entered in the console: where callbacks and events go.
#[derive(Clone, PartialEq, Eq)]
pub struct Callback {
    /// The address, `http://…/feishu/events`.
    pub url: String,
    /// With it, bodies are encrypted and requests signed.
    pub encrypt_key: Option<String>,
    /// Every body carries it.
    pub verification_token: String,
}

impl std::fmt::Debug for Callback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Callback").field("url", &self.url).finish_non_exhaustive()
    }
}

/// An event as it goes out, again and again the same; the token joins it on the way.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Envelope {
    pub(super) event_id: String,
    pub(super) kind: String,
    pub(super) created_at: Timestamp,
    pub(super) app: String,
    pub(super) event: Value,
}

/// A request that is being answered or was: its status and body, or Feishu's code.
pub(super) type Answered = Result<(u16, Vec<u8>), i64>;

/// The client for callbacks; `None` when the machine cannot make one.
pub(super) fn client() -> Option<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(ANSWER)
        .connect_timeout(CONNECT)
        .build()
        .ok()
}

impl Callback {
    /// Sends it, signed at `now`.
    pub(super) async fn post(
        &self,
        client: Option<&reqwest::Client>,
        envelope: &Envelope,
        now: Timestamp,
    ) -> Answered {
        let client = client.ok_or(NOT_CONNECTED)?;
        let mut request = client.post(&self.url).header("Content-Type", "application/json; charset=utf-8");
        let mut body = envelope.json(&envelope.app, Some(&self.verification_token)).to_string();
        if let Some(key) = &self.encrypt_key {
            body = json!({"encrypt": encrypt(&body, key, &envelope.event_id)}).to_string();
            let (timestamp, nonce) = (now.as_second().to_string(), envelope.event_id.clone());
            let signature = Sha256::digest([&timestamp, &nonce, key, &body].map(String::as_bytes).concat());
            request = request
                .header("X-Lark-Request-Timestamp", timestamp)
                .header("X-Lark-Request-Nonce", nonce)
                .header("X-Lark-Signature", hex::encode(signature));
        }
        let code = |error: &reqwest::Error| if error.is_timeout() { TIMED_OUT } else { NOT_CONNECTED };
        let answer = request.body(body).send().await.map_err(|e| code(&e))?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.map_err(|e| code(&e))?;
        Ok((status, body.to_vec()))
    }
}

impl Envelope {
    /// Its JSON, for that app; over a long connection no token proves it.
    pub(super) fn json(&self, app: &str, token: Option<&str>) -> Value {
        json!({
            "schema": "2.0",
            "header": {
                "event_id": self.event_id,
                "event_type": self.kind,
                "create_time": self.created_at.as_millisecond().to_string(),
                "token": token.unwrap_or_default(),
                "app_id": app,
                "tenant_key": "sandbox",
            },
            "event": self.event,
        })
    }
}

/// The vector comes from the event's id instead of chance: the same calls give the same world.
fn encrypt(text: &str, key: &str, event_id: &str) -> String {
    let key: [u8; 32] = Sha256::digest(key).into();
    let seed: [u8; 32] = Sha256::digest(event_id).into();
    let (vector, _) = seed.split_at(16);
    let mut sealed = vector.to_vec();
    if let Ok(cipher) = cbc::Encryptor::<aes::Aes256>::new_from_slices(&key, vector) {
        sealed.extend(cipher.encrypt_padded_vec::<Pkcs7>(text.as_bytes()));
    }
    STANDARD.encode(sealed)
}
