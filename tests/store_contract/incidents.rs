//! Incidents are kept as they were decided, and only when nobody else decided meanwhile.

use std::collections::BTreeMap;

use jiff::Timestamp;
use larkhorn::domain::{
    Fact, Fingerprint, Happening, Hold, Incident, IncidentId, IncidentKey, Ladder, Listing, Member,
    MemberState, Phase, RecordedEntry, Response, TimelineEntry, Urgent, Via,
};
use larkhorn::store::{Backlog, Change, Commit, HeldAlert, Lookup, PinChange, Store};

use super::Database;
use super::support::{
    alert, at, change, chat, claim, commit, conflicts, delivery, incident, load, new_job, open_with, person,
    post, put, reopened, resolved,
};

fn ids(incidents: &[Incident]) -> Vec<IncidentId> {
    incidents.iter().filter_map(|incident| incident.id).collect()
}

pub(crate) async fn an_incident_comes_back_as_it_was_committed(db: &impl Database) {
    let exact: Timestamp = "2026-11-22T09:50:41.123456789Z".parse().unwrap();
    let mut waiting = incident("waiting");
    waiting.standing.due_at = Some(exact);
    let mut exhausted = incident("exhausted");
    exhausted.standing.ladder = Ladder::Exhausted;
    exhausted.standing.due_at = None;
    exhausted.standing.last_step = None;
    exhausted.standing.policy.steps.clear();
    let mut over = resolved(incident("over"), 9);
    over.standing.opened_at = exact;

    let mut closed = incident("closed");
    closed.standing.response = Response::Resolved { at: exact, by: Some("lin \"李\"".to_owned()) };
    closed.standing.ladder = Ladder::Idle;
    closed.standing.due_at = None;
    let mut taken = incident("taken");
    taken.standing.ladder = Ladder::Spent;
    taken.standing.response =
        Response::Acknowledged { by: "lin".to_owned(), at: at(1), expires_at: Some(exact), reminded: true };
    taken.standing.hold = Some(Hold::Unlisted { since: at(2), stale_at: exact });
    let mut asleep = incident("asleep");
    asleep.standing.paged.clear();
    asleep.standing.hold = Some(Hold::Snoozed { by: "王芳".to_owned(), until: exact });
    let mut silenced = incident("silenced");
    silenced.standing.hold = Some(Hold::Silenced { by: "lin".to_owned(), until: exact });

    let store = db.open();
    let changes = [waiting, exhausted, over, closed, taken, asleep, silenced].map(change).to_vec();
    let written = store.commit(commit(0, changes.clone())).await.unwrap();
    drop(store);
    let store = db.open();
    for (change, id) in changes.into_iter().zip(written) {
        let expected = Incident { id: Some(id), version: 1, ..change.incident };
        assert_eq!(load(&*store, id).await, expected);
    }
    assert_eq!(store.incident(IncidentId(99)).await.unwrap(), None);
}

pub(crate) async fn a_commit_on_an_old_version_changes_nothing(db: &impl Database) {
    let store = db.open();
    let delivered = store.accept(delivery("x", 0)).await.unwrap();
    let first = put(&*store, change(incident("g"))).await;
    let second = put(&*store, change(first.clone())).await;
    assert_eq!((first.version, second.version), (1, 2));

    let opened = TimelineEntry { at: at(3), what: Happening::Resolved };
    let everything = Change {
        alerts: vec![alert(1, MemberState::Firing, None)],
        timeline: vec![opened],
        jobs: vec![new_job(post(&chat("oc_1")))],
        refresh: true,
        pins: PinChange::Add(vec![(chat("oc_1"), person("lin"))]),
        ..change(incident("other"))
    };
    let refused = Commit { done: vec![delivered], ..commit(3, vec![everything, change(first)]) };
    assert!(conflicts(&store.commit(refused).await));

    assert_eq!(load(&*store, second.id.unwrap()).await, second);
    assert_eq!(ids(&store.incidents(None, None, 10).await.unwrap()), [second.id.unwrap()]);
    assert!(claim(&*store, 10).await.is_empty());
    assert_eq!(store.pins(chat("oc_1")).await.unwrap(), larkhorn::store::Pins::default());
    assert_eq!(store.backlog().await.unwrap().inbox, 1);

    let unknown = Incident { id: Some(IncidentId(99)), version: 1, ..incident("unknown") };
    assert!(conflicts(&store.commit(commit(4, vec![change(unknown)])).await));
}

