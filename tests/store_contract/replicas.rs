//! What several processes on one database promise each other.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use larkhorn::store::postgres::{PostgresStore, Wake};
use larkhorn::store::{Attendance, JobEnd, Report, Store};
use tokio::sync::Notify;

use crate::PostgresSchema;
use crate::support::{
    buzz, card, change, chat, claim, claim_one, commit, conflicts, delivery, ended, incident, kinds,
    open_with, post,
};
use larkhorn::domain::Urgent;

fn part(replicas: u32, leads: bool) -> Attendance {
    Attendance { replicas, leads }
}

#[tokio::test]
async fn the_one_that_was_there_first_leads_until_it_leaves() {
    let db = PostgresSchema::new();
    let (first, second) = (db.connect(None), db.connect(None));
    assert_eq!(first.attend().await.unwrap(), part(2, true));
    assert_eq!(second.attend().await.unwrap(), part(2, false));
    drop(first);
    assert_eq!(second.attend().await.unwrap(), part(1, true));
    let third = db.connect(None);
    assert_eq!(third.attend().await.unwrap(), part(2, false));
    assert_eq!(second.attend().await.unwrap(), part(2, true));
}

#[tokio::test]
async fn whoever_falls_silent_loses_the_lead_and_its_jobs_and_comes_back_last() {
    let db = PostgresSchema::new();
    let (silent, other) = (db.connect(None), db.connect(None));
    let to = chat("oc_1");
    let id = open_with(&silent, "g", vec![post(&to)]).await;
    let held = claim_one(&silent, 0).await;
    assert!(claim(&other, 0).await.is_empty(), "it is at work on it");
    // As if it had said nothing for long enough.
    db.run("UPDATE replicas SET seen_at = seen_at - INTERVAL '1 minute' WHERE id = (SELECT min(id) FROM replicas)");
    assert_eq!(other.attend().await.unwrap(), part(1, true));
    let taken = claim_one(&other, 0).await;
    assert_eq!((taken.ticket.job, taken.interrupted), (held.ticket.job, true));
    let late = Report { card: Some(card(&to, 1)), ..ended(held.ticket, 1, JobEnd::Done) };
    silent.report(late).await.unwrap();
    assert_eq!(silent.card(id, to.clone()).await.unwrap(), None, "its word does not count any more");
    assert!(conflicts(&silent.report(ended(held.ticket, 1, JobEnd::Held)).await));
    assert_eq!(silent.attend().await.unwrap(), part(2, false));
    assert_eq!(other.attend().await.unwrap(), part(2, true));
    other.report(ended(taken.ticket, 2, JobEnd::Done)).await.unwrap();
    assert_eq!(other.next_job_at().await.unwrap(), None);
}

#[tokio::test]
async fn a_job_is_given_to_one_of_those_who_ask_at_once() {
    let db = PostgresSchema::new();
    let stores: Vec<PostgresStore> = (0..3).map(|_| db.connect(None)).collect();
    let jobs = (0..30).map(|n| post(&chat(&format!("oc_{n}")))).collect();
    open_with(&stores[0], "g", jobs).await;
    let claims = join_all(stores.iter().map(|store| claim(store, 0))).await;
    let mut given: Vec<_> = claims.iter().flatten().map(|claim| claim.ticket.job.0).collect();
    assert_eq!(given.len(), 30);
    given.sort_unstable();
    given.dedup();
    assert_eq!(given.len(), 30, "none twice");
}

#[tokio::test]
async fn of_two_who_decide_at_once_one_has_to_decide_again() {
    let db = PostgresSchema::new();
    let (one, two) = (db.connect(None), db.connect(None));
    let id = open_with(&one, "g", vec![buzz(&chat("oc_1"), Urgent::App)]).await;
    let loaded = one.incident(id).await.unwrap().unwrap();
    let decision = || commit(1, vec![change(loaded.clone())]);
    let (first, second) = tokio::join!(one.commit(decision()), two.commit(decision()));
    assert_eq!([first.is_ok(), second.is_ok()].iter().filter(|done| **done).count(), 1);
    assert!(conflicts(&first) || conflicts(&second));
    let opening = || commit(1, vec![change(incident("h"))]);
    let (first, second) = tokio::join!(one.commit(opening()), two.commit(opening()));
    assert!(conflicts(&first) != conflicts(&second), "one incident with a key is open");
    assert_eq!(kinds(&claim(&two, 1).await), ["buzz"]);
}

#[tokio::test]
async fn news_of_others_wakes() {
    let db = PostgresSchema::new();
    let wake = Wake { inbox: Arc::new(Notify::new()), outbox: Arc::new(Notify::new()) };
    let _listens = db.connect(Some(wake.clone()));
    let other = db.connect(None);
    let soon = |signal: Arc<Notify>| async move {
        tokio::time::timeout(Duration::from_secs(20), signal.notified()).await.expect("nobody was woken");
    };
    // Once at the beginning, for whatever was there before.
    soon(wake.inbox.clone()).await;
    soon(wake.outbox.clone()).await;
    other.accept(delivery("a", 0)).await.unwrap();
    soon(wake.inbox.clone()).await;
    open_with(&other, "g", vec![post(&chat("oc_1"))]).await;
    soon(wake.outbox.clone()).await;
}

#[tokio::test]
async fn all_measure_by_the_clock_of_the_database() {
    let db = PostgresSchema::new();
    let (one, two) = (db.connect(None), db.connect(None));
    let first = one.time().await.unwrap().unwrap();
    let second = two.time().await.unwrap().unwrap();
    assert!(first <= second && second.duration_since(first).as_secs() < 30);
}

#[tokio::test]
async fn a_release_that_cannot_work_with_the_schema_refuses_it() {
    let db = PostgresSchema::new();
    drop(db.connect(None));
    db.run("INSERT INTO larkhorn_schema (version, works_from) VALUES (7, 1)");
    drop(db.connect(None));
    db.run("INSERT INTO larkhorn_schema (version, works_from) VALUES (8, 8)");
    let rows = "SELECT count(*) FROM larkhorn_schema";
    let before = db.run(rows);
    let refused = db.try_connect(None).err().unwrap().to_string();
    assert!(refused.contains("version 8") && refused.contains("newer release"), "{refused}");
    assert_eq!(db.run(rows), before, "it was left untouched");
}
