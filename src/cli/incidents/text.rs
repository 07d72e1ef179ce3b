//! Incidents for people: a line each, or one with all that happened to it.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::cli::columns::{self, Cell};
use crate::cli::output::{Paint, Tone, printable, say};

/// How incidents are written.
pub(super) struct Page {
    pub(super) zone: TimeZone,
    pub(super) paint: Paint,
}

impl Page {
    pub(super) fn list(&self, incidents: &[Value]) {
        if incidents.is_empty() {
            say("no incidents");
            return;
        }
        let head =
            ["INCIDENT", "STATE", "SEVERITY", "RULE", "FIRING", "STEP", "NEXT", "WHO", "OPENED", "TITLE"];
        let mut rows = vec![head.map(|name| Cell::new(name).tone(Tone::Dim)).to_vec()];
        rows.extend(incidents.iter().map(|incident| self.row(incident)));
        for line in columns::lines(&rows, self.paint) {
            say(&line);
        }
    }

    fn row(&self, incident: &Value) -> Vec<Cell> {
        let text = |name| Cell::new(word(incident, name));
        let state = word(incident, "state");
        let tone = tone(&state);
        vec![
            text("id"),
            Cell::new(&state).tone(tone),
            text("severity"),
            text("rule"),
            text("firing").right(),
            Cell::new(step(incident)).right(),
            Cell::new(self.time(incident, "next_at")),
            text("acknowledged_by"),
            Cell::new(self.time(incident, "opened_at")),
            text("title"),
        ]
    }

    pub(super) fn show(&self, incident: &Value) {
        let state = word(incident, "state");
        say(&format!(
            "{}  {}  {}",
            self.paint.tint(Tone::Bold, &printable(&word(incident, "id"))),
            self.paint.tint(tone(&state), &printable(&state)),
            printable(&word(incident, "title")),
        ));
        let summary = word(incident, "summary");
        if !summary.is_empty() {
            say(&printable(&summary));
        }
        let mut rows: Vec<Vec<Cell>> =
            ["severity", "rule", "source", "firing", "resolved", "acknowledged_by"]
                .iter()
                .map(|name| (*name, word(incident, name)))
                .chain([("step", step(incident))])
                .chain(
                    ["opened_at", "acknowledged_at", "next_at", "resolved_at"]
                        .map(|name| (name, self.time(incident, name))),
                )
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| {
                    vec![Cell::new(name.replace('_', " ")).tone(Tone::Dim), Cell::new(value)]
                })
                .collect();
        let labels = incident.get("labels").and_then(Value::as_object);
        for (name, value) in labels.into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            rows.push(vec![Cell::new("label").tone(Tone::Dim), Cell::new(format!("{name}={value}"))]);
        }
        for line in columns::lines(&rows, self.paint) {
            say(&line);
        }
        let timeline = incident.get("timeline").and_then(Value::as_array);
        let rows: Vec<Vec<Cell>> = timeline.into_iter().flatten().map(|entry| self.entry(entry)).collect();
        for line in columns::lines(&rows, self.paint) {
            say(&format!("  {line}"));
        }
    }

    fn entry(&self, entry: &Value) -> Vec<Cell> {
        let kind = word(entry, "kind").replace('_', " ");
        vec![
            Cell::new(self.time(entry, "at")),
            Cell::new(kind),
            Cell::new(facts(entry, &["at", "kind"])).tone(Tone::Dim),
        ]
    }

    /// A time of the server's as wall time.
    pub(super) fn time(&self, object: &Value, name: &str) -> String {
        let text = word(object, name);
        match text.parse::<Timestamp>() {
            Ok(at) => at.to_zoned(self.zone.clone()).strftime("%m-%d %H:%M:%S").to_string(),
            Err(_) => text,
        }
    }
}

/// Particulars of something, `name=value`, but for those named.
pub(in crate::cli) fn facts(object: &Value, but: &[&str]) -> String {
    let facts = object.as_object().into_iter().flatten().filter(|(name, _)| !but.contains(&name.as_str()));
    let words = facts.map(|(name, _)| (name, word(object, name))).filter(|(_, value)| !value.is_empty());
    words.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

/// A field as text; empty when it is null or missing.
pub(in crate::cli) fn word(object: &Value, name: &str) -> String {
    match object.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            let words =
                items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
            words.collect::<Vec<_>>().join(",")
        }
        Some(other @ (Value::Bool(_) | Value::Number(_) | Value::Object(_))) => other.to_string(),
    }
}

/// `2` or, in later rounds, `2·3`: step 2 of round 3.
fn step(incident: &Value) -> String {
    match (word(incident, "step"), word(incident, "round")) {
        (step, round) if round.is_empty() || round == "1" => step,
        (step, round) => format!("{step}·{round}"),
    }
}

fn tone(state: &str) -> Tone {
    match state {
        "triggered" => Tone::Red,
        "acknowledged" => Tone::Cyan,
        "resolved" => Tone::Green,
        _ => Tone::Dim,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_read_as_words() {
        let entry = json!({"at": "x", "kind": "stepped", "people": ["lin", "马拉"], "step": 2, "gone": null});
        assert_eq!(facts(&entry, &["at", "kind"]), "people=lin,马拉 step=2");
        assert_eq!(
            (step(&json!({"step": 2, "round": 1})), step(&json!({"step": 2, "round": 3}))),
            ("2".to_owned(), "2·3".to_owned())
        );
        assert_eq!(step(&json!({"step": null, "round": null})), "");
    }
}
