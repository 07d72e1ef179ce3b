//! Jobs: put in, folded, reported. Giving them out is in `claims`.
//!
//! Whether a job may run is written with it (`blocked`) whenever that changes,
//! so that a claim reads ready jobs from an index, however many wait.

use jiff::Timestamp;
use uuid::Uuid;

use super::job_rows::{details, storm};
use super::rows::{instant_opt, number, place_key, stamp};
use super::{Db, Row, cards, incidents, pins, rings, spending, storms, values};
use crate::domain::{Destination, IncidentId, Job, Urgent};
use crate::store::{Holder, JobEnd, NewJob, Report, StoreError, Ticket};

/// The place of a job that happens nowhere in Feishu.
const NOWHERE: &str = "";

/// A post that backs off beside its lane.
pub(in crate::store) const BESIDE: &str = "kind = 'post' AND ordered = 0 AND place = ?1 AND incident_id = ?2";

/// Puts a job in, or folds it into one that waits.
///
/// A job that backs off after a failure keeps its time when another is folded
/// into it; one that is being worked on is remembered to run again.
pub(super) fn put(
    db: &dyn Db,
    incident: Option<IncidentId>,
    new: &NewJob,
    now: Timestamp,
) -> Result<(), StoreError> {
    let key = new.job.to().map_or_else(|| Ok(NOWHERE.to_owned()), place_key)?;
    let owner = match &new.job {
        Job::Pin { .. } | Job::Storm { .. } => None,
        Job::Post { .. }
        | Job::Edit { .. }
        | Job::Buzz { .. }
        | Job::Remind { .. }
        | Job::Tell { .. }
        | Job::Silence { .. }
        | Job::Fallback { .. }
        | Job::EndSilence => incident.map(|id| id.0),
    };
    let (ordered, blocked, folded) = match &new.job {
        Job::Pin { .. } => (
            false,
            false,
            fold(db, "kind = 'pin' AND place = ?1 AND CAST(?2 AS BIGINT) IS NULL", &key, owner, new)?,
        ),
        Job::Storm { storm, .. } => {
            // Of a place there may be several.
            let which = format!(
                "kind = 'storm' AND details = '{}' AND place = ?1 AND CAST(?2 AS BIGINT) IS NULL",
                storm.0
            );
            (false, false, fold(db, &which, &key, owner, new)?)
        }
        Job::Edit { .. } => {
            let folded = fold(db, "kind = 'edit' AND place = ?1 AND incident_id = ?2", &key, owner, new)?;
            (false, !cards::posted(db, owner, &key)?, folded)
        }
        Job::Post { .. } => {
            // One that backs off beside its lane must not find a second one at work.
            let folded = fold(db, BESIDE, &key, owner, new)?;
            (true, queue_at(db, owner, &key)?, folded)
        }
        // What is meant for later holds up nobody until then.
        Job::Buzz { .. } if new.run_at > now => (false, false, false),
        Job::Buzz { .. } | Job::Remind { .. } => {
            hurry(db, owner, &key, new.priority)?;
            (true, queue_at(db, owner, &key)?, false)
        }
        Job::Tell { .. } => (true, queue_at(db, owner, &key)?, false),
        Job::Silence { .. } | Job::Fallback { .. } | Job::EndSilence => (false, false, false),
    };
    if folded {
        return Ok(());
    }
    db.run(
        "INSERT INTO outbox
         (incident_id, kind, place, details, priority, run_at, created_at, uuid, ordered, blocked)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        values![
            owner,
            new.job.kind(),
            key,
            details(&new.job)?,
            new.priority,
            stamp(new.run_at),
            stamp(now),
            Uuid::new_v4().to_string(),
            ordered,
            blocked
        ],
    )?;
    Ok(())
}

fn fold(db: &dyn Db, which: &str, key: &str, owner: Option<i64>, new: &NewJob) -> Result<bool, StoreError> {
    let sql = format!(
        "UPDATE outbox
         SET again = CASE WHEN lease_until IS NOT NULL THEN 1 ELSE again END,
             priority = CASE WHEN priority > ?3 THEN ?3 ELSE priority END,
             run_at = CASE WHEN attempts = 0 AND run_at > ?4 THEN ?4 ELSE run_at END
         WHERE {which}"
    );
    Ok(db.run(&sql, values![key, owner, new.priority, stamp(new.run_at)])? > 0)
}

/// What goes before a job in its lane is as urgent as the job.
fn hurry(db: &dyn Db, owner: Option<i64>, key: &str, priority: u8) -> Result<(), StoreError> {
    db.run(
        "UPDATE outbox SET priority = ?3
         WHERE ordered = 1 AND incident_id = ?1 AND place = ?2 AND priority > ?3",
        values![owner, key, priority],
    )?;
    Ok(())
}

