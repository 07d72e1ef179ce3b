//! Giving jobs out: the most urgent that fit the claimer's appetite.
//!
//! Jobs are looked at in the order in which they are owed, in an index that
//! holds all that the choice needs: passing over what does not fit reads no rows.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::job_rows::job;
use super::outbox::{JobRow, remove};
use super::rows::{instant, place_key, stamp, unreadable};
use crate::domain::{Headroom, IncidentId, JobId, MessageId, Phase, Urgent};
use crate::store::{Appetite, Claim, StoreError};

/// The jobs that are due, in the order in which they are owed.
pub(super) const READY: &str = "
    SELECT id, priority, kind, place FROM outbox INDEXED BY outbox_ready
    WHERE blocked = 0 AND lease_until IS NULL AND run_at <= ?1
    ORDER BY priority, id";

const LOAD: &str = "
    SELECT o.id, o.incident_id, o.kind, o.place, o.details, o.uuid, o.attempts, o.interrupted, o.sent,
           o.created_at, o.priority, (SELECT phase FROM incidents WHERE id = o.incident_id)
    FROM outbox AS o WHERE o.id = ?1";

/// A job that is ready, as far as claiming needs to know it.
struct Ready {
    row: JobRow,
    claim: Claim,
    moot: bool,
}

/// What is left of an appetite.
struct Left {
    jobs: Headroom,
    kinds: BTreeMap<&'static str, Headroom>,
    places: BTreeMap<String, Headroom>,
    place: Headroom,
}

impl Left {
    fn of(appetite: &Appetite) -> Result<Self, StoreError> {
        let places = appetite.places.iter().map(|(to, headroom)| Ok((place_key(to)?, *headroom)));
        Ok(Self {
            jobs: appetite.jobs,
            kinds: appetite.kinds.clone(),
            places: places.collect::<Result<_, StoreError>>()?,
            place: appetite.place,
        })
    }

    /// Whether nothing of that priority fits any more, nor what comes after it.
    fn is_sated(&self, priority: u8) -> bool {
        self.jobs.of(Urgent::of_priority(priority)) == 0
    }

    /// Whether one more of these fits; if so it counts.
    fn take(&mut self, priority: u8, kind: &str, place: &str) -> bool {
        let urgent = Urgent::of_priority(priority);
        let is_message = matches!(kind, "post" | "buzz" | "remind" | "tell");
        let fits = |left: Option<&Headroom>| left.is_none_or(|left| left.of(urgent) > 0);
        let there = is_message.then(|| self.places.get(place).unwrap_or(&self.place));
        if !fits(Some(&self.jobs)) || !fits(self.kinds.get(kind)) || !fits(there) {
            return false;
        }
        self.jobs.take();
        if let Some(left) = self.kinds.get_mut(kind) {
            left.take();
        }
        if is_message {
            if let Some(left) = self.places.get_mut(place) {
                left.take();
            } else {
                let mut left = self.place;
                left.take();
                self.places.insert(place.to_owned(), left);
            }
        }
        true
    }
}

/// Whether [`claim`] would change anything.
pub(super) fn anything_to_claim(
    conn: &Connection,
    now: Timestamp,
    appetite: &Appetite,
) -> Result<bool, StoreError> {
    let mut overdue = conn.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM outbox WHERE lease_until IS NOT NULL AND lease_until <= ?1)",
    )?;
    if overdue.query_row([stamp(now)], |row| row.get(0))? {
        return Ok(true);
    }
    let one = Left { jobs: Headroom::by(|urgent| appetite.jobs.of(urgent).min(1)), ..Left::of(appetite)? };
    Ok(!chosen(conn, now, one)?.is_empty())
}

/// The jobs that fit.
fn chosen(conn: &Connection, now: Timestamp, mut left: Left) -> Result<Vec<i64>, StoreError> {
    let (mut chosen, mut ready) = (Vec::new(), conn.prepare_cached(READY)?);
    let mut rows = ready.query([stamp(now)])?;
    while let Some(row) = rows.next()? {
        let priority = row.get(1)?;
        if left.is_sated(priority) {
            break;
        }
        if left.take(priority, row.get_ref(2)?.as_str()?, row.get_ref(3)?.as_str()?) {
            chosen.push(row.get(0)?);
        }
    }
    Ok(chosen)
}

/// Gives out jobs that are due, and drops buzzes that nobody needs any more.
pub(super) fn claim(
    conn: &Connection,
    now: Timestamp,
    lease_until: Timestamp,
    appetite: &Appetite,
) -> Result<Vec<Claim>, StoreError> {
    conn.prepare_cached(
        "UPDATE outbox SET lease_until = NULL, interrupted = 1
         WHERE lease_until IS NOT NULL AND lease_until <= ?1",
    )?
    .execute([stamp(now)])?;
    loop {
        let mut load = conn.prepare_cached(LOAD)?;
        let found = chosen(conn, now, Left::of(appetite)?)?
            .into_iter()
            .map(|id| load.query_row([id], |row| Ok(ready(row)))?)
            .collect::<Result<Vec<_>, StoreError>>()?;
        // Dropping one may free a more urgent one behind it, so look again.
        let (moot, wanted): (Vec<_>, Vec<_>) = found.into_iter().partition(|ready| ready.moot);
        if moot.is_empty() {
            return lease(conn, wanted, lease_until);
        }
        for ready in moot {
            remove(conn, &ready.row)?;
        }
    }
}

fn ready(row: &Row<'_>) -> Result<Ready, StoreError> {
    let job_row = JobRow { id: row.get(0)?, owner: row.get(1)?, kind: row.get(2)?, place: row.get(3)? };
    let phase: Option<String> = row.get(11)?;
    let claim = Claim {
        id: JobId(job_row.id),
        incident: job_row.owner.map(IncidentId),
        job: job(&job_row.kind, &job_row.place, row.get_ref(4)?.as_str_or_null()?)?,
        priority: row.get(10)?,
        uuid: row.get_ref(5)?.as_str()?.parse().map_err(|e| unreadable("job", e))?,
        attempts: row.get(6)?,
        interrupted: row.get(7)?,
        sent: row.get::<_, Option<String>>(8)?.map(MessageId),
        created_at: instant(row.get_ref(9)?.as_str()?)?,
    };
    let moot = job_row.kind == "buzz" && phase.as_deref() != Some(Phase::Triggered.as_str());
    Ok(Ready { row: job_row, claim, moot })
}

/// `interrupted` stays until the job is reported: it may be put back untouched.
fn lease(conn: &Connection, jobs: Vec<Ready>, until: Timestamp) -> Result<Vec<Claim>, StoreError> {
    let until = stamp(until);
    let mut update = conn.prepare_cached(
        "UPDATE outbox SET lease_until = ?2, attempts = attempts + 1, again = 0 WHERE id = ?1",
    )?;
    let mut claims = Vec::with_capacity(jobs.len());
    for job in jobs {
        update.execute(params![job.row.id, until])?;
        claims.push(job.claim);
    }
    Ok(claims)
}
