//! Where pages go, and which way round when the straight way is closed.

use std::sync::Arc;

use jiff::SignedDuration;
use larkhorn::domain::Urgent::{App, Phone};
use larkhorn::sandbox::{Api, Limits, Outcome};
use larkhorn::store::Store as _;
use tokio::sync::watch;

use crate::alerts::{captured, fires, recovers};
use crate::life::{RULES, minutes};
use crate::world::World;

#[tokio::test]
async fn two_chats_two_cards_one_buzz() {
    let mut world = World::new(RULES);
    let began = world.now();
    world.post(fires("Both", "warning", began)).await;
    world.expect(&["card orange Both in oc_sre", "card orange Both in oc_leads", "text …", "app lin"]);
    world.post(recovers("Both", "warning", began)).await;
    world.expect(&["edit green Both in oc_sre", "edit green Both in oc_leads"]);
}

#[tokio::test]
async fn continue_lets_a_later_rule_own_it_too() {
    let mut world = World::new(RULES);
    world.post(fires("Twice", "warning", world.now())).await;
    world.expect(&["card orange Twice in oc_leads", "card orange Twice in oc_sre", "text …", "app lin"]);
    assert_eq!(world.incidents().await.len(), 2);
}

#[tokio::test]
async fn without_a_chat_the_card_goes_to_the_person() {
    let mut world = World::new(RULES);
    let began = world.now();
    world.post(fires("Direct", "critical", began)).await;
    world.expect(&["card red Direct in otto", "text …", "phone otto", "pin otto bot"]);
    world.post(recovers("Direct", "critical", began)).await;
    world.expect(&["edit green Direct in otto", "unpin otto bot"]);
}

#[tokio::test]
async fn who_is_not_in_the_chat_gets_the_card_and_the_call_directly() {
    let mut world = World::new(RULES);
    let began = world.now();
    world.post(fires("Stranger", "critical", began)).await;
    world.expect(&[
        "card red Stranger in oc_sre",
        "text …",
        "phone lin",
        "pin lin oc_sre",
        "card red Stranger in otto",
        "text …",
        "phone otto",
    ]);
    world.post(recovers("Stranger", "critical", began)).await;
    world.expect(&["edit green Stranger in oc_sre", "edit green Stranger in otto", "unpin lin oc_sre"]);
}

#[tokio::test]
async fn an_address_is_looked_up_once_and_known_after_a_restart() {
    let mut world = World::new(RULES);
    world.post(fires("Mail", "warning", world.now())).await;
    world.expect_urgent(App, "mara");
    let mut world = world.crash();
    world.advance(minutes(25)).await;
    world.post(captured("am-0.33_flap-1")).await;
    world.expect_urgent(App, "lin");
    world.post(fires("Mail", "critical", world.now())).await;
    world.expect(&["edit red Mail in oc_sre", "text …", "phone mara", "pin mara oc_sre"]);
    let look_ups = world.calls().iter().filter(|(api, _)| *api == "user.batch_get_id").count();
    assert_eq!(look_ups, 1);
}

#[tokio::test]
async fn a_dead_chat_does_not_lose_the_page() {
    let mut world = World::new(RULES);
    world.sandbox.dissolve_chat("oc_sre");
    world.post(fires("Fire", "critical", world.now())).await;
    world.expect(&["card red Fire in lin", "text …", "phone lin"]);
    let failed = world.timeline(&world.incident().await).await;
    assert!(failed.iter().any(|e| e.kind == "delivery_failed"), "{failed:?}");
}

#[tokio::test]
async fn a_bot_outside_the_chat_pages_directly_and_posts_when_it_is_let_in() {
    let mut world = World::new(RULES);
    world.sandbox.remove_bot("oc_sre");
    world.post(fires("Fire", "warning", world.now())).await;
    world.expect(&["card orange Fire in lin", "text …", "app lin"]);
    world.sandbox.change_chat("oc_sre", |chat| chat.has_bot = true);
    world.advance(minutes(6)).await;
    world.expect(&["card orange Fire in oc_sre"]);
}

#[tokio::test]
async fn a_broken_template_gives_way_to_the_built_in_card() {
    let mut world = World::new(RULES);
    world.template("en/alert.hbs", "{\"schema\": {{no_such_thing}}");
    world.post(fires("Fire", "warning", world.now())).await;
    world.expect(&["card orange Fire in oc_sre", "text …", "app lin"]);
}

