//! Incidents with their alerts and timelines.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, params};

use super::incident_rows::{IncidentColumns, alert, alert_content, facts, facts_json, incident_content};
use super::rows::{count, instant, instant_opt, limit as rows, number, stamp, unreadable};
use crate::domain::{
    Fingerprint, Incident, IncidentId, IncidentKey, Listing, Member, MemberState, Phase, RecordedEntry,
    TimelineEntry,
};
use crate::store::{HeldAlert, Lookup, StoreError};

const COLUMNS: &str = "id, version, rule, grp, source, opened_at, due_at, resolved_at, content";

fn columns(row: &Row<'_>) -> Result<IncidentColumns, StoreError> {
    Ok(IncidentColumns {
        id: IncidentId(row.get(0)?),
        version: count(row.get(1)?),
        key: IncidentKey { rule: row.get(2)?, group: row.get(3)? },
        source: row.get(4)?,
        opened_at: instant(row.get_ref(5)?.as_str()?)?,
        due_at: instant_opt(row.get_ref(6)?.as_str_or_null()?)?,
        resolved_at: instant_opt(row.get_ref(7)?.as_str_or_null()?)?,
        content: row.get(8)?,
    })
}

/// One incident with its members.
pub(super) fn load(conn: &Connection, id: IncidentId) -> Result<Option<Incident>, StoreError> {
    let mut select = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM incidents WHERE id = ?1"))?;
    let Some(found) = select.query_and_then([id.0], columns)?.next().transpose()? else {
        return Ok(None);
    };
    let mut incident = found.into_incident()?;
    let mut select = conn.prepare_cached(
        "SELECT fingerprint, state, starts_at, changed_at, listing FROM members WHERE incident_id = ?1",
    )?;
    let members = select.query_and_then([id.0], |row| Ok((fingerprint(row.get(0)?), member(row, 1)?)))?;
    incident.standing.members = members.collect::<Result<_, StoreError>>()?;
    Ok(Some(incident))
}

fn load_all(conn: &Connection, ids: impl IntoIterator<Item = i64>) -> Result<Vec<Incident>, StoreError> {
    ids.into_iter().filter_map(|id| load(conn, IncidentId(id)).transpose()).collect()
}

/// Incidents without their members, in the order of their ids given.
pub(super) fn load_bare(conn: &Connection, ids: Vec<i64>) -> Result<Vec<Incident>, StoreError> {
    let mut select = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM incidents WHERE id = ?1"))?;
    let mut bare = Vec::with_capacity(ids.len());
    for id in ids {
        if let Some(found) = select.query_and_then([id], columns)?.next().transpose()? {
            bare.push(found.into_incident()?);
        }
    }
    Ok(bare)
}

fn fingerprint(bits: i64) -> Fingerprint {
    Fingerprint(bits.cast_unsigned())
}

fn bits(fingerprint: Fingerprint) -> i64 {
    fingerprint.0.cast_signed()
}

/// As the column `state` says it, so that the most pressing is the largest.
fn state_number(state: MemberState) -> i64 {
    match state {
        MemberState::Resolved => 0,
        MemberState::Unlisted => 1,
        MemberState::Firing => 2,
    }
}

fn state(number: i64) -> Result<MemberState, StoreError> {
    match number {
        0 => Ok(MemberState::Resolved),
        1 => Ok(MemberState::Unlisted),
        2 => Ok(MemberState::Firing),
        other => Err(unreadable("member", format_args!("unknown state {other}"))),
    }
}

/// Reads `state, starts_at, changed_at, listing`, from the column `first` on.
fn member(row: &Row<'_>, first: usize) -> Result<Member, StoreError> {
    Ok(Member {
        state: state(row.get(first)?)?,
        starts_at: instant_opt(row.get_ref(first + 1)?.as_str_or_null()?)?,
        changed_at: instant(row.get_ref(first + 2)?.as_str()?)?,
        listing: row.get::<_, Option<i64>>(first + 3)?.map(|bits| Listing(bits.cast_unsigned())),
    })
}

