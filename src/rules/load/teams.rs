//! `teams`, and what a target may name: people, teams, schedules, chats.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{CHAT, Documents, Kind, Notes, PERSON, Registry, SCHEDULE, TEAM, Text, place_of};
use crate::domain::{ChatId, Person, Target};
use crate::rules::SourceFile;
use crate::rules::document::place;
use crate::rules::finding::unknown;
use crate::rules::schedule::{Calendar, Schedule};

/// A target without a kind.
const BARE: Kind = Kind { noun: "person, team or schedule", plural: "people, teams or schedules" };

/// All teams under `teams`, with the names of their people.
pub(super) fn teams<'a>(
    documents: &mut Documents<'a>,
    people: &Registry<'a, Person>,
    notes: &mut Notes,
) -> Registry<'a, Vec<String>> {
    let mut teams = Registry::new(TEAM);
    for (file, document) in documents.iter_mut() {
        for (name, members) in document.teams.take().map(|entries| entries.0).unwrap_or_default() {
            if members.value.is_empty() {
                let at = place(file.path, members.referenced);
                notes.error(at, format!("team {:?} has nobody in it; name at least one person", name.value));
            }
            each_once(&members.value, file, notes);
            for member in &members.value {
                people.find(&member.value, place_of(file, member), notes);
            }
            let members = members.value.into_iter().map(|member| member.value).collect();
            teams.add(&name.value, place_of(file, &name), members, notes);
        }
    }
    teams
}

/// Everything that rules and policies may name.
pub(super) struct Known<'a> {
    pub(super) people: Registry<'a, Person>,
    pub(super) chats: Registry<'a, ChatId>,
    pub(super) teams: Registry<'a, Vec<String>>,
    pub(super) calendars: Registry<'a, Arc<Calendar>>,
    pub(super) schedules: Registry<'a, Schedule>,
}

impl Known<'_> {
    /// `lin`, `person:lin`, `team:leads`, `schedule:db` or `chat:sre`. A bare name
    /// is a person's, else a team's, else a schedule's.
    pub(super) fn target(&self, text: &Text, file: &SourceFile<'_>, notes: &mut Notes) -> Option<Target> {
        let place = place_of(file, text);
        let Some((kind, name)) = text.value.split_once(':') else {
            let name = text.value.clone();
            if self.people.has(&name) {
                return Some(Target::Person(name));
            } else if self.teams.has(&name) {
                return Some(Target::Team(name));
            } else if self.schedules.has(&name) {
                return Some(Target::Schedule(name));
            }
            let names = self.people.names().chain(self.teams.names()).chain(self.schedules.names());
            notes.not_found(place, BARE, &name, names);
            return None;
        };
        let owned = name.to_owned();
        match kind {
            "person" => self.people.find(name, place, notes).map(|_| Target::Person(owned)),
            "team" => self.teams.find(name, place, notes).map(|_| Target::Team(owned)),
            "schedule" => self.schedules.find(name, place, notes).map(|_| Target::Schedule(owned)),
            "chat" => self.chats.find(name, place, notes).map(|_| Target::Chat(owned)),
            other => {
                let kinds = [PERSON, TEAM, SCHEDULE, CHAT].map(|kind| kind.noun);
                notes.error(place, unknown("kind of target", "kinds", other, kinds));
                None
            }
        }
    }

    /// Those of the texts that name somebody, each once.
    pub(super) fn targets(&self, texts: &[Text], file: &SourceFile<'_>, notes: &mut Notes) -> Vec<Target> {
        each_once(texts, file, notes);
        texts.iter().filter_map(|text| self.target(text, file, notes)).collect()
    }

    /// The id of a chat.
    pub(super) fn chat(&self, name: &Text, file: &SourceFile<'_>, notes: &mut Notes) -> Option<ChatId> {
        self.chats.find(&name.value, place_of(file, name), notes).cloned()
    }

    /// The name of a calendar, if there is such a one.
    pub(super) fn calendar(&self, name: &Text, file: &SourceFile<'_>, notes: &mut Notes) -> Option<String> {
        let found = self.calendars.find(&name.value, place_of(file, name), notes);
        found.map(|_| name.value.clone())
    }
}

/// Says so of names that come twice.
pub(super) fn each_once(names: &[Text], file: &SourceFile<'_>, notes: &mut Notes) {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name.value.as_str()) {
            notes.error(place_of(file, name), format!("{:?} is listed twice; keep one", name.value));
        }
    }
}
