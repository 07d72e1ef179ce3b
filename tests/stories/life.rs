//! The life of an incident: fire, repeat, grow, shrink, recover, return.

use jiff::SignedDuration;
use larkhorn::domain::Urgent::{App, Phone};

use crate::alerts::{Told, Webhook, captured, fires, recovers};
use crate::world::World;
use larkhorn::store::Store as _;

pub(crate) const RULES: &str = "
severities:
  - {name: critical, urgent: phone, pin: true}
  - {name: warning, urgent: app}
  - {name: info, values: [none], urgent: none}
people:
  lin: {open_id: ou_lin}
  mara: {email: mara@example.com}
  otto: {open_id: ou_otto}
chats: {sre: oc_sre, leads: oc_leads}
storm: {cards_per_minute: 0, share_buzz: 0}
rules:
  - {name: both, match: ['alertname=\"Both\"'], chat: [sre, leads], notify: [lin]}
  - {name: seen-twice, match: ['alertname=\"Twice\"'], chat: leads, continue: true}
  - {name: direct, match: ['alertname=\"Direct\"'], notify: [otto]}
  - {name: stranger, match: ['alertname=\"Stranger\"'], chat: sre, notify: [lin, otto]}
  - {name: gathered, match: ['alertname=\"Gathered\"'], chat: sre, notify: [lin], group_wait: 30s}
  - {name: by-instance, match: ['alertname=\"PerInstance\"'], chat: sre, group_by: [instance]}
  - {name: mail, match: ['alertname=\"Mail\"'], chat: sre, notify: [mara]}
  - {name: rest, chat: sre, notify: [lin]}
";

pub(crate) fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

#[tokio::test]
async fn a_critical_alert_is_a_card_a_call_and_a_pin_until_it_recovers() {
    let mut world = World::new(RULES);
    let began = world.now();
    world.post(fires("Fire", "critical", began)).await;
    world.expect(&["card red Fire in oc_sre", "text [critical] Fire …", "phone lin", "pin lin oc_sre"]);
    world.advance(minutes(25)).await;
    world.post(fires("Fire", "critical", began)).await;
    world.expect_nothing();
    world.post(recovers("Fire", "critical", began)).await;
    world.expect(&["edit green Fire in oc_sre", "unpin lin oc_sre"]);
    let kinds: Vec<String> =
        world.timeline(&world.incident().await).await.into_iter().map(|e| e.kind).collect();
    assert_eq!(kinds, ["opened", "stepped", "card_posted", "buzzed", "resolved"]);
}

#[tokio::test]
async fn severity_decides_how_loud() {
    let mut world = World::new(RULES);
    let began = world.now();
    world.post(fires("Smoke", "warning", began)).await;
    world.expect(&["card orange Smoke in oc_sre", "text [warning] Smoke …", "app lin"]);
    world.post(fires("Note", "info", began)).await;
    world.expect(&["card blue Note in oc_sre"]);
    world.post(fires("Odd", "no-such-severity", began)).await;
    world.expect_urgent(App, "lin");
}

#[tokio::test]
async fn a_group_is_one_card_that_follows_its_alerts() {
    let mut world = World::new(RULES);
    world.post(captured("am-0.33_group3-firing")).await;
    world.expect(&["card orange DiskAlmostFull in oc_sre", "text …", "app lin"]);
    world.post(captured("am-0.33_group3-mixed")).await;
    world.expect(&["edit orange DiskAlmostFull in oc_sre"]);
    world.post(captured("am-0.33_group3-new-alert")).await;
    world.expect(&["edit orange DiskAlmostFull in oc_sre"]);
    world.post(captured("am-0.33_group3-all-resolved")).await;
    world.expect(&["edit green DiskAlmostFull in oc_sre"]);
    assert_eq!(world.incident().await.standing.members.len(), 4);
}

#[tokio::test]
async fn a_flap_within_reopen_within_comes_back_on_the_same_card() {
    let mut world = World::new(RULES);
    let began = world.now();
    world.post(fires("Flap", "critical", began)).await;
    world.post(recovers("Flap", "critical", began)).await;
    world.expect(&[
        "card red Flap in oc_sre",
        "text …",
        "phone lin",
        "pin lin oc_sre",
        "edit green Flap in oc_sre",
        "unpin lin oc_sre",
    ]);
    world.advance(minutes(9)).await;
    let again = world.now();
    world.post(fires("Flap", "critical", again)).await;
    world.expect(&["edit red Flap in oc_sre", "text …", "phone lin", "pin lin oc_sre"]);
    world.post(recovers("Flap", "critical", again)).await;
    world.expect(&["edit green Flap in oc_sre", "unpin lin oc_sre"]);
    world.advance(minutes(11)).await;
    world.post(fires("Flap", "critical", world.now())).await;
    world.expect(&["card red Flap in oc_sre", "text …", "phone lin", "pin lin oc_sre"]);
    assert_eq!(world.incidents().await.len(), 2);
}

#[tokio::test]
async fn a_worse_alert_joins_and_the_phone_rings() {
    let mut world = World::new(RULES);
    let since = world.now();
    let told = |severity, instance| Told { name: "Grow", severity, instance, since };
    world.post(Webhook::of("g").firing(told("warning", "a")).body()).await;
    world.expect_urgent(App, "lin");
    world.advance(minutes(5)).await;
    world.post(Webhook::of("g").firing(told("warning", "a")).firing(told("critical", "b")).body()).await;
    world.expect(&["edit red Grow in oc_sre", "text …", "phone lin", "pin lin oc_sre"]);
}

