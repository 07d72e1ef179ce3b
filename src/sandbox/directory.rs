//! People and groups as the app may see them (feishu-api.md §6).

use serde_json::{Value, json};

use super::call::Call;
use super::model::{Account, Chat};
use super::reading::paged;
use super::refusal::Refusal;
use super::world::World;

const CONTACTS_MAX: usize = 50;

/// `POST contact/v3/users/batch_get_id`; who is not found comes back without `user_id`.
pub(super) fn batch_get_id(world: &mut World, call: &Call) -> Result<Value, Refusal> {
    let kind = call.id_kind("user_id_type")?.to_owned();
    let with_resigned = call.flag("include_resigned")?;
    let mut found = Vec::new();
    for (list, by) in [("emails", "email"), ("mobiles", "mobile")] {
        let contacts = call.texts(list)?;
        if contacts.len() > CONTACTS_MAX {
            return Err(Refusal::field(list, "the max len is 50"));
        }
        for contact in contacts {
            let open_id = world.find_person(by, &contact);
            let account = open_id.as_deref().and_then(|id| world.account(id));
            let seen = account.filter(|a| !a.hidden && (with_resigned || !a.resigned));
            found.push(match seen {
                Some(a) => {
                    json!({by: contact, "user_id": world.id_of(&a.open_id, &kind), "status": status(a)})
                }
                None => json!({by: contact}),
            });
        }
    }
    Ok(json!({"user_list": found}))
}

fn status(account: &Account) -> Value {
    json!({"is_frozen": false, "is_resigned": account.resigned, "is_activated": !account.resigned,
           "is_exited": false, "is_unjoin": false})
}

/// `GET contact/v3/users/:user`
pub(super) fn get_user(world: &mut World, call: &Call) -> Result<Value, Refusal> {
    let kind = call.id_kind("user_id_type")?.to_owned();
    let bad = || Refusal::new(41_012, "user id invalid error");
    let open_id = world.find_person(&kind, call.id()).ok_or_else(bad)?;
    let account = world.account(&open_id).ok_or_else(bad)?;
    if account.hidden {
        return Err(Refusal::new(41_050, "no user authority error"));
    }
    Ok(json!({"user": {
        "open_id": account.open_id, "union_id": account.union_id, "user_id": account.user_id,
        "name": account.name, "email": account.email, "mobile": account.mobile, "status": status(account),
    }}))
}

/// `GET im/v1/chats`: groups of the bot.
pub(super) fn list_chats(world: &World, call: &Call) -> Result<Value, Refusal> {
    let groups: Vec<&Chat> =
        world.chats.iter().filter(|c| !c.is_direct && c.has_bot && !c.dissolved).collect();
    let (page, next) = call.page(groups, 100)?;
    let items: Vec<Value> = page
        .into_iter()
        .map(|c| json!({"chat_id": c.id, "name": c.name, "external": c.external, "chat_status": "normal"}))
        .collect();
    Ok(paged(&items, next.as_deref()))
}

fn known_chat<'w>(world: &'w mut World, call: &Call) -> Result<&'w Chat, Refusal> {
    world.welcome_chat(call.id());
    let chat = world
        .chat(call.id())
        .ok_or_else(|| Refusal::new(232_006, "Your request specifies a chat_id which is invalid."))?;
    if chat.dissolved {
        return Err(Refusal::new(232_009, "Your request specifies a chat which has already been dissolved."));
    }
    Ok(chat)
}

fn joined_chat<'w>(world: &'w mut World, call: &Call) -> Result<&'w Chat, Refusal> {
    let chat = known_chat(world, call)?;
    if chat.has_bot { Ok(chat) } else { Err(Refusal::new(232_011, "Operator can NOT be out of the chat.")) }
}

/// `GET im/v1/chats/:chat`
pub(super) fn get_chat(world: &mut World, call: &Call) -> Result<Value, Refusal> {
    let chat = known_chat(world, call)?;
    Ok(json!({
        "name": chat.name,
        "chat_mode": if chat.is_direct { "p2p" } else { "group" },
        "chat_type": "private",
        "external": chat.external,
        "urgent_setting": if chat.urgent_restricted { "only_owner" } else { "all_members" },
        "moderation_permission": if chat.speech_restricted { "only_owner" } else { "all_members" },
        "bot_manager_id_list": [],
        "user_count": chat.members.len().to_string(),
        "bot_count": if chat.has_bot { "1" } else { "0" },
        "chat_status": "normal",
    }))
}

/// `GET im/v1/chats/:chat/members`
pub(super) fn list_members(world: &mut World, call: &Call) -> Result<Value, Refusal> {
    let kind = call.id_kind("member_id_type")?;
    let members = joined_chat(world, call)?.members.clone();
    let total = members.len();
    let (page, next) = call.page(members, 100)?;
    let items: Vec<Value> = page
        .iter()
        .map(|open_id| {
            let name = world.account(open_id).map_or("", |a| a.name.as_str());
            json!({"member_id_type": kind, "member_id": world.id_of(open_id, kind), "name": name,
                   "tenant_key": "sandbox"})
        })
        .collect();
    let mut answer = paged(&items, next.as_deref());
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("member_total".to_owned(), json!(total));
    }
    Ok(answer)
}

/// `GET im/v1/chats/:chat/members/is_in_chat`, asked for the bot.
pub(super) fn is_in_chat(world: &mut World, call: &Call) -> Result<Value, Refusal> {
    Ok(json!({"is_in_chat": known_chat(world, call)?.has_bot}))
}

/// `POST im/v1/chats/:chat/members`; `succeed_type` says what bad ids do:
/// 0 an unknown one fails the call, 1 adds the usable ones, 2 any bad one fails.
pub(super) fn add_members(world: &mut World, call: &Call) -> Result<Value, Refusal> {
    let kind = call.id_kind("member_id_type")?.to_owned();
    let ids = call.texts("id_list")?;
    if ids.is_empty() || ids.len() > CONTACTS_MAX {
        return Err(Refusal::field("id_list", "the length must be between 1 and 50"));
    }
    let mode = call.param("succeed_type").unwrap_or("0");
    let chat = joined_chat(world, call)?.id.clone();
    let (mut usable, mut invalid, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for id in ids {
        let open_id = world.find_person(&kind, &id);
        match open_id.as_deref().and_then(|o| world.account(o)) {
            None => unknown.push(id),
            Some(account) if account.resigned || account.unavailable => invalid.push(id),
            Some(account) => usable.push(account.open_id.clone()),
        }
    }
    let fails = match mode {
        "1" => false,
        "2" => !unknown.is_empty() || !invalid.is_empty(),
        _ => !unknown.is_empty(),
    };
    if fails {
        return Err(Refusal::new(232_043, "Your request contains unavailable ids."));
    }
    if let Some(chat) = world.chat_mut(&chat) {
        for open_id in usable {
            if !chat.members.contains(&open_id) {
                chat.members.push(open_id);
            }
        }
    }
    Ok(json!({"invalid_id_list": invalid, "not_existed_id_list": unknown, "pending_approval_id_list": []}))
}
