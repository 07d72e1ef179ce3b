//! Rehearsals: what a payload would lead to, found out by letting it happen.
//!
//! Rules, engine, courier and store are the real ones; Feishu is the sandbox
//! and time is virtual, so a night passes in a moment. Nothing is read but what
//! is handed in, nothing is left behind, and no network is used but loopback.
//!
//! # What is as on the day, and what is not
//!
//! * Every person of the rules is known to Feishu and in every chat of the rules.
//! * Calls take no time, come one after the other, and Feishu's rates are not enforced.
//! * A heartbeat is awaited from its first beat on.
//! * What is due happens before what the script has for the same instant: whoever
//!   acknowledges at 3m has got the page of 3m.
//! * Larkhorn's alarms about itself stay out: they are not about the payload.

mod stage;
mod told;
mod witness;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

use anyhow::{Context, bail};
use arc_swap::ArcSwap;
use bytes::Bytes;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use self::stage::{Names, StageClock};
pub use self::told::{Deed, Moment, Told};
use self::witness::Witness;
use super::clients::{CALL_TIMEOUT, CONNECT_TIMEOUT};
use super::counted::Counted;
use crate::domain::{Action, Actor, Answer, Clock, Incident, Ladder, Response, SourceKind, Via};
use crate::feishu::{Allowance, Cards, Client, ClientConfig};
use crate::rules::RuleSet;
use crate::sandbox::{self, Fault, Limits, Sandbox};
use crate::settings::UrgentVia;
use crate::sources::{self, Hint};
use crate::store::sqlite::SqliteStore;
use crate::store::{NewDelivery, Retention, Store};
use crate::telemetry::Metrics;
use crate::worker::courier::Courier;
use crate::worker::engine::Engine;
use crate::worker::purse::Purse;

/// A rehearsal that comes to no rest ends after so much time.
const LONGEST: SignedDuration = SignedDuration::from_hours(31 * 24);
/// What is still to be delivered when it comes to rest may take so long.
const LINGER: SignedDuration = SignedDuration::from_mins(10);
/// Turns in a row in which no time passes.
const STANDSTILLS_MAX: u32 = 1000;
/// Incidents that are looked at.
const INCIDENTS_MAX: usize = 100_000;

/// What is put on.
pub struct Play {
    /// Who is paged for what.
    pub rules: Arc<RuleSet>,
    /// How cards look.
    pub cards: Cards,
    /// In which months are counted.
    pub zone: TimeZone,
    /// What is urged.
    pub urgent_via: UrgentVia,
    /// When it begins.
    pub begins: Timestamp,
    /// What goes wrong with Feishu.
    pub faults: Vec<Fault>,
}

/// Something that the script has happen.
#[derive(Debug, Clone)]
pub struct Cue {
    /// How long after the beginning. Not negative.
    pub after: SignedDuration,
    /// What.
    pub what: Happens,
}

/// What happens at a cue.
#[derive(Debug, Clone)]
pub enum Happens {
    /// A webhook comes in.
    Webhook {
        /// As `?source=` would name it; `None`: by its kind.
        source: Option<String>,
        /// Its body.
        body: Bytes,
    },
    /// A webhook that was kept comes in again.
    Kept {
        /// Name of its source.
        source: String,
        /// The format it was found to be in.
        kind: SourceKind,
        /// Its body.
        body: Bytes,
    },
    /// Somebody does something about the open incidents.
    Act {
        /// Who, by the rules' name; `None`: whoever was paged last.
        by: Option<String>,
        /// What.
        action: Action,
        /// About those of this rule; `None`: all.
        rule: Option<String>,
    },
}

/// When it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curtain {
    /// When the script has ended, and every incident is answered, over or has
    /// used up its ladder and paged the last resort once.
    AtRest,
    /// At a time after the beginning.
    After(SignedDuration),
}

/// Something that the script had somebody do, and that was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// What.
    pub action: &'static str,
    /// Why not.
    pub why: String,
}

/// A pager on a stage.
pub struct Rehearsal {
    rules: Arc<RuleSet>,
    clock: Arc<StageClock>,
    begins: Timestamp,
    sandbox: Sandbox,
    phones: sandbox::Running,
    store: Arc<SqliteStore>,
    engine: Engine,
    courier: Courier,
    witness: Witness,
    refusals: Vec<Refusal>,
    // Last: the store has to let go of its file before the folder goes.
    _folder: tempfile::TempDir,
}

