//! How long it takes to find an alert's rules, against asking every rule.
//!
//! Three rule sets: `mixed` (80 % two equalities, 10 % alternations, 10 % an
//! expression with a known beginning and a negation; every rule continues),
//! `first` (the same, the first match owns, a match-all ends it) and `hostile`
//! (nothing but expressions of which nothing is known beforehand, so that only sets of
//! expressions help). Alerts have 20 labels. Rounds are interleaved over the sizes.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use larkhorn::domain::Labels;
use larkhorn::rules::{Origin, Route, Router, RuleSet, Scratch, SourceFile};

const ROUNDS: usize = 7;
const ALERTS: usize = 500;
/// Timed passes over the alerts in a round, after one that warms the caches
/// again: the linear search of the other sizes has swept them.
const PASSES: usize = 10;
const ORIGIN: Origin<'static> = Origin { source: "alertmanager", receiver: "feishu" };

pub(crate) fn run() {
    println!(
        "   set       rules     load    index  indexed µs (worst)     linear µs   faster   vs 100 rules"
    );
    for (set, sizes) in [
        ("mixed", &[100, 1_000, 10_000, 100_000][..]),
        ("first", &[100, 1_000, 10_000, 100_000]),
        ("hostile", &[100, 1_000, 5_000]),
    ] {
        let mut cases: Vec<Case> = sizes.iter().map(|size| Case::new(set, *size)).collect();
        for _ in 0..ROUNDS {
            cases.iter_mut().for_each(Case::round);
        }
        let base = median(&mut cases[0].indexed);
        for case in &mut cases {
            case.print(set, base);
        }
    }
}

struct Case {
    rules: usize,
    loaded_in: Duration,
    indexed_in: Duration,
    router: Router,
    alerts: Vec<Labels<'static>>,
    scratch: Scratch,
    /// Microseconds per alert, one value a round.
    indexed: Vec<f64>,
    linear: Vec<f64>,
}

impl Case {
    fn new(set: &str, rules: usize) -> Self {
        let text = yaml(set, rules);
        let started = Instant::now();
        let (loaded, _) = RuleSet::load(&[SourceFile { path: "bench.yaml", text: &text }]).unwrap();
        let loaded_in = started.elapsed();
        let filed: Vec<Route> = loaded.rules().iter().map(Route::from).collect();
        drop(loaded);
        let started = Instant::now();
        let router = Router::new(filed);
        let indexed_in = started.elapsed();
        let alerts: Vec<Labels<'static>> = (0..ALERTS).map(|n| alert(n * 7_919 % rules)).collect();
        let mut case = Self {
            rules,
            loaded_in,
            indexed_in,
            router,
            alerts,
            scratch: Scratch::default(),
            indexed: Vec::new(),
            linear: Vec::new(),
        };
        case.assert_agreement();
        case
    }

    /// How many alerts the linear search gets, so that it takes about as long at each size.
    fn sample(&self) -> usize {
        (200_000 / self.rules).clamp(20, ALERTS)
    }

    fn assert_agreement(&mut self) {
        let mut matches = 0;
        for labels in self.alerts.iter().take(self.sample()) {
            let found = self.router.route(labels, ORIGIN, &mut self.scratch);
            assert_eq!(found, self.router.route_linear(labels, ORIGIN));
            matches += found.len();
        }
        assert!(matches >= self.sample(), "{matches} matches: the alerts hardly meet the rules");
    }

    fn pass(&mut self) {
        for labels in &self.alerts {
            black_box(self.router.route(black_box(labels), ORIGIN, &mut self.scratch).len());
        }
    }

    fn round(&mut self) {
        let per_alert = |elapsed: Duration, alerts: usize| {
            elapsed.as_secs_f64() * 1e6 / f64::from(u32::try_from(alerts).unwrap())
        };
        self.pass();
        let started = Instant::now();
        for _ in 0..PASSES {
            self.pass();
        }
        self.indexed.push(per_alert(started.elapsed(), PASSES * self.alerts.len()));
        let sample = self.sample();
        let started = Instant::now();
        for labels in self.alerts.iter().take(sample) {
            black_box(self.router.route_linear(black_box(labels), ORIGIN).len());
        }
        self.linear.push(per_alert(started.elapsed(), sample));
    }

    fn print(&mut self, set: &str, base: f64) {
        let (indexed, linear) = (median(&mut self.indexed), median(&mut self.linear));
        let worst = self.indexed.last().copied().unwrap();
        println!(
            "{set:>8} {:>9} {:>6} ms {:>5} ms {indexed:>10.2} ({worst:>6.2}) {linear:>12.1} {:>7.0}x {:>13.2}x",
            self.rules,
            self.loaded_in.as_millis(),
            self.indexed_in.as_millis(),
            linear / indexed,
            indexed / base,
        );
    }
}

/// Sorts, too: the last is the worst.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn yaml(set: &str, rules: usize) -> String {
    let mut text = String::from("chats: {sre: oc_sre}\nrules:\n");
    for n in 0..rules {
        let (env, team, other) = (env(n), n % 50, (n + 1) % rules);
        let matchers = match (set, n % 10) {
            ("hostile", _) => format!(r#"['alertname=~"[A-Z].*Error[0-9]*Of{n}(Rate|Count)"']"#),
            (_, 8) => format!(r#"['service=~"svc-{n}|svc-{other}"', 'team="team-{team}"']"#),
            (_, 9) => format!(r#"['pod=~"svc-{n}-[0-9a-f]+-.*"', 'env!~"dev|test"']"#),
            _ => format!(r#"['service="svc-{n}"', 'env="{env}"']"#),
        };
        let continues = set != "first";
        writeln!(text, "  - {{name: r{n}, chat: sre, match: {matchers}, continue: {continues}}}").unwrap();
    }
    text.push_str("  - {name: rest, chat: sre}\n");
    text
}

fn env(n: usize) -> &'static str {
    ["prod", "stage", "canary"][n % 3]
}

/// An alert of 20 labels that rule `n` and perhaps a neighbour match.
fn alert(n: usize) -> Labels<'static> {
    let pairs = [
        ("alertname", format!("CheckoutError5Of{n}Rate")),
        ("alertgroup", "checkout.rules".to_owned()),
        ("cluster", format!("cn-{}", n % 7)),
        ("container", "app".to_owned()),
        ("datacenter", "sh-2".to_owned()),
        ("endpoint", "http-metrics".to_owned()),
        ("env", env(n).to_owned()),
        ("instance", format!("10.0.{}.{}:9100", n / 250 % 250, n % 250)),
        ("job", "kubernetes-pods".to_owned()),
        ("monitor", "main".to_owned()),
        ("namespace", format!("ns-{}", n % 40)),
        ("node", format!("node-{}", n % 300)),
        ("owner", "platform".to_owned()),
        ("pod", format!("svc-{n}-7d9f4b-x2x9z")),
        ("prometheus", "monitoring/k8s".to_owned()),
        ("region", "cn-east".to_owned()),
        ("service", format!("svc-{n}")),
        ("severity", "critical".to_owned()),
        ("team", format!("team-{}", n % 50)),
        ("zone", "b".to_owned()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
