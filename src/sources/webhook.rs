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

/// A key for groups that come without one: their labels, in order.
fn derived_key(labels: &Labels<'_>) -> String {
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name:?}={value:?}")).collect();
    format!("derived:{{{}}}", pairs.join(", "))
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
        let mut alert = Alert {
            status: AlertStatus::Firing,
            fingerprint: Fingerprint(0),
            labels: Labels::default(),
            annotations: Labels::default(),
            starts_at: None,
            ends_at: None,
            generator_url: Cow::Borrowed(""),
            silence_url: Cow::Borrowed(""),
            dashboard_url: Cow::Borrowed(""),
            panel_url: Cow::Borrowed(""),
            values: Cow::Borrowed(""),
        };
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
