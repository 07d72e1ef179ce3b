//! What a button carries: written here for the cards, read here from callbacks.
//!
//! `{"v":1,"do":"snooze","inc":"INC-1","epoch":3,"for":"1h"}`. The value says
//! which incident is meant and how it stood when the button was drawn; whether
//! the presser may do it is not in it and checked by whoever acts. The button of
//! a storm: `{"v":1,"do":"acknowledge_all","storm":7,"seen":80}`.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::domain::{Action, IncidentId, StormId};
use crate::rules::parse_duration;

/// Grows when a value would be misread by an older larkhorn.
const VERSION: u64 = 1;
/// The word for answering a storm.
const ACKNOWLEDGE_ALL: &str = "acknowledge_all";

/// A button of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Button {
    /// Of which incident.
    pub incident: IncidentId,
    /// How it stood when the button was drawn.
    pub epoch: u64,
    /// What the button does.
    pub action: Action,
}

/// The button of a storm's card: whoever presses it has all of its incidents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StormButton {
    /// Of which storm.
    pub storm: StormId,
    /// How many incidents it had when the button was drawn: those that came
    /// later have not been seen and are not meant.
    pub seen: u64,
}

/// What was pressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pressed {
    /// A button of an incident's card.
    Incident(Button),
    /// That of a storm's.
    Storm(StormButton),
}

/// The value that the button of a storm's card carries.
pub fn storm_button_value(button: StormButton) -> Value {
    json!({"v": VERSION, "do": ACKNOWLEDGE_ALL, "storm": button.storm.0, "seen": button.seen})
}

impl Pressed {
    /// Reads either back; the error says what does not fit.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        if value.get("do").and_then(Value::as_str) != Some(ACKNOWLEDGE_ALL) {
            return Button::read(value).map(Self::Incident);
        }
        check_version(value)?;
        let storm = value.get("storm").and_then(Value::as_i64).ok_or("`storm` is no number")?;
        let seen = value.get("seen").and_then(Value::as_u64).ok_or("`seen` is no number")?;
        Ok(Self::Storm(StormButton { storm: StormId(storm), seen }))
    }
}

fn check_version(value: &Value) -> Result<(), String> {
    let version = value.get("v").and_then(Value::as_u64);
    if version != Some(VERSION) {
        return Err(format!("its value is of version {version:?}, not {VERSION}"));
    }
    Ok(())
}

/// The value that a card's button carries; [`Inbound::Press`](super::Inbound::Press) brings it back.
pub fn button_value(button: &Button) -> Value {
    let mut value = json!({
        "v": VERSION,
        "do": button.action.as_str(),
        "inc": button.incident.to_string(),
        "epoch": button.epoch,
    });
    let more = match &button.action {
        Action::Snooze { span } | Action::Silence { span } => Some(("for", written(*span))),
        Action::HandOver { to } => Some(("to", to.clone())),
        Action::Acknowledge | Action::Unacknowledge | Action::Resolve | Action::Escalate => None,
    };
    if let (Some((name, text)), Some(fields)) = (more, value.as_object_mut()) {
        fields.insert(name.into(), text.into());
    }
    value
}

impl Button {
    /// Reads it back; the error says what does not fit.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        check_version(value)?;
        let incident = text("inc").and_then(IncidentId::parse).ok_or("`inc` names no incident")?;
        let epoch = value.get("epoch").and_then(Value::as_u64).ok_or("`epoch` is no number")?;
        let span = || {
            let span = text("for").and_then(parse_duration);
            span.filter(|span| span.is_positive() && *span <= Action::SPAN_MAX)
                .ok_or("`for` is no duration of up to 7d")
        };
        let action = match text("do").unwrap_or_default() {
            "acknowledge" => Action::Acknowledge,
            "unacknowledge" => Action::Unacknowledge,
            "snooze" => Action::Snooze { span: span()? },
            "silence" => Action::Silence { span: span()? },
            "resolve" => Action::Resolve,
            "escalate" => Action::Escalate,
            "hand_over" => Action::HandOver { to: text("to").ok_or("`to` names nobody")?.into() },
            other => return Err(format!("`do` is {other:?}, which is not known")),
        };
        Ok(Self { incident, epoch, action })
    }
}

/// A span as the rules write it: `1h30m`. Below a second nothing is kept.
fn written(span: SignedDuration) -> String {
    let seconds = span.as_secs();
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    parts.fold(String::new(), |text, (count, unit)| format!("{text}{count}{unit}"))
}
