//! Incidents, alerts and what happened to them, as JSON and back.
//!
//! Whatever is asked for in a `WHERE` has a column of its own; the rest of a
//! value is one JSON text, described here.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::answer_rows::AnswerRow;
use super::policy_rows::{PolicyRow, is_false, seconds};
use super::rows::{Pairs, PlaceRow, from_json, instant, labels, pairs, to_json, urgent};
use crate::domain::{
    Alert, AlertStatus, Destination, Fact, Fingerprint, Incident, IncidentId, IncidentKey, Ladder, Severity,
    Standing,
};
use crate::store::StoreError;

#[derive(Serialize, Deserialize)]
struct SeverityRow<'a> {
    rank: u16,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    urgent: Cow<'a, str>,
    pin: bool,
    /// Whole seconds, and the nanoseconds beyond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ack_timeout: Option<(i64, i32)>,
    #[serde(default, skip_serializing_if = "is_false")]
    acknowledge_by_targets: bool,
}

impl<'a> From<&'a Severity> for SeverityRow<'a> {
    fn from(severity: &'a Severity) -> Self {
        Self {
            rank: severity.rank,
            name: severity.name.as_str().into(),
            urgent: severity.urgent.as_str().into(),
            pin: severity.pin,
            ack_timeout: severity.ack_timeout.map(seconds),
            acknowledge_by_targets: severity.acknowledge_by_targets,
        }
    }
}

