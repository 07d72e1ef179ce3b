//! Joins parsed files into one [`RuleSet`], collecting every mistake on the way.
//!
//! Each section of the contract has its part here that takes it out of all
//! documents and resolves it: severities, then people, chats and calendars, then
//! the teams and schedules that name those, then policies, at last the rules.
//! What a section resolved to is passed to those that refer to it.

mod budget;
mod calendars;
mod contacts;
mod lint;
mod policies;
mod rules;
mod schedules;
mod severities;
mod storm;
mod teams;
mod times;

use std::collections::{BTreeMap, BTreeSet};

use super::document::{self, Document, Text};
use super::finding::{Finding, Place, unknown};
use super::severity::SeverityTable;
use super::shared_calendars::{CalendarAddress, Calendars};
use super::{Ladder, Route, Router, RuleSet, SourceFile};
use lint::Read;
pub(super) use lint::ahead::gaps;
pub use lint::{BROKEN_TEMPLATE, BUDGET, CARD_TOO_LARGE, LINTS, UNKNOWN_TEMPLATE, UNREAD_CALENDAR};
use rules::ReadRule;
use teams::Known;

/// See [`RuleSet::load_with`].
pub(super) fn load(
    files: &[SourceFile<'_>],
    shared: &Calendars,
) -> Result<(RuleSet, Vec<Finding>), Vec<Finding>> {
    let mut files = files.to_vec();
    files.sort_by_key(|file| file.path);
    let mut notes = Notes { complete: true, ..Notes::default() };
    let mut documents = Vec::with_capacity(files.len());
    let schema = document::schema();
    for file in files {
        let (document, errors) = document::parse(file.path, file.text, &schema);
        notes.errors.extend(errors);
        match document {
            Some(document) => documents.push((file, document)),
            None => notes.complete = false,
        }
    }
    let severities = severities::load(&mut documents, &mut notes);
    let people = contacts::people(&mut documents, &mut notes);
    let chats = contacts::chats(&mut documents, &mut notes);
    let teams = teams::teams(&mut documents, &people, &mut notes);
    let calendars = calendars::calendars(&mut documents, &mut notes);
    let schedules = schedules::schedules(&mut documents, &people, &calendars, shared, &mut notes);
    let known = Known { people, chats, teams, calendars, schedules };
    let rows = severities.as_ref().map(SeverityTable::rows);
    let policies = policies::policies(&mut documents, &known, rows, &mut notes);
    let catch_all = policies::catch_all(&mut documents, &known, &mut notes);
    let storm = storm::storm(&mut documents, &mut notes);
    let rules = rules::load(&mut documents, &known, &policies, rows.unwrap_or_default(), &mut notes);
    let (budget, budget_places) = budget::load(&mut documents, &mut notes);
    let read = Read {
        rules: &rules,
        known: &known,
        policies: &policies,
        catch_all: catch_all.as_ref(),
        severities: severities.as_ref(),
        budget: (&budget, &budget_places),
    };
    lint::look(&read, &mut notes);

    let Notes { mut errors, mut warnings, .. } = notes;
    errors.sort();
    warnings.sort();
    let Some(severities) = severities.filter(|_| errors.is_empty()) else { return Err(errors) };
    let (rules, spots): (Vec<_>, Vec<_>) = rules.into_iter().map(ReadRule::kept).unzip();
    let ladders = policies.entries.into_iter().map(|(name, (_, ladder))| Ladder {
        name,
        policy: ladder.policy,
        steps: ladder.steps.iter().map(|places| places.step.spot()).collect(),
    });
    let ladders = ladders.collect();
    let calendars = known.calendars.entries.into_iter();
    let calendars = calendars.map(|(name, (at, calendar))| (name, (at.spot(), calendar))).collect();
    let router = Router::new(rules.iter().map(Route::from).collect());
    let set = RuleSet {
        rules,
        router,
        severities,
        people: known.people.into_values(),
        chats: known.chats.into_values(),
        teams: known.teams.into_values(),
        calendars,
        ladders,
        spots,
        schedules: known.schedules.into_values(),
        own: catch_all.as_ref().map(rules::own),
        catch_all,
        budget,
        storm,
    };
    Ok((set, warnings))
}

/// The shared calendars that rules files name, for the edge to read. Files with
/// mistakes name none.
pub fn shared_calendars(files: &[SourceFile<'_>]) -> BTreeSet<CalendarAddress> {
    let mut found = BTreeSet::new();
    // Most rules name none, and need not be read twice.
    for file in files.iter().filter(|file| file.text.contains("ical")) {
        let (document, _) = document::parse(file.path, file.text, &document::schema());
        let schedules = document.and_then(|document| document.schedules).map(|entries| entries.0);
        for (_, schedule) in schedules.unwrap_or_default() {
            let named = schedule.layers.value.iter().filter_map(|layer| layer.value.ical.as_ref());
            found.extend(named.filter_map(|text| CalendarAddress::new(&text.value, file.path)));
        }
    }
    found
}

/// The files with what they hold.
type Documents<'a> = [(SourceFile<'a>, Document)];

