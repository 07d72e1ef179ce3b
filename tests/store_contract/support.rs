//! Short ways to say what the stories are about.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::{
    Alert, AlertStatus, ChatId, Contact, Days, Destination, Fingerprint, Hours, Incident, IncidentId,
    IncidentKey, Job, Labels, Ladder, Member, MemberState, MessageId, Person, Policy, Ranks, Response,
    Severity, SourceKind, Standing, Step, Target, Urgent, When, Window,
};
use larkhorn::store::{
    Appetite, Card, Change, Claim, Commit, HeldAlert, JobEnd, NewDelivery, NewJob, PinChange, Report, Store,
    StoreError, Ticket,
};

/// `second` seconds into the story.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// A group chat.
pub(crate) fn chat(id: &str) -> Destination {
    Destination::Chat(ChatId(id.to_owned()))
}

/// Somebody known by e-mail.
pub(crate) fn person(name: &str) -> Person {
    Person { name: name.to_owned(), contact: Contact::Email(format!("{name}@example.com")) }
}

/// A webhook with that body.
pub(crate) fn delivery(body: impl Into<Bytes>, second: i64) -> NewDelivery {
    NewDelivery {
        source: "prod".to_owned(),
        kind: SourceKind::Alertmanager,
        body: body.into(),
        received_at: at(second),
    }
}

/// A new incident of that group, triggered at second 0, with its next step at second 60.
pub(crate) fn incident(group: &str) -> Incident {
    let steps = vec![Step {
        wait: SignedDuration::new(90, 250_000_001),
        notify: vec![
            Target::Person("lin".to_owned()),
            Target::Team("leads".to_owned()),
            Target::Schedule("db".to_owned()),
            Target::Chat("sre".to_owned()),
        ],
        urgent: Some(Urgent::Sms),
        when: Some(When {
            severity: Some(Ranks { loudest: 0, quietest: 1 }),
            firing: 3,
            window: Some(Window {
                hours: Hours::new(1_320, 480),
                days: Days::from_bits(0b1_1111),
                calendar: Some("cn".to_owned()),
                timezone: "Asia/Shanghai".to_owned(),
            }),
        }),
    }];
    Incident {
        id: None,
        version: 0,
        key: IncidentKey { rule: "database".to_owned(), group: group.to_owned() },
        source: "prod".to_owned(),
        title: "CheckoutErrorRate \"5.2 %\" 结账".to_owned(),
        summary: String::new(),
        labels: [("env", "prod"), ("team", "db")].into_iter().collect::<Labels<'_>>().into_owned(),
        external_url: "http://am:9093".to_owned(),
        places: vec![chat("oc_1"), Destination::Direct(person("lin"))],
        template: "alert".to_owned(),
        pin: true,
        thread: false,
        invite: false,
        standing: Standing {
            members: BTreeMap::new(),
            severity: Severity {
                rank: 0,
                name: "critical".to_owned(),
                urgent: Urgent::Phone,
                pin: true,
                ack_timeout: Some(SignedDuration::from_mins(30)),
                acknowledge_by_targets: true,
            },
            response: Response::Open,
            hold: None,
            ladder: Ladder::Waiting { step: 1, round: 0 },
            due_at: Some(at(60)),
            last_step: Some((0, 0)),
            policy: Policy { steps, repeat: 2 },
            generation: 7,
            epoch: 3,
            paged: ["lin", "王芳"].map(str::to_owned).into_iter().collect(),
            catch_alls: 2,
            opened_at: at(0),
            reopens: 1,
        },
    }
}

/// The same incident, over.
pub(crate) fn resolved(mut incident: Incident, second: i64) -> Incident {
    incident.standing.response = Response::Resolved { at: at(second), by: None };
    incident.standing.ladder = Ladder::Idle;
    incident.standing.due_at = None;
    incident
}

/// The same incident, open again.
pub(crate) fn reopened(mut incident: Incident) -> Incident {
    incident.standing.response = Response::Open;
    incident
}

/// An alert with that fingerprint.
pub(crate) fn alert(fingerprint: u64, state: MemberState, starts_at: Option<Timestamp>) -> HeldAlert {
    let status = match state {
        MemberState::Firing | MemberState::Unlisted => AlertStatus::Firing,
        MemberState::Resolved => AlertStatus::Resolved,
    };
    let labels = [("alertname", "Disk"), ("名", "<\"值\">")].into_iter().collect();
    HeldAlert {
        alert: Alert {
            annotations: [("summary", "line\nbreak")].into_iter().collect(),
            starts_at,
            generator_url: "http://prometheus/graph?g0.expr=up".into(),
            values: "B=12.5".into(),
            ..Alert::new(status, Fingerprint(fingerprint), labels)
        },
        member: Member { state, starts_at, changed_at: at(1), listing: None },
    }
}

