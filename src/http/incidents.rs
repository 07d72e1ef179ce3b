//! Incidents as JSON, to be read by dashboards, the command line and scripts.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::problem::{Problem, safe, wrong_method};
use super::{State, auth};
use crate::domain::{Fact, Incident, IncidentId, Phase, RecordedEntry, Response};
use crate::store::StoreError;

/// Incidents on a page when nothing is said.
const LIMIT: usize = 50;
/// The most incidents on a page.
const LIMIT_MAX: usize = 500;

#[derive(Deserialize)]
struct Query {
    state: Option<String>,
    before: Option<String>,
    limit: Option<String>,
}

#[derive(Serialize)]
struct Page {
    incidents: Vec<IncidentBody>,
    /// What to pass as `before` for the next page.
    next: Option<String>,
}

/// An incident on the wire. Steps and rounds count from 1.
#[derive(Serialize)]
pub(super) struct IncidentBody {
    id: String,
    state: &'static str,
    severity: String,
    rule: String,
    source: String,
    title: String,
    summary: String,
    labels: BTreeMap<String, String>,
    firing: usize,
    resolved: usize,
    /// The last step that ran; null before the first.
    step: Option<u32>,
    /// Its round.
    round: Option<u32>,
    next_at: Option<String>,
    acknowledged_by: Option<String>,
    opened_at: String,
    acknowledged_at: Option<String>,
    resolved_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<Vec<Value>>,
}

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/api/v1/incidents")
                .route(web::get().to(list))
                .default_service(wrong_method(&["GET"])),
        )
        .service(
            web::resource("/api/v1/incidents/{id}")
                .route(web::get().to(show))
                .default_service(wrong_method(&["GET"])),
        );
}

async fn list(request: HttpRequest, state: Data<State>) -> Result<HttpResponse, Problem> {
    auth::api(&request, state.access.api_token.as_ref())?;
    let query = web::Query::<Query>::from_query(request.query_string())
        .map_err(|e| Problem::bad_request(format!("the query cannot be read: {e}")))?;
    let phase = query.state.as_deref().map(phase).transpose()?;
    let before = query.before.as_deref().map(|text| id(text, "before")).transpose()?;
    let limit = query.limit.as_deref().map_or(Ok(LIMIT), limit)?;
    // One more than asked for tells whether there is a next page.
    let mut found = state.store.incidents(phase, before, limit + 1).await.map_err(|e| unreadable(&e))?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).and_then(|i| i.id).map(|id| id.to_string());
    let incidents = found.iter().map(|incident| body(incident, None)).collect();
    Ok(safe(StatusCode::OK).json(Page { incidents, next }))
}

async fn show(
    request: HttpRequest,
    state: Data<State>,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    auth::api(&request, state.access.api_token.as_ref())?;
    let id = id(&path, "the path")?;
    let found = state.store.incident(id).await.map_err(|e| unreadable(&e))?;
    let incident = found.ok_or_else(|| unknown(id))?;
    let timeline = state.store.timeline(id).await.map_err(|e| unreadable(&e))?;
    Ok(safe(StatusCode::OK).json(body(&incident, Some(timeline))))
}

fn phase(word: &str) -> Result<Phase, Problem> {
    Phase::ALL.into_iter().find(|p| p.as_str() == word).ok_or_else(|| {
        let words = Phase::ALL.map(Phase::as_str).join(", ");
        Problem::bad_request(format!("state {word:?} is not known: it is one of {words}"))
    })
}

pub(super) fn id(text: &str, place: &str) -> Result<IncidentId, Problem> {
    IncidentId::parse(text).ok_or_else(|| {
        Problem::bad_request(format!("{place} has {text:?} where an incident such as INC-142 is expected"))
    })
}

pub(super) fn unknown(id: IncidentId) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is no incident {id}"))
}

fn limit(text: &str) -> Result<usize, Problem> {
    text.parse().ok().filter(|n| (1..=LIMIT_MAX).contains(n)).ok_or_else(|| {
        Problem::bad_request(format!("limit is {text:?}: it is a number from 1 to {LIMIT_MAX}"))
    })
}

fn unreadable(error: &StoreError) -> Problem {
    tracing::error!("cannot read incidents: {error}");
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "the incidents could not be read: try again; larkhorn's log says why",
    )
}

pub(super) fn body(incident: &Incident, timeline: Option<Vec<RecordedEntry>>) -> IncidentBody {
    let standing = &incident.standing;
    let firing = standing.firing();
    let acknowledged = match &standing.response {
        Response::Acknowledged { by, at, .. } => Some((by.clone(), time(*at))),
        Response::Open | Response::Resolved { .. } => None,
    };
    let (acknowledged_by, acknowledged_at) = acknowledged.unzip();
    IncidentBody {
        id: incident.id.map(|id| id.to_string()).unwrap_or_default(),
        state: standing.phase().as_str(),
        severity: standing.severity.name.clone(),
        rule: incident.key.rule.clone(),
        source: incident.source.clone(),
        title: incident.title.clone(),
        summary: incident.summary.clone(),
        labels: incident.labels.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        firing,
        resolved: standing.members.len().saturating_sub(firing),
        step: standing.last_step.map(|(step, _)| u32::from(step) + 1),
        round: standing.last_step.map(|(_, round)| u32::from(round) + 1),
        next_at: standing.due_at.map(time),
        acknowledged_by,
        opened_at: time(standing.opened_at),
        acknowledged_at,
        resolved_at: standing.resolved_at().map(time),
        timeline: timeline.map(|entries| entries.into_iter().map(entry).collect()),
    }
}

/// RFC 3339 in UTC, with milliseconds.
pub(super) fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// A particular of something that happened. Steps and rounds count from 1 here.
pub(super) fn fact(name: &str, fact: Fact) -> Value {
    match fact {
        Fact::Number(n) if matches!(name, "step" | "round") => json!(n.saturating_add(1)),
        Fact::Number(n) => json!(n),
        Fact::Text(text) => json!(text),
        Fact::List(words) => json!(words),
    }
}

/// What happened, its particulars beside `at` and `kind`.
fn entry(entry: RecordedEntry) -> Value {
    let mut object = Map::new();
    for (name, fact) in entry.facts {
        let value = self::fact(&name, fact);
        object.insert(name, value);
    }
    object.insert("at".into(), json!(time(entry.at)));
    object.insert("kind".into(), json!(entry.kind));
    Value::Object(object)
}
