//! One pager, or several on one database, with all they need: a store, a fake Feishu, a
//! sender and a ledger.
//! Several lanes run side by side, none knows of the others.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use larkhorn::app::SystemClock;
use larkhorn::domain::Clock as _;
use larkhorn::sandbox::{Account, Limits, Options, Running, Sandbox};

use crate::audit::{self, Findings};
use crate::backend::Backend;
use crate::dice::Dice;
use crate::load::{Ledger, Load};
use crate::pager::Pager;
use crate::patience::PATIENCE;
use crate::ports::free_address;
use crate::proxy::Proxy;
use crate::shim::Clockwork;

pub(crate) const CHAT: &str = "oc_oncall";
pub(crate) const LIN: &str = "ou_lin";
pub(crate) const MARA: &str = "ou_mara";

/// See the module.
pub(crate) struct Lane {
    pub(crate) pager: Pager,
    /// The other replicas.
    pub(crate) more: Vec<Pager>,
    pub(crate) backend: Backend,
    pub(crate) sandbox: Sandbox,
    pub(crate) network: Option<Proxy>,
    _running: Running,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) load: Load,
    pub(crate) dice: Dice,
    pub(crate) clock: Option<Clockwork>,
    /// How long what was accepted may wait for somebody to lead, and be decided about.
    pub(crate) leaderless: Duration,
    /// When something else ended that pagers need.
    pub(crate) ends: Vec<Instant>,
    /// Incidents that were looked at when they were over.
    over: Mutex<BTreeSet<String>>,
    now: (Instant, Timestamp),
}

impl Lane {
    pub(crate) fn new(backend: Backend, seed: u64, clock: Option<Clockwork>) -> Self {
        Self::with(backend, seed, clock, (free_address(), None))
    }

    /// With a network between the pager and Feishu.
    pub(crate) async fn behind_a_network(backend: Backend, seed: u64, clock: Option<Clockwork>) -> Self {
        let feishu = free_address();
        let network = Proxy::to(feishu).await;
        Self::with(backend, seed, clock, (feishu, Some(network)))
    }

    fn with(
        backend: Backend,
        seed: u64,
        clock: Option<Clockwork>,
        (feishu, network): (SocketAddr, Option<Proxy>),
    ) -> Self {
        let sandbox =
            Sandbox::new(Arc::new(SystemClock), Options { limits: Limits::Off, ..Options::default() });
        sandbox.add_person(Account::new(LIN, "Lin"));
        sandbox.add_person(Account::new(MARA, "Mara"));
        sandbox.add_chat(CHAT, "On-call", &[LIN, MARA]);
        let reached = network.as_ref().map_or(feishu, |network| network.address);
        let pager = Pager::new(&backend, &format!("http://{reached}"));
        let listener = TcpListener::bind(feishu).unwrap();
        listener.set_nonblocking(true).unwrap();
        let running = sandbox.serve(listener).unwrap();
        let ledger = Arc::new(Ledger::default());
        let more: Vec<Pager> =
            (1..backend.replicas()).map(|_| Pager::new(&backend, &format!("http://{reached}"))).collect();
        let urls = [&pager].into_iter().chain(&more).map(|pager| pager.url("/webhook/alertmanager"));
        let load = Load::to(urls.collect(), ledger.clone(), seed);
        Self {
            pager,
            more,
            backend,
            sandbox,
            network,
            _running: running,
            ledger,
            load,
            dice: Dice::new(seed),
            clock,
            leaderless: Duration::ZERO,
            ends: Vec::new(),
            over: Mutex::default(),
            now: (Instant::now(), SystemClock.now()),
        }
    }

    pub(crate) async fn start(&mut self) {
        self.start_with(|_| {}).await;
    }

    pub(crate) async fn start_with(&mut self, prepare: impl Fn(&mut Command) + Sync) {
        let (pager, clock) = (&mut self.pager, self.clock.as_ref());
        let with_clock = |command: &mut Command| {
            if let Some(clock) = clock {
                clock.apply(command);
            }
            prepare(command);
        };
        pager.start(&with_clock).await;
    }

    /// Starts all replicas.
    pub(crate) async fn start_all(&mut self) {
        for replica in 0..=self.more.len() {
            self.start_replica(replica).await;
        }
    }

