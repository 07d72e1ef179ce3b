//! Webhooks: those that wait, and for a while those that are done.
//!
//! A body above [`PART`] is kept in parts, so that neither writing nor
//! reading it makes another copy of the whole. Entries that are done stay as a
//! journal for replays, within [`Retention`]; each commit that finishes some
//! takes away up to twice as many old ones, so the journal costs no pause of its own.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::rows::{count, instant, limit as rows, number, source_kind, stamp};
use crate::store::{Delivery, InboxId, NewDelivery, StoreError};

/// Bytes of a part.
const PART: usize = 1 << 20;

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
pub(super) fn accept(conn: &Connection, delivery: &NewDelivery) -> Result<InboxId, StoreError> {
    let body = &delivery.body;
    let whole = (body.len() <= PART).then_some(body.as_ref());
    conn.prepare_cached(
        "INSERT INTO inbox (source, kind, received_at, size, body) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        delivery.source,
        delivery.kind.as_str(),
        stamp(delivery.received_at),
        rows(body.len()),
        whole
    ])?;
    let id = conn.last_insert_rowid();
    if whole.is_none() {
        let mut insert =
            conn.prepare_cached("INSERT INTO inbox_parts (inbox_id, part, bytes) VALUES (?1, ?2, ?3)")?;
        for (part, bytes) in body.chunks(PART).enumerate() {
            insert.execute(params![id, rows(part), bytes])?;
        }
    }
    Ok(InboxId(id))
}

/// The oldest entries that wait.
pub(super) fn waiting(
    conn: &Connection,
    limit: usize,
    max_bytes: usize,
) -> Result<Vec<Delivery>, StoreError> {
    let mut select = conn.prepare_cached(
        "SELECT id, source, kind, received_at, size, taken, body FROM inbox INDEXED BY inbox_waiting
         WHERE done = 0 ORDER BY id LIMIT ?1",
    )?;
    let mut found = select.query([rows(limit)])?;
    let mut deliveries = Vec::new();
    let mut bytes = 0_usize;
    while let Some(row) = found.next()? {
        let size = usize::try_from(row.get::<_, i64>(4)?).unwrap_or(0);
        bytes = bytes.saturating_add(size);
        if bytes > max_bytes && !deliveries.is_empty() {
            break;
        }
        let id: i64 = row.get(0)?;
        let body = match row.get_ref(6)?.as_blob_or_null()? {
            Some(whole) => Bytes::copy_from_slice(whole),
            None => joined(conn, id, size)?,
        };
        deliveries.push(Delivery {
            id: InboxId(id),
            taken: count(row.get(5)?),
            content: NewDelivery {
                source: row.get(1)?,
                kind: source_kind(row.get_ref(2)?.as_str()?)?,
                body,
                received_at: instant(row.get_ref(3)?.as_str()?)?,
            },
        });
    }
    Ok(deliveries)
}

fn joined(conn: &Connection, id: i64, size: usize) -> Result<Bytes, StoreError> {
    let mut body = Vec::with_capacity(size);
    let mut select =
        conn.prepare_cached("SELECT bytes FROM inbox_parts WHERE inbox_id = ?1 ORDER BY part")?;
    let mut parts = select.query([id])?;
    while let Some(part) = parts.next()? {
        body.extend_from_slice(part.get_ref(0)?.as_blob()?);
    }
    Ok(body.into())
}

/// Remembers how much of an entry has been dealt with.
pub(super) fn take(conn: &Connection, id: InboxId, taken: u64) -> Result<(), StoreError> {
    conn.prepare_cached("UPDATE inbox SET taken = ?2 WHERE id = ?1")?
        .execute(params![id.0, number(taken)])?;
    Ok(())
}

/// Moves entries to the journal, and lets go of what it is too old or too full for.
pub(super) fn finish(
    conn: &Connection,
    done: &[InboxId],
    now: Timestamp,
    retention: Retention,
) -> Result<(), StoreError> {
    if done.is_empty() {
        return Ok(());
    }
    let mut added = 0_i64;
    {
        let mut update =
            conn.prepare_cached("UPDATE inbox SET done = 1 WHERE id = ?1 AND done = 0 RETURNING size")?;
        for id in done {
            added += update.query_row([id.0], |row| row.get::<_, i64>(0)).optional()?.unwrap_or(0);
        }
    }
    let kept = grow_journal(conn, added)?;
    let dropped = prune(conn, kept, 2 * done.len(), now, retention)?;
    grow_journal(conn, -dropped)?;
    Ok(())
}

fn grow_journal(conn: &Connection, by: i64) -> Result<i64, StoreError> {
    let mut update = conn.prepare_cached("UPDATE inbox_journal SET bytes = bytes + ?1 RETURNING bytes")?;
    Ok(update.query_row([by], |row| row.get(0))?)
}

/// Deletes up to `limit` of the oldest entries of the journal, as far as
/// retention asks; their bytes.
fn prune(
    conn: &Connection,
    kept: i64,
    limit: usize,
    now: Timestamp,
    retention: Retention,
) -> Result<i64, StoreError> {
    let oldest = now.checked_sub(retention.age).map_or(String::new(), stamp);
    let surplus = kept - number(retention.bytes);
    let mut select =
        conn.prepare_cached("SELECT id, size, received_at FROM inbox WHERE done = 1 ORDER BY id LIMIT ?1")?;
    let mut delete = conn.prepare_cached("DELETE FROM inbox WHERE id = ?1")?;
    let mut dropped = 0;
    let mut old = Vec::new();
    let mut found = select.query([rows(limit)])?;
    while let Some(row) = found.next()? {
        if dropped >= surplus && row.get_ref(2)?.as_str()? >= oldest.as_str() {
            break;
        }
        dropped += row.get::<_, i64>(1)?;
        old.push(row.get::<_, i64>(0)?);
    }
    for id in old {
        delete.execute([id])?;
    }
    Ok(dropped)
}

#[cfg(test)]
mod tests {
    use super::super::SqliteStore;
    use super::*;
    use crate::domain::SourceKind;
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
        let look = |conn: &Connection| {
            let mut select = conn.prepare("SELECT size FROM inbox ORDER BY id")?;
            let sizes: Vec<i64> = select.query_map((), |row| row.get(0))?.collect::<Result<_, _>>()?;
            let counted: i64 = conn.query_row("SELECT bytes FROM inbox_journal", (), |row| row.get(0))?;
            assert_eq!(counted, sizes.iter().sum::<i64>());
            let parts = conn.query_row("SELECT COUNT(*) FROM inbox_parts", (), |row| row.get(0))?;
            Ok((sizes, parts))
        };
        store.readers.read(look).await.unwrap()
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
