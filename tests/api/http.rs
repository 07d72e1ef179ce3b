//! The HTTP door, tried over real sockets: every status code of the contract,
//! every way to authenticate, bodies that are too large, too slow or broken.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::{
    Clock, Fact, Incident, IncidentId, IncidentKey, Labels, Ladder, Phase, Policy, RecordedEntry, Response,
    Severity, SourceKind, Standing, Urgent,
};
use larkhorn::http::{Access, Limits, Readiness, Reload, State, serve};
use larkhorn::settings::{Basic, Webhook};
use larkhorn::telemetry::Metrics;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::shelf::Shelf;

/// The moment that `grafana-unified_hmac-timestamp` was signed at.
const SIGNED_AT: i64 = 1_768_472_500;
const FIRING: &[u8] = include_bytes!("../payloads/am-0.33_single-firing.json");
const SIGNED: &[u8] = include_bytes!("../payloads/grafana-unified_hmac-timestamp.json");
const SIGNATURE: &str = "02cc1e2532f15fba1bb2906e7d92381b45dcc24be54bf5fb3dc7ac672cb28ec4";

/// A payload without alerts and its HMAC, made with `openssl dgst -sha256 -hmac test-hmac-secret`.
const EMPTY_GROUP: &[u8] =
    br#"{"version":"4","status":"firing","groupKey":"{}:{}","receiver":"r","alerts":[]}"#;
const EMPTY_GROUP_MAC: &str = "fa1736f560042891aa8ff291a6abde237a0f66a62aab7a00e43e4f660a173d04";

struct At(Mutex<Timestamp>);

impl Clock for At {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// Answers with the given errors or problems; none means well.
struct Says(Vec<String>);

#[async_trait]
impl Reload for Says {
    async fn reload(&self) -> Result<(), Vec<String>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0.clone()) }
    }
}

#[async_trait]
impl Readiness for Says {
    async fn problems(&self) -> Vec<String> {
        self.0.clone()
    }
}

/// How a door is to be set up.
#[derive(Default)]
struct Plan {
    shelf: Shelf,
    access: Access,
    reload_errors: &'static [&'static str],
    not_ready: &'static [&'static str],
    max_body_bytes: Option<usize>,
    body_idle: Option<Duration>,
}

/// A server on a port of its own; stops when dropped.
struct Door {
    address: SocketAddr,
    shelf: Arc<Shelf>,
    signal: Arc<Notify>,
    clock: Arc<At>,
    client: reqwest::Client,
    handle: ServerHandle,
}

impl Drop for Door {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

impl Door {
    fn open(plan: Plan) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shelf = Arc::new(plan.shelf);
        let signal = Arc::new(Notify::new());
        let clock = Arc::new(At(Mutex::new(Timestamp::from_second(SIGNED_AT).unwrap())));
        let says = |words: &[&str]| Arc::new(Says(words.iter().map(|w| (*w).to_owned()).collect()));
        let state = State {
            store: shelf.clone(),
            rules: crate::rule_set(),
            reload: says(plan.reload_errors),
            readiness: says(plan.not_ready),
            inbox_signal: signal.clone(),
            clock: clock.clone(),
            metrics: Metrics::new("0.0.1"),
            access: plan.access,
            limits: Limits {
                max_body_bytes: plan.max_body_bytes.unwrap_or(1 << 20),
                body_idle: plan.body_idle.unwrap_or(Duration::from_secs(30)),
            },
            intake: Arc::default(),
            refusals: Arc::default(),
            listener: None,
            actions: None,
            tap: larkhorn::telemetry::Tap::default(),
        };
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = serve(listener, state, 1).unwrap();
                tell.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { address, shelf, signal, clock, client, handle: told.recv().unwrap() }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    fn post(&self, path: &str, body: &[u8]) -> RequestBuilder {
        self.request(Method::POST, path).header("Content-Type", "application/json").body(body.to_vec())
    }

    fn kept(&self) -> usize {
        self.shelf.kept.lock().unwrap().len()
    }

