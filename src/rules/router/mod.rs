//! Finds the rules that match an alert without asking all of them.
//!
//! Each rule is filed once, under the matcher that the fewest other rules are
//! filed under: under words (`team="db"`, `env=~"dev|test"`), under beginnings
//! (`pod=~"web-.*"`), else in a set of expressions that one scan of the label's
//! value answers at once. A rule that a missing label can satisfy everywhere
//! (`env!="dev"`, `x=~".*"`) is always asked. What is found by file is only a
//! candidate: all its matchers are then tested, in the order of the rules, up to
//! the first match that does not continue. So a wrong candidate costs time and
//! never changes the answer.

mod checks;
mod filing;
mod hash;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use regex::RegexSet;

use self::checks::Checks;
use self::filing::{Draft, append};
use self::hash::{FastHash, HashedAlready, hash_of};
use super::Rule;
use super::matcher::Matcher;
use crate::domain::Labels;

/// Where an alert came from: matched as labels `__source__` and `__receiver__`,
/// whatever the sender puts into labels of these names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    /// Name of the source (`?source=`, or the default of the sender's kind).
    pub source: &'a str,
    /// The sender's receiver.
    pub receiver: &'a str,
}

impl<'a> Origin<'a> {
    const SOURCE: &'static str = "__source__";
    const RECEIVER: &'static str = "__receiver__";

    /// The value that matchers of that label see; "" when it is missing.
    pub fn value<'v>(self, labels: &'v Labels<'_>, name: &str) -> &'v str
    where
        'a: 'v,
    {
        match name {
            Self::SOURCE => self.source,
            Self::RECEIVER => self.receiver,
            _ => labels.get(name).unwrap_or_default(),
        }
    }
}

/// Memory that [`Router::route`] uses again and again.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Lists being merged, the one with the earliest rule on top.
    lists: BinaryHeap<Reverse<(usize, Span)>>,
    found: Vec<usize>,
}

/// A part of [`Router::postings`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Span {
    start: usize,
    end: usize,
}

/// A list of rules. Most hold one, which is kept in place: with 100,000 rules
/// every step into memory counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    One(usize),
    Many(Span),
}

/// What the router knows of a rule.
#[derive(Debug, Clone)]
pub struct Route {
    /// All must pass; none: everything matches.
    pub matchers: Arc<[Matcher]>,
    /// Whether a match lets later rules match too.
    pub continues: bool,
}

impl From<&Rule> for Route {
    fn from(rule: &Rule) -> Self {
        Self { matchers: rule.matchers.clone(), continues: rule.continues }
    }
}

impl Route {
    fn matches(&self, labels: &Labels<'_>, origin: Origin<'_>) -> bool {
        self.matchers.iter().all(|m| m.matches(origin.value(labels, m.name())))
    }
}

/// Rules in their order, filed for look-up.
#[derive(Debug)]
pub struct Router {
    routes: Vec<Route>,
    checks: Checks,
    files: HashMap<Box<str>, LabelFile, FastHash>,
    /// Positions in `routes`, one ascending list after the other.
    postings: Vec<usize>,
    always: List,
}

/// Rules that are filed under one label. The keys are hashes: a collision
/// makes a candidate that its checks refuse.
#[derive(Debug, Default)]
struct LabelFile {
    words: HashMap<u64, List, HashedAlready>,
    /// Distinct lengths of `starts`, ascending.
    start_lengths: Vec<usize>,
    starts: HashMap<u64, List, HashedAlready>,
    sets: Vec<ExpressionSet>,
}

/// Expressions scanned together, with the rules of each.
#[derive(Debug)]
struct ExpressionSet {
    /// `None`: too large to be scanned as one; all its rules are candidates.
    set: Option<RegexSet>,
    lists: Vec<List>,
}

impl Router {
    /// Files the rules.
    pub fn new(routes: Vec<Route>) -> Self {
        let (drafts, always) = Draft::of(&routes);
        let mut postings = Vec::with_capacity(routes.len());
        let files = drafts.into_iter().map(|(name, draft)| (name.into(), draft.file(&mut postings)));
        let files = files.collect();
        let always = append(&mut postings, &always);
        let checks = Checks::of(&routes);
        Self { routes, checks, files, postings, always }
    }

