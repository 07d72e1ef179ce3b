//! Looking at how the app is set up in the tenant: scopes, chats, members, the
//! clock (feishu-api.md §1, §6, §9). Nothing here changes anything.

use std::collections::{BTreeMap, BTreeSet};

use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use reqwest::header::DATE;
use serde::Deserialize;

use super::client::{Call, Client, data};
use super::error::CallError;
use super::ids::{UserId, UserIdKind};
use super::verdict::{Api, Verdict};
use crate::domain::ChatId;

/// Feishu's limit of members in one answer.
const PAGE: &str = "100";
/// Pages read of one chat: Feishu's largest have 5000 members.
const PAGES_MAX: usize = 60;
/// Feishu's word for a scope that an administrator has granted.
const GRANTED: i64 = 1;

/// What a chat lets the bot do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatSettings {
    /// Its name in Feishu.
    pub name: String,
    /// Whether the bot may write there.
    pub may_speak: bool,
    /// Whether the bot may urge people there.
    pub may_urge: bool,
    /// Whether it has members of other companies; nobody can be urged there.
    pub external: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ToldScopes {
    scopes: Vec<ToldScope>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ToldScope {
    scope_name: String,
    grant_status: i64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ToldChat {
    name: String,
    external: bool,
    urgent_setting: Option<String>,
    moderation_permission: Option<String>,
    bot_manager_id_list: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ToldPresence {
    is_in_chat: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ToldMembers {
    items: Vec<ToldMember>,
    has_more: bool,
    page_token: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ToldMember {
    member_id: String,
}

impl Client {
    /// By how much Feishu's clock is ahead of `now`; `None` if its answer tells no time.
    pub async fn clock_ahead(&self, now: Timestamp) -> Result<Option<SignedDuration>, CallError> {
        let answer = self.http().get(self.base().clone()).send().await.map_err(|error| {
            let lost = crate::wire::Unanswered::from(error);
            CallError::unanswered(Api::BotInfo, Verdict::NotSent, lost.message)
        })?;
        let told = answer.headers().get(DATE).and_then(|value| value.to_str().ok());
        let then = told.and_then(|text| rfc2822::parse(text).ok());
        Ok(then.map(|then| then.timestamp().duration_since(now)))
    }

    /// The scopes that the app has been granted.
    pub async fn granted_scopes(&self, now: Timestamp) -> Result<BTreeSet<String>, CallError> {
        let path = &["open-apis", "application", "v6", "scopes"];
        let call = Call { api: Api::Scopes, method: Method::GET, path, query: &[], body: None };
        let told: ToldScopes = data(Api::Scopes, self.call(now, &call).await?)?;
        let granted = told.scopes.into_iter().filter(|scope| scope.grant_status == GRANTED);
        Ok(granted.map(|scope| scope.scope_name).collect())
    }

    /// Whether the bot is in a chat.
    pub async fn is_in_chat(&self, now: Timestamp, chat: &ChatId) -> Result<bool, CallError> {
        let path = &["open-apis", "im", "v1", "chats", &chat.0, "members", "is_in_chat"];
        let call = Call { api: Api::IsInChat, method: Method::GET, path, query: &[], body: None };
        let told: ToldPresence = data(Api::IsInChat, self.call(now, &call).await?)?;
        Ok(told.is_in_chat)
    }

    /// What a chat lets the bot do.
    pub async fn chat_settings(&self, now: Timestamp, chat: &ChatId) -> Result<ChatSettings, CallError> {
        let path = &["open-apis", "im", "v1", "chats", &chat.0];
        let call = Call { api: Api::ChatInfo, method: Method::GET, path, query: &[], body: None };
        let told: ToldChat = data(Api::ChatInfo, self.call(now, &call).await?)?;
        let manages = told.bot_manager_id_list.iter().any(|id| id == self.app_id());
        let open = |setting: Option<&str>| manages || setting.is_none_or(|word| word == "all_members");
        Ok(ChatSettings {
            may_speak: open(told.moderation_permission.as_deref()),
            may_urge: open(told.urgent_setting.as_deref()),
            name: told.name,
            external: told.external,
        })
    }

    /// The people in a chat, by one kind of id.
    pub async fn members(
        &self,
        now: Timestamp,
        chat: &ChatId,
        kind: UserIdKind,
    ) -> Result<BTreeSet<String>, CallError> {
        let path = &["open-apis", "im", "v1", "chats", &chat.0, "members"];
        let (mut members, mut page) = (BTreeSet::new(), String::new());
        for _ in 0..PAGES_MAX {
            let query =
                [("member_id_type", kind.as_str()), ("page_size", PAGE), ("page_token", page.as_str())];
            let query = if page.is_empty() { query.get(..2).unwrap_or(&query) } else { &query };
            let call = Call { api: Api::ChatMembers, method: Method::GET, path, query, body: None };
            let told: ToldMembers = data(Api::ChatMembers, self.call(now, &call).await?)?;
            members.extend(told.items.into_iter().map(|member| member.member_id));
            if !told.has_more || told.page_token.is_empty() {
                break;
            }
            page = told.page_token;
        }
        Ok(members)
    }

    /// Whether Feishu knows somebody by an id and lets the app see them.
    ///
    /// # Errors
    ///
    /// When it says neither: [`Verdict::TargetInvalid`] and the like are an answer.
    pub async fn knows(&self, now: Timestamp, person: &UserId) -> Result<bool, CallError> {
        let path = &["open-apis", "contact", "v3", "users", &person.value];
        let query = &[("user_id_type", person.kind.as_str())];
        let call = Call { api: Api::GetUser, method: Method::GET, path, query, body: None };
        match self.call(now, &call).await {
            Ok(_) => Ok(true),
            // 41012: no such id. 41050: outside the app's contact data range.
            Err(error) if matches!(error.code, Some(41_012 | 41_050)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// A scope that larkhorn uses, other names that will do as well, and what does
/// not work without it.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    /// Its name in Feishu's console.
    pub name: &'static str,
    /// Broader or older ones that admit the same.
    pub or: &'static [&'static str],
    /// What breaks.
    pub breaks: &'static str,
    /// What makes larkhorn need it.
    pub need: Need,
}

/// What makes larkhorn need a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Nothing works without.
    Always,
    /// Buzzes in the app.
    App,
    /// Text messages.
    Sms,
    /// Phone calls.
    Phone,
    /// Chats on top of the list.
    Pin,
    /// People named by e-mail or mobile.
    LookUp,
    /// People added to chats.
    Invite,
    /// Replies and emoji as answers.
    Answers,
    /// This very survey.
    Survey,
}

const MESSAGE: &[&str] = &["im:message", "im:message:send"];

/// All scopes, the needed ones first.
pub const SCOPES: [Scope; 13] = [
    Scope {
        name: "im:message:send_as_bot",
        or: MESSAGE,
        breaks: "no card and no line of text is sent",
        need: Need::Always,
    },
    Scope {
        name: "im:message:update",
        or: &["im:message:send_as_bot", "im:message"],
        breaks: "cards are not updated: they stay red",
        need: Need::Always,
    },
    Scope {
        name: "im:message.urgent",
        or: &["im:message.urgent:app_send"],
        breaks: "nobody is buzzed in the app",
        need: Need::App,
    },
    Scope {
        name: "im:message.urgent:sms",
        or: &["im:message.urgent:sms_send"],
        breaks: "no text message is sent",
        need: Need::Sms,
    },
    Scope {
        name: "im:message.urgent:phone",
        or: &["im:message.urgent:phone_send"],
        breaks: "no phone rings",
        need: Need::Phone,
    },
    Scope {
        name: "im:datasync.feed_card.time_sensitive:write",
        or: &[],
        breaks: "chats are not pinned on top",
        need: Need::Pin,
    },
    Scope {
        name: "contact:user.id:readonly",
        or: &[],
        breaks: "people given by email or mobile are not found",
        need: Need::LookUp,
    },
    Scope {
        name: "im:chat.members:write_only",
        or: &["im:chat", "im:chat.members"],
        breaks: "people are not added to chats (invite: true)",
        need: Need::Invite,
    },
    Scope {
        name: "im:message.group_at_msg:readonly",
        or: &["im:message.group_at_msg", "im:message"],
        breaks: "replies in chats do not answer",
        need: Need::Answers,
    },
    Scope {
        name: "im:message.p2p_msg:readonly",
        or: &["im:message.p2p_msg", "im:message"],
        breaks: "replies in direct messages do not answer",
        need: Need::Answers,
    },
    Scope {
        name: "im:message.reactions:read",
        or: &["im:message"],
        breaks: "emoji do not answer",
        need: Need::Answers,
    },
    Scope {
        name: "im:chat:readonly",
        or: &["im:chat", "im:chat:read"],
        breaks: "this check cannot tell what chats allow",
        need: Need::Survey,
    },
    Scope {
        name: "im:chat.members:read",
        or: &["im:chat:readonly", "im:chat"],
        breaks: "this check cannot tell who is in which chat",
        need: Need::Survey,
    },
];

impl Scope {
    /// Whether one of these will do.
    pub fn is_among(&self, granted: &BTreeSet<String>) -> bool {
        granted.contains(self.name) || self.or.iter().any(|other| granted.contains(*other))
    }

    /// What to paste into the console's batch import of scopes: all that are needed.
    pub fn to_paste(names: &BTreeSet<&str>) -> String {
        let scopes = BTreeMap::from([("scopes", BTreeMap::from([("tenant", names)]))]);
        serde_json::to_string(&scopes).unwrap_or_default()
    }
}
