//! Cards that Feishu does not let us edit any more.

use jiff::SignedDuration;

use crate::alerts::{Told, Webhook};
use crate::life::RULES;
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
    let gone = larkhorn::sandbox::Outcome::Code(230_110, "The message has been deleted.".to_owned());
    world.trouble(larkhorn::sandbox::Api::UpdateCard, Some(1), gone);
    world.post(Webhook::of("g").firing(told("a")).firing(told("b")).body()).await;
    world.expect(&["card blue Gone in oc_sre"]);
}
