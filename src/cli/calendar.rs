//! Shifts as an iCalendar (RFC 5545), for calendars that people subscribe to.
//!
//! All times are UTC. An event keeps its UID from one export to the next, as
//! long as schedule, person and beginning of the shift are the same.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

/// Longest line, in bytes, its end not counted.
const LINE_BYTES_MAX: usize = 75;

/// One entry of a calendar.
#[derive(Debug, Clone)]
pub(super) struct Event {
    /// The schedule it belongs to.
    pub(super) schedule: String,
    /// Who is on call; empty: nobody is.
    pub(super) people: Vec<String>,
    /// When it begins; `None` in the UID for what began before one can look back.
    pub(super) from: Timestamp,
    /// Whether `from` is where one looked, not where it began.
    pub(super) began_before: bool,
    pub(super) to: Timestamp,
    /// What put them on call.
    pub(super) why: String,
}

impl Event {
    /// The same for the same shift, whenever it is exported.
    fn uid(&self) -> String {
        let from = if self.began_before { "before".to_owned() } else { self.from.as_second().to_string() };
        let mut hash = Sha256::new();
        for part in [self.schedule.as_str(), &self.people.join(","), &from] {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        let bytes = hash.finalize();
        format!("{}@larkhorn", hex::encode(bytes.get(..16).unwrap_or(&bytes)))
    }

    fn lines(&self, now: Timestamp) -> Vec<String> {
        let (summary, category) = if self.people.is_empty() {
            (format!("{}: nobody is on call", self.schedule), "GAP")
        } else {
            (format!("{}: {}", self.schedule, self.people.join(", ")), "ON-CALL")
        };
        vec![
            "BEGIN:VEVENT".to_owned(),
            format!("UID:{}", self.uid()),
            format!("DTSTAMP:{}", utc(now)),
            format!("DTSTART:{}", utc(self.from)),
            format!("DTEND:{}", utc(self.to)),
            format!("SUMMARY:{}", escaped(&summary)),
            format!("DESCRIPTION:{}", escaped(&self.why)),
            format!("CATEGORIES:{category}"),
            "TRANSP:TRANSPARENT".to_owned(),
            "END:VEVENT".to_owned(),
        ]
    }
}

/// The whole calendar, its lines ended and folded as the RFC wants them.
pub(super) fn calendar(events: &[Event], now: Timestamp) -> String {
    let head = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//larkhorn//on-call//EN", "CALSCALE:GREGORIAN"];
    let mut lines: Vec<String> = head.map(str::to_owned).to_vec();
    lines.push("X-WR-CALNAME:larkhorn on call".to_owned());
    lines.extend(events.iter().flat_map(|event| event.lines(now)));
    lines.push("END:VCALENDAR".to_owned());
    lines.iter().map(|line| folded(line)).collect()
}

fn utc(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => {}
            _ => out.push(c),
        }
    }
    out
}

/// A line cut into pieces of at most 75 bytes, never within a character; each
/// but the first begins with a space.
fn folded(line: &str) -> String {
    let mut out = String::new();
    let mut room = LINE_BYTES_MAX;
    for c in line.chars() {
        if c.len_utf8() > room {
            out.push_str("\r\n ");
            room = LINE_BYTES_MAX - 1;
        }
        out.push(c);
        room -= c.len_utf8();
    }
    out.push_str("\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(people: &[&str], from: &str, to: &str) -> Event {
        Event {
            schedule: "db; 数据库".to_owned(),
            people: people.iter().map(|p| (*p).to_owned()).collect(),
            from: from.parse().unwrap(),
            began_before: false,
            to: to.parse().unwrap(),
            why: "layer 1\nof two".to_owned(),
        }
    }

    #[test]
    fn a_calendar_is_as_the_rfc_wants_it() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let shift = event(&["lin", "王伟"], "2026-11-23T02:00:00Z", "2026-11-30T02:00:00Z");
        let gap = event(&[], "2026-11-30T02:00:00Z", "2026-12-01T02:00:00Z");
        let text = calendar(&[shift.clone(), gap], now);
        assert!(text.starts_with("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:"), "{text}");
        assert!(text.ends_with("END:VEVENT\r\nEND:VCALENDAR\r\n"));
        assert!(text.lines().all(|line| line.len() <= LINE_BYTES_MAX), "{text}");
        for line in [
            "DTSTART:20261123T020000Z\r\n",
            "DTEND:20261130T020000Z\r\n",
            "SUMMARY:db\\; 数据库: lin\\, 王伟\r\n",
            "SUMMARY:db\\; 数据库: nobody is on call\r\n",
            "DESCRIPTION:layer 1\\nof two\r\n",
            "CATEGORIES:GAP\r\n",
        ] {
            assert!(text.contains(line), "{line:?} is not in {text}");
        }
        // Cut at its end by another export, it is still the same shift.
        let later = Event { to: "2026-11-27T02:00:00Z".parse().unwrap(), ..shift.clone() };
        assert_eq!(shift.uid(), later.uid());
        let other = Event { from: "2026-11-24T02:00:00Z".parse().unwrap(), ..shift.clone() };
        assert_ne!(shift.uid(), other.uid());
    }

    #[test]
    fn folding_undoes_to_the_same_line() {
        for line in ["x".repeat(75), "x".repeat(76), "值班".repeat(60), String::new()] {
            let folded = folded(&line);
            assert!(folded.split("\r\n").all(|part| part.len() <= LINE_BYTES_MAX), "{folded:?}");
            assert_eq!(folded.replace("\r\n ", ""), format!("{line}\r\n"));
        }
    }
}
