//! Opens the store that the settings name, and has it kept small.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::domain::Clock;
use crate::settings::{self, StoreUrl};
use crate::store::postgres::{Options, PostgresStore, Wake};
use crate::store::sqlite::SqliteStore;
use crate::store::{Retention, Store, StoreError};
use crate::telemetry::Metrics;
use crate::worker::replicas::Part;

/// How often what is long over is let go.
const EVERY: Duration = Duration::from_mins(10);
/// Incidents let go at a time: one transaction, which must not hold up a page.
const HELPING: usize = 200;

/// Opens the store. Blocks, so not for async threads. `wake`: whom to wake when
/// another replica has put something in.
///
/// # Errors
///
/// Why it cannot be opened, with the way out.
pub(super) fn open(settings: &settings::Store, wake: Option<Wake>) -> anyhow::Result<Arc<dyn Store>> {
    let retention = Retention { age: settings.keep_webhooks, bytes: settings.keep_webhooks_bytes };
    Ok(match &settings.url {
        StoreUrl::Sqlite(path) => Arc::new(
            SqliteStore::open(path, retention).context("cannot open the store; store.url names its file")?,
        ),
        StoreUrl::Postgres(url) => {
            let options = Options {
                url: url.clone(),
                password: settings.password.clone(),
                name: name(),
                connections: settings.connections,
                retention,
            };
            Arc::new(
                PostgresStore::open(&options, wake)
                    .context("cannot open the store; store.url names its database")?,
            )
        }
    })
}

/// Whether the store is a file that is yet to be made.
pub(super) fn is_new(settings: &settings::Store) -> bool {
    matches!(&settings.url, StoreUrl::Sqlite(path) if !path.exists())
}

/// Opens the store that the settings name, to look into it. Blocks.
///
/// # Errors
///
/// As [`open`].
pub fn open_store(settings: &settings::Store) -> anyhow::Result<Arc<dyn Store>> {
    open(settings, None)
}

/// What this process is called among its replicas: its machine and its number there.
pub(super) fn name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    format!("{}/{}", if host.is_empty() { "unknown" } else { host }, std::process::id())
}

/// Lets go of what is long over while this process leads, and tells how much room
/// the store takes.
pub(super) struct Keeper {
    pub(super) store: Arc<dyn Store>,
    pub(super) keep_resolved: SignedDuration,
    pub(super) metrics: Metrics,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) part: Part,
}

impl Keeper {
    /// Looks again and again until `stop` turns true.
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        loop {
            if let Err(error) = self.tidy_up().await {
                tracing::warn!(%error, "what is long over cannot be let go");
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    async fn tidy_up(&self) -> Result<(), StoreError> {
        let before = self.clock.now().checked_sub(self.keep_resolved).unwrap_or(Timestamp::MIN);
        while self.part.borrow().leads {
            if self.store.forget(before, HELPING).await? < u64::try_from(HELPING).unwrap_or(u64::MAX) {
                break;
            }
        }
        self.metrics.store_bytes(self.store.size_bytes().await?);
        Ok(())
    }
}
