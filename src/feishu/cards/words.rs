//! Words, times and durations in the language of the reader. The words of the
//! cards themselves are in the templates.

use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use crate::settings::Locale;

/// `2 h 5 min`, `2 小时 5 分钟`: the two largest units that count.
pub(crate) fn duration(locale: Locale, length: SignedDuration) -> String {
    let seconds = length.as_secs().max(0);
    let units = match locale {
        Locale::ZhCn => ["天", "小时", "分钟", "秒"],
        Locale::En => ["d", "h", "min", "s"],
    };
    let amounts = [seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60];
    let first = amounts.iter().position(|amount| *amount > 0).unwrap_or(3);
    let parts = amounts.iter().zip(units).skip(first).take(2).filter(|(amount, _)| **amount > 0);
    let text = parts.map(|(amount, unit)| format!("{amount} {unit}")).collect::<Vec<_>>().join(" ");
    if text.is_empty() { format!("0 {}", units[3]) } else { text }
}

/// `2026-11-22 02:14:33 UTC+8`.
pub(crate) fn time(zone: &TimeZone, at: Timestamp) -> String {
    let local = at.to_zoned(zone.clone());
    format!("{} {}", local.strftime("%Y-%m-%d %H:%M:%S"), utc_offset(local.offset()))
}

/// `02:14 UTC+8`, for a time that is not far away.
pub(crate) fn clock(zone: &TimeZone, at: Timestamp) -> String {
    let local = at.to_zoned(zone.clone());
    format!("{} {}", local.strftime("%H:%M"), utc_offset(local.offset()))
}

fn utc_offset(offset: Offset) -> String {
    let minutes = offset.seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    match (minutes.abs() / 60, minutes.abs() % 60) {
        (0, 0) => "UTC".to_owned(),
        (hours, 0) => format!("UTC{sign}{hours}"),
        (hours, rest) => format!("UTC{sign}{hours}:{rest:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_name_their_two_largest_units() {
        let table = [
            (0, "0 s", "0 秒"),
            (59, "59 s", "59 秒"),
            (60, "1 min", "1 分钟"),
            (3661, "1 h 1 min", "1 小时 1 分钟"),
            (3605, "1 h", "1 小时"),
            (200_000, "2 d 7 h", "2 天 7 小时"),
            (-5, "0 s", "0 秒"),
        ];
        for (seconds, en, zh) in table {
            let length = SignedDuration::from_secs(seconds);
            assert_eq!(duration(Locale::En, length), en);
            assert_eq!(duration(Locale::ZhCn, length), zh);
        }
    }

    #[test]
    fn times_carry_their_offset() {
        let at: Timestamp = "2026-11-21T18:14:33Z".parse().unwrap();
        let table = [
            ("Asia/Shanghai", "2026-11-22 02:14:33 UTC+8", "02:14 UTC+8"),
            ("Asia/Kolkata", "2026-11-21 23:44:33 UTC+5:30", "23:44 UTC+5:30"),
            ("America/St_Johns", "2026-11-21 14:44:33 UTC-3:30", "14:44 UTC-3:30"),
            ("UTC", "2026-11-21 18:14:33 UTC", "18:14 UTC"),
        ];
        for (name, long, short) in table {
            let zone = TimeZone::get(name).unwrap();
            assert_eq!((time(&zone, at).as_str(), clock(&zone, at).as_str()), (long, short));
        }
    }
}
