//! PostgreSQL backend: one database, any number of processes.
//!
//! One thread keeps webhooks ([`intake`]), one writes everything else ([`writer`]),
//! behind a lock that all processes share, some connections read ([`readers`]), one
//! hears what others have put in ([`listening`]). Who is at work is written down
//! ([`attendance`]). The SQL is in [`sql`](super::sql).
//!
//! # Invariants
//!
//! * Writing transactions of all processes follow one another, but that webhooks are
//!   appended beside them.
//! * Deadlines, leases and lives are measured by the database's clock.
//! * Nothing is cached in memory: losing a process loses nothing.
//!
//! The store makes up to [`Options::connections`] connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use secrecy::SecretString;

use self::address::Address;
use self::intake::Intake;
use self::listening::Listening;
use self::readers::Readers;
use self::writer::Writer;
use super::sql::{Backend, Db, Retention, values};
use super::{Attendance, Holder, InboxId, NewDelivery, SqlStore, StoreError};

pub use listening::Wake;

mod address;
mod attendance;
mod client;
mod intake;
mod listening;
mod readers;
mod schema;
mod session;
mod whereabouts;
mod writer;

/// Connections besides those that read: writer, intake, listener.
const OTHERS: usize = 3;

/// A store in a PostgreSQL database.
pub type PostgresStore = SqlStore<Postgres>;

/// How a database is used.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it is, in libpq's form: `postgres://user@host/database`.
    pub url: SecretString,
    /// The password, if it is not in the URL.
    pub password: Option<SecretString>,
    /// What this process is called among its replicas.
    pub name: String,
    /// Connections at most, [`Options::CONNECTIONS_MIN`] at least.
    pub connections: usize,
    /// How long webhooks are kept.
    pub retention: Retention,
}

impl Options {
    /// Fewer connections do not do: one reads, one writes, one keeps webhooks, one listens.
    pub const CONNECTIONS_MIN: usize = OTHERS + 1;
}

/// A PostgreSQL database, connected. Dropping it says that this process is gone;
/// that blocks for some milliseconds.
pub struct Postgres {
    address: Address,
    name: Arc<str>,
    holder: Arc<AtomicI64>,
    writer: Writer,
    intake: Intake,
    readers: Readers,
    _listening: Option<Listening>,
}

impl PostgresStore {
    /// Connects, brings the schema up to date and takes part. Blocks. `wake`: whom
    /// to wake when others have put something in.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] with database and reason.
    pub fn open(options: &Options, wake: Option<Wake>) -> Result<Self, StoreError> {
        let address = Address::parse(&options.url, options.password.as_ref())?;
        let session = address.connect()?;
        schema::migrate(&address, &session)?;
        let (name, holder) = (options.name.as_str().into(), Arc::new(AtomicI64::new(0)));
        let attended = session.alone(|session| attendance::attend(session, &options.name, &holder));
        attended.map_err(|error| address.named(error))?;
        let writer = Writer::start(address.clone(), session, Arc::clone(&holder))?;
        let readers = Readers::new(address.clone(), options.connections.saturating_sub(OTHERS).max(1));
        let intake = Intake::start(address.clone())?;
        let listening = wake.map(|wake| Listening::start(address.clone(), wake)).transpose()?;
        let backend = Postgres { address, name, holder, writer, intake, readers, _listening: listening };
        Ok(Self::over(backend, options.retention))
    }
}

/// Looks whether a database could be used, without changing anything in it; what it
/// is. Blocks.
///
/// # Errors
///
/// Why it could not.
pub fn probe(url: &SecretString, password: Option<&SecretString>) -> Result<String, StoreError> {
    let address = Address::parse(url, password)?;
    let session = address.connect()?;
    let version = schema::server_version(&session).map_err(|error| address.named(error))?;
    Ok(format!("{} is PostgreSQL {version} and takes writes", address.name()))
}

impl Backend for Postgres {
    async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Db) -> Result<T, StoreError> + Send + 'static,
    {
        self.writer.call(work).await.map_err(|error| self.address.named(error))
    }

    async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Db) -> Result<T, StoreError> + Send + 'static,
    {
        self.readers.read(work).await
    }

    async fn accept(&self, delivery: NewDelivery) -> Result<InboxId, StoreError> {
        self.intake.accept(delivery).await
    }

    fn holder(&self) -> Option<Holder> {
        let known = self.holder.load(Ordering::Relaxed);
        (known != 0).then_some(Holder(known))
    }

    async fn attend(&self) -> Result<Attendance, StoreError> {
        let (name, holder) = (Arc::clone(&self.name), Arc::clone(&self.holder));
        self.write(move |db| attendance::attend(db, &name, &holder)).await
    }

    async fn time(&self) -> Result<Option<Timestamp>, StoreError> {
        let micros = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)";
        let micros = self.read(move |db| db.number(micros, values![])).await?;
        Timestamp::from_microsecond(micros)
            .map(Some)
            .map_err(|error| self.address.unavailable(format_args!("its clock cannot be read: {error}")))
    }

    async fn size_bytes(&self) -> Result<u64, StoreError> {
        let size = "SELECT CAST(coalesce(sum(pg_total_relation_size(c.oid)), 0) AS BIGINT)
                    FROM pg_class AS c
                    WHERE c.relkind = 'r' AND c.relnamespace = CAST(current_schema() AS regnamespace)";
        let size = self.read(move |db| db.number(size, values![])).await?;
        Ok(size.unsigned_abs())
    }

    async fn shrink(&self) -> Result<(), StoreError> {
        // Autovacuum does.
        Ok(())
    }
}
