//! `rules`: each with its matchers, whom it tells, and how it groups.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;

use super::policies::Ladder;
use super::teams::{Known, each_once};
use super::{Documents, Notes, Place, RULE, Registry, SEVERITY, lint, place_of, times};
use crate::domain::{ChatId, OWN_SOURCE, Policy, Severity, Step};
use crate::rules::document::{HeartbeatEntry, OneOrMany, RuleEntry, Text};
use crate::rules::{CatchAll, HeartbeatRule, Matcher, Rule, RuleSpots, SourceFile, matcher};

const TEMPLATE: &str = "alert";
const REOPEN_WITHIN: SignedDuration = SignedDuration::from_mins(10);
const STALE_AFTER: SignedDuration = SignedDuration::from_hours(1);
const STALE_AFTER_MIN: (SignedDuration, &str) = (SignedDuration::from_mins(1), "1m");
const HEARTBEAT_MIN: (SignedDuration, &str) = (SignedDuration::from_secs(10), "10s");

/// A rule, and where its parts stand.
pub(super) struct ReadRule<'a> {
    /// Of its name.
    pub(super) at: Place<'a>,
    pub(super) rule: Rule,
    /// Of its matchers, one for each.
    pub(super) matchers: Vec<Place<'a>>,
    /// Of its template's name, where it names one.
    pub(super) template: Option<Place<'a>>,
    /// The policy it names.
    pub(super) policy: Option<String>,
}

impl ReadRule<'_> {
    /// What outlives the text.
    pub(super) fn kept(self) -> (Rule, RuleSpots) {
        let template = self.template.map(Place::spot);
        let spots = RuleSpots { name: self.at.spot(), template, policy: self.policy };
        (self.rule, spots)
    }
}

/// All rules in order.
pub(super) fn load<'a>(
    documents: &mut Documents<'a>,
    known: &Known<'a>,
    policies: &Registry<'a, Ladder<'a>>,
    severities: &[Severity],
    notes: &mut Notes,
) -> Vec<ReadRule<'a>> {
    let mut names = Registry::new(RULE);
    let mut rules = Vec::new();
    for (file, document) in documents.iter_mut() {
        let mut reader = Reader { file: *file, known, policies, severities, notes };
        for entry in document.rules.take().into_iter().flatten() {
            let at = place_of(file, &entry.name);
            names.add(&entry.name.value, at, (), reader.notes);
            if entry.name.value == OWN_SOURCE {
                let message = format!("the name {OWN_SOURCE:?} is taken by larkhorn's own alerts");
                reader.notes.error(at, message);
            }
            rules.push(reader.rule(entry, at));
        }
    }
    // They may be under a key that is misspelled.
    let misread = notes.errors.iter().any(|error| error.code == "unknown-key");
    if rules.is_empty() && notes.complete && !misread {
        let place = documents.first().map_or("", |(file, _)| file.path);
        let place = Place { path: place, line: 1, column: 1 };
        notes.error(place, "there is no rule; add one under rules: with a name, and a chat or notify");
    }
    rules
}

/// The rule of larkhorn's own alerts: one step that tells the catch-all.
pub(super) fn own(catch_all: &CatchAll) -> Rule {
    let notify = catch_all.targets.clone();
    let step = Step { wait: SignedDuration::ZERO, notify, urgent: None, when: None };
    let steps = if step.notify.is_empty() { Vec::new() } else { vec![step] };
    Rule {
        name: OWN_SOURCE.to_owned(),
        matchers: Arc::new([]),
        chats: catch_all.chat.iter().cloned().collect(),
        policy: Policy { steps, repeat: 0 },
        policy_name: None,
        heartbeat: None,
        pin: None,
        template: TEMPLATE.to_owned(),
        group_by: None,
        group_wait: SignedDuration::ZERO,
        reopen_within: REOPEN_WITHIN,
        stale_after: STALE_AFTER,
        thread: false,
        invite: false,
        continues: false,
    }
}

/// Reads the rules of one file.
struct Reader<'r, 'a> {
    file: SourceFile<'a>,
    known: &'r Known<'a>,
    policies: &'r Registry<'a, Ladder<'a>>,
    severities: &'r [Severity],
    notes: &'r mut Notes,
}

