//! Lets scripts, the command line and the dashboard act on an incident.
//!
//! `POST /api/v1/incidents/{id}/{action}` with `{"by":"lin","for":"2h","to":"mara"}`.
//! What an action does and who may do it is decided by whoever [acts](Actions).

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use async_trait::async_trait;
use jiff::SignedDuration;
use serde::Deserialize;

use super::problem::{Problem, safe, wrong_method};
use super::{Limits, State, auth, body, incidents};
use crate::domain::{Action, Actor, Answer, Incident, IncidentId, Via};
use crate::rules::parse_duration;

/// Largest body, in bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 64;
const ACTIONS: [&str; 7] =
    ["acknowledge", "unacknowledge", "snooze", "resolve", "escalate", "silence", "hand_over"];

/// Does what people want done about incidents.
#[async_trait]
pub trait Actions: Send + Sync + 'static {
    /// Does it, and tells the incident as it is then. `epoch` is the state that
    /// the actor saw; `None`: whatever it is now. The actor of a call over HTTP
    /// comes with `known: false`, for only the rules know whom they know.
    async fn act(
        &self,
        id: IncidentId,
        action: Action,
        actor: Actor,
        epoch: Option<u64>,
    ) -> Result<(Answer, Option<Incident>), ActError>;
}

/// Why nothing was even tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ActError {
    /// There is no such incident.
    #[error("there is no such incident")]
    NotFound,
    /// The store cannot commit.
    #[error("nothing can be kept at the moment")]
    Unavailable,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// Who acts.
    by: String,
    /// How long, in the rules' syntax.
    #[serde(rename = "for")]
    span: Option<String>,
    /// To whom.
    to: Option<String>,
}

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(
        web::resource("/api/v1/incidents/{id}/{action}")
            .route(web::post().to(act))
            .default_service(wrong_method(&["POST"])),
    );
}

async fn act(
    request: HttpRequest,
    payload: Payload,
    state: Data<State>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    auth::api(&request, state.access.api_token.as_ref())?;
    let id = incidents::id(&path.0, "the path")?;
    if !ACTIONS.contains(&path.1.as_str()) {
        let detail = format!("{:?} is no action: use one of {}", path.1, ACTIONS.join(", "));
        return Err(Problem::new(StatusCode::NOT_FOUND, detail));
    }
    body::check_type(&request)?;
    let limits = Limits { max_body_bytes: BODY_BYTES_MAX, ..state.limits };
    let bytes = body::read(&request, payload, limits, &state.intake).await?;
    let wish: Wish = serde_json::from_slice(&bytes)
        .map_err(|e| Problem::bad_request(format!("the body is not {{\"by\":\"your name\", …}}: {e}")))?;
    let actor = Actor { name: name(&wish.by, "by")?, known: false, via: Via::Api };
    let action = action(&path.1, &wish)?;
    let actions = state.actions.as_ref().ok_or_else(unavailable)?;
    let (answer, incident) = actions.act(id, action, actor, None).await.map_err(|why| match why {
        ActError::NotFound => incidents::unknown(id),
        ActError::Unavailable => unavailable(),
    })?;
    if let Some(conflict) = conflict(id, &answer) {
        return Err(Problem::new(StatusCode::CONFLICT, conflict));
    }
    let incident = incident.ok_or_else(|| incidents::unknown(id))?;
    Ok(safe(StatusCode::OK).json(incidents::body(&incident, None)))
}

fn action(word: &str, wish: &Wish) -> Result<Action, Problem> {
    let action = match word {
        "acknowledge" => Action::Acknowledge,
        "unacknowledge" => Action::Unacknowledge,
        "resolve" => Action::Resolve,
        "escalate" => Action::Escalate,
        "snooze" => Action::Snooze { span: span(wish)? },
        "silence" => Action::Silence { span: span(wish)? },
        _ => Action::HandOver { to: name(wish.to.as_deref().unwrap_or_default(), "to")? },
    };
    let timed = matches!(action, Action::Snooze { .. } | Action::Silence { .. });
    let needless = [
        ("for", wish.span.is_some() && !timed),
        ("to", wish.to.is_some() && !matches!(action, Action::HandOver { .. })),
    ];
    match needless.into_iter().find(|(_, given)| *given) {
        Some((field, _)) => {
            Err(Problem::bad_request(format!("`{field}` says nothing to {word}: leave it out")))
        }
        None => Ok(action),
    }
}

fn span(wish: &Wish) -> Result<SignedDuration, Problem> {
    let given = wish.span.as_deref().unwrap_or_default();
    parse_duration(given).filter(|span| span.is_positive() && *span <= Action::SPAN_MAX).ok_or_else(|| {
        Problem::bad_request(format!("`for` is {given:?}: say how long, such as 30m or 2h, at most 7d"))
    })
}

/// A name that can stand in a line of a card or a log.
fn name(given: &str, field: &str) -> Result<String, Problem> {
    let name = given.trim();
    let fits = (1..=NAME_CHARS_MAX).contains(&name.chars().count()) && !name.contains(char::is_control);
    if fits {
        return Ok(name.to_owned());
    }
    Err(Problem::bad_request(format!(
        "`{field}` must be a name of 1 to {NAME_CHARS_MAX} characters in one line"
    )))
}

/// Why nothing changed, where the caller wanted a change.
fn conflict(id: IncidentId, answer: &Answer) -> Option<String> {
    Some(match answer {
        Answer::Done | Answer::Already { .. } => return None,
        Answer::Over => format!("{id} is over, nothing was changed"),
        Answer::Outdated { by: Some(by) } => format!("{by} was faster: {id} is theirs, nothing was changed"),
        Answer::Outdated { by: None } => format!("{id} has changed meanwhile: look again"),
        Answer::NotAllowed => format!("only the people paged may answer {id}, nothing was changed"),
        Answer::Impossible { why } => format!("{id} was not changed: {why}"),
    })
}

fn unavailable() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "nothing can be kept at the moment, so nothing was changed: try again; larkhorn's log says why",
    )
}