/// The code of a mistake in a value.
const BAD_VALUE: &str = "bad-value";

/// What is to be said about the files.
#[derive(Default)]
struct Notes {
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
    /// Every file could be read. Else a missing name may be in one that could not.
    complete: bool,
}

impl Notes {
    fn error(&mut self, place: Place<'_>, message: impl Into<String>) {
        self.errors.push(place.finding(BAD_VALUE, message));
    }

    fn warning(&mut self, code: &'static str, place: Place<'_>, message: impl Into<String>) {
        self.warnings.push(place.finding(code, message));
    }

    /// Says that a name was not found, unless a file that may define it is unread.
    fn not_found<'n>(
        &mut self,
        place: Place<'_>,
        kind: Kind,
        name: &str,
        known: impl IntoIterator<Item = &'n str>,
    ) {
        if self.complete {
            self.errors.push(place.finding("unknown-name", unknown(kind.noun, kind.plural, name, known)));
        }
    }

    /// Whether a name may be used: something is in it, and nothing that means
    /// something else where it is referred to (`person:lin`).
    fn accepts_name(&mut self, kind: Kind, name: &str, place: Place<'_>) -> bool {
        let noun = kind.noun;
        let complaint = if name.trim().is_empty() {
            format!("this {noun} has an empty name")
        } else if name.trim() != name {
            format!("{noun} {name:?}: a name neither starts nor ends with space")
        } else if name.contains(':') {
            format!("{noun} {name:?}: a name holds no colon, it separates kinds as in person:lin")
        } else {
            return true;
        };
        self.error(place, complaint);
        false
    }
}

/// What something named is called in messages.
#[derive(Clone, Copy)]
struct Kind {
    noun: &'static str,
    plural: &'static str,
}

const PERSON: Kind = Kind { noun: "person", plural: "people" };
const CHAT: Kind = Kind { noun: "chat", plural: "chats" };
const SEVERITY: Kind = Kind { noun: "severity", plural: "severities" };
const TEAM: Kind = Kind { noun: "team", plural: "teams" };
const CALENDAR: Kind = Kind { noun: "calendar", plural: "calendars" };
const SCHEDULE: Kind = Kind { noun: "schedule", plural: "schedules" };
const POLICY: Kind = Kind { noun: "policy", plural: "policies" };
const URGENT: Kind = Kind { noun: "urgent", plural: "values of urgent" };
const RULE: Kind = Kind { noun: "rule", plural: "rules" };

/// Named things with the places that define them.
struct Registry<'a, V> {
    kind: Kind,
    entries: BTreeMap<String, (Place<'a>, V)>,
}

impl<'a, V> Registry<'a, V> {
    fn new(kind: Kind) -> Self {
        Self { kind, entries: BTreeMap::new() }
    }

    /// Adds something, or says where its name is taken already. The first stays.
    fn add(&mut self, name: &str, place: Place<'a>, value: V, notes: &mut Notes) {
        if !notes.accepts_name(self.kind, name, place) {
            return;
        }
        match self.entries.get(name) {
            Some((first, _)) => {
                let noun = self.kind.noun;
                notes.error(
                    place,
                    format!("{noun} {name:?} is already defined at {first}; rename one of them"),
                );
            }
            None => {
                self.entries.insert(name.to_owned(), (place, value));
            }
        }
    }

    /// The thing of that name; says so if there is none.
    fn find(&self, name: &str, place: Place<'_>, notes: &mut Notes) -> Option<&V> {
        let found = self.entries.get(name);
        if found.is_none() {
            notes.not_found(place, self.kind, name, self.names());
        }
        found.map(|(_, value)| value)
    }

    fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    fn into_values(self) -> BTreeMap<String, V> {
        self.entries.into_iter().map(|(name, (_, value))| (name, value)).collect()
    }
}

/// Where a text stands.
fn place_of<'a>(file: &SourceFile<'a>, text: &Text) -> Place<'a> {
    document::place(file.path, text.referenced)
}
