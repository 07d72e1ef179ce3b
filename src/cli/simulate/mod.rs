//! `larkhorn simulate`: who would be woken by a payload, when and how loudly.

mod fault;
mod text;
mod why;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use bytes::Bytes;
use clap::ValueEnum;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::output::{Paint, complain, read, say};
use super::scene;
use super::when::{When, rfc3339};
use super::words::Words;
use crate::app::SystemClock;
use crate::app::rehearsal::{Cue, Curtain, Happens, Moment, Told};
use crate::domain::{Action, AlertGroup, AlertStatus, Clock, SourceKind, Urgent};
use crate::rules::{format_duration, parse_duration};
use crate::sandbox::Fault;
use crate::settings::{Settings, SettingsError};
use crate::sources::{self, Hint};

const MORE: &str = "\
The pager runs for real, on virtual time and against a fake Feishu: nobody is paged, nothing is kept. \
It runs until the alerts are acknowledged or resolved, else until nobody has answered and the last resort was paged once.

JSON: {\"rule\",\"severity\",\"timeline\":[{\"after\",\"at\",\"action\",\"urgent\",\"to\",\"step\",\"round\"}]}; \
`after` is a duration in the rules' syntax (\"3m\", \"1h30m\"), `at` is RFC 3339, steps and rounds count from 1 \
and are null where none is meant, `urgent` is null where nobody is buzzed. A payload that makes several incidents \
gives {\"incidents\":[…]} with one such object each. The card is as it was first posted; with --ack or --resolve as it is left.

Examples:
  larkhorn simulate --rules rules --payload payload.json
  larkhorn simulate --payload payload.json --at \"2026-11-28 02:14\" --ack +1m --resolve +9m
  larkhorn simulate --payload - -o json < payload.json
  larkhorn simulate --payload payload.json --fault urgent_phone=230024
  larkhorn simulate --payload payload.json -o card";

const FAULTS: &str = "\
What goes wrong with Feishu: urgent_phone=230024 (refused with a code), message.send=502*3 (a status, three times), \
urgent_sms=lost (done, but the answer never comes). May be repeated";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Card,
}

#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub(super) struct Options {
    /// A webhook's body, as Alertmanager or Grafana posts it; - is standard input
    #[arg(long, value_name = "FILE")]
    payload: PathBuf,
    /// Name of its source, as ?source= gives it (default: the sender's kind)
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Rules file or folder, may be repeated (default: `rules` of the settings)
    #[arg(long, value_name = "PATH")]
    rules: Vec<PathBuf>,
    /// When it comes in: 2026-11-28T02:14:00+08:00, or wall time in the settings' zone (default: now)
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    at: Option<When>,
    /// Somebody acknowledges so long after; without a name whoever was paged last
    #[arg(long, value_name = "[NAME@]+4m", value_parser = answer)]
    ack: Option<Answer>,
    /// The alerts recover so long after
    #[arg(long, value_name = "+9m", value_parser = span)]
    resolve: Option<SignedDuration>,
    /// What goes wrong with Feishu, may be repeated
    #[arg(long, value_name = "CALL=WHAT", value_parser = fault::parse, long_help = FAULTS)]
    fault: Vec<Fault>,
    /// How to print it
    #[arg(short, long, default_value = "text")]
    output: Format,
}

/// Who acknowledges, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    by: Option<String>,
    after: SignedDuration,
}

fn answer(text: &str) -> Result<Answer, String> {
    let (by, after) = match text.rsplit_once('@') {
        Some((by, after)) if !by.is_empty() => (Some(by.to_owned()), after),
        _ => (None, text.trim_start_matches('@')),
    };
    Ok(Answer { by, after: span(after)? })
}

fn span(text: &str) -> Result<SignedDuration, String> {
    parse_duration(text.strip_prefix('+').unwrap_or(text))
        .ok_or_else(|| "a duration such as +90s, +4m or +1h30m is expected".to_owned())
}

pub(super) async fn run(
    options: Options,
    settings: (bool, impl FnOnce() -> Result<Settings, SettingsError>),
    words: Words,
    paint: Paint,
) -> anyhow::Result<ExitCode> {
    let body = Bytes::from(read(&options.payload)?);
    let (kind, _) = sources::inspect(Hint::Any, &body)?;
    let group = sources::decode(kind, &body)?;
    let (scene, checked) = scene::set(&options.rules, settings).await?;
    let rules = Arc::new(checked.rules);
    let begins = match options.at {
        Some(when) => when.instant(&scene.zone)?,
        None => whole_second(SystemClock.now()),
    };
    if let Some(by) = options.ack.as_ref().and_then(|ack| ack.by.as_deref())
        && rules.person(by).is_none()
    {
        let known: Vec<&str> = rules.people().map(|person| person.name.as_str()).collect();
        bail!("--ack: the rules know no person {by:?}; known: {}", known.join(", "));
    }
    let mut rehearsal = scene.rehearse(rules.clone(), begins, options.fault.clone())?;
    rehearsal.play(script(&options, &body, kind, begins)?, Curtain::AtRest).await?;
    let told = rehearsal.told().await?;
    for refusal in rehearsal.refusals() {
        complain(&format!("{} could not {}: {}", refusal.by, refusal.action, refusal.why));
    }
    let heartbeats = rehearsal.heartbeats().await?;
    rehearsal.end().await;
    let source = options.source.clone().unwrap_or_else(|| kind.as_str().to_owned());
    let page = text::Page { rules: &rules, zone: &scene.zone, begins, words, paint };
    match options.output {
        Format::Json => say(&json(&told, begins, &scene.zone)?),
        Format::Card => cards(&told, options.ack.is_some() || options.resolve.is_some())?,
        Format::Text => {
            for told in &told {
                page.print(told, &why::why(&rules, &told.incident.key.rule, (&source, &group), words));
            }
        }
    }
    Ok(nobody(&told, &heartbeats, &group, words))
}

