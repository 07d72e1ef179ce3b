//! `GET /api/v1/tap`: what comes in and what is decided, as server-sent events.
//!
//! One event for each thing that happens: `webhook`, `incident` or `job`, with
//! its particulars as JSON. `skipped` says how many a slow reader has missed. A
//! comment every few seconds shows that the line is alive.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Map, Value, json};

use super::problem::{Problem, safe, wrong_method};
use super::{State, auth, incidents};
use crate::telemetry::{News, NoWatch, Seen, Watching};

/// How often a line on which nothing happens is shown to be alive.
const ALIVE: Duration = Duration::from_secs(10);

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(
        web::resource("/api/v1/tap").route(web::get().to(watch)).default_service(wrong_method(&["GET"])),
    );
}

async fn watch(request: HttpRequest, state: Data<State>) -> Result<HttpResponse, Problem> {
    auth::api(&request, state.access.api_token.as_ref())?;
    let watching = state.tap.watch().map_err(|why| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            match why {
                NoWatch::TooMany => "as many watch as may: end one of them",
                NoWatch::Closed => "the server is stopping: try again",
            },
        )
    })?;
    // At once, so that who watches knows that it has begun.
    let begun = stream::once(std::future::ready(Ok(Bytes::from_static(b": watching\n\n"))));
    let events = stream::unfold(watching, |mut watching| async move {
        let bytes = next(&mut watching).await?;
        Some((Ok::<_, std::convert::Infallible>(bytes), watching))
    });
    let events = stream::StreamExt::chain(begun, events);
    Ok(safe(StatusCode::OK).content_type("text/event-stream").streaming(events))
}

/// What goes out next; `None`: it is over.
async fn next(watching: &mut Watching) -> Option<Bytes> {
    let Ok(seen) = tokio::time::timeout(ALIVE, watching.next()).await else {
        return Some(Bytes::from_static(b": alive\n\n"));
    };
    Some(match seen? {
        Seen::News(news) => event(news.what, &body(&news)),
        Seen::Skipped(count) => event("skipped", &json!({ "count": count })),
    })
}

/// JSON holds no line break, so an event's data is one line.
fn event(name: &str, data: &Value) -> Bytes {
    format!("event: {name}\ndata: {data}\n\n").into()
}

fn body(news: &News) -> Value {
    let mut object = Map::new();
    for (name, fact) in &news.facts {
        object.insert((*name).to_owned(), incidents::fact(name, fact.clone()));
    }
    object.insert("at".into(), json!(incidents::time(news.at)));
    Value::Object(object)
}
