//! `policies` and `catch_all`: who is told after whom, and at last.

use jiff::SignedDuration;

use super::teams::Known;
use super::{Documents, Notes, POLICY, Place, Registry, SEVERITY, Text, URGENT, lint, place_of, times};
use crate::domain::{ChatId, Days, Policy, Ranks, Severity, Step, Target, Urgent, When, Window};
use crate::rules::document::{
    CatchAllEntry, OneOrMany, PolicyEntry, StepEntry, WhenEntry, WindowEntry, place,
};
use crate::rules::{CatchAll, SourceFile};

/// Most rounds after the first: with waits of minutes that is days of buzzing.
const REPEAT_MAX: u16 = 100;
const EVERY: SignedDuration = SignedDuration::from_mins(30);
const EVERY_MIN: (SignedDuration, &str) = (SignedDuration::from_mins(1), "1m");

/// A policy with the places of its steps.
pub(super) struct Ladder<'a> {
    pub(super) policy: Policy,
    /// As many as the policy has steps.
    pub(super) steps: Vec<StepPlaces<'a>>,
}

/// Where a step stands.
#[derive(Clone, Copy)]
pub(super) struct StepPlaces<'a> {
    pub(super) step: Place<'a>,
    /// Of its wait; of the step where it has none.
    pub(super) wait: Place<'a>,
}

/// All policies under `policies`.
pub(super) fn policies<'a>(
    documents: &mut Documents<'a>,
    known: &Known<'a>,
    severities: Option<&[Severity]>,
    notes: &mut Notes,
) -> Registry<'a, Ladder<'a>> {
    let mut policies = Registry::new(POLICY);
    for (file, document) in documents.iter_mut() {
        let mut reader = Reader { file: *file, known, severities, notes };
        for (name, entry) in document.policies.take().map(|entries| entries.0).unwrap_or_default() {
            let policy = reader.policy(&name.value, entry);
            policies.add(&name.value, place_of(file, &name), policy, reader.notes);
        }
    }
    policies
}

