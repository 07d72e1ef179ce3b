//! Tokens: handed out to anybody, kept alive as Feishu does (feishu-api.md §1).

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::api::Api;
use super::call::Call;
use super::refusal::Refusal;
use super::world::World;

/// With less than this left, a new token is handed out beside the old one.
const RENEW_BELOW: SignedDuration = SignedDuration::from_mins(30);

/// A token somebody holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    value: String,
    app: String,
    expires_at: Timestamp,
}

/// Answers both token calls. Their fields lie at the top level, not in `data`.
pub(super) fn tokens(world: &mut World, call: &Call) -> Result<Value, Refusal> {
    let app = call.text("app_id")?.to_owned();
    if app.is_empty() || call.text("app_secret")?.is_empty() {
        return Err(Refusal::new(10_003, "invalid param"));
    }
    let token = current(world, &app, call.now);
    let expire = token.expires_at.duration_since(call.now).as_secs();
    let mut answer = json!({"code": 0, "msg": "ok", "tenant_access_token": token.value, "expire": expire});
    if let Some(fields) = answer.as_object_mut().filter(|_| call.api == Api::AppToken) {
        fields.insert("app_access_token".to_owned(), Value::String(token.value));
    }
    Ok(answer)
}

fn current(world: &mut World, app: &str, now: Timestamp) -> Token {
    world.tokens.retain(|t| t.expires_at > now);
    let young = world.tokens.iter().find(|t| t.app == app && t.expires_at.duration_since(now) >= RENEW_BELOW);
    if let Some(token) = young {
        return token.clone();
    }
    let value = format!("t-sandbox{:016x}", world.next());
    let token = Token { value, app: app.to_owned(), expires_at: now + world.options.token_ttl };
    world.tokens.push(token.clone());
    token
}

/// The app that an `Authorization` header speaks for.
pub(super) fn app_of(world: &World, authorization: Option<&str>, now: Timestamp) -> Result<String, Refusal> {
    let missing = || {
        Refusal::new(
            99_991_661,
            "Missing access token for authorization. Please make a request with token attached.",
        )
    };
    let bearer = authorization.and_then(|h| h.strip_prefix("Bearer ")).map(str::trim);
    let token = bearer.filter(|t| !t.is_empty()).ok_or_else(missing)?;
    if !token.starts_with("t-") && !token.starts_with("u-") {
        return Err(Refusal::new(
            99_991_671,
            "Invalid access token for authorization. The token must start with 't-' or 'u-'.",
        ));
    }
    let held = world.tokens.iter().find(|t| t.value == token && t.expires_at > now);
    held.map(|t| t.app.clone()).ok_or_else(|| {
        Refusal::new(
            99_991_663,
            "Invalid access token for authorization. Please make a request with token attached.",
        )
    })
}
