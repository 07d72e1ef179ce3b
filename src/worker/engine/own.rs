//! Alerts that larkhorn raises itself, in the words of whoever reads them.
//!
//! They take the same way as everybody's: a rule owns them, an incident holds
//! them, and what ends them resolves it. Whether one is due is decided elsewhere.

use jiff::{SignedDuration, Timestamp};

use crate::domain::{Alert, AlertStatus, Fingerprint, IncidentKey, Labels};
use crate::settings::Locale;

/// Silence where a rule waits for beats: `status` firing, or over since `at`.
///
/// `labels` are those of the last beat; what they call the beat itself is left
/// out, because this is about its absence.
pub(super) fn heartbeat_lost(
    key: &IncidentKey,
    labels: &Labels<'_>,
    severity: &str,
    (every, last_seen): (SignedDuration, Option<Timestamp>),
    (status, at): (AlertStatus, Timestamp),
    locale: Locale,
) -> Alert<'static> {
    let rule = &key.rule;
    let summary = match (locale, last_seen) {
        (Locale::En, Some(_)) => {
            format!("no heartbeat of {rule} for {every:#}: its sender, or the way from there, is down")
        }
        (Locale::En, None) => format!("no heartbeat of {rule} has ever come, and one is due every {every:#}"),
        (Locale::ZhCn, Some(_)) => format!("{rule} 已有 {every:#} 没有心跳：发送方或到这里的链路中断"),
        (Locale::ZhCn, None) => format!("从未收到 {rule} 的心跳，应当每 {every:#} 一次"),
    };
    let kept =
        labels.iter().filter(|(name, _)| !["alertname", "severity", "priority", "level"].contains(name));
    let named = [("alertname", "HeartbeatLost"), ("severity", severity)];
    let labels = kept.chain(named).map(|(name, value)| (name.to_owned(), value.to_owned()));
    let identity =
        Labels::from_pairs(vec![("group".into(), key.group.as_str().into()), ("rule".into(), rule.into())]);
    Alert {
        annotations: [("summary".to_owned(), summary)].into_iter().collect(),
        starts_at: (status == AlertStatus::Firing).then_some(at),
        ends_at: (status == AlertStatus::Resolved).then_some(at),
        ..Alert::new(status, Fingerprint::of(&identity), labels.collect())
    }
}
