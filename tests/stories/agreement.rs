//! What `simulate` says is what the pager does: random rules and payloads are
//! rehearsed, and given to a pager. Pages, steps and their times must agree.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use larkhorn::app;
use larkhorn::app::rehearsal::{Cue, Curtain, Deed, Happens, Play, Rehearsal, Told};
use larkhorn::domain::{Action, Clock, Fact, MessageId, RecordedEntry, Urgent};
use larkhorn::feishu::Cards;
use larkhorn::rules::{RuleSet, SourceFile};
use larkhorn::sandbox::{self, Limits, Sandbox};
use larkhorn::settings::{Locale, Settings, UrgentVia};
use larkhorn::store::sqlite::SqliteStore;
use larkhorn::store::{Retention, Store};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::world::World;

const PEOPLE: [&str; 3] = ["lin", "mara", "otto"];
/// When every story begins; the world's own beginning.
const BEGINS: &str = "2026-11-22T03:00:00Z";

/// A page or a step: when, of which rule, how loud, for whom, which step and round.
type Line = (Timestamp, String, String, Vec<String>, Option<(i64, i64)>);

/// A story: rules, a payload, and who answers when.
#[derive(Debug, Clone)]
struct Story {
    rules: String,
    payload: String,
    answer: Option<(SignedDuration, &'static str)>,
    recovery: Option<SignedDuration>,
}

fn target() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["lin", "mara", "person:otto", "team:leads", "schedule:day", "chat:leads"])
}

fn urgent() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", ", urgent: none", ", urgent: app", ", urgent: sms", ", urgent: phone"])
}

fn step() -> impl Strategy<Value = String> {
    let when = prop::sample::select(vec!["", "", ", when: {severity: '>=critical'}", ", when: {firing: 2}"]);
    (0..10_u32, prop::collection::btree_set(target(), 1..3), urgent(), when).prop_map(
        |(wait, targets, urgent, when)| {
            let targets: Vec<&str> = targets.into_iter().collect();
            format!("      - {{wait: {wait}m, notify: [{}]{urgent}{when}}}\n", targets.join(", "))
        },
    )
}

fn rules() -> impl Strategy<Value = String> {
    let policy = || (prop::collection::vec(step(), 1..4), 0..2_u32);
    let rest = (
        prop::sample::select(vec!["", "catch_all: {notify: [team:leads], chat: leads, every: 20m}\n"]),
        prop::sample::select(vec!["", "budget: {phone: {incident: 2}, sms: {incident: 1}}\n"]),
        prop::sample::select(vec![
            "",
            ", group_wait: 30s",
            ", group_by: [alertname]",
            ", group_by: [team], pin: true",
        ]),
        prop::sample::select(vec!["", ", continue: true"]),
        prop::sample::select(vec!["policy: p1", "notify: [lin, otto]"]),
    );
    (policy(), policy(), rest).prop_map(|((steps, repeat), (others, again), (last, budget, more, on, rule))| {
        format!(
            "severities: [{{name: critical, urgent: phone, pin: true, ack_timeout: 12m}}, {{name: warning, urgent: sms}}, {{name: info, urgent: none}}]\n\
             people: {{lin: {{open_id: ou_lin}}, mara: {{email: mara@example.com}}, otto: {{open_id: ou_otto}}}}\n\
             chats: {{sre: oc_sre, leads: oc_leads}}\n\
             teams: {{leads: [mara, otto]}}\n\
             schedules: {{day: {{timezone: UTC, layers: [{{rotate: daily, at: '03:10', who: [lin, mara, otto]}}]}}}}\n\
             policies:\n  p0:\n    steps:\n{}    repeat: {repeat}\n  p1:\n    steps:\n{}    repeat: {again}\n\
             storm: {{share_buzz: 0}}\n{last}{budget}\
             rules:\n  - {{name: db, match: 'team=\"db\"', chat: sre, policy: p0{more}{on}}}\n  - {{name: rest, chat: sre, {rule}}}\n",
            steps.concat(),
            others.concat(),
        )
    })
}

fn payload() -> impl Strategy<Value = String> {
    let alert = (
        0..3_u32,
        prop::sample::select(vec!["db", "web"]),
        prop::sample::select(vec!["critical", "warning", "info"]),
        0..3_u32,
    );
    prop::collection::vec(alert, 1..5).prop_map(|alerts| {
        let alerts = alerts.into_iter().map(|(name, team, severity, instance)| {
            json!({
                "status": "firing",
                "labels": {"alertname": format!("A{name}"), "team": team, "severity": severity, "instance": instance.to_string()},
                "annotations": {}, "startsAt": "2026-11-22T02:59:00Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "",
            })
        });
        json!({
            "version": "4", "groupKey": "g", "truncatedAlerts": 0, "receiver": "pager", "status": "firing",
            "alerts": alerts.collect::<Vec<_>>(), "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "",
        })
        .to_string()
    })
}