/// Whether posts or buzzes of the incident wait there.
fn queue_at(db: &dyn Db, owner: Option<i64>, key: &str) -> Result<bool, StoreError> {
    db.finds(
        "SELECT 1 FROM outbox WHERE ordered = 1 AND incident_id = ?1 AND place = ?2 LIMIT 1",
        values![owner, key],
    )
}

/// What removing or repeating a job needs to know of it.
pub(super) struct JobRow {
    pub(super) id: i64,
    pub(super) owner: Option<i64>,
    pub(super) kind: String,
    pub(super) place: String,
}

impl JobRow {
    /// From the columns `id, incident_id, kind, place`.
    pub(super) fn of(row: &dyn Row) -> Result<Self, StoreError> {
        Ok(Self { id: row.int(0)?, owner: row.int_opt(1)?, kind: row.string(2)?, place: row.string(3)? })
    }
}

/// A job that is reported by who holds it.
const REPORTED: &str =
    "SELECT id, incident_id, kind, place, details FROM outbox WHERE id = ?1 AND fence = ?2";

/// Whether whoever shows the ticket still holds the job: nobody has claimed it since.
pub(super) fn check(db: &dyn Db, ticket: Ticket) -> Result<(), StoreError> {
    let held = db.finds(
        "SELECT 1 FROM outbox WHERE id = ?1 AND fence = ?2",
        values![ticket.job.0, number(ticket.fence)],
    )?;
    if held { Ok(()) } else { Err(StoreError::Conflict) }
}

/// Ends the leases of whoever is not among the living; how many.
pub(in crate::store) fn void_leases_of_others(db: &dyn Db, living: &[Holder]) -> Result<u64, StoreError> {
    let living: Vec<String> = living.iter().map(|holder| holder.0.to_string()).collect();
    let living = if living.is_empty() { "NULL".to_owned() } else { living.join(", ") };
    db.run(
        &format!(
            "UPDATE outbox SET lease_until = NULL, interrupted = 1
             WHERE lease_until IS NOT NULL AND (holder IN ({living})) IS NOT TRUE"
        ),
        values![],
    )
}

/// When a claim is worth trying next.
pub(super) fn next_at(db: &dyn Db) -> Result<Option<Timestamp>, StoreError> {
    let next = db.first(
        "SELECT min(at) FROM (
             SELECT min(run_at) AS at FROM outbox WHERE blocked = 0 AND lease_until IS NULL
             UNION ALL
             SELECT min(lease_until) FROM outbox WHERE lease_until IS NOT NULL) AS times",
        values![],
        |row| instant_opt(row.text_opt(0)?),
    )?;
    Ok(next.flatten())
}

/// Writes down what came of a job. One that is gone, or that somebody else has
/// claimed after the lease had ended, takes no report: nothing changes, and who is
/// still at work on it is told.
pub(super) fn report(db: &dyn Db, report: &Report) -> Result<(), StoreError> {
    let found = db.first(REPORTED, values![report.ticket.job.0, number(report.ticket.fence)], |row| {
        Ok((JobRow::of(row)?, row.string_opt(4)?))
    })?;
    let Some((job, details)) = found else {
        // Whoever writes down what they are about to do must not do it.
        return if report.end == JobEnd::Held { Err(StoreError::Conflict) } else { Ok(()) };
    };
    if let (Some(card), "storm", Some(details)) = (&report.card, job.kind.as_str(), &details) {
        storms::save_card(db, storm(details)?, card)?;
    }
    if report.end != JobEnd::Held {
        rings::settle(db, job.id, &report.rang)?;
    }
    if let Some(sent) = &report.sent {
        db.run("UPDATE outbox SET sent = ?2 WHERE id = ?1", values![job.id, &sent.0])?;
        if let Some(owner) = job.owner {
            cards::save_line(db, owner, sent)?;
        }
    }
    if report.end != JobEnd::Held && job.kind == "buzz" {
        spending::settle(db, job.id, &report.unspent)?;
    }
    pins::show(db, &job.place, &report.pins)?;
    let incident = job.owner.map(IncidentId);
    if let Some(incident) = incident {
        incidents::record(db, incident, &report.timeline)?;
        if let Some(due_by) = report.due_by
            && incidents::hurry(db, incident, due_by)?
        {
            for to in cards::places(db, incident)? {
                refresh(db, incident, to, report.at)?;
            }
        }
        if let Some(card) = &report.card {
            cards::save(db, incident, card)?;
            follow_card(db, incident, card.shown_version, &card.to, report.at)?;
        }
    }
    finish(db, &job, report.end, report.at)?;
    for job in &report.follow_ups {
        if incident.is_some() || matches!(job.job, Job::Pin { .. }) {
            put(db, incident, job, report.at)?;
        }
    }
    Ok(())
}

