//! What Feishu refuses, and what is done instead: `feishu::Verdict`, row by row.

use jiff::SignedDuration;
use larkhorn::sandbox::{Api, Outcome};

use crate::alerts::{fires, recovers};
use crate::life::{RULES, minutes};
use crate::world::World;

/// lin, then mara five minutes later.
const LADDER: &str = "
severities:
  - {name: critical, urgent: phone}
  - {name: warning, urgent: app}
people:
  lin: {open_id: ou_lin}
  mara: {open_id: ou_mara}
chats: {sre: oc_sre}
policies:
  core:
    steps:
      - {wait: 0s, notify: [person:lin]}
      - {wait: 4m, notify: [person:mara]}
rules:
  - {name: pair, match: ['alertname=\"Pair\"'], chat: sre, notify: [lin, mara]}
  - {name: all, chat: sre, policy: core}
";

fn refused(code: i64) -> Outcome {
    Outcome::Code(code, format!("refused, ext=because of {code}"))
}

/// What the timeline says failed, and what was done instead.
async fn failures(world: &World) -> Vec<(String, String)> {
    let timeline = world.timeline(&world.incident().await).await;
    let fact = |facts: &[(String, larkhorn::domain::Fact)], wanted: &str| {
        let found = facts.iter().find(|(name, _)| name == wanted);
        match found {
            Some((_, larkhorn::domain::Fact::Text(text))) => text.clone(),
            _ => String::new(),
        }
    };
    let failed = timeline.iter().filter(|entry| entry.kind == "delivery_failed");
    failed.map(|entry| (fact(&entry.facts, "reason"), fact(&entry.facts, "instead"))).collect()
}

#[tokio::test]
async fn a_rejected_card_becomes_a_plainer_one_and_then_text() {
    let mut world = World::new(RULES);
    world.trouble(Api::Send, Some(1), refused(230_099));
    world.post(fires("Fire", "warning", world.now())).await;
    world.expect(&["card red Fire in oc_sre", "text …", "app lin"]);
    let failed = failures(&world).await;
    assert_eq!(failed.len(), 1);
    assert!(
        failed[0].0.contains("230099")
            && failed[0].0.contains("ext=because of")
            && failed[0].0.contains("log id")
    );
    assert_eq!(failed[0].1, "a plainer card");

    let mut world = World::new(RULES);
    world.trouble(Api::Send, Some(2), refused(230_099));
    world.post(fires("Fire", "critical", world.now())).await;
    world.expect(&["text [critical] Fire …", "text [critical] Fire …", "phone lin", "pin lin oc_sre"]);
}

#[tokio::test]
async fn a_mention_that_feishu_refuses_costs_the_mention_and_not_the_card() {
    let mut world = World::new(RULES);
    let card = r#"{"schema":"2.0","header":{"title":{"tag":"plain_text","content":"{{title}}"}},"body":{"elements":[{"tag":"markdown","content":"<at id=ou_nobody></at>"}]}}"#;
    world.template("en/alert.hbs", card);
    world.post(fires("Fire", "warning", world.now())).await;
    world.expect(&["card red Fire in oc_sre", "text …", "app lin"]);
}

#[tokio::test]
async fn a_card_that_is_too_long_is_shrunk() {
    let mut world = World::new(RULES);
    world.trouble(Api::Send, Some(1), refused(230_025));
    world.post(fires("Fire", "warning", world.now())).await;
    world.expect(&["card red Fire in oc_sre", "text …", "app lin"]);
}

#[tokio::test]
async fn words_that_a_filter_refuses_are_left_out_of_card_and_line() {
    let mut world = World::new(RULES);
    let began = world.now();
    world.trouble(Api::Send, Some(1), refused(230_022));
    world.trouble(Api::Reply, Some(1), refused(230_028));
    world.post(fires("Fire", "critical", began)).await;
    world.expect(&["card red rest in oc_sre", "text [critical] rest …", "phone lin", "pin lin oc_sre"]);
    let told: Vec<String> = world.sandbox.messages("oc_sre").iter().map(|m| m.content().to_owned()).collect();
    assert!(told.iter().all(|content| !content.contains("Fire")), "{told:?}");
    world.trouble(Api::UpdateCard, Some(1), refused(230_022));
    world.post(recovers("Fire", "critical", began)).await;
    world.expect(&["edit green rest in oc_sre", "unpin lin oc_sre"]);
}

