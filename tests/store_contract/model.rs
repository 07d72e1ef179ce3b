//! Random histories of an engine, a courier and crashes, against a model that fits in memory.
//!
//! Promised whatever happens: one open incident per key, no job given to two
//! claimers, lanes in order, nothing lost but buzzes that resolving made moot,
//! and in the end every card shows what its incident became.

use std::collections::{BTreeMap, VecDeque};

use larkhorn::domain::{Destination, IncidentId, Job, JobId, Phase, Urgent};
use larkhorn::store::{Appetite, Card, Change, Claim, JobEnd, NewJob, Report, Store};
use proptest::prelude::{Just, Strategy, any};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use proptest::{collection, prop_oneof};

use super::Database;
use super::support::{
    at, buzz, card, change, chat, commit, conflicts, ended, incident, load, new_job, post, resolved,
};

/// Posts (`false`) and buzzes (`true`) to one of three chats.
type Jobs = Vec<(u8, bool)>;

#[derive(Debug, Clone)]
enum Op {
    Open { group: u8, jobs: Jobs },
    Touch { group: u8, jobs: Jobs },
    Resolve { group: u8 },
    CommitStale { group: u8 },
    Claim { limit: usize },
    Report { nth: usize, end: u8 },
    Wait { seconds: i64 },
    Crash,
}

fn op() -> impl Strategy<Value = Op> {
    let jobs = || collection::vec((0..3_u8, any::<bool>()), 0..4);
    prop_oneof![
        3 => (0..3_u8, jobs()).prop_map(|(group, jobs)| Op::Open { group, jobs }),
        4 => (0..3_u8, jobs()).prop_map(|(group, jobs)| Op::Touch { group, jobs }),
        1 => (0..3_u8).prop_map(|group| Op::Resolve { group }),
        1 => (0..3_u8).prop_map(|group| Op::CommitStale { group }),
        6 => (1..5_usize).prop_map(|limit| Op::Claim { limit }),
        6 => (0..8_usize, 0..5_u8).prop_map(|(nth, end)| Op::Report { nth, end }),
        2 => (1..15_i64).prop_map(|seconds| Op::Wait { seconds }),
        1 => Just(Op::Crash),
    ]
}

/// Runs random histories, each on a fresh database.
pub(crate) fn random_histories_keep_the_promises<D: Database>(fresh: impl Fn() -> D) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    let histories = collection::vec(op(), 1..60);
    let result = runner.run(&histories, |history| {
        let db = fresh();
        runtime.block_on(async {
            let mut world = World::new(&db);
            for op in history {
                world.run(op).await;
            }
            world.settle().await;
        });
        Ok::<(), TestCaseError>(())
    });
    result.unwrap();
}

/// A claim that was not reported as ended.
struct Held {
    claim: Claim,
    /// Second in which somebody else may claim it.
    free_at: i64,
}

struct World<'a, D> {
    db: &'a D,
    store: Option<Box<dyn Store>>,
    second: i64,
    buzzes: u16,
    open: BTreeMap<u8, IncidentId>,
    over: Vec<IncidentId>,
    lanes: BTreeMap<(IncidentId, Destination), VecDeque<Job>>,
    held: Vec<Held>,
    /// Put back; perhaps by a claimer that had died meanwhile.
    put_back: Vec<JobId>,
}

impl<'a, D: Database> World<'a, D> {
    fn new(db: &'a D) -> Self {
        Self {
            db,
            store: Some(db.open()),
            second: 0,
            buzzes: 0,
            open: BTreeMap::new(),
            over: Vec::new(),
            lanes: BTreeMap::new(),
            held: Vec::new(),
            put_back: Vec::new(),
        }
    }

    fn store(&self) -> &dyn Store {
        self.store.as_deref().unwrap()
    }

    async fn run(&mut self, op: Op) {
        match op {
            Op::Open { group, jobs } => self.open(group, &jobs).await,
            Op::Touch { group, jobs } => {
                if let Some(id) = self.open.get(&group).copied() {
                    let jobs = self.jobs(&jobs);
                    let touched = change(load(self.store(), id).await);
                    self.commit(Change { jobs, refresh: true, ..touched }).await;
                }
            }
            Op::Resolve { group } => {
                if let Some(id) = self.open.remove(&group) {
                    self.over.push(id);
                    let over = resolved(load(self.store(), id).await, self.second);
                    self.commit(Change { refresh: true, ..change(over) }).await;
                }
            }
            Op::CommitStale { group } => {
                if let Some(id) = self.open.get(&group) {
                    let mut stale = load(self.store(), *id).await;
                    stale.version -= 1;
                    assert!(conflicts(&self.store().commit(commit(self.second, vec![change(stale)])).await));
                }
            }
            Op::Claim { limit } => self.claim(limit).await,
            Op::Report { nth, end } => {
                if nth < self.held.len() {
                    self.report(nth, end).await;
                }
            }
            Op::Wait { seconds } => self.second += seconds,
            Op::Crash => {
                self.store = None;
                self.store = Some(self.db.open());
                self.held.iter_mut().for_each(|held| held.free_at = self.second);
            }
        }
        let listed = self.store().incidents(Some(Phase::Triggered), None, 10).await.unwrap();
        let mut open: Vec<_> = self.open.values().copied().collect();
        open.sort_by(|a, b| b.cmp(a));
        assert_eq!(listed.iter().filter_map(|incident| incident.id).collect::<Vec<_>>(), open);
    }

    async fn open(&mut self, group: u8, jobs: &Jobs) {
        let opening = Change { jobs: self.jobs(jobs), ..change(incident(&group.to_string())) };
        if self.open.contains_key(&group) {
            assert!(conflicts(&self.store().commit(commit(self.second, vec![opening])).await));
            return;
        }
        let id = self.commit(opening).await;
        self.open.insert(group, id);
    }

