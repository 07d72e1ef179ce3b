//! Bad luck: outages, lost answers, crashes. It costs time, never a page.

use jiff::SignedDuration;
use larkhorn::domain::Urgent::Phone;
use larkhorn::sandbox::{Api, Outcome};
use larkhorn::store::Store as _;

use crate::alerts::{fires, recovers};
use crate::life::{RULES, minutes};
use crate::world::World;

const EVERYTHING: [Api; 7] = [
    Api::TenantToken,
    Api::Send,
    Api::Reply,
    Api::UpdateCard,
    Api::UrgentPhone,
    Api::UrgentApp,
    Api::ChatFeedCard,
];

#[tokio::test]
async fn feishu_is_down_for_ten_minutes_and_the_page_goes_out_once() {
    let mut world = World::new(RULES);
    for api in EVERYTHING {
        world.trouble(api, None, Outcome::Http(502));
    }
    world.post(fires("Fire", "critical", world.now())).await;
    world.advance(minutes(10)).await;
    world.expect_nothing();
    world.mend();
    world.advance(minutes(2)).await;
    world.expect(&["card red Fire in oc_sre", "text …", "phone lin", "pin lin oc_sre"]);
    let timeline = world.timeline(&world.incident().await).await;
    let failed = timeline.iter().filter(|entry| entry.kind == "delivery_failed").count();
    assert!((1..=3).contains(&failed), "told, but not with every attempt: {timeline:?}");
}

#[tokio::test]
async fn what_recovers_while_feishu_is_down_calls_nobody_afterwards() {
    let mut world = World::new(RULES);
    let began = world.now();
    for api in EVERYTHING {
        world.trouble(api, None, Outcome::Http(503));
    }
    world.post(fires("Fire", "critical", began)).await;
    world.advance(minutes(3)).await;
    world.post(recovers("Fire", "critical", began)).await;
    world.mend();
    world.advance(minutes(3)).await;
    world.expect(&["card green Fire in oc_sre"]);
}

#[tokio::test]
async fn a_revoked_token_costs_one_more_call() {
    let mut world = World::new(RULES);
    world.post(fires("Fire", "warning", world.now())).await;
    world.expect(&["card orange Fire in oc_sre", "text …", "app lin"]);
    world.sandbox.revoke_tokens();
    world.post(fires("Smoke", "warning", world.now())).await;
    world.expect(&["card orange Smoke in oc_sre", "text …", "app lin"]);
}

#[tokio::test]
async fn a_lost_answer_to_the_card_makes_no_second_card() {
    let mut world = World::new(RULES);
    world.trouble(Api::Send, Some(1), Outcome::LostResponse);
    world.post(fires("Fire", "warning", world.now())).await;
    world.expect(&["card orange Fire in oc_sre"]);
    world.advance(minutes(1)).await;
    world.expect(&["edit orange Fire in oc_sre", "text …", "app lin"]);
}

#[tokio::test]
async fn a_lost_answer_to_a_call_is_followed_by_one_more_a_minute_later() {
    let mut world = World::new(RULES);
    world.trouble(Api::UrgentPhone, Some(1), Outcome::LostResponse);
    world.post(fires("Fire", "critical", world.now())).await;
    world.expect(&["card red Fire in oc_sre", "text …", "phone lin", "pin lin oc_sre"]);
    world.advance(SignedDuration::from_secs(59)).await;
    world.expect_nothing();
    world.advance(SignedDuration::from_secs(5)).await;
    world.expect(&["phone lin"]);
    world.advance(minutes(25)).await;
    world.expect_nothing();
}

#[tokio::test]
async fn nobody_is_called_again_after_the_recovery() {
    let mut world = World::new(RULES);
    let began = world.now();
    world.trouble(Api::UrgentPhone, Some(1), Outcome::LostResponse);
    world.post(fires("Fire", "critical", began)).await;
    world.expect_urgent(Phone, "lin");
    world.advance(SignedDuration::from_secs(30)).await;
    world.post(recovers("Fire", "critical", began)).await;
    world.advance(minutes(5)).await;
    world.expect(&["edit green Fire in oc_sre", "unpin lin oc_sre"]);
}

#[tokio::test]
async fn a_crash_between_webhook_and_decision_loses_nothing() {
    let world = World::new(RULES);
    world.accept(fires("Fire", "critical", world.now())).await;
    let mut world = world.crash();
    world.settle().await;
    world.expect(&["card red Fire in oc_sre", "text …", "phone lin", "pin lin oc_sre"]);
}

#[tokio::test]
async fn a_crash_after_the_card_was_sent_but_not_noted_makes_no_second_card() {
    let world = World::new(RULES);
    world.trouble(Api::Send, Some(1), Outcome::Latency(60_000));
    world.accept(fires("Fire", "warning", world.now())).await;
    let mut world = world.crash_when(|sandbox| !sandbox.messages("oc_sre").is_empty()).await;
    world.advance(minutes(1)).await;
    // Which content Feishu kept is unknown, so the card is edited once.
    world.expect(&["card orange Fire in oc_sre", "text …", "app lin"]);
    let messages = world.sandbox.messages("oc_sre");
    assert_eq!(messages.iter().map(|m| m.revisions.len()).collect::<Vec<_>>(), [2, 1], "the card, the line");
}

#[tokio::test]
async fn a_crash_in_the_middle_of_a_call_repeats_it_once_and_not_within_a_minute() {
    let world = World::new(RULES);
    world.trouble(Api::UrgentPhone, Some(1), Outcome::Latency(60_000));
    world.accept(fires("Fire", "critical", world.now())).await;
    let mut world = world.crash_when(|sandbox| !sandbox.buzzes().is_empty()).await;
    world.advance(SignedDuration::from_secs(59)).await;
    world.expect(&["card red Fire in oc_sre", "text …", "phone lin", "pin lin oc_sre"]);
    world.advance(SignedDuration::from_secs(2)).await;
    world.expect(&["phone lin"]);
    world.advance(minutes(25)).await;
    world.expect_nothing();
}

#[tokio::test]
async fn pins_left_over_by_a_crash_are_taken_off_at_the_next_start() {
    let mut world = World::new(RULES);
    let began = world.now();
    world.post(fires("Fire", "critical", began)).await;
    world.expect_urgent(Phone, "lin");
    world.trouble(Api::ChatFeedCard, None, Outcome::Code(230_001, "param is invalid".to_owned()));
    world.accept(recovers("Fire", "critical", began)).await;
    world.decide().await;
    world.mend();
    let mut world = world.crash();
    world.store().reconcile_pins(world.now()).await.unwrap();
    world.settle().await;
    world.expect(&["edit green Fire in oc_sre", "unpin lin oc_sre"]);
}
