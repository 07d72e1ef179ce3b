//! Days of the week and hours of the day, as people write them down.
//!
//! Wall time only: which instants these are depends on a zone, and a zone on a
//! date. Turning one into the other is for `rules`.

use jiff::civil::Weekday;

/// Some days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Days(u8);

impl Days {
    /// Every day.
    pub const ALL: Self = Self(0b111_1111);

    /// The days whose bits are set: Monday is 1, Sunday 64. Other bits are ignored.
    pub fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// See [`from_bits`](Self::from_bits).
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Whether the day is among them.
    pub fn contains(self, day: Weekday) -> bool {
        self.0 & bit(day) != 0
    }

    /// These days and one more.
    #[must_use]
    pub fn with(self, day: Weekday) -> Self {
        Self(self.0 | bit(day))
    }

    /// The days that are in both.
    #[must_use]
    pub fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

fn bit(day: Weekday) -> u8 {
    1 << day.to_monday_zero_offset()
}

/// A part of the day, half-open, perhaps over midnight: `22:00-08:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    start: u16,
    end: u16,
}

impl Hours {
    /// Minutes of a day.
    pub const DAY: u16 = 24 * 60;

    /// From one minute of the day (0–1439) to another (0–1440). An end that
    /// is not after the start is the next day's. `None` when the two are equal
    /// or out of range: that would be never, or always.
    pub fn new(start: u16, end: u16) -> Option<Self> {
        if start >= Self::DAY || end > Self::DAY || start == end {
            return None;
        }
        let end = if end > start { end } else { end + Self::DAY };
        Some(Self { start, end })
    }

    /// The first minute, 0–1439.
    pub fn start(self) -> u16 {
        self.start
    }

    /// The minute after the last, counted from the same midnight: beyond 1440
    /// it is the next day's.
    pub fn end(self) -> u16 {
        self.end
    }
}

/// When a step may run: hours of some days in a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// `None`: the whole day.
    pub hours: Option<Hours>,
    /// The days on which the hours start.
    pub days: Days,
    /// The rules' name of a calendar; only its days count.
    pub calendar: Option<String>,
    /// IANA name of the zone.
    pub timezone: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_may_wrap_midnight_but_not_be_empty() {
        let ends = |start, end| Hours::new(start, end).map(|h| (h.start(), h.end()));
        assert_eq!(ends(540, 1080), Some((540, 1080)));
        assert_eq!(ends(1320, 480), Some((1320, 1920)));
        assert_eq!(ends(0, 1440), Some((0, 1440)));
        assert_eq!(ends(1080, 0), Some((1080, 1440)));
        for (start, end) in [(0, 0), (600, 600), (1440, 60), (60, 1441)] {
            assert_eq!(ends(start, end), None);
        }
    }

    #[test]
    fn days_are_a_set() {
        let weekend = Days::default().with(Weekday::Saturday).with(Weekday::Sunday);
        assert_eq!(weekend.bits(), 0b110_0000);
        assert!(weekend.contains(Weekday::Sunday) && !weekend.contains(Weekday::Monday));
        assert_eq!(Days::from_bits(0xff), Days::ALL);
        assert!(weekend.common(Days::from_bits(0b1_1111)).is_empty());
    }
}
