//! Lets humans and scripts change the world over HTTP, from this machine only.
//!
//! A page of another site cannot do it either: a request that names a foreign
//! `Origin` is refused.

use actix_web::web::{self, Data, Json};
use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, error};
use serde::Deserialize;
use serde_json::json;

use super::Sandbox;
use super::api::Api;
use super::fault::{Fault, Outcome};
use super::model::Account;
use super::{long_connection, talking};

pub(super) fn configure(cfg: &mut web::ServiceConfig) {
    let json = web::JsonConfig::default().content_type_required(false).error_handler(|why, _| {
        let answer = refuse(&format!("the body does not fit: {why}"));
        error::InternalError::from_response(why, answer).into()
    });
    cfg.service(
        web::scope("/sandbox")
            .app_data(json)
            .route("/faults", web::post().to(add_fault))
            .route("/faults", web::delete().to(clear_faults))
            .route("/reset", web::post().to(reset))
            .route("/chats", web::post().to(add_chat))
            .route("/people", web::post().to(add_person))
            .route("/read", web::post().to(read))
            .configure(talking::configure)
            .configure(long_connection::configure),
    );
}

/// Proof that a request comes from this machine and from no foreign page.
pub(super) struct FromHere;

impl FromRequest for FromHere {
    type Error = actix_web::Error;
    type Future = std::future::Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let near = request.peer_addr().is_some_and(|peer| peer.ip().is_loopback());
        let header = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok());
        let own = header("Origin")
            .is_none_or(|origin| origin.split_once("://").map(|(_, host)| host) == header("Host"));
        std::future::ready(if near && own {
            Ok(Self)
        } else {
            Err(error::ErrorForbidden("the sandbox is controlled from its own machine and page only"))
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewFault {
    /// [`Api::as_str`]
    api: String,
    times: Option<u32>,
    outcome: NewOutcome,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum NewOutcome {
    Code { code: i64, msg: String },
    Http(u16),
    LatencyMs(u64),
    LostResponse,
    RateLimited { reset_s: u64 },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewChat {
    id: String,
    name: String,
    #[serde(default)]
    members: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPerson {
    open_id: String,
    name: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    mobile: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reading {
    chat: String,
    person: String,
}

pub(super) fn done() -> HttpResponse {
    HttpResponse::Ok().json(json!({"ok": true}))
}

pub(super) fn refuse(why: &str) -> HttpResponse {
    HttpResponse::BadRequest().json(json!({"ok": false, "error": why}))
}

async fn add_fault(_: FromHere, sandbox: Data<Sandbox>, fault: Json<NewFault>) -> HttpResponse {
    let fault = fault.into_inner();
    let Some(api) = Api::parse(&fault.api) else {
        let known: Vec<&str> = Api::ALL.iter().map(|api| api.as_str()).collect();
        return refuse(&format!("no call is named {:?}; known: {}", fault.api, known.join(", ")));
    };
    let outcome = match fault.outcome {
        NewOutcome::Code { code, msg } => Outcome::Code(code, msg),
        NewOutcome::Http(status) => Outcome::Http(status),
        NewOutcome::LatencyMs(ms) => Outcome::Latency(ms),
        NewOutcome::LostResponse => Outcome::LostResponse,
        NewOutcome::RateLimited { reset_s } => Outcome::RateLimited { reset_s },
    };
    sandbox.inject(Fault { api, times: fault.times, outcome });
    done()
}

async fn clear_faults(_: FromHere, sandbox: Data<Sandbox>) -> HttpResponse {
    sandbox.clear_faults();
    done()
}

async fn reset(_: FromHere, sandbox: Data<Sandbox>) -> HttpResponse {
    sandbox.reset();
    done()
}

async fn add_chat(_: FromHere, sandbox: Data<Sandbox>, chat: Json<NewChat>) -> HttpResponse {
    let members: Vec<&str> = chat.members.iter().map(String::as_str).collect();
    sandbox.add_chat(&chat.id, &chat.name, &members);
    done()
}

async fn add_person(_: FromHere, sandbox: Data<Sandbox>, person: Json<NewPerson>) -> HttpResponse {
    let account = Account::new(&person.open_id, &person.name).email(&person.email).mobile(&person.mobile);
    sandbox.add_person(account);
    done()
}

async fn read(_: FromHere, sandbox: Data<Sandbox>, reading: Json<Reading>) -> HttpResponse {
    sandbox.read_chat(&reading.chat, &reading.person);
    done()
}
