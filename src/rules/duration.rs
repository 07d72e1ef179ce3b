//! Durations as Prometheus and Alertmanager write them.

use jiff::SignedDuration;

/// Units, longest first, with their milliseconds. A year has 365 days, as in Prometheus.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads `30s`, `5m`, `1h30m`, `2d`, `0`: whole numbers with units from long to
/// short, each at most once. `None` for anything else, also beyond 292 million years.
pub fn parse(text: &str) -> Option<SignedDuration> {
    if text == "0" {
        return Some(SignedDuration::ZERO);
    }
    if text.is_empty() {
        return None;
    }
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let (digits, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (unit, tail) = tail.split_at(tail.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(tail.len()));
        let (_, millis) = units.find(|(name, _)| *name == unit)?;
        total = digits.parse::<i64>().ok()?.checked_mul(*millis)?.checked_add(total)?;
        rest = tail;
    }
    Some(SignedDuration::from_millis(total))
}

/// Writes a duration so that [`parse`] reads it back: `1h30m`, `0s`, `1d`. What
/// is below a millisecond is left out; a negative one has no spelling and is `0s`.
pub fn format(span: SignedDuration) -> String {
    let mut left = i64::try_from(span.as_millis()).unwrap_or(i64::MAX).max(0);
    // Weeks and years read worse than days.
    let units = UNITS.iter().filter(|(unit, _)| !matches!(*unit, "y" | "w"));
    let parts = units.map(|(unit, millis)| {
        let count = left / millis;
        left %= millis;
        if count > 0 { format!("{count}{unit}") } else { String::new() }
    });
    let text: String = parts.collect();
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_prometheus_reads_them() {
        for (text, seconds) in [
            ("0", 0),
            ("0s", 0),
            ("30s", 30),
            ("5m", 300),
            ("1h30m", 5_400),
            ("2d", 172_800),
            ("1w2d", 777_600),
            ("1y", 31_536_000),
        ] {
            assert_eq!(parse(text), Some(SignedDuration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("1s500ms"), Some(SignedDuration::from_millis(1_500)));
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (millis, text) in [
            (0, "0s"),
            (180_000, "3m"),
            (5_400_000, "1h30m"),
            (86_400_000 * 20 + 1_500, "20d1s500ms"),
            (-5, "0s"),
        ] {
            let span = SignedDuration::from_millis(millis);
            assert_eq!(format(span), text);
            assert_eq!(parse(text), Some(span.max(SignedDuration::ZERO)));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "5",
            "m",
            "-5m",
            "5 m",
            "5M",
            "1.5h",
            "30m1h",
            "1m1m",
            "5min",
            "99999999999999999999s",
            "9999999999999y",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