    /// Sends bytes as they are, and no more, and reads the answer.
    fn raw(&self, parts: &[&[u8]]) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        for part in parts {
            stream.write_all(part).unwrap();
        }
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        // The answers to such requests are problems: one JSON object ends them.
        while !answer.ends_with(b"}") {
            let n = stream.read(&mut buffer).unwrap();
            assert_ne!(n, 0, "closed after {}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&buffer[..n]);
        }
        String::from_utf8(answer).unwrap()
    }
}

/// The parts of a problem that tests look at, its shape checked.
async fn problem(request: RequestBuilder) -> (u16, String, reqwest::header::HeaderMap) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let headers = answer.headers().clone();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(headers["content-type"], "application/problem+json", "{body}");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(body["status"], status, "{body}");
    assert_eq!(body["type"], "about:blank");
    assert!(body["title"].is_string(), "{body}");
    (status, body["detail"].as_str().unwrap().to_owned(), headers)
}

async fn status(request: RequestBuilder) -> StatusCode {
    request.send().await.unwrap().status()
}

fn guarded() -> Access {
    Access {
        webhook: Webhook {
            bearer_token: Some("open sesame".into()),
            basic: Some(Basic { username: "am".into(), password: "s3:cret".into() }),
            grafana_hmac_secret: Some("test-hmac-secret".into()),
            open: false,
        },
        api_token: Some("api".into()),
    }
}

#[actix_web::test]
async fn an_accepted_webhook_is_kept_byte_for_byte_and_the_engine_is_told() {
    let door = Door::open(Plan::default());
    let answer = door.post("/webhook?source=prod-eu", FIRING).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({"accepted": 1}));
    let kept = door.shelf.kept.lock().unwrap().clone();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].body, FIRING);
    assert_eq!(kept[0].source, "prod-eu");
    assert_eq!(kept[0].kind, SourceKind::Alertmanager);
    assert_eq!(kept[0].received_at.as_second(), SIGNED_AT);
    door.signal.notified().await;
}

#[actix_web::test]
async fn a_source_without_a_name_is_called_by_its_kind() {
    let door = Door::open(Plan::default());
    assert_eq!(status(door.post("/webhook", FIRING)).await, 200);
    assert_eq!(status(door.post("/webhook/alertmanager", FIRING)).await, 200);
    assert_eq!(status(door.post("/webhook/grafana", SIGNED)).await, 200);
    let put = door.request(Method::PUT, "/webhook/grafana").header("Content-Type", "application/json");
    assert_eq!(status(put.body(SIGNED)).await, 200);
    let named: Vec<_> = door.shelf.kept.lock().unwrap().iter().map(|d| d.source.clone()).collect();
    assert_eq!(named, ["alertmanager", "alertmanager", "grafana", "grafana"]);
}

#[actix_web::test]
async fn what_cannot_be_a_webhook_is_refused_with_a_reason() {
    let door = Door::open(Plan::default());
    let long = format!("/webhook?source={}", "a".repeat(65));
    let typed = |kind: &str| door.request(Method::POST, "/webhook").header("Content-Type", kind);
    let cases: Vec<(RequestBuilder, u16, &str)> = vec![
        (door.post("/webhook", b"{"), 400, ""),
        (door.post("/webhook", b""), 400, ""),
        (door.post("/webhook", b"[1,2]"), 400, ""),
        (door.post("/webhook", b"{\"hello\":1}"), 400, ""),
        (door.post("/webhook?source=", FIRING), 400, "?source="),
        (door.post("/webhook?source=larkhorn", FIRING), 400, "own alerts"),
        (door.post("/webhook?source=a%20b", FIRING), 400, "?source="),
        (door.post("/webhook?source=a%22%0a", FIRING), 400, "?source="),
        (door.post("/webhook?source=a&source=b", FIRING), 400, "?source="),
        (door.post(&long, FIRING), 400, "?source="),
        (typed("text/plain").body(FIRING), 415, "application/json"),
        (typed("application/x-www-form-urlencoded").body("a=b"), 415, "application/json"),
        (door.post("/webhook", FIRING).header("Content-Encoding", "br"), 415, "Content-Encoding"),
        (door.post("/webhook", FIRING).header("Content-Encoding", "gzip"), 400, "not the gzip"),
        (door.get("/webhook"), 405, "POST"),
        (door.request(Method::PUT, "/webhook/alertmanager").body(FIRING), 405, "POST"),
        (door.request(Method::DELETE, "/metrics"), 405, "GET"),
        (door.get("/-/reload"), 405, "POST"),
        (door.post("/webhooks", FIRING), 404, "/webhook"),
    ];
    for (n, (request, code, hint)) in cases.into_iter().enumerate() {
        let (status, detail, headers) = problem(request).await;
        assert_eq!(status, code, "case {n}: {detail}");
        assert!(!detail.is_empty() && detail.contains(hint) && !detail.contains('\n'), "case {n}: {detail}");
        assert_eq!(headers.contains_key("allow"), code == 405, "case {n}");
    }
    assert_eq!(door.kept(), 0);
}

