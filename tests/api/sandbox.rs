//! The fake Feishu keeps what feishu-api.md says of the real one.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use actix_web::http::StatusCode;
use actix_web::{App, HttpResponse, HttpServer, web};
use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::{Clock, Urgent};
use larkhorn::sandbox::{Account, Api, Callback, Fault, Limits, Options, Outcome, Pinned, Running, Sandbox};
use reqwest::Method;
use serde_json::{Value, json};

/// A clock that moves when told.
struct HandClock(Mutex<Timestamp>);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// A served sandbox, a client with a token, and the hands of its clock.
struct Stage {
    sandbox: Sandbox,
    running: Running,
    clock: Arc<HandClock>,
    http: reqwest::Client,
    token: String,
}

/// Status and body of an answer.
type Answer = (u16, Value);

const LIN: &str = "ou_lin";
const MARA: &str = "ou_mara";
const SRE: &str = "oc_sre";

impl Stage {
    /// Lin and Mara in one group, with the limits switched as asked.
    async fn set(options: Options) -> Self {
        let clock = Arc::new(HandClock(Mutex::new("2026-03-02T02:14:00Z".parse().unwrap())));
        let sandbox = Sandbox::new(clock.clone(), options);
        sandbox.add_person(Account::new(LIN, "Lin").email("lin@example.com"));
        sandbox.add_person(Account::new(MARA, "Mara").mobile("+4915100000"));
        sandbox.add_chat(SRE, "SRE on call", &[LIN, MARA]);
        let running = sandbox.serve(TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
        let mut stage = Self { sandbox, running, clock, http: reqwest::Client::new(), token: String::new() };
        stage.token = stage.fetch_token().await.0;
        stage
    }

    async fn calm() -> Self {
        Self::set(Options { limits: Limits::Off, ..Options::default() }).await
    }

    fn pass(&self, time: SignedDuration) {
        let mut now = self.clock.0.lock().unwrap();
        *now += time;
    }

    async fn fetch_token(&self) -> (String, i64) {
        let url = format!("{}/open-apis/auth/v3/tenant_access_token/internal", self.running.url());
        let body = json!({"app_id": "cli_test", "app_secret": "any"});
        let answer: Value = self.http.post(url).json(&body).send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["code"], 0);
        (answer["tenant_access_token"].as_str().unwrap().to_owned(), answer["expire"].as_i64().unwrap())
    }

    fn request(&self, method: &Method, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method.clone(), format!("{}/open-apis/{path}", self.running.url()))
            .bearer_auth(&self.token)
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Answer {
        let answer = self.request(&method, path).json(body).send().await.unwrap();
        assert!(answer.headers().contains_key("X-Tt-Logid"), "{path} has no log id");
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn send(&self, msg_type: &str, content: &str) -> Answer {
        let body = json!({"receive_id": SRE, "msg_type": msg_type, "content": content});
        self.call(Method::POST, "im/v1/messages?receive_id_type=chat_id", &body).await
    }

    /// Sends a text and tells its id.
    async fn sent(&self, text: &str) -> String {
        id_of(&self.send("text", &json!({"text": text}).to_string()).await)
    }

    async fn sent_card(&self, title: &str) -> String {
        id_of(&self.send("interactive", &card(title)).await)
    }

    async fn urge(&self, kind: &str, message: &str, people: &[&str]) -> Answer {
        let path = format!("im/v1/messages/{message}/urgent_{kind}?user_id_type=open_id");
        self.call(Method::PATCH, &path, &json!({"user_id_list": people})).await
    }
}

fn id_of((status, body): &Answer) -> String {
    assert_eq!(*status, 200, "{body}");
    body["data"]["message_id"].as_str().unwrap().to_owned()
}

fn card(title: &str) -> String {
    json!({
        "schema": "2.0",
        "config": {"update_multi": true, "summary": {"content": format!("[P1] {title}")}},
        "header": {"template": "red", "title": {"tag": "plain_text", "content": title}},
        "body": {"elements": [{"tag": "markdown", "content": "**web-1** is <font color='red'>down</font>"}]},
    })
    .to_string()
}

fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

#[tokio::test]
async fn a_card_is_sent_edited_buzzed_and_pinned() {
    let stage = Stage::calm().await;
    let id = stage.sent_card("Disk full").await;
    stage.pass(minutes(1));
    let path = format!("im/v1/messages/{id}");
    let (status, body) = stage.call(Method::PATCH, &path, &json!({"content": card("Disk fine")})).await;
    assert_eq!((status, &body), (200, &json!({"code": 0, "msg": "success", "data": {}})));
    let line = json!({"content": json!({"text": "[critical] Disk full"}).to_string(), "msg_type": "text"});
    let line = id_of(&stage.call(Method::POST, &format!("{path}/reply"), &line).await);
    for kind in ["app", "sms", "phone"] {
        let (_, body) = stage.urge(kind, &line, &[LIN]).await;
        assert_eq!(body["data"]["invalid_user_id_list"], json!([]));
    }
    let pin = json!({"time_sensitive": true, "user_ids": [LIN]});
    for place in [SRE, "bot_time_sentive"] {
        let path = format!("im/v2/feed_cards/{place}?user_id_type=open_id");
        let (_, body) = stage.call(Method::PATCH, &path, &pin).await;
        assert_eq!(body["data"]["failed_user_reasons"], json!([]));
    }

    let message = stage.sandbox.message(&id).unwrap();
    assert_eq!(message.revisions.len(), 2);
    assert_eq!(message.content(), card("Disk fine"));
    let reply = stage.sandbox.message(&line).unwrap();
    assert_eq!((reply.parent.as_ref(), reply.root.as_ref()), (Some(&id), Some(&id)));
    let heard: Vec<_> = stage.sandbox.buzzes().into_iter().map(|b| (b.urgent, b.text, b.person)).collect();
    let buzz = |urgent| (urgent, "[critical] Disk full".to_owned(), LIN.to_owned());
    assert_eq!(heard, [buzz(Urgent::App), buzz(Urgent::Sms), buzz(Urgent::Phone)]);
    assert_eq!(stage.sandbox.pins(LIN), [Pinned::Chat(SRE.to_owned()), Pinned::Bot]);
    stage.running.stop().await;
}

#[tokio::test]
async fn a_token_is_kept_while_half_an_hour_is_left_then_a_second_one_joins_it() {
    let mut stage = Stage::calm().await;
    let first = stage.token.clone();
    stage.pass(minutes(90));
    assert_eq!(stage.fetch_token().await, (first.clone(), 30 * 60));
    stage.pass(SignedDuration::from_secs(1));
    let (second, expire) = stage.fetch_token().await;
    assert_ne!(second, first);
    assert_eq!(expire, 7200);
    for token in [&first, &second] {
        stage.token.clone_from(token);
        assert_eq!(stage.call(Method::GET, "bot/v3/info", &Value::Null).await.0, 200);
    }
    stage.pass(minutes(30));
    stage.token = first;
    let (status, body) = stage.call(Method::GET, "bot/v3/info", &Value::Null).await;
    assert_eq!((status, &body["code"]), (400, &json!(99_991_663)));

    stage.token = second;
    stage.sandbox.revoke_tokens();
    let (_, body) = stage.call(Method::GET, "bot/v3/info", &Value::Null).await;
    assert_eq!(body["code"], 99_991_663);
    assert!(body["error"]["log_id"].is_string());
}

#[tokio::test]
async fn requests_without_a_usable_token_are_told_apart() {
    let stage = Stage::calm().await;
    let url = format!("{}/open-apis/im/v1/chats", stage.running.url());
    for (header, code) in
        [(None, 99_991_661), (Some("Bearer nonsense"), 99_991_671), (Some("Bearer t-unknown"), 99_991_663)]
    {
        let request = stage.http.get(&url);
        let request = match header {
            Some(value) => request.header("Authorization", value),
            None => request,
        };
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 400);
        assert_eq!(answer.json::<Value>().await.unwrap()["code"], code);
    }
}

