//! Reads a body: never more than the limit, never waiting for ever.

use actix_web::HttpRequest;
use actix_web::http::{StatusCode, header};
use actix_web::web::Payload;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::Limits;
use super::problem::Problem;

/// Refuses what cannot be JSON as it is: compressed bodies and other types.
/// A missing type is tolerated; senders in the wild leave it out.
pub(super) fn check_type(request: &HttpRequest) -> Result<(), Problem> {
    let refuse = |detail: String| Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    if let Some(encoding) = request.headers().get(header::CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return refuse("the body is compressed: send it as it is, without Content-Encoding".into());
    }
    if !request.headers().contains_key(header::CONTENT_TYPE) {
        return Ok(());
    }
    let kind = actix_web::HttpMessage::content_type(request);
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    refuse(format!("Content-Type is {kind:?}: send application/json"))
}

/// The whole body, or 413 beyond the limit, 408 after a silence, 400 when it breaks off.
pub(super) async fn read(
    request: &HttpRequest,
    mut payload: Payload,
    limits: Limits,
) -> Result<Bytes, Problem> {
    let declared = declared_length(request);
    if declared.is_some_and(|length| length > limits.max_body_bytes) {
        return Err(too_large(limits));
    }
    let mut body = BytesMut::with_capacity(declared.unwrap_or_default());
    loop {
        let next = tokio::time::timeout(limits.body_idle, payload.next()).await;
        let chunk = match next {
            Err(_) => return Err(too_slow(limits)),
            Ok(None) => return Ok(body.freeze()),
            Ok(Some(chunk)) => chunk.map_err(|e| Problem::bad_request(format!("the body broke off: {e}")))?,
        };
        if body.len().saturating_add(chunk.len()) > limits.max_body_bytes {
            return Err(too_large(limits));
        }
        body.extend_from_slice(&chunk);
    }
}

fn declared_length(request: &HttpRequest) -> Option<usize> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(limits: Limits) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!(
            "the body is larger than {} bytes: raise server.max_body_bytes or set max_alerts at the sender",
            limits.max_body_bytes
        ),
    )
    .closing()
}

fn too_slow(limits: Limits) -> Problem {
    let seconds = limits.body_idle.as_secs_f64();
    Problem::new(StatusCode::REQUEST_TIMEOUT, format!("the body stopped coming for {seconds} s")).closing()
}
