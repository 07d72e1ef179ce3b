//! The wire to Feishu: one call, one answer, and the token that it takes.
//!
//! # Invariants
//!
//! * Nothing is repeated, but for one thing: a call refused because of its
//!   token is made once more with a fresh one. Nothing waits.
//! * No call is made beyond the allowance (`limits`): it fails with
//!   [`Verdict::NotYet`] instead.
//! * The body decides, whatever the HTTP status (feishu-api.md §1). Redirects
//!   are not followed, answers are read up to [`ANSWER_BYTES_MAX`].
//! * Neither the app secret nor a token appears in an error or a `Debug`, even
//!   when Feishu's answer quotes it.
//!
//! What the calls are is said in `messages`, `urgent`, `pins` and `directory`;
//! what an answer means in `verdict`; when to try again by the caller.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::errand::Errand;
use super::error::CallError;
use super::limits::{Allowance, Pacer};
use super::token::{Fetched, TokenKeeper};
use super::verdict::{Api, Verdict, judge, token_refused};
use crate::wire::{self, Lost, Unanswered};

/// Answers are a few hundred bytes; whatever is larger than this is not Feishu's.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Where Feishu is and who we are there.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// `https://open.feishu.cn`, `https://open.larksuite.com`, or a stand-in for tests.
    pub base_url: String,
    /// `cli_…`.
    pub app_id: String,
    /// Never printed.
    pub app_secret: SecretString,
    /// For a whole call, connecting included.
    pub timeout: Duration,
    /// For connecting alone.
    pub connect_timeout: Duration,
}

/// Is told what came of every call.
pub trait Observer: Send + Sync + 'static {
    /// A call ended.
    fn called(&self, api: &'static str, answer: Result<(), &CallError>);
}

/// Why a client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address of Feishu is not one.
    #[error("feishu.base_url {url:?} is not an http or https address, such as https://open.feishu.cn")]
    BaseUrl {
        /// As configured.
        url: String,
    },
    /// The TLS library found no certificates to trust, or the like.
    #[error("the HTTP client for Feishu cannot start: {0}")]
    Http(String),
}

/// A client of one Feishu app. Cheap to clone; clones share the token, the
/// connections and the allowance.
#[derive(Clone)]
pub struct Client {
    pub(super) inner: Arc<Inner>,
    pub(super) errand: Option<Errand>,
}

pub(super) struct Inner {
    http: reqwest::Client,
    base: Url,
    app_id: String,
    app_secret: SecretString,
    tokens: TokenKeeper,
    pub(super) pacer: Mutex<Pacer>,
    observer: Arc<dyn Observer>,
}

/// One call: which, with what.
pub(crate) struct Call<'a> {
    pub(crate) api: Api,
    pub(crate) method: Method,
    pub(crate) path: &'a [&'a str],
    pub(crate) query: &'a [(&'a str, &'a str)],
    pub(crate) body: Option<&'a Value>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = self.inner.base.as_str();
        f.debug_struct("Client")
            .field("base", &base)
            .field("app_id", &self.inner.app_id)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Connects to nothing yet.
    pub fn new(config: ClientConfig, observer: Arc<dyn Observer>) -> Result<Self, ClientError> {
        let base = wire::address(&config.base_url).ok_or(ClientError::BaseUrl { url: config.base_url })?;
        let http = wire::client(config.timeout, config.connect_timeout).map_err(ClientError::Http)?;
        let (app_id, app_secret) = (config.app_id, config.app_secret);
        let tokens = TokenKeeper::default();
        let pacer = Mutex::new(Pacer::new(Allowance::documented()));
        let inner = Inner { http, base, app_id, app_secret, tokens, pacer, observer };
        Ok(Self { inner: Arc::new(inner), errand: None })
    }

    /// From now on so many processes of the same app share what Feishu allows it.
    pub fn share_among(&self, processes: u32) {
        self.inner.pacer.lock().unwrap_or_else(PoisonError::into_inner).share_among(processes);
    }

    /// Makes a call with a token and returns the whole answer, whose code is 0.
    pub(super) async fn call_admitted(&self, now: Timestamp, call: &Call<'_>) -> Result<Value, CallError> {
        let token = self.token(now).await?;
        let refused = match self.inner.exchange(call, Some(&token)).await {
            Err(error) if error.code.is_some_and(token_refused) => error,
            answer => return answer,
        };
        tracing::debug!(api = refused.api, code = refused.code, "token refused, fetching a fresh one");
        self.inner.tokens.refused(&token);
        let fresh = self.token(now).await?;
        self.inner.exchange(call, Some(&fresh)).await
    }

    /// Asks where a long connection may be opened. The answer is as good as a password.
    pub(crate) async fn long_connection_endpoint(&self) -> Result<Value, CallError> {
        let app = &self.inner;
        let body = json!({"AppID": app.app_id, "AppSecret": app.app_secret.expose_secret()});
        let path = &["callback", "ws", "endpoint"];
        let call =
            Call { api: Api::LongConnection, method: Method::POST, path, query: &[], body: Some(&body) };
        app.exchange(&call, None).await
    }

    /// What makes the calls, to connect in another way with the same settings.
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.inner.http
    }

    /// Where Feishu is.
    pub(crate) fn base(&self) -> &Url {
        &self.inner.base
    }

    /// `cli_…`.
    pub fn app_id(&self) -> &str {
        &self.inner.app_id
    }

    async fn token(&self, now: Timestamp) -> Result<SecretString, CallError> {
        let inner = Arc::clone(&self.inner);
        self.inner.tokens.token(now, || async move { inner.fetch_token().await }.boxed()).await
    }
}

