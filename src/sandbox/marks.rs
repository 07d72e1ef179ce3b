//! Reactions to messages, and messages pinned in their chat (feishu-api.md §3.2).

use serde_json::{Value, json};

use super::call::Call;
use super::limits::Subject;
use super::model::{Message, Reaction};
use super::reading::paged;
use super::refusal::Refusal;
use super::world::World;

/// Emoji the sandbox knows; names are case-sensitive in Feishu too.
pub(super) const EMOJI: &[&str] = &[
    "OK",
    "DONE",
    "CheckMark",
    "CrossMark",
    "Alarm",
    "Fire",
    "OnIt",
    "Get",
    "OneSecond",
    "LGTM",
    "THUMBSUP",
];

fn gone() -> Refusal {
    Refusal::new(231_003, "The message is not found or was recalled.")
}

fn reactable<'w>(world: &'w mut World, call: &Call) -> Result<&'w mut Message, Refusal> {
    world.message_mut(call.id()).filter(|m| !m.deleted).ok_or_else(gone)
}

fn reaction_json(world: &World, reaction: &Reaction) -> Value {
    let kind = if world.account(&reaction.by).is_some() { "user" } else { "app" };
    json!({
        "reaction_id": reaction.id,
        "operator": {"operator_id": reaction.by, "operator_type": kind},
        "action_time": reaction.at.as_millisecond().to_string(),
        "reaction_type": {"emoji_type": reaction.emoji},
    })
}

/// `POST im/v1/messages/:message/reactions`
pub(super) fn create_reaction(world: &mut World, call: &Call) -> Result<Value, Refusal> {
    let emoji = call.body.pointer("/reaction_type/emoji_type").and_then(Value::as_str).unwrap_or_default();
    if !EMOJI.contains(&emoji) {
        return Err(Refusal::new(231_001, "reaction type is invalid."));
    }
    let id = format!("r_{:016x}", world.next());
    let message = reactable(world, call)?;
    let earlier = message.reactions.iter().find(|r| r.by == call.app && r.emoji == emoji);
    let reaction = earlier.cloned().unwrap_or_else(|| Reaction {
        id,
        emoji: emoji.to_owned(),
        by: call.app.clone(),
        at: call.now,
    });
    if !message.reactions.contains(&reaction) {
        message.reactions.push(reaction.clone());
    }
    Ok(reaction_json(world, &reaction))
}

/// `GET im/v1/messages/:message/reactions`
pub(super) fn list_reactions(world: &World, call: &Call) -> Result<Value, Refusal> {
    let message = world.message(call.id()).filter(|m| !m.deleted).ok_or_else(gone)?;
    let wanted = call.param("reaction_type");
    let found: Vec<_> =
        message.reactions.iter().filter(|r| wanted.is_none_or(|emoji| emoji == r.emoji)).collect();
    let (page, next) = call.page(found, 50)?;
    let items: Vec<Value> = page.into_iter().map(|r| reaction_json(world, r)).collect();
    Ok(paged(&items, next.as_deref()))
}

/// `DELETE im/v1/messages/:message/reactions/:reaction`
pub(super) fn delete_reaction(world: &mut World, call: &Call) -> Result<Value, Refusal> {
    let message = reactable(world, call)?;
    let place = message.reactions.iter().position(|r| r.id == call.second_id()).ok_or_else(gone)?;
    if message.reactions.get(place).is_some_and(|r| r.by != call.app) {
        return Err(Refusal::new(231_002, "No permission to delete this reaction."));
    }
    let reaction = message.reactions.remove(place);
    Ok(reaction_json(world, &reaction))
}

fn pin_json(message: &Message, app: &str) -> Value {
    let at = message.pinned_at.map(|at| at.as_millisecond().to_string()).unwrap_or_default();
    json!({"message_id": message.id, "chat_id": message.chat, "operator_id": app,
           "operator_id_type": "app_id", "create_time": at})
}

/// `POST im/v1/pins`; a message that is pinned already stays as it is.
pub(super) fn create_pin(world: &mut World, call: &Call) -> Result<Value, Refusal> {
    let id = call.text("message_id")?.to_owned();
    change_pin(world, call, &id, true)
}

/// `DELETE im/v1/pins/:message`
pub(super) fn delete_pin(world: &mut World, call: &Call) -> Result<Value, Refusal> {
    change_pin(world, call, call.id(), false)?;
    Ok(json!({}))
}

fn change_pin(world: &mut World, call: &Call, id: &str, pinned: bool) -> Result<Value, Refusal> {
    let message =
        world.message(id).filter(|m| !m.deleted).ok_or_else(|| Refusal::parameter("invalid message_id."))?;
    let chat = message.chat.clone();
    world.usable_chat(&chat)?;
    world
        .meter(Subject::Message(id.to_owned()), call.now)
        .map_err(|_| Refusal::new(230_047, "Pin operations on the message are too frequent."))?;
    let message = world.message_mut(id).ok_or_else(gone)?;
    message.pinned_at = pinned.then(|| message.pinned_at.unwrap_or(call.now));
    Ok(json!({"pin": pin_json(message, &call.app)}))
}

/// `GET im/v1/pins`
pub(super) fn list_pins(world: &World, call: &Call) -> Result<Value, Refusal> {
    let chat = call.param("chat_id").ok_or_else(|| Refusal::field("chat_id", "chat_id is required"))?;
    if world.chat(chat).is_none() {
        return Err(Refusal::new(230_045, "The chat does not exist."));
    }
    let found: Vec<&Message> =
        world.messages.iter().filter(|m| m.chat == chat && m.pinned_at.is_some()).collect();
    let (page, next) = call.page(found, 50)?;
    let items: Vec<Value> = page.into_iter().map(|m| pin_json(m, &call.app)).collect();
    Ok(paged(&items, next.as_deref()))
}
