//! Who is on call when: layers of rotations, and overrides on top.
//!
//! # How a schedule is read
//!
//! * All times are wall times: of the schedule's zone, or of the layer's own.
//!   Shifts are stored as wall times too, never as durations, and made instants
//!   last (see [`wall`]): a hand-over at 10:00 is at 10:00 all year.
//! * All spans are half-open. A shift begins at the first coming of its wall
//!   time and ends at the first coming of the next hand-over's, so a turned-back
//!   clock makes a long shift, never a gap or two people at once. A skipped wall
//!   time is the first instant after the gap.
//! * A layer deals its slots (`rotate`, from hand-over `at` to hand-over) out to
//!   its people in turn, and is active only in its `hours` on its `days`; with a
//!   calendar only on its working days. `days` and calendar name the day on
//!   which the hours begin, also when they end on the next.
//! * `<N>h` means wall hours: `12h` at 08:00 hands over at 08:00 and 20:00 in
//!   summer and winter.
//! * The rotation advances on active slots only (see [`rotation`]), else a daily
//!   rotation with weekends off would spare the same people again and again.
//! * Counting starts with the first of `who` at the first hand-over on or after
//!   the layer's `from`, and the layer begins there. Without `from` it has no
//!   beginning and counts from Monday 2024-01-01: whoever reads the rules, today
//!   or after a restart, finds the same person on call.
//! * A layer may take its shifts from a calendar of others instead
//!   ([`shared_calendars`](mod@super::shared_calendars)); it is active while an event there
//!   names somebody, and may put several people on call.
//! * A later layer wins while it is active. Overrides win over all layers, of
//!   two at once the later one in the file.

mod mask;
mod rotation;
mod wall;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

pub(super) use mask::{Calendar, Mask};
pub(super) use rotation::Rotation;
pub(super) use wall::{DAY, Day, Minute, date_of, day, day_of, instant, minute, minute_of, weekday};

use super::finding::Spot;
use super::shared_calendars::Shifts;
use crate::domain::Person;

/// How far ahead the end of a shift is looked for.
const HORIZON: SignedDuration = SignedDuration::from_hours(400 * 24);

/// What put somebody on call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A layer, counted from 0 in the order of the file.
    Layer(usize),
    /// An override, counted likewise.
    Override(usize),
}

/// Who is on call at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnCall {
    /// The people; empty in a gap.
    pub people: Vec<Person>,
    /// When that changes; `None`: not within 400 days.
    pub until: Option<Timestamp>,
    /// Why they; `None` in a gap.
    pub source: Option<Source>,
}

/// A time on call: `from` is part of it, `to` is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shift {
    /// Who. Not empty.
    pub people: Vec<Person>,
    /// Its first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
    /// Why they.
    pub source: Source,
}

/// A time when nobody is on call: `from` is part of it, `to` is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Its first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
}

/// People who hand over to each other.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) zone: TimeZone,
    /// Names of everybody it may put on call.
    pub(super) who: Vec<String>,
    pub(super) turns: Turns,
    /// Its place.
    pub(super) spot: Spot,
}

/// How a layer knows whose turn it is.
#[derive(Debug)]
pub(super) enum Turns {
    /// By rotation.
    Rotation(Rotating),
    /// As a calendar of others says; `None`: it could not be read.
    Calendar(Option<Shifts>),
}

/// The turns of a layer that rotates.
#[derive(Debug)]
pub(super) struct Rotating {
    pub(super) mask: Mask,
    pub(super) rotation: Rotation,
    /// The layer is not there before.
    pub(super) begins: Option<Minute>,
}

impl Rotating {
    /// Whether it is not there yet.
    pub(super) fn begins_after(&self, zone: &TimeZone, at: Timestamp) -> bool {
        self.begins.is_some_and(|begins| minute(zone, at) < begins)
    }

