//! The matchers of all rules, packed for testing candidates.
//!
//! Candidates are far apart in memory. Here a rule is one entry, its checks lie
//! side by side, and what many rules ask for (names, words, expressions) is kept once.

use std::collections::HashMap;

use super::{Origin, Route, Span};
use crate::domain::Labels;
use crate::rules::matcher::Matcher;
use crate::rules::pattern::Pattern;

/// All rules' matchers.
#[derive(Debug, Default)]
pub(super) struct Checks {
    rules: Vec<Entry>,
    /// One rule's after the other's.
    all: Vec<Check>,
    names: Vec<Box<str>>,
    /// All words, one after the other.
    text: String,
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Entry {
    /// Part of [`Checks::all`].
    checks: Span,
    continues: bool,
}

#[derive(Debug)]
struct Check {
    /// Position in [`Checks::names`].
    name: usize,
    positive: bool,
    wanted: Wanted,
}

#[derive(Debug, Clone, Copy)]
enum Wanted {
    /// This part of [`Checks::text`].
    Word(Span),
    /// Position in [`Checks::patterns`].
    Pattern(usize),
}

impl Checks {
    /// Packs the rules.
    pub(super) fn of(routes: &[Route]) -> Self {
        let mut packed = Self::default();
        let mut names = HashMap::new();
        let mut words = HashMap::new();
        let mut patterns = HashMap::new();
        for route in routes {
            let start = packed.all.len();
            for matcher in &*route.matchers {
                let name = *names.entry(matcher.name()).or_insert_with(|| packed.add_name(matcher));
                let wanted = if let Some(word) = matcher.pattern().only_word() {
                    Wanted::Word(*words.entry(word).or_insert_with(|| packed.add_word(word)))
                } else {
                    // Only expressions come here, and equal texts mean equal ones.
                    let add = || packed.add_pattern(matcher.pattern());
                    Wanted::Pattern(*patterns.entry(matcher.value()).or_insert_with(add))
                };
                packed.all.push(Check { name, positive: matcher.op().is_positive(), wanted });
            }
            let checks = Span { start, end: packed.all.len() };
            packed.rules.push(Entry { checks, continues: route.continues });
        }
        packed
    }

    fn add_name(&mut self, matcher: &Matcher) -> usize {
        self.names.push(matcher.name().into());
        self.names.len() - 1
    }

    fn add_word(&mut self, word: &str) -> Span {
        let start = self.text.len();
        self.text.push_str(word);
        Span { start, end: self.text.len() }
    }

    fn add_pattern(&mut self, pattern: &Pattern) -> usize {
        self.patterns.push(pattern.clone());
        self.patterns.len() - 1
    }

    /// Whether the rule matches: if so, whether it continues.
    pub(super) fn pass(&self, rule: usize, labels: &Labels<'_>, origin: Origin<'_>) -> Option<bool> {
        let entry = self.rules.get(rule)?;
        let checks = self.all.get(entry.checks.start..entry.checks.end)?;
        checks.iter().all(|check| self.holds(check, labels, origin)).then_some(entry.continues)
    }

    fn holds(&self, check: &Check, labels: &Labels<'_>, origin: Origin<'_>) -> bool {
        let name = self.names.get(check.name).map_or("", |name| name);
        let value = origin.value(labels, name);
        let found = match check.wanted {
            Wanted::Word(span) => self.text.get(span.start..span.end) == Some(value),
            Wanted::Pattern(at) => self.patterns.get(at).is_some_and(|pattern| pattern.contains(value)),
        };
        found == check.positive
    }
}
