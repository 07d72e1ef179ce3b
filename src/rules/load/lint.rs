//! What is allowed in rules and yet probably not meant.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::teams::Known;
use super::{Notes, Place, Registry};
use crate::domain::Policy;
use crate::rules::{CatchAll, Matcher, Rule};

/// Looks at everything that was read.
pub(super) fn look(rules: &[(Place<'_>, Rule)], known: &Known<'_>, notes: &mut Notes) {
    reach(rules, notes);
    let contacts =
        known.people.entries.iter().map(|(name, (at, person))| (name.as_str(), *at, &person.contact));
    shared(contacts, "the same person", notes);
    let ids = known.chats.entries.iter().map(|(name, (at, id))| (name.as_str(), *at, id));
    shared(ids, "the same chat", notes);
}

/// Ladders that end in silence.
pub(super) fn ends(policies: &Registry<'_, Policy>, catch_all: Option<&CatchAll>, notes: &mut Notes) {
    let first = policies.entries.values().map(|(at, _)| *at).min_by_key(|at| (at.path, at.line, at.column));
    if let Some(at) = first.filter(|_| catch_all.is_none()) {
        let message = "when a policy is used up and nobody has answered, nobody is told; add catch_all";
        notes.warning(at, message);
    }
}

/// Alerts that reach no rule, rules that no alert reaches.
fn reach(rules: &[(Place<'_>, Rule)], notes: &mut Notes) {
    let everything = |rule: &Rule| rule.matchers.iter().all(Matcher::matches_everything);
    let mut wall: Option<&Rule> = None;
    for (at, rule) in rules {
        match wall {
            Some(wall) => {
                let message = format!(
                    "rule {:?} is never reached: {:?} before it matches everything and does not continue",
                    rule.name, wall.name
                );
                notes.warning(*at, message);
            }
            None if everything(rule) && !rule.continues => wall = Some(rule),
            None => {}
        }
    }
    if let Some((at, _)) = rules.last().filter(|_| !rules.iter().any(|(_, rule)| everything(rule))) {
        notes.warning(*at, "alerts that match no rule are told to nobody; end with a rule without match");
    }
}

/// Different names for one thing.
fn shared<'n, K: Ord + Debug>(
    named: impl Iterator<Item = (&'n str, Place<'n>, K)>,
    what: &str,
    notes: &mut Notes,
) {
    let mut first: BTreeMap<K, (&str, Place<'_>)> = BTreeMap::new();
    for (name, at, key) in named {
        match first.get(&key) {
            Some((other, place)) => {
                notes.warning(at, format!("{name:?} is {what} as {other:?} at {place}; keep one name"));
            }
            None => {
                first.insert(key, (name, at));
            }
        }
    }
}
