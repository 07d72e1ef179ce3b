//! Keeps the long connection to Feishu open: connects, lets the session run,
//! and connects again, until it is told to stop.
//!
//! It never gives up. What may pass is tried on Feishu's own schedule; what
//! only somebody's hands can help (a wrong secret, too many connections) is
//! said once as an error with the way out, and tried every ten minutes, so that
//! nobody has to restart a pager after mending something in the console.
//!
//! While it is down pages go out all the same, but buttons, replies and emoji
//! do nothing. [`Line`] tells since when.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

use crate::domain::Clock;
use crate::feishu::Client;
use crate::feishu::listening::Listener;
use crate::feishu::long_connection::{Ended, NotOpened, Pace, Verdict, told_to_stop};
use crate::telemetry::Metrics;

/// Whether Feishu can reach us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Since when it has been as it is.
    pub since: Timestamp,
    /// Why it is down, in words for an operator; `None`: it is up.
    pub trouble: Option<String>,
}

/// See the module.
pub struct LongConnection {
    client: Client,
    listener: Arc<dyn Listener>,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    line: watch::Sender<Line>,
}

/// What became of a try.
enum Outcome {
    /// It was open and is no longer.
    Ended(Ended),
    /// It did not come to be.
    Failed(NotOpened),
}

impl LongConnection {
    /// Connects to nothing yet.
    pub fn new(client: Client, listener: Arc<dyn Listener>, metrics: Metrics, clock: Arc<dyn Clock>) -> Self {
        metrics.long_connection(false);
        let trouble = Some("it has not been opened yet".to_owned());
        let line = watch::Sender::new(Line { since: clock.now(), trouble });
        Self { client, listener, metrics, clock, line }
    }

    /// Whether it is up, and every change of that.
    pub fn line(&self) -> watch::Receiver<Line> {
        self.line.subscribe()
    }

    /// Keeps it open until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut pace = Pace::default();
        let mut failures = 0_u32;
        loop {
            let tried = tokio::select! {
                tried = self.client.open_long_connection() => tried,
                () = told_to_stop(&mut stop) => return,
            };
            let outcome = match tried {
                Ok(mut session) => {
                    self.up();
                    let ended = session.run(self.client.app_id(), &self.listener, &mut stop).await;
                    pace = session.pace();
                    // One that was cut before a word was spoken is a try that failed.
                    failures = if session.is_proven() { 0 } else { failures };
                    Outcome::Ended(ended)
                }
                Err(failed) => {
                    pace = failed.pace.unwrap_or(pace);
                    Outcome::Failed(failed)
                }
            };
            let verdict = match &outcome {
                Outcome::Ended(Ended::Stopped) => return self.metrics.long_connection(false),
                Outcome::Ended(_) => Verdict::Retry,
                Outcome::Failed(failed) => failed.verdict,
            };
            let (_, chance) = Uuid::new_v4().as_u64_pair();
            let pause = pace.pause(failures, verdict, chance);
            failures = failures.saturating_add(1);
            self.down(&outcome, pause);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = told_to_stop(&mut stop) => return,
            }
        }
    }

    fn up(&self) {
        self.metrics.long_connection(true);
        self.line.send_replace(Line { since: self.clock.now(), trouble: None });
        tracing::info!("the long connection to Feishu is up: buttons, replies and emoji arrive");
    }

    /// Says what is wrong and what to do. The same trouble again is no news.
    fn down(&self, outcome: &Outcome, pause: Duration) {
        self.metrics.long_connection(false);
        let trouble = outcome.trouble();
        let complaint = outcome.complaint(&trouble, &words(pause));
        let known = self.line.borrow().clone();
        if known.trouble.as_ref() == Some(&trouble) {
            tracing::debug!("{complaint}");
            return;
        }
        if outcome.needs_hands() {
            tracing::error!("{complaint}");
        } else {
            tracing::warn!("{complaint}");
        }
        // Another trouble than before is no other outage.
        let since = if known.trouble.is_some() { known.since } else { self.clock.now() };
        self.line.send_replace(Line { since, trouble: Some(trouble) });
    }
}

impl Outcome {
    fn trouble(&self) -> String {
        match self {
            Self::Ended(ended) => ended.to_string(),
            Self::Failed(failed) => failed.what.clone(),
        }
    }

    /// Whether it will not pass by itself.
    fn needs_hands(&self) -> bool {
        matches!(self, Self::Failed(NotOpened { verdict: Verdict::Stop(_), .. }))
    }

    fn complaint(&self, trouble: &str, again: &str) -> String {
        let harm = "buttons, replies and emoji do nothing";
        let log_id = match self {
            Self::Failed(NotOpened { log_id: Some(id), .. }) => format!(" (log id {id})"),
            Self::Ended(_) | Self::Failed(_) => String::new(),
        };
        match self {
            Self::Ended(_) => format!(
                "the long connection to Feishu broke: {trouble}; {harm} until it is back; trying again {again}"
            ),
            Self::Failed(NotOpened { verdict: Verdict::Retry, .. }) => format!(
                "the long connection to Feishu cannot be opened: {trouble}{log_id}; pages go out, but {harm}; trying again \
                 {again}"
            ),
            Self::Failed(NotOpened { verdict: Verdict::Stop(way_out), .. }) => format!(
                "Feishu refuses the long connection: {trouble}{log_id}; pages go out, but {harm} until somebody acts: \
                 {way_out}; trying again {again}, or restart larkhorn"
            ),
        }
    }
}

/// `in 7 s`, `in 10 min`.
fn words(pause: Duration) -> String {
    match pause.as_secs() {
        0 => "at once".to_owned(),
        seconds @ 1..=119 => format!("in {seconds} s"),
        seconds => format!("in {} min", seconds / 60),
    }
}
