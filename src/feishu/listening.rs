//! From an event that is proven to be Feishu's to the answer to it, whichever
//! way it came: over HTTP or over the long connection.
//!
//! Feishu waits three seconds for an answer and shows its user an error code
//! for anything else. So whoever pressed a button is answered with a toast, even
//! when the deed takes longer or failed. An event that was not kept is
//! [to come again](Again) instead: Feishu repeats it after 15 s, 5 min, 1 h and 6 h.
//!
//! How an answer is wrapped (status and body, or frame) is the matter of the
//! two doors, what an event does that of the [`Listener`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::callbacks::{Inbound, Toast, ToastKind, reply};

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

/// Why Feishu shall send an event again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}: send it again")]
pub struct Again(String);

/// Lets the listener hear it, and answers in time whatever becomes of that.
///
/// # Errors
///
/// When an event is not kept yet. A press is always answered: Feishu does not repeat it.
pub async fn answer(listener: Arc<dyn Listener>, inbound: Inbound) -> Result<Value, Again> {
    let pressed = matches!(inbound, Inbound::Press { .. });
    // A task of its own: a deed begun is done though nobody waits for it.
    let hearing = tokio::spawn(async move { listener.hear(inbound).await });
    let failed =
        || Toast::new(ToastKind::Error, "没有记录成功，请再试一次", "That did not work, please try again");
    let (toast, why) = match tokio::time::timeout(PATIENCE, hearing).await {
        Ok(Ok(Ok(heard))) => return Ok(reply(heard.toast.as_ref(), heard.card.as_deref())),
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
    if pressed { Ok(reply(Some(&toast), None)) } else { Err(Again(why)) }
}

/// The answer to a press of a button that means nothing here.
pub fn button_of_another_time() -> Value {
    let toast = Toast::new(
        ToastKind::Warning,
        "这个按钮已失效，请在最新的卡片上操作",
        "This button no longer works, please use the newest card",
    );
    reply(Some(&toast), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Action, IncidentId, MessageId};
    use crate::feishu::callbacks::{Button, OperatorIds, Pressed};

    fn press() -> Inbound {
        Inbound::Press {
            event_id: "e1".into(),
            operator: OperatorIds::default(),
            message: MessageId("om_1".into()),
            chat: None,
            value: Pressed::Incident(Button {
                incident: IncidentId(1),
                epoch: 0,
                action: Action::Acknowledge,
            }),
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

    fn kind_of_toast(answer: &Value) -> &str {
        answer.pointer("/toast/type").and_then(Value::as_str).unwrap_or("none")
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_too_long_finishes_unwatched() {
        let slow = Arc::new(Slow(Duration::from_secs(9), tokio::sync::Notify::new()));
        let begun = tokio::time::Instant::now();
        let told = answer(slow.clone(), press()).await.unwrap();
        assert_eq!(begun.elapsed(), PATIENCE);
        assert_eq!(kind_of_toast(&told), "info");
        slow.1.notified().await;
        assert_eq!(begun.elapsed(), Duration::from_secs(9));

        assert!(answer(slow, event()).await.is_err(), "Feishu shall send it again");
        let quick = Arc::new(Slow(Duration::from_secs(2), tokio::sync::Notify::new()));
        assert_eq!(kind_of_toast(&answer(quick, press()).await.unwrap()), "none");
    }

    #[tokio::test]
    async fn failure_is_a_toast_to_people_and_a_repetition_to_feishu() {
        assert_eq!(kind_of_toast(&answer(Arc::new(Broken), press()).await.unwrap()), "error");
        let again = answer(Arc::new(Broken), event()).await.unwrap_err();
        assert_eq!(again.to_string(), "the event could not be kept: send it again");
    }
}
