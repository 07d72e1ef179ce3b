//! A lot at once: cards of storms, and buzzes that are shared.

use std::ops::Range;

use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::{Action, ChatId, Destination, Fact, IncidentId, Phase, StormId, Urgent};
use larkhorn::sandbox::{Api, Outcome};
use larkhorn::store::{Store as _, Storm};
use larkhorn::worker::engine::Answered;

use crate::alerts::{fires, recovers};
use crate::life::minutes;
use crate::world::World;

const RULES: &str = "
severities:
  - {name: critical, urgent: phone, pin: true}
  - {name: warning, urgent: app}
  - {name: info, urgent: none}
people: {lin: {open_id: ou_lin}, mara: {open_id: ou_mara}}
chats: {sre: oc_sre, leads: oc_leads}
policies:
  core:
    steps:
      - {wait: 0s, notify: [lin]}
      - {wait: 5m, notify: [mara]}
rules:
  - {name: leads, match: ['alertname=~\"L.*\"'], chat: leads}
  - {name: both, match: ['alertname=\"Both\"'], chat: sre, notify: [lin, mara]}
  - {name: all, chat: sre, policy: core}
";

fn rules(storm: &str) -> String {
    format!("{RULES}storm: {{{storm}}}\n")
}

fn seconds(n: i64) -> SignedDuration {
    SignedDuration::from_secs(n)
}

/// Incidents of that severity, all at once.
async fn pour(world: &mut World, which: Range<usize>, severity: &str) {
    let now = world.now();
    for n in which {
        world.accept(fires(&format!("N{n}"), severity, now)).await;
    }
    world.settle().await;
}

async fn kinds(world: &World, id: i64) -> Vec<String> {
    let id = IncidentId(id);
    world.store().timeline(id).await.unwrap().into_iter().map(|entry| entry.kind).collect()
}

async fn storm(world: &World, id: i64) -> Storm {
    world.store().storm(StormId(id), 30).await.unwrap().unwrap()
}

fn cards(count: usize) -> Vec<&'static str> {
    vec!["card blue N…"; count]
}

#[tokio::test]
async fn as_many_as_allowed_have_a_card_each() {
    let mut world = World::new(RULES);
    pour(&mut world, 0..19, "info").await;
    world.expect(&cards(19));
    pour(&mut world, 19..20, "info").await;
    world.expect(&cards(1));
}

#[tokio::test]
async fn a_hundred_in_a_minute_are_twenty_cards_and_one_for_the_rest() {
    let mut world = World::new(RULES);
    pour(&mut world, 0..100, "info").await;
    let sre = world.sandbox.messages("oc_sre");
    assert_eq!(sre.len(), 21);
    let expected: Vec<&str> =
        cards(20).into_iter().chain(["card blue Storm: 80 incidents in oc_sre"]).collect();
    world.expect(&expected);
    let storm = storm(&world, 1).await;
    assert_eq!((storm.total(), storm.count(Phase::Triggered), storm.worst.len()), (80, 80, 30));
    assert_eq!(kinds(&world, 20).await, ["opened", "stepped", "card_posted"]);
    assert_eq!(kinds(&world, 21).await, ["opened", "stepped", "folded"]);
    let card = sre.iter().find(|m| m.content().contains("Storm: ")).unwrap().content().to_owned();
    assert!(card.contains("INC-21") && card.contains("+50 more"), "{card}");
}

#[tokio::test]
async fn the_card_follows_its_incidents_until_all_are_over() {
    let mut world = World::new(&rules("cards_per_minute: 1"));
    let began = world.now();
    pour(&mut world, 0..3, "warning").await;
    world.expect(&[
        "card orange N0 in oc_sre",
        "text …",
        "app lin",
        "card orange Storm: 2 incidents in oc_sre",
    ]);
    world.advance(seconds(40)).await;
    world.expect_nothing();
    world.post(recovers("N1", "warning", began)).await;
    world.expect(&["edit orange Storm: 2 incidents in oc_sre"]);
    world.act(IncidentId(3), Action::Acknowledge, "lin").await;
    world.expect(&["edit blue Storm: 2 incidents in oc_sre"]);
    world.post(recovers("N2", "warning", began)).await;
    world.expect(&["edit green Storm: 2 incidents in oc_sre"]);
    world.post(recovers("N0", "warning", began)).await;
    world.expect(&["edit green N0 in oc_sre"]);
    assert!(!storm(&world, 1).await.is_open());
}

