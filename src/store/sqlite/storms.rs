//! Storms: which incidents share a card, and how they stand.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::incidents;
use super::outbox;
use super::rows::{count, instant, instant_opt, limit, number, place, place_key, stamp, unreadable};
use crate::domain::{Destination, IncidentId, Job, MessageId, Phase, StormId, Urgent};
use crate::store::{Arrival, Card, Fold, Folded, NewJob, StoreError, Storm};

/// Counts an incident that comes new to a chat, and folds it if that is wanted.
pub(super) fn arrive(
    conn: &Connection,
    incident: IncidentId,
    arrival: &Arrival,
    now: Timestamp,
) -> Result<(), StoreError> {
    let key = place_key(&arrival.to)?;
    conn.prepare_cached("DELETE FROM arrivals WHERE place = ?1 AND at <= ?2")?
        .execute(params![key, stamp(arrival.forget)])?;
    conn.prepare_cached("INSERT INTO arrivals (place, at) VALUES (?1, ?2)")?
        .execute(params![key, stamp(now)])?;
    let Some(fold) = arrival.fold else { return Ok(()) };
    let storm = join(conn, incident, &key, fold, now)?;
    refresh(conn, storm, arrival.to.clone(), now)
}

fn join(
    conn: &Connection,
    incident: IncidentId,
    key: &str,
    fold: Fold,
    now: Timestamp,
) -> Result<StormId, StoreError> {
    let mut select = conn.prepare_cached(
        "SELECT id FROM (SELECT * FROM storms WHERE place = ?1 ORDER BY id DESC LIMIT 1)
         WHERE began_at > ?2 AND last_at > ?3",
    )?;
    let known: Option<i64> = select
        .query_row(params![key, stamp(fold.began_after), stamp(fold.last_after)], |row| row.get(0))
        .optional()?;
    let storm = match known {
        Some(id) => {
            conn.prepare_cached("UPDATE storms SET last_at = max(last_at, ?2) WHERE id = ?1")?
                .execute(params![id, stamp(now)])?;
            id
        }
        None => conn
            .prepare_cached("INSERT INTO storms (place, began_at, last_at) VALUES (?1, ?2, ?2) RETURNING id")?
            .query_row(params![key, stamp(now)], |row| row.get(0))?,
    };
    conn.prepare_cached(
        "INSERT OR IGNORE INTO storm_members (storm_id, nth, incident_id)
         VALUES (?1, 1 + (SELECT ifnull(max(nth), 0) FROM storm_members WHERE storm_id = ?1), ?2)",
    )?
    .execute(params![storm, incident.0])?;
    Ok(StormId(storm))
}

/// Asks for the storm's card to be brought up to date.
fn refresh(conn: &Connection, storm: StormId, to: Destination, now: Timestamp) -> Result<(), StoreError> {
    let job = Job::Storm { to, storm };
    let priority = job.priority(Urgent::None);
    outbox::put(conn, None, &NewJob { job, priority, run_at: now }, now)
}

