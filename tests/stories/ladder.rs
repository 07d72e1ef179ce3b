//! Ladders: nobody answers, so the next one is called, by policy and schedule.
//!
//! The stories begin on Sunday 2026-11-22, 11:00 in Shanghai.

use jiff::SignedDuration;
use larkhorn::domain::Ladder;

use crate::alerts::{fires, recovers};
use crate::life::minutes;
use crate::world::World;

/// Rules with these schedules and policies; the policy `core` serves every alert.
fn rules(sections: &str) -> String {
    format!(
        "
severities:
  - {{name: critical, urgent: phone}}
  - {{name: warning, urgent: app}}
people:
  lin: {{open_id: ou_lin}}
  mara: {{open_id: ou_mara}}
chats: {{sre: oc_sre, leads: oc_leads}}
rules: [{{name: all, chat: sre, policy: core}}]
{sections}"
    )
}

/// lin until noon, mara from then on, in turns of a day.
const DAILY: &str = "
schedules:
  db:
    timezone: Asia/Shanghai
    layers:
      - {rotate: daily, at: '12:00', from: 2026-11-21, who: [lin, mara]}
";

const CORE: &str = "
policies:
  core:
    steps:
      - {wait: 0s, notify: [schedule:db], urgent: app}
      - {wait: 3m, notify: [schedule:db], urgent: sms}
      - {wait: 5m, notify: [person:mara, chat:leads], urgent: phone}
";

#[tokio::test]
async fn an_unanswered_buzz_becomes_an_sms_and_then_a_call_to_somebody_else() {
    let mut world = World::new(&rules(&format!("{DAILY}{CORE}")));
    world.post(fires("Fire", "critical", world.now())).await;
    world.expect(&["card red Fire in oc_sre", "text [critical] Fire …", "app lin"]);
    world.advance(SignedDuration::from_secs(179)).await;
    world.expect_nothing();
    world.advance(SignedDuration::from_secs(1)).await;
    world.expect(&["edit red Fire in oc_sre", "text [critical] Fire …", "sms lin"]);
    world.advance(minutes(5)).await;
    world.expect(&[
        "edit red Fire in oc_sre",
        "card red Fire in oc_leads",
        "text [critical] Fire …",
        "phone mara",
    ]);
    // The ladder is used up: the cards turn loud, and whoever stood on its last rung is called again.
    world.advance(minutes(5)).await;
    world.expect(&[
        "edit carmine Fire in oc_sre",
        "edit carmine Fire in oc_leads",
        "text [critical] Fire …",
        "phone mara",
    ]);
    assert_eq!(world.incident().await.standing.ladder, Ladder::Exhausted);
}

#[tokio::test]
async fn the_severity_caps_the_same_ladder_for_quieter_alerts() {
    let mut world = World::new(&rules(&format!("{DAILY}{CORE}")));
    world.post(fires("Smoke", "warning", world.now())).await;
    world.expect(&["card orange Smoke in oc_sre", "text …", "app lin"]);
    world.advance(minutes(3)).await;
    world.expect(&["edit orange Smoke in oc_sre", "text …", "app lin"]);
    world.advance(minutes(5)).await;
    world.expect(&["edit orange Smoke in oc_sre", "card orange Smoke in oc_leads", "text …", "app mara"]);
}

#[tokio::test]
async fn whoever_is_on_call_when_the_step_runs_is_called() {
    let mut world = World::new(&rules(&format!("{DAILY}{CORE}")));
    world.advance(minutes(58)).await;
    world.post(fires("Fire", "critical", world.now())).await;
    world.expect(&["card red Fire in oc_sre", "text …", "app lin"]);
    // 12:01: mara has taken over at noon.
    world.advance(minutes(3)).await;
    world.expect(&["edit red Fire in oc_sre", "text …", "sms mara"]);
}

#[tokio::test]
async fn an_override_that_begins_between_two_steps_counts() {
    let taken = "    overrides: [{who: mara, from: '2026-11-22 11:02', to: '2026-11-22 11:05'}]\n";
    let mut world = World::new(&rules(&format!("{DAILY}{taken}{CORE}")));
    world.post(fires("Fire", "critical", world.now())).await;
    world.expect(&["card red Fire in oc_sre", "text …", "app lin"]);
    world.advance(minutes(3)).await;
    world.expect(&["edit red Fire in oc_sre", "text …", "sms mara"]);
}

#[tokio::test]
async fn when_nobody_is_on_call_the_next_step_runs_at_once() {
    let office = "
schedules:
  db:
    timezone: Asia/Shanghai
    layers:
      - {who: lin, hours: '09:00-18:00', days: mon-fri}
";
    let mut world = World::new(&rules(&format!("{office}{CORE}")));
    world.post(fires("Fire", "critical", world.now())).await;
    world.expect(&[
        "card red Fire in oc_sre",
        "card red Fire in oc_leads",
        "text [critical] Fire …",
        "phone mara",
    ]);
    let kinds: Vec<String> =
        world.timeline(&world.incident().await).await.into_iter().map(|e| e.kind).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "step_skipped").count(), 2, "{kinds:?}");
}

