//! Buzzes of late. They are forgotten as soon as somebody asks for later ones.

use jiff::Timestamp;

use super::rows::{instant, stamp, unreadable};
use super::{Db, Row, outbox, values};
use crate::domain::{IncidentId, Urgent};
use crate::store::{Ring, StoreError, Ticket};

/// Loudness as a number, so that it can be compared.
fn number(urgent: Urgent) -> u8 {
    match urgent {
        Urgent::None => 0,
        Urgent::App => 1,
        Urgent::Sms => 2,
        Urgent::Phone => 3,
    }
}

fn ring_of(row: &dyn Row) -> Result<Ring, StoreError> {
    let urgent = row.int(0)?;
    let known = Urgent::ALL.into_iter().find(|known| i64::from(number(*known)) == urgent);
    Ok(Ring {
        urgent: known.ok_or_else(|| unreadable("ring", format_args!("unknown loudness {urgent}")))?,
        at: instant(row.text(1)?)?,
        incident: IncidentId(row.int(2)?),
        accepted: row.flag(3)?,
    })
}

/// See [`Store::ring`](crate::store::Store::ring).
pub(super) fn begin(
    db: &dyn Db,
    ticket: Ticket,
    people: &[String],
    urgent: Urgent,
    since: Timestamp,
    now: Timestamp,
) -> Result<Vec<Option<Ring>>, StoreError> {
    outbox::check(db, ticket)?;
    let job = ticket.job.0;
    let owner =
        db.first("SELECT incident_id FROM outbox WHERE id = ?1", values![job], |row| row.int_opt(0))?;
    let Some(owner) = owner.flatten() else { return Ok(vec![None; people.len()]) };
    let mut found = Vec::with_capacity(people.len());
    for person in people {
        db.run("DELETE FROM rings WHERE person = ?1 AND at <= ?2", values![person, stamp(since)])?;
        let ring = db.first(
            "SELECT urgent, at, incident_id, accepted FROM rings
             WHERE person = ?1 AND job_id <> ?2 AND urgent >= ?3
             ORDER BY accepted DESC, at DESC LIMIT 1",
            values![person, job, number(urgent)],
            ring_of,
        )?;
        if ring.is_none() {
            db.run(
                "INSERT INTO rings (person, job_id, incident_id, urgent, at, accepted)
                 VALUES (?1, ?2, ?3, ?4, ?5, 0)
                 ON CONFLICT (person, job_id) DO UPDATE
                 SET incident_id = excluded.incident_id, urgent = excluded.urgent, at = excluded.at,
                     accepted = 0",
                values![person, job, owner, number(urgent), stamp(now)],
            )?;
        }
        found.push(ring);
    }
    Ok(found)
}

/// What became of the rings that a job has begun.
pub(super) fn settle(db: &dyn Db, job: i64, rang: &[(String, Urgent)]) -> Result<(), StoreError> {
    for (person, urgent) in rang {
        db.run(
            "UPDATE rings SET accepted = 1, urgent = ?3 WHERE person = ?1 AND job_id = ?2",
            values![person, job, number(*urgent)],
        )?;
    }
    db.run("DELETE FROM rings WHERE job_id = ?1 AND accepted = 0", values![job])?;
    Ok(())
}
