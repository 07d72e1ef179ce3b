//! The world as the page draws it.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::domain::Urgent;

use super::model::{Buzz, Message, Pinned};
use super::pressing::Shown;
use super::world::World;

/// Newest messages and buzzes shown; counters count all.
const SHOWN_MAX: usize = 200;
/// Newest toasts told of; each is shown for some seconds.
const TOASTS_MAX: usize = 8;
/// Newest contents shown of an edited message.
const REVISIONS_MAX: usize = 12;

/// All the page needs. Instants are milliseconds since 1970.
pub(super) fn snapshot(world: &World, now: Timestamp) -> Value {
    let people: Vec<Value> =
        world.accounts.iter().map(|a| json!({"id": a.open_id, "name": a.name})).collect();
    let chats: Vec<Value> = world
        .chats
        .iter()
        .map(|c| {
            json!({"id": c.id, "name": c.name, "direct": c.is_direct, "members": c.members,
                   "dissolved": c.dissolved})
        })
        .collect();
    let messages: Vec<Value> = newest(&world.messages).map(|m| message(world, m)).collect();
    let buzzes: Vec<Value> = newest(&world.buzzes).map(buzz).collect();
    let pins: Vec<Value> = world
        .pins
        .iter()
        .map(|(person, place)| match place {
            Pinned::Chat(chat) => json!({"person": person, "chat": chat}),
            Pinned::Bot => json!({"person": person, "chat": null}),
        })
        .collect();
    let toasts: Vec<Value> = world.toasts.iter().rev().take(TOASTS_MAX).map(toast).collect();
    json!({
        "callback": world.has_listener(),
        "connections": world.lines.open.len(),
        "toasts": toasts,
        "now": now.as_millisecond(),
        "bot": world.options.bot_name,
        "people": people,
        "chats": chats,
        "messages": messages,
        "buzzes": buzzes,
        "pins": pins,
        "counters": counters(world),
    })
}

fn newest<T>(all: &[T]) -> impl Iterator<Item = &T> {
    all.iter().skip(all.len().saturating_sub(SHOWN_MAX))
}

fn message(world: &World, message: &Message) -> Value {
    let shown = message.revisions.iter().skip(message.revisions.len().saturating_sub(REVISIONS_MAX));
    let revisions: Vec<Value> = shown
        .map(|r| {
            let content: Value = serde_json::from_str(&r.content).unwrap_or_default();
            json!({"at": r.at.as_millisecond(), "content": content})
        })
        .collect();
    let reactions: Vec<Value> =
        message.reactions.iter().map(|r| json!({"emoji": r.emoji, "by": r.by})).collect();
    json!({
        "id": message.id,
        "chat": message.chat,
        "by": message.sender,
        "by_bot": world.account(&message.sender).is_none(),
        "type": message.msg_type,
        "preview": world.preview_of(message),
        "at": message.created_at().as_millisecond(),
        "edits": message.revisions.len().saturating_sub(1),
        "revisions": revisions,
        "parent": message.parent,
        "deleted": message.deleted,
        "pinned": message.pinned_at.is_some(),
        "readers": message.readers.keys().collect::<Vec<_>>(),
        "reactions": reactions,
    })
}

fn buzz(buzz: &Buzz) -> Value {
    json!({"at": buzz.at.as_millisecond(), "message": buzz.message, "chat": buzz.chat,
           "text": buzz.text, "urgent": buzz.urgent.as_str(), "person": buzz.person})
}

fn toast(shown: &Shown) -> Value {
    let toast = &shown.toast;
    json!({"id": shown.number, "at": shown.at.as_millisecond(), "person": shown.person,
           "kind": toast.kind, "zh": toast.zh, "en": toast.en})
}

fn counters(world: &World) -> Value {
    let buzzes = |urgent: Urgent| world.buzzes.iter().filter(|b| b.urgent == urgent).count();
    let edits: usize = world.messages.iter().map(|m| m.revisions.len().saturating_sub(1)).sum();
    json!({
        "messages": world.messages.len(),
        "edits": edits,
        "app": buzzes(Urgent::App),
        "sms": buzzes(Urgent::Sms),
        "phone": buzzes(Urgent::Phone),
        "pins": world.pins.len(),
    })
}
