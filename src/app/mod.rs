//! Wires the rooms into a running pager: start, stop, reload, readiness, and
//! the only real clock.
//!
//! # Order
//!
//! Start: settings are checked and rules read first, so that a mistake ends the
//! process before it has touched anything; then the store is opened, pins are
//! reconciled, the listener bound, and engine, courier and the long connection
//! let loose. Feishu need not be there: webhooks are kept, and go out when it is back.
//!
//! Stop: the listener closes and requests under way are answered, the engine
//! empties the inbox as far as it gets, the courier finishes its calls,
//! and what came over the long connection is answered. What is
//! left is in the store.

mod calendars;
mod clients;
mod clock;
mod conversation;
mod counted;
mod database;
mod descriptors;
mod doctor;
mod files;
mod proof;
mod readiness;
pub mod rehearsal;
mod reload;
mod trial;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use anyhow::Context;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use calendars::SharedCalendars;
use clients::{connect, connect_alertmanager, watcher};
use counted::Counted;

pub use clock::{StoreClock, SystemClock};
pub use database::open_store;
pub use doctor::{Asked, Check, Click, State as CheckState, examine};
pub use files::{CheckedRules, RuleFiles, read_cards, read_rules};
pub use proof::TemplateSource;
pub use trial::{Trial, send_test};

use crate::alertmanager;
use crate::domain::Clock;
use crate::feishu::callbacks::Callbacks;
use crate::feishu::listening::Listener;
use crate::feishu::{Cards, Client};
use crate::http;
use crate::rules::RuleSet;
use crate::settings::{Events, Settings};
use crate::store::Store;
use crate::store::postgres::Wake;
use crate::telemetry::{Metrics, Refusals, Tap};
use crate::worker::courier::{Courier, Reach};
use crate::worker::engine::Engine;
use crate::worker::long_connection::{Line, LongConnection};
use crate::worker::purse::Purse;
use crate::worker::replicas::{Part, Replicas};
use crate::worker::roll_call::RollCall;
use crate::worker::self_check::{SelfCheck, Watcher};
use crate::worker::sinks::Sinks;

/// How long a stop waits for the engine and the courier.
const DRAIN: Duration = Duration::from_secs(9);

/// A pager that runs.
pub struct Running {
    addr: SocketAddr,
    server: ServerHandle,
    server_ended: JoinHandle<std::io::Result<()>>,
    stop: watch::Sender<bool>,
    workers: Vec<JoinHandle<()>>,
    store: Arc<dyn Store>,
    reload: Arc<reload::FileReload>,
    tap: Tap,
    line: Option<watch::Receiver<Line>>,
}

/// Everything that is needed to run, checked and opened, but still at rest.
struct Parts {
    settings: Settings,
    clock: Arc<dyn Clock>,
    rules: Arc<ArcSwap<RuleSet>>,
    calendars: Arc<SharedCalendars>,
    cards: Arc<ArcSwap<Cards>>,
    metrics: Metrics,
    client: Client,
    reach: Arc<Reach>,
    sinks: Option<Arc<Sinks>>,
    watcher: Option<Watcher>,
    alertmanager: Option<alertmanager::Client>,
    store: Arc<dyn Store>,
    signals: Wake,
    replicas: Replicas,
    tap: Tap,
}

