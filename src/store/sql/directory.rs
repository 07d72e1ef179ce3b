//! What Feishu said about e-mail addresses and mobile numbers.

use std::collections::BTreeMap;

use super::rows::{instant, stamp};
use super::{Db, values};
use crate::domain::Contact;
use crate::store::{DirectoryEntry, StoreError};

/// What is known of these contacts.
pub(super) fn load(
    db: &dyn Db,
    contacts: Vec<Contact>,
) -> Result<BTreeMap<Contact, DirectoryEntry>, StoreError> {
    let mut known = BTreeMap::new();
    for contact in contacts {
        let entry = db.first(
            "SELECT open_id, looked_up_at FROM directory WHERE kind = ?1 AND value = ?2",
            values![contact.kind(), contact.value()],
            |row| Ok(DirectoryEntry { open_id: row.string_opt(0)?, looked_up_at: instant(row.text(1)?)? }),
        )?;
        known.extend(entry.map(|entry| (contact, entry)));
    }
    Ok(known)
}

/// Remembers, in place of what was known before.
pub(super) fn save(db: &dyn Db, entries: &[(Contact, DirectoryEntry)]) -> Result<(), StoreError> {
    for (contact, entry) in entries {
        db.run(
            "INSERT INTO directory (kind, value, open_id, looked_up_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (kind, value) DO UPDATE
             SET open_id = excluded.open_id, looked_up_at = excluded.looked_up_at",
            values![contact.kind(), contact.value(), entry.open_id.as_deref(), stamp(entry.looked_up_at)],
        )?;
    }
    Ok(())
}
