//! The webhook of Alertmanager, and Grafana's, which adds fields to it.
//!
//! One reader serves both (inputs.md §A, §C.1), so telling them apart costs no
//! pass of its own. Common labels and annotations, the group's `status` and
//! Grafana's texts are passed over: they follow from the alerts, and are wrong
//! when alerts were cut off.
//!
//! A sent fingerprint wins over a computed one. It has to: Grafana strips
//! labels named `__x__` after hashing them.
//!
//! Grafana's `NoData` and `Error` come as ordinary alerts (`DatasourceNoData`,
//! `DatasourceError`) or with values of -1; both are kept as they are, because
//! -1 is also a value that a rule may measure.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::de::{Error, MapAccess, SeqAccess};

use super::Hint;
use super::detect::{Field, FieldName, Marks, VersionText};
use super::error::{DecodeError, Excerpt, Trail};
use super::shape::{Count, Instant, Number, Pairs, Read, Shape, Text, mistaken, read, skip, value};
use crate::domain::{Alert, AlertStatus, Fingerprint, GroupHeader, Labels, SourceKind};

/// Room for the labels of a usual alert (inputs.md §F), and for its annotations.
const USUAL_LABELS: usize = 12;
const USUAL_ANNOTATIONS: usize = 4;

/// Decodes a body of either kind.
pub(super) fn visit<'a>(
    kind: SourceKind,
    text: &'a str,
    sink: &mut dyn FnMut(Alert<'a>),
) -> Result<GroupHeader<'a>, DecodeError> {
    let trail = Trail::default();
    let payload = read(text, PayloadShape::<true> { trail: &trail, sink }, &trail)?;
    if payload.marks.has(Field::Alerts) {
        Ok(payload.header(kind))
    } else {
        Err(DecodeError::new("the body: `alerts` is missing, expected an array"))
    }
}

/// Checks a body and counts its alerts; `None` when it is of neither kind or
/// not in order.
pub(super) fn check(hint: Hint, text: &str) -> Option<(SourceKind, u64)> {
    let trail = Trail::default();
    let payload = read(text, PayloadShape::<false> { trail: &trail, sink: &mut |_| {} }, &trail).ok()?;
    match payload.marks.kind(hint)? {
        kind @ (SourceKind::Alertmanager | SourceKind::Grafana) => Some((kind, payload.alerts)),
        SourceKind::GrafanaLegacy => None,
    }
}

/// A body without its alerts.
#[derive(Default)]
struct Payload<'a> {
    marks: Marks,
    alerts: u64,
    receiver: Cow<'a, str>,
    group_key: Cow<'a, str>,
    group_labels: Labels<'a>,
    external_url: Cow<'a, str>,
    truncated_alerts: u64,
}

impl<'a> Payload<'a> {
    fn header(self, kind: SourceKind) -> GroupHeader<'a> {
        let group_key =
            if self.group_key.is_empty() { derived_key(&self.group_labels).into() } else { self.group_key };
        GroupHeader {
            kind,
            receiver: unquote(self.receiver),
            group_key,
            group_labels: self.group_labels,
            external_url: self.external_url,
            truncated_alerts: self.truncated_alerts,
        }
    }
}

/// How the keys begin that are made here, for groups that come without one.
pub(super) const DERIVED: &str = "derived:";

/// A key for groups that come without one: their labels, in order.
fn derived_key(labels: &Labels<'_>) -> String {
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name:?}={value:?}")).collect();
    format!("{DERIVED}{{{}}}", pairs.join(", "))
}

/// Undoes Go's `regexp.QuoteMeta`, which senders apply to the receiver's name.
fn unquote(quoted: Cow<'_, str>) -> Cow<'_, str> {
    if !quoted.contains('\\') {
        return quoted;
    }
    let mut plain = String::with_capacity(quoted.len());
    let mut chars = quoted.chars().peekable();
    while let Some(c) = chars.next() {
        let quoting = c == '\\' && chars.peek().is_some_and(|next| r"\.+*?()|[]{}^$".contains(*next));
        plain.push(if quoting { chars.next().unwrap_or(c) } else { c });
    }
    plain.into()
}

/// With `KEEP` off everything is checked and nothing kept; the alerts that
/// reach the sink are then hollow.
struct PayloadShape<'t, 'a, const KEEP: bool> {
    trail: &'t Trail,
    sink: &'t mut dyn FnMut(Alert<'a>),
}

