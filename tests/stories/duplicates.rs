//! What comes twice, late, in the wrong order or by another route is one
//! incident, one card and one call (inputs.md, facts 5, 8 and 9).

use jiff::{SignedDuration, Timestamp};

use crate::alerts::{Told, Webhook, fires, recovers};
use crate::life::{RULES, minutes};
use crate::world::World;

const CALLED: [&str; 4] = ["card red Fire in oc_sre", "text …", "phone lin", "pin lin oc_sre"];

fn told<'a>(name: &'a str, instance: &'a str, since: Timestamp) -> Told<'a> {
    Told { name, severity: "critical", instance, since }
}

/// The same from another instance of a pair, configured with its own address.
fn by_its_peer(body: &str) -> String {
    let peer = body.replace("http://alertmanager:9093", "http://alertmanager-1:9093");
    assert_ne!(peer, body);
    peer
}

#[tokio::test]
async fn both_of_a_pair_send_it_and_one_phone_rings() {
    let mut world = World::new(RULES);
    let began = world.now();
    let body = fires("Fire", "critical", began);
    // In one turn of the engine, and a peer's timeout later.
    world.accept(&body).await;
    world.post(by_its_peer(&body)).await;
    world.expect(&CALLED);
    world.advance(SignedDuration::from_secs(15)).await;
    world.post(by_its_peer(&body)).await;
    world.expect_nothing();
    let recovery = recovers("Fire", "critical", began);
    world.post(recovery.clone()).await;
    world.expect(&["edit green Fire in oc_sre", "unpin lin oc_sre"]);
    world.post(by_its_peer(&recovery)).await;
    world.expect_nothing();
    assert_eq!(world.incidents().await.len(), 1);
}

#[tokio::test]
async fn a_thousand_retries_after_lost_answers_are_one_incident() {
    let mut world = World::new(RULES);
    let body = fires("Fire", "critical", world.now());
    for burst in 0..10 {
        for _ in 0..100 {
            world.accept(&body).await;
        }
        world.settle().await;
        if burst == 0 {
            world.expect(&CALLED);
        }
        world.advance(SignedDuration::from_secs(5)).await;
    }
    world.expect_nothing();
    assert_eq!(world.incidents().await.len(), 1);
    let kinds: Vec<String> =
        world.timeline(&world.incident().await).await.into_iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, ["opened", "stepped", "card_posted", "buzzed"], "retries are no news");
}

#[tokio::test]
async fn a_retry_across_a_crash_is_one_incident() {
    let mut world = World::new(RULES);
    let body = fires("Fire", "critical", world.now());
    world.post(body.clone()).await;
    world.expect(&CALLED);
    // The answer was lost with the process; the sender does not know.
    let mut world = world.crash();
    world.post(body).await;
    world.expect_nothing();
    assert_eq!(world.incidents().await.len(), 1);
}

#[tokio::test]
async fn a_recovery_that_overtakes_its_firing_calls_nobody() {
    let mut world = World::new(RULES);
    let began = world.now();
    let group = |webhook: Webhook| webhook.firing(told("Fire", "b", began)).body();
    world.post(group(Webhook::of("g"))).await;
    world.expect(&CALLED);
    // Of one alert of the group the end comes first, its beginning after.
    world.post(group(Webhook::of("g").resolved(told("Fire", "a", began)))).await;
    world.expect_any();
    world.post(group(Webhook::of("g").firing(told("Fire", "a", began)))).await;
    world.expect_any();
    assert_eq!(world.incidents().await.len(), 1);
    // Whatever is believed of the straggler, its group ends with what is said last.
    world.advance(minutes(5)).await;
    let all_over = Webhook::of("g").resolved(told("Fire", "a", began)).resolved(told("Fire", "b", began));
    world.post(all_over.body()).await;
    world.expect(&["edit green Fire in oc_sre", "unpin lin oc_sre"]);
}

#[tokio::test]
async fn a_recovery_of_what_nobody_knows_opens_nothing() {
    let mut world = World::new(RULES);
    world.post(recovers("Fire", "critical", world.now())).await;
    world.expect_nothing();
    assert_eq!(world.incidents().await.len(), 0);
}

#[tokio::test]
async fn old_news_of_an_earlier_firing_changes_nothing() {
    let mut world = World::new(RULES);
    let first = world.now();
    world.post(fires("Fire", "critical", first)).await;
    world.expect(&CALLED);
    world.post(recovers("Fire", "critical", first)).await;
    world.expect(&["edit green Fire in oc_sre", "unpin lin oc_sre"]);
    world.advance(minutes(5)).await;
    let again = world.now();
    world.post(fires("Fire", "critical", again)).await;
    world.expect(&["edit red Fire in oc_sre", "text …", "phone lin", "pin lin oc_sre"]);
    // Copies from before, held up on their way.
    for old in [fires("Fire", "critical", first), recovers("Fire", "critical", first)] {
        world.post(old).await;
        world.expect_nothing();
    }
    world.post(recovers("Fire", "critical", again)).await;
    world.expect(&["edit green Fire in oc_sre", "unpin lin oc_sre"]);
    assert_eq!(world.incidents().await.len(), 1);
}

#[tokio::test]
async fn a_change_of_the_senders_routes_calls_nobody_again_where_the_rule_groups() {
    let mut world = World::new(&RULES.replace("{name: rest,", "{name: rest, group_by: [alertname],"));
    let began = world.now();
    world.post(fires("Fire", "critical", began)).await;
    world.expect(&CALLED);
    // The same alerts under a new key, as a first notification; the old key is never heard of again.
    world.advance(minutes(3)).await;
    let routed = |webhook: Webhook| webhook.body().replace("\"pager\"", "\"new-pager\"");
    world.post(routed(Webhook::of("{}/{team=\"db\"}:{}").firing(told("Fire", "a", began)))).await;
    world.expect_nothing();
    world.post(routed(Webhook::of("{}/{team=\"db\"}:{}").resolved(told("Fire", "a", began)))).await;
    world.expect(&["edit green Fire in oc_sre", "unpin lin oc_sre"]);
    assert_eq!(world.incidents().await.len(), 1);
}

#[tokio::test]
async fn a_change_of_the_senders_routes_ends_what_it_leaves_behind() {
    let mut world = World::new(RULES);
    let began = world.now();
    world.post(fires("Fire", "critical", began)).await;
    world.expect(&CALLED);
    world.advance(minutes(3)).await;
    // Grouped as the sender groups, the new key is another incident; the recovery ends both.
    world.post(Webhook::of("another key").firing(told("Fire", "a", began)).body()).await;
    world.expect_any();
    world.post(Webhook::of("another key").resolved(told("Fire", "a", began)).body()).await;
    world.expect_any();
    let open = world.incidents().await.into_iter().filter(|incident| incident.standing.is_open()).count();
    assert_eq!(open, 0, "nothing of the old key stays open");
}
