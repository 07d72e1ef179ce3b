//! A session against a Feishu of a few lines, on virtual time and without a network.

use std::sync::Mutex;

use async_trait::async_trait;
use tokio::io::DuplexStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::*;
use crate::feishu::callbacks::{Inbound, Toast, ToastKind};
use crate::feishu::listening::{Heard, Unheard};

const APP: &str = "cli_1";
const SERVICE: i32 = 9;

/// Hears everything; `slow` waits to be let go, `lost` is not kept, `boom` crashes.
struct Ear {
    heard: Mutex<Vec<String>>,
    /// One for each that is slow and has begun.
    begun: Semaphore,
    /// One for each that is slow and may end.
    let_go: Semaphore,
}

impl Default for Ear {
    fn default() -> Self {
        Self { heard: Mutex::default(), begun: Semaphore::new(0), let_go: Semaphore::new(0) }
    }
}

#[async_trait]
impl Listener for Ear {
    async fn hear(&self, inbound: Inbound) -> Result<Heard, Unheard> {
        match &inbound {
            Inbound::Press { event_id, .. } => {
                self.heard.lock().unwrap().push(event_id.clone());
                let toast = Toast::new(ToastKind::Success, "好", "fine");
                Ok(Heard { toast: Some(toast), card: Some("{}".to_owned()) })
            }
            Inbound::Other { event_id, .. } => {
                match event_id.as_str() {
                    "slow" => {
                        self.begun.add_permits(1);
                        self.let_go.acquire().await.unwrap().forget();
                    }
                    "lost" => return Err(Unheard),
                    "boom" => panic!("a bug"),
                    _ => {}
                }
                self.heard.lock().unwrap().push(event_id.clone());
                Ok(Heard::default())
            }
            Inbound::Challenge(_) | Inbound::Said { .. } | Inbound::Reacted { .. } | Inbound::Read { .. } => {
                panic!("{inbound:?}")
            }
        }
    }
}

/// Feishu's end, and what runs at the other.
struct Stage {
    feishu: WebSocketStream<DuplexStream>,
    ear: Arc<Ear>,
    stop: watch::Sender<bool>,
    running: JoinHandle<(Ended, Pace)>,
}

impl Stage {
    async fn set() -> Self {
        let (near, far) = tokio::io::duplex(1 << 16);
        let feishu = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
        let (stop, mut stopped) = watch::channel(false);
        let ear = Arc::new(Ear::default());
        let listener: Arc<dyn Listener> = ear.clone();
        let running = tokio::spawn(async move {
            let mut session = Session::over(near, SERVICE, Pace::default()).await;
            let ended = session.run(APP, &listener, &mut stopped).await;
            (ended, session.pace())
        });
        Self { feishu, ear, stop, running }
    }

    /// The next frame from the client.
    async fn next(&mut self) -> Frame {
        loop {
            let message = self.feishu.next().await.unwrap().unwrap();
            if message.is_binary() {
                return Frame::decode(&message.into_data()).unwrap();
            }
            assert!(message.is_pong(), "{message:?}");
        }
    }

    /// The next answer, pings passed over: whose, its code, and what rides along.
    async fn answer(&mut self) -> (String, i64, Option<Value>) {
        loop {
            let frame = self.next().await;
            if frame.method() == Some(Method::Data) {
                assert!(frame.header("biz_rt").is_some(), "{frame:?}");
                let body: Value = serde_json::from_slice(&frame.payload.clone().unwrap()).unwrap();
                let data = body["data"].as_str().map(|text| STANDARD.decode(text).unwrap());
                let data = data.map(|data| serde_json::from_slice(&data).unwrap());
                let id = frame.header("message_id").unwrap().to_owned();
                return (id, body["code"].as_i64().unwrap(), data);
            }
        }
    }

    async fn send(&mut self, frame: &Frame) {
        self.feishu.send(Message::binary(frame.encode())).await.unwrap();
    }
}

fn data(kind: &str, id: &str, (sum, seq): (usize, usize), payload: &[u8]) -> Frame {
    let headers = [
        ("type", kind.to_owned()),
        ("message_id", id.to_owned()),
        ("sum", sum.to_string()),
        ("seq", seq.to_string()),
    ];
    Frame {
        seq_id: 5,
        log_id: 6,
        service: SERVICE,
        method: 1,
        headers: headers.map(|(key, value)| (key.to_owned(), value)).into(),
        payload: Some(payload.to_vec()),
        ..Frame::default()
    }
}

fn event(id: &str) -> String {
    json!({"schema": "2.0", "header": {"event_id": id, "event_type": "im.chat.updated_v1", "app_id": APP}})
        .to_string()
}

fn press(value: &Value) -> String {
    json!({"schema": "2.0", "header": {"event_id": "p", "event_type": "card.action.trigger", "app_id": APP},
           "event": {"operator": {"open_id": "ou_1"}, "action": {"value": value},
                     "context": {"open_message_id": "om_1"}}})
    .to_string()
}