impl Rehearsal {
    /// Sets the stage.
    ///
    /// # Errors
    ///
    /// When there is no room for a temporary folder, or no port on loopback.
    pub fn new(play: Play) -> anyhow::Result<Self> {
        let Play { rules, cards, zone, urgent_via, begins, faults } = play;
        let clock = Arc::new(StageClock::new(begins));
        let options = sandbox::Options { limits: Limits::Off, open_world: true, ..Default::default() };
        let sandbox = Sandbox::new(clock.clone(), options);
        let names = Names::set_the_stage(&sandbox, &rules);
        for fault in faults {
            sandbox.inject(fault);
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
        listener.set_nonblocking(true)?;
        let phones = sandbox.serve(listener)?;
        let folder = tempfile::Builder::new().prefix("larkhorn-rehearsal-").tempdir()?;
        let store = Arc::new(SqliteStore::open(&folder.path().join("rehearsal.db"), Retention::default())?);
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
        let counted = Counted::new(metrics.clone(), clock.clone());
        let reach = counted.reach.clone();
        let config = ClientConfig {
            base_url: phones.url(),
            app_id: "cli_rehearsal".to_owned(),
            app_secret: "rehearsal".into(),
            timeout: CALL_TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
        };
        let client = Client::new(config, Arc::new(counted))?.with_allowance(Allowance::unlimited());
        let live = Arc::new(ArcSwap::from(rules.clone()));
        let shared: Arc<dyn Store> = store.clone();
        let purse = Purse::new(shared.clone(), live.clone(), zone, metrics.clone());
        let engine = Engine::new(shared.clone(), live.clone(), metrics.clone(), Arc::new(Notify::new()));
        let cards = Arc::new(ArcSwap::from_pointee(cards));
        let courier = Courier::new(shared, client, cards, metrics, clock.clone(), urgent_via)
            .with_reach(reach)
            .with_purse(purse)
            .with_rules(live);
        Ok(Self {
            rules,
            clock,
            begins,
            sandbox,
            phones,
            store,
            engine,
            courier,
            witness: Witness::new(names),
            refusals: Vec::new(),
            _folder: folder,
        })
    }

    /// Plays the script to its end.
    ///
    /// # Errors
    ///
    /// When a body in it cannot be read, or the rehearsal itself fails.
    pub async fn play(&mut self, mut script: Vec<Cue>, curtain: Curtain) -> anyhow::Result<()> {
        script.sort_by_key(|cue| cue.after);
        let mut script = VecDeque::from(script);
        let mut standstills = 0;
        self.settle().await?;
        loop {
            let rest = script.is_empty() && curtain == Curtain::AtRest && self.at_rest().await?;
            let cue = script.front().map(|cue| self.after(cue.after));
            let due = self.store.backlog().await?.next_due.filter(|_| !rest);
            let next = cue.into_iter().chain(due).chain(self.next_job_at().await?).min();
            let until = match curtain {
                Curtain::After(span) => self.after(span),
                Curtain::AtRest if rest => self.now().checked_add(LINGER).unwrap_or(Timestamp::MAX),
                Curtain::AtRest => self.after(LONGEST),
            };
            let Some(next) = next.filter(|next| *next <= until) else { break };
            standstills = if next > self.now() { 0 } else { standstills + 1 };
            if standstills > STANDSTILLS_MAX {
                bail!("the rehearsal does not get on: something is due at {next} again and again");
            }
            self.clock.move_to(next.max(self.now()));
            self.settle().await?;
            while script.front().is_some_and(|cue| self.after(cue.after) <= self.now()) {
                if let Some(cue) = script.pop_front() {
                    self.perform(cue.what).await?;
                    self.settle().await?;
                }
            }
        }
        if let Curtain::After(span) = curtain {
            self.clock.move_to(self.after(span).max(self.now()));
        }
        Ok(())
    }

    /// What has happened so far, incident by incident, oldest first.
    ///
    /// # Errors
    ///
    /// When the rehearsal's store fails.
    pub async fn told(&self) -> anyhow::Result<Vec<Told>> {
        let incidents = self.incidents().await?;
        Ok(self.witness.tell(incidents, &self.rules, self.now()))
    }

    /// What people could not do.
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// The time on the stage.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Rules whose heartbeat is awaited.
    ///
    /// # Errors
    ///
    /// When the rehearsal's store fails.
    pub async fn heartbeats(&self) -> anyhow::Result<Vec<String>> {
        Ok(self.store.backlog().await?.heartbeats.into_keys().collect())
    }

    /// Takes the stage down.
    pub async fn end(self) {
        self.phones.stop().await;
    }

    fn after(&self, span: SignedDuration) -> Timestamp {
        self.begins.checked_add(span).unwrap_or(Timestamp::MAX)
    }

    async fn incidents(&self) -> anyhow::Result<Vec<Incident>> {
        let mut incidents = self.store.incidents(None, None, INCIDENTS_MAX).await?;
        incidents.reverse();
        Ok(incidents)
    }

    /// Everything that can happen without time passing happens, and is looked at.
    async fn settle(&mut self) -> anyhow::Result<()> {
        loop {
            while self.engine.turn(self.now()).await? {}
            if self.courier.turn_in_order().await? == 0 {
                break;
            }
        }
        let incidents = self.incidents().await?;
        self.witness.look(&self.sandbox, self.store.as_ref(), &incidents).await
    }

    async fn perform(&mut self, what: Happens) -> anyhow::Result<()> {
        match what {
            Happens::Webhook { source, body } => {
                let (kind, _) = sources::inspect(Hint::Any, &body)?;
                let source = source.unwrap_or_else(|| kind.as_str().to_owned());
                let delivery = NewDelivery { source, kind, body, received_at: self.now() };
                self.store.accept(delivery).await?;
            }
            Happens::Kept { source, kind, body } => {
                let delivery = NewDelivery { source, kind, body, received_at: self.now() };
                self.store.accept(delivery).await?;
            }
            Happens::Act { by, action, rule } => self.act(by, &action, rule.as_deref()).await?,
        }
        Ok(())
    }

    async fn act(&mut self, by: Option<String>, action: &Action, rule: Option<&str>) -> anyhow::Result<()> {
        let mut open = self.incidents().await?;
        open.retain(|incident| {
            incident.standing.is_open() && rule.is_none_or(|rule| incident.key.rule == rule)
        });
        if open.is_empty() {
            self.refuse(by.clone().unwrap_or_default(), action, "no incident is open".to_owned());
        }
        for incident in open {
            let Some(id) = incident.id else { continue };
            let name = by.clone().unwrap_or_else(|| self.witness.last_paged(id, &self.rules));
            let known = self.rules.person(&name).is_some();
            let actor = Actor { name, known, via: Via::Card };
            let answer = self.engine.act(id, action, &actor, None, self.now()).await?;
            if let Some(why) = answer.and_then(|(answer, _)| why_not(&answer)) {
                let why = format!("{:?} ({}): {why}", incident.title, incident.key.rule);
                self.refuse(actor.name, action, why);
            }
        }
        Ok(())
    }

    fn refuse(&mut self, by: String, action: &Action, why: String) {
        self.refusals.push(Refusal { at: self.now(), by, action: action.as_str(), why });
    }

    /// When the courier can go on.
    async fn next_job_at(&self) -> anyhow::Result<Option<Timestamp>> {
        let due = self.store.next_job_at().await?;
        let waits = |due: Timestamp| if due > self.now() { None } else { self.courier.opens_at() };
        Ok(due.map(|due| waits(due).unwrap_or(due)))
    }

    async fn at_rest(&self) -> anyhow::Result<bool> {
        let resting = |incident: &Incident| {
            let standing = &incident.standing;
            match (&standing.response, standing.ladder) {
                (Response::Resolved { .. } | Response::Acknowledged { .. }, _)
                | (Response::Open, Ladder::Exhausted | Ladder::Idle) => true,
                (Response::Open, Ladder::Gathering | Ladder::Waiting { .. } | Ladder::Spent) => false,
            }
        };
        Ok(self.incidents().await?.iter().all(resting))
    }
}

/// Why an answer is none that was wanted.
fn why_not(answer: &Answer) -> Option<String> {
    Some(match answer {
        Answer::Done => return None,
        Answer::Already { by: Some(by) } | Answer::Outdated { by: Some(by) } => {
            format!("{by} has it already")
        }
        Answer::Already { by: None } | Answer::Outdated { by: None } => "it is so already".to_owned(),
        Answer::Over => "it is over already".to_owned(),
        Answer::NotAllowed => "only the people paged may answer this severity".to_owned(),
        Answer::Impossible { why } => (*why).to_owned(),
    })
}
