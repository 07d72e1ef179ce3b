//! Events of Feishu's that were dealt with: it repeats itself.

use jiff::{SignedDuration, Timestamp};

use super::rows::stamp;
use super::{Db, values};
use crate::store::StoreError;

/// How long an event is remembered.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn was(db: &dyn Db, event: &str) -> Result<bool, StoreError> {
    db.finds("SELECT 1 FROM heard WHERE event = ?1", values![event])
}

pub(super) fn mark(db: &dyn Db, event: &str, now: Timestamp) -> Result<(), StoreError> {
    db.run(
        "INSERT INTO heard (event, at) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        values![event, stamp(now)],
    )?;
    let before = now.checked_sub(REMEMBERED).unwrap_or(Timestamp::MIN);
    db.run("DELETE FROM heard WHERE at < ?1", values![stamp(before)])?;
    Ok(())
}