pub(crate) async fn only_one_incident_with_a_key_is_open(db: &impl Database) {
    let store = db.open();
    let first = put(&*store, change(incident("g"))).await;
    assert!(conflicts(&store.commit(commit(1, vec![change(incident("g"))])).await));
    let twins = vec![change(incident("h")), change(incident("h"))];
    assert!(conflicts(&store.commit(commit(1, twins)).await));

    let over = put(&*store, change(resolved(first, 2))).await;
    let second = put(&*store, change(incident("g"))).await;
    assert!(conflicts(&store.commit(commit(3, vec![change(reopened(over.clone()))])).await));
    put(&*store, change(resolved(second, 4))).await;
    let again = put(&*store, change(reopened(over.clone()))).await;
    assert_eq!((again.id, again.version), (over.id, over.version + 1));
}

pub(crate) async fn a_lookup_prefers_the_open_incident_to_the_one_resolved_last(db: &impl Database) {
    let store = db.open();
    let lookup = |groups: &[&str]| Lookup {
        keys: groups.iter().map(|g| incident(g).key).collect(),
        ..Lookup::default()
    };
    let late = put(&*store, change(resolved(incident("g"), 50))).await;
    let early = put(&*store, change(resolved(incident("g"), 20))).await;
    assert_eq!(store.find(lookup(&["g", "unknown", "g"])).await.unwrap(), [late]);

    let open = put(&*store, change(incident("g"))).await;
    let other = put(&*store, change(incident("h"))).await;
    assert_eq!(store.find(lookup(&["h", "g"])).await.unwrap(), [open.clone(), other]);
    assert!(open.id > early.id);

    let elsewhere = IncidentKey { rule: "network".to_owned(), group: "g".to_owned() };
    let none = store.find(Lookup { keys: vec![elsewhere], ..Lookup::default() }).await.unwrap();
    assert_eq!(none, []);
}

pub(crate) async fn holders_are_incidents_of_that_source_where_it_fires(db: &impl Database) {
    let store = db.open();
    // The largest fingerprint does not fit a signed column.
    let held = |n: u64, state| vec![alert(n, state, None)];
    let with = |incident, alerts| Change { alerts, ..change(incident) };
    let fires = put(&*store, with(incident("a"), held(u64::MAX, MemberState::Firing))).await;
    let also = put(&*store, with(incident("b"), held(u64::MAX, MemberState::Firing))).await;
    put(&*store, with(incident("recovered"), held(u64::MAX, MemberState::Resolved))).await;
    let over = put(&*store, with(resolved(incident("over"), 1), held(u64::MAX, MemberState::Firing))).await;
    let staging = Incident { source: "staging".to_owned(), ..incident("staging") };
    put(&*store, with(staging, held(u64::MAX, MemberState::Firing))).await;

    let holders = vec![("prod".to_owned(), Fingerprint(u64::MAX)), ("prod".to_owned(), Fingerprint(1))];
    let found =
        store.find(Lookup { keys: vec![fires.key.clone()], holders, ..Lookup::default() }).await.unwrap();
    assert_eq!(found, [fires, also, over], "who said that it is over must hear that it is");
}

#[expect(clippy::cognitive_complexity, reason = "one story, told from start to end")]
pub(crate) async fn what_is_listed_is_found_by_its_listing_while_it_fires(db: &impl Database) {
    let store = db.open();
    let (list, other) = (Listing(u64::MAX), Listing(1));
    let held = |n: u64, state, listing| {
        let held = alert(n, state, None);
        HeldAlert { member: Member { listing, ..held.member }, ..held }
    };
    let with = |incident, alerts| Change { alerts, ..change(incident) };
    let (fires, gone) = (MemberState::Firing, MemberState::Unlisted);
    let both = vec![held(1, fires, Some(list)), held(2, fires, Some(list)), held(3, fires, None)];
    let here = put(&*store, with(incident("here"), both)).await;
    put(&*store, with(incident("recovered"), vec![held(1, MemberState::Resolved, Some(list))])).await;
    put(&*store, with(resolved(incident("over"), 1), vec![held(1, fires, Some(list))])).await;
    put(&*store, with(incident("elsewhere"), vec![held(1, fires, Some(other))])).await;
    let listings = || Lookup { listings: vec![list, Listing(2)], ..Lookup::default() };
    assert_eq!(store.find(listings()).await.unwrap(), std::slice::from_ref(&here));
    assert_eq!(store.unlisted(None, 10).await.unwrap(), []);

    // Members change without their texts.
    let texts = store.alerts(here.id.unwrap(), 10).await.unwrap();
    let mut after = here.standing.members.clone();
    for (fingerprint, member) in &mut after {
        if fingerprint.0 < 3 {
            *member = Member { state: gone, changed_at: at(9), ..*member };
        }
    }
    let members = after.iter().take(2).map(|(fingerprint, member)| (*fingerprint, *member)).collect();
    let here = put(&*store, Change { members, ..change(here) }).await;
    assert_eq!(here.standing.members, after);
    let held = store.alerts(here.id.unwrap(), 10).await.unwrap();
    assert!(texts.iter().all(|text| held.iter().any(|held| held.alert == text.alert)));
    assert_eq!(held[0].member.state, fires, "what fires comes first");
    assert_eq!(store.find(listings()).await.unwrap(), [], "nothing of it is listed there");
    let holders = vec![("prod".to_owned(), Fingerprint(2))];
    let found = store.find(Lookup { holders, ..Lookup::default() }).await.unwrap();
    assert_eq!(found, std::slice::from_ref(&here), "it may recover all the same");
    assert_eq!(store.unlisted(None, 10).await.unwrap(), std::slice::from_ref(&here));
    assert_eq!(store.unlisted(here.id, 10).await.unwrap(), []);
    put(&*store, change(resolved(here, 10))).await;
    assert_eq!(store.unlisted(None, 10).await.unwrap(), []);
}

