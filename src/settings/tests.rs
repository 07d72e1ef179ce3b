//! Settings told as their file, their environment and what comes of it.

use std::fs;

use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::*;

/// A folder with `larkhorn.yaml` in it.
fn folder(yaml: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(DEFAULT_FILE), yaml).unwrap();
    folder
}

fn load_with(yaml: &str, env: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let folder = folder(yaml);
    let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Settings::load(Some(&folder.path().join(DEFAULT_FILE)), env)
}

fn load(yaml: &str) -> Result<Settings, SettingsError> {
    load_with(yaml, &[])
}

fn shown(secret: Option<&SecretString>) -> Option<&str> {
    secret.map(ExposeSecret::expose_secret)
}

/// The contract's settings, every key set to another value than its default.
const EVERYTHING: &str = r#"
server:
  listen: 0.0.0.0:9000
  external_url: https://pager.example.com/
  max_body_bytes: 1048576
  api_token: api
webhook:
  bearer_token: bearer
  basic: {username: am, password: "0123"}
  grafana_hmac_secret: hmac
  open: true
store:
  url: sqlite:///var/lib/larkhorn/db
feishu:
  base_url: https://open.larksuite.com
  app_id: cli_1
  app_secret: app
  events: http
  verification_token: token
  encrypt_key: key
  urgent_via: message
  locale: en
timezone: Europe/Berlin
alertmanager:
  url: http://localhost:9093/am/
rules: /etc/rules
templates: /etc/templates
"#;

#[test]
fn nothing_set_means_the_defaults_of_the_contract() {
    let folder = folder("");
    let settings = Settings::load(Some(&folder.path().join(DEFAULT_FILE)), []).unwrap();
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:9119");
    assert_eq!(settings.server.external_url, "http://localhost:9119");
    assert_eq!(settings.server.max_body_bytes, 134_217_728);
    assert!(settings.server.api_token.is_none() && !settings.webhook.is_guarded() && !settings.webhook.open);
    assert!(matches!(&settings.store.url, StoreUrl::Sqlite(path) if path == Path::new("larkhorn.db")));
    assert_eq!(settings.feishu.base_url, "https://open.feishu.cn");
    assert_eq!(settings.feishu.events, Events::LongConnection);
    for off in ["off", "'off'", "\"off\""] {
        let text = format!("feishu: {{events: {off}}}");
        assert_eq!(load(&text).unwrap().feishu.events, Events::Off, "{off}");
    }
    assert_eq!(settings.feishu.urgent_via, UrgentVia::Reply);
    assert_eq!(settings.feishu.locale, Locale::ZhCn);
    assert_eq!(settings.timezone.iana_name(), Some("Asia/Shanghai"));
    assert!(settings.alertmanager_url.is_none());
    assert_eq!(settings.rules, folder.path().join("rules"), "beside the file");
    assert_eq!(settings.templates, folder.path().join("templates"));
}

/// The sample for installations, read as it is and with its defaults uncommented.
#[test]
fn the_shipped_sample_says_what_the_defaults_are() {
    let sample = include_str!("../../deploy/larkhorn.yaml");
    let uncommented: Vec<_> = sample.lines().map(uncomment).collect();
    assert!(uncommented.iter().any(|line| line == "  listen: 127.0.0.1:9119"), "{uncommented:#?}");
    let defaults = load("").unwrap();
    for text in [sample.to_owned(), uncommented.join("\n")] {
        let read = load(&text).unwrap();
        assert_eq!(read.server.listen, defaults.server.listen);
        assert_eq!(read.server.external_url, defaults.server.external_url);
        assert_eq!(read.server.max_body_bytes, defaults.server.max_body_bytes);
        assert_eq!(format!("{:?}", read.store), format!("{:?}", defaults.store));
        assert_eq!(read.feishu.base_url, defaults.feishu.base_url);
        assert_eq!(read.feishu.urgent_via, defaults.feishu.urgent_via);
        assert_eq!(read.feishu.locale, defaults.feishu.locale);
        assert_eq!(read.feishu.reactions, defaults.feishu.reactions);
        assert_eq!(read.timezone, defaults.timezone);
        assert!(read.rules.ends_with("rules") && read.templates.ends_with("templates"));
    }
}

