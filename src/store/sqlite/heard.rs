//! Events of Feishu's that were dealt with: it repeats itself.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};

use super::rows::stamp;
use crate::store::StoreError;

/// How long an event is remembered.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn was(conn: &Connection, event: &str) -> Result<bool, StoreError> {
    let mut select = conn.prepare_cached("SELECT EXISTS (SELECT 1 FROM heard WHERE event = ?1)")?;
    Ok(select.query_row([event], |row| row.get(0))?)
}

pub(super) fn mark(conn: &Connection, event: &str, now: Timestamp) -> Result<(), StoreError> {
    conn.prepare_cached("INSERT OR IGNORE INTO heard (event, at) VALUES (?1, ?2)")?
        .execute(params![event, stamp(now)])?;
    let before = now.checked_sub(REMEMBERED).unwrap_or(Timestamp::MIN);
    conn.prepare_cached("DELETE FROM heard WHERE at < ?1")?.execute([stamp(before)])?;
    Ok(())
}
