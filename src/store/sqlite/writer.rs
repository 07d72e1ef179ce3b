//! The one thread that writes.
//!
//! Commands from everywhere queue up; the writer takes what has gathered, up
//! to [`BATCH`], and carries it out in one transaction, so that one sync of
//! the disk serves many (crates.md §2: 27 times the throughput at 2 ms per sync).
//!
//! # Invariants
//!
//! * Nobody is answered `Ok` before COMMIT has returned.
//! * A command that fails, or panics, is undone alone, by its savepoint. When the
//!   transaction as a whole is lost (disk full), every command of it fails
//!   with [`StoreError::Unavailable`]; the next batch tries anew.
//! * A caller that stops waiting changes nothing: what was queued is carried out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::checkpoint::Checkpointer;
use super::file::Lock;
use crate::store::StoreError;

/// Commands per transaction, at most.
const BATCH: usize = 256;
/// Commands that may queue before callers have to wait.
const QUEUE: usize = 1024;

/// The callers' end of the writer. Dropping it carries out what is queued,
/// empties the write-ahead log into the database and frees the file.
pub(super) struct Writer {
    commands: Option<mpsc::Sender<Box<dyn Command>>>,
    thread: Option<JoinHandle<()>>,
    path: Arc<str>,
}

/// A piece of work and the caller who waits for it.
trait Command: Send {
    /// Does it; whether its changes are to be kept.
    fn run(&mut self, conn: &Connection) -> bool;
    /// Undone because it panicked.
    fn panicked(&mut self);
    /// Answers the caller. `lost`: why the transaction was not committed.
    fn answer(self: Box<Self>, lost: Option<&str>);
}

struct Call<T, F> {
    work: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    caller: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Command for Call<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, conn: &Connection) -> bool {
        self.outcome = self.work.take().map(|work| work(conn));
        matches!(self.outcome, Some(Ok(_)))
    }

    fn panicked(&mut self) {
        self.outcome =
            Some(Err(StoreError::Unavailable("a bug: the command panicked and was undone".to_owned())));
    }

    fn answer(self: Box<Self>, lost: Option<&str>) {
        let answer = match (self.outcome, lost) {
            (Some(Err(error)), _) => Err(error),
            (_, Some(reason)) => Err(StoreError::Unavailable(reason.to_owned())),
            (Some(done), None) => done,
            (None, None) => Err(StoreError::Unavailable("the command was not carried out".to_owned())),
        };
        if self.caller.send(answer).is_err() {
            tracing::trace!("a caller of the store has gone away");
        }
    }
}

impl Writer {
    /// Starts the thread, which owns the connection and the file's lock from now on.
    pub(super) fn start(
        conn: Connection,
        lock: Lock,
        path: Arc<str>,
        checkpointer: Checkpointer,
    ) -> Result<Self, StoreError> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let worker = Worker { conn, checkpointer, commands: receiver, path: Arc::clone(&path), _lock: lock };
        let thread = Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || worker.work())
            .map_err(|e| StoreError::Unavailable(format!("cannot start the store's writer: {e}")))?;
        Ok(Self { commands: Some(sender), thread: Some(thread), path })
    }

    /// Has `work` carried out in a transaction; returns when that is synced.
    pub(super) async fn call<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let command: Box<dyn Command> = Box::new(Call { work: Some(work), outcome: None, caller });
        let gone = || StoreError::Unavailable("the writer has stopped".to_owned());
        let commands = self.commands.as_ref().ok_or_else(gone)?;
        commands.send(command).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?.map_err(|error| error.at(&self.path))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.commands = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(store = %self.path, "the store's writer ended in a panic");
        }
    }
}

/// The thread's own end. Fields drop in this order: the lock goes last.
struct Worker {
    conn: Connection,
    checkpointer: Checkpointer,
    commands: mpsc::Receiver<Box<dyn Command>>,
    path: Arc<str>,
    _lock: Lock,
}

impl Worker {
    fn work(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.commands.blocking_recv_many(&mut batch, BATCH) > 0 {
            let lost = self.transact(&mut batch).err().map(|error| error.to_string());
            if let Some(reason) = &lost {
                tracing::error!(store = %self.path, commands = batch.len(), "a transaction was lost: {reason}");
            }
            for command in batch.drain(..) {
                command.answer(lost.as_deref());
            }
            self.checkpointer.after_commit(&self.conn);
        }
        self.checkpointer.finish(&self.conn);
    }

    fn transact(&self, batch: &mut [Box<dyn Command>]) -> Result<(), StoreError> {
        self.statement("BEGIN IMMEDIATE")?;
        let result = batch
            .iter_mut()
            .try_for_each(|command| self.step(&mut **command))
            .and_then(|()| self.statement("COMMIT"));
        if result.is_err() && !self.conn.is_autocommit() {
            self.statement("ROLLBACK")?;
        }
        result
    }

    /// Carries out one command under its savepoint. An error means that the
    /// whole transaction is lost.
    fn step(&self, command: &mut dyn Command) -> Result<(), StoreError> {
        self.statement("SAVEPOINT command")?;
        let keep = catch_unwind(AssertUnwindSafe(|| command.run(&self.conn))).unwrap_or_else(|_| {
            command.panicked();
            false
        });
        if self.conn.is_autocommit() {
            // SQLite ends the transaction by itself on a full disk and on I/O errors.
            return Err(StoreError::Unavailable(
                "the transaction was ended: disk full or unreadable".to_owned(),
            ));
        }
        if !keep {
            self.statement("ROLLBACK TO command")?;
        }
        self.statement("RELEASE command")
    }

    fn statement(&self, sql: &str) -> Result<(), StoreError> {
        self.conn.prepare_cached(sql)?.execute(())?;
        Ok(())
    }
}
