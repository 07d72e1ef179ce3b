//! From payloads to incidents, and from effects to buzzes: what the engine and
//! the courier do, with the same questions to the core in the same order.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::{AlertStatus, Happening, IncidentKey, Listing, MemberState, Phase, Standing, Urgent};
use larkhorn::escalation::{self, Effect, Event, Observation, Sighting};
use larkhorn::rules::{Origin, Rule};

use crate::events::Verdict;
use crate::house::{HOUSE, Rules, SOURCE, group_key};
use crate::laws::Breach;
use crate::sender::{Payload, Told};
use crate::world::{Buzz, Decision, World};

/// Attempts after which a buzz is given up.
const ATTEMPTS_MAX: u32 = 30;

/// Whom a part of a payload concerns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Known(usize),
    New(IncidentKey),
}

const ORIGIN: Origin<'static> = Origin { source: SOURCE, receiver: "default" };

impl World<'_> {
    /// What a payload does to every incident that it concerns.
    pub(crate) fn sort(&self, payload: &Payload) -> Vec<Decision> {
        let rules = &HOUSE.rules[self.rules];
        let mut parts: BTreeMap<Whose, (Option<&Rule>, Vec<&Told>)> = BTreeMap::new();
        for told in &payload.alerts {
            let series = &HOUSE.alerts[told.alert];
            if told.status == AlertStatus::Resolved {
                for case in self.holders(told) {
                    parts.entry(Whose::Known(case)).or_default().1.push(told);
                }
                continue;
            }
            for index in rules.route(&series.labels, ORIGIN) {
                let rule = &rules.rules()[index];
                let key = rule.incident_key(&series.labels, ORIGIN, group_key(payload.group));
                let part = parts.entry(self.owner(rule, key.clone())).or_default();
                part.0 = Some(rule);
                if !self.copied(&key, told) {
                    part.1.push(told);
                }
            }
        }
        if payload.complete {
            for case in self.listed(payload.group) {
                parts.entry(Whose::Known(case)).or_default();
            }
        }
        parts.into_iter().filter_map(|(whose, (rule, told))| self.part(payload, whose, rule, &told)).collect()
    }

    fn part(&self, payload: &Payload, whose: Whose, rule: Option<&Rule>, told: &[&Told]) -> Option<Decision> {
        let rules = &HOUSE.rules[self.rules];
        let sightings = told.iter().map(|told| Sighting {
            fingerprint: HOUSE.alerts[told.alert].fingerprint,
            status: told.status,
            starts_at: Some(told.starts_at),
            ends_at: told.ends_at,
            severity: rules.severity(&HOUSE.alerts[told.alert].labels).clone(),
        });
        let observation = Observation {
            sightings: sightings.collect(),
            listing: Some(listing(payload.group)),
            complete: payload.complete,
            policy: rule.map(|rule| rule.policy.clone()).unwrap_or_default(),
            group_wait: rule.map(|rule| rule.group_wait).unwrap_or_default(),
            stale_after: rule.map_or(SignedDuration::from_hours(1), |rule| rule.stale_after),
        };
        match whose {
            Whose::Known(case) => Some(self.advance(case, Event::Observed(observation))),
            Whose::New(key) => {
                let (after, effects) = self.core().open(&observation, &Rules(rules), self.clock())?;
                Some(Decision { case: Err(key), after, effects, told: None })
            }
        }
    }

    fn owner(&self, rule: &Rule, key: IncidentKey) -> Whose {
        let latest = self.latest.get(&key).copied();
        let takes =
            |case: &usize| escalation::takes(&self.cases[*case].standing, rule.reopen_within, self.clock());
        latest.filter(takes).map_or(Whose::New(key), Whose::Known)
    }

    fn copied(&self, key: &IncidentKey, told: &Told) -> bool {
        let fingerprint = HOUSE.alerts[told.alert].fingerprint;
        let starts_at = Some(told.starts_at);
        self.latest.get(key).is_some_and(|case| {
            escalation::is_late_copy(&self.cases[*case].standing, fingerprint, starts_at, self.clock())
        })
    }

    /// The open incidents that hold an alert.
    fn holders(&self, told: &Told) -> Vec<usize> {
        let fingerprint = HOUSE.alerts[told.alert].fingerprint;
        let holds = |standing: &Standing| standing.members.contains_key(&fingerprint);
        self.open().filter(|case| holds(&self.cases[*case].standing)).collect()
    }

    /// The open incidents with an alert that fires in a group.
    fn listed(&self, group: usize) -> Vec<usize> {
        let lists = |standing: &Standing| {
            let mut members = standing.members.values();
            members.any(|m| m.state == MemberState::Firing && m.listing == Some(listing(group)))
        };
        self.open().filter(|case| lists(&self.cases[*case].standing)).collect()
    }

    /// The same news once more is no news.
    pub(crate) fn told_again(&mut self, case: usize, event: &Event) -> Result<(), Breach> {
        if *event == Event::Tick {
            return Ok(());
        }
        let again = self.advance(case, event.clone());
        if again.after == self.cases[case].standing && again.effects.is_empty() {
            return Ok(());
        }
        let how = format!("told twice of {event:?}, it asks for {:?}", again.effects);
        Err(Breach { law: "what is told twice counts once", how })
    }

    /// Turns effects into buzzes that wait.
    pub(crate) fn owe(&mut self, case: usize, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Unpin { .. } => self.outbox.retain(|_, buzz| buzz.case != case),
                Effect::Page { urgent, recipients, .. } | Effect::CatchAll { urgent, recipients } => {
                    self.tally.pages += 1;
                    if *urgent > Urgent::None && !recipients.people.is_empty() {
                        self.wait(self.real, Buzz { case, attempts: 0 });
                    }
                }
                Effect::Announce
                | Effect::Refresh
                | Effect::Remind { .. }
                | Effect::Silence { .. }
                | Effect::Note(_) => {}
            }
        }
    }

    /// Carries out the first buzz that is due, as well as Feishu lets.
    pub(crate) fn buzz(&mut self) -> Result<(), Breach> {
        let Some((_, mut buzz)) = self.outbox.pop_first() else { return Ok(()) };
        let phase = self.cases[buzz.case].standing.phase();
        let rings = matches!(self.feishu, Verdict::Done | Verdict::Lost);
        if rings {
            self.tally.buzzes += 1;
            self.trace.add(u64::try_from(buzz.case).expect("a small number"));
            let (feishu, case) = (self.feishu, buzz.case);
            self.tell(|| format!("incident {case}: phones ring ({feishu:?})"));
        }
        if rings && phase != Phase::Triggered {
            let how = format!("incident {} is {phase:?}, and phones ring", buzz.case);
            return Err(Breach { law: "no buzz after the answer", how });
        }
        buzz.attempts += 1;
        let pause = match self.feishu {
            Verdict::Done | Verdict::Refused => return Ok(()),
            Verdict::Lost => {
                // Sent again under the same id, which Feishu then knows.
                return Ok(());
            }
            Verdict::Busy => 30,
            Verdict::Unreachable => 5 * i64::from(buzz.attempts.min(60)),
        };
        if buzz.attempts < ATTEMPTS_MAX {
            self.wait(self.real + SignedDuration::from_secs(pause), buzz);
        }
        Ok(())
    }

    fn wait(&mut self, at: Timestamp, buzz: Buzz) {
        self.arrivals += 1;
        self.outbox.insert((at, self.arrivals), buzz);
    }

    /// Adds a step to the digest, and to the story if one is told.
    pub(crate) fn remember(
        &mut self,
        case: &Result<usize, IncidentKey>,
        after: &Standing,
        effects: &[Effect],
    ) {
        self.tally.steps += 1;
        self.trace.add(u64::from_ne_bytes(self.real.as_second().to_ne_bytes()));
        self.trace.add(after.generation << 32 | after.epoch << 1 | u64::from(after.is_open()));
        self.trace.add(u64::from_ne_bytes(after.due_at.map_or(0, Timestamp::as_second).to_ne_bytes()));
        for effect in effects {
            if let Effect::Note(note) = effect {
                self.tally.heard.insert(note.kind());
            }
            if let Effect::Page { recipients, urgent, .. } | Effect::CatchAll { recipients, urgent } = effect
            {
                self.trace.add_text(urgent.as_str());
                recipients.people.iter().for_each(|person| self.trace.add_text(&person.name));
            }
        }
        let known = case.as_ref().ok().map(|case| (*case, self.cases[*case].standing.generation));
        if self.story.is_none() || known.is_some_and(|(_, generation)| generation == after.generation) {
            return;
        }
        let name = known.map_or_else(|| self.cases.len(), |(case, _)| case);
        let told: Vec<String> = effects.iter().filter_map(words).collect();
        let (phase, ladder, due) = (after.phase(), after.ladder, after.due_at);
        let due = due.map_or_else(|| "never".to_owned(), |due| due.to_string());
        self.tell(|| format!("incident {name}: {}  ⇒ {phase:?}, {ladder:?}, due {due}", told.join("; ")));
    }
}

fn listing(group: usize) -> Listing {
    Listing(u64::try_from(group).expect("a small number"))
}

/// An effect in a line of a story; `None` for what only redraws.
fn words(effect: &Effect) -> Option<String> {
    let names = |r: &larkhorn::domain::Recipients| {
        let people: Vec<_> = r.people.iter().map(|person| person.name.as_str()).collect();
        people.join(",")
    };
    match effect {
        Effect::Page { step, round, recipients, urgent } => {
            Some(format!("PAGE step {step} round {round} → {} by {urgent}", names(recipients)))
        }
        Effect::CatchAll { recipients, urgent } => {
            Some(format!("CATCH-ALL → {} by {urgent}", names(recipients)))
        }
        Effect::Unpin { keep } => Some(format!("unpin all but {keep:?}")),
        Effect::Note(Happening::AlertsChanged { firing, resolved }) => {
            Some(format!("{firing} fire, {resolved} recovered"))
        }
        Effect::Note(note) => Some(note.to_string()),
        Effect::Announce | Effect::Refresh | Effect::Remind { .. } | Effect::Silence { .. } => None,
    }
}
