//! What a report says is written down, all of it.

use larkhorn::domain::{Happening, JobId, MessageId, TimelineEntry, Urgent};
use larkhorn::store::{Backlog, JobEnd, Report, Ticket};

use super::Database;
use super::support::{
    at, buzz, card, change, chat, claim, claim_one, commit, conflicts, done, edit, ended, load, new_job,
    open_with, post, posted, put, resolved, touch,
};

pub(crate) async fn a_retry_keeps_uuid_and_place_in_the_lane(db: &impl Database) {
    let store = db.open();
    let to = chat("oc_1");
    open_with(&*store, "g", vec![buzz(&to, Urgent::App), buzz(&to, Urgent::Phone)]).await;
    let first = claim_one(&*store, 0).await;
    let sent = Some(MessageId("om_line".to_owned()));
    store
        .report(Report { sent, ..ended(first.ticket, 1, JobEnd::Retry { at: at(7), holds_lane: true }) })
        .await
        .unwrap();
    drop(store);
    let store = db.open();
    assert!(claim(&*store, 6).await.is_empty());
    let again = claim_one(&*store, 7).await;
    assert_eq!((again.ticket.job, again.uuid, again.attempts), (first.ticket.job, first.uuid, 1));
    assert_eq!(again.sent, Some(MessageId("om_line".to_owned())));
    assert!(!again.interrupted);
}

pub(crate) async fn a_held_job_keeps_its_lease_and_what_was_sent(db: &impl Database) {
    let store = db.open();
    open_with(&*store, "g", vec![buzz(&chat("oc_1"), Urgent::Phone)]).await;
    let first = claim_one(&*store, 0).await;
    let sent = Some(MessageId("om_line".to_owned()));
    store.report(Report { sent: sent.clone(), ..ended(first.ticket, 1, JobEnd::Held) }).await.unwrap();
    assert!(claim(&*store, 9).await.is_empty());
    drop(store);
    let store = db.open();
    let again = claim_one(&*store, 2).await;
    assert_eq!((again.sent, again.interrupted), (sent, true), "whether it buzzed is unknown");
}

pub(crate) async fn an_edit_follows_a_card_that_shows_an_old_version(db: &impl Database) {
    let store = db.open();
    let to = chat("oc_1");
    let id = open_with(&*store, "g", vec![post(&to)]).await;
    let claimed = claim_one(&*store, 0).await;
    touch(&*store, id, 1).await;
    store
        .report(Report { card: Some(card(&to, 1)), ..ended(claimed.ticket, 2, JobEnd::Done) })
        .await
        .unwrap();
    assert_eq!(store.card(id, to.clone()).await.unwrap(), Some(card(&to, 1)));
    assert_eq!(store.card(id, chat("oc_2")).await.unwrap(), None);

    let first = claim_one(&*store, 2).await;
    assert_eq!(first.job, edit(&to));
    touch(&*store, id, 3).await;
    store.report(Report { card: Some(card(&to, 2)), ..ended(first.ticket, 4, JobEnd::Done) }).await.unwrap();
    let second = claim_one(&*store, 4).await;
    assert_eq!(second.job, edit(&to), "version 3 is not shown yet");
    touch(&*store, id, 5).await;
    store.report(Report { card: Some(card(&to, 4)), ..ended(second.ticket, 6, JobEnd::Done) }).await.unwrap();
    assert!(claim(&*store, 6).await.is_empty(), "it was drawn after the change");
    assert_eq!(load(&*store, id).await.version, 4);
}

pub(crate) async fn a_card_of_unknown_version_is_edited(db: &impl Database) {
    let store = db.open();
    let to = chat("oc_1");
    open_with(&*store, "g", vec![post(&to)]).await;
    let claimed = claim_one(&*store, 0).await;
    store
        .report(Report { card: Some(card(&to, 0)), ..ended(claimed.ticket, 1, JobEnd::Done) })
        .await
        .unwrap();
    assert_eq!(claim_one(&*store, 1).await.job, edit(&to));
}

pub(crate) async fn an_edit_given_up_goes_away(db: &impl Database) {
    let store = db.open();
    let to = chat("oc_1");
    let id = posted(&*store, "g", &to).await;
    touch(&*store, id, 1).await;
    let claimed = claim_one(&*store, 1).await;
    done(&*store, &claimed, 2).await;
    assert_eq!(store.backlog().await.unwrap().outbox, 0);
    touch(&*store, id, 3).await;
    assert_eq!(claim_one(&*store, 3).await.job, edit(&to), "the next change tries again");
}

