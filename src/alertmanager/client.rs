//! The wire to Alertmanager: one request, one answer.
//!
//! Redirects are not followed, answers are read up to a limit, and lists are
//! read element by element. What the calls are is said in `silences` and
//! `alerts`; when to try again by the caller.

use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde_json::Value;
use tokio::sync::Mutex;

use super::elements::Elements;
use super::error::{CallError, Verdict};
use crate::wire::{self, Lost, Unanswered};

/// An answer about one thing is a few kilobytes; the configuration in `status` may be more.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Tens of thousands of alerts; whatever is larger is not worth the time.
const LIST_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Where Alertmanager is and how it lets us in.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// `http://am:9093`, or with the path it is served under. A user name and
    /// password in it are sent as basic authentication and never printed.
    pub url: SecretString,
    /// Sent as `Authorization: Bearer …`. Not together with a user name in `url`.
    pub bearer_token: Option<SecretString>,
    /// For a whole call, connecting and reading included.
    pub timeout: Duration,
    /// For connecting alone.
    pub connect_timeout: Duration,
}

/// Why a client could not be made. Does not repeat the address, which may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address of Alertmanager is not one.
    #[error(
        "alertmanager.url is not an http or https address without ? and #, such as http://localhost:9093"
    )]
    Url,
    /// There are two ways to authenticate.
    #[error("alertmanager.url holds a user name and there is a bearer token too; keep one of them")]
    TwoCredentials,
    /// The bearer token holds a line break or the like.
    #[error("the bearer token for Alertmanager holds characters that cannot go into a header")]
    BearerToken,
    /// The TLS library found no certificates to trust, or the like.
    #[error("the HTTP client for Alertmanager cannot start: {0}")]
    Http(String),
}

/// A client of one Alertmanager. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    http: reqwest::Client,
    /// Without user name and password.
    base: Url,
    authorization: Option<HeaderValue>,
    /// What must not show in an error.
    secrets: Vec<SecretString>,
    /// Held while a silence is looked for and made.
    silencing: Mutex<()>,
}

/// One call: which, with what.
pub(crate) struct Call<'a> {
    pub(crate) api: &'static str,
    pub(crate) method: Method,
    /// Below `api/v2`.
    pub(crate) path: &'a [&'a str],
    pub(crate) query: &'a [(&'static str, String)],
    pub(crate) body: Option<&'a Value>,
}

impl<'a> Call<'a> {
    pub(crate) fn get(api: &'static str, path: &'a [&'a str], query: &'a [(&'static str, String)]) -> Self {
        Self { api, method: Method::GET, path, query, body: None }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.inner.base.as_str()).finish_non_exhaustive()
    }
}

impl Client {
    /// Connects to nothing yet.
    pub fn new(config: &ClientConfig) -> Result<Self, ClientError> {
        let mut base = wire::address(config.url.expose_secret())
            .filter(|url| url.query().is_none() && url.fragment().is_none())
            .ok_or(ClientError::Url)?;
        let (scheme, mut secrets) = match (basic(&base), &config.bearer_token) {
            (Some(_), Some(_)) => return Err(ClientError::TwoCredentials),
            (Some((pair, password)), None) => ("Basic", vec![pair, password]),
            (None, Some(token)) => ("Bearer", vec![token.clone()]),
            (None, None) => ("", Vec::new()),
        };
        let authorization = match secrets.first() {
            Some(secret) => Some(wire::authorization(scheme, secret).ok_or(ClientError::BearerToken)?),
            None => None,
        };
        secrets.retain(|secret| !secret.expose_secret().is_empty());
        base.set_username("").and_then(|()| base.set_password(None)).map_err(|()| ClientError::Url)?;
        let http = wire::client(config.timeout, config.connect_timeout).map_err(ClientError::Http)?;
        let silencing = Mutex::new(());
        Ok(Self { inner: Arc::new(Inner { http, base, authorization, secrets, silencing }) })
    }

    pub(crate) fn silencing(&self) -> &Mutex<()> {
        &self.inner.silencing
    }

    /// Makes a call and returns the body of its 2xx.
    pub(crate) async fn ask(&self, call: &Call<'_>) -> Result<Vec<u8>, CallError> {
        let inner = &self.inner;
        let asked = async {
            let mut response = inner.answer(call).await?;
            wire::read(&mut response, ANSWER_BYTES_MAX).await.map_err(|error| unanswered(call.api, &error))
        };
        asked.await.map_err(|error| inner.redacted(error))
    }

    /// Makes a call and reads its answer.
    pub(crate) async fn read<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, CallError> {
        let body = self.ask(call).await?;
        serde_json::from_slice(&body).map_err(|error| self.inner.redacted(misread(call.api, error)))
    }

    /// Makes a call and hands out the elements of its answer one by one, until
    /// there are no more or `take` breaks off.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        call: &Call<'_>,
        take: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), CallError> {
        self.inner.list(call, take).await.map_err(|error| self.inner.redacted(error))
    }
}

impl Inner {
    async fn list<T: DeserializeOwned>(
        &self,
        call: &Call<'_>,
        mut take: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), CallError> {
        let mut response = self.answer(call).await?;
        let (mut elements, mut bytes) = (Elements::new(), 0);
        while let Some(part) = response.chunk().await.map_err(|error| unanswered(call.api, &error.into()))? {
            bytes += part.len();
            if bytes > LIST_BYTES_MAX {
                return Err(unanswered(call.api, &wire::too_large(LIST_BYTES_MAX)));
            }
            let mut part: &[u8] = &part;
            while let Some(text) = elements.next(&mut part).map_err(|what| misread(call.api, what))? {
                let element = serde_json::from_slice(&text).map_err(|error| misread(call.api, error))?;
                if take(element).is_break() {
                    return Ok(());
                }
            }
        }
        if elements.ended() { Ok(()) } else { Err(misread(call.api, "the list is cut off")) }
    }

