//! From payloads to incidents: what the engine does, with the same questions to
//! the core in the same order.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::{AlertStatus, Happening, IncidentKey, Listing, MemberState, Standing};
use larkhorn::escalation::{self, Effect, Event, Observation, Sighting};
use larkhorn::rules::{Origin, Rule};

use crate::house::{HOUSE, Rules, SOURCE, group_key};
use crate::laws::{Breach, TOLD_TWICE_COUNTS_ONCE};
use crate::sender::{Payload, Told};
use crate::world::{Decision, World};

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
        let mut parts: BTreeMap<Whose, (Option<&Rule>, BTreeSet<usize>)> = BTreeMap::new();
        for (at, told) in payload.alerts.iter().enumerate() {
            let series = &HOUSE.alerts[told.alert];
            let owners = rules.route(&series.labels, ORIGIN).into_iter().map(|index| &rules.rules()[index]);
            let keyed = owners
                .map(|rule| (rule, rule.incident_key(&series.labels, ORIGIN, group_key(payload.group))));
            if told.status == AlertStatus::Resolved {
                let by_key = keyed.filter(|(rule, _)| rule.group_by.is_some());
                let by_key = by_key.filter_map(|(_, key)| self.latest.get(&key).copied());
                for case in self.open().chain(by_key).filter(|case| self.holds(*case, told)) {
                    parts.entry(Whose::Known(case)).or_default().1.insert(at);
                }
                continue;
            }
            for (rule, key) in keyed {
                let copied = self.copied(&key, told);
                let part = parts.entry(self.owner(rule, key)).or_default();
                part.0 = part.0.or(Some(rule));
                if !copied {
                    part.1.insert(at);
                }
            }
        }
        if payload.complete {
            for case in self.listed(payload.group) {
                let part = &mut parts.entry(Whose::Known(case)).or_default().1;
                let told = payload.alerts.iter().enumerate();
                part.extend(told.filter(|(_, told)| self.burns(case, told)).map(|(at, _)| at));
            }
        }
        let decisions = parts.into_iter().filter_map(|(whose, (rule, alerts))| {
            let told: Vec<&Told> = alerts.into_iter().map(|at| &payload.alerts[at]).collect();
            self.part(payload, whose, rule, &told)
        });
        decisions.collect()
    }

    fn part(&self, payload: &Payload, whose: Whose, rule: Option<&Rule>, told: &[&Told]) -> Option<Decision> {
        let rules = &HOUSE.rules[self.rules];
        let rule = rule.or_else(|| match &whose {
            Whose::Known(case) => rules.rules().iter().find(|rule| rule.name == self.cases[*case].rule),
            Whose::New(_) => None,
        });
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
                Some(Decision { case: Err(key), after, effects, told: None, answer: None })
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

    fn holds(&self, case: usize, told: &Told) -> bool {
        self.cases[case].standing.members.contains_key(&HOUSE.alerts[told.alert].fingerprint)
    }

    fn burns(&self, case: usize, told: &Told) -> bool {
        let member = self.cases[case].standing.members.get(&HOUSE.alerts[told.alert].fingerprint);
        member.is_some_and(|member| member.state != MemberState::Resolved)
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
        Err(Breach { law: TOLD_TWICE_COUNTS_ONCE, how })
    }

    /// Counts the hand-overs between shifts under an incident that goes on burning.
    pub(crate) fn watch_the_last_resort(&mut self, case: usize, effects: &[Effect]) {
        for effect in effects {
            let Effect::CatchAll { recipients, .. } = effect else { continue };
            let last = &mut self.cases[case].last_resort;
            match last {
                Some((rules, people)) if *rules == self.rules && *people == recipients.people => {}
                Some((rules, people)) => {
                    if *rules == self.rules {
                        self.tally.count("shift changes while it burns");
                    }
                    (*rules, *people) = (self.rules, recipients.people.clone());
                }
                None => *last = Some((self.rules, recipients.people.clone())),
            }
        }
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
                self.tally.count(note.kind());
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
        Effect::Announce
        | Effect::Refresh
        | Effect::Remind { .. }
        | Effect::EndSilence
        | Effect::Silence { .. } => None,
    }
}
