//! The policy that an incident remembers, as JSON and back.
//!
//! Keys added after the first release have defaults, and are left out where
//! they say nothing: older rows are read, and most rows look as they always did.

use std::borrow::Cow;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::rows::urgent;
use crate::domain::{Days, Hours, Policy, Ranks, Step, Target, When, Window};
use crate::store::StoreError;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TargetRow<'a> {
    Person(#[serde(borrow)] Cow<'a, str>),
    Team(#[serde(borrow)] Cow<'a, str>),
    Schedule(#[serde(borrow)] Cow<'a, str>),
    Chat(#[serde(borrow)] Cow<'a, str>),
}

#[derive(Serialize, Deserialize)]
struct WindowRow<'a> {
    /// Minutes of the day, both below 1440 or the latter 1440; an end before
    /// the start is the next day's.
    hours: Option<(u16, u16)>,
    /// Monday is bit 0.
    days: u8,
    #[serde(borrow)]
    calendar: Option<Cow<'a, str>>,
    #[serde(borrow)]
    timezone: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
struct WhenRow<'a> {
    /// Loudest and quietest rank.
    severity: Option<(u16, u16)>,
    firing: usize,
    #[serde(borrow)]
    window: Option<WindowRow<'a>>,
}

#[derive(Serialize, Deserialize)]
struct StepRow<'a> {
    /// Whole seconds, and the nanoseconds beyond.
    wait: (i64, i32),
    #[serde(borrow)]
    notify: Vec<TargetRow<'a>>,
    #[serde(borrow)]
    urgent: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    when: Option<WhenRow<'a>>,
}

/// A policy.
#[derive(Serialize, Deserialize)]
pub(super) struct PolicyRow<'a> {
    #[serde(borrow)]
    steps: Vec<StepRow<'a>>,
    repeat: u16,
}

impl<'a> From<&'a Policy> for PolicyRow<'a> {
    fn from(policy: &'a Policy) -> Self {
        let target = |target: &'a Target| match target {
            Target::Person(name) => TargetRow::Person(name.as_str().into()),
            Target::Team(name) => TargetRow::Team(name.as_str().into()),
            Target::Schedule(name) => TargetRow::Schedule(name.as_str().into()),
            Target::Chat(name) => TargetRow::Chat(name.as_str().into()),
        };
        let step = |step: &'a Step| StepRow {
            wait: seconds(step.wait),
            notify: step.notify.iter().map(target).collect(),
            urgent: step.urgent.map(|u| u.as_str().into()),
            when: step.when.as_ref().map(WhenRow::from),
        };
        Self { steps: policy.steps.iter().map(step).collect(), repeat: policy.repeat }
    }
}

impl<'a> From<&'a When> for WhenRow<'a> {
    fn from(when: &'a When) -> Self {
        let window = |window: &'a Window| WindowRow {
            hours: window.hours.map(|h| (h.start(), wrapped(h.end()))),
            days: window.days.bits(),
            calendar: window.calendar.as_deref().map(Cow::from),
            timezone: window.timezone.as_str().into(),
        };
        Self {
            severity: when.severity.map(|ranks| (ranks.loudest, ranks.quietest)),
            firing: when.firing,
            window: when.window.as_ref().map(window),
        }
    }
}

impl TryFrom<PolicyRow<'_>> for Policy {
    type Error = StoreError;

    fn try_from(row: PolicyRow<'_>) -> Result<Self, StoreError> {
        let target = |target: TargetRow<'_>| match target {
            TargetRow::Person(name) => Target::Person(Cow::into_owned(name)),
            TargetRow::Team(name) => Target::Team(Cow::into_owned(name)),
            TargetRow::Schedule(name) => Target::Schedule(Cow::into_owned(name)),
            TargetRow::Chat(name) => Target::Chat(Cow::into_owned(name)),
        };
        let step = |step: StepRow<'_>| {
            Ok(Step {
                wait: SignedDuration::new(step.wait.0, step.wait.1),
                notify: step.notify.into_iter().map(target).collect(),
                urgent: step.urgent.as_deref().map(urgent).transpose()?,
                when: step.when.map(When::from),
            })
        };
        let steps = row.steps.into_iter().map(step).collect::<Result<_, StoreError>>()?;
        Ok(Self { steps, repeat: row.repeat })
    }
}

impl From<WhenRow<'_>> for When {
    fn from(row: WhenRow<'_>) -> Self {
        let window = |window: WindowRow<'_>| Window {
            hours: window.hours.and_then(|(start, end)| Hours::new(start, end)),
            days: Days::from_bits(window.days),
            calendar: window.calendar.map(Cow::into_owned),
            timezone: window.timezone.into_owned(),
        };
        Self {
            severity: row.severity.map(|(loudest, quietest)| Ranks { loudest, quietest }),
            firing: row.firing,
            window: row.window.map(window),
        }
    }
}

/// A duration as whole seconds and the nanoseconds beyond.
pub(super) fn seconds(span: SignedDuration) -> (i64, i32) {
    (span.as_secs(), span.subsec_nanos())
}

/// Whether a flag need not be written.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(super) fn is_false(flag: &bool) -> bool {
    !*flag
}

/// The minute of its own day, midnight at the end being 1440.
fn wrapped(end: u16) -> u16 {
    if end > Hours::DAY { end - Hours::DAY } else { end }
}
