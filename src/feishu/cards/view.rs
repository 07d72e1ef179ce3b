//! What templates can say: the fields of the context they are rendered with.
//!
//! Text is as it came, less what cannot be seen, and cut to length; templates pass it through `md`
//! or `plain`. Times are RFC 3339 for the helpers `time` and `clock`, lengths
//! of time are seconds for `duration`. A field that does not apply is empty, 0
//! or null, never absent, because templates are strict.

use jiff::Timestamp;
use serde::Serialize;

use super::buttons::{self, ButtonView};
use super::links::{Link, links};
use super::text::{is_blank, shown, shown_in_line};
use super::{Buttons, CardInput, ListedAlert, Paged};
use crate::domain::{
    Hold, Incident, Labels, Ladder, MemberState, Phase, Response, Severity, Standing, Urgent,
};

/// How much a card may hold. Each level of shrinking has its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Alerts listed.
    pub(crate) alerts: usize,
    /// Labels of the incident, and of an alert.
    pub(crate) labels: usize,
    pub(crate) alert_labels: usize,
    /// Characters.
    pub(crate) value: usize,
    pub(crate) summary: usize,
    pub(crate) description: usize,
    pub(crate) alert_text: usize,
    /// People named as paged.
    pub(crate) paged: usize,
}

/// From the full card to the barest that a template draws.
#[rustfmt::skip]
pub(crate) const LEVELS: [Limits; 4] = [
    Limits { alerts: 25, labels: 10, alert_labels: 4, value: 120, summary: 300, description: 1500, alert_text: 120, paged: 20 },
    Limits { alerts: 12, labels: 8,  alert_labels: 3, value: 80,  summary: 300, description: 600,  alert_text: 80,  paged: 10 },
    Limits { alerts: 5,  labels: 6,  alert_labels: 2, value: 60,  summary: 200, description: 200,  alert_text: 40,  paged: 5 },
    Limits { alerts: 0,  labels: 4,  alert_labels: 0, value: 40,  summary: 120, description: 0,    alert_text: 0,   paged: 3 },
];

/// Names and headlines are cut here at every level.
pub(super) const NAME_CHARS: usize = 60;
const TITLE_CHARS: usize = 120;
/// Descriptions longer than this go into a fold.
const INLINE_CHARS: usize = 280;

/// Labels that say where, of which the subtitle takes one of each row.
const PLACES: [&[&str]; 2] =
    [&["env", "environment", "stage"], &["cluster", "k8s_cluster", "region", "datacenter", "dc", "zone"]];
/// Labels that tell most, best first; the others follow by name.
const TELLING: [&str; 20] = [
    "service",
    "app",
    "application",
    "namespace",
    "instance",
    "host",
    "hostname",
    "node",
    "pod",
    "container",
    "device",
    "mountpoint",
    "topic",
    "job",
    "region",
    "zone",
    "cluster",
    "env",
    "environment",
    "team",
];
/// Labels that repeat the headline or speak to machines only.
const NOISE: [&str; 16] = [
    "alertname",
    "severity",
    "priority",
    "level",
    "prometheus",
    "prometheus_replica",
    "replica",
    "monitor",
    "endpoint",
    "uid",
    "ref_id",
    "rulename",
    "grafana_folder",
    "datasource_uid",
    "pod_template_hash",
    "rule_uid",
];

#[derive(Debug, Serialize)]
pub(crate) struct View {
    id: String,
    title: String,
    /// What burns, in a line; may be empty.
    summary: String,
    /// Short enough to stand in the card; otherwise empty.
    description: String,
    /// Long, for a fold; otherwise empty.
    long_description: String,
    /// Measured values, when there is a single alert; otherwise empty.
    values: String,
    severity: String,
    /// Feishu's colour of the header: by state, then severity.
    colour: &'static str,
    /// The same by severity alone.
    severity_colour: &'static str,
    /// `triggered`, `acknowledged`, `snoozed` or `resolved`.
    state: &'static str,
    open: bool,
    /// None of its alerts is listed any more by its sender.
    unlisted: bool,
    /// Who has it, wants quiet, or said that it is over; may be empty.
    holder: String,
    /// When quiet ends, or an acknowledgement lapses.
    until: Option<String>,
    /// What can be done about it with a button; empty where none would work.
    buttons: Vec<ButtonView>,
    /// All steps have run in vain.
    exhausted: bool,
    /// `prod · eu-1`; may be empty.
    place: String,
    rule: String,
    source: String,
    firing: usize,
    recovered: usize,
    total: usize,
    opened_at: String,
    resolved_at: Option<String>,
    updated_at: String,
    /// Seconds from the opening to the end, or to now.
    lasted: i64,
    /// How often it came back.
    reopens: u32,
    /// Steps count from 1; `next_step` is 0 when none follows.
    steps: usize,
    next_step: usize,
    next_at: Option<String>,
    paged: Vec<PagedView>,
    more_paged: usize,
    /// Labels that all alerts share, the most telling first.
    labels: Vec<LabelView>,
    more_labels: usize,
    links: Vec<Link>,
    /// Firing ones first; empty when there is a single one.
    alerts: Vec<AlertView>,
    more_alerts: usize,
}

