//! The SQL, once for all databases: one noun each, as functions of a [`Db`] that
//! is in a transaction.
//!
//! Statements are written in what SQLite and PostgreSQL understand alike, with
//! parameters `?1`, `?2`, …; a backend that writes them otherwise, or has no use for
//! `INDEXED BY`, rewrites them once. So both keep the same promises by the same
//! words, and a history told to one reads alike in the other.
//!
//! # Invariants
//!
//! * Whoever changes rows is alone: the functions read and then write without
//!   locks of their own. A backend sees to it that writing transactions follow one
//!   another, however many processes there are ([`Backend::write`]).
//! * What a reading transaction sees is of one moment.
//!
//! How a connection is come by, kept and lost is told by the backends.

use jiff::Timestamp;

use super::{Attendance, Holder, InboxId, NewDelivery, StoreError};

mod answer_rows;
pub(super) mod backlog;
mod calendars;
mod cards;
pub(super) mod claims;
pub(super) mod commands;
mod directory;
mod heard;
mod heartbeats;
pub(super) mod inbox;
mod incident_rows;
mod incidents;
mod job_rows;
mod journal;
pub(super) mod outbox;
mod pins;
mod policy_rows;
mod rings;
mod rows;
mod spending;
mod store;
mod storms;
mod upkeep;
mod value;

pub use inbox::Retention;
pub(super) use rows::stamp;
pub use store::SqlStore;
pub(super) use value::{Row, Value, values};

/// A connection in a transaction.
pub(super) trait Db {
    /// Carries out a statement that finds no rows; how many it changed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] if another row has a value that must be unique.
    fn run(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, StoreError>;

    /// Shows the rows that a statement finds, one after the other, until `look`
    /// answers false.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), and what `look` says.
    fn each(
        &self,
        sql: &str,
        values: &[Value<'_>],
        look: &mut dyn FnMut(&dyn Row) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError>;
}

impl dyn Db + '_ {
    /// All rows, read.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&dyn Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        self.each(sql, values, &mut |row| {
            found.push(read(row)?);
            Ok(true)
        })?;
        Ok(found)
    }

    /// The first row, read, if there is one.
    pub(super) fn first<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&dyn Row) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let mut found = None;
        self.each(sql, values, &mut |row| {
            found = Some(read(row)?);
            Ok(false)
        })?;
        Ok(found)
    }

    /// The number in the only column of the only row; 0 where there is none.
    pub(super) fn number(&self, sql: &str, values: &[Value<'_>]) -> Result<i64, StoreError> {
        Ok(self.first(sql, values, |row| row.int_opt(0))?.flatten().unwrap_or(0))
    }

    /// Whether the statement finds a row.
    pub(super) fn finds(&self, sql: &str, values: &[Value<'_>]) -> Result<bool, StoreError> {
        Ok(self.first(sql, values, |_| Ok(()))?.is_some())
    }
}

/// Where the tables are: how transactions come about and end, and who else
/// works on them.
pub(super) trait Backend: Send + Sync + 'static {
    /// Carries out `work` in a transaction with no other writing one beside it, be it
    /// of another process. `Ok` means synced.
    fn write<T, F>(&self, work: F) -> impl Future<Output = Result<T, StoreError>> + Send
    where
        T: Send + 'static,
        F: FnOnce(&dyn Db) -> Result<T, StoreError> + Send + 'static;

    /// Carries out `work`, which changes nothing; all it reads is of one moment.
    fn read<T, F>(&self, work: F) -> impl Future<Output = Result<T, StoreError>> + Send
    where
        T: Send + 'static,
        F: FnOnce(&dyn Db) -> Result<T, StoreError> + Send + 'static;

    /// See [`Store::accept`](super::Store::accept). Need not wait for writing transactions.
    fn accept(&self, delivery: NewDelivery) -> impl Future<Output = Result<InboxId, StoreError>> + Send;

    /// Who this process is among those that hold jobs; `None` while it is nobody:
    /// it may not hold any.
    fn holder(&self) -> Option<Holder>;

    /// See [`Store::attend`](super::Store::attend).
    fn attend(&self) -> impl Future<Output = Result<Attendance, StoreError>> + Send;

    /// See [`Store::time`](super::Store::time).
    fn time(&self) -> impl Future<Output = Result<Option<Timestamp>, StoreError>> + Send;

    /// See [`Store::size_bytes`](super::Store::size_bytes).
    fn size_bytes(&self) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Gives some of the space of removed rows back, where the database does not by itself.
    fn shrink(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
}
