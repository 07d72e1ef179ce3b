//! Adding people to a chat (feishu-api.md §6), so that they can be buzzed there.

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

#[derive(Default, Deserialize)]
#[serde(default)]
struct Added {
    #[serde(rename = "invalid_id_list")]
    invalid: Option<Vec<String>>,
    #[serde(rename = "not_existed_id_list")]
    unknown: Option<Vec<String>>,
    #[serde(rename = "pending_approval_id_list")]
    pending: Option<Vec<String>>,
}

impl Client {
    /// Adds people to a chat; those who are not in it afterwards: unknown,
    /// unavailable, or waiting for somebody's approval. Harmless to repeat.
    pub async fn add_members(
        &self,
        now: Timestamp,
        chat: &ChatId,
        people: &[UserId],
    ) -> Result<Vec<UserId>, CallError> {
        let mut outside = Vec::new();
        for (kind, part) in parts(people, PEOPLE_MAX) {
            let ids: Vec<&str> = part.iter().map(|person| person.value.as_str()).collect();
            let call = Call {
                api: Api::AddMembers,
                method: Method::POST,
                path: &["open-apis", "im", "v1", "chats", &chat.0, "members"],
                // Those who can be added are; the others are listed.
                query: &[("member_id_type", kind.as_str()), ("succeed_type", "1")],
                body: Some(&json!({ "id_list": ids })),
            };
            let added: Added = data(Api::AddMembers, self.call(now, &call).await?)?;
            let lists = [added.invalid, added.unknown, added.pending];
            outside.extend(lists.into_iter().flatten().flatten().map(|id| UserId::new(kind, id)));
        }
        Ok(outside)
    }
}
