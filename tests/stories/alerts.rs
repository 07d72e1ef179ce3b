//! What senders send, said shortly.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// A webhook of Alertmanager in the making.
pub(crate) struct Webhook {
    group: String,
    alerts: Vec<serde_json::Value>,
}

/// One alert's labels and times.
#[derive(Clone, Copy)]
pub(crate) struct Told<'a> {
    pub(crate) name: &'a str,
    pub(crate) severity: &'a str,
    pub(crate) instance: &'a str,
    pub(crate) since: Timestamp,
}

impl Webhook {
    /// Of that group.
    pub(crate) fn of(group: &str) -> Self {
        Self { group: group.to_owned(), alerts: Vec::new() }
    }

    /// With an alert that fires.
    pub(crate) fn firing(self, told: Told<'_>) -> Self {
        self.alert("firing", told, "0001-01-01T00:00:00Z")
    }

    /// With an alert that has recovered.
    pub(crate) fn resolved(self, told: Told<'_>) -> Self {
        let end = (told.since + SignedDuration::from_mins(1)).to_string();
        self.alert("resolved", told, &end)
    }

    fn alert(mut self, status: &str, told: Told<'_>, ends_at: &str) -> Self {
        self.alerts.push(json!({
            "status": status,
            "labels": {"alertname": told.name, "instance": told.instance, "severity": told.severity},
            "annotations": {"summary": format!("{} on {}", told.name, told.instance)},
            "startsAt": told.since.to_string(),
            "endsAt": ends_at,
            "generatorURL": "http://prometheus:9090/graph",
        }));
        self
    }

    /// The body.
    pub(crate) fn body(&self) -> String {
        json!({
            "version": "4", "groupKey": self.group, "truncatedAlerts": 0, "receiver": "pager",
            "status": "firing", "alerts": self.alerts, "groupLabels": {}, "commonLabels": {},
            "commonAnnotations": {}, "externalURL": "http://alertmanager:9093",
        })
        .to_string()
    }
}

/// One alert of that severity, firing since then.
pub(crate) fn fires(name: &str, severity: &str, since: Timestamp) -> String {
    Webhook::of(name).firing(Told { name, severity, instance: "a", since }).body()
}

/// The same alert, recovered.
pub(crate) fn recovers(name: &str, severity: &str, since: Timestamp) -> String {
    Webhook::of(name).resolved(Told { name, severity, instance: "a", since }).body()
}

/// A captured body.
pub(crate) fn captured(name: &str) -> String {
    let path = format!("{}/tests/payloads/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}