#[tokio::test(start_paused = true)]
async fn pings_come_at_once_and_as_often_as_the_pong_says() {
    let mut stage = Stage::set().await;
    let begun = Instant::now();
    assert_eq!((stage.next().await, begun.elapsed()), (Frame::ping(SERVICE), Duration::ZERO));
    let answer = Frame {
        headers: vec![("type".to_owned(), "pong".to_owned())],
        payload: Some(br#"{"PingInterval":5,"ReconnectNonce":3}"#.to_vec()),
        ..Frame::default()
    };
    stage.send(&answer).await;
    for seconds in [5, 10] {
        stage.next().await;
        assert_eq!(begun.elapsed(), Duration::from_secs(seconds));
        stage.send(&Frame { payload: None, ..answer.clone() }).await;
    }
    // From here on Feishu is silent, and so dead after two intervals.
    let (ended, pace) = stage.running.await.unwrap();
    assert_eq!(ended, Ended::Silent(Duration::from_secs(10)));
    assert_eq!(begun.elapsed(), Duration::from_secs(20));
    assert_eq!((pace.ping, pace.nonce), (Duration::from_secs(5), Duration::from_secs(3)));
}

#[tokio::test(start_paused = true)]
async fn events_and_presses_are_answered_by_what_became_of_them() {
    let mut stage = Stage::set().await;
    let other_app = event("x").replace(APP, "cli_2");
    let button = json!({"v": 1, "do": "acknowledge", "inc": "INC-1", "epoch": 1});
    for (kind, payload, code, toast) in [
        ("event", event("e1"), 200, None),
        ("event", press(&button), 200, Some("success")),
        ("card", press(&button), 200, Some("success")),
        ("event", press(&json!({"a": "ack"})), 200, Some("warning")),
        ("event", event("lost"), 500, None),
        ("event", event("boom"), 500, None),
        ("event", other_app, 500, None),
        ("event", "{".to_owned(), 500, None),
    ] {
        stage.send(&data(kind, "m", (1, 0), payload.as_bytes())).await;
        let (_, got, data) = stage.answer().await;
        let got_toast = data.as_ref().and_then(|data| data["toast"]["type"].as_str());
        assert_eq!((got, got_toast), (code, toast), "{payload}");
    }
    assert_eq!(*stage.ear.heard.lock().unwrap(), ["e1", "p", "p"]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_event_holds_up_no_other_and_noise_does_no_harm() {
    let mut stage = Stage::set().await;
    stage.send(&data("event", "slow", (1, 0), event("slow").as_bytes())).await;
    for noise in [Message::text("hello"), Message::binary(vec![1, 2, 3]), Message::Ping(vec![7].into())] {
        stage.feishu.send(noise).await.unwrap();
    }
    stage.send(&data("weather", "m", (1, 0), b"{}")).await;
    let quick = event("quick");
    let (one, two) = quick.as_bytes().split_at(20);
    stage.send(&data("event", "quick", (2, 1), two)).await;
    stage.send(&data("event", "quick", (2, 7), two)).await;
    stage.send(&data("event", "quick", (2, 0), one)).await;
    assert_eq!(stage.answer().await, ("quick".to_owned(), 200, None));
    stage.ear.let_go.add_permits(1);
    assert_eq!(stage.answer().await, ("slow".to_owned(), 200, None));
}

#[tokio::test(start_paused = true)]
async fn a_flood_waits_its_turn_and_every_event_is_answered() {
    let mut stage = Stage::set().await;
    let slow = data("event", "slow", (1, 0), event("slow").as_bytes());
    for _ in 0..=HEARD_MAX {
        stage.send(&slow).await;
    }
    let all = u32::try_from(HEARD_MAX).unwrap();
    stage.ear.begun.acquire_many(all).await.unwrap().forget();
    // Virtual time passes only once nobody has anything left to do.
    let one_more = timeout(Duration::from_secs(1), stage.ear.begun.acquire()).await;
    assert!(one_more.is_err(), "more were begun than there are hands");
    drop(one_more);
    stage.ear.let_go.add_permits(1);
    assert_eq!(stage.answer().await.1, 200);
    stage.ear.begun.acquire().await.unwrap().forget();
    stage.ear.let_go.add_permits(HEARD_MAX);
    for _ in 0..HEARD_MAX {
        assert_eq!(stage.answer().await.1, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn native_pings_are_answered() {
    let mut stage = Stage::set().await;
    stage.feishu.send(Message::Ping(vec![7].into())).await.unwrap();
    loop {
        if let Message::Pong(payload) = stage.feishu.next().await.unwrap().unwrap() {
            assert_eq!(payload.as_ref(), [7]);
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_answers_what_was_begun_and_says_goodbye() {
    let mut stage = Stage::set().await;
    stage.next().await;
    stage.send(&data("event", "slow", (1, 0), event("slow").as_bytes())).await;
    stage.ear.begun.acquire().await.unwrap().forget();
    stage.stop.send_replace(true);
    stage.ear.let_go.add_permits(1);
    assert_eq!(stage.answer().await, ("slow".to_owned(), 200, None));
    assert!(matches!(stage.feishu.next().await, Some(Ok(Message::Close(None)))));
    drop(stage.feishu);
    assert_eq!(stage.running.await.unwrap().0, Ended::Stopped);
}

#[tokio::test(start_paused = true)]
async fn the_end_has_its_reason() {
    let mut stage = Stage::set().await;
    stage.next().await;
    let close = tokio_tungstenite::tungstenite::protocol::CloseFrame {
        code: 1001.into(),
        reason: "maintenance".into(),
    };
    stage.feishu.close(Some(close)).await.unwrap();
    assert_eq!(stage.running.await.unwrap().0, Ended::Closed("maintenance".to_owned()));

    let stage = Stage::set().await;
    drop(stage.feishu);
    let (ended, _) = stage.running.await.unwrap();
    assert!(matches!(&ended, Ended::Broken(_) | Ended::Closed(_)), "{ended:?}");
    assert!(!ended.to_string().is_empty());
}