impl<'a, const KEEP: bool> Shape<'a> for PayloadShape<'_, 'a, KEEP> {
    type Value = Payload<'a>;

    fn expected(&self) -> &'static str {
        "an object"
    }

    fn object<A: MapAccess<'a>>(self, mut map: A) -> Result<Payload<'a>, A::Error> {
        let trail = self.trail;
        let text = || Text::<KEEP> { nullable: true };
        let mut payload = Payload::default();
        while let Some(key) = map.next_key_seed(Read(FieldName))? {
            if key == Field::Alerts && payload.marks.has(key) {
                return Err(A::Error::duplicate_field("alerts"));
            }
            payload.marks.note(key);
            match key {
                Field::Alerts => {
                    let alerts = Alerts::<KEEP> { trail, sink: &mut *self.sink };
                    payload.alerts = value(&mut map, trail, "alerts", alerts)?;
                }
                Field::Receiver => payload.receiver = value(&mut map, trail, "receiver", text())?,
                Field::GroupKey => payload.group_key = value(&mut map, trail, "groupKey", text())?,
                Field::GroupLabels => {
                    let pairs = Pairs::<KEEP> { trail, capacity: USUAL_ANNOTATIONS };
                    payload.group_labels = value(&mut map, trail, "groupLabels", pairs)?;
                }
                Field::ExternalUrl => payload.external_url = value(&mut map, trail, "externalURL", text())?,
                Field::TruncatedAlerts => {
                    payload.truncated_alerts = value(&mut map, trail, "truncatedAlerts", Count)?;
                }
                Field::Version => payload.marks.version = value(&mut map, trail, "version", VersionText)?,
                Field::OrgId
                | Field::State
                | Field::Title
                | Field::EvalMatches
                | Field::RuleId
                | Field::RuleName
                | Field::Other => skip(&mut map)?,
            }
        }
        Ok(payload)
    }
}

/// The array of alerts; how many there were.
struct Alerts<'t, 'a, const KEEP: bool> {
    trail: &'t Trail,
    sink: &'t mut dyn FnMut(Alert<'a>),
}

impl<'a, const KEEP: bool> Shape<'a> for Alerts<'_, 'a, KEEP> {
    type Value = u64;

    fn expected(&self) -> &'static str {
        "an array"
    }

    /// How Go writes a list that was never filled.
    fn null<E: Error>(self) -> Result<u64, E> {
        Ok(0)
    }

    fn array<A: SeqAccess<'a>>(self, mut seq: A) -> Result<u64, A::Error> {
        let mut count = 0;
        loop {
            let alert = seq
                .next_element_seed(Read(AlertShape::<KEEP>(self.trail)))
                .inspect_err(|_| self.trail.index(count))?;
            let Some(alert) = alert else { return Ok(count) };
            (self.sink)(alert);
            count += 1;
        }
    }
}

/// Fields of an alert that are read.
enum AlertField {
    Status,
    Labels,
    Annotations,
    StartsAt,
    EndsAt,
    GeneratorUrl,
    Fingerprint,
    SilenceUrl,
    DashboardUrl,
    PanelUrl,
    Values,
    Other,
}

struct AlertFieldName;

impl Shape<'_> for AlertFieldName {
    type Value = AlertField;

    fn expected(&self) -> &'static str {
        "a field name"
    }

    #[inline]
    fn text<E: Error>(self, name: &str) -> Result<AlertField, E> {
        Ok(match name {
            "status" => AlertField::Status,
            "labels" => AlertField::Labels,
            "annotations" => AlertField::Annotations,
            "startsAt" => AlertField::StartsAt,
            "endsAt" => AlertField::EndsAt,
            "generatorURL" => AlertField::GeneratorUrl,
            "fingerprint" => AlertField::Fingerprint,
            "silenceURL" => AlertField::SilenceUrl,
            "dashboardURL" => AlertField::DashboardUrl,
            "panelURL" => AlertField::PanelUrl,
            "values" => AlertField::Values,
            _ => AlertField::Other,
        })
    }
}

struct AlertShape<'t, const KEEP: bool>(&'t Trail);

