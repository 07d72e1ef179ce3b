//! The one thread that writes.
//!
//! It takes the commands that have gathered, up to [`BATCH`], and carries them out in
//! one transaction ([`commands`](crate::store::sql::commands)).
//!
//! # Invariants
//!
//! * A command that fails, or panics, is undone alone, by its savepoint. When the
//!   transaction as a whole is lost (disk full), every command of it fails
//!   with [`StoreError::Unavailable`]; the next batch tries anew.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use rusqlite::Connection;
use tokio::sync::mpsc;

use super::checkpoint::Checkpointer;
use super::file::Lock;
use crate::store::StoreError;
use crate::store::sql::commands::{BATCH, Batch, Command, Commands};

/// The callers' end of the writer. Dropping it carries out what is queued,
/// empties the write-ahead log into the database and frees the file.
pub(super) struct Writer {
    commands: Option<Commands<Connection>>,
    thread: Option<JoinHandle<()>>,
    path: Arc<str>,
}

impl Writer {
    /// Starts the thread, which owns the connection and the file's lock from now on.
    pub(super) fn start(
        conn: Connection,
        lock: Lock,
        path: Arc<str>,
        checkpointer: Checkpointer,
    ) -> Result<Self, StoreError> {
        let (commands, receiver) = Commands::queue();
        let worker = Worker { conn, checkpointer, commands: receiver, path: Arc::clone(&path), _lock: lock };
        let thread = Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || worker.work())
            .map_err(|e| StoreError::Unavailable(format!("cannot start the store's writer: {e}")))?;
        Ok(Self { commands: Some(commands), thread: Some(thread), path })
    }

    /// Has `work` carried out in a transaction; returns when that is synced.
    pub(super) async fn call<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let gone = || StoreError::Unavailable("the writer has stopped".to_owned());
        let commands = self.commands.as_ref().ok_or_else(gone)?;
        commands.call(work).await.map_err(|error| error.at(&self.path))
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
    commands: mpsc::Receiver<Box<dyn Command<Connection>>>,
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

    fn transact(&self, batch: &mut Batch<Connection>) -> Result<(), StoreError> {
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
    fn step(&self, command: &mut dyn Command<Connection>) -> Result<(), StoreError> {
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

#[cfg(test)]
mod tests {
    use futures_util::future::{join, join3};
    use tempfile::TempDir;

    use super::super::{Retention, SqliteStore};
    use super::*;

    fn open() -> (TempDir, SqliteStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("larkhorn.db"), Retention::default()).unwrap();
        (folder, store)
    }

    fn insert(conn: &Connection, value: &str) -> Result<(), StoreError> {
        conn.execute("INSERT INTO directory (kind, value, looked_up_at) VALUES ('email', ?1, '')", [value])?;
        Ok(())
    }

    async fn values(store: &SqliteStore) -> Vec<String> {
        let read = |conn: &Connection| {
            let mut select = conn.prepare("SELECT value FROM directory ORDER BY value")?;
            let values = select.query_map((), |row| row.get(0))?.collect::<Result<_, _>>()?;
            Ok(values)
        };
        store.backend.readers.read(read).await.unwrap()
    }

    /// Keeps the writer busy until `then` has queued its commands, so that
    /// they share a transaction.
    async fn together<T>(store: &SqliteStore, then: impl Future<Output = T>) -> T {
        let (go, gate) = std::sync::mpsc::channel::<()>();
        let busy = store.backend.writer.call(move |_| Ok(gate.recv().is_ok()));
        let queued = async {
            tokio::task::yield_now().await;
            go.send(()).unwrap();
        };
        // Polled in this order: the gate closes, the commands queue up, it opens.
        let (_, result, ()) = join3(busy, then, queued).await;
        result
    }

    #[tokio::test]
    async fn a_command_that_fails_is_undone_alone() {
        let (_folder, store) = open();
        let good = store.backend.writer.call(|conn| insert(conn, "good"));
        let bad = store.backend.writer.call(|conn| {
            insert(conn, "bad")?;
            Err::<(), _>(StoreError::Conflict)
        });
        let panicking = store.backend.writer.call(|conn| -> Result<(), StoreError> {
            insert(conn, "worse")?;
            panic!("a bug, for the test")
        });
        let (good, bad, panicking) = together(&store, join3(good, bad, panicking)).await;
        assert!(good.is_ok());
        assert!(matches!(bad, Err(StoreError::Conflict)));
        assert!(panicking.unwrap_err().to_string().contains("panicked"));
        assert_eq!(values(&store).await, ["good"]);
    }

    #[tokio::test]
    async fn when_the_commit_fails_nobody_is_told_otherwise() {
        let (_folder, store) = open();
        let good = store.backend.writer.call(|conn| insert(conn, "good"));
        let spoiler = store.backend.writer.call(|conn| {
            conn.execute_batch("PRAGMA defer_foreign_keys = ON")?;
            conn.execute("INSERT INTO pins_wanted VALUES (99, 'nowhere', 'nobody')", ())?;
            Ok(())
        });
        let (good, spoiler) = together(&store, join(good, spoiler)).await;
        for outcome in [good, spoiler] {
            assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
        }
        assert_eq!(values(&store).await, [""; 0]);
        store.backend.writer.call(|conn| insert(conn, "later")).await.unwrap();
        assert_eq!(values(&store).await, ["later"]);
    }

    #[tokio::test]
    async fn a_full_disk_refuses_and_heals() {
        let (_folder, store) = open();
        store.backend.writer.call(|conn| insert(conn, "before")).await.unwrap();
        let limit = |pages: i64| {
            store.backend.writer.call(move |conn| {
                Ok(conn.pragma_update_and_check(None, "max_page_count", pages, |row| row.get::<_, i64>(0))?)
            })
        };
        limit(1).await.unwrap();
        let small = store.backend.writer.call(|conn| insert(conn, "small"));
        let large = store.backend.writer.call(|conn| insert(conn, &"x".repeat(100_000)));
        let (small, large) = together(&store, join(small, large)).await;
        let why = large.unwrap_err().to_string();
        assert!(why.contains("full") && why.contains("larkhorn.db"), "{why}");
        let kept = values(&store).await;
        assert!(kept.contains(&"before".to_owned()));
        assert_eq!(kept.contains(&"small".to_owned()), small.is_ok(), "the answer is the truth");
        limit(100_000).await.unwrap();
        store.backend.writer.call(|conn| insert(conn, &"y".repeat(100_000))).await.unwrap();
    }

    #[tokio::test]
    async fn what_was_answered_survives_a_power_cut() {
        let (folder, store) = open();
        store.backend.writer.call(|conn| insert(conn, "kept")).await.unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        for file in ["larkhorn.db", "larkhorn.db-wal"] {
            std::fs::copy(folder.path().join(file), elsewhere.path().join(file)).unwrap();
        }
        let copy = SqliteStore::open(&elsewhere.path().join("larkhorn.db"), Retention::default()).unwrap();
        assert_eq!(values(&copy).await, ["kept"]);
    }

    #[tokio::test]
    async fn closing_carries_out_what_is_queued_and_empties_the_log() {
        let (folder, store) = open();
        let queued =
            (0..300).map(|n| store.backend.writer.call(move |conn| insert(conn, &format!("{n:03}"))));
        for call in queued {
            tokio::select! {
                biased;
                _ = call => {}
                () = std::future::ready(()) => {}
            }
        }
        drop(store);
        let log = folder.path().join("larkhorn.db-wal");
        assert!(std::fs::metadata(log).map_or(0, |file| file.len()) == 0);
        let store = SqliteStore::open(&folder.path().join("larkhorn.db"), Retention::default()).unwrap();
        assert_eq!(values(&store).await.len(), 300);
    }
}
