//! The schema and its history.
//!
//! `migrations/NNNN_name.sql` takes a database from version N-1 to N, in one
//! transaction, behind a lock, so that of several processes that start at once one
//! migrates and the others wait. A released migration is never edited.
//!
//! # Old and new side by side
//!
//! During an upgrade processes of the release before go on working. So a migration
//! says from which version on a release can work with what it leaves; it adds what old
//! statements need not know, and takes away only what the release before it does
//! not use any more. A release that is too old refuses to start.

use super::address::Address;
use super::session::Session;
use crate::store::StoreError;
use crate::store::sql::{Db, values};

/// Version, the oldest version whose release can work with it, and how to get there.
const MIGRATIONS: [(i64, i64, &str); 2] = [
    (1, 1, include_str!("migrations/0001_initial.sql")),
    (2, 1, include_str!("migrations/0002_calendars.sql")),
];

/// The version that this release reads and writes.
const LATEST: i64 = 2;

/// The oldest server that will do.
const OLDEST_SERVER: i64 = 14;

/// Brings the database to [`LATEST`], or refuses it untouched.
pub(super) fn migrate(address: &Address, session: &Session) -> Result<(), StoreError> {
    let db: &dyn Db = session;
    let migrated = session.alone(|session| {
        server_version(db)?;
        session.execute(
            "CREATE TABLE IF NOT EXISTS larkhorn_schema (version BIGINT NOT NULL, works_from BIGINT NOT NULL)",
        )?;
        let current = db.first(
            "SELECT version, works_from FROM larkhorn_schema ORDER BY version DESC LIMIT 1",
            values![],
            |row| Ok((row.int(0)?, row.int(1)?)),
        )?;
        let (version, works_from) = current.unwrap_or((0, 0));
        if works_from > LATEST {
            return Err(StoreError::Unavailable(format!(
                "its schema is version {version}, which releases that know only {LATEST} cannot work with; \
                 it was left untouched. Run the newer release"
            )));
        }
        for (next, works_from, sql) in MIGRATIONS.into_iter().filter(|(next, ..)| *next > version) {
            session.execute(sql).map_err(|error| {
                StoreError::Unavailable(format!("migration {next} of the schema failed: {error}"))
            })?;
            db.run(
                "INSERT INTO larkhorn_schema (version, works_from) VALUES (?1, ?2)",
                values![next, works_from],
            )?;
        }
        Ok(())
    });
    migrated.map_err(|error| address.named(error))
}

/// The server's version, such as 15, unless it is too old.
pub(super) fn server_version(db: &dyn Db) -> Result<i64, StoreError> {
    let version = db.number("SELECT current_setting('server_version_num')::bigint / 10000", values![])?;
    if version >= OLDEST_SERVER {
        return Ok(version);
    }
    Err(StoreError::Unavailable(format!("this is PostgreSQL {version}; {OLDEST_SERVER} or later is needed")))
}
