//! Webhooks that are kept, dealt with or not, for whoever wants to read them again.

use jiff::Timestamp;

use super::inbox::{COLUMNS, helping, with_bodies};
use super::rows::{limit as rows, stamp};
use super::{Db, values};
use crate::store::{Delivery, InboxId, StoreError};

/// Webhooks after `after` that arrived at or after `since`, in order of arrival.
pub(super) fn load(
    db: &dyn Db,
    after: Option<InboxId>,
    since: Timestamp,
    limit: usize,
    max_bytes: usize,
) -> Result<Vec<Delivery>, StoreError> {
    let after = after.map_or(i64::MIN, |id| id.0);
    let sql = format!("SELECT {COLUMNS} FROM inbox WHERE id > ?1 AND received_at >= ?2 ORDER BY id LIMIT ?3");
    with_bodies(db, helping(db, &sql, values![after, stamp(since), rows(limit)], max_bytes)?)
}
