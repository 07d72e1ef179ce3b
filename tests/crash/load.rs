//! A sender with several connections that behaves as Alertmanager does: what
//! was not answered 200 is sent again, the same bytes. It writes down what was
//! accepted ([`Ledger`]), which is all that the audit believes.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use tokio::task::JoinSet;

use crate::dice::Dice;
use crate::pager::deliver;
use crate::patience::PATIENCE;

const CONNECTIONS: usize = 4;
/// Pause after a refusal. Shorter than Alertmanager's, to hit the first moments of a new process.
const PAUSE: Duration = Duration::from_millis(3);
/// Of a hundred alerts so many page by phone.
const CRITICAL_PERCENT: u64 = 40;
/// Of a hundred turns so many resolve an older alert.
const RESOLVE_PERCENT: u64 = 42;

/// One alert group and what its sender and its responders know of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Group {
    pub(crate) critical: bool,
    /// When it was answered 200.
    pub(crate) accepted: Option<Instant>,
    /// Its recovery was begun to be sent.
    pub(crate) resolving: bool,
    /// When its recovery was answered 200.
    pub(crate) resolved: Option<Instant>,
    /// When an acknowledgement was answered 200.
    pub(crate) acknowledged: Option<Instant>,
}

/// What was accepted, group by group.
#[derive(Default)]
pub(crate) struct Ledger {
    groups: Mutex<Vec<Group>>,
    /// Webhooks answered 200: firings and recoveries.
    pub(crate) accepted: AtomicUsize,
    /// Attempts that ended otherwise.
    pub(crate) refused: AtomicUsize,
}

impl Ledger {
    pub(crate) fn groups(&self) -> Vec<Group> {
        self.groups.lock().unwrap().clone()
    }

    pub(crate) fn change(&self, group: usize, change: impl FnOnce(&mut Group)) {
        change(&mut self.groups.lock().unwrap()[group]);
    }

    fn begin(&self, critical: bool) -> usize {
        let mut groups = self.groups.lock().unwrap();
        groups.push(Group { critical, ..Group::default() });
        groups.len() - 1
    }

    /// A group that fires and may recover now.
    fn to_resolve(&self, dice: &mut Dice) -> Option<usize> {
        let ripe = |group: &Group| group.accepted.is_some() && !group.resolving;
        let mut groups = self.groups.lock().unwrap();
        let found: Vec<usize> = (0..groups.len()).filter(|n| ripe(&groups[*n])).collect();
        let group = *found.get(dice.among(found.len()))?;
        groups[group].resolving = true;
        drop(groups);
        Some(group)
    }
}

struct Shared {
    /// Of all replicas. Whoever is refused goes on to the next.
    urls: Vec<String>,
    turn: AtomicUsize,
    ledger: Arc<Ledger>,
    /// Webhooks that may be sent.
    granted: AtomicUsize,
    taken: AtomicUsize,
    done: AtomicBool,
    /// Sends no new alerts, only recoveries.
    ending: AtomicBool,
    seed: AtomicU64,
}

/// Sends as fast as it is accepted, as much as is granted.
pub(crate) struct Load {
    shared: Arc<Shared>,
    connections: JoinSet<()>,
}

impl Load {
    pub(crate) fn to(urls: Vec<String>, ledger: Arc<Ledger>, seed: u64) -> Self {
        let shared = Arc::new(Shared {
            urls,
            turn: AtomicUsize::new(0),
            ledger,
            granted: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            done: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            seed: AtomicU64::new(seed),
        });
        let mut connections = JoinSet::new();
        for _ in 0..CONNECTIONS {
            connections.spawn(send(shared.clone()));
        }
        Self { shared, connections }
    }

    /// So many more webhooks may be sent.
    pub(crate) fn grant(&self, webhooks: usize) {
        self.shared.granted.fetch_add(webhooks, Ordering::SeqCst);
    }

    /// Whether all that was granted has been accepted.
    pub(crate) fn is_idle(&self) -> bool {
        self.shared.ledger.accepted.load(Ordering::SeqCst) >= self.shared.granted.load(Ordering::SeqCst)
    }

