//! What went wrong once: each story ended in a page too few, or one too many.

use jiff::SignedDuration;
use larkhorn::domain::Urgent::App;
use larkhorn::sandbox::{Api, Outcome};
use larkhorn::settings::UrgentVia;

use crate::alerts::{Told, Webhook, fires, recovers};
use crate::life::{RULES, minutes};
use crate::world::World;

fn seconds(n: i64) -> SignedDuration {
    SignedDuration::from_secs(n)
}

#[tokio::test]
async fn a_recovery_told_by_a_peer_that_saw_the_start_earlier_counts() {
    let mut world = World::new(RULES);
    let began = world.now();
    world.post(fires("Fire", "warning", began)).await;
    world.expect_urgent(App, "lin");
    world.advance(minutes(5)).await;
    // Grafana's replicas each evaluate for themselves: this one saw it begin three seconds before.
    world.post(recovers("Fire", "warning", began - seconds(3))).await;
    world.expect(&["edit green Fire in oc_sre"]);
}

#[tokio::test]
async fn the_end_of_an_earlier_firing_does_not_end_this_one() {
    let mut world = World::new(RULES);
    let began = world.now();
    world.post(fires("Fire", "warning", began)).await;
    world.expect_urgent(App, "lin");
    // It ends a minute after its start: before this firing began.
    world.post(recovers("Fire", "warning", began - minutes(5))).await;
    world.expect_nothing();
}

#[tokio::test]
async fn a_recovery_reaches_an_incident_that_another_source_opened() {
    let mut world =
        World::new(&RULES.replace("group_by: [instance]}", "group_by: [alertname]}"));
    let since = world.now();
    let told = |instance| Told { name: "PerInstance", severity: "info", instance, since };
    world.post_from("east", Webhook::of("e").firing(told("a")).body()).await;
    world.post_from("west", Webhook::of("w").firing(told("b")).body()).await;
    world.expect(&["card blue PerInstance in oc_sre", "edit blue PerInstance in oc_sre"]);
    world.post_from("west", Webhook::of("w").resolved(told("b")).body()).await;
    world.expect(&["edit blue PerInstance in oc_sre"]);
    world.post_from("east", Webhook::of("e").resolved(told("a")).body()).await;
    world.expect(&["edit green PerInstance in oc_sre"]);
}

#[tokio::test]
async fn a_call_that_was_never_made_is_not_made_up_for_after_a_return() {
    let mut world = World::new(RULES);
    let began = world.now();
    world.trouble(Api::UrgentPhone, None, Outcome::Http(502));
    world.post(fires("Fire", "critical", began)).await;
    world.advance(seconds(10)).await;
    world.post(recovers("Fire", "critical", began)).await;
    world.mend();
    world.advance(seconds(10)).await;
    world.expect(&[
        "card red Fire in oc_sre",
        "text …",
        "pin lin oc_sre",
        "edit green Fire in oc_sre",
        "unpin lin oc_sre",
    ]);
    world.post(fires("Fire", "critical", world.now())).await;
    world.advance(minutes(5)).await;
    world.expect(&["edit red Fire in oc_sre", "text …", "phone lin", "pin lin oc_sre"]);
}

#[tokio::test]
async fn a_flap_within_one_turn_calls_once() {
    let mut world = World::new(RULES);
    let began = world.now();
    world.accept(fires("Fire", "critical", began)).await;
    world.accept(recovers("Fire", "critical", began)).await;
    world.accept(fires("Fire", "critical", began + seconds(1))).await;
    world.settle().await;
    world.expect(&["card red Fire in oc_sre", "text …", "phone lin", "pin lin oc_sre"]);
}

#[tokio::test]
async fn a_flap_during_an_outage_makes_one_card() {
    let mut world = World::new(RULES);
    let began = world.now();
    world.trouble(Api::Send, None, Outcome::Http(502));
    world.trouble(Api::Reply, None, Outcome::Http(502));
    world.post(fires("Fire", "warning", began)).await;
    world.advance(minutes(2)).await;
    world.post(recovers("Fire", "warning", began)).await;
    world.advance(seconds(1)).await;
    world.post(fires("Fire", "warning", world.now())).await;
    world.advance(minutes(2)).await;
    world.mend();
    world.advance(minutes(5)).await;
    let cards = world.sandbox.messages("oc_sre").iter().filter(|m| m.is_card()).count();
    let buzzes = world.sandbox.buzzes().len();
    world.expect_any();
    assert_eq!((cards, buzzes), (1, 1));
}