#[actix_web::test]
async fn types_that_senders_use_are_taken() {
    let door = Door::open(Plan::default());
    for kind in ["application/json", "application/json; charset=utf-8", "Application/JSON"] {
        let request = door.request(Method::POST, "/webhook").header("Content-Type", kind).body(FIRING);
        assert_eq!(status(request).await, 200, "{kind}");
    }
    let untyped = door.request(Method::POST, "/webhook").body(FIRING);
    assert_eq!(status(untyped).await, 200);
    let identity = door.post("/webhook", FIRING).header("Content-Encoding", "identity");
    assert_eq!(status(identity).await, 200);
    assert_eq!(door.kept(), 5);
}

#[actix_web::test]
async fn any_configured_method_admits() {
    let door = Door::open(Plan { access: guarded(), ..Plan::default() });
    let hook = || door.post("/webhook", FIRING);
    assert_eq!(status(hook().bearer_auth("open sesame")).await, 200);
    assert_eq!(status(hook().header("Authorization", "bearer open sesame")).await, 200);
    assert_eq!(status(hook().basic_auth("am", Some("s3:cret"))).await, 200);
    assert_eq!(status(signed(&door, SIGNED)).await, 200);
    assert_eq!(door.kept(), 4);
}

#[actix_web::test]
async fn everybody_else_is_turned_away_before_the_body_is_looked_at() {
    let door = Door::open(Plan { access: guarded(), ..Plan::default() });
    let hook = || door.post("/webhook", b"not even JSON");
    let callers = [
        hook(),
        hook().bearer_auth("open sesam"),
        hook().bearer_auth(""),
        hook().bearer_auth("s3:cret"),
        hook().basic_auth("am", Some("s3")),
        hook().basic_auth("an", Some("s3:cret")),
        hook().basic_auth("am", None::<&str>),
        hook().header("Authorization", "Basic !!!"),
        hook().header("Authorization", "open sesame"),
        hook().header("X-Grafana-Alerting-Signature", "not hex"),
        hook().header("X-Grafana-Alerting-Signature", SIGNATURE),
        door.post("/webhook?token=open%20sesame", FIRING),
    ];
    for (n, caller) in callers.into_iter().enumerate() {
        let (status, detail, headers) = problem(caller).await;
        assert_eq!(status, 401, "caller {n}: {detail}");
        assert!(headers.contains_key("www-authenticate"), "caller {n}");
        assert!(!detail.contains("sesame") && !detail.contains("s3"), "caller {n}: {detail}");
    }
    assert_eq!(door.kept(), 0);
}

fn signed(door: &Door, body: &[u8]) -> RequestBuilder {
    door.post("/webhook/grafana", body)
        .header("X-Grafana-Alerting-Signature", SIGNATURE)
        .header("X-Grafana-Alerting-Timestamp", SIGNED_AT.to_string())
}

