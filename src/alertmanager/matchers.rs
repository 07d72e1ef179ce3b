//! Which labels an incident is silenced by.

use std::collections::BTreeMap;

use crate::domain::{Alert, Fingerprint, Incident, Labels, Member, MemberState};

/// Labels that say how bad an alert is, not what burns. By them alone a
/// silence would mute everything as bad, everywhere.
const LOUDNESS: [&str; 3] = ["severity", "priority", "level"];

/// All labels of the incident's only alert, or those that its alerts share.
///
/// `alerts` are the incident's, as many as are at hand. Each of them that has
/// not recovered matches what is returned.
///
/// # Errors
///
/// `no_common_labels`: they share nothing, or only how bad it is, so a silence
/// would mute others too. (The word for `Answer::Impossible`.)
pub fn matchers_for(incident: &Incident, alerts: &[&Alert<'_>]) -> Result<Labels<'static>, &'static str> {
    shared_by(&incident.labels, &incident.standing.members, alerts)
}

/// What [`matchers_for`] says; `labels` are known to be shared already.
fn shared_by(
    labels: &Labels<'static>,
    members: &BTreeMap<Fingerprint, Member>,
    alerts: &[&Alert<'_>],
) -> Result<Labels<'static>, &'static str> {
    let burns = |alert: &&&Alert<'_>| {
        members.get(&alert.fingerprint).is_some_and(|member| member.state != MemberState::Resolved)
    };
    let shared = match (members.len(), alerts) {
        (1, [only]) if members.contains_key(&only.fingerprint) => only.labels.clone().into_owned(),
        _ => alerts.iter().filter(burns).fold(labels.clone(), |shared, alert| shared.common(&alert.labels)),
    };
    // An empty value would match everything that lacks the label.
    let said: Labels<'_> = shared.iter().filter(|(_, value)| !value.is_empty()).collect();
    if said.iter().all(|(name, _)| LOUDNESS.contains(&name)) {
        return Err("no_common_labels");
    }
    Ok(said.into_owned())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::{AlertGroup, AlertStatus, SourceKind};
    use crate::sources;

    /// What an incident of all alerts of the payload would be silenced by.
    fn silenced_by(payload: &str) -> Result<Vec<(String, String)>, &'static str> {
        let group = sources::decode(SourceKind::Alertmanager, payload.as_bytes()).unwrap();
        let found = shared_by(&common(&group), &members(&group), &group.alerts.iter().collect::<Vec<_>>());
        let found = found?;
        for alert in group.alerts.iter().filter(|a| a.status == AlertStatus::Firing) {
            assert_eq!(alert.labels.common(&found), found, "every firing alert is muted");
        }
        Ok(found.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    fn common(group: &AlertGroup<'_>) -> Labels<'static> {
        let mut labels = group.alerts.iter().map(|alert| alert.labels.clone());
        let first = labels.next().unwrap_or_default();
        labels.fold(first, |shared, other| shared.common(&other)).into_owned()
    }

    fn members(group: &AlertGroup<'_>) -> BTreeMap<Fingerprint, Member> {
        let state = |status| match status {
            AlertStatus::Firing => MemberState::Firing,
            AlertStatus::Resolved => MemberState::Resolved,
        };
        let member = |alert: &Alert<'_>| Member {
            state: state(alert.status),
            starts_at: alert.starts_at,
            changed_at: Timestamp::UNIX_EPOCH,
            listing: None,
        };
        group.alerts.iter().map(|alert| (alert.fingerprint, member(alert))).collect()
    }

    fn names(found: Result<Vec<(String, String)>, &'static str>) -> Vec<String> {
        found.unwrap().into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn one_alert_is_silenced_by_all_its_labels_and_many_by_what_they_share() {
        let single = include_str!("../../tests/payloads/am-0.33_single-firing.json");
        let labels = sources::decode(SourceKind::Alertmanager, single.as_bytes()).unwrap();
        let all: Vec<_> = labels.alerts[0].labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        assert_eq!(silenced_by(single), Ok(all));

        for group in [
            include_str!("../../tests/payloads/am-0.25_group3-firing.json"),
            include_str!("../../tests/payloads/am-0.25_group3-mixed.json"),
            include_str!("../../tests/payloads/am-0.33_group3-firing.json"),
            include_str!("../../tests/payloads/am-0.33_group3-mixed.json"),
            include_str!("../../tests/payloads/am-0.33_group3-new-alert.json"),
        ] {
            let found = names(silenced_by(group));
            assert!(found.contains(&"alertname".to_owned()) && found.contains(&"cluster".to_owned()));
            assert!(!found.contains(&"instance".to_owned()), "{found:?}");
        }
        let unicode = names(silenced_by(include_str!("../../tests/payloads/am-0.33_unicode.json")));
        assert!(unicode.len() > 1, "{unicode:?}");
        assert_eq!(names(silenced_by(include_str!("../../tests/payloads/am-0.33_minimal.json"))), ["case"]);
    }

    #[test]
    fn what_would_mute_others_is_refused() {
        let body = |alerts: &str| {
            format!(
                r#"{{"version":"4","status":"firing","receiver":"r","groupKey":"k","alerts":[{alerts}]}}"#
            )
        };
        let alert = |labels: &str| {
            format!(
                r#"{{"status":"firing","labels":{labels},"annotations":{{}},"startsAt":"2026-11-22T02:00:00Z"}}"#
            )
        };
        let pair = |a: &str, b: &str| silenced_by(&body(&[alert(a), alert(b)].join(",")));
        let refused = Err("no_common_labels");
        assert_eq!(pair(r#"{"alertname":"A"}"#, r#"{"alertname":"B"}"#), refused);
        let critical = |name: &str| format!(r#"{{"alertname":"{name}","severity":"critical","level":"1"}}"#);
        assert_eq!(pair(&critical("A"), &critical("B")), refused, "all that is critical");
        assert_eq!(silenced_by(&body(&alert(r#"{"severity":"critical"}"#))), refused);
        assert_eq!(silenced_by(&body(&alert(r#"{"team":"","severity":"page"}"#))), refused);
        assert_eq!(silenced_by(&body(&alert("{}"))), refused);
        assert_eq!(names(pair(r#"{"team":"db","x":"1"}"#, r#"{"team":"db","x":"2"}"#)), ["team"]);
    }

    #[test]
    fn alerts_at_hand_narrow_what_is_shared_but_never_widen_it() {
        let text = include_str!("../../tests/payloads/am-0.33_group3-mixed.json");
        let group = sources::decode(SourceKind::Alertmanager, text.as_bytes()).unwrap();
        let (members, labels) = (members(&group), common(&group));
        assert_eq!(shared_by(&labels, &members, &[]), Ok(labels.clone()), "none at hand");
        let first = &group.alerts[0];
        assert_eq!(shared_by(&labels, &members, &[first]), Ok(labels.clone()), "one of several");
        let stale = first.labels.clone().into_owned();
        let all: Vec<_> = group.alerts.iter().collect();
        assert_eq!(shared_by(&stale, &members, &all), Ok(labels), "labels of before the others came");
        let stranger = Alert { fingerprint: Fingerprint(1), labels: Labels::default(), ..first.clone() };
        assert_eq!(shared_by(&stale, &members, &[&stranger]), Ok(stale.clone()));
    }
}
