//! The Alertmanager client against a stand-in that answers with what 0.25 and
//! 0.33 were heard to say (`tests/payloads/am-*_api-v2-transcript.json`); and
//! against servers that answer as nobody should. The real one: `tests/real`.

use std::collections::{BTreeMap, VecDeque};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use jiff::{SignedDuration, Timestamp};
use larkhorn::alertmanager::{
    AlertState, CallError, Client, ClientConfig, ClientError, Silence, SilenceId, SilencePhase, SilenceState,
    Verdict,
};
use larkhorn::domain::{Fingerprint, Labels};
use serde_json::{Value, json};
use uuid::Uuid;

/// If this ever shows in an error or a `Debug`, so would the real one.
const CANARY: &str = "canary/secret+5f2b";
const TRANSCRIPTS: [(&str, &str); 2] = [
    ("0.25.0", include_str!("../payloads/am-0.25_api-v2-transcript.json")),
    ("0.33.1", include_str!("../payloads/am-0.33_api-v2-transcript.json")),
];
const UNKNOWN: &str = "22222222-2222-2222-2222-222222222222";

fn now() -> Timestamp {
    "2026-11-22T04:02:00Z".parse().unwrap()
}

fn in_two_hours() -> Timestamp {
    now() + SignedDuration::from_hours(2)
}

/// What happens to the next request instead of, or after, what should.
enum Fault {
    /// Not done, but answered so.
    Answer(u16, String),
    /// Done, but the answer never comes.
    Lost,
    /// Done, but a proxy says that it was not.
    Bad(u16),
}

/// What a request said.
#[derive(Debug, Clone)]
struct Heard {
    method: String,
    path: String,
    filters: Vec<String>,
    authorization: Option<String>,
    body: Value,
}

struct State {
    /// Answers heard, by the name of the exchange.
    heard_said: BTreeMap<String, Value>,
    old: bool,
    prefix: &'static str,
    silences: Vec<Value>,
    faults: VecDeque<Fault>,
    heard: Vec<Heard>,
}

/// An Alertmanager of which everything can be seen.
struct Fake {
    state: Arc<Mutex<State>>,
    url: String,
    server: ServerHandle,
}

impl Drop for Fake {
    fn drop(&mut self) {
        // Sends the order to stop; nobody waits for it to be carried out.
        drop(self.server.stop(false));
    }
}

impl Fake {
    fn start(transcript: &str, prefix: &'static str) -> Self {
        let exchanges: Vec<Value> = serde_json::from_str(transcript).unwrap();
        let answer = |e: &Value| (e["name"].as_str().unwrap().to_owned(), e["response"].clone());
        let said: BTreeMap<String, Value> = exchanges.iter().map(answer).collect();
        let old = said["status"]["body"]["versionInfo"]["version"] == "0.25.0";
        let (silences, faults, heard) = (Vec::new(), VecDeque::new(), Vec::new());
        let state = Arc::new(Mutex::new(State { heard_said: said, old, prefix, silences, faults, heard }));
        let data = Data::from(state.clone());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}{prefix}", listener.local_addr().unwrap());
        let server =
            HttpServer::new(move || App::new().app_data(data.clone()).default_service(web::to(serve)))
                .workers(1)
                .disable_signals()
                .listen(listener)
                .unwrap()
                .run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { state, url, server: handle }
    }

    fn each() -> impl Iterator<Item = (&'static str, Self)> {
        TRANSCRIPTS.into_iter().map(|(version, text)| (version, Self::start(text, "")))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn client(&self) -> Client {
        connect(&self.url, Duration::from_secs(5))
    }

    fn fails(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults = faults.into_iter().collect();
    }

    /// Comments of all silences ever made.
    fn comments(&self) -> Vec<String> {
        self.state().silences.iter().map(|s| s["comment"].as_str().unwrap().to_owned()).collect()
    }
}

fn connect(url: &str, timeout: Duration) -> Client {
    let connect_timeout = Duration::from_secs(2);
    Client::new(&ClientConfig { url: url.into(), bearer_token: None, timeout, connect_timeout }).unwrap()
}

