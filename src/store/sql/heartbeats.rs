//! Signs of life that rules wait for.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::rows::{
    Pairs, from_json, instant, instant_opt, labels, limit as row_limit, pairs, stamp, to_json,
};
use super::{Db, Row, values};
use crate::domain::{Heartbeat, IncidentKey};
use crate::store::{HeartbeatChange, StoreError};

const COLUMNS: &str = "rule, grp, labels, last_seen, due_at";

fn heartbeat(row: &dyn Row) -> Result<Heartbeat, StoreError> {
    let held: Pairs<'_> = from_json("heartbeat", row.text(2)?)?;
    Ok(Heartbeat {
        key: IncidentKey { rule: row.string(0)?, group: row.string(1)? },
        labels: labels(held),
        last_seen: instant_opt(row.text_opt(3)?)?,
        due_at: instant_opt(row.text_opt(4)?)?,
    })
}

/// All of them, by key.
pub(super) fn all(db: &dyn Db) -> Result<Vec<Heartbeat>, StoreError> {
    db.all(&format!("SELECT {COLUMNS} FROM heartbeats ORDER BY rule, grp"), values![], heartbeat)
}

/// Those whose deadline has passed, as far as everything that arrived until
/// then has been dealt with.
pub(super) fn silent(db: &dyn Db, now: Timestamp, limit: usize) -> Result<Vec<Heartbeat>, StoreError> {
    let oldest = db.first(
        "SELECT received_at FROM inbox INDEXED BY inbox_waiting WHERE done = 0 ORDER BY id LIMIT 1",
        values![],
        |row| instant(row.text(0)?),
    )?;
    let until = oldest.map_or(now, |oldest| oldest.min(now));
    db.all(
        &format!("SELECT {COLUMNS} FROM heartbeats WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2"),
        values![stamp(until), row_limit(limit)],
        heartbeat,
    )
}

/// When each rule's heartbeat was last seen, the most silent of its groups.
pub(super) fn last_seen(db: &dyn Db) -> Result<BTreeMap<String, Timestamp>, StoreError> {
    let seen = db.all(
        "SELECT rule, min(last_seen) FROM heartbeats WHERE last_seen IS NOT NULL GROUP BY rule",
        values![],
        |row| Ok((row.string(0)?, instant(row.text(1)?)?)),
    )?;
    Ok(seen.into_iter().collect())
}

/// Carries out what became of heartbeats.
pub(super) fn apply(db: &dyn Db, changes: &[HeartbeatChange]) -> Result<(), StoreError> {
    for change in changes {
        match change {
            HeartbeatChange::Await(heartbeat) => put(db, heartbeat, "NOTHING")?,
            HeartbeatChange::Beat(heartbeat) => put(
                db,
                heartbeat,
                "UPDATE SET labels = excluded.labels, last_seen = excluded.last_seen, due_at = excluded.due_at
                 WHERE heartbeats.last_seen IS NULL OR heartbeats.last_seen <= excluded.last_seen",
            )?,
            HeartbeatChange::Deadline { key, was, due_at } => {
                let rows = db.run(
                    "UPDATE heartbeats SET due_at = ?4
                     WHERE rule = ?1 AND grp = ?2 AND due_at IS NOT DISTINCT FROM ?3",
                    values![&key.rule, &key.group, was.map(stamp), due_at.map(stamp)],
                )?;
                if rows == 0 {
                    return Err(StoreError::Conflict);
                }
            }
            HeartbeatChange::Forget(key) => {
                db.run(
                    "DELETE FROM heartbeats WHERE rule = ?1 AND grp = ?2",
                    values![&key.rule, &key.group],
                )?;
            }
        }
    }
    Ok(())
}

fn put(db: &dyn Db, heartbeat: &Heartbeat, if_known: &str) -> Result<(), StoreError> {
    let Heartbeat { key, labels, last_seen, due_at } = heartbeat;
    db.run(
        &format!(
            "INSERT INTO heartbeats ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (rule, grp) DO {if_known}"
        ),
        values![&key.rule, &key.group, to_json(&pairs(labels))?, last_seen.map(stamp), due_at.map(stamp)],
    )?;
    Ok(())
}
