//! A webhook's alerts, sorted by whose they are.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::domain::{Alert, AlertStatus, GroupHeader, IncidentKey, Listing};
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

    /// The same, as a slice of a larger one.
    pub(super) fn partial(self) -> Self {
        Self { complete: false, ..self }
    }

    /// An alert that recovered, at that index.
    fn end(&mut self, owners: Vec<Owner<'_>>, at: usize) {
        self.resolved.push(at);
        for owner in owners.into_iter().filter(|owner| owner.rule.group_by.is_some()) {
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
        for Owner { index, key, .. } in owners {
            self.firing.entry(key).or_insert_with(|| (index, Vec::new())).1.push(at);
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
        let key = rule.incident_key(&alert.labels, origin, &header.group_key);
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
