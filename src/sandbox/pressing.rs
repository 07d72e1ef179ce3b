//! Presses buttons of cards, and shows what comes of it.
//!
//! A press is one request that is never repeated; Feishu waits three seconds,
//! then shows its user an error code. A card in the answer takes the place of
//! the one that is there, even of one that was edited in meanwhile.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::Sandbox;
use super::callback::{Answered, BAD_BODY, BAD_CARD, Envelope, NOT_200};
use super::events::{Route, envelope, ids};
use super::model::Revision;
use super::world::World;
use super::{card, sending};

/// A card of schema 2.0 cannot go back.
const BACK_TO_V1: i64 = 200_830;

/// What came of a press.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pressed {
    /// Status of the app's answer; `None`: none came in time.
    pub status: Option<u16>,
    /// What the person gets to see for some seconds, an error included.
    pub toast: Option<Toast>,
    /// The code that Feishu shows when the answer is not as it should be.
    pub error: Option<i64>,
    /// How long the answer took, in the machine's time.
    pub took: Duration,
}

/// A line that one person sees for some seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// `success`, `info`, `warning` or `error`.
    pub kind: String,
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

/// A toast on somebody's phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) number: u64,
    pub(super) at: Timestamp,
    pub(super) person: String,
    pub(super) toast: Toast,
}

/// Why a button could not even be pressed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoButton(String);

impl Sandbox {
    /// A person presses the button of a card with this text or this `do` in its
    /// value; the first one that fits. A dialog to confirm counts as confirmed.
    ///
    /// # Errors
    ///
    /// When there is no such button or person, or nobody to hear of it.
    pub async fn press(&self, message: &str, person: &str, button: &str) -> Result<Pressed, NoButton> {
        self.press_version(message, person, button, 0).await
    }

    /// As [`press`](Self::press), by somebody whose phone still shows the card as
    /// it was `back` edits ago.
    ///
    /// # Errors
    ///
    /// As [`press`](Self::press).
    pub async fn press_version(
        &self,
        message: &str,
        person: &str,
        button: &str,
        back: usize,
    ) -> Result<Pressed, NoButton> {
        let (route, envelope) =
            self.change(|world, now| prepare(world, (message, back), person, button, now))?;
        let begun = Instant::now();
        let answer = self.deliver(route, &envelope, 0, self.clock.now()).await;
        let took = begun.elapsed();
        Ok(self.change(|world, now| apply(world, message, person, answer, (took, now))))
    }
}

/// The request that a press makes.
fn prepare(
    world: &mut World,
    (message, back): (&str, usize),
    person: &str,
    button: &str,
    now: Timestamp,
) -> Result<(Route, Envelope), NoButton> {
    let no = |why: String| Err(NoButton(why));
    if !world.has_listener() {
        return no(
            "no callback address is set and no long connection was opened, so buttons do nothing (Feishu's \
                   code 200340)"
                .to_owned(),
        );
    }
    let Some(shown) = world.message(message).filter(|m| m.is_card() && !m.deleted).cloned() else {
        return no(format!("{message} is no card"));
    };
    if !world.is_member(&shown.chat, person) {
        return no(format!("{person} is not in {} and does not see the card", shown.chat));
    }
    let content = shown.revisions.iter().rev().nth(back).map_or("", |r| r.content.as_str());
    let buttons = buttons(&serde_json::from_str(content).unwrap_or_default());
    let Some(found) = buttons.iter().find(|b| b.text == button || b.does() == Some(button)) else {
        let known: Vec<&str> = buttons.iter().map(|b| b.text.as_str()).collect();
        return no(format!("the card has no button {button:?}, only {known:?}"));
    };
    let token = format!("c-{:016x}", world.next());
    let event = json!({
        "operator": ids(world, person),
        "token": token,
        "action": {"value": found.value, "tag": "button", "timezone": "Asia/Shanghai"},
        "host": "im_message",
        "context": {"open_message_id": message, "open_chat_id": shown.chat},
    });
    let envelope = envelope(world, "card.action.trigger", &shown.sender, event, now);
    Ok((Route::of(world, &envelope, 0), envelope))
}

