//! Everything the fake Feishu remembers, and how ids are found in it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::Options;
use super::auth::Token;
use super::callback::Envelope;
use super::events::{Delivery, Waiting};
use super::fault::{Fault, Unrest};
use super::limits::{Limits, Meter, Subject};
use super::long_connection::{Lines, Ticket};
use super::model::{Account, Buzz, CallRecord, Chat, Message, Pinned};
use super::pressing::Shown;
use super::preview::preview;
use super::refusal::Refusal;

/// The `open_id` of the bot.
pub(super) const BOT_OPEN_ID: &str = "ou_sandbox_bot";

/// State behind the lock. Lists keep the order in which things came to be.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) options: Options,
    pub(super) accounts: Vec<Account>,
    pub(super) chats: Vec<Chat>,
    pub(super) messages: Vec<Message>,
    pub(super) buzzes: Vec<Buzz>,
    pub(super) pins: BTreeSet<(String, Pinned)>,
    pub(super) calls: Vec<CallRecord>,
    pub(super) faults: Vec<Fault>,
    pub(super) unrest: Option<Unrest>,
    pub(super) tokens: Vec<Token>,
    /// Sent messages by (app, uuid), for an hour.
    pub(super) uuids: BTreeMap<(String, String), (String, Timestamp)>,
    pub(super) withheld_scopes: BTreeSet<String>,
    /// The tenant has switched the app off.
    pub(super) bot_is_off: bool,
    pub(super) meter: Meter,
    /// Events that the app has not answered yet.
    pub(super) events: Vec<Waiting>,
    /// Events that it has.
    pub(super) delivered: Vec<Envelope>,
    pub(super) deliveries: Vec<Delivery>,
    pub(super) toasts: Vec<Shown>,
    pub(super) tickets: Vec<Ticket>,
    pub(super) lines: Lines,
    counter: u64,
    began_with: Options,
}

impl World {
    pub(super) fn new(options: Options) -> Self {
        Self { began_with: options.clone(), options, ..Self::default() }
    }

    /// Forgets everything, the counters of ids too. Open connections stay open.
    pub(super) fn reset(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        *self = Self::new(self.began_with.clone());
        self.lines = Lines { parts: 0, sent: BTreeMap::new(), ..lines };
    }

    /// The next number for ids.
    pub(super) fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// Counts against a limit if limits are on.
    pub(super) fn meter(&mut self, subject: Subject, now: Timestamp) -> Result<(), u64> {
        match self.options.limits {
            Limits::Off => Ok(()),
            Limits::Feishu => self.meter.admit(subject, now),
        }
    }

    /// Whether the app has said how it wants to hear of events.
    pub(super) fn has_listener(&self) -> bool {
        self.lines.chosen || self.options.callback.is_some()
    }

    pub(super) fn chat(&self, id: &str) -> Option<&Chat> {
        self.chats.iter().find(|c| c.id == id)
    }

    pub(super) fn chat_mut(&mut self, id: &str) -> Option<&mut Chat> {
        self.chats.iter_mut().find(|c| c.id == id)
    }

    pub(super) fn is_member(&self, chat: &str, open_id: &str) -> bool {
        self.chat(chat).is_some_and(|c| c.members.iter().any(|m| m == open_id))
    }

    pub(super) fn message(&self, id: &str) -> Option<&Message> {
        self.messages.iter().find(|m| m.id == id)
    }

    pub(super) fn message_mut(&mut self, id: &str) -> Option<&mut Message> {
        self.messages.iter_mut().find(|m| m.id == id)
    }

    pub(super) fn account(&self, open_id: &str) -> Option<&Account> {
        self.accounts.iter().find(|a| a.open_id == open_id)
    }

    /// Adds a person, or replaces the one with the same `open_id`. In an open
    /// world everybody is in every group.
    pub(super) fn add_account(&mut self, account: Account) {
        let open_id = account.open_id.clone();
        if let Some(known) = self.accounts.iter_mut().find(|a| a.open_id == open_id) {
            *known = account;
            return;
        }
        self.accounts.push(account);
        if self.options.open_world {
            for chat in self.chats.iter_mut().filter(|c| !c.is_direct) {
                chat.members.push(open_id.clone());
            }
        }
    }

    /// Adds a group with the bot in it, or replaces the one with the same id.
    pub(super) fn add_group(&mut self, id: &str, name: &str, members: Vec<String>) {
        let chat = Chat {
            id: id.to_owned(),
            name: name.to_owned(),
            is_direct: false,
            members,
            has_bot: true,
            dissolved: false,
            urgent_restricted: false,
            speech_restricted: false,
            external: false,
        };
        match self.chat_mut(id) {
            Some(known) => *known = chat,
            None => self.chats.push(chat),
        }
    }