/// Asks for all cards of storms to be brought up to date that list an incident.
pub(super) fn refresh_all(conn: &Connection, id: IncidentId, now: Timestamp) -> Result<(), StoreError> {
    let mut select = conn.prepare_cached(
        "SELECT s.id, s.place FROM storm_members AS m JOIN storms AS s ON s.id = m.storm_id
         WHERE m.incident_id = ?1",
    )?;
    let storms: Vec<(i64, String)> =
        select.query_map([id.0], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    storms.iter().try_for_each(|(storm, key)| refresh(conn, StormId(*storm), place(key)?, now))
}

/// How many incidents came new to a place.
pub(super) fn arrivals(conn: &Connection, to: &Destination, after: Timestamp) -> Result<u64, StoreError> {
    let mut select = conn.prepare_cached("SELECT count(*) FROM arrivals WHERE place = ?1 AND at > ?2")?;
    Ok(select.query_row(params![place_key(to)?, stamp(after)], |row| row.get(0).map(count))?)
}

/// A storm, with so many of its worst incidents.
pub(super) fn load(conn: &Connection, id: StormId, worst: usize) -> Result<Option<Storm>, StoreError> {
    let mut select =
        conn.prepare_cached("SELECT place, began_at, message, posted_at FROM storms WHERE id = ?1")?;
    let mut found = select.query([id.0])?;
    let Some(row) = found.next()? else { return Ok(None) };
    let message = row.get::<_, Option<String>>(2)?.map(MessageId);
    let posted_at = instant_opt(row.get_ref(3)?.as_str_or_null()?)?;
    let mut counts = conn.prepare_cached(
        "SELECT i.phase, count(*) FROM storm_members AS m JOIN incidents AS i ON i.id = m.incident_id
         WHERE m.storm_id = ?1 GROUP BY i.phase",
    )?;
    let counts = counts.query_and_then([id.0], |row| {
        let word: String = row.get(0)?;
        let phase = Phase::ALL.into_iter().find(|phase| phase.as_str() == word);
        let phase = phase.ok_or_else(|| unreadable("phase", format_args!("unknown word `{word}`")))?;
        Ok((phase, count(row.get(1)?)))
    })?;
    Ok(Some(Storm {
        id,
        to: place(row.get_ref(0)?.as_str()?)?,
        began_at: instant(row.get_ref(1)?.as_str()?)?,
        card: message.zip(posted_at),
        counts: counts.collect::<Result<_, StoreError>>()?,
        worst: incidents::load_bare(conn, worst_of(conn, id, worst)?)?,
    }))
}

fn worst_of(conn: &Connection, id: StormId, worst: usize) -> Result<Vec<i64>, StoreError> {
    let mut select = conn.prepare_cached(
        "SELECT i.id FROM storm_members AS m JOIN incidents AS i ON i.id = m.incident_id
         WHERE m.storm_id = ?1
         ORDER BY i.phase <> ?3, i.phase = ?4, json_extract(i.content, '$.severity.rank'), i.id
         LIMIT ?2",
    )?;
    let words = (Phase::Triggered.as_str(), Phase::Resolved.as_str());
    let ids = select.query_map(params![id.0, limit(worst), words.0, words.1], |row| row.get(0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// Incidents that are not over, of the first `seen`.
pub(super) fn open(conn: &Connection, id: StormId, seen: u64) -> Result<Vec<IncidentId>, StoreError> {
    let mut select = conn.prepare_cached(
        "SELECT i.id FROM storm_members AS m JOIN incidents AS i ON i.id = m.incident_id
         WHERE m.storm_id = ?1 AND m.nth <= ?2 AND i.resolved_at IS NULL ORDER BY m.nth",
    )?;
    let ids = select.query_map(params![id.0, number(seen)], |row| row.get(0).map(IncidentId))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// Where an incident is shown that was folded there.
pub(super) fn folded(
    conn: &Connection,
    id: IncidentId,
    to: &Destination,
) -> Result<Option<Folded>, StoreError> {
    let mut select = conn.prepare_cached(
        "SELECT s.id, s.message FROM storm_members AS m JOIN storms AS s ON s.id = m.storm_id
         WHERE m.incident_id = ?1 AND s.place = ?2 ORDER BY s.id DESC LIMIT 1",
    )?;
    let found = select.query_row(params![id.0, place_key(to)?], |row| {
        Ok(Folded { storm: StormId(row.get(0)?), message: row.get::<_, Option<String>>(1)?.map(MessageId) })
    });
    Ok(found.optional()?)
}

/// Remembers a storm's card; a new one replaces the one before.
pub(super) fn save_card(conn: &Connection, storm: StormId, card: &Card) -> Result<(), StoreError> {
    conn.prepare_cached("UPDATE storms SET message = ?2, posted_at = ?3 WHERE id = ?1")?.execute(params![
        storm.0,
        card.message.0,
        stamp(card.posted_at)
    ])?;
    Ok(())
}
