//! What a button carries: written here for the cards, read here from callbacks.
//!
//! `{"v":1,"do":"snooze","inc":"INC-1","epoch":3,"for":"1h"}`. The value says
//! which incident is meant and how it stood when the button was drawn; whether
//! the presser may do it is not in it and checked by whoever acts.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::domain::{Action, IncidentId};
use crate::rules::parse_duration;

/// Grows when a value would be misread by an older larkhorn.
const VERSION: u64 = 1;

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
        let version = value.get("v").and_then(Value::as_u64);
        if version != Some(VERSION) {
            return Err(format!("its value is of version {version:?}, not {VERSION}"));
        }
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
