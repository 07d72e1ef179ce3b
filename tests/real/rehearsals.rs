//! `simulate` and `test` as scripts see them: what would happen, without anybody being woken.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::command_line::{Ran, run, run_with};

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");
const PAYLOAD: &str = "tests/payloads/prom-2.42_am-0.25_rule-firing.json";
const RULES: &str = "
severities: [{name: critical, urgent: phone, pin: true}, {name: warning, urgent: app}]
people: {lin: {open_id: ou_lin}, 马拉: {email: mara@example.com}, otto: {mobile: '+4915112345678'}}
chats: {sre: oc_sre}
schedules:
  db: {timezone: Asia/Shanghai, layers: [{rotate: daily, at: '02:15', who: [马拉, lin]}]}
policies:
  core:
    steps:
      - {wait: 0s, notify: [schedule:db], urgent: app}
      - {wait: 3m, notify: [schedule:db], urgent: sms}
      - {wait: 5m, notify: [otto], urgent: phone}
    repeat: 12
catch_all: {notify: [otto], chat: sre}
rules:
  - {name: dev, match: 'env=\"dev\"', chat: sre}
  - {name: all, chat: sre, policy: core}
";

/// In the repository, with these rules.
fn simulate(arguments: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.yaml");
    fs::write(&rules, RULES).unwrap();
    let fixed =
        ["simulate", "--rules", rules.to_str().unwrap(), "--payload", PAYLOAD, "--at", "2026-11-28 02:14"];
    run(Path::new(REPOSITORY), &[], &[&fixed, arguments].concat())
}

fn timeline(ran: &Ran) -> Vec<(String, String, Vec<String>)> {
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let entry = |entry: &Value| {
        let to = entry["to"].as_array().unwrap().iter().map(text).collect();
        (text(&entry["after"]), format!("{} {}", text(&entry["action"]), text(&entry["urgent"])), to)
    };
    told["timeline"].as_array().unwrap().iter().map(entry).collect()
}

#[test]
fn simulate_tells_who_is_paged_until_somebody_answers() {
    let ran = simulate(&["--ack", "马拉@+10m", "--resolve", "+20m", "-o", "json"]);
    assert!(ran.code == Some(0) && ran.complaints.is_empty(), "{ran:?}");
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((told["rule"].as_str(), told["severity"].as_str()), (Some("all"), Some("critical")));
    let first = &told["timeline"][3];
    assert_eq!(first["at"], "2026-11-28T02:14:00+08:00");
    assert_eq!((&first["step"], &first["round"]), (&Value::from(1), &Value::from(1)));
    let keys: Vec<&String> = first.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["action", "after", "at", "round", "step", "to", "urgent"]);
    let expected = [
        ("0s", "opened -", ""),
        ("0s", "card -", "sre"),
        ("0s", "pin -", "lin"),
        ("0s", "buzz app", "lin"),
        ("1m", "on_call -", "马拉"),
        ("3m", "pin -", "马拉"),
        ("3m", "buzz sms", "马拉"),
        ("8m", "pin -", "otto"),
        ("8m", "buzz phone", "otto"),
        ("10m", "acknowledged -", "马拉"),
        ("10m", "card_updated -", "sre"),
        ("10m", "unpin -", "lin,otto"),
        ("20m", "resolved -", ""),
        ("20m", "card_updated -", "sre"),
        ("20m", "unpin -", "马拉"),
    ];
    let told = timeline(&ran);
    let told: Vec<(&str, &str, String)> =
        told.iter().map(|(a, b, to)| (a.as_str(), b.as_str(), to.join(","))).collect();
    assert_eq!(told, expected.map(|(after, action, to)| (after, action, to.to_owned())));
}

#[test]
fn simulate_climbs_a_ladder_of_hours_in_no_time() {
    let ran = simulate(&[]);
    assert_eq!((ran.code, ran.complaints.len()), (Some(0), 0), "{ran:?}");
    let line = |sign: &str| ran.out.lines().filter(|line| line.contains(sign)).count();
    assert_eq!((line("☎"), line("✉"), line("●"), line("last resort")), (14, 13, 13, 1), "{}", ran.out);
    assert!(ran.out.contains("cost: 14 phone calls, 13 SMS, 13 app buzzes"), "{}", ran.out);
    let why = r#"why:  rule 2/2 matched everything; "dev" not (env="dev", but it is missing)"#;
    assert!(ran.out.contains(why), "{}", ran.out);
    assert!(!ran.out.contains('\x1b'), "no colour without a terminal");
}

#[test]
fn simulate_shows_the_way_round_a_fault() {
    let ran = simulate(&["--fault", "urgent_sms=230024", "--ack", "4m", "-o", "json"]);
    let buzzes: Vec<_> =
        timeline(&ran).into_iter().filter(|(_, action, _)| action.starts_with("buzz")).collect();
    assert_eq!(buzzes[1], ("3m".to_owned(), "buzz app".to_owned(), vec!["马拉".to_owned()]), "{ran:?}");
}

