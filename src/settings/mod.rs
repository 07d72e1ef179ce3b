//! Reads how this installation is set up: a YAML file, the environment over
//! it, and secrets from files of their own.
//!
//! # Invariants
//!
//! * A key that is not known is an error that names the key and where it stands.
//! * The environment wins over the file; a secret given both as itself and as
//!   `<key>_file` is an error, not a choice.
//! * Secrets are [`SecretString`]s from the moment they are read and show in no error.
//! * Paths of the file are relative to the file; paths of the environment and
//!   the database are relative to the working directory.
//!
//! The process environment is handed in, so nothing here depends on the
//! machine but the files that are named. What alerts do (rules, people,
//! policies) is not a setting: that is the rules room's.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use secrecy::SecretString;

mod fallback;
mod layers;
mod raw;
mod resolve;
mod secrets;
mod store;

pub use fallback::{Fallback, FallbackWebhook, FeishuBot, Smtp};
pub use layers::is_ours;
pub use resolve::parse_listen;
pub use store::{Store, StoreUrl};

/// The settings file that is read when none is named, if it exists.
pub const DEFAULT_FILE: &str = "larkhorn.yaml";

/// Everything that is set, checked, with defaults filled in.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it is reached.
    pub server: Server,
    /// Who may deliver alerts.
    pub webhook: Webhook,
    /// Where state is kept.
    pub store: Store,
    /// How Feishu or Lark is reached.
    pub feishu: Feishu,
    /// How times read on cards and pages.
    pub timezone: TimeZone,
    /// Alertmanager's base URL without a trailing slash; `None`: no silences.
    /// May hold a user name and password.
    pub alertmanager_url: Option<SecretString>,
    /// Where pages go while Feishu as a whole cannot be reached; `None`: nowhere.
    pub fallback: Option<Fallback>,
    /// An outside watcher that expects a beat once a minute while all is well.
    pub heartbeat_url: Option<SecretString>,
    /// A rules file or a folder of `*.yaml`.
    pub rules: PathBuf,
    /// Folder of templates that override the shipped ones; need not exist.
    pub templates: PathBuf,
}

/// `server`: where it is reached.
#[derive(Debug, Clone)]
pub struct Server {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Base URL in links, without a trailing slash.
    pub external_url: String,
    /// Largest webhook body, in bytes.
    pub max_body_bytes: usize,
    /// Bearer token of dashboard and API; `None`: loopback only.
    pub api_token: Option<SecretString>,
}

/// `webhook`: who may deliver alerts. Any configured method admits.
#[derive(Debug, Clone, Default)]
pub struct Webhook {
    /// `Authorization: Bearer …`.
    pub bearer_token: Option<SecretString>,
    /// `Authorization: Basic …`.
    pub basic: Option<Basic>,
    /// Key of Grafana's HMAC signatures.
    pub grafana_hmac_secret: Option<SecretString>,
    /// Take alerts from anybody who can connect.
    pub open: bool,
}

impl Webhook {
    /// Whether any method of authentication is configured.
    pub fn is_guarded(&self) -> bool {
        self.bearer_token.is_some() || self.basic.is_some() || self.grafana_hmac_secret.is_some()
    }
}

/// A user name and its password.
#[derive(Debug, Clone)]
pub struct Basic {
    /// User name.
    pub username: String,
    /// Password.
    pub password: SecretString,
}

/// `feishu`: how Feishu or Lark is reached.
#[derive(Debug, Clone)]
pub struct Feishu {
    /// Base URL of the open platform, without a trailing slash.
    pub base_url: String,
    /// The app's id; needed by `serve` only.
    pub app_id: Option<String>,
    /// The app's secret; needed by `serve` only.
    pub app_secret: Option<SecretString>,
    /// How Feishu reports buttons and replies.
    pub events: Events,
    /// Token that HTTP callbacks carry.
    pub verification_token: Option<SecretString>,
    /// Key that HTTP callbacks are encrypted and signed with.
    pub encrypt_key: Option<SecretString>,
    /// What is urged when people are buzzed.
    pub urgent_via: UrgentVia,
    /// Emoji that answer.
    pub reactions: Reactions,
    /// Language of cards and messages.
    pub locale: Locale,
}