/// The webhook, and what people and sender do afterwards.
fn script(options: &Options, body: &Bytes, kind: SourceKind, begins: Timestamp) -> anyhow::Result<Vec<Cue>> {
    let source = options.source.clone();
    let webhook = |after, body| Cue { after, what: Happens::Webhook { source: source.clone(), body } };
    let mut script = vec![webhook(SignedDuration::ZERO, body.clone())];
    if let Some(Answer { by, after }) = options.ack.clone() {
        let what = Happens::Act { by, action: Action::Acknowledge, rule: None };
        script.push(Cue { after, what });
    }
    if let Some(after) = options.resolve {
        let at = begins.checked_add(after).unwrap_or(Timestamp::MAX);
        script.push(webhook(after, sources::recovered(kind, body, at)?.into()));
    }
    Ok(script)
}

/// Says why there is nothing to tell, which is no success.
fn nobody(told: &[Told], heartbeats: &[String], group: &AlertGroup<'_>, words: Words) -> ExitCode {
    if !told.is_empty() {
        return ExitCode::SUCCESS;
    }
    let firing = group.alerts.iter().any(|a| a.status == AlertStatus::Firing);
    complain(&match (heartbeats, firing) {
        ([], true) => words
            .pick(
                "no rule takes any alert of this payload: nobody would be told",
                "没有规则匹配这个 payload 中的任何告警：不会通知任何人",
            )
            .to_owned(),
        ([], false) => words
            .pick(
                "nothing fires in this payload: nobody would be told",
                "这个 payload 中没有正在触发的告警：不会通知任何人",
            )
            .to_owned(),
        (rules, _) => format!(
            "{}{}",
            words.pick(
                "a sign of life; only silence becomes an incident, by rule ",
                "这是心跳，只有中断才会成为事件；规则："
            ),
            rules.join(", "),
        ),
    });
    if heartbeats.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// One incident by itself, several in a list.
fn json(told: &[Told], begins: Timestamp, zone: &TimeZone) -> serde_json::Result<String> {
    let incidents: Vec<Incident<'_>> = told.iter().map(|told| Incident::of(told, begins, zone)).collect();
    match incidents.as_slice() {
        [only] => serde_json::to_string(only),
        several => serde_json::to_string(&BTreeMap::from([("incidents", several)])),
    }
}

/// An incident in JSON.
#[derive(Serialize)]
struct Incident<'a> {
    rule: &'a str,
    severity: &'a str,
    timeline: Vec<Entry<'a>>,
}

/// A line of its timeline.
#[derive(Serialize)]
struct Entry<'a> {
    after: String,
    at: String,
    action: &'a str,
    urgent: Option<&'static str>,
    to: &'a [String],
    step: Option<u32>,
    round: Option<u32>,
}

impl<'a> Incident<'a> {
    fn of(told: &'a Told, begins: Timestamp, zone: &TimeZone) -> Self {
        let entry = |moment: &'a Moment| Entry {
            after: format_duration(moment.at.duration_since(begins)),
            at: rfc3339(moment.at, zone),
            action: moment.what.as_str(),
            urgent: moment.urgent.map(Urgent::as_str),
            to: &moment.to,
            step: moment.step.map(|(step, _)| u32::from(step) + 1),
            round: moment.step.map(|(_, round)| u32::from(round) + 1),
        };
        Self {
            rule: &told.incident.key.rule,
            severity: &told.incident.standing.severity.name,
            timeline: told.moments.iter().map(entry).collect(),
        }
    }
}

/// Cards as JSON: one by itself, several in a list.
fn cards(told: &[Told], at_the_end: bool) -> anyhow::Result<()> {
    let cards = told.iter().filter_map(|told| told.card.as_ref());
    let chosen = cards.map(|(first, last)| if at_the_end { last } else { first });
    let parsed: Result<Vec<Value>, _> = chosen.map(|card| serde_json::from_str(card)).collect();
    let shown = match <[Value; 1]>::try_from(parsed?) {
        Ok([only]) => only,
        Err(several) => Value::Array(several),
    };
    say(&serde_json::to_string_pretty(&shown)?);
    Ok(())
}

/// Fractions of a second would only be noise.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_with_and_without_a_name() {
        let minutes = SignedDuration::from_mins;
        assert_eq!(answer("+4m"), Ok(Answer { by: None, after: minutes(4) }));
        assert_eq!(answer("4m"), Ok(Answer { by: None, after: minutes(4) }));
        assert_eq!(answer("mara@+1h"), Ok(Answer { by: Some("mara".to_owned()), after: minutes(60) }));
        assert_eq!(answer("a@b@1m").unwrap().by.as_deref(), Some("a@b"));
        for text in ["", "soon", "lin@", "-4m", "4 m"] {
            assert!(answer(text).unwrap_err().contains("+4m"), "{text}");
        }
    }
}