#[tokio::test]
async fn what_clears_while_alerts_are_gathered_tells_nobody() {
    let mut world = World::new(RULES);
    let began = world.now();
    world.post(fires("Gathered", "critical", began)).await;
    world.advance(SignedDuration::from_secs(29)).await;
    world.post(recovers("Gathered", "critical", began)).await;
    world.advance(minutes(5)).await;
    world.expect_nothing();
    let began = world.now();
    world
        .post(
            Webhook::of("other")
                .firing(Told { name: "Gathered", severity: "critical", instance: "b", since: began })
                .body(),
        )
        .await;
    world.advance(SignedDuration::from_secs(30)).await;
    world.expect_urgent(Phone, "lin");
}

#[tokio::test]
async fn the_last_payload_may_come_first() {
    let mut world = World::new(RULES);
    let began = world.now();
    world.post(fires("Late", "warning", began)).await;
    world.post(recovers("Late", "warning", began)).await;
    world.expect(&["card orange Late in oc_sre", "text …", "app lin", "edit green Late in oc_sre"]);
    // A copy of the first, from a peer that was slow.
    world.advance(SignedDuration::from_secs(20)).await;
    world.post(fires("Late", "warning", began)).await;
    world.expect_nothing();
}

#[tokio::test]
async fn a_recovery_finds_its_incident_whatever_group_it_comes_in() {
    let mut world = World::new(RULES);
    let began = world.now();
    world.post(fires("Moved", "warning", began)).await;
    world.expect_urgent(App, "lin");
    let told = Told { name: "Moved", severity: "warning", instance: "a", since: began };
    world.post(Webhook::of("another route by now").resolved(told).body()).await;
    world.expect(&["edit green Moved in oc_sre"]);
}

#[tokio::test]
async fn group_by_makes_one_incident_of_what_the_sender_split_and_two_of_what_it_joined() {
    let mut world = World::new(RULES);
    let since = world.now();
    let told = |instance| Told { name: "PerInstance", severity: "info", instance, since };
    world.post(Webhook::of("x").firing(told("a")).firing(told("b")).body()).await;
    world.expect(&["card blue PerInstance in oc_sre", "card blue PerInstance in oc_sre"]);
    world.post(Webhook::of("y").firing(told("a")).body()).await;
    world.expect_nothing();
    assert_eq!(world.incidents().await.len(), 2);
}

#[tokio::test]
async fn grafana_pages_too() {
    let mut world = World::new(RULES);
    world.post(captured("grafana-unified_firing")).await;
    world.expect(&["card red 支付错误率过高 in oc_sre", "text …", "phone lin", "pin lin oc_sre"]);
    world.post(captured("grafana-unified_mixed")).await;
    world.expect(&["edit red 支付错误率过高 in oc_sre"]);
    world.post(captured("grafana-legacy_alerting")).await;
    world.expect(&["card red CPU使用率过高 in oc_sre", "text …", "phone lin"]);
    world.post(captured("grafana-legacy_ok")).await;
    world.expect(&["edit green CPU使用率过高 in oc_sre"]);
}

#[tokio::test]
async fn a_thousand_alerts_are_one_card_and_one_call_to_nobody_twice() {
    let mut world = World::new(RULES);
    world.post(captured("am-0.33_thousand")).await;
    world.expect(&["card orange KubePodCrashLooping in oc_sre", "text …", "app lin"]);
    let card = world.sandbox.messages("oc_sre").remove(0);
    assert!(card.content().len() <= 30 * 1024, "{} bytes", card.content().len());
    assert_eq!(world.incident().await.standing.firing(), 1000);
}

#[tokio::test]
async fn a_storm_in_one_body_is_taken_in_slices_and_is_one_incident() {
    let mut world = World::new(RULES);
    let since = world.now();
    let mut webhook = Webhook::of("storm");
    for n in 0..9000 {
        let instance = format!("host-{n:05}.{}", "x".repeat(40));
        webhook = webhook.firing(Told { name: "Storm", severity: "warning", instance: &instance, since });
    }
    let body = webhook.body();
    assert!(body.len() > 2 << 20, "large enough to be sliced: {}", body.len());
    world.post(body).await;
    world.expect_urgent(App, "lin");
    assert_eq!(world.incident().await.standing.firing(), 9000);
    assert_eq!(world.store().backlog().await.unwrap().inbox, 0);
}

#[tokio::test]
async fn a_reload_changes_who_is_paged_next_time_only() {
    let mut world = World::new(RULES);
    let began = world.now();
    world.post(fires("Fire", "critical", began)).await;
    world.expect_urgent(Phone, "lin");
    world.reload(
        &RULES.replace("{name: rest, chat: sre, notify: [lin]}", "{name: rest, chat: leads, notify: [otto]}"),
    );
    world.post(recovers("Fire", "critical", began)).await;
    world.expect(&["edit green Fire in oc_sre", "unpin lin oc_sre"]);
    world.advance(minutes(20)).await;
    world.post(fires("Fire", "critical", world.now())).await;
    world.expect(&["card red Fire in oc_leads", "text …", "phone otto", "pin otto oc_leads"]);
}