    /// Jobs due now; each buzz says by its step which one it is.
    fn jobs(&mut self, wanted: &Jobs) -> Vec<NewJob> {
        let job = |(place, is_buzz): &(u8, bool)| {
            let to = chat(&format!("oc_{place}"));
            self.buzzes += u16::from(*is_buzz);
            let Job::Buzz { to, people, urgent, round, .. } = buzz(&to, Urgent::Sms) else { unreachable!() };
            let job =
                if *is_buzz { Job::Buzz { to, people, urgent, round, step: self.buzzes } } else { post(&to) };
            NewJob { run_at: at(self.second), ..new_job(job) }
        };
        wanted.iter().map(job).collect()
    }

    async fn commit(&mut self, change: Change) -> IncidentId {
        let jobs: Vec<_> = change.jobs.iter().map(|new| new.job.clone()).collect();
        let id = self.store().commit(commit(self.second, vec![change])).await.unwrap()[0];
        for job in jobs {
            self.lanes.entry((id, job.to().unwrap().clone())).or_default().push_back(job);
        }
        id
    }

    async fn claim(&mut self, limit: usize) {
        let (now, until) = (at(self.second), at(self.second + 10));
        let claims = self.store().claim(now, until, Appetite::of(limit)).await.unwrap();
        assert!(claims.len() <= limit);
        for claim in claims {
            let before = self.held.iter().position(|held| held.claim.ticket.job == claim.ticket.job);
            let was_put_back = self.put_back.contains(&claim.ticket.job);
            self.put_back.retain(|id| *id != claim.ticket.job);
            assert!(was_put_back || claim.interrupted == before.is_some(), "{claim:?}");
            if let Some(before) = before.map(|nth| self.held.swap_remove(nth)) {
                assert!(before.free_at <= self.second, "given out twice within a lease: {claim:?}");
                assert_eq!(before.claim.uuid, claim.uuid);
            }
            self.forget_moot(claim.incident.unwrap(), claim.job.to().unwrap());
            self.check_turn(&claim);
            self.held.push(Held { claim, free_at: self.second + 10 });
        }
    }

    /// A post or buzz must be the first of its lane.
    fn check_turn(&self, claim: &Claim) {
        if matches!(claim.job, Job::Post { .. } | Job::Buzz { .. }) {
            let lane = (claim.incident.unwrap(), claim.job.to().unwrap().clone());
            assert_eq!(self.lanes[&lane].front(), Some(&claim.job), "out of turn");
        }
    }

    /// Buzzes at the head of a lane that resolving has made moot, unless a
    /// claimer still holds one.
    fn forget_moot(&mut self, id: IncidentId, to: &Destination) {
        let Some(lane) = self.lanes.get_mut(&(id, to.clone())) else { return };
        while let Some(Job::Buzz { .. }) = lane.front()
            && self.over.contains(&id)
            && !self
                .held
                .iter()
                .any(|held| Some(&held.claim.job) == lane.front() && held.free_at > self.second)
        {
            lane.pop_front();
        }
    }

    async fn report(&mut self, nth: usize, end: u8) {
        let claim = self.held[nth].claim.clone();
        let end = match end {
            0 => JobEnd::Held,
            1 => JobEnd::Retry { at: at(self.second + 5), holds_lane: true },
            2 => JobEnd::PutBack { at: at(self.second + 5) },
            _ => JobEnd::Done,
        };
        let mut report = Report { ..ended(claim.ticket, self.second, end) };
        let id = claim.incident.unwrap();
        if end == JobEnd::Done && matches!(claim.job, Job::Post { .. } | Job::Edit { .. }) {
            let shown_version = load(self.store(), id).await.version;
            report.card =
                Some(Card { posted_at: at(self.second), ..card(claim.job.to().unwrap(), shown_version) });
        }
        let reported = self.store().report(report).await;
        if end == JobEnd::Held {
            // Once its lease is over it may have been dropped with its incident.
            let lapsed = self.held[nth].free_at <= self.second;
            assert!(reported.is_ok() || (lapsed && conflicts(&reported)), "{reported:?}");
            if reported.is_err() {
                self.held.swap_remove(nth);
            }
            return;
        }
        reported.unwrap();
        if matches!(end, JobEnd::PutBack { .. }) {
            self.put_back.push(claim.ticket.job);
        }
        self.held.swap_remove(nth);
        let lane = self.lanes.get_mut(&(id, claim.job.to().unwrap().clone()));
        if end == JobEnd::Done
            && let Some(lane) = lane
            && lane.front() == Some(&claim.job)
        {
            lane.pop_front();
        }
    }

    /// Works everything off, then looks whether anything is missing.
    async fn settle(&mut self) {
        while self.store().backlog().await.unwrap().outbox > 0 {
            self.second += 20;
            self.claim(100).await;
            assert!(!self.held.is_empty() || self.store().backlog().await.unwrap().outbox == 0, "stuck");
            while !self.held.is_empty() {
                self.report(0, 9).await;
            }
        }
        assert_eq!(self.store().next_job_at().await.unwrap(), None);
        for ((id, to), lane) in &self.lanes {
            let lost = lane.iter().find(|job| !self.over.contains(id) || !matches!(job, Job::Buzz { .. }));
            assert_eq!(lost, None, "lost at {to}");
            if let Some(card) = self.store().card(*id, to.clone()).await.unwrap() {
                assert_eq!(card.shown_version, load(self.store(), *id).await.version, "{to}");
            }
        }
    }
}