/// The disk of instance a is full, says the transcript.
fn disk_full() -> Silence {
    Silence {
        matchers: labels(&[("alertname", "DiskFull"), ("instance", "a:9100")]),
        until: in_two_hours(),
        author: "张三".to_owned(),
        incident: "INC-142".to_owned(),
        marker: Uuid::new_v4(),
    }
}

fn labels(pairs: &[(&str, &str)]) -> Labels<'static> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

async fn serve(state: Data<Mutex<State>>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let (answer, lost) = {
        let mut state = state.lock().unwrap();
        match state.faults.pop_front() {
            Some(Fault::Answer(status, body)) => {
                return HttpResponse::build(StatusCode::from_u16(status).unwrap()).body(body);
            }
            Some(Fault::Bad(status)) => {
                state.answer(&request, &body);
                return HttpResponse::build(StatusCode::from_u16(status).unwrap()).body("<html>");
            }
            Some(Fault::Lost) => (state.answer(&request, &body), true),
            None => (state.answer(&request, &body), false),
        }
    };
    if lost {
        std::future::pending::<()>().await;
    }
    let status = StatusCode::from_u16(u16::try_from(answer["status"].as_u64().unwrap()).unwrap()).unwrap();
    match (answer["content_type"].as_str(), &answer["body"]) {
        (Some("application/json"), body) => HttpResponse::build(status).json(body),
        (_, body) => HttpResponse::build(status).body(body.as_str().unwrap_or_default().to_owned()),
    }
}

impl State {
    fn answer(&mut self, request: &HttpRequest, body: &Bytes) -> Value {
        let query: Vec<(String, String)> =
            web::Query::from_query(request.query_string()).map(web::Query::into_inner).unwrap_or_default();
        let header = |name| request.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
        let filters: Vec<_> = query.into_iter().filter(|(k, _)| k == "filter").map(|(_, v)| v).collect();
        let heard = Heard {
            method: request.method().to_string(),
            path: request.path().to_owned(),
            filters,
            authorization: header("Authorization"),
            body: serde_json::from_slice(body).unwrap_or_default(),
        };
        self.heard.push(heard.clone());
        let Some(path) = heard.path.strip_prefix(self.prefix).and_then(|p| p.strip_prefix("/api/v2/")) else {
            return json!({"status": 404, "body": "404 page not found"});
        };
        match (&*heard.method, path) {
            ("POST", "silences") if header("Content-Type").as_deref() != Some("application/json") => {
                self.said("alerts_post_no_ct")
            }
            ("POST", "silences") => self.create(&heard.body),
            ("GET", "silences") => {
                let found: Vec<_> = self.silences.iter().filter(|s| is_asked(s, &heard.filters)).collect();
                json!({"status": 200, "content_type": "application/json", "body": found})
            }
            ("GET", "alerts") => self.alerts(),
            ("GET", "status") => self.said("status"),
            (method, path) => {
                let id = path.strip_prefix("silence/").unwrap_or_else(|| panic!("{method} {path}"));
                self.one(method, id)
            }
        }
    }

    fn said(&self, name: &str) -> Value {
        self.heard_said[name].clone()
    }

    fn create(&mut self, body: &Value) -> Value {
        let matchers = body["matchers"].as_array().cloned().unwrap_or_default();
        let complete = ["matchers", "startsAt", "endsAt", "createdBy", "comment"];
        let name = |m: &Value| m["name"].as_str().unwrap().to_owned();
        let time = |key: &str| -> Timestamp { body[key].as_str().unwrap().parse().unwrap() };
        if !complete.iter().all(|key| body.get(key).is_some()) {
            return self.said("silence_no_comment");
        }
        if matchers.is_empty() {
            return self.said("silence_no_matchers");
        }
        if matchers.iter().all(|m| m["value"] == "") {
            return self.said("silence_empty_match");
        }
        if time("endsAt") < now() {
            return self.said("silence_past");
        }
        if let Some(odd) = matchers.iter().map(name).find(|n| self.old && !n.is_ascii()) {
            // As tests/real heard 0.25 say it.
            let body = format!("silence invalid: invalid label matcher 0: invalid label name {odd:?}");
            return json!({"status": 400, "content_type": "application/json", "body": body});
        }
        let mut silence = self.said("silence_get")["body"].clone();
        let id = Uuid::new_v4().to_string();
        silence["id"] = id.clone().into();
        for key in ["matchers", "endsAt", "createdBy", "comment"] {
            silence[key] = body[key].clone();
        }
        silence["startsAt"] = time("startsAt").max(now()).to_string().into();
        silence["status"]["state"] = if time("startsAt") > now() { "pending" } else { "active" }.into();
        self.silences.push(silence);
        let mut answer = self.said("silence_create");
        answer["body"]["silenceID"] = id.into();
        answer
    }

