//! Events and card callbacks from Feishu over HTTP (feishu-api.md §7).
//!
//! What is proven to be Feishu's is answered as `feishu::listening` says: 200, or
//! 503 for an event that was not kept, so that Feishu sends it again.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::problem::{Problem, safe, wrong_method};
use super::{Limits, State, body};
use crate::feishu::callbacks::{Inbound, Refused, Signed};
use crate::feishu::listening;

/// Largest callback, in bytes. A card's value and a message's text are far smaller.
const BODY_BYTES_MAX: usize = 1 << 20;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(
        web::resource("/feishu/events").route(web::post().to(hear)).default_service(wrong_method(&["POST"])),
    );
}

async fn hear(request: HttpRequest, payload: Payload, state: Data<State>) -> Result<HttpResponse, Problem> {
    let Some((callbacks, listener)) = &state.listener else {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "feishu.events is not http, so nothing is listened to here: set it, or choose long connection in \
             Feishu's console",
        ));
    };
    body::check_type(&request)?;
    let limits = Limits { max_body_bytes: BODY_BYTES_MAX, ..state.limits };
    let bytes = body::read(&request, payload, limits, &state.intake).await?;
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let signed = Signed {
        timestamp: header("X-Lark-Request-Timestamp"),
        nonce: header("X-Lark-Request-Nonce"),
        signature: header("X-Lark-Signature"),
    };
    match callbacks.open(signed, &bytes, state.clock.now()) {
        Ok(Inbound::Challenge(challenge)) => Ok(ok(&json!({"challenge": challenge}))),
        Ok(inbound) => listening::answer(listener.clone(), inbound)
            .await
            .map(|body| ok(&body))
            .map_err(|again| Problem::new(StatusCode::SERVICE_UNAVAILABLE, again.to_string())),
        Err(refused) => refuse(&refused),
    }
}

fn ok(body: &Value) -> HttpResponse {
    safe(StatusCode::OK).json(body)
}

fn refuse(refused: &Refused) -> Result<HttpResponse, Problem> {
    tracing::warn!("refused a callback: {refused}");
    match refused {
        Refused::Button(_) => Ok(ok(&listening::button_of_another_time())),
        Refused::Unguarded => Err(Problem::new(
            StatusCode::FORBIDDEN,
            format!("{refused}, so anybody could press buttons: set what Feishu's console shows"),
        )),
        Refused::Forged(_) => Err(Problem::new(StatusCode::UNAUTHORIZED, refused.to_string())),
        Refused::Unreadable(_) => Err(Problem::bad_request(refused.to_string())),
    }
}
