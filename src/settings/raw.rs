//! The settings as they are written: every key optional, none unknown.

use secrecy::SecretString;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

/// A secret as written. Only text will do: YAML would read `0123` or `1e5` as
/// a number and hand on another secret than the one that was meant.
#[derive(Debug, Clone)]
pub(super) struct Secret(pub(super) SecretString);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Secret;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a secret in quotes")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret(SecretString::from(text)))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Secret, E> {
                Err(E::custom("a secret that looks like a boolean must be in quotes"))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Secret, E> {
                Err(E::custom("a secret that looks like a number must be in quotes"))
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Secret, E> {
                self.visit_i64(0)
            }

            fn visit_i128<E: Error>(self, _: i128) -> Result<Secret, E> {
                self.visit_i64(0)
            }

            fn visit_u128<E: Error>(self, _: u128) -> Result<Secret, E> {
                self.visit_i64(0)
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Secret, E> {
                self.visit_i64(0)
            }
        }
        deserializer.deserialize_any(Text)
    }
}

/// A section whose keys are all commented out reads as null.
fn maybe_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    #[serde(deserialize_with = "maybe_empty")]
    pub(super) server: RawServer,
    #[serde(deserialize_with = "maybe_empty")]
    pub(super) webhook: RawWebhook,
    #[serde(deserialize_with = "maybe_empty")]
    pub(super) store: RawStore,
    #[serde(deserialize_with = "maybe_empty")]
    pub(super) feishu: RawFeishu,
    #[serde(deserialize_with = "maybe_empty")]
    pub(super) fallback: RawFallback,
    #[serde(deserialize_with = "maybe_empty")]
    pub(super) self_check: RawSelfCheck,
    pub(super) timezone: Option<String>,
    #[serde(deserialize_with = "maybe_empty")]
    pub(super) alertmanager: RawAlertmanager,
    pub(super) rules: Option<String>,
    pub(super) templates: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawServer {
    pub(super) listen: Option<String>,
    pub(super) external_url: Option<String>,
    pub(super) max_body_bytes: Option<u64>,
    pub(super) api_token: Option<Secret>,
    pub(super) api_token_file: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawWebhook {
    pub(super) bearer_token: Option<Secret>,
    pub(super) bearer_token_file: Option<String>,
    #[serde(deserialize_with = "maybe_empty")]
    pub(super) basic: RawBasic,
    pub(super) grafana_hmac_secret: Option<Secret>,
    pub(super) grafana_hmac_secret_file: Option<String>,
    pub(super) open: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawBasic {
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) password_file: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawStore {
    pub(super) url: Option<Secret>,
    pub(super) url_file: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) password_file: Option<String>,
    pub(super) connections: Option<u64>,
    #[serde(deserialize_with = "maybe_empty")]
    pub(super) keep: RawKeep,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawKeep {
    pub(super) resolved: Option<String>,
    pub(super) webhooks: Option<String>,
    pub(super) webhooks_bytes: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawFeishu {
    pub(super) base_url: Option<String>,
    pub(super) app_id: Option<String>,
    pub(super) app_secret: Option<Secret>,
    pub(super) app_secret_file: Option<String>,
    pub(super) events: Option<String>,
    pub(super) verification_token: Option<Secret>,
    pub(super) verification_token_file: Option<String>,
    pub(super) encrypt_key: Option<Secret>,
    pub(super) encrypt_key_file: Option<String>,
    pub(super) urgent_via: Option<String>,
    #[serde(deserialize_with = "maybe_empty")]
    pub(super) reactions: RawReactions,
    pub(super) locale: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawReactions {
    pub(super) acknowledge: Option<String>,
    pub(super) resolve: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAlertmanager {
    pub(super) url: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawFallback {
    pub(super) after: Option<String>,
    #[serde(deserialize_with = "maybe_empty")]
    pub(super) feishu_bot: RawFeishuBot,
    #[serde(deserialize_with = "maybe_empty")]
    pub(super) webhook: RawFallbackWebhook,
    #[serde(deserialize_with = "maybe_empty")]
    pub(super) smtp: RawSmtp,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawFeishuBot {
    pub(super) url: Option<Secret>,
    pub(super) url_file: Option<String>,
    pub(super) secret: Option<Secret>,
    pub(super) secret_file: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawFallbackWebhook {
    pub(super) url: Option<Secret>,
    pub(super) url_file: Option<String>,
    pub(super) bearer_token: Option<Secret>,
    pub(super) bearer_token_file: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSmtp {
    pub(super) url: Option<Secret>,
    pub(super) url_file: Option<String>,
    pub(super) from: Option<String>,
    /// Several are separated by commas.
    pub(super) to: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSelfCheck {
    pub(super) heartbeat_url: Option<Secret>,
    pub(super) heartbeat_url_file: Option<String>,
}
