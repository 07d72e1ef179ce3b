//! The thread that writes, and with it all decisions of this process.
//!
//! It takes the commands that have gathered and carries them out in one
//! transaction, behind a lock that all processes on the database share. So writing
//! transactions follow one another, and each sees what all before it have
//! committed: the same as with one process on one file.
//!
//! # Invariants
//!
//! * A command that fails, or panics, is undone alone. When the transaction as a whole
//!   is lost (connection, server, time), every command of it fails with
//!   [`StoreError::Unavailable`], and the next batch begins with a new connection. Whether it
//!   was committed all the same is then not known.
//! * While the database cannot be reached, commands fail at once; it is tried again
//!   every [`PAUSE`], or after as long as the last attempt has taken in vain.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::address::Address;
use super::attendance;
use super::session::Session;
use crate::store::StoreError;
use crate::store::sql::Db;
use crate::store::sql::commands::{BATCH, Batch, Command, Commands};

/// Between two attempts to reach the database.
const PAUSE: Duration = Duration::from_millis(250);
/// What takes longer to fail hangs: the server did not even refuse.
const HANGS: Duration = Duration::from_secs(2);
/// How long a caller waits in any case.
const PATIENCE: Duration = Duration::from_secs(20);

/// The callers' end of the writer. Dropping it carries out what is queued and
/// says that this process is gone.
pub(super) struct Writer {
    commands: Option<Commands<Session>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread with a connection. `holder` is who this process is.
    pub(super) fn start(
        address: Address,
        session: Session,
        holder: Arc<AtomicI64>,
    ) -> Result<Self, StoreError> {
        let (commands, receiver) = Commands::queue();
        let line = Line { address, session: Some(session), failed: None };
        let worker = Worker { line, commands: receiver, holder };
        let thread = Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || worker.work())
            .map_err(|e| StoreError::Unavailable(format!("cannot start the store's writer: {e}")))?;
        Ok(Self { commands: Some(commands), thread: Some(thread) })
    }

    /// Has `work` carried out in a transaction; returns when that is synced.
    pub(super) async fn call<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Db) -> Result<T, StoreError> + Send + 'static,
    {
        let gone = || StoreError::Unavailable("the writer has stopped".to_owned());
        let commands = self.commands.as_ref().ok_or_else(gone)?;
        let late = || StoreError::Unavailable("the database does not answer in time".to_owned());
        let called = commands.call(move |session: &Session| work(session));
        tokio::time::timeout(PATIENCE, called).await.unwrap_or_else(|_| Err(late()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.commands = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's writer ended in a panic");
        }
    }
}

/// A connection that comes back.
pub(super) struct Line {
    pub(super) address: Address,
    pub(super) session: Option<Session>,
    /// When it failed last, and until then it is not tried again.
    pub(super) failed: Option<(Instant, Duration)>,
}

impl Line {
    /// The connection, a new one if need be.
    pub(super) fn session(&mut self) -> Result<&Session, StoreError> {
        if self.session.as_ref().is_some_and(Session::is_lost) {
            self.session = None;
        }
        if self.session.is_none() {
            if self.failed.is_some_and(|(at, pause)| at.elapsed() < pause) {
                return Err(self.address.unavailable("it cannot be reached; it is tried again"));
            }
            let began = Instant::now();
            match self.address.connect() {
                Ok(session) => {
                    if self.failed.take().is_some() {
                        tracing::info!(database = self.address.name(), "the database is back");
                    }
                    self.session = Some(session);
                }
                Err(error) => {
                    self.fail(began);
                    return Err(error);
                }
            }
        }
        self.session.as_ref().ok_or_else(|| self.address.unavailable("it cannot be reached"))
    }

    /// Gives the connection up, since what began then failed: what became of it is not known.
    pub(super) fn hang_up(&mut self, began: Instant) {
        if self.session.take().is_some() && began.elapsed() > HANGS {
            self.fail(began);
        }
    }

    /// One that hangs is not waited for by everybody who comes, one after the other.
    fn fail(&mut self, began: Instant) {
        self.failed = Some((Instant::now(), began.elapsed().max(PAUSE)));
    }
}

struct Worker {
    line: Line,
    commands: mpsc::Receiver<Box<dyn Command<Session>>>,
    holder: Arc<AtomicI64>,
}

impl Worker {
    fn work(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.commands.blocking_recv_many(&mut batch, BATCH) > 0 {
            let began = Instant::now();
            let lost = self.transact(&mut batch).err().map(|error| error.to_string());
            if let Some(reason) = &lost {
                tracing::error!(commands = batch.len(), "a transaction was lost: {reason}");
                self.line.hang_up(began);
            }
            for command in batch.drain(..) {
                command.answer(lost.as_deref());
            }
        }
        // Whoever is still here takes over at once, not only when they miss us.
        if let Some(session) = self.line.session.as_ref().filter(|session| !session.is_lost())
            && let Err(error) = attendance::leave(session, self.holder.load(Ordering::Relaxed))
        {
            tracing::debug!(%error, "left the database without a word");
        }
    }

    fn transact(&mut self, batch: &mut Batch<Session>) -> Result<(), StoreError> {
        let session = self.line.session()?;
        let worked = (|| {
            session.begin_writing()?;
            match batch.as_mut_slice() {
                [command] => {
                    // Alone it needs no savepoint.
                    let kept = run(session, &mut **command);
                    if kept { session.commit() } else { session.execute("ROLLBACK") }
                }
                several => {
                    several.iter_mut().try_for_each(|command| step(session, &mut **command))?;
                    session.commit()
                }
            }
        })();
        worked.map_err(|error| self.line.address.named(error))
    }
}

/// Carries out one command under its savepoint. An error means that the
/// whole transaction is lost.
fn step(session: &Session, command: &mut dyn Command<Session>) -> Result<(), StoreError> {
    session.execute("SAVEPOINT command")?;
    if run(session, command) {
        session.execute("RELEASE command")
    } else {
        session.execute("ROLLBACK TO command; RELEASE command")
    }
}

fn run(session: &Session, command: &mut dyn Command<Session>) -> bool {
    catch_unwind(AssertUnwindSafe(|| command.run(session))).unwrap_or_else(|_| {
        command.panicked();
        false
    })
}
