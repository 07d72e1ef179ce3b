//! The thread that keeps webhooks: many in one statement, beside all other writing.
//!
//! Appending to the inbox decides nothing, so it waits for nobody who does.

use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use super::address::Address;
use super::session::Session;
use super::writer::Line;
use crate::store::sql::commands::BATCH;
use crate::store::sql::{inbox, stamp};
use crate::store::{InboxId, NewDelivery, StoreError};

/// Bodies kept by one statement, at most, in bytes (but at least one).
const BYTES_MAX: usize = 4 << 20;
/// Webhooks that may queue before callers have to wait.
const QUEUE: usize = 512;

/// Appends many at once. Whoever is inserted first has the smaller number.
const APPEND: &str = "
    INSERT INTO inbox (source, kind, received_at, size, body)
    SELECT source, kind, received_at, length(body), body
    FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[])
         WITH ORDINALITY AS given (source, kind, received_at, body, nth)
    ORDER BY nth RETURNING id";

type Caller = oneshot::Sender<Result<InboxId, StoreError>>;

/// A webhook and who waits for it to be kept.
struct Waiting {
    delivery: NewDelivery,
    caller: Caller,
}

/// The callers' end.
pub(super) struct Intake {
    queue: Option<mpsc::Sender<Waiting>>,
    thread: Option<JoinHandle<()>>,
}

impl Intake {
    pub(super) fn start(address: Address) -> Result<Self, StoreError> {
        let (queue, receiver) = mpsc::channel(QUEUE);
        let line = Line { address, session: None, failed: None };
        let worker = Worker { line, queue: receiver };
        let thread = Builder::new()
            .name("store-intake".to_owned())
            .spawn(move || worker.work())
            .map_err(|e| StoreError::Unavailable(format!("cannot start the store's intake: {e}")))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Keeps a webhook; returns when it is synced.
    pub(super) async fn accept(&self, delivery: NewDelivery) -> Result<InboxId, StoreError> {
        let gone = || StoreError::Unavailable("the intake has stopped".to_owned());
        let (caller, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(gone)?;
        queue.send(Waiting { delivery, caller }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.queue = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's intake ended in a panic");
        }
    }
}

struct Worker {
    line: Line,
    queue: mpsc::Receiver<Waiting>,
}

impl Worker {
    fn work(mut self) {
        let mut gathered = Vec::with_capacity(BATCH);
        while self.queue.blocking_recv_many(&mut gathered, BATCH) > 0 {
            let mut rest = gathered.drain(..).peekable();
            while rest.peek().is_some() {
                let mut bytes = 0_usize;
                let mut batch = Vec::new();
                while let Some(next) = rest.next_if(|next| {
                    batch.is_empty() || bytes.saturating_add(next.delivery.body.len()) <= BYTES_MAX
                }) {
                    bytes = bytes.saturating_add(next.delivery.body.len());
                    batch.push(next);
                }
                keep(&mut self.line, batch);
            }
        }
    }
}

fn keep(line: &mut Line, batch: Vec<Waiting>) {
    let deliveries: Vec<&NewDelivery> = batch.iter().map(|waiting| &waiting.delivery).collect();
    let began = Instant::now();
    let kept = line.session().and_then(|session| append(session, &deliveries));
    let kept = kept.map_err(|error| line.address.named(error));
    match kept {
        Ok(ids) => {
            for (waiting, id) in batch.into_iter().zip(ids) {
                answer(waiting.caller, Ok(id));
            }
        }
        Err(error) => {
            tracing::error!(webhooks = batch.len(), "they could not be kept: {error}");
            line.hang_up(began);
            let why = error.to_string();
            for waiting in batch {
                answer(waiting.caller, Err(StoreError::Unavailable(why.clone())));
            }
        }
    }
}

fn answer(caller: Caller, with: Result<InboxId, StoreError>) {
    if caller.send(with).is_err() {
        tracing::trace!("a sender has gone away before its webhook was kept");
    }
}

fn append(session: &Session, deliveries: &[&NewDelivery]) -> Result<Vec<InboxId>, StoreError> {
    if let [large] = deliveries
        && large.body.len() > inbox::PART
    {
        session.execute("BEGIN")?;
        let id = inbox::accept(session, large)?;
        session.commit()?;
        return Ok(vec![id]);
    }
    let text = |read: fn(&NewDelivery) -> String| -> Vec<String> {
        deliveries.iter().map(|delivery| read(delivery)).collect()
    };
    let sources = text(|delivery| delivery.source.replace('\0', "\u{fffd}"));
    let kinds = text(|delivery| delivery.kind.as_str().to_owned());
    let received = text(|delivery| stamp(delivery.received_at));
    let bodies: Vec<&[u8]> = deliveries.iter().map(|delivery| delivery.body.as_ref()).collect();
    let rows = session.query(APPEND, &[&sources, &kinds, &received, &bodies])?;
    let mut ids = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<i64>, _>>()?;
    ids.sort_unstable();
    Ok(ids.into_iter().map(InboxId).collect())
}
