//! The calls of the last minute at one API or target: who may be next, and when.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::{Allowance, Rate};
use crate::domain::Urgent;
use crate::feishu::verdict::Api;

/// How much longer than documented a window is taken to be.
pub(super) const SLACK: SignedDuration = SignedDuration::from_millis(40);

/// Shares are counted in thousandths.
const WHOLE: u32 = 1000;
/// What is left of the rate, at least, however often Feishu refuses.
const LEAST: u32 = WHOLE / 10;
/// What a minute without a refusal gives back.
const EASE: u32 = WHOLE / 20;
/// Also the time within which a second refusal is no accident.
const EASE_EVERY: SignedDuration = SignedDuration::from_mins(1);
/// A step back of the clock by less than this is two callers' disorder; by more,
/// somebody has set it.
const DISORDER: SignedDuration = SignedDuration::from_secs(1);

/// On what terms somebody may call.
pub(super) struct Terms<'a> {
    rates: &'a [Rate],
    /// The part of each rate, in thousandths.
    share: u32,
    /// Whether to keep a distance to the call before once half is used.
    spread: bool,
}

impl<'a> Terms<'a> {
    pub(super) fn of_api(allowance: &'a Allowance, api: Api, urgent: Urgent) -> Self {
        let share = match urgent {
            Urgent::Phone | Urgent::Sms => WHOLE,
            _ if !api.serves_pages() => WHOLE,
            Urgent::App => WHOLE * 96 / 100,
            Urgent::None => WHOLE * 90 / 100,
        };
        Self { rates: &allowance.api, share, spread: false }
    }

    pub(super) fn of_target(allowance: &'a Allowance, urgent: Urgent) -> Self {
        Self { rates: &allowance.target, share: WHOLE, spread: urgent <= Urgent::App }
    }
}

/// The calls of the last minute, oldest first, and how Feishu took them.
#[derive(Debug)]
pub(super) struct Log {
    calls: VecDeque<Timestamp>,
    /// Calls that are booked and not made yet.
    pub(super) booked: usize,
    closed_until: Timestamp,
    /// What Feishu seems to grant of the documented rates, in thousandths.
    granted: u32,
    /// When that last changed.
    changed_at: Timestamp,
    /// When Feishu last refused.
    refused_at: Timestamp,
}

impl Default for Log {
    fn default() -> Self {
        let long_ago = Timestamp::MIN;
        Self {
            calls: VecDeque::new(),
            booked: 0,
            closed_until: long_ago,
            granted: WHOLE,
            changed_at: long_ago,
            refused_at: long_ago,
        }
    }
}

impl Log {
    /// Forgets what no window reaches, recovers, and gets over a clock that was set back.
    pub(super) fn keep_up(&mut self, now: Timestamp, rates: &[Rate]) {
        if self.calls.back().is_some_and(|last| last.duration_since(now) > DISORDER) {
            self.calls.iter_mut().for_each(|at| *at = now.min(*at));
            self.closed_until = now.min(self.closed_until);
            self.changed_at = now.min(self.changed_at);
            self.refused_at = now.min(self.refused_at);
        }
        let longest = rates.iter().map(|rate| window(*rate)).max().unwrap_or_default();
        while self.calls.front().is_some_and(|at| after(*at, longest) <= now) {
            self.calls.pop_front();
        }
        while self.granted < WHOLE && after(self.changed_at, EASE_EVERY) <= now {
            self.granted = (self.granted + EASE).min(WHOLE);
            self.changed_at = after(self.changed_at, EASE_EVERY);
        }
    }

    pub(super) fn count(&mut self, now: Timestamp) {
        let last = self.calls.back().copied().unwrap_or(now);
        self.calls.push_back(now.max(last));
    }

    /// Calls that were under way when it was closed already say nothing new.
    pub(super) fn close(&mut self, now: Timestamp, until: Timestamp) {
        if now >= self.closed_until {
            if now < after(self.refused_at, EASE_EVERY) {
                self.granted = (self.granted * 3 / 4).max(LEAST);
            }
            self.refused_at = now;
        }
        self.closed_until = self.closed_until.max(until);
        self.changed_at = self.changed_at.max(self.closed_until);
    }

    pub(super) fn is_idle(&self, now: Timestamp) -> bool {
        let is_at_peace = self.granted == WHOLE && after(self.refused_at, EASE_EVERY) <= now;
        self.calls.is_empty() && self.booked == 0 && self.closed_until <= now && is_at_peace
    }

    fn most(&self, rate: Rate, terms: &Terms<'_>) -> usize {
        let share = u64::from(terms.share) * u64::from(self.granted) / u64::from(WHOLE);
        let most = u64::from(rate.calls) * share / u64::from(WHOLE);
        usize::try_from(most).unwrap_or(usize::MAX).max(1)
    }

    /// Calls that still count.
    fn inside(&self, now: Timestamp, window: SignedDuration) -> usize {
        let made = self.calls.len() - self.calls.partition_point(|at| after(*at, window) <= now);
        made + self.booked
    }

    /// When quiet work may be next, as far as the distance to the last call goes.
    fn spread_until(&self, now: Timestamp, window: SignedDuration, most: usize) -> Timestamp {
        let parts = i32::try_from(most).unwrap_or(i32::MAX).saturating_mul(4);
        let distance = window.saturating_mul(3).checked_div(parts).unwrap_or(window);
        let last = if self.booked > 0 { Some(now) } else { self.calls.back().copied() };
        last.map_or(Timestamp::MIN, |last| after(last, distance))
    }

    /// When one more call is welcome on these terms; not after `now`: at once.
    pub(super) fn free_at(&self, now: Timestamp, terms: &Terms<'_>) -> Timestamp {
        let mut at = now.max(self.closed_until);
        for rate in terms.rates {
            let (most, window) = (self.most(*rate, terms), window(*rate));
            if let Some(nth) = (self.calls.len() + self.booked).checked_sub(most) {
                // Where all are booked, the first is made now at the earliest.
                at = at.max(after(self.calls.get(nth).copied().unwrap_or(now), window));
            }
            if terms.spread && self.inside(now, window) > most / 2 {
                at = at.max(self.spread_until(now, window, most));
            }
        }
        at
    }

    /// How many calls are welcome at once on these terms.
    pub(super) fn room(&self, now: Timestamp, terms: &Terms<'_>) -> usize {
        if self.closed_until > now {
            return 0;
        }
        let room = terms.rates.iter().map(|rate| {
            let (most, window) = (self.most(*rate, terms), window(*rate));
            let inside = self.inside(now, window);
            let left = most.saturating_sub(inside);
            match (most / 2).checked_sub(inside) {
                _ if !terms.spread => left,
                Some(free) => left.min(free + 1),
                None => left.min(usize::from(self.spread_until(now, window, most) <= now)),
            }
        });
        room.min().unwrap_or(usize::MAX)
    }
}

fn window(rate: Rate) -> SignedDuration {
    rate.within.saturating_add(SLACK)
}

pub(super) fn after(at: Timestamp, span: SignedDuration) -> Timestamp {
    at.checked_add(span).unwrap_or(Timestamp::MAX)
}
