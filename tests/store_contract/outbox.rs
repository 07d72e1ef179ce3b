//! Jobs are given out in the right order, to one at a time, and never lost.

use jiff::SignedDuration;
use larkhorn::domain::{Destination, Headroom, Job, Urgent};
use larkhorn::store::{Appetite, Change, JobEnd, NewJob};

use super::Database;
use super::support::{
    at, buzz, change, chat, claim, claim_one, claim_some, commit, done, edit, ended, incident, kinds, load,
    new_job, open_with, person, post, posted, put, resolved, touch,
};

pub(crate) async fn urgent_jobs_go_first_and_within_one_priority_the_oldest(db: &impl Database) {
    let store = db.open();
    let jobs = vec![
        post(&chat("first card")),
        buzz(&chat("sms"), Urgent::Sms),
        post(&chat("second card")),
        Job::Pin { to: chat("pin") },
        buzz(&chat("phone"), Urgent::Phone),
        Job::Remind { to: chat("reminder"), person: person("王芳") },
    ];
    open_with(&*store, "g", jobs).await;
    let first = claim_some(&*store, 0, 3).await;
    let rest = claim_some(&*store, 0, 4).await;
    let order: Vec<_> = first.iter().chain(&rest).map(|claim| claim.job.to().unwrap().clone()).collect();
    assert_eq!(order, ["phone", "sms", "first card", "second card", "reminder", "pin"].map(chat));
    assert_eq!(first[0].job, buzz(&chat("phone"), Urgent::Phone));
    assert_eq!(rest[1].job, Job::Remind { to: chat("reminder"), person: person("王芳") });
    assert!(first[0].incident.is_some() && rest[2].incident.is_none(), "a pin belongs to its place");
    assert_eq!((first[0].created_at, first[0].attempts, first[0].interrupted), (at(0), 0, false));
}

pub(crate) async fn a_buzz_never_overtakes_its_card(db: &impl Database) {
    let store = db.open();
    let to = chat("oc_1");
    open_with(&*store, "g", vec![post(&to), buzz(&to, Urgent::Phone), buzz(&to, Urgent::App)]).await;
    let card = claim_one(&*store, 0).await;
    assert_eq!(card.job, post(&to));
    assert!(claim(&*store, 1).await.is_empty(), "the buzz waits while the card is on its way");
    store.report(ended(card.ticket, 1, JobEnd::Retry { at: at(5), holds_lane: true })).await.unwrap();
    assert!(claim(&*store, 2).await.is_empty(), "and while it is tried again");
    let card = claim_one(&*store, 5).await;
    done(&*store, &card, 6).await;
    let loud = claim_one(&*store, 6).await;
    assert_eq!(loud.job, buzz(&to, Urgent::Phone));
    done(&*store, &loud, 7).await;
    assert_eq!(claim_one(&*store, 7).await.job, buzz(&to, Urgent::App));
}

pub(crate) async fn lanes_of_other_places_and_incidents_do_not_wait(db: &impl Database) {
    let store = db.open();
    let (to, lin) = (chat("oc_1"), Destination::Direct(person("lin")));
    open_with(&*store, "g", vec![post(&to), post(&lin), buzz(&to, Urgent::App)]).await;
    open_with(&*store, "h", vec![post(&to), buzz(&lin, Urgent::Phone)]).await;
    assert_eq!(kinds(&claim(&*store, 0).await), ["buzz", "post", "post", "post"]);
}

pub(crate) async fn a_claimed_job_is_given_out_again_only_after_its_lease(db: &impl Database) {
    let store = db.open();
    open_with(&*store, "g", vec![post(&chat("oc_1"))]).await;
    let first = claim_one(&*store, 0).await;
    assert!(claim(&*store, 9).await.is_empty());
    let second = claim_one(&*store, 10).await;
    assert_eq!((first.attempts, first.interrupted), (0, false));
    assert_eq!((second.attempts, second.interrupted), (1, true));
    assert_eq!((second.ticket.job, second.uuid), (first.ticket.job, first.uuid));
    store.report(ended(second.ticket, 11, JobEnd::Retry { at: at(12), holds_lane: true })).await.unwrap();
    let third = claim_one(&*store, 12).await;
    assert_eq!((third.attempts, third.interrupted), (2, false), "it was reported");
}

pub(crate) async fn a_claim_of_a_dead_process_shows_as_interrupted(db: &impl Database) {
    let store = db.open();
    open_with(&*store, "g", vec![post(&chat("oc_1")), post(&chat("oc_2"))]).await;
    let first = claim_some(&*store, 0, 1).await.remove(0);
    drop(store);
    let store = db.open();
    let again = claim(&*store, 1).await;
    assert_eq!(
        again.iter().map(|c| (c.attempts, c.interrupted)).collect::<Vec<_>>(),
        [(1, true), (0, false)]
    );
    assert_eq!((again[0].ticket.job, again[0].uuid), (first.ticket.job, first.uuid));
    assert_ne!(again[0].uuid, again[1].uuid);
}

