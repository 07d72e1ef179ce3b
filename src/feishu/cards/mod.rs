//! Draws an incident: as a card, as the line that buzzes, as last-resort text.
//!
//! # Invariants
//!
//! * [`Cards::render`] cannot fail. A bad template gives way to the one inside
//!   the binary, that one to a card built in code.
//! * A card is valid JSON 2.0 within [`CARD_BYTES_MAX`] and [`ELEMENTS_MAX`].
//! * Whatever alerts say, their text is only ever text (see `text`).
//!
//! When to draw, and where to send it, is the courier's business.

mod buttons;
mod lines;
mod links;
mod minimal;
mod storm;
mod templates;
mod text;
mod view;
mod words;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use serde::Serialize;
use serde_json::Value;

use crate::domain::{Alert, Incident, Member, Urgent};
use crate::settings::Locale;
pub use storm::StormInput;
use templates::{Template, Templates};

/// Feishu takes 30 KB (feishu-api.md §3.1). Measured as the string that goes
/// into the request, quotes escaped.
const CARD_BYTES_MAX: usize = 28 * 1024;
/// Feishu takes 200 (feishu-api.md §3.3).
const ELEMENTS_MAX: usize = 200;

/// An alert that a card may list.
#[derive(Debug, Clone, Copy)]
pub struct ListedAlert<'a> {
    /// As last reported.
    pub alert: &'a Alert<'static>,
    /// Its part in the incident.
    pub member: Member,
}

/// Somebody who was paged about the incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paged {
    /// The rules' name for them.
    pub name: String,
    /// The loudest they were buzzed so far.
    pub urgent: Urgent,
    /// Whether they have read a message about it.
    pub seen: bool,
}

/// What a card is drawn from.
#[derive(Debug, Clone, Copy)]
pub struct CardInput<'a> {
    /// The incident.
    pub incident: &'a Incident,
    /// Its alerts, firing ones first; 30 are enough, the rest is only counted.
    pub alerts: &'a [ListedAlert<'a>],
    /// Who was paged, loudest first; empty when nobody was.
    pub paged: &'a [Paged],
}

/// A card that was drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The card, compact JSON.
    pub json: String,
    /// What was wrong with the template, when another had to serve.
    pub problem: Option<String>,
    /// Whether something was left out to fit Feishu's limits.
    pub shrunk: bool,
}

/// How a template does on an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// It shows everything.
    Fine,
    /// Its card is within Feishu's limits only with parts left out.
    Shrunk,
    /// Its card is above Feishu's limits however much is left out.
    TooLarge,
    /// It cannot be rendered, or not to a card.
    Fails(String),
}

/// Draws incidents in one language and time zone. Made once, cheap to clone.
#[derive(Debug, Clone)]
pub struct Cards {
    locale: Locale,
    zone: TimeZone,
    templates: Templates,
    buttons: Buttons,
}

/// Which buttons act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Buttons {
    /// None: presses are not heard.
    #[default]
    None,
    /// All but silences: there is no Alertmanager to ask.
    Answers,
    /// All.
    AnswersAndSilences,
}

impl Cards {
    /// Takes the templates inside the binary and lets `overrides` (path below
    /// the template folder such as `zh-CN/alert.hbs`, and text) replace their
    /// namesakes or add to them. Also returns one problem for each template
    /// that cannot be read; it is left out.
    pub fn new(locale: Locale, zone: TimeZone, overrides: &[(String, String)]) -> (Self, Vec<String>) {
        let (templates, problems) = Templates::new(locale, &zone, overrides);
        (Self { locale, zone, templates, buttons: Buttons::None }, problems)
    }

    /// The same with buttons to answer with, for where their presses are heard.
    #[must_use]
    pub fn with_buttons(self) -> Self {
        Self { buttons: Buttons::Answers, ..self }
    }

    /// The same with buttons to answer and to silence with, for where there is
    /// an Alertmanager to be asked besides.
    #[must_use]
    pub fn with_silences(self) -> Self {
        Self { buttons: Buttons::AnswersAndSilences, ..self }
    }

    /// The incident's card as it looks at `now`.
    ///
    /// Tries the incident's template, then the shipped one; each first in full,
    /// then with fewer and shorter parts until the card fits; last a bare card
    /// that always works.
    pub fn render(&self, input: &CardInput<'_>, now: Timestamp) -> Rendered {
        let (candidates, problem) = self.templates.candidates(&input.incident.template);
        let view = |limits: &view::Limits| view::view(input, now, limits, self.buttons);
        let bare = || minimal::card(self.locale, input.incident);
        largest_that_fits((&candidates, problem), &view::LEVELS, view, bare)
    }