fn story() -> impl Strategy<Value = Story> {
    let minutes = |m: i64| SignedDuration::from_secs(m * 60 + 20);
    let answer = prop::option::of((0..40_i64, prop::sample::select(PEOPLE.to_vec())));
    (rules(), payload(), answer, prop::option::of(0..60_i64)).prop_map(
        move |(rules, payload, answer, recovery)| Story {
            rules,
            payload,
            answer: answer.map(|(m, who)| (minutes(m), who)),
            recovery: recovery.map(minutes),
        },
    )
}

impl Story {
    /// The body that says that all is over.
    fn over(&self, at: SignedDuration) -> String {
        let at = start() + at;
        larkhorn::sources::recovered(larkhorn::domain::SourceKind::Alertmanager, self.payload.as_bytes(), at)
            .unwrap()
    }

    /// What happens, in order.
    fn cues(&self) -> Vec<(SignedDuration, Option<&'static str>)> {
        let mut cues: Vec<_> = self.answer.iter().map(|(at, who)| (*at, Some(*who))).collect();
        cues.extend(self.recovery.map(|at| (at, None)));
        cues.sort_by_key(|(at, _)| *at);
        cues
    }

    async fn rehearse(&self) -> (Vec<Told>, Timestamp) {
        let (rules, _) = RuleSet::load(&[SourceFile { path: "story.yaml", text: &self.rules }]).unwrap();
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let (cards, _) = Cards::new(Locale::En, zone.clone(), &[]);
        let play = Play {
            rules: Arc::new(rules),
            cards,
            zone,
            urgent_via: UrgentVia::Reply,
            begins: start(),
            faults: Vec::new(),
        };
        let mut rehearsal = Rehearsal::new(play).unwrap();
        let webhook = |body: String| Happens::Webhook { source: None, body: body.into() };
        let mut script = vec![Cue { after: SignedDuration::ZERO, what: webhook(self.payload.clone()) }];
        for (after, who) in self.cues() {
            let what = match who {
                Some(who) => {
                    Happens::Act { by: Some(who.to_owned()), action: Action::Acknowledge, rule: None }
                }
                None => webhook(self.over(after)),
            };
            script.push(Cue { after, what });
        }
        rehearsal.play(script, Curtain::AtRest).await.unwrap();
        let told = (rehearsal.told().await.unwrap(), rehearsal.now());
        rehearsal.end().await;
        told
    }
}

fn start() -> Timestamp {
    BEGINS.parse().unwrap()
}

/// The pages that a rehearsal told of.
fn rehearsed(told: &[Told]) -> Vec<Line> {
    let mut lines = Vec::new();
    for told in told {
        for page in told.moments.iter().filter(|moment| moment.what == Deed::Buzz) {
            for name in &page.to {
                let urgent = page.urgent.unwrap_or(Urgent::None).as_str().to_owned();
                let step = page.step.map(|(step, round)| (step.into(), round.into()));
                lines.push((page.at, told.incident.key.rule.clone(), urgent, vec![name.clone()], step));
            }
        }
    }
    lines.sort();
    lines
}

/// The pages that reached phones, each with the step that asked for it.
async fn happened(sandbox: &Sandbox, store: &dyn Store) -> Vec<Line> {
    let mut lines = Vec::new();
    for buzz in sandbox.buzzes() {
        let paged = store.incident_of(MessageId(buzz.message.clone())).await.unwrap();
        let id = if let Some(id) = paged {
            id
        } else {
            // A reminder answers the card.
            let card = sandbox.message(&buzz.message).unwrap().parent.unwrap();
            store.incident_of(MessageId(card)).await.unwrap().unwrap()
        };
        let rule = store.incident(id).await.unwrap().unwrap().key.rule;
        let account = sandbox.people().into_iter().find(|person| person.open_id == buzz.person).unwrap();
        let name = account.name.to_lowercase();
        let timeline = store.timeline(id).await.unwrap();
        let step = paged.and_then(|_| step_behind(&timeline, &name, buzz.urgent, buzz.at));
        // Whole seconds: a clock may creep.
        let at = Timestamp::from_second(buzz.at.as_second()).unwrap();
        lines.push((at, rule, buzz.urgent.as_str().to_owned(), vec![name], step));
    }
    lines.sort();
    lines
}