impl<'a> Reader<'_, 'a> {
    fn rule(&mut self, entry: RuleEntry, at: Place<'a>) -> ReadRule<'a> {
        let chat = entry.chat.map(OneOrMany::texts).unwrap_or_default();
        let notify = entry.notify.unwrap_or_default();
        if chat.is_empty() && notify.is_empty() && entry.policy.is_none() {
            let message =
                format!("rule {:?} tells nobody; give it a chat, notify or a policy", entry.name.value);
            self.notes.error(at, message);
        }
        let (matchers, places) = self.matchers(entry.matchers.map(OneOrMany::texts).unwrap_or_default());
        let template = entry.template.as_ref().map(|name| place_of(&self.file, name));
        let rule = Rule {
            matchers: matchers.into(),
            chats: self.chats(&chat),
            policy: self.policy(entry.policy.as_ref(), &notify, &entry.name.value),
            policy_name: entry.policy.as_ref().map(|name| name.value.clone()),
            heartbeat: entry.heartbeat.map(|beat| self.heartbeat(beat)),
            pin: entry.pin,
            template: entry.template.map_or_else(|| TEMPLATE.to_owned(), |name| self.template(name)),
            group_by: entry.group_by.map(|names| self.group_by(names)),
            group_wait: entry.group_wait.map_or(SignedDuration::ZERO, |text| self.duration(&text)),
            stale_after: entry.stale_after.map_or(STALE_AFTER, |text| self.at_least(STALE_AFTER_MIN, &text)),
            thread: entry.thread,
            invite: entry.invite,
            reopen_within: entry.reopen_within.map_or(REOPEN_WITHIN, |text| self.duration(&text)),
            continues: entry.continues,
            name: entry.name.value,
        };
        let policy = entry.policy.map(|name| name.value);
        ReadRule { at, rule, matchers: places, template, policy }
    }

    fn matchers(&mut self, texts: Vec<Text>) -> (Vec<Matcher>, Vec<Place<'a>>) {
        let (mut matchers, mut places) = (Vec::new(), Vec::new());
        for text in texts {
            match matcher::parse(&text.value) {
                Ok(some) => {
                    matchers.extend(some);
                    places.resize(matchers.len(), place_of(&self.file, &text));
                }
                Err(bad) => {
                    let place = self.inside(&text, bad.at);
                    self.notes.error(place, format!("bad matcher: {}", bad.message));
                }
            }
        }
        (matchers, places)
    }

    fn chats(&mut self, names: &[Text]) -> Vec<ChatId> {
        each_once(names, &self.file, self.notes);
        names.iter().filter_map(|name| self.known.chat(name, &self.file, self.notes)).collect()
    }

    /// The policy of that name, else one step for `notify`.
    fn policy(&mut self, name: Option<&Text>, notify: &[Text], rule: &str) -> Policy {
        let targets = self.known.targets(notify, &self.file, self.notes);
        let Some(name) = name else {
            let step = Step { wait: SignedDuration::ZERO, notify: targets, urgent: None, when: None };
            let steps = if step.notify.is_empty() { Vec::new() } else { vec![step] };
            return Policy { steps, repeat: 0 };
        };
        let place = place_of(&self.file, name);
        if !notify.is_empty() {
            let message = format!("rule {rule:?} has both notify and policy; keep one");
            self.notes.error(place, message);
        }
        let found = self.policies.find(&name.value, place, self.notes);
        found.map(|ladder| ladder.policy.clone()).unwrap_or_default()
    }

    /// Silence is as loud as can be, unless the rule says otherwise: whoever
    /// watches everything else has gone.
    fn heartbeat(&mut self, entry: HeartbeatEntry) -> HeartbeatRule {
        let every = self.at_least(HEARTBEAT_MIN, &entry.every);
        let named = entry.severity.inspect(|name| {
            if !self.severities.iter().any(|row| row.name == name.value) {
                let known = self.severities.iter().map(|row| row.name.as_str());
                self.notes.not_found(place_of(&self.file, name), SEVERITY, &name.value, known);
            }
        });
        let loudest = || self.severities.first().map(|row| row.name.clone()).unwrap_or_default();
        HeartbeatRule { every, severity: named.map_or_else(loudest, |name| name.value) }
    }

    /// Template names become file names.
    fn template(&mut self, name: Text) -> String {
        let plain = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        if name.value.is_empty() || !name.value.chars().all(plain) {
            let message = format!(
                "bad template name {:?}; write it as letters, digits, - and _, without .hbs",
                name.value
            );
            self.notes.error(place_of(&self.file, &name), message);
        }
        name.value
    }

    fn group_by(&mut self, names: Vec<Text>) -> Vec<String> {
        each_once(&names, &self.file, self.notes);
        for name in &names {
            let place = place_of(&self.file, name);
            if name.value == "..." {
                self.notes.error(place, "\"...\" is not a label; list the labels, or leave group_by out to keep the sender's groups");
            } else if name.value.is_empty() {
                self.notes.error(place, "an empty label name");
            } else if name.value == "severity" {
                let message =
                    "grouping by severity opens a second incident when an alert gets worse; leave it out";
                self.notes.warning(lint::GROUPED_BY_SEVERITY, place, message);
            }
        }
        // Sorted, so that reordering the list keeps open incidents.
        let names: BTreeSet<String> = names.into_iter().map(|name| name.value).collect();
        names.into_iter().collect()
    }

    fn duration(&mut self, text: &Text) -> SignedDuration {
        times::span(text, &self.file, self.notes)
    }

    fn at_least(&mut self, least: (SignedDuration, &str), text: &Text) -> SignedDuration {
        times::span_of_at_least(least, text, &self.file, self.notes)
    }

    /// The place of a character of a text: the start of the text where the
    /// YAML spells it with escapes or over several lines.
    fn inside(&self, text: &Text, character: usize) -> Place<'a> {
        let start = place_of(&self.file, text);
        let line = usize::try_from(start.line - 1).ok().and_then(|n| self.file.text.lines().nth(n));
        let column = usize::try_from(start.column - 1).ok();
        let Some((at, _)) = line.zip(column).and_then(|(l, c)| l.char_indices().nth(c)) else { return start };
        let source = line.and_then(|l| l.get(at..)).unwrap_or_default();
        let inner = source.trim_start_matches(['\'', '"']);
        let quote = source.chars().count() - inner.chars().count();
        if quote > 1 || !inner.starts_with(&text.value) {
            return start;
        }
        let shift = u64::try_from(quote + character).unwrap_or_default();
        Place { column: start.column + shift, ..start }
    }
}