#[actix_web::test]
async fn a_signature_holds_for_its_body_and_for_five_minutes() {
    let door = Door::open(Plan { access: guarded(), ..Plan::default() });
    let signed_at = Timestamp::from_second(SIGNED_AT).unwrap();
    for (seconds, code) in [(-301, 401), (-300, 200), (0, 200), (300, 200), (301, 401)] {
        *door.clock.0.lock().unwrap() = signed_at + SignedDuration::from_secs(seconds);
        assert_eq!(status(signed(&door, SIGNED)).await, code, "{seconds} s after signing");
    }
    *door.clock.0.lock().unwrap() = signed_at;
    let mut tampered = SIGNED.to_vec();
    tampered[SIGNED.len() / 2] ^= 1;
    let (code, detail, _) = problem(signed(&door, &tampered)).await;
    assert_eq!((code, detail.contains("grafana_hmac_secret")), (401, true), "{detail}");
    // Without the time that was signed along, the same signature is another text's.
    let bare = door.post("/webhook/grafana", SIGNED).header("X-Grafana-Alerting-Signature", SIGNATURE);
    assert_eq!(status(bare).await, 401);
    for time in ["", "soon", "9999999999999999999999"] {
        let odd = door
            .post("/webhook/grafana", SIGNED)
            .header("X-Grafana-Alerting-Signature", SIGNATURE)
            .header("X-Grafana-Alerting-Timestamp", time);
        assert_eq!(status(odd).await, 401, "{time:?}");
    }
}

#[actix_web::test]
async fn a_signature_without_a_time_signs_the_body_alone() {
    let door = Door::open(Plan { access: guarded(), ..Plan::default() });
    let request = door.post("/webhook", EMPTY_GROUP).header("X-Grafana-Alerting-Signature", EMPTY_GROUP_MAC);
    assert_ne!(status(request).await, 401);
    let other = door.post("/webhook", FIRING).header("X-Grafana-Alerting-Signature", EMPTY_GROUP_MAC);
    assert_eq!(status(other).await, 401);
}

#[actix_web::test]
async fn without_authentication_only_the_machine_itself_is_served() {
    let door = Door::open(Plan::default());
    assert_eq!(status(door.post("/webhook", FIRING)).await, 200);
    let proxied = || door.post("/webhook", FIRING).header("X-Forwarded-For", "203.0.113.9");
    let (code, detail, _) = problem(proxied()).await;
    assert_eq!((code, detail.contains("webhook.bearer_token")), (401, true), "{detail}");
    let foreign_page = door.post("/webhook", FIRING).header("Sec-Fetch-Site", "cross-site");
    assert_eq!(status(foreign_page).await, 401);

    let webhook = Webhook { open: true, ..Webhook::default() };
    let open = Door::open(Plan { access: Access { webhook, api_token: None }, ..Plan::default() });
    let proxied = open.post("/webhook", FIRING).header("X-Forwarded-For", "203.0.113.9");
    assert_eq!(status(proxied).await, 200);
}

