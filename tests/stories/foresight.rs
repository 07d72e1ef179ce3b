//! What the preview foresees is what the engine does: the same captured payloads
//! go through both.

use std::path::Path;

use jiff::SignedDuration;
use larkhorn::domain::{Fact, Incident, Urgent};
use larkhorn::rules::{RuleSet, SourceFile};
use larkhorn::sources::{self, Hint};
use larkhorn::store::Store;
use larkhorn::worker::engine::{self, Foreseen};

use crate::world::World;

const RULES: &str = r#"
storm: {cards_per_minute: 0, share_buzz: 0s}
severities:
  - {name: critical, values: [page, p0], urgent: phone, pin: true}
  - {name: warning, urgent: sms}
  - {name: info, values: [none], urgent: none}
people: {lin: {open_id: ou_lin}, mara: {open_id: ou_mara}, otto: {open_id: ou_otto}}
chats: {sre: oc_sre, leads: oc_leads}
teams: {leads: [otto, mara]}
schedules:
  db:
    timezone: Asia/Shanghai
    layers: [{rotate: weekly, at: "mon 10:00", who: [lin, mara]}]
policies:
  core:
    steps:
      - {wait: 0s, notify: [schedule:db], urgent: app}
      - {wait: 3m, notify: [schedule:db], when: {severity: ">=warning"}}
      - {wait: 5m, notify: [schedule:db, person:otto], when: {severity: ">=critical"}}
      - {wait: 10m, notify: [team:leads, chat:leads]}
catch_all: {notify: [team:leads], chat: leads}
rules:
  - {name: seen, match: 'severity=~".+"', chat: leads, continue: true}
  - {name: watchdog, match: 'alertname="Watchdog"', heartbeat: {every: 5m}, policy: core}
  - {name: payments, match: 'team="payments"', chat: [sre, leads], policy: core, pin: true}
  - {name: by-cluster, match: 'cluster=~".+"', notify: [lin, team:leads], group_by: [cluster, alertname]}
  - {name: waits, match: 'job=~".+"', chat: sre, policy: core, group_wait: 30s}
  - {name: rest, chat: sre, policy: core}
"#;

const PAYLOADS: [&str; 13] = [
    "am-0.33_single-firing.json",
    "am-0.33_group3-firing.json",
    "am-0.33_group3-mixed.json",
    "am-0.33_single-resolved.json",
    "am-0.33_minimal.json",
    "am-0.33_unicode.json",
    "am-0.33_group-by-all.json",
    "prom-2.42_am-0.25_rule-firing.json",
    "prom-3.5_am-0.33_watchdog.json",
    "grafana-unified_firing.json",
    "grafana-unified_nodata.json",
    "grafana-legacy_alerting.json",
    "am-0.34_route-labels.json",
];

/// What both must say of an incident.
fn told(incident: &Incident) -> String {
    format!(
        "{} {:?} {} pin {} in {:?} as {} by {:?}",
        incident.key.rule,
        incident.title,
        incident.standing.severity.name,
        incident.pin,
        incident.places,
        incident.template,
        incident.standing.policy,
    )
}

/// Loudness and people of the steps of the first round that reached somebody.
fn foreseen(steps: &Foreseen) -> Vec<(String, String)> {
    let run = steps.steps.iter().filter(|step| step.holds && !step.recipients.is_empty());
    let people = run.map(|step| {
        let names: Vec<&str> = step.recipients.people.iter().map(|p| p.name.as_str()).collect();
        (step.urgent.to_string(), names.join(", "))
    });
    people.collect()
}

#[tokio::test]
async fn the_preview_is_what_the_engine_does() {
    let (rules, _) = RuleSet::load(&[SourceFile { path: "story.yaml", text: RULES }]).unwrap();
    let mut ladders = 0;
    for payload in PAYLOADS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/payloads").join(payload);
        let body = std::fs::read_to_string(path).unwrap();
        let mut world = World::new(RULES);
        let now = world.now();
        world.post(&body).await;
        let mut incidents = world.store().incidents(None, None, 100).await.unwrap();

        let (kind, _) = sources::inspect(Hint::Any, body.as_bytes()).unwrap();
        let group = sources::decode(kind, body.as_bytes()).unwrap();
        let mut preview = engine::preview(&rules, kind.as_str(), group, now).incidents;

        incidents.sort_by_key(|incident| incident.key.clone());
        preview.sort_by_key(|foreseen| foreseen.incident.key.clone());
        let done: Vec<String> = incidents.iter().map(told).collect();
        let seen: Vec<String> = preview.iter().map(|foreseen| told(&foreseen.incident)).collect();
        assert_eq!(seen, done, "{payload}");

        world.advance(SignedDuration::from_mins(20)).await;
        world.look_away();
        world.expect_any();
        for (incident, steps) in incidents.iter().zip(&preview) {
            if incident.standing.severity.urgent == Urgent::None {
                continue;
            }
            let timeline = world.store().timeline(incident.id.unwrap()).await.unwrap();
            let text = |facts: &[(String, Fact)], name: &str| {
                let fact = facts.iter().find(|(n, _)| n == name).map(|(_, fact)| fact.clone());
                match fact {
                    Some(Fact::Text(text)) => text,
                    Some(Fact::List(list)) => list.join(", "),
                    other => panic!("{name} is {other:?}"),
                }
            };
            let first = |facts: &[(String, Fact)]| {
                facts.iter().any(|(n, fact)| n == "round" && matches!(fact, Fact::Number(0)))
            };
            let stepped = timeline.iter().filter(|entry| entry.kind == "stepped" && first(&entry.facts));
            let stepped: Vec<(String, String)> =
                stepped.map(|entry| (text(&entry.facts, "urgent"), text(&entry.facts, "people"))).collect();
            assert_eq!(foreseen(steps), stepped, "{payload}: {}", incident.key.rule);
            ladders += usize::from(stepped.len() > 1);
        }
    }
    assert!(ladders > 5, "only {ladders} incidents had a ladder");
}
