//! Reads a body: never more than the limit, never waiting for ever.
//!
//! No sender of alerts compresses, but a proxy before this one may: gzip is
//! unpacked, up to the same limit, so that a bomb is a body that is too large. Other
//! packings are refused by their head (415).

use std::io::Read as _;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::{StatusCode, header};
use actix_web::web::Payload;
use bytes::{Buf as _, Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use futures_util::StreamExt;
use tokio::time::Instant;

use super::problem::Problem;
use super::{Intake, Limits};

/// Refuses what cannot be JSON: other packings than gzip, and other types.
/// A missing type is tolerated; senders in the wild leave it out.
pub(super) fn check_type(request: &HttpRequest) -> Result<(), Problem> {
    if let Some(encoding) = encoding(request)
        && !encoding.eq_ignore_ascii_case(b"identity")
        && !is_gzip(encoding)
    {
        let detail = "Content-Encoding is none that is known here: send the body as it is, or as gzip";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).closing());
    }
    if !request.headers().contains_key(header::CONTENT_TYPE) {
        return Ok(());
    }
    let kind = actix_web::HttpMessage::content_type(request);
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = format!("Content-Type is {kind:?}: send application/json");
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).closing())
}

fn encoding(request: &HttpRequest) -> Option<&[u8]> {
    request.headers().get(header::CONTENT_ENCODING).map(header::HeaderValue::as_bytes)
}

fn is_gzip(encoding: &[u8]) -> bool {
    encoding.eq_ignore_ascii_case(b"gzip") || encoding.eq_ignore_ascii_case(b"x-gzip")
}

/// So much is unpacked before others have their turn, in bytes: well below a millisecond's work.
const TURN: usize = 64 * 1024;

/// The body as it was before it was packed, if it was: 413 beyond the limit, 400 when it cannot be unpacked.
pub(super) async fn unpacked(
    request: &HttpRequest,
    body: Bytes,
    limits: Limits,
    intake: &Intake,
) -> Result<Bytes, Problem> {
    if !encoding(request).is_some_and(is_gzip) {
        return Ok(body);
    }
    let mut packed = MultiGzDecoder::new(body.reader());
    let (mut whole, mut turn) = (BytesMut::new(), vec![0; TURN]);
    let mut held = intake.room();
    loop {
        let count = packed.read(&mut turn).map_err(|error| {
            Problem::bad_request(format!("the body is not the gzip that its Content-Encoding says: {error}"))
        })?;
        let Some(part) = turn.get(..count).filter(|part| !part.is_empty()) else {
            return Ok(whole.freeze());
        };
        if whole.len().saturating_add(count) > limits.max_body_bytes {
            return Err(too_large(limits));
        }
        held.grow(count)?;
        whole.extend_from_slice(part);
        tokio::task::yield_now().await;
    }
}

/// What a sender must keep up on average, in bytes per second. One that
/// trickles holds a connection like one that says nothing.
const SLOWEST: f64 = 16.0 * 1024.0;
/// Room that is made on the word of `Content-Length` alone, in bytes. Most
/// webhooks fit; more room is made as more arrives.
const ROOM_MAX: usize = 64 * 1024;

/// The whole body, or 413 beyond the limit, 408 when it is too slow or stops, 400 when it breaks off.
pub(super) async fn read(
    request: &HttpRequest,
    mut payload: Payload,
    limits: Limits,
    intake: &Intake,
) -> Result<Bytes, Problem> {
    let declared = declared_length(request);
    if declared.is_some_and(|length| length > limits.max_body_bytes) {
        return Err(too_large(limits));
    }
    let mut body = BytesMut::with_capacity(room(declared));
    let mut held = intake.room();
    let begun = Instant::now();
    loop {
        let until = deadline(begun, body.len(), limits.body_idle);
        let chunk = match tokio::time::timeout_at(until, payload.next()).await {
            Err(_) => return Err(too_slow()),
            Ok(None) => return Ok(body.freeze()),
            Ok(Some(chunk)) => {
                chunk.map_err(|e| Problem::bad_request(format!("the body broke off: {e}")).closing())?
            }
        };
        if body.len().saturating_add(chunk.len()) > limits.max_body_bytes {
            return Err(too_large(limits));
        }
        held.grow(chunk.len())?;
        body.extend_from_slice(&chunk);
    }
}