#[tokio::test]
async fn when_fewer_come_for_a_minute_they_have_cards_again_and_the_next_storm_its_own() {
    let mut world = World::new(&rules("cards_per_minute: 2"));
    pour(&mut world, 0..4, "info").await;
    world.expect(&["card blue N0 …", "card blue N1 …", "card blue Storm: 2 incidents in oc_sre"]);
    world.advance(seconds(59)).await;
    pour(&mut world, 4..5, "info").await;
    world.expect(&["edit blue Storm: 3 incidents in oc_sre"]);
    world.advance(seconds(60)).await;
    pour(&mut world, 5..8, "info").await;
    world.expect(&["card blue N5 …", "card blue N6 …", "card blue Storm: 1 incident in oc_sre"]);
    assert_eq!((storm(&world, 1).await.total(), storm(&world, 2).await.total()), (3, 1));
}

#[tokio::test]
async fn chats_are_counted_by_themselves() {
    let mut world = World::new(&rules("cards_per_minute: 1"));
    let now = world.now();
    for name in ["N0", "L0", "N1", "L1"] {
        world.accept(fires(name, "info", now)).await;
    }
    world.settle().await;
    world.expect(&[
        "card blue N0 in oc_sre",
        "card blue L0 in oc_leads",
        "card blue Storm: 1 incident in oc_sre",
        "card blue Storm: 1 incident in oc_leads",
    ]);
}

#[tokio::test]
async fn a_critical_one_in_the_middle_rings_at_once_and_hangs_on_the_card_of_the_storm() {
    let mut world = World::new(&rules("cards_per_minute: 2"));
    pour(&mut world, 0..5, "warning").await;
    world.expect(&[
        "card orange N0 …",
        "card orange N1 …",
        "text …",
        "app lin",
        "card orange Storm: 3 incidents in oc_sre",
    ]);
    world.post(fires("Fire", "critical", world.now())).await;
    world.expect(&[
        "edit red Storm: 4 incidents in oc_sre",
        "text [critical] Fire …",
        "phone lin",
        "pin lin oc_sre",
    ]);
    let sre = world.sandbox.messages("oc_sre");
    let storm = sre.iter().find(|m| m.content().contains("Storm: ")).unwrap();
    let line = sre.last().unwrap();
    assert_eq!(line.parent.as_ref(), Some(&storm.id));
    // All the others were told by it: they came before it rang.
    world.advance(minutes(1)).await;
    world.expect_nothing();
    // Unanswered, every one of them climbs.
    world.advance(minutes(5)).await;
    let maras: Vec<_> = world.sandbox.buzzes().into_iter().filter(|buzz| buzz.person == "ou_mara").collect();
    assert_eq!(
        maras.iter().map(|buzz| buzz.urgent).collect::<Vec<_>>(),
        [Urgent::Phone],
        "the loudest of six"
    );
    for id in 1..=6 {
        let stepped = kinds(&world, id).await.iter().filter(|kind| *kind == "stepped").count();
        assert_eq!(stepped, 2, "INC-{id}");
    }
    world.expect_any();
}

