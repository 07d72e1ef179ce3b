//! What stays the same from seed to seed: the rules, the alerts that may fire,
//! the people, and the core that is tried.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::{Action, Actor, Answer, Fingerprint, Labels, Recipients, Standing, Target, Window};
use larkhorn::escalation::{self, CatchAll, Effect, Event, Observation, Roster};
use larkhorn::rules::{RuleSet, SourceFile};

use crate::events::Cast;

/// The core, or one that somebody has broken.
pub(crate) trait Core {
    fn open(
        &self,
        observation: &Observation,
        roster: &dyn Roster,
        now: Timestamp,
    ) -> Option<(Standing, Vec<Effect>)> {
        escalation::open(observation, roster, now)
    }

    fn advance(
        &self,
        standing: Standing,
        event: &Event,
        roster: &dyn Roster,
        now: Timestamp,
    ) -> (Standing, Vec<Effect>) {
        escalation::advance(standing, event, roster, now)
    }

    fn act(
        &self,
        standing: Standing,
        action: &Action,
        actor: &Actor,
        (epoch, roster): (Option<u64>, &dyn Roster),
        now: Timestamp,
    ) -> (Standing, Vec<Effect>, Answer) {
        escalation::act(standing, action, actor, epoch, roster, now)
    }

    /// Whether an effect takes back the buzzes that still wait: the store's part.
    fn takes_back(&self, effect: &Effect) -> bool {
        matches!(effect, Effect::Unpin { .. })
    }
}

/// The core as it is shipped.
pub(crate) struct Shipped;

impl Core for Shipped {}

/// The rules as a roster, in the way the engine reads them.
pub(crate) struct Rules<'a>(pub(crate) &'a RuleSet);

impl Roster for Rules<'_> {
    fn recipients(&self, targets: &[Target], now: Timestamp) -> Recipients {
        self.0.recipients(targets, now).0
    }

    fn within(&self, window: &Window, now: Timestamp) -> bool {
        self.0.within(window, now)
    }

    fn catch_all(&self, now: Timestamp) -> Option<CatchAll> {
        let rules = self.0.catch_all()?;
        let mut recipients = self.recipients(&rules.targets, now);
        recipients.chats.extend(rules.chat.clone());
        Some(CatchAll { recipients, every: rules.every })
    }
}

/// An alert that may fire.
pub(crate) struct Series {
    pub(crate) labels: Labels<'static>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) group: usize,
}

/// Everything that no seed changes.
pub(crate) struct House {
    pub(crate) rules: Vec<RuleSet>,
    pub(crate) alerts: Vec<Series>,
}

/// Name of the sender and of its receiver.
pub(crate) const SOURCE: &str = "alertmanager";
/// Who may do something. One of them is in no rules, some only in a few.
pub(crate) const PEOPLE: [&str; 5] = ["lin", "mara", "otto", "wei", "a stranger"];
/// The sender's groups.
pub(crate) const GROUPS: [&str; 5] = ["core/a", "core/b", "shop", "rest", "flood"];
/// The group of which many alerts fire at once, and how many there are.
pub(crate) const FLOOD: usize = 4;
const FLOOD_ALERTS: usize = 24;
/// The longest that any of the rules leaves between two pages of the last resort;
/// it is also what holds where they name none.
pub(crate) const SILENCE_MAX: SignedDuration = SignedDuration::from_mins(30);

/// Group, team, cluster, name and severity of each alert.
const ALERTS: [(usize, &str, &str, &str, &str); 10] = [
    (0, "core", "a", "Latency", "p2"),
    (0, "core", "a", "Latency", "p0"),
    (0, "core", "a", "Errors", "p1"),
    (1, "core", "b", "Latency", "p0"),
    (1, "core", "b", "Disk", "none"),
    (2, "shop", "a", "Carts", "p1"),
    (2, "shop", "a", "Carts", "p2"),
    (2, "shop", "b", "Carts", "page"),
    (3, "none", "a", "Watchdog", "none"),
    (3, "none", "b", "Odd", "unheard-of"),
];

/// The one house all seeds share.
pub(crate) static HOUSE: LazyLock<House> = LazyLock::new(|| {
    let files = [
        ("full.yaml", include_str!("rules/full.yaml")),
        ("lean.yaml", include_str!("rules/lean.yaml")),
        ("loud.yaml", include_str!("rules/loud.yaml")),
    ];
    let load = |(path, text)| RuleSet::load(&[SourceFile { path, text }]).expect("good rules").0;
    let alerts = ALERTS.iter().map(|(group, team, cluster, name, severity)| {
        series(
            *group,
            [("alertname", *name), ("cluster", *cluster), ("severity", *severity), ("team", *team)],
        )
    });
    let flood = (0..FLOOD_ALERTS).map(|n| {
        let cluster: &'static str = format!("f{n}").leak();
        let severity = ["p0", "p1", "p2", "none"][n % 4];
        series(
            FLOOD,
            [("alertname", "Down"), ("cluster", cluster), ("severity", severity), ("team", "flood")],
        )
    });
    House { rules: files.into_iter().map(load).collect(), alerts: alerts.chain(flood).collect() }
});

fn series(group: usize, pairs: [(&'static str, &'static str); 4]) -> Series {
    let labels: Labels<'static> = pairs.into_iter().collect();
    Series { fingerprint: Fingerprint::of(&labels), labels, group }
}

/// The alerts of the flood: so many of them, from one on, round and round.
pub(crate) fn flood(first: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |n| ALERTS.len() + (first + n) % FLOOD_ALERTS)
}

/// All alerts of the flood.
pub(crate) fn whole_flood() -> impl Iterator<Item = usize> {
    flood(0, FLOOD_ALERTS)
}

/// What scripts may name.
pub(crate) fn cast() -> Cast {
    let count = |n: usize| u64::try_from(n).expect("a small number");
    Cast {
        alerts: count(ALERTS.len()),
        patient: &[0, 6, 9],
        flood: count(FLOOD_ALERTS),
        groups: count(GROUPS.len()),
        people: count(PEOPLE.len()),
    }
}

/// The sender's key of a group.
pub(crate) fn group_key(group: usize) -> &'static str {
    GROUPS[group]
}
