//! Connections that only read.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::address::Address;
use super::session::Session;
use crate::store::StoreError;
use crate::store::sql::Db;

/// How long a caller waits in any case.
const PATIENCE: Duration = Duration::from_secs(20);

/// A pool of connections, opened as they are needed.
pub(super) struct Readers {
    address: Address,
    turns: Arc<Semaphore>,
    idle: Arc<Idle>,
}

/// Connections that wait for work. They end off the async threads, which must not block.
struct Idle(Mutex<Vec<Session>>);

impl Idle {
    fn take(&self) -> Option<Session> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn put(&self, session: Session) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        let sessions = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let ended = std::thread::Builder::new().name("store-end".to_owned()).spawn(move || drop(sessions));
        match ended.map(std::thread::JoinHandle::join) {
            Ok(Ok(())) => {}
            Ok(Err(_)) => tracing::error!("the store's readers ended in a panic"),
            Err(error) => tracing::error!(%error, "the store's readers could not be ended"),
        }
    }
}

impl Readers {
    /// At most `limit` at a time.
    pub(super) fn new(address: Address, limit: usize) -> Self {
        Self { address, turns: Arc::new(Semaphore::new(limit)), idle: Arc::new(Idle(Mutex::default())) }
    }

    /// Runs `work` off the async threads; all it reads is of one moment. Is a
    /// connection found to be lost, it is done once more with a new one.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Db) -> Result<T, StoreError> + Send + 'static,
    {
        let stopped = |why: String| StoreError::Unavailable(format!("a read was broken off: {why}"));
        let turn = Arc::clone(&self.turns).acquire_owned();
        let turn = tokio::time::timeout(PATIENCE, turn).await.map_err(|e| stopped(e.to_string()))?;
        let turn = turn.map_err(|e| stopped(e.to_string()))?;
        let (address, idle) = (self.address.clone(), Arc::clone(&self.idle));
        let read = move || {
            let _turn = turn;
            let session = begun(&address, &idle)?;
            let found = work(&session);
            if found.is_ok() && session.execute("COMMIT").is_ok() {
                idle.put(session);
            }
            found.map_err(|error| address.named(error))
        };
        tokio::task::spawn_blocking(read).await.map_err(|e| stopped(e.to_string()))?
    }
}

/// A connection in a transaction that reads.
fn begun(address: &Address, idle: &Idle) -> Result<Session, StoreError> {
    const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    while let Some(session) = idle.take() {
        // One that was lost meanwhile says so only when it is asked.
        if session.execute(BEGIN).is_ok() {
            return Ok(session);
        }
    }
    let session = address.connect()?;
    session.execute(BEGIN).map_err(|error| address.named(error))?;
    Ok(session)
}
