//! Whose turn it is.
//!
//! A rotation cuts wall time into slots of equal length, one hand-over at each
//! cut, and deals the *active* slots out in turn: those in which its mask has
//! any time at all. A daily rotation that rests at weekends serves everybody,
//! and a week of holidays costs nobody their week.
//!
//! How many active slots came before one is not counted out. Weeks repeat, so
//! the pattern of slots does, after at most 168 of them; what the calendar's
//! exceptions change in that is worked out once, when the rules are read.

use std::collections::BTreeSet;

use super::mask::Mask;
use super::wall::{DAY, Minute};

/// Minutes of a week.
const WEEK: Minute = 7 * DAY;

#[derive(Debug)]
pub(in crate::rules) struct Rotation {
    /// The hand-over that begins slot 0.
    anchor: Minute,
    /// Length of a slot.
    period: Minute,
    /// How many slots of a cycle before each are active by the pattern of the
    /// week; one more for the whole cycle. Slot 0 begins a cycle.
    active: Vec<i64>,
    /// Slots in which the calendar makes a difference, ascending, each with the
    /// sum of the differences up to and with it.
    differences: Vec<(i64, i64)>,
}

impl Rotation {
    /// Slots of `period` minutes, at least 1, of which one begins at `anchor`.
    pub(in crate::rules) fn new(anchor: Minute, period: Minute, mask: &Mask) -> Self {
        let period = period.max(1);
        let slot = |minute: Minute| (minute - anchor).div_euclid(period);
        let starts = |slot: i64| anchor + slot * period;
        let is_active = |slot, exceptions| mask.touches(starts(slot), starts(slot + 1), exceptions);

        let mut active = vec![0];
        let mut count = 0;
        for slot in 0..WEEK / greatest_common_divisor(WEEK, period) {
            count += i64::from(is_active(slot, false));
            active.push(count);
        }
        let odd: BTreeSet<i64> = mask.exceptions().flat_map(|(from, to)| slot(from)..=slot(to - 1)).collect();
        let mut sum = 0;
        let mut differences = Vec::new();
        for slot in odd {
            let difference = i64::from(is_active(slot, true)) - i64::from(is_active(slot, false));
            sum += difference;
            if difference != 0 {
                differences.push((slot, sum));
            }
        }
        Self { anchor, period, active, differences }
    }

    /// Length of a slot in minutes.
    pub(super) fn period(&self) -> Minute {
        self.period
    }

    /// The slot of a minute, and the minute its successor begins.
    pub(super) fn slot(&self, minute: Minute) -> (i64, Minute) {
        let slot = (minute - self.anchor).div_euclid(self.period);
        (slot, self.anchor + (slot + 1) * self.period)
    }

    /// How many active slots lie between slot 0 and this one; negative before.
    pub(super) fn turn(&self, slot: i64) -> i64 {
        let cycle = i64::try_from(self.active.len()).unwrap_or(i64::MAX) - 1;
        let whole = self.active.last().copied().unwrap_or_default();
        let rest = usize::try_from(slot.rem_euclid(cycle)).ok().and_then(|at| self.active.get(at));
        slot.div_euclid(cycle) * whole + rest.copied().unwrap_or_default() + self.differences_before(slot)
            - self.differences_before(0)
    }

    fn differences_before(&self, slot: i64) -> i64 {
        let count = self.differences.partition_point(|(odd, _)| *odd < slot);
        let last = count.checked_sub(1).and_then(|at| self.differences.get(at));
        last.map(|(_, sum)| *sum).unwrap_or_default()
    }
}

fn greatest_common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::mask::Calendar;
    use super::*;
    use crate::domain::{Days, Hours};

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

        #[test]
        fn turns_are_what_counting_slots_says(
            (anchor, hours) in (-20_000_i64..20_000, 1_i64..400),
            (days, start, end) in (0_u8..128, 0_u16..1440, 0_u16..1440),
            working in 0_u8..128,
            closed in prop::collection::btree_set(-60_i64..60, 0..20),
            open in prop::collection::btree_set(-60_i64..60, 0..8),
        ) {
            let calendar = Calendar { days: Days::from_bits(working), closed, open };
            let days = Days::from_bits(days);
            let mask = Mask::new(Hours::new(start, end), days, Some(Arc::new(calendar)));
            let rotation = Rotation::new(anchor, hours * 60, &mask);
            let active = |slot: i64| {
                let from = anchor + slot * hours * 60;
                i64::from((from..from + hours * 60).any(|minute| mask.at(minute).0))
            };
            let slots = (1_500 / hours).clamp(3, 150);
            let (mut ahead, mut back) = (0, 0);
            for slot in 0..slots {
                prop_assert_eq!(rotation.turn(slot), ahead);
                ahead += active(slot);
                prop_assert_eq!(rotation.turn(-slot), back);
                back -= active(-slot - 1);
            }
        }
    }
}
