//! What senders report: alerts and the group that carries them.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;

use super::Labels;

/// Which format a payload was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SourceKind {
    /// Alertmanager webhook, `version: "4"`, and everything that speaks it.
    Alertmanager,
    /// Grafana unified alerting, 9 to 13.
    Grafana,
    /// Grafana legacy dashboard alerting, up to 10.
    GrafanaLegacy,
}

impl SourceKind {
    /// The default name of a source of this kind (`?source=` overrides it).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alertmanager => "alertmanager",
            Self::Grafana => "grafana",
            Self::GrafanaLegacy => "grafana-legacy",
        }
    }
}

/// The source of larkhorn's own alerts. No sender can take the name.
pub const OWN_SOURCE: &str = "larkhorn";

/// Whether a sender says that an alert fires or has recovered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlertStatus {
    /// It burns.
    Firing,
    /// The sender says it is over.
    Resolved,
}

/// Identity of an alert within its source: a hash of its labels.
///
/// FNV-1a 64 over the sorted labels, as Alertmanager computes it; sent by
/// every version since 0.19, computed here when missing (inputs.md §A).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    /// Computes it the way Alertmanager does: name, 0xFF, value, 0xFF.
    pub fn of(labels: &Labels<'_>) -> Self {
        let mut hash: u64 = 14_695_981_039_346_656_037;
        let mut eat = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(1_099_511_628_211);
            }
        };
        for (name, value) in labels.iter() {
            eat(name.as_bytes());
            eat(&[0xFF]);
            eat(value.as_bytes());
            eat(&[0xFF]);
        }
        Self(hash)
    }

    /// Reads up to 16 hex digits; `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        let ok = !text.is_empty() && text.len() <= 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        ok.then(|| u64::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// One alert as its sender reports it now, borrowing from the payload.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert<'a> {
    /// Firing or resolved.
    pub status: AlertStatus,
    /// Identity within the source.
    pub fingerprint: Fingerprint,
    /// Labels; `alertname` is not guaranteed.
    pub labels: Labels<'a>,
    /// Annotations.
    pub annotations: Labels<'a>,
    /// When this firing began. A re-fire has a new one; `None` where the
    /// format carries none (legacy Grafana).
    pub starts_at: Option<Timestamp>,
    /// When it ended; `None` while it fires.
    pub ends_at: Option<Timestamp>,
    /// Link to the expression or rule; empty when absent.
    pub generator_url: Cow<'a, str>,
    /// Grafana: link to a prefilled silence; empty when absent.
    pub silence_url: Cow<'a, str>,
    /// Grafana: dashboard link; empty when absent.
    pub dashboard_url: Cow<'a, str>,
    /// Grafana: panel link; empty when absent.
    pub panel_url: Cow<'a, str>,
    /// Measured values as text, e.g. `B=12.5, C=1`; empty when unknown.
    pub values: Cow<'a, str>,
}

impl<'a> Alert<'a> {
    /// An alert of which nothing else is known.
    pub fn new(status: AlertStatus, fingerprint: Fingerprint, labels: Labels<'a>) -> Self {
        let none = Cow::Borrowed("");
        Self {
            status,
            fingerprint,
            labels,
            annotations: Labels::default(),
            starts_at: None,
            ends_at: None,
            generator_url: none.clone(),
            silence_url: none.clone(),
            dashboard_url: none.clone(),
            panel_url: none.clone(),
            values: none,
        }
    }

    /// The same alert, owning its text.
    pub fn into_owned(self) -> Alert<'static> {
        let own = |s: Cow<'_, str>| Cow::Owned(s.into_owned());
        Alert {
            status: self.status,
            fingerprint: self.fingerprint,
            labels: self.labels.into_owned(),
            annotations: self.annotations.into_owned(),
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            generator_url: own(self.generator_url),
            silence_url: own(self.silence_url),
            dashboard_url: own(self.dashboard_url),
            panel_url: own(self.panel_url),
            values: own(self.values),
        }
    }
}

/// What a payload says about its group as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupHeader<'a> {
    /// The format it was written in.
    pub kind: SourceKind,
    /// The receiver's name, unescaped from the regular expression senders quote it as.
    pub receiver: Cow<'a, str>,
    /// The sender's key of the group: opaque, only ever compared.
    pub group_key: Cow<'a, str>,
    /// The labels the sender grouped by.
    pub group_labels: Labels<'a>,
    /// The sender's own address, for links; may be useless (a pod name).
    pub external_url: Cow<'a, str>,
    /// How many alerts the sender left out (`max_alerts`). Above 0 a missing
    /// alert means nothing at all.
    pub truncated_alerts: u64,
}

/// A decoded payload: its header and all its alerts.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertGroup<'a> {
    /// What it says of the group.
    pub header: GroupHeader<'a>,
    /// Its alerts, in the sender's order. May be empty.
    pub alerts: Vec<Alert<'a>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_agrees_with_captured_alertmanager() {
        // am-0.33_minimal.json
        let labels: Labels<'_> = [("case", "minimal")].into_iter().collect();
        assert_eq!(Fingerprint::of(&labels).to_string(), "d01d36e5cfe1114e");
        assert_eq!(Fingerprint::from_hex("d01d36e5cfe1114e"), Some(Fingerprint::of(&labels)));
    }

    #[test]
    fn fingerprint_refuses_what_is_not_hex() {
        for text in ["", "xyz", "+1", "00112233445566778"] {
            assert_eq!(Fingerprint::from_hex(text), None, "{text:?}");
        }
    }
}
