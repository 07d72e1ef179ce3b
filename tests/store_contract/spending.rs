//! What calls and text messages were spent.

use std::sync::Arc;

use futures_util::future::join_all;
use larkhorn::domain::{Allotment, IncidentId, Spent, Urgent, Used};
use larkhorn::store::{JobEnd, Report, Spending, Store, Ticket};

use crate::Database;
use crate::support::{at, buzz, chat, claim, claim_one, conflicts, ended, open_with};

fn names(people: &[&str]) -> Vec<String> {
    people.iter().map(|name| (*name).to_owned()).collect()
}

fn spending(job: Ticket, incident: IncidentId, second: i64, people: &[&str]) -> Spending {
    let people = names(people);
    Spending { ticket: job, incident, at: at(second), month_from: at(0), people, unspent: Vec::new() }
}

/// Allots that channel to everybody; what was spent before.
async fn spend(store: &dyn Store, spending: Spending, urgent: Urgent) -> Spent {
    let people = spending.people.clone();
    let decide = move |_: &Spent| Allotment {
        urgent,
        people: people.clone(),
        quieter: [(Urgent::App, names(&["otto"]))].into(),
        held_back: std::collections::BTreeMap::new(),
    };
    let (spent, allotted) = store.spend(spending.clone(), Box::new(decide)).await.unwrap();
    assert_eq!((allotted.urgent, allotted.people), (urgent, spending.people));
    spent
}

async fn phones(store: &dyn Store) -> u32 {
    store.spent(at(0)).await.unwrap().get(&Urgent::Phone).copied().unwrap_or_default()
}

pub(crate) async fn a_buzz_is_spent_before_it_is_made_and_settled_by_the_report(db: &impl Database) {
    let store = db.open();
    let id = open_with(&*store, "g", vec![buzz(&chat("oc_1"), Urgent::Phone)]).await;
    let job = claim_one(&*store, 0).await.ticket;
    let three = &["lin", "mara", "otto"];
    assert_eq!(spend(&*store, spending(job, id, 1, three), Urgent::Phone).await, Spent::new());
    assert_eq!(phones(&*store).await, 3);
    // A report on the way says nothing of how it ended.
    store.report(ended(job, 2, JobEnd::Held)).await.unwrap();
    let unspent = names(&["mara", "nobody"]);
    store.report(Report { unspent: unspent.clone(), ..ended(job, 2, JobEnd::Held) }).await.unwrap();
    assert_eq!(phones(&*store).await, 3);
    // Refused by the quota: the text takes the place of the calls.
    let texts = Spending { unspent: names(three), ..spending(job, id, 3, three) };
    spend(&*store, texts, Urgent::Sms).await;
    assert_eq!(store.spent(at(0)).await.unwrap(), [(Urgent::Sms, 3)].into());
    let end = JobEnd::Retry { at: at(4), holds_lane: false };
    store.report(Report { unspent: unspent.clone(), ..ended(job, 3, end) }).await.unwrap();
    assert_eq!(store.spent(at(0)).await.unwrap(), [(Urgent::Sms, 2)].into());
    let again = claim_one(&*store, 5).await.ticket;
    assert_eq!((again.job, again.fence), (job.job, job.fence + 1));
    let job = again;
    store.report(Report { unspent: names(three), ..ended(job, 6, JobEnd::Done) }).await.unwrap();
    assert_eq!(store.spent(at(0)).await.unwrap(), [(Urgent::Sms, 2)].into(), "settled once is settled");
}

pub(crate) async fn what_was_not_reported_is_spent_for_good(db: &impl Database) {
    let store = db.open();
    let id = open_with(&*store, "g", vec![buzz(&chat("oc_1"), Urgent::Phone)]).await;
    let job = claim_one(&*store, 0).await.ticket;
    spend(&*store, spending(job, id, 1, &["lin"]), Urgent::Phone).await;
    drop(store);
    let store = db.open();
    let again = claim_one(&*store, 2).await;
    assert!(again.interrupted);
    let late = store.spend(spending(job, id, 2, &["lin"]), Box::new(|_| panic!("nobody asks"))).await;
    assert!(conflicts(&late), "whoever was taken for dead must not call");
    let job = again.ticket;
    let before = spend(&*store, spending(job, id, 3, &["lin"]), Urgent::Phone).await;
    assert_eq!(before[&Urgent::Phone].month, 1);
    store.report(Report { unspent: names(&["lin"]), ..ended(job, 4, JobEnd::Done) }).await.unwrap();
    assert_eq!(phones(&*store).await, 1, "the first one counts, the second was not made");
}

