//! Storms and rings: what comes at once is counted, and whoever buzzes agrees.

use larkhorn::domain::{IncidentId, Job, Phase, StormId, Urgent};
use larkhorn::store::{Arrival, Card, Change, Fold, JobEnd, Report, Store};

use super::Database;
use super::support::{
    at, buzz, card, change, chat, claim, claim_one, commit, done, ended, incident, kinds, load, open_with,
    resolved, touch,
};

/// An incident that comes new to a chat; folded if `fold`, within a minute of the last.
async fn arrive(store: &dyn Store, group: &str, place: &str, second: i64, fold: bool) -> IncidentId {
    let fold = fold.then(|| Fold { began_after: at(second - 3600), last_after: at(second - 60) });
    let arrivals = vec![Arrival { to: chat(place), forget: at(second - 60), fold }];
    store.commit(commit(second, vec![Change { arrivals, ..change(incident(group)) }])).await.unwrap()[0]
}

pub(crate) async fn arrivals_are_counted_by_chat_and_over_a_restart(db: &impl Database) {
    let store = db.open();
    for (group, place, second) in [("a", "oc_1", 0), ("b", "oc_1", 30), ("c", "oc_2", 30)] {
        arrive(store.as_ref(), group, place, second, false).await;
    }
    drop(store);
    let store = db.open();
    for (place, after, expected) in
        [("oc_1", -1, 2), ("oc_1", 0, 1), ("oc_1", 30, 0), ("oc_2", 0, 1), ("oc_3", 0, 0)]
    {
        assert_eq!(store.arrivals(chat(place), at(after)).await.unwrap(), expected, "{place} {after}");
    }
    arrive(store.as_ref(), "d", "oc_1", 60, false).await;
    assert_eq!(store.arrivals(chat("oc_1"), at(-1)).await.unwrap(), 2, "the first is forgotten");
}

pub(crate) async fn incidents_fold_into_the_storm_of_their_chat_while_it_is_fresh(db: &impl Database) {
    let store = db.open();
    let store = store.as_ref();
    let mut ids = Vec::new();
    for (group, place, second) in [("a", "oc_1", 0), ("b", "oc_2", 1), ("c", "oc_1", 59), ("d", "oc_1", 119)]
    {
        ids.push(arrive(store, group, place, second, true).await);
    }
    let storm_of = async |id, place: &str| store.folded(id, chat(place)).await.unwrap().map(|f| f.storm);
    assert_eq!(storm_of(ids[0], "oc_1").await, storm_of(ids[2], "oc_1").await);
    assert_ne!(storm_of(ids[0], "oc_1").await, storm_of(ids[1], "oc_2").await);
    assert_ne!(storm_of(ids[2], "oc_1").await, storm_of(ids[3], "oc_1").await, "a minute is over");
    assert_eq!(storm_of(ids[0], "oc_2").await, None);
    assert_eq!(store.storm(StormId(99), 1).await.unwrap(), None);
}

pub(crate) async fn a_storm_counts_and_lists_the_worst_first(db: &impl Database) {
    let store = db.open();
    let store = store.as_ref();
    let mut ids = Vec::new();
    for group in ["a", "b", "c", "d"] {
        ids.push(arrive(store, group, "oc_1", 0, true).await);
    }
    store.commit(commit(1, vec![change(resolved(load(store, ids[0]).await, 1))])).await.unwrap();
    let mut mild = load(store, ids[1]).await;
    mild.standing.severity.rank = 2;
    store.commit(commit(1, vec![change(mild)])).await.unwrap();
    let id = store.folded(ids[0], chat("oc_1")).await.unwrap().unwrap().storm;
    let all = store.storm(id, 10).await.unwrap().unwrap();
    let listed: Vec<_> = all.worst.iter().map(|incident| incident.id.unwrap()).collect();
    assert_eq!(listed, [ids[2], ids[3], ids[1], ids[0]]);
    assert_eq!((all.total(), all.count(Phase::Triggered), all.count(Phase::Resolved)), (4, 3, 1));
    assert_eq!((all.to, all.began_at, all.card), (chat("oc_1"), at(0), None));
    assert_eq!(store.storm(id, 1).await.unwrap().unwrap().worst.len(), 1);
    assert_eq!(store.storm_open(id, 3).await.unwrap(), [ids[1], ids[2]]);
    assert_eq!(store.storm_open(id, 9).await.unwrap(), [ids[1], ids[2], ids[3]]);
}