    fn one(&mut self, method: &str, id: &str) -> Value {
        let (again, unknown) = (self.said("silence_delete_again"), self.said("silence_delete_unknown"));
        let Some(silence) = self.silences.iter_mut().find(|s| s["id"] == id) else {
            return if method == "GET" { json!({"status": 404, "body": ""}) } else { unknown };
        };
        if method == "GET" {
            return json!({"status": 200, "content_type": "application/json", "body": silence});
        }
        silence["status"]["state"] = "expired".into();
        silence["endsAt"] = now().to_string().into();
        again
    }

    /// Both alerts, as heard; the silenced one as heard once it was.
    fn alerts(&self) -> Value {
        let silenced = self.silences.iter().any(|s| s["status"]["state"] == "active");
        let mut answer = self.said(if silenced { "alerts_get_silenced" } else { "alerts_get_filter" });
        let other = self.heard_said["groups_get"]["body"][0]["alerts"][1].clone();
        answer["body"].as_array_mut().unwrap().push(other);
        answer
    }
}

/// Whether a silence has a matcher for each filter, quoted as Alertmanager reads it.
fn is_asked(silence: &Value, filters: &[String]) -> bool {
    let quoted = |m: &Value| {
        let value = m["value"].as_str().unwrap().replace('\\', "\\\\").replace('"', "\\\"");
        format!("{}=\"{}\"", m["name"].as_str().unwrap(), value.replace('\n', "\\n"))
    };
    let has: Vec<String> = silence["matchers"].as_array().unwrap().iter().map(quoted).collect();
    filters.iter().all(|filter| has.contains(filter))
}

#[actix_web::test]
async fn a_silence_is_made_once_seen_and_ended() {
    for (version, fake) in Fake::each() {
        let (client, wanted) = (fake.client(), disk_full());
        let id = client.silence(now(), &wanted).await.unwrap();
        assert_eq!(client.silence(now(), &wanted).await, Ok(id), "{version}");
        let comment = format!("INC-142 · 张三 · larkhorn {}", wanted.marker);
        assert_eq!(fake.comments(), [comment]);
        let body = fake.state().heard.iter().find(|h| h.method == "POST").unwrap().body.clone();
        let matcher = |name, value| json!({"name": name, "value": value, "isRegex": false, "isEqual": true});
        assert_eq!(
            body["matchers"],
            json!([matcher("alertname", "DiskFull"), matcher("instance", "a:9100")])
        );
        assert_eq!((&body["createdBy"], &body["endsAt"]), (&"张三".into(), &"2026-11-22T06:02:00Z".into()));

        let active = SilenceState { phase: SilencePhase::Active, until: in_two_hours() };
        assert_eq!(client.silence_state(&id).await, Ok(Some(active)));
        assert_eq!((client.expire(&id).await, client.expire(&id).await), (Ok(()), Ok(())));
        let expired = SilenceState { phase: SilencePhase::Expired, until: now() };
        assert_eq!(client.silence_state(&id).await, Ok(Some(expired)));

        // One that has ended is not the one that is wanted; nor is another wish's.
        let again = client.silence(now(), &wanted).await.unwrap();
        let other = client.silence(now(), &Silence { marker: Uuid::new_v4(), ..wanted }).await.unwrap();
        assert_eq!(fake.state().silences.len(), 3, "{id} {again} {other}");
    }
}