#[tokio::test]
async fn both_token_calls_answer_at_the_top_level() {
    let stage = Stage::calm().await;
    let body = json!({"app_id": "cli_test", "app_secret": "any"});
    let (_, answer) = stage.call(Method::POST, "auth/v3/app_access_token/internal", &body).await;
    assert_eq!(answer["app_access_token"], answer["tenant_access_token"]);
    let (_, refused) =
        stage.call(Method::POST, "auth/v3/tenant_access_token/internal", &json!({"app_id": ""})).await;
    assert_ne!(refused["code"], 0);
}

#[tokio::test]
async fn a_uuid_sends_once_an_hour() {
    let stage = Stage::calm().await;
    let send = async |text: &str| {
        let content = json!({"text": text}).to_string();
        let body = json!({"receive_id": SRE, "msg_type": "text", "content": content, "uuid": "page-1"});
        id_of(&stage.call(Method::POST, "im/v1/messages?receive_id_type=chat_id", &body).await)
    };
    let first = send("one").await;
    stage.pass(minutes(59));
    assert_eq!(send("two").await, first);
    assert_eq!(stage.sandbox.messages(SRE).len(), 1);
    stage.pass(minutes(1));
    assert_ne!(send("three").await, first);
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_with_its_code() {
    let stage = Stage::calm().await;
    stage.sandbox.add_person(Account::new("ou_gone", "Gone"));
    stage.sandbox.change_person("ou_gone", |p| p.resigned = true);
    stage.sandbox.add_chat("oc_old", "Old", &[LIN]);
    stage.sandbox.dissolve_chat("oc_old");
    stage.sandbox.add_chat("oc_private", "Private", &[LIN]);
    stage.sandbox.remove_bot("oc_private");
    let text = json!({"text": "hi"}).to_string();
    let long = json!({"text": "x".repeat(150 * 1024)}).to_string();
    let at = |id: &str| {
        json!({"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": format!("<at id={id}></at>")}]}})
            .to_string()
    };
    let note = json!({"schema": "2.0", "body": {"elements": [{"tag": "note", "elements": []}]}}).to_string();
    let cases = [
        ("chat_id", "oc_nowhere", "text", text.as_str(), 230_034, "receive_id"),
        ("open_id", "ou_nobody", "text", &text, 230_034, "receive_id"),
        ("chat_id", "oc_private", "text", &text, 230_002, "bot"),
        ("chat_id", "oc_old", "text", &text, 232_009, "dissolved"),
        ("open_id", "ou_gone", "text", &text, 230_029, "resigned"),
        ("phone", "1", "text", &text, 99_992_402, "field"),
        ("chat_id", SRE, "song", &text, 230_001, "msg_type"),
        ("chat_id", SRE, "text", "plain words", 230_001, "json"),
        ("chat_id", SRE, "text", &long, 230_025, "length"),
        ("chat_id", SRE, "interactive", "{broken", 230_099, "ext=ErrCode: 200621"),
        ("chat_id", SRE, "interactive", &note, 230_099, "ext=ErrCode: 200861"),
        ("chat_id", SRE, "interactive", &at("ou_nobody"), 230_099, "ext=ErrCode: 100290"),
    ];
    for (kind, to, msg_type, content, code, word) in cases {
        let body = json!({"receive_id": to, "msg_type": msg_type, "content": content});
        let path = format!("im/v1/messages?receive_id_type={kind}");
        let (status, answer) = stage.call(Method::POST, &path, &body).await;
        assert_eq!((status, &answer["code"]), (400, &json!(code)), "{to} {msg_type}: {answer}");
        assert!(answer["msg"].as_str().unwrap().contains(word), "{answer} lacks {word}");
    }
    let body = json!({"receive_id": SRE, "msg_type": "text", "content": {"text": "an object"}});
    let (_, answer) = stage.call(Method::POST, "im/v1/messages?receive_id_type=chat_id", &body).await;
    assert_eq!(answer["code"], 9499);
    let body = json!({"receive_id": SRE, "msg_type": "text", "content": text, "uuid": "x".repeat(51)});
    let (_, answer) = stage.call(Method::POST, "im/v1/messages?receive_id_type=chat_id", &body).await;
    assert_eq!(answer["code"], 230_001);
    assert_eq!(stage.sandbox.messages(SRE), []);
    assert_eq!(stage.send("interactive", &at(LIN)).await.0, 200);
}

