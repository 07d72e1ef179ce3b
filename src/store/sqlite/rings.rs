//! Buzzes of late. They are forgotten as soon as somebody asks for later ones.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::rows::{instant, stamp, unreadable};
use crate::domain::{IncidentId, JobId, Urgent};
use crate::store::{Ring, StoreError};

/// Loudness as a number, so that it can be compared.
fn number(urgent: Urgent) -> u8 {
    match urgent {
        Urgent::None => 0,
        Urgent::App => 1,
        Urgent::Sms => 2,
        Urgent::Phone => 3,
    }
}

fn ring_of(row: &Row<'_>) -> Result<Ring, StoreError> {
    let urgent: u8 = row.get(0)?;
    let known = Urgent::ALL.into_iter().find(|known| number(*known) == urgent);
    Ok(Ring {
        urgent: known.ok_or_else(|| unreadable("ring", format_args!("unknown loudness {urgent}")))?,
        at: instant(row.get_ref(1)?.as_str()?)?,
        incident: IncidentId(row.get(2)?),
        accepted: row.get(3)?,
    })
}

/// See [`Store::ring`](crate::store::Store::ring).
pub(super) fn begin(
    conn: &Connection,
    job: JobId,
    people: &[String],
    urgent: Urgent,
    since: Timestamp,
    now: Timestamp,
) -> Result<Vec<Option<Ring>>, StoreError> {
    let mut select = conn.prepare_cached("SELECT incident_id FROM outbox WHERE id = ?1")?;
    let owner: Option<Option<i64>> = select.query_row([job.0], |row| row.get(0)).optional()?;
    let Some(owner) = owner.flatten() else { return Ok(vec![None; people.len()]) };
    let mut forget = conn.prepare_cached("DELETE FROM rings WHERE person = ?1 AND at <= ?2")?;
    let mut find = conn.prepare_cached(
        "SELECT urgent, at, incident_id, accepted FROM rings
         WHERE person = ?1 AND job_id <> ?2 AND urgent >= ?3
         ORDER BY accepted DESC, at DESC LIMIT 1",
    )?;
    let mut insert = conn.prepare_cached(
        "INSERT OR REPLACE INTO rings (person, job_id, incident_id, urgent, at, accepted)
         VALUES (?1, ?2, ?3, ?4, ?5, 0)",
    )?;
    let mut found = Vec::with_capacity(people.len());
    for person in people {
        forget.execute(params![person, stamp(since)])?;
        let ring =
            find.query_and_then(params![person, job.0, number(urgent)], ring_of)?.next().transpose()?;
        if ring.is_none() {
            insert.execute(params![person, job.0, owner, number(urgent), stamp(now)])?;
        }
        found.push(ring);
    }
    Ok(found)
}

/// What became of the rings that a job has begun.
pub(super) fn settle(conn: &Connection, job: i64, rang: &[(String, Urgent)]) -> Result<(), StoreError> {
    let mut accept =
        conn.prepare_cached("UPDATE rings SET accepted = 1, urgent = ?3 WHERE person = ?1 AND job_id = ?2")?;
    for (person, urgent) in rang {
        accept.execute(params![person, job, number(*urgent)])?;
    }
    conn.prepare_cached("DELETE FROM rings WHERE job_id = ?1 AND accepted = 0")?.execute([job])?;
    Ok(())
}
