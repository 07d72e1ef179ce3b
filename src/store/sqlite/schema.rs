//! The schema and its history.
//!
//! `migrations/NNNN_name.sql` takes a database from version N-1 to N, in one
//! transaction. A released migration is never edited.

use rusqlite::{Connection, TransactionBehavior};

use super::file::APPLICATION_ID;
use crate::store::StoreError;

const MIGRATIONS: [(i32, &str); 3] = [
    (1, include_str!("migrations/0001_initial.sql")),
    (2, include_str!("migrations/0002_replicas.sql")),
    (3, include_str!("migrations/0003_calendars.sql")),
];

/// The version that this release reads and writes.
pub(super) const LATEST: i32 = 3;

/// Brings a database to [`LATEST`]. One that is newer is the caller's to refuse.
pub(super) fn migrate(conn: &mut Connection) -> Result<(), StoreError> {
    let current: i32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (version, sql) in MIGRATIONS.into_iter().filter(|(version, _)| *version > current) {
        let step = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        step.execute_batch(sql)
            .map_err(|e| StoreError::Unavailable(format!("migration {version} of the schema failed: {e}")))?;
        step.pragma_update(None, "application_id", APPLICATION_ID)?;
        step.pragma_update(None, "user_version", version)?;
        step.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::params;

    use super::*;
    use crate::domain::{
        ChatId, Contact, Destination, Fingerprint, IncidentId, IncidentKey, Job, Ladder, Listing,
        MemberState, Person, Urgent,
    };
    use crate::store::sql::{backlog, claims, outbox};
    use crate::store::sqlite::{Retention, SqliteStore};
    use crate::store::{Appetite, Lookup, Store};

    /// What a release with that schema wrote.
    const SAMPLES: [(i32, &str); 3] = [
        (1, include_str!("migrations/0001_sample.sql")),
        (2, include_str!("migrations/0002_sample.sql")),
        (3, include_str!("migrations/0003_sample.sql")),
    ];

    #[test]
    fn every_migration_has_its_number_and_a_sample_before_the_next() {
        assert_eq!(MIGRATIONS.last().map(|(version, _)| *version), Some(LATEST));
        for (expected, ((version, _), (sample, _))) in (1..).zip(MIGRATIONS.into_iter().zip(SAMPLES)) {
            assert_eq!((version, sample), (expected, expected));
        }
    }

    #[tokio::test]
    async fn databases_of_every_version_are_brought_up_and_read() {
        for (version, sample) in SAMPLES {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("larkhorn.db");
            let conn = Connection::open(&path).unwrap();
            for (_, sql) in MIGRATIONS.into_iter().filter(|(v, _)| *v <= version) {
                conn.execute_batch(sql).unwrap();
            }
            conn.execute_batch(sample).unwrap();
            conn.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
            conn.pragma_update(None, "user_version", version).unwrap();
            drop(conn);
            let store = SqliteStore::open(&path, Retention::default()).unwrap();
            reads_incidents(&store).await;
            reads_deliveries_and_jobs(&store).await;
        }
    }

    async fn reads_incidents(store: &SqliteStore) {
        let key = IncidentKey { rule: "database".to_owned(), group: "aa00".to_owned() };
        let found = store.find(Lookup { keys: vec![key], ..Lookup::default() }).await.unwrap();
        let [open] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((open.version, open.summary.as_str(), open.places.len()), (3, "\"sda\" 满了", 2));
        assert_eq!(open.standing.ladder, Ladder::Waiting { step: 1, round: 0 });
        assert_eq!(open.standing.due_at.unwrap().to_string(), "2027-01-15T08:03:00.000000001Z");
        assert_eq!(open.standing.policy.steps[1].urgent, Some(Urgent::Sms));
        assert!(open.standing.policy.steps.iter().all(|step| step.when.is_none()));
        let severity = &open.standing.severity;
        assert_eq!((severity.ack_timeout, severity.acknowledge_by_targets), (None, false));
        let members: Vec<_> = open.standing.members.values().map(|m| (m.state, m.listing)).collect();
        assert_eq!(
            members,
            [(MemberState::Resolved, None), (MemberState::Firing, Some(Listing(u64::MAX - 1)))]
        );
        let over = store.incident(IncidentId(1)).await.unwrap().unwrap();
        assert!(!over.standing.is_open() && over.standing.ladder == Ladder::Idle);

        let id = IncidentId(2);
        let alerts = store.alerts(id, 10).await.unwrap();
        assert_eq!(alerts[0].alert.fingerprint, Fingerprint(u64::MAX));
        assert_eq!(alerts[0].alert.starts_at.unwrap().to_string(), "0001-01-01T00:00:00Z");
        assert_eq!(store.timeline(id).await.unwrap().len(), 2);
        let to = Destination::Chat(ChatId("oc_1".to_owned()));
        assert_eq!(store.card(id, to).await.unwrap().unwrap().shown_version, 2);
    }

    async fn reads_deliveries_and_jobs(store: &SqliteStore) {
        let inbox = store.inbox(10, 1000).await.unwrap();
        let bodies: Vec<_> = inbox.iter().map(|d| (d.taken, d.content.body.as_ref())).collect();
        assert_eq!(bodies, [(3, b"waits".as_slice()), (0, b"parts!")]);
        assert_eq!(inbox[0].content.received_at.to_string(), "2027-01-15T08:00:01.123456789Z");

        let now = inbox[0].content.received_at;
        let claims = store.claim(now, now, Appetite::of(10)).await.unwrap();
        assert_eq!(claims.iter().map(|c| c.job.kind()).collect::<Vec<_>>(), ["buzz", "edit", "pin"]);
        let Job::Buzz { people, urgent, .. } = &claims[0].job else { panic!("{:?}", claims[0]) };
        let lin = Person { name: "lin".to_owned(), contact: Contact::Email("lin@example.com".to_owned()) };
        assert_eq!((people, *urgent, claims[0].interrupted), (&vec![lin.clone()], Urgent::Phone, true));
        assert_eq!(claims[0].sent.as_ref().unwrap().0, "om_2");

        let pins = store.pins(Destination::Chat(ChatId("oc_1".to_owned()))).await.unwrap();
        assert_eq!((pins.wanted, pins.shown[0].name.as_str()), (vec![lin.clone()], "mara"));
        let known = store.directory(vec![lin.contact.clone()]).await.unwrap();
        assert_eq!(known[&lin.contact].open_id.as_deref(), Some("ou_2"));
        let spent = store.spent("2027-01-01T00:00:00Z".parse().unwrap()).await.unwrap();
        assert_eq!(spent, [(Urgent::Phone, 1), (Urgent::Sms, 1)].into());
    }

    #[tokio::test]
    async fn claiming_reads_ready_jobs_from_their_index_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("larkhorn.db"), Retention::default()).unwrap();
        let plan = |conn: &Connection| {
            let mut explain = conn.prepare(&format!("EXPLAIN QUERY PLAN {}", claims::READY))?;
            let steps = explain
                .query_map(params!["", 0, 0, 1], |row| row.get(3))?
                .collect::<Result<Vec<String>, _>>()?;
            Ok(steps.join("; "))
        };
        let plan = store.backend.readers.read(plan).await.unwrap();
        assert!(plan.contains("COVERING INDEX outbox_ready") && !plan.contains("TEMP B-TREE"), "{plan}");
    }

    #[tokio::test]
    async fn what_waits_is_counted_from_an_index_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("larkhorn.db"), Retention::default()).unwrap();
        let plan = |conn: &Connection| {
            let mut explain = conn.prepare(&format!("EXPLAIN QUERY PLAN {}", backlog::INBOX_BYTES))?;
            let steps = explain.query_map((), |row| row.get(3))?.collect::<Result<Vec<String>, _>>()?;
            Ok(steps.join("; "))
        };
        let plan = store.backend.readers.read(plan).await.unwrap();
        assert!(plan.contains("COVERING INDEX inbox_waiting"), "{plan}");
    }

    #[tokio::test]
    async fn putting_a_post_in_looks_at_its_own_place_only() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("larkhorn.db"), Retention::default()).unwrap();
        let plan = |conn: &Connection| {
            let fold = format!("EXPLAIN QUERY PLAN UPDATE outbox SET again = 1 WHERE {}", outbox::BESIDE);
            let mut explain = conn.prepare(&fold)?;
            let steps =
                explain.query_map(params!["", 1], |row| row.get(3))?.collect::<Result<Vec<String>, _>>()?;
            Ok(steps.join("; "))
        };
        let plan = store.backend.readers.read(plan).await.unwrap();
        assert!(plan.starts_with("SEARCH"), "{plan}");
    }
}