pub(crate) async fn silences_wait_for_no_lane_and_come_back_as_they_were(db: &impl Database) {
    let store = db.open();
    let until = at(3_600) + SignedDuration::from_nanos(1);
    let silence = Job::Silence { until, author: "林 (飞书)".to_owned() };
    let id = open_with(&*store, "g", vec![post(&chat("oc_1")), silence.clone(), silence.clone()]).await;
    let claims = claim(&*store, 0).await;
    assert_eq!(kinds(&claims), ["post", "silence", "silence"]);
    assert_eq!((&claims[1].job, claims[1].incident), (&silence, Some(id)));
    assert_ne!(claims[1].uuid, claims[2].uuid, "each wish is one of its own");
    for claimed in &claims[1..] {
        done(&*store, claimed, 1).await;
    }
    assert_eq!(store.backlog().await.unwrap().outbox, 1);
}

pub(crate) async fn buzzes_are_dropped_once_the_incident_is_resolved(db: &impl Database) {
    let store = db.open();
    let to = chat("oc_1");
    let id = open_with(&*store, "g", vec![buzz(&to, Urgent::Phone), post(&to), buzz(&to, Urgent::App)]).await;
    put(&*store, change(resolved(load(&*store, id).await, 1))).await;
    let card = claim_one(&*store, 2).await;
    assert_eq!(card.job, post(&to));
    done(&*store, &card, 3).await;
    assert!(claim(&*store, 3).await.is_empty());
    assert_eq!(store.backlog().await.unwrap().outbox, 0);
}

pub(crate) async fn a_dropped_buzz_frees_the_more_urgent_one_behind_it(db: &impl Database) {
    let store = db.open();
    let (to, other) = (chat("oc_1"), chat("oc_2"));
    let id = open_with(&*store, "g", vec![buzz(&to, Urgent::Phone)]).await;
    put(&*store, change(resolved(load(&*store, id).await, 1))).await;
    let urgent = NewJob { priority: 0, ..new_job(post(&to)) };
    let jobs = vec![urgent, new_job(post(&other))];
    store.commit(commit(2, vec![Change { jobs, ..change(load(&*store, id).await) }])).await.unwrap();
    let found = claim_some(&*store, 3, 1).await;
    assert_eq!(found[0].job, post(&to));
}

pub(crate) async fn edits_fold_and_wait_for_their_card(db: &impl Database) {
    let store = db.open();
    let to = chat("oc_1");
    open_with(&*store, "g", vec![post(&to), edit(&to), edit(&to)]).await;
    let card = claim_one(&*store, 0).await;
    assert_eq!(card.job, post(&to));
    assert!(claim(&*store, 1).await.is_empty(), "nothing to edit yet");
    let shown = super::support::card(&to, 1);
    store
        .report(larkhorn::store::Report { card: Some(shown), ..ended(card.ticket, 1, JobEnd::Done) })
        .await
        .unwrap();
    let only = claim_one(&*store, 1).await;
    assert_eq!(only.job, edit(&to));
    done(&*store, &only, 2).await;
    assert_eq!(store.next_job_at().await.unwrap(), None);
}

pub(crate) async fn a_change_refreshes_every_posted_card_once(db: &impl Database) {
    let store = db.open();
    let (to, other) = (chat("oc_1"), chat("oc_2"));
    let id = posted(&*store, "g", &to).await;
    let more = Change { jobs: vec![new_job(post(&other))], ..change(load(&*store, id).await) };
    store.commit(commit(1, vec![more])).await.unwrap();
    touch(&*store, id, 2).await;
    touch(&*store, id, 3).await;
    let found = claim(&*store, 3).await;
    let jobs: Vec<_> = found.iter().map(|claim| claim.job.clone()).collect();
    assert_eq!(jobs, [post(&other), edit(&to)], "a card that is not posted needs no edit");
}

pub(crate) async fn an_edit_asked_for_while_one_runs_is_not_lost(db: &impl Database) {
    let store = db.open();
    let to = chat("oc_1");
    let id = posted(&*store, "g", &to).await;
    touch(&*store, id, 2).await;
    let running = claim_one(&*store, 2).await;
    touch(&*store, id, 3).await;
    assert!(claim(&*store, 3).await.is_empty(), "one edit of a card at a time");
    done(&*store, &running, 4).await;
    let next = claim_one(&*store, 4).await;
    assert_eq!((next.job.clone(), next.attempts, next.created_at), (edit(&to), 0, at(4)));
    assert_ne!(next.uuid, running.uuid, "another request, not a repetition");
    done(&*store, &next, 5).await;
    assert!(claim(&*store, 5).await.is_empty());
}