#[actix_web::test]
async fn a_body_beyond_the_limit_is_refused_however_it_comes() {
    let door = Door::open(Plan { max_body_bytes: Some(2000), ..Plan::default() });
    // Declared: refused although not a byte of it was sent.
    let declared = door.raw(&[b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 2001\r\n\r\n"]);
    assert!(declared.starts_with("HTTP/1.1 413 "), "{declared}");
    assert!(declared.contains("max_body_bytes"), "{declared}");
    // Not declared: refused once the limit is passed, although the end never came.
    let chunk = [b"3e8\r\n".as_slice(), &[b' '; 1000], b"\r\n"].concat();
    let head: &[u8] = b"POST /webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunked = door.raw(&[head, &chunk, &chunk, b"1\r\n \r\n"]);
    assert!(chunked.starts_with("HTTP/1.1 413 "), "{chunked}");
    assert_eq!(door.kept(), 0);
    // Exactly the limit is fine.
    let mut padded = FIRING.to_vec();
    padded.resize(2000, b' ');
    assert_eq!(status(door.post("/webhook", &padded)).await, 200);
}

#[actix_web::test]
async fn a_body_that_stops_coming_is_given_up() {
    let door = Door::open(Plan { body_idle: Some(Duration::from_millis(50)), ..Plan::default() });
    let answer = door.raw(&[b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"ver"]);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(door.kept(), 0);
}

#[actix_web::test]
async fn when_the_store_is_down_the_sender_is_told_to_try_again() {
    let door = Door::open(Plan::default());
    door.shelf.broken.store(true, Ordering::SeqCst);
    let (code, detail, headers) = problem(door.post("/webhook", FIRING)).await;
    assert_eq!((code, detail.contains("again")), (503, true), "{detail}");
    assert_eq!(headers["retry-after"], "5");
    assert!(!detail.contains("disk full"), "details stay in the log: {detail}");
    for path in ["/api/v1/incidents", "/api/v1/incidents/INC-1"] {
        assert_eq!(problem(door.get(path)).await.0, 503, "{path}");
    }
    // What is counted in memory still shows.
    let metrics = door.get("/metrics").send().await.unwrap();
    assert_eq!(metrics.status(), 200);
    assert!(metrics.text().await.unwrap().contains(r#"{source="alertmanager",code="503"} 1"#));
    door.shelf.broken.store(false, Ordering::SeqCst);
    assert_eq!(status(door.post("/webhook", FIRING)).await, 200);
}

#[actix_web::test]
async fn when_too_much_waits_the_sender_is_told_when_to_come_again() {
    let mut shelf = Shelf::default();
    shelf.backlog.inbox = 250_000;
    let door = Door::open(Plan { shelf, ..Plan::default() });
    let (code, detail, headers) = problem(door.post("/webhook", FIRING)).await;
    assert_eq!((code, headers["retry-after"].to_str().unwrap()), (503, "5"), "{detail}");
    assert!(detail.contains("wait to be dealt with") && detail.contains("send them again"), "{detail}");
    assert_eq!(door.kept(), 0);
    let metrics = door.get("/metrics").send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains(r#"{source="unknown",code="503"} 1"#), "{metrics}");
}

#[actix_web::test]
async fn what_waits_below_the_bound_keeps_nobody_out() {
    let mut shelf = Shelf::default();
    shelf.backlog.inbox = 249_990;
    let door = Door::open(Plan { shelf, ..Plan::default() });
    // Counted once, then what this process accepts is added.
    for _ in 0..10 {
        assert_eq!(status(door.post("/webhook", FIRING)).await, 200);
    }
    assert_eq!(problem(door.post("/webhook", FIRING)).await.0, 503);
    // Half a second later it is counted again: less waits than was thought.
    let now = *door.clock.0.lock().unwrap();
    *door.clock.0.lock().unwrap() = now + SignedDuration::from_secs(1);
    assert_eq!(status(door.post("/webhook", FIRING)).await, 200);
}

#[actix_web::test]
async fn metrics_count_answers_and_show_what_waits() {
    let arrived = Timestamp::from_second(SIGNED_AT - 7).unwrap();
    let mut shelf = Shelf::default();
    shelf.backlog.inbox_oldest = Some(arrived);
    shelf.backlog.incidents.insert(Phase::Triggered, 3);
    let door = Door::open(Plan { shelf, access: guarded(), ..Plan::default() });
    assert_eq!(status(door.post("/webhook?source=eu", FIRING).bearer_auth("open sesame")).await, 200);
    assert_eq!(status(door.post("/webhook?source=forged", FIRING)).await, 401);
    let answer = door.get("/metrics").send().await.unwrap();
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let text = answer.text().await.unwrap();
    for line in [
        r#"larkhorn_webhook_requests_total{source="eu",code="200"} 1"#,
        r#"larkhorn_webhook_requests_total{source="unknown",code="401"} 1"#,
        r#"larkhorn_incidents{state="triggered"} 3"#,
        "larkhorn_inbox_oldest_seconds 7.0",
        "larkhorn_outbox_oldest_seconds 0.0",
        r#"larkhorn_build_info{version="0.0.1"} 1"#,
    ] {
        assert!(text.lines().any(|l| l == line), "missing {line}\n{text}");
    }
    assert!(!text.contains("forged"), "strangers must not name metrics\n{text}");
}

#[actix_web::test]
async fn health_is_about_the_process_and_readiness_about_delivering() {
    let well = Door::open(Plan::default());
    assert_eq!(status(well.get("/-/healthy")).await, 200);
    assert_eq!(status(well.request(Method::HEAD, "/-/ready")).await, 200);
    assert_eq!(status(well.get("/-/ready")).await, 200);
    let plan = Plan { not_ready: &["Feishu refuses the app", "no rules"], ..Plan::default() };
    let ill = Door::open(plan);
    assert_eq!(status(ill.get("/-/healthy")).await, 200);
    let answer = ill.get("/-/ready").send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.text().await.unwrap(), "Feishu refuses the app\nno rules\n");
}

#[actix_web::test]
async fn reload_says_what_is_wrong_and_is_guarded() {
    let door = Door::open(Plan { access: guarded(), ..Plan::default() });
    assert_eq!(problem(door.post("/-/reload", b"")).await.0, 401);
    assert_eq!(status(door.post("/-/reload", b"").bearer_auth("api")).await, 200);

    let door = Door::open(Plan { reload_errors: &["a.yaml:3:5 no", "b.yaml:1:1 no"], ..Plan::default() });
    let answer = door.post("/-/reload", b"").send().await.unwrap();
    assert_eq!(answer.status(), 400);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["errors"], json!(["a.yaml:3:5 no", "b.yaml:1:1 no"]));
    assert!(body["detail"].as_str().unwrap().contains("a.yaml:3:5"), "{body}");
}

/// An incident with this number, open or resolved.
pub(super) fn incident(number: i64, resolved_at: Option<Timestamp>) -> Incident {
    let opened_at: Timestamp = "2026-01-15T10:00:00.5Z".parse().unwrap();
    Incident {
        id: Some(IncidentId(number)),
        version: 1,
        key: IncidentKey { rule: "database".into(), group: "a1".into() },
        source: "prod".into(),
        title: "DiskFull".into(),
        summary: "db-1 is full".into(),
        labels: [("team", "db")].into_iter().collect::<Labels<'_>>().into_owned(),
        external_url: String::new(),
        places: Vec::new(),
        template: "alert".into(),
        pin: false,
        thread: false,
        invite: false,
        standing: Standing {
            members: std::collections::BTreeMap::new(),
            severity: Severity {
                rank: 0,
                name: "critical".into(),
                urgent: Urgent::Phone,
                pin: true,
                ack_timeout: None,
                acknowledge_by_targets: false,
            },
            response: resolved_at.map_or(Response::Open, |at| Response::Resolved { at, by: None }),
            hold: None,
            ladder: if resolved_at.is_some() { Ladder::Idle } else { Ladder::Waiting { step: 1, round: 0 } },
            due_at: resolved_at.is_none().then(|| opened_at + SignedDuration::from_mins(3)),
            last_step: resolved_at.is_none().then_some((0, 0)),
            policy: Policy { steps: Vec::new(), repeat: 0 },
            generation: 1,
            epoch: 1,
            paged: std::collections::BTreeSet::new(),
            catch_alls: 0,
            opened_at,
            reopens: 0,
        },
    }
}

fn with_incidents() -> Shelf {
    let over = Some("2026-01-15T11:00:00Z".parse().unwrap());
    let entry = RecordedEntry {
        at: "2026-01-15T10:00:01.25Z".parse().unwrap(),
        kind: "stepped".into(),
        facts: vec![
            ("step".into(), Fact::Number(0)),
            ("urgent".into(), Fact::Text("app".into())),
            ("people".into(), Fact::List(vec!["lin".into()])),
        ],
    };
    Shelf {
        incidents: vec![incident(1, over), incident(2, None), incident(3, None)],
        timelines: [(IncidentId(2), vec![entry])].into_iter().collect(),
        ..Shelf::default()
    }
}

#[actix_web::test]
async fn an_incident_reads_as_the_contract_says() {
    let door = Door::open(Plan { shelf: with_incidents(), ..Plan::default() });
    let answer = door.get("/api/v1/incidents/INC-2").send().await.unwrap();
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    let wanted = json!({
        "id": "INC-2", "state": "triggered", "severity": "critical", "rule": "database", "source": "prod",
        "title": "DiskFull", "summary": "db-1 is full", "labels": {"team": "db"},
        "firing": 0, "resolved": 0, "step": 1, "round": 1, "next_at": "2026-01-15T10:03:00.500Z",
        "acknowledged_by": null, "opened_at": "2026-01-15T10:00:00.500Z", "acknowledged_at": null,
        "resolved_at": null,
        "timeline": [
            {"at": "2026-01-15T10:00:01.250Z", "kind": "stepped", "step": 1, "urgent": "app", "people": ["lin"]},
        ],
    });
    assert_eq!(answer.json::<Value>().await.unwrap(), wanted);
}

#[actix_web::test]
async fn incidents_come_newest_first_in_pages() {
    let door = Door::open(Plan { shelf: with_incidents(), ..Plan::default() });
    for (query, ids, next) in [
        ("", vec!["INC-3", "INC-2", "INC-1"], Value::Null),
        ("?limit=2", vec!["INC-3", "INC-2"], json!("INC-2")),
        ("?limit=2&before=INC-2", vec!["INC-1"], Value::Null),
        ("?limit=3", vec!["INC-3", "INC-2", "INC-1"], Value::Null),
        ("?state=triggered&limit=1", vec!["INC-3"], json!("INC-3")),
        ("?state=resolved", vec!["INC-1"], Value::Null),
        ("?before=1", vec![], Value::Null),
    ] {
        let page: Value =
            door.get(&format!("/api/v1/incidents{query}")).send().await.unwrap().json().await.unwrap();
        let found: Vec<_> = page["incidents"].as_array().unwrap().iter().map(|i| &i["id"]).collect();
        assert_eq!(found, ids, "{query}");
        assert_eq!(page["next"], next, "{query}");
        assert!(page["incidents"].as_array().unwrap().iter().all(|i| i.get("timeline").is_none()));
    }
}

#[actix_web::test]
async fn questions_that_make_no_sense_are_answered_with_what_would() {
    let door = Door::open(Plan { shelf: with_incidents(), ..Plan::default() });
    for (path, code, hint) in [
        ("/api/v1/incidents?state=asleep", 400, "triggered"),
        ("/api/v1/incidents?limit=0", 400, "500"),
        ("/api/v1/incidents?limit=501", 400, "500"),
        ("/api/v1/incidents?before=x", 400, "INC-142"),
        ("/api/v1/incidents/nope", 400, "INC-142"),
        ("/api/v1/incidents/INC-99", 404, "INC-99"),
    ] {
        let (status, detail, _) = problem(door.get(path)).await;
        assert_eq!((status, detail.contains(hint)), (code, true), "{path}: {detail}");
    }
}

#[actix_web::test]
async fn the_api_wants_its_token_or_the_machine_itself() {
    let door = Door::open(Plan { shelf: with_incidents(), access: guarded(), ..Plan::default() });
    for path in ["/api/v1/incidents", "/api/v1/incidents/INC-1"] {
        assert_eq!(problem(door.get(path)).await.0, 401, "{path}");
        assert_eq!(status(door.get(path).bearer_auth("open sesame")).await, 401, "{path}");
        assert_eq!(status(door.get(path).bearer_auth("api")).await, 200, "{path}");
    }
    let door = Door::open(Plan { shelf: with_incidents(), ..Plan::default() });
    assert_eq!(status(door.get("/api/v1/incidents")).await, 200);
    let proxied = door.get("/api/v1/incidents").header("Forwarded", "for=203.0.113.9");
    assert_eq!(problem(proxied).await.0, 401);
}
