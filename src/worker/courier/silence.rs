//! Silencing an incident's alerts in Alertmanager, once for each wish, and ending that.
//!
//! The job's `uuid` is the marker of the silence, so trying again after any
//! failure makes no second one.

use jiff::Timestamp;

use super::cards::gave_up;
use super::{Courier, Outcome, backoff};
use crate::alertmanager::{self, CallError, Silence, Verdict};
use crate::domain::{Alert, Hold, Incident, Labels};
use crate::store::{Claim, StoreError};

/// So many alerts of an incident are looked at for the labels they share; the
/// incident's own labels are those of all of them.
const ALERTS_MAX: usize = 1000;

impl Courier {
    /// Makes the silence, as long as the incident is held for it.
    pub(super) async fn silence(
        &self,
        claim: &Claim,
        until: Timestamp,
        author: &str,
    ) -> Result<Outcome, StoreError> {
        let Some(incident) = self.incident(claim).await? else { return Ok(Outcome::done()) };
        let (Some(client), Some(id)) = (&self.alertmanager, incident.id) else {
            return Ok(not_silenced(claim, "alertmanager.url is not set any more"));
        };
        let matchers = match self.matchers(&incident).await? {
            Ok(matchers) => matchers,
            Err(why) => return Ok(not_silenced(claim, why)),
        };
        let comment = format!("{id} {}", incident.title);
        let author = author.to_owned();
        let wanted = Silence { matchers, until, author, incident: comment, marker: claim.uuid };
        let held = is_held(&incident, until);
        let made = if held {
            client.silence(self.clock.now(), &wanted).await.map(drop)
        } else if claim.attempts > 0 {
            // Somebody has answered otherwise, or it is over; an earlier try may have made it.
            client.withdraw(&wanted).await
        } else {
            Ok(())
        };
        let error = match made {
            Err(error) => error,
            Ok(()) if held && self.incident(claim).await?.is_none_or(|now| !is_held(&now, until)) => {
                // Answered otherwise while the call was under way.
                match client.withdraw(&wanted).await {
                    Err(error) => error,
                    Ok(()) => return Ok(Outcome::done()),
                }
            }
            Ok(()) => return Ok(Outcome::done()),
        };
        Ok(self.refused_by_alertmanager(claim, "silence", &error))
    }

    /// Ends the incident's silences, unless somebody wants one again.
    pub(super) async fn end_silence(&self, claim: &Claim) -> Result<Outcome, StoreError> {
        let Some(incident) = self.incident(claim).await? else { return Ok(Outcome::done()) };
        let (Some(client), Some(id)) = (&self.alertmanager, incident.id) else { return Ok(Outcome::done()) };
        if matches!(incident.standing.hold, Some(Hold::Silenced { .. })) {
            return Ok(Outcome::done());
        }
        let Ok(matchers) = self.matchers(&incident).await? else { return Ok(Outcome::done()) };
        match client.end_silences(&matchers, &id.to_string()).await {
            Ok(()) => Ok(Outcome::done()),
            Err(error) => Ok(self.refused_by_alertmanager(claim, "end_silence", &error)),
        }
    }

    /// The labels to silence an incident by, or why it cannot be.
    async fn matchers(
        &self,
        incident: &Incident,
    ) -> Result<Result<Labels<'static>, &'static str>, StoreError> {
        let held = match incident.id {
            Some(id) => self.store.alerts(id, ALERTS_MAX).await?,
            None => Vec::new(),
        };
        let alerts: Vec<&Alert<'_>> = held.iter().map(|held| &held.alert).collect();
        Ok(alertmanager::matchers_for(incident, &alerts))
    }

    fn refused_by_alertmanager(&self, claim: &Claim, what: &str, error: &CallError) -> Outcome {
        self.metrics.notification_failed("silence", error.verdict.as_str());
        let (attempt, incident) = (claim.attempts + 1, claim.incident.map(|id| id.to_string()));
        tracing::warn!(incident, attempt, %error, "Alertmanager did not do it: {what}");
        match error.verdict {
            Verdict::Retry => {
                let at = self.clock.now().checked_add(backoff::growing(claim)).unwrap_or(Timestamp::MAX);
                Outcome::retry(at, false)
            }
            Verdict::Credentials | Verdict::GiveUp => gave_up(claim, what, &error.to_string(), ""),
        }
    }
}

fn is_held(incident: &Incident, until: Timestamp) -> bool {
    matches!(&incident.standing.hold, Some(Hold::Silenced { until: held, .. }) if *held == until)
}

/// The incident stays quiet here all the same.
fn not_silenced(claim: &Claim, reason: &str) -> Outcome {
    gave_up(claim, "silence", reason, "")
}