    /// One of the replicas, 0 the first.
    pub(crate) fn replica(&mut self, n: usize) -> &mut Pager {
        if n == 0 { &mut self.pager } else { &mut self.more[n - 1] }
    }

    pub(crate) async fn start_replica(&mut self, n: usize) {
        let env = self.clock.as_ref().map(Clockwork::env).unwrap_or_default();
        self.replica(n)
            .start(&|command: &mut Command| {
                command.envs(env.clone());
            })
            .await;
    }

    /// Whether a replica says that it leads.
    pub(crate) async fn leads(&mut self, n: usize) -> bool {
        self.replica(n).metric("larkhorn_leads").await == Some(1.0)
    }

    /// What all replicas have said.
    pub(crate) fn logs(&self) -> String {
        [&self.pager].into_iter().chain(&self.more).map(Pager::log).collect()
    }

    /// Waits until what was accepted is delivered; how long that took.
    pub(crate) async fn quiet(&self) -> Duration {
        self.load.idle().await;
        let began = Instant::now();
        // Patience is for progress: many rounds leave much to deliver.
        let mut progress = (0, began);
        while !self.pager.is_quiet().await {
            let calls = self.sandbox.calls().len();
            if calls != progress.0 {
                progress = (calls, Instant::now());
            }
            assert!(
                progress.1.elapsed() < PATIENCE,
                "what was accepted is not delivered; the end of the log:\n{}",
                self.pager.end_of_log()
            );
            // Feishu lets a person have 200 unread urgents.
            self.sandbox.read_chat(CHAT, LIN);
            self.sandbox.read_chat(CHAT, MARA);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        began.elapsed()
    }

    /// Somebody answers some of what is triggered.
    pub(crate) async fn answer_some(&mut self, percent: u64) {
        for incident in self.pager.incidents().await {
            if incident["state"] != "triggered" || !self.dice.percent(percent) {
                continue;
            }
            let case = incident["labels"]["case"].as_str().unwrap_or_default().to_owned();
            let Some(group) = case.strip_prefix("case").and_then(|digits| digits.parse::<usize>().ok())
            else {
                continue;
            };
            if self.pager.act(incident["id"].as_str().unwrap(), "acknowledge").await {
                self.ledger.change(group, |known| known.acknowledged = Some(Instant::now()));
            }
        }
    }

    pub(crate) async fn audit(&self) -> Findings {
        audit::audit(self).await
    }

    /// Everything recovers, and nothing may be left of it. The pager is up.
    pub(crate) async fn end(mut self) -> Findings {
        self.load.recover_all().await;
        // The pager's own alarms are over a minute after their reasons.
        let began = Instant::now();
        while self.pager.incidents().await.iter().any(|incident| incident["state"] != "resolved") {
            assert!(began.elapsed() < 3 * PATIENCE, "some incident is not over");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.quiet().await;
        let findings = self.audit().await;
        audit::assert_at_rest(&self);
        for pager in [&mut self.pager].into_iter().chain(&mut self.more) {
            let (ended, took) = pager.stop().await;
            assert!(ended.success() && took < Duration::from_secs(12), "the stop took {took:?}: {ended:?}");
        }
        self.backend.assert_sound();
        self.load.finish().await;
        findings
    }

    /// A span of the fake Feishu's clock as the pager counts it.
    pub(crate) fn as_the_pager_counts(&self, span: SignedDuration) -> SignedDuration {
        self.clock.as_ref().map_or(span, |clock| clock.stretched(span))
    }

    /// A moment on the fake Feishu's clock.
    pub(crate) fn wall_clock_of(&self, moment: Instant) -> Timestamp {
        audit::wall_clock_of(moment, self.now)
    }

    /// Whether a process ended between the two, or shortly before: its last call may have
    /// arrived after it.
    pub(crate) fn was_interrupted(&self, before: Timestamp, after: Timestamp) -> bool {
        let pagers = [&self.pager].into_iter().chain(&self.more);
        let ends = pagers.flat_map(|pager| &pager.ends).chain(&self.ends);
        let mut ends = ends.map(|moment| self.wall_clock_of(*moment));
        ends.any(|end| before - SignedDuration::from_secs(10) <= end && end <= after)
    }

    /// Whether an incident has to be looked at: not once it was seen to be over.
    pub(crate) fn is_worth_a_look(&self, id: &str, over: bool) -> bool {
        !over || self.over.lock().unwrap().insert(id.to_owned())
    }
}
