//! The Feishu client against the sandbox, which answers as Feishu documents;
//! and against a few servers that answer as nobody should.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::rt::System;
use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::{ChatId, Clock, Contact, MessageId, Urgent};
use larkhorn::feishu::{
    Address, CallError, Client, ClientConfig, ClientError, Content, Observer, Place, Placed, Urged, UserId,
    UserIdKind, Verdict,
};
use larkhorn::sandbox::{Account, Api, Fault, Limits, Options, Outcome, Pinned, Running, Sandbox};
use uuid::Uuid;

/// If this ever shows in an error or a `Debug`, so would the real one.
const CANARY: &str = "canary-secret-5f2b";
const CARD: &str = r#"{"schema":"2.0","config":{"update_multi":true},"body":{"elements":[]}}"#;

struct Hands(Mutex<Timestamp>);

impl Hands {
    fn turn(&self, by: SignedDuration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

#[derive(Default)]
struct Counts(Mutex<Vec<(&'static str, i64)>>);

impl Observer for Counts {
    fn called(&self, api: &'static str, answer: Result<(), &CallError>) {
        self.0.lock().unwrap().push((api, answer.err().map_or(0, CallError::counted_code)));
    }
}

impl Counts {
    fn take(&self) -> Vec<(&'static str, i64)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn connect(url: &str, timeout: Duration) -> (Client, Arc<Counts>) {
    let counts = Arc::new(Counts::default());
    let config = ClientConfig {
        base_url: url.to_owned(),
        app_id: "cli_test".to_owned(),
        app_secret: CANARY.into(),
        timeout,
        connect_timeout: Duration::from_secs(2),
    };
    (Client::new(config, counts.clone()).unwrap(), counts)
}

/// A sandbox with the group `oc_sre` of lin and mara, and a client of it.
struct World {
    clock: Arc<Hands>,
    feishu: Sandbox,
    _server: Running,
    client: Client,
    counts: Arc<Counts>,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(Hands(Mutex::new("2026-11-22T02:14:00Z".parse().unwrap())));
        let options = Options { limits: Limits::Off, ..Options::default() };
        let feishu = Sandbox::new(clock.clone(), options);
        feishu.add_person(Account::new("ou_lin", "Lin").email("lin@example.com"));
        feishu.add_person(Account::new("ou_mara", "Mara").mobile("13800000001"));
        feishu.add_person(Account::new("ou_outside", "Outside"));
        feishu.add_chat("oc_sre", "SRE", &["ou_lin", "ou_mara"]);
        let server = feishu.serve(TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
        let (client, counts) = connect(&server.url(), Duration::from_secs(10));
        Self { clock, feishu, _server: server, client, counts }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn fault(&self, api: Api, times: u32, outcome: Outcome) {
        self.feishu.inject(Fault { api, times: Some(times), outcome });
    }

    async fn post(&self, content: &Content, uuid: &Uuid) -> Result<MessageId, CallError> {
        self.client.send(self.now(), &sre(), content, uuid).await.map(|sent| sent.message)
    }

    async fn card(&self) -> MessageId {
        self.post(&Content::Card(CARD.to_owned()), &Uuid::new_v4()).await.unwrap()
    }

    fn calls(&self, api: Api) -> usize {
        self.feishu.calls().iter().filter(|call| call.api == api).count()
    }
}

fn sre() -> Address {
    Address::Chat(ChatId("oc_sre".to_owned()))
}

fn open_id(id: &str) -> UserId {
    UserId::new(UserIdKind::OpenId, id)
}

fn text() -> Content {
    Content::Text("disk \"full\" \\ 磁盘".to_owned())
}

/// The sandbox's web server needs actix's runtime.
fn run(story: impl Future<Output = ()>) {
    System::new().block_on(story);
}

#[test]
fn messages_are_sent_answered_and_edited() {
    run(async {
        let world = World::new();
        let card = world.card().await;
        let uuid = Uuid::new_v4();
        let reply = world.client.reply(world.now(), &card, &text(), Placed::InChat, &uuid).await.unwrap();
        assert_eq!(reply.chat, ChatId("oc_sre".to_owned()));
        let line = world.feishu.message(&reply.message.0).unwrap();
        assert_eq!(line.parent.as_deref(), Some(card.0.as_str()));
        assert_eq!(line.content(), r#"{"text":"disk \"full\" \\ 磁盘"}"#);

        let green = CARD.replace("[]", r#"[{"tag":"hr"}]"#);
        world.client.edit_card(world.now(), &card, &green).await.unwrap();
        assert_eq!(world.feishu.message(&card.0).unwrap().content(), green);

        let direct = Address::User(open_id("ou_lin"));
        let sent = world.client.send(world.now(), &direct, &text(), &Uuid::new_v4()).await.unwrap();
        assert_eq!(world.feishu.direct_chat("ou_lin").unwrap().id, sent.chat.0);
        let expected = [("tenant_access_token", 0), ("send", 0), ("reply", 0), ("edit_card", 0), ("send", 0)];
        assert_eq!(world.counts.take(), expected);
    });
}

#[test]
fn the_cards_we_draw_are_cards_that_feishu_takes() {
    run(async {
        let world = World::new();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/cards");
        let mut drawn = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let card = Content::Card(std::fs::read_to_string(entry.unwrap().path()).unwrap());
            world.post(&card, &Uuid::new_v4()).await.unwrap();
            drawn += 1;
        }
        assert!(drawn >= 18, "{drawn} cards");
    });
}

#[test]
fn the_same_uuid_gives_the_same_message() {
    run(async {
        let world = World::new();
        let uuid = Uuid::new_v4();
        world.fault(Api::Send, 1, Outcome::LostResponse);
        let lost = world.post(&text(), &uuid).await.unwrap_err();
        assert_eq!((lost.verdict, lost.http, lost.code), (Verdict::Unknown, None, None));
        let again = world.post(&text(), &uuid).await.unwrap();
        assert_eq!(world.post(&text(), &uuid).await.unwrap(), again);
        assert_eq!(world.feishu.messages("oc_sre").len(), 1);
    });
}

#[test]
fn tokens_are_shared_renewed_early_and_replaced_when_revoked() {
    run(async {
        let world = World::new();
        let uuids: Vec<Uuid> = (0..20).map(|_| Uuid::new_v4()).collect();
        let content = text();
        let sends = futures_util::future::join_all(uuids.iter().map(|uuid| world.post(&content, uuid))).await;
        assert!(sends.iter().all(Result::is_ok));
        assert_eq!(world.calls(Api::TenantToken), 1, "twenty callers, one fetch");

        world.clock.turn(SignedDuration::from_mins(109));
        world.card().await;
        assert_eq!(world.calls(Api::TenantToken), 1);
        world.clock.turn(SignedDuration::from_mins(1));
        world.card().await;
        assert_eq!(world.calls(Api::TenantToken), 2, "ten minutes before the end");

        world.clock.turn(SignedDuration::from_hours(5));
        world.card().await;
        assert_eq!(world.calls(Api::TenantToken), 3);

        world.counts.take();
        world.feishu.revoke_tokens();
        world.card().await;
        let expected = [("send", 99_991_663), ("tenant_access_token", 0), ("send", 0)];
        assert_eq!(world.counts.take(), expected);
    });
}

#[test]
fn a_refused_token_is_replaced_once_and_no_more() {
    run(async {
        for code in [99_991_661, 99_991_663, 99_991_664, 99_991_671] {
            let world = World::new();
            world.fault(Api::Send, 2, Outcome::Code(code, "no such token".to_owned()));
            let error = world.post(&text(), &Uuid::new_v4()).await.unwrap_err();
            assert_eq!((error.code, error.verdict), (Some(code), Verdict::Credentials));
            assert_eq!(world.calls(Api::Send), 2);
        }
    });
}

#[test]
fn people_who_cannot_be_buzzed_are_named_and_the_others_are_buzzed() {
    run(async {
        let world = World::new();
        let card = world.card().await;
        let people = ["ou_lin", "ou_outside", "ou_mara", "ou_lin"].map(open_id);
        let urged = world.client.urge(world.now(), &card, Urgent::Phone, &people).await.unwrap();
        assert_eq!(urged.refused, [open_id("ou_outside")]);
        let buzzed: Vec<String> = world.feishu.buzzes().into_iter().map(|buzz| buzz.person).collect();
        assert_eq!(buzzed, ["ou_lin", "ou_mara"]);

        let nobody = [open_id("ou_outside"), open_id("ou_nobody")];
        let urged = world.client.urge(world.now(), &card, Urgent::App, &nobody).await.unwrap();
        assert_eq!(urged.refused, nobody);

        world.counts.take();
        world.client.urge(world.now(), &card, Urgent::None, &people).await.unwrap();
        world.client.urge(world.now(), &card, Urgent::App, &[]).await.unwrap();
        assert_eq!(world.counts.take(), []);
    });
}

#[test]
fn a_buzz_of_many_that_stops_half_way_says_who_is_done() {
    run(async {
        let world = World::new();
        let ids: Vec<String> = (0..450).map(|n| format!("ou_{n:03}")).collect();
        for id in &ids {
            world.feishu.add_person(Account::new(id, id));
        }
        let members: Vec<&str> = ids.iter().map(String::as_str).collect();
        world.feishu.add_chat("oc_all", "All", &members);
        let all = Address::Chat(ChatId("oc_all".to_owned()));
        let sent = world.client.send(world.now(), &all, &text(), &Uuid::new_v4()).await.unwrap().message;
        let people: Vec<UserId> = ids.iter().map(|id| open_id(id)).collect();

        world.client.urge(world.now(), &sent, Urgent::App, &people).await.unwrap();
        assert_eq!((world.calls(Api::UrgentApp), world.feishu.buzzes().len()), (3, 450));

        world.feishu.set_quota(None, Some(300));
        let failed = world.client.urge(world.now(), &sent, Urgent::Phone, &people).await.unwrap_err();
        assert_eq!(failed.cause.verdict, Verdict::QuotaUsedUp);
        assert_eq!(failed.urged, people[..200]);
        assert_eq!(failed.failed, people[200..400]);
        assert_eq!(failed.untried, people[400..]);
        assert_eq!(failed.to_string(), failed.cause.to_string());
        assert!(failed.cause.to_string().starts_with("urgent_phone: 230024 "), "{failed}");
    });
}

#[test]
fn places_are_pinned_for_people_and_unpinned() {
    run(async {
        let world = World::new();
        let chat = Place::Chat(ChatId("oc_sre".to_owned()));
        let people = ["ou_lin", "ou_outside"].map(open_id);
        let pinned = world.client.pin(world.now(), &chat, true, &people).await.unwrap();
        assert_eq!(pinned.failed, [(open_id("ou_outside"), "The user is not in the chat".to_owned())]);
        world.client.pin(world.now(), &Place::Bot, true, &people).await.unwrap();
        assert_eq!(world.feishu.pins("ou_lin"), [Pinned::Chat("oc_sre".to_owned()), Pinned::Bot]);
        world.client.pin(world.now(), &chat, false, &people).await.unwrap();
        assert_eq!(world.feishu.pins("ou_lin"), [Pinned::Bot]);

        let many: Vec<UserId> = (0..120).map(|n| open_id(&format!("ou_x{n}"))).collect();
        let pinned = world.client.pin(world.now(), &Place::Bot, true, &many).await.unwrap();
        assert_eq!((world.calls(Api::BotFeedCard), pinned.failed.len()), (4, 120));

        world.feishu.remove_bot("oc_sre");
        let error = world.client.pin(world.now(), &chat, true, &people).await.unwrap_err();
        assert_eq!(error.verdict, Verdict::NotInChat);
    });
}

#[test]
fn people_are_found_by_address_and_number() {
    run(async {
        let world = World::new();
        let email = |text: &str| Contact::Email(text.to_owned());
        let mobile = |text: &str| Contact::Mobile(text.to_owned());
        let mut contacts = vec![
            email("lin@example.com"),
            email("nobody@example.com"),
            mobile("13800000001"),
            mobile("13900000000"),
            Contact::OpenId("ou_lin".to_owned()),
        ];
        let found = world.client.look_up(world.now(), &contacts).await.unwrap();
        let expected: BTreeMap<Contact, Option<String>> = [
            (email("lin@example.com"), Some("ou_lin".to_owned())),
            (email("nobody@example.com"), None),
            (mobile("13800000001"), Some("ou_mara".to_owned())),
            (mobile("13900000000"), None),
        ]
        .into();
        assert_eq!(found, expected);

        contacts.extend((0..118).map(|n| email(&format!("p{n}@example.com"))));
        let found = world.client.look_up(world.now(), &contacts).await.unwrap();
        assert_eq!((found.len(), world.calls(Api::BatchGetId)), (122, 1 + 3));
        assert_eq!(found.values().flatten().count(), 2);
    });
}

#[test]
fn the_bot_knows_itself() {
    run(async {
        let world = World::new();
        let bot = world.client.bot_info(world.now()).await.unwrap();
        assert_eq!((bot.name.as_str(), bot.is_active()), ("Larkhorn", true));
        assert!(bot.open_id.starts_with("ou_"), "{bot:?}");
    });
}

#[test]
fn after_a_429_that_api_is_left_alone_as_long_as_feishu_asks() {
    run(async {
        let world = World::new();
        world.fault(Api::Send, 1, Outcome::RateLimited { reset_s: 7 });
        let first = world.post(&text(), &Uuid::new_v4()).await.unwrap_err();
        assert_eq!(first.verdict, Verdict::RetryAfter(Duration::from_secs(7)));
        let second = world.post(&text(), &Uuid::new_v4()).await.unwrap_err();
        let Verdict::NotYet(at) = second.verdict else { panic!("{second}") };
        assert!(at.duration_since(world.now()) >= SignedDuration::from_secs(7), "{at}");
        assert_eq!(world.calls(Api::Send), 1, "no call was made");
        world.client.bot_info(world.now()).await.unwrap();
        *world.clock.0.lock().unwrap() = at;
        world.post(&text(), &Uuid::new_v4()).await.unwrap();
    });
}

#[test]
fn what_goes_wrong_gets_its_verdict() {
    run(async {
        let world = World::new();
        let refused = |code| Outcome::Code(code, "Bot is out of the chat.".to_owned());
        let table = [
            (refused(230_002), Verdict::NotInChat, Some(400), Some(230_002)),
            (
                Outcome::RateLimited { reset_s: 7 },
                Verdict::RetryAfter(Duration::from_secs(7)),
                Some(429),
                Some(99_991_400),
            ),
            (Outcome::Http(500), Verdict::Unknown, Some(500), None),
            (Outcome::Http(502), Verdict::Unknown, Some(502), None),
            (Outcome::Http(404), Verdict::Unknown, Some(404), None),
            (Outcome::Http(302), Verdict::NotSent, Some(302), None),
            (Outcome::LostResponse, Verdict::Unknown, None, None),
        ];
        for (outcome, verdict, http, code) in table {
            world.fault(Api::Send, 1, outcome.clone());
            let error = world.post(&text(), &Uuid::new_v4()).await.unwrap_err();
            assert_eq!((error.verdict, error.http, error.code), (verdict, http, code), "{outcome:?}");
            assert_eq!(world.calls(Api::Send), world.feishu.calls().len() - 1, "nothing is repeated");
            world.clock.turn(SignedDuration::from_secs(10));
        }
        world.fault(Api::Send, 1, refused(230_002));
        let error = world.post(&text(), &Uuid::new_v4()).await.unwrap_err();
        let log_id = error.log_id.clone().unwrap();
        assert_eq!(error.to_string(), format!("send: 230002 Bot is out of the chat. (log id {log_id})"));
    });
}

#[test]
fn what_the_sandbox_refuses_by_itself_is_understood_too() {
    run(async {
        let world = World::new();
        let now = world.now();
        let send = async |to: &Address, content: &Content| {
            world.client.send(now, to, content, &Uuid::new_v4()).await.unwrap_err().verdict
        };
        let bad = |card: &str| Content::Card(card.to_owned());
        assert_eq!(send(&Address::User(open_id("ou_nobody")), &text()).await, Verdict::TargetInvalid);
        assert_eq!(send(&sre(), &bad("{")).await, Verdict::CardRejected);
        assert_eq!(send(&sre(), &bad(&format!("\"{}\"", "x".repeat(40_000)))).await, Verdict::TooLong);
        world.feishu.change_person("ou_mara", |mara| mara.unavailable = true);
        assert_eq!(send(&Address::User(open_id("ou_mara")), &text()).await, Verdict::PersonGone);

        let old = world.card().await;
        world.clock.turn(SignedDuration::from_hours(15 * 24));
        let error = world.client.edit_card(world.now(), &old, CARD).await.unwrap_err();
        assert_eq!(error.verdict, Verdict::MessageGone);

        world.feishu.dissolve_chat("oc_sre");
        let error = world.post(&text(), &Uuid::new_v4()).await.unwrap_err();
        assert_eq!(error.verdict, Verdict::ChatGone);
    });
}

#[test]
fn a_token_that_cannot_be_had_fails_all_who_wait() {
    run(async {
        let world = World::new();
        world.fault(Api::TenantToken, 1, Outcome::Code(10_014, format!("bad secret {CANARY}")));
        let (content, uuids) = (text(), [Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()]);
        let sends = futures_util::future::join_all(uuids.iter().map(|uuid| world.post(&content, uuid))).await;
        for error in sends.into_iter().map(Result::unwrap_err) {
            assert_eq!((error.api, error.verdict), ("tenant_access_token", Verdict::Credentials));
            assert!(error.message.contains("bad secret [redacted]"), "{error}");
        }
        assert_eq!((world.calls(Api::TenantToken), world.calls(Api::Send)), (1, 0));
        world.card().await;
    });
}

/// A server that sends one answer after the other, to one connection each.
fn parrot(answers: Vec<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            if stream.read(&mut request).unwrap_or(0) > 0 {
                // The client may have hung up; that is its choice.
                stream.write_all(&answer).unwrap_or(());
            }
        }
    });
    url
}

fn http(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
        .into_bytes()
}

#[tokio::test]
async fn servers_that_are_not_feishu_do_no_harm() {
    let now = Timestamp::UNIX_EPOCH;
    let redirect = "302 Found\r\nLocation: http://127.0.0.1:1/elsewhere";
    let log_id = "400 Bad Request\r\nX-Tt-Logid: 2026112200";
    let table = [
        (
            http("200 OK", &format!("{{\"code\":0,\"x\":\"{}\"}}", "y".repeat(1 << 20))),
            Verdict::Unknown,
            "larger than",
        ),
        (http("200 OK", "<html>"), Verdict::Unknown, "HTTP 200 the answer is not Feishu's JSON"),
        (http("200 OK", "{\"code\":0}"), Verdict::Unknown, "no usable tenant_access_token"),
        (http(redirect, ""), Verdict::NotSent, "HTTP 302 a redirect"),
        (
            http(log_id, "{\"code\":10003,\"msg\":\"bad\"}"),
            Verdict::Credentials,
            "10003 bad (log id 2026112200)",
        ),
        (b"garbage\r\n\r\n".to_vec(), Verdict::Unknown, "the connection broke"),
        (Vec::new(), Verdict::Unknown, "the connection broke"),
    ];
    for (answer, verdict, expected) in table {
        let (client, _) = connect(&parrot(vec![answer]), Duration::from_secs(5));
        let error = client.bot_info(now).await.unwrap_err();
        assert_eq!(error.verdict, verdict, "{error}");
        assert!(error.to_string().starts_with("tenant_access_token: "), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_buzz_that_was_made_is_not_unmade_by_a_list_that_cannot_be_read() {
    let token = "{\"code\":0,\"tenant_access_token\":\"t-1\",\"expire\":7200}";
    let odd = "{\"code\":0,\"data\":{\"invalid_user_id_list\":{\"ou_1\":\"left\"}}}";
    let url = parrot(vec![http("200 OK", token), http("200 OK", odd)]);
    let (client, _) = connect(&url, Duration::from_secs(5));
    let line = MessageId("om_1".to_owned());
    let urged = client.urge(Timestamp::UNIX_EPOCH, &line, Urgent::Phone, &[open_id("ou_1")]).await;
    assert_eq!(urged, Ok(Urged::default()), "a phone that rang must not ring again for it");
}

#[tokio::test]
async fn no_connection_is_told_from_no_answer() {
    let now = Timestamp::UNIX_EPOCH;
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (client, counts) = connect(&format!("http://{closed}"), Duration::from_secs(5));
    let error = client.bot_info(now).await.unwrap_err();
    assert_eq!((error.verdict, error.http), (Verdict::NotSent, None), "{error}");
    assert_eq!(counts.take(), [("tenant_access_token", -1)]);

    // Accepts by its backlog and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let (client, _) = connect(&url, Duration::from_millis(100));
    let error = client.bot_info(now).await.unwrap_err();
    assert_eq!(error.verdict, Verdict::Unknown);
    assert!(error.message.starts_with("no answer in time"), "{error}");
}

#[test]
fn neither_secret_nor_token_is_ever_printed() {
    run(async {
        let world = World::new();
        let mut printed = format!("{:?}", world.client);
        let outcomes = [
            Outcome::Code(230_001, format!("you sent {CANARY} with t-sandbox")),
            Outcome::Http(500),
            Outcome::LostResponse,
            Outcome::RateLimited { reset_s: 1 },
        ];
        for outcome in outcomes {
            for api in [Api::TenantToken, Api::Send] {
                world.feishu.revoke_tokens();
                world.fault(api, 9, outcome.clone());
                let error = world.post(&text(), &Uuid::new_v4()).await.unwrap_err();
                printed.extend([error.to_string(), format!("{error:?}")]);
                world.feishu.clear_faults();
            }
        }
        let echo = http("400 Bad Request", r#"{"code":1,"msg":"Authorization: Bearer t-s3cret is bad"}"#);
        let token = http("200 OK", r#"{"code":0,"tenant_access_token":"t-s3cret","expire":7200}"#);
        let url = parrot(vec![token, echo]);
        let (client, _) = connect(&url, Duration::from_secs(5));
        let error = client.bot_info(world.now()).await.unwrap_err();
        assert!(error.message.contains("Bearer [redacted] is bad"), "{error}");
        printed.extend([format!("{client:?}"), error.to_string(), format!("{error:?}")]);
        assert!(printed.contains("cli_test") && printed.contains("230001"), "{printed}");
        assert!(!printed.contains(CANARY) && !printed.contains("t-s3cret"), "{printed}");
    });
}

#[test]
fn addresses_that_are_none_are_refused_at_the_start() {
    for url in ["", "open.feishu.cn", "ftp://open.feishu.cn", "https://", "not a url"] {
        let config = ClientConfig {
            base_url: url.to_owned(),
            app_id: "cli_test".to_owned(),
            app_secret: CANARY.into(),
            timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(1),
        };
        assert!(!format!("{config:?}").contains(CANARY));
        let error = Client::new(config, Arc::new(Counts::default())).unwrap_err();
        assert!(matches!(&error, ClientError::BaseUrl { url: named } if named == url), "{error}");
    }
}
