//! Reads the rules and answers from them: which rule owns an alert, which
//! severity it has, which incident it belongs to, who is to be paged, who is on call.
//!
//! The edge reads the files and hands their texts to [`RuleSet::load`]; nothing
//! here opens a file or reads a clock. A [`RuleSet`] never changes: a reload makes
//! a new one, or keeps the old one when the new text has mistakes.
//!
//! # Invariants
//!
//! * A loaded set is closed: every person, team, chat, schedule, calendar and severity it
//!   names exists in it.
//! * All mistakes are reported at once, each with `file:line:column` and a way out.
//! * Same files, same set, whatever order they are passed in.
//! * [`RuleSet::route`] agrees with asking every rule in order (proved by property test).
//!
//! When a step runs and how loudly is said by `escalation`; how people are found
//! in Feishu's directory by `feishu`. Neither belongs here.

#![warn(missing_docs)]

mod cases;
mod document;
mod duration;
mod finding;
mod load;
mod matcher;
mod pattern;
mod roster;
mod router;
mod schedule;
mod severity;
mod shared_calendars;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use sha2::{Digest, Sha256};

use crate::domain::{Budget, ChatId, IncidentKey, Labels, Person, Policy, Severity, Target};

pub use cases::{Case, CaseDeed, CaseEvent, Cases, ExpectedPage, parse as parse_cases};
pub use duration::{format as format_duration, parse as parse_duration};
pub use finding::{Finding, RuleError, Spot, Warning};
pub use load::{
    BROKEN_TEMPLATE, BUDGET as BUDGET_BELOW_LADDER, CARD_TOO_LARGE, LINTS, UNKNOWN_TEMPLATE, UNREAD_CALENDAR,
    shared_calendars,
};
pub use matcher::{BadMatcher, MatchOp, Matcher, parse as parse_matchers};
pub use router::{Origin, Route, Router, Scratch};
use schedule::{Calendar, Schedule};
pub use schedule::{Gap, OnCall, Shift, Source};
use severity::SeverityTable;
pub use shared_calendars::{CalendarAddress, CalendarCopy, Calendars, calendar_problem, masked};

/// A rules file that the edge has read.
#[derive(Debug, Clone, Copy)]
pub struct SourceFile<'a> {
    /// Its name in messages; the files are taken in the order of their names.
    pub path: &'a str,
    /// Its content.
    pub text: &'a str,
}

/// One rule, with all its names resolved and its defaults filled in.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Unique; part of the identity of its incidents.
    pub name: String,
    /// What an alert must pass; empty: every alert does.
    pub matchers: Arc<[Matcher]>,
    /// Chats that get the card, each once, in the rule's order.
    pub chats: Vec<ChatId>,
    /// Whom to page: the policy it names, one step at once for `notify`, no step
    /// without either.
    pub policy: Policy,
    /// The policy's name; `None` where the rule says itself whom to page, or nobody.
    pub policy_name: Option<String>,
    /// Its alerts are signs of life, and silence becomes an incident. `None`: as
    /// most alerts, they are news when they come.
    pub heartbeat: Option<HeartbeatRule>,
    /// Whether to pin; `None`: as the severity says.
    pub pin: Option<bool>,
    /// The card's template, `templates/<locale>/<template>.hbs`.
    pub template: String,
    /// Labels whose values make the group, sorted; `None`: the sender's groups.
    /// An empty list makes one incident of all alerts of the rule.
    pub group_by: Option<Vec<String>>,
    /// How long a new incident collects alerts before it pages. Not negative.
    pub group_wait: SignedDuration,
    /// A re-fire so soon after the end reopens the incident. Not negative.
    pub reopen_within: SignedDuration,
    /// How long an alert that its sender stopped mentioning still counts. Positive.
    pub stale_after: SignedDuration,
    /// Whether what happens is told in the thread of the card, besides on it.
    pub thread: bool,
    /// Whether people who are to be buzzed are added to the chat if they are not in it.
    pub invite: bool,
    /// Whether later rules may match an alert of this rule too.
    pub continues: bool,
}

/// What a rule expects of the beats that match it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatRule {
    /// How often one must come at least. Positive.
    pub every: SignedDuration,
    /// Name of the severity that silence has.
    pub severity: String,
}

