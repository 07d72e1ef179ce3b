//! What Alertmanager says of alerts now, and of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::client::{Call, Client, misread, parsed};
use super::error::CallError;
use super::filters::filters;
use super::silences::SilenceId;
use crate::domain::{Fingerprint, Labels};

/// Alertmanager keeps alerts in memory only. After a start it knows those its
/// senders have sent since: Prometheus every minute, or with each evaluation
/// where that is rarer.
const FORGETFUL: SignedDuration = SignedDuration::from_mins(10);

/// What Alertmanager says of an alert that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlertState {
    /// It fires and is notified about.
    Firing,
    /// It fires and nobody is told.
    Suppressed {
        /// Silences that mute it.
        silences: Vec<SilenceId>,
        /// Alerts that inhibit it.
        inhibitors: Vec<Fingerprint>,
        /// Names of time intervals that mute it (0.28 and newer say so).
        intervals: Vec<String>,
    },
}

/// What Alertmanager says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Like `0.25.0`.
    pub version: String,
    /// Whether it has heard from its cluster, or has none.
    pub settled: bool,
    /// When it started.
    pub started_at: Timestamp,
}

impl Status {
    /// Whether an alert that [`Client::alerts`] does not list is over. After a
    /// start Alertmanager has forgotten all alerts and learns again what fires.
    pub fn absence_means_gone(&self, now: Timestamp) -> bool {
        self.settled && now.duration_since(self.started_at) >= FORGETFUL
    }
}

#[derive(Deserialize)]
struct ToldAlert {
    fingerprint: String,
    labels: BTreeMap<String, String>,
    status: ToldState,
}

/// Empty lists may be null or left out, depending on the version.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToldState {
    state: String,
    silenced_by: Option<Vec<String>>,
    inhibited_by: Option<Vec<String>>,
    muted_by: Option<Vec<String>>,
}

impl ToldState {
    fn read(self) -> AlertState {
        let silences = self.silenced_by.unwrap_or_default();
        let inhibitors = self.inhibited_by.unwrap_or_default();
        let intervals = self.muted_by.unwrap_or_default();
        let muted = !(silences.is_empty() && inhibitors.is_empty() && intervals.is_empty());
        // The third state, `unprocessed`, is an alert that came this moment.
        if self.state != "suppressed" && !muted {
            return AlertState::Firing;
        }
        AlertState::Suppressed {
            silences: silences.iter().filter_map(|id| SilenceId::parse(id)).collect(),
            inhibitors: inhibitors.iter().filter_map(|hex| Fingerprint::from_hex(hex)).collect(),
            intervals,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToldStatus {
    cluster: ToldCluster,
    version_info: ToldVersion,
    /// Despite its name the time of the start.
    #[serde(deserialize_with = "parsed")]
    uptime: Timestamp,
}

#[derive(Deserialize)]
struct ToldCluster {
    status: String,
}

#[derive(Deserialize)]
struct ToldVersion {
    version: String,
}

impl Client {
    /// The alerts that have all labels of `filter`, by fingerprint. What is not
    /// there has ended or was never known; before believing that, ask
    /// [`Status::absence_means_gone`].
    pub async fn alerts(&self, filter: &Labels<'_>) -> Result<BTreeMap<Fingerprint, AlertState>, CallError> {
        let mut query = filters(filter);
        query
            .extend(["active", "silenced", "inhibited", "unprocessed"].map(|kind| (kind, "true".to_owned())));
        let wanted: Vec<_> = filter.iter().filter(|(_, value)| !value.is_empty()).collect();
        let (mut found, mut nameless) = (BTreeMap::new(), None);
        let take = |told: ToldAlert| {
            if wanted.iter().any(|(name, value)| told.labels.get(*name).map(String::as_str) != Some(*value)) {
                return ControlFlow::Continue(());
            }
            let Some(fingerprint) = Fingerprint::from_hex(&told.fingerprint) else {
                nameless = Some(misread("alerts", "an alert has no fingerprint"));
                return ControlFlow::Break(());
            };
            found.insert(fingerprint, told.status.read());
            ControlFlow::Continue(())
        };
        self.list(&Call::get("alerts", &["alerts"], &query), take).await?;
        nameless.map_or(Ok(found), Err)
    }

    /// All alerts that fire and nobody is told of.
    pub async fn suppressed(&self) -> Result<BTreeSet<Fingerprint>, CallError> {
        let kinds =
            [("active", "false"), ("unprocessed", "false"), ("silenced", "true"), ("inhibited", "true")];
        let query = kinds.map(|(kind, wanted)| (kind, wanted.to_owned()));
        let mut found = BTreeSet::new();
        let take = |told: ToldAlert| {
            let fingerprint = Fingerprint::from_hex(&told.fingerprint);
            // Which kinds `active=false` leaves depends on the version.
            if matches!(told.status.read(), AlertState::Suppressed { .. }) {
                found.extend(fingerprint);
            }
            ControlFlow::Continue(())
        };
        self.list(&Call::get("suppressed", &["alerts"], &query), take).await?;
        Ok(found)
    }

    /// Asks which version it is and whether it is ready.
    pub async fn status(&self) -> Result<Status, CallError> {
        let told: ToldStatus = self.read(&Call::get("status", &["status"], &[])).await?;
        Ok(Status {
            version: told.version_info.version,
            settled: matches!(&*told.cluster.status, "ready" | "disabled"),
            started_at: told.uptime,
        })
    }
}
