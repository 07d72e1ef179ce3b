//! A pager in a world of its own time: what the engine, the store and the
//! courier do around the core, in memory.
//!
//! A decision counts once it is committed. A crash before that loses it, and
//! what it was made for comes again. Time jumps from one thing that is due to
//! the next; nothing here is left to chance, so a script says it all.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::{Action, Actor, IncidentKey, Standing, Via};
use larkhorn::escalation::{Effect, Event, Reconciliation, Roster};

use crate::events::{Button, Deed, How, Stimulus, Verdict, What, YEAR, beginning};
use crate::house::{Core, HOUSE, PEOPLE, Rules, SILENCE_MAX};
use crate::laws::{self, Breach};
use crate::ledger::{Ledger, Moment};
use crate::prng::Trace;
use crate::sender::{Payload, Sender};

/// Things that may be done at one instant before time counts as stuck.
const INSTANT_MAX: u32 = 500;

/// An incident with what is known of it from outside.
pub(crate) struct Case {
    pub(crate) standing: Standing,
    ledger: Ledger,
    open_since: Option<Timestamp>,
}

/// What waits to be decided about.
#[derive(Debug, Clone)]
pub(crate) enum Incoming {
    Payload(Payload),
    Action { case: usize, action: Action, actor: Actor, epoch: Option<u64> },
    Asked { case: usize, found: Reconciliation },
}

/// A buzz that waits to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Buzz {
    pub(crate) case: usize,
    pub(crate) run_at: Timestamp,
    pub(crate) attempts: u32,
}

/// One incident's part of a decision.
pub(crate) struct Decision {
    /// `None`: a new one, with its key.
    pub(crate) case: Result<usize, IncidentKey>,
    pub(crate) after: Standing,
    pub(crate) effects: Vec<Effect>,
    pub(crate) told: Option<Event>,
}

/// How the next decision will be cut short.
#[derive(Debug, Clone, Copy)]
enum Crash {
    BeforeCommit(SignedDuration),
    AfterCommit(SignedDuration),
}

/// What a run came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) incidents: u64,
    pub(crate) steps: u64,
    pub(crate) pages: u64,
    pub(crate) buzzes: u64,
    /// Time that incidents were open, summed.
    pub(crate) open: SignedDuration,
    /// Kinds of what happened.
    pub(crate) heard: BTreeSet<&'static str>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.incidents += other.incidents;
        self.steps += other.steps;
        self.pages += other.pages;
        self.buzzes += other.buzzes;
        self.open += other.open;
        self.heard.extend(&other.heard);
    }
}

/// The pager, the senders, the people and Feishu.
pub(crate) struct World<'a> {
    core: &'a dyn Core,
    pub(crate) rules: usize,
    pub(crate) real: Timestamp,
    /// How far the machine's clock is ahead.
    skew: SignedDuration,
    sender: Sender,
    pub(crate) cases: Vec<Case>,
    open: Vec<usize>,
    pub(crate) latest: BTreeMap<IncidentKey, usize>,
    inbox: BTreeMap<(Timestamp, u64), Incoming>,
    arrivals: u64,
    pub(crate) outbox: Vec<Buzz>,
    down_until: Timestamp,
    crash: Option<Crash>,
    pub(crate) feishu: Verdict,
    /// When something made the pager late, and how much.
    late: Vec<(Timestamp, SignedDuration)>,
    pub(crate) trace: Trace,
    pub(crate) tally: Tally,
    /// The story so far; `None`: it is not told.
    pub(crate) story: Option<Vec<String>>,
}

impl<'a> World<'a> {
    pub(crate) fn new(core: &'a dyn Core, told: bool) -> Self {
        Self {
            core,
            rules: 0,
            real: beginning(),
            skew: SignedDuration::ZERO,
            sender: Sender::new(),
            cases: Vec::new(),
            open: Vec::new(),
            latest: BTreeMap::new(),
            inbox: BTreeMap::new(),
            arrivals: 0,
            outbox: Vec::new(),
            down_until: beginning(),
            crash: None,
            feishu: Verdict::Done,
            late: Vec::new(),
            trace: Trace::EMPTY,
            tally: Tally::default(),
            story: told.then(Vec::new),
        }
    }