#[tokio::test]
async fn whoever_acknowledges_all_has_those_the_card_showed() {
    let mut world = World::new(&rules("cards_per_minute: 1"));
    pour(&mut world, 0..6, "warning").await;
    world.expect(&["card orange N0 …", "text …", "app lin", "card orange Storm: 5 incidents in oc_sre"]);
    let began = world.now();
    world.post(recovers("N1", "warning", began)).await;
    world.act(IncidentId(3), Action::Acknowledge, "mara").await;
    pour(&mut world, 6..7, "warning").await;
    world.expect_any();
    let answered = world.acknowledges_all(StormId(1), 5, "lin").await;
    assert_eq!(answered, Answered { taken: 3, not_allowed: 0 });
    world.expect(&["edit orange Storm: 6 incidents in oc_sre"]);
    let storm_now = storm(&world, 1).await;
    let counts = [Phase::Triggered, Phase::Acknowledged, Phase::Resolved].map(|phase| storm_now.count(phase));
    assert_eq!(counts, [1, 4, 1], "the one that came later is nobody's");
    assert!(kinds(&world, 4).await.contains(&"acknowledged".to_owned()));
    let holder = world.store().incident(IncidentId(3)).await.unwrap().unwrap();
    assert_eq!(holder.standing.holder(), Some("mara"), "the first one counts");
    let again = world.acknowledges_all(StormId(1), 5, "lin").await;
    assert_eq!(again, Answered::default());
    world.acknowledges_all(StormId(1), 6, "lin").await;
    world.expect(&["edit blue Storm: 6 incidents in oc_sre"]);
    world.advance(seconds(40)).await;
    world.expect_nothing();
}

#[tokio::test]
async fn a_restart_in_the_middle_changes_nothing() {
    let mut world = World::new(&rules("cards_per_minute: 2"));
    pour(&mut world, 0..3, "info").await;
    world.expect(&["card blue N0 …", "card blue N1 …", "card blue Storm: 1 incident in oc_sre"]);
    let mut world = world.crash();
    pour(&mut world, 3..5, "info").await;
    world.expect(&["edit blue Storm: 3 incidents in oc_sre"]);
}

#[tokio::test]
async fn a_storm_card_that_dies_on_its_way_is_there_once() {
    let world = World::new(&rules("cards_per_minute: 1"));
    let now = world.now();
    for n in 0..3 {
        world.accept(fires(&format!("N{n}"), "info", now)).await;
    }
    let storm_card = |m: &larkhorn::sandbox::Message| m.content().contains("Storm: ");
    let mut world = world.crash_when(|s| s.messages("oc_sre").iter().any(storm_card)).await;
    world.advance(minutes(4)).await;
    world.expect_any();
    assert_eq!(world.sandbox.messages("oc_sre").iter().filter(|m| storm_card(m)).count(), 1);
}

#[tokio::test]
async fn a_storm_card_that_is_refused_is_told_without_the_list() {
    let mut world = World::new(&rules("cards_per_minute: 1"));
    pour(&mut world, 0..1, "info").await;
    world.expect(&["card blue N0 in oc_sre"]);
    world.trouble(
        Api::Send,
        Some(2),
        Outcome::Code(230_028, "The message does not pass the audit.".to_owned()),
    );
    pour(&mut world, 1..3, "info").await;
    world.expect(&["text Storm: 2 incidents · 2 firing, 0 acknowledged, 0 snoozed, 0 resolved in oc_sre"]);
}

#[tokio::test]
async fn pages_of_one_person_share_a_buzz() {
    let mut world = World::new(RULES);
    world.post(fires("A", "warning", world.now())).await;
    world.expect(&["card orange A in oc_sre", "text …", "app lin"]);
    world.advance(seconds(5)).await;
    for name in ["B", "C", "D"] {
        world.post(fires(name, "warning", world.now())).await;
    }
    world.expect(&["card orange B in oc_sre", "card orange C in oc_sre", "card orange D in oc_sre"]);
    world.advance(seconds(24)).await;
    world.expect_nothing();
    // One rings for all that came since the last.
    world.advance(seconds(10)).await;
    world.expect(&["text …", "app lin"]);
    let shared: Vec<bool> = {
        let mut shared = Vec::new();
        for id in 2..=4 {
            shared.push(kinds(&world, id).await.contains(&"buzz_shared".to_owned()));
        }
        shared
    };
    assert_eq!(shared.iter().filter(|shared| **shared).count(), 2, "{shared:?}");
    world.advance(seconds(60)).await;
    world.expect_nothing();
}

