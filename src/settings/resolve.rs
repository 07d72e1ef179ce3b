//! Fills in the defaults and checks what was written.

use std::net::{Ipv4Addr, SocketAddr};

use jiff::tz::TimeZone;
use secrecy::SecretString;

use super::fallback::fallback;
use super::raw::{Raw, RawBasic, RawFeishu, RawReactions, RawServer, RawWebhook, Secret};
use super::secrets::secret;
use super::store::store;
use super::{Basic, Events, Feishu, Locale, Reactions, Server, Settings, SettingsError, UrgentVia, Webhook};

const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9119);
const EXTERNAL_URL: &str = "http://localhost:9119";
/// A cap is a loss mode (Alertmanager gives up on 413), so it is far above any real payload.
const MAX_BODY_BYTES: usize = 128 * 1024 * 1024;
const FEISHU_URL: &str = "https://open.feishu.cn";
const TIMEZONE: &str = "Asia/Shanghai";

/// Checks everything and reports all that is wrong at once.
pub(super) fn resolve(raw: Raw) -> Result<Settings, SettingsError> {
    let mut problems = Problems(Vec::new());
    let settings = Settings {
        server: server(raw.server, &mut problems),
        webhook: webhook(raw.webhook, &mut problems),
        store: store(raw.store, &mut problems),
        feishu: feishu(raw.feishu, &mut problems),
        timezone: problems.take(Some(timezone(raw.timezone.as_deref())).transpose(), TimeZone::UTC),
        alertmanager_url: problems
            .optional(raw.alertmanager.url.map(|u| base_url("alertmanager.url", &u)).transpose())
            .map(SecretString::from),
        fallback: fallback(raw.fallback, &mut problems),
        heartbeat_url: problems.secret(
            "self_check.heartbeat_url",
            raw.self_check.heartbeat_url,
            raw.self_check.heartbeat_url_file,
        ),
        rules: raw.rules.unwrap_or_else(|| "rules".into()).into(),
        templates: raw.templates.unwrap_or_else(|| "templates".into()).into(),
    };
    if problems.0.is_empty() { Ok(settings) } else { Err(SettingsError(problems.0)) }
}

/// What was found to be wrong so far.
pub(super) struct Problems(Vec<String>);

impl Problems {
    /// The value if it is set and right, else the default; what is wrong is kept.
    pub(super) fn take<T>(&mut self, value: Result<Option<T>, String>, default: T) -> T {
        self.optional(value).unwrap_or(default)
    }

    /// Something else that is wrong.
    pub(super) fn add(&mut self, problem: &str) {
        self.0.push(problem.to_owned());
    }

    fn optional<T>(&mut self, value: Result<Option<T>, String>) -> Option<T> {
        value.unwrap_or_else(|problem| {
            self.0.push(problem);
            None
        })
    }

    pub(super) fn secret(
        &mut self,
        key: &str,
        given: Option<Secret>,
        file: Option<String>,
    ) -> Option<SecretString> {
        let read = secret(key, given, file);
        self.optional(read)
    }
}

fn server(raw: RawServer, problems: &mut Problems) -> Server {
    let listen = raw.listen.as_deref().map(parse_listen).transpose();
    let listen = listen.map_err(|problem| format!("server.listen: {problem}"));
    let url = raw.external_url.map(|u| base_url("server.external_url", &u)).transpose();
    Server {
        listen: problems.take(listen, LISTEN),
        external_url: problems.take(url, EXTERNAL_URL.into()),
        max_body_bytes: problems.take(raw.max_body_bytes.map(body_limit).transpose(), MAX_BODY_BYTES),
        api_token: problems.secret("server.api_token", raw.api_token, raw.api_token_file),
    }
}

fn webhook(raw: RawWebhook, problems: &mut Problems) -> Webhook {
    Webhook {
        bearer_token: problems.secret("webhook.bearer_token", raw.bearer_token, raw.bearer_token_file),
        basic: basic(raw.basic, problems),
        grafana_hmac_secret: problems.secret(
            "webhook.grafana_hmac_secret",
            raw.grafana_hmac_secret,
            raw.grafana_hmac_secret_file,
        ),
        open: raw.open.unwrap_or(false),
    }
}

fn basic(raw: RawBasic, problems: &mut Problems) -> Option<Basic> {
    let given = raw.password.is_some() || raw.password_file.is_some();
    let password = problems.secret("webhook.basic.password", raw.password, raw.password_file);
    match (raw.username, given) {
        (Some(username), true) => password.map(|password| Basic { username, password }),
        (None, false) => None,
        (Some(_), false) => {
            problems.0.push("webhook.basic.username is set but webhook.basic.password is not".into());
            None
        }
        (None, true) => {
            problems.0.push("webhook.basic.password is set but webhook.basic.username is not".into());
            None
        }
    }
}

