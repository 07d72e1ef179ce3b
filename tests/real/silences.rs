//! Silences in Debian's Alertmanager: behind a password and a path, as many
//! are, and with labels that need quoting.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use larkhorn::alertmanager::{
    AlertState, Client, ClientConfig, Silence, SilenceId, SilencePhase, SilenceState, Verdict,
};
use larkhorn::app::SystemClock;
use larkhorn::domain::{Clock, Fingerprint, Labels};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::alerting::Alerting;
use crate::pager::Pager;
use crate::patience::eventually;
use crate::phones::Phones;
use crate::ports::free_address;
use crate::process::Process;

/// `p@ss` as `htpasswd -B` writes it, at the least cost.
const WEB: &str =
    "basic_auth_users: {am: \"$2b$04$abcdefghijklmnopqrstuux1xldIMZ95v8jSLOpqCBZ5kZ5M/8v4G\"}\n";

/// An Alertmanager that notifies nobody, and a client of it.
struct Alertmanager {
    client: Client,
    http: reqwest::Client,
    address: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

impl Alertmanager {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        fs::write(at.join("alertmanager.yml"), "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
            .unwrap();
        fs::write(at.join("web.yml"), WEB).unwrap();
        let address = free_address();
        let mut command = Command::new("prometheus-alertmanager");
        command.args(["--config.file=alertmanager.yml", "--storage.path=data", "--web.config.file=web.yml"]);
        command.args(["--web.route-prefix=/alerts/am", "--cluster.listen-address="]);
        command.arg(format!("--web.listen-address={address}"));
        let process = Process::start("alertmanager", command.current_dir(at), at);
        let client = connect(&format!("http://am:p%40ss@{address}/alerts/am/"));
        eventually("Alertmanager to be ready", async || client.status().await.is_ok()).await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { client, http, address, _process: process, _folder: folder }
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("http://{}/alerts/am/api/v2/{path}", self.address);
        self.http.request(method, url).basic_auth("am", Some("p@ss"))
    }

    /// Posts an alert as Prometheus does; its end is five minutes away.
    async fn fires(&self, labels: &Labels<'_>) {
        let labels: BTreeMap<&str, &str> = labels.iter().collect();
        let answer =
            self.request(reqwest::Method::POST, "alerts").json(&json!([{"labels": labels}])).send().await;
        assert!(answer.unwrap().status().is_success());
    }

    /// All silences, ended ones too.
    async fn silences(&self) -> Vec<Value> {
        self.request(reqwest::Method::GET, "silences").send().await.unwrap().json().await.unwrap()
    }