#[tokio::test]
async fn an_edit_that_is_rejected_becomes_a_plainer_one() {
    let mut world = World::new(RULES);
    let began = world.now();
    world.post(fires("Fire", "info", began)).await;
    world.expect(&["card blue Fire in oc_sre"]);
    world.trouble(Api::UpdateCard, Some(1), refused(230_099));
    world.post(recovers("Fire", "info", began)).await;
    world.expect(&["edit green Fire in oc_sre"]);
}

#[tokio::test]
async fn an_edit_that_cannot_succeed_is_not_tried_for_ever() {
    let mut world = World::new(RULES);
    let began = world.now();
    world.trouble(Api::Send, Some(2), refused(230_099));
    world.post(fires("Fire", "warning", began)).await;
    world.expect(&["text [warning] Fire …", "text [warning] Fire …", "app lin"]);
    let edits = |world: &World| world.calls().iter().filter(|(api, _)| *api == "message.update").count();
    world.post(fires("Fire", "critical", began)).await;
    world.expect(&["text [critical] Fire …", "phone lin", "pin lin oc_sre"]);
    assert_eq!(edits(&world), 1, "the text is no card");
    world.post(recovers("Fire", "critical", began)).await;
    world.post(recovers("Fire", "warning", began)).await;
    world.advance(minutes(5)).await;
    world.expect(&["unpin lin oc_sre"]);
    assert_eq!(edits(&world), 1);
}

#[tokio::test]
async fn whoever_has_too_many_unread_buzzes_makes_room_for_the_next_at_once() {
    let mut world = World::new(LADDER);
    world.trouble(Api::UrgentPhone, Some(1), refused(230_023));
    world.post(fires("Fire", "critical", world.now())).await;
    world.expect(&["card red Fire in oc_sre", "text …", "text …", "phone mara"]);
    assert_eq!(failures(&world).await[0].1, "the next step, at once");
}

#[tokio::test]
async fn one_of_two_with_too_many_unread_buzzes_does_not_keep_the_other_from_being_called() {
    let mut world = World::new(LADDER);
    // Both together, then lin alone.
    world.trouble(Api::UrgentPhone, Some(2), refused(230_023));
    world.post(fires("Pair", "critical", world.now())).await;
    world.expect(&["card red Pair in oc_sre", "text …", "phone mara"]);
    let failed = failures(&world).await;
    assert!(failed.len() == 1 && failed[0].0.starts_with("lin: "), "{failed:?}");
}

#[tokio::test]
async fn when_nobody_is_left_to_buzz_the_last_resort_is_not_kept_waiting() {
    let last = "catch_all: {notify: [mara], chat: sre, every: 30m}\n";
    let mut world = World::new(&format!("{RULES}{last}"));
    world.trouble(Api::UrgentPhone, Some(1), refused(230_023));
    world.post(fires("Fire", "critical", world.now())).await;
    let called: Vec<String> = world.sandbox.buzzes().into_iter().map(|buzz| buzz.person).collect();
    assert_eq!(called, ["ou_mara"]);
    world.expect_any();
}

#[tokio::test]
async fn a_used_up_quota_makes_it_quieter_and_the_wait_shorter() {
    let mut world = World::new(LADDER);
    world.trouble(Api::UrgentPhone, Some(1), refused(230_024));
    world.post(fires("Fire", "critical", world.now())).await;
    world.expect(&["card red Fire in oc_sre", "text …", "sms lin"]);
    assert_eq!(failures(&world).await[0].1, "sms");
    world.advance(SignedDuration::from_secs(119)).await;
    world.expect_nothing();
    world.advance(SignedDuration::from_secs(2)).await;
    world.expect(&["edit red Fire in oc_sre", "text …", "phone mara"]);
}

#[tokio::test]
async fn without_any_quota_the_app_is_left() {
    let mut world = World::new(LADDER);
    world.trouble(Api::UrgentPhone, Some(1), refused(230_024));
    world.trouble(Api::UrgentSms, Some(1), refused(230_024));
    world.post(fires("Fire", "critical", world.now())).await;
    world.expect(&["card red Fire in oc_sre", "text …", "app lin"]);
    let failed: Vec<String> = failures(&world).await.into_iter().map(|(_, instead)| instead).collect();
    assert_eq!(failed, ["sms", "app"]);
}

#[tokio::test]
async fn where_urging_is_for_owners_only_people_are_called_directly() {
    let mut world = World::new(RULES);
    world.sandbox.change_chat("oc_sre", |chat| chat.urgent_restricted = true);
    world.post(fires("Fire", "critical", world.now())).await;
    world.expect(&[
        "card red Fire in oc_sre",
        "text …",
        "pin lin oc_sre",
        "card red Fire in lin",
        "text …",
        "phone lin",
    ]);
    assert_eq!(failures(&world).await[0].1, "direct messages");
}
