//! The last good copies of calendars of others.

use jiff::{SignedDuration, Timestamp};

use super::rows::{instant, stamp};
use super::{Db, values};
use crate::rules::CalendarCopy;
use crate::store::StoreError;

/// A copy that nobody has renewed for so long is let go: the rules name it no more,
/// and what it says is over.
const KEPT: SignedDuration = SignedDuration::from_hours(400 * 24);

pub(super) fn load(db: &dyn Db, address: &str) -> Result<Option<CalendarCopy>, StoreError> {
    db.first("SELECT body, read_at FROM calendars WHERE address = ?1", values![address], |row| {
        Ok(CalendarCopy { text: row.string(0)?, read_at: instant(row.text(1)?)? })
    })
}

/// Keeps a copy in place of an older one.
pub(super) fn save(db: &dyn Db, address: &str, copy: &CalendarCopy) -> Result<(), StoreError> {
    db.run(
        "INSERT INTO calendars (address, body, read_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (address) DO UPDATE SET body = excluded.body, read_at = excluded.read_at
         WHERE calendars.read_at <= excluded.read_at",
        values![address, copy.text.as_str(), stamp(copy.read_at)],
    )?;
    let before = copy.read_at.checked_sub(KEPT).unwrap_or(Timestamp::MIN);
    db.run("DELETE FROM calendars WHERE read_at < ?1", values![stamp(before)])?;
    Ok(())
}
