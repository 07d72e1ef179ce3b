//! From a thumb on a phone to the listener and back: the fake Feishu presses,
//! replies and reacts, the HTTP door listens. And the same deeds over the API.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::{Action, Actor, Answer, ChatId, Clock, Incident, IncidentId, MessageId, Via};
use larkhorn::feishu::callbacks::{
    Button, Callbacks, Inbound, Pressed as Drawn, Toast, ToastKind, button_value, spoken,
};
use larkhorn::feishu::listening::{Heard, Listener, Unheard};
use larkhorn::http::{Access, ActError, Actions, Limits, Readiness, Reload, State, serve};
use larkhorn::sandbox::{self, Account, Callback, Delivery, Options, Pressed, Running, Sandbox};
use larkhorn::settings::Webhook;
use larkhorn::store::sqlite::{Retention, SqliteStore};
use larkhorn::telemetry::Metrics;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::sync::Notify;

pub(super) const LIN: &str = "ou_lin";
pub(super) const MARA: &str = "ou_mara";
pub(super) const SRE: &str = "oc_sre";
const TOKEN: &str = "vt-hush";
const KEY: &str = "ek-hush";

/// One clock for both sides, moved by hand.
pub(super) struct HandClock(pub(super) Mutex<Timestamp>);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

struct Well;

#[async_trait]
impl Reload for Well {
    async fn reload(&self) -> Result<(), Vec<String>> {
        Ok(())
    }
}

#[async_trait]
impl Readiness for Well {
    async fn problems(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Gives the incident to the first who wants it, and hears every event once.
#[derive(Default)]
pub(super) struct Desk {
    heard: Mutex<Vec<Inbound>>,
    ids: Mutex<BTreeSet<String>>,
    owner: Mutex<Option<String>>,
    /// How many events are still lost.
    pub(super) deaf_for: AtomicUsize,
}

impl Desk {
    fn take(&self, who: &str) -> Heard {
        let first = self.owner.lock().unwrap().get_or_insert_with(|| who.to_owned()).clone();
        let toast = if first == who {
            Toast::new(ToastKind::Success, "已认领", "It is yours")
        } else {
            Toast::new(ToastKind::Info, format!("{first} 已认领"), format!("{first} has it"))
        };
        Heard { toast: Some(toast), card: Some(card(&format!("{first} has it"), 2)) }
    }

    pub(super) fn heard(&self) -> Vec<Inbound> {
        self.heard.lock().unwrap().clone()
    }
}

#[async_trait]
impl Listener for Desk {
    async fn hear(&self, inbound: Inbound) -> Result<Heard, Unheard> {
        if self.deaf_for.try_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
            return Err(Unheard);
        }
        let (Inbound::Press { event_id, .. }
        | Inbound::Said { event_id, .. }
        | Inbound::Reacted { event_id, .. }
        | Inbound::Read { event_id, .. }
        | Inbound::Other { event_id, .. }) = &inbound
        else {
            panic!("the challenge is none of the listener's business");
        };
        if !self.ids.lock().unwrap().insert(event_id.clone()) {
            return Ok(Heard::default());
        }
        self.heard.lock().unwrap().push(inbound.clone());
        let Inbound::Press { operator, .. } = inbound else { return Ok(Heard::default()) };
        Ok(self.take(&operator.open_id.unwrap()))
    }
}

/// What was asked of somebody's hands.
type Deed = (IncidentId, Action, Actor, Option<u64>);

/// Does what it is told and remembers it.
struct Hands {
    done: Mutex<Vec<Deed>>,
    answer: Mutex<Result<Answer, ActError>>,
}

#[async_trait]
impl Actions for Hands {
    async fn act(
        &self,
        id: IncidentId,
        action: Action,
        actor: Actor,
        epoch: Option<u64>,
    ) -> Result<(Answer, Option<Incident>), ActError> {
        self.done.lock().unwrap().push((id, action, actor, epoch));
        let answer = self.answer.lock().unwrap().clone()?;
        Ok((answer, Some(super::http::incident(id.0, None))))
    }
}

/// Both sides, served.
struct Stage {
    sandbox: Sandbox,
    phones: Running,
    desk: Arc<Desk>,
    hands: Arc<Hands>,
    clock: Arc<HandClock>,
    url: String,
    pager: ServerHandle,
    http: Client,
    _folder: tempfile::TempDir,
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.pager.stop(false));
    }
}

