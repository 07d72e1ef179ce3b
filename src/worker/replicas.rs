//! Says again and again that this process is at work, and learns its part among
//! those that share the store.
//!
//! # Invariants
//!
//! * At most one of them leads: a leader that could not say that it is alive for
//!   [`Attendance::TRUSTED`] stops leading, before the store takes it for dead.
//! * Together they make no more calls than Feishu allows one app.
//!
//! What a leader does alone: the engine's turns (webhooks, deadlines, heartbeats),
//! asking Alertmanager, alarms of its own, upkeep. Taking webhooks and answers and
//! carrying out jobs is everybody's.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::feishu::Client;
use crate::store::{Attendance, Store, StoreError};
use crate::telemetry::Metrics;

/// The part of this process, and every change of it.
pub type Part = watch::Receiver<Attendance>;

/// The part of a process that shares its store with nobody.
pub fn alone() -> Part {
    watch::Sender::new(Attendance::alone()).subscribe()
}

/// Hears what the store's clock says.
type Tune = Box<dyn Fn(Timestamp) + Send + Sync>;

/// See the module.
pub struct Replicas {
    store: Arc<dyn Store>,
    client: Client,
    metrics: Metrics,
    part: watch::Sender<Attendance>,
    tune: Tune,
    attended_at: Option<Instant>,
}

impl Replicas {
    /// Takes part for the first time. `tune` is told the time by the clock that all share,
    /// if there is one.
    ///
    /// # Errors
    ///
    /// When the store cannot.
    pub async fn join(
        store: Arc<dyn Store>,
        client: Client,
        metrics: Metrics,
        tune: Tune,
    ) -> Result<Self, StoreError> {
        let part = watch::Sender::new(Attendance { replicas: 1, leads: false });
        let mut replicas = Self { store, client, metrics, part, tune, attended_at: None };
        replicas.attend().await?;
        Ok(replicas)
    }

    /// The part, as it changes.
    pub fn part(&self) -> Part {
        self.part.subscribe()
    }

    /// Attends until `stop` turns true.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(Attendance::EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            // A store that hangs must not keep us from stepping down.
            match tokio::time::timeout(Attendance::TRUSTED, self.attend()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => self.missed(&error.to_string()),
                Err(_) => self.missed("the store does not answer"),
            }
        }
    }

    async fn attend(&mut self) -> Result<(), StoreError> {
        let asked_at = Instant::now();
        let part = self.store.attend().await?;
        if let Some(now) = self.store.time().await? {
            (self.tune)(now);
        }
        self.attended_at = Some(asked_at);
        self.change(part);
        Ok(())
    }

    fn missed(&self, why: &str) {
        let known = *self.part.borrow();
        tracing::warn!(why, "this replica could not say that it is at work");
        if known.leads && self.attended_at.is_none_or(|at| at.elapsed() >= Attendance::TRUSTED) {
            self.change(Attendance { leads: false, ..known });
        }
    }

    fn change(&self, part: Attendance) {
        let changed = self.part.send_if_modified(|known| std::mem::replace(known, part) != part);
        self.metrics.replicas(part.replicas, part.leads);
        self.client.share_among(part.replicas);
        if changed {
            let Attendance { replicas, leads } = part;
            tracing::info!(replicas, leads, "the part of this replica");
        }
    }
}
