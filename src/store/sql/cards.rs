//! Which message is an incident's card where.

use super::rows::{count, instant, number, place, place_key, stamp};
use super::{Db, values};
use crate::domain::{Destination, IncidentId, MessageId};
use crate::store::{Card, StoreError};

/// The card there, if it was posted.
pub(super) fn load(db: &dyn Db, id: IncidentId, to: &Destination) -> Result<Option<Card>, StoreError> {
    db.first(
        "SELECT message, shown_version, posted_at FROM cards WHERE incident_id = ?1 AND place = ?2",
        values![id.0, place_key(to)?],
        |row| {
            Ok(Card {
                message: MessageId(row.string(0)?),
                shown_version: count(row.int(1)?),
                posted_at: instant(row.text(2)?)?,
                to: to.clone(),
            })
        },
    )
}

/// Remembers a card; a new one at the same place replaces the one before.
pub(super) fn save(db: &dyn Db, id: IncidentId, card: &Card) -> Result<(), StoreError> {
    db.run(
        "INSERT INTO cards (incident_id, place, message, shown_version, posted_at)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (incident_id, place) DO UPDATE
         SET message = excluded.message, shown_version = excluded.shown_version,
             posted_at = excluded.posted_at",
        values![
            id.0,
            place_key(&card.to)?,
            &card.message.0,
            number(card.shown_version),
            stamp(card.posted_at)
        ],
    )?;
    Ok(())
}

/// Whether the incident `owner` has a card at the place with that key.
pub(super) fn posted(db: &dyn Db, owner: Option<i64>, key: &str) -> Result<bool, StoreError> {
    db.finds("SELECT 1 FROM cards WHERE incident_id = ?1 AND place = ?2", values![owner, key])
}

/// Where the incident has cards.
pub(super) fn places(db: &dyn Db, id: IncidentId) -> Result<Vec<Destination>, StoreError> {
    db.all("SELECT place FROM cards WHERE incident_id = ?1", values![id.0], |row| place(row.text(0)?))
}

/// Remembers that a message is about the incident `owner`.
pub(super) fn save_line(db: &dyn Db, owner: i64, message: &MessageId) -> Result<(), StoreError> {
    db.run(
        "INSERT INTO lines (message, incident_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        values![&message.0, owner],
    )?;
    Ok(())
}

/// The incident whose card, or a line about which, a message is.
pub(super) fn incident_of(db: &dyn Db, message: &MessageId) -> Result<Option<IncidentId>, StoreError> {
    db.first(
        "SELECT incident_id FROM cards WHERE message = ?1
         UNION ALL SELECT incident_id FROM lines WHERE message = ?1",
        values![&message.0],
        |row| row.int(0).map(IncidentId),
    )
}