/// What becomes of a job that was reported.
fn finish(db: &dyn Db, job: &JobRow, end: JobEnd, now: Timestamp) -> Result<(), StoreError> {
    match end {
        JobEnd::Held => {}
        JobEnd::PutBack { at } => {
            db.run(
                "UPDATE outbox SET lease_until = NULL, attempts = attempts - 1, run_at = ?2 WHERE id = ?1",
                values![job.id, stamp(at)],
            )?;
        }
        JobEnd::StandAside { at } => {
            db.run(
                "UPDATE outbox
                 SET lease_until = NULL, attempts = attempts - 1, run_at = ?2, ordered = 0
                 WHERE id = ?1",
                values![job.id, stamp(at)],
            )?;
            next_turn(db, job)?;
        }
        JobEnd::Retry { at, holds_lane } => {
            let lane = if holds_lane { "" } else { ", ordered = 0" };
            db.run(
                &format!(
                    "UPDATE outbox SET lease_until = NULL, interrupted = 0, run_at = ?2{lane} WHERE id = ?1"
                ),
                values![job.id, stamp(at)],
            )?;
            if !holds_lane {
                next_turn(db, job)?;
            }
        }
        JobEnd::Done => {
            if !repeat(db, job, now)? {
                remove(db, job)?;
            }
        }
    }
    Ok(())
}

/// Lets the edits there run, and asks for one unless the card shows the
/// incident as it is.
fn follow_card(
    db: &dyn Db,
    incident: IncidentId,
    shown_version: u64,
    to: &Destination,
    now: Timestamp,
) -> Result<(), StoreError> {
    let current = shown_version >= incidents::version(db, incident)?;
    let again = if current { ", again = 0" } else { "" };
    db.run(
        &format!(
            "UPDATE outbox SET blocked = 0{again} WHERE kind = 'edit' AND incident_id = ?1 AND place = ?2"
        ),
        values![incident.0, place_key(to)?],
    )?;
    if current {
        return Ok(());
    }
    refresh(db, incident, to.clone(), now)
}

/// Asks for an edit of the incident's card there.
pub(super) fn refresh(
    db: &dyn Db,
    incident: IncidentId,
    to: Destination,
    now: Timestamp,
) -> Result<(), StoreError> {
    let job = Job::Edit { to };
    let priority = job.priority(Urgent::None);
    put(db, Some(incident), &NewJob { job, priority, run_at: now }, now)
}

/// Keeps an edit or pin that was asked for again meanwhile, as a new job.
fn repeat(db: &dyn Db, job: &JobRow, now: Timestamp) -> Result<bool, StoreError> {
    let repeated = db.run(
        "UPDATE outbox
         SET again = 0, attempts = 0, interrupted = 0, lease_until = NULL, sent = NULL, uuid = ?2,
             run_at = ?3, created_at = ?3
         WHERE id = ?1 AND again = 1",
        values![job.id, Uuid::new_v4().to_string(), stamp(now)],
    )?;
    Ok(repeated > 0)
}

/// Takes a job out and lets the next one of its place have its turn.
pub(super) fn remove(db: &dyn Db, job: &JobRow) -> Result<(), StoreError> {
    db.run("DELETE FROM outbox WHERE id = ?1", values![job.id])?;
    if matches!(job.kind.as_str(), "edit" | "pin" | "storm" | "silence") {
        return Ok(());
    }
    next_turn(db, job)?;
    // Edits that wait for a card which nobody is going to post any more.
    db.run(
        "DELETE FROM outbox
         WHERE kind = 'edit' AND blocked = 1 AND incident_id = ?1 AND place = ?2
           AND NOT EXISTS (SELECT 1 FROM outbox
                           WHERE incident_id = ?1 AND place = ?2 AND kind = 'post')",
        values![job.owner, &job.place],
    )?;
    Ok(())
}

/// Drops the buzzes of an incident that nobody is working on: should it come
/// back, it pages anew.
pub(super) fn withdraw_buzzes(db: &dyn Db, incident: IncidentId) -> Result<(), StoreError> {
    let withdrawn = db.all(
        "DELETE FROM outbox
         WHERE kind = 'buzz' AND incident_id = ?1 AND lease_until IS NULL
         RETURNING id, incident_id, kind, place",
        values![incident.0],
        JobRow::of,
    )?;
    withdrawn.iter().try_for_each(|job| remove(db, job))
}

/// Lets the oldest post or buzz of a place have its turn.
fn next_turn(db: &dyn Db, job: &JobRow) -> Result<(), StoreError> {
    db.run(
        "UPDATE outbox SET blocked = 0
         WHERE id = (SELECT min(id) FROM outbox WHERE ordered = 1 AND incident_id = ?1 AND place = ?2)",
        values![job.owner, &job.place],
    )?;
    Ok(())
}