/// When patience ends: after a silence, or once the average is too slow.
fn deadline(begun: Instant, received: usize, idle: Duration) -> Instant {
    let received = u32::try_from(received).map_or(f64::MAX, f64::from);
    let earned = Duration::try_from_secs_f64(received / SLOWEST).unwrap_or(Duration::MAX);
    let silence = Instant::now() + idle;
    begun.checked_add(idle.saturating_add(earned)).map_or(silence, |slow| slow.min(silence))
}

/// What is set aside for a body before any of it is there: whoever announces
/// much and sends little, perhaps unchecked yet, must not hold memory with it.
fn room(declared: Option<usize>) -> usize {
    declared.unwrap_or_default().min(ROOM_MAX)
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

fn too_slow() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "the body came too slowly or stopped coming: send it again")
        .closing()
}

#[cfg(test)]
mod tests {
    use actix_web::FromRequest;
    use actix_web::dev::Payload as Raw;
    use actix_web::error::PayloadError;
    use actix_web::test::TestRequest;
    use futures_util::stream;

    use super::*;

    const LIMITS: Limits = Limits { max_body_bytes: 8 << 20, body_idle: Duration::from_secs(10) };

    /// Reads a body that comes in chunks of a size, one per pause; the answer's
    /// status, and how long it took in virtual time.
    async fn read_paced(
        chunk: usize,
        count: usize,
        pause: Duration,
    ) -> (Result<usize, StatusCode>, Duration) {
        let chunks = stream::unfold(0, move |sent| async move {
            tokio::time::sleep(pause).await;
            (sent < count).then(|| (Ok::<_, PayloadError>(Bytes::from(vec![b' '; chunk])), sent + 1))
        });
        let mut raw: Raw = Raw::Stream { payload: Box::pin(chunks) };
        let request = TestRequest::post().to_http_request();
        let payload = Payload::from_request(&request, &mut raw).await.unwrap();
        let begun = Instant::now();
        let answer = read(&request, payload, LIMITS, &Intake::default()).await;
        (answer.map(|body| body.len()).map_err(|problem| problem.status()), begun.elapsed())
    }

    #[test]
    fn an_announcement_alone_takes_little_memory() {
        let table = [(None, 0), (Some(900), 900), (Some(ROOM_MAX), ROOM_MAX), (Some(128 << 20), ROOM_MAX)];
        for (declared, expected) in table {
            assert_eq!(room(declared), expected, "{declared:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn patience_follows_what_was_sent() {
        let kib = 1024;
        let seconds = Duration::from_secs;
        // A slow line that keeps going may take its time.
        let (answer, took) = read_paced(64 * kib, 60, seconds(2)).await;
        assert_eq!((answer, took), (Ok(60 * 64 * kib), seconds(122)));
        // A byte a second is no body.
        let (answer, took) = read_paced(1, 1000, seconds(1)).await;
        assert_eq!(answer, Err(StatusCode::REQUEST_TIMEOUT));
        assert!(took < seconds(12), "{took:?}");
        // A long silence after much is a silence all the same.
        let (answer, took) = read_paced(4 << 20, 2, seconds(11)).await;
        assert_eq!((answer, took), (Err(StatusCode::REQUEST_TIMEOUT), seconds(10)));
        // Nothing is kept beyond the limit.
        let (answer, _) = read_paced(3 << 20, 3, seconds(0)).await;
        assert_eq!(answer, Err(StatusCode::PAYLOAD_TOO_LARGE));
    }
}
