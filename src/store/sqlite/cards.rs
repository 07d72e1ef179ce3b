//! Which message is an incident's card where.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::rows::{count, instant, number, place, place_key, stamp};
use crate::domain::{Destination, IncidentId, MessageId};
use crate::store::{Card, StoreError};

/// The card there, if it was posted.
pub(super) fn load(conn: &Connection, id: IncidentId, to: Destination) -> Result<Option<Card>, StoreError> {
    let mut select = conn.prepare_cached(
        "SELECT message, shown_version, posted_at FROM cards WHERE incident_id = ?1 AND place = ?2",
    )?;
    let mut found = select.query(params![id.0, place_key(&to)?])?;
    let Some(row) = found.next()? else {
        return Ok(None);
    };
    Ok(Some(Card {
        message: MessageId(row.get(0)?),
        shown_version: count(row.get(1)?),
        posted_at: instant(row.get_ref(2)?.as_str()?)?,
        to,
    }))
}

/// Remembers a card; a new one at the same place replaces the one before.
pub(super) fn save(conn: &Connection, id: IncidentId, card: &Card) -> Result<(), StoreError> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO cards (incident_id, place, message, shown_version, posted_at)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        id.0,
        place_key(&card.to)?,
        card.message.0,
        number(card.shown_version),
        stamp(card.posted_at)
    ])?;
    Ok(())
}

/// Whether the incident `owner` has a card at the place with that key.
pub(super) fn posted(conn: &Connection, owner: Option<i64>, key: &str) -> Result<bool, StoreError> {
    let mut select =
        conn.prepare_cached("SELECT EXISTS (SELECT 1 FROM cards WHERE incident_id = ?1 AND place = ?2)")?;
    Ok(select.query_row(params![owner, key], |row| row.get(0))?)
}

/// Where the incident has cards.
pub(super) fn places(conn: &Connection, id: IncidentId) -> Result<Vec<Destination>, StoreError> {
    let mut select = conn.prepare_cached("SELECT place FROM cards WHERE incident_id = ?1")?;
    select.query_and_then([id.0], |row| place(row.get_ref(0)?.as_str()?))?.collect()
}

/// Remembers that a message is about the incident `owner`.
pub(super) fn save_line(conn: &Connection, owner: i64, message: &MessageId) -> Result<(), StoreError> {
    conn.prepare_cached("INSERT OR IGNORE INTO lines (message, incident_id) VALUES (?1, ?2)")?
        .execute(params![message.0, owner])?;
    Ok(())
}

/// The incident whose card, or a line about which, a message is.
pub(super) fn incident_of(conn: &Connection, message: &MessageId) -> Result<Option<IncidentId>, StoreError> {
    let mut select = conn.prepare_cached(
        "SELECT incident_id FROM cards WHERE message = ?1 UNION ALL SELECT incident_id FROM lines WHERE message = ?1",
    )?;
    Ok(select.query_row([&message.0], |row| row.get(0)).optional()?.map(IncidentId))
}
