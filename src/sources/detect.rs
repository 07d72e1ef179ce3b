//! Tells the formats apart by their top-level fields, as inputs.md §D says.
//!
//! Also names the senders that post here by mistake: rule engines that take
//! larkhorn for an Alertmanager, Nightingale, custom payloads.

use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess};

use super::Hint;
use super::error::{DecodeError, Excerpt, Trail};
use super::shape::{Number, Read, Shape, read, skip, value};
use crate::domain::SourceKind;

/// Top-level fields that are read or tell formats apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Alerts,
    Receiver,
    GroupKey,
    GroupLabels,
    ExternalUrl,
    TruncatedAlerts,
    Version,
    OrgId,
    State,
    Title,
    EvalMatches,
    RuleId,
    RuleName,
    Other,
}

impl Field {
    fn of(name: &str) -> Self {
        match name {
            "alerts" => Self::Alerts,
            "receiver" => Self::Receiver,
            "groupKey" => Self::GroupKey,
            "groupLabels" => Self::GroupLabels,
            "externalURL" => Self::ExternalUrl,
            "truncatedAlerts" => Self::TruncatedAlerts,
            "version" => Self::Version,
            "orgId" => Self::OrgId,
            "state" => Self::State,
            "title" => Self::Title,
            "evalMatches" => Self::EvalMatches,
            "ruleId" => Self::RuleId,
            "ruleName" => Self::RuleName,
            _ => Self::Other,
        }
    }

    /// Its bit in [`Marks`]; 0 for fields that prove nothing.
    fn bit(self) -> u16 {
        match self {
            Self::Alerts => 1,
            Self::Receiver => 1 << 1,
            Self::GroupKey => 1 << 2,
            Self::GroupLabels => 1 << 3,
            Self::OrgId => 1 << 4,
            Self::State => 1 << 5,
            Self::Title => 1 << 6,
            Self::EvalMatches => 1 << 7,
            Self::RuleId => 1 << 8,
            Self::RuleName => 1 << 9,
            Self::ExternalUrl | Self::TruncatedAlerts | Self::Version | Self::Other => 0,
        }
    }
}

/// Reads a field's name.
pub(super) struct FieldName;

impl Shape<'_> for FieldName {
    type Value = Field;

    fn expected(&self) -> &'static str {
        "a field name"
    }

    #[inline]
    fn text<E: Error>(self, name: &str) -> Result<Field, E> {
        Ok(Field::of(name))
    }
}

/// What `version` says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Version {
    /// Nothing.
    #[default]
    Absent,
    /// `"1"`, Grafana's.
    One,
    /// `"4"`, Alertmanager's.
    Four,
    /// One that is not known yet.
    Unknown,
}

/// Reads `version`.
pub(super) struct VersionText;

impl Shape<'_> for VersionText {
    type Value = Version;

    fn expected(&self) -> &'static str {
        "a string"
    }

    fn null<E: Error>(self) -> Result<Version, E> {
        Ok(Version::Absent)
    }

    fn text<E: Error>(self, text: &str) -> Result<Version, E> {
        Ok(match text {
            "1" => Version::One,
            "4" => Version::Four,
            _ => Version::Unknown,
        })
    }
}

/// What was seen of the fields that tell formats apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Marks {
    seen: u16,
    pub(super) version: Version,
}

impl Marks {
    #[inline]
    pub(super) fn note(&mut self, key: Field) {
        self.seen |= key.bit();
    }

    pub(super) fn has(self, key: Field) -> bool {
        self.seen & key.bit() != 0
    }

    /// The format they prove, if any.
    ///
    /// Both unified formats carry `groupKey`, so what only one of them sends is
    /// looked for first; the hint decides where such proofs contradict each
    /// other or are missing.
    pub(super) fn kind(self, hint: Hint) -> Option<SourceKind> {
        if !self.has(Field::Alerts) {
            let legacy =
                self.has(Field::EvalMatches) || (self.has(Field::RuleId) && self.has(Field::RuleName));
            return legacy.then_some(SourceKind::GrafanaLegacy);
        }
        let grafana = self.has(Field::OrgId)
            || (self.has(Field::State) && self.has(Field::Title))
            || self.version == Version::One;
        let alertmanager = self.version == Version::Four;
        let either = grafana || alertmanager || self.has(Field::GroupKey);
        let likely = either
            || self.has(Field::Receiver)
            || self.has(Field::GroupLabels)
            || self.version == Version::Unknown;
        match hint {
            Hint::Any if grafana => Some(SourceKind::Grafana),
            Hint::Any => either.then_some(SourceKind::Alertmanager),
            Hint::Alertmanager if grafana && !alertmanager => Some(SourceKind::Grafana),
            Hint::Alertmanager => likely.then_some(SourceKind::Alertmanager),
            Hint::Grafana if alertmanager && !grafana => Some(SourceKind::Alertmanager),
            Hint::Grafana => likely.then_some(SourceKind::Grafana),
        }
    }
}

/// Which format the body is in, judged by its top level.
pub(super) fn detect(hint: Hint, text: &str) -> Result<SourceKind, DecodeError> {
    let trail = Trail::default();
    if text.trim_ascii().is_empty() {
        return Err(DecodeError::new(
            "the body is empty; expected an Alertmanager or Grafana webhook as JSON",
        ));
    }
    let found = read(text, Sniff(&trail), &trail)?;
    if let Found::Object { marks, .. } = &found
        && let Some(kind) = marks.kind(hint)
    {
        return Ok(kind);
    }
    Err(DecodeError::new(found.complaint()))
}