impl TryFrom<SeverityRow<'_>> for Severity {
    type Error = StoreError;

    fn try_from(row: SeverityRow<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            rank: row.rank,
            urgent: urgent(&row.urgent)?,
            name: row.name.into_owned(),
            pin: row.pin,
            ack_timeout: row.ack_timeout.map(|(secs, nanos)| SignedDuration::new(secs, nanos)),
            acknowledge_by_targets: row.acknowledge_by_targets,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LadderRow {
    Gathering,
    Waiting { step: u16, round: u16 },
    Spent,
    Exhausted,
    Idle,
}

impl From<Ladder> for LadderRow {
    fn from(ladder: Ladder) -> Self {
        match ladder {
            Ladder::Gathering => Self::Gathering,
            Ladder::Waiting { step, round } => Self::Waiting { step, round },
            Ladder::Spent => Self::Spent,
            Ladder::Exhausted => Self::Exhausted,
            Ladder::Idle => Self::Idle,
        }
    }
}

impl From<LadderRow> for Ladder {
    fn from(row: LadderRow) -> Self {
        match row {
            LadderRow::Gathering => Self::Gathering,
            LadderRow::Waiting { step, round } => Self::Waiting { step, round },
            LadderRow::Spent => Self::Spent,
            LadderRow::Exhausted => Self::Exhausted,
            LadderRow::Idle => Self::Idle,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct IncidentRow<'a> {
    #[serde(borrow)]
    title: Cow<'a, str>,
    #[serde(borrow)]
    summary: Cow<'a, str>,
    labels: Pairs<'a>,
    #[serde(borrow)]
    external_url: Cow<'a, str>,
    #[serde(borrow)]
    places: Vec<PlaceRow<'a>>,
    #[serde(borrow)]
    template: Cow<'a, str>,
    pin: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    thread: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    invite: bool,
    #[serde(borrow)]
    severity: SeverityRow<'a>,
    ladder: LadderRow,
    last_step: Option<(u16, u16)>,
    #[serde(borrow)]
    policy: PolicyRow<'a>,
    generation: u64,
    reopens: u32,
    #[serde(default, skip_serializing_if = "AnswerRow::is_none")]
    answer: AnswerRow,
}

/// The part of an incident that has no column.
pub(super) fn incident_content(incident: &Incident) -> Result<String, StoreError> {
    let standing = &incident.standing;
    let severity = &standing.severity;
    to_json(&IncidentRow {
        title: incident.title.as_str().into(),
        summary: incident.summary.as_str().into(),
        labels: pairs(&incident.labels),
        external_url: incident.external_url.as_str().into(),
        places: incident.places.iter().map(PlaceRow::from).collect(),
        template: incident.template.as_str().into(),
        pin: incident.pin,
        thread: incident.thread,
        invite: incident.invite,
        severity: SeverityRow::from(severity),
        ladder: standing.ladder.into(),
        last_step: standing.last_step,
        policy: PolicyRow::from(&standing.policy),
        generation: standing.generation,
        reopens: standing.reopens,
        answer: AnswerRow::of(standing),
    })
}

/// The columns of an incident, and its [`incident_content`].
pub(super) struct IncidentColumns {
    pub(super) id: IncidentId,
    pub(super) version: u64,
    pub(super) key: IncidentKey,
    pub(super) source: String,
    pub(super) opened_at: Timestamp,
    pub(super) due_at: Option<Timestamp>,
    pub(super) resolved_at: Option<Timestamp>,
    pub(super) content: String,
}

impl IncidentColumns {
    /// The incident, as yet without members.
    pub(super) fn into_incident(self) -> Result<Incident, StoreError> {
        let row: IncidentRow<'_> = from_json("incident", &self.content)?;
        let (response, hold) = row.answer.read(self.resolved_at)?;
        let standing = Standing {
            members: BTreeMap::new(),
            severity: row.severity.try_into()?,
            response,
            hold,
            ladder: row.ladder.into(),
            epoch: row.answer.epoch,
            paged: row.answer.paged,
            catch_alls: row.answer.catch_alls,
            due_at: self.due_at,
            last_step: row.last_step,
            policy: row.policy.try_into()?,
            generation: row.generation,
            opened_at: self.opened_at,
            reopens: row.reopens,
        };
        Ok(Incident {
            id: Some(self.id),
            version: self.version,
            key: self.key,
            source: self.source,
            title: row.title.into_owned(),
            summary: row.summary.into_owned(),
            labels: labels(row.labels),
            external_url: row.external_url.into_owned(),
            places: row.places.into_iter().map(Destination::try_from).collect::<Result<_, _>>()?,
            template: row.template.into_owned(),
            pin: row.pin,
            thread: row.thread,
            invite: row.invite,
            standing,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct AlertRow<'a> {
    firing: bool,
    labels: Pairs<'a>,
    annotations: Pairs<'a>,
    starts_at: Option<String>,
    ends_at: Option<String>,
    #[serde(borrow)]
    generator_url: Cow<'a, str>,
    #[serde(borrow)]
    silence_url: Cow<'a, str>,
    #[serde(borrow)]
    dashboard_url: Cow<'a, str>,
    #[serde(borrow)]
    panel_url: Cow<'a, str>,
    #[serde(borrow)]
    values: Cow<'a, str>,
}

/// An alert without its fingerprint.
pub(super) fn alert_content(alert: &Alert<'_>) -> Result<String, StoreError> {
    to_json(&AlertRow {
        firing: alert.status == AlertStatus::Firing,
        labels: pairs(&alert.labels),
        annotations: pairs(&alert.annotations),
        starts_at: alert.starts_at.map(|at| at.to_string()),
        ends_at: alert.ends_at.map(|at| at.to_string()),
        generator_url: alert.generator_url.as_ref().into(),
        silence_url: alert.silence_url.as_ref().into(),
        dashboard_url: alert.dashboard_url.as_ref().into(),
        panel_url: alert.panel_url.as_ref().into(),
        values: alert.values.as_ref().into(),
    })
}

/// Reads [`alert_content`] back.
pub(super) fn alert(fingerprint: Fingerprint, content: &str) -> Result<Alert<'static>, StoreError> {
    let row: AlertRow<'_> = from_json("alert", content)?;
    let alert = Alert {
        status: if row.firing { AlertStatus::Firing } else { AlertStatus::Resolved },
        fingerprint,
        labels: labels(row.labels),
        annotations: labels(row.annotations),
        starts_at: row.starts_at.as_deref().map(instant).transpose()?,
        ends_at: row.ends_at.as_deref().map(instant).transpose()?,
        generator_url: row.generator_url,
        silence_url: row.silence_url,
        dashboard_url: row.dashboard_url,
        panel_url: row.panel_url,
        values: row.values,
    };
    Ok(alert.into_owned())
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum FactRow {
    Number(i64),
    Text(String),
    List(Vec<String>),
}

/// The facts of a happening, in their order.
pub(super) fn facts_json(facts: Vec<(&'static str, Fact)>) -> Result<String, StoreError> {
    let row = |fact| match fact {
        Fact::Text(text) => FactRow::Text(text),
        Fact::Number(number) => FactRow::Number(number),
        Fact::List(list) => FactRow::List(list),
    };
    to_json(&facts.into_iter().map(|(name, fact)| (name, row(fact))).collect::<Vec<_>>())
}

/// Reads [`facts_json`] back.
pub(super) fn facts(json: &str) -> Result<Vec<(String, Fact)>, StoreError> {
    let rows: Vec<(String, FactRow)> = from_json("timeline entry", json)?;
    let fact = |row| match row {
        FactRow::Text(text) => Fact::Text(text),
        FactRow::Number(number) => Fact::Number(number),
        FactRow::List(list) => Fact::List(list),
    };
    Ok(rows.into_iter().map(|(name, row)| (name, fact(row))).collect())
}
