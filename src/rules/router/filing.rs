//! Decides under which of its matchers a rule is filed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use regex::RegexSetBuilder;

use super::{ExpressionSet, LabelFile, List, Route, Span, hash_of};
use crate::rules::matcher::Matcher;
use crate::rules::pattern::{Pattern, anchored};

/// Longest beginning that rules are filed under, in bytes: bounds the look-ups per label.
const START_BYTES_MAX: usize = 32;
/// Expressions in one set at most; larger sets outgrow the caches of their automaton.
const SET_LEN_MAX: usize = 256;
/// What filing under a beginning or an expression is taken to cost, in rules filed under a word.
const START_COST: usize = 4;
const EXPRESSION_COST: usize = 64;

/// How a matcher can be found by the value of its label.
enum Handle<'a> {
    Words(&'a [Box<str>]),
    Starts(Vec<&'a [u8]>),
    Expression(&'a str),
}

impl<'a> Handle<'a> {
    /// `None` when a missing label passes.
    fn of(matcher: &'a Matcher) -> Option<Self> {
        if !matcher.op().is_positive() || matcher.matches("") {
            return None;
        }
        let start = |bytes: &'a [u8]| bytes.get(..START_BYTES_MAX).unwrap_or(bytes);
        Some(match matcher.pattern() {
            Pattern::Words(words) => Self::Words(words),
            Pattern::Starts(text) => Self::Starts(vec![start(text.as_bytes())]),
            Pattern::Expression { starts, .. } if !starts.is_empty() => {
                let mut starts: Vec<&[u8]> = starts.iter().map(|s| start(s)).collect();
                starts.dedup();
                Self::Starts(starts)
            }
            Pattern::Anything
            | Pattern::Something
            | Pattern::Ends(_)
            | Pattern::Holds(_)
            | Pattern::Expression { .. } => Self::Expression(matcher.value()),
        })
    }
}

/// What will be a [`LabelFile`]: lists of rules under hashes of what they ask for.
#[derive(Default)]
pub(super) struct Draft<'a> {
    words: BTreeMap<u64, Vec<usize>>,
    start_lengths: BTreeSet<usize>,
    starts: BTreeMap<u64, Vec<usize>>,
    expressions: BTreeMap<&'a str, Vec<usize>>,
}

/// How many rules could be filed under a key.
#[derive(Default)]
struct Census<'a> {
    words: HashMap<(&'a str, &'a str), usize>,
    starts: HashMap<(&'a str, &'a [u8]), usize>,
}

impl<'a> Census<'a> {
    fn of(routes: &'a [Route]) -> Self {
        let mut census = Self::default();
        for matcher in routes.iter().flat_map(|r| r.matchers.iter()) {
            match Handle::of(matcher) {
                Some(Handle::Words(words)) => {
                    for word in words {
                        *census.words.entry((matcher.name(), word)).or_default() += 1;
                    }
                }
                Some(Handle::Starts(starts)) => {
                    for start in starts {
                        *census.starts.entry((matcher.name(), start)).or_default() += 1;
                    }
                }
                Some(Handle::Expression(_)) | None => {}
            }
        }
        census
    }

    /// How many needless candidates filing there may mean.
    fn cost(&self, name: &str, handle: &Handle<'_>) -> usize {
        match handle {
            Handle::Words(words) => {
                words.iter().map(|w| self.words.get(&(name, &**w)).copied().unwrap_or(0)).sum()
            }
            Handle::Starts(starts) => {
                let rules: usize =
                    starts.iter().map(|s| self.starts.get(&(name, *s)).copied().unwrap_or(0)).sum();
                rules + START_COST
            }
            Handle::Expression(_) => EXPRESSION_COST,
        }
    }
}

impl<'a> Draft<'a> {
    /// Drafts by label, and the rules that are always asked.
    pub(super) fn of(routes: &'a [Route]) -> (BTreeMap<&'a str, Self>, Vec<usize>) {
        let census = Census::of(routes);
        let mut drafts: BTreeMap<&str, Self> = BTreeMap::new();
        let mut always = Vec::new();
        for (rule, route) in routes.iter().enumerate() {
            let handles = route.matchers.iter().filter_map(|m| Some((m.name(), Handle::of(m)?)));
            match handles.min_by_key(|(name, handle)| census.cost(name, handle)) {
                Some((name, handle)) => drafts.entry(name).or_default().add(handle, rule),
                None => always.push(rule),
            }
        }
        (drafts, always)
    }

    fn add(&mut self, handle: Handle<'a>, rule: usize) {
        match handle {
            Handle::Words(words) => {
                for word in words {
                    self.words.entry(hash_of(word.as_bytes())).or_default().push(rule);
                }
            }
            Handle::Starts(starts) => {
                for start in starts {
                    self.start_lengths.insert(start.len());
                    self.starts.entry(hash_of(start)).or_default().push(rule);
                }
            }
            Handle::Expression(text) => self.expressions.entry(text).or_default().push(rule),
        }
    }

    /// Appends the lists to `postings` and makes the keys ready for look-up.
    pub(super) fn file(self, postings: &mut Vec<usize>) -> LabelFile {
        let words = self.words.into_iter().map(|(w, rules)| (w, append(postings, &rules))).collect();
        let starts = self.starts.into_iter().map(|(s, rules)| (s, append(postings, &rules))).collect();
        let start_lengths = self.start_lengths.into_iter().collect();
        let expressions: Vec<(&str, List)> =
            self.expressions.into_iter().map(|(e, rules)| (e, append(postings, &rules))).collect();
        let mut sets = Vec::new();
        for chunk in expressions.chunks(SET_LEN_MAX) {
            ExpressionSet::build(chunk, &mut sets);
        }
        LabelFile { words, start_lengths, starts, sets }
    }
}

/// Compiled size of one set of expressions at most, in bytes.
const SET_BYTES_MAX: usize = 32 * 1024 * 1024;

impl ExpressionSet {
    /// Adds sets of these expressions: halves where the whole grows too large.
    fn build(expressions: &[(&str, List)], sets: &mut Vec<Self>) {
        let set = RegexSetBuilder::new(expressions.iter().map(|(text, _)| anchored(text)))
            .size_limit(SET_BYTES_MAX)
            .build();
        if set.is_err() && expressions.len() > 1 {
            let (left, right) = expressions.split_at(expressions.len() / 2);
            Self::build(left, sets);
            Self::build(right, sets);
        } else {
            sets.push(Self { set: set.ok(), lists: expressions.iter().map(|(_, list)| *list).collect() });
        }
    }
}

/// Keeps an ascending list.
pub(super) fn append(postings: &mut Vec<usize>, rules: &[usize]) -> List {
    if let [rule] = rules {
        return List::One(*rule);
    }
    let start = postings.len();
    postings.extend(rules.iter().copied());
    List::Many(Span { start, end: postings.len() })
}