    /// The answer if it is a 2xx, the error it tells otherwise.
    async fn answer(&self, call: &Call<'_>) -> Result<Response, CallError> {
        let path = ["api", "v2"].iter().chain(call.path).copied();
        let url = wire::below(&self.base, path, call.query);
        let mut request = self.http.request(call.method.clone(), url);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        if let Some(body) = call.body {
            request = request.json(body);
        }
        let mut response = request.send().await.map_err(|error| unanswered(call.api, &error.into()))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let http = response.status().as_u16();
        // Words that are too long or break off are as good as none.
        let body = wire::read(&mut response, ANSWER_BYTES_MAX).await.unwrap_or_default();
        Err(refused(call.api, http, &body))
    }

    /// The other side's words could quote what we sent.
    fn redacted(&self, mut error: CallError) -> CallError {
        wire::redact(&mut error.message, &self.secrets);
        error
    }
}

/// User name and password of an address, joined and encoded for a header; and the password.
fn basic(url: &Url) -> Option<(SecretString, SecretString)> {
    let (user, password) = (url.username(), url.password().unwrap_or_default());
    if user.is_empty() && password.is_empty() {
        return None;
    }
    let (user, password) = (decoded(user), decoded(password));
    let pair = STANDARD.encode([&user[..], b":", &password].concat());
    Some((pair.into(), String::from_utf8_lossy(&password).into_owned().into()))
}

/// Undoes the percent-encoding of an address.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, encoded)) = rest.split_once('%') {
        bytes.extend_from_slice(plain.as_bytes());
        let byte = encoded.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(b'%'));
        rest = if byte.is_some() { encoded.get(2..).unwrap_or_default() } else { encoded };
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// Alertmanager did what was asked, but not in words we understand. Making the
/// call again shows whether it was done.
pub(crate) fn misread(api: &'static str, what: impl fmt::Display) -> CallError {
    let message = format!("the answer cannot be read, is alertmanager.url right? {what}");
    CallError::new(api, Verdict::Retry, message)
}

/// Reads ids and times, which are strings in JSON.
pub(crate) fn parsed<'de, D: Deserializer<'de>, T: FromStr>(from: D) -> Result<T, D::Error>
where
    T::Err: fmt::Display,
{
    String::deserialize(from)?.parse().map_err(D::Error::custom)
}

/// Errors are a bare JSON string, `{code, message}`, or nothing (inputs.md §B).
fn refused(api: &'static str, http: u16, body: &[u8]) -> CallError {
    let said = match serde_json::from_slice(body) {
        Ok(Value::String(text)) => Some(text),
        Ok(answer) => {
            let text = answer.get("message").or_else(|| answer.get("error")).and_then(Value::as_str);
            text.map(str::to_owned)
        }
        Err(_) if body.is_empty() => Some(String::new()),
        Err(_) => None,
    };
    let verdict = match http {
        401 | 403 => Verdict::Credentials,
        408 | 425 | 429 | 500.. => Verdict::Retry,
        _ => Verdict::GiveUp,
    };
    let message = match (http, said) {
        (300..=399, _) => "a redirect, which is not followed; is alertmanager.url right?".to_owned(),
        (_, Some(said)) => said,
        (_, None) => "the answer is not Alertmanager's; is alertmanager.url right?".to_owned(),
    };
    CallError { api, http: Some(http), message, verdict }
}

fn unanswered(api: &'static str, error: &Unanswered) -> CallError {
    let verdict = match error.lost {
        Lost::NotSent | Lost::Unknown => Verdict::Retry,
        Lost::Senseless | Lost::TooLarge => Verdict::GiveUp,
    };
    CallError::new(api, verdict, error.message.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_read_as_browsers_read_them() {
        let table = [
            ("http://am:p%40ss%2Bw+rd@h/", Some("am:p@ss+w+rd")),
            ("http://am@h/", Some("am:")),
            ("http://:pw@h/", Some(":pw")),
            ("http://%E5%BC%A0:100%25%zz@h/", Some("张:100%%zz")),
            ("http://h/", None),
        ];
        for (url, expected) in table {
            let pair = basic(&Url::parse(url).unwrap()).map(|(pair, _)| pair);
            let expected = expected.map(|pair| STANDARD.encode(pair));
            assert_eq!(pair.as_ref().map(ExposeSecret::expose_secret), expected.as_deref(), "{url}");
        }
    }

    #[test]
    fn every_answer_has_its_verdict_and_words() {
        use Verdict::{Credentials, GiveUp, Retry};
        let elsewhere = "the answer is not Alertmanager's; is alertmanager.url right?";
        let table = [
            (400, r#""bad matcher format: x""#, GiveUp, "bad matcher format: x"),
            (
                422,
                r#"{"code":602,"message":"comment in body is required"}"#,
                GiveUp,
                "comment in body is required",
            ),
            (410, r#"{"status":"deprecated","error":"v1 is removed"}"#, GiveUp, "v1 is removed"),
            (404, "", GiveUp, ""),
            (404, "<html>", GiveUp, elsewhere),
            (400, "{}", GiveUp, elsewhere),
            (401, "", Credentials, ""),
            (403, "nope", Credentials, elsewhere),
            (429, "", Retry, ""),
            (500, r#""disk full""#, Retry, "disk full"),
            (503, "<html>", Retry, elsewhere),
            (308, "", GiveUp, "a redirect, which is not followed; is alertmanager.url right?"),
        ];
        for (http, body, verdict, message) in table {
            let error = refused("silence", http, body.as_bytes());
            assert_eq!((error.verdict, &*error.message), (verdict, message), "{http} {body}");
        }
    }
}
