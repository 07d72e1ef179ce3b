//! How fast Feishu may be called: its documented rates, kept by counting
//! instead of being refused (feishu-api.md §2).
//!
//! Pure: `now` is an argument and nobody waits here. A call is admitted, or told
//! when to ask again; whoever is told so lets others go first meanwhile.
//!
//! # Who gets how much
//!
//! * An app may make 50 calls a second and 1000 a minute of each API. Phone and
//!   SMS pages, and the cards and lines they wait for, may use all of it; work
//!   for a buzz in the app stops at 96 %, all else at 90 %. So whatever storm
//!   has used up the minute, two pages a second and forty a minute get
//!   through at once, a hundred if the storm buzzes nobody. APIs that no page
//!   passes through (edits, pins) keep nothing free.
//! * A chat, a person and a message take 5 a second. There is too little to keep a
//!   share free; instead, quiet work spreads out as soon as more than half of
//!   that is used. A page then finds its turn within half a second.
//!
//! # Invariants
//!
//! * In no window, wherever it begins, are more calls admitted than the
//!   [`Allowance`] says. A call that is booked counts in all of them until it is
//!   made. Windows are stretched by [`SLACK`](log::SLACK), for calls that were
//!   longer on their way than those a window later.
//! * A refusal for speed closes that API (or that target) to all, as long as
//!   Feishu asks for. The second within a minute, and each after it, makes the
//!   rate a quarter smaller, down to a tenth; a minute without one gives back a
//!   twentieth of the whole. So a tenant that grants less than the documented
//!   rates is found out and lived with, and a stray refusal costs a moment.
//!
//! The order of those who wait is the store's business, waiting the courier's.

mod log;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use self::log::{Log, Terms, after};
use super::verdict::Api;
use crate::domain::{Destination, Headroom, JobId, MessageId, Urgent};

/// Added to the pause that Feishu asks for, which it counts from its answer and
/// we from our question.
const GRACE: SignedDuration = SignedDuration::from_millis(200);

/// So many calls within so long, wherever one begins to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Calls at most.
    pub calls: u32,
    /// In a window of this length.
    pub within: SignedDuration,
}

/// What one process may use of what Feishu allows the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// Of each API; all must hold.
    api: Vec<Rate>,
    /// Into each chat, to each person, on each message.
    target: Vec<Rate>,
}

impl Allowance {
    /// What Feishu documents: 50/s and 1000/min of each API, 5/s at each target.
    pub fn documented() -> Self {
        let rate = |calls, seconds| Rate { calls, within: SignedDuration::from_secs(seconds) };
        Self { api: vec![rate(50, 1), rate(1000, 60)], target: vec![rate(5, 1)] }
    }

    /// No limit, for a Feishu that has none.
    pub fn unlimited() -> Self {
        Self { api: Vec::new(), target: Vec::new() }
    }

    /// The part of one among so many processes of the same app. Together they
    /// stay within the whole; but where there is less than one call for each,
    /// only on average.
    #[must_use]
    pub fn shared_by(self, processes: u32) -> Self {
        let part = |rate: Rate| match rate.calls / processes.max(1) {
            0 => {
                let stretch = i32::try_from(processes.div_ceil(rate.calls.max(1))).unwrap_or(i32::MAX);
                Rate { calls: 1, within: rate.within.saturating_mul(stretch) }
            }
            calls => Rate { calls, ..rate },
        };
        let parts = |rates: Vec<Rate>| rates.into_iter().map(part).collect();
        Self { api: parts(self.api), target: parts(self.target) }
    }
}

/// What Feishu counts besides the API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// Messages into a chat or to a person.
    Place(Destination),
    /// Changes of a message.
    Message(MessageId),
}

/// A call that somebody would like to make.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) api: Api,
    pub(crate) target: Option<&'a Target>,
    /// The loudest buzz that waits for it.
    pub(crate) urgent: Urgent,
}

/// Whether a call may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Yes, and it is counted.
    Now,
    /// No; ask again then, not before.
    At(Timestamp),
}

/// Whose limit was hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// The app's, for that API.
    Api,
    /// That of the chat, person or message.
    Target,
}

/// What may be begun now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Openings {
    /// Calls of APIs; of those not listed, what [`api`](Self::api) says.
    pub(crate) apis: BTreeMap<Api, Headroom>,
    /// Calls of an API that was not called lately.
    pub(crate) api: Headroom,
    /// Messages to places; to those not listed, what [`place`](Self::place) says.
    pub(crate) places: BTreeMap<Destination, Headroom>,
    /// Messages to a place that had none lately.
    pub(crate) place: Headroom,
    /// When something opens that is closed now.
    pub(crate) next: Option<Timestamp>,
}

/// Counts calls and admits them.
#[derive(Debug)]
pub(crate) struct Pacer {
    /// Of the app.
    whole: Allowance,
    /// Of this process.
    allowance: Allowance,
    apis: BTreeMap<Api, Log>,
    targets: BTreeMap<Target, Log>,
    /// Calls that were admitted for jobs before they are made.
    booked: BTreeMap<JobId, (Api, Option<Target>)>,
}

