//! Feishu is away at the start, slow or silent at the end: nothing is lost and
//! a stop is still a stop.

use std::time::{Duration, Instant};

use larkhorn::domain::Urgent;
use larkhorn::sandbox::{Api, Limits, Outcome};
use reqwest::StatusCode;

use crate::pager::Pager;
use crate::patience::eventually;
use crate::phones::{MARA, Phones};
use crate::sender::{Sender, cards_of, firing, node};

/// What a stop may take when Feishu answers.
const STOP: Duration = Duration::from_secs(10);
/// What a stop may take when Feishu does not: it is waited for, but less long
/// than systemd and Kubernetes wait before they kill (90 s and 30 s).
const STOP_WITHOUT_FEISHU: Duration = Duration::from_secs(20);
/// Groups of a load; their cards and lines fill the chat's 5 messages a second for some 17 s.
const GROUPS: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn a_page_taken_while_feishu_is_away_goes_out_when_it_is_back() {
    let mut phones = Phones::off(Limits::Feishu);
    let mut pager = Pager::new(&phones.url());
    pager.start().await;
    eventually("an honest /-/ready", async || {
        let (status, why) = pager.get("/-/ready").await.unwrap();
        status == StatusCode::SERVICE_UNAVAILABLE && why.contains("Feishu") && why.contains("no connection")
    })
    .await;
    assert_eq!(pager.get("/-/healthy").await.unwrap().0, StatusCode::OK);

    let (status, answer) = pager.post("/webhook", firing(7)).await;
    assert_eq!((status, answer.as_str()), (StatusCode::OK, "{\"accepted\":1}"));
    let vain = "larkhorn_notifications_failed_total{channel=\"card\"";
    eventually("larkhorn to try", async || pager.metric(vain).await.is_some()).await;
    assert_eq!(phones.cards(), []);

    phones.switch_on();
    eventually("the card", async || phones.shows(&node(7), "orange")).await;
    let card = phones.card(&node(7)).unwrap();
    eventually("Mara's app to buzz", async || phones.buzzes(&card, MARA) == [Urgent::App]).await;
    let ready = async || pager.get("/-/ready").await.unwrap().0 == StatusCode::OK;
    eventually("larkhorn to be ready", ready).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_is_quick_and_clean() {
    let mut phones = Phones::off(Limits::Off);
    phones.switch_on();
    phones.spoil(Api::Send, None, Outcome::Latency(100));
    phones.spoil(Api::UrgentApp, None, Outcome::Latency(300));
    let mut pager = Pager::new(&phones.url());
    pager.start().await;
    let sender = Sender::to(&pager);
    sender.grant(GROUPS);
    eventually("some buzzes under way", async || phones.called(Api::UrgentApp) > 8).await;
    pager.signal("TERM");
    let began = Instant::now();
    let status = pager.ended().await;
    let took = began.elapsed();
    assert_eq!(status.code(), Some(0));
    assert!(took < STOP, "the stop took {took:?}");
    assert!(phones.sandbox.buzzes().len() < GROUPS, "there was nothing left to do");

    pager.start().await;
    sender.finish().await;
    pager.quiet().await;
    for (group, card) in cards_of(&phones, GROUPS).into_iter().enumerate() {
        let card = card.unwrap_or_else(|| panic!("group {group} was accepted and has no card"));
        // Calls under way were finished, so none was made again.
        assert_eq!(phones.buzzes(&card, MARA), [Urgent::App], "buzzes of group {group}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feishu_that_never_answers_holds_up_no_stop() {
    let phones = Phones::on();
    phones.hold(Api::Send);
    let mut pager = Pager::new(&phones.url());
    pager.start().await;
    assert_eq!(pager.post("/webhook", firing(1)).await.0, StatusCode::OK);
    eventually("the card to be sent", async || phones.called(Api::Send) == 1).await;
    pager.signal("TERM");
    let began = Instant::now();
    let status = pager.ended().await;
    let took = began.elapsed();
    assert_eq!(status.code(), Some(0));
    assert!(took < STOP_WITHOUT_FEISHU, "the stop took {took:?}");

    pager.start().await;
    pager.quiet().await;
    let card = phones.card(&node(1)).unwrap();
    assert_eq!(phones.buzzes(&card, MARA), [Urgent::App]);
}
