//! Answers: somebody has it, wants quiet, gives it away, or nobody does.

use jiff::SignedDuration;
use larkhorn::domain::Urgent::App;
use larkhorn::domain::{Action, Answer, IncidentId, Phase};

use crate::alerts::{fires, recovers};
use crate::life::minutes;
use crate::world::World;

/// Two rungs, three minutes apart, and a catch-all every half hour.
const RULES: &str = "
severities:
  - {name: critical, urgent: phone, pin: true}
  - {name: patient, urgent: sms, ack_timeout: 40m}
people:
  lin: {open_id: ou_lin}
  mara: {open_id: ou_mara}
  otto: {open_id: ou_otto}
chats: {sre: oc_sre, leads: oc_leads}
policies:
  core:
    steps:
      - {wait: 0s, notify: [lin], urgent: app}
      - {wait: 3m, notify: [mara]}
catch_all: {notify: [mara], every: 30m}
storm: {share_buzz: 0}
rules: [{name: all, chat: sre, policy: core}]
";

/// Something of that severity burns, and lin has been told.
async fn burning(severity: &str) -> (World, IncidentId) {
    let mut world = World::new(RULES);
    world.post(fires("Fire", severity, world.now())).await;
    world.expect_urgent(App, "lin");
    let id = world.incident().await.id.unwrap();
    (world, id)
}

async fn kinds(world: &World) -> Vec<String> {
    world.timeline(&world.incident().await).await.into_iter().map(|entry| entry.kind).collect()
}

fn snooze(span: SignedDuration) -> Action {
    Action::Snooze { span }
}

#[tokio::test]
async fn acknowledged_half_way_up_the_ladder_falls_silent_and_only_one_pin_stays() {
    let (mut world, id) = burning("critical").await;
    world.advance(minutes(3)).await;
    world.expect(&["edit red Fire in oc_sre", "text …", "phone mara", "pin mara oc_sre"]);
    assert_eq!(world.act(id, Action::Acknowledge, "mara").await, Answer::Done);
    world.expect(&["edit …", "unpin lin oc_sre"]);
    let late = world.act(id, Action::Acknowledge, "lin").await;
    assert_eq!(late, Answer::Already { by: Some("mara".into()) });
    world.advance(minutes(600)).await;
    world.expect_nothing();
    world.post(recovers("Fire", "critical", world.incident().await.standing.opened_at)).await;
    world.expect(&["edit green Fire in oc_sre", "unpin mara oc_sre"]);
}

#[tokio::test]
async fn an_answer_withdraws_the_buzz_that_has_not_left_yet() {
    let mut world = World::new(RULES);
    world.accept(fires("Fire", "critical", world.now())).await;
    world.decide().await;
    let id = world.incident().await.id.unwrap();
    world.act(id, Action::Acknowledge, "mara").await;
    world.expect(&["card …"]);
    world.advance(minutes(60)).await;
    world.expect_nothing();
}

#[tokio::test]
async fn whoever_has_it_is_reminded_before_it_lapses_into_the_ladder() {
    let (mut world, id) = burning("patient").await;
    world.act(id, Action::Acknowledge, "lin").await;
    world.expect(&["edit …"]);
    world.advance(minutes(29)).await;
    world.expect_nothing();
    world.advance(minutes(1)).await;
    world.expect(&["edit blue Fire in oc_sre", "text [patient] Fire …", "app lin"]);
    world.advance(minutes(10)).await;
    world.expect(&["edit orange Fire in oc_sre", "text …", "app lin"]);
    world.advance(minutes(3)).await;
    world.expect(&["edit orange Fire in oc_sre", "text …", "sms mara"]);
    let kinds = kinds(&world).await;
    assert!(kinds.contains(&"reminded".into()) && kinds.contains(&"acknowledge_expired".into()), "{kinds:?}");
}

#[tokio::test]
async fn the_catch_all_is_called_every_half_hour_until_somebody_answers() {
    let (mut world, id) = burning("critical").await;
    world.advance(minutes(3)).await;
    world.expect(&["edit red …", "text …", "phone mara", "pin mara oc_sre"]);
    world.advance(minutes(3)).await;
    world.expect(&["edit carmine Fire in oc_sre", "text …", "phone mara"]);
    world.advance(minutes(29)).await;
    world.expect_nothing();
    for _ in 0..3 {
        world.advance(minutes(1)).await;
        world.expect(&["edit carmine …", "text …", "phone mara"]);
        world.advance(minutes(29)).await;
        world.expect_nothing();
    }
    world.act(id, Action::Acknowledge, "lin").await;
    world.expect(&["edit …", "unpin mara oc_sre"]);
    world.advance(minutes(300)).await;
    world.expect_nothing();
}

#[tokio::test]
async fn snoozed_it_sleeps_and_wakes_into_the_first_step() {
    let (mut world, id) = burning("critical").await;
    assert_eq!(world.act(id, snooze(minutes(120)), "lin").await, Answer::Done);
    world.expect(&["edit …", "unpin lin oc_sre"]);
    assert_eq!(world.incident().await.standing.phase(), Phase::Snoozed);
    world.advance(minutes(119)).await;
    world.expect_nothing();
    world.advance(minutes(1)).await;
    world.expect(&["edit red Fire in oc_sre", "text …", "app lin", "pin lin oc_sre"]);
}

