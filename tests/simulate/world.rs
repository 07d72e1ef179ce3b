//! A pager in a world of its own time: what the engine, the store and the
//! courier do around the core, in memory.
//!
//! A decision counts once it is committed. A crash before that loses it, and
//! what it was made for comes again. Time jumps from one thing that is due to
//! the next; nothing here is left to chance, so a script says it all.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::{Action, Actor, Answer, IncidentKey, Person, Standing};
use larkhorn::escalation::{Effect, Event, Reconciliation, Roster};

use crate::courier::Buzz;
use crate::events::{CHANGES, Reply, Stimulus, YEAR, beginning};
use crate::house::{Core, HOUSE, Rules, SILENCE_MAX};
use crate::laws::{self, Breach, TIME_PASSES};
use crate::ledger::{self, Ledger, Moment};
use crate::prng::Trace;
use crate::sender::{Payload, Sender};
use crate::tally::{self, Tally};

/// Things that may be done at one instant before time counts as stuck.
const INSTANT_MAX: u32 = 2000;
/// Alerts of a webhook that are taken at once; the rest follows with commits of its own.
const SLICE: usize = 8;

/// An incident with what is known of it from outside.
pub(crate) struct Case {
    pub(crate) standing: Standing,
    /// The rule that opened it.
    pub(crate) rule: String,
    /// Whom the last resort was, and by which rules.
    pub(crate) last_resort: Option<(usize, Vec<Person>)>,
    ledger: Ledger,
    /// What the index of deadlines has of it.
    deadline: Option<Timestamp>,
    open_since: Option<Timestamp>,
}

/// What waits to be decided about.
#[derive(Debug, Clone)]
pub(crate) enum Incoming {
    Payload(Payload),
    Action { case: usize, action: Action, actor: Actor, epoch: Option<u64> },
    Asked { case: usize, found: Reconciliation },
}

/// One incident's part of a decision.
pub(crate) struct Decision {
    /// `None`: a new one, with its key.
    pub(crate) case: Result<usize, IncidentKey>,
    pub(crate) after: Standing,
    pub(crate) effects: Vec<Effect>,
    pub(crate) told: Option<Event>,
    pub(crate) answer: Option<Answer>,
}

/// How the next decision, or the next report of a buzz, will be cut short.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Crash {
    BeforeCommit(SignedDuration),
    BeforeReport(SignedDuration),
    AfterCommit(SignedDuration),
}