impl Stage {
    fn set(key: Option<&str>) -> Self {
        Self::with(Some(Callbacks::new(Some(TOKEN.into()), key.map(Into::into))), key)
    }

    /// A pager with these callbacks, and a Feishu that encrypts with that key.
    fn with(callbacks: Option<Callbacks>, key: Option<&str>) -> Self {
        let clock = Arc::new(HandClock(Mutex::new("2026-03-02T02:14:00Z".parse().unwrap())));
        let (desk, folder) = (Arc::new(Desk::default()), tempfile::tempdir().unwrap());
        let hands = Arc::new(Hands { done: Mutex::default(), answer: Mutex::new(Ok(Answer::Done)) });
        let state = State {
            store: Arc::new(
                SqliteStore::open(&folder.path().join("larkhorn.db"), Retention::default()).unwrap(),
            ),
            rules: crate::rule_set(),
            reload: Arc::new(Well),
            readiness: Arc::new(Well),
            inbox_signal: Arc::new(Notify::new()),
            clock: clock.clone(),
            metrics: Metrics::new("0.0.1"),
            access: Access { webhook: Webhook::default(), api_token: None },
            limits: Limits { max_body_bytes: 1 << 20, body_idle: Duration::from_secs(10) },
            intake: Arc::default(),
            refusals: Arc::default(),
            listener: match callbacks {
                Some(callbacks) => Some((callbacks, desk.clone())),
                None => None,
            },
            actions: Some(hands.clone()),
            tap: larkhorn::telemetry::Tap::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = serve(listener, state, 1).unwrap();
        let pager = server.handle();
        tokio::spawn(server);

        let sandbox = Sandbox::new(clock.clone(), Options::default());
        for (id, name) in [(LIN, "Lin"), (MARA, "Mara")] {
            sandbox.add_person(Account::new(id, name));
        }
        sandbox.add_chat(SRE, "SRE on call", &[LIN, MARA]);
        sandbox.set_callback(Some(Callback {
            url: format!("{url}/feishu/events"),
            encrypt_key: key.map(Into::into),
            verification_token: TOKEN.into(),
        }));
        let phones = sandbox.serve(TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
        let http = Client::builder().no_proxy().build().unwrap();
        Self { sandbox, phones, desk, hands, clock, url, pager, http, _folder: folder }
    }

    /// Posts a message as the app does; its id.
    async fn send(&self, receive_id: &str, kind: &str, content: &str) -> String {
        let base = format!("{}/open-apis", self.phones.url());
        let app = json!({"app_id": "cli_1", "app_secret": "any"});
        let login = self.http.post(format!("{base}/auth/v3/tenant_access_token/internal")).json(&app);
        let token: Value = login.send().await.unwrap().json().await.unwrap();
        let by = if receive_id.starts_with("oc_") { "chat_id" } else { "open_id" };
        let answer: Value = self
            .http
            .post(format!("{base}/im/v1/messages?receive_id_type={by}"))
            .bearer_auth(token["tenant_access_token"].as_str().unwrap())
            .json(&json!({"receive_id": receive_id, "msg_type": kind, "content": content}))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        answer["data"]["message_id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    async fn post_card(&self) -> String {
        self.send(SRE, "interactive", &card("nobody has it", 1)).await
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

    fn attempts(&self) -> Vec<(usize, Option<u16>)> {
        self.sandbox.deliveries().into_iter().map(|d: Delivery| (d.attempt, d.status)).collect()
    }

    async fn raw(&self, body: &str) -> (u16, Value) {
        let request = self.http.post(format!("{}/feishu/events", self.url)).body(body.to_owned());
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn act(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.http.post(format!("{}/api/v1/incidents/{path}", self.url)).json(body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

/// A card that says who has the incident, with buttons drawn at that epoch.
pub(super) fn card(owner: &str, epoch: u64) -> String {
    let span = SignedDuration::from_hours(1);
    let button = |text: &str, action| {
        json!({"tag": "button", "text": {"tag": "plain_text", "content": text},
               "behaviors": [{"type": "callback",
                              "value": button_value(&Button { incident: IncidentId(7), epoch, action })}]})
    };
    json!({"schema": "2.0", "config": {"update_multi": true},
           "body": {"elements": [{"tag": "markdown", "content": owner},
                                 button("认领", Action::Acknowledge),
                                 button("1 h", Action::Snooze { span }),
                                 {"tag": "button", "text": {"tag": "plain_text", "content": "Old"},
                                  "behaviors": [{"type": "callback", "value": {"a": "ack"}}]}]}})
    .to_string()
}

pub(super) fn toast_of(pressed: &Pressed) -> (&str, &str) {
    pressed.toast.as_ref().map_or(("none", ""), |t: &sandbox::Toast| (t.kind.as_str(), t.en.as_str()))
}

#[tokio::test]
async fn the_first_press_wins_and_the_second_learns_who_was_faster() {
    for key in [None, Some(KEY)] {
        let stage = Stage::set(key);
        let id = stage.post_card().await;
        let pressed = stage.sandbox.press(&id, LIN, "认领").await.unwrap();
        assert_eq!((pressed.status, toast_of(&pressed)), (Some(200), ("success", "It is yours")));
        assert!(pressed.took < Duration::from_secs(3));
        let shown = stage.sandbox.message(&id).unwrap();
        assert_eq!(shown.revisions.len(), 2, "the answer's card took the place of the old one");
        assert!(shown.content().contains("ou_lin has it"));

        let late = stage.sandbox.press_version(&id, MARA, "acknowledge", 1).await.unwrap();
        assert_eq!(toast_of(&late), ("info", "ou_lin has it"));
        assert_eq!(late.toast.unwrap().zh, "ou_lin 已认领");
        let epochs: Vec<_> = stage
            .desk
            .heard()
            .into_iter()
            .map(|inbound| {
                let Inbound::Press { value: Drawn::Incident(value), message, chat, .. } = inbound else {
                    panic!("{inbound:?}")
                };
                assert_eq!((message, chat), (MessageId(id.clone()), Some(ChatId(SRE.into()))));
                assert_eq!((value.incident, value.action), (IncidentId(7), Action::Acknowledge));
                value.epoch
            })
            .collect();
        assert_eq!(epochs, [1, 1], "Mara's phone still showed the first card");
    }
}

#[tokio::test]
async fn a_button_of_another_time_gets_a_friendly_toast() {
    let stage = Stage::set(Some(KEY));
    let id = stage.post_card().await;
    let pressed = stage.sandbox.press(&id, LIN, "Old").await.unwrap();
    assert_eq!((pressed.status, pressed.error, toast_of(&pressed).0), (Some(200), None, "warning"));
    assert_eq!(stage.desk.heard(), []);
    for (message, person, button) in [("om_x", LIN, "Old"), (&id, "ou_stranger", "Old"), (&id, LIN, "Boom")] {
        assert!(stage.sandbox.press(message, person, button).await.is_err());
    }
    stage.sandbox.set_callback(None);
    let why = stage.sandbox.press(&id, LIN, "Old").await.unwrap_err();
    assert!(why.to_string().contains("callback"), "{why}");
}

#[tokio::test]
async fn replies_reactions_and_receipts_reach_the_listener() {
    let stage = Stage::set(Some(KEY));
    let id = stage.post_card().await;
    let reply = stage.sandbox.say_reply(SRE, LIN, &id, "静音 2小时").await;
    assert!(stage.sandbox.react(&id, MARA, "OnIt").await);
    assert!(!stage.sandbox.react(&id, MARA, "OnIt").await, "once is enough");
    assert!(stage.sandbox.unreact(&id, MARA, "OnIt").await);
    stage.sandbox.read_chat(SRE, LIN);
    let direct = stage.send(LIN, "text", r#"{"text":"wake up"}"#).await;
    stage.sandbox.read_chat(&stage.sandbox.direct_chat(LIN).unwrap().id, LIN);
    stage.pass(SignedDuration::ZERO).await;

    let heard = stage.desk.heard();
    let [
        Inbound::Said { text, message, parent, root, sender, .. },
        Inbound::Reacted { emoji, added: true, .. },
        Inbound::Reacted { added: false, operator, .. },
        Inbound::Read { reader, messages, .. },
    ] = heard.as_slice()
    else {
        panic!("{heard:?}");
    };
    assert_eq!(spoken(text), Some(Action::Snooze { span: SignedDuration::from_hours(2) }));
    assert_eq!(
        (message, parent.as_ref(), root.as_ref()),
        (&MessageId(reply), Some(&MessageId(id.clone())), Some(&MessageId(id)))
    );
    assert_eq!((sender.open_id.as_deref(), sender.union_id.as_deref()), (Some(LIN), Some("on_lin")));
    assert_eq!((emoji.as_str(), operator.open_id.as_deref()), ("OnIt", Some(MARA)));
    assert_eq!((reader.open_id.as_deref(), messages.as_slice()), (Some(LIN), [MessageId(direct)].as_slice()));
}

#[tokio::test]
async fn an_event_that_was_not_kept_comes_again_and_counts_once() {
    let stage = Stage::set(Some(KEY));
    stage.desk.deaf_for.store(2, Ordering::SeqCst);
    let id = stage.post_card().await;
    stage.sandbox.say_reply(SRE, LIN, &id, "ack").await;
    stage.pass(SignedDuration::from_secs(14)).await;
    assert_eq!(stage.attempts(), [(1, Some(503))]);
    stage.pass(SignedDuration::from_secs(1)).await;
    stage.pass(SignedDuration::from_secs(299)).await;
    assert_eq!(stage.attempts(), [(1, Some(503)), (2, Some(503))]);
    stage.pass(SignedDuration::from_secs(1)).await;
    assert_eq!(stage.attempts(), [(1, Some(503)), (2, Some(503)), (3, Some(200))]);
    let event_id = stage.sandbox.deliveries()[0].event_id.clone();
    assert!(stage.sandbox.repeat_event(&event_id));
    stage.pass(SignedDuration::ZERO).await;
    assert_eq!(stage.attempts().len(), 4);
    assert_eq!(stage.desk.heard().len(), 1);
    assert!(!stage.sandbox.repeat_event("ev_unknown"));
}

#[tokio::test]
async fn feishu_gives_up_after_four_repetitions() {
    let stage = Stage::set(None);
    stage.desk.deaf_for.store(usize::MAX, Ordering::SeqCst);
    let id = stage.post_card().await;
    stage.sandbox.say_reply(SRE, LIN, &id, "ack").await;
    for _ in 0..9 {
        stage.pass(SignedDuration::from_hours(6)).await;
    }
    assert_eq!(stage.attempts().len(), 5);
}

#[tokio::test]
async fn who_does_not_know_the_secrets_is_refused_without_a_hint() {
    let forgers = [
        (Some(KEY), Some("another key"), TOKEN),
        (Some(KEY), None, TOKEN),
        (Some(KEY), Some(KEY), "another token"),
        (None, None, "another token"),
        (None, Some(KEY), TOKEN),
    ];
    for (wanted, used, token) in forgers {
        let stage = Stage::set(wanted);
        let id = stage.post_card().await;
        stage.sandbox.set_callback(Some(Callback {
            url: format!("{}/feishu/events", stage.url),
            encrypt_key: used.map(Into::into),
            verification_token: token.into(),
        }));
        let pressed = stage.sandbox.press(&id, LIN, "认领").await.unwrap();
        assert_eq!(
            (pressed.status, pressed.error),
            (Some(401), Some(200_671)),
            "{wanted:?} {used:?} {token}"
        );
        assert_eq!(stage.sandbox.message(&id).unwrap().revisions.len(), 1);
        assert_eq!(stage.desk.heard(), []);
        let (_, problem) = stage.raw(r#"{"type":"url_verification","token":"guess","challenge":"c"}"#).await;
        let shown = problem.to_string();
        assert!(!shown.contains("hush") && problem["status"] == 401, "{shown}");
    }
}

#[tokio::test]
async fn a_press_from_a_clock_that_is_off_is_stale() {
    let stage = Stage::set(Some(KEY));
    let id = stage.post_card().await;
    let ahead = Arc::new(HandClock(Mutex::new(stage.clock.now() + SignedDuration::from_secs(301))));
    let other = Sandbox::new(ahead, Options { open_world: true, ..Options::default() });
    let phones = other.serve(TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
    other.set_callback(Some(Callback {
        url: format!("{}/feishu/events", stage.url),
        encrypt_key: Some(KEY.into()),
        verification_token: TOKEN.into(),
    }));
    other.add_person(Account::new(LIN, "Lin"));
    other.say_reply(SRE, LIN, &id, "ack").await;
    assert_eq!(other.deliveries()[0].status, Some(401));
    assert_eq!(stage.desk.heard(), []);
    phones.stop().await;
}

#[tokio::test]
async fn the_console_gets_its_challenge_and_strays_get_a_reason() {
    let challenge = json!({"type": "url_verification", "token": TOKEN, "challenge": "c-1"}).to_string();
    let stage = Stage::set(None);
    assert_eq!(stage.raw(&challenge).await, (200, json!({"challenge": "c-1"})));
    let huge = " ".repeat((1 << 20) + 1);
    assert_eq!(stage.raw(&huge).await.0, 413);
    let get = stage.http.get(format!("{}/feishu/events", stage.url)).send().await.unwrap();
    assert_eq!(get.status().as_u16(), 405);

    let unguarded = Stage::with(Some(Callbacks::new(None, None)), None);
    let (status, problem) = unguarded.raw(&challenge).await;
    assert_eq!(status, 403);
    assert!(problem["detail"].as_str().unwrap().contains("feishu.verification_token"));
    let elsewhere = Stage::with(None, None);
    let (status, problem) = elsewhere.raw(&challenge).await;
    assert_eq!(status, 404);
    assert!(problem["detail"].as_str().unwrap().contains("feishu.events"));
}

#[tokio::test(start_paused = true)]
async fn a_pager_that_never_answers_is_given_up_on() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let clock = Arc::new(HandClock(Mutex::new(Timestamp::UNIX_EPOCH)));
    let callback = Callback {
        url: format!("http://{}", silent.local_addr().unwrap()),
        encrypt_key: None,
        verification_token: TOKEN.into(),
    };
    let sandbox = Sandbox::new(clock, Options { callback: Some(callback), ..Options::default() });
    sandbox.add_person(Account::new(LIN, "Lin"));
    sandbox.add_chat(SRE, "SRE", &[LIN]);
    sandbox.say_reply(SRE, LIN, "", "ack").await;
    assert_eq!(sandbox.deliveries()[0].status, None);
}

#[tokio::test]
async fn every_deed_of_the_api_reaches_the_hands() {
    let stage = Stage::set(None);
    let hour = SignedDuration::from_hours(1);
    for (word, more, action) in [
        ("acknowledge", json!({}), Action::Acknowledge),
        ("unacknowledge", json!({}), Action::Unacknowledge),
        ("snooze", json!({"for": "1h"}), Action::Snooze { span: hour }),
        ("resolve", json!({}), Action::Resolve),
        ("escalate", json!({}), Action::Escalate),
        ("silence", json!({"for": "60m"}), Action::Silence { span: hour }),
        ("hand_over", json!({"to": "mara"}), Action::HandOver { to: "mara".into() }),
    ] {
        let mut body = json!({"by": " lin "});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, incident) = stage.act(&format!("INC-7/{word}"), &body).await;
        assert_eq!((status, &incident["id"]), (200, &json!("INC-7")), "{word}: {incident}");
        let actor = Actor { name: "lin".into(), known: false, via: Via::Api };
        let done = stage.hands.done.lock().unwrap().pop().unwrap();
        assert_eq!(done, (IncidentId(7), action, actor, None));
    }
}

#[tokio::test]
async fn wishes_that_make_no_sense_reach_nobody() {
    let stage = Stage::set(None);
    let long = "x".repeat(65);
    for (path, body, status, hint) in [
        ("INC-7/acknowledge", json!({}), 400, "by"),
        ("INC-7/acknowledge", json!({"by": ""}), 400, "by"),
        ("INC-7/acknowledge", json!({"by": long}), 400, "by"),
        ("INC-7/acknowledge", json!({"by": "a\nb"}), 400, "by"),
        ("INC-7/acknowledge", json!({"by": "lin", "for": "1h"}), 400, "for"),
        ("INC-7/acknowledge", json!({"by": "lin", "until": "dawn"}), 400, "until"),
        ("INC-7/snooze", json!({"by": "lin"}), 400, "for"),
        ("INC-7/snooze", json!({"by": "lin", "for": "0s"}), 400, "for"),
        ("INC-7/silence", json!({"by": "lin", "for": "8d"}), 400, "for"),
        ("INC-7/hand_over", json!({"by": "lin"}), 400, "to"),
        ("INC-7/explode", json!({"by": "lin"}), 404, "acknowledge"),
        ("seven/resolve", json!({"by": "lin"}), 400, "INC-142"),
    ] {
        let (got, problem) = stage.act(path, &body).await;
        assert_eq!(got, status, "{path} {body}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(hint), "{problem}");
    }
    let page = |name: &'static str, value: &'static str| {
        stage.http.post(format!("{}/api/v1/incidents/7/resolve", stage.url)).header(name, value)
    };
    for request in [page("Sec-Fetch-Site", "cross-site"), page("Origin", "https://evil.example")] {
        let answer = request.json(&json!({"by": "evil"})).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 401);
    }
    assert_eq!(stage.hands.done.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn what_came_of_a_deed_is_told_by_its_status() {
    let stage = Stage::set(None);
    let outdated = |by: Option<&str>| Answer::Outdated { by: by.map(Into::into) };
    for (answer, status, hint) in [
        (Ok(Answer::Already { by: Some("mara".into()) }), 200, ""),
        (Ok(Answer::Over), 409, "over"),
        (Ok(outdated(Some("mara"))), 409, "mara"),
        (Ok(outdated(None)), 409, "look again"),
        (Ok(Answer::NotAllowed), 409, "people paged"),
        (Ok(Answer::Impossible { why: "no_alertmanager" }), 409, "no_alertmanager"),
        (Err(ActError::NotFound), 404, "INC-7"),
        (Err(ActError::Unavailable), 503, "try again"),
    ] {
        *stage.hands.answer.lock().unwrap() = answer.clone();
        let (got, body) = stage.act("7/resolve", &json!({"by": "lin"})).await;
        assert_eq!(got, status, "{answer:?}: {body}");
        assert!(status == 200 || body["detail"].as_str().unwrap().contains(hint), "{body}");
    }
}
