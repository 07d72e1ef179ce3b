//! `larkhorn explain` and the server, given the same payloads, agree.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::command_line::run;
use crate::pager::Pager;
use crate::patience::eventually;
use crate::phones::Phones;

const RULES: &str = r#"
people: {lin: {open_id: ou_lin}, mara: {open_id: ou_mara}}
chats: {oncall: oc_oncall}
teams: {all: [mara, lin]}
schedules:
  db: {timezone: Asia/Shanghai, layers: [{who: mara}]}
policies:
  core:
    steps:
      - {wait: 0s, notify: [schedule:db], urgent: app}
      - {wait: 10m, notify: [team:all]}
catch_all: {notify: [team:all]}
rules:
  - {name: payments, match: 'team="payments"', chat: oncall, notify: [lin]}
  - {name: hosts, match: 'job="node-exporter"', chat: oncall, policy: core}
  - {name: rest, chat: oncall, policy: core}
"#;

const PAYLOADS: [&str; 6] = [
    "am-0.33_single-firing.json",
    "am-0.33_group3-firing.json",
    "am-0.33_unicode.json",
    "prom-2.42_am-0.25_rule-firing.json",
    "grafana-unified_firing.json",
    "grafana-legacy_alerting.json",
];

/// Rule, title, severity, and whom its first step paged how loudly.
fn by_the_server(incidents: &[Value]) -> Vec<String> {
    let told = incidents.iter().map(|incident| {
        let stepped =
            incident["timeline"].as_array().unwrap().iter().find(|e| e["kind"] == "stepped").unwrap();
        let (rule, title, severity) = (&incident["rule"], &incident["title"], &incident["severity"]);
        format!("{rule} {title} {severity} {} {}", stepped["urgent"], stepped["people"])
    });
    let mut told: Vec<String> = told.collect();
    told.sort();
    told
}

fn by_explain(explained: &Value) -> Vec<String> {
    let told = explained["incidents"].as_array().unwrap().iter().map(|incident| {
        let (rule, title, severity) = (&incident["rule"], &incident["title"], &incident["severity"]);
        let first = &incident["steps"][0];
        format!("{rule} {title} {severity} {} {}", first["urgent"], first["people"])
    });
    let mut told: Vec<String> = told.collect();
    told.sort();
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_what_the_server_does() {
    let payloads = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/payloads");
    for payload in PAYLOADS {
        let phones = Phones::on();
        let mut pager = Pager::new(&phones.url());
        fs::write(pager.rules_file(), RULES).unwrap();
        pager.start().await;
        let folder = pager.rules_file().parent().unwrap().parent().unwrap().to_owned();
        let file = payloads.join(payload);
        let ran = run(&folder, &[], &["explain", "-o", "json", "--payload", file.to_str().unwrap()]);
        assert_eq!((ran.code, ran.complaints.len()), (Some(0), 0), "{ran:?}");
        let expected = by_explain(&serde_json::from_str(&ran.out).unwrap());
        assert!(!expected.is_empty(), "{payload}");

        let (status, _) = pager.post("/webhook", fs::read_to_string(&file).unwrap()).await;
        assert_eq!(status, 200, "{payload}");
        let incidents = async || -> Vec<Value> {
            let (_, list) = pager.get("/api/v1/incidents").await.unwrap();
            let list: Value = serde_json::from_str(&list).unwrap();
            let mut full = Vec::new();
            for incident in list["incidents"].as_array().unwrap() {
                let path = format!("/api/v1/incidents/{}", incident["id"].as_str().unwrap());
                full.push(serde_json::from_str(&pager.get(&path).await.unwrap().1).unwrap());
            }
            full
        };
        let stepped = |incident: &Value| {
            incident["timeline"].as_array().unwrap().iter().any(|entry| entry["kind"] == "stepped")
        };
        eventually("everybody to be paged", async || {
            let incidents = incidents().await;
            incidents.len() == expected.len() && incidents.iter().all(stepped)
        })
        .await;
        assert_eq!(by_the_server(&incidents().await), expected, "{payload}");
    }
}

#[test]
fn explain_names_what_failed_and_who_was_first() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules.yaml"), RULES).unwrap();
    let explain =
        |more: &[&str]| run(folder.path(), &[], &[&["explain", "--rules", "rules.yaml"], more].concat());
    let ran = explain(&["-o", "json", "job=node-exporter", "severity=P1"]);
    let said: Value = serde_json::from_str(&ran.out).unwrap();
    let rules = &said["alerts"][0]["rules"];
    assert_eq!(rules[0]["failed"]["matcher"], "team=\"payments\"", "{said}");
    assert_eq!(rules[0]["failed"]["value"], "");
    assert_eq!(rules[1]["taken"], true);
    assert_eq!(rules[1]["place"], "rules.yaml:15");
    assert_eq!(rules[2]["owned_by"], "hosts");
    assert_eq!(said["alerts"][0]["severity"], "critical");
    assert_eq!(said["incidents"][0]["policy"], "core");
    assert_eq!(said["incidents"][0]["steps"][1]["people"], serde_json::json!(["mara", "lin"]));
    assert_eq!(said["incidents"][0]["steps"][1]["after"], 600);

    let narrow = RULES.replace("  - {name: rest, chat: oncall, policy: core}\n", "");
    fs::write(folder.path().join("rules.yaml"), narrow).unwrap();
    let nobody = explain(&["team=web"]);
    assert!(nobody.code == Some(1) && nobody.complaints[0].contains("no rule takes"), "{nobody:?}");
    for wrong in [&[][..], &["team"], &["team=db", "--payload", "x.json"], &["team=db", "--at", "soon"]] {
        assert_eq!(explain(wrong).code, Some(2), "{wrong:?}");
    }
    let unreadable = explain(&["--payload", "rules.yaml"]);
    assert_eq!(unreadable.code, Some(1), "{unreadable:?}");
}