impl Rule {
    /// The first of its matchers that an alert does not pass, with the value it
    /// looked at; `None` if the rule matches.
    pub fn first_failed<'a>(
        &'a self,
        labels: &'a Labels<'_>,
        origin: Origin<'a>,
    ) -> Option<(&'a Matcher, &'a str)> {
        let tried = self.matchers.iter().map(|matcher| (matcher, origin.value(labels, matcher.name())));
        tried.into_iter().find(|(matcher, value)| !matcher.matches(value))
    }

    /// Whose sign of life a beat is: of the group by the rule's `group_by`
    /// labels, else of the rule as a whole, whatever groups the sender makes.
    pub fn heartbeat_key(&self, labels: &Labels<'_>, origin: Origin<'_>) -> IncidentKey {
        match self.group_by {
            Some(_) => self.incident_key(labels, origin, ""),
            None => self.heartbeat_unseen(),
        }
    }

    /// The key under which the rule's beats are awaited before any has come.
    pub fn heartbeat_unseen(&self) -> IncidentKey {
        IncidentKey { rule: self.name.clone(), group: String::new() }
    }

    /// Which incident an alert that this rule owns belongs to.
    ///
    /// The group is a digest of the sender's `(source, receiver, group key)`, or
    /// of the values of the rule's `group_by` labels (`__source__` and
    /// `__receiver__` count as such). It is stored: the digest must not change
    /// from release to release, or open incidents lose their alerts.
    pub fn incident_key(&self, labels: &Labels<'_>, origin: Origin<'_>, group_key: &str) -> IncidentKey {
        let group = match &self.group_by {
            None => digest("sender", [origin.source, origin.receiver, group_key]),
            Some(names) => digest("labels", names.iter().flat_map(|n| [n.as_str(), origin.value(labels, n)])),
        };
        IncidentKey { rule: self.name.clone(), group }
    }
}

/// Who is told when a ladder is used up and nobody has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatchAll {
    /// Whom to page. May be empty if there is a chat.
    pub targets: Vec<Target>,
    /// The chat that gets the card.
    pub chat: Option<ChatId>,
    /// How often, until somebody answers. Positive.
    pub every: SignedDuration,
}

/// How much is told one by one while a lot happens at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storm {
    /// Incidents new to a chat within a minute that get a card of their own; the
    /// rest is listed on one. `None`: every one gets its card.
    pub cards_per_minute: Option<u32>,
    /// Pages of one person within that time share a buzz. Not negative; zero:
    /// each has its own.
    pub share_buzz: SignedDuration,
}

impl Storm {
    /// What counts where the rules do not say.
    pub const DEFAULT: Self = Self { cards_per_minute: Some(20), share_buzz: SignedDuration::from_secs(30) };
}

/// Where a rule stands.
#[derive(Debug, Clone)]
struct RuleSpots {
    name: Spot,
    template: Option<Spot>,
    /// Name of its policy.
    policy: Option<String>,
}

/// A policy by its name, with the places of its steps.
#[derive(Debug)]
struct Ladder {
    name: String,
    policy: Policy,
    steps: Vec<Spot>,
}

/// The rules as loaded: consistent, resolved, ready to answer.
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<Rule>,
    router: Router,
    severities: SeverityTable,
    people: BTreeMap<String, Person>,
    chats: BTreeMap<String, ChatId>,
    teams: BTreeMap<String, Vec<String>>,
    calendars: BTreeMap<String, (Spot, Arc<Calendar>)>,
    ladders: Vec<Ladder>,
    /// One for each of `rules`.
    spots: Vec<RuleSpots>,
    schedules: BTreeMap<String, Schedule>,
    catch_all: Option<CatchAll>,
    storm: Storm,
    own: Option<Rule>,
    budget: Budget,
}

impl RuleSet {
    /// Reads and joins rules files: lists one after the other in the order of
    /// the file names, mappings united. The set with things worth a second look,
    /// or every mistake found, both in the order of their places.
    ///
    /// What a file may leave out:
    ///
    /// | key | default |
    /// |---|---|
    /// | `severities` | `critical` (phone, pin), `warning` (app), `info` (none), which understand the usual words, `p0`–`p5`, `sev0`–`sev5` and `1`–`5` |
    /// | `default_severity` | `warning` if there is one, else the quietest that buzzes, else the loudest |
    /// | a severity's `values` | its name, which always counts |
    /// | a severity's `pin` | `false` |
    /// | a severity's `ack_timeout` | an acknowledgement holds until the end |
    /// | a severity's `acknowledge` | `anyone`; else `targets` |
    /// | a calendar's `closed`, `open` | no day |
    /// | a layer's `rotate` | `weekly`; needed as soon as two people are in `who` |
    /// | a layer's `at` | where its `hours` begin, else midnight; of `weekly` on Mondays |
    /// | a layer's `from` | no beginning; turns are counted from Monday 2024-01-01 |
    /// | a layer's `hours`, `days`, `calendar` | always |
    /// | a layer's `timezone` | the schedule's |
    /// | a layer's `ical` | it has `who`, and perhaps `rotate` |
    /// | a step's `wait` | `0s` for the first; the others need one |
    /// | a step's `urgent` | as loud as the severity allows |
    /// | a step's `when` | always |
    /// | a policy's `repeat` | `0` |
    /// | `catch_all` | nobody is told |
    /// | its `every` | `30m` |
    /// | `storm` | on, as follows |
    /// | its `cards_per_minute` | `20` a chat; `0`: every incident gets its card |
    /// | its `share_buzz` | `30s` a person; `0`: every page buzzes |
    /// | a rule's `match` | every alert |
    /// | a rule's `heartbeat` | its alerts are news, not signs of life |
    /// | its `severity` | the loudest |
    /// | a rule's `pin` | the severity's |
    /// | a rule's `template` | `alert` |
    /// | a rule's `group_by` | the sender's groups |
    /// | a rule's `group_wait` | `0s` |
    /// | a rule's `reopen_within` | `10m` |
    /// | a rule's `stale_after` | `1h` |
    /// | a rule's `thread` | `false` |
    /// | a rule's `invite` | `false`: whoever is not in the chat gets a direct message |
    /// | `budget`, each of its limits | no limit; `reserve`: none |
    /// Layers with a shared calendar have nobody; see [`load_with`](Self::load_with).
    pub fn load(files: &[SourceFile<'_>]) -> Result<(Self, Vec<Warning>), Vec<RuleError>> {
        Self::load_with(files, &Calendars::new())
    }

    /// As [`load`](Self::load), with the [shared calendars](shared_calendars()) that the files
    /// name. One that cannot be read is a mistake if it is a file, else bad luck and a warning.
    pub fn load_with(
        files: &[SourceFile<'_>],
        calendars: &Calendars,
    ) -> Result<(Self, Vec<Warning>), Vec<RuleError>> {
        load::load(files, calendars)
    }

    /// JSON Schema 2020-12 of a rules file, with a description for every key. It is
    /// made from the types that read the files.
    pub fn schema() -> serde_json::Value {
        document::schema()
    }

    /// Which rules an alert falls to, as positions in [`rules`](Self::rules): the
    /// first that matches, and later ones as long as each matching rule continues.
    pub fn route_into<'s>(
        &self,
        labels: &Labels<'_>,
        origin: Origin<'_>,
        scratch: &'s mut Scratch,
    ) -> &'s [usize] {
        self.router.route(labels, origin, scratch)
    }