#[tokio::test]
async fn cards_are_updated_by_their_sender_for_fourteen_days() {
    let mut stage = Stage::calm().await;
    let id = stage.sent_card("Disk full").await;
    let text = stage.sent("a text").await;
    let update = async |stage: &Stage, id: &str, content: &str| {
        let (_, body) =
            stage.call(Method::PATCH, &format!("im/v1/messages/{id}"), &json!({"content": content})).await;
        body["code"].as_i64().unwrap()
    };
    assert_eq!(update(&stage, &text, &card("x")).await, 230_001);
    assert_eq!(update(&stage, "om_unknown", &card("x")).await, 230_001);
    assert_eq!(update(&stage, &id, "{").await, 230_099);
    assert_eq!(update(&stage, &id, &json!({"elements": []}).to_string()).await, 230_099);
    let own_token = stage.token.clone();
    let other = json!({"app_id": "cli_other", "app_secret": "any"});
    let (_, answer) = stage.call(Method::POST, "auth/v3/tenant_access_token/internal", &other).await;
    stage.token = answer["tenant_access_token"].as_str().unwrap().to_owned();
    assert_eq!(update(&stage, &id, &card("x")).await, 230_027);
    stage.token = own_token;
    stage.pass(SignedDuration::from_hours(1));
    assert_eq!(update(&stage, &id, &card("Still full")).await, 0);
    stage.pass(SignedDuration::from_hours(14 * 24));
    stage.token = stage.fetch_token().await.0;
    assert_eq!(update(&stage, &id, &card("Fine")).await, 230_031);
    assert_eq!(stage.sandbox.message(&id).unwrap().revisions.len(), 2);

    let old = json!({"config": {"update_multi": true}, "elements": []}).to_string();
    let private = json!({"elements": []}).to_string();
    let id = id_of(&stage.send("interactive", &old).await);
    assert_eq!(update(&stage, &id, &private).await, 230_001);
    assert_eq!(update(&stage, &id, &old).await, 0);
}

#[tokio::test]
async fn texts_are_edited_and_recalled() {
    let stage = Stage::calm().await;
    let id = stage.sent("one").await;
    let path = format!("im/v1/messages/{id}");
    let edit =
        |n: usize| json!({"msg_type": "text", "content": json!({"text": format!("edit {n}")}).to_string()});
    for n in 1..=20 {
        assert_eq!(stage.call(Method::PUT, &path, &edit(n)).await.0, 200);
    }
    assert_eq!(stage.call(Method::PUT, &path, &edit(21)).await.1["code"], 230_072);
    let (_, got) = stage.call(Method::GET, &path, &Value::Null).await;
    assert_eq!(got["data"]["items"][0]["body"]["content"], json!({"text": "edit 20"}).to_string());
    assert_eq!(stage.call(Method::DELETE, &path, &Value::Null).await.0, 200);
    assert_eq!(stage.call(Method::DELETE, &path, &Value::Null).await.1["code"], 230_110);
    let (_, got) = stage.call(Method::GET, &path, &Value::Null).await;
    assert_eq!(got["data"]["items"][0]["deleted"], true);
    let (_, answer) = stage.call(Method::POST, &format!("{path}/reply"), &edit(0)).await;
    assert_eq!(answer["code"], 230_011);
    assert_eq!(stage.urge("app", &id, &[LIN]).await.1["code"], 230_110);
}

