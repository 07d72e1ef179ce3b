//! An Alertmanager for tests that only give labels: it groups by `alertname`,
//! lists all that fires in a group, and tells of what has recovered once.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::{Alert, AlertStatus, Fingerprint, Labels};
use crate::sources;

/// See the module.
#[derive(Default)]
pub(super) struct Sender {
    /// What fires, by receiver and group.
    groups: BTreeMap<(String, String), BTreeMap<Fingerprint, Alert<'static>>>,
}

impl Sender {
    /// The body that it posts when an alert fires, or has recovered.
    pub(super) fn post(&mut self, receiver: &str, labels: &Labels<'_>, over: bool, at: Timestamp) -> String {
        let name = labels.get("alertname").unwrap_or_default().to_owned();
        let group = self.groups.entry((receiver.to_owned(), name.clone())).or_default();
        let fingerprint = Fingerprint::of(labels);
        let fresh = || Alert {
            starts_at: Some(at),
            ..Alert::new(AlertStatus::Firing, fingerprint, labels.clone().into_owned())
        };
        let alert = group.entry(fingerprint).or_insert_with(fresh);
        if over {
            alert.status = AlertStatus::Resolved;
            alert.ends_at = Some(at);
        }
        let group_labels: Labels<'_> = [("alertname", name.as_str())].into_iter().collect();
        let listed: Vec<Alert<'_>> = group.values().cloned().collect();
        let body =
            sources::compose(receiver, &format!("{{}}:{{alertname={name:?}}}"), &group_labels, &listed);
        group.retain(|_, alert| alert.status == AlertStatus::Firing);
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SourceKind;

    #[test]
    fn a_group_lists_what_fires_and_tells_of_the_end_once() {
        let (mut sender, start): (_, Timestamp) =
            (Sender::default(), "2026-11-28T00:00:00Z".parse().unwrap());
        let labels = |instance| {
            Labels::from_pairs(vec![("alertname".into(), "Down".into()), ("instance".into(), instance)])
        };
        let mut posted = |instance: &'static str, over, minutes| {
            let at = start + jiff::SignedDuration::from_mins(minutes);
            let body = sender.post("r", &labels(instance.into()), over, at);
            let group = sources::decode(SourceKind::Alertmanager, body.as_bytes()).unwrap();
            let told = |alert: &Alert<'_>| {
                let since = alert.starts_at.map(|at| at.duration_since(start).as_mins());
                (alert.labels.get("instance").unwrap().to_owned(), alert.status, since.unwrap())
            };
            let mut told: Vec<_> = group.alerts.iter().map(told).collect();
            told.sort_by(|a, b| a.0.cmp(&b.0));
            told
        };
        let (firing, over) = (AlertStatus::Firing, AlertStatus::Resolved);
        assert_eq!(posted("a", false, 0), [("a".to_owned(), firing, 0)]);
        assert_eq!(posted("b", false, 1), [("a".to_owned(), firing, 0), ("b".to_owned(), firing, 1)]);
        assert_eq!(posted("a", true, 2), [("a".to_owned(), over, 0), ("b".to_owned(), firing, 1)]);
        assert_eq!(posted("b", false, 3), [("b".to_owned(), firing, 1)]);
    }
}
