//! Grafana's legacy dashboard alerts (up to Grafana 10, inputs.md §C.2).
//!
//! One rule per body, without fingerprint or times. The identity is
//! (`orgId`, `ruleId`), the same while it fires and when it is over. Old
//! versions send no `orgId`; they have one organisation, number 1, so an
//! upgrade does not change the identity.
//!
//! What the states mean here: `alerting` and `no_data` fire. `ok` and `paused`
//! are over: a paused rule is not evaluated and would never send `ok`. `pending`
//! and `unknown` say nothing yet: such a body holds no alert.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::de::{Error, MapAccess, SeqAccess};

use super::error::{DecodeError, Excerpt, Trail};
use super::shape::{Number, Read, Shape, Text, mistaken, read, skip, value};
use super::webhook::Measured;
use crate::domain::{Alert, AlertStatus, Fingerprint, GroupHeader, Labels, SourceKind};

/// Decodes a legacy body: its alert, if its state makes one, and its header.
pub(super) fn visit<'a>(
    text: &'a str,
    sink: &mut dyn FnMut(Alert<'a>),
) -> Result<GroupHeader<'a>, DecodeError> {
    let trail = Trail::default();
    let rule = read(text, RuleShape(&trail), &trail)?;
    let missing = |field| DecodeError::new(format!("the body: `{field}` is missing"));
    let state = rule.state.ok_or_else(|| missing("state"))?;
    let rule_id = rule.id.filter(|id| !id.is_empty()).ok_or_else(|| missing("ruleId"))?;
    let org_id = rule.org_id.filter(|id| !id.is_empty()).unwrap_or(Cow::Borrowed("1"));
    let identity: Labels<'_> =
        [("orgId", org_id.as_ref()), ("ruleId", rule_id.as_ref())].into_iter().collect();
    let group_labels = [("alertname", &rule.name)].into_iter().filter(|(_, name)| !name.is_empty());
    let header = GroupHeader {
        kind: SourceKind::GrafanaLegacy,
        receiver: Cow::Borrowed(""),
        group_key: format!("legacy:{org_id}:{rule_id}").into(),
        group_labels: Labels::from_pairs(group_labels.map(|(n, v)| (n.into(), v.clone())).collect()),
        external_url: Cow::Borrowed(""),
        truncated_alerts: 0,
    };
    if let State::Is(status) = state {
        sink(Alert {
            annotations: annotations(&rule.title, rule.message),
            generator_url: rule.url,
            values: rule.values.into(),
            ..Alert::new(status, Fingerprint::of(&identity), labels(rule.name, rule.tags))
        });
    }
    Ok(header)
}

type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The rule's name as `alertname`, and its tags; a tag of that name wins.
fn labels<'a>(name: Cow<'a, str>, tags: Vec<Pair<'a>>) -> Labels<'a> {
    let name = Some((Cow::Borrowed("alertname"), name)).filter(|(_, name)| !name.is_empty());
    Labels::from_pairs(name.into_iter().chain(tags).collect())
}

/// The message as it is, and the title without its `[Alerting]` as the summary.
fn annotations<'a>(title: &str, message: Cow<'a, str>) -> Labels<'a> {
    let bare = title.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(title, |(_, bare)| bare);
    let pairs = [("message", message), ("summary", bare.trim().to_owned().into())];
    Labels::from_pairs(
        pairs.into_iter().filter(|(_, text)| !text.is_empty()).map(|(n, t)| (n.into(), t)).collect(),
    )
}

/// A body as sent.
#[derive(Default)]
struct Rule<'a> {
    state: Option<State>,
    org_id: Option<Cow<'a, str>>,
    id: Option<Cow<'a, str>>,
    name: Cow<'a, str>,
    title: Cow<'a, str>,
    message: Cow<'a, str>,
    url: Cow<'a, str>,
    tags: Vec<Pair<'a>>,
    values: String,
}

struct RuleShape<'t>(&'t Trail);

impl<'a> Shape<'a> for RuleShape<'_> {
    type Value = Rule<'a>;

    fn expected(&self) -> &'static str {
        "an object"
    }

    fn object<A: MapAccess<'a>>(self, mut map: A) -> Result<Rule<'a>, A::Error> {
        let trail = self.0;
        let text = || Text::<true> { nullable: true };
        let mut rule = Rule::default();
        while let Some(name) = map.next_key_seed(Read(Text::<true> { nullable: false }))? {
            let map = &mut map;
            match name.as_ref() {
                "state" => rule.state = Some(value(map, trail, &name, StateText)?),
                "orgId" => rule.org_id = value(map, trail, &name, Id)?,
                "ruleId" => rule.id = value(map, trail, &name, Id)?,
                "ruleName" => rule.name = value(map, trail, &name, text())?,
                "title" => rule.title = value(map, trail, &name, text())?,
                "message" => rule.message = value(map, trail, &name, text())?,
                // The first Grafana 4 wrote it in snake_case.
                "ruleUrl" | "rule_url" => rule.url = value(map, trail, &name, text())?,
                "tags" => rule.tags = value(map, trail, &name, Tags(trail))?,
                "evalMatches" => rule.values = value(map, trail, &name, Matches(trail))?,
                _ => skip(map)?,
            }
        }
        Ok(rule)
    }
}

