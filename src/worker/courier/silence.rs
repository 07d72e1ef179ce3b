//! Silencing an incident's alerts in Alertmanager, once for each wish.
//!
//! The job's `uuid` is the marker of the silence, so trying again after any
//! failure makes no second one.

use jiff::Timestamp;

use super::cards::gave_up;
use super::{Courier, Outcome, backoff};
use crate::alertmanager::{self, Silence, Verdict};
use crate::domain::{Alert, Hold, Incident};
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
        if !is_held(&incident, until) {
            // Somebody has answered otherwise, or it is over: quiet in
            // Alertmanager is nobody's wish now.
            return Ok(match claim.attempts {
                0 => Outcome::done(),
                _ => not_silenced(claim, "nobody wants it any more"),
            });
        }
        let held = self.store.alerts(id, ALERTS_MAX).await?;
        let alerts: Vec<&Alert<'_>> = held.iter().map(|held| &held.alert).collect();
        let matchers = match alertmanager::matchers_for(&incident, &alerts) {
            Ok(matchers) => matchers,
            Err(why) => return Ok(not_silenced(claim, why)),
        };
        let incident = format!("{id} {}", incident.title);
        let wanted = Silence { matchers, until, author: author.to_owned(), incident, marker: claim.uuid };
        let Err(error) = client.silence(self.clock.now(), &wanted).await else { return Ok(Outcome::done()) };
        self.metrics.notification_failed("silence", error.verdict.as_str());
        let attempt = claim.attempts + 1;
        tracing::warn!(incident = %id, attempt, %error, "Alertmanager did not make a silence");
        Ok(match error.verdict {
            Verdict::Retry => {
                let at = self.clock.now().checked_add(backoff::growing(claim)).unwrap_or(Timestamp::MAX);
                Outcome::retry(at, false)
            }
            Verdict::Credentials | Verdict::GiveUp => not_silenced(claim, &error.to_string()),
        })
    }
}

fn is_held(incident: &Incident, until: Timestamp) -> bool {
    matches!(&incident.standing.hold, Some(Hold::Silenced { until: held, .. }) if *held == until)
}

/// The incident stays quiet here all the same.
fn not_silenced(claim: &Claim, reason: &str) -> Outcome {
    gave_up(claim, "silence", reason, "")
}
