//! Stands in for `sources::inspect`.

use crate::domain::SourceKind;

#[derive(Debug, Clone, Copy)]
pub(super) enum Hint {
    Any,
    Alertmanager,
    Grafana,
}

pub(super) fn inspect(_hint: Hint, body: &[u8]) -> Result<(SourceKind, u64), serde_json::Error> {
    let value: serde_json::Value = serde_json::from_slice(body)?;
    let alerts = value.get("alerts").and_then(|a| a.as_array()).map(Vec::len);
    let kind = if value.get("orgId").is_some() { SourceKind::Grafana } else { SourceKind::Alertmanager };
    alerts.map(|n| (kind, u64::try_from(n).unwrap_or(0))).ok_or_else(|| serde::de::Error::custom("no alerts"))
}