impl Pacer {
    pub(crate) fn new(allowance: Allowance) -> Self {
        Self {
            whole: allowance.clone(),
            allowance,
            apis: BTreeMap::new(),
            targets: BTreeMap::new(),
            booked: BTreeMap::new(),
        }
    }

    /// From now on so many processes share the allowance.
    pub(crate) fn share_among(&mut self, processes: u32) {
        self.allowance = self.whole.clone().shared_by(processes);
    }

    /// Admits a call, or says when to ask again.
    pub(crate) fn admit(&mut self, now: Timestamp, ask: &Ask<'_>) -> Admission {
        self.pass(now, ask, |log| log.count(now))
    }

    /// Admits the first call of a job before the job is begun.
    pub(crate) fn book(&mut self, now: Timestamp, job: JobId, ask: &Ask<'_>) -> Admission {
        let admission = self.pass(now, ask, |log| log.booked += 1);
        if admission == Admission::Now {
            self.booked.insert(job, (ask.api, ask.target.cloned()));
        }
        admission
    }

    /// [`admit`](Self::admit), unless the call is the one that was booked for the job.
    pub(crate) fn admit_for(&mut self, now: Timestamp, job: JobId, ask: &Ask<'_>) -> Admission {
        if self.booked.get(&job).is_some_and(|(api, _)| *api == ask.api) {
            self.release(job, |log| log.count(now));
            return Admission::Now;
        }
        self.admit(now, ask)
    }

    /// The job is over, whether or not it made the call that was booked for it.
    pub(crate) fn finish(&mut self, job: JobId) {
        self.release(job, |_| {});
    }

    fn pass(&mut self, now: Timestamp, ask: &Ask<'_>, count: impl Fn(&mut Log)) -> Admission {
        let api = self.apis.entry(ask.api).or_default();
        api.keep_up(now, &self.allowance.api);
        let mut at = api.free_at(now, &Terms::of_api(&self.allowance, ask.api, ask.urgent));
        let mut target = ask.target.map(|target| self.targets.entry(target.clone()).or_default());
        if let Some(target) = &mut target {
            target.keep_up(now, &self.allowance.target);
            at = at.max(target.free_at(now, &Terms::of_target(&self.allowance, ask.urgent)));
        }
        if at > now {
            return Admission::At(at);
        }
        [Some(api), target].into_iter().flatten().for_each(count);
        Admission::Now
    }

    fn release(&mut self, job: JobId, then: impl Fn(&mut Log)) {
        let Some((api, target)) = self.booked.remove(&job) else { return };
        let api = self.apis.get_mut(&api);
        let target = target.and_then(|target| self.targets.get_mut(&target));
        for log in [api, target].into_iter().flatten() {
            log.booked = log.booked.saturating_sub(1);
            then(log);
        }
    }

    /// Feishu has refused a call for its speed.
    pub(crate) fn refused(&mut self, now: Timestamp, ask: &Ask<'_>, limit: Limit, pause: Duration) {
        let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::from_mins(1));
        let log = match (limit, ask.target) {
            (Limit::Target, Some(target)) => self.targets.entry(target.clone()).or_default(),
            (Limit::Target, None) => return,
            (Limit::Api, _) => self.apis.entry(ask.api).or_default(),
        };
        log.close(now, after(now, pause.saturating_add(GRACE)));
    }

    /// What may be begun now.
    pub(crate) fn openings(&mut self, now: Timestamp) -> Openings {
        let Self { allowance, apis, targets, .. } = self;
        for log in apis.values_mut() {
            log.keep_up(now, &allowance.api);
        }
        for log in targets.values_mut() {
            log.keep_up(now, &allowance.target);
        }
        targets.retain(|_, log| !log.is_idle(now));
        let api = |api: Api, log: &Log| {
            Headroom::by(|urgent| log.room(now, &Terms::of_api(allowance, api, urgent)))
        };
        let target = |log: &Log| Headroom::by(|urgent| log.room(now, &Terms::of_target(allowance, urgent)));
        let places = targets.iter().filter_map(|(key, log)| match key {
            Target::Place(place) => Some((place.clone(), target(log))),
            Target::Message(_) => None,
        });
        let ways = [Urgent::Phone, Urgent::App, Urgent::None];
        let api_ends = apis.iter().flat_map(|(api, log)| {
            ways.map(|urgent| log.free_at(now, &Terms::of_api(allowance, *api, urgent)))
        });
        let target_ends = targets
            .values()
            .flat_map(|log| ways.map(|urgent| log.free_at(now, &Terms::of_target(allowance, urgent))));
        Openings {
            next: api_ends.chain(target_ends).filter(|at| *at > now).min(),
            apis: apis.iter().map(|(key, log)| (*key, api(*key, log))).collect(),
            api: api(Api::Send, &Log::default()),
            places: places.collect(),
            place: target(&Log::default()),
        }
    }
}

#[cfg(test)]
mod tests;
