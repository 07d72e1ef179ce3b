//! `larkhorn doctor` against a Feishu where one thing is wrong at a time.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use larkhorn::app::{Asked, Check, CheckState, SystemClock, examine};
use larkhorn::domain::Clock;
use larkhorn::sandbox::{Account, Api, Outcome};
use larkhorn::settings::Settings;
use serde_json::Value;
use tempfile::TempDir;

use crate::command_line::{Ran, run};
use crate::pager::{LARKHORN, write_settings};
use crate::patience::{PATIENCE, eventually};
use crate::phones::{CHAT, MARA, Phones};
use crate::ports::free_address;
use crate::process::Process;

const RULES: &str = r#"
people: {lin: {open_id: ou_lin}, mara: {email: mara@example.com}}
chats: {oncall: oc_oncall}
schedules:
  db: {timezone: Asia/Shanghai, layers: [{rotate: weekly, at: "mon 10:00", who: [lin, mara]}]}
policies:
  core: {steps: [{wait: 0s, notify: [schedule:db], urgent: app}, {wait: 5m, notify: [lin, mara]}]}
catch_all: {notify: [lin]}
rules: [{name: all, chat: oncall, policy: core}]
budget: {phone: {month: 100}, sms: {month: 100}}
"#;

/// An installation where all is well, in a Feishu of its own.
struct Ward {
    phones: Phones,
    folder: TempDir,
}

