//! `larkhorn oncall`: who is on call, now and in the days to come.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::calendar::{Event, calendar};
use super::columns::plain;
use super::output::{say, say_all, write};
use super::when::{When, shown, span};
use crate::app::{SystemClock, read_rules};
use crate::domain::Clock;
use crate::http::on_call_at;
use crate::rules::{RuleSet, Source};
use crate::settings::Settings;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    /// An iCalendar of the shifts
    Ics,
}

const EXAMPLES: &str = "Examples:
  larkhorn oncall
  larkhorn oncall --at \"2026-12-01 03:00\" -o json
  larkhorn oncall --for 14d
  larkhorn oncall --for 60d -o ics > oncall.ics";

/// What an iCalendar holds when nothing is said.
const CALENDAR: SignedDuration = SignedDuration::from_hours(60 * 24);
/// The longest that can be asked for.
const FOR_MAX: SignedDuration = SignedDuration::from_hours(400 * 24);
/// How far back the beginning of a shift is looked for.
const BACK: SignedDuration = SignedDuration::from_hours(100 * 24);

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// Schedules (default: all)
    #[arg(value_name = "SCHEDULE")]
    schedules: Vec<String>,
    /// When, as in 2026-12-01T09:00:00Z or "2026-12-01 09:00" (default: now)
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    at: Option<When>,
    /// All shifts for so long, as in 14d, and the gaps between them
    #[arg(long = "for", value_name = "SPAN", value_parser = at_most)]
    span: Option<SignedDuration>,
    /// Rules file or folder (default: `rules` of the settings)
    #[arg(long, value_name = "PATH")]
    rules: Option<PathBuf>,
    /// How to print it
    #[arg(short, long, default_value = "text")]
    output: Format,
}

fn at_most(text: &str) -> Result<SignedDuration, String> {
    let span = span(text)?;
    if span > FOR_MAX { Err("400d at most".to_owned()) } else { Ok(span) }
}

pub(super) async fn run(options: &Options, settings: &Settings) -> anyhow::Result<ExitCode> {
    let now = SystemClock.now();
    let path = options.rules.clone().unwrap_or_else(|| settings.rules.clone());
    let rules = read_rules(&[path], now).await?.rules;
    let at = options.at.map_or(Ok(now), |when| when.instant(&settings.timezone))?;
    let known = || rules.schedules().collect::<Vec<_>>().join(", ");
    for name in &options.schedules {
        anyhow::ensure!(
            rules.schedule_zone(name).is_some(),
            "the rules know no schedule {name:?}; known: {}",
            known()
        );
    }
    let wanted = |name: &str| options.schedules.is_empty() || options.schedules.iter().any(|n| n == name);
    let names: Vec<&str> = rules.schedules().filter(|name| wanted(name)).collect();
    let plan = Plan { rules: &rules, names, at };
    match (options.output, options.span) {
        (Format::Ics, span) => write(&calendar(&plan.events(span.unwrap_or(CALENDAR)), now)),
        (Format::Json, span) => say(&plan.json(span).to_string()),
        (Format::Text, Some(span)) => plan.table(span),
        (Format::Text, None) => plan.print(),
    }
    Ok(ExitCode::SUCCESS)
}

/// What is asked for.
struct Plan<'r> {
    rules: &'r RuleSet,
    names: Vec<&'r str>,
    at: Timestamp,
}

/// A shift, or a gap.
struct Turn {
    /// Nobody: a gap.
    people: Vec<String>,
    from: Timestamp,
    to: Timestamp,
    why: String,
}

