//! Heartbeats: beats are no news, silence is.

use larkhorn::domain::{Action, Answer, Phase};
use larkhorn::store::Store as _;

use crate::alerts::{Told, Webhook, captured, fires};
use crate::life::minutes;
use crate::world::World;

const RULES: &str = "
severities:
  - {name: critical, urgent: phone}
  - {name: warning, urgent: app}
  - {name: info, values: [none], urgent: none}
people:
  lin: {open_id: ou_lin}
chats: {sre: oc_sre}
rules:
  - {name: watchdog, match: ['alertname=\"Watchdog\"'], chat: sre, notify: [lin], heartbeat: {every: 5m}}
  - {name: rest, chat: sre, notify: [lin]}
";

fn beat(instance: &str, world: &World) -> String {
    let told = Told { name: "Watchdog", severity: "none", instance, since: world.now() };
    Webhook::of(instance).firing(told).body()
}

const LOST: [&str; 3] = ["card red HeartbeatLost in oc_sre", "text [critical] HeartbeatLost …", "phone lin"];

#[tokio::test]
async fn a_watchdog_that_stops_is_an_incident_and_the_next_beat_ends_it() {
    let mut world = World::new(RULES);
    for _ in 0..4 {
        world.post(beat("a", &world)).await;
        world.advance(minutes(4)).await;
    }
    world.expect_nothing();
    world.advance(minutes(1)).await;
    world.expect(&LOST);
    let lost = world.incident().await;
    assert_eq!((lost.key.rule.as_str(), lost.source.as_str()), ("watchdog", "larkhorn"));
    assert_eq!(lost.summary, "no heartbeat of watchdog for 5m: its sender, or the way from there, is down");
    assert_eq!((lost.labels.get("instance"), lost.labels.get("severity")), (Some("a"), Some("critical")));
    world.advance(minutes(20)).await;
    world.expect_nothing();
    world.post(beat("a", &world)).await;
    world.expect(&["edit green HeartbeatLost in oc_sre"]);
    world.advance(minutes(4)).await;
    world.expect_nothing();
    world.advance(minutes(1)).await;
    world.expect(&["edit red HeartbeatLost in oc_sre", "text [critical] HeartbeatLost …", "phone lin"]);
    assert_eq!(world.incident().await.standing.reopens, 1, "it flaps: the same incident");
}

#[tokio::test]
async fn a_beat_that_never_came_is_lost_after_one_period() {
    let mut world = World::new(RULES);
    world.settle().await;
    world.advance(minutes(4)).await;
    world.expect_nothing();
    world.advance(minutes(1)).await;
    world.expect(&LOST);
    let lost = world.incident().await;
    assert_eq!(lost.summary, "no heartbeat of watchdog has ever come, and one is due every 5m");
    world.post(captured("prom-3.5_am-0.33_watchdog")).await;
    world.expect(&["edit green HeartbeatLost in oc_sre"]);
}

#[tokio::test]
async fn other_alerts_are_no_sign_of_life() {
    let mut world = World::new(RULES);
    world.post(beat("a", &world)).await;
    world.advance(minutes(3)).await;
    world.post(fires("Fire", "warning", world.now())).await;
    world.expect_any();
    world.advance(minutes(2)).await;
    world.expect(&LOST);
}

#[tokio::test]
async fn a_beat_that_waits_in_the_inbox_is_no_silence() {
    let mut world = World::new(RULES);
    world.post(beat("a", &world)).await;
    let later = world.now() + minutes(4);
    world.stand_still_until(later);
    world.accept(beat("a", &world)).await;
    world.stand_still_until(later + minutes(4));
    assert!(world.store().silent(world.now(), 10).await.unwrap().is_empty(), "it arrived in time");
    world.settle().await;
    world.expect_nothing();
    world.advance(minutes(1)).await;
    world.expect(&LOST);
}

#[tokio::test]
async fn who_was_away_could_not_hear_and_waits_one_period_more() {
    let mut world = World::new(RULES);
    world.post(beat("a", &world)).await;
    world.stand_still_until(world.now() + minutes(60));
    let mut world = world.crash();
    world.settle().await;
    world.advance(minutes(4)).await;
    world.expect_nothing();
    world.advance(minutes(1)).await;
    world.expect(&LOST);
    let mut world = world.crash();
    world.advance(minutes(20)).await;
    world.expect_nothing();
}

#[tokio::test]
async fn each_group_has_a_heartbeat_of_its_own() {
    let rules = RULES.replace("heartbeat:", "group_by: [instance], heartbeat:");
    let mut world = World::new(&rules);
    world.advance(minutes(5)).await;
    world.expect(&LOST);
    world.post(beat("a", &world)).await;
    world.expect(&["edit green HeartbeatLost in oc_sre"]);
    world.post(beat("b", &world)).await;
    world.advance(minutes(3)).await;
    world.post(beat("a", &world)).await;
    world.expect_nothing();
    world.advance(minutes(2)).await;
    world.expect(&LOST);
    let lost = world.incidents().await.pop().unwrap();
    assert_eq!(lost.labels.get("instance"), Some("b"));
    world.post(beat("a", &world)).await;
    world.expect_nothing();
}

#[tokio::test]
async fn a_heartbeat_somebody_resolves_rests_until_it_beats_again() {
    let mut world = World::new(RULES);
    world.advance(minutes(5)).await;
    world.expect(&LOST);
    let id = world.incident().await.id.unwrap();
    assert_eq!(world.act(id, Action::Resolve, "lin").await, Answer::Done);
    world.expect(&["edit green HeartbeatLost in oc_sre"]);
    world.advance(minutes(120)).await;
    world.expect_nothing();
    world.post(beat("a", &world)).await;
    world.expect(&["edit green HeartbeatLost in oc_sre"]);
    world.advance(minutes(5)).await;
    world.expect(&LOST);
}

#[tokio::test]
async fn a_reload_ends_what_nobody_waits_for_and_begins_what_is_new() {
    let mut world = World::new(RULES);
    world.advance(minutes(5)).await;
    world.expect(&LOST);
    world.reload(&RULES.replace("heartbeat: {every: 5m}", "thread: false"));
    world.settle().await;
    world.expect(&["edit green HeartbeatLost in oc_sre"]);
    assert_eq!(world.incident().await.standing.phase(), Phase::Resolved);
    world.advance(minutes(60)).await;
    world.reload(&RULES.replace("every: 5m", "every: 10m, severity: warning"));
    world.settle().await;
    world.advance(minutes(9)).await;
    world.expect_nothing();
    world.advance(minutes(1)).await;
    world.expect(&["card orange HeartbeatLost in oc_sre", "text [warning] HeartbeatLost …", "app lin"]);
}
