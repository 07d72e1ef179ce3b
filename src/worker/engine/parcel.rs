//! A webhook's alerts, sorted by whose they are.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::domain::{Alert, AlertStatus, GroupHeader, IncidentKey, Labels, Listing, OWN_SOURCE};
use crate::rules::{Origin, Rule, RuleSet};
use crate::sources;

/// One webhook, or a slice of a large one, after matching.
#[derive(Debug)]
pub(super) struct Parcel {
    /// Name of the source.
    pub(super) source: String,
    /// The sender's address, for links.
    pub(super) external_url: String,
    /// The sender's group; `None` where it names none.
    pub(super) listing: Option<Listing>,
    /// Whether these are all alerts that are listed there.
    pub(super) complete: bool,
    /// Its alerts.
    pub(super) alerts: Vec<Alert<'static>>,
    /// For each key the rule (an index) and the firing alerts (indexes) it owns.
    pub(super) firing: BTreeMap<IncidentKey, (usize, Vec<usize>)>,
    /// Alerts that recovered (indexes): they concern whoever holds them.
    pub(super) resolved: Vec<usize>,
    /// The recovered alerts (indexes) under the keys they would fire under by
    /// rules that group by labels: such an incident may have been opened by
    /// another source.
    pub(super) ended: BTreeMap<IncidentKey, Vec<usize>>,
    /// Signs of life: for each key the rule (an index) that waits for them, and
    /// the labels they share.
    pub(super) beats: BTreeMap<IncidentKey, (usize, Labels<'static>)>,
    /// How many firing alerts no rule wanted.
    pub(super) unmatched: u64,
}

impl Parcel {
    /// Matches every alert by itself.
    pub(super) fn sort(
        rules: &RuleSet,
        source: &str,
        header: &GroupHeader<'_>,
        alerts: Vec<Alert<'_>>,
    ) -> Self {
        let mut parcel = Self {
            source: source.to_owned(),
            external_url: header.external_url.clone().into_owned(),
            listing: sources::names_group(header).then(|| listing(source, header)),
            complete: sources::is_complete(header),
            alerts: Vec::with_capacity(alerts.len()),
            firing: BTreeMap::new(),
            resolved: Vec::new(),
            ended: BTreeMap::new(),
            beats: BTreeMap::new(),
            unmatched: 0,
        };
        let origin = Origin { source, receiver: &header.receiver };
        for (at, alert) in alerts.into_iter().enumerate() {
            let owners = owners(rules, origin, header, &alert);
            match alert.status {
                AlertStatus::Resolved => parcel.end(owners, at),
                AlertStatus::Firing => parcel.claim(owners, at, &alert),
            }
            parcel.alerts.push(alert.into_owned());
        }
        parcel
    }

    /// Alerts of larkhorn's own: those that fire with key and rule (an index),
    /// and those that are over.
    pub(super) fn own(firing: Vec<(IncidentKey, usize, Alert<'static>)>, over: Vec<Alert<'static>>) -> Self {
        let resolved = (0..over.len()).collect();
        let mut parcel = Self {
            source: OWN_SOURCE.to_owned(),
            external_url: String::new(),
            listing: None,
            complete: false,
            alerts: over,
            firing: BTreeMap::new(),
            resolved,
            ended: BTreeMap::new(),
            beats: BTreeMap::new(),
            unmatched: 0,
        };
        for (key, rule, alert) in firing {
            parcel.firing.insert(key, (rule, vec![parcel.alerts.len()]));
            parcel.alerts.push(alert);
        }
        parcel
    }

    /// The same, as a slice of a larger one.
    pub(super) fn partial(self) -> Self {
        Self { complete: false, ..self }
    }

    /// An alert that recovered, at that index.
    fn end(&mut self, owners: Vec<Owner<'_>>, at: usize) {
        self.resolved.push(at);
        let grouped = |owner: &Owner<'_>| owner.rule.group_by.is_some() && owner.rule.heartbeat.is_none();
        for owner in owners.into_iter().filter(grouped) {
            self.ended.entry(owner.key).or_default().push(at);
        }
    }

    /// An alert that fires, at that index.
    fn claim(&mut self, owners: Vec<Owner<'_>>, at: usize, alert: &Alert<'_>) {
        if owners.is_empty() {
            self.unmatched += 1;
            tracing::warn!(
                fingerprint = %alert.fingerprint,
                alertname = alert.labels.get("alertname"),
                "no rule matches this alert; end the rules with one that matches all"
            );
        }
        for Owner { index, rule, key } in owners {
            if rule.heartbeat.is_some() {
                let labels = &alert.labels;
                let shared = self.beats.entry(key).or_insert_with(|| (index, labels.clone().into_owned()));
                shared.1 = shared.1.common(labels);
            } else {
                self.firing.entry(key).or_insert_with(|| (index, Vec::new())).1.push(at);
            }
        }
    }
}

/// A rule that owns an alert, and the incident it belongs to by it.
struct Owner<'r> {
    index: usize,
    rule: &'r Rule,
    key: IncidentKey,
}

/// The rules that own an alert.
fn owners<'r>(
    rules: &'r RuleSet,
    origin: Origin<'_>,
    header: &GroupHeader<'_>,
    alert: &Alert<'_>,
) -> Vec<Owner<'r>> {
    let owner = |index| {
        let rule: &Rule = rules.rules().get(index)?;
        let key = match rule.heartbeat {
            Some(_) => rule.heartbeat_key(&alert.labels, origin),
            None => rule.incident_key(&alert.labels, origin, &header.group_key),
        };
        Some(Owner { index, rule, key })
    };
    rules.route(&alert.labels, origin).into_iter().filter_map(owner).collect()
}

/// Eight bytes of a digest tell groups apart well enough: two of them meet by
/// chance once there are billions.
fn listing(source: &str, header: &GroupHeader<'_>) -> Listing {
    let mut digest = Sha256::new();
    for part in [source, &header.receiver, &header.group_key] {
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part.as_bytes());
    }
    let bytes = digest.finalize();
    Listing(bytes.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte)))
}
