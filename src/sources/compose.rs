//! Makes what senders would post: for rehearsals, which have no sender.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{DecodeError, text_of};
use crate::domain::{Alert, AlertStatus, Labels, SourceKind};

/// What Alertmanager posts of a group to a receiver: these alerts and no others.
pub fn compose(receiver: &str, group_key: &str, group_labels: &Labels<'_>, alerts: &[Alert<'_>]) -> String {
    let firing = alerts.iter().any(|alert| alert.status == AlertStatus::Firing);
    json!({
        "version": "4",
        "receiver": receiver,
        "status": word(if firing { AlertStatus::Firing } else { AlertStatus::Resolved }),
        "groupKey": group_key,
        "groupLabels": pairs(group_labels),
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "",
        "truncatedAlerts": 0,
        "alerts": alerts.iter().map(alert_body).collect::<Vec<_>>(),
    })
    .to_string()
}

/// The body that follows this one when all its alerts have recovered at `at`.
///
/// # Errors
///
/// When the body is not of that kind.
pub fn recovered(kind: SourceKind, body: &[u8], at: Timestamp) -> Result<String, DecodeError> {
    super::decode(kind, body)?;
    let read: Result<Value, _> = serde_json::from_str(text_of(body)?);
    let mut body = read.map_err(|error| DecodeError::new(format!("the body: {error}")))?;
    match kind {
        SourceKind::GrafanaLegacy => put(&mut body, "state", json!("ok")),
        SourceKind::Alertmanager | SourceKind::Grafana => {
            put(&mut body, "status", json!(word(AlertStatus::Resolved)));
            let alerts = body.get_mut("alerts").and_then(Value::as_array_mut);
            for alert in alerts.into_iter().flatten() {
                if alert.get("status").and_then(Value::as_str) == Some(word(AlertStatus::Firing)) {
                    put(alert, "status", json!(word(AlertStatus::Resolved)));
                    put(alert, "endsAt", json!(at.to_string()));
                }
            }
        }
    }
    Ok(body.to_string())
}

fn put(object: &mut Value, field: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(field.to_owned(), value);
    }
}

fn alert_body(alert: &Alert<'_>) -> Value {
    /// How Go writes no time.
    const NEVER: &str = "0001-01-01T00:00:00Z";
    let time = |at: Option<Timestamp>| at.map_or_else(|| NEVER.to_owned(), |at| at.to_string());
    json!({
        "status": word(alert.status),
        "labels": pairs(&alert.labels),
        "annotations": pairs(&alert.annotations),
        "startsAt": time(alert.starts_at),
        "endsAt": time(alert.ends_at),
        "generatorURL": alert.generator_url,
        "fingerprint": alert.fingerprint.to_string(),
    })
}

fn pairs(labels: &Labels<'_>) -> Value {
    Value::Object(labels.iter().map(|(name, value)| (name.to_owned(), json!(value))).collect())
}

fn word(status: AlertStatus) -> &'static str {
    match status {
        AlertStatus::Firing => "firing",
        AlertStatus::Resolved => "resolved",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Fingerprint;
    use crate::sources::{Hint, decode, inspect, is_complete};

    #[test]
    fn what_is_composed_is_read_back_as_it_was() {
        let labels: Labels<'_> =
            [("alertname", "磁盘\"满\""), ("severity", "critical")].into_iter().collect();
        let at: Timestamp = "2026-11-28T02:14:00Z".parse().unwrap();
        let over =
            Alert { ends_at: Some(at), ..Alert::new(AlertStatus::Resolved, Fingerprint(7), labels.clone()) };
        let firing =
            Alert { starts_at: Some(at), ..Alert::new(AlertStatus::Firing, Fingerprint(8), labels.clone()) };
        let body = compose("pager", "{}:{alertname=\"x\"}", &labels, &[over.clone(), firing.clone()]);
        assert_eq!(inspect(Hint::Any, body.as_bytes()), Ok((SourceKind::Alertmanager, 2)));
        let group = decode(SourceKind::Alertmanager, body.as_bytes()).unwrap();
        assert!(is_complete(&group.header));
        assert_eq!((group.header.receiver.as_ref(), &group.header.group_labels), ("pager", &labels));
        assert_eq!(group.alerts, [over, firing]);
    }

    #[test]
    fn every_kind_of_body_can_recover() {
        let at: Timestamp = "2026-11-28T02:14:00Z".parse().unwrap();
        for name in ["am-0.33_group3-mixed", "prom-2.42_am-0.25_rule-firing"] {
            let path = format!("{}/tests/payloads/{name}.json", env!("CARGO_MANIFEST_DIR"));
            let body = std::fs::read(path).unwrap();
            let before = decode(SourceKind::Alertmanager, &body).unwrap();
            let text = recovered(SourceKind::Alertmanager, &body, at).unwrap();
            let after = decode(SourceKind::Alertmanager, text.as_bytes()).unwrap();
            assert_eq!(before.header, after.header);
            for (was, is) in before.alerts.iter().zip(&after.alerts) {
                assert_eq!((was.fingerprint, was.starts_at), (is.fingerprint, is.starts_at));
                let ended = if was.status == AlertStatus::Firing { Some(at) } else { was.ends_at };
                assert_eq!((is.status, is.ends_at), (AlertStatus::Resolved, ended));
            }
        }
        let legacy = br#"{"state": "alerting", "ruleId": 3, "ruleName": "CPU"}"#;
        let text = recovered(SourceKind::GrafanaLegacy, legacy, at).unwrap();
        let after = decode(SourceKind::GrafanaLegacy, text.as_bytes()).unwrap();
        assert_eq!(after.alerts[0].status, AlertStatus::Resolved);
        assert!(recovered(SourceKind::Alertmanager, b"{}", at).is_err());
    }
}
