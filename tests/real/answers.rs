//! Answers in chat, through the served callbacks: an emoji on the line that
//! buzzed, a word below it, and what only looks like an answer.

use larkhorn::sandbox::Callback;

use crate::pager::Pager;
use crate::patience::eventually;
use crate::phones::{CHAT, LIN, MARA, Phones};

/// One alert that calls Lin.
const FIRING: &str = include_str!("../payloads/am-0.33_single-firing.json");

#[tokio::test(flavor = "multi_thread")]
async fn emoji_words_and_looks_are_told_apart() {
    let phones = Phones::on();
    let mut pager = Pager::new(&phones.url());
    pager.hears_events("reactions: {acknowledge: Get, resolve: CheckMark}");
    pager.start().await;
    phones.sandbox.set_callback(Some(Callback {
        url: pager.url("/feishu/events"),
        encrypt_key: Some("key-of-the-tests".to_owned()),
        verification_token: "token-of-the-tests".to_owned(),
    }));
    assert_eq!(pager.post("/webhook", FIRING.to_owned()).await.0, 200);
    eventually("somebody to be buzzed", async || phones.sandbox.buzzes().len() == 1).await;
    pager.quiet().await;
    let line = phones.sandbox.buzzes().remove(0).message;
    let state = async || pager.all_states().await.join(" ");

    // Not the emoji that was chosen.
    phones.sandbox.react(&line, LIN, "OnIt").await;
    assert_eq!(state().await, "triggered");
    phones.sandbox.react(&line, LIN, "Get").await;
    eventually("Lin to have it", async || state().await == "acknowledged").await;
    // Mara puts hers on and takes it off: Lin has it still.
    phones.sandbox.react(&line, MARA, "Get").await;
    phones.sandbox.unreact(&line, MARA, "Get").await;
    assert_eq!(state().await, "acknowledged");
    phones.sandbox.unreact(&line, LIN, "Get").await;
    eventually("nobody to have it", async || state().await == "triggered").await;

    phones.sandbox.say_reply(CHAT, MARA, &line, "认领。").await;
    eventually("Mara to have it", async || state().await == "acknowledged").await;
    phones.sandbox.say_reply(CHAT, MARA, &line, "2h").await;
    eventually("quiet for two hours", async || state().await == "snoozed").await;
    phones.sandbox.react(&line, LIN, "CheckMark").await;
    eventually("it to be over", async || state().await == "resolved").await;

    let told = pager.timeline("INC-1").await;
    let how: Vec<String> = told
        .iter()
        .filter(|entry| entry["via"].is_string())
        .map(|entry| format!("{} {} {}", entry["by"], entry["kind"], entry["via"]).replace('"', ""))
        .collect();
    let expected = [
        "lin acknowledged reaction",
        "lin unacknowledged reaction",
        "mara acknowledged reply",
        "mara snoozed reply",
        "lin resolved_by reaction",
    ];
    assert_eq!(how, expected);
}
