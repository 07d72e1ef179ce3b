//! Which buttons a card has, by the state of its incident.
//!
//! Only buttons that act are drawn. What they do, and whether it may be done,
//! is decided when they are pressed.

use jiff::SignedDuration;
use serde::Serialize;

use super::{Buttons, CardInput};
use crate::domain::{Action, OWN_SOURCE, Phase};
use crate::feishu::callbacks::{Button, button_value};

#[derive(Debug, Serialize)]
pub(super) struct ButtonView {
    /// The action's word.
    action: &'static str,
    /// Hours, for a snooze or silence; else 0.
    hours: i64,
    /// What the button brings back, as JSON: to be written as it is.
    value: String,
}

/// The buttons that make sense in a state.
pub(super) fn views(input: &CardInput<'_>, buttons: Buttons) -> Vec<ButtonView> {
    let (standing, Some(incident)) = (&input.incident.standing, input.incident.id) else { return Vec::new() };
    if buttons == Buttons::None {
        return Vec::new();
    }
    let snooze = |hours| Action::Snooze { span: SignedDuration::from_hours(hours) };
    let mut actions = match standing.phase() {
        Phase::Triggered => {
            vec![Action::Acknowledge, snooze(1), snooze(4), Action::Escalate, Action::Resolve]
        }
        Phase::Acknowledged => vec![Action::Resolve, Action::Unacknowledge, Action::Escalate, snooze(1)],
        Phase::Snoozed => vec![Action::Acknowledge, Action::Unacknowledge, Action::Resolve],
        Phase::Resolved => Vec::new(),
    };
    // What Grafana fires is silenced there, by the link beside; what larkhorn
    // raises itself, nowhere.
    let elsewhere = input.incident.source == OWN_SOURCE
        || input.alerts.iter().any(|listed| !listed.alert.silence_url.is_empty());
    let running = matches!(standing.phase(), Phase::Triggered | Phase::Acknowledged);
    if buttons == Buttons::AnswersAndSilences && running && !elsewhere {
        actions.extend([1, 4, 24].map(|hours| Action::Silence { span: SignedDuration::from_hours(hours) }));
    }
    let epoch = standing.epoch;
    let view = |action: Action| ButtonView {
        action: action.as_str(),
        hours: match &action {
            Action::Snooze { span } | Action::Silence { span } => span.as_hours(),
            Action::Acknowledge
            | Action::Unacknowledge
            | Action::Resolve
            | Action::Escalate
            | Action::HandOver { .. } => 0,
        },
        value: button_value(&Button { incident, epoch, action }).to_string(),
    };
    actions.into_iter().map(view).collect()
}
