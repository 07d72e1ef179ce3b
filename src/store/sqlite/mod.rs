//! SQLite backend: one file, one process.
//!
//! One thread writes ([`writer`]), a few connections read ([`readers`]), one thread
//! keeps the write-ahead log short ([`checkpoint`]). The SQL is in [`sql`](super::sql).
//!
//! # Invariants
//!
//! * Only the writer's connection changes rows.
//! * The file is ours alone while it is open ([`mod@file`]), so leases found at opening
//!   belong to a dead process and are void.
//! * Nothing is cached in memory but SQLite's own pages.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Connection;

use self::readers::Readers;
use self::writer::Writer;
use super::sql::{Backend, Db, inbox, outbox};
use super::{Attendance, Holder, InboxId, NewDelivery, SqlStore, StoreError};

pub use super::sql::Retention;
pub use backup::backup;
pub use file::{Probe, probe};

mod backup;
mod checkpoint;
mod db;
mod file;
mod readers;
mod schema;
mod writer;

/// Pages given back to the file system at a time: 16 MiB.
const SHRINK_PAGES: u32 = 4096;

/// A store in an SQLite file.
pub type SqliteStore = SqlStore<Sqlite>;

/// An SQLite file, open.
///
/// Dropping it carries out what is queued, empties the write-ahead log and
/// frees the file; that blocks for some milliseconds.
pub struct Sqlite {
    writer: Writer,
    readers: Readers,
}

impl SqliteStore {
    /// Opens the file, for this process alone; creates it, readable by its
    /// owner only, when there is none. Blocks, for about a second per gigabyte.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] with path and reason when the file cannot be
    /// written, is in use, damaged, of another application or of a later
    /// release. It is then left as it is.
    pub fn open(path: &Path, retention: Retention) -> Result<Self, StoreError> {
        let path = file::resolve(path)?;
        let lock = file::lock(&path)?;
        let conn = file::writer(&path, &lock)?;
        let name: Arc<str> = path.to_string_lossy().into();
        // Their holders died with the process before this one.
        outbox::void_leases_of_others(&conn, &[]).map_err(|error| error.at(&name))?;
        let checkpointer = checkpoint::Checkpointer::start(file::checkpointer(&path)?)?;
        let writer = Writer::start(conn, lock, name, checkpointer)?;
        Ok(Self::over(Sqlite { writer, readers: Readers::new(&path) }, retention))
    }
}

impl StoreError {
    /// Names the database in a message that does not.
    fn at(self, path: &str) -> Self {
        match self {
            Self::Unavailable(why) => Self::Unavailable(format!("database {path}: {why}")),
            Self::Conflict => Self::Conflict,
        }
    }
}

impl Backend for Sqlite {
    async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Db) -> Result<T, StoreError> + Send + 'static,
    {
        self.writer.call(move |conn| work(conn)).await
    }

    async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Db) -> Result<T, StoreError> + Send + 'static,
    {
        self.readers.read(move |conn| work(conn)).await
    }

    async fn accept(&self, delivery: NewDelivery) -> Result<InboxId, StoreError> {
        self.write(move |db| inbox::accept(db, &delivery)).await
    }

    fn holder(&self) -> Option<Holder> {
        Some(Holder(0))
    }

    async fn attend(&self) -> Result<Attendance, StoreError> {
        Ok(Attendance::alone())
    }

    async fn time(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    async fn size_bytes(&self) -> Result<u64, StoreError> {
        let size = |conn: &Connection| {
            let pragma = |name| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            Ok(pragma("page_count")?.saturating_mul(pragma("page_size")?).unsigned_abs())
        };
        self.readers.read(size).await
    }

    async fn shrink(&self) -> Result<(), StoreError> {
        let shrink = |conn: &Connection| {
            Ok(conn.execute_batch(&format!("PRAGMA incremental_vacuum({SHRINK_PAGES})"))?)
        };
        self.writer.call(shrink).await
    }
}
