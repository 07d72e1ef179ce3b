//! Calendars of others: no text panics, and what is understood makes shifts that are
//! in order and have somebody.

#![no_main]

use jiff::{SignedDuration, Timestamp};
use larkhorn::rules::{CalendarCopy, RuleSet, SourceFile, shared_calendars};
use libfuzzer_sys::fuzz_target;

const RULES: &str = "
people: {lin: {open_id: ou_lin}, mara: {email: mara@example.com}, 王伟: {open_id: ou_wei}}
chats: {sre: oc_sre}
schedules: {s: {timezone: Europe/Berlin, layers: [{who: lin}, {ical: c.ics}]}}
rules: [{name: all, chat: sre}]
";

fuzz_target!(|text: &str| {
    let files = [SourceFile { path: "rules.yaml", text: RULES }];
    let read_at = Timestamp::from_second(1_790_000_000).expect("a time that exists");
    let copy = CalendarCopy { text: text.to_owned(), read_at };
    let calendars = shared_calendars(&files).into_iter().map(|address| (address, Ok(copy.clone()))).collect();
    let Ok((set, _)) = RuleSet::load_with(&files, &calendars) else { return };
    let (from, to) = (read_at, read_at + SignedDuration::from_hours(40 * 24));
    let shifts = set.shifts("s", from, to);
    // The layer below has no gap.
    assert!(shifts.first().is_some_and(|shift| shift.from == from), "a gap at the beginning");
    assert!(shifts.last().is_some_and(|shift| shift.to == to), "a gap at the end");
    assert!(shifts.windows(2).all(|pair| pair[0].to == pair[1].from), "a gap in between");
    assert!(shifts.iter().all(|shift| shift.from < shift.to && !shift.people.is_empty()), "nobody, or no time");
    set.warnings(read_at);
});
