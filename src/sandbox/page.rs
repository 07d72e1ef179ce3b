//! The page with two phones: its files, what it shows, and news of changes.

use std::time::Duration;

use actix_web::web::{self, Bytes, Data};
use actix_web::{HttpResponse, Responder};
use futures_util::stream;

use super::Sandbox;
use super::snapshot::snapshot;

const FILES: &[(&str, &str, &str)] = &[
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/sandbox/style.css", "text/css; charset=utf-8", include_str!("page/style.css")),
    ("/sandbox/app.js", "text/javascript; charset=utf-8", include_str!("page/app.js")),
    ("/sandbox/card.js", "text/javascript; charset=utf-8", include_str!("page/card.js")),
    ("/sandbox/news.js", "text/javascript; charset=utf-8", include_str!("page/news.js")),
    ("/sandbox/talk.js", "text/javascript; charset=utf-8", include_str!("page/talk.js")),
    ("/sandbox/words.js", "text/javascript; charset=utf-8", include_str!("page/words.js")),
];
/// Nothing foreign is loaded, no inline script runs, whatever a card says.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'none'";
/// A sign of life on a quiet stream, so that proxies keep it open.
const HEARTBEAT: Duration = Duration::from_secs(15);

pub(super) fn configure(cfg: &mut web::ServiceConfig) {
    for (path, kind, text) in FILES {
        let file = move || async move {
            HttpResponse::Ok()
                .content_type(*kind)
                .insert_header(("Content-Security-Policy", POLICY))
                .insert_header(("Cache-Control", "no-cache"))
                .body(*text)
        };
        cfg.route(path, web::get().to(file));
    }
    cfg.route("/sandbox/state", web::get().to(state)).route("/sandbox/events", web::get().to(events));
}

async fn state(sandbox: Data<Sandbox>) -> impl Responder {
    let now = sandbox.clock.now();
    HttpResponse::Ok()
        .insert_header(("Cache-Control", "no-store"))
        .json(sandbox.look(|world| snapshot(world, now)))
}

/// Server-sent events: one `change` at the start and one after every change;
/// many changes at once make one event. The page then fetches the state.
async fn events(sandbox: Data<Sandbox>) -> impl Responder {
    let mut versions = sandbox.version.subscribe();
    versions.mark_changed();
    let news = stream::unfold(versions, |mut versions| async move {
        let line = match tokio::time::timeout(HEARTBEAT, versions.changed()).await {
            Ok(Ok(())) => format!("event: change\ndata: {}\n\n", *versions.borrow_and_update()),
            Ok(Err(_)) => return None,
            Err(_) => ": quiet\n\n".to_owned(),
        };
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(line)), versions))
    });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("Cache-Control", "no-store"))
        .streaming(news)
}