#[derive(Debug, Serialize)]
struct PagedView {
    name: String,
    /// `app`, `sms` or `phone`.
    urgent: &'static str,
    /// They have read a message about it; that is no answer.
    seen: bool,
}

impl From<&Paged> for PagedView {
    fn from(paged: &Paged) -> Self {
        Self { name: shown_in_line(&paged.name, NAME_CHARS), urgent: paged.urgent.as_str(), seen: paged.seen }
    }
}

#[derive(Debug, Serialize)]
struct LabelView {
    name: String,
    value: String,
}

#[derive(Debug, Serialize)]
struct AlertView {
    firing: bool,
    /// What tells it from the others.
    labels: Vec<LabelView>,
    /// Measured values, or what its annotations say.
    text: String,
    starts_at: Option<String>,
    ended_at: Option<String>,
    /// Seconds from start to end; 0 while it fires.
    lasted: i64,
}

/// The context for a template, cut to `limits`.
pub(crate) fn view(input: &CardInput<'_>, now: Timestamp, limits: &Limits, buttons: Buttons) -> View {
    let CardInput { incident, alerts, paged } = *input;
    let standing = &incident.standing;
    let (labels, more_labels) = telling(&incident.labels, limits.labels, limits.value, |_, _| true);
    let description = shown(&description(incident, alerts), limits.description);
    let short = description.chars().count() <= INLINE_CHARS && !description.contains('\n');
    let (description, long_description) =
        if short { (description, String::new()) } else { (String::new(), description) };
    let (total, firing) = (standing.members.len(), standing.firing());
    let listed: Vec<AlertView> = if total > 1 {
        alerts.iter().take(limits.alerts).map(|a| alert(a, incident, limits)).collect()
    } else {
        Vec::new()
    };
    let waits = match standing.ladder {
        Ladder::Waiting { step, .. } if standing.last_step.is_some() => Some(usize::from(step) + 1),
        Ladder::Gathering | Ladder::Waiting { .. } | Ladder::Spent | Ladder::Exhausted | Ladder::Idle => None,
    };
    let severity_colour = severity_colour(&standing.severity);
    View {
        id: incident.id.map(|id| id.to_string()).unwrap_or_default(),
        title: title(incident),
        summary: shown(summary(incident, alerts), limits.summary),
        description,
        long_description,
        values: match alerts {
            [only] if total <= 1 => shown_in_line(&only.alert.values, limits.value),
            [] | [_, ..] => String::new(),
        },
        severity: shown_in_line(&standing.severity.name, NAME_CHARS),
        colour: match (standing.phase(), standing.ladder == Ladder::Exhausted) {
            (Phase::Resolved, _) => "green",
            (Phase::Snoozed, _) => "grey",
            (Phase::Acknowledged, _) => "blue",
            (Phase::Triggered, true) => "carmine",
            (Phase::Triggered, false) => severity_colour,
        },
        severity_colour,
        state: standing.phase().as_str(),
        open: standing.is_open(),
        unlisted: matches!(standing.hold, Some(Hold::Unlisted { .. })),
        holder: shown_in_line(standing.holder().unwrap_or_default(), NAME_CHARS),
        until: until(standing).map(|at| at.to_string()),
        buttons: buttons::views(input, buttons),
        exhausted: standing.ladder == Ladder::Exhausted,
        place: place(&incident.labels),
        rule: shown_in_line(&incident.key.rule, NAME_CHARS),
        source: shown_in_line(&incident.source, NAME_CHARS),
        firing,
        recovered: standing.count(MemberState::Resolved),
        total,
        opened_at: standing.opened_at.to_string(),
        resolved_at: standing.resolved_at().map(|at| at.to_string()),
        updated_at: now.to_string(),
        lasted: seconds(standing.opened_at, standing.resolved_at().unwrap_or(now)),
        reopens: standing.reopens,
        steps: standing.policy.steps.len(),
        next_step: waits.unwrap_or_default(),
        next_at: waits.and(standing.due_at).map(|at| at.to_string()),
        paged: paged.iter().take(limits.paged).map(PagedView::from).collect(),
        more_paged: paged.len().saturating_sub(limits.paged),
        labels,
        more_labels,
        links: links(incident, alerts),
        more_alerts: if total > 1 { total.saturating_sub(listed.len()) } else { 0 },
        alerts: listed,
    }
}