    /// Whether so many people have their turn within so long, if no slot rests.
    pub(super) fn deals_all_within(&self, people: usize, span: SignedDuration) -> bool {
        let turns = i64::try_from(people).unwrap_or(i64::MAX);
        self.rotation.period().saturating_mul(turns) <= span.as_mins()
    }

    /// Whose turn it is by wall time, and up to when that is sure.
    fn at<'w>(&self, zone: &TimeZone, who: &'w [String], at: Timestamp) -> (Option<&'w [String]>, Timestamp) {
        let minute = minute(zone, at);
        if let Some(begins) = self.begins.filter(|begins| minute < *begins) {
            return (None, instant(zone, begins));
        }
        let (active, until) = self.mask.at(minute);
        if !active {
            return (None, instant(zone, until));
        }
        let (slot, end) = self.rotation.slot(minute);
        let people = i64::try_from(who.len()).unwrap_or(i64::MAX).max(1);
        let turn = usize::try_from(self.rotation.turn(slot).rem_euclid(people)).unwrap_or_default();
        (who.get(turn..=turn), instant(zone, until.min(end)))
    }
}

impl Layer {
    /// Who is on call by this layer, and up to when that is sure.
    fn at(&self, at: Timestamp) -> (Option<&[String]>, Timestamp) {
        match &self.turns {
            Turns::Rotation(rotating) => rotating.at(&self.zone, &self.who, at),
            Turns::Calendar(Some(shifts)) => shifts.at(at),
            Turns::Calendar(None) => (None, Timestamp::MAX),
        }
    }
}

/// Somebody is on call, whatever the layers say.
#[derive(Debug)]
pub(super) struct Override {
    pub(super) who: String,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

/// A schedule with all its names resolved.
#[derive(Debug)]
pub(super) struct Schedule {
    /// How its times read in messages.
    pub(super) zone: TimeZone,
    /// Later ones win.
    pub(super) layers: Vec<Layer>,
    /// Later ones win.
    pub(super) overrides: Vec<Override>,
    /// The place of its name.
    pub(super) spot: Spot,
}

/// Who is on call, at least one, and why they; `None` in a gap.
pub(super) type Duty<'s> = Option<(&'s [String], Source)>;

/// A span with one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span<'s> {
    pub(super) duty: Duty<'s>,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

impl Schedule {
    /// Who is on call, and up to when (not included, and later than `at`) that is sure.
    pub(super) fn at(&self, at: Timestamp) -> (Duty<'_>, Timestamp) {
        let mut until = Timestamp::MAX;
        for (index, one) in self.overrides.iter().enumerate().rev() {
            if at < one.from {
                until = until.min(one.from);
            } else if at < one.to {
                return (Some((std::slice::from_ref(&one.who), Source::Override(index))), until.min(one.to));
            }
        }
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let (who, sure) = layer.at(at);
            until = until.min(sure);
            if let Some(who) = who {
                return (Some((who, Source::Layer(index))), until);
            }
        }
        (None, until)
    }

    /// The answers of `from..to` one after the other, neighbours different.
    pub(super) fn spans(&self, from: Timestamp, to: Timestamp) -> Vec<Span<'_>> {
        let mut spans: Vec<Span<'_>> = Vec::new();
        let mut at = from;
        while at < to {
            let (duty, until) = self.at(at);
            let until = until.min(to);
            match spans.last_mut().filter(|last| last.duty == duty) {
                Some(last) => last.to = until,
                None => spans.push(Span { duty, from: at, to: until }),
            }
            at = until;
        }
        spans
    }

    /// When somebody else, or nobody, is on call after `at`.
    pub(super) fn changes_after(&self, at: Timestamp) -> Option<Timestamp> {
        let end = at.checked_add(HORIZON).unwrap_or(Timestamp::MAX);
        let (now, mut until) = self.at(at);
        while until < end {
            let (then, sure) = self.at(until);
            if then.map(|(names, _)| names) != now.map(|(names, _)| names) {
                return Some(until);
            }
            until = sure;
        }
        None
    }
}
