//! Moves the write-ahead log into the database, out of the writer's way.
//!
//! A thread of its own does it, [`PAUSE`] after a commit, and sleeps while nothing is
//! written. It works while the writer goes on, so it never gets to the log's
//! end under load, and only from there the log starts over. Hence, when the log
//! has grown past [`LOG_PAGES`], the writer itself moves the last bit, between two
//! batches: a few milliseconds, because the thread has just moved the rest.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;

use crate::store::StoreError;

const PAUSE: Duration = Duration::from_millis(200);
/// 32 MiB.
const LOG_PAGES: i64 = 8192;

/// Tells the thread what the writer did, and the writer when to help.
pub(super) struct Checkpointer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    help: AtomicBool,
}

#[derive(Default)]
struct State {
    written: bool,
    closed: bool,
}

impl Checkpointer {
    /// Starts the thread with a connection of its own.
    pub(super) fn start(conn: Connection) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared::default());
        let thread = Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || shared.run(&conn)
            })
            .map_err(|e| StoreError::Unavailable(format!("cannot start the store's checkpoints: {e}")))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Called by the writer between two batches.
    pub(super) fn after_commit(&self, conn: &Connection) {
        if self.shared.help.swap(false, Ordering::Relaxed) {
            checkpoint(conn, "PASSIVE");
        }
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        let news = !std::mem::replace(&mut state.written, true);
        drop(state);
        if news {
            self.shared.changed.notify_one();
        }
    }

    /// Ends the thread and empties the log; called by the writer at its end.
    pub(super) fn finish(&mut self, conn: &Connection) {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.shared.changed.notify_one();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's checkpoints ended in a panic");
        }
        checkpoint(conn, "TRUNCATE");
    }
}

impl Shared {
    fn run(&self, conn: &Connection) {
        while self.due() {
            if checkpoint(conn, "PASSIVE") > LOG_PAGES {
                checkpoint(conn, "PASSIVE");
                self.help.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Sleeps until a while after a commit; `false` once the store closes.
    fn due(&self) -> bool {
        let idle = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let written = self
            .changed
            .wait_while(idle, |s| !s.written && !s.closed)
            .unwrap_or_else(PoisonError::into_inner);
        let (mut state, _) = self
            .changed
            .wait_timeout_while(written, PAUSE, |s| !s.closed)
            .unwrap_or_else(PoisonError::into_inner);
        state.written = false;
        !state.closed
    }
}

/// Runs a checkpoint; the length of the log in pages. A failure is no loss:
/// the log still holds everything, and the next checkpoint tries again.
fn checkpoint(conn: &Connection, mode: &str) -> i64 {
    conn.query_row(&format!("PRAGMA wal_checkpoint({mode})"), (), |row| row.get(1)).unwrap_or_else(|error| {
        tracing::warn!("the store's log could not be moved into the database: {error}");
        0
    })
}
