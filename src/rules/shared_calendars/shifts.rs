//! Events that name people → who is on call from when to when.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Event;
use crate::domain::{Contact, Person};

/// What stands between people in a title.
const BETWEEN: [char; 11] = [',', ';', '/', '|', '&', '+', '，', '；', '、', '／', '＆'];

/// Times with the same people on call, in order, none touching the next with the
/// same people.
#[derive(Debug)]
pub(in crate::rules) struct Shifts(Vec<Shift>);

#[derive(Debug, PartialEq, Eq)]
struct Shift {
    from: Timestamp,
    to: Timestamp,
    /// Names. Not empty.
    who: Vec<String>,
}

impl Shifts {
    /// Puts events together, each with its level and the people it names: of those
    /// that take place at one time the ones of the highest level count, and all
    /// people of these are on call, in the order of their names.
    pub(in crate::rules) fn of<'e>(
        events: impl IntoIterator<Item = (&'e Event, u8, &'e BTreeSet<String>)>,
    ) -> Self {
        let events: Vec<_> = events.into_iter().collect();
        let mut edges: BTreeMap<Timestamp, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
        for (at, (event, _, _)) in events.iter().enumerate() {
            edges.entry(event.from).or_default().0.push(at);
            edges.entry(event.to).or_default().1.push(at);
        }
        let mut running = Running::default();
        let mut shifts: Vec<Shift> = Vec::new();
        let mut since = Timestamp::MIN;
        for (at, (begin, end)) in edges {
            let who = running.top();
            match shifts.last_mut().filter(|last| last.to == since && last.who == who) {
                Some(last) => last.to = at,
                None if who.is_empty() => {}
                None => shifts.push(Shift { from: since, to: at, who }),
            }
            since = at;
            for (_, level, people) in begin.iter().filter_map(|at| events.get(*at)) {
                running.begin(*level, people);
            }
            for (_, level, people) in end.iter().filter_map(|at| events.get(*at)) {
                running.end(*level, people);
            }
        }
        Self(shifts)
    }

    /// Who is on call, and up to when (not included) that is sure.
    pub(in crate::rules) fn at(&self, at: Timestamp) -> (Option<&[String]>, Timestamp) {
        let next = self.0.partition_point(|shift| shift.to <= at);
        match self.0.get(next) {
            Some(shift) if shift.from <= at => (Some(&shift.who), shift.to),
            Some(shift) => (None, shift.from),
            None => (None, Timestamp::MAX),
        }
    }

    /// Everybody who is on call by them, in order of names.
    pub(in crate::rules) fn people(&self) -> BTreeSet<&str> {
        self.0.iter().flat_map(|shift| &shift.who).map(String::as_str).collect()
    }

    /// The end of the last; `None`: there is none.
    pub(in crate::rules) fn end(&self) -> Option<Timestamp> {
        self.0.last().map(|shift| shift.to)
    }
}

/// How many running events name somebody, by level.
#[derive(Default)]
struct Running<'e>(BTreeMap<u8, BTreeMap<&'e str, usize>>);

impl<'e> Running<'e> {
    fn begin(&mut self, level: u8, people: &'e BTreeSet<String>) {
        for name in people {
            *self.0.entry(level).or_default().entry(name).or_default() += 1;
        }
    }

    fn end(&mut self, level: u8, people: &'e BTreeSet<String>) {
        let Some(names) = self.0.get_mut(&level) else { return };
        for name in people {
            if let Some(count) = names.get_mut(name.as_str()) {
                *count -= 1;
                if *count == 0 {
                    names.remove(name.as_str());
                }
            }
        }
        if names.is_empty() {
            self.0.remove(&level);
        }
    }

    /// Whoever is named at the highest level.
    fn top(&self) -> Vec<String> {
        let names = self.0.last_key_value().map(|(_, names)| names.keys());
        names.into_iter().flatten().map(|name| (*name).to_owned()).collect()
    }
}

/// The level of an event and the names of the people it puts on call.
pub(in crate::rules) fn named(event: &Event, people: &BTreeMap<&str, &Person>) -> (u8, BTreeSet<String>) {
    let (level, title) = level(&event.title);
    let after_colon = title.rsplit_once([':', '：']).map(|(_, rest)| rest);
    let in_title = [Some(title), after_colon].into_iter().flatten().find_map(|text| all(text, people));
    let attending = || event.attendees.iter().filter_map(|address| find(address, people)).collect();
    (level, in_title.unwrap_or_else(attending))
}

/// `[L2] lin`: 2 and `lin`. Without it the level is 0.
fn level(title: &str) -> (u8, &str) {
    let parse = || {
        let (level, rest) = title.strip_prefix('[')?.split_once(']')?;
        let level = level.trim().strip_prefix(['L', 'l'])?.parse().ok()?;
        Some((level, rest.trim()))
    };
    parse().unwrap_or((0, title.trim()))
}

/// Everybody whom a text consists of; `None` if it holds anything else.
fn all(text: &str, people: &BTreeMap<&str, &Person>) -> Option<BTreeSet<String>> {
    let whole = find(text, people).map(|one| BTreeSet::from([one]));
    whole.or_else(|| text.split(BETWEEN).map(|part| find(part, people)).collect())
}

/// The name of somebody who is called so, or has that e-mail address, in any case.
fn find(text: &str, people: &BTreeMap<&str, &Person>) -> Option<String> {
    let text = text.trim();
    if people.contains_key(text) {
        return Some(text.to_owned());
    }
    let text = text.to_lowercase();
    let same = |other: &str| other.to_lowercase() == text;
    let by_name = people.keys().find(|name| same(name));
    let by_mail = || {
        let has = |person: &&Person| matches!(&person.contact, Contact::Email(mail) if same(mail));
        people.iter().find(|(_, person)| has(person)).map(|(name, _)| name)
    };
    by_name.or_else(by_mail).map(|name| (*name).to_owned())
}
