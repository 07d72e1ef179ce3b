//! Tries the templates that rules name on captured payloads, as the pager would
//! draw them: each firing, answered and over.
//!
//! The payloads are few and inside the binary: one of each sender and shape that
//! templates have stumbled over (many alerts, no labels at all, other scripts).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::files;
use crate::domain::{Incident, Response};
use crate::feishu::{CardInput, Cards, ListedAlert, Proof};
use crate::rules::{BROKEN_TEMPLATE, CARD_TOO_LARGE, RuleSet, Spot, UNKNOWN_TEMPLATE, Warning};
use crate::settings::{Locale, Settings};
use crate::sources::{self, Hint};
use crate::worker::engine::{self, Foreseen};

/// The template that a rule has if it names none.
const ALERT: &str = "alert";

const PAYLOADS: [(&str, &str); 6] = [
    ("a group of three alerts of Alertmanager", include_str!("payloads/am-0.33_group3-firing.json")),
    ("labels in other scripts", include_str!("payloads/am-0.33_unicode.json")),
    ("an alert with hardly any labels", include_str!("payloads/am-0.33_minimal.json")),
    ("an alert of Prometheus", include_str!("payloads/prom-2.42_am-0.25_rule-firing.json")),
    ("an alert of Grafana", include_str!("payloads/grafana-unified_firing.json")),
    ("a legacy alert of Grafana", include_str!("payloads/grafana-legacy_alerting.json")),
];

/// Where templates come from.
#[derive(Debug, Clone)]
pub struct TemplateSource {
    /// The folder; `None`: only those inside the binary.
    pub folder: Option<PathBuf>,
    /// Their language.
    pub locale: Locale,
    /// How times read in them.
    pub timezone: TimeZone,
}

impl TemplateSource {
    /// As the settings say.
    pub fn of(settings: &Settings) -> Self {
        Self {
            folder: Some(settings.templates.clone()),
            locale: settings.feishu.locale,
            timezone: settings.timezone.clone(),
        }
    }

    /// What is wrong with the templates that the rules name.
    ///
    /// # Errors
    ///
    /// A template file that cannot be read as text.
    pub fn prove(&self, rules: &RuleSet, now: Timestamp) -> anyhow::Result<Vec<Warning>> {
        let folder = self.folder.as_deref();
        let texts = match folder {
            Some(folder) => files::read_templates(folder, self.locale)?,
            None => Vec::new(),
        };
        let mut found = Vec::new();
        let mut broken = Vec::new();
        for (path, text) in &texts {
            let (_, problems) =
                Cards::new(self.locale, self.timezone.clone(), &[(path.clone(), text.clone())]);
            if let Some(problem) = problems.first() {
                let message = format!("{}; the built-in one serves", one_line(problem));
                found.push(self.in_file(path, problem).finding(BROKEN_TEMPLATE, message));
                broken.push(path.clone());
            }
        }
        let (cards, _) = Cards::new(self.locale, self.timezone.clone(), &texts);
        let (shipped, _) = Cards::new(self.locale, self.timezone.clone(), &[]);
        let mut spots: BTreeMap<&str, &Spot> = BTreeMap::new();
        for (at, rule) in rules.rules().iter().enumerate() {
            if let Some(spot) = rules.template_spot(at) {
                spots.entry(&rule.template).or_insert(spot);
            }
        }
        for (name, spot) in spots {
            let path = format!("{}/{name}.hbs", self.locale.as_str());
            if broken.contains(&path) {
                continue;
            }
            if !cards.has_template(name) {
                let place =
                    folder.map_or_else(String::new, |f| format!(" or in {}", f.join(&path).display()));
                let message = format!(
                    "there is no template {name:?} inside the binary{place}; {ALERT:?} serves in its place"
                );
                found.push(spot.finding(UNKNOWN_TEMPLATE, message));
                continue;
            }
            let own = texts.iter().any(|(p, _)| *p == path);
            let at = |message: &str| if own { self.in_file(&path, message) } else { spot.clone() };
            let problems = try_on_payloads(rules, name, (&cards, &shipped), now);
            found.extend(problems.map(|(code, message)| at(&message).finding(code, message)));
        }
        Ok(found)
    }

    /// A place in a template's file: the one that a problem names, else the beginning.
    fn in_file(&self, path: &str, problem: &str) -> Spot {
        let file = self.folder.as_deref().unwrap_or_else(|| Path::new("")).join(path);
        let (line, column) = place_in(problem).unwrap_or((1, 1));
        Spot { path: file.display().to_string(), line, column }
    }
}