/// What a body is at first sight.
enum Found {
    Object { marks: Marks, nightingale: bool, names: Names },
    Array(Element),
    Scalar(&'static str),
}

/// What the first element of an array looks like.
enum Element {
    /// An alert as rule engines post it to `/api/v2/alerts`.
    ApiAlert,
    /// An event of Nightingale.
    Nightingale,
    /// Anything else, or there is none.
    Unknown,
}

impl Found {
    fn complaint(&self) -> String {
        const WANTED: &str = "expected an Alertmanager or Grafana webhook";
        const NIGHTINGALE: &str = "this is an event of Nightingale, which larkhorn does not read; \
             expected an Alertmanager or Grafana webhook";
        match self {
            Self::Object { nightingale: true, .. } | Self::Array(Element::Nightingale) => {
                NIGHTINGALE.to_owned()
            }
            Self::Object { marks, names, .. } if marks.has(Field::Alerts) => format!(
                "{WANTED}, got `alerts` without `groupKey` or `version` ({names}); \
                 a custom payload can't be read: remove `payload` from the sender's configuration"
            ),
            Self::Object { names, .. } => format!(
                "{WANTED} (an object with `alerts`, or legacy Grafana's `evalMatches`), got an object with {names}; \
                 a custom payload can't be read"
            ),
            Self::Array(Element::ApiAlert) => {
                "this array of alerts is what Prometheus and other rule engines \
                 post to an Alertmanager (/api/v2/alerts); larkhorn wants Alertmanager's webhook: \
                 point the rule engine at Alertmanager and add larkhorn there as a webhook receiver"
                    .to_owned()
            }
            Self::Array(Element::Unknown) => format!("{WANTED}, which is an object, got an array"),
            Self::Scalar(what) => format!("{WANTED}, which is an object, got {what}"),
        }
    }
}

/// The first few names of an object's fields, for its refusal.
#[derive(Default)]
struct Names {
    listed: String,
    more: bool,
}

impl Names {
    /// Together the names stay below a line's length.
    const CHARS: usize = 60;

    fn push(&mut self, name: &str) {
        let name = Excerpt(name).to_string();
        let room =
            self.listed.is_empty() || self.listed.chars().count() + name.chars().count() + 4 <= Self::CHARS;
        if self.more || !room {
            self.more = true;
            return;
        }
        if !self.listed.is_empty() {
            self.listed.push_str(", ");
        }
        self.listed.push('`');
        self.listed.push_str(&name);
        self.listed.push('`');
    }
}

impl std::fmt::Display for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.listed.is_empty() {
            return f.write_str("no fields");
        }
        write!(f, "the fields {}{}", self.listed, if self.more { ", …" } else { "" })
    }
}

/// Whether a field is one of those that only Nightingale sends.
fn is_nightingale(name: &str) -> bool {
    matches!(name, "rule_name" | "trigger_time")
}

/// Takes any body and looks at its top level only.
struct Sniff<'t>(&'t Trail);

impl<'a> Shape<'a> for Sniff<'_> {
    type Value = Found;

    fn expected(&self) -> &'static str {
        "JSON"
    }

    fn null<E: Error>(self) -> Result<Found, E> {
        Ok(Found::Scalar("null"))
    }

    fn boolean<E: Error>(self, _: bool) -> Result<Found, E> {
        Ok(Found::Scalar("a boolean"))
    }

    fn number<E: Error>(self, _: Number) -> Result<Found, E> {
        Ok(Found::Scalar("a number"))
    }

    fn text<E: Error>(self, _: &str) -> Result<Found, E> {
        Ok(Found::Scalar("a string"))
    }

    fn array<A: SeqAccess<'a>>(self, mut seq: A) -> Result<Found, A::Error> {
        let first = seq.next_element_seed(Read(FirstElement))?.unwrap_or(Element::Unknown);
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Found::Array(first))
    }

    fn object<A: MapAccess<'a>>(self, mut map: A) -> Result<Found, A::Error> {
        let (mut marks, mut names, mut nightingale) = (Marks::default(), Names::default(), false);
        while let Some(name) = map.next_key::<String>()? {
            let key = Field::of(&name);
            marks.note(key);
            names.push(&name);
            nightingale |= is_nightingale(&name);
            if key == Field::Version {
                marks.version = value(&mut map, self.0, &name, VersionText)?;
            } else {
                skip(&mut map)?;
            }
        }
        Ok(Found::Object { marks, nightingale, names })
    }
}

/// Takes any element of an array.
struct FirstElement;

impl<'a> Shape<'a> for FirstElement {
    type Value = Element;

    fn expected(&self) -> &'static str {
        "JSON"
    }

    fn null<E: Error>(self) -> Result<Element, E> {
        Ok(Element::Unknown)
    }

    fn boolean<E: Error>(self, _: bool) -> Result<Element, E> {
        Ok(Element::Unknown)
    }

    fn number<E: Error>(self, _: Number) -> Result<Element, E> {
        Ok(Element::Unknown)
    }

    fn text<E: Error>(self, _: &str) -> Result<Element, E> {
        Ok(Element::Unknown)
    }

    fn array<A: SeqAccess<'a>>(self, mut seq: A) -> Result<Element, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Element::Unknown)
    }

    fn object<A: MapAccess<'a>>(self, mut map: A) -> Result<Element, A::Error> {
        let mut element = Element::Unknown;
        while let Some(name) = map.next_key::<String>()? {
            if is_nightingale(&name) {
                element = Element::Nightingale;
            } else if name == "labels" {
                element = Element::ApiAlert;
            }
            skip(&mut map)?;
        }
        Ok(element)
    }
}
