//! One incident of a turn, and what its effects come to: jobs, pins, timeline.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::opening;
use crate::domain::{
    Destination, Fingerprint, Happening, Incident, Job, Member, Person, Recipients, TimelineEntry, Urgent,
};
use crate::escalation::Effect;
use crate::rules::RuleSet;
use crate::store::{HeldAlert, NewJob, PinChange};

/// One incident of the turn and what it has come to owe.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) incident: Incident,
    pub(super) changed: bool,
    pub(super) alerts: BTreeMap<Fingerprint, HeldAlert>,
    /// Members that changed, with or without a new text.
    pub(super) moved: BTreeSet<Fingerprint>,
    pub(super) timeline: Vec<TimelineEntry>,
    pub(super) jobs: Vec<NewJob>,
    pub(super) refresh: bool,
    pub(super) pins: PinChange,
}

impl Slot {
    /// An incident as it was loaded, owing nothing.
    pub(super) fn of(incident: Incident) -> Self {
        Self {
            incident,
            changed: false,
            alerts: BTreeMap::new(),
            moved: BTreeSet::new(),
            timeline: Vec::new(),
            jobs: Vec::new(),
            refresh: false,
            pins: PinChange::Keep,
        }
    }

    /// Alerts with new texts, and members that changed without.
    pub(super) fn changed_members(&mut self) -> (Vec<HeldAlert>, Vec<(Fingerprint, Member)>) {
        let members = &self.incident.standing.members;
        let mut moved = std::mem::take(&mut self.moved);
        let mut alerts: Vec<HeldAlert> = std::mem::take(&mut self.alerts).into_values().collect();
        for held in &mut alerts {
            // What came later in the turn may have moved it again.
            if moved.remove(&held.alert.fingerprint)
                && let Some(member) = members.get(&held.alert.fingerprint)
            {
                held.member = *member;
            }
        }
        let with_member = |alert: Fingerprint| members.get(&alert).map(|member| (alert, *member));
        (alerts, moved.into_iter().filter_map(with_member).collect())
    }

    /// Turns effects into jobs, pins and timeline.
    pub(super) fn owe(&mut self, effects: Vec<Effect>, rules: &RuleSet, now: Timestamp) {
        let rule = rules.named(&self.incident.key.rule);
        let loudest = effects.iter().map(urgency).max().unwrap_or_default();
        for effect in effects {
            match effect {
                Effect::Announce => {
                    for to in self.incident.places.clone() {
                        self.job(Job::Post { to }, loudest, now);
                    }
                }
                Effect::Refresh => self.refresh = true,
                Effect::Unpin { keep } => {
                    self.pins = keep.map_or(PinChange::Release, PinChange::ReleaseOthers);
                    self.jobs.retain(|new| !matches!(new.job, Job::Buzz { .. }));
                }
                Effect::Note(what) => self.note(what, now),
                Effect::Page { step, round, recipients, urgent } => {
                    let people = recipients.people.iter().map(|p| p.name.clone()).collect();
                    self.note(Happening::Stepped { step, round, urgent, people }, now);
                    self.incident.pin |= opening::wants_pin(rule, &self.incident.standing.severity);
                    self.page((step, round), recipients, urgent, now);
                }
                Effect::CatchAll { recipients, urgent } => {
                    let last = self.incident.standing.last_step.unwrap_or_default();
                    self.page(last, recipients, urgent, now);
                }
                Effect::Remind { name } => {
                    let to = self.incident.places.first().cloned();
                    if let Some(person) = rules.person(&name).cloned() {
                        let to = to.unwrap_or_else(|| Destination::Direct(person.clone()));
                        self.job(Job::Remind { to, person }, Urgent::App, now);
                    }
                }
                Effect::EndSilence => self.job(Job::EndSilence, Urgent::None, now),
                Effect::Silence { until, by } => {
                    self.job(Job::Silence { until, author: by }, Urgent::None, now);
                }
            }
        }
    }

    fn page(&mut self, (step, round): (u16, u16), recipients: Recipients, urgent: Urgent, now: Timestamp) {
        for chat in recipients.chats {
            let to = Destination::Chat(chat);
            if !self.incident.places.contains(&to) {
                self.incident.places.push(to.clone());
                self.job(Job::Post { to }, Urgent::None, now);
            }
        }
        let home = self.incident.places.iter().find(|p| matches!(p, Destination::Chat(_))).cloned();
        let people = recipients.people;
        let by_place: Vec<_> = match home {
            Some(chat) if !people.is_empty() => vec![(chat, people)],
            Some(_) => Vec::new(),
            None => people.into_iter().map(|p| (Destination::Direct(p.clone()), vec![p])).collect(),
        };
        for (to, people) in by_place {
            if matches!(to, Destination::Direct(_)) {
                self.job(Job::Post { to: to.clone() }, urgent, now);
            }
            if self.incident.pin {
                self.pin(&to, &people);
            }
            if urgent == Urgent::None && self.incident.thread && matches!(to, Destination::Chat(_)) {
                let people = people.iter().map(|person| person.name.clone()).collect();
                self.job(Job::Tell { to: to.clone(), step, people }, urgent, now);
            }
            if urgent > Urgent::None {
                self.job(Job::Buzz { to, people, urgent, step, round }, urgent, now);
            }
        }
    }

    fn pin(&mut self, to: &Destination, people: &[Person]) {
        let wanted = people.iter().map(|person| (to.clone(), person.clone()));
        match &mut self.pins {
            PinChange::Add(pins) => pins.extend(wanted),
            PinChange::Keep | PinChange::Release | PinChange::ReleaseOthers(_) => {
                self.pins = PinChange::Add(wanted.collect());
            }
        }
    }

    fn job(&mut self, job: Job, loudest: Urgent, now: Timestamp) {
        let priority = job.priority(loudest);
        self.jobs.push(NewJob { job, priority, run_at: now });
    }

    pub(super) fn note(&mut self, what: Happening, now: Timestamp) {
        self.timeline.push(TimelineEntry { at: now, what });
    }
}

/// How loudly an effect pages.
fn urgency(effect: &Effect) -> Urgent {
    match effect {
        Effect::Page { urgent, .. } | Effect::CatchAll { urgent, .. } => *urgent,
        Effect::Announce
        | Effect::Refresh
        | Effect::Remind { .. }
        | Effect::Silence { .. }
        | Effect::EndSilence
        | Effect::Unpin { .. }
        | Effect::Note(_) => Urgent::None,
    }
}
