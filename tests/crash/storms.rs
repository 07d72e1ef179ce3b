//! A storm of 100,000 alerts, as 100 webhooks and as one of 81 MB: all of it is
//! stored and becomes incidents, memory stays bounded, and whoever asks how the
//! pager is gets an answer meanwhile. `LARKHORN_STORM_ALERTS` sets the size.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde_json::json;

use crate::backend::Backend;
use crate::lane::Lane;
use crate::pager::{CANARY, deliver};
use crate::table::wanted;

const ALERTS: usize = 6_000;
/// Alerts of a webhook of the first kind.
const EACH: usize = 1_000;
const RESIDENT_MIB: f64 = 256.0;
/// What one body may add, as a multiple of its size.
const ADDED: f64 = 1.5;
/// How soon health has to be told.
const HEALTH: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_mins(5);

/// A webhook of so many alerts, each of some 800 bytes as real ones are.
fn storm(group: &str, from: usize, count: usize) -> String {
    let description = "The filesystem has only 4.42% available space left. ".repeat(5);
    let alerts: Vec<serde_json::Value> = (from..from + count)
        .map(|n| {
            json!({
                "status": "firing", "startsAt": "2026-11-22T03:45:14.271Z", "endsAt": "0001-01-01T00:00:00Z",
                "labels": {
                    "alertname": "DiskAlmostFull", "case": group, "cluster": "prod-cn-1", "severity": "critical",
                    "instance": format!("10.{}.{}.{}:9100", n >> 16, (n >> 8) & 255, n & 255),
                    "job": "node-exporter", "mountpoint": "/data", "namespace": "monitoring", "team": "infra",
                },
                "annotations": {"summary": format!("Disk almost full on node-{n}"), "description": description},
                "generatorURL": "http://prometheus.example.com:9090/graph?g0.expr=node_filesystem_avail_bytes&g0.tab=1",
                "fingerprint": format!("{n:016x}"),
            })
        })
        .collect();
    json!({
        "version": "4", "groupKey": format!("{{}}:{{case=\"{group}\"}}"), "truncatedAlerts": 0, "status": "firing",
        "receiver": "crash", "groupLabels": {"case": group}, "commonLabels": {}, "commonAnnotations": {},
        "externalURL": "http://alertmanager.example.com:9093", "alerts": alerts,
    })
    .to_string()
}

/// Asks how the pager is, again and again; how long each answer took.
async fn ask(http: Client, url: String, done: Arc<AtomicBool>) -> Vec<Duration> {
    let mut took = Vec::new();
    while !done.load(Ordering::SeqCst) {
        for path in ["/-/healthy", "/-/ready"] {
            let began = Instant::now();
            let answer = http.get(format!("{url}{path}")).send().await.unwrap();
            took.push(began.elapsed());
            assert!(path != "/-/healthy" || answer.status() == StatusCode::OK);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    took.sort();
    took
}

/// A line of `/proc/<pid>/status`, in MiB.
fn mebibytes(lane: &Lane, entry: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", lane.pager.id())).unwrap();
    let found = status.lines().find(|l| l.starts_with(entry)).unwrap();
    found.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Sends the webhooks four at a time and waits until each alert is part of an incident.
async fn weather(what: &str, bodies: Vec<String>, alerts: usize) {
    let mut lane = Lane::new(Backend::sqlite(), 0x5707, None);
    lane.start().await;
    lane.quiet().await;
    let count = bodies.len();
    let kib = |bytes: usize| f64::from(u32::try_from(bytes / 1024).unwrap());
    let bytes: usize = bodies.iter().map(String::len).sum();
    let largest = bodies.iter().map(String::len).max().unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let asking = tokio::spawn(ask(lane.pager.http.clone(), lane.pager.url(""), done.clone()));
    let http = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let (began, url) = (Instant::now(), lane.pager.url("/webhook/alertmanager"));
    let mut sending = tokio::task::JoinSet::new();
    let mut bodies = bodies.into_iter();
    for body in bodies.by_ref().take(4) {
        sending.spawn(send(http.clone(), url.clone(), body));
    }
    while let Some(sent) = sending.join_next().await {
        sent.unwrap();
        if let Some(body) = bodies.next() {
            sending.spawn(send(http.clone(), url.clone(), body));
        }
    }
    let stored = began.elapsed();
    loop {
        let firing: u64 = lane.pager.incidents().await.iter().filter_map(|i| i["firing"].as_u64()).sum();
        if firing >= u64::try_from(alerts).unwrap() {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{firing} of {alerts} alerts are known");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let known = began.elapsed();
    lane.quiet().await;
    done.store(true, Ordering::SeqCst);
    let asked = asking.await.unwrap();
    let (peak, p99) = (mebibytes(&lane, "VmHWM"), asked[asked.len() * 99 / 100]);
    eprintln!(
        "\n{what}: {alerts} alerts in {count} webhooks, {:.1} MiB; answered in {:.1} s, all known after {:.1} s; peak {peak:.0} \
         MiB; health p50 {:.1?}, p99 {p99:.1?}, worst {:.1?} of {}",
        kib(bytes) / 1024.0,
        stored.as_secs_f64(),
        known.as_secs_f64(),
        asked[asked.len() / 2],
        asked[asked.len() - 1],
        asked.len(),
    );
    let allowed = if count == 1 { RESIDENT_MIB + ADDED * kib(largest) / 1024.0 } else { RESIDENT_MIB };
    assert!(peak <= allowed, "{peak:.0} MiB at peak, {allowed:.0} are allowed");
    assert!(p99 <= HEALTH, "health was told after {p99:?}");
    assert!(!lane.pager.log().contains(CANARY));
    let (ended, _) = lane.pager.stop().await;
    assert!(ended.success());
    lane.backend.assert_sound();
}

/// As Alertmanager does: what is answered 503 is sent again.
async fn send(http: Client, url: String, body: String) {
    loop {
        let answer = deliver(&http, &url, body.clone()).await.unwrap();
        match answer.status() {
            StatusCode::OK => return,
            StatusCode::SERVICE_UNAVAILABLE => tokio::time::sleep(Duration::from_millis(100)).await,
            other => panic!("{other}: {}", answer.text().await.unwrap()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_many_webhooks() {
    let alerts = wanted("LARKHORN_STORM_ALERTS", ALERTS);
    let bodies = (0..alerts / EACH).map(|n| storm(&format!("storm{n}"), n * EACH, EACH)).collect();
    weather("a storm of many webhooks", bodies, alerts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_in_one_webhook() {
    let alerts = wanted("LARKHORN_STORM_ALERTS", ALERTS);
    weather("a storm in one webhook", vec![storm("storm", 0, alerts)], alerts).await;
}
