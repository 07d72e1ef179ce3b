//! What went wrong once: each story ended in a page too few, or one too many.

use jiff::SignedDuration;
use larkhorn::domain::Urgent::App;
use larkhorn::sandbox::{Api, Outcome};
use larkhorn::settings::UrgentVia;
use larkhorn::store::Store as _;

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
    let mut world = World::new(&RULES.replace("group_by: [instance]}", "group_by: [alertname]}"));
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

#[tokio::test]
async fn who_needs_no_looking_up_is_paged_while_the_directory_is_down() {
    let mut world =
        World::new(&RULES.replace("chat: sre, notify: [mara]}", "chat: sre, notify: [mara, lin]}"));
    world.trouble(Api::BatchGetId, None, Outcome::Http(503));
    world.post(fires("Mail", "critical", world.now())).await;
    world.advance(minutes(1)).await;
    world.expect(&["card red Mail in oc_sre", "text …", "phone lin"]);
    world.mend();
    world.advance(minutes(1)).await;
    world.expect(&["text …", "phone mara", "pin lin oc_sre", "pin mara oc_sre"]);
}

#[tokio::test]
async fn a_used_up_quota_makes_the_page_quieter_not_silent() {
    let mut world = World::new(RULES);
    world.sandbox.set_quota(Some(1), Some(0));
    world.post(fires("Fire", "critical", world.now())).await;
    world.expect(&["card red Fire in oc_sre", "text …", "sms lin", "pin lin oc_sre"]);
    world.post(fires("Smoke", "critical", world.now())).await;
    world.expect(&["card red Smoke in oc_sre", "text …", "app lin"]);
}

#[tokio::test]
async fn who_was_refused_is_paged_directly_even_if_the_rest_of_the_call_fails() {
    // Two kinds of ids are two calls: lin is reached and otto refused, then the quota is used up.
    let rules = RULES
        .replace("mara: {email: mara@example.com}", "mara: {user_id: mara}")
        .replace("chat: sre, notify: [lin, otto]}", "chat: sre, notify: [lin, otto, mara]}");
    let mut world = World::new(&rules);
    world.sandbox.set_quota(Some(0), Some(1));
    world.post(fires("Stranger", "critical", world.now())).await;
    world.advance(minutes(2)).await;
    world.expect(&[
        "card red Stranger in oc_sre",
        "text …",
        "phone lin",
        "pin lin oc_sre",
        "pin mara oc_sre",
        "card red Stranger in otto",
        "text …",
        "app otto",
        "text …",
        "app mara",
    ]);
}

#[tokio::test]
async fn a_call_on_the_card_itself_is_not_repeated_at_once_after_a_crash() {
    let mut world = World::new(RULES);
    world.urgent_via = UrgentVia::Message;
    world.trouble(Api::UrgentPhone, Some(1), Outcome::Latency(60_000));
    world.accept(fires("Fire", "critical", world.now())).await;
    let mut world = world.crash_when(|sandbox| !sandbox.buzzes().is_empty()).await;
    world.advance(seconds(59)).await;
    world.expect(&["card red Fire in oc_sre", "phone lin", "pin lin oc_sre"]);
    world.advance(seconds(2)).await;
    world.expect(&["phone lin"]);
}

#[tokio::test]
async fn nobody_is_called_about_what_recovers_while_the_line_is_sent() {
    let mut world = World::new(RULES);
    let began = world.now();
    world.accept(fires("Fire", "critical", began)).await;
    world.decide().await;
    world.trouble(Api::Reply, Some(1), Outcome::Latency(1500));
    world.deliver_while(|sandbox| !sandbox.messages("oc_sre").is_empty(), async || {}).await;
    world
        .deliver_while(
            |sandbox| sandbox.messages("oc_sre").len() == 2,
            async || {
                world.accept(recovers("Fire", "critical", began)).await;
                world.decide().await;
            },
        )
        .await;
    world.settle().await;
    world.expect(&["card green Fire in oc_sre", "text …"]);
}

#[tokio::test]
async fn what_comes_back_under_another_name_is_called_by_it() {
    let mut world = World::new(RULES);
    let since = world.now();
    let told = |name, since| Told { name, severity: "critical", instance: "a", since };
    world.post(Webhook::of("g").firing(told("DiskFull", since)).body()).await;
    world.post(Webhook::of("g").resolved(told("DiskFull", since)).body()).await;
    world.expect_any();
    world.advance(minutes(3)).await;
    world.post(Webhook::of("g").firing(told("CpuHot", world.now())).body()).await;
    world.expect(&["edit red CpuHot in oc_sre", "text [critical] CpuHot …", "phone lin", "pin lin oc_sre"]);
}

#[tokio::test]
async fn a_late_copy_opens_nothing_even_where_nothing_is_reopened() {
    let mut world = World::new(&RULES.replace(
        "{name: rest, chat: sre, notify: [lin]}",
        "{name: rest, chat: sre, notify: [lin], reopen_within: 0s}",
    ));
    let began = world.now();
    world.post(fires("Late", "warning", began)).await;
    world.post(recovers("Late", "warning", began)).await;
    world.expect_any();
    world.advance(seconds(20)).await;
    world.post(fires("Late", "warning", began)).await;
    world.expect_nothing();
}

#[tokio::test]
async fn a_pin_that_may_not_be_taken_off_now_is_taken_off_at_the_next_start() {
    let mut world = World::new(RULES);
    let began = world.now();
    world.post(fires("Fire", "critical", began)).await;
    world.expect(&["card red Fire in oc_sre", "text …", "phone lin", "pin lin oc_sre"]);
    let refused = Outcome::Code(99_991_672, "Access denied. One of the scopes is required".to_owned());
    world.trouble(Api::ChatFeedCard, Some(1), refused);
    world.post(recovers("Fire", "critical", began)).await;
    world.expect(&["edit green Fire in oc_sre"]);
    let mut world = world.crash();
    world.store().reconcile_pins(world.now()).await.unwrap();
    world.settle().await;
    world.expect(&["unpin lin oc_sre"]);
}
