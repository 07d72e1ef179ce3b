//! People known by e-mail address or mobile number: looked up, kept, asked about again.

use larkhorn::domain::Contact;
use larkhorn::sandbox::Account;
use larkhorn::store::{DirectoryEntry, Store as _};

use crate::alerts::fires;
use crate::life::minutes;
use crate::world::World;

const RULES: &str = "
severities: [{name: critical, urgent: phone}]
people:
  lin: {email: lin@example.com}
  otto: {email: otto@example.com}
chats: {sre: oc_sre}
rules:
  - {name: direct, match: ['alertname=\"Direct\"'], notify: [otto]}
  - {name: all, chat: sre, notify: [lin]}
";

fn address(name: &str) -> Contact {
    Contact::Email(format!("{name}@example.com"))
}

/// The directory said so a moment ago, and it is not so any more.
async fn was(world: &World, name: &str, open_id: &str) {
    let entry = DirectoryEntry { open_id: Some(open_id.to_owned()), looked_up_at: world.now() };
    world.store().remember(vec![(address(name), entry)]).await.unwrap();
}

async fn kept(world: &World, name: &str) -> Option<String> {
    let found = world.store().directory(vec![address(name)]).await.unwrap();
    found.get(&address(name)).and_then(|entry| entry.open_id.clone())
}

fn look_ups(world: &World) -> usize {
    world.calls().iter().filter(|(api, _)| *api == "user.batch_get_id").count()
}

#[tokio::test]
async fn an_id_that_feishu_refuses_to_buzz_is_looked_up_again() {
    let mut world = World::new(RULES);
    was(&world, "lin", "ou_lin_of_last_year").await;
    world.post(fires("Fire", "critical", world.now())).await;
    world.expect(&["card red Fire in oc_sre", "text …", "phone lin"]);
    assert_eq!(kept(&world, "lin").await.unwrap(), "ou_lin");
}

#[tokio::test]
async fn an_id_that_feishu_refuses_to_write_to_is_looked_up_again() {
    let mut world = World::new(RULES);
    was(&world, "otto", "ou_otto_of_last_year").await;
    world.post(fires("Direct", "critical", world.now())).await;
    world.expect(&["card red Direct in otto", "text …", "phone otto"]);
    assert_eq!(kept(&world, "otto").await.unwrap(), "ou_otto");
}

#[tokio::test]
async fn whoever_has_left_is_given_up_after_one_more_look() {
    let mut world = World::new(RULES);
    was(&world, "otto", "ou_otto").await;
    world.sandbox.change_person("ou_otto", |otto| otto.resigned = true);
    world.post(fires("Direct", "critical", world.now())).await;
    assert_eq!((look_ups(&world), kept(&world, "otto").await), (1, None));
    world.expect_nothing();
    let unknown = world.roll_call().call(world.now()).await.unwrap();
    assert!(unknown.contains("otto"), "{unknown:?}");
}

#[tokio::test]
async fn the_roll_call_finds_the_unknown_before_they_are_paged() {
    let world = World::new(RULES);
    world.sandbox.change_person("ou_otto", |otto| otto.resigned = true);
    let roll_call = world.roll_call();
    assert_eq!(world.metric("larkhorn_people_unknown "), None, "nobody has asked yet");
    let unknown = roll_call.call(world.now()).await.unwrap();
    assert_eq!(unknown.into_iter().collect::<Vec<_>>(), ["otto"]);
    assert_eq!(world.metric("larkhorn_people_unknown ").unwrap(), "larkhorn_people_unknown 1");
    assert_eq!((kept(&world, "lin").await.as_deref(), kept(&world, "otto").await), (Some("ou_lin"), None));
    world.sandbox.change_person("ou_otto", |otto| otto.resigned = false);
    assert!(roll_call.call(world.now()).await.unwrap().is_empty(), "the unknown are asked about every time");
    assert_eq!(world.metric("larkhorn_people_unknown ").unwrap(), "larkhorn_people_unknown 0");
}

#[tokio::test]
async fn answers_are_refreshed_once_a_day_and_pages_do_not_wait_for_it() {
    let mut world = World::new(RULES);
    let roll_call = world.roll_call();
    for _ in 0..144 {
        roll_call.call(world.now()).await.unwrap();
        world.advance(minutes(10)).await;
    }
    assert_eq!(look_ups(&world), 2, "both people in one call, again after 23 hours");
    world.advance(minutes(20 * 60)).await;
    world.post(fires("Fire", "critical", world.now())).await;
    world.expect(&["card red Fire in oc_sre", "text …", "phone lin"]);
    assert_eq!(look_ups(&world), 2);
}

#[tokio::test]
async fn an_address_that_changed_hands_leads_to_the_new_owner_within_a_day() {
    let world = World::new(RULES);
    let roll_call = world.roll_call();
    roll_call.call(world.now()).await.unwrap();
    world.sandbox.change_person("ou_otto", |otto| otto.email = "elsewhere@example.com".to_owned());
    world.sandbox.add_person(Account::new("ou_new", "new").email("otto@example.com"));
    world.stand_still_until(world.now() + jiff::SignedDuration::from_hours(24));
    roll_call.call(world.now()).await.unwrap();
    assert_eq!(kept(&world, "otto").await.unwrap(), "ou_new");
}
