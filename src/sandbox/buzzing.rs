//! Urges messages (加急) and keeps chats on top of lists (即时提醒): feishu-api.md §4, §5.

use serde_json::{Value, json};

use crate::domain::Urgent;

use super::call::Call;
use super::model::{Buzz, Message, Pinned};
use super::refusal::Refusal;
use super::world::World;

/// Ids of one urgent call.
const URGED_MAX: usize = 200;
/// Urged messages that a person may leave unread.
const UNREAD_MAX: usize = 200;
/// People of one feed card call; documented for the bot's, assumed for chats.
const FEED_CARD_USERS_MAX: usize = 50;

/// `PATCH im/v1/messages/:message/urgent_{app,sms,phone}`
pub(super) fn urge(world: &mut World, call: &Call, urgent: Urgent) -> Result<Value, Refusal> {
    let kind = call.id_kind("user_id_type")?.to_owned();
    let ids = call.texts("user_id_list")?;
    if ids.is_empty() || ids.len() > URGED_MAX {
        return Err(Refusal::field("user_id_list", "the length must be between 1 and 200"));
    }
    let message = urgeable(world, call)?;
    let (mut valid, mut invalid) = (Vec::new(), Vec::new());
    for id in ids {
        match world.find_person(&kind, &id) {
            Some(open_id) if world.is_member(&message.chat, &open_id) => {
                if !valid.contains(&open_id) {
                    valid.push(open_id);
                }
            }
            _ => invalid.push(id),
        }
    }
    if valid.is_empty() {
        return Err(Refusal::parameter("all user ids are invalid."));
    }
    if valid.iter().any(|id| world.unread_urgents(id) >= UNREAD_MAX) {
        return Err(Refusal::new(
            230_023,
            "The number of unread urgent messages of the user has reached its limit.",
        ));
    }
    spend(world, urgent, valid.len())?;
    let text = world.preview_of(&message);
    for person in valid {
        if let Some(urged) = world.message_mut(&message.id) {
            urged.urged.insert(person.clone());
        }
        world.buzzes.push(Buzz {
            at: call.now,
            message: message.id.clone(),
            chat: message.chat.clone(),
            text: text.clone(),
            urgent,
            person,
        });
    }
    Ok(json!({"invalid_user_id_list": invalid}))
}

/// The message, if this bot may urge it.
fn urgeable(world: &World, call: &Call) -> Result<Message, Refusal> {
    let message = world.message(call.id()).ok_or_else(|| Refusal::parameter("invalid message_id."))?;
    if message.deleted {
        return Err(Refusal::new(230_110, "Action unavailable as the message has been deleted."));
    }
    let chat = world.usable_chat(&message.chat)?;
    if message.sender != call.app {
        return Err(Refusal::new(230_012, "Bot is NOT the sender of the message."));
    }
    if chat.external {
        return Err(Refusal::new(230_027, "Lack of necessary permissions, ext=external chat."));
    }
    if chat.urgent_restricted {
        return Err(Refusal::new(230_052, "The message is not allowed to be sent as urgent."));
    }
    Ok(message.clone())
}

/// Takes from the tenant's quota, or refuses when it does not suffice.
fn spend(world: &mut World, urgent: Urgent, people: usize) -> Result<(), Refusal> {
    let quota = match urgent {
        Urgent::None | Urgent::App => return Ok(()),
        Urgent::Sms => &mut world.options.sms_quota,
        Urgent::Phone => &mut world.options.phone_quota,
    };
    let Some(left) = quota else { return Ok(()) };
    let rest = u64::try_from(people).ok().and_then(|n| left.checked_sub(n));
    *left = rest.ok_or_else(|| Refusal::new(230_024, "The quota of urgent messages is used up."))?;
    Ok(())
}

/// `PATCH im/v2/feed_cards/:chat`
pub(super) fn chat_feed_card(world: &mut World, call: &Call) -> Result<Value, Refusal> {
    world.welcome_chat(call.id());
    let chat = world.chat(call.id()).ok_or_else(|| Refusal::parameter("feed_card_id is invalid."))?;
    if chat.is_direct {
        return Err(Refusal::parameter("feed_card_id is not a group."));
    }
    if !chat.has_bot || chat.dissolved {
        return Err(Refusal::new(230_027, "no permission, bot not in the chat"));
    }
    let place = Pinned::Chat(chat.id.clone());
    feed_card(world, call, &place)
}

/// `PATCH im/v2/feed_cards/bot_time_sentive`
pub(super) fn bot_feed_card(world: &mut World, call: &Call) -> Result<Value, Refusal> {
    feed_card(world, call, &Pinned::Bot)
}

fn feed_card(world: &mut World, call: &Call, place: &Pinned) -> Result<Value, Refusal> {
    let kind = call.id_kind("user_id_type")?.to_owned();
    if call.body.get("time_sensitive").is_none() {
        return Err(Refusal::field("time_sensitive", "time_sensitive is required"));
    }
    let on_top = call.flag("time_sensitive")?;
    let ids = call.texts("user_ids")?;
    if ids.is_empty() || ids.len() > FEED_CARD_USERS_MAX {
        return Err(Refusal::field("user_ids", "the length must be between 1 and 50"));
    }
    let mut failed = Vec::new();
    for id in ids {
        let person = world.find_person(&kind, &id);
        let why_not = match (&person, place) {
            (None, _) => Some("The user does not exist"),
            (Some(open_id), Pinned::Chat(chat)) if !world.is_member(chat, open_id) => {
                Some("The user is not in the chat")
            }
            (Some(_), Pinned::Chat(_) | Pinned::Bot) => None,
        };
        if let Some(why) = why_not {
            failed.push(json!({"error_code": 0, "error_message": why, "user_id": id}));
        } else if let Some(open_id) = person {
            let pin = (open_id, place.clone());
            if on_top {
                world.pins.insert(pin);
            } else {
                world.pins.remove(&pin);
            }
        }
    }
    Ok(json!({"failed_user_reasons": failed}))
}
