//! The demo's story: alerts fire, nobody answers, it climbs, somebody answers,
//! it recovers. Minutes pass in no time.

use std::time::Duration;

use anyhow::{Context, bail};
use jiff::{SignedDuration, Timestamp};
use regex::Regex;

use super::super::output::say;
use super::super::words::Words;
use super::clock::DemoClock;
use crate::domain::{Clock, Urgent};
use crate::sandbox::{Account, Buzz, Message, Sandbox};

/// Webhooks captured from Prometheus 2.42 with Alertmanager 0.25, and from Alertmanager 0.33.
const PAYMENTS_FIRING: &str = include_str!("../../../tests/payloads/prom-2.42_am-0.25_rule-firing.json");
const PAYMENTS_RESOLVED: &str = include_str!("../../../tests/payloads/prom-2.42_am-0.25_rule-resolved.json");
const DISKS_FIRING: &str = include_str!("../../../tests/payloads/am-0.33_group3-firing.json");
const DISKS_MIXED: &str = include_str!("../../../tests/payloads/am-0.33_group3-mixed.json");

/// The alerts' names.
const PAYMENTS: &str = "HighErrorRate";
const DISKS: &str = "DiskAlmostFull";
/// As the demo's rules name them.
const CHAT: &str = "oc_oncall";
const LIN: &str = "ou_lin";
const MARA: &str = "ou_mara";

/// How long anything may take to show on a phone.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it is watched that nothing happens; the engine looks for what is
/// due several times meanwhile.
const WATCH: Duration = Duration::from_millis(600);
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
    clock: &DemoClock,
) -> anyhow::Result<()> {
    let now = clock.now();
    let stage = Stage { sandbox, pager, words, clock, began: now, http: reqwest::Client::new() };
    let [firing, resolved] = moved_to(now, [PAYMENTS_FIRING, PAYMENTS_RESOLVED])?;
    let [disks, disks_mixed] = moved_to(now, [DISKS_FIRING, DISKS_MIXED])?;
    stage.fire(&firing, &disks, &disks_mixed).await?;
    stage.climb_and_answer().await?;
    stage.recover(&resolved).await
}

