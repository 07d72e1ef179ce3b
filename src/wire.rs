//! What every client of ours does alike when it asks another server something.
//!
//! # Invariants
//!
//! * Redirects are not followed: a call with credentials goes where it was meant to go.
//! * Answers are read up to a limit.
//! * Why no answer came is told without the address it was asked at, which may
//!   hold a password; [`redact`] keeps secrets out of the other side's words.
//!
//! What is asked, what an answer means and when to ask again is decided by the
//! rooms that own a client.

use std::error::Error;
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Client, RequestBuilder, Response, Url, redirect};
use secrecy::{ExposeSecret, SecretString};

/// Unused connections are closed after this long, before the other side or a
/// proxy does: of a request written to a dying connection nobody knows what came.
const IDLE_MAX: Duration = Duration::from_secs(15);
/// Words of the other side are cut here.
const MESSAGE_CHARS_MAX: usize = 500;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// No connection: nothing was asked.
    NotSent,
    /// The request cannot be built: nothing was asked, and never will be.
    Senseless,
    /// It did not come in time, or the connection broke: nobody knows whether it was done.
    Unknown,
    /// It is larger than what is read.
    TooLarge,
}

/// No answer, or none that was read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// Why.
    pub lost: Lost,
    /// The same in words, without the address.
    pub message: String,
}

impl From<reqwest::Error> for Unanswered {
    fn from(error: reqwest::Error) -> Self {
        let (lost, what) = if error.is_connect() {
            (Lost::NotSent, "no connection")
        } else if error.is_builder() {
            (Lost::Senseless, "the request cannot be built")
        } else if error.is_timeout() {
            (Lost::Unknown, "no answer in time")
        } else {
            (Lost::Unknown, "the connection broke before the answer came")
        };
        let message = format!("{what}{}", causes(&error));
        Self { lost, message }
    }
}

/// What lies under an error, `: ` before each cause.
pub fn causes(error: &dyn Error) -> String {
    let mut words = String::new();
    let mut cause = error.source();
    while let Some(inner) = cause {
        words.push_str(": ");
        words.push_str(&inner.to_string());
        cause = inner.source();
    }
    words
}

/// A client whose calls end after `timeout`, connecting and reading included.
///
/// # Errors
///
/// When the TLS library finds no certificates to trust, or the like.
pub fn client(timeout: Duration, connect_timeout: Duration) -> Result<Client, String> {
    Client::builder()
        .timeout(timeout)
        .connect_timeout(connect_timeout)
        .pool_idle_timeout(IDLE_MAX)
        .redirect(redirect::Policy::none())
        .user_agent(concat!("larkhorn/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| error.to_string())
}

/// An http or https address; `None` for anything else.
pub fn address(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// The address of something below `base`.
pub fn below<'a, Q: AsRef<str>>(
    base: &Url,
    path: impl IntoIterator<Item = &'a str>,
    query: &[(&str, Q)],
) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query.iter().map(|(name, value)| (*name, value.as_ref())));
    }
    url
}

/// `Bearer …` and the like, marked so that no log prints it; `None` when the
/// secret holds characters that cannot go into a header.
pub fn authorization(scheme: &str, secret: &SecretString) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("{scheme} {}", secret.expose_secret())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Reads the body of an answer, at most `max` bytes of it.
///
/// # Errors
///
/// When it is larger or does not come to its end.
pub async fn read(response: &mut Response, max: usize) -> Result<Vec<u8>, Unanswered> {
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await? {
        if body.len() + part.len() > max {
            return Err(too_large(max));
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

/// Sends a request and reads its answer: the HTTP status and the body.
///
/// # Errors
///
/// When none came to its end. Nothing of the secrets is in the words.
pub async fn answer(
    request: RequestBuilder,
    max: usize,
    secrets: &[SecretString],
) -> Result<(u16, Vec<u8>), Unanswered> {
    let answered = async {
        let mut response = request.send().await?;
        let body = read(&mut response, max).await?;
        Ok((response.status().as_u16(), body))
    };
    answered.await.map_err(|mut error: Unanswered| {
        redact(&mut error.message, secrets);
        error
    })
}

/// An answer of more than so many bytes.
pub fn too_large(max: usize) -> Unanswered {
    Unanswered { lost: Lost::TooLarge, message: format!("the answer is larger than {max} bytes") }
}

/// Takes secrets out of the other side's words, which could quote what we sent,
/// and cuts them to length.
pub fn redact<'s>(message: &mut String, secrets: impl IntoIterator<Item = &'s SecretString>) {
    for secret in secrets.into_iter().map(ExposeSecret::expose_secret) {
        if !secret.is_empty() && message.contains(secret) {
            *message = message.replace(secret, "[redacted]");
        }
    }
    if let Some((cut, _)) = message.char_indices().nth(MESSAGE_CHARS_MAX) {
        message.truncate(cut);
        message.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lose_their_secrets_and_their_tail() {
        let (token, none) = (SecretString::from("t-1"), SecretString::from(""));
        let mut words = format!("bad token t-1 (t-1){}", "长".repeat(600));
        redact(&mut words, [&token, &none]);
        assert!(words.starts_with("bad token [redacted] ([redacted])长") && words.ends_with("长…"));
        assert_eq!(words.chars().count(), MESSAGE_CHARS_MAX + 1);
    }

    #[test]
    fn addresses_keep_their_path_and_encode_what_is_below() {
        let base = address("https://h/am/").unwrap();
        let url = below(&base, ["api", "a/b"], &[("q", "x&y")]);
        assert_eq!(url.as_str(), "https://h/am/api/a%2Fb?q=x%26y");
        assert_eq!(below::<&str>(&address("http://h").unwrap(), ["a"], &[]).as_str(), "http://h/a");
        for text in ["", "h", "ftp://h", "http://", "file:///etc"] {
            assert_eq!(address(text), None, "{text}");
        }
    }
}