impl Plan<'_> {
    fn zone(&self, name: &str) -> TimeZone {
        self.rules.schedule_zone(name).cloned().unwrap_or(TimeZone::UTC)
    }

    fn end(&self, span: SignedDuration) -> Timestamp {
        self.at.checked_add(span).unwrap_or(Timestamp::MAX)
    }

    /// Shifts and gaps of a schedule, in order.
    fn turns(&self, name: &str, from: Timestamp, to: Timestamp) -> Vec<Turn> {
        let shifts = self.rules.shifts(name, from, to).into_iter().map(|shift| Turn {
            people: shift.people.into_iter().map(|person| person.name).collect(),
            from: shift.from,
            to: shift.to,
            why: match shift.source {
                Source::Layer(at) => format!("layer {}", at + 1),
                Source::Override(at) => format!("override {}", at + 1),
            },
        });
        let gaps = self.rules.gaps(name, from, to).into_iter();
        let gaps =
            gaps.map(|gap| Turn { people: Vec::new(), from: gap.from, to: gap.to, why: String::new() });
        let mut turns: Vec<Turn> = shifts.chain(gaps).collect();
        turns.sort_by_key(|turn| turn.from);
        turns
    }

    fn print(&self) {
        if self.names.is_empty() {
            say("the rules have no schedule; people are paged by name");
            return;
        }
        let rows = self.names.iter().map(|name| {
            let zone = self.zone(name);
            let now = self.rules.on_call(name, self.at);
            let people = now.iter().flat_map(|now| now.people.iter().map(|p| p.name.clone()));
            let people = people.collect::<Vec<_>>().join(", ");
            let who = if people.is_empty() { "! nobody".to_owned() } else { people };
            let until = now.and_then(|now| now.until);
            let until =
                until.map_or_else(|| "for 400 days".to_owned(), |at| format!("until {}", shown(at, &zone)));
            vec![(*name).to_owned(), who, until]
        });
        say_all(&plain(&rows.collect::<Vec<_>>()));
    }

    fn table(&self, span: SignedDuration) {
        for (n, name) in self.names.iter().enumerate() {
            let zone = self.zone(name);
            if n > 0 {
                say("");
            }
            say(&format!("{name} ({})", zone.iana_name().unwrap_or_default()));
            let rows = self.turns(name, self.at, self.end(span)).into_iter().map(|turn| {
                let who = if turn.people.is_empty() { "! nobody".to_owned() } else { turn.people.join(", ") };
                vec![format!("  {}", shown(turn.from, &zone)), shown(turn.to, &zone), who, turn.why]
            });
            say_all(&plain(&rows.collect::<Vec<_>>()));
        }
    }

    fn json(&self, span: Option<SignedDuration>) -> Value {
        let mut said = on_call_at(self.rules, self.at);
        let Some(schedules) = said.get_mut("schedules").and_then(Value::as_array_mut) else { return said };
        schedules.retain(|schedule| self.names.iter().any(|name| schedule["name"] == *name));
        let Some(span) = span else { return said };
        for schedule in schedules {
            let name = schedule["name"].as_str().unwrap_or_default().to_owned();
            let (mut shifts, mut gaps) = (Vec::new(), Vec::new());
            for Turn { people, from, to, why } in self.turns(&name, self.at, self.end(span)) {
                let (from, to) = (from.to_string(), to.to_string());
                if people.is_empty() {
                    gaps.push(json!({"from": from, "to": to}));
                } else {
                    shifts.push(json!({"from": from, "to": to, "people": people, "source": why}));
                }
            }
            schedule["shifts"] = shifts.into();
            schedule["gaps"] = gaps.into();
        }
        said
    }

    /// Shifts and gaps with their true beginnings, so that an event is the same
    /// whenever it is exported.
    fn events(&self, span: SignedDuration) -> Vec<Event> {
        let back = self.at.checked_sub(BACK).unwrap_or(Timestamp::MIN);
        let events = self.names.iter().flat_map(|name| {
            let turns = self.turns(name, back, self.end(span)).into_iter().filter(|turn| turn.to > self.at);
            turns.map(|turn| Event {
                schedule: (*name).to_owned(),
                people: turn.people,
                from: turn.from,
                began_before: turn.from == back,
                to: turn.to,
                why: turn.why,
            })
        });
        events.collect()
    }
}
