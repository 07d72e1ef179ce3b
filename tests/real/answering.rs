//! Answers from the phones, with nothing configured: over the long connection.

use larkhorn::sandbox::{Api, Outcome, Pressed};
use reqwest::StatusCode;

use crate::pager::Pager;
use crate::patience::eventually;
use crate::phones::{LIN, MARA, Phones};
use crate::sender::{firing, node};

const UP: &str = "larkhorn_long_connection_up";
/// In no log: the app's secret, and the ticket of an address that was dialled.
const SECRETS: [&str; 3] = ["secret-of-the-tests", "ticket0", "access_key"];

/// Posts the webhook of a group and waits for its card; the card's message.
async fn card_of(pager: &Pager, phones: &Phones, group: usize) -> String {
    assert_eq!(pager.post("/webhook", firing(group)).await.0, StatusCode::OK);
    eventually("the card", async || phones.card(&node(group)).is_some()).await;
    pager.quiet().await;
    phones.card(&node(group)).unwrap().message
}

fn toast(pressed: &Pressed) -> (&str, &str) {
    pressed.toast.as_ref().map_or(("none", ""), |toast| (toast.kind.as_str(), toast.en.as_str()))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_button_acknowledges_a_storm() {
    let phones = Phones::on();
    let mut pager = Pager::new(&phones.url());
    let storm = pager.rules_file().with_file_name("storm.yaml");
    std::fs::write(storm, "storm: {cards_per_minute: 1}").unwrap();
    pager.start().await;
    eventually("the long connection", async || pager.metric(UP).await == Some(1.0)).await;
    for group in 1..=4 {
        assert_eq!(pager.post("/webhook", firing(group)).await.0, StatusCode::OK);
    }
    eventually("the storm's card", async || phones.card("Storm: 3 incidents").is_some()).await;
    let card = phones.card("Storm: 3 incidents").unwrap().message;
    let pressed = phones.sandbox.press(&card, MARA, "Acknowledge all").await.unwrap();
    assert_eq!(toast(&pressed), ("success", "3 incidents are yours"));
    assert!(phones.shows("Storm: 3 incidents", "blue"));
    // Lin's phone still shows the card as it was at first.
    pager.quiet().await;
    let edits = phones.sandbox.message(&card).unwrap().revisions.len() - 1;
    let late = phones.sandbox.press_version(&card, LIN, "Acknowledge all", edits).await.unwrap();
    let (kind, words) = toast(&late);
    assert_eq!((kind, words.starts_with("There is nothing left to acknowledge")), ("info", true), "{words}");
}

fn assert_discreet(log: &str) {
    for secret in SECRETS {
        assert!(!log.contains(secret), "the log tells {secret}:\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_button_pressed_acknowledges_without_any_public_address() {
    let phones = Phones::on();
    let mut pager = Pager::new(&phones.url());
    pager.start().await;
    eventually("the long connection", async || pager.metric(UP).await == Some(1.0)).await;
    let card = card_of(&pager, &phones, 1).await;
    let pressed = phones.sandbox.press(&card, MARA, "acknowledge").await.unwrap();
    assert_eq!(toast(&pressed), ("success", "It is yours; nobody else is called"));
    assert!(phones.shows(&node(1), "blue"));
    // Lin's phone still shows the card as it was at first.
    pager.quiet().await;
    let edits = phones.sandbox.message(&card).unwrap().revisions.len() - 1;
    let late = phones.sandbox.press_version(&card, LIN, "acknowledge", edits).await.unwrap();
    assert_eq!(toast(&late), ("info", "mara has it already"));

    // Cut, it comes back by itself; what was said is heard once.
    assert_eq!(phones.sandbox.drop_connections(), 1);
    eventually("the connection to be back", async || phones.sandbox.connections() == 1).await;
    let card = card_of(&pager, &phones, 2).await;
    phones.sandbox.say_reply(crate::phones::CHAT, MARA, &card, "ack").await;
    eventually("the card in blue", async || phones.shows(&node(2), "blue")).await;
    let event = phones.sandbox.deliveries()[0].event_id.clone();
    assert!(phones.sandbox.repeat_event(&event));
    eventually("the repetition", async || phones.sandbox.deliveries().len() == 2).await;
    assert!(phones.sandbox.deliveries().iter().all(|delivery| delivery.status == Some(200)));

    let log = pager.log();
    assert!(log.contains("the long connection to Feishu broke: "), "{log}");
    assert_discreet(&log);
    pager.signal("TERM");
    assert_eq!(pager.ended().await.code(), Some(0));
    eventually("the farewell", async || phones.sandbox.connections() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_says_what_to_do_and_pages_go_out() {
    let phones = Phones::on();
    phones.spoil(Api::LongConnection, None, Outcome::Code(514, "app secret invalid".into()));
    let mut pager = Pager::new(&phones.url());
    pager.start().await;
    let refused = "ERROR larkhorn::worker::long_connection: Feishu refuses the long connection: long_connection: \
                   514 app secret invalid";
    eventually("the refusal in the log", async || pager.log().contains(refused)).await;
    let log = pager.log();
    let line = log.lines().find(|line| line.contains(refused)).unwrap();
    assert!(line.contains("check feishu.app_id, feishu.app_secret") && line.contains("in 10 min"), "{line}");
    assert_eq!(pager.metric(UP).await, Some(0.0));
    card_of(&pager, &phones, 1).await;
    eventually("larkhorn to be ready", async || pager.get("/-/ready").await.unwrap().0 == StatusCode::OK)
        .await;
    assert_discreet(&pager.log());
}
