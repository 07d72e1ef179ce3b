//! Sending, replying and editing messages (feishu-api.md §3).

use std::borrow::Cow;

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::client::{Call, Client, data, misread};
use super::error::CallError;
use super::ids::UserId;
use super::verdict::Api;
use crate::domain::{ChatId, MessageId};

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A group chat the bot is in.
    Chat(ChatId),
    /// A person's conversation with the bot.
    User(UserId),
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A card, as JSON 2.0 text.
    Card(String),
    /// Text. Feishu reads `<at …>`, `<b>` and `[t](url)` in it, so nothing of
    /// an alert may go in undefused.
    Text(String),
}

impl Content {
    fn kind(&self) -> &'static str {
        match self {
            Self::Card(_) => "interactive",
            Self::Text(_) => "text",
        }
    }

    fn wire(&self) -> Cow<'_, str> {
        match self {
            Self::Card(json) => json.into(),
            Self::Text(text) => json!({ "text": text }).to_string().into(),
        }
    }
}

/// Where an answer to a message is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// In the chat.
    InChat,
    /// In the thread of the message; in the chat where there are no threads.
    InThread,
}

/// Feishu's codes for a reply that cannot be in a thread (feishu-api.md §3.2).
const NO_THREAD: [i64; 2] = [230_071, 230_072];

/// A message that Feishu has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its id.
    pub message: MessageId,
    /// The chat it is in; for a person, their conversation with the bot.
    pub chat: ChatId,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SentData {
    message_id: String,
    chat_id: String,
}

impl Client {
    /// Posts a message. The same `uuid` within an hour posts it at most once,
    /// so after [`Verdict::Unknown`](super::Verdict::Unknown) repeat with the same.
    pub async fn send(
        &self,
        now: Timestamp,
        to: &Address,
        content: &Content,
        uuid: &Uuid,
    ) -> Result<Sent, CallError> {
        let (kind, id) = match to {
            Address::Chat(chat) => ("chat_id", chat.0.as_str()),
            Address::User(user) => (user.kind.as_str(), user.value.as_str()),
        };
        let body = json!({
            "receive_id": id,
            "msg_type": content.kind(),
            "content": content.wire(),
            "uuid": uuid.to_string(),
        });
        let call = Call {
            api: Api::Send,
            method: Method::POST,
            path: &["open-apis", "im", "v1", "messages"],
            query: &[("receive_id_type", kind)],
            body: Some(&body),
        };
        sent(Api::Send, self.call(now, &call).await?)
    }

    /// Posts a message as an answer to another; `uuid` as for [`send`](Self::send).
    pub async fn reply(
        &self,
        now: Timestamp,
        message: &MessageId,
        content: &Content,
        placed: Placed,
        uuid: &Uuid,
    ) -> Result<Sent, CallError> {
        let body = json!({
            "msg_type": content.kind(),
            "content": content.wire(),
            "reply_in_thread": placed == Placed::InThread,
            "uuid": uuid.to_string(),
        });
        let call = Call {
            api: Api::Reply,
            method: Method::POST,
            path: &["open-apis", "im", "v1", "messages", &message.0, "reply"],
            query: &[],
            body: Some(&body),
        };
        match self.call(now, &call).await {
            Err(error)
                if placed == Placed::InThread && error.code.is_some_and(|c| NO_THREAD.contains(&c)) =>
            {
                Box::pin(self.reply(now, message, content, Placed::InChat, uuid)).await
            }
            answer => sent(Api::Reply, answer?),
        }
    }

    /// Replaces a card of ours, which may be 14 days old at most. Harmless to repeat.
    pub async fn edit_card(&self, now: Timestamp, message: &MessageId, card: &str) -> Result<(), CallError> {
        let body = json!({ "content": card });
        let call = Call {
            api: Api::EditCard,
            method: Method::PATCH,
            path: &["open-apis", "im", "v1", "messages", &message.0],
            query: &[],
            body: Some(&body),
        };
        self.call(now, &call).await.map(drop)
    }
}

fn sent(api: Api, answer: Value) -> Result<Sent, CallError> {
    let data: SentData = data(api, answer)?;
    if data.message_id.is_empty() {
        return Err(misread(api, "it names no message_id"));
    }
    Ok(Sent { message: MessageId(data.message_id), chat: ChatId(data.chat_id) })
}
