//! Letting go of what is long over.

use jiff::Timestamp;

use super::rows::{limit as rows, stamp};
use super::{Db, values};
use crate::store::StoreError;

/// Removes incidents that were resolved before then and owe nothing, oldest
/// first, with all that belongs to them; how many.
pub(super) fn forget(db: &dyn Db, resolved_before: Timestamp, limit: usize) -> Result<u64, StoreError> {
    let before = stamp(resolved_before);
    let forgotten = db.run(
        "DELETE FROM incidents WHERE id IN (
             SELECT id FROM incidents AS i
             WHERE resolved_at IS NOT NULL AND resolved_at < ?1
               AND NOT EXISTS (SELECT 1 FROM outbox AS o WHERE o.incident_id = i.id)
               AND NOT EXISTS (SELECT 1 FROM pins_wanted AS p WHERE p.incident_id = i.id)
             ORDER BY resolved_at LIMIT ?2)",
        values![&before, rows(limit)],
    )?;
    db.run(
        "DELETE FROM storms WHERE last_at < ?1
           AND NOT EXISTS (SELECT 1 FROM storm_members AS m WHERE m.storm_id = storms.id)
           AND NOT EXISTS (SELECT 1 FROM outbox AS o WHERE o.kind = 'storm' AND o.place = storms.place)",
        values![&before],
    )?;
    Ok(forgotten)
}
