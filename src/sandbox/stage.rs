//! What tests and the demo do to the world directly: build it, look at it, spoil it.

use jiff::Timestamp;

use super::Sandbox;
use super::fault::{Fault, Unrest};
use super::model::{Account, Buzz, CallRecord, Chat, Message, Pinned};
use super::{reading, sending};

impl Sandbox {
    /// Adds a group that has the bot in it. Members are `open_id`s.
    pub fn add_chat(&self, id: &str, name: &str, members: &[&str]) {
        let members = members.iter().map(|m| (*m).to_owned()).collect();
        self.change(|world, _| world.add_group(id, name, members));
    }

    /// Adds a person, or replaces the one with the same `open_id`.
    pub fn add_person(&self, account: Account) {
        self.change(|world, _| world.add_account(account));
    }

    /// Changes a chat, e.g. `|chat| chat.dissolved = true`; unknown ids change nothing.
    pub fn change_chat(&self, id: &str, change: impl FnOnce(&mut Chat)) {
        self.change(|world, _| {
            if let Some(chat) = world.chat_mut(id) {
                change(chat);
            }
        });
    }

    /// Changes a person, e.g. `|person| person.resigned = true`; unknown ids change nothing.
    pub fn change_person(&self, open_id: &str, change: impl FnOnce(&mut Account)) {
        self.change(|world, _| {
            if let Some(account) = world.accounts.iter_mut().find(|a| a.open_id == open_id) {
                change(account);
            }
        });
    }

    /// Takes a person out of a chat.
    pub fn remove_member(&self, chat: &str, open_id: &str) {
        self.change_chat(chat, |c| c.members.retain(|m| m != open_id));
    }

    /// Takes the bot out of a chat.
    pub fn remove_bot(&self, chat: &str) {
        self.change_chat(chat, |c| c.has_bot = false);
    }

    /// Disbands a group.
    pub fn dissolve_chat(&self, id: &str) {
        self.change_chat(id, |c| c.dissolved = true);
    }

    /// A person writes a text into a chat; the message's id. The app hears of it
    /// with the next [delivery](Self::deliver_due).
    pub fn say(&self, chat: &str, open_id: &str, text: &str) -> String {
        self.change(|world, now| sending::say(world, chat, open_id, (text, None), now))
    }

    /// A person opens a chat and reads all of it. Of the conversation with the bot,
    /// the app hears with the next [delivery](Self::deliver_due).
    pub fn read_chat(&self, chat: &str, open_id: &str) {
        self.change(|world, now| reading::read_chat(world, chat, open_id, now));
    }

    /// All tokens handed out so far stop working.
    pub fn revoke_tokens(&self) {
        self.change(|world, _| world.tokens.clear());
    }

    /// The app loses a scope.
    pub fn withhold_scope(&self, scope: &str) {
        self.change(|world, _| world.withheld_scopes.insert(scope.to_owned()));
    }

    /// The tenant switches the app off, or on again: the bot says that it is disabled.
    pub fn switch_bot(&self, on: bool) {
        self.change(|world, _| world.bot_is_off = !on);
    }

    /// Sets what is left of the tenant's quotas; `None`: without end.
    pub fn set_quota(&self, sms: Option<u64>, phone: Option<u64>) {
        self.change(|world, _| {
            world.options.sms_quota = sms;
            world.options.phone_quota = phone;
        });
    }

    /// Injects a fault.
    pub fn inject(&self, fault: Fault) {
        self.change(|world, _| world.faults.push(fault));
    }

    /// From now on calls go wrong by chance; `None`: no more.
    pub fn set_unrest(&self, unrest: Option<Unrest>) {
        self.change(|world, _| world.unrest = unrest);
    }

    /// Takes all faults back, unrest too.
    pub fn clear_faults(&self) {
        self.change(|world, _| {
            world.faults.clear();
            world.unrest = None;
        });
    }

    /// Empties the world; its options become those it began with.
    pub fn reset(&self) {
        self.change(|world, _| world.reset());
    }

    /// Waits until the phones show something, looking again after each change.
    /// Waits for ever if they never do.
    pub async fn until(&self, shows: impl Fn(&Self) -> bool) {
        let mut versions = self.version.subscribe();
        // An error would say that the sender is gone, which lives in `self`.
        while !shows(self) && versions.changed().await.is_ok() {}
    }

    /// The time in this world.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Chats in order of their making, conversations with the bot included.
    pub fn chats(&self) -> Vec<Chat> {
        self.look(|world| world.chats.clone())
    }

    /// A person's conversation with the bot, if there is one yet.
    pub fn direct_chat(&self, open_id: &str) -> Option<Chat> {
        self.look(|world| {
            world.chats.iter().find(|c| c.is_direct && c.members.iter().any(|m| m == open_id)).cloned()
        })
    }

    /// People in order of their arrival.
    pub fn people(&self) -> Vec<Account> {
        self.look(|world| world.accounts.clone())
    }

    /// Messages of a chat, oldest first, recalled ones included.
    pub fn messages(&self, chat: &str) -> Vec<Message> {
        self.look(|world| world.messages.iter().filter(|m| m.chat == chat).cloned().collect())
    }

    /// One message with every content it had.
    pub fn message(&self, id: &str) -> Option<Message> {
        self.look(|world| world.message(id).cloned())
    }

    /// What a person has on top of their list.
    pub fn pins(&self, open_id: &str) -> Vec<Pinned> {
        self.look(|world| {
            world.pins.iter().filter(|(who, _)| who == open_id).map(|(_, place)| place.clone()).collect()
        })
    }

    /// Every buzz, oldest first.
    pub fn buzzes(&self) -> Vec<Buzz> {
        self.look(|world| world.buzzes.clone())
    }

    /// Every call that reached the sandbox, oldest first.
    pub fn calls(&self) -> Vec<CallRecord> {
        self.look(|world| world.calls.clone())
    }
}