pub(crate) async fn follow_ups_and_timeline_belong_to_the_same_incident(db: &impl Database) {
    let store = db.open();
    let (to, other) = (chat("oc_1"), chat("oc_2"));
    let id = open_with(&*store, "g", vec![post(&to), buzz(&to, Urgent::App)]).await;
    let claimed = claim_one(&*store, 0).await;
    let failed = Happening::DeliveryFailed {
        what: "post".to_owned(),
        to: "oc_1".to_owned(),
        reason: "230002".to_owned(),
        instead: "oc_2".to_owned(),
    };
    let report = Report {
        timeline: vec![TimelineEntry { at: at(1), what: failed.clone() }],
        follow_ups: vec![new_job(post(&other)), new_job(post(&to))],
        ..ended(claimed.ticket, 1, JobEnd::Done)
    };
    store.report(report).await.unwrap();
    let found = claim(&*store, 1).await;
    let jobs: Vec<_> = found.iter().map(|claim| (claim.incident, claim.job.clone())).collect();
    assert_eq!(jobs, [(Some(id), buzz(&to, Urgent::App)), (Some(id), post(&other))], "the new post waits");
    assert_eq!(found[1].created_at, at(1));
    let timeline = store.timeline(id).await.unwrap();
    assert_eq!((timeline[0].kind.as_str(), timeline[0].at), (failed.kind(), at(1)));
}

pub(crate) async fn edits_of_a_card_that_is_never_posted_go_away(db: &impl Database) {
    let store = db.open();
    let to = chat("oc_1");
    open_with(&*store, "g", vec![post(&to), edit(&to)]).await;
    let claimed = claim_one(&*store, 0).await;
    done(&*store, &claimed, 1).await;
    assert_eq!(store.backlog().await.unwrap().outbox, 0);
}

pub(crate) async fn a_report_on_a_job_that_is_gone_changes_nothing(db: &impl Database) {
    let store = db.open();
    let to = chat("oc_1");
    let id = open_with(&*store, "g", vec![post(&to)]).await;
    let claimed = claim_one(&*store, 0).await;
    done(&*store, &claimed, 1).await;
    let late = Report {
        follow_ups: vec![new_job(post(&to))],
        card: Some(card(&to, 1)),
        ..ended(claimed.ticket, 2, JobEnd::Retry { at: at(2), holds_lane: true })
    };
    store.report(late).await.unwrap();
    store.report(ended(Ticket { job: JobId(99), fence: 1 }, 2, JobEnd::Done)).await.unwrap();
    assert_eq!(store.card(id, to).await.unwrap(), None);
    let Backlog { outbox, .. } = store.backlog().await.unwrap();
    assert_eq!(outbox, 0);
}

pub(crate) async fn a_report_may_bring_the_deadline_forward_but_never_back(db: &impl Database) {
    let store = db.open();
    let to = chat("oc_1");
    let id = posted(&*store, "g", &to).await;
    touch(&*store, id, 2).await;
    let before = load(&*store, id).await;
    assert_eq!(before.standing.due_at, Some(at(60)));
    let edit = claim_one(&*store, 2).await;
    let report =
        |second, due_by| Report { due_by: Some(at(due_by)), ..ended(edit.ticket, second, JobEnd::Held) };
    store.report(report(3, 90)).await.unwrap();
    assert_eq!(load(&*store, id).await, before, "it was earlier");
    store.report(report(4, 30)).await.unwrap();
    let after = load(&*store, id).await;
    assert_eq!((after.standing.due_at, after.version), (Some(at(30)), before.version + 1));
    assert_eq!(store.due(at(30), 10).await.unwrap().len(), 1);
    let stale = store.commit(commit(5, vec![change(before)])).await;
    assert!(conflicts(&stale), "whoever has decided by the old deadline decides again");
    put(&*store, change(resolved(after, 6))).await;
    store.report(report(7, 8)).await.unwrap();
    assert_eq!(load(&*store, id).await.standing.due_at, None);
}

pub(crate) async fn whoever_lost_a_job_to_another_claimer_changes_nothing(db: &impl Database) {
    let store = db.open();
    let to = chat("oc_1");
    let id = open_with(&*store, "g", vec![post(&to)]).await;
    let slow = claim_one(&*store, 0).await;
    let quick = claim_one(&*store, 10).await;
    assert_eq!((quick.ticket.job, quick.ticket.fence), (slow.ticket.job, slow.ticket.fence + 1));
    let late = Report { card: Some(card(&to, 1)), ..ended(slow.ticket, 11, JobEnd::Done) };
    store.report(late).await.unwrap();
    assert_eq!(store.card(id, to.clone()).await.unwrap(), None);
    let intent = store.report(ended(slow.ticket, 11, JobEnd::Held)).await;
    assert!(conflicts(&intent), "what it is about to do must not be done: {intent:?}");
    let told = Report { card: Some(card(&to, 1)), ..ended(quick.ticket, 12, JobEnd::Done) };
    store.report(told).await.unwrap();
    assert!(store.card(id, to).await.unwrap().is_some());
    assert_eq!(store.next_job_at().await.unwrap(), None);
}