#[tokio::test]
async fn urging_needs_the_sender_the_chat_and_people_in_it() {
    let stage = Stage::calm().await;
    stage.sandbox.add_person(Account::new("ou_out", "Outsider"));
    let id = stage.sent("wake up").await;
    let (status, body) = stage.urge("app", &id, &[LIN, "ou_out", "ou_nobody"]).await;
    assert_eq!(status, 200);
    assert_eq!(body["data"]["invalid_user_id_list"], json!(["ou_out", "ou_nobody"]));
    assert_eq!(stage.sandbox.buzzes().len(), 1);

    let theirs = stage.sandbox.say(SRE, MARA, "mine");
    let many: Vec<&str> = std::iter::repeat_n(LIN, 201).collect();
    let cases = [
        (id.as_str(), vec!["ou_out", "ou_nobody"], 230_001),
        (&id, vec![], 99_992_402),
        (&id, many, 99_992_402),
        ("om_unknown", vec![LIN], 230_001),
        (&theirs, vec![LIN], 230_012),
    ];
    for (message, people, code) in cases {
        assert_eq!(stage.urge("phone", message, &people).await.1["code"], code, "{message}");
    }
    stage.sandbox.change_chat(SRE, |chat| chat.urgent_restricted = true);
    assert_eq!(stage.urge("app", &id, &[LIN]).await.1["code"], 230_052);
    stage.sandbox.change_chat(SRE, |chat| chat.has_bot = false);
    assert_eq!(stage.urge("app", &id, &[LIN]).await.1["code"], 230_002);
    assert_eq!(stage.sandbox.buzzes().len(), 1);
}

#[tokio::test]
async fn a_quota_runs_out_and_two_hundred_unread_urgents_are_enough() {
    let stage = Stage::calm().await;
    stage.sandbox.set_quota(Some(1), Some(3));
    let id = stage.sent("wake up").await;
    assert_eq!(stage.urge("sms", &id, &[LIN, MARA]).await.1["code"], 230_024);
    assert_eq!(stage.urge("sms", &id, &[LIN]).await.0, 200);
    assert_eq!(stage.urge("sms", &id, &[LIN]).await.1["code"], 230_024);
    assert_eq!(stage.urge("phone", &id, &[LIN, MARA]).await.0, 200);
    assert_eq!(stage.urge("app", &id, &[LIN]).await.0, 200);

    for n in 1..200 {
        let id = stage.sent(&format!("page {n}")).await;
        assert_eq!(stage.urge("app", &id, &[LIN]).await.0, 200, "page {n}");
    }
    let last = stage.sent("one too many").await;
    assert_eq!(stage.urge("app", &last, &[LIN]).await.1["code"], 230_023);
    stage.sandbox.read_chat(SRE, LIN);
    assert_eq!(stage.urge("app", &last, &[LIN]).await.0, 200);
}

#[tokio::test]
async fn a_direct_message_opens_a_conversation_where_its_reader_can_be_urged() {
    let stage = Stage::calm().await;
    let body = json!({"receive_id": "lin@example.com", "msg_type": "text", "content": json!({"text": "hi"}).to_string()});
    let (_, answer) = stage.call(Method::POST, "im/v1/messages?receive_id_type=email", &body).await;
    let chat = stage.sandbox.direct_chat(LIN).unwrap();
    assert_eq!(answer["data"]["chat_id"], chat.id);
    let id = answer["data"]["message_id"].as_str().unwrap();
    assert_eq!(stage.urge("phone", id, &[LIN]).await.0, 200);
    assert_eq!(stage.urge("phone", id, &[MARA]).await.1["code"], 230_001);
    let (_, list) = stage.call(Method::GET, "im/v1/chats", &Value::Null).await;
    assert_eq!(list["data"]["items"].as_array().unwrap().len(), 1, "groups only");
}

#[tokio::test]
async fn pins_name_the_people_they_fail_for() {
    let stage = Stage::calm().await;
    stage.sandbox.add_person(Account::new("ou_out", "Outsider"));
    let pin = async |place: &str, on: bool, people: &[&str]| {
        let body = json!({"time_sensitive": on, "user_ids": people});
        stage.call(Method::PATCH, &format!("im/v2/feed_cards/{place}?user_id_type=open_id"), &body).await
    };
    let (status, body) = pin(SRE, true, &[LIN, "ou_out", "ou_nobody"]).await;
    let failed: Vec<_> = body["data"]["failed_user_reasons"].as_array().unwrap().iter().collect();
    assert_eq!(status, 200);
    assert_eq!(failed.iter().map(|f| &f["user_id"]).collect::<Vec<_>>(), ["ou_out", "ou_nobody"]);
    assert_eq!(stage.sandbox.pins(LIN), [Pinned::Chat(SRE.to_owned())]);
    assert_eq!(stage.sandbox.pins("ou_out"), []);
    pin(SRE, false, &[LIN]).await;
    assert_eq!(stage.sandbox.pins(LIN), []);

    let crowd: Vec<&str> = std::iter::repeat_n(LIN, 51).collect();
    assert_eq!(pin("bot_time_sentive", true, &crowd).await.1["code"], 99_992_402);
    assert_eq!(pin("bot_time_sentive", true, &["ou_out"]).await.0, 200);
    assert_eq!(stage.sandbox.pins("ou_out"), [Pinned::Bot]);
    assert_eq!(pin("oc_nowhere", true, &[LIN]).await.1["code"], 230_001);
    stage.sandbox.remove_bot(SRE);
    assert_eq!(pin(SRE, true, &[LIN]).await.1["code"], 230_027);
}

