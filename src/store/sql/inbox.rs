//! Webhooks: those that wait, and for a while those that are done.
//!
//! A body above [`PART`] is kept in parts, so that neither writing nor
//! reading it makes another copy of the whole. Entries that are done stay as a
//! journal for replays, within [`Retention`]; each commit that finishes some
//! takes away up to twice as many old ones, so the journal costs no pause of its own.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::rows::{count, instant, limit as rows, number, source_kind, stamp};
use super::{Db, Row, values};
use crate::store::{Delivery, InboxId, NewDelivery, StoreError};

/// Bytes of a part, and of a body that is kept whole at most.
pub(in crate::store) const PART: usize = 1 << 20;

/// How long entries that are done are kept: whichever ends first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Since they arrived.
    pub age: SignedDuration,
    /// Bytes of bodies together.
    pub bytes: u64,
}

impl Default for Retention {
    /// 7 days, 256 MiB.
    fn default() -> Self {
        Self { age: SignedDuration::from_hours(7 * 24), bytes: 256 << 20 }
    }
}

/// Appends a webhook.
pub(in crate::store) fn accept(db: &dyn Db, delivery: &NewDelivery) -> Result<InboxId, StoreError> {
    let body = &delivery.body;
    let whole = (body.len() <= PART).then_some(body.as_ref());
    let id = db.number(
        "INSERT INTO inbox (source, kind, received_at, size, body) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id",
        values![
            &delivery.source,
            delivery.kind.as_str(),
            stamp(delivery.received_at),
            rows(body.len()),
            whole
        ],
    )?;
    if whole.is_none() {
        for (part, bytes) in body.chunks(PART).enumerate() {
            db.run(
                "INSERT INTO inbox_parts (inbox_id, part, bytes) VALUES (?1, ?2, ?3)",
                values![id, rows(part), bytes],
            )?;
        }
    }
    Ok(InboxId(id))
}

/// The oldest entries that wait.
pub(super) fn waiting(db: &dyn Db, limit: usize, max_bytes: usize) -> Result<Vec<Delivery>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM inbox INDEXED BY inbox_waiting WHERE done = 0 ORDER BY id LIMIT ?1");
    with_bodies(db, helping(db, &sql, values![rows(limit)], max_bytes)?)
}

/// What is told of an entry without its body.
pub(super) const COLUMNS: &str = "id, source, kind, received_at, size, taken, body IS NULL";

/// An entry, its body still to be fetched.
pub(super) struct Envelope {
    delivery: Delivery,
    size: usize,
    in_parts: bool,
}

fn envelope(row: &dyn Row) -> Result<Envelope, StoreError> {
    let delivery = Delivery {
        id: InboxId(row.int(0)?),
        taken: count(row.int(5)?),
        content: NewDelivery {
            source: row.string(1)?,
            kind: source_kind(row.text(2)?)?,
            body: Bytes::new(),
            received_at: instant(row.text(3)?)?,
        },
    };
    Ok(Envelope { delivery, size: usize::try_from(row.int(4)?).unwrap_or(0), in_parts: row.flag(6)? })
}