#[actix_web::test]
async fn after_a_lost_answer_the_same_wish_makes_no_second_silence() {
    let one = |fault| vec![Fault::Answer(200, "[]".to_owned()), fault];
    for (version, fake) in Fake::each() {
        let hasty = connect(&fake.url, Duration::from_secs(1));
        for (n, fault) in [Fault::Lost, Fault::Bad(502), Fault::Bad(200)].into_iter().enumerate() {
            let wanted = disk_full();
            fake.fails(one(fault));
            let error = hasty.silence(now(), &wanted).await.unwrap_err();
            assert_eq!((error.api, error.verdict), ("silence", Verdict::Retry), "{version}: {error}");
            assert_eq!(fake.state().silences.len(), n + 1, "it was made");
            let id = fake.client().silence(now(), &wanted).await.unwrap();
            assert_eq!(fake.state().silences.len(), n + 1, "{version}: a second silence");
            assert_eq!(fake.state().silences[n]["id"], id.to_string());
        }
    }
}

#[actix_web::test]
async fn wishes_at_the_same_moment_make_one_silence() {
    let (client, wanted, fake) = {
        let fake = Fake::start(TRANSCRIPTS[0].1, "");
        (fake.client(), disk_full(), fake)
    };
    let tries = (0..4).map(|_| client.silence(now(), &wanted));
    let ids: Vec<SilenceId> =
        futures_util::future::join_all(tries).await.into_iter().map(Result::unwrap).collect();
    assert!(ids.iter().all(|id| id == &ids[0]), "{ids:?}");
    assert_eq!(fake.state().silences.len(), 1);
}

#[actix_web::test]
async fn a_clock_that_runs_ahead_does_not_leave_the_silence_pending() {
    let fake = Fake::start(TRANSCRIPTS[0].1, "");
    let ahead = now() + SignedDuration::from_mins(4);
    let id = fake.client().silence(ahead, &disk_full()).await.unwrap();
    let state = fake.client().silence_state(&id).await.unwrap().unwrap();
    assert_eq!(state.phase, SilencePhase::Active);
}

