//! Signs of life that a rule waits for.

use jiff::{SignedDuration, Timestamp};

use super::{IncidentKey, Labels};

/// What is known of the beats that belong to one key of a heartbeat rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// Rule and group. The incident that silence opens has the same.
    pub key: IncidentKey,
    /// Labels of the last beat; empty before the first.
    pub labels: Labels<'static>,
    /// When the last beat arrived; `None` before the first.
    pub last_seen: Option<Timestamp>,
    /// When silence counts as lost; `None`: it has, and the next beat ends that.
    pub due_at: Option<Timestamp>,
}

impl Heartbeat {
    /// One that is waited for from `now` on: never seen is lost after one period.
    pub fn awaited(key: IncidentKey, every: SignedDuration, now: Timestamp) -> Self {
        Self { key, labels: Labels::default(), last_seen: None, due_at: Some(later(now, every)) }
    }

    /// A beat that arrived at `at`.
    pub fn beat(key: IncidentKey, labels: Labels<'static>, every: SignedDuration, at: Timestamp) -> Self {
        Self { key, labels, last_seen: Some(at), due_at: Some(later(at, every)) }
    }

    /// The deadline by a period that may have changed, for a listener that may
    /// have been away. Whoever was `away` could not hear: silence counts from
    /// `now` on unless the deadline is still to come. What is lost stays lost.
    pub fn deadline(&self, every: SignedDuration, away: bool, now: Timestamp) -> Option<Timestamp> {
        let due = self.due_at?;
        let fresh = later(now, every);
        if away && due <= now {
            return Some(fresh);
        }
        // A shorter period must not find a silence that was none a moment ago.
        let by_beat = self.last_seen.map_or(due, |seen| later(seen, every));
        Some(by_beat.max(due.min(fresh)))
    }
}

fn later(at: Timestamp, span: SignedDuration) -> Timestamp {
    at.checked_add(span).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap()
    }

    #[test]
    fn deadlines_follow_the_rules_of_now() {
        let key = IncidentKey { rule: "watchdog".to_owned(), group: String::new() };
        let minutes = SignedDuration::from_mins;
        let beat = Heartbeat::beat(key.clone(), Labels::default(), minutes(5), at(0));
        // (period, away, now) → deadline
        let table = [
            (5, false, 3, 5, "nothing changed"),
            (60, false, 3, 60, "a longer period counts from the beat"),
            (2, false, 3, 5, "a shorter one does not cut what was granted below one period from now"),
            (1, false, 3, 4, "but it does not wait for the old one either"),
            (5, true, 3, 5, "away for a moment"),
            (5, true, 90, 95, "away over the deadline: nobody could hear"),
            (5, false, 90, 5, "a deadline that passed while listening stays"),
        ];
        for (every, away, now, expected, why) in table {
            let due = beat.deadline(minutes(every), away, at(now));
            assert_eq!(due, Some(at(expected)), "{why}");
        }
        let lost = Heartbeat { due_at: None, ..beat };
        assert_eq!(lost.deadline(minutes(5), true, at(90)), None);
        let awaited = Heartbeat::awaited(key, minutes(5), at(0));
        assert_eq!(awaited.deadline(minutes(9), false, at(1)), Some(at(5)), "never seen: as it was promised");
    }
}