pub(crate) async fn counts_are_of_the_month_the_incident_and_each_persons_hour(db: &impl Database) {
    let store = db.open();
    let mut ids = Vec::new();
    for (group, second) in [("a", 0), ("b", 3_000)] {
        let id = open_with(&*store, group, vec![buzz(&chat("oc_1"), Urgent::Phone)]).await;
        let job = claim_one(&*store, second).await.ticket;
        spend(&*store, spending(job, id, second, &["lin", "mara"]), Urgent::Phone).await;
        store.report(ended(job, second, JobEnd::Done)).await.unwrap();
        ids.push(id);
    }
    let used = |month, incident, hour: &[(&str, u32)]| {
        let person_hour = hour.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        Used { month, incident, person_hour }
    };
    open_with(&*store, "c", vec![buzz(&chat("oc_1"), Urgent::Phone)]).await;
    let job = claim_one(&*store, 3_000).await.ticket;
    let seen =
        |spending| async { spend(&*store, spending, Urgent::App).await.remove(&Urgent::Phone).unwrap() };
    let asked = |incident, second| spending(job, incident, second, &["lin"]);
    assert_eq!(seen(asked(ids[0], 3_599)).await, used(4, 2, &[("lin", 2)]));
    assert_eq!(seen(asked(ids[0], 3_600)).await, used(4, 2, &[("lin", 1)]), "an hour is over");
    assert_eq!(seen(asked(ids[1], 9_000)).await, used(4, 2, &[]));
    assert_eq!(seen(asked(IncidentId(99), 9_000)).await, used(4, 0, &[]));
    let later = Spending { month_from: at(1), ..asked(ids[0], 9_000) };
    assert_eq!(seen(later).await, used(2, 2, &[]));
    assert_eq!(store.spent(at(3_000)).await.unwrap(), [(Urgent::Phone, 2)].into());
    assert_eq!(store.spent(at(3_001)).await.unwrap(), [].into());
}

pub(crate) async fn many_at_once_never_pass_the_limit(db: &impl Database) {
    let store: Arc<dyn Store> = Arc::from(db.open());
    let buzzes = (0..40).map(|n| buzz(&chat(&format!("oc_{n}")), Urgent::Phone)).collect();
    let id = open_with(&*store, "g", buzzes).await;
    let claims = claim(&*store, 0).await;
    assert_eq!(claims.len(), 40);
    let spenders = claims.into_iter().map(|claim| {
        let store = Arc::clone(&store);
        async move {
            let decide = |spent: &Spent| {
                let used = spent.get(&Urgent::Phone).map_or(0, |used| used.month);
                let urgent = if used < 7 { Urgent::Phone } else { Urgent::App };
                let people = names(&["lin"]);
                Allotment { urgent, people, quieter: [].into(), held_back: [].into() }
            };
            let asked = spending(claim.ticket, id, 1, &["lin"]);
            store.spend(asked, Box::new(decide)).await.unwrap().1.urgent
        }
    });
    let given = join_all(spenders).await;
    assert_eq!(given.iter().filter(|urgent| **urgent == Urgent::Phone).count(), 7);
    assert_eq!(phones(&*store).await, 7);
}

pub(crate) async fn what_is_decided_to_be_free_costs_nothing(db: &impl Database) {
    let store = db.open();
    let id = open_with(&*store, "g", vec![buzz(&chat("oc_1"), Urgent::Phone)]).await;
    let job = claim_one(&*store, 0).await.ticket;
    spend(&*store, spending(job, id, 1, &["lin"]), Urgent::App).await;
    assert_eq!(store.spent(at(0)).await.unwrap(), [].into());
}