/// What is under `catch_all`.
pub(super) fn catch_all(
    documents: &mut Documents<'_>,
    known: &Known<'_>,
    notes: &mut Notes,
) -> Option<CatchAll> {
    let mut chosen: Option<(CatchAll, Place<'_>)> = None;
    for (file, document) in documents.iter_mut() {
        let Some(entry) = document.catch_all.take() else { continue };
        let at = place(file.path, entry.referenced);
        let CatchAllEntry { notify, chat, every } = entry.value;
        let notify = notify.map(OneOrMany::texts).unwrap_or_default();
        if notify.is_empty() && chat.is_none() {
            notes.error(at, "catch_all tells nobody; give it notify or a chat");
        }
        let found = CatchAll {
            targets: known.targets(&notify, file, notes),
            chat: chat.and_then(|name| -> Option<ChatId> { known.chat(&name, file, notes) }),
            every: every.map_or(EVERY, |text| times::span_of_at_least(EVERY_MIN, &text, file, notes)),
        };
        match &chosen {
            Some((_, first)) => {
                notes.error(at, format!("catch_all is already given at {first}; keep one of them"));
            }
            None => chosen = Some((found, at)),
        }
    }
    chosen.map(|(found, _)| found)
}

/// Reads the policies of one file.
struct Reader<'r, 'a> {
    file: SourceFile<'a>,
    known: &'r Known<'a>,
    /// `None` when mistakes left no table.
    severities: Option<&'r [Severity]>,
    notes: &'r mut Notes,
}

impl<'a> Reader<'_, 'a> {
    fn policy(&mut self, name: &str, entry: PolicyEntry) -> Ladder<'a> {
        let file = self.file.path;
        if entry.steps.value.is_empty() {
            let at = place(file, entry.steps.referenced);
            self.notes.error(at, format!("policy {name:?} has no step; add one with wait and notify"));
        }
        let (mut steps, mut places): (Vec<Step>, Vec<StepPlaces<'_>>) = Default::default();
        for entry in entry.steps.value {
            let at = place(file, entry.referenced);
            let wait = entry.value.wait.as_ref().map_or(at, |text| place(file, text.referenced));
            places.push(StepPlaces { step: at, wait });
            let step = self.step(entry.value, steps.is_empty(), at);
            if steps.last().is_some_and(|before| is_no_more(&step, before)) {
                let number = steps.len() + 1;
                let message = format!(
                    "step {number} of policy {name:?} tells nobody whom step {} did not, and no louder; \
                     add somebody, be louder, or use repeat",
                    number - 1
                );
                self.notes.warning(lint::STEP_ADDS_NOTHING, at, message);
            }
            steps.push(step);
        }
        let repeat = entry.repeat.map_or(0, |text| self.repeat(&text));
        Ladder { policy: Policy { steps, repeat }, steps: places }
    }

    fn repeat(&mut self, text: &Text) -> u16 {
        let rounds = text.value.parse().ok().filter(|rounds| *rounds <= REPEAT_MAX);
        rounds.unwrap_or_else(|| {
            let message = format!(
                "bad repeat {:?}; write how many rounds follow the first, 0 to {REPEAT_MAX}",
                text.value
            );
            self.notes.error(place_of(&self.file, text), message);
            0
        })
    }

    fn step(&mut self, entry: StepEntry, is_first: bool, at: Place<'_>) -> Step {
        if entry.wait.is_none() && !is_first {
            self.notes.error(at, "this step has no wait; say how long the one before has to answer");
        }
        let notify = entry.notify.map(OneOrMany::texts).unwrap_or_default();
        if notify.is_empty() {
            self.notes.error(at, "this step tells nobody; give it notify");
        }
        let wait = entry.wait.map_or(SignedDuration::ZERO, |text| times::span(&text, &self.file, self.notes));
        let notify = self.known.targets(&notify, &self.file, self.notes);
        let urgent = entry.urgent.and_then(|text| self.urgent(&text));
        let when = entry.when.map(|when| {
            let at = place(self.file.path, when.referenced);
            self.when(when.value, at)
        });
        Step { wait, notify, urgent, when }
    }

    fn urgent(&mut self, text: &Text) -> Option<Urgent> {
        let urgent = Urgent::from_word(&text.value);
        if urgent.is_none() {
            let at = place_of(&self.file, text);
            self.notes.not_found(at, URGENT, &text.value, Urgent::ALL.map(Urgent::as_str));
        }
        urgent
    }

    fn when(&mut self, entry: WhenEntry, at: Place<'_>) -> When {
        if entry.severity.is_none() && entry.firing.is_none() && entry.window.is_none() {
            self.notes
                .error(at, "when asks for nothing; give it severity, firing or window, or leave it out");
        }
        When {
            severity: entry.severity.and_then(|text| self.ranks(&text)),
            firing: entry.firing.map_or(0, |text| self.firing(&text)),
            window: entry.window.map(|window| {
                let at = place(self.file.path, window.referenced);
                self.window(window.value, at)
            }),
        }
    }

    /// `">=critical"`: as loud as critical or louder.
    fn ranks(&mut self, text: &Text) -> Option<Ranks> {
        let severities = self.severities?;
        let at = place_of(&self.file, text);
        let name = text.value.trim_start_matches(['<', '>', '=']);
        let operator = text.value.strip_suffix(name).unwrap_or_default();
        let name = name.trim();
        let Some(rank) = severities.iter().find(|row| row.name == name).map(|row| row.rank) else {
            self.notes.not_found(at, SEVERITY, name, severities.iter().map(|row| row.name.as_str()));
            return None;
        };
        let last = severities.last().map_or(rank, |row| row.rank);
        let (loudest, quietest) = match operator {
            ">=" => (Some(0), Some(rank)),
            ">" => (Some(0), rank.checked_sub(1)),
            "" | "=" | "==" => (Some(rank), Some(rank)),
            "<=" => (Some(rank), Some(u16::MAX)),
            "<" => ((rank < last).then(|| rank.saturating_add(1)), Some(u16::MAX)),
            other => {
                let message =
                    format!("bad comparison {other:?}; write >=, >, =, <= or < before the severity");
                self.notes.error(at, message);
                return None;
            }
        };
        let ranks = loudest.zip(quietest).map(|(loudest, quietest)| Ranks { loudest, quietest });
        if ranks.is_none() {
            self.notes.error(at, format!("no severity is {:?}; this step would never run", text.value));
        }
        ranks
    }

    /// `">=3"` or `3`: so many alerts or more.
    fn firing(&mut self, text: &Text) -> usize {
        let number = text.value.strip_prefix(">=").unwrap_or(&text.value).trim();
        let least = number.parse().ok().filter(|least| *least > 0);
        least.unwrap_or_else(|| {
            let message =
                format!("bad firing {:?}; write how many alerts at least, as in \">=3\"", text.value);
            self.notes.error(place_of(&self.file, text), message);
            0
        })
    }

    fn window(&mut self, entry: WindowEntry, at: Place<'_>) -> Window {
        if entry.hours.is_none() && entry.days.is_none() && entry.calendar.is_none() {
            self.notes.error(at, "this window is always; give it hours, days or a calendar, or leave it out");
        }
        let zone = times::zone(&entry.timezone, &self.file, self.notes);
        Window {
            hours: entry.hours.and_then(|text| times::hours(&text, &self.file, self.notes)),
            days: entry.days.map_or(Days::ALL, |texts| times::days(texts, &self.file, self.notes)),
            calendar: entry.calendar.and_then(|name| self.known.calendar(&name, &self.file, self.notes)),
            timezone: zone.iana_name().unwrap_or_default().to_owned(),
        }
    }
}

/// Whether a step adds neither people nor loudness to the one before.
fn is_no_more(step: &Step, before: &Step) -> bool {
    let loudness = |step: &Step| step.urgent.unwrap_or(Urgent::Phone);
    let told = |target: &Target| before.notify.contains(target);
    before.when.is_none() && loudness(step) <= loudness(before) && step.notify.iter().all(told)
}
