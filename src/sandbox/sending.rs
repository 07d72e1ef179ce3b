//! Sends, answers, edits and recalls messages (feishu-api.md §3.1, §3.2).

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::call::Call;
use super::card;
use super::events;
use super::limits::Subject;
use super::model::{Message, Revision};
use super::reading::message_json;
use super::refusal::Refusal;
use super::world::World;

/// A `uuid` sends at most one message in this time.
const UUID_MEMORY: SignedDuration = SignedDuration::from_hours(1);
/// Cards can be updated for this long.
const CARD_LIFE: SignedDuration = SignedDuration::from_hours(14 * 24);
const TEXT_BYTES_MAX: usize = 150 * 1024;
const POST_BYTES_MAX: usize = 30 * 1024;
const EDITS_MAX: usize = 20;
const OTHER_TYPES: &[&str] =
    &["image", "file", "audio", "media", "sticker", "share_chat", "share_user", "system"];

/// `POST im/v1/messages`
pub(super) fn send(world: &mut World, call: &Call) -> Result<Value, Refusal> {
    let kind = call
        .param("receive_id_type")
        .ok_or_else(|| Refusal::field("receive_id_type", "receive_id_type is required"))?
        .to_owned();
    let receive_id = call.text("receive_id")?.to_owned();
    if let Some(earlier) = same_uuid(world, call)? {
        return Ok(earlier);
    }
    let chat = match kind.as_str() {
        "chat_id" => {
            world.welcome_chat(&receive_id);
            world.writable_chat(&receive_id)?.id.clone()
        }
        "open_id" | "union_id" | "user_id" | "email" => direct_target(world, &kind, &receive_id)?,
        _ => {
            return Err(Refusal::field(
                "receive_id_type",
                "must be one of: open_id, union_id, user_id, email, chat_id",
            ));
        }
    };
    post(world, call, &chat, None)
}

/// `POST im/v1/messages/:message/reply`
pub(super) fn reply(world: &mut World, call: &Call) -> Result<Value, Refusal> {
    if let Some(earlier) = same_uuid(world, call)? {
        return Ok(earlier);
    }
    let parent = world.message(call.id()).ok_or_else(no_message)?;
    if parent.deleted {
        return Err(Refusal::new(230_011, "The message was recalled."));
    }
    let (chat, parent) = (parent.chat.clone(), parent.clone());
    world.writable_chat(&chat)?;
    post(world, call, &chat, Some(parent))
}

/// The answer to an earlier call with the same `uuid` within the hour.
fn same_uuid(world: &mut World, call: &Call) -> Result<Option<Value>, Refusal> {
    world.uuids.retain(|_, (_, at)| call.now.duration_since(*at) < UUID_MEMORY);
    let Some(uuid) = call.optional_text("uuid")?.filter(|u| !u.is_empty()) else { return Ok(None) };
    if uuid.chars().count() > 50 {
        return Err(Refusal::parameter("uuid is longer than 50 characters."));
    }
    let sent = world.uuids.get(&(call.app.clone(), uuid.to_owned()));
    Ok(sent.and_then(|(id, _)| world.message(id)).map(|m| message_json(world, m)))
}

fn direct_target(world: &mut World, kind: &str, id: &str) -> Result<String, Refusal> {
    let open_id =
        world.find_person(kind, id).ok_or_else(|| Refusal::new(230_034, "The receive_id is invalid."))?;
    if let Some(account) = world.account(&open_id) {
        if account.resigned {
            return Err(Refusal::new(230_029, "The user has resigned."));
        }
        if account.unavailable {
            return Err(Refusal::new(230_013, "Bot has NO availability to this user."));
        }
        if account.stopped_bot {
            return Err(Refusal::new(230_053, "The user has stopped the bot from sending messages."));
        }
    }
    Ok(world.direct_chat(&open_id))
}

fn post(world: &mut World, call: &Call, chat: &str, parent: Option<Message>) -> Result<Value, Refusal> {
    let msg_type = call.text("msg_type")?.to_owned();
    let content = call.text("content")?.to_owned();
    check_content(world, &msg_type, &content)?;
    world
        .meter(Subject::Chat(chat.to_owned()), call.now)
        .map_err(|_| Refusal::too_frequent("Send messages to the same target too frequently"))?;
    let id = format!("om_{:032x}", world.next());
    let in_thread = call.flag("reply_in_thread")?;
    let thread = parent.as_ref().and_then(|p| p.thread.clone()).or_else(|| {
        parent.as_ref().filter(|_| in_thread).map(|p| format!("omt_{}", p.id.trim_start_matches("om_")))
    });
    let first = Revision { at: call.now, content };
    let mut message = Message::new(id.clone(), chat, &call.app, &msg_type, first);
    message.thread = thread;
    message.parent = parent.as_ref().map(|p| p.id.clone());
    message.root = parent.map(|p| p.root.unwrap_or(p.id));
    let answer = message_json(world, &message);
    world.messages.push(message);
    if let Some(uuid) = call.optional_text("uuid")?.filter(|u| !u.is_empty()) {
        world.uuids.insert((call.app.clone(), uuid.to_owned()), (id, call.now));
    }
    Ok(answer)
}

