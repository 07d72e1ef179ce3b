//! Who is on call, as JSON.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::{Problem, safe, wrong_method};
use super::{State, auth};
use crate::rules::{RuleSet, Source};

#[derive(Deserialize)]
struct Query {
    at: Option<String>,
}

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(
        web::resource("/api/v1/oncall").route(web::get().to(show)).default_service(wrong_method(&["GET"])),
    );
}

async fn show(request: HttpRequest, state: Data<State>) -> Result<HttpResponse, Problem> {
    auth::api(&request, state.access.api_token.as_ref())?;
    let query = web::Query::<Query>::from_query(request.query_string())
        .map_err(|e| Problem::bad_request(format!("the query cannot be read: {e}")))?;
    let at = match query.into_inner().at {
        Some(text) => text.parse().map_err(|_| {
            Problem::bad_request(format!("?at={text:?} is no time; write it as in 2026-12-01T09:00:00Z"))
        })?,
        None => state.clock.now(),
    };
    Ok(safe(StatusCode::OK).json(on_call_at(&state.rules.load(), at)))
}

/// Who is on call by each schedule at a time:
/// `{"at": …, "schedules": [{"name", "timezone", "people": […], "until", "source"}]}`.
/// Nobody is in `people` in a gap; `until` is null if nothing changes within 400 days.
pub fn on_call_at(rules: &RuleSet, at: Timestamp) -> Value {
    let schedules = rules.schedules().map(|name| {
        let now = rules.on_call(name, at);
        let people = now.iter().flat_map(|now| now.people.iter().map(|p| p.name.clone()));
        json!({
            "name": name,
            "timezone": rules.schedule_zone(name).and_then(|zone| zone.iana_name()),
            "people": people.collect::<Vec<_>>(),
            "until": now.as_ref().and_then(|now| now.until).map(|until| until.to_string()),
            "source": now.as_ref().and_then(|now| now.source).map(source),
        })
    });
    json!({"at": at.to_string(), "schedules": schedules.collect::<Vec<_>>()})
}

/// `layer 2` or `override 1`, counted from 1 in the order of the file.
fn source(source: Source) -> String {
    match source {
        Source::Layer(at) => format!("layer {}", at + 1),
        Source::Override(at) => format!("override {}", at + 1),
    }
}
