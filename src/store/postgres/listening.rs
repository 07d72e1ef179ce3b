//! Hears that another process has put something in.
//!
//! It only makes others quick: whoever is woken looks into the database, and
//! looks by itself when nobody wakes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::sync::Notify;

use super::address::Address;
use crate::store::StoreError;

/// How often it looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(500);
/// After so many quiet looks the server is asked whether it is still there.
const ASK_AFTER: u32 = 10;
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
    client.batch("LISTEN larkhorn")?;
    let schema = client.prepare("SELECT current_schema()::text")?;
    let schema = client.query(&schema, &[])?;
    let schema: &str = schema.first().map_or(Ok("public"), |row| row.try_get(0))?;
    let inbox = format!("{schema}.inbox");
    // Whatever came before is found once.
    wake.inbox.notify_one();
    wake.outbox.notify_one();
    let mut quiet = 0;
    while !stop.load(Ordering::Relaxed) {
        match client.hear(LOOK)? {
            Some(told) if told == inbox => wake.inbox.notify_one(),
            Some(_) => wake.outbox.notify_one(),
            None => quiet += 1,
        }
        if quiet == ASK_AFTER {
            // Who says nothing may be gone.
            client.batch("SELECT 1")?;
            quiet = 0;
        }
    }
    Ok(())
}
