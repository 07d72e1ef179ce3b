//! The demo's story: two alerts fire, one repeats, one recovers.

use std::time::Duration;

use anyhow::{Context, bail};
use jiff::{SignedDuration, Timestamp};
use regex::Regex;

use super::super::output::say;
use super::super::words::Words;
use crate::domain::{Clock, Urgent};
use crate::sandbox::{Account, Buzz, Message, Sandbox};

/// Webhooks captured from Prometheus 2.42 with Alertmanager 0.25, and from Alertmanager 0.33.
const PAYMENTS_FIRING: &str = include_str!("../../../tests/payloads/prom-2.42_am-0.25_rule-firing.json");
const PAYMENTS_RESOLVED: &str = include_str!("../../../tests/payloads/prom-2.42_am-0.25_rule-resolved.json");
const DISKS_FIRING: &str = include_str!("../../../tests/payloads/am-0.33_group3-firing.json");
const DISKS_MIXED: &str = include_str!("../../../tests/payloads/am-0.33_group3-mixed.json");

/// As the shipped rules name them.
const CHAT: &str = "oc_oncall";
const LIN: &str = "ou_lin";
const MARA: &str = "ou_mara";

/// How long anything may take to show on a phone.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the phones are looked at.
const GLANCE: Duration = Duration::from_millis(2);

/// People and the chat, with names that read well.
pub(super) fn set_the_stage(sandbox: &Sandbox, words: Words) {
    sandbox.add_person(Account::new(LIN, words.pick("Lin", "林岚")));
    sandbox.add_person(Account::new(MARA, words.pick("Mara", "马拉")));
    sandbox.add_chat(CHAT, words.pick("On-call", "值班群"), &[LIN, MARA]);
}

/// Plays it; an error if something did not arrive.
pub(super) async fn play(
    sandbox: &Sandbox,
    pager: &str,
    words: Words,
    clock: &dyn Clock,
) -> anyhow::Result<()> {
    let now = clock.now();
    let stage = Stage { sandbox, pager, words, clock, began: now, http: reqwest::Client::new() };
    let [firing, resolved] = moved_to(now, [PAYMENTS_FIRING, PAYMENTS_RESOLVED])?;
    let [disks, disks_mixed] = moved_to(now, [DISKS_FIRING, DISKS_MIXED])?;

    stage
        .post(
            &firing,
            "Alertmanager: HighErrorRate fires (critical)",
            "Alertmanager：HighErrorRate 触发（critical）",
        )
        .await?;
    stage
        .see("■", "a red card in the chat", "群里出现红色卡片", || {
            stage.card("HighErrorRate", "red").is_some()
        })
        .await?;
    stage
        .see(
            "▲",
            "the chat is pinned on top for Lin",
            "林岚的会话列表置顶该群（即时提醒）",
            || pinned(sandbox, LIN),
        )
        .await?;
    stage
        .see("☎", "Lin's phone rings", "林岚的电话响起（电话加急）", || {
            rang(sandbox, LIN, Urgent::Phone) == 1
        })
        .await?;

    stage.post(&firing, "Alertmanager repeats itself", "Alertmanager 重复通知").await?;
    stage
        .post(&disks, "Alertmanager: 3 disks fill (warning)", "Alertmanager：3 块磁盘将满（warning）")
        .await?;
    stage
        .see("■", "an orange card in the chat", "群里出现橙色卡片", || {
            stage.card("DiskAlmostFull", "orange").is_some()
        })
        .await?;
    stage
        .see("●", "Mara's app buzzes", "马拉收到应用内加急", || {
            rang(sandbox, MARA, Urgent::App) == 1
        })
        .await?;
    let once = || stage.cards("HighErrorRate").len() == 1 && rang(sandbox, LIN, Urgent::Phone) == 1;
    stage
        .see(
            "=",
            "the repeat made no second card and no second call",
            "重复通知没有第二张卡片，也没有第二通电话",
            once,
        )
        .await?;
    stage.post(&disks_mixed, "one disk recovers", "一块磁盘恢复").await?;
    let edited = || stage.card("DiskAlmostFull", "orange").is_some_and(|m| m.revisions.len() > 1);
    stage.see("■", "the same card now says so", "同一张卡片随之更新", edited).await?;

    stage
        .post(&resolved, "Alertmanager: HighErrorRate is resolved", "Alertmanager：HighErrorRate 已恢复")
        .await?;
    stage
        .see("■", "the same card turns green", "同一张卡片变绿", || {
            stage.card("HighErrorRate", "green").is_some()
        })
        .await?;
    stage.see("▽", "the pin is taken off", "取消置顶", || !pinned(sandbox, LIN)).await
}

