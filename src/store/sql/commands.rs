//! Work for a thread that writes, and the callers who wait for it.
//!
//! Commands from everywhere queue up; the thread takes what has gathered and
//! carries it out in one transaction, so that one sync of the disk serves many
//! (crates.md §2: 27 times the throughput at 2 ms per sync).
//!
//! # Invariants
//!
//! * Nobody is answered `Ok` before the transaction is committed.
//! * A caller that stops waiting changes nothing: what was queued is carried out.
//!
//! `C` is what a command is given: a connection in a transaction.

use tokio::sync::{mpsc, oneshot};

use crate::store::StoreError;

/// Commands per transaction, at most.
pub(in crate::store) const BATCH: usize = 256;
/// Commands that may queue before callers have to wait.
const QUEUE: usize = 1024;

/// A piece of work and the caller who waits for it.
pub(in crate::store) trait Command<C: ?Sized>: Send {
    /// Does it; whether its changes are to be kept.
    fn run(&mut self, conn: &C) -> bool;
    /// Undone because it panicked.
    fn panicked(&mut self);
    /// Answers the caller. `lost`: why the transaction was not committed.
    fn answer(self: Box<Self>, lost: Option<&str>);
}

/// Commands taken together.
pub(in crate::store) type Batch<C> = Vec<Box<dyn Command<C>>>;

struct Call<T, F> {
    work: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    caller: oneshot::Sender<Result<T, StoreError>>,
}

impl<C, T, F> Command<C> for Call<T, F>
where
    C: ?Sized,
    T: Send,
    F: FnOnce(&C) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, conn: &C) -> bool {
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

/// The callers' end. The thread ends when it is dropped and the queue is empty.
pub(in crate::store) struct Commands<C: ?Sized>(mpsc::Sender<Box<dyn Command<C>>>);

impl<C: ?Sized + 'static> Commands<C> {
    /// A queue, and the thread's end of it.
    pub(in crate::store) fn queue() -> (Self, mpsc::Receiver<Box<dyn Command<C>>>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), receiver)
    }

    /// Has `work` carried out in a transaction; returns when that is synced.
    pub(in crate::store) async fn call<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&C) -> Result<T, StoreError> + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let command: Box<dyn Command<C>> = Box::new(Call { work: Some(work), outcome: None, caller });
        let gone = || StoreError::Unavailable("the writer has stopped".to_owned());
        self.0.send(command).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}
