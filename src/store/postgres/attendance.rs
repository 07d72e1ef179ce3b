//! Who is at work on the database.
//!
//! Each process keeps a row fresh. All see the same rows by the same clock, the
//! database's, one after the other; so all agree on who is alive and who has been
//! there longest.

use std::sync::atomic::{AtomicI64, Ordering};

use super::whereabouts;
use crate::store::sql::{Db, outbox, values};
use crate::store::{Attendance, Holder, StoreError};

/// Between the name of a process and where it runs.
const HERE: &str = " at ";

/// Says that this process is alive, buries the dead and tells the part that is left.
/// `holder`: who it was so far; 0: nobody yet.
pub(super) fn attend(db: &dyn Db, name: &str, holder: &AtomicI64) -> Result<Attendance, StoreError> {
    let lapses = i64::try_from(Attendance::LAPSES.as_millis()).unwrap_or(i64::MAX);
    let known = holder.load(Ordering::Relaxed);
    let alive = db.run("UPDATE replicas SET seen_at = clock_timestamp() WHERE id = ?1", values![known])?;
    let me = if alive > 0 {
        known
    } else {
        // New, or taken for dead: then others may hold by now what it held.
        let told = whereabouts::own().map_or_else(|| name.to_owned(), |here| format!("{name}{HERE}{here}"));
        db.number(
            "INSERT INTO replicas (name, seen_at) VALUES (?1, clock_timestamp()) RETURNING id",
            values![told],
        )?
    };
    holder.store(me, Ordering::Relaxed);
    let buried = db.run(
        "DELETE FROM replicas
         WHERE seen_at < clock_timestamp() - CAST(?1 AS BIGINT) * INTERVAL '1 millisecond'",
        values![lapses],
    )?;
    let buried = buried + bury_the_killed(db, me)?;
    let (living, freed) = free(db)?;
    if buried > 0 || freed > 0 {
        tracing::warn!(gone = buried, jobs = freed, "other replicas are gone; their jobs are given out anew");
    }
    Ok(Attendance {
        replicas: u32::try_from(living.len()).unwrap_or(u32::MAX),
        leads: living.first() == Some(&Holder(me)),
    })
}

/// Removes those that ran on this machine and do not any more; how many.
fn bury_the_killed(db: &dyn Db, me: i64) -> Result<u64, StoreError> {
    let others = db.all("SELECT id, name FROM replicas WHERE id <> ?1", values![me], |row| {
        Ok((row.int(0)?, row.string(1)?))
    })?;
    let mut buried = 0;
    for (id, name) in others {
        if name.split_once(HERE).is_some_and(|(_, here)| whereabouts::is_gone(here)) {
            buried += db.run("DELETE FROM replicas WHERE id = ?1", values![id])?;
        }
    }
    Ok(buried)
}

/// Says that this process is gone.
pub(super) fn leave(db: &dyn Db, holder: i64) -> Result<(), StoreError> {
    db.run("DELETE FROM replicas WHERE id = ?1", values![holder])?;
    free(db).map(drop)
}

/// Ends the leases of whoever is not there; who is, oldest first, and how many leases that were.
fn free(db: &dyn Db) -> Result<(Vec<Holder>, u64), StoreError> {
    let living = db.all("SELECT id FROM replicas ORDER BY id", values![], |row| row.int(0).map(Holder))?;
    let freed = outbox::void_leases_of_others(db, &living)?;
    Ok((living, freed))
}