#[tokio::test]
async fn what_recovers_in_its_sleep_never_wakes() {
    let (mut world, id) = burning("critical").await;
    world.act(id, snooze(minutes(120)), "lin").await;
    world.post(recovers("Fire", "critical", world.now())).await;
    world.expect(&["edit …", "edit green Fire in oc_sre", "unpin lin oc_sre"]);
    world.advance(minutes(300)).await;
    world.expect_nothing();
}

#[tokio::test]
async fn a_resolve_beats_a_late_acknowledge_and_repeats_stay_silent() {
    let (mut world, id) = burning("critical").await;
    let began = world.now();
    let drawn = world.incident().await.standing.epoch;
    assert_eq!(world.act(id, Action::Resolve, "lin").await, Answer::Done);
    world.expect(&["edit green Fire in oc_sre", "unpin lin oc_sre"]);
    assert_eq!(world.press(id, Action::Acknowledge, "mara", Some(drawn)).await, Answer::Over);
    // It burns on, and its sender says so every four hours.
    for _ in 0..5 {
        world.advance(minutes(240)).await;
        world.post(fires("Fire", "critical", began)).await;
        world.expect_nothing();
    }
    world.advance(minutes(300)).await;
    world.post(fires("Fire", "critical", began)).await;
    world.expect_urgent(App, "lin");
    assert_eq!(world.incidents().await.len(), 2);
}

#[tokio::test]
async fn what_burns_anew_after_somebody_said_that_it_is_over_pages_anew() {
    // With the news of its recovery in between, and without: news can be lost.
    for tells in [true, false] {
        let (mut world, id) = burning("critical").await;
        let began = world.now();
        assert_eq!(world.act(id, Action::Resolve, "lin").await, Answer::Done);
        world.expect(&["edit green Fire in oc_sre", "unpin lin oc_sre"]);
        world.advance(minutes(60)).await;
        if tells {
            world.post(recovers("Fire", "critical", began)).await;
            world.expect(&["edit green Fire in oc_sre"]);
        }
        world.advance(minutes(60)).await;
        world.post(fires("Fire", "critical", world.now())).await;
        world.expect_urgent(App, "lin");
    }
}

#[tokio::test]
async fn a_restart_forgets_no_answer() {
    let (mut world, id) = burning("critical").await;
    let drawn = world.incident().await.standing.epoch;
    world.act(id, snooze(minutes(60)), "lin").await;
    world.expect(&["edit …", "unpin lin oc_sre"]);
    let before = world.incident().await;
    let mut world = world.crash();
    assert_eq!(world.incident().await.standing, before.standing);
    world.advance(minutes(59)).await;
    world.expect_nothing();
    world.act(id, Action::Acknowledge, "mara").await;
    world.expect(&["edit …"]);
    let before = world.incident().await;
    let mut world = world.crash();
    assert_eq!(world.incident().await.standing, before.standing);
    let outdated = world.press(id, Action::Resolve, "lin", Some(drawn)).await;
    assert_eq!(outdated, Answer::Outdated { by: Some("mara".into()) });
    world.advance(minutes(600)).await;
    world.expect_nothing();
}

#[tokio::test]
async fn a_restart_forgets_no_reminder_and_gives_none_twice() {
    let (mut world, id) = burning("patient").await;
    world.act(id, Action::Acknowledge, "lin").await;
    world.expect(&["edit …"]);
    let mut world = world.crash();
    world.advance(minutes(30)).await;
    world.expect(&["edit blue Fire in oc_sre", "text …", "app lin"]);
    let mut world = world.crash();
    world.advance(minutes(9)).await;
    world.expect_nothing();
    world.advance(minutes(1)).await;
    world.expect_urgent(App, "lin");
}

#[tokio::test]
async fn handed_over_the_other_one_is_told_and_the_pin_moves() {
    let (mut world, id) = burning("critical").await;
    let to = |name: &str| Action::HandOver { to: name.to_owned() };
    assert_eq!(world.act(id, to("mara"), "lin").await, Answer::Done);
    world.expect(&["edit …", "text [critical] Fire …", "app mara", "unpin lin oc_sre"]);
    assert_eq!(world.incident().await.standing.holder(), Some("mara"));
    let unknown = world.act(id, to("nobody"), "mara").await;
    assert_eq!(unknown, Answer::Impossible { why: "unknown_person" });
    world.advance(minutes(600)).await;
    world.expect_nothing();
}

#[tokio::test]
async fn escalated_the_next_one_is_called_at_once() {
    let (mut world, id) = burning("critical").await;
    world.act(id, Action::Acknowledge, "lin").await;
    world.expect(&["edit …"]);
    world.advance(minutes(60)).await;
    world.act(id, Action::Escalate, "lin").await;
    world.expect(&["edit red Fire in oc_sre", "text …", "phone mara", "pin mara oc_sre"]);
    world.act(id, Action::Escalate, "lin").await;
    world.expect(&["edit carmine Fire in oc_sre", "text …", "phone mara"]);
}

#[tokio::test]
async fn taken_back_it_climbs_from_the_start_after_ten_seconds() {
    let (mut world, id) = burning("critical").await;
    world.act(id, Action::Acknowledge, "lin").await;
    world.act(id, Action::Unacknowledge, "lin").await;
    world.expect(&["edit …", "edit …"]);
    world.advance(SignedDuration::from_secs(9)).await;
    world.expect_nothing();
    world.advance(SignedDuration::from_secs(1)).await;
    world.expect_urgent(App, "lin");
}