    /// The rules that match, as positions in ascending order: all up to the
    /// first that does not continue. Allocates nothing once `scratch` has grown,
    /// unless a label has expressions that can only be scanned as a set.
    pub fn route<'s>(
        &self,
        labels: &Labels<'_>,
        origin: Origin<'_>,
        scratch: &'s mut Scratch,
    ) -> &'s [usize] {
        let Scratch { lists, found } = scratch;
        lists.clear();
        found.clear();
        let mut add = |list| self.start(lists, list);
        add(self.always);
        let pseudo = [(Origin::SOURCE, origin.source), (Origin::RECEIVER, origin.receiver)];
        for (name, value) in labels.iter().chain(pseudo) {
            // Nothing is filed under the empty value: it also means "missing".
            if let Some(file) = self.files.get(name).filter(|_| !value.is_empty()) {
                file.look_up(value, &mut add);
            }
        }
        let mut last = None;
        while let Some(Reverse((rule, rest))) = lists.pop() {
            self.go_on(lists, rest);
            if last.replace(rule) == Some(rule) {
                continue;
            }
            if let Some(continues) = self.checks.pass(rule, labels, origin) {
                found.push(rule);
                if !continues {
                    break;
                }
            }
        }
        found
    }

    /// What [`route`](Self::route) answers, found by asking every rule in order.
    /// The yardstick of its tests and its benchmark.
    pub fn route_linear(&self, labels: &Labels<'_>, origin: Origin<'_>) -> Vec<usize> {
        let mut found = Vec::new();
        for (at, route) in self.routes.iter().enumerate() {
            if route.matches(labels, origin) {
                found.push(at);
                if !route.continues {
                    break;
                }
            }
        }
        found
    }

    fn start(&self, lists: &mut BinaryHeap<Reverse<(usize, Span)>>, list: List) {
        match list {
            List::One(rule) => lists.push(Reverse((rule, Span::default()))),
            List::Many(span) => self.go_on(lists, span),
        }
    }

    fn go_on(&self, lists: &mut BinaryHeap<Reverse<(usize, Span)>>, span: Span) {
        if span.start < span.end
            && let Some(rule) = self.postings.get(span.start)
        {
            lists.push(Reverse((*rule, Span { start: span.start + 1, end: span.end })));
        }
    }
}

