//! What a call is for, and leave to make it: every call passes the allowance here.
//!
//! A client made [for a job](Client::for_job) knows how loud a page waits for
//! its calls and which chat they count against. Other calls are as urgent as can
//! be, and count against their API alone.

use std::sync::{MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::Value;

use super::client::{Call, Client};
use super::error::CallError;
use super::limits::{Admission, Allowance, Ask, Openings, Pacer, Target};
use super::verdict::{Api, Verdict, limit_hit};
use crate::domain::{Destination, JobId, MessageId, Urgent};

/// What a client's calls are for, as far as the allowance depends on it.
#[derive(Debug, Clone)]
pub(crate) struct Errand {
    job: JobId,
    urgent: Urgent,
    place: Target,
}

/// Whether the call counts against the place it is made at.
fn is_message(api: Api) -> bool {
    matches!(api, Api::Send | Api::Reply)
}

impl Call<'_> {
    /// Which limit it counts against besides the API's, made at that place.
    fn target(&self, place: Option<&Target>) -> Option<Target> {
        match place {
            Some(place) if is_message(self.api) => Some(place.clone()),
            _ if self.api == Api::EditCard => {
                self.path.last().map(|id| Target::Message(MessageId((*id).to_owned())))
            }
            _ => None,
        }
    }
}

impl Client {
    /// The same client with another part of Feishu's allowance than the whole.
    /// What was counted so far is forgotten.
    #[must_use]
    pub fn with_allowance(self, allowance: Allowance) -> Self {
        *self.pacer() = Pacer::new(allowance);
        self
    }

    /// The same client for the calls of a job at a place, on which a buzz of
    /// that loudness waits.
    pub(crate) fn for_job(&self, job: JobId, urgent: Urgent, place: &Destination) -> Self {
        let errand = Errand { job, urgent, place: Target::Place(place.clone()) };
        Self { errand: Some(errand), ..self.clone() }
    }

    /// Has the job's first call counted before it is begun; `Err`: when to ask again.
    pub(crate) fn book(&self, now: Timestamp, api: Api) -> Result<(), Timestamp> {
        let Some(errand) = &self.errand else { return Ok(()) };
        let target = is_message(api).then_some(&errand.place);
        let ask = Ask { api, target, urgent: errand.urgent };
        match self.pacer().book(now, errand.job, &ask) {
            Admission::Now => Ok(()),
            Admission::At(at) => Err(at),
        }
    }

    /// The job makes no more calls.
    pub(crate) fn finish(&self) {
        if let Some(errand) = &self.errand {
            self.pacer().finish(errand.job);
        }
    }

    /// What may be begun now.
    pub(crate) fn openings(&self, now: Timestamp) -> Openings {
        self.pacer().openings(now)
    }

    /// Makes a call, if it is admitted, and returns the whole answer, whose code is 0.
    pub(crate) async fn call(&self, now: Timestamp, call: &Call<'_>) -> Result<Value, CallError> {
        let target = call.target(self.errand.as_ref().map(|errand| &errand.place));
        let urgent = self.errand.as_ref().map_or(Urgent::Phone, |errand| errand.urgent);
        let ask = Ask { api: call.api, target: target.as_ref(), urgent };
        self.admit(now, &ask)?;
        let answer = self.call_admitted(now, call).await;
        if let Err(CallError { http: Some(http), code, verdict: Verdict::RetryAfter(pause), .. }) = &answer
            && let Some(limit) = limit_hit(*http, *code)
        {
            self.pacer().refused(now, &ask, limit, *pause);
        }
        answer
    }

    fn admit(&self, now: Timestamp, ask: &Ask<'_>) -> Result<(), CallError> {
        let admission = match &self.errand {
            Some(errand) => self.pacer().admit_for(now, errand.job, ask),
            None => self.pacer().admit(now, ask),
        };
        match admission {
            Admission::Now => Ok(()),
            Admission::At(at) => {
                let message = "our part of Feishu's allowance is used up for now";
                Err(CallError::unanswered(ask.api, Verdict::NotYet(at), message))
            }
        }
    }

    /// A panic while the lock is held leaves counts worth having.
    fn pacer(&self) -> MutexGuard<'_, Pacer> {
        self.inner.pacer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
