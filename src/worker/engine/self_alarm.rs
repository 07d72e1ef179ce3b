//! Incidents of larkhorn's own: what keeps pages from people is told to the catch-all.

use jiff::Timestamp;

use std::sync::Arc;

use super::desk::Desk;
use super::own::{self, Alarm};
use super::parcel::Parcel;
use super::{Engine, Reachable};
use crate::domain::{Alert, IncidentKey};
use crate::rules::RuleSet;
use crate::store::{Commit, HeartbeatChange, StoreError};

impl Engine {
    /// Tells which alarms ring, and since when; all others are over. Saying it
    /// again changes nothing. Without a catch-all there is nobody to tell.
    ///
    /// # Errors
    ///
    /// When the store cannot: nothing happened, say it again.
    pub async fn alarm(&self, ringing: &[(Alarm, Timestamp)], now: Timestamp) -> Result<(), StoreError> {
        let rules = self.rules.load_full();
        if rules.own().is_none() {
            return Ok(());
        }
        let index = rules.rules().len();
        let loudest = rules.severities().first().map(|row| row.name.as_str()).unwrap_or_default();
        let rings = |(alarm, since): &(Alarm, Timestamp)| {
            (own::alarm_key(alarm.name()), index, own::rings(alarm, loudest, *since, self.locale))
        };
        let firing: Vec<(IncidentKey, usize, Alert<'static>)> = ringing.iter().map(rings).collect();
        let is_over = |name: &&str| !ringing.iter().any(|(alarm, _)| alarm.name() == *name);
        let over = Alarm::NAMES.into_iter().filter(is_over).map(|name| own::over(name, now)).collect();
        self.commit_own(&rules, Parcel::own(firing, over), Vec::new(), now).await.map(drop)
    }

    /// Commits what larkhorn's own alerts come to, heartbeats included.
    pub(super) async fn commit_own(
        &self,
        rules: &Arc<RuleSet>,
        parcel: Parcel,
        heartbeats: Vec<HeartbeatChange>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut desk = Desk::default();
        let parcels = [parcel];
        desk.load(self.store.as_ref(), &parcels, Vec::new()).await?;
        for parcel in parcels {
            desk.apply(rules, &Reachable { rules }, &parcel, now);
        }
        match self.commit(Commit { at: now, changes: desk.changes(), heartbeats, ..Commit::default() }).await
        {
            // A beat, or somebody's answer, was faster; what is still due is found again.
            Ok(_) | Err(StoreError::Conflict) => Ok(true),
            Err(error) => Err(error),
        }
    }
}
