//! For those who run it: health, readiness, metrics, reload.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use jiff::{SignedDuration, Timestamp};

use super::problem::{Problem, safe, wrong_method};
use super::{State, auth};
use crate::domain::Phase;
use crate::rules::RuleSet;
use crate::store::Backlog;
use crate::telemetry::Waiting;

const TEXT: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How far ahead gaps in schedules are counted.
const GAPS_AHEAD: SignedDuration = SignedDuration::from_hours(14 * 24);

pub(super) fn routes(config: &mut ServiceConfig) {
    // Load balancers ask with HEAD.
    let probe = |path| web::resource(path).default_service(wrong_method(&["GET", "HEAD"]));
    config
        .service(probe("/-/healthy").route(web::get().to(healthy)).route(web::head().to(healthy)))
        .service(probe("/-/ready").route(web::get().to(ready)).route(web::head().to(ready)))
        .service(
            web::resource("/metrics").route(web::get().to(metrics)).default_service(wrong_method(&["GET"])),
        )
        .service(
            web::resource("/-/reload").route(web::post().to(reload)).default_service(wrong_method(&["POST"])),
        );
}

async fn healthy() -> HttpResponse {
    safe(StatusCode::OK).content_type(TEXT).body("healthy\n")
}

/// 503 with the reasons, one per line, while pages could not be delivered. Where several
/// share the store, the last line tells the part of this one.
async fn ready(state: Data<State>) -> HttpResponse {
    let problems = state.readiness.problems().await;
    let (status, mut told) = match problems.as_slice() {
        [] => (StatusCode::OK, vec!["ready".to_owned()]),
        _ => (StatusCode::SERVICE_UNAVAILABLE, problems),
    };
    told.extend(state.readiness.part());
    let lines: String = told.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    safe(status).content_type(TEXT).body(lines)
}

async fn metrics(state: Data<State>) -> HttpResponse {
    let waiting = match state.store.backlog().await {
        Ok(backlog) => Some(waiting(&backlog, state.clock.now())),
        // What is counted in memory is worth having while the store is down.
        Err(error) => {
            tracing::warn!("metrics without what waits in the store: {error}");
            None
        }
    };
    state.metrics.oncall_gaps(&gaps(&state.rules.load(), state.clock.now()));
    safe(StatusCode::OK).content_type(OPEN_METRICS).body(state.metrics.encode(waiting.as_ref()))
}

/// For how many seconds of the days to come nobody is on call, by schedule.
fn gaps(rules: &RuleSet, now: Timestamp) -> Vec<(String, f64)> {
    let end = now.checked_add(GAPS_AHEAD).unwrap_or(Timestamp::MAX);
    let seconds = |name: &str| {
        let gaps = rules.gaps(name, now, end);
        // Not `sum`: of nothing it is -0.0.
        gaps.iter().fold(0.0, |sum, gap| sum + gap.to.duration_since(gap.from).as_secs_f64())
    };
    rules.schedules().map(|name| (name.to_owned(), seconds(name))).collect()
}

fn waiting(backlog: &Backlog, now: Timestamp) -> Waiting {
    let age =
        |since: Option<Timestamp>| since.map_or(0.0, |at| now.duration_since(at).as_secs_f64().max(0.0));
    // Each open state is said, so that a state nobody is in any more goes to 0.
    let open = Phase::ALL.into_iter().filter(|phase| *phase != Phase::Resolved);
    let count = |phase: Phase| backlog.incidents.get(&phase).copied().unwrap_or_default();
    Waiting {
        inbox_oldest_seconds: age(backlog.inbox_oldest),
        outbox_oldest_seconds: age(backlog.outbox_oldest),
        incidents: open.map(|phase| (phase.as_str(), count(phase))).collect(),
        heartbeats: backlog
            .heartbeats
            .iter()
            .map(|(rule, at)| (rule.clone(), at.as_duration().as_secs_f64()))
            .collect(),
    }
}

/// Reads rules and templates again; the old ones stay when the new ones are wrong.
async fn reload(request: HttpRequest, state: Data<State>) -> HttpResponse {
    if let Err(refused) = auth::api(&request, state.access.api_token.as_ref()) {
        return refused.error_response();
    }
    match state.reload.reload().await {
        Ok(()) => safe(StatusCode::OK).content_type(TEXT).body("reloaded\n"),
        Err(errors) => Problem::bad_request(format!("nothing was changed: {}", errors.join("; ")))
            .errors(errors)
            .error_response(),
    }
}
