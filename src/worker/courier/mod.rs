//! The courier: jobs of the outbox → Feishu and Alertmanager, and what came of them back.
//!
//! Claims jobs by urgency, as fast as Feishu allows (`pace`), carries them out side by side, and reports each in
//! one transaction. The claim is the intent, committed before the call; a claim
//! that was never reported means that the outcome is unknown.
//!
//! # Invariants
//!
//! * Cards are rendered when they are sent, so they never show an old state on purpose.
//! * A card is posted with the job's own `uuid`: repeating it posts nothing twice.
//! * An SMS or phone buzz whose outcome is unknown is repeated only after
//!   [`PAID_PAUSE`], and never once the incident is answered or over; an app
//!   buzz after the usual pause. What surely was not done is tried until it is.
//! * Whatever is given up is in the timeline, with what is done instead.
//!
//! What a refusal means is said by `feishu::Verdict`, who is paged by
//! `escalation`; here it is decided when to try again and which way round.

mod backoff;
mod budget;
mod buzz;
mod cards;
mod fallback;
mod forms;
mod invite;
mod pace;
mod people;
mod pins;
mod reach;
mod remind;
mod share;
mod silence;
mod storms;
mod tell;
mod unreached;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use self::pace::Busy;
pub use self::reach::Reach;
use crate::alertmanager;
use crate::domain::{Clock, Destination, Happening, Incident, Job, TimelineEntry, Urgent};
use crate::feishu::{CallError, Cards, Client, Placed, Verdict};
use crate::rules::RuleSet;
use crate::settings::UrgentVia;
use crate::store::{Claim, JobEnd, NewJob, PinState, Report, Store, StoreError};
use crate::telemetry::{Metrics, Tap};
use crate::worker::purse::Purse;
use crate::worker::sinks::Sinks;
use crate::worker::told;

/// How long a claim lasts. Longer than all calls of a job may take together.
const LEASE: SignedDuration = SignedDuration::from_mins(3);
/// Pause after the store failed a job.
const STORE_PAUSE: SignedDuration = SignedDuration::from_secs(1);
/// Pause before what came of a job is told to the store again.
const REPORT_PAUSE: Duration = Duration::from_millis(500);
/// How often that is tried: as long as the claim lasts.
const REPORTS_MAX: u32 = 300;
/// How often the outbox is looked at without being woken.
const POLL: Duration = Duration::from_millis(250);
/// Pause before an SMS or call whose outcome is unknown is made again.
const PAID_PAUSE: SignedDuration = SignedDuration::from_secs(60);
/// Attempts after which those who wait behind a job need not wait any longer.
const PATIENCE: u32 = 3;

/// See the module.
pub struct Courier {
    store: Arc<dyn Store>,
    client: Client,
    cards: Arc<ArcSwap<Cards>>,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    urgent_via: UrgentVia,
    alertmanager: Option<alertmanager::Client>,
    reach: Arc<Reach>,
    sinks: Option<Arc<Sinks>>,
    purse: Option<Purse>,
    rules: Option<Arc<ArcSwap<RuleSet>>>,
    tap: Tap,
}

/// What came of working on a job.
struct Outcome {
    end: JobEnd,
    card: Option<crate::store::Card>,
    pins: Vec<(crate::domain::Person, PinState)>,
    timeline: Vec<Happening>,
    /// Names of people who were not buzzed although it was paid for.
    unspent: Vec<String>,
    /// More work, and how long it waits.
    follow_ups: Vec<(Job, SignedDuration)>,
    /// When the ladder must climb on at the latest.
    due_by: Option<Timestamp>,
}

impl Outcome {
    fn done() -> Self {
        Self {
            end: JobEnd::Done,
            card: None,
            pins: Vec::new(),
            timeline: Vec::new(),
            unspent: Vec::new(),
            follow_ups: Vec::new(),
            due_by: None,
        }
    }

    fn retry(at: Timestamp, holds_lane: bool) -> Self {
        Self { end: JobEnd::Retry { at, holds_lane }, ..Self::done() }
    }

    fn note(mut self, what: Happening) -> Self {
        self.timeline.push(what);
        self
    }
}

impl Courier {
    /// A courier between a store and Feishu.
    pub fn new(
        store: Arc<dyn Store>,
        client: Client,
        cards: Arc<ArcSwap<Cards>>,
        metrics: Metrics,
        clock: Arc<dyn Clock>,
        urgent_via: UrgentVia,
    ) -> Self {
        Self {
            store,
            client,
            cards,
            metrics,
            clock,
            urgent_via,
            alertmanager: None,
            reach: Arc::default(),
            sinks: None,
            purse: None,
            rules: None,
            tap: Tap::default(),
        }
    }

    /// The same courier, sharing what is known of Feishu's reach with whoever
    /// hears its answers.
    #[must_use]
    pub fn with_reach(self, reach: Arc<Reach>) -> Self {
        Self { reach, ..self }
    }

