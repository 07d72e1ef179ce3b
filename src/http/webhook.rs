//! Takes alerts in: check the caller, read, recognise, keep, then answer.

use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource, ResponseError};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::auth::{self, Caller};
use super::intake::RETRY_AFTER;
use super::problem::{Problem, safe, wrong_method};

use super::{State, body};
use crate::domain::{Fact, OWN_SOURCE, SourceKind};
use crate::sources::{self, Hint};
use crate::store::{NewDelivery, StoreError};
use crate::telemetry::{News, Refused};

/// Bodies from this size on are looked through off the threads that serve.
const LARGE_BYTES: usize = 256 * 1024;
/// Longest name of a source, in characters.
const SOURCE_MAX: usize = 64;

/// What senders that are not known by name yet are counted as.
const UNKNOWN: &str = "unknown";

#[derive(Deserialize)]
struct Query {
    source: Option<String>,
}

#[derive(Serialize)]
struct Accepted {
    accepted: u64,
}

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(resource("/webhook", Hint::Any))
        .service(resource("/webhook/alertmanager", Hint::Alertmanager))
        .service(resource("/webhook/grafana", Hint::Grafana));
}

/// Grafana can be told to `PUT`; Alertmanager always posts.
fn resource(path: &str, hint: Hint) -> Resource {
    let take = move |request: HttpRequest, state: Data<State>, payload: Payload| async move {
        take(&request, &state, payload, hint).await
    };
    let posts = web::resource(path).route(web::post().to(take));
    match hint {
        Hint::Any | Hint::Grafana => {
            posts.route(web::put().to(take)).default_service(wrong_method(&["POST", "PUT"]))
        }
        Hint::Alertmanager => posts.default_service(wrong_method(&["POST"])),
    }
}

/// Answers a webhook and counts the answer.
async fn take(request: &HttpRequest, state: &State, payload: Payload, hint: Hint) -> HttpResponse {
    let mut counted_as = UNKNOWN.to_owned();
    let answer = match keep(request, state, payload, hint, &mut counted_as).await {
        Ok(accepted) => safe(StatusCode::OK).json(Accepted { accepted }),
        Err(problem) => {
            let status = problem.status();
            // What goes wrong here is logged where it goes wrong.
            if status.is_client_error() {
                let peer = request.peer_addr().map(|peer| tracing::field::display(peer.ip().to_canonical()));
                tracing::warn!(
                    peer,
                    source = counted_as,
                    status = status.as_u16(),
                    "webhook refused: {problem}"
                );
            }
            problem.error_response()
        }
    };
    state.metrics.webhook(&counted_as, answer.status().as_u16());
    answer
}

/// Does everything that comes before the answer; how many alerts were kept.
///
/// `counted_as` becomes the name of the source once the caller may name one.
async fn keep(
    request: &HttpRequest,
    state: &State,
    payload: Payload,
    hint: Hint,
    counted_as: &mut String,
) -> Result<u64, Problem> {
    let caller = auth::webhook(request, &state.access.webhook)?;
    body::check_type(request)?;
    let named = source(request)?;
    state.intake.admit(state.store.as_ref(), state.clock.now()).await.map_err(Problem::closing)?;
    let known = matches!(caller, Caller::Admitted);
    let note = |problem: &Problem| {
        if problem.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let source = named.clone().unwrap_or_else(|| UNKNOWN.to_owned());
            let limit = state.limits.max_body_bytes;
            state.refusals.note(Refused { at: state.clock.now(), source, limit });
        }
    };
    // Who only claims to be known must not wake anybody, nor have anything unpacked.
    let body = body::read(request, payload, state.limits, &state.intake).await.inspect_err(|problem| {
        if known {
            note(problem);
        }
    })?;
    if let Caller::Signed(signature) = caller {
        signature.check(&body, state.clock.now())?;
    }
    let body = body::unpacked(request, body, state.limits, &state.intake).await.inspect_err(note)?;
    if let Some(name) = &named {
        counted_as.clone_from(name);
    }
    let (kind, alerts) = inspect(hint, body.clone()).await?;
    let source = named.unwrap_or_else(|| kind.as_str().to_owned());
    counted_as.clone_from(&source);
    let (size, received_at) = (body.len(), state.clock.now());
    let delivery = NewDelivery { source: source.clone(), kind, body, received_at };
    state.store.accept(delivery).await.map_err(|e| not_kept(&e))?;
    state.intake.accepted(size);
    state.inbox_signal.notify_one();
    state.tap.tell(|| News {
        at: received_at,
        what: "webhook",
        facts: vec![
            ("source", Fact::Text(source)),
            ("alerts", Fact::Number(i64::try_from(alerts).unwrap_or(i64::MAX))),
        ],
    });
    Ok(alerts)
}

/// The name given as `?source=`.
fn source(request: &HttpRequest) -> Result<Option<String>, Problem> {
    let wrong = |why: String| {
        Problem::bad_request(format!(
            "?source= {why}: a name has 1 to {SOURCE_MAX} of the characters A-Z a-z 0-9 _ . -"
        ))
    };
    let query = web::Query::<Query>::from_query(request.query_string())
        .map_err(|e| wrong(format!("cannot be read ({e})")))?;
    let Some(name) = query.into_inner().source else { return Ok(None) };
    if name == OWN_SOURCE {
        return Err(wrong(format!("{OWN_SOURCE:?} is taken by larkhorn's own alerts")));
    }
    let fits = (1..=SOURCE_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if fits { Ok(Some(name)) } else { Err(wrong("is no usable name".into())) }
}

/// The format and the number of alerts, or what is wrong with the body.
async fn inspect(hint: Hint, body: Bytes) -> Result<(SourceKind, u64), Problem> {
    let found = if body.len() < LARGE_BYTES {
        sources::inspect(hint, &body)
    } else {
        web::block(move || sources::inspect(hint, &body)).await.map_err(|_| stopping())?
    };
    found.map_err(|e| Problem::bad_request(e.to_string()))
}

/// 503: the sender keeps the alerts and tries again.
fn not_kept(error: &StoreError) -> Problem {
    tracing::error!("cannot keep a webhook: {error}");
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "the alerts could not be stored and were not accepted: send them again; larkhorn's log says why",
    )
    .header(header::RETRY_AFTER, RETRY_AFTER)
}

fn stopping() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping: send the alerts again")
}