impl Stage<'_> {
    /// Two alerts fire, one repeats.
    async fn fire(&self, firing: &str, disks: &str, disks_mixed: &str) -> anyhow::Result<()> {
        let rang = |person, urgent| rang(self.sandbox, person, urgent);
        self.post(
            firing,
            ["Alertmanager: HighErrorRate fires (critical)", "Alertmanager：HighErrorRate 触发（critical）"],
        )
        .await?;
        let card = || self.card(PAYMENTS, "red").is_some();
        self.see("■", ["a red card in the chat", "群里出现红色卡片"], card).await?;
        let pin = || pinned(self.sandbox, LIN);
        self.see("▲", ["the chat is pinned on top for Lin", "林岚的会话列表置顶该群（即时提醒）"], pin)
            .await?;
        self.see("●", ["Lin's app buzzes", "林岚收到应用内加急"], || rang(LIN, Urgent::App) == 1).await?;

        self.post(firing, ["Alertmanager repeats itself", "Alertmanager 重复通知"]).await?;
        self.post(disks, ["Alertmanager: 3 disks fill (warning)", "Alertmanager：3 块磁盘将满（warning）"])
            .await?;
        let card = || self.card(DISKS, "orange").is_some();
        self.see("■", ["an orange card in the chat", "群里出现橙色卡片"], card).await?;
        self.see("●", ["Mara's app buzzes", "马拉收到应用内加急"], || {
            rang(MARA, Urgent::App) == 1
        })
        .await?;
        let once = || self.cards(PAYMENTS).len() == 1 && rang(LIN, Urgent::App) == 1;
        let words =
            ["the repeat made no second card and no second buzz", "重复通知没有第二张卡片，也没有第二次加急"];
        self.see("=", words, once).await?;
        self.post(disks_mixed, ["one disk recovers", "一块磁盘恢复"]).await?;
        let edited = || self.card(DISKS, "orange").is_some_and(|m| m.revisions.len() > 1);
        self.see("■", ["the same card now says so", "同一张卡片随之更新"], edited).await
    }

    /// Nobody answers, so it climbs; then somebody does, and it is quiet.
    async fn climb_and_answer(&self) -> anyhow::Result<()> {
        let rang = |person, urgent| rang(self.sandbox, person, urgent);
        self.wait(3, ["nobody answers for 3 minutes", "3 分钟无人响应"]);
        self.see("✉", ["Lin gets an SMS", "林岚收到短信加急"], || rang(LIN, Urgent::Sms) == 1).await?;
        self.wait(5, ["nobody answers for 5 minutes", "5 分钟无人响应"]);
        self.see("☎", ["Mara's phone rings", "马拉的电话响起（电话加急）"], || {
            rang(MARA, Urgent::Phone) == 1
        })
        .await?;
        let card = self.cards(PAYMENTS).pop().context("the demo's card is gone")?;
        self.tell("▶", ["Mara presses Acknowledge on the card", "马拉在卡片上点“认领”"]);
        self.sandbox.press(&card.id, MARA, "acknowledge").await?;
        let blue = || self.card(PAYMENTS, "blue").is_some();
        self.see("■", ["the card turns blue: Mara has it", "卡片变蓝：马拉已认领"], blue).await?;
        self.see("▽", ["Lin's pin is taken off", "林岚的置顶取消"], || !pinned(self.sandbox, LIN)).await?;
        let calls = self.sandbox.buzzes().len();
        self.wait(20, ["twenty minutes pass", "二十分钟过去"]);
        self.quiet(calls, ["nobody is buzzed any more", "不再打扰任何人"]).await
    }

    /// The alert recovers.
    async fn recover(&self, resolved: &str) -> anyhow::Result<()> {
        self.post(
            resolved,
            ["Alertmanager: HighErrorRate is resolved", "Alertmanager：HighErrorRate 已恢复"],
        )
        .await?;
        let green = || self.card(PAYMENTS, "green").is_some();
        self.see("■", ["the same card turns green", "同一张卡片变绿"], green).await?;
        self.see("▽", ["the last pin is taken off", "最后一个置顶取消"], || {
            !pinned(self.sandbox, MARA)
        })
        .await
    }
}

struct Stage<'a> {
    sandbox: &'a Sandbox,
    pager: &'a str,
    words: Words,
    clock: &'a DemoClock,
    began: Timestamp,
    http: reqwest::Client,
}

impl Stage<'_> {
    async fn post(&self, body: &str, words: [&str; 2]) -> anyhow::Result<()> {
        self.tell("▶", words);
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

    /// Lets minutes pass at once.
    fn wait(&self, minutes: i64, words: [&str; 2]) {
        self.clock.skip(SignedDuration::from_mins(minutes));
        self.tell("…", words);
    }

    /// Waits until it is so, then says it. The words are English and Chinese.
    async fn see(&self, sign: &str, words: [&str; 2], so: impl Fn() -> bool) -> anyhow::Result<()> {
        let waiting = async {
            while !so() {
                tokio::time::sleep(GLANCE).await;
            }
        };
        let [en, _] = words;
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .with_context(|| format!("the demo waited {} s in vain for: {en}", PATIENCE.as_secs()))?;
        self.tell(sign, words);
        Ok(())
    }

    /// Watches for a while that nobody is buzzed beyond so many times.
    async fn quiet(&self, buzzes: usize, words: [&str; 2]) -> anyhow::Result<()> {
        tokio::time::sleep(WATCH).await;
        if self.sandbox.buzzes().len() > buzzes {
            bail!("the demo heard a buzz after somebody had answered");
        }
        self.tell("=", words);
        Ok(())
    }

    fn tell(&self, sign: &str, [en, zh]: [&str; 2]) {
        let elapsed = self.clock.now().duration_since(self.began);
        let (minutes, seconds) = (elapsed.as_secs() / 60, elapsed.as_secs() % 60);
        let indent = if "▶…".contains(sign) { "" } else { "  " };
        let milliseconds = elapsed.subsec_millis();
        say(&format!(
            "{minutes:3}:{seconds:02}.{milliseconds:03}  {indent}{sign} {}",
            self.words.pick(en, zh)
        ));
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