fn check_content(world: &mut World, msg_type: &str, content: &str) -> Result<(), Refusal> {
    let too_long = || Refusal::new(230_025, "The length of the message content reaches its limit.");
    match msg_type {
        "interactive" => check_card(world, content).map(|_| ()),
        "text" if content.len() > TEXT_BYTES_MAX => Err(too_long()),
        "post" if content.len() > POST_BYTES_MAX => Err(too_long()),
        "text" => {
            let text = json_object(content)?;
            match text.get("text").and_then(Value::as_str) {
                Some(t) if !t.is_empty() => Ok(()),
                _ => Err(Refusal::parameter("text field can't be empty.")),
            }
        }
        "post" => json_object(content).map(|_| ()),
        other if OTHER_TYPES.contains(&other) => json_object(content).map(|_| ()),
        _ => Err(Refusal::parameter("invalid msg_type.")),
    }
}

fn json_object(content: &str) -> Result<Value, Refusal> {
    let value: Option<Value> = serde_json::from_str(content).ok().filter(Value::is_object);
    value.ok_or_else(|| Refusal::parameter("content is not a string in json format."))
}

pub(super) fn check_card(world: &mut World, content: &str) -> Result<card::Accepted, Refusal> {
    let accepted = card::check(content)?;
    for (kind, id) in &accepted.mentions {
        if world.find_person(kind, id).is_none() {
            return Err(Refusal::card(
                100_290,
                &format!("Failed to create card content, invalid user resource: at {id}"),
            ));
        }
    }
    Ok(accepted)
}

fn no_message() -> Refusal {
    Refusal::parameter("invalid message_id.")
}

/// `PATCH im/v1/messages/:message`
pub(super) fn update_card(world: &mut World, call: &Call) -> Result<Value, Refusal> {
    let content = call.text("content")?.to_owned();
    let message = world.message(call.id()).ok_or_else(no_message)?.clone();
    if message.msg_type != "interactive" {
        return Err(Refusal::parameter("This message is NOT a card."));
    }
    if message.deleted {
        return Err(Refusal::new(230_110, "Action unavailable as the message has been deleted."));
    }
    if message.sender != call.app {
        return Err(Refusal::new(
            230_027,
            "Lack of necessary permissions, ext=only the sender can update the card.",
        ));
    }
    world.usable_chat(&message.chat)?;
    if call.now.duration_since(message.created_at()) > CARD_LIFE {
        return Err(Refusal::new(230_031, "The message has exceeded 14 days and cannot be updated."));
    }
    let new = check_card(world, &content)?;
    let old = card::check(message.content())?;
    if old.v2 && !new.v2 {
        return Err(Refusal::card(200_830, "schema V2 card can not change schema V1"));
    }
    if !old.update_multi || !new.update_multi {
        return Err(Refusal::parameter("config.update_multi must be true in the old and the new card."));
    }
    revise(world, call, content)?;
    Ok(json!({}))
}

/// `PUT im/v1/messages/:message`
pub(super) fn edit_text(world: &mut World, call: &Call) -> Result<Value, Refusal> {
    let msg_type = call.text("msg_type")?.to_owned();
    let content = call.text("content")?.to_owned();
    let message = world.message(call.id()).ok_or_else(no_message)?.clone();
    if !matches!(msg_type.as_str(), "text" | "post") || message.msg_type == "interactive" {
        return Err(Refusal::parameter("only text and post messages can be edited."));
    }
    if message.deleted {
        return Err(Refusal::new(230_110, "Action unavailable as the message has been deleted."));
    }
    if message.sender != call.app {
        return Err(Refusal::new(230_071, "The message does not belong to the operator."));
    }
    if message.revisions.len() > EDITS_MAX {
        return Err(Refusal::new(230_072, "The message has reached its limit of edits."));
    }
    check_content(world, &msg_type, &content)?;
    revise(world, call, content)?;
    let message = world.message(call.id()).ok_or_else(no_message)?;
    Ok(message_json(world, message))
}

fn revise(world: &mut World, call: &Call, content: String) -> Result<(), Refusal> {
    world
        .meter(Subject::Message(call.id().to_owned()), call.now)
        .map_err(|_| Refusal::too_frequent("Update the single messages too frequently"))?;
    let message = world.message_mut(call.id()).ok_or_else(no_message)?;
    message.revisions.push(Revision { at: call.now, content });
    Ok(())
}

/// `DELETE im/v1/messages/:message`
pub(super) fn recall(world: &mut World, call: &Call) -> Result<Value, Refusal> {
    let message = world.message_mut(call.id()).ok_or_else(no_message)?;
    if message.deleted {
        return Err(Refusal::new(230_110, "Action unavailable as the message has been deleted."));
    }
    if message.sender != call.app {
        return Err(Refusal::new(230_026, "No permission to recall this message."));
    }
    message.deleted = true;
    message.urged.clear();
    Ok(json!({}))
}

/// Says something in a chat as a person would, perhaps in answer to a message.
pub(super) fn say(
    world: &mut World,
    chat: &str,
    open_id: &str,
    (text, parent): (&str, Option<&str>),
    now: Timestamp,
) -> String {
    let id = format!("om_{:032x}", world.next());
    let content = json!({"text": text}).to_string();
    let mut message = Message::new(id.clone(), chat, open_id, "text", Revision { at: now, content });
    if let Some(parent) = parent.and_then(|parent| world.message(parent)) {
        message.parent = Some(parent.id.clone());
        message.root = Some(parent.root.clone().unwrap_or_else(|| parent.id.clone()));
    }
    events::message_received(world, &message, now);
    world.messages.push(message);
    id
}