    /// Lives through a script and the rest of its year.
    pub(crate) fn live(&mut self, script: &[Stimulus]) -> Result<(), Breach> {
        for stimulus in script {
            self.pass_until(stimulus.at)?;
            self.real = self.real.max(stimulus.at);
            self.tell(|| format!("{:?}", stimulus.what));
            self.meet(&stimulus.what);
        }
        let end = beginning() + YEAR;
        self.pass_until(end)?;
        for case in &self.cases {
            if let Some(since) = case.open_since {
                self.tally.open += end.duration_since(since);
            }
        }
        Ok(())
    }

    /// What the clock of the machine says.
    pub(crate) fn clock(&self) -> Timestamp {
        self.real + self.skew
    }

    pub(crate) fn open(&self) -> impl Iterator<Item = usize> + '_ {
        self.open.iter().copied()
    }

    pub(crate) fn core(&self) -> &'a dyn Core {
        self.core
    }

    pub(crate) fn tell(&mut self, line: impl FnOnce() -> String) {
        let real = self.real;
        if let Some(story) = &mut self.story {
            story.push(format!("{real}  {}", line()));
        }
    }

    /// Something from outside.
    fn meet(&mut self, what: &What) {
        let now = self.real;
        match *what {
            What::Fire { alert } => {
                self.sender.fire(alert, now);
                self.send(HOUSE.alerts[alert].group, How::Plainly);
            }
            What::Clear { alert } => {
                self.sender.clear(alert, now);
                self.send(HOUSE.alerts[alert].group, How::Plainly);
            }
            What::Hide { alert, hidden } => {
                self.sender.hide(alert, hidden);
                self.send(HOUSE.alerts[alert].group, How::Plainly);
            }
            What::Send { group, how } => self.send(group, how),
            What::Replica { alert, shift } => {
                if let Some(payload) = self.sender.replica(alert, shift) {
                    self.arrive(now, Incoming::Payload(payload));
                }
            }
            What::Ask { pick } => self.ask(pick),
            What::Act { pick, who, deed, button } => self.press(pick, PEOPLE[who], deed, button),
            What::SetClock { by } => {
                // An operator may be wrong by an hour, not by ever more of them.
                self.skew =
                    (self.skew + by).clamp(SignedDuration::from_hours(-2), SignedDuration::from_hours(2));
                self.late.push((now, by.abs()));
            }
            What::Reload { rules } => self.rules = rules,
            What::Down { span } => self.stop(span),
            What::CrashBeforeCommit { span } => self.crash = Some(Crash::BeforeCommit(span)),
            What::CrashAfterCommit { span } => self.crash = Some(Crash::AfterCommit(span)),
            What::Feishu(verdict) => self.feishu = verdict,
        }
    }

    fn send(&mut self, group: usize, how: How) {
        let now = self.real;
        let Some(mut payload) = self.sender.payload(group, now) else { return };
        match how {
            How::Plainly => {}
            How::Twice => self.arrive(now, Incoming::Payload(payload.clone())),
            How::Late(by) => return self.arrive(now + by, Incoming::Payload(payload)),
            How::Truncated => {
                payload.alerts.truncate(1);
                payload.complete = false;
            }
        }
        self.arrive(now, Incoming::Payload(payload));
    }

    fn arrive(&mut self, at: Timestamp, incoming: Incoming) {
        self.arrivals += 1;
        self.inbox.insert((at, self.arrivals), incoming);
    }

    fn stop(&mut self, span: SignedDuration) {
        let up_at = self.real + span;
        self.down_until = self.down_until.max(up_at);
        self.late.push((up_at, span));
    }

    /// One of the incidents that a person may have on the screen: open ones, else the last.
    fn picked(&self, pick: usize) -> Option<usize> {
        match self.open.len() {
            0 => self.cases.len().checked_sub(1),
            open => Some(self.open[pick % open]),
        }
    }

    fn press(&mut self, pick: usize, who: &str, deed: Deed, button: Button) {
        let Some(case) = self.picked(pick) else { return };
        let action = match deed {
            Deed::Acknowledge => Action::Acknowledge,
            Deed::Unacknowledge => Action::Unacknowledge,
            Deed::Snooze(span) => Action::Snooze { span },
            Deed::Resolve => Action::Resolve,
            Deed::Escalate => Action::Escalate,
            Deed::HandOver { to } => {
                Action::HandOver { to: (*PEOPLE.get(to).unwrap_or(&"nobody known")).to_owned() }
            }
        };
        let drawn = self.cases[case].standing.epoch;
        let (epoch, via) = match button {
            Button::None => (None, Via::Api),
            Button::Fresh => (Some(drawn), Via::Card),
            Button::Stale => (Some(drawn - 1), Via::Card),
        };
        let known = HOUSE.rules[self.rules].person(who).is_some();
        let actor = Actor { name: who.to_owned(), known, via };
        self.arrive(self.real, Incoming::Action { case, action, actor, epoch });
    }

    fn ask(&mut self, pick: usize) {
        let Some(case) = self.picked(pick) else { return };
        let mut found = Reconciliation::default();
        for (alert, series) in HOUSE.alerts.iter().enumerate() {
            match self.sender.truth(alert) {
                (true, true) => drop(found.firing.insert(series.fingerprint)),
                (true, false) => drop(found.suppressed.insert(series.fingerprint)),
                (false, _) => {}
            }
        }
        self.arrive(self.real, Incoming::Asked { case, found });
    }

    /// Lets time pass, doing what comes due, until just before `end`.
    fn pass_until(&mut self, end: Timestamp) -> Result<(), Breach> {
        let mut at_once = 0;
        loop {
            let arrival = self.inbox.keys().next().map(|(at, _)| *at);
            let due = self.due();
            let buzz = self.outbox.iter().map(|buzz| buzz.run_at).min();
            let times = [arrival, due.map(|(at, _)| at), buzz];
            let Some(next) = times.into_iter().flatten().min() else { return Ok(()) };
            let next = next.max(self.real).max(self.down_until);
            if next >= end {
                return Ok(());
            }
            at_once = if next == self.real { at_once + 1 } else { 0 };
            if at_once > INSTANT_MAX {
                return Err(Breach {
                    law: "time passes",
                    how: "something is due again and again".to_owned(),
                });
            }
            self.real = next;
            if arrival.is_some_and(|at| at <= next) {
                self.take_in()?;
            } else if let Some((_, case)) = due.filter(|(at, _)| *at <= next) {
                self.tick(case)?;
            } else {
                self.buzz()?;
            }
        }
    }

    /// What is due first, by even time.
    fn due(&self) -> Option<(Timestamp, usize)> {
        let due = |case: &usize| Some((self.cases[*case].standing.due_at?, *case));
        let (at, case) = self.open.iter().filter_map(due).min()?;
        Some((at.checked_sub(self.skew).unwrap_or(at), case))
    }

    fn tick(&mut self, case: usize) -> Result<(), Breach> {
        let decision = self.advance(case, Event::Tick);
        match self.crash.take() {
            Some(Crash::BeforeCommit(span)) => self.lose(span),
            crash @ (None | Some(Crash::AfterCommit(_))) => {
                self.crash = crash;
                self.commit(vec![decision])?;
            }
        }
        Ok(())
    }

    fn take_in(&mut self) -> Result<(), Breach> {
        let Some((_, incoming)) = self.inbox.pop_first() else { return Ok(()) };
        let decisions = self.decide(&incoming);
        match self.crash.take() {
            Some(Crash::BeforeCommit(span)) => {
                self.lose(span);
                self.arrive(self.real, incoming);
                Ok(())
            }
            Some(Crash::AfterCommit(span)) => {
                self.commit(decisions)?;
                self.tell(|| "the pager dies after this commit".to_owned());
                self.stop(span);
                self.arrive(self.real, incoming);
                Ok(())
            }
            None => self.commit(decisions),
        }
    }

    fn lose(&mut self, span: SignedDuration) {
        self.tell(|| "the pager dies before this commit".to_owned());
        self.stop(span);
    }

    fn decide(&self, incoming: &Incoming) -> Vec<Decision> {
        match incoming {
            Incoming::Payload(payload) => self.sort(payload),
            Incoming::Asked { case, found } => vec![self.advance(*case, Event::Reconciled(found.clone()))],
            Incoming::Action { case, action, actor, epoch } => {
                let (standing, now) = (self.cases[*case].standing.clone(), self.clock());
                let roster = Rules(&HOUSE.rules[self.rules]);
                let (after, effects, _) = self.core.act(standing, action, actor, (*epoch, &roster), now);
                vec![Decision { case: Ok(*case), after, effects, told: None }]
            }
        }
    }

    pub(crate) fn advance(&self, case: usize, event: Event) -> Decision {
        let roster = Rules(&HOUSE.rules[self.rules]);
        let standing = self.cases[case].standing.clone();
        let (after, effects) = self.core.advance(standing, &event, &roster, self.clock());
        Decision { case: Ok(case), after, effects, told: Some(event) }
    }

    /// Makes decisions count, and looks whether the laws hold.
    fn commit(&mut self, decisions: Vec<Decision>) -> Result<(), Breach> {
        for Decision { case, after, effects, told } in decisions {
            self.remember(&case, &after, &effects);
            let known = case.is_ok();
            let case = case.unwrap_or_else(|key| self.place(key, after.clone()));
            self.judge(case, known, &after, &effects)?;
            self.owe(case, &effects);
            if after.generation.is_multiple_of(4)
                && let Some(event) = told
            {
                self.told_again(case, &event)?;
            }
        }
        Ok(())
    }

    fn judge(&mut self, at: usize, known: bool, after: &Standing, effects: &[Effect]) -> Result<(), Breach> {
        let roster = Rules(&HOUSE.rules[self.rules]);
        let now = self.clock();
        let last_resort = roster.catch_all(now).map_or_else(
            || after.policy.steps.iter().any(|step| !roster.recipients(&step.notify, now).is_empty()),
            |last| !last.recipients.is_empty(),
        );
        let silence_max = self.silence_max(&self.cases[at].ledger);
        let case = &mut self.cases[at];
        let moment = Moment {
            before: known.then_some(&case.standing),
            after,
            effects,
            real: self.real,
            silence_max,
            last_resort,
        };
        laws::check(&moment, &mut case.ledger)?;
        case.standing = after.clone();
        let is_open = after.is_open();
        match case.open_since {
            Some(since) if !is_open => {
                self.tally.open += self.real.duration_since(since);
                case.open_since = None;
                self.open.retain(|other| *other != at);
            }
            None if is_open => {
                case.open_since = Some(self.real);
                self.open.push(at);
            }
            Some(_) | None => {}
        }
        Ok(())
    }

    /// How long the last resort may be silent: as the rules say, and as long as
    /// the pager was down or its clock wrong since it was loud.
    fn silence_max(&self, ledger: &Ledger) -> SignedDuration {
        let Some(loud_at) = ledger.loud_at else { return SignedDuration::MAX };
        let late = self.late.iter().filter(|(until, _)| *until >= loud_at);
        late.fold(SILENCE_MAX, |sum, (_, span)| sum + *span)
    }

    fn place(&mut self, key: IncidentKey, standing: Standing) -> usize {
        let case = self.cases.len();
        self.latest.insert(key, case);
        self.cases.push(Case { standing, ledger: Ledger::new(), open_since: None });
        self.tally.incidents += 1;
        case
    }
}
