//! Jobs: put in, folded, reported. Giving them out is in `claims`.
//!
//! Whether a job may run is written with it (`blocked`) whenever that changes,
//! so that a claim reads ready jobs from an index, however many wait.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};
use uuid::Uuid;

use super::job_rows::{details, storm};
use super::rows::{instant_opt, place_key, stamp};
use super::{cards, incidents, pins, rings, spending, storms};
use crate::domain::{Destination, IncidentId, Job, Urgent};
use crate::store::{JobEnd, NewJob, Report, StoreError};

/// The place of a job that happens nowhere in Feishu.
const NOWHERE: &str = "";

/// A post that backs off beside its lane.
pub(super) const BESIDE: &str = "kind = 'post' AND ordered = 0 AND place = ?1 AND incident_id = ?2";

/// Puts a job in, or folds it into one that waits.
///
/// A job that backs off after a failure keeps its time when another is folded
/// into it; one that is being worked on is remembered to run again.
pub(super) fn put(
    conn: &Connection,
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
        Job::Pin { .. } => {
            (false, false, fold(conn, "kind = 'pin' AND place = ?1 AND ?2 IS NULL", &key, owner, new)?)
        }
        Job::Storm { storm, .. } => {
            // Of a place there may be several.
            let which = format!("kind = 'storm' AND details = '{}' AND place = ?1 AND ?2 IS NULL", storm.0);
            (false, false, fold(conn, &which, &key, owner, new)?)
        }
        Job::Edit { .. } => {
            let folded = fold(conn, "kind = 'edit' AND place = ?1 AND incident_id = ?2", &key, owner, new)?;
            (false, !cards::posted(conn, owner, &key)?, folded)
        }
        Job::Post { .. } => {
            // One that backs off beside its lane must not find a second one at work.
            let folded = fold(conn, BESIDE, &key, owner, new)?;
            (true, queue_at(conn, owner, &key)?, folded)
        }
        // What is meant for later holds up nobody until then.
        Job::Buzz { .. } if new.run_at > now => (false, false, false),
        Job::Buzz { .. } | Job::Remind { .. } => {
            hurry(conn, owner, &key, new.priority)?;
            (true, queue_at(conn, owner, &key)?, false)
        }
        Job::Tell { .. } => (true, queue_at(conn, owner, &key)?, false),
        Job::Silence { .. } | Job::Fallback { .. } | Job::EndSilence => (false, false, false),
    };
    if folded {
        return Ok(());
    }
    conn.prepare_cached(
        "INSERT INTO outbox
         (incident_id, kind, place, details, priority, run_at, created_at, uuid, ordered, blocked)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![
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
    ])?;
    Ok(())
}

fn fold(
    conn: &Connection,
    which: &str,
    key: &str,
    owner: Option<i64>,
    new: &NewJob,
) -> Result<bool, StoreError> {
    let sql = format!(
        "UPDATE outbox
         SET again = again OR lease_until IS NOT NULL,
             priority = min(priority, ?3),
             run_at = iif(attempts = 0, min(run_at, ?4), run_at)
         WHERE {which}"
    );
    let folded = conn.prepare_cached(&sql)?.execute(params![key, owner, new.priority, stamp(new.run_at)])?;
    Ok(folded > 0)
}

/// What goes before a job in its lane is as urgent as the job.
fn hurry(conn: &Connection, owner: Option<i64>, key: &str, priority: u8) -> Result<(), StoreError> {
    conn.prepare_cached(
        "UPDATE outbox SET priority = ?3
         WHERE ordered = 1 AND incident_id = ?1 AND place = ?2 AND priority > ?3",
    )?
    .execute(params![owner, key, priority])?;
    Ok(())
}

/// Whether posts or buzzes of the incident wait there.
fn queue_at(conn: &Connection, owner: Option<i64>, key: &str) -> Result<bool, StoreError> {
    let mut select = conn.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM outbox WHERE ordered = 1 AND incident_id = ?1 AND place = ?2)",
    )?;
    Ok(select.query_row(params![owner, key], |row| row.get(0))?)
}

/// What removing or repeating a job needs to know of it.
pub(super) struct JobRow {
    pub(super) id: i64,
    pub(super) owner: Option<i64>,
    pub(super) kind: String,
    pub(super) place: String,
}

