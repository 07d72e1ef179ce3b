//! What is allowed in rules and yet probably not meant.
//!
//! What the files alone show is said when they are loaded; what depends on the
//! day is in [`ahead`]. Each kind of remark has a name that does not change from
//! release to release ([`LINTS`]): people write it into their pipelines.
//!
//! # Invariants
//!
//! * What is said is decided, never guessed: where deciding would take too long
//!   nothing is said.
//! * Nothing here keeps a file from being loaded.

pub(super) mod ahead;
mod ladders;
mod language;
mod reach;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::budget::BudgetPlaces;
use super::policies::Ladder;
use super::rules::ReadRule;
use super::teams::Known;
use super::{Notes, Place, Registry};
use crate::domain::{Budget, Severity};
use crate::rules::CatchAll;
use crate::rules::severity::SeverityTable;

pub(super) const UNREACHABLE: &str = "unreachable-rule";
pub(super) const CONTRADICTION: &str = "contradictory-matchers";
pub(super) const NO_MATCH_ALL: &str = "no-match-all";
pub(super) const UNKNOWN_SEVERITY: &str = "unknown-severity";
pub(super) const GROUPED_BY_SEVERITY: &str = "grouped-by-severity";
pub(super) const EMPTY_STEP: &str = "empty-step";
pub(super) const PERSON_TWICE: &str = "person-twice";
pub(super) const STEP_ADDS_NOTHING: &str = "step-adds-nothing";
pub(super) const SHORT_WAIT: &str = "short-wait-after-phone";
/// One round of a policy needs more than the budget has.
pub const BUDGET: &str = "budget-below-ladder";
pub(super) const NO_CATCH_ALL: &str = "no-catch-all";
pub(super) const GAP: &str = "schedule-gap";
pub(super) const STARVATION: &str = "rotation-starvation";
pub(super) const CALENDAR: &str = "calendar-ends";
/// A shared calendar could not be read: its layer has nobody.
pub const UNREAD_CALENDAR: &str = "unread-calendar";
pub(super) const CALENDAR_STRANGER: &str = "calendar-stranger";
pub(super) const SHARED_ID: &str = "shared-id";
pub(super) const ODD_ID: &str = "odd-id";
/// A rule's template does not exist. Said by whoever has the templates at hand.
pub const UNKNOWN_TEMPLATE: &str = "unknown-template";
/// A template cannot be read, or fails on a captured payload. Likewise.
pub const BROKEN_TEMPLATE: &str = "broken-template";
/// A template's card is above Feishu's limits. Likewise.
pub const CARD_TOO_LARGE: &str = "card-too-large";

/// The names of all kinds of warnings, with what each means.
pub const LINTS: [(&str, &str); 21] = [
    (UNREACHABLE, "an earlier rule takes every alert that the rule matches"),
    (CONTRADICTION, "no value of a label can pass all matchers of the rule"),
    (NO_MATCH_ALL, "alerts that match no rule are told to nobody"),
    (UNKNOWN_SEVERITY, "a matcher asks for a severity that no row of the table takes"),
    (GROUPED_BY_SEVERITY, "an alert that gets worse would open a second incident"),
    (EMPTY_STEP, "a step reaches or buzzes nobody"),
    (PERSON_TWICE, "one person is meant twice by a step, or by two steps at the same time"),
    (STEP_ADDS_NOTHING, "a step tells nobody new, and no louder"),
    (SHORT_WAIT, "less than a minute to answer a phone call before the next step"),
    (BUDGET, "one round of a policy needs more calls or messages than the budget has"),
    (NO_CATCH_ALL, "a policy ends and nobody is told"),
    (GAP, "nobody is on call for some of the next 90 days"),
    (STARVATION, "somebody in a rotation is never, or hardly ever, on call by it"),
    (CALENDAR, "the days listed in a calendar are over, or nearly"),
    (UNREAD_CALENDAR, "a shared calendar could not be read, so its layer has nobody"),
    (CALENDAR_STRANGER, "an event of a shared calendar names nobody of people, or cannot be understood"),
    (SHARED_ID, "two names for one person or chat"),
    (ODD_ID, "an id that does not look like one"),
    (UNKNOWN_TEMPLATE, "a rule's template does not exist"),
    (BROKEN_TEMPLATE, "a template cannot be read, or fails on a captured payload"),
    (CARD_TOO_LARGE, "a template's card is above Feishu's limits, so parts are left out or another serves"),
];

/// Everything that was read.
pub(super) struct Read<'m, 'a> {
    pub(super) rules: &'m [ReadRule<'a>],
    pub(super) known: &'m Known<'a>,
    pub(super) policies: &'m Registry<'a, Ladder<'a>>,
    pub(super) catch_all: Option<&'m CatchAll>,
    pub(super) severities: Option<&'m SeverityTable>,
    pub(super) budget: (&'m Budget, &'m BudgetPlaces<'a>),
}

impl Read<'_, '_> {
    fn rows(&self) -> &[Severity] {
        self.severities.map(SeverityTable::rows).unwrap_or_default()
    }
}

/// Looks at everything that was read.
pub(super) fn look(read: &Read<'_, '_>, notes: &mut Notes) {
    reach::look(read.rules, notes);
    if let Some(table) = read.severities {
        severities(read.rules, table, notes);
    }
    ladders::look(read, notes);
    ends(read.policies, read.catch_all, notes);
    let known = read.known;
    let contacts =
        known.people.entries.iter().map(|(name, (at, person))| (name.as_str(), *at, &person.contact));
    shared(contacts, "the same person", notes);
    let ids = known.chats.entries.iter().map(|(name, (at, id))| (name.as_str(), *at, id));
    shared(ids, "the same chat", notes);
}

/// Ladders that end in silence.
fn ends(policies: &Registry<'_, Ladder<'_>>, catch_all: Option<&CatchAll>, notes: &mut Notes) {
    let first = policies.entries.values().map(|(at, _)| *at).min_by_key(|at| (at.path, at.line, at.column));
    if let Some(at) = first.filter(|_| catch_all.is_none()) {
        let message = "when a policy is used up and nobody has answered, nobody is told; add catch_all";
        notes.warning(NO_CATCH_ALL, at, message);
    }
}

/// Matchers that ask for a severity by a word which no row takes.
fn severities(rules: &[ReadRule<'_>], table: &SeverityTable, notes: &mut Notes) {
    for read in rules {
        for (matcher, at) in read.rule.matchers.iter().zip(&read.matchers) {
            if !SeverityTable::LABELS.contains(&matcher.name()) {
                continue;
            }
            let words = matcher.pattern().words().unwrap_or_default();
            let strange = words.iter().find(|word| !word.trim().is_empty() && !table.takes(word));
            if let Some(word) = strange {
                let message = format!(
                    "no row of severities takes {word:?}, so such alerts count as {:?}; add it to the values of a row",
                    table.default_row().name
                );
                notes.warning(UNKNOWN_SEVERITY, *at, message);
            }
        }
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
                let message = format!("{name:?} is {what} as {other:?} at {place}; keep one name");
                notes.warning(SHARED_ID, at, message);
            }
            None => {
                first.insert(key, (name, at));
            }
        }
    }
}