    /// The same courier, with other ways to tell people while Feishu is out of reach.
    #[must_use]
    pub fn with_sinks(self, sinks: Option<Arc<Sinks>>) -> Self {
        Self { sinks, ..self }
    }

    /// The same courier, able to silence alerts there.
    #[must_use]
    pub fn with_alertmanager(self, alertmanager: alertmanager::Client) -> Self {
        Self { alertmanager: Some(alertmanager), ..self }
    }

    /// The same courier, which calls and texts people as far as the purse allows.
    #[must_use]
    pub fn with_purse(self, purse: Purse) -> Self {
        Self { purse: Some(purse), ..self }
    }

    /// The same courier, sharing buzzes as the rules say.
    #[must_use]
    pub fn with_rules(self, rules: Arc<ArcSwap<RuleSet>>) -> Self {
        Self { rules: Some(rules), ..self }
    }

    /// The same courier, telling those who watch what it delivers.
    #[must_use]
    pub fn with_tap(self, tap: Tap) -> Self {
        Self { tap, ..self }
    }

    /// Carries out the jobs that can be begun now, one helping; how many there were.
    ///
    /// # Errors
    ///
    /// When the store cannot give out jobs.
    pub async fn turn(&self) -> Result<usize, StoreError> {
        let claims = self.claim(Busy::default()).await?;
        let count = claims.len();
        join_all(claims.into_iter().map(|claim| self.carry_out(claim))).await;
        Ok(count)
    }

    /// The same, one job after the other: the same jobs lead to the same world.
    ///
    /// # Errors
    ///
    /// When the store cannot give out jobs.
    pub async fn turn_in_order(&self) -> Result<usize, StoreError> {
        let claims = self.claim(Busy::default()).await?;
        let count = claims.len();
        for claim in claims {
            self.carry_out(claim).await;
        }
        Ok(count)
    }

    /// When something that waits for Feishu's allowance can go on.
    pub fn opens_at(&self) -> Option<Timestamp> {
        self.client.openings(self.clock.now()).next
    }

    /// Works until `stop` turns true, then finishes what is in flight.
    /// A slow call holds up nobody but itself.
    pub async fn run(self: Arc<Self>, signal: Arc<Notify>, mut stop: watch::Receiver<bool>) {
        let (mut loud, mut quiet) = (JoinSet::new(), JoinSet::new());
        while !*stop.borrow() {
            let busy = Busy { loud: loud.len(), quiet: quiet.len() };
            let claims = self.claim(busy).await.unwrap_or_else(|error| {
                tracing::error!(%error, "the outbox cannot be read");
                Vec::new()
            });
            for claim in claims {
                let courier = Arc::clone(&self);
                let hands = if pace::is_loud(&claim) { &mut loud } else { &mut quiet };
                hands.spawn(async move { courier.carry_out(claim).await });
            }
            tokio::select! {
                () = signal.notified() => {}
                Some(joined) = loud.join_next() => log_panic(&joined),
                Some(joined) = quiet.join_next() => log_panic(&joined),
                () = tokio::time::sleep(self.closed_for(POLL)) => {}
                changed = stop.changed() => if changed.is_err() { break },
            }
        }
        for mut hands in [loud, quiet] {
            while let Some(joined) = hands.join_next().await {
                log_panic(&joined);
            }
        }
    }

    async fn carry_out(&self, claim: Claim) {
        let leave = self.leave(&claim);
        let outcome = match &claim.job {
            Job::Post { to } => self.post(&claim, to).await,
            Job::Edit { to } => self.edit(&claim, to).await,
            Job::Buzz { .. } => self.buzz(&claim).await,
            Job::Remind { to, person } => self.remind(&claim, to, person).await,
            Job::Tell { to, step, people } => self.tell_step(&claim, to, *step, people).await,
            Job::Pin { to } => self.pin(&claim, to).await,
            Job::Storm { to, storm } => self.storm(&claim, to, *storm).await,
            Job::Silence { until, author } => self.silence(&claim, *until, author).await,
            Job::EndSilence => self.end_silence(&claim).await,
            Job::Fallback { sink, urgent, people } => {
                self.tell_otherwise(&claim, (sink, *urgent, people)).await
            }
        };
        let outcome = match outcome {
            Ok(outcome) => self.or_otherwise(&claim, outcome).await,
            Err(error) => Err(error),
        };
        let outcome = outcome.unwrap_or_else(|error| {
            // No job asks the store for anything after it has urged somebody.
            tracing::error!(job = claim.ticket.job.0, kind = claim.job.kind(), %error, "the store failed a job");
            let at = self.clock.now().checked_add(STORE_PAUSE).unwrap_or(Timestamp::MAX);
            Outcome::retry(at, true)
        });
        drop(leave);
        self.write_down(&claim, outcome).await;
    }

