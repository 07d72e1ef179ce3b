//! Hears that another process has put something in.
//!
//! It only makes others quick: whoever is woken looks into the database, and
//! looks by itself when nobody wakes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use postgres::Client;
use postgres::fallible_iterator::FallibleIterator as _;
use tokio::sync::Notify;

use super::address::{Address, plain};
use crate::store::StoreError;

/// How often it looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(500);
/// Between two attempts to reach the database.
const PAUSE: Duration = Duration::from_secs(1);

/// Whom to wake.
#[derive(Debug, Clone)]
pub struct Wake {
    /// When there are webhooks.
    pub inbox: Arc<Notify>,
    /// When there are jobs.
    pub outbox: Arc<Notify>,
}

/// The thread that listens, until it is dropped.
pub(super) struct Listening {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listening {
    pub(super) fn start(address: Address, wake: Wake) -> Result<Self, StoreError> {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = Builder::new()
            .name("store-listener".to_owned())
            .spawn({
                let stop = Arc::clone(&stop);
                move || {
                    while !stop.load(Ordering::Relaxed) {
                        if let Err(error) = listen(&address, &wake, &stop) {
                            tracing::debug!(%error, "nobody tells what is new; it is looked for by itself");
                            std::thread::sleep(PAUSE);
                        }
                    }
                }
            })
            .map_err(|e| StoreError::Unavailable(format!("cannot start the store's listener: {e}")))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's listener ended in a panic");
        }
    }
}

fn listen(address: &Address, wake: &Wake, stop: &AtomicBool) -> Result<(), StoreError> {
    let mut client = address.client()?;
    client.batch_execute("LISTEN larkhorn")?;
    let inbox = format!("{}.inbox", schema(&mut client)?);
    // Whatever came before is found once.
    wake.inbox.notify_one();
    wake.outbox.notify_one();
    while !stop.load(Ordering::Relaxed) {
        let told = client.notifications().timeout_iter(LOOK).next();
        match told.map_err(|error| address.unavailable(plain(&error)))? {
            Some(told) if told.payload() == inbox => wake.inbox.notify_one(),
            Some(_) => wake.outbox.notify_one(),
            None => {}
        }
        if client.is_closed() {
            return Err(address.unavailable("the connection ended"));
        }
    }
    Ok(())
}

fn schema(client: &mut Client) -> Result<String, StoreError> {
    Ok(client.query_one("SELECT current_schema()::text", &[])?.try_get(0)?)
}