/// What a lookup asks for, in order of opening.
pub(super) fn find(conn: &Connection, lookup: &Lookup) -> Result<Vec<Incident>, StoreError> {
    let mut ids = BTreeSet::new();
    let mut open =
        conn.prepare_cached("SELECT id FROM incidents WHERE rule = ?1 AND grp = ?2 AND resolved_at IS NULL")?;
    let mut last = conn.prepare_cached(
        "SELECT id FROM incidents WHERE rule = ?1 AND grp = ?2 AND resolved_at IS NOT NULL
         ORDER BY resolved_at DESC, id DESC LIMIT 1",
    )?;
    for IncidentKey { rule, group } in &lookup.keys {
        let found: Option<i64> = open.query_row([rule, group], |row| row.get(0)).optional()?;
        let found = match found {
            Some(id) => Some(id),
            None => last.query_row([rule, group], |row| row.get(0)).optional()?,
        };
        ids.extend(found);
    }
    let mut holders = conn.prepare_cached(
        "SELECT i.id FROM members AS m JOIN incidents AS i ON i.id = m.incident_id
         WHERE m.fingerprint = ?1 AND m.state > 0 AND i.source = ?2",
    )?;
    for (source, fingerprint) in &lookup.holders {
        for id in holders.query_map(params![bits(*fingerprint), source], |row| row.get(0))? {
            ids.insert(id?);
        }
    }
    let mut listing = conn.prepare_cached(
        "SELECT DISTINCT m.incident_id FROM members AS m JOIN incidents AS i ON i.id = m.incident_id
         WHERE m.listing = ?1 AND m.state = 2 AND i.resolved_at IS NULL",
    )?;
    for Listing(number) in &lookup.listings {
        for id in listing.query_map([number.cast_signed()], |row| row.get(0))? {
            ids.insert(id?);
        }
    }
    let mut firing = conn.prepare_cached(
        "SELECT i.id FROM members AS m JOIN incidents AS i ON i.id = m.incident_id
         WHERE m.fingerprint = ?1 AND m.state = 2 AND i.resolved_at IS NULL",
    )?;
    for fingerprint in &lookup.firing {
        for id in firing.query_map([bits(*fingerprint)], |row| row.get(0))? {
            ids.insert(id?);
        }
    }
    load_all(conn, ids)
}

/// Open incidents with alerts that are not listed any more, oldest first.
pub(super) fn unlisted(
    conn: &Connection,
    after: Option<IncidentId>,
    limit: usize,
) -> Result<Vec<Incident>, StoreError> {
    let after = after.map_or(i64::MIN, |id| id.0);
    let ids = ids(
        conn,
        "SELECT DISTINCT m.incident_id FROM members AS m JOIN incidents AS i ON i.id = m.incident_id
         WHERE m.state = 1 AND m.incident_id > ?1 AND i.resolved_at IS NULL
         ORDER BY m.incident_id LIMIT ?2",
        params![after, rows(limit)],
    )?;
    load_all(conn, ids)
}

/// Open incidents whose deadline has come, earliest first.
pub(super) fn due(conn: &Connection, now: Timestamp, limit: usize) -> Result<Vec<Incident>, StoreError> {
    let ids = ids(
        conn,
        "SELECT id FROM incidents WHERE resolved_at IS NULL AND due_at IS NOT NULL AND due_at <= ?1
         ORDER BY due_at, id LIMIT ?2",
        params![stamp(now), rows(limit)],
    )?;
    load_all(conn, ids)
}

/// Incidents, newest first.
pub(super) fn list(
    conn: &Connection,
    phase: Option<Phase>,
    before: Option<IncidentId>,
    limit: usize,
) -> Result<Vec<Incident>, StoreError> {
    let before = before.map_or(i64::MAX, |id| id.0);
    let ids = match phase {
        Some(phase) => ids(
            conn,
            "SELECT id FROM incidents WHERE phase = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3",
            params![phase.as_str(), before, rows(limit)],
        ),
        None => ids(
            conn,
            "SELECT id FROM incidents WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
            params![before, rows(limit)],
        ),
    }?;
    load_all(conn, ids)
}