pub(crate) async fn a_fold_does_not_shorten_a_back_off(db: &impl Database) {
    let store = db.open();
    let to = chat("oc_1");
    let id = posted(&*store, "g", &to).await;
    let mut later = new_job(edit(&to));
    later.run_at = at(30);
    store
        .commit(commit(1, vec![Change { jobs: vec![later], ..change(load(&*store, id).await) }]))
        .await
        .unwrap();
    assert_eq!(store.next_job_at().await.unwrap(), Some(at(30)));
    touch(&*store, id, 2).await;
    assert_eq!(store.next_job_at().await.unwrap(), Some(at(2)), "the earlier time counts");
    let failed = claim_one(&*store, 2).await;
    store.report(ended(failed.ticket, 3, JobEnd::Retry { at: at(60), holds_lane: true })).await.unwrap();
    touch(&*store, id, 4).await;
    assert_eq!(store.next_job_at().await.unwrap(), Some(at(60)), "Feishu asked us to wait");
}

pub(crate) async fn the_next_job_tells_when_to_come_again(db: &impl Database) {
    let store = db.open();
    assert_eq!(store.next_job_at().await.unwrap(), None);
    let to = chat("oc_1");
    let later = NewJob { run_at: at(20), ..new_job(post(&to)) };
    let jobs = vec![later, new_job(buzz(&to, Urgent::App))];
    put(&*store, Change { jobs, ..change(incident("g")) }).await;
    assert_eq!(store.next_job_at().await.unwrap(), Some(at(20)), "the buzz behind it cannot go first");
    assert!(claim(&*store, 19).await.is_empty());
    let claimed = claim_one(&*store, 20).await;
    assert_eq!(store.next_job_at().await.unwrap(), Some(at(30)), "when the lease ends");
    done(&*store, &claimed, 21).await;
    assert_eq!(store.next_job_at().await.unwrap(), Some(at(0)));
}

pub(crate) async fn a_job_put_off_without_holding_its_lane_lets_the_next_one_go(db: &impl Database) {
    let store = db.open();
    let to = chat("oc_1");
    open_with(&*store, "g", vec![post(&to), buzz(&to, Urgent::Phone)]).await;
    let card = claim_one(&*store, 0).await;
    store.report(ended(card.ticket, 1, JobEnd::Retry { at: at(60), holds_lane: false })).await.unwrap();
    let call = claim_one(&*store, 1).await;
    assert_eq!(call.job, buzz(&to, Urgent::Phone), "a card that cannot be posted holds up no call");
    done(&*store, &call, 2).await;
    assert!(claim(&*store, 59).await.is_empty());
    assert_eq!(claim_one(&*store, 60).await.ticket.job, card.ticket.job);
}

pub(crate) async fn what_goes_before_a_buzz_is_as_urgent_as_the_buzz(db: &impl Database) {
    let store = db.open();
    let (to, other) = (chat("oc_1"), chat("oc_2"));
    let quiet = NewJob { priority: 3, ..new_job(post(&to)) };
    let id = put(&*store, Change { jobs: vec![quiet], ..change(incident("g")) }).await.id.unwrap();
    open_with(&*store, "storm", vec![buzz(&other, Urgent::App)]).await;
    let jobs = vec![new_job(buzz(&to, Urgent::Phone))];
    store.commit(commit(1, vec![Change { jobs, ..change(load(&*store, id).await) }])).await.unwrap();
    assert_eq!(claim_some(&*store, 1, 1).await[0].job, post(&to), "a call waits for it");
}

pub(crate) async fn a_post_put_off_beside_its_lane_is_not_doubled(db: &impl Database) {
    let store = db.open();
    let to = chat("oc_1");
    let id = open_with(&*store, "g", vec![post(&to)]).await;
    let first = claim_one(&*store, 0).await;
    store.report(ended(first.ticket, 1, JobEnd::Retry { at: at(60), holds_lane: false })).await.unwrap();
    let more = || async {
        let jobs = vec![new_job(post(&to))];
        store.commit(commit(2, vec![Change { jobs, ..change(load(&*store, id).await) }])).await.unwrap();
    };
    more().await;
    assert!(claim(&*store, 59).await.is_empty(), "two at work would post two cards");
    let again = claim_one(&*store, 60).await;
    assert_eq!(again.uuid, first.uuid);
    more().await;
    done(&*store, &again, 61).await;
    let asked_meanwhile = claim_one(&*store, 61).await;
    done(&*store, &asked_meanwhile, 62).await;
    assert_eq!(store.next_job_at().await.unwrap(), None);
}