#[tokio::test]
async fn limits_trip_and_say_how_long_to_wait() {
    let stage = Stage::set(Options::default()).await;
    for n in 0..5 {
        assert_eq!(stage.send("text", &json!({"text": n.to_string()}).to_string()).await.0, 200);
    }
    let (status, body) = stage.send("text", &json!({"text": "six"}).to_string()).await;
    assert_eq!((status, &body["code"]), (400, &json!(230_020)));
    stage.pass(SignedDuration::from_secs(1));
    let id = stage.sent_card("Disk").await;
    let path = format!("im/v1/messages/{id}");
    for _ in 0..5 {
        assert_eq!(stage.call(Method::PATCH, &path, &json!({"content": card("x")})).await.0, 200);
    }
    let (_, body) = stage.call(Method::PATCH, &path, &json!({"content": card("x")})).await;
    assert_eq!(body["code"], 230_020);
    assert_eq!(stage.sandbox.message(&id).unwrap().revisions.len(), 6);

    for _ in 0..50 {
        assert_eq!(stage.call(Method::GET, "im/v1/chats", &Value::Null).await.0, 200);
    }
    let answer = stage.request(&Method::GET, "im/v1/chats").send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 429);
    assert_eq!(answer.headers()["x-ogw-ratelimit-reset"], "1");
    assert!(answer.headers().contains_key("x-ogw-ratelimit-limit"));
    assert_eq!(answer.json::<Value>().await.unwrap()["code"], 99_991_400);
    assert_eq!(stage.call(Method::GET, &path, &Value::Null).await.0, 200, "each call has its own limit");
}

#[tokio::test]
async fn faults_strike_as_often_as_they_were_injected() {
    let stage = Stage::calm().await;
    let outcomes =
        [Outcome::Code(230_028, "audit".to_owned()), Outcome::Http(502), Outcome::RateLimited { reset_s: 7 }];
    for outcome in outcomes {
        stage.sandbox.inject(Fault { api: Api::Send, times: Some(1), outcome });
    }
    let body = json!({"receive_id": SRE, "msg_type": "text", "content": json!({"text": "hi"}).to_string()});
    let send = async || {
        let request = stage.request(&Method::POST, "im/v1/messages?receive_id_type=chat_id");
        request.json(&body).send().await.unwrap()
    };
    assert_eq!(send().await.json::<Value>().await.unwrap()["code"], 230_028);
    let broken = send().await;
    assert_eq!(broken.status().as_u16(), 502);
    assert!(broken.json::<Value>().await.is_err());
    let limited = send().await;
    assert_eq!(limited.status().as_u16(), 429);
    assert_eq!(limited.headers()["x-ogw-ratelimit-reset"], "7");
    assert_eq!(stage.sandbox.messages(SRE), []);
    assert_eq!(send().await.status().as_u16(), 200);

    let sends: Vec<i64> =
        stage.sandbox.calls().into_iter().filter(|c| c.api == Api::Send).map(|c| c.code).collect();
    assert_eq!(sends, [230_028, 502, 99_991_400, 0]);
}

#[tokio::test]
async fn who_gives_up_on_a_slow_answer_does_not_know_that_it_was_done() {
    let stage = Stage::calm().await;
    stage.sandbox.inject(Fault { api: Api::Send, times: Some(1), outcome: Outcome::Latency(60_000) });
    let body = json!({"receive_id": SRE, "msg_type": "text", "content": json!({"text": "hi"}).to_string()});
    let request = stage.request(&Method::POST, "im/v1/messages?receive_id_type=chat_id").json(&body);
    let patience = std::time::Duration::from_millis(500);
    assert!(request.timeout(patience).send().await.unwrap_err().is_timeout());
    assert_eq!(stage.sandbox.messages(SRE).len(), 1);
}

#[tokio::test]
async fn a_lost_answer_is_a_deed_done_and_the_uuid_finds_it_again() {
    let stage = Stage::calm().await;
    stage.sandbox.inject(Fault { api: Api::Send, times: Some(1), outcome: Outcome::LostResponse });
    let content = json!({"text": "did it arrive?"}).to_string();
    let body = json!({"receive_id": SRE, "msg_type": "text", "content": content, "uuid": "page-9"});
    let path = "im/v1/messages?receive_id_type=chat_id";
    let lost = match stage.request(&Method::POST, path).json(&body).send().await {
        Ok(answer) => answer.json::<Value>().await.is_err(),
        Err(_) => true,
    };
    assert!(lost);
    let sent = stage.sandbox.messages(SRE);
    assert_eq!(sent.len(), 1);
    assert_eq!(id_of(&stage.call(Method::POST, path, &body).await), sent[0].id);
    assert_eq!(stage.sandbox.messages(SRE).len(), 1);
}

#[tokio::test]
async fn the_directory_knows_people_and_groups() {
    let stage = Stage::calm().await;
    let body = json!({"emails": ["lin@example.com", "no@example.com"], "mobiles": ["+4915100000"]});
    let (_, answer) =
        stage.call(Method::POST, "contact/v3/users/batch_get_id?user_id_type=open_id", &body).await;
    let found: Vec<Option<&str>> =
        answer["data"]["user_list"].as_array().unwrap().iter().map(|u| u["user_id"].as_str()).collect();
    assert_eq!(found, [Some(LIN), None, Some(MARA)]);

    let (_, user) =
        stage.call(Method::GET, "contact/v3/users/on_lin?user_id_type=union_id", &Value::Null).await;
    assert_eq!(user["data"]["user"]["name"], "Lin");
    stage.sandbox.change_person(LIN, |p| p.hidden = true);
    let (_, user) = stage.call(Method::GET, &format!("contact/v3/users/{LIN}"), &Value::Null).await;
    assert_eq!(user["code"], 41_050);

    stage.sandbox.add_person(Account::new("ou_new", "New"));
    let path = format!("im/v1/chats/{SRE}/members?succeed_type=1&page_size=2");
    let (_, added) = stage.call(Method::POST, &path, &json!({"id_list": ["ou_new", "ou_nobody"]})).await;
    assert_eq!(added["data"]["not_existed_id_list"], json!(["ou_nobody"]));
    let (_, page) = stage.call(Method::GET, &path, &Value::Null).await;
    assert_eq!((&page["data"]["has_more"], &page["data"]["member_total"]), (&json!(true), &json!(3)));
    let (_, rest) = stage.call(Method::GET, &format!("{path}&page_token=2"), &Value::Null).await;
    assert_eq!(rest["data"]["items"][0]["member_id"], "ou_new");
    stage.sandbox.remove_bot(SRE);
    let path = format!("im/v1/chats/{SRE}/members/is_in_chat");
    assert_eq!(stage.call(Method::GET, &path, &Value::Null).await.1["data"]["is_in_chat"], false);
}