#[actix_web::test]
async fn what_makes_no_sense_is_not_asked_for() {
    let fake = Fake::start(TRANSCRIPTS[1].1, "");
    let client = fake.client();
    let table = [
        (Silence { matchers: Labels::default(), ..disk_full() }, "mute everything"),
        (Silence { matchers: labels(&[("team", "")]), ..disk_full() }, "mute everything"),
        (Silence { until: now(), ..disk_full() }, "ended already"),
    ];
    for (wanted, why) in table {
        let error = client.silence(now(), &wanted).await.unwrap_err();
        assert_eq!((error.verdict, error.http), (Verdict::GiveUp, None));
        assert!(error.message.contains(why), "{error}");
    }
    assert!(fake.state().heard.is_empty());
    // Empty values are left out of others.
    let wanted = Silence { matchers: labels(&[("alertname", "A"), ("team", "")]), ..disk_full() };
    client.silence(now(), &wanted).await.unwrap();
    assert_eq!(fake.state().silences[0]["matchers"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn label_names_of_any_script_need_a_newer_version_and_the_error_says_so() {
    let wanted = Silence { matchers: labels(&[("服务", "支付"), ("env", "a\"b\\c\nd")]), ..disk_full() };
    let [(_, old), (_, new)] = TRANSCRIPTS;
    let error = Fake::start(old, "").client().silence(now(), &wanted).await.unwrap_err();
    assert_eq!((error.http, error.verdict), (Some(400), Verdict::GiveUp));
    assert!(error.message.contains("\"服务\" need Alertmanager 0.27 or newer"), "{error}");
    let new = Fake::start(new, "");
    let id = new.client().silence(now(), &wanted).await.unwrap();
    assert_eq!(new.client().silence(now(), &wanted).await, Ok(id));
    let heard = new.state().heard.last().unwrap().clone();
    assert_eq!(heard.filters, [r#"env="a\"b\\c\nd""#], "what old parsers cannot read is not filtered by");
}

#[actix_web::test]
async fn unknown_silences_are_gone_whatever_the_version_answers() {
    let unknown = SilenceId::parse(UNKNOWN).unwrap();
    for (_, fake) in Fake::each() {
        assert_eq!(fake.client().expire(&unknown).await, Ok(()));
        assert_eq!(fake.client().silence_state(&unknown).await, Ok(None));
        // A page that is not Alertmanager's says nothing about silences.
        fake.state().prefix = "/elsewhere";
        for error in [
            fake.client().expire(&unknown).await.unwrap_err(),
            fake.client().silence_state(&unknown).await.unwrap_err(),
        ] {
            assert_eq!((error.http, error.verdict), (Some(404), Verdict::GiveUp));
            assert!(error.to_string().contains("is alertmanager.url right?"), "{error}");
        }
    }
    assert_eq!(SilenceId::parse("abc"), None);
    assert_eq!(unknown.to_string(), UNKNOWN);
}

#[actix_web::test]
async fn alerts_say_whether_they_fire_are_suppressed_or_are_gone() {
    let [a, b] = ["22b692ed704ee014", "60b364ff8eb307e4"].map(|hex| Fingerprint::from_hex(hex).unwrap());
    for (version, fake) in Fake::each() {
        let client = fake.client();
        let all = client.alerts(&labels(&[("alertname", "DiskFull")])).await.unwrap();
        assert_eq!(all, BTreeMap::from([(a, AlertState::Firing), (b, AlertState::Firing)]), "{version}");
        assert_eq!(fake.state().heard.last().unwrap().filters, ["alertname=\"DiskFull\""]);

        client.silence(now(), &disk_full()).await.unwrap();
        let all = client.alerts(&Labels::default()).await.unwrap();
        let Some(AlertState::Suppressed { silences, inhibitors, intervals }) = all.get(&a) else {
            panic!("{version}: {all:?}")
        };
        assert_eq!((silences.len(), inhibitors.len(), intervals.len()), (2, 0, 0), "as heard");
        assert_eq!(all.get(&b), Some(&AlertState::Firing));

        // Whatever the filter lets through, only what was asked for is told.
        let some = client.alerts(&labels(&[("instance", "b:9100"), ("team", "")])).await.unwrap();
        assert_eq!(some.into_keys().collect::<Vec<_>>(), [b]);
        assert_eq!(client.alerts(&labels(&[("服务", "x")])).await, Ok(BTreeMap::new()));
    }
}

#[actix_web::test]
async fn every_way_to_be_suppressed_is_told() {
    let alert =
        |n: u8, status: Value| json!({"fingerprint": format!("{n:016x}"), "labels": {}, "status": status});
    let list = json!([
        alert(1, json!({"state": "active", "silencedBy": null, "inhibitedBy": null})),
        alert(2, json!({"state": "unprocessed", "silencedBy": [], "inhibitedBy": []})),
        alert(3, json!({"state": "suppressed", "silencedBy": [UNKNOWN], "inhibitedBy": []})),
        alert(4, json!({"state": "suppressed", "silencedBy": [], "inhibitedBy": ["00000000000000ff"]})),
        alert(5, json!({"state": "active", "silencedBy": [], "inhibitedBy": [], "mutedBy": ["nights"]})),
        alert(6, json!({"state": "suppressed"})),
    ]);
    let fake = Fake::start(TRANSCRIPTS[1].1, "");
    fake.fails([Fault::Answer(200, list.to_string())]);
    let told = fake.client().alerts(&Labels::default()).await.unwrap();
    let by = |silences: &[&str], inhibitors: &[u64], intervals: &[&str]| AlertState::Suppressed {
        silences: silences.iter().map(|id| SilenceId::parse(id).unwrap()).collect(),
        inhibitors: inhibitors.iter().copied().map(Fingerprint).collect(),
        intervals: intervals.iter().map(|name| (*name).to_owned()).collect(),
    };
    let expected = [
        (1, AlertState::Firing),
        (2, AlertState::Firing),
        (3, by(&[UNKNOWN], &[], &[])),
        (4, by(&[], &[255], &[])),
        (5, by(&[], &[], &["nights"])),
        (6, by(&[], &[], &[])),
    ];
    assert_eq!(told, expected.map(|(n, state)| (Fingerprint(n), state)).into());
}

#[actix_web::test]
async fn after_a_start_what_is_not_listed_may_still_fire() {
    for (version, fake) in Fake::each() {
        let status = fake.client().status().await.unwrap();
        assert_eq!((&*status.version, status.settled), (version, true));
        let after = |minutes| status.started_at + SignedDuration::from_mins(minutes);
        assert!(!status.absence_means_gone(after(9)) && status.absence_means_gone(after(10)));
        let mut settling = fake.state().said("status")["body"].clone();
        settling["cluster"]["status"] = "settling".into();
        fake.fails([Fault::Answer(200, settling.to_string())]);
        let status = fake.client().status().await.unwrap();
        assert!(!status.settled && !status.absence_means_gone(after(60)));
    }
}

#[actix_web::test]
async fn a_path_in_front_and_both_kinds_of_credentials_are_used() {
    let fake = Fake::start(TRANSCRIPTS[1].1, "/monitoring/alertmanager");
    for url in [fake.url.clone(), format!("{}/", fake.url)] {
        let client = connect(&url, Duration::from_secs(5));
        let id = client.silence(now(), &disk_full()).await.unwrap();
        client.expire(&id).await.unwrap();
        client.status().await.unwrap();
    }
    assert!(fake.state().heard.iter().all(|h| h.authorization.is_none()));
    let url = fake.url.replace("http://", "http://am:p%40ss@");
    connect(&url, Duration::from_secs(5)).status().await.unwrap();
    let token = Some("t0ken".into());
    let (timeout, connect_timeout) = (Duration::from_secs(5), Duration::from_secs(2));
    let config = ClientConfig { url: (*fake.url).into(), bearer_token: token, timeout, connect_timeout };
    Client::new(&config).unwrap().status().await.unwrap();
    let said: Vec<_> = fake.state().heard.iter().filter_map(|h| h.authorization.clone()).collect();
    assert_eq!(said, ["Basic YW06cEBzcw==", "Bearer t0ken"]);
}

#[actix_web::test]
async fn servers_that_are_not_alertmanager_do_no_harm() {
    let fake = Fake::start(TRANSCRIPTS[0].1, "");
    let client = fake.client();
    let pad = " ".repeat(1 << 20);
    let element = format!("{{\"x\":\"{pad}\"}}");
    let table = [
        (200, "<html>".to_owned(), Verdict::Retry, "the answer cannot be read"),
        (200, String::new(), Verdict::Retry, "the list is cut off"),
        (200, "null".to_owned(), Verdict::Retry, "not a list"),
        (200, "[{\"x\":1}]".to_owned(), Verdict::Retry, "missing field"),
        (200, "[{\"fingerprint\":\"0\"".to_owned(), Verdict::Retry, "cut off"),
        (200, format!("[{element}]"), Verdict::Retry, "too large"),
        (200, format!("[{}", pad.repeat(64)), Verdict::GiveUp, "larger than"),
        (302, String::new(), Verdict::GiveUp, "a redirect"),
        (400, "\"bad matcher format: alertname\"".to_owned(), Verdict::GiveUp, "bad matcher format"),
        (401, "Unauthorized".to_owned(), Verdict::Credentials, "HTTP 401"),
        (429, pad.repeat(5), Verdict::Retry, "HTTP 429"),
        (503, "<html>".to_owned(), Verdict::Retry, "not Alertmanager's"),
    ];
    for (status, body, verdict, words) in table {
        fake.fails([Fault::Answer(status, body)]);
        let error = client.alerts(&Labels::default()).await.unwrap_err();
        assert_eq!(error.verdict, verdict, "{error}");
        let text = error.to_string();
        assert!(text.starts_with("Alertmanager, alerts: ") && text.contains(words), "{text}");
        assert!(text.chars().count() < 600);
    }
    fake.fails([Fault::Answer(200, pad.repeat(5))]);
    let error = client.status().await.unwrap_err();
    assert!(error.message.contains("larger than"), "{error}");
    // When it cannot be seen whether the silence is there, none is made.
    for (status, body) in [(500, ""), (200, "[{\"id\":\"x\"}]"), (200, "[")] {
        fake.fails([Fault::Answer(status, body.to_owned())]);
        let error = client.silence(now(), &disk_full()).await.unwrap_err();
        assert_eq!((error.api, error.verdict), ("find_silence", Verdict::Retry));
    }
    assert_eq!(fake.comments(), Vec::<String>::new());
}

#[actix_web::test]
async fn a_great_many_alerts_are_read() {
    let alert = |n: u64| {
        json!({"fingerprint": format!("{n:016x}"), "labels": {"n": n.to_string()},
               "annotations": {"text": "磁盘 \"}{][\\ ".repeat(20)},
               "status": {"state": "active", "silencedBy": [], "inhibitedBy": []}})
    };
    let fake = Fake::start(TRANSCRIPTS[1].1, "");
    let list: Vec<Value> = (0..5_000).map(alert).collect();
    fake.fails([Fault::Answer(200, Value::from(list).to_string())]);
    assert_eq!(fake.client().alerts(&Labels::default()).await.unwrap().len(), 5_000);
}

#[actix_web::test]
async fn nobody_there_and_no_answer_are_worth_another_try() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}");
    let error = connect(&url, Duration::from_secs(5)).status().await.unwrap_err();
    assert_eq!((error.verdict, error.http), (Verdict::Retry, None));
    assert!(error.message.starts_with("no connection"), "{error}");
    // Accepts by its backlog and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let error = connect(&url, Duration::from_millis(100)).status().await.unwrap_err();
    assert_eq!(error.verdict, Verdict::Retry);
    assert!(error.message.starts_with("no answer in time"), "{error}");
}

#[actix_web::test]
async fn credentials_are_never_printed() {
    let fake = Fake::start(TRANSCRIPTS[0].1, "");
    let encoded = CANARY.replace('/', "%2F").replace('+', "%2B");
    let pair = "YW06Y2FuYXJ5L3NlY3JldCs1ZjJi";
    let (timeout, connect_timeout) = (Duration::from_secs(5), Duration::from_secs(2));
    let with_user = fake.url.replace("http://", &format!("http://am:{encoded}@"));
    let mut printed = Vec::new();
    let config = |url: &str, token: Option<&str>| ClientConfig {
        url: url.into(),
        bearer_token: token.map(Into::into),
        timeout,
        connect_timeout,
    };
    for (config, echo) in [
        (config(&with_user, None), format!("\"{CANARY}, that is {pair}, was refused\"")),
        (config(&fake.url, Some(CANARY)), format!("\"{CANARY}, that is wrong\"")),
    ] {
        let client = Client::new(&config).unwrap();
        fake.fails([Fault::Answer(400, echo.clone()), Fault::Answer(200, format!("[{{\"id\":{echo}}}]"))]);
        let errors: Vec<CallError> =
            vec![client.status().await.unwrap_err(), client.silence(now(), &disk_full()).await.unwrap_err()];
        assert!(errors[0].message.contains("[redacted], that is"), "{errors:?}");
        printed.push(format!("{config:?} {client:?} {errors:?} {} {}", errors[0], errors[1]));
    }
    let nobody = connect(&format!("http://am:{encoded}@127.0.0.1:1"), timeout);
    printed.push(format!("{:?}", nobody.status().await.unwrap_err()));
    let heard = fake.state().heard.len();
    assert_eq!(heard, 0, "each answer was a fault");
    for secret in [CANARY, &encoded, pair] {
        assert!(!printed.concat().contains(secret), "{printed:?}");
    }
}

#[test]
fn what_cannot_be_configured_is_refused_without_repeating_it() {
    let config = |url: &str, token: Option<&str>| ClientConfig {
        url: url.into(),
        bearer_token: token.map(Into::into),
        timeout: Duration::from_secs(1),
        connect_timeout: Duration::from_secs(1),
    };
    for url in
        ["", "am:9093", "ftp://am", "http://", "http://u:hunter2@am/?x=1", "http://u:hunter2@am/#/alerts"]
    {
        let error = Client::new(&config(url, None)).unwrap_err();
        assert!(matches!(error, ClientError::Url), "{url}");
        assert!(!error.to_string().contains("hunter2"));
    }
    let both = Client::new(&config("http://u:p@am", Some("t"))).unwrap_err();
    assert!(matches!(both, ClientError::TwoCredentials));
    let broken = Client::new(&config("http://am", Some("a\nb"))).unwrap_err();
    assert!(matches!(broken, ClientError::BearerToken));
}
