//! Two plays of the same webhooks, side by side.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::app::rehearsal::Told;
use crate::cli::columns::{self, Cell};
use crate::cli::output::{Paint, Tone};
use crate::cli::when::rfc3339;
use crate::domain::Urgent;

/// Who was buzzed how loudly, and how often.
type Pages = BTreeMap<(Urgent, String), usize>;

/// What tells an incident of one play from those of the other: when it opened, and its title.
type Same = (i64, String);

/// An incident in one play.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Side {
    rules: BTreeSet<String>,
    pages: Pages,
}

/// What differs.
pub(super) struct Found {
    webhooks: usize,
    incidents: BTreeMap<Same, (Side, Side)>,
}

/// A count that changed, the louder first: how loudly, who, old and new.
type Change<'a> = (Urgent, &'a str, usize, usize);

impl Found {
    pub(super) fn of(old: &[Told], new: &[Told], webhooks: usize) -> Self {
        let mut incidents: BTreeMap<Same, (Side, Side)> = BTreeMap::new();
        for (told, is_new) in old.iter().map(|told| (told, false)).chain(new.iter().map(|told| (told, true)))
        {
            let key = (told.incident.standing.opened_at.as_second(), told.incident.title.clone());
            let sides = incidents.entry(key).or_default();
            let side = if is_new { &mut sides.1 } else { &mut sides.0 };
            side.rules.insert(told.incident.key.rule.clone());
            for page in told.pages() {
                for name in &page.to {
                    *side.pages.entry((page.urgent.unwrap_or(Urgent::None), name.clone())).or_default() += 1;
                }
            }
        }
        Self { webhooks, incidents }
    }

    /// Those that differ in rule or pages.
    fn changed(&self) -> impl Iterator<Item = (&Same, &(Side, Side))> {
        self.incidents.iter().filter(|(_, (old, new))| old != new)
    }

    fn sums(&self) -> (Pages, Pages) {
        let (mut old, mut new) = (Pages::new(), Pages::new());
        for (before, after) in self.incidents.values() {
            for (sum, side) in [(&mut old, before), (&mut new, after)] {
                for (page, count) in &side.pages {
                    *sum.entry(page.clone()).or_default() += count;
                }
            }
        }
        (old, new)
    }

    pub(super) fn lines(&self, zone: &TimeZone, paint: Paint) -> Vec<String> {
        let rows: Vec<Vec<Cell>> = self
            .changed()
            .map(|((at, title), (old, new))| {
                let mut row = vec![
                    Cell::new(wall(*at, zone)),
                    Cell::new(title),
                    Cell::new(rules(old, new)).tone(Tone::Dim),
                ];
                row.extend(changes(&old.pages, &new.pages).into_iter().map(cell));
                row
            })
            .collect();
        let mut lines = columns::lines(&rows, paint);
        let (old, new) = self.sums();
        let all = changes(&old, &new);
        let summary = format!(
            "webhooks: {}, incidents: {}, different: {}",
            self.webhooks,
            self.incidents.len(),
            rows.len(),
        );
        lines.push(paint.tint(Tone::Bold, &summary));
        let rows: Vec<Vec<Cell>> = all
            .into_iter()
            .map(|change| {
                let (.., was, is) = change;
                vec![Cell::new(""), cell(change), Cell::new(format!("{was} → {is}")).tone(Tone::Dim)]
            })
            .collect();
        lines.extend(columns::lines(&rows, paint));
        for channel in [Urgent::Phone, Urgent::Sms, Urgent::App] {
            let count = |pages: &Pages| {
                pages.iter().filter(|((u, _), _)| *u == channel).map(|(_, n)| n).sum::<usize>()
            };
            lines.push(format!("{channel}: {} → {}", count(&old), count(&new)));
        }
        lines
    }

