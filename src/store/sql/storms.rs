//! Storms: which incidents share a card, and how they stand.

use jiff::Timestamp;

use super::rows::{count, instant, instant_opt, limit, number, place, place_key, stamp, unreadable};
use super::{Db, incidents, outbox, values};
use crate::domain::{Destination, IncidentId, Job, MessageId, Phase, StormId, Urgent};
use crate::store::{Arrival, Card, Fold, Folded, NewJob, StoreError, Storm};

/// Counts an incident that comes new to a chat, and folds it if that is wanted.
pub(super) fn arrive(
    db: &dyn Db,
    incident: IncidentId,
    arrival: &Arrival,
    now: Timestamp,
) -> Result<(), StoreError> {
    let key = place_key(&arrival.to)?;
    db.run("DELETE FROM arrivals WHERE place = ?1 AND at <= ?2", values![&key, stamp(arrival.forget)])?;
    db.run("INSERT INTO arrivals (place, at) VALUES (?1, ?2)", values![&key, stamp(now)])?;
    let Some(fold) = arrival.fold else { return Ok(()) };
    let storm = join(db, incident, &key, fold, now)?;
    refresh(db, storm, arrival.to.clone(), now)
}

fn join(
    db: &dyn Db,
    incident: IncidentId,
    key: &str,
    fold: Fold,
    now: Timestamp,
) -> Result<StormId, StoreError> {
    let known = db.first(
        "SELECT id FROM (SELECT * FROM storms WHERE place = ?1 ORDER BY id DESC LIMIT 1) AS latest
         WHERE began_at > ?2 AND last_at > ?3",
        values![key, stamp(fold.began_after), stamp(fold.last_after)],
        |row| row.int(0),
    )?;
    let storm = match known {
        Some(id) => {
            db.run("UPDATE storms SET last_at = ?2 WHERE id = ?1 AND last_at < ?2", values![id, stamp(now)])?;
            id
        }
        None => db.number(
            "INSERT INTO storms (place, began_at, last_at) VALUES (?1, ?2, ?2) RETURNING id",
            values![key, stamp(now)],
        )?,
    };
    db.run(
        "INSERT INTO storm_members (storm_id, nth, incident_id)
         VALUES (?1, 1 + (SELECT coalesce(max(nth), 0) FROM storm_members WHERE storm_id = ?1), ?2)
         ON CONFLICT DO NOTHING",
        values![storm, incident.0],
    )?;
    Ok(StormId(storm))
}

/// Asks for the storm's card to be brought up to date.
fn refresh(db: &dyn Db, storm: StormId, to: Destination, now: Timestamp) -> Result<(), StoreError> {
    let job = Job::Storm { to, storm };
    let priority = job.priority(Urgent::None);
    outbox::put(db, None, &NewJob { job, priority, run_at: now }, now)
}

/// Asks for all cards of storms to be brought up to date that list an incident.
pub(super) fn refresh_all(db: &dyn Db, id: IncidentId, now: Timestamp) -> Result<(), StoreError> {
    let storms = db.all(
        "SELECT s.id, s.place FROM storm_members AS m JOIN storms AS s ON s.id = m.storm_id
         WHERE m.incident_id = ?1",
        values![id.0],
        |row| Ok((row.int(0)?, place(row.text(1)?)?)),
    )?;
    storms.into_iter().try_for_each(|(storm, to)| refresh(db, StormId(storm), to, now))
}

/// How many incidents came new to a place.
pub(super) fn arrivals(db: &dyn Db, to: &Destination, after: Timestamp) -> Result<u64, StoreError> {
    let sql = "SELECT count(*) FROM arrivals WHERE place = ?1 AND at > ?2";
    db.number(sql, values![place_key(to)?, stamp(after)]).map(count)
}

/// A storm, with so many of its worst incidents.
pub(super) fn load(db: &dyn Db, id: StormId, worst: usize) -> Result<Option<Storm>, StoreError> {
    let storm = db.first(
        "SELECT place, began_at, message, posted_at FROM storms WHERE id = ?1",
        values![id.0],
        |row| {
            let (message, posted_at) = (row.string_opt(2)?.map(MessageId), instant_opt(row.text_opt(3)?)?);
            Ok(Storm {
                id,
                to: place(row.text(0)?)?,
                began_at: instant(row.text(1)?)?,
                card: message.zip(posted_at),
                counts: std::collections::BTreeMap::new(),
                worst: Vec::new(),
            })
        },
    )?;
    let Some(mut storm) = storm else { return Ok(None) };
    let counts = db.all(
        "SELECT i.phase, count(*) FROM storm_members AS m JOIN incidents AS i ON i.id = m.incident_id
         WHERE m.storm_id = ?1 GROUP BY i.phase",
        values![id.0],
        |row| {
            let word = row.text(0)?;
            let phase = Phase::ALL.into_iter().find(|phase| phase.as_str() == word);
            let phase = phase.ok_or_else(|| unreadable("phase", format_args!("unknown word `{word}`")))?;
            Ok((phase, count(row.int(1)?)))
        },
    )?;
    storm.counts = counts.into_iter().collect();
    storm.worst = incidents::load_bare(db, worst_of(db, id, worst)?)?;
    Ok(Some(storm))
}

fn worst_of(db: &dyn Db, id: StormId, worst: usize) -> Result<Vec<i64>, StoreError> {
    db.all(
        "SELECT i.id FROM storm_members AS m JOIN incidents AS i ON i.id = m.incident_id
         WHERE m.storm_id = ?1
         ORDER BY i.phase <> ?3, i.phase = ?4, i.severity_rank, i.id
         LIMIT ?2",
        values![id.0, limit(worst), Phase::Triggered.as_str(), Phase::Resolved.as_str()],
        |row| row.int(0),
    )
}

/// Incidents that are not over, of the first `seen`.
pub(super) fn open(db: &dyn Db, id: StormId, seen: u64) -> Result<Vec<IncidentId>, StoreError> {
    db.all(
        "SELECT i.id FROM storm_members AS m JOIN incidents AS i ON i.id = m.incident_id
         WHERE m.storm_id = ?1 AND m.nth <= ?2 AND i.resolved_at IS NULL ORDER BY m.nth",
        values![id.0, number(seen)],
        |row| row.int(0).map(IncidentId),
    )
}

/// Where an incident is shown that was folded there.
pub(super) fn folded(db: &dyn Db, id: IncidentId, to: &Destination) -> Result<Option<Folded>, StoreError> {
    db.first(
        "SELECT s.id, s.message FROM storm_members AS m JOIN storms AS s ON s.id = m.storm_id
         WHERE m.incident_id = ?1 AND s.place = ?2 ORDER BY s.id DESC LIMIT 1",
        values![id.0, place_key(to)?],
        |row| Ok(Folded { storm: StormId(row.int(0)?), message: row.string_opt(1)?.map(MessageId) }),
    )
}

/// Remembers a storm's card; a new one replaces the one before.
pub(super) fn save_card(db: &dyn Db, storm: StormId, card: &Card) -> Result<(), StoreError> {
    db.run(
        "UPDATE storms SET message = ?2, posted_at = ?3 WHERE id = ?1",
        values![storm.0, &card.message.0, stamp(card.posted_at)],
    )?;
    Ok(())
}