#[tokio::test]
async fn reactions_readers_and_pinned_messages_are_kept() {
    let stage = Stage::calm().await;
    let id = stage.sent("hello").await;
    let path = format!("im/v1/messages/{id}/reactions");
    let emoji = |name: &str| json!({"reaction_type": {"emoji_type": name}});
    assert_eq!(stage.call(Method::POST, &path, &emoji("onit")).await.1["code"], 231_001);
    let (_, made) = stage.call(Method::POST, &path, &emoji("OnIt")).await;
    let (_, list) = stage.call(Method::GET, &path, &Value::Null).await;
    assert_eq!(list["data"]["items"][0], made["data"]);
    let reaction = made["data"]["reaction_id"].as_str().unwrap();
    assert_eq!(stage.call(Method::DELETE, &format!("{path}/{reaction}"), &Value::Null).await.0, 200);
    assert_eq!(stage.sandbox.message(&id).unwrap().reactions, []);

    stage.sandbox.read_chat(SRE, MARA);
    let readers = format!("im/v1/messages/{id}/read_users?user_id_type=open_id");
    let (_, list) = stage.call(Method::GET, &readers, &Value::Null).await;
    assert_eq!(list["data"]["items"][0]["user_id"], MARA);

    for _ in 0..2 {
        assert_eq!(stage.call(Method::POST, "im/v1/pins", &json!({"message_id": id})).await.0, 200);
    }
    let pins = format!("im/v1/pins?chat_id={SRE}");
    let (_, list) = stage.call(Method::GET, &pins, &Value::Null).await;
    assert_eq!(list["data"]["items"].as_array().unwrap().len(), 1);
    stage.call(Method::DELETE, &format!("im/v1/pins/{id}"), &Value::Null).await;
    let (_, list) = stage.call(Method::GET, &pins, &Value::Null).await;
    assert_eq!(list["data"]["items"], json!([]));
}

#[tokio::test]
async fn history_lists_a_chat_in_both_directions() {
    let stage = Stage::calm().await;
    let first = stage.sent("one").await;
    stage.pass(minutes(1));
    let second = stage.sent("two").await;
    let list = async |more: &str| {
        let path = format!("im/v1/messages?container_id_type=chat&container_id={SRE}{more}");
        let (_, body) = stage.call(Method::GET, &path, &Value::Null).await;
        let ids = body["data"]["items"].as_array().unwrap().iter().map(|m| m["message_id"].clone());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(list("").await, [first.as_str(), &second]);
    assert_eq!(list("&sort_type=ByCreateTimeDesc&page_size=1").await, [second.as_str()]);
    let later = "2026-03-02T02:14:30Z".parse::<Timestamp>().unwrap().as_second();
    assert_eq!(list(&format!("&start_time={later}")).await, [second.as_str()]);
}

#[tokio::test]
async fn a_withheld_scope_shows_in_the_list_and_stops_its_calls() {
    let stage = Stage::calm().await;
    let scope = "im:message.urgent:phone";
    let status = async || {
        let (_, body) = stage.call(Method::GET, "application/v6/scopes", &Value::Null).await;
        let scopes = body["data"]["scopes"].as_array().unwrap().clone();
        scopes.iter().find(|s| s["scope_name"] == scope).unwrap()["grant_status"].as_i64().unwrap()
    };
    assert_eq!(status().await, 1);
    stage.sandbox.withhold_scope(scope);
    assert_eq!(status().await, 2);
    let id = stage.sent("wake up").await;
    let (_, body) = stage.urge("phone", &id, &[LIN]).await;
    assert_eq!(body["code"], 99_991_672);
    assert!(body["msg"].as_str().unwrap().contains(scope));
    assert_eq!(stage.urge("sms", &id, &[LIN]).await.0, 200);
}

#[tokio::test]
async fn an_open_world_takes_everybody_in() {
    let options = Options { open_world: true, limits: Limits::Off, ..Options::default() };
    let stage = Stage::set(options).await;
    let body =
        json!({"receive_id": "oc_any", "msg_type": "text", "content": json!({"text": "hi"}).to_string()});
    let id = id_of(&stage.call(Method::POST, "im/v1/messages?receive_id_type=chat_id", &body).await);
    let (_, body) = stage.urge("phone", &id, &[LIN, "ou_newcomer", "not an id"]).await;
    assert_eq!(body["data"]["invalid_user_id_list"], json!(["not an id"]));
    let people: Vec<String> = stage.sandbox.buzzes().into_iter().map(|b| b.person).collect();
    assert_eq!(people, [LIN, "ou_newcomer"]);
    let (_, found) = stage
        .call(Method::POST, "contact/v3/users/batch_get_id", &json!({"emails": ["zoe@example.com"]}))
        .await;
    assert_eq!(found["data"]["user_list"][0]["user_id"], "ou_zoe");
}

#[tokio::test]
async fn unknown_paths_methods_and_bodies_are_told_apart() {
    let stage = Stage::calm().await;
    let cases =
        [(Method::GET, "im/v1/nothing", 404, 99_991_201), (Method::PATCH, "im/v1/messages", 405, 99_991_301)];
    for (method, path, status, code) in cases {
        let (got, body) = stage.call(method, path, &Value::Null).await;
        assert_eq!((got, &body["code"]), (status, &json!(code)));
    }
    let answer = stage.request(&Method::POST, "im/v1/pins").body("{").send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap()["code"], 9499);
}

