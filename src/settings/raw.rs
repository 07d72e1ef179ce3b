//! The settings as they are written: every key optional, none unknown.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
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

/// JSON Schema 2020-12 of a settings file, made from the types below.
pub(super) fn schema() -> serde_json::Value {
    let mut schema =
        SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Option<Raw>>().to_value();
    if let Some(top) = schema.as_object_mut() {
        top.insert("title".to_owned(), "larkhorn settings".into());
        top.insert("description".to_owned(), "How this installation is set up: larkhorn.yaml.".into());
    }
    schema
}

/// Text, which may be spelled as a number: `5` will do for `"5"`.
struct Scalar;

impl JsonSchema for Scalar {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "number", "boolean"]})
    }
}

/// A section whose keys are all commented out reads as null.
fn maybe_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    /// Where larkhorn is reached.
    #[serde(deserialize_with = "maybe_empty")]
    #[schemars(with = "Option<RawServer>")]
    pub(super) server: RawServer,
    /// Who may deliver alerts; any configured method admits. None: served on loopback only.
    #[serde(deserialize_with = "maybe_empty")]
    #[schemars(with = "Option<RawWebhook>")]
    pub(super) webhook: RawWebhook,
    /// Where state is kept.
    #[serde(deserialize_with = "maybe_empty")]
    #[schemars(with = "Option<RawStore>")]
    pub(super) store: RawStore,
    /// How Feishu or Lark is reached.
    #[serde(deserialize_with = "maybe_empty")]
    #[schemars(with = "Option<RawFeishu>")]
    pub(super) feishu: RawFeishu,
    /// Other ways to tell people while Feishu as a whole is out of reach.
    #[serde(deserialize_with = "maybe_empty")]
    #[schemars(with = "Option<RawFallback>")]
    pub(super) fallback: RawFallback,
    /// Who watches the pager.
    #[serde(deserialize_with = "maybe_empty")]
    #[schemars(with = "Option<RawSelfCheck>")]
    pub(super) self_check: RawSelfCheck,
    /// How times read on cards and pages, as in Asia/Shanghai.
    #[schemars(with = "Option<Scalar>")]
    pub(super) timezone: Option<String>,
    /// Where silences go.
    #[serde(deserialize_with = "maybe_empty")]
    #[schemars(with = "Option<RawAlertmanager>")]
    pub(super) alertmanager: RawAlertmanager,
    /// Rules file, or folder of *.yaml; relative to this file.
    #[schemars(with = "Option<Scalar>")]
    pub(super) rules: Option<String>,
    /// Folder of card templates that replace the built-in ones; relative to this file.
    #[schemars(with = "Option<Scalar>")]
    pub(super) templates: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawServer {
    /// Address and port, as in 127.0.0.1:9119.
    #[schemars(with = "Option<Scalar>")]
    pub(super) listen: Option<String>,
    /// Where people reach it; links on cards begin with it.
    #[schemars(with = "Option<Scalar>")]
    pub(super) external_url: Option<String>,
    /// Largest webhook that is taken, in bytes.
    pub(super) max_body_bytes: Option<u64>,
    /// Token of dashboard and API; unset: loopback only.
    #[schemars(with = "Option<String>")]
    pub(super) api_token: Option<Secret>,
    /// File with that token.
    #[schemars(with = "Option<Scalar>")]
    pub(super) api_token_file: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawWebhook {
    /// Senders show it as Authorization: Bearer.
    #[schemars(with = "Option<String>")]
    pub(super) bearer_token: Option<Secret>,
    /// File with that token.
    #[schemars(with = "Option<Scalar>")]
    pub(super) bearer_token_file: Option<String>,
    /// User name and password.
    #[serde(deserialize_with = "maybe_empty")]
    #[schemars(with = "Option<RawBasic>")]
    pub(super) basic: RawBasic,
    /// Secret of Grafana's signatures.
    #[schemars(with = "Option<String>")]
    pub(super) grafana_hmac_secret: Option<Secret>,
    /// File with that secret.
    #[schemars(with = "Option<Scalar>")]
    pub(super) grafana_hmac_secret_file: Option<String>,
    /// Take alerts from anybody.
    pub(super) open: Option<bool>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawBasic {
    /// User name.
    #[schemars(with = "Option<Scalar>")]
    pub(super) username: Option<String>,
    /// Password.
    #[schemars(with = "Option<String>")]
    pub(super) password: Option<Secret>,
    /// File with the password.
    #[schemars(with = "Option<Scalar>")]
    pub(super) password_file: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawStore {
    /// `sqlite://FILE`, relative to the working directory, or `postgres://user@host/database`.
    #[schemars(with = "Option<String>")]
    pub(super) url: Option<Secret>,
    /// File with that URL.
    #[schemars(with = "Option<Scalar>")]
    pub(super) url_file: Option<String>,
    /// Password of the database, if it is not in the URL.
    #[schemars(with = "Option<String>")]
    pub(super) password: Option<Secret>,
    /// File with that password.
    #[schemars(with = "Option<Scalar>")]
    pub(super) password_file: Option<String>,
    /// Connections to PostgreSQL at most, 4 to 100.
    pub(super) connections: Option<u64>,
    /// How long what is over is kept.
    #[serde(deserialize_with = "maybe_empty")]
    #[schemars(with = "Option<RawKeep>")]
    pub(super) keep: RawKeep,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawKeep {
    /// Incidents, after they were resolved: a length of time such as 90d, 24h at least.
    #[schemars(with = "Option<Scalar>")]
    pub(super) resolved: Option<String>,
    /// Webhooks, after they were dealt with: a length of time such as 7d.
    #[schemars(with = "Option<Scalar>")]
    pub(super) webhooks: Option<String>,
    /// Webhooks together, in bytes.
    pub(super) webhooks_bytes: Option<u64>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawFeishu {
    /// `https://open.feishu.cn`, or `https://open.larksuite.com` for Lark.
    #[schemars(with = "Option<Scalar>")]
    pub(super) base_url: Option<String>,
    /// cli_…
    #[schemars(with = "Option<Scalar>")]
    pub(super) app_id: Option<String>,
    /// Secret of the app.
    #[schemars(with = "Option<String>")]
    pub(super) app_secret: Option<Secret>,
    /// File with that secret.
    #[schemars(with = "Option<Scalar>")]
    pub(super) app_secret_file: Option<String>,
    /// How presses and replies arrive: `long_connection`, `http` or `off`.
    #[schemars(with = "Option<Scalar>")]
    pub(super) events: Option<String>,
    /// Only with events: http.
    #[schemars(with = "Option<String>")]
    pub(super) verification_token: Option<Secret>,
    /// File with that token.
    #[schemars(with = "Option<Scalar>")]
    pub(super) verification_token_file: Option<String>,
    /// Only with events: http.
    #[schemars(with = "Option<String>")]
    pub(super) encrypt_key: Option<Secret>,
    /// File with that key.
    #[schemars(with = "Option<Scalar>")]
    pub(super) encrypt_key_file: Option<String>,
    /// What is urged: reply (a line under the card) or message (the card).
    #[schemars(with = "Option<Scalar>")]
    pub(super) urgent_via: Option<String>,
    /// Emoji that answer, by Feishu's words for them.
    #[serde(deserialize_with = "maybe_empty")]
    #[schemars(with = "Option<RawReactions>")]
    pub(super) reactions: RawReactions,
    /// zh-CN or en.
    #[schemars(with = "Option<Scalar>")]
    pub(super) locale: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawReactions {
    /// The emoji that acknowledges, as in `OnIt`.
    #[schemars(with = "Option<Scalar>")]
    pub(super) acknowledge: Option<String>,
    /// The emoji that resolves, as in DONE.
    #[schemars(with = "Option<Scalar>")]
    pub(super) resolve: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAlertmanager {
    /// Base URL; unset: no silence button.
    #[schemars(with = "Option<Scalar>")]
    pub(super) url: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawFallback {
    /// How long Feishu must have been out of reach, as in 2m.
    #[schemars(with = "Option<Scalar>")]
    pub(super) after: Option<String>,
    /// A custom bot of a group.
    #[serde(deserialize_with = "maybe_empty")]
    #[schemars(with = "Option<RawFeishuBot>")]
    pub(super) feishu_bot: RawFeishuBot,
    /// A URL that is posted to.
    #[serde(deserialize_with = "maybe_empty")]
    #[schemars(with = "Option<RawFallbackWebhook>")]
    pub(super) webhook: RawFallbackWebhook,
    /// Mail.
    #[serde(deserialize_with = "maybe_empty")]
    #[schemars(with = "Option<RawSmtp>")]
    pub(super) smtp: RawSmtp,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawFeishuBot {
    /// The bot's URL.
    #[schemars(with = "Option<String>")]
    pub(super) url: Option<Secret>,
    /// File with the URL.
    #[schemars(with = "Option<Scalar>")]
    pub(super) url_file: Option<String>,
    /// Its signing secret.
    #[schemars(with = "Option<String>")]
    pub(super) secret: Option<Secret>,
    /// File with that secret.
    #[schemars(with = "Option<Scalar>")]
    pub(super) secret_file: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawFallbackWebhook {
    /// The URL.
    #[schemars(with = "Option<String>")]
    pub(super) url: Option<Secret>,
    /// File with the URL.
    #[schemars(with = "Option<Scalar>")]
    pub(super) url_file: Option<String>,
    /// Shown as Authorization: Bearer.
    #[schemars(with = "Option<String>")]
    pub(super) bearer_token: Option<Secret>,
    /// File with that token.
    #[schemars(with = "Option<Scalar>")]
    pub(super) bearer_token_file: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSmtp {
    /// As in `smtps://user:password@mail.example.com`.
    #[schemars(with = "Option<String>")]
    pub(super) url: Option<Secret>,
    /// File with the URL.
    #[schemars(with = "Option<Scalar>")]
    pub(super) url_file: Option<String>,
    /// Sender.
    #[schemars(with = "Option<Scalar>")]
    pub(super) from: Option<String>,
    /// Recipients, separated by commas.
    #[schemars(with = "Option<Scalar>")]
    pub(super) to: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSelfCheck {
    /// Asked once a minute while every incident is on time.
    #[schemars(with = "Option<String>")]
    pub(super) heartbeat_url: Option<Secret>,
    /// File with the URL.
    #[schemars(with = "Option<Scalar>")]
    pub(super) heartbeat_url_file: Option<String>,
}
