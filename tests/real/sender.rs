//! A sender with several connections that behaves as Alertmanager does: what
//! was not answered 200 is sent again, the same bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::pager::{Pager, TOKEN};
use crate::phones::{Card, Phones};

/// A disk of a node fills. The shipped rules page Mara in the app.
const DISK: &str = include_str!("../payloads/am-0.33_single-firing.json");
const CONNECTIONS: usize = 4;
/// Pause after a refusal. Shorter than Alertmanager's, to hit the first moments of a new process.
const PAUSE: Duration = Duration::from_millis(3);

/// Alert groups numbered from 0, sent as fast as they are accepted.
pub(crate) struct Sender {
    shared: Arc<Shared>,
    connections: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    /// Groups that may be sent.
    granted: AtomicUsize,
    /// Groups that a connection has taken on.
    taken: AtomicUsize,
    /// Groups answered 200. Each is taken once and sent until it is.
    accepted: AtomicUsize,
    /// Attempts that ended otherwise.
    refused: AtomicUsize,
    done: AtomicBool,
}

impl Sender {
    /// Sends nothing until groups are granted.
    pub(crate) fn to(pager: &Pager) -> Self {
        let shared = Arc::new(Shared::default());
        let mut connections = JoinSet::new();
        for _ in 0..CONNECTIONS {
            connections.spawn(send(pager.url("/webhook/alertmanager"), shared.clone()));
        }
        Self { shared, connections }
    }

    /// So many more groups may be sent.
    pub(crate) fn grant(&self, groups: usize) {
        self.shared.granted.fetch_add(groups, Ordering::SeqCst);
    }

    pub(crate) fn granted(&self) -> usize {
        self.shared.granted.load(Ordering::SeqCst)
    }

    pub(crate) fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    pub(crate) fn refused(&self) -> usize {
        self.shared.refused.load(Ordering::SeqCst)
    }

    /// Sends what is granted, then ends. A connection that found a mistake in
    /// an answer fails here.
    pub(crate) async fn finish(mut self) {
        self.shared.done.store(true, Ordering::SeqCst);
        while let Some(ended) = self.connections.join_next().await {
            ended.unwrap();
        }
    }
}

async fn send(url: String, shared: Arc<Shared>) {
    let http = Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
    loop {
        let granted = shared.granted.load(Ordering::SeqCst);
        let take = |taken| (taken < granted).then_some(taken + 1);
        let Ok(group) = shared.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) else {
            if shared.done.load(Ordering::SeqCst) {
                return;
            }
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let body = firing(group);
        loop {
            let request = http.post(&url).bearer_auth(TOKEN).header("content-type", "application/json");
            match request.body(body.clone()).send().await.map(|answer| answer.status()) {
                Ok(StatusCode::OK) => break,
                // Stopping, or killed before, during or after the commit.
                Ok(StatusCode::SERVICE_UNAVAILABLE) | Err(_) => {}
                Ok(other) => panic!("group {group} was answered {other}"),
            }
            shared.refused.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(PAUSE).await;
        }
        shared.accepted.fetch_add(1, Ordering::SeqCst);
    }
}

/// The group's webhook: captured from Alertmanager, with a cluster, a node and
/// an identity of its own.
pub(crate) fn firing(group: usize) -> String {
    let text = DISK.replace("prod-cn-1", &format!("cluster{group:06}")).replace("node-1", &node(group));
    let mut body: Value = serde_json::from_str(&text).unwrap();
    body["groupKey"] = format!("{{}}/{{case=\"single\"}}:{{cluster=\"cluster{group:06}\"}}").into();
    body["alerts"][0]["fingerprint"] = format!("{:016x}", 0x404c_0000 + group).into();
    body.to_string()
}

/// A word that the card of the group says and no other.
pub(crate) fn node(group: usize) -> String {
    format!("node{group:06}")
}

/// The only card of each group, in order; `None` where there is none.
///
/// # Panics
///
/// When a group has two.
pub(crate) fn cards_of(phones: &Phones, groups: usize) -> Vec<Option<Card>> {
    let mut found: Vec<Option<Card>> = Vec::new();
    found.resize_with(groups, || None);
    for card in phones.cards() {
        let (_, after) = card.content.split_once("node0").unwrap();
        let group: usize = after[..5].parse().unwrap();
        assert!(card.content.contains(&node(group)), "{}", card.content);
        let earlier = found[group].replace(card);
        assert_eq!(earlier, None, "group {group} has a second card: {:?}", found[group]);
    }
    found
}
