//! Instants as people write them on the command line and in files.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::rules::parse_instant;

/// Reads `2026-11-28T02:14:00Z` and the like, or wall time in the zone:
/// `2026-11-28 02:14`.
pub(super) fn parse(text: &str, zone: &TimeZone) -> Result<Timestamp, String> {
    let at = parse_instant(text, zone);
    at.ok_or_else(|| {
        format!("{text:?} is no time: write it as 2026-11-28T02:14:00+08:00, or as wall time: \"2026-11-28 02:14\"")
    })
}

/// RFC 3339 with the offset of the zone.
pub(super) fn rfc3339(at: Timestamp, zone: &TimeZone) -> String {
    at.display_with_offset(zone.to_offset(at)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_in_both_ways() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let at: Timestamp = "2026-11-27T18:14:00Z".parse().unwrap();
        for text in [
            "2026-11-27T18:14:00Z",
            "2026-11-28T02:14:00+08:00",
            "2026-11-28 02:14",
            "2026-11-28T02:14",
            "2026-11-28 02:14:00",
        ] {
            assert_eq!(parse(text, &zone), Ok(at), "{text}");
        }
        assert_eq!(rfc3339(at, &zone), "2026-11-28T02:14:00+08:00");
        for text in ["", "now", "02:14", "2026-13-01 00:00"] {
            assert!(parse(text, &zone).unwrap_err().contains("2026-11-28"), "{text}");
        }
    }
}