pub(crate) async fn a_storm_has_one_job_that_follows_its_incidents(db: &impl Database) {
    let store = db.open();
    let store = store.as_ref();
    let first = arrive(store, "a", "oc_1", 0, true).await;
    arrive(store, "b", "oc_1", 0, true).await;
    let job = claim_one(store, 0).await;
    let Job::Storm { storm, .. } = job.job.clone() else { panic!("{job:?}") };
    touch(store, first, 1).await;
    let posted = Card { posted_at: at(2), ..card(&chat("oc_1"), 0) };
    let message = posted.message.clone();
    store.report(Report { card: Some(posted), ..ended(job.ticket, 2, JobEnd::Done) }).await.unwrap();
    assert_eq!(store.storm(storm, 0).await.unwrap().unwrap().card, Some((message.clone(), at(2))));
    assert_eq!(store.folded(first, chat("oc_1")).await.unwrap().unwrap().message, Some(message));
    assert_eq!(store.card(first, chat("oc_1")).await.unwrap(), None, "it is the storm's");
    let again = claim_one(store, 3).await;
    assert_eq!(again.job, job.job, "what changed meanwhile is shown");
    done(store, &again, 4).await;
    touch(store, first, 5).await;
    assert_eq!(kinds(&claim(store, 5).await), ["storm"]);
}

pub(crate) async fn whoever_begins_to_ring_is_found_until_that_is_forgotten(db: &impl Database) {
    let store = db.open();
    let store = store.as_ref();
    let id = open_with(store, "a", vec![buzz(&chat("oc_1"), Urgent::App)]).await;
    open_with(store, "b", vec![buzz(&chat("oc_1"), Urgent::App)]).await;
    let [one, two] = <[_; 2]>::try_from(claim(store, 0).await).unwrap();
    let ring = async |job, urgent, since, now| {
        let people = vec!["lin".to_owned()];
        store.ring(job, people, urgent, at(since), at(now)).await.unwrap().remove(0)
    };
    assert_eq!(ring(one.ticket, Urgent::Sms, -30, 0).await, None);
    assert_eq!(ring(one.ticket, Urgent::Sms, -30, 1).await, None, "its own does not count");
    let found = ring(two.ticket, Urgent::App, -29, 1).await.unwrap();
    assert_eq!((found.incident, found.urgent, found.at, found.accepted), (id, Urgent::Sms, at(1), false));
    assert_eq!(ring(two.ticket, Urgent::Phone, -29, 1).await, None, "louder than that");
    let accepted = vec![("lin".to_owned(), Urgent::App)];
    store.report(Report { rang: accepted, ..ended(one.ticket, 2, JobEnd::Done) }).await.unwrap();
    let found = ring(two.ticket, Urgent::App, -28, 2).await.unwrap();
    assert_eq!((found.urgent, found.accepted), (Urgent::App, true), "as loud as it was in the end");
    assert_eq!(ring(two.ticket, Urgent::App, 1, 31).await, None, "that was long ago");
}

pub(crate) async fn a_ring_that_came_to_nothing_is_forgotten(db: &impl Database) {
    let store = db.open();
    let store = store.as_ref();
    open_with(store, "a", vec![buzz(&chat("oc_1"), Urgent::App)]).await;
    open_with(store, "b", vec![buzz(&chat("oc_1"), Urgent::App)]).await;
    let [one, two] = <[_; 2]>::try_from(claim(store, 0).await).unwrap();
    let ring = async |job| {
        let people = vec!["lin".to_owned(), "mara".to_owned()];
        store.ring(job, people, Urgent::App, at(-30), at(0)).await.unwrap()
    };
    assert_eq!(ring(one.ticket).await, [None, None]);
    store.report(ended(one.ticket, 1, JobEnd::Held)).await.unwrap();
    assert!(ring(two.ticket).await.iter().all(Option::is_some), "it is still at it");
    let accepted = vec![("lin".to_owned(), Urgent::App)];
    store.report(Report { rang: accepted, ..ended(one.ticket, 1, JobEnd::Done) }).await.unwrap();
    let found = ring(two.ticket).await;
    assert!(found[0].is_some() && found[1].is_none(), "{found:?}");
}

pub(crate) async fn a_job_that_stands_aside_is_as_it_was_and_holds_up_nobody(db: &impl Database) {
    let store = db.open();
    let store = store.as_ref();
    let to = chat("oc_1");
    open_with(store, "a", vec![buzz(&to, Urgent::App), buzz(&to, Urgent::Phone)]).await;
    let first = claim_one(store, 0).await;
    store.report(ended(first.ticket, 1, JobEnd::StandAside { at: at(30) })).await.unwrap();
    let louder = claim_one(store, 1).await;
    assert_ne!(louder.ticket.job, first.ticket.job);
    done(store, &louder, 2).await;
    let again = claim_one(store, 30).await;
    assert_eq!(
        (again.ticket.job, again.uuid, again.attempts, again.created_at),
        (first.ticket.job, first.uuid, 0, first.created_at)
    );
}