/// A change to that incident and nothing else.
pub(crate) fn change(incident: Incident) -> Change {
    Change {
        incident,
        alerts: Vec::new(),
        members: Vec::new(),
        timeline: Vec::new(),
        jobs: Vec::new(),
        refresh: false,
        pins: PinChange::Keep,
        arrivals: Vec::new(),
    }
}

/// A commit of these changes.
pub(crate) fn commit(second: i64, changes: Vec<Change>) -> Commit {
    Commit { at: at(second), changes, ..Commit::default() }
}

/// Commits one change at second 0 and loads what became of the incident.
pub(crate) async fn put(store: &dyn Store, change: Change) -> Incident {
    let id = store.commit(commit(0, vec![change])).await.unwrap()[0];
    load(store, id).await
}

/// The incident as it is stored.
pub(crate) async fn load(store: &dyn Store, id: IncidentId) -> Incident {
    store.incident(id).await.unwrap().unwrap()
}

/// Opens an incident with these jobs, due at once; its id.
pub(crate) async fn open_with(store: &dyn Store, group: &str, jobs: Vec<Job>) -> IncidentId {
    let jobs = jobs.into_iter().map(new_job).collect();
    put(store, Change { jobs, ..change(incident(group)) }).await.id.unwrap()
}

/// A job as the engine puts it in, due at second 0.
pub(crate) fn new_job(job: Job) -> NewJob {
    let loudest = job.loudness().max(Urgent::App);
    NewJob { priority: job.priority(loudest), job, run_at: at(0) }
}

/// Posts the card.
pub(crate) fn post(to: &Destination) -> Job {
    Job::Post { to: to.clone() }
}

/// Edits the card.
pub(crate) fn edit(to: &Destination) -> Job {
    Job::Edit { to: to.clone() }
}

/// Buzzes Lin.
pub(crate) fn buzz(to: &Destination, urgent: Urgent) -> Job {
    Job::Buzz { to: to.clone(), people: vec![person("lin")], urgent, step: 3, round: 1 }
}

/// Claims up to `limit` jobs for ten seconds.
pub(crate) async fn claim_some(store: &dyn Store, second: i64, limit: usize) -> Vec<Claim> {
    store.claim(at(second), at(second + 10), Appetite::of(limit)).await.unwrap()
}

/// Claims whatever there is, for ten seconds.
pub(crate) async fn claim(store: &dyn Store, second: i64) -> Vec<Claim> {
    claim_some(store, second, 100).await
}

/// Claims the only job there is.
pub(crate) async fn claim_one(store: &dyn Store, second: i64) -> Claim {
    let mut claims = claim(store, second).await;
    assert_eq!(claims.len(), 1, "{claims:?}");
    claims.remove(0)
}

/// The words for what was claimed, in order.
pub(crate) fn kinds(claims: &[Claim]) -> Vec<&'static str> {
    claims.iter().map(|claim| claim.job.kind()).collect()
}

/// A report that says nothing but how the job ended.
pub(crate) fn ended(ticket: Ticket, second: i64, end: JobEnd) -> Report {
    Report::of(ticket, at(second), end)
}

/// Reports a job as done.
pub(crate) async fn done(store: &dyn Store, claim: &Claim, second: i64) {
    store.report(ended(claim.ticket, second, JobEnd::Done)).await.unwrap();
}

/// A card that shows that version.
pub(crate) fn card(to: &Destination, shown_version: u64) -> Card {
    Card { to: to.clone(), message: MessageId("om_1".to_owned()), shown_version, posted_at: at(2) }
}

/// Opens an incident whose card is posted there and shows its first version.
pub(crate) async fn posted(store: &dyn Store, group: &str, to: &Destination) -> IncidentId {
    let id = open_with(store, group, vec![post(to)]).await;
    let claim = claim_one(store, 0).await;
    let report = Report { card: Some(card(to, 1)), ..ended(claim.ticket, 1, JobEnd::Done) };
    store.report(report).await.unwrap();
    id
}

/// Commits the incident as it is, once more, asking for a refresh of its cards.
pub(crate) async fn touch(store: &dyn Store, id: IncidentId, second: i64) {
    let again = Change { refresh: true, ..change(load(store, id).await) };
    store.commit(commit(second, vec![again])).await.unwrap();
}

/// Whether the commit was refused because of what others did.
pub(crate) fn conflicts<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Conflict))
}
