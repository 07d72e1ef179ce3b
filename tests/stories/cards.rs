//! Cards over their life: anew when they cannot be edited, threads below them, who has seen them.

use jiff::SignedDuration;

use larkhorn::sandbox::{Api, Outcome};

use crate::alerts::{Told, Webhook, fires};
use crate::life::{RULES, minutes};
use crate::world::World;

fn days(n: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * n)
}

#[tokio::test]
async fn after_thirteen_days_an_open_incident_gets_a_new_card() {
    let mut world = World::new(RULES);
    let since = world.now();
    let told = |instance| Told { name: "Long", severity: "info", instance, since };
    world.post(Webhook::of("g").firing(told("a")).body()).await;
    world.expect(&["card blue Long in oc_sre"]);
    world.advance(days(12)).await;
    world.post(Webhook::of("g").firing(told("a")).firing(told("b")).body()).await;
    world.expect(&["edit blue Long in oc_sre"]);
    world.advance(days(2)).await;
    world.post(Webhook::of("g").firing(told("a")).firing(told("b")).firing(told("c")).body()).await;
    world.expect(&["card blue Long in oc_sre"]);
    let over = Webhook::of("g").resolved(told("a")).resolved(told("b")).resolved(told("c"));
    world.post(over.body()).await;
    world.expect(&["edit green Long in oc_sre"]);
}

#[tokio::test]
async fn a_card_that_somebody_deleted_is_posted_anew() {
    let mut world = World::new(RULES);
    let since = world.now();
    let told = |instance| Told { name: "Gone", severity: "info", instance, since };
    world.post(Webhook::of("g").firing(told("a")).body()).await;
    world.expect(&["card blue Gone in oc_sre"]);
    let gone = Outcome::Code(230_110, "The message has been deleted.".to_owned());
    world.trouble(Api::UpdateCard, Some(1), gone);
    world.post(Webhook::of("g").firing(told("a")).firing(told("b")).body()).await;
    world.expect(&["card blue Gone in oc_sre"]);
}

/// A rung that buzzes nobody, then one that does.
const THREADED: &str = "
severities: [{name: critical, urgent: app}]
people: {lin: {open_id: ou_lin}, mara: {open_id: ou_mara}}
chats: {sre: oc_sre}
policies:
  core:
    steps:
      - {wait: 0s, notify: [lin], urgent: none}
      - {wait: 3m, notify: [mara]}
rules: [{name: all, chat: sre, policy: core, thread: true}]
";

#[tokio::test]
async fn each_rung_is_told_in_the_thread_of_the_card() {
    let mut world = World::new(THREADED);
    world.post(fires("Fire", "critical", world.now())).await;
    world.expect(&["card red Fire in oc_sre", "text [critical] Fire · Fire on a · step 1/2 → lin in oc_sre"]);
    world.advance(minutes(3)).await;
    world.expect(&[
        "edit red Fire in oc_sre",
        "text [critical] Fire · Fire on a · step 2/2 → mara in oc_sre",
        "app mara",
    ]);
    let messages = world.sandbox.messages("oc_sre");
    assert!(messages[0].thread.is_none(), "the card itself is in the chat");
    assert!(messages[1..].iter().all(|line| line.thread.is_some()), "{messages:?}");
}

#[tokio::test]
async fn where_the_chat_has_no_threads_the_rungs_are_told_in_the_chat() {
    for code in [230_071, 230_072] {
        let mut world = World::new(THREADED);
        world.trouble(Api::Reply, Some(1), Outcome::Code(code, "The chat has no threads.".to_owned()));
        world.post(fires("Fire", "critical", world.now())).await;
        world.expect(&["card red Fire in oc_sre", "text …"]);
        assert!(world.sandbox.messages("oc_sre")[1].thread.is_none());
    }
}

#[tokio::test]
async fn who_has_seen_it_is_told_and_nothing_else_comes_of_it() {
    let mut world = World::new(&THREADED.replace("urgent: none", "urgent: app"));
    world.post(fires("Fire", "critical", world.now())).await;
    world.expect_any();
    let before = world.incident().await;
    for _ in 0..2 {
        world.sees(before.id.unwrap(), "lin").await;
    }
    world.expect(&["edit red Fire in oc_sre"]);
    assert!(world.sandbox.messages("oc_sre")[0].content().contains("lin (app, seen)"));
    let after = world.incident().await;
    assert_eq!(after.standing, before.standing);
    assert_eq!(world.timeline(&after).await.iter().filter(|entry| entry.kind == "seen").count(), 1);
    world.advance(minutes(3)).await;
    world.expect(&["edit …", "text …", "app mara"]);
}
