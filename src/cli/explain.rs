//! `larkhorn explain`: whose is this alert, why, and who would be paged?
//!
//! Nothing is decided here: alerts are decoded, matched and turned into
//! incidents by the server's own code, committed nowhere. What this file adds is
//! why the other rules did not get the alert.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::columns::plain;
use super::output::{Format, complain, say, say_all};
use super::when::{When, offset, shown};
use crate::app::{SystemClock, read_rules};
use crate::domain::{
    Alert, AlertGroup, AlertStatus, ChatId, Clock, Destination, Fingerprint, GroupHeader, Labels, SourceKind,
};
use crate::rules::{Origin, RuleSet};
use crate::settings::Settings;
use crate::sources::{self, Hint};
use crate::worker::engine::{self, Foreseen, Preview};

const EXAMPLES: &str = "Examples:
  larkhorn explain alertname=DiskFull team=db severity=page
  larkhorn explain --at \"2026-12-01 03:00\" team=db severity=critical
  larkhorn explain --payload payload.json
  larkhorn explain --payload - -o json < payload.json

Exit code: 0 a rule takes every alert, 1 none takes some, 2 wrong usage.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group(clap::ArgGroup::new("alert").required(true).args(["labels", "payload"])))]
pub(super) struct Options {
    /// Labels of an alert that fires
    #[arg(value_name = "LABEL=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// A webhook's body as its sender posts it, - for standard input
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,
    /// When it comes, as in 2026-12-01T09:00:00Z or "2026-12-01 09:00" (default: now)
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    at: Option<When>,
    /// The source, as in ?source= of the webhook (default: the sender's kind)
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// The sender's receiver, for an alert given by its labels
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        conflicts_with = "payload",
        hide_default_value = true
    )]
    receiver: String,
    /// Rules file or folder (default: `rules` of the settings)
    #[arg(long, value_name = "PATH")]
    rules: Option<PathBuf>,
    /// How to print it
    #[arg(short, long, default_value = "text")]
    output: Format,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as in team=db")?;
    if name.is_empty() {
        return Err("the name before = is missing".to_owned());
    }
    // As copied from a matcher: team="db".
    let plain = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    Ok((name.to_owned(), plain.to_owned()))
}

pub(super) async fn run(options: &Options, settings: &Settings) -> anyhow::Result<ExitCode> {
    let path = options.rules.clone().unwrap_or_else(|| settings.rules.clone());
    let rules = read_rules(&[path], SystemClock.now()).await?.rules;
    let now = match options.at {
        Some(when) => when.instant(&settings.timezone)?,
        None => SystemClock.now(),
    };
    let body = options.payload.as_deref().map(read).transpose()?;
    let (kind, group) = match &body {
        Some(body) => decode(body)?,
        None => (SourceKind::Alertmanager, of_labels(options, now)),
    };
    let source = options.source.clone().unwrap_or_else(|| kind.as_str().to_owned());
    let explained = Explained::of(&rules, &source, group, now);
    match options.output {
        Format::Text => explained.print(&settings.timezone),
        Format::Json => say(&explained.json().to_string()),
    }
    let all_taken = explained.alerts.iter().all(Judged::is_taken);
    Ok(if all_taken { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path.as_os_str() == "-" {
        let mut body = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin(), &mut body)
            .context("standard input cannot be read")?;
        return Ok(body);
    }
    std::fs::read(path).with_context(|| format!("{}: the payload cannot be read", path.display()))
}

fn decode(body: &[u8]) -> anyhow::Result<(SourceKind, AlertGroup<'_>)> {
    let (kind, _) = sources::inspect(Hint::Any, body).context("the server would refuse this payload")?;
    Ok((kind, sources::decode(kind, body)?))
}

/// One alert with the labels of the command line, as a sender would post it.
fn of_labels(options: &Options, now: Timestamp) -> AlertGroup<'static> {
    let pairs = options.labels.iter().map(|(name, value)| (name.clone().into(), value.clone().into()));
    let labels = Labels::from_pairs(pairs.collect::<Vec<(Cow<'static, str>, Cow<'static, str>)>>());
    let fingerprint = Fingerprint::of(&labels);
    let alert =
        Alert { starts_at: Some(now), ..Alert::new(AlertStatus::Firing, fingerprint, labels.clone()) };
    AlertGroup {
        header: GroupHeader {
            kind: SourceKind::Alertmanager,
            receiver: options.receiver.clone().into(),
            group_key: "{}".into(),
            group_labels: labels,
            external_url: "".into(),
            truncated_alerts: 0,
        },
        alerts: vec![alert],
    }
}

/// What became of a rule with an alert.
enum Verdict {
    Takes,
    /// The first matcher that did not let it pass, its label and the value there.
    Fails {
        matcher: String,
        label: String,
        value: String,
    },
    /// It matches, but the rule of that name came first.
    OwnedBefore {
        by: String,
    },
}

