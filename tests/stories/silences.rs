//! Alerts that vanish from their sender's payloads without having recovered.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::web::{self, Data};
use actix_web::{App, HttpServer};
use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use larkhorn::alertmanager::{Client, ClientConfig};
use larkhorn::domain::{Action, Actor, Answer, Hold, MemberState, Phase, Standing, Via};
use larkhorn::rules::{RuleSet, SourceFile};
use larkhorn::telemetry::Metrics;
use larkhorn::worker::engine::Engine;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::alerts::{Told, Webhook, fires};
use crate::world::World;

/// lin at once, mara by SMS after five minutes.
const RULES: &str = "
severities: [{name: critical, urgent: phone}]
people: {lin: {open_id: ou_lin}, mara: {open_id: ou_mara}}
chats: {sre: oc_sre}
policies:
  core:
    steps:
      - {wait: 0s, notify: [lin], urgent: app}
      - {wait: 5m, notify: [mara], urgent: sms}
rules: [{name: all, chat: sre, policy: core, stale_after: 1h}]
";

/// Each severity has an incident of its own.
const BY_SEVERITY: &str = "
severities: [{name: critical, urgent: app}, {name: warning, urgent: app}]
people: {lin: {open_id: ou_lin}}
chats: {sre: oc_sre}
rules:
  - {name: loud, match: ['severity=\"critical\"'], chat: sre, notify: [lin]}
  - {name: rest, chat: sre, notify: [lin]}
";

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

fn fire(instance: &str, since: Timestamp) -> Told<'_> {
    Told { name: "Fire", severity: "critical", instance, since }
}

fn unlisted(standing: &Standing) -> usize {
    standing.count(MemberState::Unlisted)
}

async fn kinds(world: &World) -> Vec<String> {
    world.timeline(&world.incident().await).await.into_iter().map(|entry| entry.kind).collect()
}

/// A pager with a burning group of two, of which one has recovered and the
/// other is listed no more.
async fn silenced() -> (World, Timestamp) {
    let mut world = World::new(RULES);
    let since = world.now();
    world.post(Webhook::of("g").firing(fire("a", since)).firing(fire("b", since)).body()).await;
    world.expect_any();
    world.advance(minutes(2)).await;
    world.post(Webhook::of("g").resolved(fire("b", since)).body()).await;
    (world, since)
}

#[tokio::test]
async fn what_is_silenced_at_its_sender_climbs_no_further_until_it_is_back() {
    let (mut world, since) = silenced().await;
    world.expect(&["edit red Fire in oc_sre"]);
    let standing = world.incident().await.standing;
    assert_eq!((standing.phase(), standing.firing(), unlisted(&standing)), (Phase::Triggered, 0, 1));
    assert!(matches!(standing.hold, Some(Hold::Unlisted { .. })), "{standing:?}");
    let card = world.sandbox.messages("oc_sre").remove(0);
    assert!(card.content().contains("listed"), "{}", card.content());
    world.advance(minutes(30)).await;
    world.expect_nothing();

    // The process forgets nothing of it.
    world = world.crash();
    world.post(Webhook::of("g").firing(fire("a", since)).body()).await;
    let standing = world.incident().await.standing;
    assert_eq!((standing.hold.clone(), standing.firing(), unlisted(&standing)), (None, 1, 0));
    world.expect_any();
    world.advance(minutes(5)).await;
    world.expect_urgent(larkhorn::domain::Urgent::Sms, "mara");
    let kinds = kinds(&world).await;
    let place = |kind: &str| kinds.iter().position(|k| k == kind);
    assert!(place("unlisted") < place("listed_again") && place("unlisted").is_some(), "{kinds:?}");
    world.expect_any();
}

#[tokio::test]
async fn what_nobody_lists_for_an_hour_is_over() {
    let (mut world, _) = silenced().await;
    world.expect_any();
    world.advance(minutes(59)).await;
    world.expect_nothing();
    world.advance(minutes(1)).await;
    world.expect(&["edit green Fire in oc_sre"]);
    assert_eq!(world.incident().await.standing.phase(), Phase::Resolved);
    assert!(kinds(&world).await.contains(&"stale".to_owned()));
}

