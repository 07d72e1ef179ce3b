//! The envelopes around events, old and new, and the events that matter.

use secrecy::SecretString;
use serde_json::Value;

use super::{Inbound, OperatorIds, Pressed, Refused, seal};
use crate::domain::{ChatId, MessageId};

/// What is told to whom the token would have proven, whatever is wrong with the body.
const STRANGER: Refused =
    Refused::Forged("the body does not carry the verification token: check feishu.verification_token");

pub(super) fn json(body: &[u8]) -> Result<Value, Refused> {
    serde_json::from_slice(body).map_err(|e| Refused::Unreadable(format!("the body is no JSON: {e}")))
}

/// A body that nothing but the token in it proves.
pub(super) fn plain(body: &[u8]) -> Result<Value, Refused> {
    let envelope = json(body).map_err(|_| STRANGER)?;
    if envelope.get("encrypt").is_some() {
        return Err(Refused::Forged("the body is encrypted, and feishu.encrypt_key is not set"));
    }
    Ok(envelope)
}

/// What is inside `encrypt`, or the body itself where there is no such field.
pub(super) fn decrypted(outer: Value, key: &SecretString) -> Result<Value, Refused> {
    let Some(encrypted) = outer.get("encrypt") else { return Ok(outer) };
    let inner = encrypted.as_str().and_then(|text| seal::decrypt(text, key));
    inner
        .and_then(|inner| serde_json::from_slice(&inner).ok())
        .ok_or_else(|| Refused::Unreadable("`encrypt` holds nothing that feishu.encrypt_key opens".into()))
}

/// Compares the token, then reads. Old and new envelopes carry it in different places.
pub(super) fn admit(envelope: &Value, token: Option<&SecretString>) -> Result<Inbound, Refused> {
    if let Some(wanted) = token {
        let given = text(envelope, "/header/token").or_else(|| text(envelope, "/token")).unwrap_or_default();
        if !seal::same(given, wanted) {
            return Err(STRANGER);
        }
    }
    interpret(envelope)
}

/// Reads an event whose way here was proof enough. One that names an app must
/// name this one.
///
/// # Errors
///
/// [`Refused::Unreadable`], [`Refused::Button`] and, of another app, [`Refused::Forged`].
pub fn read(payload: &[u8], app_id: &str) -> Result<Inbound, Refused> {
    let envelope = json(payload)?;
    if text(&envelope, "/header/app_id").is_some_and(|app| app != app_id) {
        return Err(Refused::Forged("the event is another app's: is feishu.app_id right?"));
    }
    interpret(&envelope)
}

fn interpret(envelope: &Value) -> Result<Inbound, Refused> {
    if text(envelope, "/type") == Some("url_verification") {
        return required(envelope, "/challenge").map(Inbound::Challenge);
    }
    // Version 1 has `uuid` and the kind inside the event. Nothing larkhorn heeds comes that way.
    if let Some(event_id) = text(envelope, "/uuid") {
        let kind = text(envelope, "/event/type").unwrap_or_default();
        return Ok(Inbound::Other { event_id: event_id.into(), kind: kind.into() });
    }
    let event_id = required(envelope, "/header/event_id")?;
    let kind = required(envelope, "/header/event_type")?;
    let event = envelope.get("event").unwrap_or(&Value::Null);
    match kind.as_str() {
        "card.action.trigger" => pressed(event, event_id),
        "im.message.receive_v1" => said(event, event_id, kind),
        "im.message.reaction.created_v1" => reacted(event, event_id, kind, true),
        "im.message.reaction.deleted_v1" => reacted(event, event_id, kind, false),
        "im.message.message_read_v1" => Ok(Inbound::Read {
            event_id,
            reader: ids(event, "/reader/reader_id"),
            messages: texts(event, "/message_id_list").map(|id| MessageId(id.into())).collect(),
        }),
        _ => Ok(Inbound::Other { event_id, kind }),
    }
}

fn pressed(event: &Value, event_id: String) -> Result<Inbound, Refused> {
    let value = event.pointer("/action/value").unwrap_or(&Value::Null);
    Ok(Inbound::Press {
        event_id,
        operator: ids(event, "/operator"),
        message: MessageId(required(event, "/context/open_message_id")?),
        chat: text(event, "/context/open_chat_id").map(|id| ChatId(id.into())),
        value: Pressed::read(value).map_err(Refused::Button)?,
    })
}

/// Bots talk too; what they say is nothing to obey.
fn said(event: &Value, event_id: String, kind: String) -> Result<Inbound, Refused> {
    let content = text(event, "/message/content").and_then(|c| serde_json::from_str::<Value>(c).ok());
    let written = content.and_then(|content| match text(event, "/message/message_type")? {
        "text" => text(&content, "/text").map(str::to_owned),
        "post" => Some(post(&content)),
        _ => None,
    });
    let by_person = text(event, "/sender/sender_type") == Some("user");
    let Some(written) = written.filter(|_| by_person) else {
        return Ok(Inbound::Other { event_id, kind });
    };
    let message = |pointer| text(event, pointer).map(|id| MessageId(id.into()));
    Ok(Inbound::Said {
        event_id,
        sender: ids(event, "/sender/sender_id"),
        chat: ChatId(required(event, "/message/chat_id")?),
        message: MessageId(required(event, "/message/message_id")?),
        parent: message("/message/parent_id"),
        root: message("/message/root_id"),
        text: unaddressed(&written),
    })
}

fn reacted(event: &Value, event_id: String, kind: String, added: bool) -> Result<Inbound, Refused> {
    if text(event, "/operator_type") != Some("user") {
        return Ok(Inbound::Other { event_id, kind });
    }
    Ok(Inbound::Reacted {
        event_id,
        operator: ids(event, "/user_id"),
        message: MessageId(required(event, "/message_id")?),
        emoji: required(event, "/reaction_type/emoji_type")?,
        added,
    })
}

/// The plain text of a rich-text message: its paragraphs' text runs.
fn post(content: &Value) -> String {
    let lines = content.pointer("/content").and_then(Value::as_array).into_iter().flatten();
    let runs = |line: &Value| -> String {
        let runs = line.as_array().into_iter().flatten();
        runs.filter(|run| text(run, "/tag") == Some("text")).filter_map(|run| text(run, "/text")).collect()
    };
    lines.map(runs).collect::<Vec<_>>().join("\n")
}

/// The text without mentions, which stand in it as `@_user_1` or `@_all`.
fn unaddressed(written: &str) -> String {
    let mut kept = String::new();
    let mut rest = written;
    while let Some((before, tail)) = rest.split_once("@_") {
        kept.push_str(before);
        let name = tail.strip_prefix("user_").map(|n| n.trim_start_matches(|c: char| c.is_ascii_digit()));
        rest = name.or_else(|| tail.strip_prefix("all")).unwrap_or_else(|| {
            kept.push_str("@_");
            tail
        });
    }
    kept.push_str(rest);
    kept.trim().to_owned()
}

fn ids(event: &Value, place: &str) -> OperatorIds {
    let id = |name| text(event, &format!("{place}/{name}")).map(str::to_owned);
    OperatorIds { open_id: id("open_id"), user_id: id("user_id"), union_id: id("union_id") }
}

/// A string that is there and says something.
fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer)?.as_str().filter(|text| !text.is_empty())
}

fn texts<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = &'v str> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn required(value: &Value, pointer: &str) -> Result<String, Refused> {
    text(value, pointer)
        .map(str::to_owned)
        .ok_or_else(|| Refused::Unreadable(format!("{pointer} is missing or no text")))
}
