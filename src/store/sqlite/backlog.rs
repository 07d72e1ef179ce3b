//! What waits, counted.

use rusqlite::{Connection, OptionalExtension as _};

use super::heartbeats;
use super::rows::{count, instant_opt};
use crate::domain::Phase;
use crate::store::{Backlog, StoreError};

/// Counts what waits, each from an index.
pub(super) fn load(conn: &Connection) -> Result<Backlog, StoreError> {
    let number = |sql: &str| -> Result<u64, StoreError> {
        Ok(count(conn.prepare_cached(sql)?.query_row((), |row| row.get(0))?))
    };
    let at = |sql: &str| {
        let found: Option<Option<String>> =
            conn.prepare_cached(sql)?.query_row((), |row| row.get(0)).optional()?;
        instant_opt(found.flatten().as_deref())
    };
    let mut incidents = conn.prepare_cached("SELECT COUNT(*) FROM incidents WHERE phase = ?1")?;
    let open = Phase::ALL.into_iter().filter(|phase| *phase != Phase::Resolved);
    let phases = open.map(|phase| {
        Ok::<_, rusqlite::Error>((phase, count(incidents.query_row([phase.as_str()], |row| row.get(0))?)))
    });
    Ok(Backlog {
        incidents: phases.collect::<Result<_, _>>()?,
        inbox: number("SELECT COUNT(*) FROM inbox INDEXED BY inbox_waiting WHERE done = 0")?,
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
                 UNION ALL SELECT min(due_at) FROM heartbeats WHERE due_at IS NOT NULL)")?,
        heartbeats: heartbeats::last_seen(conn)?,
    })
}