    /// [`route_into`](Self::route_into) for callers without a scratch.
    pub fn route(&self, labels: &Labels<'_>, origin: Origin<'_>) -> Vec<usize> {
        self.router.route(labels, origin, &mut Scratch::default()).to_vec()
    }

    /// All rules, in their order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Where the rule at a position in [`rules`](Self::rules) is named.
    pub fn spot(&self, index: usize) -> Option<&Spot> {
        Some(&self.spots.get(index)?.name)
    }

    /// The policy that the rule at a position in [`rules`](Self::rules) names;
    /// `None` for one of its own, made of its `notify`.
    pub fn policy_name(&self, index: usize) -> Option<&str> {
        self.spots.get(index)?.policy.as_deref()
    }

    /// Where the rule at a position in [`rules`](Self::rules) names its template,
    /// else where the rule itself is named.
    pub fn template_spot(&self, index: usize) -> Option<&Spot> {
        let spots = self.spots.get(index)?;
        Some(spots.template.as_ref().unwrap_or(&spots.name))
    }

    /// The rule that owns larkhorn's own alerts: it tells the catch-all. `None`
    /// without one. It is not among [`rules`](Self::rules) and matches nothing.
    pub fn own(&self) -> Option<&Rule> {
        self.own.as_ref()
    }

    /// The rule at a position in [`rules`](Self::rules); behind the last, [`own`](Self::own).
    pub fn at(&self, index: usize) -> Option<&Rule> {
        if index == self.rules.len() { self.own() } else { self.rules.get(index) }
    }

    /// The rule of that name, [`own`](Self::own) included.
    pub fn named(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().chain(&self.own).find(|rule| rule.name == name)
    }

    /// How bad an alert is: of its labels `severity`, `priority` and `level` the
    /// first whose value, in any case, the table knows; else the default severity.
    pub fn severity(&self, labels: &Labels<'_>) -> &Severity {
        self.severities.of(labels)
    }

    /// The label that says how bad an alert is; `None`: it has the default severity.
    pub fn severity_label(&self, labels: &Labels<'_>) -> Option<&'static str> {
        self.severities.label_of(labels)
    }

    /// The severity table, loudest first. Never empty.
    pub fn severities(&self) -> &[Severity] {
        self.severities.rows()
    }

    /// Who is told when a ladder is used up, if anybody.
    pub fn catch_all(&self) -> Option<&CatchAll> {
        self.catch_all.as_ref()
    }

    /// What calls and text messages may cost.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// What is told together when a lot happens at once.
    pub fn storm(&self) -> Storm {
        self.storm
    }

    /// The person of that name.
    pub fn person(&self, name: &str) -> Option<&Person> {
        self.people.get(name)
    }

    /// All people, by name.
    pub fn people(&self) -> impl ExactSizeIterator<Item = &Person> {
        self.people.values()
    }

    /// The chat of that name.
    pub fn chat(&self, name: &str) -> Option<&ChatId> {
        self.chats.get(name)
    }

    /// All chats with their names, by name.
    pub fn chats(&self) -> impl ExactSizeIterator<Item = (&str, &ChatId)> {
        self.chats.iter().map(|(name, id)| (name.as_str(), id))
    }
}

/// 128 bits of a SHA-256 in hexadecimal. Each part goes with its length, so that
/// no two lists of parts read the same.
fn digest<'a>(kind: &'a str, parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for part in std::iter::once(kind).chain(parts) {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        hash.update(length.to_be_bytes());
        hash.update(part);
    }
    let bytes = hash.finalize();
    hex::encode(bytes.get(..16).unwrap_or(&bytes))
}