    /// Waits until all that was granted has been accepted.
    pub(crate) async fn idle(&self) {
        let began = Instant::now();
        while !self.is_idle() {
            assert!(began.elapsed() < PATIENCE, "what the sender has left is not accepted");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// From now on everything recovers.
    pub(crate) async fn recover_all(&self) {
        self.idle().await;
        let open = self.shared.ledger.groups().iter().filter(|group| !group.resolving).count();
        self.shared.ending.store(true, Ordering::SeqCst);
        self.grant(open);
        self.idle().await;
    }

    /// A connection that found a mistake in an answer fails here.
    pub(crate) async fn finish(mut self) {
        self.shared.done.store(true, Ordering::SeqCst);
        while let Some(ended) = self.connections.join_next().await {
            ended.unwrap();
        }
    }
}

async fn send(shared: Arc<Shared>) {
    let http = Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
    let mut dice = Dice::new(shared.seed.fetch_add(0x5eed, Ordering::SeqCst));
    loop {
        let granted = shared.granted.load(Ordering::SeqCst);
        let take = |taken| (taken < granted).then_some(taken + 1);
        if shared.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_err() {
            if shared.done.load(Ordering::SeqCst) {
                return;
            }
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        let ending = shared.ending.load(Ordering::SeqCst);
        let old =
            if ending || dice.percent(RESOLVE_PERCENT) { shared.ledger.to_resolve(&mut dice) } else { None };
        let firing = old.is_none();
        let group = old.unwrap_or_else(|| shared.ledger.begin(dice.percent(CRITICAL_PERCENT)));
        let critical = shared.ledger.groups.lock().unwrap()[group].critical;
        insist(&http, &shared, webhook(group, critical, firing)).await;
        let now = Instant::now();
        shared.ledger.change(group, |known| {
            *(if firing { &mut known.accepted } else { &mut known.resolved }) = Some(now);
        });
        shared.ledger.accepted.fetch_add(1, Ordering::SeqCst);
    }
}

async fn insist(http: &Client, shared: &Shared, body: String) {
    loop {
        let turn = shared.turn.fetch_add(1, Ordering::SeqCst);
        let url = &shared.urls[turn % shared.urls.len()];
        match deliver(http, url, body.clone()).await.map(|answer| answer.status()) {
            Ok(StatusCode::OK) => return,
            // Stopping, full, too slow, or killed before, during or after the commit.
            Ok(StatusCode::SERVICE_UNAVAILABLE | StatusCode::REQUEST_TIMEOUT) | Err(_) => {}
            Ok(other) => panic!("a webhook was answered {other}: {body}"),
        }
        shared.ledger.refused.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(PAUSE).await;
    }
}

/// A word that the card of the group says and no other.
pub(crate) fn word(group: usize) -> String {
    format!("case{group:06}")
}

/// The group's webhook, as Alertmanager writes it.
pub(crate) fn webhook(group: usize, critical: bool, firing: bool) -> String {
    let word = word(group);
    let severity = if critical { "critical" } else { "warning" };
    let (status, ends) =
        if firing { ("firing", "0001-01-01T00:00:00Z") } else { ("resolved", "2026-11-22T04:45:14.271Z") };
    let labels =
        serde_json::json!({"alertname": "Crash", "case": word, "severity": severity, "cluster": "prod-cn-1"});
    serde_json::json!({
        "version": "4", "groupKey": format!("{{}}:{{case=\"{word}\"}}"), "truncatedAlerts": 0, "status": status,
        "receiver": "crash", "groupLabels": {"case": word}, "commonLabels": labels, "commonAnnotations": {},
        "externalURL": "http://alertmanager.example.com:9093",
        "alerts": [{
            "status": status, "labels": labels, "annotations": {"summary": format!("{word} is down")},
            "startsAt": "2026-11-22T03:45:14.271Z", "endsAt": ends,
            "generatorURL": "http://prometheus.example.com:9090/graph",
            "fingerprint": format!("{:016x}", 0xc4a5_0000 + group),
        }],
    })
    .to_string()
}