/// The pager, the senders, the people and Feishu.
pub(crate) struct World<'a> {
    core: &'a dyn Core,
    pub(crate) rules: usize,
    pub(crate) real: Timestamp,
    /// How far the machine's clock is ahead.
    pub(crate) skew: SignedDuration,
    pub(crate) sender: Sender,
    pub(crate) cases: Vec<Case>,
    pub(crate) open: Vec<usize>,
    pub(crate) latest: BTreeMap<IncidentKey, usize>,
    pub(crate) inbox: BTreeMap<(Timestamp, u64), Incoming>,
    pub(crate) arrivals: u64,
    pub(crate) outbox: BTreeMap<(Timestamp, u64), Buzz>,
    /// The deadlines of open incidents, by the machine's clock.
    deadlines: BTreeSet<(Timestamp, usize)>,
    pub(crate) down_until: Timestamp,
    pub(crate) crash: Option<Crash>,
    /// How Feishu answers, until when.
    pub(crate) feishu: (Reply, Timestamp),
    /// When the newest webhook of each group that was taken had been made.
    newest: BTreeMap<usize, Timestamp>,
    /// How many of the changes of clocks are over.
    changes: usize,
    /// When something made the pager late, and how much.
    pub(crate) late: Vec<(Timestamp, SignedDuration)>,
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
            outbox: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            down_until: beginning(),
            crash: None,
            feishu: (Reply::Rings, beginning()),
            newest: BTreeMap::new(),
            changes: 0,
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
            self.reach(self.real.max(stimulus.at));
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

    /// Lets time pass, doing what comes due, until just before `end`.
    fn pass_until(&mut self, end: Timestamp) -> Result<(), Breach> {
        let mut at_once = 0;
        loop {
            let arrival = self.inbox.keys().next().map(|(at, _)| *at);
            let due = self.due();
            let buzz = self.outbox.keys().next().map(|(at, _)| *at);
            let times = [arrival, due.map(|(at, _)| at), buzz];
            let Some(next) = times.into_iter().flatten().min() else { return Ok(()) };
            let next = next.max(self.real).max(self.down_until);
            if next >= end {
                return Ok(());
            }
            at_once = if next == self.real { at_once + 1 } else { 0 };
            if at_once > INSTANT_MAX {
                return Err(Breach { law: TIME_PASSES, how: "something is due again and again".to_owned() });
            }
            self.reach(next);
            if arrival.is_some_and(|at| at <= next) {
                self.take_in()?;
            } else if let Some((_, case)) = due.filter(|(at, _)| *at <= next) {
                self.tick(case)?;
            } else {
                self.buzz()?;
            }
        }
    }

    fn reach(&mut self, at: Timestamp) {
        self.real = at;
        while CHANGES.get(self.changes).is_some_and(|change| *change <= at) {
            self.changes += 1;
            if !self.open.is_empty() {
                self.tally.count("clocks change");
            }
        }
    }

    /// What is due first, by even time.
    fn due(&self) -> Option<(Timestamp, usize)> {
        let (at, case) = *self.deadlines.first()?;
        Some((at.checked_sub(self.skew).unwrap_or(at), case))
    }

    fn tick(&mut self, case: usize) -> Result<(), Breach> {
        let decision = self.advance(case, Event::Tick);
        match self.crash.take() {
            Some(Crash::BeforeCommit(span)) => {
                self.tally.count("crash before a tick's commit");
                self.lose(span);
            }
            crash @ (None | Some(Crash::AfterCommit(_) | Crash::BeforeReport(_))) => {
                self.crash = crash;
                self.commit(vec![decision])?;
            }
        }
        Ok(())
    }

    fn take_in(&mut self) -> Result<(), Breach> {
        let Some((place, mut incoming)) = self.inbox.pop_first() else { return Ok(()) };
        let whole = self.crash.is_some().then(|| incoming.clone());
        let rest = self.cut(&mut incoming);
        let decisions = self.decide(&incoming);
        let is_action = matches!(incoming, Incoming::Action { .. });
        match self.crash.take() {
            Some(Crash::BeforeCommit(span)) => {
                let what = "crash before a webhook's commit";
                self.tally.count(if is_action { "crash before an action's commit" } else { what });
                self.lose(span);
                self.inbox.extend(whole.map(|whole| (place, whole)));
            }
            Some(Crash::AfterCommit(span)) => {
                self.commit(decisions)?;
                self.tell(|| "the pager dies after this commit".to_owned());
                self.stop(span);
                if let Some(rest) = rest {
                    self.tally.count("crash between two slices");
                    self.inbox.insert(place, rest);
                } else {
                    let what = "crash after a webhook's commit";
                    self.tally.count(if is_action { "crash after an action's commit" } else { what });
                    self.arrive(self.real, incoming);
                }
            }
            crash @ (None | Some(Crash::BeforeReport(_))) => {
                self.crash = crash;
                self.commit(decisions)?;
                self.inbox.extend(rest.map(|rest| (place, rest)));
            }
        }
        Ok(())
    }

    /// Cuts a large webhook: what is left of it after the first slice.
    fn cut(&mut self, incoming: &mut Incoming) -> Option<Incoming> {
        let Incoming::Payload(payload) = incoming else { return None };
        let newest = self.newest.entry(payload.group).or_insert(payload.made_at);
        if payload.made_at < *newest {
            self.tally.count("webhook overtaken");
        }
        *newest = payload.made_at.max(*newest);
        if payload.alerts.len() <= SLICE {
            return None;
        }
        self.tally.count("webhook in slices");
        payload.complete = false;
        let alerts = payload.alerts.split_off(SLICE);
        Some(Incoming::Payload(Payload { alerts, ..payload.clone() }))
    }

    pub(crate) fn lose(&mut self, span: SignedDuration) {
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
                let (after, effects, answer) = self.core.act(standing, action, actor, (*epoch, &roster), now);
                vec![Decision { case: Ok(*case), after, effects, told: None, answer: Some(answer) }]
            }
        }
    }

    pub(crate) fn advance(&self, case: usize, event: Event) -> Decision {
        let roster = Rules(&HOUSE.rules[self.rules]);
        let standing = self.cases[case].standing.clone();
        let (after, effects) = self.core.advance(standing, &event, &roster, self.clock());
        Decision { case: Ok(case), after, effects, told: Some(event), answer: None }
    }

    /// Makes decisions count, and looks whether the laws hold.
    fn commit(&mut self, decisions: Vec<Decision>) -> Result<(), Breach> {
        for Decision { case, after, effects, told, answer } in decisions {
            if let Some(answer) = answer {
                self.tally.count(tally::words(&answer));
            }
            self.remember(&case, &after, &effects);
            let known = case.is_ok();
            let case = case.unwrap_or_else(|key| self.place(key, after.clone()));
            let generation = after.generation;
            self.watch_the_last_resort(case, &effects);
            self.judge(case, known, after, &effects)?;
            self.owe(case, &effects);
            if generation.is_multiple_of(4)
                && let Some(event) = told
            {
                self.told_again(case, &event)?;
            }
        }
        Ok(())
    }

    fn judge(&mut self, at: usize, known: bool, after: Standing, effects: &[Effect]) -> Result<(), Breach> {
        let roster = Rules(&HOUSE.rules[self.rules]);
        let now = self.clock();
        let last_resort = effects.iter().any(ledger::last_resort)
            || roster.catch_all(now).is_some_and(|last| !last.recipients.is_empty())
            || after.policy.steps.iter().any(|step| !roster.recipients(&step.notify, now).is_empty());
        let silence_max = self.silence_max(&self.cases[at].ledger);
        let case = &mut self.cases[at];
        let moment = Moment {
            before: known.then_some(&case.standing),
            after: &after,
            effects,
            real: self.real,
            silence_max,
            last_resort,
        };
        laws::check(&moment, &mut case.ledger)?;
        let is_open = after.is_open();
        if case.deadline != after.due_at {
            self.deadlines.extend(after.due_at.map(|due| (due, at)));
            if let Some(due) = std::mem::replace(&mut case.deadline, after.due_at) {
                self.deadlines.remove(&(due, at));
            }
        }
        case.standing = after;
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
        let rule = key.rule.clone();
        self.latest.insert(key, case);
        self.cases.push(Case {
            standing,
            rule,
            last_resort: None,
            ledger: Ledger::new(),
            deadline: None,
            open_since: None,
        });
        self.tally.incidents += 1;
        case
    }
}