pub(crate) async fn buzzes_of_before_a_resolve_do_not_come_back_with_it(db: &impl Database) {
    let store = db.open();
    let to = chat("oc_1");
    let jobs = vec![buzz(&to, Urgent::Phone), post(&to), buzz(&to, Urgent::App)];
    let id = open_with(&*store, "g", jobs).await;
    let over = put(&*store, change(resolved(load(&*store, id).await, 1))).await;
    let jobs = vec![new_job(buzz(&to, Urgent::Sms))];
    put(&*store, Change { jobs, ..change(super::support::reopened(over)) }).await;
    let card = claim_one(&*store, 2).await;
    assert_eq!(card.job, post(&to));
    done(&*store, &card, 3).await;
    let only = claim_one(&*store, 3).await;
    assert_eq!(only.job, buzz(&to, Urgent::Sms));
    done(&*store, &only, 4).await;
    assert_eq!(store.next_job_at().await.unwrap(), None);
}

pub(crate) async fn what_does_not_fit_is_passed_over(db: &impl Database) {
    let store = db.open();
    let (busy, free) = (chat("busy"), chat("free"));
    open_with(&*store, "g", vec![post(&busy), buzz(&busy, Urgent::App)]).await;
    open_with(&*store, "h", vec![post(&busy)]).await;
    open_with(&*store, "i", vec![post(&free), Job::Pin { to: busy.clone() }]).await;
    let one = Headroom { loud: 1, app: 1, rest: 1 };
    let none = Headroom { loud: 0, app: 0, rest: 0 };
    let wanted = |appetite| store.claim(at(0), at(10), appetite);

    let no_posts = Appetite { kinds: [("post", none)].into(), ..Appetite::of(10) };
    let pin = wanted(no_posts.clone()).await.unwrap();
    assert_eq!(kinds(&pin), ["pin"]);
    done(&*store, &pin[0], 0).await;
    assert!(wanted(no_posts).await.unwrap().is_empty());

    let places = [(busy.clone(), none)].into();
    let elsewhere = wanted(Appetite { places, ..Appetite::of(10) }).await.unwrap();
    assert_eq!(elsewhere.iter().map(|claim| claim.job.clone()).collect::<Vec<_>>(), [post(&free)]);

    let each = wanted(Appetite { place: one, ..Appetite::of(10) }).await.unwrap();
    assert_eq!(each.iter().map(|claim| claim.job.clone()).collect::<Vec<_>>(), [post(&busy)], "one a place");
}

pub(crate) async fn the_louder_are_let_through_where_the_quieter_wait(db: &impl Database) {
    let store = db.open();
    let to = chat("oc_1");
    let quiet = NewJob { priority: 3, ..new_job(post(&to)) };
    put(&*store, Change { jobs: vec![quiet], ..change(incident("quiet")) }).await;
    open_with(&*store, "loud", vec![post(&to), buzz(&to, Urgent::Phone)]).await;
    let two_for_pages = Headroom { loud: 2, app: 1, rest: 0 };
    let loud = Appetite { kinds: [("post", two_for_pages)].into(), ..Appetite::of(10) };
    let claims = store.claim(at(0), at(10), loud).await.unwrap();
    assert_eq!(claims.iter().map(|claim| claim.priority).collect::<Vec<_>>(), [0], "a call waits for it");
    assert_eq!(claim_one(&*store, 1).await.priority, 3);
}

pub(crate) async fn a_job_that_was_put_back_is_as_it_was(db: &impl Database) {
    let store = db.open();
    let to = chat("oc_1");
    open_with(&*store, "g", vec![post(&to), buzz(&to, Urgent::Phone)]).await;
    let first = claim_one(&*store, 0).await;
    store.report(ended(first.ticket, 1, JobEnd::PutBack { at: at(3) })).await.unwrap();
    assert_eq!(store.next_job_at().await.unwrap(), Some(at(3)), "and the buzz goes on waiting for it");
    assert!(claim(&*store, 2).await.is_empty());
    let again = claim_one(&*store, 3).await;
    assert_eq!(
        (again.ticket.job, again.uuid, again.attempts, again.interrupted),
        (first.ticket.job, first.uuid, 0, false)
    );
    // Nobody reports: what came of it is unknown, and stays so when it is put back.
    let unsure = claim_one(&*store, 13).await;
    store.report(ended(unsure.ticket, 13, JobEnd::PutBack { at: at(14) })).await.unwrap();
    let still = claim_one(&*store, 14).await;
    assert_eq!((still.attempts, still.interrupted), (1, true));
}
