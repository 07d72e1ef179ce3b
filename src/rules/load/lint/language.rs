//! Decides questions about sets of label values: does every value that passes
//! these matchers pass that one too?
//!
//! Each matcher is a set of texts, each set an automaton. A value that passes
//! some and fails others exists if the product of their automata has an
//! accepting state within reach, which a search through it settles. Everything
//! is bounded: an automaton by its size, a search by its states, all of them
//! together by [`STEPS_MAX`]. Beyond that the answer is `None`: not known.

use std::collections::{BTreeMap, HashSet, VecDeque};

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, MatchKind};

use crate::rules::Matcher;
use crate::rules::pattern::anchored;

/// Size of one automaton at most, in bytes, while it is made and afterwards.
const AUTOMATON_BYTES_MAX: usize = 1 << 20;
/// States of a product looked at for one question.
const STATES_MAX: usize = 20_000;
/// Steps from state to state for all questions of a load.
const STEPS_MAX: usize = 4_000_000;
/// Automata made for all questions of a load.
const AUTOMATA_MAX: usize = 300;
/// Every text. Automata of negated matchers would also take bytes that are none.
const TEXT: &str = "(?s:.*)";

type Dfa = dense::DFA<Vec<u32>>;

/// A set of texts, or what is outside it.
#[derive(Debug, Clone, Copy)]
struct Side {
    /// Position in [`Languages::automata`].
    automaton: usize,
    inside: bool,
}

/// Answers questions, and remembers what it has worked out.
#[derive(Default)]
pub(super) struct Languages {
    automata: Vec<Dfa>,
    /// Positions in `automata` by expression; `None`: too large, or not regular
    /// enough (a Unicode word boundary).
    by_expression: BTreeMap<String, Option<usize>>,
    steps: usize,
}

impl Languages {
    /// Whether every value that passes all of `passed` passes `matcher` too.
    pub(super) fn includes(&mut self, matcher: &Matcher, passed: &[&Matcher]) -> Option<bool> {
        let mut sides = self.sides(passed)?;
        let Side { automaton, inside } = self.side(matcher)?;
        sides.push(Side { automaton, inside: !inside });
        self.is_empty(&sides)
    }

    /// Whether no value passes all of them.
    pub(super) fn contradict(&mut self, matchers: &[&Matcher]) -> Option<bool> {
        let sides = self.sides(matchers)?;
        self.is_empty(&sides)
    }

    fn sides(&mut self, matchers: &[&Matcher]) -> Option<Vec<Side>> {
        let text = Side { automaton: self.automaton(TEXT.to_owned())?, inside: true };
        let mut sides = vec![text];
        for matcher in matchers {
            sides.push(self.side(matcher)?);
        }
        Some(sides)
    }

    fn side(&mut self, matcher: &Matcher) -> Option<Side> {
        let expression = if matcher.is_expression() {
            matcher.value().to_owned()
        } else {
            regex_syntax::escape(matcher.value())
        };
        Some(Side { automaton: self.automaton(expression)?, inside: matcher.op().is_positive() })
    }

    fn automaton(&mut self, expression: String) -> Option<usize> {
        if let Some(known) = self.by_expression.get(&expression) {
            return *known;
        }
        let made = if self.automata.len() < AUTOMATA_MAX { automaton(&expression) } else { None };
        let position = made.map(|dfa| {
            self.automata.push(dfa);
            self.automata.len() - 1
        });
        self.by_expression.insert(expression, position);
        position
    }

    /// Whether no text is on all these sides.
    fn is_empty(&mut self, sides: &[Side]) -> Option<bool> {
        let automata: Vec<(&Dfa, bool)> =
            sides.iter().filter_map(|side| Some((self.automata.get(side.automaton)?, side.inside))).collect();
        let letters = letters(&automata);
        let beginning = start::Config::new().anchored(Anchored::Yes);
        let first: Vec<StateID> =
            automata.iter().map(|(dfa, _)| dfa.start_state(&beginning).ok()).collect::<Option<_>>()?;
        let mut seen = HashSet::from([first.clone()]);
        let mut queue = VecDeque::from([first]);
        while let Some(states) = queue.pop_front() {
            if accepts(&automata, &states)? {
                return Some(false);
            }
            for letter in &letters {
                self.steps += 1;
                if self.steps > STEPS_MAX {
                    return None;
                }
                let next = match step(&automata, &states, *letter) {
                    Step::To(next) => next,
                    Step::Nowhere => continue,
                    Step::Unknown => return None,
                };
                if !seen.contains(&next) {
                    if seen.len() >= STATES_MAX {
                        return None;
                    }
                    seen.insert(next.clone());
                    queue.push_back(next);
                }
            }
        }
        Some(true)
    }
}

/// What comes after a letter.
enum Step {
    /// These states.
    To(Vec<StateID>),
    /// Nothing that any text could come of.
    Nowhere,
    /// An automaton gives up.
    Unknown,
}

fn step(automata: &[(&Dfa, bool)], states: &[StateID], letter: u8) -> Step {
    let mut next = Vec::with_capacity(states.len());
    for ((dfa, inside), state) in automata.iter().zip(states) {
        let state = dfa.next_state(*state, letter);
        if dfa.is_quit_state(state) {
            return Step::Unknown;
        }
        if *inside && dfa.is_dead_state(state) {
            return Step::Nowhere;
        }
        next.push(state);
    }
    Step::To(next)
}

/// Whether a text that ends in these states is on all sides.
fn accepts(automata: &[(&Dfa, bool)], states: &[StateID]) -> Option<bool> {
    for ((dfa, inside), state) in automata.iter().zip(states) {
        let end = dfa.next_eoi_state(*state);
        if dfa.is_quit_state(end) {
            return None;
        }
        if dfa.is_match_state(end) != *inside {
            return Some(false);
        }
    }
    Some(true)
}

/// One byte for each class that any of the automata tells from the others.
fn letters(automata: &[(&Dfa, bool)]) -> Vec<u8> {
    let class = |byte: u8| automata.iter().map(move |(dfa, _)| dfa.byte_classes().get(byte));
    let differs = |byte: &u8| byte.checked_sub(1).is_none_or(|before| !class(*byte).eq(class(before)));
    (0..=u8::MAX).filter(differs).collect()
}

/// The automaton of an expression that is anchored at both ends.
fn automaton(expression: &str) -> Option<Dfa> {
    dense::Builder::new()
        .syntax(syntax::Config::new().nest_limit(200))
        .thompson(thompson::Config::new().nfa_size_limit(Some(AUTOMATON_BYTES_MAX)))
        .configure(
            dense::Config::new()
                .start_kind(StartKind::Anchored)
                .match_kind(MatchKind::All)
                .accelerate(false)
                .dfa_size_limit(Some(AUTOMATON_BYTES_MAX))
                .determinize_size_limit(Some(AUTOMATON_BYTES_MAX)),
        )
        .build(&anchored(expression))
        .ok()
}