/// An alert, and what every rule made of it.
struct Judged {
    labels: Vec<(String, String)>,
    status: AlertStatus,
    severity: String,
    /// The label that says so; `None`: it is the default.
    severity_label: Option<&'static str>,
    /// Name, place and verdict, in the order of the rules.
    rules: Vec<(String, String, Verdict)>,
}

impl Judged {
    fn of(rules: &RuleSet, alert: &Alert<'_>, origin: Origin<'_>) -> Self {
        let taken = rules.route(&alert.labels, origin);
        let owner =
            taken.last().and_then(|at| rules.at(*at)).map(|rule| rule.name.clone()).unwrap_or_default();
        let verdict = |at: usize| -> Option<(String, String, Verdict)> {
            let rule = rules.at(at)?;
            let verdict = match rule.first_failed(&alert.labels, origin) {
                Some((matcher, value)) => Verdict::Fails {
                    matcher: matcher.to_string(),
                    label: matcher.name().to_owned(),
                    value: value.to_owned(),
                },
                None if taken.contains(&at) => Verdict::Takes,
                None => Verdict::OwnedBefore { by: owner.clone() },
            };
            let place = rules.spot(at).map(|spot| format!("{}:{}", spot.path, spot.line));
            Some((rule.name.clone(), place.unwrap_or_default(), verdict))
        };
        Self {
            labels: alert.labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
            status: alert.status,
            severity: rules.severity(&alert.labels).name.clone(),
            severity_label: rules.severity_label(&alert.labels),
            rules: (0..rules.rules().len()).filter_map(verdict).collect(),
        }
    }

    fn is_taken(&self) -> bool {
        self.rules.iter().any(|(_, _, verdict)| matches!(verdict, Verdict::Takes))
    }

    fn status(&self) -> &'static str {
        match self.status {
            AlertStatus::Firing => "firing",
            AlertStatus::Resolved => "resolved",
        }
    }

    fn json(&self) -> Value {
        let rules = self.rules.iter().map(|(name, place, verdict)| match verdict {
            Verdict::Takes => json!({"rule": name, "place": place, "taken": true}),
            Verdict::Fails { matcher, label, value } => json!({
                "rule": name, "place": place, "taken": false,
                "failed": {"matcher": matcher, "label": label, "value": value},
            }),
            Verdict::OwnedBefore { by } => {
                json!({"rule": name, "place": place, "taken": false, "owned_by": by})
            }
        });
        let labels: serde_json::Map<_, _> =
            self.labels.iter().map(|(n, v)| (n.clone(), Value::from(v.as_str()))).collect();
        json!({
            "labels": labels,
            "status": self.status(),
            "severity": self.severity,
            "severity_label": self.severity_label,
            "rules": rules.collect::<Vec<_>>(),
        })
    }

    fn print(&self) {
        let labels: Vec<String> = self.labels.iter().map(|(n, v)| format!("{n}={v:?}")).collect();
        say(&format!("alert {{{}}} {}", labels.join(", "), self.status()));
        let from = self.severity_label.map_or_else(
            || "no label says otherwise".to_owned(),
            |label| {
                let value = self.labels.iter().find(|(n, _)| n == label).map(|(_, v)| v.as_str());
                format!("{label}={:?}", value.unwrap_or_default())
            },
        );
        say(&format!("  severity  {}  ({from})", self.severity));
        let rows: Vec<Vec<String>> = self
            .rules
            .iter()
            .map(|(name, place, verdict)| {
                let (mark, why) = match verdict {
                    Verdict::Takes => ("+", "takes it".to_owned()),
                    Verdict::Fails { matcher, label, value } if value.is_empty() => {
                        ("-", format!("{matcher} fails: there is no {label}"))
                    }
                    Verdict::Fails { matcher, label, value } => {
                        ("-", format!("{matcher} fails: {label} is {value:?}"))
                    }
                    Verdict::OwnedBefore { by } => ("-", format!("would match, but {by:?} owns it")),
                };
                vec![format!("  {mark} {name}"), why, place.clone()]
            })
            .collect();
        say_all(&plain(&rows));
        if !self.is_taken() {
            complain("no rule takes this alert; end the rules with one that has no match");
        }
    }
}

/// Everything there is to say.
struct Explained<'r> {
    rules: &'r RuleSet,
    at: Timestamp,
    source: String,
    receiver: String,
    alerts: Vec<Judged>,
    preview: Preview,
}

impl<'r> Explained<'r> {
    fn of(rules: &'r RuleSet, source: &str, group: AlertGroup<'_>, now: Timestamp) -> Self {
        let receiver = group.header.receiver.clone().into_owned();
        let origin = Origin { source, receiver: &receiver };
        let alerts = group.alerts.iter().map(|alert| Judged::of(rules, alert, origin)).collect();
        let preview = engine::preview(rules, source, group, now);
        Self { rules, at: now, source: source.to_owned(), receiver, alerts, preview }
    }