#[tokio::test]
async fn a_payload_that_leaves_alerts_out_says_nothing_of_them() {
    let mut world = World::new(RULES);
    let since = world.now();
    world.post(Webhook::of("g").firing(fire("a", since)).firing(fire("b", since)).body()).await;
    world.expect_any();
    let before = world.incident().await;
    for body in [
        Webhook::of("g")
            .firing(fire("a", since))
            .body()
            .replace(r#""truncatedAlerts":0"#, r#""truncatedAlerts":1"#),
        Webhook::of("elsewhere").firing(fire("c", since)).body().replace("\"Fire\"", "\"Smoke\""),
    ] {
        world.post(body).await;
    }
    world.expect_any();
    assert_eq!(world.incidents().await[0].standing.members, before.standing.members);
    assert_eq!(world.incidents().await[0].version, before.version);
}

#[tokio::test]
async fn a_recovery_without_the_others_finds_every_incident_that_holds_them() {
    let mut world = World::new(BY_SEVERITY);
    let since = world.now();
    let quiet = Told { name: "Smoke", severity: "warning", instance: "a", since };
    let all = Webhook::of("g").firing(fire("a", since)).firing(quiet).body();
    world.post(&all).await;
    world.expect_any();
    let before = world.incidents().await;
    assert_eq!(before.len(), 2);

    // Each is told of its own alerts; that the other's are not among them means nothing.
    world.post(&all).await;
    world.expect_nothing();
    assert_eq!(world.incidents().await, before, "a repeat writes nothing");

    // Of the group only the warning is listed still: the other incident hears of it.
    world.post(Webhook::of("g").firing(quiet).body()).await;
    world.expect(&["edit red Fire in oc_sre"]);
    let after = world.incidents().await;
    let held =
        |name: &str| after.iter().find(|incident| incident.title == name).unwrap().standing.hold.clone();
    assert!(matches!(held("Fire"), Some(Hold::Unlisted { .. })), "{after:?}");
    assert_eq!(held("Smoke"), None);

    // And that it is back, with nothing else having changed.
    world.post(&all).await;
    world.expect_any();
    assert!(world.incidents().await.iter().all(|incident| incident.standing.hold.is_none()));
}

#[tokio::test]
async fn senders_that_name_no_group_list_nothing() {
    let mut world = World::new(&RULES.replace("stale_after: 1h", "group_by: [alertname]"));
    let since = world.now();
    let nameless = |body: String| body.replace(r#""groupKey":"Fire","#, "");
    world.post(nameless(fires("Fire", "critical", since))).await;
    world.post(nameless(Webhook::of("Fire").firing(fire("b", since)).body())).await;
    world.expect_any();
    let standing = world.incident().await.standing;
    assert_eq!((standing.firing(), unlisted(&standing)), (2, 0));
}

fn connect(url: &str) -> Client {
    let (timeout, connect_timeout) = (Duration::from_secs(5), Duration::from_secs(5));
    Client::new(&ClientConfig { url: url.into(), bearer_token: None, timeout, connect_timeout }).unwrap()
}

/// An Alertmanager that says what it is told to say.
struct Alertmanager {
    said: Arc<Mutex<(Value, Timestamp)>>,
    client: Client,
}

impl Alertmanager {
    /// One that knows no alert and has just started.
    fn started_at(start: Timestamp) -> Self {
        let said = Arc::new(Mutex::new((json!([]), start)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let told = Arc::clone(&said);
        let server = HttpServer::new(move || {
            let alerts =
                async |said: Data<Mutex<(Value, Timestamp)>>| web::Json(said.lock().unwrap().0.clone());
            let status = async |said: Data<Mutex<(Value, Timestamp)>>| {
                let start = said.lock().unwrap().1.to_string();
                let version = json!({"version": "0.33.1"});
                web::Json(json!({"cluster": {"status": "disabled"}, "versionInfo": version, "uptime": start}))
            };
            App::new()
                .app_data(Data::from(Arc::clone(&told)))
                .route("/api/v2/alerts", web::get().to(alerts))
                .route("/api/v2/status", web::get().to(status))
        });
        tokio::spawn(server.workers(1).disable_signals().listen(listener).unwrap().run());
        Self { said, client: connect(&url) }
    }

    /// One that nothing reaches.
    fn unreachable() -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self { said: Arc::default(), client: connect(&format!("http://{address}")) }
    }

    /// From now on it lists the alert in that state.
    fn lists(&self, told: Told<'_>, state: &str) {
        let labels = json!({"alertname": told.name, "instance": told.instance, "severity": told.severity});
        let pairs =
            labels.as_object().unwrap().iter().map(|(name, value)| (&**name, value.as_str().unwrap()));
        let fingerprint = larkhorn::domain::Fingerprint::of(&pairs.collect()).to_string();
        let by: &[&str] = if state == "suppressed" { &["11111111-1111-1111-1111-111111111111"] } else { &[] };
        let status = json!({"state": state, "silencedBy": by, "inhibitedBy": []});
        self.said.lock().unwrap().0 =
            json!([{"fingerprint": fingerprint, "labels": labels, "status": status}]);
    }

    fn lists_nothing(&self) {
        self.said.lock().unwrap().0 = json!([]);
    }

    fn engine(&self, world: &World) -> Engine {
        let (rules, _) = RuleSet::load(&[SourceFile { path: "story.yaml", text: RULES }]).unwrap();
        let rules = Arc::new(ArcSwap::from_pointee(rules));
        let engine = Engine::new(world.store(), rules, Metrics::new("story"), Arc::new(Notify::new()));
        engine.with_alertmanager(self.client.clone())
    }

    /// lin does something about the only incident.
    async fn acts(&self, world: &mut World, action: Action) -> Answer {
        let id = world.incident().await.id.unwrap();
        let lin = Actor { name: "lin".to_owned(), known: true, via: Via::Card };
        let done = self.engine(world).act(id, &action, &lin, None, world.now()).await.unwrap();
        world.settle().await;
        done.unwrap().0
    }

    /// The engine asks it, as it does every minute.
    async fn is_asked(&self, world: &mut World) {
        let engine = self.engine(world);
        engine.hush(world.now()).await.unwrap();
        engine.reconcile(world.now()).await.unwrap();
        world.settle().await;
    }
}

#[tokio::test]
async fn alertmanager_tells_the_silenced_from_what_is_over() {
    let (mut world, since) = silenced().await;
    world.expect_any();
    let alertmanager = Alertmanager::started_at(world.now());
    let before = world.incident().await;

    // Just started, it has forgotten everything.
    alertmanager.is_asked(&mut world).await;
    assert_eq!(world.incident().await, before);
    // Silenced: written down only now and then.
    alertmanager.lists(fire("a", since), "suppressed");
    alertmanager.is_asked(&mut world).await;
    assert_eq!(world.incident().await, before);
    world.advance(minutes(45)).await;
    alertmanager.is_asked(&mut world).await;
    world.advance(minutes(45)).await;
    let standing = world.incident().await.standing;
    assert_eq!(
        (standing.phase(), unlisted(&standing)),
        (Phase::Triggered, 1),
        "not stale: it is known to burn"
    );
    world.expect(&["edit red Fire in oc_sre"]);

    alertmanager.lists_nothing();
    alertmanager.is_asked(&mut world).await;
    world.expect(&["edit green Fire in oc_sre"]);
    let standing = world.incident().await.standing;
    assert_eq!((standing.phase(), unlisted(&standing)), (Phase::Resolved, 0));
}

#[tokio::test]
async fn what_fires_in_alertmanager_climbs_on() {
    let (mut world, since) = silenced().await;
    world.expect_any();
    let alertmanager = Alertmanager::started_at(world.now());
    alertmanager.lists(fire("a", since), "active");
    alertmanager.is_asked(&mut world).await;
    assert_eq!(world.incident().await.standing.hold, None);
    world.expect_any();
    world.advance(minutes(5)).await;
    world.expect_urgent(larkhorn::domain::Urgent::Sms, "mara");
}

#[tokio::test]
async fn a_group_that_is_silenced_as_a_whole_and_sends_nothing_is_held_too() {
    let mut world = World::new(RULES);
    let since = world.now();
    world.post(fires("Fire", "critical", since)).await;
    world.expect_any();
    let alertmanager = Alertmanager::started_at(world.now());
    alertmanager.lists(fire("a", since), "suppressed");
    world.advance(minutes(1)).await;
    alertmanager.is_asked(&mut world).await;
    world.expect(&["edit red Fire in oc_sre"]);
    assert!(matches!(world.incident().await.standing.hold, Some(Hold::Unlisted { .. })));
    world.advance(minutes(20)).await;
    world.expect_nothing();

    // What Alertmanager does not know may be another's: no news.
    alertmanager.lists(fire("a", since), "active");
    alertmanager.is_asked(&mut world).await;
    world.expect(&["edit red Fire in oc_sre"]);
    world.advance(minutes(5)).await;
    world.expect_urgent(larkhorn::domain::Urgent::Sms, "mara");
    alertmanager.lists_nothing();
    alertmanager.is_asked(&mut world).await;
    world.expect_nothing();
}

#[tokio::test]
async fn who_cannot_be_asked_is_taken_to_burn_before_it_goes_stale() {
    let (mut world, _) = silenced().await;
    world.expect_any();
    let alertmanager = Alertmanager::unreachable();
    world.advance(minutes(29)).await;
    alertmanager.is_asked(&mut world).await;
    world.expect_nothing();
    world.advance(minutes(1)).await;
    alertmanager.is_asked(&mut world).await;
    world.expect(&["edit red Fire in oc_sre"]);
    world.advance(minutes(5)).await;
    world.expect_urgent(larkhorn::domain::Urgent::Sms, "mara");
}

#[tokio::test]
async fn what_recovered_under_a_silence_of_ours_wakes_nobody_when_it_ends() {
    for burns in [false, true] {
        let mut world = World::new(RULES);
        let since = world.now();
        world.post(fires("Fire", "critical", since)).await;
        world.expect_any();
        let alertmanager = Alertmanager::started_at(world.now());
        let silence = Action::Silence { span: minutes(60) };
        assert_eq!(alertmanager.acts(&mut world, silence).await, Answer::Done);
        world.expect(&["edit grey Fire in oc_sre"]);
        if burns {
            alertmanager.lists(fire("a", since), "active");
        }
        world.advance(minutes(60)).await;
        world.expect(&["edit red Fire in oc_sre"]);
        alertmanager.is_asked(&mut world).await;
        if burns {
            world.expect_urgent(larkhorn::domain::Urgent::App, "lin");
        } else {
            world.expect(&["edit green Fire in oc_sre"]);
        }
    }
}
