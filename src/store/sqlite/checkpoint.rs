//! Moves the write-ahead log into the database, out of the writer's way.
//!
//! A thread of its own does it, [`PAUSE`] after a commit, and sleeps while nothing is
//! written. It works while the writer goes on, so it never gets to the log's
//! end under load, and only from there the log starts over. Hence, when the log
//! has grown past [`LOG_PAGES`], the writer itself moves the last bit, between two
//! batches: a few milliseconds, because the thread has just moved the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;

use crate::store::StoreError;

const PAUSE: Duration = Duration::from_millis(200);
/// 32 MiB.
const LOG_PAGES: i64 = 8192;

/// Tells the thread what the writer did, and the writer when to help.
pub(super) struct Checkpointer {
    /// `None` once it is finished.
    ends: Option<Ends>,
    help: Arc<AtomicBool>,
}

/// The thread ends when its channels do.
struct Ends {
    written: SyncSender<()>,
    stop: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Checkpointer {
    /// Starts the thread with a connection of its own.
    pub(super) fn start(conn: Connection) -> Result<Self, StoreError> {
        // One place each: a second "written" says nothing new, and "stop" is
        // said by hanging up.
        let (written, wake) = sync_channel(1);
        let (stop, stopped) = sync_channel(1);
        let help = Arc::new(AtomicBool::new(false));
        let thread = Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn({
                let help = Arc::clone(&help);
                move || run(&conn, &wake, &stopped, &help)
            })
            .map_err(|e| StoreError::Unavailable(format!("cannot start the store's checkpoints: {e}")))?;
        Ok(Self { ends: Some(Ends { written, stop, thread }), help })
    }

    /// Called by the writer between two batches.
    pub(super) fn after_commit(&self, conn: &Connection) {
        if self.help.swap(false, Ordering::Relaxed) {
            checkpoint(conn, "PASSIVE");
        }
        let told = self.ends.as_ref().map(|ends| ends.written.try_send(()));
        if let Some(Err(TrySendError::Disconnected(()))) = told {
            // Its thread is gone; do without it.
            checkpoint(conn, "PASSIVE");
        }
    }

    /// Ends the thread and empties the log; called by the writer at its end.
    pub(super) fn finish(&mut self, conn: &Connection) {
        if let Some(Ends { written, stop, thread }) = self.ends.take() {
            drop((written, stop));
            if thread.join().is_err() {
                tracing::error!("the store's checkpoints ended in a panic");
            }
        }
        checkpoint(conn, "TRUNCATE");
    }
}

fn run(conn: &Connection, written: &Receiver<()>, stopped: &Receiver<()>, help: &AtomicBool) {
    while written.recv().is_ok() {
        if stopped.recv_timeout(PAUSE) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        if checkpoint(conn, "PASSIVE") > LOG_PAGES {
            checkpoint(conn, "PASSIVE");
            help.store(true, Ordering::Relaxed);
        }
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
