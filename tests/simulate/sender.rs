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
    /// When it was put together.
    pub(crate) made_at: Timestamp,
}

/// An alert at its sender.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    /// Silenced until then, and left out of what is sent.
    silenced_until: Option<Timestamp>,
}

impl State {
    fn is_told(&self, now: Timestamp) -> bool {
        self.silenced_until.is_none_or(|until| until <= now)
    }
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

    /// An alert is silenced until then.
    pub(crate) fn silence(&mut self, alert: usize, until: Timestamp) {
        self.0[alert].silenced_until = Some(until);
    }

    /// Whether an alert fires, and whether it is told of.
    pub(crate) fn truth(&self, alert: usize, now: Timestamp) -> (bool, bool) {
        let state = &self.0[alert];
        (state.starts_at.is_some() && state.ends_at.is_none(), state.is_told(now))
    }

    /// What is sent of a group: all that fires and is not silenced, and what has
    /// recovered since a few minutes. `None`: there is nothing to say.
    pub(crate) fn payload(&self, group: usize, now: Timestamp) -> Option<Payload> {
        let alerts = self.0.iter().enumerate().filter_map(|(alert, state)| {
            let recent =
                state.ends_at.is_none_or(|end| now.duration_since(end) <= SignedDuration::from_mins(5));
            let starts_at = state.starts_at.filter(|_| recent && state.is_told(now))?;
            let status = if state.ends_at.is_some() { AlertStatus::Resolved } else { AlertStatus::Firing };
            (HOUSE.alerts[alert].group == group).then_some(Told {
                alert,
                status,
                starts_at,
                ends_at: state.ends_at,
            })
        });
        let alerts: Vec<_> = alerts.collect();
        (!alerts.is_empty()).then_some(Payload { group, alerts, complete: true, made_at: now })
    }

    /// What another evaluator says of an alert that fires or has fired.
    pub(crate) fn replica(&self, alert: usize, shift: SignedDuration, now: Timestamp) -> Option<Payload> {
        let state = self.0[alert];
        let status = if state.ends_at.is_some() { AlertStatus::Resolved } else { AlertStatus::Firing };
        let told = Told { alert, status, starts_at: state.starts_at? + shift, ends_at: state.ends_at };
        let group = HOUSE.alerts[alert].group;
        Some(Payload { group, alerts: vec![told], complete: false, made_at: now })
    }
}
