//! The last resort: what a custom bot, a web server and a mail server get, and
//! what is told when they do not take it.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::Urgent;
use larkhorn::fallback::Notice;
use larkhorn::settings::{Fallback, FallbackWebhook, FeishuBot, Smtp};
use larkhorn::worker::sinks::Sinks;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

const NOTHING: Fallback =
    Fallback { after: SignedDuration::ZERO, feishu_bot: None, webhook: None, smtp: None };

fn notice() -> Notice {
    Notice {
        incident: "INC-7".into(),
        title: "磁盘已满".into(),
        severity: "critical".into(),
        urgent: Urgent::Phone,
        people: vec!["lin".into()],
        text: "[critical] 磁盘已满 → lin".into(),
        opened_at: "2026-11-22T03:00:00Z".parse().unwrap(),
    }
}

fn now() -> Timestamp {
    "2026-11-22T03:02:00Z".parse().unwrap()
}

/// A request that came in: path, authorization, body.
type Came = (String, String, Value);

/// A server that answers everything alike and remembers what it was asked.
struct Server {
    url: String,
    came: Arc<Mutex<Vec<Came>>>,
}

impl Server {
    fn answering(status: u16, body: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let came = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&came);
        let server = HttpServer::new(move || {
            let take = move |request: HttpRequest, heard: Data<Mutex<Vec<Came>>>, sent: Bytes| async move {
                let header = request.headers().get("authorization");
                let authorization = header.map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
                let sent = serde_json::from_slice(&sent).unwrap();
                heard.lock().unwrap().push((request.path().to_owned(), authorization, sent));
                HttpResponse::build(actix_web::http::StatusCode::from_u16(status).unwrap()).body(body)
            };
            App::new().app_data(Data::from(Arc::clone(&heard))).default_service(web::to(take))
        });
        tokio::spawn(server.workers(1).disable_signals().listen(listener).unwrap().run());
        Self { url, came }
    }

    fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }
}

fn bot(url: &str, secret: Option<&str>) -> Sinks {
    let url = format!("{url}/open-apis/bot/v2/hook/t0ken-of-the-bot").into();
    let feishu_bot = Some(FeishuBot { url, secret: secret.map(Into::into) });
    Sinks::new(&Fallback { feishu_bot, ..NOTHING }).unwrap()
}