#[tokio::test]
async fn feishus_limits_cost_time_and_nothing_else() {
    let mut world = World::with(RULES, Limits::Feishu);
    for n in 0..20 {
        world.accept(fires(&format!("Flood{n:02}"), "warning", world.now())).await;
    }
    world.advance(minutes(2)).await;
    let cards: Vec<String> = (0..20).map(|n| format!("card orange Flood{n:02} in oc_sre")).collect();
    let mut expected: Vec<&str> = cards.iter().map(String::as_str).collect();
    expected.extend(["text …"; 20]);
    expected.extend(["app lin"; 20]);
    world.expect(&expected);
    let outbox = world.store().backlog().await.unwrap().outbox;
    assert_eq!(outbox, 0);
    assert!(world.calls().iter().all(|(_, code)| *code == 0), "and none of them is hit: {:?}", world.calls());
}

#[tokio::test]
async fn a_page_goes_before_the_storm_that_fills_its_chat() {
    let mut world = World::with(RULES, Limits::Feishu);
    for n in 0..100 {
        world.accept(fires(&format!("Flood{n:02}"), "warning", world.now())).await;
    }
    world.advance(SignedDuration::from_secs(3)).await;
    world.expect_any();
    world.accept(fires("Fire", "critical", world.now())).await;
    world.advance(SignedDuration::from_secs(1)).await;
    let called = world.sandbox.buzzes().iter().filter(|buzz| buzz.urgent == Phone).count();
    assert_eq!(called, 1, "a second later");
    let told = world.sandbox.messages("oc_sre").iter().filter(|m| m.content().contains("Flood")).count();
    assert!(told < 30, "while the storm is still being told: {told}");
    assert!(world.calls().iter().all(|(_, code)| *code == 0), "{:?}", world.calls());
    world.expect_any();
}

#[tokio::test]
async fn slow_answers_to_the_quiet_keep_no_page_waiting() {
    let world = World::new(RULES);
    world.trouble(Api::Send, Some(28), Outcome::Latency(60_000));
    for n in 0..40 {
        world.accept(fires(&format!("Flood{n:02}"), "info", world.now())).await;
    }
    world.decide().await;
    let (stop, stopped) = watch::channel(false);
    let courier = tokio::spawn(Arc::new(world.courier()).run(Arc::default(), stopped));
    world.sandbox.until(|sandbox| sandbox.messages("oc_sre").len() == 28).await;
    world.accept(fires("Fire", "critical", world.now())).await;
    world.decide().await;
    world.sandbox.until(|sandbox| !sandbox.buzzes().is_empty()).await;
    let told = world.sandbox.messages("oc_sre").len();
    assert_eq!(told, 30, "card and line of the page, before the quiet were answered");
    courier.abort();
    drop(stop);
}

#[tokio::test]
async fn a_429_is_waited_out() {
    let mut world = World::new(RULES);
    world.trouble(Api::Send, Some(2), Outcome::RateLimited { reset_s: 7 });
    world.post(fires("Fire", "critical", world.now())).await;
    world.advance(SignedDuration::from_secs(6)).await;
    world.expect(&["pin lin oc_sre"]);
    world.advance(SignedDuration::from_secs(10)).await;
    world.expect(&["card red Fire in oc_sre", "text …", "phone lin"]);
}

#[tokio::test]
async fn whoever_is_invited_is_buzzed_in_the_chat() {
    let rules =
        RULES.replace("chat: sre, notify: [lin, otto]", "chat: sre, notify: [lin, otto], invite: true");
    let mut world = World::new(&rules);
    world.post(fires("Stranger", "warning", world.now())).await;
    world.expect(&["card orange Stranger in oc_sre", "text …", "app lin", "app otto"]);
    let members = world.sandbox.chats().into_iter().find(|chat| chat.id == "oc_sre").unwrap().members;
    assert!(members.contains(&"ou_otto".to_owned()));
}

#[tokio::test]
async fn whoever_cannot_be_invited_is_told_directly() {
    let rules =
        RULES.replace("chat: sre, notify: [lin, otto]", "chat: sre, notify: [lin, otto], invite: true");
    let mut world = World::new(&rules);
    world.trouble(Api::AddMembers, None, Outcome::Code(232_044, "The chat is full.".to_owned()));
    world.post(fires("Stranger", "warning", world.now())).await;
    world.expect(&[
        "card orange Stranger in oc_sre",
        "text …",
        "app lin",
        "card orange Stranger in otto",
        "text …",
        "app otto",
    ]);
}
