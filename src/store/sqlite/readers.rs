//! Connections that only read.
//!
//! In WAL mode a reader sees the last commit before it began, waits for
//! nobody and holds nobody up.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::file;
use crate::store::StoreError;

/// Reads at a time.
const READERS: usize = 4;

/// A pool of connections, opened as they are needed.
pub(super) struct Readers {
    path: PathBuf,
    turns: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), turns: Arc::new(Semaphore::new(READERS)), idle: Arc::default() }
    }

    /// Runs `work` off the async threads; all it reads is of one moment.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let stopped = |why: String| StoreError::Unavailable(format!("a read was broken off: {why}"));
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|e| stopped(e.to_string()))?;
        let (path, idle) = (self.path.clone(), Arc::clone(&self.idle));
        let read = move || {
            let _turn = turn;
            let spare = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let conn = spare.map_or_else(|| file::reader(&path), Ok)?;
            let moment = conn.unchecked_transaction()?;
            let found = work(&moment)?;
            moment.finish()?;
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
            Ok(found)
        };
        let found: Result<T, StoreError> =
            tokio::task::spawn_blocking(read).await.map_err(|e| stopped(e.to_string()))?;
        found.map_err(|error| error.at(&self.path.to_string_lossy()))
    }
}
