//! What calls and text messages were spent: one row per person and buzz.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::rows::{count, stamp, urgent};
use super::{Db, Row, outbox, values};
use crate::domain::{Allotment, IncidentId, Spent, Urgent};
use crate::store::{Spending, StoreError};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// How long rows are kept: longer than any month. Those of open incidents stay.
const KEPT: SignedDuration = SignedDuration::from_hours(62 * 24);

/// Settles what the job spent before, asks what may be spent now, and writes that down.
pub(super) fn spend(
    db: &dyn Db,
    spending: &Spending,
    decide: impl Fn(&Spent) -> Allotment,
) -> Result<(Spent, Allotment), StoreError> {
    outbox::check(db, spending.ticket)?;
    let job = spending.ticket.job.0;
    settle(db, job, &spending.unspent)?;
    let spent = load(db, spending)?;
    let allotted = decide(&spent);
    if allotted.urgent > Urgent::App {
        let channel = allotted.urgent.as_str();
        for person in &allotted.people {
            db.run(
                "INSERT INTO spent (at, channel, person, incident_id, job) VALUES (?1, ?2, ?3, ?4, ?5)",
                values![stamp(spending.at), channel, person, spending.incident.0, job],
            )?;
        }
        forget(db, spending.at)?;
    }
    Ok((spent, allotted))
}

/// What a job spent and did not use comes back; the rest is spent for good.
pub(super) fn settle(db: &dyn Db, job: i64, unspent: &[String]) -> Result<(), StoreError> {
    for person in unspent {
        db.run("DELETE FROM spent WHERE job = ?1 AND person = ?2", values![job, person])?;
    }
    db.run("UPDATE spent SET job = NULL WHERE job = ?1", values![job])?;
    Ok(())
}

/// What was spent since then, by channel.
pub(super) fn since(db: &dyn Db, from: Timestamp) -> Result<BTreeMap<Urgent, u32>, StoreError> {
    let rows = db.all(
        "SELECT channel, count(*) FROM spent
         WHERE channel IN ('sms', 'phone') AND at >= ?1 GROUP BY channel",
        values![stamp(from)],
        by_channel,
    )?;
    Ok(rows.into_iter().collect())
}

fn by_channel(row: &dyn Row) -> Result<(Urgent, u32), StoreError> {
    Ok((urgent(row.text(0)?)?, people(row.int(1)?)))
}

fn load(db: &dyn Db, spending: &Spending) -> Result<Spent, StoreError> {
    let mut spent = Spent::new();
    for (channel, used) in since(db, spending.month_from)? {
        spent.entry(channel).or_default().month = used;
    }
    for (channel, used) in of_incident(db, spending.incident)? {
        spent.entry(channel).or_default().incident = used;
    }
    let after = spending.at.checked_sub(HOUR).unwrap_or(Timestamp::MIN);
    let used = db.all(
        "SELECT channel, count(*), person FROM spent
         WHERE channel IN ('sms', 'phone') AND at > ?1 GROUP BY channel, person",
        values![stamp(after)],
        |row| Ok((by_channel(row)?, row.string(2)?)),
    )?;
    for ((channel, used), person) in used {
        if spending.people.contains(&person) {
            spent.entry(channel).or_default().person_hour.insert(person, used);
        }
    }
    Ok(spent)
}

fn of_incident(db: &dyn Db, id: IncidentId) -> Result<Vec<(Urgent, u32)>, StoreError> {
    db.all(
        "SELECT channel, count(*) FROM spent WHERE incident_id = ?1 GROUP BY channel",
        values![id.0],
        by_channel,
    )
}

fn forget(db: &dyn Db, now: Timestamp) -> Result<(), StoreError> {
    let before = now.checked_sub(KEPT).unwrap_or(Timestamp::MIN);
    db.run(
        "DELETE FROM spent WHERE channel IN ('sms', 'phone') AND at < ?1
           AND NOT EXISTS (SELECT 1 FROM incidents AS i
                           WHERE i.id = spent.incident_id AND i.resolved_at IS NULL)",
        values![stamp(before)],
    )?;
    Ok(())
}

fn people(rows: i64) -> u32 {
    u32::try_from(count(rows)).unwrap_or(u32::MAX)
}