    /// Makes a group known in an open world; elsewhere does nothing.
    pub(super) fn welcome_chat(&mut self, id: &str) {
        if self.options.open_world && id.starts_with("oc_") && self.chat(id).is_none() {
            let everybody = self.accounts.iter().map(|a| a.open_id.clone()).collect();
            let name = id.strip_prefix("oc_").unwrap_or(id).to_owned();
            self.add_group(id, &name, everybody);
        }
    }

    /// The `open_id` of a person by an id of that kind (`open_id`, `union_id`,
    /// `user_id`, `email`, `mobile`). In an open world unknown people come to be.
    pub(super) fn find_person(&mut self, kind: &str, id: &str) -> Option<String> {
        let known = self.accounts.iter().find(|a| {
            !id.is_empty()
                && match kind {
                    "open_id" => a.open_id == id,
                    "union_id" => a.union_id == id,
                    "user_id" => a.user_id == id,
                    "email" => a.email.eq_ignore_ascii_case(id),
                    "mobile" => a.mobile == id,
                    _ => false,
                }
        });
        if let Some(account) = known {
            return Some(account.open_id.clone());
        }
        let account = self.options.open_world.then(|| stranger(kind, id)).flatten()?;
        let open_id = account.open_id.clone();
        self.add_account(account);
        Some(open_id)
    }

    /// The person's conversation with the bot, opened if need be.
    pub(super) fn direct_chat(&mut self, open_id: &str) -> String {
        let found = self.chats.iter().find(|c| c.is_direct && c.members.iter().any(|m| m == open_id));
        if let Some(chat) = found {
            return chat.id.clone();
        }
        let id = format!("oc_p2p{:08x}", self.next());
        let name = self.account(open_id).map(|a| a.name.clone()).unwrap_or_default();
        self.add_group(&id, &name, vec![open_id.to_owned()]);
        if let Some(chat) = self.chat_mut(&id) {
            chat.is_direct = true;
        }
        id
    }

    /// The id of that kind of a person; the `open_id` for unknown kinds.
    pub(super) fn id_of(&self, open_id: &str, kind: &str) -> String {
        self.account(open_id)
            .map_or(open_id, |a| match kind {
                "union_id" => &a.union_id,
                "user_id" => &a.user_id,
                _ => &a.open_id,
            })
            .to_owned()
    }

    /// One that the bot may write to.
    pub(super) fn writable_chat(&self, id: &str) -> Result<&Chat, Refusal> {
        let chat = self.usable_chat(id)?;
        if chat.speech_restricted {
            return Err(Refusal::new(230_018, "These operations are NOT allowed at current group settings."));
        }
        Ok(chat)
    }

    /// A group or conversation that the bot may use.
    pub(super) fn usable_chat(&self, id: &str) -> Result<&Chat, Refusal> {
        let chat = self.chat(id).ok_or_else(|| Refusal::new(230_034, "The receive_id is invalid."))?;
        if chat.dissolved {
            return Err(Refusal::new(
                232_009,
                "Your request specifies a chat which has already been dissolved.",
            ));
        }
        if !chat.has_bot {
            return Err(Refusal::new(230_002, "The bot can not be outside the group."));
        }
        Ok(chat)
    }

    /// How many urged messages a person has not read.
    pub(super) fn unread_urgents(&self, open_id: &str) -> usize {
        self.messages.iter().filter(|m| m.urged.contains(open_id)).count()
    }

    /// One line that tells what a message says.
    pub(super) fn preview_of(&self, message: &Message) -> String {
        let content: Value = serde_json::from_str(message.content()).unwrap_or_default();
        preview(&message.msg_type, &content, &|id| {
            self.account(id).map_or_else(|| id.to_owned(), |a| a.name.clone())
        })
    }
}

/// Somebody an open world has not heard of; `None` when no id of that kind looks like that.
fn stranger(kind: &str, id: &str) -> Option<Account> {
    match kind {
        "open_id" => {
            let stem = id.strip_prefix("ou_").filter(|s| !s.is_empty())?;
            // `ou_1` would read as `1`.
            let name = if stem.bytes().all(|b| b.is_ascii_digit()) { id } else { stem };
            Some(Account::new(id, name))
        }
        "union_id" => {
            let stem = id.strip_prefix("on_").filter(|s| !s.is_empty())?;
            Some(Account::new(&format!("ou_{stem}"), stem))
        }
        "user_id" if !id.is_empty() => Some(Account::new(&format!("ou_{id}"), id)),
        "email" => {
            let (stem, _) = id.split_once('@').filter(|(stem, _)| !stem.is_empty())?;
            Some(Account::new(&format!("ou_{stem}"), stem).email(id))
        }
        "mobile" => {
            let digits = id.strip_prefix('+').unwrap_or(id);
            let plausible = digits.len() >= 5 && digits.bytes().all(|b| b.is_ascii_digit());
            plausible.then(|| Account::new(&format!("ou_{digits}"), id).mobile(id))
        }
        _ => None,
    }
}