/// `"alert":12:5` or `line 12, col 5` in what the template engine says.
fn place_in(problem: &str) -> Option<(u64, u64)> {
    let numbers = |text: &str, between: &str| -> Option<(u64, u64)> {
        let (line, rest) = text.split_once(between)?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some((line.parse().ok()?, digits.parse().ok()?))
    };
    let quoted = || problem.split("\":").skip(1).find_map(|text| numbers(text, ":"));
    problem.split(" line ").skip(1).find_map(|text| numbers(text, ", col ")).or_else(quoted)
}

/// The first line of what the template engine says, which draws a picture below
/// it, and not all it could have taken instead.
fn one_line(problem: &str) -> String {
    const CHARS_MAX: usize = 160;
    let first = problem.lines().next().unwrap_or_default().trim();
    let short: String = first.chars().take(CHARS_MAX).collect();
    if short.len() < first.len() { format!("{}…", short.trim_end()) } else { short }
}

/// What goes wrong first, by kind.
fn try_on_payloads(
    rules: &RuleSet,
    template: &str,
    (cards, shipped): (&Cards, &Cards),
    now: Timestamp,
) -> impl Iterator<Item = (&'static str, String)> {
    let mut by_kind: BTreeMap<&'static str, String> = BTreeMap::new();
    for (what, payload) in PAYLOADS {
        for Foreseen { incident, alerts, .. } in incidents(rules, payload, now) {
            let listed: Vec<_> =
                alerts.iter().map(|held| ListedAlert { alert: &held.alert, member: held.member }).collect();
            for (when, incident) in [
                ("while it fires", named(incident.clone(), template)),
                ("when somebody has it", answered(named(incident.clone(), template), now)),
                ("when it is over", over(named(incident, template), now)),
            ] {
                let input = CardInput { incident: &incident, alerts: &listed, paged: &[] };
                let plain = named(incident.clone(), ALERT);
                let usual =
                    || shipped.prove(&CardInput { incident: &plain, alerts: &listed, paged: &[] }, now);
                let (code, message) = match cards.prove(&input, now) {
                    Proof::Fails(problem) => (
                        BROKEN_TEMPLATE,
                        format!("{}, with {what}, {when}; the built-in one serves", one_line(&problem)),
                    ),
                    Proof::TooLarge => (
                        CARD_TOO_LARGE,
                        format!(
                            "the card of {template:?} is above Feishu's 30 KB or 200 elements with {what}, {when}, \
                             however much is left out; draw less"
                        ),
                    ),
                    Proof::Shrunk if usual() == Proof::Fine => (
                        CARD_TOO_LARGE,
                        format!(
                            "the card of {template:?} has to leave things out to stay below Feishu's 30 KB and 200 \
                             elements with {what}, {when}; draw less"
                        ),
                    ),
                    Proof::Fine | Proof::Shrunk => continue,
                };
                by_kind.entry(code).or_insert(message);
            }
        }
    }
    by_kind.into_iter()
}

fn incidents(rules: &RuleSet, payload: &str, now: Timestamp) -> Vec<Foreseen> {
    let body = payload.as_bytes();
    let decoded =
        sources::inspect(Hint::Any, body).and_then(|(kind, _)| Ok((kind, sources::decode(kind, body)?)));
    decoded.map_or_else(
        |_| Vec::new(),
        |(kind, group)| engine::preview(rules, kind.as_str(), group, now).incidents,
    )
}

fn named(incident: Incident, template: &str) -> Incident {
    Incident { template: template.to_owned(), ..incident }
}

fn answered(mut incident: Incident, now: Timestamp) -> Incident {
    let by = "lin".to_owned();
    incident.standing.response = Response::Acknowledged { by, at: now, expires_at: None, reminded: false };
    incident
}

fn over(mut incident: Incident, now: Timestamp) -> Incident {
    incident.standing.response = Response::Resolved { at: now, by: None };
    incident
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::SourceFile;

    const RULES: &str = "{chats: {sre: oc_sre}, rules: [{name: all, chat: sre}]}";

    #[test]
    fn every_payload_opens_an_incident_and_the_shipped_templates_show_it() {
        let (rules, _) = RuleSet::load(&[SourceFile { path: "a.yaml", text: RULES }]).unwrap();
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        for (what, payload) in PAYLOADS {
            assert!(!incidents(&rules, payload, now).is_empty(), "{what}");
        }
        for locale in [Locale::ZhCn, Locale::En] {
            let source = TemplateSource { folder: None, locale, timezone: TimeZone::UTC };
            assert_eq!(source.prove(&rules, now).unwrap(), []);
        }
    }

    #[test]
    fn places_in_what_the_engine_says_are_found() {
        assert_eq!(place_in("Template error in \"alert\":12:5\n x"), Some((12, 5)));
        assert_eq!(place_in("Error rendering \"alert\" line 2, col 35: x"), Some((2, 35)));
        assert_eq!(place_in("nothing"), None);
    }
}
