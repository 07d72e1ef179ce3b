//! Incidents with their alerts and timelines.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::incident_rows::{IncidentColumns, alert, alert_content, facts, facts_json, incident_content};
use super::rows::{count, instant, instant_opt, limit as rows, number, stamp, unreadable};
use super::{Db, Row, Value, values};
use crate::domain::{
    Fingerprint, Incident, IncidentId, IncidentKey, Listing, Member, MemberState, Phase, RecordedEntry,
    TimelineEntry,
};
use crate::store::{HeldAlert, Lookup, StoreError};

const COLUMNS: &str = "id, version, rule, grp, source, opened_at, due_at, resolved_at, content";

fn columns(row: &dyn Row) -> Result<IncidentColumns, StoreError> {
    Ok(IncidentColumns {
        id: IncidentId(row.int(0)?),
        version: count(row.int(1)?),
        key: IncidentKey { rule: row.string(2)?, group: row.string(3)? },
        source: row.string(4)?,
        opened_at: instant(row.text(5)?)?,
        due_at: instant_opt(row.text_opt(6)?)?,
        resolved_at: instant_opt(row.text_opt(7)?)?,
        content: row.string(8)?,
    })
}

/// One incident with its members.
pub(super) fn load(db: &dyn Db, id: IncidentId) -> Result<Option<Incident>, StoreError> {
    let Some(mut incident) = bare(db, id.0)? else { return Ok(None) };
    let members = db.all(
        "SELECT fingerprint, state, starts_at, changed_at, listing FROM members WHERE incident_id = ?1",
        values![id.0],
        |row| Ok((fingerprint(row.int(0)?), member(row, 1)?)),
    )?;
    incident.standing.members = members.into_iter().collect();
    Ok(Some(incident))
}

fn bare(db: &dyn Db, id: i64) -> Result<Option<Incident>, StoreError> {
    let found = db.first(&format!("SELECT {COLUMNS} FROM incidents WHERE id = ?1"), values![id], columns)?;
    found.map(IncidentColumns::into_incident).transpose()
}

fn load_all(db: &dyn Db, ids: impl IntoIterator<Item = i64>) -> Result<Vec<Incident>, StoreError> {
    ids.into_iter().filter_map(|id| load(db, IncidentId(id)).transpose()).collect()
}

