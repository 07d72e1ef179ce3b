//! Whether pages can go out, as far as one can tell without sending one.
//!
//! A late delivery is no reason by itself: one chat that refuses its card must
//! not take the whole pager out of a load balancer. The metrics tell its age.
//! Nor is a long connection that is down: pages go out without it, and
//! `larkhorn_long_connection_up` tells.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use super::age_seconds;
use crate::domain::Clock;
use crate::feishu::Client;
use crate::http::Readiness;
use crate::store::Store;
use crate::worker::replicas::Part;

/// Pause between looks at Feishu while it answers.
const WELL_PAUSE: Duration = Duration::from_mins(1);
/// Pause between looks at Feishu while it does not.
const ILL_PAUSE: Duration = Duration::from_secs(5);
/// An inbox older than this means that the engine does not keep up, in seconds.
const INBOX_LATE_SECONDS: f64 = 60.0;

/// Watches Feishu and the store.
pub(super) struct Watch {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    feishu: Mutex<Option<String>>,
    part: Part,
}

impl Watch {
    pub(super) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, part: Part) -> Arc<Self> {
        let unknown = Some("Feishu has not answered yet".to_owned());
        Arc::new(Self { store, clock, feishu: Mutex::new(unknown), part })
    }

    /// Asks Feishu who we are, again and again, until `stop` turns true.
    pub(super) async fn run(self: Arc<Self>, client: Client, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let problem = match client.bot_info(self.clock.now()).await {
                Ok(bot) if bot.is_active() => None,
                Ok(bot) => Some(format!("the bot {:?} is switched off in Feishu's console", bot.name)),
                Err(error) => Some(format!("Feishu: {error}")),
            };
            let pause = if problem.is_some() { ILL_PAUSE } else { WELL_PAUSE };
            self.tell(problem);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                changed = stop.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Logs a change once, not at every look.
    fn tell(&self, problem: Option<String>) {
        let mut known = self.feishu.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != problem {
            if let Some(problem) = &problem {
                tracing::error!("not ready: {problem}");
            } else {
                tracing::info!("Feishu answers; ready to page");
            }
            *known = problem;
        }
    }
}

#[async_trait]
impl Readiness for Watch {
    async fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> =
            self.feishu.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        let now = self.clock.now();
        match self.store.backlog().await {
            Ok(backlog) => {
                let inbox = age_seconds(backlog.inbox_oldest, now);
                if inbox > INBOX_LATE_SECONDS {
                    problems.push(format!("the oldest webhook has waited {inbox:.0} s to be dealt with"));
                }
            }
            Err(error) => problems.push(format!("store: {error}")),
        }
        problems
    }

    fn part(&self) -> Option<String> {
        let part = *self.part.borrow();
        (part.replicas > 1).then(|| {
            let lead = if part.leads { "this one leads" } else { "another one leads" };
            format!("one of {} replicas; {lead}", part.replicas)
        })
    }
}