/// The last step by then that wanted the person paged at least so loudly.
fn step_behind(timeline: &[RecordedEntry], name: &str, urgent: Urgent, at: Timestamp) -> Option<(i64, i64)> {
    let fact = |entry: &RecordedEntry, name: &str| {
        entry.facts.iter().find(|(n, _)| n == name).map(|(_, f)| f.clone())
    };
    let number = |entry: &RecordedEntry, name: &str| match fact(entry, name) {
        Some(Fact::Number(n)) => Some(n),
        _ => None,
    };
    let steps = timeline
        .iter()
        .filter(|entry| entry.at <= at && matches!(entry.kind.as_str(), "stepped" | "catch_all"));
    let mut paging = steps.filter(|entry| {
        let named = matches!(fact(entry, "people"), Some(Fact::List(people)) if people.iter().any(|p| p == name));
        let loud = matches!(fact(entry, "urgent"), Some(Fact::Text(word)) if Urgent::from_word(&word) >= Some(urgent));
        named && loud
    });
    let entry = paging.next_back()?;
    number(entry, "step").zip(number(entry, "round"))
}

#[test]
fn simulate_and_the_pager_agree_on_a_hundred_stories() {
    agree(100);
}

/// Beside the first hundred: one after the other they take minutes.
#[test]
fn simulate_and_the_pager_agree_on_another_hundred() {
    agree(100);
}

fn agree(cases: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let pages = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config {
        cases,
        max_shrink_iters: 60,
        failure_persistence: None,
        ..Config::default()
    });
    let agreed = runner.run(&story(), |story| {
        let (rehearsal, reality) = runtime.block_on(async {
            let (told, end) = story.rehearse().await;
            let mut world = World::new(&story.rules);
            world.look_away();
            // As on the rehearsal's stage, everybody is in every chat.
            world.sandbox.add_chat("oc_sre", "SRE", &["ou_lin", "ou_mara", "ou_otto"]);
            world.post(&story.payload).await;
            for (at, who) in story.cues() {
                world.advance((start() + at).duration_since(world.now())).await;
                match who {
                    Some(who) => {
                        for incident in world.incidents().await.into_iter().filter(|i| i.standing.is_open()) {
                            world.act(incident.id.unwrap(), Action::Acknowledge, who).await;
                        }
                    }
                    None => world.post(story.over(at)).await,
                }
            }
            // As far as the rehearsal went: it ends where nothing new would be learned.
            if end > world.now() {
                world.advance(end.duration_since(world.now())).await;
            }
            let reality = happened(&world.sandbox, world.store().as_ref()).await;
            (rehearsed(&told), reality)
        });
        pages.set(pages.get() + reality.len());
        prop_assert_eq!(rehearsal, reality);
        Ok(())
    });
    agreed.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(pages.get() > 200, "these stories page hardly anybody: {}", pages.get());
}

/// A clock that all but stands still until it is moved: ages show, and nothing
/// becomes due but by nudges. What it was nudged by stays, as what it crept by.
struct Hand {
    moment: Mutex<Timestamp>,
    since: std::time::Instant,
    nudged: Mutex<SignedDuration>,
}

impl Hand {
    fn at(moment: Timestamp) -> Self {
        let nudged = Mutex::new(SignedDuration::ZERO);
        Self { moment: Mutex::new(moment), since: std::time::Instant::now(), nudged }
    }

    fn move_to(&self, moment: Timestamp) {
        *self.moment.lock().unwrap() = moment;
    }

    /// For jobs that are kept apart by some hundred milliseconds.
    fn nudge(&self) {
        *self.nudged.lock().unwrap() += SignedDuration::from_millis(20);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        let crept = SignedDuration::try_from(self.since.elapsed() / 1000).unwrap();
        *self.moment.lock().unwrap() + crept + *self.nudged.lock().unwrap()
    }
}

/// A Feishu with everybody in every chat.
fn everybody(clock: Arc<Hand>) -> Sandbox {
    let sandbox =
        Sandbox::new(clock, sandbox::Options { limits: Limits::Off, ..sandbox::Options::default() });
    for name in PEOPLE {
        let account = sandbox::Account::new(&format!("ou_{name}"), name);
        sandbox.add_person(account.email(&format!("{name}@example.com")));
    }
    for chat in ["oc_sre", "oc_leads"] {
        sandbox.add_chat(chat, chat, &["ou_lin", "ou_mara", "ou_otto"]);
    }
    sandbox
}

/// Rules and settings as an operator writes them.
fn install(folder: &std::path::Path, rules: &str, feishu: &str) -> Settings {
    let at = |name: &str| folder.join(name);
    std::fs::write(at("rules.yaml"), rules).unwrap();
    let settings = format!(
        "store: {{url: \"sqlite://{}\"}}\nfeishu: {{base_url: \"{feishu}\", app_id: cli_a, app_secret: s, \
         events: \"off\", locale: en}}\nrules: rules.yaml\n",
        at("story.db").display(),
    );
    std::fs::write(at("larkhorn.yaml"), settings).unwrap();
    Settings::load(Some(&at("larkhorn.yaml")), std::iter::empty()).unwrap()
}