/// Incidents without their members, in the order of their ids given.
pub(super) fn load_bare(db: &dyn Db, ids: Vec<i64>) -> Result<Vec<Incident>, StoreError> {
    ids.into_iter().filter_map(|id| bare(db, id).transpose()).collect()
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
fn member(row: &dyn Row, first: usize) -> Result<Member, StoreError> {
    Ok(Member {
        state: state(row.int(first)?)?,
        starts_at: instant_opt(row.text_opt(first + 1)?)?,
        changed_at: instant(row.text(first + 2)?)?,
        listing: row.int_opt(first + 3)?.map(|bits| Listing(bits.cast_unsigned())),
    })
}

/// What a lookup asks for, in order of opening.
pub(super) fn find(db: &dyn Db, lookup: &Lookup) -> Result<Vec<Incident>, StoreError> {
    let mut found = BTreeSet::new();
    for IncidentKey { rule, group } in &lookup.keys {
        let open = ids(
            db,
            "SELECT id FROM incidents WHERE rule = ?1 AND grp = ?2 AND resolved_at IS NULL",
            values![rule, group],
        )?;
        if open.is_empty() {
            found.extend(ids(
                db,
                "SELECT id FROM incidents WHERE rule = ?1 AND grp = ?2 AND resolved_at IS NOT NULL
                 ORDER BY resolved_at DESC, id DESC LIMIT 1",
                values![rule, group],
            )?);
        }
        found.extend(open);
    }
    for (source, fingerprint) in &lookup.holders {
        found.extend(ids(
            db,
            "SELECT i.id FROM members AS m JOIN incidents AS i ON i.id = m.incident_id
             WHERE m.fingerprint = ?1 AND m.state > 0 AND i.source = ?2",
            values![bits(*fingerprint), source],
        )?);
    }
    for Listing(number) in &lookup.listings {
        found.extend(ids(
            db,
            "SELECT DISTINCT m.incident_id FROM members AS m JOIN incidents AS i ON i.id = m.incident_id
             WHERE m.listing = ?1 AND m.state = 2 AND i.resolved_at IS NULL",
            values![number.cast_signed()],
        )?);
    }
    for fingerprint in &lookup.firing {
        found.extend(ids(
            db,
            "SELECT i.id FROM members AS m JOIN incidents AS i ON i.id = m.incident_id
             WHERE m.fingerprint = ?1 AND m.state = 2 AND i.resolved_at IS NULL",
            values![bits(*fingerprint)],
        )?);
    }
    load_all(db, found)
}

/// Open incidents with alerts that are not listed any more, oldest first.
pub(super) fn unlisted(
    db: &dyn Db,
    after: Option<IncidentId>,
    limit: usize,
) -> Result<Vec<Incident>, StoreError> {
    let after = after.map_or(i64::MIN, |id| id.0);
    let ids = ids(
        db,
        "SELECT DISTINCT m.incident_id FROM members AS m JOIN incidents AS i ON i.id = m.incident_id
         WHERE m.state = 1 AND m.incident_id > ?1 AND i.resolved_at IS NULL
         ORDER BY m.incident_id LIMIT ?2",
        values![after, rows(limit)],
    )?;
    load_all(db, ids)
}

/// Open incidents whose deadline has come, earliest first.
pub(super) fn due(db: &dyn Db, now: Timestamp, limit: usize) -> Result<Vec<Incident>, StoreError> {
    let ids = ids(
        db,
        "SELECT id FROM incidents WHERE resolved_at IS NULL AND due_at IS NOT NULL AND due_at <= ?1
         ORDER BY due_at, id LIMIT ?2",
        values![stamp(now), rows(limit)],
    )?;
    load_all(db, ids)
}

/// Incidents, newest first.
pub(super) fn list(
    db: &dyn Db,
    phase: Option<Phase>,
    before: Option<IncidentId>,
    limit: usize,
) -> Result<Vec<Incident>, StoreError> {
    let before = before.map_or(i64::MAX, |id| id.0);
    let ids = match phase {
        Some(phase) => ids(
            db,
            "SELECT id FROM incidents WHERE phase = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3",
            values![phase.as_str(), before, rows(limit)],
        ),
        None => ids(
            db,
            "SELECT id FROM incidents WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
            values![before, rows(limit)],
        ),
    }?;
    load_all(db, ids)
}

fn ids(db: &dyn Db, sql: &str, values: &[Value<'_>]) -> Result<Vec<i64>, StoreError> {
    db.all(sql, values, |row| row.int(0))
}

/// An incident's alerts: firing ones first, then unlisted ones, then by start, newest first.
pub(super) fn alerts(db: &dyn Db, id: IncidentId, limit: usize) -> Result<Vec<HeldAlert>, StoreError> {
    db.all(
        "SELECT m.fingerprint, m.state, m.starts_at, m.changed_at, m.listing, a.content
         FROM (SELECT * FROM members WHERE incident_id = ?1
               ORDER BY state DESC, starts_at DESC NULLS LAST, fingerprint LIMIT ?2) AS m
         JOIN alerts AS a ON a.incident_id = m.incident_id AND a.fingerprint = m.fingerprint
         ORDER BY m.state DESC, m.starts_at DESC NULLS LAST, m.fingerprint",
        values![id.0, rows(limit)],
        |row| {
            let alert = alert(fingerprint(row.int(0)?), row.text(5)?)?;
            Ok(HeldAlert { alert, member: member(row, 1)? })
        },
    )
}

const INSERT: &str = "
    INSERT INTO incidents
    (rule, grp, source, phase, opened_at, due_at, resolved_at, content, severity_rank, version)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, CAST(?10 AS BIGINT) + 1) RETURNING id";

/// For a known one: changes no row unless its version is still the one that was loaded.
const UPDATE: &str = "
    UPDATE incidents
    SET rule = ?1, grp = ?2, source = ?3, phase = ?4, opened_at = ?5, due_at = ?6, resolved_at = ?7,
        content = ?8, severity_rank = ?9, version = version + 1
    WHERE version = ?10 AND id = ?11 RETURNING id";

/// Stores an incident as one version more than it has; its id. Should another
/// one with the key be open, that is a conflict.
pub(super) fn save(db: &dyn Db, incident: &Incident) -> Result<IncidentId, StoreError> {
    let standing = &incident.standing;
    let mut values = values![
        &incident.key.rule,
        &incident.key.group,
        &incident.source,
        standing.phase().as_str(),
        stamp(standing.opened_at),
        standing.due_at.map(stamp),
        standing.resolved_at().map(stamp),
        incident_content(incident)?,
        i64::from(standing.severity.rank),
        number(incident.version)
    ]
    .to_vec();
    values.extend(incident.id.map(|id| id.0.into()));
    let sql = if incident.id.is_none() { INSERT } else { UPDATE };
    let written = db.first(sql, &values, |row| row.int(0))?;
    written.map(IncidentId).ok_or(StoreError::Conflict)
}

/// Stores alerts that are new or changed.
pub(super) fn save_alerts(db: &dyn Db, id: IncidentId, held: &[HeldAlert]) -> Result<(), StoreError> {
    for HeldAlert { alert, member: known } in held {
        save_member(db, id, alert.fingerprint, known)?;
        db.run(
            "INSERT INTO alerts (incident_id, fingerprint, content) VALUES (?1, ?2, ?3)
             ON CONFLICT (incident_id, fingerprint) DO UPDATE SET content = excluded.content",
            values![id.0, bits(alert.fingerprint), alert_content(alert)?],
        )?;
    }
    Ok(())
}

/// Stores members that changed while their texts did not.
pub(super) fn save_members(
    db: &dyn Db,
    id: IncidentId,
    members: &[(Fingerprint, Member)],
) -> Result<(), StoreError> {
    members.iter().try_for_each(|(fingerprint, member)| save_member(db, id, *fingerprint, member))
}

fn save_member(
    db: &dyn Db,
    id: IncidentId,
    fingerprint: Fingerprint,
    member: &Member,
) -> Result<(), StoreError> {
    db.run(
        "INSERT INTO members (incident_id, fingerprint, state, starts_at, changed_at, listing)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (incident_id, fingerprint) DO UPDATE
         SET state = excluded.state, starts_at = excluded.starts_at, changed_at = excluded.changed_at,
             listing = excluded.listing",
        values![
            id.0,
            bits(fingerprint),
            state_number(member.state),
            member.starts_at.map(stamp),
            stamp(member.changed_at),
            member.listing.map(|Listing(number)| number.cast_signed())
        ],
    )?;
    Ok(())
}

/// Appends to an incident's timeline.
pub(super) fn record(db: &dyn Db, id: IncidentId, entries: &[TimelineEntry]) -> Result<(), StoreError> {
    for entry in entries {
        db.run(
            "INSERT INTO timeline (incident_id, at, kind, facts) VALUES (?1, ?2, ?3, ?4)",
            values![id.0, stamp(entry.at), entry.what.kind(), facts_json(entry.what.facts())?],
        )?;
    }
    Ok(())
}

/// An incident's timeline, oldest first.
pub(super) fn timeline(db: &dyn Db, id: IncidentId) -> Result<Vec<RecordedEntry>, StoreError> {
    db.all(
        "SELECT at, kind, facts FROM timeline WHERE incident_id = ?1 ORDER BY at, id",
        values![id.0],
        |row| {
            Ok(RecordedEntry {
                at: instant(row.text(0)?)?,
                kind: row.string(1)?,
                facts: facts(row.text(2)?)?,
            })
        },
    )
}

/// The version of an incident; 0 if there is none.
pub(super) fn version(db: &dyn Db, id: IncidentId) -> Result<u64, StoreError> {
    db.number("SELECT version FROM incidents WHERE id = ?1", values![id.0]).map(count)
}

/// Brings the deadline of a triggered incident forward; whether it was later.
pub(super) fn hurry(db: &dyn Db, id: IncidentId, due_by: Timestamp) -> Result<bool, StoreError> {
    let hurried = db.run(
        "UPDATE incidents SET due_at = ?2, version = version + 1
         WHERE id = ?1 AND phase = ?3 AND due_at > ?2",
        values![id.0, stamp(due_by), Phase::Triggered.as_str()],
    )?;
    Ok(hurried > 0)
}
