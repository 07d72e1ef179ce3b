//! What calls and text messages may cost, and what happens when it is spent.
//!
//! The stories begin on Sunday 2026-11-22, 11:00 in Shanghai.

use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::{Fact, Urgent};
use larkhorn::sandbox::{Api, Outcome};
use larkhorn::store::Store as _;

use crate::alerts::{fires, recovers};
use crate::life::minutes;
use crate::world::World;

/// Every alert pages lin; `Pair` mara as well; `Steps` lin five times, a minute apart.
fn world(budget: &str) -> World {
    World::new(&format!(
        "
storm: {{share_buzz: 0s}}
severities:
  - {{name: critical, urgent: phone}}
  - {{name: error, urgent: phone}}
  - {{name: warning, urgent: sms}}
people: {{lin: {{open_id: ou_lin}}, mara: {{open_id: ou_mara}}}}
chats: {{sre: oc_sre}}
policies:
  steps:
    steps: [{{notify: [person:lin]}}, {{wait: 1m, notify: [person:lin]}}, {{wait: 1m, notify: [person:lin]}}]
rules:
  - {{name: pair, match: ['alertname=\"Pair\"'], chat: sre, notify: [lin, mara]}}
  - {{name: steps, match: ['alertname=\"Steps\"'], chat: sre, policy: steps}}
  - {{name: all, chat: sre, notify: [lin]}}
budget: {budget}
"
    ))
}

/// Another incident pages and is over; how people were buzzed for it.
async fn buzzed(world: &mut World, name: &str, severity: &str) -> Vec<String> {
    let before = world.sandbox.buzzes().len();
    let began = world.now();
    world.post(fires(name, severity, began)).await;
    world.post(recovers(name, severity, began)).await;
    world.expect_any();
    since(world, before)
}

fn since(world: &World, before: usize) -> Vec<String> {
    let buzzes = world.sandbox.buzzes();
    let line = |buzz: &larkhorn::sandbox::Buzz| format!("{} {}", buzz.urgent, &buzz.person[3..]);
    buzzes[before..].iter().map(line).collect()
}

/// What the timelines say of the budget: who, and `wanted > urgent (limit)`.
async fn held_back(world: &World) -> Vec<String> {
    let mut told = Vec::new();
    for incident in world.incidents().await {
        for entry in world.timeline(&incident).await.iter().filter(|entry| entry.kind == "held_back") {
            let said: Vec<String> = entry
                .facts
                .iter()
                .map(|(_, fact)| match fact {
                    Fact::Text(text) => text.clone(),
                    Fact::List(words) => words.join(","),
                    Fact::Number(_) => panic!("{entry:?}"),
                })
                .collect();
            told.push(format!("{}: {} > {} ({})", said[0], said[1], said[3], said[2]));
        }
    }
    told
}

async fn levels(world: &World) -> Vec<(Urgent, u32)> {
    let levels = world.purse().levels(world.now()).await.unwrap();
    levels.into_iter().map(|level| (level.channel, level.used)).collect()
}

#[tokio::test]
async fn a_month_that_is_used_up_falls_to_sms_and_then_to_the_app() {
    let mut world = world("{phone: {month: 2}, sms: {month: 1}}");
    let mut all = Vec::new();
    for n in 0..5 {
        all.extend(buzzed(&mut world, &format!("Fire{n}"), "critical").await);
    }
    assert_eq!(all, ["phone lin", "phone lin", "sms lin", "app lin", "app lin"]);
    let expected = ["lin: phone > sms (month)", "lin: phone > app (month)", "lin: phone > app (month)"];
    assert_eq!(held_back(&world).await, expected);
    assert_eq!(levels(&world).await, [(Urgent::Phone, 2), (Urgent::Sms, 1)]);
    let left = world.metric("larkhorn_urgent_budget_remaining{channel=\"phone\"}");
    assert_eq!(left.unwrap(), "larkhorn_urgent_budget_remaining{channel=\"phone\"} 0");
    assert_eq!(world.purse().levels(world.now()).await.unwrap()[0].percent(), 100);
}

#[tokio::test]
async fn the_reserve_serves_the_loudest_severity_only() {
    let mut world = world("{phone: {month: 3, reserve: 2}}");
    assert_eq!(buzzed(&mut world, "A", "error").await, ["phone lin"]);
    assert_eq!(buzzed(&mut world, "B", "error").await, ["sms lin"]);
    assert_eq!(buzzed(&mut world, "C", "critical").await, ["phone lin"]);
    assert_eq!(buzzed(&mut world, "D", "critical").await, ["phone lin"]);
    assert_eq!(buzzed(&mut world, "E", "critical").await, ["sms lin"]);
    assert_eq!(held_back(&world).await, ["lin: phone > sms (reserve)", "lin: phone > sms (month)"]);
}

#[tokio::test]
async fn nobody_is_called_more_often_in_an_hour_than_allowed_and_others_still_are() {
    let mut world = world("{phone: {person_hour: 2}}");
    assert_eq!(buzzed(&mut world, "A", "critical").await, ["phone lin"]);
    world.advance(minutes(30)).await;
    assert_eq!(buzzed(&mut world, "B", "critical").await, ["phone lin"]);
    let began = world.now();
    world.post(fires("Pair", "critical", began)).await;
    world.expect(&["card red Pair in oc_sre", "text …", "phone mara", "text …", "sms lin"]);
    world.post(recovers("Pair", "critical", began)).await;
    world.expect(&["edit green Pair in oc_sre"]);
    assert_eq!(held_back(&world).await, ["lin: phone > sms (person_hour)"]);
    world.advance(minutes(30)).await;
    assert_eq!(buzzed(&mut world, "C", "critical").await, ["phone lin"], "the first is an hour ago");
}