/// A commented default uncommented; placeholders, secrets and prose stay as they are.
fn uncomment(line: &str) -> String {
    let known =
        ["listen", "external_url", "max_body_bytes", "url", "base_url", "urgent_via", "locale", "reactions"];
    let top = ["timezone", "rules", "templates"];
    let bare = line.trim_start();
    let Some(rest) = bare.strip_prefix("# ") else { return line.to_owned() };
    let key = rest.split(':').next().unwrap_or_default();
    let indent = &line[..line.len() - bare.len()];
    let is_default = if indent.is_empty() { top.contains(&key) } else { known.contains(&key) };
    if is_default { format!("{indent}{rest}") } else { line.to_owned() }
}

#[test]
fn every_key_of_the_contract_is_read() {
    let settings = load(EVERYTHING).unwrap();
    assert_eq!(settings.server.listen.to_string(), "0.0.0.0:9000");
    assert_eq!(settings.server.external_url, "https://pager.example.com");
    assert_eq!(settings.server.max_body_bytes, 1_048_576);
    assert_eq!(shown(settings.server.api_token.as_ref()), Some("api"));
    let webhook = &settings.webhook;
    assert_eq!(shown(webhook.bearer_token.as_ref()), Some("bearer"));
    let basic = webhook.basic.as_ref().unwrap();
    assert_eq!((basic.username.as_str(), shown(Some(&basic.password))), ("am", Some("0123")));
    assert_eq!(shown(webhook.grafana_hmac_secret.as_ref()), Some("hmac"));
    assert!(webhook.open);
    assert!(
        matches!(&settings.store.url, StoreUrl::Sqlite(path) if path == Path::new("/var/lib/larkhorn/db"))
    );
    let feishu = &settings.feishu;
    assert_eq!(feishu.base_url, "https://open.larksuite.com");
    assert_eq!(feishu.app_id.as_deref(), Some("cli_1"));
    assert_eq!(shown(feishu.app_secret.as_ref()), Some("app"));
    assert_eq!(shown(feishu.verification_token.as_ref()), Some("token"));
    assert_eq!(shown(feishu.encrypt_key.as_ref()), Some("key"));
    assert_eq!(
        (feishu.events, feishu.urgent_via, feishu.locale),
        (Events::Http, UrgentVia::Message, Locale::En)
    );
    assert_eq!(settings.timezone.iana_name(), Some("Europe/Berlin"));
    let alertmanager = settings.alertmanager_url.as_ref().map(ExposeSecret::expose_secret);
    assert_eq!(alertmanager, Some("http://localhost:9093/am"));
    assert_eq!(settings.rules, PathBuf::from("/etc/rules"));
    assert_eq!(settings.templates, PathBuf::from("/etc/templates"));
}

#[test]
fn the_environment_wins_and_keeps_secrets_as_they_are() {
    let env = [
        ("LARKHORN__SERVER__LISTEN", "[::1]:9001"),
        ("LARKHORN__SERVER__MAX_BODY_BYTES", "2048"),
        ("LARKHORN__WEBHOOK__BEARER_TOKEN", "1e5"),
        ("LARKHORN__WEBHOOK__BASIC__PASSWORD", "true"),
        ("LARKHORN__WEBHOOK__OPEN", "false"),
        ("LARKHORN__FEISHU__LOCALE", "zh-CN"),
        ("LARKHORN__RULES", "here/rules"),
        ("LARKHORN__TIMEZONE", ""),
        ("LARKHORN_SERVER_LISTEN", "not ours"),
        ("PATH", "/bin"),
    ];
    let settings = load_with(EVERYTHING, &env).unwrap();
    assert_eq!(settings.server.listen.to_string(), "[::1]:9001");
    assert_eq!(settings.server.max_body_bytes, 2048);
    assert_eq!(shown(settings.webhook.bearer_token.as_ref()), Some("1e5"));
    assert_eq!(shown(settings.webhook.basic.as_ref().map(|b| &b.password)), Some("true"));
    assert!(!settings.webhook.open);
    assert_eq!(settings.feishu.locale, Locale::ZhCn);
    assert_eq!(settings.rules, PathBuf::from("here/rules"));
    assert_eq!(settings.timezone.iana_name(), Some("Europe/Berlin"), "an empty variable is not set");
    assert_eq!(shown(settings.feishu.app_secret.as_ref()), Some("app"), "the file still holds");
}