    /// Whether there is a template of that name.
    pub fn has_template(&self, name: &str) -> bool {
        self.templates.candidates(name).1.is_none()
    }

    /// How the incident's template does, without another to help it out.
    pub fn prove(&self, input: &CardInput<'_>, now: Timestamp) -> Proof {
        let (candidates, _) = self.templates.candidates(&input.incident.template);
        let Some(template) = candidates.first() else { return Proof::Fine };
        for (level, limits) in view::LEVELS.iter().enumerate() {
            match template.render(&view::view(input, now, limits, self.buttons)) {
                Ok(card) if fits(&card, &card.to_string()) => {
                    return if level == 0 { Proof::Fine } else { Proof::Shrunk };
                }
                Ok(_) => {}
                Err(problem) => return Proof::Fails(problem),
            }
        }
        Proof::TooLarge
    }

    /// The card of a storm as it looks at `now`. Tries as [`render`](Self::render) does.
    pub fn render_storm(&self, input: &StormInput<'_>, now: Timestamp) -> Rendered {
        let view = |listed: &usize| storm::view(input, now, *listed, self.buttons);
        let bare = || storm::minimal(self.locale, input);
        largest_that_fits((&self.templates.of_storms(), None), &storm::LEVELS, view, bare)
    }

    /// The storm in a line of text, for when no card is accepted. It has no word
    /// of the incidents.
    pub fn storm_line(&self, input: &StormInput<'_>) -> String {
        storm::line(self.locale, input)
    }

    /// The line that is urged: `[critical] CheckoutErrorRate 5.2 % · prod · step 2/4 → lin`.
    ///
    /// `hint` is what is known of the measured values; `step` is the running
    /// step and how many there are, both counted from 1. At most 200
    /// characters, nothing in it is markup.
    pub fn buzz_line(&self, incident: &Incident, hint: &str, step: (u16, u16), people: &[String]) -> String {
        lines::buzz(self.locale, incident, hint, step, people)
    }

    /// A card of headline and summary alone, for when the full one is refused.
    pub fn bare(&self, incident: &Incident) -> String {
        minimal::card(self.locale, incident)
    }

    /// A card with no word of the alerts, for when a content filter refuses them.
    pub fn redacted(&self, incident: &Incident) -> String {
        minimal::card(self.locale, &lines::redacted(self.locale, incident))
    }

    /// The same as a line of text; nothing in it is markup.
    pub fn redacted_line(&self, incident: &Incident) -> String {
        lines::last_resort(self.locale, &self.zone, &lines::redacted(self.locale, incident))
    }

    /// The incident in a line of text, for when no card is accepted. At most
    /// 500 characters, nothing in it is markup.
    pub fn plain(&self, incident: &Incident) -> String {
        lines::last_resort(self.locale, &self.zone, incident)
    }
}

/// Tries templates, best first, each with less and less until the card fits;
/// last a bare card that always works.
fn largest_that_fits<L, V: Serialize>(
    (candidates, mut problem): (&[Template<'_>], Option<String>),
    levels: &[L],
    view: impl Fn(&L) -> V,
    bare: impl FnOnce() -> String,
) -> Rendered {
    for template in candidates {
        let mut trouble = "it stays above Feishu's limits however much is left out".to_owned();
        for (level, limits) in levels.iter().enumerate() {
            match template.render(&view(limits)) {
                Ok(card) => {
                    let json = card.to_string();
                    if fits(&card, &json) {
                        return Rendered { json, problem, shrunk: level > 0 };
                    }
                }
                Err(error) => {
                    trouble = error;
                    break;
                }
            }
        }
        problem.get_or_insert_with(|| template.named(&trouble));
    }
    Rendered { json: bare(), problem, shrunk: true }
}

/// Whether Feishu takes a card of this size.
fn fits(card: &Value, json: &str) -> bool {
    let escapes = json.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count();
    json.len() + escapes <= CARD_BYTES_MAX && elements(card) <= ELEMENTS_MAX
}

/// Everything with a tag counts, texts too: rather too many than too few.
fn elements(value: &Value) -> usize {
    match value {
        Value::Object(fields) => {
            usize::from(fields.contains_key("tag")) + fields.values().map(elements).sum::<usize>()
        }
        Value::Array(items) => items.iter().map(elements).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

#[cfg(test)]
mod tests;