impl Ward {
    fn new() -> Self {
        let phones = Phones::on();
        phones.sandbox.add_person(Account::new(MARA, "Mara").email("mara@example.com"));
        let folder = tempfile::tempdir().unwrap();
        write_settings(folder.path(), free_address(), &phones.url());
        fs::write(folder.path().join("rules/oncall.yaml"), RULES).unwrap();
        fs::remove_file(folder.path().join("rules/storm.yaml")).unwrap();
        Self { phones, folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn rules(&self, from: &str, to: &str) {
        assert!(RULES.contains(from), "{from}");
        fs::write(self.path().join("rules/oncall.yaml"), RULES.replace(from, to)).unwrap();
    }

    fn setting(&self, from: &str, to: &str) {
        let file = self.path().join("larkhorn.yaml");
        let settings = fs::read_to_string(&file).unwrap();
        assert!(settings.contains(from), "{settings}");
        fs::write(file, settings.replace(from, to)).unwrap();
    }

    fn doctor(&self, more: &[&str]) -> Ran {
        run(self.path(), &[], &[&["doctor"], more].concat())
    }

    /// State, reason and way out by name, and whether the exit code says that all is well.
    fn checks(&self, more: &[&str]) -> (BTreeMap<String, (String, String, String)>, bool) {
        let ran = self.doctor(&[&["-o", "json"], more].concat());
        let said: Value = serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {ran:?}"));
        let checks = said["checks"].as_array().unwrap().iter().map(|check| {
            let text = |name: &str| check[name].as_str().unwrap().to_owned();
            (text("name"), (text("state"), text("why"), text("mend")))
        });
        let ok = said["ok"].as_bool().unwrap();
        assert_eq!(ran.code, Some(i32::from(!ok)), "{ran:?}");
        (checks.collect(), ok)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well() {
    let ward = Ward::new();
    let (checks, ok) = ward.checks(&[]);
    assert!(ok, "{checks:?}");
    for name in [
        "rules",
        "store",
        "oncall:db",
        "budget:phone",
        "budget:sms",
        "clock",
        "credentials",
        "bot",
        "scopes",
        "long_connection",
        "person:lin",
        "person:mara",
        "chat:oncall",
        "members:oncall",
    ] {
        assert_eq!(checks.get(name).map(|check| check.0.as_str()), Some("ok"), "{name}: {checks:?}");
    }
    assert!(ward.phones.cards().is_empty(), "nobody is told anything");
    assert!(!ward.path().join("larkhorn.db").exists(), "no store is made");
    let text = ward.doctor(&[]);
    assert!(text.code == Some(0) && text.out.contains("ok    chat:oncall         the bot is in"), "{text:?}");
}

/// Makes one thing wrong.
type Spoil = fn(&Ward);

/// What is wrong, which check says so, how, and a word of the way out.
const CASES: &[(Spoil, &str, &str, &str)] = &[
    (
        |w| w.phones.spoil(Api::TenantToken, None, Outcome::Code(10_014, "app secret invalid".into())),
        "credentials",
        "fail",
        "App Secret",
    ),
    (|w| w.phones.spoil(Api::BotInfo, None, Outcome::Http(502)), "credentials", "fail", "feishu.base_url"),
    (|w| w.setting("app_secret: secret-of-the-tests, ", ""), "credentials", "fail", "feishu:"),
    (|w| w.phones.sandbox.switch_bot(false), "bot", "fail", "publish a version"),
    (
        |w| w.phones.sandbox.withhold_scope("im:message.urgent:phone"),
        "scope:im:message.urgent:phone",
        "fail",
        "\"im:message.urgent:phone\"",
    ),
    (
        |w| w.phones.sandbox.withhold_scope("im:datasync.feed_card.time_sensitive:write"),
        "scope:im:datasync.feed_card.time_sensitive:write",
        "warn",
        "batch import",
    ),
    (|w| w.phones.spoil(Api::Scopes, None, Outcome::Http(500)), "scopes", "warn", "Permissions"),
    (
        |w| w.phones.spoil(Api::LongConnection, None, Outcome::Code(514, "forbidden".into())),
        "long_connection",
        "fail",
        "Events and Callbacks",
    ),
    (|w| w.phones.sandbox.remove_bot(CHAT), "chat:oncall", "fail", "add the bot"),
    (|w| w.phones.sandbox.dissolve_chat(CHAT), "chat:oncall", "fail", "copy the chat's id"),
    (
        |w| w.phones.sandbox.change_chat(CHAT, |chat| chat.speech_restricted = true),
        "chat:oncall",
        "fail",
        "administrator",
    ),
    (
        |w| w.phones.sandbox.change_chat(CHAT, |chat| chat.urgent_restricted = true),
        "chat:oncall",
        "warn",
        "administrator",
    ),
    (|w| w.phones.sandbox.change_chat(CHAT, |chat| chat.external = true), "chat:oncall", "warn", "company"),
    (|w| w.phones.sandbox.remove_member(CHAT, MARA), "members:oncall", "warn", "invite: true"),
    (|w| w.phones.spoil(Api::ListMembers, None, Outcome::Http(500)), "members:oncall", "warn", "scopes"),
    (
        |w| w.phones.sandbox.change_person(MARA, |mara| mara.email = "else@example.com".into()),
        "person:mara",
        "fail",
        "contact data range",
    ),
    (
        |w| w.phones.sandbox.change_person("ou_lin", |lin| lin.hidden = true),
        "person:lin",
        "fail",
        "open_ids are of one app",
    ),
    (
        |w| w.setting("feishu:", "alertmanager: {url: \"http://127.0.0.1:1\"}\nfeishu:"),
        "alertmanager",
        "fail",
        "alertmanager.url",
    ),
    (
        |w| {
            w.setting("larkhorn.db", "nowhere/larkhorn.db");
        },
        "store",
        "fail",
        "store.url",
    ),
    (
        |w| {
            w.rules(
                "{rotate: weekly, at: \"mon 10:00\", who: [lin, mara]}",
                "{who: lin, hours: \"09:00-18:00\"}",
            );
        },
        "oncall:db",
        "warn",
        "larkhorn oncall db --for 14d",
    ),
    (
        |w| w.rules("budget: {phone: {month: 100}", "budget: {phone: {month: 100, incident: 1}"),
        "budget:phone",
        "warn",
        "raise it",
    ),
    (|w| w.rules(", sms: {month: 100}", ""), "budget:sms", "warn", "budget.sms.month"),
    (|w| w.rules("chat: oncall", "chat: onkall"), "rules", "fail", "larkhorn check"),
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_is_named_with_the_way_out() {
    for (n, (spoil, name, state, mend)) in CASES.iter().enumerate() {
        let ward = Ward::new();
        spoil(&ward);
        let (checks, ok) = ward.checks(&[]);
        let check = checks.get(*name).unwrap_or_else(|| panic!("case {n}: no {name} in {checks:?}"));
        assert_eq!(check.0, *state, "case {n}, {name}: {check:?}");
        assert!(check.2.contains(mend), "case {n}, {name} does not say {mend:?}: {check:?}");
        assert_eq!(ok, *state != "fail", "case {n}: {checks:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_asks_nobody() {
    let ward = Ward::new();
    let (checks, ok) = ward.checks(&["--offline"]);
    assert!(ok && checks["credentials"].0 == "skip" && checks["store"].0 == "ok", "{checks:?}");
    assert_eq!(ward.phones.sandbox.calls().len(), 0);
    assert_eq!(ward.doctor(&["--offline", "--click"]).code, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_keeps_its_store() {
    let ward = Ward::new();
    let mut command = Command::new(LARKHORN);
    command.arg("serve").env_clear().current_dir(ward.path());
    let server = Process::start("server", &mut command, ward.path());
    eventually("the server to be up", async || server.log().contains("larkhorn is up")).await;
    let (checks, ok) = ward.checks(&[]);
    assert!(ok && checks["store"].1.contains("in use by a running larkhorn"), "{checks:?}");
    assert!(!server.log().contains("panicked"));
    drop(server);
    let (checks, _) = ward.checks(&[]);
    assert!(checks["store"].1.contains("can be written"), "{checks:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_is_waited_for() {
    let ward = Ward::new();
    let click = |wait: &str| {
        let mut command = Command::new(LARKHORN);
        command.args(["doctor", "--click", "--chat", "oncall", "-o", "json", "--wait", wait]);
        command.env_clear().current_dir(ward.path()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let child = click("1m");
    eventually("the card", async || !ward.phones.cards().is_empty()).await;
    let card = ward.phones.cards().remove(0).message;
    let pressed = ward.phones.sandbox.press(&card, MARA, "acknowledge").await.unwrap();
    assert!(format!("{pressed:?}").contains("Got it"), "{pressed:?}");
    let began = Instant::now();
    let ran = child.wait_with_output().unwrap();
    assert!(began.elapsed() < PATIENCE);
    let said: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let callbacks = said["checks"].as_array().unwrap().iter().find(|c| c["name"] == "callbacks").unwrap();
    assert_eq!(callbacks["state"], "ok", "{said}");

    let ran = click("1s").wait_with_output().unwrap();
    let said: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let callbacks = said["checks"].as_array().unwrap().iter().find(|c| c["name"] == "callbacks").unwrap();
    assert_eq!(callbacks["state"], "fail", "{said}");
    assert_eq!(ran.status.code(), Some(1));
}

/// Ahead of everybody else.
struct Ahead(SignedDuration);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now() + self.0
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_off_is_told() {
    let ward = Ward::new();
    let settings = Settings::load(Some(&ward.path().join("larkhorn.yaml")), []).unwrap();
    for (minutes, state) in [(0, CheckState::Ok), (1, CheckState::Warn), (10, CheckState::Fail)] {
        let mut checks: Vec<Check> = Vec::new();
        let clock = Arc::new(Ahead(SignedDuration::from_mins(minutes)));
        examine(&settings, &Asked::default(), clock, &mut |check| checks.push(check)).await.unwrap();
        let clock = checks.iter().find(|check| check.name == "clock").unwrap();
        assert_eq!(clock.state, state, "{clock:?}");
        let late = Duration::from_secs(5).as_secs();
        assert!(minutes == 0 || clock.why.contains("ahead of"), "{clock:?} ({late})");
    }
}