#[tokio::test]
async fn an_incident_has_so_many_calls_and_another_one_has_its_own() {
    let mut world = world("{phone: {incident: 2}}");
    let before = world.sandbox.buzzes().len();
    world.post(fires("Steps", "critical", world.now())).await;
    world.advance(minutes(2)).await;
    world.expect_any();
    assert_eq!(since(&world, before), ["phone lin", "phone lin", "sms lin"]);
    assert_eq!(held_back(&world).await, ["lin: phone > sms (incident)"]);
    assert_eq!(buzzed(&mut world, "Other", "critical").await, ["phone lin"]);
    assert_eq!(buzzed(&mut world, "Pair", "critical").await, ["phone lin", "phone mara"]);
}

#[tokio::test]
async fn a_new_month_of_the_zone_refills() {
    let mut world = world("{phone: {month: 1}}");
    assert_eq!(buzzed(&mut world, "A", "critical").await, ["phone lin"]);
    // The last second of November in Shanghai.
    let end: Timestamp = "2026-11-30T15:59:59Z".parse().unwrap();
    world.advance(end.duration_since(world.now())).await;
    assert_eq!(buzzed(&mut world, "B", "critical").await, ["sms lin"]);
    world.advance(SignedDuration::from_secs(1)).await;
    assert_eq!(levels(&world).await, [(Urgent::Phone, 0)]);
    assert_eq!(buzzed(&mut world, "C", "critical").await, ["phone lin"]);
}

#[tokio::test]
async fn a_restart_keeps_the_counts_and_a_reload_takes_new_limits() {
    let mut world = world("{phone: {month: 1}}");
    assert_eq!(buzzed(&mut world, "A", "critical").await, ["phone lin"]);
    let mut world = world.crash();
    assert_eq!(levels(&world).await, [(Urgent::Phone, 1)]);
    assert_eq!(buzzed(&mut world, "B", "critical").await, ["sms lin"]);
    world.reload(
        "{people: {lin: {open_id: ou_lin}}, chats: {sre: oc_sre},
          rules: [{name: all, chat: sre, notify: [lin]}], budget: {phone: {month: 2}, sms: {month: 9}}}",
    );
    assert_eq!(levels(&world).await, [(Urgent::Phone, 1), (Urgent::Sms, 1)]);
    assert_eq!(buzzed(&mut world, "C", "critical").await, ["phone lin"]);
}

#[tokio::test]
async fn two_incidents_at_once_never_share_the_last_call() {
    let mut world = world("{phone: {month: 1}}");
    for name in ["A", "B", "C"] {
        world.accept(fires(name, "critical", world.now())).await;
    }
    world.settle().await;
    world.expect_any();
    let mut all = since(&world, 0);
    all.sort();
    assert_eq!(all, ["phone lin", "sms lin", "sms lin"]);
}

#[tokio::test]
async fn what_was_surely_not_buzzed_is_not_spent_and_what_is_unknown_is() {
    let mut world = world("{phone: {month: 9}, sms: {month: 9}}");
    // The tenant's own quota says no to the call; the text is sent.
    world.trouble(Api::UrgentPhone, Some(1), Outcome::Code(230_024, "quota".to_owned()));
    assert_eq!(buzzed(&mut world, "A", "critical").await, ["sms lin"]);
    assert_eq!(levels(&world).await, [(Urgent::Phone, 0), (Urgent::Sms, 1)]);
    // mara is refused, lin is called.
    world.sandbox.remove_member("oc_sre", "ou_mara");
    let both = buzzed(&mut world, "Pair", "critical").await;
    assert_eq!(both, ["phone lin", "phone mara"], "in the chat, and directly");
    assert_eq!(levels(&world).await, [(Urgent::Phone, 2), (Urgent::Sms, 1)]);
    // It may have rung: that counts, and so does the second call.
    world.trouble(Api::UrgentPhone, Some(1), Outcome::Http(502));
    world.post(fires("B", "critical", world.now())).await;
    assert_eq!(levels(&world).await, [(Urgent::Phone, 3), (Urgent::Sms, 1)]);
    world.advance(minutes(3)).await;
    world.expect_any();
    assert_eq!(levels(&world).await, [(Urgent::Phone, 4), (Urgent::Sms, 1)]);
}

#[tokio::test]
async fn a_process_that_dies_in_the_middle_of_a_call_has_spent_it() {
    let world = world("{phone: {month: 1}}");
    world.accept(fires("A", "critical", world.now())).await;
    let mut world = world.crash_when(|sandbox| !sandbox.buzzes().is_empty()).await;
    world.expect_any();
    assert_eq!(levels(&world).await, [(Urgent::Phone, 1)]);
    world.advance(minutes(2)).await;
    world.expect_any();
    assert_eq!(since(&world, 0), ["phone lin", "sms lin"], "made again after a minute, within the budget");
    assert_eq!(world.store().backlog().await.unwrap().outbox, 0);
}
