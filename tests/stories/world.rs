//! The stage: a pager and a fake Feishu that share a clock which the story moves.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::{
    Action, Actor, Answer, Clock, Incident, IncidentId, RecordedEntry, StormId, Urgent, Via,
};
use larkhorn::feishu::{Allowance, CallError, Cards, Client, ClientConfig, Observer};
use larkhorn::rules::{RuleSet, SourceFile};
use larkhorn::sandbox::{Account, Fault, Limits, Message, Options, Outcome, Pinned, Running, Sandbox};
use larkhorn::settings::{Fallback, Locale, UrgentVia};
use larkhorn::sources::{self, Hint};
use larkhorn::store::sqlite::{Retention, SqliteStore};
use larkhorn::store::{NewDelivery, Store};
use larkhorn::telemetry::Metrics;
use larkhorn::worker::courier::{Courier, Reach};
use larkhorn::worker::engine::{Answered, Engine};
use larkhorn::worker::purse::Purse;
use larkhorn::worker::roll_call::RollCall;
use larkhorn::worker::self_check::SelfCheck;
use larkhorn::worker::sinks::Sinks;
use tokio::sync::Notify;

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub(crate) struct StoryClock(Mutex<Timestamp>);

impl Clock for StoryClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// What it is told is heard by nobody but the courier.
struct Heard {
    reach: Arc<Reach>,
    clock: Arc<StoryClock>,
}

impl Observer for Heard {
    fn called(&self, _api: &'static str, answer: Result<(), &CallError>) {
        self.reach.hear(answer, self.clock.now());
    }
}

/// One thing that showed on a phone, as the stories write it:
/// `card red HighErrorRate in oc_sre`, `edit green … in …`, `text … in …`,
/// `phone lin`, `pin lin oc_sre`, `unpin lin oc_sre`.
type Sight = String;

/// A pager, its rules, and the phones.
pub(crate) struct World {
    pub(crate) clock: Arc<StoryClock>,
    pub(crate) sandbox: Sandbox,
    store: Option<Arc<SqliteStore>>,
    running: Running,
    client: Client,
    limits: Limits,
    rules: Arc<ArcSwap<RuleSet>>,
    templates: Vec<(String, String)>,
    cards: Arc<ArcSwap<Cards>>,
    pub(crate) urgent_via: UrgentVia,
    metrics: Metrics,
    folder: tempfile::TempDir,
    seen: Seen,
    sights: VecDeque<Sight>,
    looks_away: bool,
    reach: Arc<Reach>,
    sinks: Option<Arc<Sinks>>,
    /// Nobody has listened since the process started.
    away: Cell<bool>,
}

/// What the story has looked at already.
#[derive(Default)]
struct Seen {
    revisions: BTreeMap<String, usize>,
    buzzes: usize,
    pins: BTreeMap<String, Vec<Pinned>>,
}

const PEOPLE: [&str; 3] = ["lin", "mara", "otto"];
const CHATS: [&str; 2] = ["oc_sre", "oc_leads"];

fn rule_set(yaml: &str) -> RuleSet {
    match RuleSet::load(&[SourceFile { path: "story.yaml", text: yaml }]) {
        Ok((rules, _)) => rules,
        Err(errors) => panic!("{errors:?}"),
    }
}

/// Cards in English, with these templates in place of built-in ones.
fn cards(templates: &[(String, String)]) -> Arc<ArcSwap<Cards>> {
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let (cards, _) = Cards::new(Locale::En, zone, templates);
    Arc::new(ArcSwap::from_pointee(cards))
}

/// Feishu as the pager knows it; as fast as the fake is.
fn client(running: &Running, limits: Limits, heard: Heard) -> Client {
    let config = ClientConfig {
        base_url: running.url(),
        app_id: "cli_story".to_owned(),
        app_secret: "secret".into(),
        timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
    };
    let client = Client::new(config, Arc::new(heard)).unwrap();
    match limits {
        Limits::Feishu => client,
        Limits::Off => client.with_allowance(Allowance::unlimited()),
    }
}