impl Inner {
    async fn fetch_token(&self) -> Result<Fetched, CallError> {
        let body = json!({"app_id": self.app_id, "app_secret": self.app_secret.expose_secret()});
        let path = &["open-apis", "auth", "v3", "tenant_access_token", "internal"];
        let call = Call { api: Api::Token, method: Method::POST, path, query: &[], body: Some(&body) };
        let answer = self.exchange(&call, None).await?;
        let token = answer.get("tenant_access_token").and_then(Value::as_str).unwrap_or_default();
        let seconds = answer.get("expire").and_then(Value::as_i64).unwrap_or_default();
        if token.is_empty() || seconds <= 0 {
            let message = "the answer holds no usable tenant_access_token";
            return Err(CallError::unanswered(Api::Token, Verdict::Unknown, message));
        }
        Ok(Fetched { token: token.into(), lifetime: SignedDuration::from_secs(seconds) })
    }

    /// One request, one answer, counted.
    async fn exchange(&self, call: &Call<'_>, token: Option<&SecretString>) -> Result<Value, CallError> {
        let answer = match self.request(call, token) {
            Ok(request) => self.ask(call.api, request).await,
            Err(error) => Err(error),
        };
        let answer = answer.map_err(|error| self.redacted(error, token));
        self.observer.called(call.api.as_str(), answer.as_ref().map(drop));
        answer
    }

    fn request(
        &self,
        call: &Call<'_>,
        token: Option<&SecretString>,
    ) -> Result<reqwest::RequestBuilder, CallError> {
        let url = wire::below(&self.base, call.path.iter().copied(), call.query);
        let mut request = self.http.request(call.method.clone(), url);
        if let Some(token) = token {
            let value = wire::authorization("Bearer", token).ok_or_else(|| {
                let message = "the tenant token cannot go into a header";
                CallError::unanswered(call.api, Verdict::GiveUp, message)
            })?;
            request = request.header(AUTHORIZATION, value);
        }
        if call.api == Api::LongConnection {
            // Feishu's own clients send it with this call, and only with this.
            request = request.header("locale", "zh");
        }
        if let Some(body) = call.body {
            request = request.json(body);
        }
        Ok(request)
    }

    async fn ask(&self, api: Api, request: reqwest::RequestBuilder) -> Result<Value, CallError> {
        let mut response = request.send().await.map_err(|error| unanswered(api, &error.into()))?;
        let http = response.status().as_u16();
        let headers = response.headers().clone();
        let body = wire::read(&mut response, ANSWER_BYTES_MAX).await.map_err(|error| {
            let http = (error.lost == Lost::TooLarge).then_some(http);
            CallError { http, ..unanswered(api, &error) }
        })?;
        read_answer(api, http, &headers, &body)
    }

    /// Feishu's words could quote what we sent.
    fn redacted(&self, mut error: CallError, token: Option<&SecretString>) -> CallError {
        wire::redact(&mut error.message, [Some(&self.app_secret), token].into_iter().flatten());
        error
    }
}

/// The answer if its code is 0, the error it tells otherwise.
fn read_answer(api: Api, http: u16, headers: &HeaderMap, body: &[u8]) -> Result<Value, CallError> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let answer: Option<Value> = serde_json::from_slice(body).ok();
    let text = |pointer: &str| answer.as_ref().and_then(|a| a.pointer(pointer)).and_then(Value::as_str);
    let code = answer.as_ref().and_then(|a| a.get("code")).and_then(Value::as_i64);
    if code == Some(0) && http < 300 {
        return Ok(answer.unwrap_or_default());
    }
    let reset = header("x-ogw-ratelimit-reset").and_then(|seconds| seconds.trim().parse().ok());
    let message = match (code, http) {
        (Some(_), _) => text("/msg").unwrap_or("no message").to_owned(),
        (None, 300..=399) => "a redirect, which is not followed; is feishu.base_url right?".to_owned(),
        (None, _) => "the answer is not Feishu's JSON; is feishu.base_url right?".to_owned(),
    };
    let log_id = ["/error/log_id", "/error/logid"].into_iter().find_map(text);
    Err(CallError {
        api: api.as_str(),
        http: Some(http),
        code: code.filter(|code| *code != 0),
        message,
        log_id: log_id.or_else(|| header("x-tt-logid")).map(str::to_owned),
        verdict: judge(api, http, code, reset.map(Duration::from_secs)),
    })
}

/// Reads the `data` of an answer.
pub(crate) fn data<T: DeserializeOwned + Default>(api: Api, mut answer: Value) -> Result<T, CallError> {
    match answer.get_mut("data").map(Value::take) {
        None | Some(Value::Null) => Ok(T::default()),
        Some(data) => serde_json::from_value(data).map_err(|error| misread(api, &error.to_string())),
    }
}

/// Feishu says that it was done, but not in words we understand.
pub(crate) fn misread(api: Api, what: &str) -> CallError {
    CallError::unanswered(api, Verdict::Unknown, format!("Feishu's answer cannot be read: {what}"))
}

fn unanswered(api: Api, error: &Unanswered) -> CallError {
    let verdict = match error.lost {
        Lost::NotSent => Verdict::NotSent,
        Lost::Senseless => Verdict::GiveUp,
        Lost::Unknown | Lost::TooLarge => Verdict::Unknown,
    };
    CallError::unanswered(api, verdict, error.message.as_str())
}
