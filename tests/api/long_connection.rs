//! The long connection between the product's client and the fake Feishu, over
//! real sockets: what arrives, what breaks, who is refused.

use std::net::TcpListener;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;
use larkhorn::domain::Clock;
use larkhorn::feishu::callbacks::Inbound;
use larkhorn::feishu::long_connection::{NotOpened, Verdict};
use larkhorn::feishu::{CallError, Client, ClientConfig, Observer};
use larkhorn::sandbox::{Account, Api, Fault, Options, Outcome, Running, Sandbox};
use larkhorn::telemetry::Metrics;
use larkhorn::worker::long_connection::{Line, LongConnection};
use reqwest::Method;
use reqwest::header::{CONNECTION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::callbacks::{Desk, HandClock, LIN, MARA, SRE, card, toast_of};

/// For any single call. A connection outlives it.
const CALL: Duration = Duration::from_millis(400);
/// Connections that Feishu allows an app.
const CONNECTIONS_MAX: usize = 50;

struct Unobserved;

impl Observer for Unobserved {
    fn called(&self, _: &'static str, _: Result<(), &CallError>) {}
}

/// A Feishu with Lin and Mara in one chat.
struct Stage {
    sandbox: Sandbox,
    phones: Running,
    clock: Arc<HandClock>,
    desk: Arc<Desk>,
}

/// A pager's end of the connection.
struct Ear {
    line: watch::Receiver<Line>,
    metrics: Metrics,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

impl Stage {
    fn set() -> Self {
        let clock = Arc::new(HandClock(Mutex::new("2026-03-02T02:14:00Z".parse().unwrap())));
        let sandbox = Sandbox::new(clock.clone(), Options::default());
        for (id, name) in [(LIN, "Lin"), (MARA, "Mara")] {
            sandbox.add_person(Account::new(id, name));
        }
        sandbox.add_chat(SRE, "SRE on call", &[LIN, MARA]);
        let phones = sandbox.serve(TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
        Self { sandbox, phones, clock, desk: Arc::default() }
    }

    fn client(&self) -> Client {
        let config = ClientConfig {
            base_url: self.phones.url(),
            app_id: "cli_1".into(),
            app_secret: "app-secret-hush".into(),
            timeout: CALL,
            connect_timeout: CALL,
        };
        Client::new(config, Arc::new(Unobserved)).unwrap()
    }

    /// A pager that listens, not connected yet.
    fn listen(&self) -> Ear {
        let metrics = Metrics::new("0.0.1");
        let connection =
            LongConnection::new(self.client(), self.desk.clone(), metrics.clone(), self.clock.clone());
        let (stop, stopped) = watch::channel(false);
        let line = connection.line();
        Ear { line, metrics, stop, running: tokio::spawn(connection.run(stopped)) }
    }

    /// A card posted by the app; its id.
    async fn post_card(&self) -> String {
        let content = card("nobody has it", 1);
        let address = larkhorn::feishu::Address::Chat(larkhorn::domain::ChatId(SRE.into()));
        let content = larkhorn::feishu::Content::Card(content);
        let sent = self.client().send(self.clock.now(), &address, &content, &uuid::Uuid::new_v4()).await;
        sent.unwrap().message.0
    }

    /// Lets time pass and everything due be delivered.
    async fn pass(&self, time: SignedDuration) {
        let now = {
            let mut now = self.clock.0.lock().unwrap();
            *now += time;
            *now
        };
        self.sandbox.deliver_due(now).await;
    }

    async fn refused(&self) -> NotOpened {
        self.client().open_long_connection().await.unwrap_err()
    }

    fn spoil(&self, outcome: Outcome) {
        self.sandbox.inject(Fault { api: Api::LongConnection, times: Some(1), outcome });
    }
}

impl Ear {
    async fn up(&mut self) {
        self.line.wait_for(|line| line.trouble.is_none()).await.unwrap();
    }

    /// Why it is down, as soon as it has tried.
    async fn trouble(&mut self) -> String {
        let tried = |line: &Line| line.trouble.as_ref().is_some_and(|why| !why.contains("not been opened"));
        self.line.wait_for(tried).await.unwrap().trouble.clone().unwrap()
    }

    fn metric(&self) -> Option<String> {
        let text = self.metrics.encode(None);
        text.lines().find_map(|line| line.strip_prefix("larkhorn_long_connection_up ").map(str::to_owned))
    }
}

#[tokio::test]
async fn a_press_comes_back_as_toast_and_card_and_events_arrive() {
    let stage = Stage::set();
    let mut ear = stage.listen();
    assert_eq!(ear.metric().as_deref(), Some("0"));
    ear.up().await;
    assert_eq!(ear.metric().as_deref(), Some("1"));
    let id = stage.post_card().await;
    let pressed = stage.sandbox.press(&id, LIN, "认领").await.unwrap();
    assert_eq!((pressed.status, toast_of(&pressed)), (Some(200), ("success", "It is yours")));
    assert!(stage.sandbox.message(&id).unwrap().content().contains("ou_lin has it"));
    let late = stage.sandbox.press_version(&id, MARA, "acknowledge", 1).await.unwrap();
    assert_eq!(toast_of(&late), ("info", "ou_lin has it"));
    let old = stage.sandbox.press_version(&id, MARA, "Old", 1).await.unwrap();
    assert_eq!((old.status, toast_of(&old).0), (Some(200), "warning"));

    stage.sandbox.say_reply(SRE, LIN, &id, "ack").await;
    assert!(stage.sandbox.react(&id, MARA, "OnIt").await);
    let heard = stage.desk.heard();
    assert!(
        matches!(
            heard.as_slice(),
            [Inbound::Press { .. }, Inbound::Press { .. }, Inbound::Said { .. }, Inbound::Reacted { .. }]
        ),
        "{heard:?}"
    );

    // The connection is none of the calls that time out.
    tokio::time::sleep(CALL * 2).await;
    stage.sandbox.say_reply(SRE, LIN, &id, "2h").await;
    let deliveries = stage.sandbox.deliveries();
    assert!(deliveries.iter().all(|d| (d.attempt, d.status) == (1, Some(200))), "{deliveries:?}");
    assert_eq!(
        stage.sandbox.sent_to(&deliveries[0].event_id),
        stage.sandbox.sent_to(&deliveries[2].event_id)
    );

    ear.stop.send_replace(true);
    ear.running.await.unwrap();
    stage.sandbox.until(|sandbox| sandbox.connections() == 0).await;
}

#[tokio::test]
async fn what_comes_in_parts_is_put_together() {
    let stage = Stage::set();
    let mut ear = stage.listen();
    ear.up().await;
    stage.sandbox.split_events(7);
    let id = stage.post_card().await;
    let pressed = stage.sandbox.press(&id, LIN, "认领").await.unwrap();
    assert_eq!(toast_of(&pressed), ("success", "It is yours"));
    stage.sandbox.say_reply(SRE, LIN, &id, "认领，我来处理").await;
    assert!(matches!(&stage.desk.heard()[1], Inbound::Said { text, .. } if text == "认领，我来处理"));
}

#[tokio::test]
async fn a_connection_that_was_cut_comes_back_and_tells_since_when_it_was_down() {
    let stage = Stage::set();
    let mut ear = stage.listen();
    ear.up().await;
    let up_since = ear.line.borrow_and_update().since;
    stage.pass(SignedDuration::from_mins(3)).await;
    assert_eq!(stage.sandbox.drop_connections(), 1);
    ear.trouble().await;
    assert_eq!(ear.line.borrow_and_update().since, up_since + SignedDuration::from_mins(3));
    assert_eq!(ear.metric().as_deref(), Some("0"));
    ear.up().await;
    let id = stage.post_card().await;
    assert_eq!(stage.sandbox.press(&id, LIN, "认领").await.unwrap().status, Some(200));
}

#[tokio::test]
async fn an_event_that_was_not_kept_comes_again_and_one_sent_twice_counts_once() {
    let stage = Stage::set();
    let mut ear = stage.listen();
    ear.up().await;
    stage.desk.deaf_for.store(1, Ordering::SeqCst);
    let id = stage.post_card().await;
    stage.sandbox.say_reply(SRE, LIN, &id, "ack").await;
    stage.pass(SignedDuration::from_secs(15)).await;
    let event_id = stage.sandbox.deliveries()[0].event_id.clone();
    assert!(stage.sandbox.repeat_event(&event_id));
    stage.pass(SignedDuration::ZERO).await;
    let attempts: Vec<_> = stage.sandbox.deliveries().iter().map(|d| d.status).collect();
    assert_eq!(attempts, [Some(500), Some(200), Some(200)]);
    assert_eq!(stage.desk.heard().len(), 1);

    // While nobody is connected an attempt fails, and the next one comes in its time.
    ear.stop.send_replace(true);
    ear.running.await.unwrap();
    stage.sandbox.until(|sandbox| sandbox.connections() == 0).await;
    stage.sandbox.say_reply(SRE, LIN, &id, "2h").await;
    assert_eq!(stage.sandbox.deliveries()[3].status, None);
    let pressed = stage.sandbox.press(&id, LIN, "认领").await.unwrap();
    assert_eq!((pressed.status, pressed.error), (None, Some(200_342)));
    let mut next = stage.listen();
    next.up().await;
    stage.pass(SignedDuration::from_secs(15)).await;
    assert_eq!(stage.sandbox.deliveries()[4].status, Some(200));
    assert_eq!(stage.desk.heard().len(), 2);
}

#[tokio::test]
async fn each_event_goes_to_one_of_the_replicas() {
    let stage = Stage::set();
    let mut replicas = [stage.listen(), stage.listen(), stage.listen()];
    for replica in &mut replicas {
        replica.up().await;
    }
    let id = stage.post_card().await;
    for _ in 0..24 {
        stage.sandbox.say_reply(SRE, LIN, &id, "ack").await;
    }
    assert_eq!(stage.desk.heard().len(), 24);
    let deliveries = stage.sandbox.deliveries();
    let mut ways: Vec<_> = deliveries.iter().map(|d| stage.sandbox.sent_to(&d.event_id)).collect();
    assert!(ways.iter().all(|way| way.len() == 1), "{ways:?}");
    ways.sort();
    ways.dedup();
    assert_eq!(ways.len(), 3, "each of them got some");
}

#[tokio::test]
async fn a_refusal_says_whether_to_stop_and_what_to_do() {
    let stage = Stage::set();
    for (outcome, words, way_out) in [
        (
            Outcome::Code(514, "app secret invalid".into()),
            "514 app secret invalid",
            Some("feishu.app_secret"),
        ),
        (Outcome::Code(1_000_040_343, "internal".into()), "1000040343", None),
        (Outcome::Http(502), "HTTP 502", None),
        (Outcome::RateLimited { reset_s: 1 }, "99991400", None),
        (Outcome::LostResponse, "long_connection", None),
    ] {
        stage.spoil(outcome.clone());
        let refused = stage.refused().await;
        assert!(refused.what.contains(words), "{outcome:?}: {refused}");
        let told = match refused.verdict {
            Verdict::Retry => None,
            Verdict::Stop(told) => Some(told),
        };
        assert_eq!(told.is_some(), way_out.is_some(), "{outcome:?}");
        assert!(told.unwrap_or_default().contains(way_out.unwrap_or_default()), "{told:?}");
        assert!(!format!("{refused:?}").contains("hush"), "{refused:?}");
    }
    stage.spoil(Outcome::Code(514, "app secret invalid".into()));
    let mut ear = stage.listen();
    assert_eq!(ear.trouble().await, "long_connection: 514 app secret invalid");
    // A wrong secret holds up no stop.
    ear.stop.send_replace(true);
    ear.running.await.unwrap();
    assert_eq!(stage.sandbox.connections(), 0);
}

#[tokio::test]
async fn the_fifty_first_connection_is_refused() {
    let stage = Stage::set();
    let client = stage.client();
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        open.push(client.open_long_connection().await.unwrap());
    }
    assert_eq!(stage.sandbox.connections(), CONNECTIONS_MAX);
    // So many calls are the limit of a second, too.
    stage.pass(SignedDuration::from_secs(1)).await;
    let refused = stage.refused().await;
    assert!(refused.what.contains("514 (1000040350)"), "{refused}");
    assert!(matches!(refused.verdict, Verdict::Stop(way_out) if way_out.contains("50 connections")));
    drop(open.pop());
    stage.sandbox.until(|sandbox| sandbox.connections() < CONNECTIONS_MAX).await;
    client.open_long_connection().await.unwrap();
}

#[tokio::test]
async fn a_ticket_is_for_once_and_the_handshake_says_so() {
    let stage = Stage::set();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |body: Value| -> Value {
        let url = format!("{}/callback/ws/endpoint", stage.phones.url());
        let answer = http.post(url).json(&body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        answer.json().await.unwrap()
    };
    assert_eq!(ask(json!({"AppID": "", "AppSecret": ""})).await["code"], 1_000_040_344);
    let answer = ask(json!({"AppID": "cli_1", "AppSecret": "any"})).await;
    assert_eq!(answer["data"]["ClientConfig"]["PingInterval"], 120);
    let url = answer["data"]["URL"].as_str().unwrap().replace("ws://", "http://");
    let shake = async || {
        let request =
            http.request(Method::GET, &url).header(CONNECTION, "Upgrade").header(UPGRADE, "websocket");
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        request.header(SEC_WEBSOCKET_VERSION, "13").header(SEC_WEBSOCKET_KEY, key).send().await.unwrap()
    };
    let first = shake().await;
    assert_eq!(first.status().as_u16(), 101);
    let second = shake().await;
    let header = |name: &str| second.headers().get(name).unwrap().to_str().unwrap();
    assert_eq!(second.status().as_u16(), 400);
    assert_eq!((header("handshake-status"), header("handshake-msg")), ("514", "ticket is invalid"));
}

#[tokio::test]
async fn scripts_cut_and_split_over_http() {
    let stage = Stage::set();
    let session = stage.client().open_long_connection().await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let base = format!("{}/sandbox/connections", stage.phones.url());
    let split = http.post(format!("{base}/split")).json(&json!({"parts": 3}));
    assert_eq!(split.send().await.unwrap().status().as_u16(), 200);
    let cut: Value = http.delete(&base).send().await.unwrap().json().await.unwrap();
    assert_eq!((&cut["cut"], stage.sandbox.connections()), (&json!(1), 0));
    drop(session);
}