impl<'a, const KEEP: bool> Shape<'a> for AlertShape<'_, KEEP> {
    type Value = Alert<'a>;

    fn expected(&self) -> &'static str {
        "an object"
    }

    fn object<A: MapAccess<'a>>(self, mut map: A) -> Result<Alert<'a>, A::Error> {
        let trail = self.0;
        let text = || Text::<KEEP> { nullable: true };
        let pairs = |capacity| Pairs::<KEEP> { trail, capacity };
        let (mut status, mut fingerprint) = (None, None);
        let mut alert = Alert::new(AlertStatus::Firing, Fingerprint(0), Labels::default());
        while let Some(key) = map.next_key_seed(Read(AlertFieldName))? {
            let map = &mut map;
            match key {
                AlertField::Status => status = Some(value(map, trail, "status", Status)?),
                AlertField::Labels => alert.labels = value(map, trail, "labels", pairs(USUAL_LABELS))?,
                AlertField::Annotations => {
                    alert.annotations = value(map, trail, "annotations", pairs(USUAL_ANNOTATIONS))?;
                }
                AlertField::StartsAt => alert.starts_at = value(map, trail, "startsAt", Instant)?,
                AlertField::EndsAt => alert.ends_at = value(map, trail, "endsAt", Instant)?,
                AlertField::GeneratorUrl => alert.generator_url = value(map, trail, "generatorURL", text())?,
                AlertField::Fingerprint => fingerprint = value(map, trail, "fingerprint", SentFingerprint)?,
                AlertField::SilenceUrl => alert.silence_url = value(map, trail, "silenceURL", text())?,
                AlertField::DashboardUrl => alert.dashboard_url = value(map, trail, "dashboardURL", text())?,
                AlertField::PanelUrl => alert.panel_url = value(map, trail, "panelURL", text())?,
                AlertField::Values => alert.values = value(map, trail, "values", Values::<KEEP>(trail))?,
                AlertField::Other => skip(map)?,
            }
        }
        alert.status = status.ok_or_else(|| A::Error::missing_field("status"))?;
        alert.fingerprint = fingerprint.unwrap_or_else(|| Fingerprint::of(&alert.labels));
        if alert.status == AlertStatus::Firing {
            alert.ends_at = None;
        }
        Ok(alert)
    }
}

/// `firing` or `resolved`.
struct Status;

impl Shape<'_> for Status {
    type Value = AlertStatus;

    fn expected(&self) -> &'static str {
        "\"firing\" or \"resolved\""
    }

    #[inline]
    fn text<E: Error>(self, text: &str) -> Result<AlertStatus, E> {
        match text {
            "firing" => Ok(AlertStatus::Firing),
            "resolved" => Ok(AlertStatus::Resolved),
            _ => Err(mistaken(self.expected(), format_args!("\"{}\"", Excerpt(text)))),
        }
    }
}

/// A fingerprint; `None` when the text is not one.
struct SentFingerprint;

impl Shape<'_> for SentFingerprint {
    type Value = Option<Fingerprint>;

    fn expected(&self) -> &'static str {
        "a string of 16 hex digits"
    }

    fn null<E: Error>(self) -> Result<Option<Fingerprint>, E> {
        Ok(None)
    }

    #[inline]
    fn text<E: Error>(self, text: &str) -> Result<Option<Fingerprint>, E> {
        Ok(Fingerprint::from_hex(text))
    }
}

/// Grafana's measured values by refID, as text: `B=12.5, C=1`.
///
/// `null` when there are none or one of them is NaN (inputs.md §C.1).
struct Values<'t, const KEEP: bool>(&'t Trail);

impl<'a, const KEEP: bool> Shape<'a> for Values<'_, KEEP> {
    type Value = Cow<'a, str>;

    fn expected(&self) -> &'static str {
        "an object of numbers"
    }

    fn null<E: Error>(self) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Borrowed(""))
    }

    fn object<A: MapAccess<'a>>(self, mut map: A) -> Result<Cow<'a, str>, A::Error> {
        let mut measured = Vec::new();
        while let Some(ref_id) = map.next_key_seed(Read(Text::<true> { nullable: false }))? {
            if let Some(number) = value(&mut map, self.0, &ref_id, Measured)?
                && KEEP
            {
                measured.push((ref_id, number));
            }
        }
        measured.sort_by(|a, b| a.0.cmp(&b.0));
        let mut text = String::new();
        for (ref_id, number) in measured {
            let comma = if text.is_empty() { "" } else { ", " };
            write!(text, "{comma}{ref_id}={number}").map_err(A::Error::custom)?;
        }
        Ok(text.into())
    }
}

/// A number, or `null` where nothing could be measured.
pub(super) struct Measured;