    pub(super) fn json(&self, zone: &TimeZone) -> Value {
        let list = |old: &Pages, new: &Pages| {
            let changes = changes(old, new).into_iter();
            let change = |(urgent, to, was, is): Change<'_>| json!({"urgent": urgent.as_str(), "to": to, "old": was, "new": is});
            changes.map(change).collect::<Vec<_>>()
        };
        let incidents = self.changed().map(|((at, title), (old, new))| {
            let at = Timestamp::from_second(*at).unwrap_or_default();
            json!({
                "opened_at": rfc3339(at, zone),
                "title": title,
                "old_rules": old.rules,
                "new_rules": new.rules,
                "changes": list(&old.pages, &new.pages),
            })
        });
        let incidents: Vec<Value> = incidents.collect();
        let (old, new) = self.sums();
        json!({
            "webhooks": self.webhooks,
            "incidents": self.incidents.len(),
            "different": incidents,
            "sums": list(&old, &new),
        })
    }
}

/// What changed between two counts, the loudest first.
fn changes<'a>(old: &'a Pages, new: &'a Pages) -> Vec<Change<'a>> {
    let keys: BTreeSet<&(Urgent, String)> = old.keys().chain(new.keys()).collect();
    let count = |pages: &Pages, key| pages.get(key).copied().unwrap_or_default();
    let all = keys.into_iter().rev().map(|key| (key.0, key.1.as_str(), count(old, key), count(new, key)));
    all.filter(|(.., was, is)| was != is).collect()
}

/// `+phone lin`, `-sms mara ×2`.
fn cell((urgent, name, was, is): Change<'_>) -> Cell {
    let (sign, tone) = if is > was { ('+', Tone::Green) } else { ('-', Tone::Red) };
    let times = match was.abs_diff(is) {
        1 => String::new(),
        more => format!(" ×{more}"),
    };
    Cell::new(format!("{sign}{urgent} {name}{times}")).tone(tone)
}

/// Which rules had it: once where nothing changed.
fn rules(old: &Side, new: &Side) -> String {
    let names = |side: &Side| match side.rules.iter().cloned().collect::<Vec<_>>().join(", ") {
        names if names.is_empty() => "nobody".to_owned(),
        names => names,
    };
    let (old, new) = (names(old), names(new));
    if old == new { old } else { format!("{old} → {new}") }
}

fn wall(at: i64, zone: &TimeZone) -> String {
    let at = Timestamp::from_second(at).unwrap_or_default();
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_told_the_loudest_first() {
        let pages = |list: &[(Urgent, &str, usize)]| -> Pages {
            list.iter().map(|(urgent, name, count)| ((*urgent, (*name).to_owned()), *count)).collect()
        };
        let side = |rule: &str, list| Side { rules: BTreeSet::from([rule.to_owned()]), pages: pages(list) };
        let old = side("db", &[(Urgent::App, "lin", 1), (Urgent::Sms, "mara", 3)]);
        let new =
            side("core", &[(Urgent::App, "lin", 1), (Urgent::Sms, "mara", 1), (Urgent::Phone, "lin", 1)]);
        let same = (0, "Same".to_owned());
        let incidents =
            BTreeMap::from([((60, "磁盘".to_owned()), (old.clone(), new)), (same, (old.clone(), old))]);
        let found = Found { webhooks: 7, incidents };
        let plain = Paint::of_env(&[("NO_COLOR".to_owned(), "1".to_owned())]);
        assert_eq!(
            found.lines(&TimeZone::UTC, plain),
            [
                "1970-01-01 00:01:00  磁盘  db → core  +phone lin  -sms mara ×2",
                "webhooks: 7, incidents: 2, different: 1",
                "  +phone lin    0 → 1",
                "  -sms mara ×2  6 → 4",
                "phone: 0 → 1",
                "sms: 6 → 4",
                "app: 2 → 2",
            ]
        );
        let json = found.json(&TimeZone::UTC);
        assert_eq!(
            json["different"][0]["changes"][0],
            json!({"urgent": "phone", "to": "lin", "old": 0, "new": 1})
        );
        assert_eq!(json["different"].as_array().map(Vec::len), Some(1));
    }
}
