//! What waits, counted.

use std::collections::BTreeMap;

use super::rows::{count, instant_opt};
use super::{Db, heartbeats, values};
use crate::domain::Phase;
use crate::store::{Backlog, StoreError};

/// How much waits; asked for twice a second while webhooks arrive.
pub(in crate::store) const INBOX_BYTES: &str =
    "SELECT CAST(coalesce(sum(size), 0) AS BIGINT) FROM inbox INDEXED BY inbox_waiting WHERE done = 0";

/// Counts what waits, each from an index.
pub(super) fn load(db: &dyn Db) -> Result<Backlog, StoreError> {
    let number = |sql: &str| db.number(sql, values![]).map(count);
    let at = |sql: &str| {
        let found = db.first(sql, values![], |row| instant_opt(row.text_opt(0)?))?;
        Ok::<_, StoreError>(found.flatten())
    };
    let mut incidents = BTreeMap::new();
    for phase in Phase::ALL.into_iter().filter(|phase| *phase != Phase::Resolved) {
        let open = db.number("SELECT COUNT(*) FROM incidents WHERE phase = ?1", values![phase.as_str()])?;
        incidents.insert(phase, count(open));
    }
    Ok(Backlog {
        incidents,
        inbox: number("SELECT COUNT(*) FROM inbox INDEXED BY inbox_waiting WHERE done = 0")?,
        inbox_bytes: number(INBOX_BYTES)?,
        inbox_oldest: at(
            "SELECT received_at FROM inbox INDEXED BY inbox_waiting WHERE done = 0 ORDER BY id LIMIT 1",
        )?,
        outbox: number("SELECT COUNT(*) FROM outbox INDEXED BY outbox_created")?,
        outbox_oldest: at("SELECT min(created_at) FROM outbox")?,
        page_oldest: at("SELECT o.created_at FROM outbox AS o INDEXED BY outbox_created
             JOIN incidents AS i ON i.id = o.incident_id
             WHERE o.kind IN ('post', 'buzz') AND o.priority < 3 AND i.source <> 'larkhorn'
             ORDER BY o.created_at LIMIT 1")?,
        next_due: at("SELECT min(due_at) FROM (
                 SELECT min(due_at) AS due_at FROM incidents INDEXED BY incidents_due
                 WHERE resolved_at IS NULL AND due_at IS NOT NULL
                 UNION ALL SELECT min(due_at) FROM heartbeats WHERE due_at IS NOT NULL) AS deadlines")?,
        heartbeats: heartbeats::last_seen(db)?,
    })
}
