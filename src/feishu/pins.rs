//! Pinning a chat on top of people's lists (即时提醒, feishu-api.md §5).

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::client::{Call, Client, data};
use super::error::CallError;
use super::ids::{UserId, parts};
use super::verdict::Api;
use crate::domain::ChatId;

/// Feishu's limit of people in one call.
const PEOPLE_MAX: usize = 50;

/// What is pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A group chat.
    Chat(ChatId),
    /// The conversation with the bot.
    Bot,
}

/// How pinning went; for whoever is not listed it is done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pinned {
    /// For whom it is not, and why, in Feishu's words.
    pub failed: Vec<(UserId, String)>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PinnedData {
    failed_user_reasons: Option<Vec<Reason>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reason {
    error_code: i64,
    error_message: String,
    user_id: String,
}

impl Client {
    /// Pins a place on top for people, or unpins it. One call per 50 people and
    /// kind of id. Harmless to repeat, also after an error half-way.
    pub async fn pin(
        &self,
        now: Timestamp,
        place: &Place,
        on: bool,
        people: &[UserId],
    ) -> Result<Pinned, CallError> {
        // "sentive" is how the path is really spelt.
        let feed_card = match place {
            Place::Chat(chat) => chat.0.as_str(),
            Place::Bot => "bot_time_sentive",
        };
        let mut pinned = Pinned::default();
        for (kind, part) in parts(people, PEOPLE_MAX) {
            let ids: Vec<&str> = part.iter().map(|person| person.value.as_str()).collect();
            let body = json!({ "time_sensitive": on, "user_ids": ids });
            let call = Call {
                api: Api::Pin,
                method: Method::PATCH,
                path: &["open-apis", "im", "v2", "feed_cards", feed_card],
                query: &[("user_id_type", kind.as_str())],
                body: Some(&body),
            };
            let data: PinnedData = data(Api::Pin, self.call(now, &call).await?)?;
            for reason in data.failed_user_reasons.unwrap_or_default() {
                let why = match reason.error_code {
                    0 => reason.error_message,
                    code => format!("{code} {}", reason.error_message),
                };
                pinned.failed.push((UserId::new(kind, reason.user_id), why));
            }
        }
        Ok(pinned)
    }
}