/// What a state says.
#[derive(Clone, Copy)]
enum State {
    /// The alert fires or is over.
    Is(AlertStatus),
    /// Not known yet.
    Open,
}

struct StateText;

impl Shape<'_> for StateText {
    type Value = State;

    fn expected(&self) -> &'static str {
        "one of alerting, no_data, ok, paused, pending, unknown"
    }

    fn text<E: Error>(self, text: &str) -> Result<State, E> {
        match text {
            "alerting" | "no_data" => Ok(State::Is(AlertStatus::Firing)),
            "ok" | "paused" => Ok(State::Is(AlertStatus::Resolved)),
            "pending" | "unknown" => Ok(State::Open),
            _ => Err(mistaken(self.expected(), format_args!("\"{}\"", Excerpt(text)))),
        }
    }
}

/// A number that only names something: never a float, it may exceed 2^53.
struct Id;

impl<'a> Shape<'a> for Id {
    type Value = Option<Cow<'a, str>>;

    fn expected(&self) -> &'static str {
        "a whole number or a string"
    }

    fn null<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn number<E: Error>(self, number: Number) -> Result<Self::Value, E> {
        match number {
            Number::Whole(_) | Number::Negative(_) => Ok(Some(number.to_string().into())),
            Number::Fraction(_) => Err(mistaken(self.expected(), format_args!("the number {number}"))),
        }
    }

    fn text<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.to_owned().into()))
    }

    fn borrowed<E: Error>(self, text: &'a str) -> Result<Self::Value, E> {
        Ok(Some(text.into()))
    }
}

/// Tags of a rule. Values that are no strings become text.
struct Tags<'t>(&'t Trail);

impl<'a> Shape<'a> for Tags<'_> {
    type Value = Vec<Pair<'a>>;

    fn expected(&self) -> &'static str {
        "an object of strings"
    }

    fn null<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn object<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut tags = Vec::new();
        while let Some(name) = map.next_key_seed(Read(Text::<true> { nullable: false }))? {
            let text = value(&mut map, self.0, &name, Tag)?;
            tags.push((name, text));
        }
        Ok(tags)
    }
}

struct Tag;

impl<'a> Shape<'a> for Tag {
    type Value = Cow<'a, str>;

    fn expected(&self) -> &'static str {
        "a string, number or boolean"
    }

    fn null<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(""))
    }

    fn boolean<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(value.to_string().into())
    }

    fn number<E: Error>(self, value: Number) -> Result<Self::Value, E> {
        Ok(value.to_string().into())
    }

    fn text<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(text.to_owned().into())
    }

    fn borrowed<E: Error>(self, text: &'a str) -> Result<Self::Value, E> {
        Ok(text.into())
    }
}

/// What was measured, as `metric=value, …` in the sender's order. Metrics
/// without a value are left out.
struct Matches<'t>(&'t Trail);

impl<'a> Shape<'a> for Matches<'_> {
    type Value = String;

    fn expected(&self) -> &'static str {
        "an array"
    }

    fn null<E: Error>(self) -> Result<String, E> {
        Ok(String::new())
    }

    fn array<A: SeqAccess<'a>>(self, mut seq: A) -> Result<String, A::Error> {
        let (mut text, mut index) = (String::new(), 0);
        loop {
            let found = seq.next_element_seed(Read(Match(self.0))).inspect_err(|_| self.0.index(index))?;
            let Some((metric, number)) = found else { return Ok(text) };
            if let Some(number) = number {
                let comma = if text.is_empty() { "" } else { ", " };
                write!(text, "{comma}{metric}={number}").map_err(A::Error::custom)?;
            }
            index += 1;
        }
    }
}

struct Match<'t>(&'t Trail);

