//! An Alertmanager: what fires there, what it leaves out, what it sends.

use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::AlertStatus;

use crate::house::HOUSE;

/// What a payload says of one alert.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) alert: usize,
    pub(crate) status: AlertStatus,
    pub(crate) starts_at: Timestamp,
    pub(crate) ends_at: Option<Timestamp>,
}

/// One webhook.
#[derive(Debug, Clone)]
pub(crate) struct Payload {
    pub(crate) group: usize,
    pub(crate) alerts: Vec<Told>,
    pub(crate) complete: bool,
}

/// An alert at its sender.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    hidden: bool,
}

/// The sender. Its clock is right.
pub(crate) struct Sender(Vec<State>);

impl Sender {
    pub(crate) fn new() -> Self {
        Self(vec![State::default(); HOUSE.alerts.len()])
    }

    /// An alert fires, if it does not already.
    pub(crate) fn fire(&mut self, alert: usize, now: Timestamp) {
        let state = &mut self.0[alert];
        if state.starts_at.is_none() || state.ends_at.is_some() {
            (state.starts_at, state.ends_at) = (Some(now), None);
        }
    }

    /// An alert recovers, if it fires.
    pub(crate) fn clear(&mut self, alert: usize, now: Timestamp) {
        let state = &mut self.0[alert];
        if state.starts_at.is_some() && state.ends_at.is_none() {
            state.ends_at = Some(now);
        }
    }

    /// An alert is silenced or inhibited, or is so no more.
    pub(crate) fn hide(&mut self, alert: usize, hidden: bool) {
        self.0[alert].hidden = hidden;
    }

    /// Whether an alert fires, and whether it is told of.
    pub(crate) fn truth(&self, alert: usize) -> (bool, bool) {
        let state = &self.0[alert];
        (state.starts_at.is_some() && state.ends_at.is_none(), !state.hidden)
    }

    /// What is sent of a group: all that fires and is not hidden, and what has
    /// recovered since a few minutes. `None`: there is nothing to say.
    pub(crate) fn payload(&self, group: usize, now: Timestamp) -> Option<Payload> {
        let alerts = self.0.iter().enumerate().filter_map(|(alert, state)| {
            let recent =
                state.ends_at.is_none_or(|end| now.duration_since(end) <= SignedDuration::from_mins(5));
            let starts_at = state.starts_at.filter(|_| recent && !state.hidden)?;
            let status = if state.ends_at.is_some() { AlertStatus::Resolved } else { AlertStatus::Firing };
            (HOUSE.alerts[alert].group == group).then_some(Told {
                alert,
                status,
                starts_at,
                ends_at: state.ends_at,
            })
        });
        let alerts: Vec<_> = alerts.collect();
        (!alerts.is_empty()).then_some(Payload { group, alerts, complete: true })
    }

    /// What another evaluator says of an alert that fires or has fired.
    pub(crate) fn replica(&self, alert: usize, shift: SignedDuration) -> Option<Payload> {
        let state = self.0[alert];
        let status = if state.ends_at.is_some() { AlertStatus::Resolved } else { AlertStatus::Firing };
        let told = Told { alert, status, starts_at: state.starts_at? + shift, ends_at: state.ends_at };
        Some(Payload { group: HOUSE.alerts[alert].group, alerts: vec![told], complete: false })
    }
}
