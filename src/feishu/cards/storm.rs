//! The card of a storm: many incidents that came at once, counted and listed.
//!
//! What its template can say is here, as `view` has it for an incident's card.
//! Times are RFC 3339. What the incidents say is cut and harmless as there.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::Buttons;
use super::text::shown_in_line;
use super::view::{NAME_CHARS, place, severity_colour, title};
use crate::domain::{Incident, Phase, StormId};
use crate::feishu::callbacks::{StormButton, storm_button_value};
use crate::settings::Locale;

/// Incidents listed, from the full card to the barest.
pub(super) const LEVELS: [usize; 4] = [30, 15, 5, 0];

/// What a storm's card is drawn from.
#[derive(Debug, Clone, Copy)]
pub struct StormInput<'a> {
    /// The storm's number.
    pub id: StormId,
    /// When its first incident came.
    pub began_at: Timestamp,
    /// How many of its incidents nobody has answered.
    pub triggered: u64,
    /// How many somebody has.
    pub acknowledged: u64,
    /// How many are snoozed.
    pub snoozed: u64,
    /// How many are over.
    pub resolved: u64,
    /// The most pressing of them, worst first; 30 are enough, the rest is only counted.
    pub worst: &'a [Incident],
}

impl StormInput<'_> {
    fn total(&self) -> u64 {
        self.triggered + self.acknowledged + self.snoozed + self.resolved
    }

    fn colour(&self) -> &'static str {
        let triggered = |i: &&Incident| i.standing.phase() == Phase::Triggered;
        match (self.triggered, self.total() > self.resolved) {
            (_, false) => "green",
            (0, true) => "blue",
            // A card that lists none is about as bad as they get.
            (_, true) => {
                self.worst.iter().find(triggered).map_or("red", |i| severity_colour(&i.standing.severity))
            }
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct StormView {
    /// Feishu's colour of the header: by state, then by the worst severity.
    colour: &'static str,
    open: bool,
    total: u64,
    triggered: u64,
    acknowledged: u64,
    snoozed: u64,
    resolved: u64,
    began_at: String,
    updated_at: String,
    /// What the button to have them all brings back, as JSON: to be written as it
    /// is. Empty where there is none.
    button: String,
    /// Worst first.
    incidents: Vec<IncidentView>,
    more_incidents: u64,
}

#[derive(Debug, Serialize)]
struct IncidentView {
    id: String,
    title: String,
    /// `prod · eu-1`; may be empty.
    place: String,
    severity: String,
    severity_colour: &'static str,
    /// `triggered`, `acknowledged`, `snoozed` or `resolved`.
    state: &'static str,
    /// Who has it, wants quiet, or said that it is over; may be empty.
    holder: String,
}

impl IncidentView {
    fn of(incident: &Incident) -> Self {
        let standing = &incident.standing;
        Self {
            id: incident.id.map(|id| id.to_string()).unwrap_or_default(),
            title: title(incident),
            place: place(&incident.labels),
            severity: shown_in_line(&standing.severity.name, NAME_CHARS),
            severity_colour: severity_colour(&standing.severity),
            state: standing.phase().as_str(),
            holder: shown_in_line(standing.holder().unwrap_or_default(), NAME_CHARS),
        }
    }
}

/// The context for a template, with so many incidents listed.
pub(super) fn view(input: &StormInput<'_>, now: Timestamp, listed: usize, buttons: Buttons) -> StormView {
    let incidents: Vec<IncidentView> = input.worst.iter().take(listed).map(IncidentView::of).collect();
    let button = StormButton { storm: input.id, seen: input.total() };
    let acts = buttons != Buttons::None && input.triggered > 0;
    StormView {
        colour: input.colour(),
        open: input.total() > input.resolved,
        total: input.total(),
        triggered: input.triggered,
        acknowledged: input.acknowledged,
        snoozed: input.snoozed,
        resolved: input.resolved,
        began_at: input.began_at.to_string(),
        updated_at: now.to_string(),
        button: if acts { storm_button_value(button).to_string() } else { String::new() },
        more_incidents: input.total().saturating_sub(u64::try_from(incidents.len()).unwrap_or(u64::MAX)),
        incidents,
    }
}

/// `Storm: 80 incidents · 60 firing, 15 acknowledged, 5 resolved`.
pub(super) fn line(locale: Locale, input: &StormInput<'_>) -> String {
    let StormInput { triggered, acknowledged, snoozed, resolved, .. } = input;
    let total = input.total();
    match locale {
        Locale::ZhCn => format!(
            "告警风暴：{total} 个事件 · {triggered} 个告警中、{acknowledged} 个已认领、{snoozed} 个静音中、{resolved} 个已恢复"
        ),
        Locale::En => format!(
            "Storm: {total} incidents · {triggered} firing, {acknowledged} acknowledged, {snoozed} snoozed, {resolved} resolved"
        ),
    }
}

/// The card that always works.
pub(super) fn minimal(locale: Locale, input: &StormInput<'_>) -> String {
    let text = line(locale, input);
    json!({
        "schema": "2.0",
        "config": {"update_multi": true, "summary": {"content": text}},
        "header": {"template": input.colour(), "title": {"tag": "plain_text", "content": text}},
        "body": {"elements": [{"tag": "markdown", "content": text}]},
    })
    .to_string()
}
