//! `severities` and `default_severity`.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::{Documents, Kind, Notes, Place, SEVERITY, URGENT, place_of, times};
use crate::domain::{Severity, Urgent};
use crate::rules::SourceFile;
use crate::rules::document::{SeverityEntry, Text, place};
use crate::rules::severity::{SeverityTable, fold};

const ACKNOWLEDGE: Kind = Kind { noun: "acknowledge", plural: "values of acknowledge" };
/// Who may acknowledge.
const ANYONE: &str = "anyone";
const TARGETS: &str = "targets";
const ACK_TIMEOUT_MIN: (SignedDuration, &str) = (SignedDuration::from_mins(1), "1m");

/// The table; `None` when mistakes left no row.
pub(super) fn load(documents: &mut Documents<'_>, notes: &mut Notes) -> Option<SeverityTable> {
    let mut table = Draft::default();
    let mut values = Vec::new();
    for (file, document) in documents.iter_mut() {
        for entry in document.severities.take().into_iter().flatten() {
            let at = place_of(file, &entry.name);
            let row = table.add(&entry, at, file, notes);
            let Some(words) = entry.values else { continue };
            if words.value.is_empty() {
                let at = place(file.path, words.referenced);
                notes.error(at, "empty values; leave the key out to use the severity's name alone");
            }
            if let Some(row) = row {
                values.extend(words.value.into_iter().map(|word| (row, place_of(file, &word), word.value)));
            }
        }
    }
    for (row, at, word) in values {
        table.claim(row, &word, at, notes);
    }
    let words = table.words.into_iter().map(|(word, (row, _))| (word, row)).collect();
    let (rows, words) = if table.rows.is_empty() { SeverityTable::built_in() } else { (table.rows, words) };
    let default = default(documents, &rows, notes);
    SeverityTable::new(rows, words, default.as_deref())
}

#[derive(Default)]
struct Draft<'a> {
    rows: Vec<Severity>,
    words: BTreeMap<String, (usize, Place<'a>)>,
}

impl<'a> Draft<'a> {
    /// Adds a row and gives it its name as a word; its position.
    fn add(
        &mut self,
        entry: &SeverityEntry,
        at: Place<'a>,
        file: &SourceFile<'_>,
        notes: &mut Notes,
    ) -> Option<usize> {
        let name = &entry.name.value;
        let urgent = Urgent::from_word(&entry.urgent.value);
        if urgent.is_none() {
            let at = place_of(file, &entry.urgent);
            notes.not_found(at, URGENT, &entry.urgent.value, Urgent::ALL.map(Urgent::as_str));
        }
        let timeout = entry.ack_timeout.as_ref();
        let ack_timeout = timeout.map(|text| times::span_of_at_least(ACK_TIMEOUT_MIN, text, file, notes));
        let who = entry.acknowledge.as_ref();
        if let Some(who) = who.filter(|who| ![ANYONE, TARGETS].contains(&who.value.as_str())) {
            notes.not_found(place_of(file, who), ACKNOWLEDGE, &who.value, [ANYONE, TARGETS]);
        }
        if !notes.accepts_name(SEVERITY, name, at) {
            return None;
        }
        let row = self.rows.len();
        if !self.claim(row, name, at, notes) {
            return None;
        }
        self.rows.push(Severity {
            rank: u16::try_from(row).unwrap_or(u16::MAX),
            name: name.clone(),
            urgent: urgent.unwrap_or_default(),
            pin: entry.pin,
            ack_timeout,
            acknowledge_by_targets: who.is_some_and(|who| who.value == TARGETS),
        });
        Some(row)
    }

    /// Lets a word mean a row, unless it means another one already.
    fn claim(&mut self, row: usize, word: &str, at: Place<'a>, notes: &mut Notes) -> bool {
        let key = fold(word).into_owned();
        if key.is_empty() {
            notes.error(at, "an empty value; a missing label takes default_severity anyway");
            return false;
        }
        match self.words.get(&key) {
            Some((other, first)) if *other != row => {
                let owner = self.rows.get(*other).map(|r| r.name.as_str()).unwrap_or_default();
                notes.error(
                    at,
                    format!("{word:?} already means severity {owner:?}, at {first}; keep one of them"),
                );
                false
            }
            Some(_) => true,
            None => {
                self.words.insert(key, (row, at));
                true
            }
        }
    }
}

/// The name under `default_severity`.
fn default(documents: &mut Documents<'_>, rows: &[Severity], notes: &mut Notes) -> Option<String> {
    let mut chosen: Option<(Text, Place<'_>)> = None;
    for (file, document) in documents.iter_mut() {
        let Some(name) = document.default_severity.take() else { continue };
        let at = place_of(file, &name);
        if !rows.iter().any(|row| row.name == name.value) {
            notes.not_found(at, SEVERITY, &name.value, rows.iter().map(|row| row.name.as_str()));
        }
        match &chosen {
            Some((_, first)) => {
                notes.error(at, format!("default_severity is already given at {first}; keep one of them"));
            }
            None => chosen = Some((name, at)),
        }
    }
    chosen.map(|(name, _)| name.value)
}