#[test]
fn simulate_gives_the_card_and_refuses_what_cannot_be() {
    let ran = simulate(&["-o", "card"]);
    let card: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(card["header"]["template"], "red", "{ran:?}");
    let left = simulate(&["-o", "card", "--ack", "1m"]);
    assert_eq!(serde_json::from_str::<Value>(&left.out).unwrap()["header"]["template"], "blue");
    let ran = simulate(&["--ack", "nobody@1m"]);
    assert!(ran.code == Some(1) && ran.complaints[0].contains("lin, otto"), "{ran:?}");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("r.yaml"), RULES.replace("{name: all, ", "{name: all, match: 'x=\"y\"', "))
        .unwrap();
    let body = fs::read(Path::new(REPOSITORY).join(PAYLOAD)).unwrap();
    let ran = run_with(folder.path(), &[], &["simulate", "--rules", "r.yaml", "--payload", "-"], &body);
    assert!(ran.code == Some(1) && ran.complaints[0].contains("no rule takes"), "{ran:?}");
    let soon = ["simulate", "--rules", "r.yaml", "--payload", "-", "--at", "soon"];
    let ran = run_with(folder.path(), &[], &soon, &body);
    assert!(ran.code == Some(2) && ran.complaints[0].contains("2026-12-01 09:00"), "{ran:?}");
    let ran = run_with(folder.path(), &[], &["simulate", "--rules", "r.yaml", "--payload", "-"], b"{}");
    assert!(ran.code == Some(1) && ran.complaints[0].contains("alerts"), "{ran:?}");
}

/// What ships with tests passes them.
#[test]
fn shipped_rules_pass_their_tests() {
    let folder = Path::new(REPOSITORY).join("rules/tests");
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let rules = fs::read_dir(Path::new(REPOSITORY).join("rules")).unwrap();
    for rule_file in rules.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        let name = rule_file.file_name().unwrap();
        assert!(files.iter().any(|file| file.file_name().unwrap() == name), "{name:?} ships without tests");
    }
    for file in files {
        let ran = run(Path::new(REPOSITORY), &[], &["test", file.to_str().unwrap()]);
        assert_eq!((ran.code, ran.complaints.len()), (Some(0), 0), "{ran:?}");
    }
}

#[test]
fn a_test_that_fails_shows_what_came_instead() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("rules.yaml", RULES);
    let tests = "
rules: rules.yaml
now: 2026-11-28 02:14
tests:
  - name: good
    events: [{at: 0s, labels: {alertname: Down, severity: critical}}, {at: 4m, ack: 马拉}]
    expect: [{at: 0s, urgent: app, to: lin}, {at: 3m, urgent: sms, to: 马拉, step: 2, round: 1}]
    expect_none_after: 4m
  - name: bad
    events: [{at: 0s, labels: {alertname: Down, severity: critical}}, {at: 4m, ack: 马拉}]
    expect: [{at: 0s, urgent: app, to: lin}, {at: 3m, urgent: phone, to: 马拉}]
  - name: worse
    events: [{at: 0s, ack: lin}]
    expect: []
";
    write("t.yaml", tests);
    let ran = run(folder.path(), &[], &["test", "t.yaml", "--junit", "report.xml"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let lines: Vec<String> =
        ran.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [
        "ok good t.yaml:5",
        "FAIL bad t.yaml:9",
        "0s app lin step 1, round 1, rule all, severity critical",
        "- 3m phone 马拉 expected, did not come",
        "+ 3m sms 马拉 step 2, round 1, rule all, severity critical came, was not expected",
        "FAIL worse t.yaml:12",
        "at 0s: lin could not acknowledge: no incident is open",
        "1 passed, 2 failed",
    ] {
        assert!(lines.iter().any(|known| known == line), "{line}\n{}", ran.out);
    }
    let xml = fs::read_to_string(folder.path().join("report.xml")).unwrap();
    assert!(xml.contains("tests=\"3\" failures=\"2\" errors=\"0\""), "{xml}");
    let ran = run_with(folder.path(), &[], &["test", "-", "-o", "json"], tests.as_bytes());
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (ran.code, &report["ok"], &report["files"][0]["tests"][1]["pages"][1]["is"]),
        (Some(1), &Value::Bool(false), &Value::from("missing"))
    );
}

#[test]
fn a_file_of_tests_that_cannot_be_run_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("rules.yaml", RULES);
    let good = "rules: rules.yaml\nnow: 2026-11-28 02:14\ntests:\n  - {name: a, events: [], expect: []}\n";
    write("good.yaml", good);
    for (from, to, said) in [
        ("expect", "expekt", "error: bad.yaml:4:27: unknown key \"expekt\"; did you mean \"expect\"?"),
        ("rules.yaml", "nowhere.yaml", "nowhere.yaml"),
        (
            "[], expect",
            "[{at: 1m, ack: lim}], expect",
            "error: bad.yaml:4:24: the rules know no person \"lim\"",
        ),
    ] {
        write("bad.yaml", &good.replace(from, to));
        let ran = run(folder.path(), &[], &["test", "bad.yaml", "good.yaml"]);
        assert!(ran.code == Some(1) && ran.complaints[0].contains(said), "{said}: {ran:?}");
        assert!(ran.out.contains("1 passed, 1 file not run"), "the other file is run: {ran:?}");
    }
}