/// Whether nothing waits in the inbox, or the outbox.
fn is_idle(metrics: &str, name: &str) -> bool {
    let start = format!("larkhorn_{name}_oldest_seconds ");
    metrics.lines().any(|line| line.strip_prefix(&start).is_some_and(|age| age.parse() == Ok(0.0)))
}

/// After so many looks at an outbox that is not worked off the clock is nudged.
const NUDGE_AFTER: u32 = 20;

/// Has the story happen to a server that is started as `serve` starts it, asked
/// over HTTP only; the clock is moved through `stops`.
async fn serve(story: &Story, stops: &BTreeSet<Timestamp>) -> Vec<Line> {
    let clock = Arc::new(Hand::at(start()));
    let sandbox = everybody(clock.clone());
    let listen = || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        listener
    };
    let phones = sandbox.serve(listen()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = install(folder.path(), &story.rules, &phones.url());
    let pager = app::start_on(listen(), settings, clock.clone()).await.unwrap();
    let url = |path: &str| format!("http://{}{path}", pager.addr());
    let http = reqwest::Client::new();
    let json = |answer: reqwest::Response| async { answer.json::<Value>().await.unwrap() };
    let incidents = || async {
        json(http.get(url("/api/v1/incidents?limit=500")).send().await.unwrap()).await["incidents"].clone()
    };
    let post = |path: String, body: String| {
        let request = http.post(url(&path)).header("content-type", "application/json").body(body);
        async { assert!(request.send().await.unwrap().status().as_u16() < 500) }
    };
    // Until nothing is due any more and everything is delivered, twice in a row.
    let quiet = || async {
        let (mut calm, mut waits) = (0, 0);
        while calm < 2 {
            let metrics = http.get(url("/metrics")).send().await.unwrap().text().await.unwrap();
            let idle = |name: &str| is_idle(&metrics, name);
            let due = incidents().await.as_array().unwrap().iter().any(|incident| {
                incident["next_at"].as_str().is_some_and(|at| at.parse::<Timestamp>().unwrap() <= clock.now())
            });
            calm = if idle("inbox") && idle("outbox") && !due { calm + 1 } else { 0 };
            waits = if idle("inbox") && !idle("outbox") && !due { waits + 1 } else { 0 };
            if waits > 0 && waits % NUDGE_AFTER == 0 {
                clock.nudge();
            }
            tokio::time::sleep(std::time::Duration::from_millis(15)).await;
        }
    };
    post("/webhook".to_owned(), story.payload.clone()).await;
    quiet().await;
    let cues = story.cues();
    let stops: BTreeSet<Timestamp> =
        stops.iter().copied().chain(cues.iter().map(|(at, _)| start() + *at)).collect();
    for stop in stops {
        clock.move_to(stop);
        quiet().await;
        for (_, who) in cues.iter().filter(|(at, _)| start() + *at == stop) {
            match who {
                Some(who) => {
                    for incident in incidents().await.as_array().unwrap() {
                        let path =
                            format!("/api/v1/incidents/{}/acknowledge", incident["id"].as_str().unwrap());
                        post(path, json!({ "by": who }).to_string()).await;
                    }
                }
                None => post("/webhook".to_owned(), story.over(stop.duration_since(start()))).await,
            }
            quiet().await;
        }
    }
    pager.stop().await;
    phones.stop().await;
    let kept = SqliteStore::open(&folder.path().join("story.db"), Retention::default()).unwrap();
    let mut lines = happened(&sandbox, &kept).await;
    // What it says about itself is not about the story.
    lines.retain(|line| line.1 != "larkhorn");
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn simulate_and_a_running_server_agree() {
    let mut runner = TestRunner::deterministic();
    let stories: Vec<Story> = (0..6).map(|_| story().new_tree(&mut runner).unwrap().current()).collect();
    let played = stories.into_iter().map(|story| async move {
        let (told, end) = story.rehearse().await;
        let moments = told.iter().flat_map(|told| &told.moments).map(|moment| moment.at);
        let mut stops: BTreeSet<Timestamp> = moments.chain([end]).filter(|at| *at > start()).collect();
        // In between nothing must happen.
        let between = stops.iter().map(|at| *at - SignedDuration::from_secs(5)).filter(|at| *at > start());
        stops.extend(between.collect::<Vec<_>>());
        (rehearsed(&told), serve(&story, &stops).await, story)
    });
    for (rehearsal, reality, story) in futures_util::future::join_all(played).await {
        assert_eq!(rehearsal, reality, "{story:#?}");
    }
}
