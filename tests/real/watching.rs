//! `incidents` and `tap` against a running server.

use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::command_line::{Ran, run};
use crate::pager::{LARKHORN, Pager};
use crate::patience::{PATIENCE, eventually};
use crate::phones::Phones;
use crate::process::Process;

const PAYLOAD: &str = include_str!("../payloads/prom-2.42_am-0.25_rule-firing.json");

async fn pager_with_an_incident(phones: &Phones) -> Pager {
    let mut pager = Pager::new(&phones.url());
    pager.start().await;
    pager.post("/webhook", PAYLOAD.to_owned()).await;
    eventually("an incident", async || pager.all_states().await == ["triggered"]).await;
    pager
}

fn ask(pager: &Pager, line: &str) -> Ran {
    run(pager.folder(), &[("LANG", "C.UTF-8")], &line.split_whitespace().collect::<Vec<_>>())
}

#[tokio::test(flavor = "multi_thread")]
async fn incidents_are_looked_at_and_answered_from_the_command_line() {
    let phones = Phones::on();
    let pager = pager_with_an_incident(&phones).await;
    let list = ask(&pager, "incidents list");
    let lines: Vec<&str> = list.out.lines().collect();
    assert!(list.code == Some(0) && lines.len() == 2, "{list:?}");
    assert!(
        lines[0].starts_with("INCIDENT  STATE      SEVERITY") && lines[1].starts_with("INC-1     triggered"),
        "{list:?}"
    );

    let taken = ask(&pager, "incidents ack INC-1 --by lin -o json");
    let incident: Value = serde_json::from_str(&taken.out).unwrap();
    assert_eq!(
        (&incident["state"], &incident["acknowledged_by"]),
        (&"acknowledged".into(), &"lin".into()),
        "{taken:?}"
    );
    assert!(incident["acknowledged_at"].is_string());
    assert!(ask(&pager, "incidents list --state triggered").out.contains("no incidents"));
    let shown = ask(&pager, "incidents show INC-1");
    for word in ["acknowledged by", "lin", "label", "severity=critical", "opened", "buzzed"] {
        assert!(shown.out.contains(word), "{word}: {shown:?}");
    }
    assert!(ask(&pager, "incidents snooze INC-1 --for 2h --by lin").out.contains("snoozed"));
    assert!(ask(&pager, "incidents resolve INC-1 --by lin").out.contains("resolved"));

    for (line, why) in [
        ("incidents escalate INC-1 --by lin", "is over"),
        ("incidents show INC-7", "404: there is no incident INC-7"),
        ("incidents resolve INC-1", "--by NAME"),
        ("incidents list --server http://127.0.0.1:1", "--server"),
        ("incidents list --server nowhere", "no address"),
    ] {
        let ran = ask(&pager, line);
        let [complaint] = ran.complaints.as_slice() else { panic!("{line}: {ran:?}") };
        assert!(ran.code == Some(1) && complaint.contains(why), "{line}: {complaint}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_webhooks_show_what_new_rules_would_change_while_the_pager_runs() {
    let phones = Phones::on();
    let pager = pager_with_an_incident(&phones).await;
    let same = ask(&pager, "replay --new rules");
    assert!(same.code == Some(0) && same.out.contains("webhooks: 1, incidents: 1, different: 0"), "{same:?}");
    let rules = std::fs::read_to_string(pager.rules_file()).unwrap();
    let louder = rules.replace("    notify: [lin]\n    pin: true", "    notify: [lin, mara]\n    pin: true");
    assert_ne!(rules, louder);
    std::fs::write(pager.folder().join("new.yaml"), louder).unwrap();
    let ran = ask(&pager, "replay --new new.yaml --since 1h");
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(ran.code == Some(0) && lines[0].contains("HighErrorRate  payments  +phone mara ×2"), "{ran:?}");
    assert!(ran.out.contains("phone: 2 → 4"), "the first page, and the last resort once: {ran:?}");
    let ran = ask(&pager, "replay --old new.yaml --new rules -o json");
    let found: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        found["sums"],
        serde_json::json!([{"urgent": "phone", "to": "mara", "old": 2, "new": 0}]),
        "{ran:?}"
    );
    let ran = ask(&pager, "replay --new rules --since 2100-01-01T00:00:00Z");
    assert!(ran.code == Some(1) && ran.complaints[0].contains("nothing to replay"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_the_settings_opens_the_api() {
    let phones = Phones::on();
    let mut pager = Pager::new(&phones.url());
    pager.wants_api_token("t-of-the-api");
    pager.start().await;
    assert_eq!(ask(&pager, "incidents list").code, Some(0));
    let server = format!("incidents list --config elsewhere.yaml --server {}", pager.url(""));
    std::fs::write(pager.folder().join("elsewhere.yaml"), "{}").unwrap();
    let ran = ask(&pager, &server);
    assert!(ran.code == Some(1) && ran.complaints[0].contains("401"), "{ran:?}");
    assert!(!format!("{ran:?}").contains("t-of-the-api"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tap_shows_a_page_from_webhook_to_phone_and_ends_with_the_server() {
    let phones = Phones::on();
    let mut pager = Pager::new(&phones.url());
    pager.start().await;
    let mut command = Command::new(LARKHORN);
    command.args(["tap", "-o", "json"]).env_clear().current_dir(pager.folder()).stdin(Stdio::null());
    let mut tap = Process::start("tap", &mut command, pager.folder());
    // Whoever does not watch yet misses what comes.
    eventually("the tap to watch", async || {
        pager.post("/webhook", PAYLOAD.to_owned()).await;
        tap.log().contains("webhook")
    })
    .await;
    pager.post("/webhook", PAYLOAD.replace("HighErrorRate", "磁盘将满")).await;
    eventually("all of it to show", async || {
        let log = tap.log();
        // What came before it watched may still be buzzing.
        log.split_once("\"kind\":\"opened\"").is_some_and(|(_, after)| after.contains("\"kind\":\"buzzed\""))
    })
    .await;
    let log = tap.log();
    let seen: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let has = |event: &str, name: &str, value: &str| {
        assert!(
            seen.iter().any(|e| e["event"] == event && e["data"][name] == value),
            "{event} {name}={value}: {log}"
        );
    };
    has("webhook", "source", "alertmanager");
    has("incident", "kind", "opened");
    has("incident", "kind", "stepped");
    has("incident", "title", "磁盘将满");
    has("job", "job", "buzz");
    assert!(tap.status().is_none());

    let began = Instant::now();
    pager.signal("TERM");
    assert!(pager.ended().await.success());
    assert!(began.elapsed() < PATIENCE / 6, "who watches holds up the stop: {:?}", began.elapsed());
    assert_eq!(tap.ended().await.code(), Some(1), "the tap says that there is no more");
}