#[tokio::test]
async fn what_is_answered_while_it_waits_rings_nobody() {
    let mut world = World::new(RULES);
    world.post(fires("A", "warning", world.now())).await;
    world.advance(seconds(5)).await;
    world.post(fires("B", "warning", world.now())).await;
    world.act(IncidentId(2), Action::Acknowledge, "lin").await;
    world.expect_any();
    world.advance(minutes(1)).await;
    world.expect_nothing();
}

#[tokio::test]
async fn a_louder_page_waits_for_nobody_and_counts_for_the_quieter() {
    let mut world = World::new(RULES);
    world.post(fires("A", "warning", world.now())).await;
    world.advance(seconds(5)).await;
    world.post(fires("B", "warning", world.now())).await;
    world.expect_any();
    world.advance(seconds(5)).await;
    world.post(fires("Fire", "critical", world.now())).await;
    world.expect(&["card red Fire in oc_sre", "text …", "phone lin", "pin lin oc_sre"]);
    world.advance(minutes(1)).await;
    world.expect_nothing();
    let timeline = world.store().timeline(IncidentId(2)).await.unwrap();
    let told = timeline.iter().find(|entry| entry.kind == "buzz_shared").unwrap();
    assert!(told.facts.contains(&("with".to_owned(), Fact::Text("INC-3".to_owned()))), "{told:?}");
}

#[tokio::test]
async fn others_of_the_same_page_are_not_kept_waiting() {
    let mut world = World::new(RULES);
    world.post(fires("A", "warning", world.now())).await;
    world.advance(seconds(5)).await;
    world.expect_any();
    world.post(fires("Both", "warning", world.now())).await;
    world.expect(&[
        "card orange Both in oc_sre",
        "text [warning] Both · Both on a → mara in oc_sre",
        "app mara",
    ]);
    world.advance(minutes(1)).await;
    world.expect(&["text …", "app lin"]);
}

#[tokio::test]
async fn a_buzz_that_failed_counts_for_nobody() {
    let mut world = World::new(RULES);
    let refused = Outcome::Code(230_024, "Reach the upper limit of urgent message.".to_owned());
    world.trouble(Api::UrgentApp, None, refused);
    world.post(fires("A", "warning", world.now())).await;
    world.mend();
    world.expect_any();
    world.post(fires("B", "warning", world.now())).await;
    world.expect(&["card orange B in oc_sre", "text …", "app lin"]);
}

#[tokio::test]
async fn a_ring_that_died_with_its_process_keeps_others_back_for_the_span_at_most() {
    let world = World::new(RULES);
    world.accept(fires("A", "warning", world.now())).await;
    let mut world = world.crash_when(|s| !s.buzzes().is_empty()).await;
    world.accept(fires("B", "warning", world.now())).await;
    world.advance(seconds(31)).await;
    let lines = world.sandbox.messages("oc_sre");
    assert!(lines.iter().any(|m| m.content().contains("[warning] B")), "{lines:?}");
    world.expect_any();
}

#[tokio::test]
async fn zero_switches_either_off() {
    let mut world = World::new(&rules("cards_per_minute: 0, share_buzz: 0"));
    pour(&mut world, 0..30, "warning").await;
    let expected: Vec<&str> =
        ["card orange N…", "text …", "app lin"].into_iter().flat_map(|sight| vec![sight; 30]).collect();
    world.expect(&expected);
    let to = Destination::Chat(ChatId("oc_sre".to_owned()));
    assert_eq!(world.store().arrivals(to, Timestamp::UNIX_EPOCH).await.unwrap(), 0, "nothing is counted");
}