fn feishu(raw: RawFeishu, problems: &mut Problems) -> Feishu {
    // An `off` without quotes is a boolean to the reader of the file.
    let given = raw.events.as_deref().map(|word| if word == "false" { "off" } else { word });
    let events = word(
        "feishu.events",
        given,
        &[("long_connection", Events::LongConnection), ("http", Events::Http), ("off", Events::Off)],
    );
    let urgent_via = word(
        "feishu.urgent_via",
        raw.urgent_via.as_deref(),
        &[("reply", UrgentVia::Reply), ("message", UrgentVia::Message)],
    );
    let locale = word("feishu.locale", raw.locale.as_deref(), &[("zh-CN", Locale::ZhCn), ("en", Locale::En)]);
    let url = raw.base_url.map(|u| base_url("feishu.base_url", &u)).transpose();
    Feishu {
        base_url: problems.take(url, FEISHU_URL.into()),
        app_id: raw.app_id.filter(|id| !id.is_empty()),
        app_secret: problems.secret("feishu.app_secret", raw.app_secret, raw.app_secret_file),
        events: problems.take(events, Events::LongConnection),
        verification_token: problems.secret(
            "feishu.verification_token",
            raw.verification_token,
            raw.verification_token_file,
        ),
        encrypt_key: problems.secret("feishu.encrypt_key", raw.encrypt_key, raw.encrypt_key_file),
        urgent_via: problems.take(urgent_via, UrgentVia::Reply),
        reactions: reactions(raw.reactions, problems),
        locale: problems.take(locale, Locale::ZhCn),
    }
}

fn reactions(raw: RawReactions, problems: &mut Problems) -> Reactions {
    let emoji = |given: Option<String>, usual: &str| given.unwrap_or_else(|| usual.to_owned());
    let chosen =
        Reactions { acknowledge: emoji(raw.acknowledge, "OnIt"), resolve: emoji(raw.resolve, "DONE") };
    for (key, word) in [("acknowledge", &chosen.acknowledge), ("resolve", &chosen.resolve)] {
        if word.is_empty() || !word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            let text = format!(
                "feishu.reactions.{key} is {word:?}: write Feishu's word for one emoji, such as OnIt, DONE or THUMBSUP"
            );
            problems.0.push(text);
        }
    }
    if chosen.acknowledge == chosen.resolve {
        problems.0.push("feishu.reactions: acknowledge and resolve are the same emoji; they need two".into());
    }
    chosen
}

fn word<T: Copy>(key: &str, given: Option<&str>, words: &[(&str, T)]) -> Result<Option<T>, String> {
    let Some(given) = given else { return Ok(None) };
    let found = words.iter().find(|(word, _)| *word == given).map(|(_, value)| *value);
    let known = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
    found.map(Some).ok_or_else(|| format!("{key} is {given:?}: it is one of {}", known()))
}

/// Reads `HOST:PORT` with an IP address, `localhost` or nothing (all
/// interfaces) as its host.
pub fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let wrong = || {
        format!(
            "{text:?} is no address to listen on: write an IP address and a port, such as 127.0.0.1:9119 or [::]:9119"
        )
    };
    let host_port = text.rsplit_once(':').ok_or_else(wrong)?;
    let port = || host_port.1.parse().map_err(|_| wrong());
    match host_port.0 {
        "" | "*" => Ok((Ipv4Addr::UNSPECIFIED, port()?).into()),
        "localhost" => Ok((Ipv4Addr::LOCALHOST, port()?).into()),
        _ => text.parse().map_err(|_| wrong()),
    }
}

fn body_limit(bytes: u64) -> Result<usize, String> {
    usize::try_from(bytes)
        .ok()
        .filter(|n| *n >= 1024)
        .ok_or_else(|| format!("server.max_body_bytes is {bytes}: no alert fits into less than 1024"))
}

fn base_url(key: &str, text: &str) -> Result<String, String> {
    let wrong =
        |why: &str| format!("{key} is not a usable URL: {why}; write it as https://host[:port][/path]");
    let url = reqwest::Url::parse(text).map_err(|e| wrong(&e.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("only http and https will do"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it must end before ? and #"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn timezone(name: Option<&str>) -> Result<TimeZone, String> {
    let name = name.unwrap_or(TIMEZONE);
    TimeZone::get(name).map_err(|_| {
        format!("timezone is {name:?}: write a name of the IANA database, such as {TIMEZONE} or UTC")
    })
}
