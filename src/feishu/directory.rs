//! Finding people by e-mail address or mobile number, and the bot itself
//! (feishu-api.md §1, §6).

use std::collections::BTreeMap;

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Call, Client, data, misread};
use super::error::CallError;
use super::verdict::Api;
use crate::domain::Contact;

/// Feishu's limit of addresses, and of numbers, in one call.
const CONTACTS_MAX: usize = 50;

/// The bot, as Feishu knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct BotInfo {
    /// Its own `ou_…`.
    #[serde(default)]
    pub open_id: String,
    /// The app's name.
    #[serde(default, rename = "app_name")]
    pub name: String,
    /// Feishu's `activate_status`; 2 is enabled.
    #[serde(default)]
    activate_status: i64,
}

impl BotInfo {
    /// Whether the app is enabled in the tenant.
    pub fn is_active(&self) -> bool {
        self.activate_status == 2
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Found {
    user_list: Option<Vec<FoundUser>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FoundUser {
    user_id: Option<String>,
    email: Option<String>,
    mobile: Option<String>,
}

impl Client {
    /// Asks for the open ids of e-mail addresses and mobile numbers; contacts
    /// that are ids already are left out. `None`: Feishu knows nobody by it, or
    /// the app may not see them (its contact data range).
    pub async fn look_up(
        &self,
        now: Timestamp,
        contacts: &[Contact],
    ) -> Result<BTreeMap<Contact, Option<String>>, CallError> {
        let emails: Vec<&Contact> = contacts.iter().filter(|c| matches!(c, Contact::Email(_))).collect();
        let mobiles: Vec<&Contact> = contacts.iter().filter(|c| matches!(c, Contact::Mobile(_))).collect();
        let mut found: BTreeMap<Contact, Option<String>> =
            emails.iter().chain(&mobiles).map(|c| ((*c).clone(), None)).collect();
        let calls = emails.len().max(mobiles.len()).div_ceil(CONTACTS_MAX);
        for turn in 0..calls {
            let part = |all: &[&Contact]| -> Vec<String> {
                let some = all.iter().skip(turn * CONTACTS_MAX).take(CONTACTS_MAX);
                some.map(|c| c.value().to_owned()).collect()
            };
            let users = self.batch_get_id(now, &part(&emails), &part(&mobiles)).await?;
            for (contact, open_id) in &mut found {
                if let Some(user) = users.iter().find(|user| user.is(contact)) {
                    open_id.clone_from(&user.user_id);
                }
            }
        }
        Ok(found)
    }

    async fn batch_get_id(
        &self,
        now: Timestamp,
        emails: &[String],
        mobiles: &[String],
    ) -> Result<Vec<FoundUser>, CallError> {
        let body = json!({ "emails": emails, "mobiles": mobiles, "include_resigned": false });
        let call = Call {
            api: Api::LookUp,
            method: Method::POST,
            path: &["open-apis", "contact", "v3", "users", "batch_get_id"],
            query: &[("user_id_type", "open_id")],
            body: Some(&body),
        };
        let found: Found = data(Api::LookUp, self.call(now, &call).await?)?;
        Ok(found.user_list.unwrap_or_default())
    }

    /// Asks who we are: the cheapest proof that address, id and secret are right.
    pub async fn bot_info(&self, now: Timestamp) -> Result<BotInfo, CallError> {
        let path = &["open-apis", "bot", "v3", "info"];
        let call = Call { api: Api::BotInfo, method: Method::GET, path, query: &[], body: None };
        let mut answer = self.call(now, &call).await?;
        let bot = answer.get_mut("bot").map(Value::take).unwrap_or_default();
        serde_json::from_value(bot).map_err(|_| misread(Api::BotInfo, "it names no bot"))
    }
}

impl FoundUser {
    fn is(&self, contact: &Contact) -> bool {
        if self.user_id.as_deref().unwrap_or_default().is_empty() {
            return false;
        }
        match contact {
            Contact::Email(email) => {
                self.email.as_ref().is_some_and(|found| found.eq_ignore_ascii_case(email))
            }
            Contact::Mobile(mobile) => {
                self.mobile.as_deref().map(without_china) == Some(without_china(mobile))
            }
            Contact::OpenId(_) | Contact::UserId(_) | Contact::UnionId(_) => false,
        }
    }
}

/// Numbers inside China go with and without their country code.
fn without_china(mobile: &str) -> &str {
    mobile.strip_prefix("+86").unwrap_or(mobile)
}
