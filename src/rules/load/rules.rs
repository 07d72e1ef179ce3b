//! `rules`: each with its matchers, whom it tells, and how it groups.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::{CHAT, Documents, Notes, PERSON, Place, RULE, Registry, place_of};
use crate::domain::{ChatId, Person, Policy, Step, Target};
use crate::rules::document::{OneOrMany, RuleEntry, Text};
use crate::rules::finding::unknown;
use crate::rules::{Matcher, Rule, SourceFile, duration, matcher};

const TEMPLATE: &str = "alert";
const REOPEN_WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// All rules in order, with the places of their names.
pub(super) fn load<'a>(
    documents: &mut Documents<'a>,
    people: &Registry<'a, Person>,
    chats: &Registry<'a, ChatId>,
    notes: &mut Notes,
) -> Vec<(Place<'a>, Rule)> {
    let mut names = Registry::new(RULE);
    let mut rules = Vec::new();
    for (file, document) in documents.iter_mut() {
        let mut reader = Reader { file: *file, people, chats, notes };
        for entry in document.rules.take().into_iter().flatten() {
            let at = place_of(file, &entry.name);
            names.add(&entry.name.value, at, (), reader.notes);
            rules.push((at, reader.rule(entry, at)));
        }
    }
    if rules.is_empty() && notes.complete {
        let place = documents.first().map_or("", |(file, _)| file.path);
        let place = Place { path: place, line: 1, column: 1 };
        notes.error(place, "there is no rule; add one under rules: with a name, and a chat or notify");
    }
    rules
}

/// Reads the rules of one file.
struct Reader<'r, 'a> {
    file: SourceFile<'a>,
    people: &'r Registry<'a, Person>,
    chats: &'r Registry<'a, ChatId>,
    notes: &'r mut Notes,
}

impl<'a> Reader<'_, 'a> {
    fn rule(&mut self, entry: RuleEntry, at: Place<'_>) -> Rule {
        let chat = entry.chat.map(OneOrMany::texts).unwrap_or_default();
        let notify = entry.notify.unwrap_or_default();
        if chat.is_empty() && notify.is_empty() {
            let message = format!("rule {:?} tells nobody; give it a chat or notify", entry.name.value);
            self.notes.error(at, message);
        }
        Rule {
            matchers: self.matchers(entry.matchers.map(OneOrMany::texts).unwrap_or_default()).into(),
            chats: self.chats(&chat),
            policy: self.policy(&notify),
            pin: entry.pin,
            template: entry.template.map_or_else(|| TEMPLATE.to_owned(), |name| self.template(name)),
            group_by: entry.group_by.map(|names| self.group_by(names)),
            group_wait: entry.group_wait.map_or(SignedDuration::ZERO, |text| self.duration(&text)),
            reopen_within: entry.reopen_within.map_or(REOPEN_WITHIN, |text| self.duration(&text)),
            continues: entry.continues,
            name: entry.name.value,
        }
    }

    fn matchers(&mut self, texts: Vec<Text>) -> Vec<Matcher> {
        let mut matchers = Vec::new();
        for text in texts {
            match matcher::parse(&text.value) {
                Ok(some) => matchers.extend(some),
                Err(bad) => {
                    let place = self.inside(&text, bad.at);
                    self.notes.error(place, format!("bad matcher: {}", bad.message));
                }
            }
        }
        matchers
    }

    fn chats(&mut self, names: &[Text]) -> Vec<ChatId> {
        self.each_once(names);
        let find = |name: &Text| {
            let place = place_of(&self.file, name);
            self.chats.find(&name.value, place, self.notes).cloned()
        };
        names.iter().filter_map(find).collect()
    }

    fn policy(&mut self, notify: &[Text]) -> Policy {
        self.each_once(notify);
        let targets: Vec<Target> = notify.iter().filter_map(|text| self.target(text)).collect();
        let step = Step { wait: SignedDuration::ZERO, notify: targets, urgent: None };
        let steps = if step.notify.is_empty() { Vec::new() } else { vec![step] };
        Policy { steps, repeat: 0 }
    }

    /// `lin`, `person:lin` or `chat:sre`.
    fn target(&mut self, text: &Text) -> Option<Target> {
        let place = place_of(&self.file, text);
        let (kind, name) = text.value.split_once(':').unwrap_or((PERSON.noun, &text.value));
        if kind == PERSON.noun {
            self.people.find(name, place, self.notes)?;
            Some(Target::Person(name.to_owned()))
        } else if kind == CHAT.noun {
            self.chats.find(name, place, self.notes)?;
            Some(Target::Chat(name.to_owned()))
        } else {
            let message = unknown("kind of target", "kinds", kind, [PERSON.noun, CHAT.noun]);
            self.notes.error(place, message);
            None
        }
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
        self.each_once(&names);
        for name in &names {
            let place = place_of(&self.file, name);
            if name.value == "..." {
                self.notes.error(place, "\"...\" is not a label; list the labels, or leave group_by out to keep the sender's groups");
            } else if name.value.is_empty() {
                self.notes.error(place, "an empty label name");
            } else if name.value == "severity" {
                self.notes
                    .warning(place, "grouping by severity opens a second incident when an alert gets worse");
            }
        }
        // Sorted, so that reordering the list keeps open incidents.
        let names: BTreeSet<String> = names.into_iter().map(|name| name.value).collect();
        names.into_iter().collect()
    }

    fn duration(&mut self, text: &Text) -> SignedDuration {
        duration::parse(&text.value).unwrap_or_else(|| {
            let message =
                format!("bad duration {:?}; write numbers with units, as in 30s, 5m, 1h30m, 2d", text.value);
            self.notes.error(place_of(&self.file, text), message);
            SignedDuration::ZERO
        })
    }

    fn each_once(&mut self, names: &[Text]) {
        let mut seen = BTreeSet::new();
        for name in names {
            if !seen.insert(name.value.as_str()) {
                self.notes
                    .error(place_of(&self.file, name), format!("{:?} is listed twice; keep one", name.value));
            }
        }
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
