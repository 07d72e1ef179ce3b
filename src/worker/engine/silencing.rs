//! Which incidents can be silenced at their sender.

use super::Engine;
use crate::alertmanager::matchers_for;
use crate::domain::{Alert, Incident, MemberState, OWN_SOURCE};
use crate::store::StoreError;

/// So many alerts of an incident are looked at, firing ones first.
const ALERTS_MAX: usize = 1000;

impl Engine {
    /// Why the incident cannot be silenced, in a word; `None` if it can, or if
    /// it is over, which is for `escalation` to say.
    pub(super) async fn why_not_silence(
        &self,
        incident: &Incident,
    ) -> Result<Option<&'static str>, StoreError> {
        let Some(id) = incident.id.filter(|_| incident.standing.is_open()) else { return Ok(None) };
        if self.alertmanager.is_none() {
            return Ok(Some("no_alertmanager"));
        }
        if incident.source == OWN_SOURCE {
            return Ok(Some("not_from_alertmanager"));
        }
        let held = self.store.alerts(id, ALERTS_MAX).await?;
        // Grafana's alerts come with a link to silence them there, and
        // Alertmanager does not know them.
        let burns = held.iter().filter(|held| held.member.state != MemberState::Resolved);
        if burns.into_iter().any(|held| !held.alert.silence_url.is_empty()) {
            return Ok(Some("not_from_alertmanager"));
        }
        let alerts: Vec<&Alert<'_>> = held.iter().map(|held| &held.alert).collect();
        Ok(matchers_for(incident, &alerts).err())
    }
}