/// Starts a pager on the address of the settings.
///
/// # Errors
///
/// Anything that keeps it from working at all, with the way out. A Feishu that
/// cannot be reached is not among them.
pub async fn start(settings: Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Running> {
    settings.check_exposure()?;
    descriptors::allow_many();
    let listen = settings.server.listen;
    let listener = TcpListener::bind(listen).with_context(|| {
        format!("cannot listen on {listen}; is another process there? server.listen names the address")
    })?;
    start_on(listener, settings, clock).await
}

/// Starts a pager on a listener of the caller's; the settings' address is not used.
///
/// # Errors
///
/// As [`start`].
pub async fn start_on(
    listener: TcpListener,
    settings: Settings,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Running> {
    listener.set_nonblocking(true)?;
    let parts = Parts::prepare(settings, clock).await?;
    let reconciled = parts.store.reconcile_pins(parts.clock.now()).await?;
    if reconciled > 0 {
        tracing::info!(places = reconciled, "pins differ from what is wanted; putting them right");
    }
    parts.run(listener)
}

impl Parts {
    /// Rules before the store, so that a mistake in them leaves no file behind.
    async fn prepare(settings: Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        settings.feishu_required()?;
        let mut files = RuleFiles::read_files(std::slice::from_ref(&settings.rules))?;
        // A calendar may be away and have a copy in the store, if there is one; all else must be right.
        if database::is_new(&settings.store) {
            files.read_calendars_here(clock.now()).await;
            files::check(&files)?;
        } else {
            files::check(&files.with_empty_calendars(clock.now()))?;
        }
        let cards = first_cards(&settings)?;
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
        metrics.reloaded(true);
        let shared_clock = Arc::new(StoreClock::beside(clock));
        let clock: Arc<dyn Clock> = shared_clock.clone();
        let counted = Counted::new(metrics.clone(), clock.clone());
        let reach = counted.reach.clone();
        let client = connect(&settings, counted)?;
        let sinks = settings.fallback.as_ref().map(Sinks::new).transpose()?.map(Arc::new);
        let watcher = watcher(&settings)?;
        let alertmanager = connect_alertmanager(&settings)?;
        let signals = Wake { inbox: Arc::new(Notify::new()), outbox: Arc::new(Notify::new()) };
        let (store, wake) = (settings.store.clone(), signals.clone());
        let store = tokio::task::spawn_blocking(move || database::open(&store, Some(wake))).await??;
        calendars::supply(&mut files, &*store, clock.now(), true).await;
        let checked = files::check(&files)?;
        for warning in &checked.warnings {
            tracing::warn!("{warning}");
        }
        let tune = Box::new(move |now| shared_clock.hear(now));
        let replicas = Replicas::join(store.clone(), client.clone(), metrics.clone(), tune).await?;
        let rules = Arc::new(ArcSwap::from_pointee(checked.rules));
        let calendars =
            SharedCalendars::new(files, store.clone(), rules.clone(), clock.clone(), metrics.clone());
        Ok(Self {
            rules,
            calendars: Arc::new(calendars),
            cards: Arc::new(ArcSwap::from_pointee(cards)),
            store,
            signals,
            replicas,
            settings,
            clock,
            metrics,
            client,
            reach,
            sinks,
            watcher,
            alertmanager,
            tap: Tap::default(),
        })
    }

    /// Engine and courier, with all that the settings give them.
    fn workers(&self, outbox_signal: Arc<Notify>, purse: &Purse) -> (Arc<Engine>, Arc<Courier>) {
        let store = self.store.clone();
        let (rules, metrics, feishu) = (self.rules.clone(), self.metrics.clone(), &self.settings.feishu);
        let mut engine = Engine::new(store.clone(), rules, metrics.clone(), outbox_signal)
            .speaking(feishu.locale)
            .with_tap(self.tap.clone());
        let (client, cards, clock) = (self.client.clone(), self.cards.clone(), self.clock.clone());
        let mut courier = Courier::new(store, client, cards, metrics, clock, feishu.urgent_via)
            .with_reach(self.reach.clone())
            .with_sinks(self.sinks.clone())
            .with_purse(purse.clone())
            .with_rules(self.rules.clone())
            .with_tap(self.tap.clone());
        if let Some(there) = &self.alertmanager {
            engine = engine.with_alertmanager(there.clone());
            courier = courier.with_alertmanager(there.clone());
        }
        (Arc::new(engine), Arc::new(courier))
    }

    /// What calls and text messages may cost.
    fn purse(&self) -> Purse {
        let zone = self.settings.timezone.clone();
        Purse::new(self.store.clone(), self.rules.clone(), zone, self.metrics.clone())
    }

    /// Who keeps the store small.
    fn keeper(&self, part: Part) -> database::Keeper {
        database::Keeper {
            store: self.store.clone(),
            keep_resolved: self.settings.store.keep_resolved,
            metrics: self.metrics.clone(),
            clock: self.clock.clone(),
            part,
        }
    }

    fn reload(&self) -> Arc<reload::FileReload> {
        Arc::new(reload::FileReload {
            settings: self.settings.clone(),
            calendars: self.calendars.clone(),
            cards: self.cards.clone(),
            metrics: self.metrics.clone(),
        })
    }

    fn roll_call(&self) -> RollCall {
        let (store, rules, metrics) = (self.store.clone(), self.rules.clone(), self.metrics.clone());
        RollCall::new(store, self.client.clone(), rules, metrics)
    }

    /// Lets everything loose.
    fn run(self, listener: TcpListener) -> anyhow::Result<Running> {
        let addr = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let Wake { inbox: inbox_signal, outbox: outbox_signal } = self.signals.clone();
        let store = self.store.clone();
        let (shared, part) = (store.clone(), self.replicas.part());
        let (purse, roll_call, keeper) = (self.purse(), self.roll_call(), self.keeper(part.clone()));
        let (engine, courier) = self.workers(outbox_signal.clone(), &purse);
        let reload = self.reload();
        let Self { settings, clock, rules, calendars, metrics, client, reach, sinks, .. } = self;
        let Self { watcher, replicas, tap, .. } = self;
        let conversation = Arc::new(conversation::Conversation {
            engine: engine.clone(),
            courier: courier.clone(),
            store: shared.clone(),
            rules: rules.clone(),
            clock: clock.clone(),
            reactions: settings.feishu.reactions.clone(),
        });
        let ear: Arc<dyn Listener> = conversation.clone();
        let heard = callbacks(&settings).map(|callbacks| (callbacks, ear.clone()));
        let long_connection = (settings.feishu.events == Events::LongConnection)
            .then(|| LongConnection::new(client.clone(), ear, metrics.clone(), clock.clone()));
        let line = long_connection.as_ref().map(LongConnection::line);
        let refusals = Arc::<Refusals>::default();
        let self_check = SelfCheck::new(engine.clone(), shared.clone(), clock.clone(), reach)
            .listening(line.clone())
            .counting(purse.clone())
            .with_sinks(sinks)
            .one_of(part.clone())
            .hearing_of(refusals.clone())
            .reading(calendars.stale())
            .watched_by(watcher);
        let readiness = readiness::Watch::new(shared.clone(), clock.clone(), part.clone());
        let state = http::State {
            store: shared,
            rules,
            reload: reload.clone(),
            readiness: readiness.clone(),
            inbox_signal: inbox_signal.clone(),
            clock: clock.clone(),
            metrics,
            access: http::Access::of(&settings),
            limits: http::Limits::of(&settings),
            intake: Arc::default(),
            refusals,
            listener: heard,
            actions: Some(conversation),
            tap: tap.clone(),
        };
        let server = http::serve(listener, state, http_workers())?;
        let handle = server.handle();
        let server_ended = tokio::spawn(server);
        let mut workers = vec![
            tokio::spawn(replicas.run(stopped.clone())),
            tokio::spawn(keeper.run(stopped.clone())),
            tokio::spawn(calendars.run(stopped.clone())),
            tokio::spawn(engine.clone().keep_reconciled(clock.clone(), part.clone(), stopped.clone())),
            tokio::spawn(purse.keep_told(clock.clone(), stopped.clone())),
            tokio::spawn(roll_call.run(clock.clone(), stopped.clone())),
            tokio::spawn(engine.run(clock, inbox_signal, part, stopped.clone())),
            tokio::spawn(courier.run(outbox_signal, stopped.clone())),
            tokio::spawn(readiness.run(client, stopped.clone())),
            tokio::spawn(self_check.run(stopped.clone())),
        ];
        workers.extend(long_connection.map(|connection| tokio::spawn(connection.run(stopped))));
        tracing::info!(%addr, rules = %settings.rules.display(), "larkhorn is up");
        Ok(Running { addr, server: handle, server_ended, stop, workers, store, reload, tap, line })
    }
}

impl Running {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Whether the long connection to Feishu is up, and every change of that;
    /// `None` where none is wanted.
    pub fn line(&self) -> Option<watch::Receiver<Line>> {
        self.line.clone()
    }

    /// Reads rules and templates again; bad ones change nothing but the log.
    pub async fn reload(&self) {
        use http::Reload;
        drop(self.reload.reload().await);
    }

    /// Waits until the server ends by itself, which it does only in trouble.
    pub async fn ended(&mut self) -> anyhow::Error {
        match (&mut self.server_ended).await {
            Ok(Ok(())) => anyhow::anyhow!("the HTTP server stopped by itself"),
            Ok(Err(error)) => anyhow::Error::new(error).context("the HTTP server failed"),
            Err(error) => anyhow::Error::new(error).context("the HTTP server crashed"),
        }
    }

    /// Stops in order; see the module. Takes at most about ten seconds.
    pub async fn stop(self) {
        // Who watches would keep the server waiting.
        self.tap.close();
        let drained = tokio::time::timeout(DRAIN, async {
            self.server.stop(true).await;
            self.stop.send_replace(true);
            for worker in self.workers {
                if let Err(error) = worker.await {
                    tracing::error!(%error, "a worker crashed");
                }
            }
        });
        if drained.await.is_err() {
            tracing::warn!("stopped before everything was sent; the rest goes out after the next start");
        }
        // The last holder closes the file; that blocks for some milliseconds.
        drop(self.store);
    }
}

/// The cards to begin with: a bad template is no reason not to page.
fn first_cards(settings: &Settings) -> anyhow::Result<Cards> {
    let (cards, problems) = read_cards(settings)?;
    for problem in problems {
        tracing::error!("{problem}; the built-in template serves");
    }
    Ok(cards)
}

/// What opens Feishu's callbacks, if they are to come over HTTP.
fn callbacks(settings: &Settings) -> Option<Callbacks> {
    let feishu = &settings.feishu;
    (feishu.events == Events::Http)
        .then(|| Callbacks::new(feishu.verification_token.clone(), feishu.encrypt_key.clone()))
}

/// Two HTTP workers do: the work of a request is a few microseconds and a wait for the disk.
fn http_workers() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(2)
}

/// How long ago, in seconds, never negative.
fn age_seconds(then: Option<Timestamp>, now: Timestamp) -> f64 {
    then.map_or(0.0, |then| now.duration_since(then).as_secs_f64().max(0.0))
}