struct Stage<'a> {
    sandbox: &'a Sandbox,
    pager: &'a str,
    words: Words,
    clock: &'a dyn Clock,
    began: Timestamp,
    http: reqwest::Client,
}

impl Stage<'_> {
    async fn post(&self, body: &str, en: &str, zh: &str) -> anyhow::Result<()> {
        self.tell("▶", en, zh);
        let url = format!("{}/webhook/alertmanager", self.pager);
        let request = self.http.post(url).header("content-type", "application/json").body(body.to_owned());
        let answer = request.send().await.context("the demo's pager does not answer")?;
        if !answer.status().is_success() {
            bail!(
                "the demo's pager answered {}: {}",
                answer.status(),
                answer.text().await.unwrap_or_default()
            );
        }
        Ok(())
    }

    /// Waits until it is so, then says it.
    async fn see(&self, sign: &str, en: &str, zh: &str, so: impl Fn() -> bool) -> anyhow::Result<()> {
        let waiting = async {
            while !so() {
                tokio::time::sleep(GLANCE).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .with_context(|| format!("the demo waited {} s in vain for: {en}", PATIENCE.as_secs()))?;
        self.tell(sign, en, zh);
        Ok(())
    }

    fn tell(&self, sign: &str, en: &str, zh: &str) {
        let elapsed = self.clock.now().duration_since(self.began).as_secs_f64();
        let indent = if sign == "▶" { "" } else { "  " };
        say(&format!("{elapsed:7.3} s  {indent}{sign} {}", self.words.pick(en, zh)));
    }

    /// Cards in the chat whose title holds the name.
    fn cards(&self, name: &str) -> Vec<Message> {
        let mut cards = self.sandbox.messages(CHAT);
        cards.retain(|m| m.is_card() && m.content().contains(name));
        cards
    }

    /// The card of that name, if it has that colour now.
    fn card(&self, name: &str, colour: &str) -> Option<Message> {
        let coloured = |m: &Message| {
            let card: serde_json::Value = serde_json::from_str(m.content()).unwrap_or_default();
            card.pointer("/header/template").and_then(serde_json::Value::as_str) == Some(colour)
        };
        self.cards(name).into_iter().find(coloured)
    }
}

fn pinned(sandbox: &Sandbox, person: &str) -> bool {
    !sandbox.pins(person).is_empty()
}

fn rang(sandbox: &Sandbox, person: &str, urgent: Urgent) -> usize {
    let mine = |buzz: &&Buzz| buzz.person == person && buzz.urgent == urgent;
    sandbox.buzzes().iter().filter(mine).count()
}

/// Captured bodies as if the last of them had just been made: every instant in
/// them moves by the same span.
fn moved_to<const N: usize>(now: Timestamp, bodies: [&str; N]) -> anyhow::Result<[String; N]> {
    let instants = Regex::new(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")?;
    let parse = |text: &str| text.parse::<Timestamp>().ok();
    let all = bodies.iter().flat_map(|body| instants.find_iter(body)).filter_map(|m| parse(m.as_str()));
    let latest = all.max().context("a captured webhook without any time")?;
    let span: SignedDuration = now.duration_since(latest);
    Ok(bodies.map(|body| {
        let moved = |found: &regex::Captures<'_>| {
            let text = found.get(0).map(|m| m.as_str()).unwrap_or_default();
            let instant = parse(text).and_then(|instant| instant.checked_add(span).ok());
            instant.map_or_else(|| text.to_owned(), |instant| instant.to_string())
        };
        instants.replace_all(body, moved).into_owned()
    }))
}
