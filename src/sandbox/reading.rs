//! Shows messages, who read them, and scopes of the app (feishu-api.md §3.2).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::call::Call;
use super::events;
use super::model::Message;
use super::refusal::Refusal;
use super::world::{BOT_OPEN_ID, World};

/// The tenant everybody belongs to.
const TENANT: &str = "sandbox";
/// Readers can be asked for this many hours.
const READERS_HOURS: i64 = 7 * 24;

/// A message as send, reply and get answer it.
pub(super) fn message_json(world: &World, message: &Message) -> Value {
    let ms = |at: jiff::Timestamp| at.as_millisecond().to_string();
    let by_app = world.account(&message.sender).is_none();
    let mut json = json!({
        "message_id": message.id,
        "msg_type": message.msg_type,
        "create_time": ms(message.created_at()),
        "update_time": ms(message.updated_at()),
        "deleted": message.deleted,
        "updated": message.revisions.len() > 1,
        "chat_id": message.chat,
        "sender": {
            "id": message.sender,
            "id_type": if by_app { "app_id" } else { "open_id" },
            "sender_type": if by_app { "app" } else { "user" },
            "tenant_key": TENANT,
        },
        "body": {"content": message.content()},
    });
    let links = [("parent_id", &message.parent), ("root_id", &message.root), ("thread_id", &message.thread)];
    if let Some(fields) = json.as_object_mut() {
        for (name, id) in links {
            if let Some(id) = id {
                fields.insert(name.to_owned(), json!(id));
            }
        }
    }
    json
}

/// `GET im/v1/messages/:message`
pub(super) fn get_message(world: &World, call: &Call) -> Result<Value, Refusal> {
    let message = world.message(call.id()).ok_or_else(|| Refusal::parameter("invalid message_id."))?;
    if !world.chat(&message.chat).is_some_and(|c| c.has_bot) {
        return Err(Refusal::new(230_002, "The bot can not be outside the group."));
    }
    Ok(json!({"items": [message_json(world, message)]}))
}

/// `GET im/v1/messages`
pub(super) fn history(world: &World, call: &Call) -> Result<Value, Refusal> {
    let container = call
        .param("container_id")
        .ok_or_else(|| Refusal::field("container_id", "container_id is required"))?;
    let in_container: fn(&Message, &str) -> bool = match call.param("container_id_type") {
        Some("chat") => {
            world.usable_chat(container)?;
            |m, id| m.chat == id
        }
        Some("thread") => |m, id| m.thread.as_deref() == Some(id),
        _ => return Err(Refusal::field("container_id_type", "must be one of: chat, thread")),
    };
    let second = |name: &str, default: i64| {
        call.param(name).map_or(Ok(default), |text| {
            text.parse::<i64>().map_err(|_| Refusal::field(name, "must be seconds since 1970"))
        })
    };
    let span = second("start_time", i64::MIN)?..=second("end_time", i64::MAX)?;
    let mut found: Vec<&Message> = world
        .messages
        .iter()
        .filter(|m| in_container(m, container) && span.contains(&m.created_at().as_second()))
        .collect();
    if call.param("sort_type") == Some("ByCreateTimeDesc") {
        found.reverse();
    }
    let (page, next) = call.page(found, 50)?;
    let items: Vec<Value> = page.into_iter().map(|m| message_json(world, m)).collect();
    Ok(paged(&items, next.as_deref()))
}

/// A page of a list, as Feishu wraps it.
pub(super) fn paged(items: &[Value], next: Option<&str>) -> Value {
    json!({"items": items, "has_more": next.is_some(), "page_token": next.unwrap_or_default()})
}

/// `GET im/v1/messages/:message/read_users`
pub(super) fn read_users(world: &World, call: &Call) -> Result<Value, Refusal> {
    if call.param("user_id_type").is_none() {
        return Err(Refusal::field("user_id_type", "user_id_type is required"));
    }
    let kind = call.id_kind("user_id_type")?;
    let message = world.message(call.id()).ok_or_else(|| Refusal::parameter("invalid message_id."))?;
    if message.sender != call.app {
        return Err(Refusal::new(230_012, "Bot is NOT the sender of the message."));
    }
    if call.now.duration_since(message.created_at()).as_hours() >= READERS_HOURS {
        return Err(Refusal::new(230_033, "The message was sent more than 7 days ago."));
    }
    let readers: Vec<_> = message.readers.iter().collect();
    let (page, next) = call.page(readers, 100)?;
    let items: Vec<Value> = page
        .into_iter()
        .map(|(open_id, at)| {
            json!({"user_id_type": kind, "user_id": world.id_of(open_id, kind),
                   "timestamp": at.as_millisecond().to_string(), "tenant_key": TENANT})
        })
        .collect();
    Ok(paged(&items, next.as_deref()))
}

/// `GET bot/v3/info`; its answer lies in `bot`, not in `data`.
pub(super) fn bot_info(world: &World) -> Value {
    json!({"code": 0, "msg": "ok", "bot": {
        "activate_status": if world.bot_is_off { 1 } else { 2 }, "app_name": world.options.bot_name, "avatar_url": "",
        "ip_white_list": [], "open_id": BOT_OPEN_ID}})
}

/// `GET application/v6/scopes`
pub(super) fn scopes(world: &World) -> Value {
    let mut statuses: BTreeMap<&str, u8> = BTreeMap::new();
    // Events need scopes too, though no call does.
    let events = ["im:message.group_at_msg:readonly", "im:message.p2p_msg:readonly"];
    for name in super::api::Api::ALL.iter().flat_map(|api| api.scopes()).chain(&events) {
        statuses.insert(name, 1);
    }
    for name in &world.withheld_scopes {
        statuses.insert(name, 2);
    }
    let scopes: Vec<Value> = statuses
        .into_iter()
        .map(|(name, status)| json!({"scope_name": name, "grant_status": status, "scope_type": "tenant"}))
        .collect();
    json!({"scopes": scopes})
}

/// Marks everything in a chat as read by a person; their urgents there are dealt with.
pub(super) fn read_chat(world: &mut World, chat: &str, open_id: &str, now: jiff::Timestamp) {
    let mut fresh = Vec::new();
    for message in world.messages.iter_mut().filter(|m| m.chat == chat && m.sender != open_id) {
        if !message.readers.contains_key(open_id) {
            fresh.push(message.id.clone());
        }
        message.readers.entry(open_id.to_owned()).or_insert(now);
        message.urged.remove(open_id);
    }
    // Feishu tells of the conversation with the bot only.
    if !fresh.is_empty() && world.chat(chat).is_some_and(|c| c.is_direct) {
        events::read(world, open_id, &fresh, now);
    }
}
