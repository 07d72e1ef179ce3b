//! What calls and text messages were spent: one row per person and buzz.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};

use super::rows::{count, stamp, urgent};
use crate::domain::{Allotment, IncidentId, Spent, Urgent};
use crate::store::{Spending, StoreError};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// How long rows are kept: longer than any month. Those of open incidents stay.
const KEPT: SignedDuration = SignedDuration::from_hours(62 * 24);

/// Settles what the job spent before, asks what may be spent now, and writes that down.
pub(super) fn spend(
    conn: &Connection,
    spending: &Spending,
    decide: impl Fn(&Spent) -> Allotment,
) -> Result<(Spent, Allotment), StoreError> {
    settle(conn, spending.job.0, &spending.unspent)?;
    let spent = load(conn, spending)?;
    let allotted = decide(&spent);
    if allotted.urgent > Urgent::App {
        let mut insert = conn.prepare_cached(
            "INSERT INTO spent (at, channel, person, incident_id, job) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        let (at, channel) = (stamp(spending.at), allotted.urgent.as_str());
        for person in &allotted.people {
            insert.execute(params![at, channel, person, spending.incident.0, spending.job.0])?;
        }
        forget(conn, spending.at)?;
    }
    Ok((spent, allotted))
}

/// What a job spent and did not use comes back; the rest is spent for good.
pub(super) fn settle(conn: &Connection, job: i64, unspent: &[String]) -> Result<(), StoreError> {
    let mut delete = conn.prepare_cached("DELETE FROM spent WHERE job = ?1 AND person = ?2")?;
    for person in unspent {
        delete.execute(params![job, person])?;
    }
    conn.prepare_cached("UPDATE spent SET job = NULL WHERE job = ?1")?.execute([job])?;
    Ok(())
}

/// What was spent since then, by channel.
pub(super) fn since(conn: &Connection, from: Timestamp) -> Result<BTreeMap<Urgent, u32>, StoreError> {
    let mut select = conn.prepare_cached(
        "SELECT channel, count(*) FROM spent WHERE channel IN ('sms', 'phone') AND at >= ?1 GROUP BY channel",
    )?;
    let rows = select.query_and_then([stamp(from)], |row| {
        Ok::<_, StoreError>((urgent(row.get_ref(0)?.as_str()?)?, people(row.get(1)?)))
    })?;
    rows.collect()
}

fn load(conn: &Connection, spending: &Spending) -> Result<Spent, StoreError> {
    let mut spent = Spent::new();
    for (channel, used) in since(conn, spending.month_from)? {
        spent.entry(channel).or_default().month = used;
    }
    for (channel, used) in of_incident(conn, spending.incident)? {
        spent.entry(channel).or_default().incident = used;
    }
    let after = spending.at.checked_sub(HOUR).unwrap_or(Timestamp::MIN);
    let mut select = conn.prepare_cached(
        "SELECT channel, person, count(*) FROM spent
         WHERE channel IN ('sms', 'phone') AND at > ?1 GROUP BY channel, person",
    )?;
    let mut rows = select.query([stamp(after)])?;
    while let Some(row) = rows.next()? {
        let person: String = row.get(1)?;
        if spending.people.contains(&person) {
            let used = spent.entry(urgent(row.get_ref(0)?.as_str()?)?).or_default();
            used.person_hour.insert(person, people(row.get(2)?));
        }
    }
    Ok(spent)
}

fn of_incident(conn: &Connection, id: IncidentId) -> Result<BTreeMap<Urgent, u32>, StoreError> {
    let mut select =
        conn.prepare_cached("SELECT channel, count(*) FROM spent WHERE incident_id = ?1 GROUP BY channel")?;
    let rows = select.query_and_then([id.0], |row| {
        Ok::<_, StoreError>((urgent(row.get_ref(0)?.as_str()?)?, people(row.get(1)?)))
    })?;
    rows.collect()
}

fn forget(conn: &Connection, now: Timestamp) -> Result<(), StoreError> {
    let before = now.checked_sub(KEPT).unwrap_or(Timestamp::MIN);
    conn.prepare_cached(
        "DELETE FROM spent WHERE channel IN ('sms', 'phone') AND at < ?1
           AND NOT EXISTS (SELECT 1 FROM incidents AS i
                           WHERE i.id = spent.incident_id AND i.resolved_at IS NULL)",
    )?
    .execute([stamp(before)])?;
    Ok(())
}

fn people(rows: i64) -> u32 {
    u32::try_from(count(rows)).unwrap_or(u32::MAX)
}
