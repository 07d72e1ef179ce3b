//! Rules read again while running: by SIGHUP, by POST, and not at all when they are wrong.

use std::fs;

use larkhorn::domain::Urgent;
use reqwest::StatusCode;

use crate::pager::Pager;
use crate::patience::eventually;
use crate::phones::{LIN, MARA, Phones};
use crate::sender::{firing, node};

const SUCCESSFUL: &str = "larkhorn_config_last_reload_successful";

/// Posts the webhook of a group and waits for the only buzz it makes.
async fn who_is_buzzed(pager: &Pager, phones: &Phones, group: usize) -> &'static str {
    assert_eq!(pager.post("/webhook", firing(group)).await.0, StatusCode::OK);
    eventually("the card", async || phones.card(&node(group)).is_some()).await;
    pager.quiet().await;
    let card = phones.card(&node(group)).unwrap();
    match [phones.buzzes(&card, LIN).as_slice(), phones.buzzes(&card, MARA).as_slice()] {
        [[Urgent::App], []] => "lin",
        [[], [Urgent::App]] => "mara",
        buzzes => panic!("buzzes of Lin and of Mara: {buzzes:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn good_rules_take_over_and_bad_ones_change_nothing() {
    let phones = Phones::on();
    let mut pager = Pager::new(&phones.url());
    pager.start().await;
    let rules = fs::read_to_string(pager.rules_file()).unwrap();
    let to_lin = rules.replace("notify: [mara]", "notify: [lin]");
    assert_ne!(rules, to_lin);
    let bad = to_lin.replace("reopen_within: 1h", "reopen_within: soon");
    let line = 1 + bad.lines().position(|line| line.contains("soon")).unwrap();
    let place = format!("oncall.yaml:{line}:20: ");
    assert_eq!(who_is_buzzed(&pager, &phones, 1).await, "mara");

    // Wrong, by POST.
    fs::write(pager.rules_file(), &bad).unwrap();
    let (status, answer) = pager.post("/-/reload", String::new()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
    let problem: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let error = problem["errors"][0].as_str().unwrap();
    assert!(error.contains(&place) && error.contains("soon"), "{place} is not in {error}");
    assert_eq!(pager.metric(SUCCESSFUL).await, Some(0.0));
    assert_eq!(who_is_buzzed(&pager, &phones, 2).await, "mara");

    // Right, by SIGHUP.
    fs::write(pager.rules_file(), &to_lin).unwrap();
    pager.signal("HUP");
    eventually("the new rules", async || pager.metric(SUCCESSFUL).await == Some(1.0)).await;
    assert_eq!(who_is_buzzed(&pager, &phones, 3).await, "lin");

    // Wrong, by SIGHUP.
    fs::write(pager.rules_file(), &bad).unwrap();
    pager.signal("HUP");
    eventually("the refusal", async || pager.metric(SUCCESSFUL).await == Some(0.0)).await;
    assert!(pager.log().lines().any(|line| line.contains("not reloaded") && line.contains(&place)));
    assert_eq!(who_is_buzzed(&pager, &phones, 4).await, "lin");

    // Right, by POST.
    fs::write(pager.rules_file(), &rules).unwrap();
    assert_eq!(pager.post("/-/reload", String::new()).await.0, StatusCode::OK);
    assert_eq!(who_is_buzzed(&pager, &phones, 5).await, "mara");
}