/// When quiet ends or an acknowledgement lapses.
fn until(standing: &Standing) -> Option<Timestamp> {
    match (&standing.hold, &standing.response) {
        (Some(Hold::Snoozed { until, .. } | Hold::Silenced { until, .. }), _) => Some(*until),
        (_, Response::Acknowledged { expires_at, .. }) => *expires_at,
        (_, Response::Open | Response::Resolved { .. }) => None,
    }
}

/// The headline, never empty.
pub(crate) fn title(incident: &Incident) -> String {
    let given = [&incident.title, &incident.key.rule].into_iter().find(|text| !is_blank(text));
    shown_in_line(given.map_or("?", |text| text), TITLE_CHARS)
}

/// `prod · eu-1`, from the labels that say where; may be empty.
pub(crate) fn place(labels: &Labels<'_>) -> String {
    let mut found: Vec<&str> = Vec::new();
    for names in PLACES {
        let value = names.iter().find_map(|name| labels.get(name)).filter(|value| !is_blank(value));
        found.extend(value.filter(|value| !found.contains(value)));
    }
    shown_in_line(&found.join(" · "), NAME_CHARS)
}

pub(super) fn severity_colour(severity: &Severity) -> &'static str {
    match (severity.name.to_ascii_lowercase().as_str(), severity.urgent) {
        ("critical" | "fatal" | "emergency" | "p0" | "p1", _) => "red",
        ("warning" | "warn" | "p2" | "p3", _) => "orange",
        ("info" | "none", _) | (_, Urgent::None) => "blue",
        (_, Urgent::Phone) => "red",
        (_, Urgent::Sms | Urgent::App) => "orange",
    }
}

/// What burns, in a line: the incident's own words or those of its first alert.
fn summary<'a>(incident: &'a Incident, alerts: &[ListedAlert<'a>]) -> &'a str {
    let own = Some(incident.summary.trim()).filter(|own| !is_blank(own));
    own.unwrap_or_else(|| alerts.first().map_or("", |first| annotation(first, &["summary"]).trim()))
}

/// The description that all listed alerts share, unless the summary says it already.
fn description(incident: &Incident, alerts: &[ListedAlert<'_>]) -> String {
    let of = |a: &ListedAlert<'_>| annotation(a, &["description", "message"]).trim().to_owned();
    let Some(first) = alerts.first().map(of) else { return String::new() };
    let shared = alerts.iter().all(|a| of(a) == first);
    if shared && first != summary(incident, alerts) { first } else { String::new() }
}

fn annotation<'a>(listed: &ListedAlert<'a>, names: &[&str]) -> &'a str {
    names.iter().find_map(|name| listed.alert.annotations.get(name)).unwrap_or_default()
}

/// The most telling of the labels that are `wanted`, and how many are left out.
fn telling(
    labels: &Labels<'_>,
    max: usize,
    value_chars: usize,
    wanted: impl Fn(&str, &str) -> bool,
) -> (Vec<LabelView>, usize) {
    let quiet = |name: &str| NOISE.contains(&name) || name.starts_with("__");
    let mut all: Vec<(&str, &str)> =
        labels.iter().filter(|(n, v)| !quiet(n) && !is_blank(n) && !is_blank(v) && wanted(n, v)).collect();
    all.sort_by_key(|(name, _)| TELLING.iter().position(|known| known == name).unwrap_or(TELLING.len()));
    let best = all.iter().take(max);
    let best = best
        .map(|(name, value)| LabelView {
            name: shown_in_line(name, NAME_CHARS),
            value: shown_in_line(value, value_chars),
        })
        .collect();
    (best, all.len().saturating_sub(max))
}

fn alert(listed: &ListedAlert<'_>, incident: &Incident, limits: &Limits) -> AlertView {
    let alert = listed.alert;
    let own = |name: &str, value: &str| incident.labels.get(name) != Some(value);
    let (labels, _) = telling(&alert.labels, limits.alert_labels, limits.value, own);
    let says = annotation(listed, &["summary", "description", "message"]);
    let says = if says == incident.summary { "" } else { says };
    let text = if alert.values.is_empty() { says } else { &alert.values };
    let starts_at = listed.member.starts_at.or(alert.starts_at);
    let ended_at = match listed.member.state {
        MemberState::Firing | MemberState::Unlisted => None,
        MemberState::Resolved => Some(alert.ends_at.unwrap_or(listed.member.changed_at)),
    };
    AlertView {
        firing: listed.member.state == MemberState::Firing,
        labels,
        text: shown_in_line(text.lines().next().unwrap_or_default(), limits.alert_text),
        starts_at: starts_at.map(|at| at.to_string()),
        ended_at: ended_at.map(|at| at.to_string()),
        lasted: starts_at.zip(ended_at).map(|(from, to)| seconds(from, to)).unwrap_or_default(),
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_secs().max(0)
}
