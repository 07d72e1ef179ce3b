//! Answers one request: fault, token, rate, scope, then the call itself.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::domain::Urgent;

use super::api::{Api, NoCall};
use super::call::Call;
use super::fault;
use super::limits::Subject;
use super::model::CallRecord;
use super::refusal::Refusal;
use super::world::World;
use super::{auth, buzzing, directory, long_connection, marks, reading, sending};

/// A request as the web server hands it over.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: BTreeMap<String, String>,
    pub(super) authorization: Option<&'a str>,
    pub(super) host: &'a str,
    pub(super) body: &'a [u8],
}

/// What goes back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) log_id: String,
    /// Seconds for the reset header of a 429.
    pub(super) reset_s: Option<u64>,
    /// `None`: a bare status with a body that is no JSON.
    pub(super) body: Option<Value>,
    /// Wait so long before it goes out.
    pub(super) delay: Duration,
    /// Break the connection instead.
    pub(super) lost: bool,
}

/// Does what the request asks for and says what came of it.
pub(super) fn answer(world: &mut World, request: &Request<'_>, now: Timestamp) -> Answer {
    let log_id = format!("{}{:018X}", now.strftime("%Y%m%d%H%M%S"), world.next());
    let found = Api::find(request.method, request.path);
    let twist = found
        .as_ref()
        .map(|(api, _)| fault::strike(&mut world.faults, world.unrest.as_mut(), *api))
        .unwrap_or_default();
    let outcome = match (&found, twist.bare) {
        (Ok((api, _)), Some(status)) => {
            world.calls.push(CallRecord { at: now, api: *api, code: i64::from(status) });
            return Answer {
                status,
                log_id,
                reset_s: None,
                body: None,
                delay: twist.delay,
                lost: twist.lose,
            };
        }
        (Ok((api, ids)), None) => match twist.refusal {
            Some(refusal) => Err(refusal),
            None => admit(world, request, *api, ids.clone(), now).and_then(|call| perform(world, &call)),
        },
        (Err(NoCall::Path), _) => {
            Err(Refusal::new(99_991_201, format!("no such path: {}", request.path)).status(404))
        }
        (Err(NoCall::Method), _) => Err(Refusal::new(
            99_991_301,
            format!("method {} is not allowed for {}", request.method, request.path),
        )
        .status(405)),
    };
    let (status, code, reset_s, body) = match outcome {
        Ok(body) => (200, 0, None, body),
        // Here alone a refusal is an answer like any other, but for the rate.
        Err(refusal) if found == Ok((Api::LongConnection, Vec::new())) && refusal.reset_s.is_none() => {
            (200, refusal.code, None, refusal.body(&log_id))
        }
        Err(refusal) => (refusal.status, refusal.code, refusal.reset_s, refusal.body(&log_id)),
    };
    if let Ok((api, _)) = found {
        world.calls.push(CallRecord { at: now, api, code });
    }
    Answer { status, log_id, reset_s, body: Some(body), delay: twist.delay, lost: twist.lose }
}

/// Checks token, rate and scope, and reads the body.
fn admit(
    world: &mut World,
    request: &Request<'_>,
    api: Api,
    ids: Vec<String>,
    now: Timestamp,
) -> Result<Call, Refusal> {
    let app = if api.is_open() { String::new() } else { auth::app_of(world, request.authorization, now)? };
    world.meter(Subject::Call(app.clone(), api), now).map_err(Refusal::rate_limited)?;
    let scopes = api.scopes();
    if !scopes.is_empty() && scopes.iter().all(|s| world.withheld_scopes.contains(*s)) {
        return Err(Refusal::scope_missing(scopes));
    }
    let body = if request.body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(request.body)
            .map_err(|e| Refusal::malformed(&format!("body is no JSON: {e}")))?
    };
    let host = request.host.to_owned();
    Ok(Call { api, now, app, host, ids, query: request.query.clone(), body })
}

/// The call itself; the whole body of its answer.
fn perform(world: &mut World, call: &Call) -> Result<Value, Refusal> {
    let data = match call.api {
        Api::TenantToken | Api::AppToken => return auth::tokens(world, call),
        Api::LongConnection => return long_connection::endpoint(world, call),
        Api::BotInfo => return Ok(reading::bot_info(world)),
        Api::Scopes => Ok(reading::scopes(world)),
        Api::Send => sending::send(world, call),
        Api::History => reading::history(world, call),
        Api::Reply => sending::reply(world, call),
        Api::UpdateCard => sending::update_card(world, call),
        Api::EditText => sending::edit_text(world, call),
        Api::Recall => sending::recall(world, call),
        Api::GetMessage => reading::get_message(world, call),
        Api::ReadUsers => reading::read_users(world, call),
        Api::UrgentApp => buzzing::urge(world, call, Urgent::App),
        Api::UrgentSms => buzzing::urge(world, call, Urgent::Sms),
        Api::UrgentPhone => buzzing::urge(world, call, Urgent::Phone),
        Api::CreateReaction => marks::create_reaction(world, call),
        Api::ListReactions => marks::list_reactions(world, call),
        Api::DeleteReaction => marks::delete_reaction(world, call),
        Api::CreatePin => marks::create_pin(world, call),
        Api::ListPins => marks::list_pins(world, call),
        Api::DeletePin => marks::delete_pin(world, call),
        Api::BotFeedCard => buzzing::bot_feed_card(world, call),
        Api::ChatFeedCard => buzzing::chat_feed_card(world, call),
        Api::BatchGetId => directory::batch_get_id(world, call),
        Api::GetUser => directory::get_user(world, call),
        Api::ListChats => directory::list_chats(world, call),
        Api::GetChat => directory::get_chat(world, call),
        Api::ListMembers => directory::list_members(world, call),
        Api::AddMembers => directory::add_members(world, call),
        Api::IsInChat => directory::is_in_chat(world, call),
    }?;
    Ok(json!({"code": 0, "msg": "success", "data": data}))
}