#[test]
fn secrets_and_rules_lie_beside_the_file_that_names_them() {
    let folder = folder("feishu: {app_id: cli_1, app_secret_file: secret}\nrules: pages.yaml\n");
    fs::write(folder.path().join("secret"), " s\u{e9}cret \r\n").unwrap();
    let settings = Settings::load(Some(&folder.path().join(DEFAULT_FILE)), []).unwrap();
    let credentials = settings.feishu_required().unwrap();
    assert_eq!(credentials.app_id, "cli_1");
    assert_eq!(credentials.app_secret.expose_secret(), " s\u{e9}cret ");
    assert_eq!(settings.rules, folder.path().join("pages.yaml"));
}

#[test]
fn mistakes_are_named_with_their_place_and_a_way_out() {
    for (yaml, words) in [
        ("servr: {}", &["larkhorn.yaml", "line 1", "servr"][..]),
        ("feishu:\n  app_idd: x", &["line 2", "app_idd", "app_id"]),
        ("server: {listen: nowhere}", &["server.listen", "127.0.0.1:9119"]),
        ("server: {external_url: pager}", &["server.external_url", "https://"]),
        ("server: {external_url: 'ftp://x'}", &["server.external_url", "http"]),
        ("server: {max_body_bytes: 5}", &["server.max_body_bytes", "1024"]),
        ("server: {max_body_bytes: lots}", &["line 1", "column 26"]),
        ("feishu: {base_url: 'https://x/?a=1'}", &["feishu.base_url"]),
        ("feishu: {events: pigeon}", &["feishu.events", "pigeon", "long_connection, http, off"]),
        ("feishu: {urgent_via: shout}", &["feishu.urgent_via", "reply, message"]),
        ("feishu: {reactions: {resolve: OnIt}}", &["feishu.reactions", "the same emoji"]),
        ("feishu: {reactions: {acknowledge: 👍}}", &["feishu.reactions.acknowledge", "THUMBSUP"]),
        ("fallback: {after: soon, webhook: {url: 'http://h'}}", &["fallback.after", "2m"]),
        ("fallback: {feishu_bot: {secret: hunter2}}", &["fallback.feishu_bot.url"]),
        ("fallback: {webhook: {bearer_token: hunter2}}", &["fallback.webhook.url"]),
        ("fallback: {smtp: {url: 'smtps://u:hunter2@h'}}", &["fallback.smtp", "from and to"]),
        ("feishu: {locale: fr}", &["feishu.locale", "zh-CN, en"]),
        ("timezone: Mars/Olympus", &["timezone", "Mars/Olympus", "Asia/Shanghai"]),
        ("alertmanager: {url: am}", &["alertmanager.url"]),
        ("store: {url: 'mysql://u:hunter2@h/d'}", &["store.url", "postgres://", "sqlite://"]),
        ("store: {url: 'postgres://'}", &["store.url", "postgres://user@host/database"]),
        ("store: {connections: 3}", &["store.connections", "4 to 100"]),
        ("store: {keep: {resolved: 1h}}", &["store.keep.resolved", "24 h"]),
        ("store: {keep: {webhooks: soon}}", &["store.keep.webhooks", "soon", "90d"]),
        ("store: {url: 'mysql://h'}", &["store.url", "sqlite://"]),
        ("store: {url: 'sqlite://'}", &["store.url", "sqlite://larkhorn.db"]),
        ("webhook: {basic: {username: am}}", &["webhook.basic.password"]),
        ("webhook: {basic: {password: hunter2}}", &["webhook.basic.username"]),
        ("webhook: {bearer_token: ''}", &["webhook.bearer_token", "empty"]),
        ("webhook: {bearer_token: 012345}", &["quotes"]),
        ("webhook: {bearer_token_file: /no/such}", &["webhook.bearer_token_file", "/no/such"]),
        ("webhook: {bearer_token: hunter2, bearer_token_file: x}", &["bearer_token_file", "keep one"]),
        ("- a", &["larkhorn.yaml"]),
        ("server: [", &["larkhorn.yaml"]),
    ] {
        let error = load(yaml).expect_err(yaml).to_string();
        for word in words {
            assert!(error.contains(word), "{yaml}\n  lacks {word:?}: {error}");
        }
        assert!(!error.contains("hunter2"), "{yaml}\n  shows a secret: {error}");
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let error = load("timezone: x\nfeishu: {locale: y}\nserver: {listen: z}").unwrap_err();
    assert_eq!(error.0.len(), 3, "{error}");
}

#[test]
fn a_mistaken_variable_is_called_by_its_name() {
    for (name, value) in [
        ("LARKHORN__SERVER__LISTN", "127.0.0.1:1"),
        ("LARKHORN__SERVER", "x"),
        ("LARKHORN__SERVER__MAX_BODY_BYTES", "many"),
        ("LARKHORN__WEBHOOK__OPEN", "perhaps"),
    ] {
        let error = load_with("", &[(name, value)]).expect_err(name).to_string();
        assert!(error.contains(name), "{name}: {error}");
    }
}

#[test]
fn a_file_that_is_named_must_exist() {
    let error = Settings::load(Some(Path::new("/no/such/larkhorn.yaml")), []).unwrap_err().to_string();
    assert!(error.contains("/no/such/larkhorn.yaml"), "{error}");
}

#[test]
fn strangers_are_not_let_in_by_accident() {
    for (yaml, fine) in [
        ("", true),
        ("server: {listen: '127.0.0.1:1'}", true),
        ("server: {listen: '[::1]:1'}", true),
        ("server: {listen: 'localhost:1'}", true),
        ("server: {listen: ':1'}", false),
        ("server: {listen: '10.0.0.1:1'}", false),
        ("server: {listen: ':1'}\nwebhook: {open: true}", true),
        ("server: {listen: ':1'}\nwebhook: {bearer_token: x}", true),
        ("server: {listen: ':1'}\nwebhook: {basic: {username: a, password: b}}", true),
        ("server: {listen: ':1'}\nwebhook: {grafana_hmac_secret: x}", true),
        ("server: {listen: ':1', api_token: x}", false),
    ] {
        let checked = load(yaml).expect(yaml).check_exposure();
        assert_eq!(checked.is_ok(), fine, "{yaml}");
        if let Err(error) = checked {
            let error = error.to_string();
            assert!(error.contains("webhook.bearer_token_file") && error.contains("webhook.open"), "{error}");
        }
    }
}

#[test]
fn a_missing_app_is_explained() {
    let error = load("feishu: {app_id: cli_1}").unwrap().feishu_required().unwrap_err().to_string();
    assert!(error.starts_with("feishu.app_secret not set"), "{error}");
    let error = load("").unwrap().feishu_required().unwrap_err().to_string();
    assert!(
        error.contains("feishu.app_id and feishu.app_secret") && error.contains("larkhorn demo"),
        "{error}"
    );
}

#[test]
fn secrets_do_not_print() {
    let settings = load(EVERYTHING.replace(": api\n", ": hunter2\n").as_str()).unwrap();
    let printed = format!("{settings:?}");
    assert!(!printed.contains("hunter2") && !printed.contains("0123"), "{printed}");
}

#[test]
fn the_other_ways_are_read_and_none_is_the_default() {
    assert!(
        load("").unwrap().fallback.is_none() && load("fallback: {after: 5m}").unwrap().fallback.is_none()
    );
    let yaml = "
fallback:
  after: 90s
  feishu_bot: {url: 'https://h/hook/t', secret: s}
  webhook: {url: 'https://h/x'}
  smtp: {url: 'smtps://u:p@mail', from: pager@example.com, to: 'a@example.com, b@example.com'}
self_check: {heartbeat_url: 'https://h/beat'}
";
    let settings = load(yaml).unwrap();
    let fallback = settings.fallback.unwrap();
    assert_eq!(fallback.after.as_secs(), 90);
    assert!(
        fallback.feishu_bot.unwrap().secret.is_some() && fallback.webhook.unwrap().bearer_token.is_none()
    );
    assert_eq!(fallback.smtp.unwrap().to, ["a@example.com", "b@example.com"]);
    assert!(settings.heartbeat_url.is_some());
}
