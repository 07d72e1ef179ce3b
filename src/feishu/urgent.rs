//! Buzzing people about a message of ours (加急, feishu-api.md §4).
//!
//! A buzz has no idempotency key and may cost money, so whatever stops half-way
//! says exactly who was buzzed already.

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::client::{Call, Client, data};
use super::error::CallError;
use super::ids::{UserId, UserIdKind, parts};
use super::verdict::Api;
use crate::domain::{MessageId, Urgent};

/// Feishu's limit of people in one call.
const PEOPLE_MAX: usize = 200;
/// "Invalid parameter": what Feishu answers when it would buzz none of the people.
const NOBODY_VALID: i64 = 230_001;

/// Who was not buzzed although the call went well; everybody else was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Urged {
    /// People Feishu would not buzz, mostly because they are not in the chat.
    pub refused: Vec<UserId>,
}

/// A buzz that stopped half-way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct UrgeFailed {
    /// What stopped it. Its verdict is about [`failed`](Self::failed).
    #[source]
    pub cause: CallError,
    /// Buzzed. Must not be buzzed again.
    pub urged: Vec<UserId>,
    /// Refused by Feishu, as in [`Urged::refused`].
    pub refused: Vec<UserId>,
    /// The people of the call that failed.
    pub failed: Vec<UserId>,
    /// People of calls that were not made any more.
    pub untried: Vec<UserId>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct UrgedData {
    invalid_user_id_list: Option<Vec<String>>,
}

impl Client {
    /// Buzzes people about a message of ours in a chat they are in. One call
    /// per 200 people and kind of id; stops at the first that fails.
    ///
    /// Feishu says "invalid parameter" (230001) when it would buzz none of the
    /// people of a call; they are then all [refused](Urged::refused), which is
    /// also right if it was the message that it did not like.
    ///
    /// [`Urgent::None`] and an empty list buzz nobody and make no call.
    pub async fn urge(
        &self,
        now: Timestamp,
        message: &MessageId,
        urgent: Urgent,
        people: &[UserId],
    ) -> Result<Urged, Box<UrgeFailed>> {
        let api = match urgent {
            Urgent::None => return Ok(Urged::default()),
            Urgent::App => Api::UrgentApp,
            Urgent::Sms => Api::UrgentSms,
            Urgent::Phone => Api::UrgentPhone,
        };
        let (mut urged, mut refused) = (Vec::new(), Vec::new());
        let mut parts = parts(people, PEOPLE_MAX).into_iter();
        while let Some((kind, part)) = parts.next() {
            match self.urge_part(now, message, api, kind, &part).await {
                Ok(invalid) => {
                    let (bad, good): (Vec<_>, Vec<_>) =
                        part.into_iter().partition(|person| invalid.contains(&person.value));
                    urged.extend(good);
                    refused.extend(bad);
                }
                Err(error) if error.code == Some(NOBODY_VALID) => {
                    tracing::warn!(%error, message = message.0, people = part.len(), "nobody could be buzzed");
                    refused.extend(part);
                }
                Err(cause) => {
                    let untried = parts.flat_map(|(_, part)| part).collect();
                    return Err(Box::new(UrgeFailed { cause, urged, refused, failed: part, untried }));
                }
            }
        }
        Ok(Urged { refused })
    }

    async fn urge_part(
        &self,
        now: Timestamp,
        message: &MessageId,
        api: Api,
        kind: UserIdKind,
        part: &[UserId],
    ) -> Result<Vec<String>, CallError> {
        let ids: Vec<&str> = part.iter().map(|person| person.value.as_str()).collect();
        let body = json!({ "user_id_list": ids });
        let call = Call {
            api,
            method: Method::PATCH,
            path: &["open-apis", "im", "v1", "messages", &message.0, api.as_str()],
            query: &[("user_id_type", kind.as_str())],
            body: Some(&body),
        };
        let answer = self.call(now, &call).await?;
        // The phones have rung: whatever the list says, it is no reason to ring again.
        let data: UrgedData = data(api, answer).unwrap_or_else(|error| {
            tracing::error!(%error, message = message.0, "who was not buzzed cannot be told");
            UrgedData::default()
        });
        Ok(data.invalid_user_id_list.unwrap_or_default())
    }
}
