//! Pages that Feishu cannot take are told by other ways, besides being tried again.
//!
//! Once for each page and way, when Feishu as a whole has been out of reach for
//! as long as the settings say: one chat or person that is refused is no reason.

use super::cards::gave_up;
use super::{Courier, Outcome, backoff};
use crate::domain::{Fact, Happening, Job, Phase, RecordedEntry, Urgent};
use crate::fallback::Notice;
use crate::store::{Claim, JobEnd, StoreError};

impl Courier {
    /// The outcome of a page that waits for Feishu to be back, with what is told meanwhile.
    pub(super) async fn or_otherwise(&self, claim: &Claim, outcome: Outcome) -> Result<Outcome, StoreError> {
        let Job::Buzz { people, urgent, .. } = &claim.job else { return Ok(outcome) };
        let (urgent, Some(sinks)) = (*urgent, &self.sinks) else { return Ok(outcome) };
        let waits = matches!(outcome.end, JobEnd::Retry { .. });
        if !waits || !self.reach.is_out(sinks.after(), self.clock.now()) {
            return Ok(outcome);
        }
        let names: Vec<String> = people.iter().map(|person| person.name.clone()).collect();
        let Some(id) = claim.incident else { return Ok(outcome) };
        let told = |entry: &RecordedEntry| {
            let about =
                |(name, fact): &(String, Fact)| name == "people" && *fact == Fact::List(names.clone());
            entry.kind == "fell_back" && entry.at >= claim.created_at && entry.facts.iter().any(about)
        };
        if self.store.timeline(id).await?.iter().any(told) {
            return Ok(outcome);
        }
        let ways: Vec<String> = sinks.names().map(str::to_owned).collect();
        let job = |sink: &String| {
            let job = Job::Fallback { sink: sink.clone(), urgent, people: names.clone() };
            (job, jiff::SignedDuration::ZERO)
        };
        let follow_ups = outcome.follow_ups.into_iter().chain(ways.iter().map(job)).collect();
        let outcome = Outcome { follow_ups, ..outcome };
        Ok(outcome.note(Happening::FellBack { ways, people: names }))
    }

    /// Tells a page by one of the other ways.
    pub(super) async fn tell_otherwise(
        &self,
        claim: &Claim,
        (sink, urgent, people): (&str, Urgent, &[String]),
    ) -> Result<Outcome, StoreError> {
        let (Some(sinks), Some(incident)) = (&self.sinks, self.incident(claim).await?) else {
            return Ok(Outcome::done());
        };
        if incident.standing.phase() != Phase::Triggered {
            return Ok(Outcome::done());
        }
        let line = self.cards.load().plain(&incident);
        let notice = Notice {
            incident: incident.id.map(|id| id.to_string()).unwrap_or_default(),
            title: incident.title,
            severity: incident.standing.severity.name,
            urgent,
            people: people.to_vec(),
            text: format!("{line} → {}", people.join(", ")),
            opened_at: incident.standing.opened_at,
        };
        let now = self.clock.now();
        let Err(error) = sinks.tell(sink, &notice, now).await else {
            self.metrics.notified(sink, super::cards::seconds_since(claim.created_at, now));
            return Ok(Outcome::done());
        };
        self.metrics.notification_failed(sink, if error.again { "unreachable" } else { "refused" });
        let (attempt, incident) = (claim.attempts + 1, claim.incident.map(|id| id.to_string()));
        tracing::warn!(incident, sink, attempt, %error, "the last resort did not take a page");
        Ok(if error.again {
            let at = now.checked_add(backoff::growing(claim)).unwrap_or(jiff::Timestamp::MAX);
            Outcome::retry(at, false)
        } else {
            gave_up(claim, sink, &error.to_string(), "")
        })
    }
}