#[actix_web::test]
async fn a_bot_gets_signed_text() {
    let server = Server::answering(200, r#"{"code":0,"msg":"success","data":{}}"#);
    let sinks = bot(&server.url, Some("abc"));
    assert_eq!(sinks.names().collect::<Vec<_>>(), ["feishu_bot"]);
    sinks.tell("feishu_bot", &notice(), "2023-11-14T22:13:20Z".parse().unwrap()).await.unwrap();
    let (path, _, body) = server.came().remove(0);
    assert_eq!(path, "/open-apis/bot/v2/hook/t0ken-of-the-bot");
    let expected = json!({
        "msg_type": "text", "content": {"text": "[critical] 磁盘已满 → lin"},
        "timestamp": "1700000000", "sign": "VIS10b0EBvzzSdFnuk4tznEmK5wHaruvf/WnViv2yR4=",
    });
    assert_eq!(body, expected);
    bot(&server.url, None).tell("feishu_bot", &notice(), now()).await.unwrap();
    assert_eq!(server.came()[1].2.get("sign"), None);
}

#[actix_web::test]
async fn what_a_bot_refuses_is_told_without_its_address() {
    let table = [
        (200, r#"{"code":19021,"msg":"sign match fail"}"#, false, "19021 sign match fail"),
        (
            200,
            r#"{"code":11232,"msg":"frequency limited t0ken-of-the-bot"}"#,
            true,
            "11232 frequency limited [redacted]",
        ),
        (200, "<html>", false, "the answer is not a bot's; is the address right?"),
        (502, "bad gateway", true, "HTTP 502"),
        (302, "", false, "the answer is not a bot's; is the address right?"),
    ];
    for (status, body, again, message) in table {
        let server = Server::answering(status, body);
        let error = bot(&server.url, None).tell("feishu_bot", &notice(), now()).await.unwrap_err();
        assert_eq!((error.again, error.message.as_str()), (again, message));
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error =
        bot(&format!("http://{nobody}"), None).tell("feishu_bot", &notice(), now()).await.unwrap_err();
    assert!(error.again && error.message.starts_with("no connection"), "{error}");
    assert!(!format!("{error:?}").contains("t0ken"), "{error:?}");
}

#[actix_web::test]
async fn a_server_gets_the_incident_as_json() {
    let server = Server::answering(204, "");
    let webhook = Some(FallbackWebhook {
        url: format!("{}/hooks/pager", server.url).into(),
        bearer_token: Some("open sesame".into()),
    });
    let sinks = Sinks::new(&Fallback { webhook, ..NOTHING }).unwrap();
    sinks.tell("webhook", &notice(), now()).await.unwrap();
    let (path, authorization, body) = server.came().remove(0);
    assert_eq!((path.as_str(), authorization.as_str()), ("/hooks/pager", "Bearer open sesame"));
    let expected = json!({
        "incident": "INC-7", "title": "磁盘已满", "severity": "critical", "urgent": "phone", "people": ["lin"],
        "text": "[critical] 磁盘已满 → lin", "opened_at": "2026-11-22T03:00:00Z",
    });
    assert_eq!(body, expected);
    sinks.tell("smtp", &notice(), now()).await.expect("a way that was removed from the settings");
}

/// A mail server for one letter; what it was told.
async fn mail_server(listener: tokio::net::TcpListener, answer_to_letter: &'static str) -> String {
    let (stream, _) = listener.accept().await.unwrap();
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let (mut told, mut in_letter) = (String::new(), false);
    write.write_all(b"220 mail ready\r\n").await.unwrap();
    while let Some(line) = lines.next_line().await.unwrap() {
        told.push_str(&line);
        told.push('\n');
        let answer = match line.as_str() {
            "." => {
                in_letter = false;
                answer_to_letter
            }
            _ if in_letter => continue,
            "DATA" => {
                in_letter = true;
                "354 go on"
            }
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        write.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
        if line == "QUIT" || answer.starts_with('5') || answer.starts_with('4') {
            break;
        }
    }
    told
}

#[actix_web::test]
async fn a_mailbox_gets_a_letter() {
    for (answer, expected) in
        [("250 taken", None), ("452 mailbox full", Some(true)), ("554 no thanks", Some(false))]
    {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap()).into();
        let to = vec!["Lin <lin@example.com>".to_owned(), "mara@example.com".to_owned()];
        let smtp = Some(Smtp { url, from: "pager@example.com".to_owned(), to });
        let sinks = Sinks::new(&Fallback { smtp, ..NOTHING }).unwrap();
        let letter = notice();
        let (told, sent) = tokio::join!(mail_server(listener, answer), async {
            let sent = sinks.tell("smtp", &letter, now()).await;
            drop(sinks);
            sent
        });
        assert_eq!(sent.as_ref().err().map(|error| error.again), expected, "{sent:?}");
        for line in
            ["MAIL FROM:<pager@example.com>", "RCPT TO:<lin@example.com>", "RCPT TO:<mara@example.com>"]
        {
            assert!(told.lines().any(|l| l.starts_with(line)), "{line}\n{told}");
        }
        assert!(told.contains("Subject: [critical] INC-7 =?utf-8?b?"), "{told}");
    }
}

#[test]
fn addresses_that_are_none_are_refused_without_repeating_them() {
    let bad = [
        Fallback { feishu_bot: Some(FeishuBot { url: "ftp://s3cret".into(), secret: None }), ..NOTHING },
        Fallback { webhook: Some(FallbackWebhook { url: "s3cret".into(), bearer_token: None }), ..NOTHING },
        Fallback {
            smtp: Some(Smtp { url: "http://u:s3cret@h".into(), from: "a@b".into(), to: vec!["c@d".into()] }),
            ..NOTHING
        },
    ];
    for settings in bad {
        let error = Sinks::new(&settings).err().unwrap().to_string();
        assert!(error.starts_with("fallback.") && !error.contains("s3cret"), "{error}");
    }
}
