//! The severity table: from whatever word a sender uses to one row.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::domain::{Labels, Severity, Urgent};

/// A row of the table that is used when the files have none.
struct Row {
    name: &'static str,
    urgent: Urgent,
    pin: bool,
    values: &'static [&'static str],
}

/// The table that is used when the files have none: the words of
/// kube-prometheus, Zabbix, PagerDuty-like priorities and numbers from 1 (worst)
/// to 5, as senders use them (inputs.md §F).
const BUILT_IN: [Row; 3] = [
    Row {
        name: "critical",
        urgent: Urgent::Phone,
        pin: true,
        values: &["page", "emergency", "fatal", "disaster", "p0", "p1", "sev0", "sev1", "1"],
    },
    Row {
        name: "warning",
        urgent: Urgent::App,
        pin: false,
        values: &["error", "high", "major", "minor", "p2", "p3", "sev2", "sev3", "2", "3"],
    },
    Row {
        name: "info",
        urgent: Urgent::None,
        pin: false,
        values: &["none", "ticket", "p4", "p5", "sev4", "sev5", "4", "5"],
    },
];

/// Severities, loudest first, and the words that mean them.
///
/// Never empty.
#[derive(Debug, Clone)]
pub(super) struct SeverityTable {
    rows: Vec<Severity>,
    /// Positions in `rows` by word, in lower case.
    words: BTreeMap<String, usize>,
    /// The row of alerts whose labels name none.
    default: Severity,
}

impl SeverityTable {
    /// Labels that carry a severity, in the order they are asked.
    pub(super) const LABELS: [&str; 3] = ["severity", "priority", "level"];

    /// The built-in table.
    ///
    /// | name | urgent | pin | also |
    /// |---|---|---|---|
    /// | `critical` | phone | yes | `page emergency fatal disaster p0 p1 sev0 sev1 1` |
    /// | `warning` (default) | app | no | `error high major minor p2 p3 sev2 sev3 2 3` |
    /// | `info` | none | no | `none ticket p4 p5 sev4 sev5 4 5` |
    pub(super) fn built_in() -> (Vec<Severity>, BTreeMap<String, usize>) {
        let mut rows = Vec::new();
        let mut words = BTreeMap::new();
        for (rank, row) in (0..).zip(&BUILT_IN) {
            for word in [&row.name].into_iter().chain(row.values) {
                words.insert(fold(word).into_owned(), rows.len());
            }
            rows.push(Severity {
                rank,
                name: row.name.to_owned(),
                urgent: row.urgent,
                pin: row.pin,
                ack_timeout: None,
                acknowledge_by_targets: false,
            });
        }
        (rows, words)
    }

    /// A table of these rows; `words` holds positions in `rows` by [folded](fold) word.
    ///
    /// Without a `default` it is `warning` if there is such a row, else the
    /// quietest that still buzzes, else the loudest: an alert whose severity
    /// nobody knows must not be silent. `None` when there is no row at all.
    pub(super) fn new(
        rows: Vec<Severity>,
        words: BTreeMap<String, usize>,
        default: Option<&str>,
    ) -> Option<Self> {
        let named = |name: &str| rows.iter().find(|row| row.name == name);
        let default = default
            .and_then(named)
            .or_else(|| named("warning"))
            .or_else(|| rows.iter().rev().find(|row| row.urgent != Urgent::None))
            .or_else(|| rows.first())?
            .clone();
        Some(Self { rows, words, default })
    }

    /// Whether a row understands a word.
    pub(super) fn takes(&self, word: &str) -> bool {
        self.words.contains_key(fold(word).as_ref())
    }

    /// The row of alerts whose labels name none.
    pub(super) fn default_row(&self) -> &Severity {
        &self.default
    }

    /// All rows, loudest first.
    pub(super) fn rows(&self) -> &[Severity] {
        &self.rows
    }

    /// The severity of an alert: of the labels `severity`, `priority` and
    /// `level` the first whose value is in the table; else the default.
    pub(super) fn of(&self, labels: &Labels<'_>) -> &Severity {
        self.found(labels).map_or(&self.default, |(_, row)| row)
    }

    /// The label that decided; `None`: it is the default.
    pub(super) fn label_of(&self, labels: &Labels<'_>) -> Option<&'static str> {
        self.found(labels).map(|(label, _)| label)
    }

    fn found(&self, labels: &Labels<'_>) -> Option<(&'static str, &Severity)> {
        let row = |label| self.rows.get(*self.words.get(fold(labels.get(label)?).as_ref())?);
        Self::LABELS.into_iter().find_map(|label| Some((label, row(label)?)))
    }
}

/// A severity word without its case and the space around it.
pub(super) fn fold(word: &str) -> Cow<'_, str> {
    let word = word.trim();
    if word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(word.to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(table: &SeverityTable, labels: &[(&str, &str)]) -> String {
        table.of(&labels.iter().copied().collect()).name.clone()
    }

    #[test]
    fn the_built_in_table_knows_the_words_of_senders() {
        let (rows, words) = SeverityTable::built_in();
        let table = SeverityTable::new(rows, words, None).unwrap();
        for (word, expected) in [
            ("critical", "critical"),
            ("page", "critical"),
            ("P0", "critical"),
            (" Sev1 ", "critical"),
            ("DISASTER", "critical"),
            ("1", "critical"),
            ("warning", "warning"),
            ("error", "warning"),
            ("high", "warning"),
            ("p3", "warning"),
            ("info", "info"),
            ("none", "info"),
            ("ticket", "info"),
            ("5", "info"),
            ("", "warning"),
            ("purple", "warning"),
        ] {
            assert_eq!(of(&table, &[("severity", word)]), expected, "{word:?}");
        }
        let buzz: Vec<_> = table.rows().iter().map(|row| (row.rank, row.urgent, row.pin)).collect();
        assert_eq!(buzz, [(0, Urgent::Phone, true), (1, Urgent::App, false), (2, Urgent::None, false)]);
    }

    #[test]
    fn labels_are_asked_in_turn() {
        let (rows, words) = SeverityTable::built_in();
        let table = SeverityTable::new(rows, words, Some("info")).unwrap();
        for (labels, expected) in [
            (&[("priority", "P1"), ("level", "info")][..], "critical"),
            (&[("severity", "info"), ("priority", "P1")], "info"),
            (&[("severity", "purple"), ("priority", "P1")], "critical"),
            (&[("level", "Error")], "warning"),
            (&[("alertname", "critical")], "info"),
            (&[], "info"),
        ] {
            assert_eq!(of(&table, labels), expected, "{labels:?}");
        }
    }

    #[test]
    fn an_unknown_severity_is_not_silent_by_default() {
        let row = |(rank, (name, urgent)): (u16, &(&str, Urgent))| Severity {
            rank,
            name: (*name).to_owned(),
            urgent: *urgent,
            pin: false,
            ack_timeout: None,
            acknowledge_by_targets: false,
        };
        for (rows, expected) in [
            (&[("a", Urgent::Phone), ("warning", Urgent::None), ("c", Urgent::App)][..], "warning"),
            (&[("a", Urgent::Phone), ("b", Urgent::App), ("c", Urgent::None)], "b"),
            (&[("a", Urgent::None), ("b", Urgent::None)], "a"),
        ] {
            let rows = (0..).zip(rows).map(row).collect();
            let table = SeverityTable::new(rows, BTreeMap::new(), None).unwrap();
            assert_eq!(of(&table, &[]), expected);
        }
        assert!(SeverityTable::new(Vec::new(), BTreeMap::new(), None).is_none());
    }
}