/// The entries that a statement finds, up to so many bytes of bodies, but one in any case.
pub(super) fn helping(
    db: &dyn Db,
    sql: &str,
    values: &[super::Value<'_>],
    max_bytes: usize,
) -> Result<Vec<Envelope>, StoreError> {
    let mut found = Vec::new();
    let mut bytes = 0_usize;
    db.each(sql, values, &mut |row| {
        let next = envelope(row)?;
        bytes = bytes.saturating_add(next.size);
        if bytes > max_bytes && !found.is_empty() {
            return Ok(false);
        }
        found.push(next);
        Ok(true)
    })?;
    Ok(found)
}

/// The same entries with their bodies. Those that are next to each other are fetched together.
pub(super) fn with_bodies(db: &dyn Db, found: Vec<Envelope>) -> Result<Vec<Delivery>, StoreError> {
    let ends = found.first().zip(found.last()).map(|(first, last)| (first.delivery.id.0, last.delivery.id.0));
    let Some((first, last)) = ends else { return Ok(Vec::new()) };
    let mut whole: BTreeMap<i64, Option<Bytes>> =
        found.iter().filter(|each| !each.in_parts).map(|each| (each.delivery.id.0, None)).collect();
    if !whole.is_empty() {
        let sql = "SELECT id, body FROM inbox WHERE id >= ?1 AND id <= ?2 AND body IS NOT NULL ORDER BY id";
        db.each(sql, values![first, last], &mut |row| {
            if let Some(body) = whole.get_mut(&row.int(0)?) {
                *body = Some(Bytes::copy_from_slice(row.bytes(1)?));
            }
            Ok(true)
        })?;
    }
    let mut deliveries = Vec::with_capacity(found.len());
    for Envelope { mut delivery, size, in_parts } in found {
        let id = delivery.id.0;
        let body = if in_parts { Some(joined(db, id, size)?) } else { whole.remove(&id).flatten() };
        if let Some(body) = body {
            delivery.content.body = body;
            deliveries.push(delivery);
        }
    }
    Ok(deliveries)
}

fn joined(db: &dyn Db, id: i64, size: usize) -> Result<Bytes, StoreError> {
    let mut body = Vec::with_capacity(size);
    // One by one: a driver may fetch all that a statement finds at once.
    for part in 0_i64.. {
        let found = db.first(
            "SELECT bytes FROM inbox_parts WHERE inbox_id = ?1 AND part = ?2",
            values![id, part],
            |row| {
                body.extend_from_slice(row.bytes(0)?);
                Ok(())
            },
        )?;
        if found.is_none() {
            break;
        }
    }
    Ok(body.into())
}

/// Remembers how much of an entry has been dealt with. Somebody who got further,
/// or has finished it, is not overtaken: that is a conflict.
pub(super) fn take(db: &dyn Db, id: InboxId, taken: u64) -> Result<(), StoreError> {
    let further = db.run(
        "UPDATE inbox SET taken = ?2 WHERE id = ?1 AND taken < ?2 AND done = 0",
        values![id.0, number(taken)],
    )?;
    if further == 0 { Err(StoreError::Conflict) } else { Ok(()) }
}

/// Moves entries to the journal, and lets go of what it is too old or too full
/// for. An entry that is finished already is a conflict.
pub(super) fn finish(
    db: &dyn Db,
    done: &[InboxId],
    now: Timestamp,
    retention: Retention,
) -> Result<(), StoreError> {
    if done.is_empty() {
        return Ok(());
    }
    let mut added = 0_i64;
    for id in done {
        let finished = db.first(
            "UPDATE inbox SET done = 1 WHERE id = ?1 AND done = 0 RETURNING size",
            values![id.0],
            |row| row.int(0),
        )?;
        added += finished.ok_or(StoreError::Conflict)?;
    }
    let kept = grow_journal(db, added)?;
    let dropped = prune(db, kept, 2 * done.len(), now, retention)?;
    grow_journal(db, -dropped)?;
    Ok(())
}

fn grow_journal(db: &dyn Db, by: i64) -> Result<i64, StoreError> {
    db.number("UPDATE inbox_journal SET bytes = bytes + ?1 RETURNING bytes", values![by])
}

/// Deletes up to `limit` of the oldest entries of the journal, as far as
/// retention asks; their bytes.
fn prune(
    db: &dyn Db,
    kept: i64,
    limit: usize,
    now: Timestamp,
    retention: Retention,
) -> Result<i64, StoreError> {
    let oldest = now.checked_sub(retention.age).map_or(String::new(), stamp);
    let surplus = kept - number(retention.bytes);
    let mut dropped = 0;
    let mut old = Vec::new();
    let sql = "SELECT id, size, received_at FROM inbox WHERE done = 1 ORDER BY id LIMIT ?1";
    db.each(sql, values![rows(limit)], &mut |row| {
        if dropped >= surplus && row.text(2)? >= oldest.as_str() {
            return Ok(false);
        }
        dropped += row.int(1)?;
        old.push(row.int(0)?);
        Ok(true)
    })?;
    for id in old {
        db.run("DELETE FROM inbox WHERE id = ?1", values![id])?;
    }
    Ok(dropped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SourceKind;
    use crate::store::sql::Backend as _;
    use crate::store::sqlite::SqliteStore;
    use crate::store::{Commit, Store as _};

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + 3600 * hour).unwrap()
    }

    /// Accepts bodies of these sizes, one an hour, then finishes them one by one;
    /// the sizes that are still kept, and the parts.
    async fn kept(sizes: &[usize], retention: Retention) -> (Vec<i64>, i64) {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("larkhorn.db"), retention).unwrap();
        let mut ids = Vec::new();
        for (size, hour) in sizes.iter().zip(0..) {
            let delivery = NewDelivery {
                source: "prod".to_owned(),
                kind: SourceKind::Grafana,
                body: vec![7; *size].into(),
                received_at: at(hour),
            };
            ids.push((store.accept(delivery).await.unwrap(), at(hour)));
        }
        for (id, now) in ids {
            store.commit(Commit { at: now, done: vec![id], ..Commit::default() }).await.unwrap();
        }
        let look = |db: &dyn Db| {
            let sizes = db.all("SELECT size FROM inbox ORDER BY id", values![], |row| row.int(0))?;
            let counted = db.number("SELECT bytes FROM inbox_journal", values![])?;
            assert_eq!(counted, sizes.iter().sum::<i64>());
            Ok((sizes, db.number("SELECT COUNT(*) FROM inbox_parts", values![])?))
        };
        store.backend.read(look).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_done_is_kept_as_long_as_retention_allows() {
        let days = |n: i64| SignedDuration::from_hours(24 * n);
        let sizes = [100, 3 << 20, 100, 90, 80];
        let cases = [
            ("everything", days(7), 10 << 20, sizes.to_vec(), 3),
            ("by age", SignedDuration::from_hours(2), 10 << 20, vec![100, 90, 80], 0),
            ("by bytes", days(7), 200, vec![90, 80], 0),
            ("nothing", days(0), 0, vec![], 0),
        ];
        for (name, age, bytes, expected, parts) in cases {
            let expected: Vec<i64> = expected.into_iter().map(rows).collect();
            assert_eq!(kept(&sizes, Retention { age, bytes }).await, (expected, parts), "{name}");
        }
    }
}