pub(crate) async fn deadlines_come_due_in_order_and_to_the_nanosecond(db: &impl Database) {
    let store = db.open();
    let due = |group: &str, due_at: Option<Timestamp>| {
        let mut incident = incident(group);
        incident.standing.due_at = due_at;
        change(incident)
    };
    let nano = jiff::SignedDuration::from_nanos(1);
    let changes = vec![
        due("later", Some(at(60) + nano)),
        due("exactly", Some(at(60))),
        due("earlier", Some(at(59))),
        due("never", None),
        change(resolved(incident("over"), 1)),
    ];
    let ids_of = store.commit(commit(0, changes)).await.unwrap();
    let store = db_reopened(db, store);
    assert_eq!(ids(&store.due(at(60), 10).await.unwrap()), [ids_of[2], ids_of[1]]);
    assert_eq!(ids(&store.due(at(60), 1).await.unwrap()), [ids_of[2]]);
    assert_eq!(ids(&store.due(at(60) + nano, 10).await.unwrap()), [ids_of[2], ids_of[1], ids_of[0]]);
    assert_eq!(ids(&store.due(at(58), 10).await.unwrap()), []);
}

fn db_reopened(db: &impl Database, store: Box<dyn Store>) -> Box<dyn Store> {
    drop(store);
    db.open()
}

pub(crate) async fn alerts_are_replaced_one_by_one_and_read_firing_first(db: &impl Database) {
    let store = db.open();
    // Senders without a time send the year 1.
    let zero: Timestamp = "0001-01-01T00:00:00Z".parse().unwrap();
    let alerts = vec![
        alert(1, MemberState::Resolved, Some(at(9))),
        alert(2, MemberState::Firing, Some(zero)),
        alert(3, MemberState::Firing, Some(at(2))),
        alert(4, MemberState::Firing, None),
    ];
    let held = put(&*store, Change { alerts: alerts.clone(), ..change(incident("g")) }).await;
    let members: BTreeMap<_, _> = alerts.iter().map(|h| (h.alert.fingerprint, h.member)).collect();
    assert_eq!(held.standing.members, members);
    let id = held.id.unwrap();
    let [one, two, three, four] = alerts.try_into().unwrap();
    assert_eq!(store.alerts(id, 10).await.unwrap(), [three.clone(), two.clone(), four.clone(), one]);
    assert_eq!(store.alerts(id, 1).await.unwrap(), std::slice::from_ref(&three));

    let back = alert(1, MemberState::Firing, Some(at(5)));
    put(&*store, Change { alerts: vec![back.clone()], ..change(held) }).await;
    assert_eq!(store.alerts(id, 10).await.unwrap(), [back, three, two, four]);
}

pub(crate) async fn incidents_are_listed_newest_first_by_phase_and_page(db: &impl Database) {
    let store = db.open();
    let mut taken = incident("d");
    taken.standing.response =
        Response::Acknowledged { by: "lin".to_owned(), at: at(1), expires_at: None, reminded: false };
    let mut asleep = incident("e");
    asleep.standing.hold = Some(Hold::Snoozed { by: "lin".to_owned(), until: at(9) });
    let mut unlisted = incident("a");
    unlisted.standing.hold = Some(Hold::Unlisted { since: at(1), stale_at: at(9) });
    let over = resolved(incident("b"), 1);
    let changes = [asleep, taken, unlisted, over, incident("c")].map(change).to_vec();
    let [asleep, taken, a, b, c] = store.commit(commit(0, changes)).await.unwrap().try_into().unwrap();
    for (phase, before, limit, expected) in [
        (None, None, 10, vec![c, b, a, taken, asleep]),
        (None, None, 2, vec![c, b]),
        (None, Some(b), 10, vec![a, taken, asleep]),
        (Some(Phase::Acknowledged), None, 10, vec![taken]),
        (Some(Phase::Snoozed), None, 10, vec![asleep]),
        (Some(Phase::Triggered), None, 10, vec![c, a]),
        (Some(Phase::Triggered), Some(c), 10, vec![a]),
        (Some(Phase::Resolved), None, 10, vec![b]),
        (Some(Phase::Resolved), Some(b), 10, vec![]),
    ] {
        let found = store.incidents(phase, before, limit).await.unwrap();
        assert_eq!(ids(&found), expected, "{phase:?} before {before:?}, {limit}");
    }
}