impl Shape<'_> for Measured {
    type Value = Option<Number>;

    fn expected(&self) -> &'static str {
        "a number"
    }

    fn null<E: Error>(self) -> Result<Option<Number>, E> {
        Ok(None)
    }

    fn number<E: Error>(self, number: Number) -> Result<Option<Number>, E> {
        Ok(Some(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> (GroupHeader<'_>, Vec<Alert<'_>>) {
        let mut alerts = Vec::new();
        let header = visit(SourceKind::Alertmanager, text, &mut |alert| alerts.push(alert)).unwrap();
        (header, alerts)
    }

    #[test]
    fn receivers_lose_the_quoting_of_go_and_nothing_else() {
        let table = [
            ("ops", "ops"),
            (r"ops\.feishu \(P1\)\+oncall\|值班", "ops.feishu (P1)+oncall|值班"),
            (r"\\d\[0\]\{1\}\^\$\*\?", r"\d[0]{1}^$*?"),
            (r"\\\.", r"\."),
            (r"a\b\", r"a\b\"),
        ];
        for (quoted, plain) in table {
            assert_eq!(unquote(quoted.into()), plain, "{quoted}");
        }
        assert!(matches!(unquote("ops".into()), Cow::Borrowed(_)));
    }

    #[test]
    fn a_missing_group_key_follows_from_the_group_labels() {
        let (one, _) = decode(r#"{"alerts":[],"groupLabels":{"b":"x\"y","a":"1"}}"#);
        let (two, _) = decode(r#"{"alerts":[],"groupLabels":{"a":"1","b":"x\"y"},"groupKey":""}"#);
        assert_eq!(one.group_key, r#"derived:{"a"="1", "b"="x\"y"}"#);
        assert_eq!(one.group_key, two.group_key);
        let (other, _) = decode(r#"{"alerts":[],"groupLabels":{"a":"1\", \"b\"=\"x\"y"}}"#);
        assert_ne!(one.group_key, other.group_key);
        assert_eq!(decode(r#"{"alerts":[]}"#).0.group_key, "derived:{}");
    }

    #[test]
    fn whatever_may_be_missing_or_null_reads_as_empty() {
        let (bare, alerts) = decode(r#"{"alerts":[{"status":"firing"}]}"#);
        let (nulls, null_alerts) = decode(
            r#"{"alerts":[{"status":"firing","labels":null,"annotations":null,"startsAt":null,"endsAt":null,
                "generatorURL":null,"fingerprint":null,"values":null,"panelURL":null}],"receiver":null,
                "groupKey":null,"groupLabels":null,"externalURL":null,"truncatedAlerts":null,"version":null}"#,
        );
        assert_eq!((&bare, &alerts), (&nulls, &null_alerts));
        assert_eq!(bare.truncated_alerts, 0);
        assert_eq!(alerts[0].fingerprint, Fingerprint::of(&Labels::default()));
        assert_eq!(decode(r#"{"alerts":null}"#).1, []);
    }

    #[test]
    fn only_what_is_over_has_an_end() {
        let ends = |status: &str, end: &str| {
            let body = format!(r#"{{"alerts":[{{"status":"{status}","endsAt":"{end}"}}]}}"#);
            decode(&body).1[0].ends_at.map(|at| at.to_string())
        };
        let (zero, real) = ("0001-01-01T00:00:00Z", "2026-11-22T03:45:14.5Z");
        assert_eq!(ends("resolved", real).as_deref(), Some(real));
        for (status, end) in [("resolved", zero), ("firing", zero), ("firing", real)] {
            assert_eq!(ends(status, end), None, "{status} {end}");
        }
    }

    #[test]
    fn the_sent_fingerprint_wins() {
        let (_, alerts) =
            decode(r#"{"alerts":[{"status":"firing","labels":{"a":"b"},"fingerprint":"695cdddc6c05a027"}]}"#);
        assert_eq!(alerts[0].fingerprint.to_string(), "695cdddc6c05a027");
    }

    #[test]
    fn alerts_arrive_one_by_one_before_the_rest_is_read() {
        let mut seen = 0;
        let cut = r#"{"alerts":[{"status":"firing"},{"status":"resolved"},{"stat"#;
        visit(SourceKind::Alertmanager, cut, &mut |_| seen += 1).unwrap_err();
        assert_eq!(seen, 2);
    }

    #[test]
    fn a_body_without_alerts_is_refused() {
        let error = visit(SourceKind::Grafana, r#"{"orgId":1}"#, &mut |_| {}).unwrap_err();
        assert_eq!(error.to_string(), "the body: `alerts` is missing, expected an array");
    }
}