#[tokio::test]
async fn the_ladder_stays_and_the_people_follow_the_rules_of_now() {
    let mut world = World::new(&rules(&format!("{DAILY}{CORE}")));
    world.post(fires("Fire", "critical", world.now())).await;
    world.expect(&["card red Fire in oc_sre", "text …", "app lin"]);
    // lin leaves; the new policy would call mara at once, and only once.
    world.reload(
        "
severities: [{name: critical, urgent: phone}]
people: {mara: {open_id: ou_mara}, otto: {open_id: ou_otto}}
chats: {sre: oc_sre, leads: oc_leads}
schedules: {db: {timezone: Asia/Shanghai, layers: [{who: mara}]}}
policies: {core: {steps: [{notify: otto}]}}
rules: [{name: all, chat: sre, policy: core}]
",
    );
    world.advance(minutes(3)).await;
    world.expect(&["edit red Fire in oc_sre", "text …", "sms mara"]);
    // The schedule is gone as well: its step is nobody's, mara's own is still hers.
    world.reload(
        "
severities: [{name: critical, urgent: phone}]
people: {mara: {open_id: ou_mara}}
chats: {sre: oc_sre, leads: oc_leads}
rules: [{name: all, chat: sre, notify: [mara]}]
",
    );
    world.advance(minutes(5)).await;
    world.expect(&["edit red Fire in oc_sre", "card red Fire in oc_leads", "text …", "phone mara"]);
}

#[tokio::test]
async fn a_removed_person_is_passed_over() {
    let ladder = "
policies:
  core:
    steps:
      - {wait: 0s, notify: [mara], urgent: app}
      - {wait: 3m, notify: [lin], urgent: sms}
      - {wait: 5m, notify: [mara], urgent: phone}
";
    let mut world = World::new(&rules(ladder));
    world.post(fires("Fire", "critical", world.now())).await;
    world.expect(&["card red Fire in oc_sre", "text …", "app mara"]);
    world.reload(
        "{people: {mara: {open_id: ou_mara}}, chats: {sre: oc_sre}, rules: [{name: all, chat: sre}]}",
    );
    world.advance(minutes(3)).await;
    world.expect(&["edit red Fire in oc_sre", "text …", "phone mara"]);
}

#[tokio::test]
async fn conditions_decide_by_severity_number_and_hour() {
    let ladder = "
calendars: {cn: {days: mon-fri, open: [2026-11-22]}}
policies:
  core:
    steps:
      - {wait: 0s, notify: [lin], urgent: app}
      - {wait: 1m, notify: [mara], urgent: sms, when: {severity: '>=critical', window: {hours: '11:00-11:05', calendar: cn, timezone: Asia/Shanghai}}}
      - {wait: 1m, notify: [lin], urgent: phone, when: {firing: 2}}
      - {wait: 1m, notify: [mara], urgent: phone}
";
    let mut world = World::new(&rules(ladder));
    let began = world.now();
    world.post(fires("Fire", "critical", began)).await;
    world.expect(&["card red Fire in oc_sre", "text …", "app lin"]);
    world.advance(minutes(1)).await;
    world.expect(&["edit red Fire in oc_sre", "text …", "sms mara"]);
    world.advance(minutes(1)).await;
    world.expect(&["edit red Fire in oc_sre", "text …", "phone mara"]);
    world.post(recovers("Fire", "critical", began)).await;
    world.expect(&["edit green Fire in oc_sre"]);
    // Ten minutes later the window is over.
    world.advance(minutes(10)).await;
    world.post(fires("Later", "critical", world.now())).await;
    world.expect(&["card red Later in oc_sre", "text …", "app lin"]);
    world.advance(minutes(1)).await;
    world.expect(&["edit red Later in oc_sre", "text …", "phone mara"]);
}

#[tokio::test]
async fn rounds_repeat_the_ladder_with_a_pause() {
    let ladder = "
policies:
  core:
    steps:
      - {wait: 0s, notify: [lin], urgent: app}
      - {wait: 5m, notify: [mara], urgent: sms}
    repeat: 1
";
    let mut world = World::new(&rules(ladder));
    world.post(fires("Fire", "critical", world.now())).await;
    world.expect(&["card red Fire in oc_sre", "text …", "app lin"]);
    for buzz in ["sms mara", "app lin", "sms mara"] {
        world.advance(minutes(5)).await;
        world.expect(&["edit red …", "text …", buzz]);
    }
    world.advance(minutes(5)).await;
    world.expect(&["edit carmine …", "text …", "phone mara"]);
}
