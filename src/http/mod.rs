//! The HTTP door: webhooks, Feishu's callbacks and people's actions in, incidents,
//! health and metrics out.
//!
//! # Invariants
//!
//! * A webhook is answered 200 only after the store has committed its bytes.
//! * Who calls is checked before anything of what they sent is parsed.
//! * No body is buffered beyond the limit, whatever its headers claim.
//! * Nobody holds a connection by being slow: every wait has an end (`patience`, `body`).
//! * Every error is `application/problem+json` with one sentence that says what to do.
//!
//! Nothing is decided here: bytes go into the inbox and the engine is told;
//! what alerts mean is said by `sources`, what follows by `rules` and `escalation`.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, Data, ServiceConfig};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use secrecy::SecretString;
use tokio::sync::Notify;

use crate::domain::Clock;
use crate::feishu::callbacks::Callbacks;
use crate::feishu::listening::Listener;
use crate::rules::RuleSet;
use crate::settings::{Settings, Webhook};
use crate::store::Store;
use crate::telemetry::{Metrics, Refusals, Tap};

mod actions;
mod auth;
mod body;
mod dashboard;
mod feishu_events;
mod incidents;
mod intake;
mod oncall;
mod operations;
mod patience;
mod problem;
mod server;
mod tap;
mod webhook;

pub use actions::{ActError, Actions};
pub use intake::Intake;
pub use oncall::on_call_at;
pub use server::serve;

/// How long a sender may keep quiet in the middle of a body.
const BODY_IDLE: Duration = Duration::from_secs(7);

/// Reads rules and templates again.
#[async_trait]
pub trait Reload: Send + Sync + 'static {
    /// `Err` holds everything that is wrong, one sentence each; what was
    /// loaded before stays in force.
    async fn reload(&self) -> Result<(), Vec<String>>;
}

/// Says whether pages can be delivered.
#[async_trait]
pub trait Readiness: Send + Sync + 'static {
    /// Why not, one sentence each; empty when everything is well.
    async fn problems(&self) -> Vec<String>;

    /// What part this process has among several, in a sentence; `None`: it is alone.
    fn part(&self) -> Option<String> {
        None
    }
}

/// Who may do what.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Who may deliver alerts.
    pub webhook: Webhook,
    /// Bearer token of the API; `None`: loopback only.
    pub api_token: Option<SecretString>,
}

/// Bounds on what a sender may send.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest body, in bytes.
    pub max_body_bytes: usize,
    /// Longest silence in the middle of a body.
    pub body_idle: Duration,
}

/// What the handlers use. Clones share it.
#[derive(Clone)]
pub struct State {
    /// Where webhooks are kept and incidents are read.
    pub store: Arc<dyn Store>,
    /// The rules in force.
    pub rules: Arc<ArcSwap<RuleSet>>,
    /// Reads the rules again.
    pub reload: Arc<dyn Reload>,
    /// Whether pages can be delivered.
    pub readiness: Arc<dyn Readiness>,
    /// Told after each accepted webhook.
    pub inbox_signal: Arc<Notify>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub metrics: Metrics,
    /// Who may do what.
    pub access: Access,
    /// Bounds on bodies.
    pub limits: Limits,
    /// Bounds on all of them together.
    pub intake: Arc<Intake>,
    /// Told of each webhook that is too large.
    pub refusals: Arc<Refusals>,
    /// Hears Feishu's callbacks, once they are proven; `None`: they do not come over HTTP.
    pub listener: Option<(Callbacks, Arc<dyn Listener>)>,
    /// Acts on incidents; `None`: they can only be looked at.
    pub actions: Option<Arc<dyn Actions>>,
    /// Tells those who watch what comes in.
    pub tap: Tap,
}

impl Access {
    /// As the settings say.
    pub fn of(settings: &Settings) -> Self {
        Self { webhook: settings.webhook.clone(), api_token: settings.server.api_token.clone() }
    }
}

impl Limits {
    /// As the settings say.
    pub fn of(settings: &Settings) -> Self {
        Self { max_body_bytes: settings.server.max_body_bytes, body_idle: BODY_IDLE }
    }
}

/// The routes.
pub fn configure(state: State) -> impl Fn(&mut ServiceConfig) + Clone {
    move |config| {
        config.app_data(Data::new(state.clone()));
        webhook::routes(config);
        incidents::routes(config);
        actions::routes(config);
        oncall::routes(config);
        feishu_events::routes(config);
        operations::routes(config);
        tap::routes(config);
        dashboard::routes(config);
        config.default_service(web::to(problem::no_such_path));
    }
}
