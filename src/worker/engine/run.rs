//! The engine's turns, one after the other, whatever happens in one of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::{DELIVERIES_MAX, Engine};
use crate::domain::Clock;
use crate::store::StoreError;
use crate::worker::replicas::Part;

/// How often the store is looked into without being woken.
const POLL: Duration = Duration::from_millis(250);
/// Pause after a turn that failed.
const PAUSE: Duration = Duration::from_secs(1);
/// Crashes in a row after which a webhook is set aside.
const STRIKES_MAX: u32 = 3;

/// How a part of a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// There was something to do.
    Busy,
    /// There was nothing to do.
    Idle,
    /// The store cannot; bad luck, nobody's fault.
    Failed,
    /// It panicked.
    Crashed,
}

/// Suspicion against the webhook at the head of the inbox. One that crashes
/// the engine again and again must not hold up those behind it for ever.
#[derive(Debug, Default)]
struct Suspicion {
    strikes: u32,
}

impl Suspicion {
    /// How many webhooks to take next: after a crash one at a time, so that the
    /// guilty one is alone when it strikes again.
    fn helping(&self) -> usize {
        if self.strikes == 0 { DELIVERIES_MAX } else { 1 }
    }

    /// Whether the first webhook is to be set aside, after what just happened.
    fn convicts(&mut self, ended: Ended) -> bool {
        match ended {
            Ended::Busy | Ended::Idle => self.strikes = 0,
            Ended::Failed => {}
            Ended::Crashed => self.strikes += 1,
        }
        let convicted = self.strikes >= STRIKES_MAX;
        if convicted {
            self.strikes = 0;
        }
        convicted
    }
}

impl Engine {
    /// Turns while this process leads, until `stop` is true and the inbox is empty; quick when woken by
    /// `signal`, sure by polling. A crash of one part stops neither the other
    /// part nor the next turn.
    pub async fn run(
        self: Arc<Self>,
        clock: Arc<dyn Clock>,
        signal: Arc<Notify>,
        mut part: Part,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut suspicion = Suspicion::default();
        // The rules whose heartbeats are waited for.
        let mut aligned = None;
        loop {
            if !part.borrow_and_update().leads {
                // Whoever led meanwhile may have had other rules.
                aligned = None;
                tokio::select! {
                    changed = part.changed() => if changed.is_err() { return },
                    _ = stop.wait_for(|stop| *stop) => return,
                }
                continue;
            }
            let rules = self.rules.load_full();
            if aligned.as_ref().is_none_or(|known| !Arc::ptr_eq(known, &rules)) {
                let (engine, now, away) = (Arc::clone(&self), clock.now(), aligned.is_none());
                let work = async move { engine.align_heartbeats(away, now).await.map(|()| false) };
                if guarded("heartbeats", work).await == Ended::Idle {
                    aligned = Some(rules);
                }
            }
            let (engine, now) = (Arc::clone(&self), clock.now());
            let ticked = guarded("deadlines", async move { engine.take_due(now).await }).await;
            let (engine, now, awake) = (Arc::clone(&self), clock.now(), aligned.is_some());
            let silent =
                guarded("heartbeats", async move { Ok(awake && engine.take_silent(now).await?) }).await;
            let (engine, now, helping) = (Arc::clone(&self), clock.now(), suspicion.helping());
            let took = guarded("the inbox", async move { engine.take_inbox(helping, now).await }).await;
            if suspicion.convicts(took) {
                let (engine, now) = (Arc::clone(&self), clock.now());
                guarded("setting aside", async move { engine.set_aside_first(now).await }).await;
            }
            if [ticked, silent, took].iter().any(|ended| matches!(ended, Ended::Failed | Ended::Crashed)) {
                tokio::time::sleep(PAUSE).await;
            } else if [ticked, silent, took].contains(&Ended::Busy) {
                continue;
            }
            if *stop.borrow() {
                return;
            }
            tokio::select! {
                () = signal.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }
}

/// Runs a part of a turn on a task of its own and logs how it went wrong.
async fn guarded(what: &str, work: impl Future<Output = Result<bool, StoreError>> + Send + 'static) -> Ended {
    match tokio::spawn(work).await {
        Ok(Ok(true)) => Ended::Busy,
        Ok(Ok(false)) => Ended::Idle,
        Ok(Err(error)) => {
            tracing::error!(%error, "the engine cannot work on {what}");
            Ended::Failed
        }
        Err(error) => {
            tracing::error!(%error, "the engine crashed over {what}");
            Ended::Crashed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_crashes_the_engine_three_times_alone_is_set_aside() {
        let mut suspicion = Suspicion::default();
        assert_eq!(suspicion.helping(), DELIVERIES_MAX);
        assert!(!suspicion.convicts(Ended::Crashed));
        assert_eq!(suspicion.helping(), 1);
        assert!(!suspicion.convicts(Ended::Crashed));
        assert!(!suspicion.convicts(Ended::Failed), "a full disk is nobody's fault");
        assert!(suspicion.convicts(Ended::Crashed));
        assert_eq!(suspicion.helping(), DELIVERIES_MAX, "and the others go on");
    }

    #[test]
    fn a_turn_that_goes_well_clears_the_suspicion() {
        let mut suspicion = Suspicion::default();
        for ended in [Ended::Crashed, Ended::Crashed, Ended::Busy, Ended::Crashed, Ended::Crashed] {
            assert!(!suspicion.convicts(ended));
        }
    }
}