/// A button that calls back.
#[derive(Debug)]
struct Button {
    text: String,
    value: Value,
}

impl Button {
    fn does(&self) -> Option<&str> {
        self.value.get("do").and_then(Value::as_str)
    }
}

/// The buttons of a card that call back, in their order. Disabled ones cannot be pressed.
fn buttons(part: &Value) -> Vec<Button> {
    if let Some(list) = part.as_array() {
        return list.iter().flat_map(buttons).collect();
    }
    let Some(object) = part.as_object() else { return Vec::new() };
    if object.get("tag").and_then(Value::as_str) == Some("button") {
        return button(object).into_iter().collect();
    }
    object.values().flat_map(buttons).collect()
}

fn button(object: &Map<String, Value>) -> Option<Button> {
    let disabled = object.get("disabled").and_then(Value::as_bool) == Some(true);
    let behaviors = object.get("behaviors").and_then(Value::as_array).into_iter().flatten();
    let mut calls = behaviors.filter(|b| b.get("type").and_then(Value::as_str) == Some("callback"));
    // Cards of schema 1.0 have the value at the button itself.
    let value = calls.next().and_then(|b| b.get("value")).or_else(|| object.get("value"))?;
    let text = object.get("text").and_then(|t| t.get("content")).and_then(Value::as_str).unwrap_or_default();
    (!disabled).then(|| Button { text: text.to_owned(), value: value.clone() })
}

/// What the answer makes of card and phone.
fn apply(
    world: &mut World,
    message: &str,
    person: &str,
    answer: Answered,
    (took, now): (Duration, Timestamp),
) -> Pressed {
    let status = answer.as_ref().ok().map(|(status, _)| *status);
    let outcome = answer.and_then(|(status, body)| {
        if status != 200 {
            return Err(NOT_200);
        }
        let body: Value = serde_json::from_slice(&body).ok().filter(Value::is_object).ok_or(BAD_BODY)?;
        if let Some(new) = body.get("card") {
            replace(world, message, new, now)?;
        }
        body.get("toast").map(toast).transpose()
    });
    let (toast, error) = match outcome {
        Ok(toast) => (toast, None),
        Err(code) => {
            let (zh, en) =
                (format!("出错了，请稍后重试 code:{code}"), format!("Something went wrong, code: {code}"));
            (Some(Toast { kind: "error".to_owned(), zh, en }), Some(code))
        }
    };
    if let Some(toast) = toast.clone() {
        let number = world.next();
        world.toasts.push(Shown { number, at: now, person: person.to_owned(), toast });
    }
    Pressed { status, toast, error, took }
}

fn toast(toast: &Value) -> Result<Toast, i64> {
    let text = |pointer: &str| toast.pointer(pointer).and_then(Value::as_str);
    let content = text("/content");
    let kind = text("/type").unwrap_or("info");
    let in_language = |pointer| text(pointer).or(content).map(str::to_owned).ok_or(BAD_BODY);
    if !matches!(kind, "success" | "info" | "warning" | "error") {
        return Err(BAD_BODY);
    }
    Ok(Toast { kind: kind.to_owned(), zh: in_language("/i18n/zh_cn")?, en: in_language("/i18n/en_us")? })
}

/// Puts the card of an answer in the place of the one that is there.
fn replace(world: &mut World, message: &str, new: &Value, now: Timestamp) -> Result<(), i64> {
    let data = new.get("data").filter(|data| data.is_object()).ok_or(BAD_CARD)?;
    if new.get("type").and_then(Value::as_str) != Some("raw") {
        return Err(BAD_CARD);
    }
    let content = data.to_string();
    let accepted = sending::check_card(world, &content).map_err(|_| BAD_CARD)?;
    let shown = world.message_mut(message).ok_or(BAD_CARD)?;
    if !accepted.v2 && card::check(shown.content()).is_ok_and(|old| old.v2) {
        return Err(BACK_TO_V1);
    }
    shown.revisions.push(Revision { at: now, content });
    Ok(())
}
