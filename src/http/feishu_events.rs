//! Takes events and card callbacks from Feishu (feishu-api.md §7).
//!
//! Feishu waits three seconds for an answer and shows its user an error code
//! for anything but 200. So whoever pressed a button is answered 200 with a
//! toast once the request is known to be Feishu's, even when the deed takes
//! longer or failed. An event that was not kept is answered 503 instead:
//! Feishu sends it again after 15 s, 5 min, 1 h and 6 h.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use async_trait::async_trait;
use serde_json::{Value, json};

use super::problem::{Problem, safe, wrong_method};
use super::{Limits, State, body};
use crate::feishu::callbacks::{Inbound, Refused, Signed, Toast, ToastKind, reply};

/// Largest callback, in bytes. A card's value and a message's text are far smaller.
const BODY_BYTES_MAX: usize = 1 << 20;
/// How long the listener may take; Feishu hangs up after 3 s.
const PATIENCE: Duration = Duration::from_millis(2_500);

/// Hears what Feishu says of its own accord.
#[async_trait]
pub trait Listener: Send + Sync + 'static {
    /// Takes it in. An event comes again when it was not answered in time, so
    /// one whose id was heard before must change nothing and be answered alike.
    /// Goes on to its end even when Feishu no longer waits.
    async fn hear(&self, inbound: Inbound) -> Result<Heard, Unheard>;
}

/// What whoever pressed a button gets to see; of no use for other events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// A line for them alone.
    pub toast: Option<Toast>,
    /// The card as it is now, its JSON as text.
    pub card: Option<String>,
}

/// It could not be kept: it shall come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the event could not be kept")]
pub struct Unheard;

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
    let bytes = body::read(&request, payload, limits).await?;
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let signed = Signed {
        timestamp: header("X-Lark-Request-Timestamp"),
        nonce: header("X-Lark-Request-Nonce"),
        signature: header("X-Lark-Signature"),
    };
    match callbacks.open(signed, &bytes, state.clock.now()) {
        Ok(Inbound::Challenge(challenge)) => Ok(ok(&json!({"challenge": challenge}))),
        Ok(inbound) => answer(listener.clone(), inbound).await,
        Err(refused) => refuse(&refused),
    }
}

fn ok(body: &Value) -> HttpResponse {
    safe(StatusCode::OK).json(body)
}

fn toasted(toast: &Toast) -> HttpResponse {
    ok(&reply(Some(toast), None))
}

/// Lets the listener hear it, and answers in time whatever becomes of that.
async fn answer(listener: Arc<dyn Listener>, inbound: Inbound) -> Result<HttpResponse, Problem> {
    let pressed = matches!(inbound, Inbound::Press { .. });
    // A task of its own: a deed begun is done though nobody waits for it.
    let hearing = tokio::spawn(async move { listener.hear(inbound).await });
    let failed =
        || Toast::new(ToastKind::Error, "没有记录成功，请再试一次", "That did not work, please try again");
    let (toast, why) = match tokio::time::timeout(PATIENCE, hearing).await {
        Ok(Ok(Ok(heard))) => return Ok(ok(&reply(heard.toast.as_ref(), heard.card.as_deref()))),
        Ok(Ok(Err(unheard))) => (failed(), unheard.to_string()),
        Ok(Err(crashed)) => {
            tracing::error!("hearing a callback crashed: {crashed}");
            (failed(), "hearing the event failed".to_owned())
        }
        Err(_) => {
            let working =
                Toast::new(ToastKind::Info, "处理中，卡片稍后更新", "Working on it, the card will follow");
            (working, "the event is still being worked on".to_owned())
        }
    };
    if pressed {
        return Ok(toasted(&toast));
    }
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("{why}: send it again")))
}

fn refuse(refused: &Refused) -> Result<HttpResponse, Problem> {
    tracing::warn!("refused a callback: {refused}");
    match refused {
        Refused::Button(_) => Ok(toasted(&Toast::new(
            ToastKind::Warning,
            "这个按钮已失效，请在最新的卡片上操作",
            "This button no longer works, please use the newest card",
        ))),
        Refused::Unguarded => Err(Problem::new(
            StatusCode::FORBIDDEN,
            format!("{refused}, so anybody could press buttons: set what Feishu's console shows"),
        )),
        Refused::Forged(_) => Err(Problem::new(StatusCode::UNAUTHORIZED, refused.to_string())),
        Refused::Unreadable(_) => Err(Problem::bad_request(refused.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;

    use super::*;
    use crate::domain::{Action, IncidentId, MessageId};
    use crate::feishu::callbacks::{Button, OperatorIds};

    fn press() -> Inbound {
        Inbound::Press {
            event_id: "e1".into(),
            operator: OperatorIds::default(),
            message: MessageId("om_1".into()),
            chat: None,
            value: Button { incident: IncidentId(1), epoch: 0, action: Action::Acknowledge },
        }
    }

    fn event() -> Inbound {
        Inbound::Other { event_id: "e1".into(), kind: "im.chat.updated_v1".into() }
    }

    /// Takes its time, then tells that it is done.
    struct Slow(Duration, tokio::sync::Notify);

    #[async_trait]
    impl Listener for Slow {
        async fn hear(&self, _: Inbound) -> Result<Heard, Unheard> {
            tokio::time::sleep(self.0).await;
            self.1.notify_one();
            Ok(Heard::default())
        }
    }

    struct Broken;

    #[async_trait]
    impl Listener for Broken {
        async fn hear(&self, inbound: Inbound) -> Result<Heard, Unheard> {
            if matches!(inbound, Inbound::Press { .. }) { panic!("a bug") } else { Err(Unheard) }
        }
    }

    async fn kind_of_toast(answer: HttpResponse) -> String {
        let body = to_bytes(answer.into_body()).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        body["toast"]["type"].as_str().unwrap_or("none").to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_too_long_finishes_unwatched() {
        let slow = Arc::new(Slow(Duration::from_secs(9), tokio::sync::Notify::new()));
        let begun = tokio::time::Instant::now();
        let told = answer(slow.clone(), press()).await.unwrap();
        assert_eq!(begun.elapsed(), PATIENCE);
        assert_eq!(kind_of_toast(told).await, "info");
        slow.1.notified().await;
        assert_eq!(begun.elapsed(), Duration::from_secs(9));

        let refused = answer(slow, event()).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE, "Feishu shall send it again");
        let quick = Arc::new(Slow(Duration::from_secs(2), tokio::sync::Notify::new()));
        assert_eq!(kind_of_toast(answer(quick, press()).await.unwrap()).await, "none");
    }

    #[tokio::test]
    async fn failure_is_a_toast_to_people_and_a_503_to_feishu() {
        assert_eq!(kind_of_toast(answer(Arc::new(Broken), press()).await.unwrap()).await, "error");
        let refused = answer(Arc::new(Broken), event()).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
