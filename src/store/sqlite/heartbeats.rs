//! Signs of life that rules wait for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::rows::{
    Pairs, from_json, instant, instant_opt, labels, limit as row_limit, pairs, stamp, to_json,
};
use crate::domain::{Heartbeat, IncidentKey};
use crate::store::{HeartbeatChange, StoreError};

const COLUMNS: &str = "rule, grp, labels, last_seen, due_at";

fn heartbeat(row: &Row<'_>) -> Result<Heartbeat, StoreError> {
    let text: String = row.get(2)?;
    let held: Pairs<'_> = from_json("heartbeat", &text)?;
    Ok(Heartbeat {
        key: IncidentKey { rule: row.get(0)?, group: row.get(1)? },
        labels: labels(held),
        last_seen: instant_opt(row.get_ref(3)?.as_str_or_null()?)?,
        due_at: instant_opt(row.get_ref(4)?.as_str_or_null()?)?,
    })
}

/// All of them, by key.
pub(super) fn all(conn: &Connection) -> Result<Vec<Heartbeat>, StoreError> {
    let mut select = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM heartbeats ORDER BY rule, grp"))?;
    select.query_and_then((), heartbeat)?.collect()
}

/// Those whose deadline has passed, as far as everything that arrived until
/// then has been dealt with.
pub(super) fn silent(conn: &Connection, now: Timestamp, limit: usize) -> Result<Vec<Heartbeat>, StoreError> {
    let mut select = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM heartbeats
         WHERE due_at <= min(?1, ifnull((SELECT received_at FROM inbox INDEXED BY inbox_waiting
                                         WHERE done = 0 ORDER BY id LIMIT 1), ?1))
         ORDER BY due_at LIMIT ?2"
    ))?;
    select.query_and_then(params![stamp(now), row_limit(limit)], heartbeat)?.collect()
}

/// When each rule's heartbeat was last seen, the most silent of its groups.
pub(super) fn last_seen(conn: &Connection) -> Result<BTreeMap<String, Timestamp>, StoreError> {
    let mut select = conn.prepare_cached(
        "SELECT rule, min(last_seen) FROM heartbeats WHERE last_seen IS NOT NULL GROUP BY rule",
    )?;
    select.query_and_then((), |row| Ok((row.get(0)?, instant(row.get_ref(1)?.as_str()?)?)))?.collect()
}

/// Carries out what became of heartbeats.
pub(super) fn apply(conn: &Connection, changes: &[HeartbeatChange]) -> Result<(), StoreError> {
    for change in changes {
        match change {
            HeartbeatChange::Await(heartbeat) => put(conn, heartbeat, "NOTHING")?,
            HeartbeatChange::Beat(heartbeat) => put(
                conn,
                heartbeat,
                "UPDATE SET labels = excluded.labels, last_seen = excluded.last_seen, due_at = excluded.due_at
                 WHERE last_seen IS NULL OR last_seen <= excluded.last_seen",
            )?,
            HeartbeatChange::Deadline { key, was, due_at } => {
                let rows = conn
                    .prepare_cached(
                        "UPDATE heartbeats SET due_at = ?4 WHERE rule = ?1 AND grp = ?2 AND due_at IS ?3",
                    )?
                    .execute(params![key.rule, key.group, was.map(stamp), due_at.map(stamp)])?;
                if rows == 0 {
                    return Err(StoreError::Conflict);
                }
            }
            HeartbeatChange::Forget(key) => {
                conn.prepare_cached("DELETE FROM heartbeats WHERE rule = ?1 AND grp = ?2")?
                    .execute([&key.rule, &key.group])?;
            }
        }
    }
    Ok(())
}

fn put(conn: &Connection, heartbeat: &Heartbeat, if_known: &str) -> Result<(), StoreError> {
    let Heartbeat { key, labels, last_seen, due_at } = heartbeat;
    conn.prepare_cached(&format!(
        "INSERT INTO heartbeats ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (rule, grp) DO {if_known}"
    ))?
    .execute(params![
        key.rule,
        key.group,
        to_json(&pairs(labels))?,
        last_seen.map(stamp),
        due_at.map(stamp)
    ])?;
    Ok(())
}