pub(crate) async fn a_timeline_reads_back_in_order_of_time(db: &impl Database) {
    let happened = [
        Happening::Opened { severity: "critical".to_owned(), firing: 3 },
        Happening::AlertsChanged { firing: 1, resolved: 2 },
        Happening::SeverityRose { to: "p0 \"now\"".to_owned() },
        Happening::Stepped { step: 0, round: 2, urgent: Urgent::Sms, people: vec!["lin".to_owned()] },
        Happening::Buzzed { urgent: Urgent::Phone, people: vec![], refused: vec!["1".to_owned()] },
        Happening::Exhausted,
        Happening::CatchAll { times: 3, urgent: Urgent::Phone, people: vec!["lin".to_owned()] },
        Happening::Snoozed { by: "王芳".to_owned(), via: Via::Reply, until: at(90) },
    ];
    let entries: Vec<_> = happened
        .iter()
        .zip(0..)
        .map(|(what, n)| TimelineEntry { at: at(n / 2), what: what.clone() })
        .collect();
    let store = db.open();
    let (early, late) = entries.split_at(4);
    let held = put(&*store, Change { timeline: late.to_vec(), ..change(incident("g")) }).await;
    let id = put(&*store, Change { timeline: early.to_vec(), ..change(held) }).await.id.unwrap();

    let expected: Vec<RecordedEntry> = entries
        .into_iter()
        .map(|entry| RecordedEntry {
            at: entry.at,
            kind: entry.what.kind().to_owned(),
            facts: entry.what.facts().into_iter().map(|(name, fact)| (name.to_owned(), fact)).collect(),
        })
        .collect();
    assert_eq!(expected[0].facts[1], ("firing".to_owned(), Fact::Number(3)));
    assert_eq!(store.timeline(id).await.unwrap(), expected);
    assert_eq!(store.timeline(IncidentId(99)).await.unwrap(), []);
}

pub(crate) async fn the_backlog_counts_what_waits(db: &impl Database) {
    let store = db.open();
    let idle = || {
        Phase::ALL.into_iter().filter(|p| *p != Phase::Resolved).map(|p| (p, 0)).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(store.backlog().await.unwrap(), Backlog { incidents: idle(), ..Backlog::default() });

    let first = store.accept(delivery("a", 3)).await.unwrap();
    store.accept(delivery("b", 4)).await.unwrap();
    store.accept(delivery("c", 5)).await.unwrap();
    open_with(&*store, "g", vec![post(&chat("oc_1")), post(&chat("oc_2"))]).await;
    let changes = vec![change(incident("h")), change(resolved(incident("i"), 1))];
    store.commit(Commit { done: vec![first], ..commit(1, changes) }).await.unwrap();
    let expected = Backlog {
        inbox: 2,
        inbox_bytes: 2,
        inbox_oldest: Some(at(4)),
        outbox: 2,
        outbox_oldest: Some(at(0)),
        page_oldest: Some(at(0)),
        next_due: Some(at(60)),
        heartbeats: BTreeMap::new(),
        incidents: BTreeMap::from([(Phase::Triggered, 2), (Phase::Acknowledged, 0), (Phase::Snoozed, 0)]),
    };
    assert_eq!(store.backlog().await.unwrap(), expected);
}

pub(crate) async fn what_was_resolved_long_ago_is_forgotten_unless_it_owes_something(db: &impl Database) {
    let store = db.open();
    let old = put(&*store, change(resolved(incident("old"), 1))).await.id.unwrap();
    let jobs = vec![new_job(post(&chat("oc_1")))];
    let owing = put(&*store, Change { jobs, ..change(resolved(incident("owing"), 1)) }).await.id.unwrap();
    let recent = put(&*store, change(resolved(incident("recent"), 100))).await.id.unwrap();
    let open = put(&*store, change(incident("open"))).await.id.unwrap();
    assert_eq!(store.forget(at(100), 10).await.unwrap(), 1);
    let mut kept = Vec::new();
    for id in [old, owing, recent, open] {
        kept.push(store.incident(id).await.unwrap().is_some());
    }
    assert_eq!(kept, [false, true, true, true]);
    assert_eq!(store.forget(at(101), 1).await.unwrap(), 1);
    assert!(store.size_bytes().await.unwrap() > 0);
}