/// Emoji that answer, by Feishu's words for them (`emoji_type`, case counts).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reactions {
    /// "It is mine." Taken off within two minutes: it is not.
    pub acknowledge: String,
    /// "It is over."
    pub resolve: String,
}

/// How Feishu reports buttons and replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Events {
    /// Over a connection that larkhorn opens.
    LongConnection,
    /// As HTTP callbacks.
    Http,
    /// Not at all.
    Off,
}

/// What is urged when people are buzzed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrgentVia {
    /// A line of text that replies to the card.
    Reply,
    /// The card itself.
    Message,
}

/// Language of everything people read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Locale {
    /// Simplified Chinese.
    ZhCn,
    /// English.
    En,
}

impl Locale {
    /// The word in settings and the name of the templates' folder.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ZhCn => "zh-CN",
            Self::En => "en",
        }
    }

    /// Reads the word back; `None` for any other.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::ZhCn, Self::En].into_iter().find(|locale| locale.as_str() == word)
    }
}

/// What an app needs to log in to Feishu.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// `cli_…`
    pub app_id: String,
    /// Its secret.
    pub app_secret: SecretString,
}

/// Everything that is wrong with the settings, one sentence each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct SettingsError(pub Vec<String>);

impl SettingsError {
    fn one(problem: impl Into<String>) -> Self {
        Self(vec![problem.into()])
    }
}

impl Settings {
    /// Reads the file at `path` ([`DEFAULT_FILE`] in the working directory if
    /// `None` and there is one), then the variables of `env` that start with
    /// `LARKHORN__`. The other variables are ignored, and so are empty ones.
    pub fn load(
        path: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let default = Path::new(DEFAULT_FILE);
        let path = path.or_else(|| default.is_file().then_some(default));
        resolve::resolve(layers::read(path, env)?)
    }

    /// What counts where nothing is set.
    pub fn defaults() -> Result<Self, SettingsError> {
        resolve::resolve(layers::read(None, std::iter::empty())?)
    }

    /// JSON Schema 2020-12 of a settings file, with a description for every key.
    pub fn schema() -> serde_json::Value {
        raw::schema()
    }

    /// What is needed to log in to Feishu, or how to get it.
    pub fn feishu_required(&self) -> Result<Credentials, SettingsError> {
        match (&self.feishu.app_id, &self.feishu.app_secret) {
            (Some(app_id), Some(app_secret)) => {
                Ok(Credentials { app_id: app_id.clone(), app_secret: app_secret.clone() })
            }
            (id, secret) => {
                let missing = [("app_id", id.is_none()), ("app_secret", secret.is_none())];
                let names: Vec<_> = missing.iter().filter(|(_, m)| *m).map(|(n, _)| *n).collect();
                Err(SettingsError::one(format!(
                    "feishu.{} not set: create an app with a bot on the Feishu or Lark open platform and \
                     put both under `feishu:` in {DEFAULT_FILE}, or set LARKHORN__FEISHU__APP_ID and \
                     LARKHORN__FEISHU__APP_SECRET_FILE; `larkhorn demo` runs without an app",
                    names.join(" and feishu."),
                )))
            }
        }
    }

    /// Refuses to take alerts from strangers by accident: without a method of
    /// authentication only a loopback address will do, unless `webhook.open` is set.
    pub fn check_exposure(&self) -> Result<(), SettingsError> {
        let listen = self.server.listen;
        if self.webhook.is_guarded() || self.webhook.open || listen.ip().is_loopback() {
            return Ok(());
        }
        Err(SettingsError::one(format!(
            "server.listen is {listen}, which others can reach, and nothing says who may deliver alerts: set \
             webhook.bearer_token_file, webhook.basic or webhook.grafana_hmac_secret_file, listen on \
             127.0.0.1, or set webhook.open: true if the network itself keeps strangers out",
        )))
    }
}

#[cfg(test)]
mod tests;