/// A job that is reported.
const REPORTED: &str = "SELECT id, incident_id, kind, place, details FROM outbox WHERE id = ?1";

/// Ends all leases: their holders died with the process before this one.
pub(super) fn void_leases(conn: &Connection) -> Result<(), StoreError> {
    conn.execute("UPDATE outbox SET lease_until = NULL, interrupted = 1 WHERE lease_until IS NOT NULL", ())?;
    Ok(())
}

/// When a claim is worth trying next.
pub(super) fn next_at(conn: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let mut select = conn.prepare_cached(
        "SELECT min(at) FROM (
             SELECT min(run_at) AS at FROM outbox WHERE blocked = 0 AND lease_until IS NULL
             UNION ALL
             SELECT min(lease_until) FROM outbox WHERE lease_until IS NOT NULL)",
    )?;
    instant_opt(select.query_row((), |row| row.get::<_, Option<String>>(0))?.as_deref())
}

/// Writes down what came of a job. One that is gone was dealt with by
/// another claimer after the lease had ended: nothing is left to write.
pub(super) fn report(conn: &Connection, report: &Report) -> Result<(), StoreError> {
    let mut select = conn.prepare_cached(REPORTED)?;
    let found = select.query_row([report.job.0], |row| {
        let job = JobRow { id: row.get(0)?, owner: row.get(1)?, kind: row.get(2)?, place: row.get(3)? };
        Ok((job, row.get::<_, Option<String>>(4)?))
    });
    let Some((job, details)) = found.optional()? else {
        return Ok(());
    };
    if let (Some(card), "storm", Some(details)) = (&report.card, job.kind.as_str(), &details) {
        storms::save_card(conn, storm(details)?, card)?;
    }
    if report.end != JobEnd::Held {
        rings::settle(conn, job.id, &report.rang)?;
    }
    if let Some(sent) = &report.sent {
        conn.prepare_cached("UPDATE outbox SET sent = ?2 WHERE id = ?1")?.execute(params![job.id, sent.0])?;
        if let Some(owner) = job.owner {
            cards::save_line(conn, owner, sent)?;
        }
    }
    if report.end != JobEnd::Held && job.kind == "buzz" {
        spending::settle(conn, job.id, &report.unspent)?;
    }
    pins::show(conn, &job.place, &report.pins)?;
    let incident = job.owner.map(IncidentId);
    if let Some(incident) = incident {
        incidents::record(conn, incident, &report.timeline)?;
        if let Some(due_by) = report.due_by
            && incidents::hurry(conn, incident, due_by)?
        {
            for to in cards::places(conn, incident)? {
                refresh(conn, incident, to, report.at)?;
            }
        }
        if let Some(card) = &report.card {
            cards::save(conn, incident, card)?;
            follow_card(conn, incident, card.shown_version, &card.to, report.at)?;
        }
    }
    finish(conn, &job, report.end, report.at)?;
    for job in &report.follow_ups {
        if incident.is_some() || matches!(job.job, Job::Pin { .. }) {
            put(conn, incident, job, report.at)?;
        }
    }
    Ok(())
}

/// What becomes of a job that was reported.
fn finish(conn: &Connection, job: &JobRow, end: JobEnd, now: Timestamp) -> Result<(), StoreError> {
    match end {
        JobEnd::Held => {}
        JobEnd::PutBack { at } => {
            conn.prepare_cached(
                "UPDATE outbox SET lease_until = NULL, attempts = attempts - 1, run_at = ?2 WHERE id = ?1",
            )?
            .execute(params![job.id, stamp(at)])?;
        }
        JobEnd::StandAside { at } => {
            conn.prepare_cached(
                "UPDATE outbox
                 SET lease_until = NULL, attempts = attempts - 1, run_at = ?2, ordered = 0
                 WHERE id = ?1",
            )?
            .execute(params![job.id, stamp(at)])?;
            next_turn(conn, job)?;
        }
        JobEnd::Retry { at, holds_lane } => {
            conn.prepare_cached(
                "UPDATE outbox
                 SET lease_until = NULL, interrupted = 0, run_at = ?2, ordered = ordered AND ?3
                 WHERE id = ?1",
            )?
            .execute(params![job.id, stamp(at), holds_lane])?;
            if !holds_lane {
                next_turn(conn, job)?;
            }
        }
        JobEnd::Done => {
            if !repeat(conn, job, now)? {
                remove(conn, job)?;
            }
        }
    }
    Ok(())
}

