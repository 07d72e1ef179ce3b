//! `POST /callback/ws/endpoint`: where to connect to, with a ticket for once.

use serde_json::{Value, json};

use super::super::call::Call;
use super::super::refusal::Refusal;
use super::super::world::World;

/// A way in, not used yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Ticket {
    pub(super) value: String,
    pub(super) app: String,
    pub(super) number: u64,
}

/// Any app id and secret will do, but there must be both.
pub(in super::super) fn endpoint(world: &mut World, call: &Call) -> Result<Value, Refusal> {
    let app = call.optional_text("AppID")?.unwrap_or_default().to_owned();
    let secret = call.optional_text("AppSecret")?.unwrap_or_default();
    if app.is_empty() || secret.is_empty() {
        return Err(Refusal::new(1_000_040_344, "app_id or app_secret is missing"));
    }
    let number = world.next();
    let value = format!("ticket{:016x}", world.next());
    let url = format!(
        "ws://{}/ws/v2?fpid=493&aid=552564&device_id={number}&access_key=key{number:016x}&service_id={number}&\
         ticket={value}",
        call.host
    );
    let config = world.options.pace.json();
    world.tickets.push(Ticket { value, app, number });
    Ok(json!({"code": 0, "msg": "", "data": {"URL": url, "ClientConfig": config}}))
}
