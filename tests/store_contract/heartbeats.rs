//! Heartbeats are remembered, and silence is found when it is one.

use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::{Heartbeat, IncidentKey};
use larkhorn::store::{Commit, HeartbeatChange, Store};

use super::Database;
use super::support::{at, change, commit, conflicts, delivery, incident};

const EVERY: SignedDuration = SignedDuration::from_secs(60);

fn key(group: &str) -> IncidentKey {
    IncidentKey { rule: "watchdog".to_owned(), group: group.to_owned() }
}

fn beat(group: &str, second: i64) -> Heartbeat {
    let labels = [("cluster".to_owned(), format!("{group} \"{second}\""))].into_iter().collect();
    Heartbeat::beat(key(group), labels, EVERY, at(second))
}

async fn put(store: &dyn Store, change: HeartbeatChange) {
    store.commit(Commit { heartbeats: vec![change], ..commit(0, vec![]) }).await.unwrap();
}

async fn silent(store: &dyn Store, now: Timestamp) -> Vec<String> {
    store.silent(now, 10).await.unwrap().into_iter().map(|heartbeat| heartbeat.key.group).collect()
}

pub(crate) async fn beats_put_the_deadline_off_and_late_ones_do_not(db: &impl Database) {
    let store = db.open();
    put(&*store, HeartbeatChange::Await(Heartbeat::awaited(key("a"), EVERY, at(0)))).await;
    assert_eq!(store.backlog().await.unwrap().heartbeats.len(), 0, "never seen");
    put(&*store, HeartbeatChange::Beat(beat("a", 10))).await;
    put(&*store, HeartbeatChange::Beat(beat("a", 5))).await;
    put(&*store, HeartbeatChange::Await(Heartbeat::awaited(key("a"), EVERY, at(20)))).await;
    put(&*store, HeartbeatChange::Beat(beat("b", 30))).await;
    drop(store);
    let store = db.open();
    assert_eq!(store.heartbeats().await.unwrap(), [beat("a", 10), beat("b", 30)]);
    let backlog = store.backlog().await.unwrap();
    assert_eq!((backlog.next_due, backlog.heartbeats["watchdog"]), (Some(at(70)), at(10)));
    put(&*store, HeartbeatChange::Forget(key("a"))).await;
    assert_eq!(store.heartbeats().await.unwrap(), [beat("b", 30)]);
}

pub(crate) async fn silence_is_found_once_what_arrived_before_it_is_dealt_with(db: &impl Database) {
    let store = db.open();
    for (group, second) in [("later", 30), ("first", 10)] {
        put(&*store, HeartbeatChange::Beat(beat(group, second))).await;
    }
    assert!(silent(&*store, at(69)).await.is_empty());
    assert_eq!(silent(&*store, at(70)).await, ["first"], "on the second");
    assert_eq!(silent(&*store, at(500)).await, ["first", "later"], "longest silent first");
    let waits = store.accept(delivery("perhaps a beat", 80)).await.unwrap();
    store.accept(delivery("another", 400)).await.unwrap();
    assert_eq!(silent(&*store, at(500)).await, ["first"], "of the other a beat may be waiting");
    store.commit(Commit { done: vec![waits], ..commit(500, vec![]) }).await.unwrap();
    assert_eq!(silent(&*store, at(500)).await, ["first", "later"]);
}

pub(crate) async fn a_deadline_that_was_moved_meanwhile_is_a_conflict(db: &impl Database) {
    let store = db.open();
    put(&*store, HeartbeatChange::Beat(beat("a", 0))).await;
    let lost = |was| HeartbeatChange::Deadline { key: key("a"), was, due_at: None };
    put(&*store, HeartbeatChange::Beat(beat("a", 30))).await;
    let stale = Commit { heartbeats: vec![lost(Some(at(60)))], ..commit(60, vec![change(incident("a"))]) };
    conflicts(&store.commit(stale).await);
    assert!(store.incidents(None, None, 10).await.unwrap().is_empty(), "nothing of it happened");
    put(&*store, lost(Some(at(90)))).await;
    assert!(silent(&*store, at(500)).await.is_empty(), "it is lost already");
    assert_eq!(store.heartbeats().await.unwrap()[0].due_at, None);
}