impl World {
    /// A world where lin and mara are in `oc_sre`, everybody in `oc_leads`.
    pub(crate) fn new(rules: &str) -> Self {
        Self::with(rules, Limits::Off)
    }

    pub(crate) fn with(rules: &str, limits: Limits) -> Self {
        let clock = Arc::new(StoryClock(Mutex::new("2026-11-22T03:00:00Z".parse().unwrap())));
        let sandbox = Sandbox::new(clock.clone(), Options { limits, ..Options::default() });
        for name in PEOPLE {
            let account = Account::new(&format!("ou_{name}"), name);
            sandbox.add_person(account.email(&format!("{name}@example.com")));
        }
        sandbox.add_chat("oc_sre", "SRE", &["ou_lin", "ou_mara"]);
        sandbox.add_chat("oc_leads", "Leads", &["ou_lin", "ou_mara", "ou_otto"]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let running = sandbox.serve(listener).unwrap();
        let reach = Arc::new(Reach::default());
        let client = client(&running, limits, Heard { reach: reach.clone(), clock: clock.clone() });
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("story.db"), Retention::default()).unwrap();
        Self {
            clock,
            sandbox,
            store: Some(Arc::new(store)),
            running,
            client,
            limits,
            looks_away: false,
            reach,
            sinks: None,
            rules: Arc::new(ArcSwap::from_pointee(rule_set(rules))),
            templates: Vec::new(),
            cards: cards(&[]),
            urgent_via: UrgentVia::Reply,
            metrics: Metrics::new("story"),
            folder,
            seen: Seen::default(),
            sights: VecDeque::new(),
            away: Cell::new(true),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// New rules, as after a reload.
    pub(crate) fn reload(&self, rules: &str) {
        self.rules.store(Arc::new(rule_set(rules)));
    }

    /// A template in place of a built-in one.
    pub(crate) fn template(&mut self, path: &str, text: &str) {
        self.templates.push((path.to_owned(), text.to_owned()));
        self.cards = cards(&self.templates);
    }

    fn engine(&self) -> Engine {
        Engine::new(self.store(), self.rules.clone(), self.metrics.clone(), Arc::new(Notify::new()))
    }

    pub(crate) fn courier(&self) -> Courier {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let (store, client, metrics) = (self.store(), self.client.clone(), self.metrics.clone());
        Courier::new(store, client, self.cards.clone(), metrics, clock, self.urgent_via)
            .with_reach(self.reach.clone())
            .with_sinks(self.sinks.clone())
            .with_purse(self.purse())
            .with_rules(self.rules.clone())
    }

    /// From now on there are other ways to tell people.
    pub(crate) fn falls_back_to(&mut self, settings: &Fallback) {
        self.sinks = Some(Arc::new(Sinks::new(settings).unwrap()));
    }

    /// The pager's look at itself.
    pub(crate) fn self_check(&self) -> SelfCheck {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let check = SelfCheck::new(Arc::new(self.engine()), self.store(), clock, self.reach.clone());
        check.with_sinks(self.sinks.clone())
    }

    /// What calls and text messages may still cost.
    pub(crate) fn purse(&self) -> Purse {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        Purse::new(self.store(), self.rules.clone(), zone, self.metrics.clone())
    }

    /// The roll call of the process that lives now.
    pub(crate) fn roll_call(&self) -> RollCall {
        RollCall::new(self.store(), self.client.clone(), self.rules.clone(), self.metrics.clone())
    }

    /// The line of a metric, by how it begins.
    pub(crate) fn metric(&self, name: &str) -> Option<String> {
        self.metrics.encode(None).lines().find(|line| line.starts_with(name)).map(str::to_owned)
    }

    /// A webhook comes in and all that follows at once happens.
    pub(crate) async fn post(&mut self, body: impl AsRef<str>) {
        self.accept(body).await;
        self.settle().await;
    }

    /// A webhook comes in; nothing else happens yet.
    pub(crate) async fn accept(&self, body: impl AsRef<str>) {
        self.keep(None, body.as_ref()).await;
    }

    /// A webhook of a source with a name of its own comes in, and all that follows at once happens.
    pub(crate) async fn post_from(&mut self, source: &str, body: impl AsRef<str>) {
        self.keep(Some(source), body.as_ref()).await;
        self.settle().await;
    }

    async fn keep(&self, source: Option<&str>, body: &str) {
        let (kind, _) = sources::inspect(Hint::Any, body.as_bytes()).unwrap();
        let delivery = NewDelivery {
            source: source.unwrap_or(kind.as_str()).to_owned(),
            kind,
            body: body.to_owned().into(),
            received_at: self.now(),
        };
        self.store().accept(delivery).await.unwrap();
    }

    /// The courier carries out one helping of jobs; `meanwhile` happens once
    /// the phones show something.
    pub(crate) async fn deliver_while(
        &self,
        shows: impl Fn(&Sandbox) -> bool,
        meanwhile: impl AsyncFnOnce(),
    ) {
        let courier = self.courier();
        let watch = async {
            self.sandbox.until(&shows).await;
            meanwhile().await;
        };
        let turn = async {
            courier.turn().await.unwrap();
            assert!(shows(&self.sandbox), "it never showed");
        };
        tokio::join!(turn, watch);
    }

    /// The engine works until there is nothing left to decide.
    pub(crate) async fn decide(&self) {
        let engine = self.engine();
        engine.align_heartbeats(self.away.replace(false), self.now()).await.unwrap();
        while engine.turn(self.now()).await.unwrap() {}
    }

    /// Time passes and the pager does nothing: it is busy, or dead.
    pub(crate) fn stand_still_until(&self, at: Timestamp) {
        *self.clock.0.lock().unwrap() = at;
    }

    /// Somebody does something about an incident, and all that follows at once happens.
    pub(crate) async fn act(&mut self, id: IncidentId, action: Action, name: &str) -> Answer {
        self.press(id, action, name, None).await
    }

    /// The same with a button drawn in that epoch.
    pub(crate) async fn press(
        &mut self,
        id: IncidentId,
        action: Action,
        name: &str,
        epoch: Option<u64>,
    ) -> Answer {
        let actor = Actor { name: name.to_owned(), known: true, via: Via::Card };
        let done = self.engine().act(id, &action, &actor, epoch, self.now()).await.unwrap();
        self.settle().await;
        done.unwrap().0
    }

    /// Somebody wants to have the incidents of a storm, of the first `seen`.
    pub(crate) async fn acknowledges_all(&mut self, storm: StormId, seen: u64, name: &str) -> Answered {
        let actor = Actor { name: name.to_owned(), known: true, via: Via::Card };
        let ids = self.store().storm_open(storm, seen).await.unwrap();
        let answered = self.engine().acknowledge_all(&ids, &actor, self.now()).await.unwrap();
        self.settle().await;
        answered
    }

    /// Somebody reads a message about an incident.
    pub(crate) async fn sees(&mut self, id: IncidentId, name: &str) {
        self.engine().saw(id, name, self.now()).await.unwrap();
        self.settle().await;
    }

    /// Everything that can happen without time passing happens.
    pub(crate) async fn settle(&mut self) {
        let courier = self.courier();
        loop {
            self.decide().await;
            if courier.turn().await.unwrap() == 0 {
                break;
            }
        }
        self.look();
    }

    /// Time passes; whatever becomes due on the way happens when it is due.
    pub(crate) async fn advance(&mut self, span: SignedDuration) {
        let end = self.now() + span;
        self.settle().await;
        loop {
            let due = self.store().backlog().await.unwrap().next_due;
            let job = self.next_job_at().await;
            let next = due.into_iter().chain(job).min().filter(|at| *at <= end);
            let Some(next) = next else { break };
            let to = next.max(self.now());
            *self.clock.0.lock().unwrap() = to;
            let before = (due, job);
            self.settle().await;
            let after = (self.store().backlog().await.unwrap().next_due, self.next_job_at().await);
            assert!(before != after || to < next, "time stands still at {to}: {before:?}");
        }
        *self.clock.0.lock().unwrap() = end;
        self.settle().await;
    }

    /// When the courier can go on: with a job that becomes due, or with one that
    /// is due and waits for Feishu's allowance.
    async fn next_job_at(&self) -> Option<Timestamp> {
        let due = self.store().next_job_at().await.unwrap()?;
        if due > self.now() { Some(due) } else { self.courier().opens_at().or(Some(due)) }
    }

    /// Works as [`World::settle`] does, but the process dies as soon as the
    /// phones show something.
    pub(crate) async fn crash_when(self, shows: impl Fn(&Sandbox) -> bool) -> Self {
        let (engine, courier) = (self.engine(), self.courier());
        let work = async {
            loop {
                while engine.turn(self.now()).await.unwrap() {}
                if courier.turn().await.unwrap() == 0 {
                    break;
                }
            }
        };
        // Looks first: the process must die before the courier hears the answer.
        tokio::select! {
            biased;
            () = self.sandbox.until(&shows) => {}
            () = work => panic!("it never showed"),
        }
        drop((engine, courier));
        self.crash()
    }

    /// The process dies without a word and another takes its place.
    pub(crate) fn crash(mut self) -> Self {
        let path: PathBuf = self.folder.path().join("story.db");
        let store = self.store.take().unwrap();
        assert_eq!(Arc::strong_count(&store), 1, "somebody still holds the store");
        drop(store);
        self.store = Some(Arc::new(SqliteStore::open(&path, Retention::default()).unwrap()));
        self.away.set(true);
        self.reach = Arc::default();
        let heard = Heard { reach: self.reach.clone(), clock: self.clock.clone() };
        self.client = client(&self.running, self.limits, heard);
        self
    }

    /// The store of the process that lives now.
    pub(crate) fn store(&self) -> Arc<SqliteStore> {
        Arc::clone(self.store.as_ref().unwrap())
    }

    /// Notes what is new on the phones.
    fn look(&mut self) {
        if self.looks_away {
            return;
        }
        let mut sights = Vec::new();
        let mut chats: Vec<String> = CHATS.map(str::to_owned).to_vec();
        chats
            .extend(PEOPLE.iter().filter_map(|p| self.sandbox.direct_chat(&format!("ou_{p}"))).map(|c| c.id));
        for chat in chats {
            for message in self.sandbox.messages(&chat) {
                let known = self.seen.revisions.insert(message.id.clone(), message.revisions.len());
                if known != Some(message.revisions.len()) {
                    sights.push(self.sight_of(&message, known.is_some()));
                }
            }
        }
        let buzzes = self.sandbox.buzzes();
        for buzz in &buzzes[self.seen.buzzes..] {
            sights.push(format!("{} {}", buzz.urgent, buzz.person.trim_start_matches("ou_")));
        }
        self.seen.buzzes = buzzes.len();
        for name in PEOPLE {
            let pins = self.sandbox.pins(&format!("ou_{name}"));
            let before = self.seen.pins.insert(name.to_owned(), pins.clone()).unwrap_or_default();
            let word = |pin: &Pinned| match pin {
                Pinned::Chat(chat) => chat.clone(),
                Pinned::Bot => "bot".to_owned(),
            };
            let new = pins.iter().filter(|p| !before.contains(p)).map(|p| format!("pin {name} {}", word(p)));
            let gone =
                before.iter().filter(|p| !pins.contains(p)).map(|p| format!("unpin {name} {}", word(p)));
            sights.extend(new.chain(gone));
        }
        self.sights.extend(sights);
    }

    fn sight_of(&self, message: &Message, edited: bool) -> Sight {
        let direct = PEOPLE.iter().find(|p| {
            self.sandbox.direct_chat(&format!("ou_{p}")).is_some_and(|chat| chat.id == message.chat)
        });
        let place = direct.map_or_else(|| message.chat.clone(), |name| (*name).to_owned());
        let content: serde_json::Value = serde_json::from_str(message.content()).unwrap();
        if let Some(text) = content.get("text").and_then(serde_json::Value::as_str) {
            return format!("text {text} in {place}");
        }
        let part = |path: &str| content.pointer(path).and_then(serde_json::Value::as_str).unwrap_or("?");
        let verb = if edited { "edit" } else { "card" };
        format!("{verb} {} {} in {place}", part("/header/template"), part("/header/title/content"))
    }

    /// Exactly these showed since the last expectation, in any order. A line
    /// that ends in `…` stands for every sight that starts like it.
    #[track_caller]
    pub(crate) fn expect(&mut self, expected: &[&str]) {
        let mut left: Vec<Sight> = self.sights.drain(..).collect();
        let mut missing = Vec::new();
        for line in expected {
            let fits = |sight: &Sight| match line.strip_suffix('…') {
                Some(start) => sight.starts_with(start),
                None => sight == line,
            };
            match left.iter().position(fits) {
                Some(at) => drop(left.remove(at)),
                None => missing.push(*line),
            }
        }
        assert!(missing.is_empty() && left.is_empty(), "\nmissing: {missing:#?}\nunexpected: {left:#?}");
    }

    /// Somebody was buzzed, and nothing else happened but cards and edits.
    #[track_caller]
    pub(crate) fn expect_urgent(&mut self, urgent: Urgent, name: &str) {
        self.sights.retain(|s| !["card", "edit", "text", "pin"].iter().any(|word| s.starts_with(word)));
        self.expect(&[&format!("{urgent} {name}")]);
    }

    /// Whatever showed so far is of no interest.
    pub(crate) fn expect_any(&mut self) {
        self.sights.clear();
    }

    /// Nobody looks at the phones until the story does so itself.
    pub(crate) fn look_away(&mut self) {
        self.looks_away = true;
    }

    /// Nothing showed.
    #[track_caller]
    pub(crate) fn expect_nothing(&mut self) {
        self.expect(&[]);
    }

    /// Feishu fails like this from now on: so many times, or until mended.
    pub(crate) fn trouble(&self, api: larkhorn::sandbox::Api, times: Option<u32>, outcome: Outcome) {
        self.sandbox.inject(Fault { api, times, outcome });
    }

    pub(crate) fn mend(&self) {
        self.sandbox.clear_faults();
    }

    /// All incidents, oldest first.
    pub(crate) async fn incidents(&self) -> Vec<Incident> {
        let mut all = self.store().incidents(None, None, 1000).await.unwrap();
        all.reverse();
        all
    }

    /// The only incident there is.
    pub(crate) async fn incident(&self) -> Incident {
        let mut all = self.incidents().await;
        assert_eq!(all.len(), 1, "one incident expected");
        all.remove(0)
    }

    /// Kinds of what happened to an incident, oldest first.
    pub(crate) async fn timeline(&self, incident: &Incident) -> Vec<RecordedEntry> {
        self.store().timeline(incident.id.unwrap()).await.unwrap()
    }

    /// What Feishu has been asked, `(name, code)` in order.
    pub(crate) fn calls(&self) -> Vec<(&'static str, i64)> {
        self.sandbox.calls().iter().map(|call| (call.api.as_str(), call.code)).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.sights.is_empty(), "the story ended and nobody expected: {:#?}", self.sights);
        }
    }
}
