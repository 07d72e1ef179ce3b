//! Alerts that reach no rule, rules that no alert reaches.

use std::collections::BTreeMap;

use super::language::Languages;
use super::{CONTRADICTION, NO_MATCH_ALL, UNREACHABLE};
use crate::rules::load::Notes;
use crate::rules::load::rules::ReadRule;
use crate::rules::pattern::Pattern;
use crate::rules::{Matcher, Rule};

/// Pairs of rules compared at most. Enough for two thousand rules.
const PAIRS_MAX: usize = 2_000_000;
/// Expressions tried on examples at most: they are what takes time, and a server
/// that starts waits for it.
const TRIALS_MAX: usize = 200_000;
/// A value that no expression asks for by itself.
const ODD: &str = "\u{e000}larkhorn";

/// Which values of a label pass all matchers of a rule.
enum Values<'a> {
    /// Just these.
    These(Vec<&'a str>),
    /// Those that pass all of these, with some examples.
    Passing(Vec<&'a Matcher>, Vec<String>),
}

/// The values a rule lets pass, by label. A label that is not there passes with any.
type Demands<'a> = BTreeMap<&'a str, Values<'a>>;

pub(super) fn look(rules: &[ReadRule<'_>], notes: &mut Notes) {
    let everything = |rule: &Rule| rule.matchers.iter().all(Matcher::matches_everything);
    let mut languages = Languages::default();
    let mut owners: Vec<&Rule> = Vec::new();
    let mut wall: Option<&Rule> = None;
    let (mut pairs, mut trials) = (0, 0);
    for ReadRule { at, rule, .. } in rules {
        let demands = demands(rule);
        if let Some(label) = contradiction(&demands, &mut languages) {
            let message = format!(
                "rule {:?} is never reached: no value of {label} passes all its matchers; drop one of them",
                rule.name
            );
            notes.warning(CONTRADICTION, *at, message);
            continue;
        }
        if let Some(wall) = wall {
            let message = format!(
                "rule {:?} is never reached: {:?} before it matches everything and does not continue; move it up",
                rule.name, wall.name
            );
            notes.warning(UNREACHABLE, *at, message);
            continue;
        }
        pairs += owners.len();
        let owner = if pairs > PAIRS_MAX {
            None
        } else {
            owners.iter().find(|earlier| takes_all(earlier, &demands, &mut languages, &mut trials))
        };
        if let Some(owner) = owner {
            let message = format!(
                "rule {:?} is never reached: {:?} before it takes every alert it matches and does not \
                 continue; move it up, or let {:?} ask for more",
                rule.name, owner.name, owner.name
            );
            notes.warning(UNREACHABLE, *at, message);
        }
        if !rule.continues {
            if everything(rule) {
                wall = Some(rule);
            }
            owners.push(rule);
        }
    }
    if let Some(last) = rules.last().filter(|_| !rules.iter().any(|read| everything(&read.rule))) {
        let message = "alerts that match no rule are told to nobody; end with a rule without match";
        notes.warning(NO_MATCH_ALL, last.at, message);
    }
}

fn demands(rule: &Rule) -> Demands<'_> {
    let mut by_label: BTreeMap<&str, Vec<&Matcher>> = BTreeMap::new();
    for matcher in rule.matchers.iter() {
        by_label.entry(matcher.name()).or_default().push(matcher);
    }
    let mut demands = Demands::new();
    for (label, matchers) in by_label {
        demands.insert(label, values(matchers));
    }
    demands
}

fn values(matchers: Vec<&Matcher>) -> Values<'_> {
    let listed = matchers.iter().filter(|m| m.op().is_positive()).find_map(|m| m.pattern().words());
    let Some(words) = listed else {
        let passes = |text: &String| matchers.iter().all(|m| m.matches(text));
        let positive = matchers.iter().filter(|m| m.op().is_positive());
        let examples = positive.filter_map(|m| Pattern::example(m.value()));
        let examples = examples.chain([String::new(), ODD.to_owned()]).filter(passes).collect();
        return Values::Passing(matchers, examples);
    };
    let words = words.iter().map(AsRef::as_ref);
    Values::These(words.filter(|word| matchers.iter().all(|m| m.matches(word))).collect())
}

/// A label of which no value can pass.
fn contradiction<'a>(demands: &Demands<'a>, languages: &mut Languages) -> Option<&'a str> {
    let impossible = demands.iter().find(|(_, values)| match values {
        Values::These(words) => words.is_empty(),
        Values::Passing(matchers, examples) => {
            examples.is_empty() && languages.contradict(matchers) == Some(true)
        }
    });
    impossible.map(|(label, _)| *label)
}

/// Whether it is certain that a rule matches everything that passes the demands.
fn takes_all(rule: &Rule, demands: &Demands<'_>, languages: &mut Languages, trials: &mut usize) -> bool {
    // The cheap questions of all matchers before the dear ones of any: an example
    // settles most.
    let refuted = |matcher: &Matcher| match demands.get(matcher.name()) {
        Some(Values::These(words)) => words.iter().any(|word| !matcher.matches(word)),
        Some(Values::Passing(_, examples)) => examples.iter().any(|text| !matcher.matches(text)),
        None => !matcher.matches("") || !matcher.matches(ODD),
    };
    let (plain, expressions): (Vec<&Matcher>, Vec<&Matcher>) =
        rule.matchers.iter().partition(|matcher| matcher.pattern().words().is_some());
    if plain.into_iter().any(refuted) {
        return false;
    }
    *trials += expressions.len();
    if *trials > TRIALS_MAX || expressions.into_iter().any(refuted) {
        return false;
    }
    let mut dear: Vec<(&Matcher, &[&Matcher])> = Vec::new();
    for matcher in rule.matchers.iter() {
        match demands.get(matcher.name()) {
            Some(Values::These(_)) => {}
            Some(Values::Passing(passed, _)) => {
                let same = |m: &&Matcher| m.op() == matcher.op() && m.value() == matcher.value();
                if !matcher.matches_everything() && !passed.iter().any(same) {
                    dear.push((matcher, passed));
                }
            }
            None if matcher.matches_everything() => {}
            // Words, and all but words, are never everything.
            None if matcher.pattern().words().is_some() => return false,
            None => dear.push((matcher, &[])),
        }
    }
    dear.iter().all(|(matcher, passed)| languages.includes(matcher, passed) == Some(true))
}
