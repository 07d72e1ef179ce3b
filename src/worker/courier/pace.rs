//! Which jobs are begun now: as many as there are hands for, of those that
//! Feishu's allowance lets through.
//!
//! # Invariants
//!
//! * A job that has to wait waits in the store. It takes no hand, and what is
//!   behind it goes first if it can.
//! * A few hands are kept for the louder: however slow Feishu answers the rest,
//!   a page is begun at once.
//! * The first call of a job is counted before the job is begun, so that no two
//!   jobs are begun for one opening. Later calls of it ask for themselves; a job
//!   that is told to wait half-way goes back to the store.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::share::UNDER_WAY;
use super::{Courier, Outcome};
use crate::domain::{Destination, Headroom, Job, Urgent};
use crate::feishu::{Api, Client, Openings};
use crate::settings::UrgentVia;
use crate::store::{Appetite, Claim, JobEnd, StoreError};

/// Jobs carried out side by side, at most.
pub(super) const HANDS: usize = 48;
/// Of those, for jobs quieter than an SMS.
const QUIET_HANDS: usize = 32;
/// Of those, for jobs that no buzz waits for.
const SILENT_HANDS: usize = 28;

/// How many jobs are under way.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Busy {
    /// For phone and SMS pages.
    pub(super) loud: usize,
    /// All others.
    pub(super) quiet: usize,
}

impl Busy {
    fn free(self) -> Headroom {
        let all = HANDS.saturating_sub(self.loud + self.quiet);
        Headroom {
            loud: all,
            app: all.min(QUIET_HANDS.saturating_sub(self.quiet)),
            rest: all.min(SILENT_HANDS.saturating_sub(self.quiet)),
        }
    }
}

/// Whether a job is for a phone or SMS page.
pub(super) fn is_loud(claim: &Claim) -> bool {
    Urgent::of_priority(claim.priority) > Urgent::App
}

impl Courier {
    /// Takes jobs that can be begun now.
    pub(super) async fn claim(&self, busy: Busy) -> Result<Vec<Claim>, StoreError> {
        let now = self.clock.now();
        let appetite = appetite(busy, &self.client.openings(now));
        let lease_until = now.checked_add(super::LEASE).unwrap_or(Timestamp::MAX);
        let mut begun = Vec::new();
        let claims = self.store.claim(now, lease_until, appetite).await?;
        let outrung = self.outrung(&claims);
        for claim in claims {
            if outrung.contains(&claim.ticket.job) {
                self.put_back(&claim, now.checked_add(UNDER_WAY).unwrap_or(Timestamp::MAX)).await;
                continue;
            }
            match self.book(now, &claim) {
                Ok(()) => begun.push(claim),
                Err(at) => self.put_back(&claim, at).await,
            }
        }
        Ok(begun)
    }

    /// How long nothing that waits for the allowance can go on, at most `longest`.
    pub(super) fn closed_for(&self, longest: Duration) -> Duration {
        let now = self.clock.now();
        let next = self.client.openings(now).next.map(|at| at.duration_since(now));
        let next = next.and_then(|span| Duration::try_from(span).ok());
        // Timers come up to a millisecond late anyway.
        next.map_or(longest, |span| span.max(Duration::from_millis(1)).min(longest))
    }

    /// The client for the calls of a job.
    pub(super) fn client_for(&self, claim: &Claim) -> Client {
        let urgent = Urgent::of_priority(claim.priority);
        claim
            .job
            .to()
            .map_or_else(|| self.client.clone(), |to| self.client.for_job(claim.ticket.job, urgent, to))
    }

    /// Frees what was booked for the job when it is over, however it ends.
    pub(super) fn leave(&self, claim: &Claim) -> Leave {
        Leave(self.client_for(claim))
    }

    fn book(&self, now: Timestamp, claim: &Claim) -> Result<(), Timestamp> {
        let first = first_call(claim, self.urgent_via);
        first.map_or(Ok(()), |api| self.client_for(claim).book(now, api))
    }

    async fn put_back(&self, claim: &Claim, at: Timestamp) {
        self.write_down(claim, put_back(at)).await;
    }
}

/// Held while a job is carried out.
pub(super) struct Leave(Client);

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// What there are hands and openings for.
fn appetite(busy: Busy, open: &Openings) -> Appetite {
    let of = |api: Api| open.apis.get(&api).copied().unwrap_or(open.api);
    // A page whose line is sent already needs no reply any more.
    let loud = of(Api::Reply).loud.max(of(Api::UrgentPhone).loud).max(of(Api::UrgentSms).loud);
    let kinds = BTreeMap::from([
        ("post", of(Api::Send)),
        ("buzz", Headroom { loud, ..of(Api::Reply) }),
        ("remind", of(Api::Reply)),
        ("tell", of(Api::Reply)),
        ("edit", of(Api::EditCard)),
        ("storm", of(Api::EditCard)),
        ("pin", of(Api::Pin)),
    ]);
    let places: BTreeMap<Destination, Headroom> = open.places.clone();
    Appetite { jobs: busy.free(), kinds, places, place: open.place }
}

/// The call that a job begins with, as far as it can be told; `None`: it asks for itself.
fn first_call(claim: &Claim, via: UrgentVia) -> Option<Api> {
    match &claim.job {
        Job::Post { .. } => Some(Api::Send),
        Job::Edit { .. } => Some(Api::EditCard),
        Job::Buzz { urgent, .. } if claim.sent.is_some() || via == UrgentVia::Message => match urgent {
            Urgent::None => None,
            Urgent::App => Some(Api::UrgentApp),
            Urgent::Sms => Some(Api::UrgentSms),
            Urgent::Phone => Some(Api::UrgentPhone),
        },
        Job::Buzz { .. } | Job::Remind { .. } | Job::Tell { .. } => Some(Api::Reply),
        Job::Pin { .. } => Some(Api::Pin),
        // Whether it posts or edits is known once it is looked at.
        Job::Storm { .. } | Job::Silence { .. } | Job::Fallback { .. } | Job::EndSilence => None,
    }
}

/// The job is untouched, and due again then.
pub(super) fn put_back(at: Timestamp) -> Outcome {
    Outcome { end: JobEnd::PutBack { at }, ..Outcome::done() }
}
