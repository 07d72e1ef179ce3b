//! Times and spans as the command line takes them.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::rules::parse_duration;

/// A time that was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum When {
    /// `2026-12-01T09:00:00+08:00`
    Instant(Timestamp),
    /// `2026-12-01 09:00`, in the zone of the settings.
    Wall(DateTime),
}

impl When {
    /// For clap.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(instant) = text.parse() {
            return Ok(Self::Instant(instant));
        }
        text.parse().map(Self::Wall).map_err(|_| {
            "write it as in 2026-12-01T09:00:00Z, or \"2026-12-01 09:00\" in the zone of the settings"
                .to_owned()
        })
    }

    /// The instant it means; a wall time that is skipped is the one after the gap.
    pub(super) fn instant(self, zone: &TimeZone) -> anyhow::Result<Timestamp> {
        match self {
            Self::Instant(instant) => Ok(instant),
            Self::Wall(wall) => Ok(zone.to_timestamp(wall)?),
        }
    }
}

/// `14d`, `90m`; for clap.
pub(super) fn span(text: &str) -> Result<SignedDuration, String> {
    parse_duration(text)
        .filter(SignedDuration::is_positive)
        .ok_or_else(|| "write numbers with units, as in 30m, 12h, 14d".to_owned())
}

/// `+3m`, `+1h30m`, `+0s`.
pub(super) fn offset(span: SignedDuration) -> String {
    let seconds = span.as_secs();
    let parts = [(seconds / 3_600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let parts = parts.iter().filter(|(n, _)| *n != 0);
    let text = parts.fold(String::new(), |text, (n, unit)| format!("{text}{n}{unit}"));
    if text.is_empty() { "+0s".to_owned() } else { format!("+{text}") }
}

/// RFC 3339 with the offset of the zone.
pub(super) fn rfc3339(at: Timestamp, zone: &TimeZone) -> String {
    at.display_with_offset(zone.to_offset(at)).to_string()
}

/// A time as people read it, with its offset.
pub(super) fn shown(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M %:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_instants_or_of_the_zone() {
        let shanghai = TimeZone::get("Asia/Shanghai").unwrap();
        for (text, expected) in [
            ("2026-12-01T09:00:00Z", Some("2026-12-01T09:00:00Z")),
            ("2026-12-01T09:00:00+08:00", Some("2026-12-01T01:00:00Z")),
            ("2026-12-01 09:00", Some("2026-12-01T01:00:00Z")),
            ("2026-12-01", Some("2026-11-30T16:00:00Z")),
            ("tomorrow", None),
        ] {
            let instant = When::parse(text).ok().map(|when| when.instant(&shanghai).unwrap().to_string());
            assert_eq!(instant.as_deref(), expected, "{text}");
        }
        let at = When::parse("2026-11-27T18:14:00Z").unwrap().instant(&shanghai).unwrap();
        assert_eq!(rfc3339(at, &shanghai), "2026-11-28T02:14:00+08:00");
    }

    #[test]
    fn offsets_are_short() {
        for (seconds, expected) in [(0, "+0s"), (180, "+3m"), (5_400, "+1h30m"), (61, "+1m1s")] {
            assert_eq!(offset(SignedDuration::from_secs(seconds)), expected);
        }
    }
}
