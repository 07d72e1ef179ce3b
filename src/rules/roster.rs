//! Who is meant by a name at a time: teams, schedules, windows.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::RuleSet;
use super::load::gaps;
use super::schedule::{Duty, Gap, Mask, OnCall, Shift};
use crate::domain::{Person, Recipients, Target, Window};

impl RuleSet {
    /// Who the targets are at `now`: people and chats, each once, in the targets'
    /// order; a team in its own order, a schedule as whoever is on call. Names
    /// that are gone come second: a policy outlives the rules it was made from.
    pub fn recipients(&self, targets: &[Target], now: Timestamp) -> (Recipients, Vec<String>) {
        let mut found = Recipients::default();
        let mut missing = Vec::new();
        for target in targets {
            let (name, known) = match target {
                Target::Person(name) => (name, add_once(&mut found.people, self.people.get(name))),
                Target::Team(name) => (name, self.add_team(name, &mut found.people)),
                Target::Schedule(name) => (name, self.add_on_call(name, now, &mut found.people)),
                Target::Chat(name) => (name, add_once(&mut found.chats, self.chats.get(name))),
            };
            if !known {
                missing.push(name.clone());
            }
        }
        (found, missing)
    }

    fn add_team(&self, name: &str, people: &mut Vec<Person>) -> bool {
        let Some(members) = self.teams.get(name) else { return false };
        for member in members {
            add_once(people, self.people.get(member));
        }
        true
    }

    fn add_on_call(&self, name: &str, now: Timestamp, people: &mut Vec<Person>) -> bool {
        let Some(schedule) = self.schedules.get(name) else { return false };
        if let (Some((names, _)), _) = schedule.at(now) {
            for name in names {
                add_once(people, self.people.get(name));
            }
        }
        true
    }

    /// Who is on call by a schedule at a time; `None` for an unknown schedule.
    pub fn on_call(&self, schedule: &str, at: Timestamp) -> Option<OnCall> {
        let schedule = self.schedules.get(schedule)?;
        let (duty, _) = schedule.at(at);
        let source = duty.map(|(_, source)| source);
        Some(OnCall { people: self.on_duty(duty), until: schedule.changes_after(at), source })
    }

    /// Who is on call by a schedule in `from..to`, in order and cut off at both
    /// ends. What is missing between two shifts is a [gap](Self::gaps). Empty for
    /// an unknown schedule.
    ///
    /// The time it takes grows with the number of hand-overs, so whoever passes on
    /// what a stranger asked for bounds the span.
    pub fn shifts(&self, schedule: &str, from: Timestamp, to: Timestamp) -> Vec<Shift> {
        let Some(schedule) = self.schedules.get(schedule) else { return Vec::new() };
        let spans = schedule.spans(from, to).into_iter();
        spans
            .filter_map(|span| {
                let (_, source) = span.duty?;
                Some(Shift { people: self.on_duty(span.duty), from: span.from, to: span.to, source })
            })
            .collect()
    }

    /// When nobody is on call by a schedule in `from..to`, in order and cut off
    /// at both ends. Empty for an unknown schedule.
    pub fn gaps(&self, schedule: &str, from: Timestamp, to: Timestamp) -> Vec<Gap> {
        self.schedules.get(schedule).map(|schedule| gaps(&schedule.spans(from, to))).unwrap_or_default()
    }

    /// Names of all schedules, in order.
    pub fn schedules(&self) -> impl ExactSizeIterator<Item = &str> {
        self.schedules.keys().map(String::as_str)
    }

    /// Names of everybody a schedule may put on call.
    pub fn schedule_people<'s>(&'s self, schedule: &str) -> impl Iterator<Item = &'s str> + use<'s> {
        let schedule = self.schedules.get(schedule).into_iter();
        schedule.flat_map(|schedule| {
            let layers = schedule.layers.iter().flat_map(|layer| layer.who.iter());
            layers.chain(schedule.overrides.iter().map(|one| &one.who)).map(String::as_str)
        })
    }

    /// The zone in which a schedule is written down.
    pub fn schedule_zone(&self, schedule: &str) -> Option<&TimeZone> {
        self.schedules.get(schedule).map(|schedule| &schedule.zone)
    }

    /// All teams with the names of their people, by name.
    pub fn teams(&self) -> impl ExactSizeIterator<Item = (&str, &[String])> {
        self.teams.iter().map(|(name, people)| (name.as_str(), people.as_slice()))
    }

    /// Whether `now` lies in the window. A window outlives the rules it was made
    /// from: a calendar that is gone is not asked, for who asks wants to page.
    pub fn within(&self, window: &Window, now: Timestamp) -> bool {
        let Ok(zone) = TimeZone::get(&window.timezone) else { return true };
        let calendar = window
            .calendar
            .as_ref()
            .and_then(|name| self.calendars.get(name))
            .map(|(_, calendar)| calendar.clone());
        Mask::new(window.hours, window.days, calendar).holds(&zone, now)
    }

    fn on_duty(&self, duty: Duty<'_>) -> Vec<Person> {
        let names = duty.map(|(names, _)| names).unwrap_or_default();
        names.iter().filter_map(|name| self.people.get(name)).cloned().collect()
    }
}

/// Adds what is there and not in the list yet; whether it is there.
fn add_once<T: Clone + PartialEq>(list: &mut Vec<T>, one: Option<&T>) -> bool {
    if let Some(one) = one.filter(|one| !list.contains(one)) {
        list.push(one.clone());
    }
    one.is_some()
}
