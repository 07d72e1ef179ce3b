//! Reads what Feishu says of its own accord: pressed buttons, messages, reactions
//! and read receipts (feishu-api.md §7), and words the answers.
//!
//! [`Callbacks::open`] takes a request of `POST /feishu/events` apart in the
//! documented order: signature over the raw bytes, JSON, decryption,
//! verification token. [`read`] reads an event that came by a way that needs no
//! proof, such as the long connection.
//!
//! # Invariants
//!
//! * Bytes and `now` in, values out: no I/O, no clock, no memory. Whoever listens
//!   must hear each event once; its id comes with it.
//! * Nothing is believed before signature or token fit. What fails unsigned fails
//!   with one and the same word, so that nobody learns how decryption went.
//! * Secrets are compared in constant time and never printed.
//!
//! The old card callback (`card.action.trigger_v1`, signed with SHA-1 by the
//! verification token) is not read: cards of schema 2.0 do not send it, and the
//! console offers the new one to every app.
//!
//! Who a person is to the rules, and what an action does, is decided elsewhere.

mod button;
mod envelope;
mod reply;
mod seal;
mod spoken;

use jiff::Timestamp;
use secrecy::SecretString;

use crate::domain::{ChatId, Contact, MessageId};

pub use button::{Button, Pressed, StormButton, button_value, storm_button_value};
pub use envelope::read;
pub use reply::{Toast, ToastKind, reply};
pub use seal::Signed;
pub use spoken::spoken;

/// The secrets of the event subscription. At least one must be set for anything
/// to be believed; with an encrypt key, everything but the challenge must be signed.
#[derive(Debug, Clone)]
pub struct Callbacks {
    verification_token: Option<SecretString>,
    encrypt_key: Option<SecretString>,
}

/// Why a request is not listened to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Neither secret is set, so nobody could be told from Feishu.
    #[error("neither feishu.verification_token nor feishu.encrypt_key is set")]
    Unguarded,
    /// It does not come from Feishu, or not now.
    #[error("{0}")]
    Forged(&'static str),
    /// It comes from Feishu but is no callback that is known.
    #[error("the callback cannot be read: {0}")]
    Unreadable(String),
    /// A button of a card that larkhorn did not draw, or not in this version.
    #[error("the button means nothing here: {0}")]
    Button(String),
}

/// Something Feishu said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inbound {
    /// To be answered with the same text: the console checks the address.
    Challenge(String),
    /// A button of a card was pressed.
    Press {
        /// Names the event; repetitions have the same.
        event_id: String,
        /// Who.
        operator: OperatorIds,
        /// The card.
        message: MessageId,
        /// Where it is.
        chat: Option<ChatId>,
        /// What the button says it does.
        value: Pressed,
    },
    /// A person wrote something.
    Said {
        /// Names the event.
        event_id: String,
        /// Who.
        sender: OperatorIds,
        /// Where.
        chat: ChatId,
        /// The message itself.
        message: MessageId,
        /// What it answers.
        parent: Option<MessageId>,
        /// The first message of that line of answers.
        root: Option<MessageId>,
        /// The text, mentions left out.
        text: String,
    },
    /// A person put an emoji on a message or took it off.
    Reacted {
        /// Names the event.
        event_id: String,
        /// Who.
        operator: OperatorIds,
        /// On what.
        message: MessageId,
        /// Feishu's word for it, such as `OnIt`.
        emoji: String,
        /// Put on, not taken off.
        added: bool,
    },
    /// A person read messages in the conversation with the bot.
    Read {
        /// Names the event.
        event_id: String,
        /// Who.
        reader: OperatorIds,
        /// What.
        messages: Vec<MessageId>,
    },
    /// Anything else; to be answered and forgotten.
    Other {
        /// Names the event.
        event_id: String,
        /// Feishu's word for it.
        kind: String,
    },
}

/// The ids Feishu gives of a person; which of them depends on the app's scopes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct OperatorIds {
    /// `ou_…`
    pub open_id: Option<String>,
    /// The tenant's own id.
    pub user_id: Option<String>,
    /// `on_…`
    pub union_id: Option<String>,
}

impl OperatorIds {
    /// The ids as contacts, to look for among the people of the rules.
    pub fn contacts(&self) -> Vec<Contact> {
        let ids = [
            self.open_id.clone().map(Contact::OpenId),
            self.user_id.clone().map(Contact::UserId),
            self.union_id.clone().map(Contact::UnionId),
        ];
        ids.into_iter().flatten().collect()
    }
}

impl Callbacks {
    /// With the secrets of the settings.
    pub fn new(verification_token: Option<SecretString>, encrypt_key: Option<SecretString>) -> Self {
        Self { verification_token, encrypt_key }
    }

    /// Checks a request and reads it.
    ///
    /// With an encrypt key the signature must fit the raw body and its timestamp
    /// lie within five minutes of `now`; the challenge alone may come unsigned,
    /// if it is encrypted. With a verification token the body must carry it.
    ///
    /// # Errors
    ///
    /// See [`Refused`]. Of a request that was not proven to be Feishu's, nothing
    /// is told but that.
    pub fn open(&self, headers: Signed<'_>, body: &[u8], now: Timestamp) -> Result<Inbound, Refused> {
        if self.verification_token.is_none() && self.encrypt_key.is_none() {
            return Err(Refused::Unguarded);
        }
        let Some(key) = &self.encrypt_key else {
            return envelope::admit(&envelope::plain(body)?, self.verification_token.as_ref());
        };
        if headers.signature.is_none() {
            return self.challenge(key, body).ok_or(Refused::Forged(
                "the request is not signed: is an encrypt key set in Feishu's console, the same as \
                 feishu.encrypt_key?",
            ));
        }
        seal::check(headers, key, body, now)?;
        let envelope = envelope::decrypted(envelope::json(body)?, key)?;
        envelope::admit(&envelope, self.verification_token.as_ref())
    }

    /// The challenge of an unsigned request; `None` for anything else.
    fn challenge(&self, key: &SecretString, body: &[u8]) -> Option<Inbound> {
        let outer = envelope::json(body).ok().filter(|outer| outer.get("encrypt").is_some())?;
        let envelope = envelope::decrypted(outer, key).ok()?;
        let inbound = envelope::admit(&envelope, self.verification_token.as_ref()).ok()?;
        matches!(inbound, Inbound::Challenge(_)).then_some(inbound)
    }
}

#[cfg(test)]
mod tests;
