//! Giving jobs out: the most urgent that fit the claimer's appetite.
//!
//! Jobs are looked at in the order in which they are owed, in an index that
//! holds all that the choice needs: passing over what does not fit reads no rows.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::job_rows::job;
use super::outbox::{JobRow, remove};
use super::rows::{count, instant, place_key, stamp, unreadable};
use super::{Db, Row, values};
use crate::domain::{Headroom, IncidentId, JobId, MessageId, Phase, Urgent};
use crate::store::{Appetite, Claim, Holder, StoreError, Ticket};

/// The jobs that are due, in the order in which they are owed: a page of those
/// that come after a priority and an id.
pub(in crate::store) const READY: &str = "
    SELECT id, priority, kind, place FROM outbox INDEXED BY outbox_ready
    WHERE blocked = 0 AND lease_until IS NULL AND run_at <= ?1 AND (priority, id) > (?2, ?3)
    ORDER BY priority, id LIMIT ?4";
/// Jobs of a page. The first is nearly always enough.
const PAGE: i64 = 256;

const LOAD: &str = "
    SELECT o.id, o.incident_id, o.kind, o.place, o.details, o.uuid, o.attempts, o.interrupted, o.sent,
           o.created_at, o.priority, o.fence, (SELECT phase FROM incidents WHERE id = o.incident_id)
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

/// For whom jobs are claimed, and until when.
#[derive(Debug, Clone)]
pub(super) struct Lease {
    /// Who.
    pub(super) holder: Holder,
    /// The claim's own name, by which it is found again should its outcome be unknown.
    pub(super) batch: String,
    /// Until when.
    pub(super) until: Timestamp,
}

/// Whether [`claim`] would change anything.
pub(super) fn anything_to_claim(
    db: &dyn Db,
    now: Timestamp,
    appetite: &Appetite,
) -> Result<bool, StoreError> {
    let overdue = "SELECT 1 FROM outbox WHERE lease_until IS NOT NULL AND lease_until <= ?1 LIMIT 1";
    if db.finds(overdue, values![stamp(now)])? {
        return Ok(true);
    }
    let one = Left { jobs: Headroom::by(|urgent| appetite.jobs.of(urgent).min(1)), ..Left::of(appetite)? };
    Ok(!chosen(db, now, one)?.is_empty())
}

/// The jobs that fit.
fn chosen(db: &dyn Db, now: Timestamp, mut left: Left) -> Result<Vec<i64>, StoreError> {
    let mut chosen = Vec::new();
    let (mut seen, mut after) = (PAGE, (-1, 0));
    while seen == PAGE {
        seen = 0;
        db.each(READY, values![stamp(now), after.0, after.1, PAGE], &mut |row| {
            after = (row.int(1)?, row.int(0)?);
            let priority = priority(after.0)?;
            if left.is_sated(priority) {
                seen = 0;
                return Ok(false);
            }
            seen += 1;
            if left.take(priority, row.text(2)?, row.text(3)?) {
                chosen.push(after.1);
            }
            Ok(true)
        })?;
    }
    Ok(chosen)
}

fn priority(number: i64) -> Result<u8, StoreError> {
    u8::try_from(number).map_err(|error| unreadable("job", error))
}

/// Gives back jobs that nobody knows to have been given out: the claims of
/// those names may have been committed without a word. Nothing was done about them.
pub(super) fn give_back(db: &dyn Db, batches: &[String]) -> Result<(), StoreError> {
    for batch in batches {
        db.run(
            "UPDATE outbox SET lease_until = NULL, attempts = attempts - 1
             WHERE lease_until IS NOT NULL AND batch = ?1",
            values![batch],
        )?;
    }
    Ok(())
}

/// Gives out jobs that are due, and drops buzzes that nobody needs any more.
pub(super) fn claim(
    db: &dyn Db,
    now: Timestamp,
    lease: &Lease,
    appetite: &Appetite,
) -> Result<Vec<Claim>, StoreError> {
    db.run(
        "UPDATE outbox SET lease_until = NULL, interrupted = 1
         WHERE lease_until IS NOT NULL AND lease_until <= ?1",
        values![stamp(now)],
    )?;
    loop {
        let mut found = Vec::new();
        for id in chosen(db, now, Left::of(appetite)?)? {
            found.extend(db.first(LOAD, values![id], ready)?);
        }
        // Dropping one may free a more urgent one behind it, so look again.
        let (moot, wanted): (Vec<_>, Vec<_>) = found.into_iter().partition(|ready| ready.moot);
        if moot.is_empty() {
            return give_out(db, wanted, lease);
        }
        for ready in moot {
            remove(db, &ready.row)?;
        }
    }
}

fn ready(row: &dyn Row) -> Result<Ready, StoreError> {
    let job_row = JobRow::of(row)?;
    let attempts = u32::try_from(row.int(6)?.max(0)).unwrap_or(u32::MAX);
    let claim = Claim {
        ticket: Ticket { job: JobId(job_row.id), fence: count(row.int(11)?) + 1 },
        incident: job_row.owner.map(IncidentId),
        job: job(&job_row.kind, &job_row.place, row.text_opt(4)?)?,
        priority: priority(row.int(10)?)?,
        uuid: row.text(5)?.parse().map_err(|e| unreadable("job", e))?,
        attempts,
        interrupted: row.flag(7)?,
        sent: row.string_opt(8)?.map(MessageId),
        created_at: instant(row.text(9)?)?,
    };
    let moot = job_row.kind == "buzz" && row.text_opt(12)? != Some(Phase::Triggered.as_str());
    Ok(Ready { row: job_row, claim, moot })
}

/// `interrupted` stays until the job is reported: it may be put back untouched.
fn give_out(db: &dyn Db, jobs: Vec<Ready>, lease: &Lease) -> Result<Vec<Claim>, StoreError> {
    let mut claims = Vec::with_capacity(jobs.len());
    for job in jobs {
        db.run(
            "UPDATE outbox
             SET lease_until = ?2, holder = ?3, batch = ?4, attempts = attempts + 1, fence = fence + 1,
                 again = 0
             WHERE id = ?1",
            values![job.row.id, stamp(lease.until), lease.holder.0, &lease.batch],
        )?;
        claims.push(job.claim);
    }
    Ok(claims)
}
