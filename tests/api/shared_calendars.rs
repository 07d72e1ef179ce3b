//! Calendars of others as schedules: what senders really write into them, and a
//! rotation written as a calendar against the rotation itself.

use std::fmt::Write as _;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use larkhorn::rules::{
    CalendarCopy, Calendars, RuleError, RuleSet, SourceFile, Warning, calendar_problem, shared_calendars,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const PEOPLE: &str = "people: {lin: {open_id: ou_a}, Mara: {email: mara@example.com}, 王伟: {open_id: ou_c}, \
                      otto: {email: otto@example.com}}";

fn rules(zone: &str, layers: &str) -> String {
    format!(
        "{PEOPLE}\nchats: {{sre: oc_sre}}\nrules: [{{name: all, chat: sre}}]\n\
         schedules: {{s: {{timezone: {zone}, layers: {layers}}}}}"
    )
}

/// Rules whose calendar `c.ics` has that text.
fn load(yaml: &str, ics: &str) -> Result<(RuleSet, Vec<Warning>), Vec<RuleError>> {
    let files = [SourceFile { path: "rules.yaml", text: yaml }];
    let read_at = "2026-11-28T12:00:00Z".parse().unwrap();
    let copy = CalendarCopy { text: ics.to_owned(), read_at };
    let calendars: Calendars =
        shared_calendars(&files).into_iter().map(|address| (address, Ok(copy.clone()))).collect();
    RuleSet::load_with(&files, &calendars)
}

fn one_layer(zone: &str, ics: &str) -> (RuleSet, Vec<Warning>) {
    load(&rules(zone, "[{ical: c.ics}]"), ics).unwrap()
}

/// A calendar of these lines, with the line ends of the standard.
fn calendar(lines: &str) -> String {
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines = ["BEGIN:VCALENDAR", "VERSION:2.0"].into_iter().chain(lines).chain(["END:VCALENDAR"]);
    lines.fold(String::new(), |text, line| text + line + "\r\n")
}

/// `24 10:00 lin`, `31 10:00 -`: who is on call from when, by the zone's clock.
fn told(rules: &RuleSet, from: &str, to: &str) -> Vec<String> {
    let zone = rules.schedule_zone("s").unwrap();
    let at = |wall: &str| zone.to_timestamp(wall.parse().unwrap()).unwrap();
    let shifts = rules.shifts("s", at(from), at(to)).into_iter().map(|shift| {
        let names: Vec<_> = shift.people.iter().map(|person| person.name.as_str()).collect();
        (shift.from, names.join("+"))
    });
    let gaps = rules.gaps("s", at(from), at(to)).into_iter().map(|gap| (gap.from, "-".to_owned()));
    let mut all: Vec<_> = shifts.chain(gaps).collect();
    all.sort();
    all.iter().map(|(at, who)| format!("{} {who}", zone.to_datetime(*at).strftime("%m-%d %H:%M"))).collect()
}

/// Two people who take turns every week, with a holiday, a swap and a shift called
/// off, as Google writes it: zones by name, ends of repetition in UTC.
const GOOGLE: &str = "
    X-WR-TIMEZONE:Asia/Shanghai
    BEGIN:VEVENT
    UID:a@google.com
    SEQUENCE:0
    DTSTART;TZID=Asia/Shanghai:20261102T100000
    DTEND;TZID=Asia/Shanghai:20261109T100000
    RRULE:FREQ=WEEKLY;INTERVAL=2;WKST=MO;UNTIL=20261228T015959Z
    EXDATE;TZID=Asia/Shanghai:20261130T100000
    SUMMARY:On call: Lin
    END:VEVENT
    BEGIN:VEVENT
    UID:b@google.com
    SEQUENCE:0
    DTSTART;TZID=Asia/Shanghai:20261109T100000
    DTEND;TZID=Asia/Shanghai:20261116T100000
    RRULE:FREQ=WEEKLY;INTERVAL=2
    SUMMARY:mara@Example.com
    END:VEVENT
    BEGIN:VEVENT
    UID:b@google.com
    SEQUENCE:3
    RECURRENCE-ID;TZID=Asia/Shanghai:20261123T100000
    DTSTART;TZID=Asia/Shanghai:20261123T100000
    DTEND;TZID=Asia/Shanghai:20261130T100000
    SUMMARY:王伟
    END:VEVENT
    BEGIN:VEVENT
    UID:b@google.com
    RECURRENCE-ID:20261207T020000Z
    DTSTART:20261207T020000Z
    DTEND:20261214T020000Z
    STATUS:CANCELLED
    SUMMARY:mara
    END:VEVENT";

#[test]
fn a_rotation_with_a_holiday_a_swap_and_a_shift_called_off() {
    let (rules, warnings) = one_layer("Asia/Shanghai", &calendar(GOOGLE));
    assert_eq!(warnings, []);
    let expected = [
        "11-01 00:00 -",
        "11-02 10:00 lin",
        "11-09 10:00 Mara",
        "11-16 10:00 lin",
        "11-23 10:00 王伟",
        "11-30 10:00 -",
        "12-14 10:00 lin",
        "12-21 10:00 Mara",
        "12-28 10:00 -",
    ];
    assert_eq!(told(&rules, "2026-11-01T00:00", "2027-01-03T00:00"), expected);
    let names: Vec<_> = rules.schedule_people("s").collect();
    assert_eq!(names, ["Mara", "lin", "王伟"]);
}

#[test]
fn a_swap_belongs_to_its_own_event() {
    // Both were changed as often, and begin at the same instant.
    let both = |one: &str, other: &str| {
        calendar(&format!(
            "BEGIN:VEVENT\nUID:1\nSEQUENCE:1\nDTSTART:20261201T000000Z\nDTEND:20261202T000000Z\n\
             RRULE:FREQ=DAILY;COUNT=3\nSUMMARY:{one}\nEND:VEVENT\n\
             BEGIN:VEVENT\nUID:2\nSEQUENCE:1\nDTSTART:20261201T000000Z\nDTEND:20261202T000000Z\n\
             RRULE:FREQ=DAILY;COUNT=3\nSUMMARY:{other}\nEND:VEVENT\n\
             BEGIN:VEVENT\nUID:2\nSEQUENCE:1\nRECURRENCE-ID:20261202T000000Z\nDTSTART:20261202T060000Z\n\
             DTEND:20261202T120000Z\nSUMMARY:otto\nEND:VEVENT"
        ))
    };
    let (rules, _) = one_layer("UTC", &both("lin", "mara"));
    let expected = [
        "12-01 00:00 lin+Mara",
        "12-02 00:00 lin",
        "12-02 06:00 lin+otto",
        "12-02 12:00 lin",
        "12-03 00:00 lin+Mara",
    ];
    assert_eq!(told(&rules, "2026-12-01T00:00", "2026-12-04T00:00"), expected);
}

#[test]
fn all_later_ones_may_be_changed_at_once() {
    let (rules, _) = one_layer(
        "UTC",
        &calendar(
            "BEGIN:VEVENT\nUID:1\nDTSTART:20261201T080000Z\nDTEND:20261201T160000Z\nRRULE:FREQ=DAILY;COUNT=4\n\
             SUMMARY:lin\nEND:VEVENT\n\
             BEGIN:VEVENT\nUID:1\nRECURRENCE-ID;RANGE=THISANDFUTURE:20261203T080000Z\n\
             DTSTART:20261203T090000Z\nDTEND:20261203T110000Z\nSUMMARY:otto\nEND:VEVENT",
        ),
    );
    let expected = [
        "12-02 00:00 -",
        "12-02 08:00 lin",
        "12-02 16:00 -",
        "12-03 09:00 otto",
        "12-03 11:00 -",
        "12-04 09:00 otto",
        "12-04 11:00 -",
    ];
    assert_eq!(told(&rules, "2026-12-02T00:00", "2026-12-05T00:00"), expected);
}

#[test]
fn people_are_found_by_title_or_as_attendees() {
    let on_call = |title: &str, attendees: &str| {
        let (rules, warnings) = one_layer(
            "UTC",
            &calendar(&format!(
                "BEGIN:VEVENT\nUID:1\nDTSTART:20261201T000000Z\nDTEND:20261202T000000Z\nSUMMARY:{title}\n\
                 {attendees}\nEND:VEVENT"
            )),
        );
        let at = "2026-12-01T12:00:00Z".parse().unwrap();
        let people = rules.on_call("s", at).unwrap().people;
        assert_eq!(people.is_empty(), !warnings.is_empty(), "{title}: {warnings:?}");
        people.into_iter().map(|person| person.name).collect::<Vec<_>>().join("+")
    };
    for (title, expected) in [
        ("LIN", "lin"),
        ("  lin ", "lin"),
        ("[L1] lin", "lin"),
        ("otto@example.com", "otto"),
        ("lin\\, mara", "lin+Mara"),
        ("lin / 王伟 & OTTO", "lin+王伟+otto"),
        ("王伟、lin", "王伟+lin"),
        ("值班：王伟", "王伟"),
        ("db on call: mara\\, lin", "Mara+lin"),
        ("lin\\, lin", "lin"),
        // Half of it is not enough: who is the other?
        ("lin\\, somebody", ""),
        ("linda", ""),
        ("Team lunch", ""),
        ("", ""),
    ] {
        assert_eq!(on_call(title, ""), expected, "{title}");
    }
    let attendees = "ATTENDEE;CN=Otto;PARTSTAT=ACCEPTED:mailto:Otto@Example.com\n\
                     ATTENDEE;PARTSTAT=DECLINED:mailto:mara@example.com\n\
                     ATTENDEE:mailto:guest@example.com";
    assert_eq!(on_call("Primary", attendees), "otto");
    assert_eq!(on_call("lin", attendees), "lin", "the title says it");
}

#[test]
fn of_those_at_one_time_the_highest_level_counts() {
    let day = |title: &str, from: u8, to: u8| {
        format!(
            "BEGIN:VEVENT\nUID:{title}\nDTSTART:20261201T{from:02}0000Z\nDTEND:20261201T{to:02}0000Z\n\
             SUMMARY:{title}\nEND:VEVENT\n"
        )
    };
    let all =
        [day("lin", 0, 20), day("[L1] mara", 4, 8), day("[l2] otto", 6, 10), day("王伟", 12, 16)].concat();
    let (rules, _) = one_layer("UTC", &calendar(&all));
    let expected = [
        "12-01 00:00 lin",
        "12-01 04:00 Mara",
        "12-01 06:00 otto",
        "12-01 10:00 lin",
        "12-01 12:00 lin+王伟",
        "12-01 16:00 lin",
        "12-01 20:00 -",
    ];
    assert_eq!(told(&rules, "2026-12-01T00:00", "2026-12-02T00:00"), expected);
}

#[test]
fn whole_days_durations_extra_dates_and_zones_of_outlook() {
    let (rules, warnings) = one_layer(
        "Europe/Berlin",
        &calendar(
            "BEGIN:VTIMEZONE\nTZID:China Standard Time\nBEGIN:STANDARD\nDTSTART:16010101T000000\n\
             TZOFFSETFROM:+0800\nTZOFFSETTO:+0800\nEND:STANDARD\nEND:VTIMEZONE\n\
             BEGIN:VEVENT\nUID:1\nDTSTART;VALUE=DATE:20261203\nDTEND;VALUE=DATE:20261205\nSUMMARY:lin\nEND:VEVENT\n\
             BEGIN:VEVENT\nUID:2\nDTSTART;VALUE=DATE:20261206\nSUMMARY:mara\nEND:VEVENT\n\
             BEGIN:VEVENT\nUID:3\nDTSTART;TZID=China Standard Time:20261208T090000\nDURATION:PT1H30M\n\
             RDATE;TZID=China Standard Time:20261209T100000\nSUMMARY:otto\nEND:VEVENT\n\
             BEGIN:VEVENT\nUID:4\nDTSTART:20261210T070000\nDTEND:20261210T080000\nSUMMARY:王伟\nEND:VEVENT\n\
             BEGIN:VEVENT\nUID:5\nDTSTART:20261211T070000\nSUMMARY:lin\nEND:VEVENT",
        ),
    );
    assert_eq!(warnings, []);
    let expected = [
        "12-02 12:00 -",
        "12-03 00:00 lin",
        "12-05 00:00 -",
        "12-06 00:00 Mara",
        "12-07 00:00 -",
        // 09:00 in China.
        "12-08 02:00 otto",
        "12-08 03:30 -",
        "12-09 03:00 otto",
        "12-09 04:30 -",
        // Without a zone: the schedule's.
        "12-10 07:00 王伟",
        "12-10 08:00 -",
    ];
    assert_eq!(told(&rules, "2026-12-02T12:00", "2026-12-12T00:00"), expected);
}

#[test]
fn a_layer_below_takes_over_where_the_calendar_has_nobody() {
    let yaml = rules("UTC", "[{who: otto}, {ical: c.ics, timezone: Asia/Shanghai}]");
    let ics =
        calendar("BEGIN:VEVENT\nDTSTART:20261201T080000\nDTEND:20261201T180000\nSUMMARY:lin\nEND:VEVENT");
    let (rules, _) = load(&yaml, &ics).unwrap();
    let expected = ["12-01 00:00 lin", "12-01 10:00 otto"];
    assert_eq!(told(&rules, "2026-12-01T00:00", "2026-12-02T00:00"), expected);
}

#[test]
fn half_a_calendar_is_none() {
    let event = "BEGIN:VEVENT\nDTSTART:20261201T080000Z\nDTEND:20261201T180000Z\nSUMMARY:lin\nEND:VEVENT";
    let whole = calendar(event);
    let problem = |text: &str| {
        calendar_problem(&CalendarCopy { text: text.to_owned(), read_at: Timestamp::UNIX_EPOCH })
    };
    assert_eq!(problem(&whole), None);
    for end in (0..whole.len() - "END:VCALENDAR\r\n".len()).filter(|end| whole.is_char_boundary(*end)) {
        assert!(problem(&whole[..end]).is_some(), "{:?}", &whole[..end]);
    }
    for (text, why) in [
        ("<!doctype html><title>Log in</title>".to_owned(), "no calendar is in it"),
        (
            calendar(&event.replace("000Z", "000").replace("DTSTART", "DTSTART;TZID=Mars/Olympus")),
            "Mars/Olympus",
        ),
    ] {
        let problem = problem(&text).unwrap();
        assert!(problem.contains(why), "{problem}");
    }
}

#[test]
fn what_is_left_out_is_told() {
    let yaml = rules("UTC", "[{ical: c.ics}]");
    let ics = calendar(
        "BEGIN:VEVENT\nDTSTART:20261201T080000Z\nDTEND:20261201T180000Z\nSUMMARY:Linda\nEND:VEVENT\n\
         BEGIN:VEVENT\nSUMMARY:Some day\nEND:VEVENT\n\
         BEGIN:VEVENT\nDTSTART:20261201T080000Z\nDTEND:20261201T080500Z\nRRULE:FREQ=MINUTELY\nSUMMARY:lin\nEND:VEVENT",
    );
    let (set, warnings) = load(&yaml, &ics).unwrap();
    let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    let [stranger, no_beginning, repeats] = told.as_slice() else { panic!("{told:#?}") };
    assert!(repeats.starts_with("rules.yaml:4:"), "{repeats}");
    assert!(repeats.contains("\"lin\" repeats more than 20000 times"), "{repeats}");
    assert!(stranger.contains("\"Linda\": nobody of people is named"), "{stranger}");
    assert!(no_beginning.contains("\"Some day\" has no beginning"), "{no_beginning}");
    let ahead = set.warnings("2026-12-01T00:00:00Z".parse().unwrap());
    let ends = ahead.iter().filter(|warning| warning.code == "calendar-ends").count();
    assert_eq!(ends, 0, "{ahead:#?}");
    let ahead = set.warnings("2026-12-02T00:00:00Z".parse().unwrap());
    assert!(ahead.iter().any(|warning| warning.to_string().contains("ends at 2026-12-15")), "{ahead:#?}");
}

#[test]
fn a_calendar_of_a_server_that_was_not_read_is_bad_luck_and_a_missing_file_a_mistake() {
    let of = |layers: &str| {
        let yaml = rules("UTC", layers);
        RuleSet::load(&[SourceFile { path: "rules/a.yaml", text: &yaml }])
    };
    let (_, warnings) = of("[{ical: 'https://cal.example/private-key/a.ics'}]").unwrap();
    let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
    assert_eq!(warning.code, "unread-calendar");
    assert!(warning.message.contains("https://cal.example/…") && !warning.message.contains("private-key"));
    let errors = of("[{ical: a.ics}]").unwrap_err();
    assert!(errors[0].message.contains("calendar rules/a.ics"), "{errors:?}");
    for (layers, complaint) in [
        ("[{ical: ''}]", "calendar"),
        ("[{timezone: UTC}]", "this layer has nobody"),
        ("[{ical: 'https://x/', who: lin}]", "beside ical there is only timezone"),
        ("[{ical: 'https://x/', hours: '09:00-10:00'}]", "beside ical there is only timezone"),
        ("[{ical: 'https://x/', days: [mon]}]", "beside ical there is only timezone"),
    ] {
        let errors = of(layers).unwrap_err();
        assert!(errors.iter().any(|error| error.message.contains(complaint)), "{layers}: {errors:?}");
    }
}

/// A weekly rotation, written as a calendar: everybody's shift repeats after as many
/// weeks as there are people.
fn as_calendar(zone: &str, first: Date, hour: i8, who: &[&str]) -> String {
    let mut lines = String::new();
    for (turn, name) in (0_i64..).zip(who) {
        let start = first.saturating_add((7 * turn).days()).at(hour, 0, 0, 0);
        let end = start.saturating_add(7.days());
        let stamp = |at: jiff::civil::DateTime| at.strftime("%Y%m%dT%H%M%S").to_string();
        write!(
            lines,
            "BEGIN:VEVENT\nUID:{turn}\nDTSTART;TZID={zone}:{}\nDTEND;TZID={zone}:{}\n\
             RRULE:FREQ=WEEKLY;INTERVAL={}\nSUMMARY:{name}\nEND:VEVENT\n",
            stamp(start),
            stamp(end),
            who.len()
        )
        .unwrap();
    }
    calendar(&lines)
}

#[test]
fn a_rotation_and_the_same_as_a_calendar_agree() {
    let zones =
        ["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"];
    let names = ["lin", "Mara", "王伟", "otto"];
    let strategy = (prop::sample::select(zones.to_vec()), 0_i64..7, 0_i8..24, 1_usize..=4, 0_i64..900);
    let mut runner = TestRunner::new(Config { cases: 60, ..Config::default() });
    runner
        .run(&strategy, |(zone, day, hour, people, later)| {
            let first = date(2026, 1, 5).saturating_add(day.days());
            let weekday = first.strftime("%a").to_string().to_lowercase();
            let who = &names[..people];
            let layer = format!(
                "[{{rotate: weekly, from: {first}, at: '{weekday} {hour:02}:00', who: [{}]}}]",
                who.join(", ")
            );
            let (rotation, _) = load(&rules(zone, &layer), "").unwrap();
            let (shared, warnings) = one_layer(zone, &as_calendar(zone, first, hour, who));
            prop_assert_eq!(warnings, []);
            let clock = TimeZone::get(zone).unwrap();
            let from = clock.to_timestamp(first.at(hour, 0, 0, 0)).unwrap();
            let from = from + SignedDuration::from_hours(later * 24);
            let to = from + SignedDuration::from_hours(120 * 24);
            let people = |set: &RuleSet| {
                let shifts = set.shifts("s", from, to).into_iter();
                shifts.map(|shift| (shift.from, shift.to, shift.people)).collect::<Vec<_>>()
            };
            prop_assert_eq!(people(&rotation), people(&shared));
            Ok(())
        })
        .unwrap();
}