/// Lets the edits there run, and asks for one unless the card shows the
/// incident as it is.
fn follow_card(
    conn: &Connection,
    incident: IncidentId,
    shown_version: u64,
    to: &Destination,
    now: Timestamp,
) -> Result<(), StoreError> {
    let current = shown_version >= incidents::version(conn, incident)?;
    conn.prepare_cached(
        "UPDATE outbox SET blocked = 0, again = again AND NOT ?3
         WHERE kind = 'edit' AND incident_id = ?1 AND place = ?2",
    )?
    .execute(params![incident.0, place_key(to)?, current])?;
    if current {
        return Ok(());
    }
    refresh(conn, incident, to.clone(), now)
}

/// Asks for an edit of the incident's card there.
pub(super) fn refresh(
    conn: &Connection,
    incident: IncidentId,
    to: Destination,
    now: Timestamp,
) -> Result<(), StoreError> {
    let job = Job::Edit { to };
    let priority = job.priority(Urgent::None);
    put(conn, Some(incident), &NewJob { job, priority, run_at: now }, now)
}

/// Keeps an edit or pin that was asked for again meanwhile, as a new job.
fn repeat(conn: &Connection, job: &JobRow, now: Timestamp) -> Result<bool, StoreError> {
    let repeated = conn
        .prepare_cached(
            "UPDATE outbox
             SET again = 0, attempts = 0, interrupted = 0, lease_until = NULL, sent = NULL, uuid = ?2,
                 run_at = ?3, created_at = ?3
             WHERE id = ?1 AND again = 1",
        )?
        .execute(params![job.id, Uuid::new_v4().to_string(), stamp(now)])?;
    Ok(repeated > 0)
}

/// Takes a job out and lets the next one of its place have its turn.
pub(super) fn remove(conn: &Connection, job: &JobRow) -> Result<(), StoreError> {
    conn.prepare_cached("DELETE FROM outbox WHERE id = ?1")?.execute([job.id])?;
    if matches!(job.kind.as_str(), "edit" | "pin" | "storm" | "silence") {
        return Ok(());
    }
    next_turn(conn, job)?;
    // Edits that wait for a card which nobody is going to post any more.
    conn.prepare_cached(
        "DELETE FROM outbox
         WHERE kind = 'edit' AND blocked = 1 AND incident_id = ?1 AND place = ?2
           AND NOT EXISTS (SELECT 1 FROM outbox
                           WHERE incident_id = ?1 AND place = ?2 AND kind = 'post')",
    )?
    .execute(params![job.owner, job.place])?;
    Ok(())
}

/// Drops the buzzes of an incident that nobody is working on: should it come
/// back, it pages anew.
pub(super) fn withdraw_buzzes(conn: &Connection, incident: IncidentId) -> Result<(), StoreError> {
    let mut delete = conn.prepare_cached(
        "DELETE FROM outbox
         WHERE kind = 'buzz' AND incident_id = ?1 AND lease_until IS NULL RETURNING id, place",
    )?;
    let withdrawn = delete.query_map([incident.0], |row| {
        Ok(JobRow { id: row.get(0)?, owner: Some(incident.0), kind: "buzz".to_owned(), place: row.get(1)? })
    })?;
    let withdrawn = withdrawn.collect::<Result<Vec<_>, _>>()?;
    withdrawn.iter().try_for_each(|job| remove(conn, job))
}

/// Lets the oldest post or buzz of a place have its turn.
fn next_turn(conn: &Connection, job: &JobRow) -> Result<(), StoreError> {
    conn.prepare_cached(
        "UPDATE outbox SET blocked = 0
         WHERE id = (SELECT min(id) FROM outbox WHERE ordered = 1 AND incident_id = ?1 AND place = ?2)",
    )?
    .execute(params![job.owner, job.place])?;
    Ok(())
}
