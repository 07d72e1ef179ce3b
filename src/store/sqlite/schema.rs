//! The schema and its history.
//!
//! `migrations/NNNN_name.sql` takes a database from version N-1 to N, in one
//! transaction. A released migration is never edited.

use rusqlite::{Connection, TransactionBehavior};

use super::file::APPLICATION_ID;
use crate::store::StoreError;

const MIGRATIONS: [(i32, &str); 1] = [(1, include_str!("migrations/0001_initial.sql"))];

/// The version that this release reads and writes.
pub(super) const LATEST: i32 = 1;

/// Brings a database to [`LATEST`]. One that is newer is the caller's to refuse.
pub(super) fn migrate(conn: &mut Connection) -> Result<(), StoreError> {
    let current: i32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (version, sql) in MIGRATIONS.into_iter().filter(|(version, _)| *version > current) {
        let step = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        step.execute_batch(sql)
            .map_err(|e| StoreError::Unavailable(format!("migration {version} of the schema failed: {e}")))?;
        step.pragma_update(None, "application_id", APPLICATION_ID)?;
        step.pragma_update(None, "user_version", version)?;
        step.commit()?;
    }
    Ok(())
}