impl<'a> Shape<'a> for Match<'_> {
    type Value = (Cow<'a, str>, Option<Number>);

    fn expected(&self) -> &'static str {
        "an object"
    }

    fn object<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut metric, mut number) = (Cow::Borrowed(""), None);
        while let Some(name) = map.next_key_seed(Read(Text::<true> { nullable: false }))? {
            match name.as_ref() {
                "metric" => metric = value(&mut map, self.0, &name, Text::<true> { nullable: true })?,
                "value" => number = value(&mut map, self.0, &name, Measured)?,
                _ => skip(&mut map)?,
            }
        }
        Ok((metric, number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Result<(GroupHeader<'_>, Option<Alert<'_>>), DecodeError> {
        let mut found = None;
        let header = visit(text, &mut |alert| found = Some(alert))?;
        Ok((header, found))
    }

    fn complaint(text: &str) -> String {
        decode(text).unwrap_err().to_string()
    }

    #[test]
    fn every_state_has_a_meaning() {
        let (firing, resolved) = (Some(AlertStatus::Firing), Some(AlertStatus::Resolved));
        let table = [
            ("alerting", firing),
            ("no_data", firing),
            ("ok", resolved),
            ("paused", resolved),
            ("pending", None),
            ("unknown", None),
        ];
        for (state, status) in table {
            let body = format!(r#"{{"ruleId":1,"ruleName":"x","state":"{state}"}}"#);
            assert_eq!(decode(&body).unwrap().1.map(|alert| alert.status), status, "{state}");
        }
        let text = complaint(r#"{"ruleId":1,"state":"burning"}"#);
        assert!(text.starts_with("state: expected one of alerting, no_data"), "{text}");
        assert!(text.contains(r#"got "burning""#), "{text}");
    }

    #[test]
    fn identity_is_organisation_and_rule() {
        let identity = |ids: &str| {
            let body = format!(r#"{{{ids},"state":"ok"}}"#);
            let (header, alert) = decode(&body).unwrap();
            (header.group_key.into_owned(), alert.unwrap().fingerprint)
        };
        let base = identity(r#""orgId":1,"ruleId":12"#);
        assert_eq!(base.0, "legacy:1:12");
        assert_eq!(identity(r#""orgId":"1","ruleId":"12""#), base);
        assert_eq!(identity(r#""ruleId":12,"ruleName":"renamed""#), base);
        assert_ne!(identity(r#""orgId":2,"ruleId":12"#).1, base.1);
        assert_ne!(identity(r#""orgId":1,"ruleId":13"#).1, base.1);
        let huge = [r#""ruleId":9007199254740993"#, r#""ruleId":9007199254740992"#].map(identity);
        assert_ne!(huge[0], huge[1]);
    }

    #[test]
    fn tags_become_labels_whatever_their_type() {
        let (_, alert) = decode(
            r#"{"ruleId":1,"ruleName":"x","state":"alerting",
                "tags":{"team":"db","level":2,"share":0.5,"page":true,"none":null,"alertname":"mine"}}"#,
        )
        .unwrap();
        assert_eq!(
            alert.unwrap().labels.iter().collect::<Vec<_>>(),
            [
                ("alertname", "mine"),
                ("level", "2"),
                ("none", ""),
                ("page", "true"),
                ("share", "0.5"),
                ("team", "db"),
            ]
        );
    }

    #[test]
    fn the_oldest_spelling_of_the_link_is_read() {
        let (_, alert) = decode(
            r#"{"ruleId":1,"state":"alerting","rule_url":"http://g/x","title":"[Alerting] [db] slow"}"#,
        )
        .unwrap();
        let alert = alert.unwrap();
        assert_eq!(alert.generator_url, "http://g/x");
        assert_eq!(alert.annotations.get("summary"), Some("[db] slow"));
        assert!(alert.labels.is_empty());
    }

    #[test]
    fn values_are_listed_in_the_order_sent() {
        let (_, alert) = decode(
            r#"{"ruleId":1,"state":"alerting","evalMatches":[{"metric":"b","value":2,"tags":{}},
                {"metric":"gone","value":null},{"metric":"a","value":0.25,"tags":null}]}"#,
        )
        .unwrap();
        assert_eq!(alert.unwrap().values, "b=2, a=0.25");
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let table = [
            (r#"{"ruleId":1}"#, "the body: `state` is missing"),
            (r#"{"state":"ok"}"#, "the body: `ruleId` is missing"),
            (r#"{"state":"ok","ruleId":1.5}"#, "ruleId: expected a whole number or a string"),
            (r#"{"tags":{"a":[]}}"#, "tags.a: expected a string, number or boolean, got an array"),
            (r#"{"evalMatches":[{},{"value":"x"}]}"#, r#"evalMatches[1].value: expected a number, got "x""#),
        ];
        for (body, expected) in table {
            let text = complaint(body);
            assert!(text.starts_with(expected), "{body}: {text}");
        }
    }
}