fn ids(conn: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<Vec<i64>, StoreError> {
    let mut select = conn.prepare_cached(sql)?;
    let ids = select.query_map(params, |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(ids)
}

/// An incident's alerts: firing ones first, then unlisted ones, then by start, newest first.
pub(super) fn alerts(conn: &Connection, id: IncidentId, limit: usize) -> Result<Vec<HeldAlert>, StoreError> {
    let mut select = conn.prepare_cached(
        "SELECT m.fingerprint, m.state, m.starts_at, m.changed_at, m.listing, a.content
         FROM (SELECT * FROM members WHERE incident_id = ?1
               ORDER BY state DESC, starts_at DESC, fingerprint LIMIT ?2) AS m
         JOIN alerts AS a ON a.incident_id = m.incident_id AND a.fingerprint = m.fingerprint
         ORDER BY m.state DESC, m.starts_at DESC, m.fingerprint",
    )?;
    let held = select.query_and_then(params![id.0, rows(limit)], |row| {
        let alert = alert(fingerprint(row.get(0)?), row.get_ref(5)?.as_str()?)?;
        Ok(HeldAlert { alert, member: member(row, 1)? })
    })?;
    held.collect()
}

/// For a new incident: `?1` is NULL, so SQLite gives a number never used before.
const INSERT: &str = "
    INSERT INTO incidents (id, version, rule, grp, source, phase, opened_at, due_at, resolved_at, content)
    VALUES (?1, ?2 + 1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) RETURNING id";

/// For a known one: changes no row unless its version is still the one that was loaded.
const UPDATE: &str = "
    UPDATE incidents
    SET version = ?2 + 1, rule = ?3, grp = ?4, source = ?5, phase = ?6, opened_at = ?7, due_at = ?8,
        resolved_at = ?9, content = ?10
    WHERE id = ?1 AND version = ?2 RETURNING id";

/// Stores an incident as one version more than it has; its id.
pub(super) fn save(conn: &Connection, incident: &Incident) -> Result<IncidentId, StoreError> {
    let standing = &incident.standing;
    let mut statement = conn.prepare_cached(if incident.id.is_none() { INSERT } else { UPDATE })?;
    let written = statement.query_row(
        params![
            incident.id.map(|id| id.0),
            number(incident.version),
            incident.key.rule,
            incident.key.group,
            incident.source,
            standing.phase().as_str(),
            stamp(standing.opened_at),
            standing.due_at.map(stamp),
            standing.resolved_at().map(stamp),
            incident_content(incident)?
        ],
        |row| row.get(0),
    );
    match written.optional() {
        Ok(Some(id)) => Ok(IncidentId(id)),
        Ok(None) => Err(StoreError::Conflict),
        // Another incident with the key is open.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            Err(StoreError::Conflict)
        }
        Err(error) => Err(error.into()),
    }
}

/// Stores alerts that are new or changed.
pub(super) fn save_alerts(conn: &Connection, id: IncidentId, held: &[HeldAlert]) -> Result<(), StoreError> {
    let mut alert = conn.prepare_cached(
        "INSERT INTO alerts (incident_id, fingerprint, content) VALUES (?1, ?2, ?3)
         ON CONFLICT (incident_id, fingerprint) DO UPDATE SET content = excluded.content",
    )?;
    for HeldAlert { alert: text, member: known } in held {
        save_member(conn, id, text.fingerprint, known)?;
        alert.execute(params![id.0, bits(text.fingerprint), alert_content(text)?])?;
    }
    Ok(())
}

/// Stores members that changed while their texts did not.
pub(super) fn save_members(
    conn: &Connection,
    id: IncidentId,
    members: &[(Fingerprint, Member)],
) -> Result<(), StoreError> {
    members.iter().try_for_each(|(fingerprint, member)| save_member(conn, id, *fingerprint, member))
}

fn save_member(
    conn: &Connection,
    id: IncidentId,
    fingerprint: Fingerprint,
    member: &Member,
) -> Result<(), StoreError> {
    conn.prepare_cached(
        "INSERT INTO members (incident_id, fingerprint, state, starts_at, changed_at, listing)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (incident_id, fingerprint) DO UPDATE
         SET state = excluded.state, starts_at = excluded.starts_at, changed_at = excluded.changed_at,
             listing = excluded.listing",
    )?
    .execute(params![
        id.0,
        bits(fingerprint),
        state_number(member.state),
        member.starts_at.map(stamp),
        stamp(member.changed_at),
        member.listing.map(|Listing(number)| number.cast_signed())
    ])?;
    Ok(())
}

/// Appends to an incident's timeline.
pub(super) fn record(conn: &Connection, id: IncidentId, entries: &[TimelineEntry]) -> Result<(), StoreError> {
    let mut insert =
        conn.prepare_cached("INSERT INTO timeline (incident_id, at, kind, facts) VALUES (?1, ?2, ?3, ?4)")?;
    for entry in entries {
        insert.execute(params![id.0, stamp(entry.at), entry.what.kind(), facts_json(entry.what.facts())?])?;
    }
    Ok(())
}

/// An incident's timeline, oldest first.
pub(super) fn timeline(conn: &Connection, id: IncidentId) -> Result<Vec<RecordedEntry>, StoreError> {
    let mut select =
        conn.prepare_cached("SELECT at, kind, facts FROM timeline WHERE incident_id = ?1 ORDER BY at, id")?;
    let entries = select.query_and_then([id.0], |row| {
        Ok(RecordedEntry {
            at: instant(row.get_ref(0)?.as_str()?)?,
            kind: row.get(1)?,
            facts: facts(row.get_ref(2)?.as_str()?)?,
        })
    })?;
    entries.collect()
}

/// The version of an incident; 0 if there is none.
pub(super) fn version(conn: &Connection, id: IncidentId) -> Result<u64, StoreError> {
    let mut select = conn.prepare_cached("SELECT version FROM incidents WHERE id = ?1")?;
    Ok(select.query_row([id.0], |row| row.get(0)).optional()?.map_or(0, count))
}

/// Brings the deadline of a triggered incident forward; whether it was later.
pub(super) fn hurry(conn: &Connection, id: IncidentId, due_by: Timestamp) -> Result<bool, StoreError> {
    let mut update = conn.prepare_cached(
        "UPDATE incidents SET due_at = ?2, version = version + 1
         WHERE id = ?1 AND phase = ?3 AND due_at > ?2",
    )?;
    Ok(update.execute(params![id.0, stamp(due_by), Phase::Triggered.as_str()])? > 0)
}
