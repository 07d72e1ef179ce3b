//! The nouns of the fake Feishu, as tests look at them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::domain::Urgent;

use super::api::Api;

/// Somebody with a Feishu account.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about a person, as Feishu keeps them")]
pub struct Account {
    /// `ou_…`
    pub open_id: String,
    /// `on_…`
    pub union_id: String,
    /// The tenant's own id.
    pub user_id: String,
    /// As shown.
    pub name: String,
    /// Empty: none.
    pub email: String,
    /// With country code outside China; empty: none.
    pub mobile: String,
    /// Has left the company: messages are refused (230029).
    pub resigned: bool,
    /// Outside the app's availability range: messages are refused (230013).
    pub unavailable: bool,
    /// Outside the app's contact data range: look-ups find nobody, [`Api::GetUser`] answers 41050.
    pub hidden: bool,
    /// Has stopped the bot: direct messages are refused (230053).
    pub stopped_bot: bool,
}

impl Account {
    /// An account whose other ids derive from its `open_id`; anything else is plain.
    pub fn new(open_id: &str, name: &str) -> Self {
        let stem = open_id.strip_prefix("ou_").unwrap_or(open_id);
        Self {
            open_id: open_id.to_owned(),
            union_id: format!("on_{stem}"),
            user_id: stem.to_owned(),
            name: name.to_owned(),
            email: String::new(),
            mobile: String::new(),
            resigned: false,
            unavailable: false,
            hidden: false,
            stopped_bot: false,
        }
    }

    /// With an e-mail address.
    #[must_use]
    pub fn email(mut self, email: &str) -> Self {
        email.clone_into(&mut self.email);
        self
    }

    /// With a mobile number.
    #[must_use]
    pub fn mobile(mut self, mobile: &str) -> Self {
        mobile.clone_into(&mut self.mobile);
        self
    }
}

/// A group, or one person's conversation with the bot.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent settings of a chat, as Feishu keeps them")]
pub struct Chat {
    /// `oc_…`
    pub id: String,
    /// As shown; of a conversation, the person's name.
    pub name: String,
    /// A conversation of one person with the bot, not a group.
    pub is_direct: bool,
    /// `open_id`s in order of joining.
    pub members: Vec<String>,
    /// The bot is a member.
    pub has_bot: bool,
    /// The group was disbanded (232009).
    pub dissolved: bool,
    /// Only owner and admins may urge, and the bot is neither (230052).
    pub urgent_restricted: bool,
    /// Has members of other companies (230027 on urging).
    pub external: bool,
    /// Only owner and admins may write, and the bot is neither (230018).
    pub speech_restricted: bool,
}

/// One state of a message's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// When it was sent or edited in.
    pub at: Timestamp,
    /// The content as JSON text, as the caller gave it.
    pub content: String,
}

/// A reaction to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    /// Its id.
    pub id: String,
    /// `OnIt`, `DONE`, …
    pub emoji: String,
    /// An app id or an `open_id`.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A message with all it went through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `om_…`
    pub id: String,
    /// The chat it is in.
    pub chat: String,
    /// The app id of the bot, or the `open_id` of a person.
    pub sender: String,
    /// `text`, `interactive`, …
    pub msg_type: String,
    /// Every content it had, oldest first; never empty.
    pub revisions: Vec<Revision>,
    /// The message it answers.
    pub parent: Option<String>,
    /// The first message of that line of answers.
    pub root: Option<String>,
    /// `omt_…`
    pub thread: Option<String>,
    /// Recalled.
    pub deleted: bool,
    /// Pinned in its chat (`im/v1/pins`).
    pub pinned_at: Option<Timestamp>,
    /// Who has read it, and when.
    pub readers: BTreeMap<String, Timestamp>,
    /// Reactions in order.
    pub reactions: Vec<Reaction>,
    /// Who was urged about it and has not read it since.
    pub urged: BTreeSet<String>,
}

impl Message {
    /// A message as it is just sent: unread, unanswered.
    pub(super) fn new(id: String, chat: &str, sender: &str, msg_type: &str, first: Revision) -> Self {
        Self {
            id,
            chat: chat.to_owned(),
            sender: sender.to_owned(),
            msg_type: msg_type.to_owned(),
            revisions: vec![first],
            parent: None,
            root: None,
            thread: None,
            deleted: false,
            pinned_at: None,
            readers: BTreeMap::new(),
            reactions: Vec::new(),
            urged: BTreeSet::new(),
        }
    }

    /// The content as it now stands.
    pub fn content(&self) -> &str {
        self.revisions.last().map_or("", |r| r.content.as_str())
    }

    /// Whether it is a card.
    pub fn is_card(&self) -> bool {
        self.msg_type == "interactive"
    }

    /// When it was sent.
    pub fn created_at(&self) -> Timestamp {
        self.revisions.first().map_or(Timestamp::UNIX_EPOCH, |r| r.at)
    }

    /// When its content last changed.
    pub fn updated_at(&self) -> Timestamp {
        self.revisions.last().map_or(Timestamp::UNIX_EPOCH, |r| r.at)
    }
}

/// One person buzzed once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buzz {
    /// When.
    pub at: Timestamp,
    /// The message that was urged.
    pub message: String,
    /// The chat it is in.
    pub chat: String,
    /// What the lock screen says: the text, or the card's summary or title.
    pub text: String,
    /// How loud. Never [`Urgent::None`].
    pub urgent: Urgent,
    /// `open_id`
    pub person: String,
}

/// One call that reached the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRecord {
    /// When.
    pub at: Timestamp,
    /// Which.
    pub api: Api,
    /// Feishu's code; 0 for success, the HTTP status for an injected bare one.
    pub code: i64,
}

/// A place on top of a person's chat list (即时提醒).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pinned {
    /// A group.
    Chat(String),
    /// The conversation with the bot.
    Bot,
}