#[tokio::test]
async fn the_page_its_state_and_its_controls_are_served() {
    let stage = Stage::calm().await;
    let base = stage.running.url();
    let page = stage.http.get(&base).send().await.unwrap();
    let policy = page.headers()["Content-Security-Policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'"));
    let html = page.text().await.unwrap();
    for file in ["style.css", "app.js", "card.js", "news.js", "talk.js", "words.js"] {
        let answer = stage.http.get(format!("{base}/sandbox/{file}")).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{file}");
    }
    assert!(html.contains("/sandbox/app.js") && !html.contains("https://"));

    let post = async |path: &str, body: &Value| {
        let answer = stage.http.post(format!("{base}/sandbox/{path}")).json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(post("people", &json!({"open_id": "ou_zoe", "name": "Zoe"})).await.0, 200);
    assert_eq!(post("chats", &json!({"id": "oc_2", "name": "Two", "members": ["ou_zoe"]})).await.0, 200);
    let fault =
        json!({"api": "urgent.phone", "times": 1, "outcome": {"code": {"code": 230_024, "msg": "quota"}}});
    assert_eq!(post("faults", &fault).await.0, 200);
    let (status, why) = post("faults", &json!({"api": "urgent.pigeon", "outcome": {"http": 500}})).await;
    assert_eq!(status, 400);
    assert!(why.contains("urgent.phone"), "the known calls are named: {why}");
    let id = stage.sent("wake up").await;
    assert_eq!(stage.urge("phone", &id, &[LIN]).await.1["code"], 230_024);
    assert_eq!(stage.urge("phone", &id, &[LIN]).await.0, 200);

    let snapshot: Value =
        stage.http.get(format!("{base}/sandbox/state")).send().await.unwrap().json().await.unwrap();
    assert_eq!(
        snapshot["counters"],
        json!({"messages": 1, "edits": 0, "app": 0, "sms": 0, "phone": 1, "pins": 0})
    );
    assert_eq!(snapshot["people"].as_array().unwrap().len(), 3);
    assert_eq!(post("read", &json!({"chat": SRE, "person": LIN})).await.0, 200);
    assert!(stage.sandbox.message(&id).unwrap().readers.contains_key(LIN));
    assert_eq!(post("reset", &Value::Null).await.0, 200);
    assert_eq!(stage.sandbox.people(), []);

    let foreign = stage.http.post(format!("{base}/sandbox/reset")).header("Origin", "https://evil.example");
    assert_eq!(foreign.send().await.unwrap().status().as_u16(), 403);
}