impl LabelFile {
    fn look_up(&self, value: &str, mut add: impl FnMut(List)) {
        if !self.words.is_empty()
            && let Some(list) = self.words.get(&hash_of(value.as_bytes()))
        {
            add(*list);
        }
        for length in &self.start_lengths {
            let Some(start) = value.as_bytes().get(..*length) else { break };
            if let Some(list) = self.starts.get(&hash_of(start)) {
                add(*list);
            }
        }
        for ExpressionSet { set, lists } in &self.sets {
            match set {
                Some(set) => {
                    set.matches(value).iter().filter_map(|at| lists.get(at)).copied().for_each(&mut add);
                }
                None => lists.iter().copied().for_each(&mut add),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::matcher;
    use super::*;

    const ORIGIN: Origin<'static> = Origin { source: "alertmanager", receiver: "feishu" };

    fn route(matchers: &str, continues: bool) -> Route {
        Route { matchers: matcher::parse(matchers).unwrap().into(), continues }
    }

    fn routed(router: &Router, labels: &[(&str, &str)]) -> Vec<usize> {
        let labels = labels.iter().copied().collect();
        let found = router.route(&labels, ORIGIN, &mut Scratch::default()).to_vec();
        assert_eq!(found, router.route_linear(&labels, ORIGIN));
        found
    }

    #[test]
    fn the_first_match_owns_and_continue_lets_later_ones_in() {
        let router = Router::new(vec![
            route(r#"{team="db",env="prod"}"#, false),
            route(r#"{env=~"prod|stage"}"#, true),
            route(r#"{team=~"d.*"}"#, false),
            route("{}", false),
        ]);
        assert_eq!(routed(&router, &[("team", "db"), ("env", "prod")]), [0]);
        assert_eq!(routed(&router, &[("team", "db"), ("env", "stage")]), [1, 2]);
        assert_eq!(routed(&router, &[("team", "web"), ("env", "stage")]), [1, 3]);
        assert_eq!(routed(&router, &[]), [3]);
    }

    #[test]
    fn pseudo_labels_tell_the_origin_whatever_the_sender_claims() {
        let router = Router::new(vec![
            route(r#"{__source__="grafana"}"#, false),
            route(r#"{__receiver__=~"feishu.*",__source__!=""}"#, false),
        ]);
        assert_eq!(routed(&router, &[("__source__", "grafana"), ("__receiver__", "")]), [1]);
    }

    #[test]
    fn rules_are_filed_under_their_rarest_word() {
        let rules = (0..1_000).map(|n| route(&format!(r#"{{env="prod",service="s{n}"}}"#), true));
        let router = Router::new(rules.collect());
        let list = router.files["service"].words[&hash_of(b"s7")];
        assert_eq!((list, router.files.contains_key("env")), (List::One(7), false));
        assert_eq!(routed(&router, &[("env", "prod"), ("service", "s7")]), [7]);
    }

    #[test]
    fn a_thousand_expressions_are_scanned_in_sets() {
        let rules = (0..1_000).map(|n| route(&format!(r#"pod=~"[a-z]+-{n}-[0-9a-f]+""#), true));
        let router = Router::new(rules.collect());
        assert_eq!(router.always, List::Many(Span::default()));
        assert_eq!(routed(&router, &[("pod", "web-321-7d9f")]), [321]);
    }

    const NAMES: [&str; 6] = ["env", "team", "pod", "名", "__source__", "__receiver__"];
    const VALUES: [&str; 12] =
        ["", "dev", "test", "db", "web-1", "web-2", "web-1-canary", "grafana", "feishu", "值", "a\nb", "DEV"];
    const EXPRESSIONS: [&str; 18] = [
        "",
        ".*",
        ".+",
        "dev|test",
        "dev|",
        "web-.*",
        "web-[12]",
        "web-\\\\d.+",
        ".*-canary",
        ".*e.*",
        "(?i)dev",
        "(web|api)-.*",
        "[^d]+",
        "a.b",
        "^db$",
        "值?",
        "(dev|web-.*)",
        "g.*a",
    ];

    fn matcher() -> impl Strategy<Value = String> {
        let name = prop::sample::select(&NAMES);
        prop_oneof![
            (name.clone(), prop::sample::select(vec!["=", "!="]), prop::sample::select(&VALUES))
                .prop_map(|(name, op, value)| format!("{name}{op}{value:?}")),
            (name, prop::sample::select(vec!["=~", "!~"]), prop::sample::select(&EXPRESSIONS))
                .prop_map(|(name, op, value)| format!("{name}{op}\"{value}\"")),
        ]
    }

    fn rule() -> impl Strategy<Value = Route> {
        (prop::collection::vec(matcher(), 0..4), any::<bool>())
            .prop_map(|(matchers, continues)| route(&format!("{{{}}}", matchers.join(",")), continues))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        #[test]
        fn the_index_agrees_with_asking_every_rule(
            rules in prop::collection::vec(rule(), 0..40),
            alerts in prop::collection::vec(
                (
                    prop::collection::btree_map(prop::sample::select(&NAMES), prop::sample::select(&VALUES), 0..5),
                    prop::sample::select(&VALUES),
                    prop::sample::select(&VALUES),
                ),
                10,
            ),
        ) {
            let router = Router::new(rules);
            let mut scratch = Scratch::default();
            for (labels, source, receiver) in &alerts {
                let labels: Labels<'_> = labels.iter().map(|(n, v)| (*n, *v)).collect();
                let origin = Origin { source, receiver };
                prop_assert_eq!(router.route(&labels, origin, &mut scratch), router.route_linear(&labels, origin));
            }
        }
    }
}