    async fn write_down(&self, claim: &Claim, outcome: Outcome) {
        let report = self.report(claim, outcome);
        let watched = self.tap.is_watched().then(|| told::delivered(claim, &report));
        let mut patience = REPORTS_MAX;
        while let Err(error) = self.store.report(report.clone()).await {
            let (job, kind) = (claim.ticket.job.0, claim.job.kind());
            patience = patience.saturating_sub(1);
            if patience == 0 || matches!(error, StoreError::Conflict) {
                // The claim runs out and the job is found again, marked as interrupted.
                tracing::error!(job, kind, %error, "what came of a job cannot be kept");
                return;
            }
            // A phone that has rung must not ring again for the sake of a database that restarts.
            tracing::warn!(job, kind, %error, "what came of a job cannot be kept yet");
            tokio::time::sleep(REPORT_PAUSE).await;
        }
        for news in watched.into_iter().flatten() {
            self.tap.tell(|| news);
        }
    }

    fn report(&self, claim: &Claim, outcome: Outcome) -> Report {
        let at = self.clock.now();
        let urgency = claim.job.loudness();
        let new_job = |(job, pause): (Job, SignedDuration)| {
            let run_at = at.checked_add(pause).unwrap_or(Timestamp::MAX);
            NewJob { priority: job.priority(urgency), job, run_at }
        };
        Report {
            due_by: outcome.due_by,
            rang: rang(&outcome.timeline),
            card: outcome.card,
            pins: outcome.pins,
            timeline: outcome.timeline.into_iter().map(|what| TimelineEntry { at, what }).collect(),
            unspent: outcome.unspent,
            follow_ups: outcome.follow_ups.into_iter().map(new_job).collect(),
            ..claim.report(at, outcome.end)
        }
    }

    /// The incident a job is for; `None` if it is gone, and the job with it.
    async fn incident(&self, claim: &Claim) -> Result<Option<Incident>, StoreError> {
        match claim.incident {
            Some(id) => self.store.incident(id).await,
            None => Ok(None),
        }
    }

    /// What to do about a call that failed in a way that time may heal; `None`
    /// when trying again is no use.
    fn again(&self, claim: &Claim, error: &CallError) -> Option<Outcome> {
        let now = self.clock.now();
        let pause = match error.verdict {
            Verdict::NotYet(at) => return Some(pace::put_back(at)),
            Verdict::RetryAfter(pause) => backoff::at_least(pause, claim),
            Verdict::Unknown | Verdict::NotSent => backoff::growing(claim),
            Verdict::Credentials => backoff::operator(),
            Verdict::TargetInvalid
            | Verdict::NotInChat
            | Verdict::ChatGone
            | Verdict::PersonGone
            | Verdict::TooManyUnread
            | Verdict::QuotaUsedUp
            | Verdict::CardRejected
            | Verdict::TooLong
            | Verdict::ContentRefused
            | Verdict::MessageGone
            | Verdict::Forbidden
            | Verdict::GiveUp => return None,
        };
        let at = now.checked_add(pause).unwrap_or(Timestamp::MAX);
        let outcome = Outcome::retry(at, claim.attempts + 1 < PATIENCE);
        // Once is enough: an outage would fill the timeline.
        Some(match claim.attempts {
            0 => {
                outcome.note(cards::failed(claim, claim.job.kind(), &error.to_string(), "it is tried again"))
            }
            _ => outcome,
        })
    }

    /// Logs and counts a failed call, once. One that was not made yet has not failed.
    fn count_failure(&self, claim: &Claim, channel: &str, error: &CallError) {
        if matches!(error.verdict, Verdict::NotYet(_)) {
            return;
        }
        self.metrics.notification_failed(channel, error.verdict.as_str());
        let incident = claim.incident.map(|id| id.to_string());
        let to = claim.job.to().map(ToString::to_string);
        let attempt = claim.attempts + 1;
        if error.verdict.needs_operator() {
            tracing::error!(incident, to, attempt, %error, "Feishu refused, and will until an operator mends it");
        } else {
            tracing::warn!(incident, to, attempt, %error, "Feishu refused");
        }
    }
}

/// Whose buzz Feishu has accepted, and how loud it was.
fn rang(timeline: &[Happening]) -> Vec<(String, Urgent)> {
    let buzzed = timeline.iter().filter_map(|what| {
        let Happening::Buzzed { urgent, people, .. } = what else { return None };
        Some((*urgent, people))
    });
    buzzed.flat_map(|(urgent, people)| people.iter().map(move |name| (name.clone(), urgent))).collect()
}

/// Where lines about an incident are shown: conversations with the bot have no threads.
fn placed(incident: &Incident, to: &Destination) -> Placed {
    match to {
        Destination::Chat(_) if incident.thread => Placed::InThread,
        Destination::Chat(_) | Destination::Direct(_) => Placed::InChat,
    }
}

fn log_panic(joined: &Result<(), tokio::task::JoinError>) {
    if let Err(error) = joined {
        tracing::error!(%error, "carrying out a job failed; it is tried again when its claim runs out");
    }
}