/// An app that gives every callback the same answer, and keeps what it was sent.
#[derive(Clone)]
struct Parrot(u16, &'static str, Arc<Mutex<Vec<Value>>>);

impl Parrot {
    fn new(status: u16, answer: &'static str) -> Self {
        Self(status, answer, Arc::default())
    }

    /// Its address.
    fn serve(&self) -> String {
        let parrot = self.clone();
        let app = move || {
            let parrot = parrot.clone();
            let answer = move |body: web::Json<Value>| {
                parrot.2.lock().unwrap().push(body.into_inner());
                let status = StatusCode::from_u16(parrot.0).unwrap();
                std::future::ready(HttpResponse::build(status).body(parrot.1))
            };
            App::new().default_service(web::to(answer))
        };
        let server = HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/feishu/events", server.addrs()[0]);
        tokio::spawn(server.run());
        url
    }
}

/// A card with a button that calls back.
fn button_card() -> String {
    let value = json!({"do": "acknowledge"});
    let button = json!({"tag": "button", "text": {"tag": "plain_text", "content": "Ack"},
                        "behaviors": [{"type": "callback", "value": value}]});
    json!({"schema": "2.0", "body": {"elements": [
        {"tag": "button", "disabled": true, "text": {"tag": "plain_text", "content": "Off"},
         "behaviors": [{"type": "callback", "value": {}}]},
        {"tag": "column_set", "columns": [{"tag": "column", "elements": [button]}]},
    ]}})
    .to_string()
}

#[tokio::test]
async fn a_press_shows_the_code_of_whatever_is_wrong_with_the_answer() {
    let stage = Stage::calm().await;
    let id = id_of(&stage.send("interactive", &button_card()).await);
    for (status, answer, code) in [
        (200, "{}", None),
        (200, r#"{"toast":{"type":"info","content":"hm"}}"#, None),
        (200, r#"{"card":{"type":"raw","data":{"schema":"2.0"}}}"#, None),
        (204, "", Some(200_671)),
        (302, "", Some(200_671)),
        (500, "{}", Some(200_671)),
        (200, "", Some(200_672)),
        (200, "[]", Some(200_672)),
        (200, r#"{"toast":{"type":"jubilant","content":"hm"}}"#, Some(200_672)),
        (200, r#"{"card":{"type":"raw","data":"{}"}}"#, Some(200_673)),
        (200, r#"{"card":{"schema":"2.0"}}"#, Some(200_673)),
        (200, r#"{"card":{"type":"raw","data":{"schema":"2.0","note":1}}}"#, Some(200_673)),
        (200, r#"{"card":{"type":"raw","data":{"elements":[]}}}"#, Some(200_830)),
    ] {
        let id = if answer.contains("raw") {
            id_of(&stage.send("interactive", &button_card()).await)
        } else {
            id.clone()
        };
        let url = Parrot::new(status, answer).serve();
        stage.sandbox.set_callback(Some(Callback {
            url,
            encrypt_key: None,
            verification_token: "vt".into(),
        }));
        let pressed = stage.sandbox.press(&id, LIN, "Ack").await.unwrap();
        assert_eq!((pressed.status, pressed.error), (Some(status), code), "{status} {answer}");
        let toast = pressed.toast.map(|t| t.en).unwrap_or_default();
        assert_eq!(toast.contains("code"), code.is_some(), "{toast}");
        let replaced = stage.sandbox.message(&id).unwrap().revisions.len() == 2;
        assert_eq!(replaced, code.is_none() && answer.contains("card"), "{answer}");
        assert!(stage.sandbox.press(&id, LIN, "Off").await.is_err(), "a disabled button");
    }
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{gone}/");
    stage.sandbox.set_callback(Some(Callback { url, encrypt_key: None, verification_token: "vt".into() }));
    let pressed = stage.sandbox.press(&id, LIN, "Ack").await.unwrap();
    assert_eq!((pressed.status, pressed.error), (None, Some(200_342)));
}

#[tokio::test]
async fn the_page_presses_replies_and_reacts() {
    let stage = Stage::calm().await;
    let base = stage.running.url();
    let post = async |path: &str, body: &Value| {
        let answer = stage.http.post(format!("{base}/sandbox/{path}")).json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let id = id_of(&stage.send("interactive", &button_card()).await);
    let press = json!({"message": id, "person": LIN, "button": "acknowledge"});
    let (status, why) = post("press", &press).await;
    assert_eq!(status, 400, "without a callback buttons do nothing: {why}");

    let parrot =
        Parrot::new(200, r#"{"toast":{"type":"success","content":"yours","i18n":{"zh_cn":"归你了"}}}"#);
    let callback = json!({"url": parrot.serve(), "verification_token": "vt"});
    assert_eq!(post("callback", &callback).await.0, 200);
    let (_, pressed) = post("press", &press).await;
    assert_eq!(pressed["toast"], json!({"kind": "success", "zh": "归你了", "en": "yours"}));
    let (_, said) = post("reply", &json!({"chat": SRE, "person": MARA, "parent": id, "text": " ack "})).await;
    let reply = stage.sandbox.message(said["message"].as_str().unwrap()).unwrap();
    assert_eq!((reply.parent.as_deref(), reply.content()), (Some(id.as_str()), r#"{"text":"ack"}"#));
    assert_eq!(post("reply", &json!({"chat": SRE, "person": MARA, "text": " "})).await.0, 400);
    let react = |emoji: &str, on: bool| json!({"message": id, "person": MARA, "emoji": emoji, "on": on});
    assert_eq!(post("react", &react("OnIt", true)).await.0, 200);
    assert_eq!(post("react", &react("Pigeon", true)).await.0, 400);
    assert_eq!(post("react", &react("OnIt", false)).await.0, 200);
    assert_eq!(post("react", &react("OnIt", false)).await.0, 400);

    let kinds: Vec<_> =
        parrot.2.lock().unwrap().iter().map(|sent| sent["header"]["event_type"].clone()).collect();
    assert_eq!(
        kinds,
        [
            "card.action.trigger",
            "im.message.receive_v1",
            "im.message.reaction.created_v1",
            "im.message.reaction.deleted_v1"
        ]
    );
    let look = || async {
        let answer = stage.http.get(format!("{base}/sandbox/state")).send().await.unwrap();
        answer.json::<Value>().await.unwrap()
    };
    let shown = look().await;
    assert_eq!((&shown["callback"], &shown["toasts"][0]["person"]), (&json!(true), &json!(LIN)));
    stage.http.delete(format!("{base}/sandbox/callback")).send().await.unwrap();
    assert_eq!(look().await["callback"], false);
    let foreign = stage.http.post(format!("{base}/sandbox/press")).header("Origin", "https://evil.example");
    assert_eq!(foreign.json(&press).send().await.unwrap().status().as_u16(), 403);
}

#[tokio::test]
async fn watchers_hear_of_every_change() {
    let stage = Stage::calm().await;
    let mut news = stage.http.get(format!("{}/sandbox/events", stage.running.url())).send().await.unwrap();
    let first = news.chunk().await.unwrap().unwrap();
    assert!(first.starts_with(b"event: change\ndata: "));
    stage.sandbox.say(SRE, LIN, "hello");
    let second = news.chunk().await.unwrap().unwrap();
    assert!(second.starts_with(b"event: change\n") && second != first);
}