    /// What is said of the alert with these labels.
    async fn state(&self, labels: &Labels<'_>) -> Option<AlertState> {
        let mut all = self.client.alerts(labels).await.unwrap();
        all.remove(&Fingerprint::of(labels))
    }
}

fn connect(url: &str) -> Client {
    let (timeout, connect_timeout) = (Duration::from_secs(20), Duration::from_secs(10));
    Client::new(&ClientConfig { url: url.into(), bearer_token: None, timeout, connect_timeout }).unwrap()
}

fn now() -> Timestamp {
    SystemClock.now()
}

fn labels(pairs: &[(&str, &str)]) -> Labels<'static> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn disk_full() -> Labels<'static> {
    let path = "C:\\数据 \"热\"\n备份 =~.* {}";
    labels(&[("alertname", "磁盘已满"), ("path", path), ("severity", "critical")])
}

fn wish(matchers: Labels<'static>, span: SignedDuration) -> Silence {
    let (author, incident) = ("林 (飞书)".to_owned(), "INC-142 磁盘已满".to_owned());
    Silence { matchers, until: now() + span, author, incident, marker: Uuid::new_v4() }
}

fn muted_by(silence: SilenceId) -> AlertState {
    let (inhibitors, intervals) = (Vec::new(), Vec::new());
    AlertState::Suppressed { silences: vec![silence], inhibitors, intervals }
}

#[tokio::test]
async fn a_silence_is_made_once_mutes_its_alert_and_no_other_and_is_ended() {
    let alertmanager = Alertmanager::start().await;
    let (client, alert) = (&alertmanager.client, disk_full());
    let other: Labels<'_> =
        alert.iter().map(|(name, value)| (name, if name == "path" { "D:\\" } else { value })).collect();
    alertmanager.fires(&alert).await;
    alertmanager.fires(&other).await;
    assert_eq!(alertmanager.state(&alert).await, Some(AlertState::Firing));

    // Our clock may run ahead: it mutes at once nevertheless.
    let (wanted, ahead) = (wish(alert.clone(), SignedDuration::from_hours(4)), SignedDuration::from_mins(2));
    let id = client.silence(now() + ahead, &wanted).await.unwrap();
    assert_eq!(client.silence(now(), &wanted).await, Ok(id), "the same wish again");
    let made = alertmanager.silences().await;
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(made[0]["createdBy"], "林 (飞书)");
    assert!(made[0]["comment"].as_str().unwrap().starts_with("INC-142 磁盘已满 · 林 (飞书) · larkhorn "));

    eventually("the alert to be muted", async || alertmanager.state(&alert).await == Some(muted_by(id)))
        .await;
    assert_eq!(alertmanager.state(&other).await, Some(AlertState::Firing));
    let state = client.silence_state(&id).await.unwrap().unwrap();
    assert_eq!(state.phase, SilencePhase::Active);
    assert!(state.until.duration_since(wanted.until).abs() < SignedDuration::from_secs(1), "{state:?}");

    for _ in 0..2 {
        client.expire(&id).await.unwrap();
    }
    let phase = async || client.silence_state(&id).await.unwrap().map(|state| state.phase);
    assert_eq!(phase().await, Some(SilencePhase::Expired));
    eventually("the alert to fire again", async || {
        alertmanager.state(&alert).await == Some(AlertState::Firing)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_silences_an_incident_silences_its_alerts_in_alertmanager() {
    let phones = Phones::on();
    let mut pager = Pager::new(&phones.url());
    let alerting = Alerting::start(&pager, "2s").await;
    pager.knows_alertmanager(&alerting.alertmanager());
    pager.start().await;
    alerting.checkouts_fail("monday", 7.5);
    eventually("a red card", async || phones.shows("in monday", "red")).await;
    eventually("a phone to ring", async || phones.sandbox.buzzes().len() == 1).await;

    let wish = json!({"by": "lin", "for": "1h"}).to_string();
    let (status, answer) = pager.post("/api/v1/incidents/INC-1/silence", wish).await;
    assert_eq!(status, 200, "{answer}");
    eventually("the alert to be muted", async || {
        let alerts = alerting.ask("alerts").await;
        alerts.len() == 1 && alerts[0]["status"]["state"] == "suppressed"
    })
    .await;
    eventually("a grey card", async || phones.shows("in monday", "grey")).await;
    pager.quiet().await;
    let made = alerting.ask("silences").await;
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(made[0]["createdBy"], "lin");
    let comment = made[0]["comment"].as_str().unwrap();
    assert!(comment.starts_with("INC-1 CheckoutErrorRate · lin · "), "{comment}");
    let matchers = made[0]["matchers"].as_array().unwrap();
    let named: Vec<_> = matchers.iter().map(|matcher| matcher["name"].as_str().unwrap()).collect();
    assert!(["alertname", "case", "severity", "team"].iter().all(|name| named.contains(name)), "{named:?}");

    assert_eq!(pager.states("case", "monday").await, ["snoozed"]);
    assert_eq!((phones.cards().len(), phones.sandbox.buzzes().len()), (1, 1));

    // Taken back: Alertmanager tells of it again, and somebody is called again.
    let (status, answer) =
        pager.post("/api/v1/incidents/INC-1/unacknowledge", json!({"by": "lin"}).to_string()).await;
    assert_eq!(status, 200, "{answer}");
    eventually("the silence to end", async || {
        alerting.ask("silences").await.iter().all(|silence| silence["status"]["state"] == "expired")
    })
    .await;
    eventually("a phone to ring again", async || phones.sandbox.buzzes().len() == 2).await;
    assert_eq!(pager.states("case", "monday").await, ["triggered"]);
}

#[tokio::test]
async fn a_silence_of_a_group_ends_by_itself_and_the_group_fires_again() {
    let alertmanager = Alertmanager::start().await;
    let group = labels(&[("alertname", "HighLatency"), ("cluster", "prod")]);
    let [a, b] = ["a", "b"]
        .map(|instance| labels(&[("alertname", "HighLatency"), ("cluster", "prod"), ("instance", instance)]));
    alertmanager.fires(&a).await;
    alertmanager.fires(&b).await;
    let wanted = wish(group.clone(), SignedDuration::from_secs(6));
    let id = alertmanager.client.silence(now(), &wanted).await.unwrap();
    let states = async || {
        let all = alertmanager.client.alerts(&group).await.unwrap();
        [&a, &b].map(|labels| all.get(&Fingerprint::of(labels)).cloned())
    };
    let (muted, firing) = (Some(muted_by(id)), Some(AlertState::Firing));
    eventually("both to be muted", async || states().await == [muted.clone(), muted.clone()]).await;
    eventually("both to fire again", async || states().await == [firing.clone(), firing.clone()]).await;
    let Some(SilenceState { phase, until }) = alertmanager.client.silence_state(&id).await.unwrap() else {
        panic!("it is forgotten already")
    };
    assert!(phase == SilencePhase::Expired && until <= now(), "{phase:?} {until}");
    assert_eq!(alertmanager.client.alerts(&labels(&[("alertname", "Nothing")])).await, Ok(BTreeMap::new()));
}

#[tokio::test]
async fn what_alertmanager_refuses_is_told() {
    let alertmanager = Alertmanager::start().await;
    let client = &alertmanager.client;
    let unknown = SilenceId::parse("22222222-2222-2222-2222-222222222222").unwrap();
    assert_eq!(client.expire(&unknown).await, Ok(()));
    assert_eq!(client.silence_state(&unknown).await, Ok(None));

    let status = client.status().await.unwrap();
    assert!(status.settled && status.started_at <= now() && !status.absence_means_gone(now()), "{status:?}");
    let minor: u32 = status.version.split('.').nth(1).unwrap().parse().unwrap();
    let wanted = wish(labels(&[("服务", "支付")]), SignedDuration::from_hours(1));
    match client.silence(now(), &wanted).await {
        Ok(id) => {
            assert!(minor >= 27, "{status:?}");
            assert_eq!(client.silence(now(), &wanted).await, Ok(id));
        }
        Err(error) => {
            assert!(minor < 27, "{status:?}: {error}");
            assert!(error.message.contains("invalid label name"), "{error}");
            assert!(error.message.contains("need Alertmanager 0.27 or newer"), "{error}");
        }
    }
    // A clock so far behind that what ends later has ended for Alertmanager.
    let day_ago = now() - SignedDuration::from_hours(24);
    let wanted =
        Silence { until: day_ago + SignedDuration::from_hours(1), ..wish(disk_full(), SignedDuration::ZERO) };
    let error = client.silence(day_ago, &wanted).await.unwrap_err();
    assert_eq!((error.http, error.verdict), (Some(400), Verdict::GiveUp), "{error}");

    for (url, verdict) in [
        (format!("http://am:wrong@{}/alerts/am", alertmanager.address), Verdict::Credentials),
        (format!("http://am:p%40ss@{}/elsewhere", alertmanager.address), Verdict::GiveUp),
    ] {
        let error = connect(&url).status().await.unwrap_err();
        assert_eq!(error.verdict, verdict, "{error}");
        assert!(!format!("{error:?}").contains("wrong"), "{error:?}");
    }
}