    /// Name of the policy of an incident's rule; `None` where it is made of `notify`.
    fn policy(&self, incident: &Foreseen) -> Option<&'r str> {
        let rule = &incident.incident.key.rule;
        let at = self.rules.rules().iter().position(|r| r.name == *rule)?;
        self.rules.policy_name(at)
    }

    /// A chat by the rules' name for it.
    fn chat(&self, id: &ChatId) -> String {
        let name = self.rules.chats().find(|(_, known)| *known == id).map(|(name, _)| name.to_owned());
        name.unwrap_or_else(|| id.0.clone())
    }

    fn chats(&self, incident: &Foreseen) -> Vec<String> {
        let places = incident.incident.places.iter();
        let chats = places.filter_map(|place| match place {
            Destination::Chat(chat) => Some(self.chat(chat)),
            Destination::Direct(_) => None,
        });
        chats.collect()
    }

    fn json(&self) -> Value {
        let incidents = self.preview.incidents.iter().map(|foreseen| {
            let incident = &foreseen.incident;
            let steps = (1..).zip(&foreseen.steps).map(|(number, step)| {
                json!({
                    "step": number,
                    "after": step.after.as_secs(),
                    "urgent": step.urgent.as_str(),
                    "people": step.recipients.people.iter().map(|p| &p.name).collect::<Vec<_>>(),
                    "chats": step.recipients.chats.iter().map(|c| self.chat(c)).collect::<Vec<_>>(),
                    "runs": step.holds && !step.recipients.is_empty(),
                })
            });
            json!({
                "rule": incident.key.rule,
                "title": incident.title,
                "severity": incident.standing.severity.name,
                "policy": self.policy(foreseen),
                "chats": self.chats(foreseen),
                "pin": incident.pin,
                "template": incident.template,
                "alerts": foreseen.alerts.len(),
                "steps": steps.collect::<Vec<_>>(),
                "repeat": incident.standing.policy.repeat,
            })
        });
        json!({
            "at": self.at.to_string(),
            "source": self.source,
            "receiver": self.receiver,
            "alerts": self.alerts.iter().map(Judged::json).collect::<Vec<_>>(),
            "incidents": incidents.collect::<Vec<_>>(),
            "heartbeats": self.preview.beats,
            "unmatched": self.preview.unmatched,
        })
    }

    fn print(&self, zone: &TimeZone) {
        for alert in &self.alerts {
            alert.print();
            say("");
        }
        for rule in &self.preview.beats {
            say(&format!("a sign of life for rule {rule:?}: nobody is paged while they come"));
        }
        for foreseen in &self.preview.incidents {
            self.print_incident(foreseen, zone);
        }
    }

    fn print_incident(&self, foreseen: &Foreseen, zone: &TimeZone) {
        let incident = &foreseen.incident;
        let severity = &incident.standing.severity;
        say(&format!(
            "incident {:?} by rule {:?} at {}",
            incident.title,
            incident.key.rule,
            shown(self.at, zone)
        ));
        say(&format!("  severity  {} (up to {})", severity.name, severity.urgent));
        let chats = self.chats(foreseen);
        let pin = if incident.pin { ", pinned for whoever is paged" } else { "" };
        say(&format!(
            "  card in   {}{pin}",
            if chats.is_empty() { "direct messages".to_owned() } else { chats.join(", ") }
        ));
        let made = if foreseen.steps.is_empty() {
            "none: a card, and nobody is buzzed"
        } else {
            "notify of the rule"
        };
        let policy = self.policy(foreseen).unwrap_or(made);
        let repeat = incident.standing.policy.repeat;
        let rounds = if repeat > 0 { format!(", then {repeat} more rounds") } else { String::new() };
        say(&format!("  policy    {policy}{rounds}"));
        let rows = (1..).zip(&foreseen.steps).map(|(number, step)| {
            let people = step.recipients.people.iter().map(|person| person.name.clone());
            let chats = step.recipients.chats.iter().map(|chat| format!("chat {}", self.chat(chat)));
            let whom: Vec<String> = people.chain(chats).collect();
            let whom = match (step.holds, whom.is_empty()) {
                (false, _) => "passed over: its condition is not met".to_owned(),
                (true, true) => "passed over: nobody is on call".to_owned(),
                (true, false) => whom.join(", "),
            };
            vec![format!("  step {number}"), offset(step.after), step.urgent.to_string(), whom]
        });
        let rows: Vec<Vec<String>> = rows.collect();
        say_all(&plain(&rows));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_as_people_paste_them() {
        for (text, expected) in [
            ("team=db", Some(("team", "db"))),
            ("team=\"db\"", Some(("team", "db"))),
            ("query=a=b", Some(("query", "a=b"))),
            ("team=", Some(("team", ""))),
            ("team", None),
            ("=db", None),
        ] {
            let read = label(text).ok();
            assert_eq!(read.as_ref().map(|(n, v)| (n.as_str(), v.as_str())), expected, "{text}");
        }
    }
}
