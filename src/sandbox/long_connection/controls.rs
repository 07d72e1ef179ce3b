//! Controls for long connections: cut them, split what goes over them.

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Json};
use serde::Deserialize;
use serde_json::json;

use super::super::Sandbox;
use super::super::control::{FromHere, done};

pub(in super::super) fn configure(cfg: &mut web::ServiceConfig) {
    cfg.route("/connections", web::delete().to(cut)).route("/connections/split", web::post().to(split));
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Split {
    parts: usize,
}

async fn cut(_: FromHere, sandbox: Data<Sandbox>) -> HttpResponse {
    HttpResponse::Ok().json(json!({"ok": true, "cut": sandbox.drop_connections()}))
}

async fn split(_: FromHere, sandbox: Data<Sandbox>, split: Json<Split>) -> HttpResponse {
    sandbox.split_events(split.parts);
    done()
}
