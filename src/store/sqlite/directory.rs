//! What Feishu said about e-mail addresses and mobile numbers.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::rows::{instant, stamp};
use crate::domain::Contact;
use crate::store::{DirectoryEntry, StoreError};

/// What is known of these contacts.
pub(super) fn load(
    conn: &Connection,
    contacts: Vec<Contact>,
) -> Result<BTreeMap<Contact, DirectoryEntry>, StoreError> {
    let mut select =
        conn.prepare_cached("SELECT open_id, looked_up_at FROM directory WHERE kind = ?1 AND value = ?2")?;
    let mut known = BTreeMap::new();
    for contact in contacts {
        let mut found = select.query([contact.kind(), contact.value()])?;
        if let Some(row) = found.next()? {
            let looked_up_at = instant(row.get_ref(1)?.as_str()?)?;
            known.insert(contact, DirectoryEntry { open_id: row.get(0)?, looked_up_at });
        }
    }
    Ok(known)
}

/// Remembers, in place of what was known before.
pub(super) fn save(conn: &Connection, entries: &[(Contact, DirectoryEntry)]) -> Result<(), StoreError> {
    let mut insert = conn.prepare_cached(
        "INSERT OR REPLACE INTO directory (kind, value, open_id, looked_up_at) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for (contact, entry) in entries {
        insert.execute(params![contact.kind(), contact.value(), entry.open_id, stamp(entry.looked_up_at)])?;
    }
    Ok(())
}
