//! A calendar of others on a server that changes it, breaks and goes away: whoever
//! it named last is on call, and its address is in no log.

use std::fs;
use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use larkhorn::app::SystemClock;
use larkhorn::domain::Clock as _;
use reqwest::StatusCode;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::command_line::run;
use crate::pager::Pager;
use crate::patience::eventually;
use crate::phones::Phones;

/// The part of an address that opens the calendar.
const SECRET: &str = "private-4f1e2d";

/// A server with one calendar; what it answers can be changed while it runs.
struct CalendarServer {
    url: String,
    answer: Arc<Mutex<(u16, String)>>,
    task: tokio::task::JoinHandle<()>,
}

impl CalendarServer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/{SECRET}/oncall.ics", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new((404, String::new())));
        let shared = answer.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (status, body) = shared.lock().unwrap().clone();
                tokio::spawn(answer_one(stream, status, body));
            }
        });
        Self { url, answer, task }
    }

    fn answers(&self, status: u16, body: impl Into<String>) {
        *self.answer.lock().unwrap() = (status, body.into());
    }

    /// Somebody is on call from yesterday to tomorrow.
    fn names(&self, who: &str) {
        self.answers(200, calendar(who));
    }
}

async fn answer_one(mut stream: TcpStream, status: u16, body: String) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await
}

fn calendar(who: &str) -> String {
    let now = SystemClock.now();
    let day = |days: i64| {
        let at = now + SignedDuration::from_hours(24 * days);
        at.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string()
    };
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:{}\r\nDTEND:{}\r\nSUMMARY:{who}\r\n\
         END:VEVENT\r\nEND:VCALENDAR\r\n",
        day(-1),
        day(1)
    )
}

fn rules(ical: &str) -> String {
    format!(
        "people: {{lin: {{open_id: ou_lin}}, mara: {{open_id: ou_mara}}}}\nchats: {{oncall: oc_oncall}}\n\
         schedules: {{db: {{timezone: Asia/Shanghai, layers: [{{ical: '{ical}'}}]}}}}\n\
         policies: {{core: {{steps: [{{notify: [schedule:db]}}]}}}}\ncatch_all: {{notify: [lin]}}\n\
         rules: [{{name: all, chat: oncall, policy: core}}]\n"
    )
}

/// Who is on call, joined by `+`.
async fn on_call(pager: &Pager) -> String {
    let (status, body) = pager.get("/api/v1/oncall").await.unwrap();
    assert_eq!(status, StatusCode::OK, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    let people = body["schedules"][0]["people"].as_array().unwrap_or_else(|| panic!("{body:#}"));
    people
        .iter()
        .map(|person| person.as_str().unwrap_or_else(|| panic!("{body:#}")))
        .collect::<Vec<_>>()
        .join("+")
}

async fn restart(pager: &mut Pager) {
    pager.signal("TERM");
    assert!(pager.ended().await.success());
    pager.start().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_the_calendar_named_last_is_on_call() {
    let phones = Phones::on();
    let server = CalendarServer::start().await;
    let mut pager = Pager::new(&phones.url());
    fs::write(pager.rules_file(), rules(&server.url)).unwrap();

    // Never read: nobody is on call by it, and the pager works all the same.
    pager.start().await;
    assert_eq!(on_call(&pager).await, "");
    assert!(pager.log().contains("its server answers 404"), "{}", pager.log());

    // Read at a start, and kept over one for which the server is broken.
    server.names("lin");
    restart(&mut pager).await;
    assert_eq!(on_call(&pager).await, "lin");
    for (status, body) in [(500, String::new()), (200, "<title>Log in</title>".to_owned())] {
        server.answers(status, body);
        restart(&mut pager).await;
        eventually("the refusal", async || pager.log().contains("a shared calendar cannot be read")).await;
        assert_eq!(on_call(&pager).await, "lin");
    }

    // A change is found by itself: soon after a start, then every ten minutes.
    server.names("mara");
    restart(&mut pager).await;
    eventually("the change", async || on_call(&pager).await == "mara").await;
    let read_at = "larkhorn_calendar_read_timestamp_seconds{calendar=";
    eventually("the metric", async || pager.metric(read_at).await.is_some_and(|at| at > 1e9)).await;

    // Rules that name another one, which is not there, are refused; the old ones stay.
    fs::write(pager.rules_file(), rules(&format!("{}?other", server.url))).unwrap();
    server.answers(404, "");
    let (status, answer) = pager.post("/-/reload", String::new()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
    assert!(answer.contains("its server answers 404"), "{answer}");
    assert_eq!(on_call(&pager).await, "mara");
    server.names("mara\\, lin");
    let (status, answer) = pager.post("/-/reload", String::new()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(on_call(&pager).await, "lin+mara");

    // And over a start without any server at all.
    server.task.abort();
    restart(&mut pager).await;
    assert_eq!(on_call(&pager).await, "lin+mara");
    assert!(!pager.log().contains(SECRET), "{}", pager.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_beside_the_rules_serves_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let (rules_file, ics) = (folder.path().join("rules.yaml"), folder.path().join("oncall.ics"));
    fs::write(&rules_file, rules("oncall.ics")).unwrap();
    let larkhorn = |arguments: &[&str]| run(folder.path(), &[], arguments);

    let missing = larkhorn(&["check", "rules.yaml"]);
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(missing.complaints.concat().contains("calendar oncall.ics: it cannot be read"), "{missing:?}");

    fs::write(&ics, calendar("Mara")).unwrap();
    let told = larkhorn(&["oncall", "--rules", "rules.yaml", "-o", "json"]);
    let told: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(told["schedules"][0]["people"][0], "mara", "{told:#}");
    let explained = larkhorn(&["explain", "--rules", "rules.yaml", "alertname=X", "-o", "json"]);
    let explained: Value = serde_json::from_str(&explained.out).unwrap();
    assert_eq!(explained["incidents"][0]["steps"][0]["people"][0], "mara", "{explained:#}");

    // What one larkhorn exports another takes in.
    let exported = larkhorn(&["oncall", "--rules", "rules.yaml", "--for", "12h", "-o", "ics"]);
    fs::write(&ics, &exported.out).unwrap();
    let told = larkhorn(&["oncall", "--rules", "rules.yaml", "-o", "json"]);
    let told: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(told["schedules"][0]["people"][0], "mara", "{}", exported.out);

    // A server that is away is no reason to be silent about it.
    fs::write(&rules_file, rules("http://127.0.0.1:9/x/key.ics")).unwrap();
    for arguments in [&["check", "rules.yaml"][..], &["oncall", "--rules", "rules.yaml"]] {
        let ran = larkhorn(arguments);
        let complaints = ran.complaints.concat();
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(complaints.contains("calendar http://127.0.0.1:9/…"), "{ran:?}");
        assert!(complaints.contains(": no connection") && !complaints.contains("key.ics"), "{ran:?}");
    }
    let ran = larkhorn(&["check", "rules.yaml", "--deny-warnings"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
}
