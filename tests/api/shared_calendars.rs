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
        "12-01 00:00 Mara+lin",
        "12-02 00:00 lin",
        "12-02 06:00 lin+otto",
        "12-02 12:00 lin",
        "12-03 00:00 Mara+lin",
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
        ("lin\\, mara", "Mara+lin"),
        ("lin / 王伟 & OTTO", "lin+otto+王伟"),
        ("王伟、lin", "lin+王伟"),
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
             BEGIN:VEVENT\nUID:5\nDTSTART;VALUE=DATE:20261211\nDTEND;VALUE=DATE:20261211\nSUMMARY:lin\nEND:VEVENT",
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
        // To everybody but the standard that is a day.
        "12-11 00:00 lin",
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
         BEGIN:VEVENT\nDTSTART:20261201T080000Z\nDTEND:20261201T080500Z\nRRULE:FREQ=HOURLY\nSUMMARY:lin\nEND:VEVENT",
    );
    let (set, warnings) = load(&yaml, &ics).unwrap();
    let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    let [stranger, no_beginning, repeats] = told.as_slice() else { panic!("{told:#?}") };
    assert!(repeats.starts_with("rules.yaml:4:"), "{repeats}");
    assert!(repeats.contains("\"lin\" repeats more than 20000 times"), "{repeats}");
    assert!(stranger.contains("\"Linda\": nobody of people is named"), "{stranger}");
    assert!(no_beginning.contains("\"Some day\" has no beginning"), "{no_beginning}");
    let ahead = set.warnings("2029-02-20T00:00:00Z".parse().unwrap());
    let ends = ahead.iter().filter(|warning| warning.code == "calendar-ends").count();
    assert_eq!(ends, 0, "{ahead:#?}");
    let ahead = set.warnings("2029-03-08T00:00:00Z".parse().unwrap());
    assert!(ahead.iter().any(|warning| warning.to_string().contains("ends at 2029-03-13")), "{ahead:#?}");
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
        ("[{ical: ''}]", "neither a file nor an address"),
        ("[{ical: 'htps://cal.example/private-key/'}]", "neither a file nor an address"),
        ("[{timezone: UTC}]", "this layer has nobody"),
        ("[{ical: 'https://x/', who: lin}]", "beside ical there is only timezone"),
        ("[{ical: 'https://x/', hours: '09:00-10:00'}]", "beside ical there is only timezone"),
        ("[{ical: 'https://x/', days: [mon]}]", "beside ical there is only timezone"),
    ] {
        let errors = of(layers).unwrap_err();
        assert!(errors.iter().any(|error| error.message.contains(complaint)), "{layers}: {errors:?}");
    }
}

/// Who is on call by events in December 2026, by the clocks of a zone.
fn in_december(zone: &str, from: &str, to: &str, lines: &str) -> (Vec<String>, Vec<String>) {
    let (rules, warnings) = one_layer(zone, &calendar(lines));
    (told(&rules, from, to), warnings.into_iter().map(|warning| warning.message).collect())
}

#[test]
fn exceptions_of_another_kind_than_the_series_count() {
    // Days for a series of times, times without a zone, a time for a series of days.
    let (told, warnings) = in_december(
        "Asia/Shanghai",
        "2026-12-01T00:00",
        "2026-12-06T00:00",
        "BEGIN:VEVENT\nUID:1\nDTSTART;TZID=Europe/Berlin:20261201T100000\nDTEND;TZID=Europe/Berlin:20261201T110000\n\
         RRULE:FREQ=DAILY;COUNT=4\nEXDATE;VALUE=DATE:20261202\nEXDATE:20261203T100000\nSUMMARY:lin\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:1\nRECURRENCE-ID;VALUE=DATE:20261204\nDTSTART;TZID=Europe/Berlin:20261204T100000\n\
         DTEND;TZID=Europe/Berlin:20261204T110000\nSUMMARY:mara\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:2\nDTSTART;VALUE=DATE:20261202\nRRULE:FREQ=DAILY;COUNT=2\n\
         EXDATE:20261202T000000Z\nSUMMARY:otto\nEND:VEVENT",
    );
    let expected = [
        "12-01 00:00 -",
        "12-01 17:00 lin",
        "12-01 18:00 -",
        "12-03 00:00 otto",
        "12-04 00:00 -",
        "12-04 17:00 Mara",
        "12-04 18:00 -",
    ];
    assert_eq!((told, warnings), (expected.map(str::to_owned).to_vec(), Vec::new()));
}

#[test]
fn swaps_keep_their_own_ends_and_one_that_stands_alone_counts() {
    // Written in UTC for a series in New York, over the night in which the clocks go back there.
    let (told, _) = in_december(
        "UTC",
        "2026-10-31T00:00",
        "2026-11-04T00:00",
        "BEGIN:VEVENT\nUID:1\nDTSTART;TZID=America/New_York:20261030T200000\n\
         DTEND;TZID=America/New_York:20261031T080000\nRRULE:FREQ=DAILY;COUNT=2\nSUMMARY:lin\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:1\nRECURRENCE-ID;TZID=America/New_York:20261031T200000\nDTSTART:20261101T000000Z\n\
         DTEND:20261101T130000Z\nSUMMARY:mara\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:1\nRECURRENCE-ID;TZID=America/New_York:20261102T200000\nDTSTART:20261103T010000Z\n\
         DTEND:20261103T020000Z\nSUMMARY:otto\nEND:VEVENT",
    );
    let expected = [
        "10-31 00:00 lin",
        "10-31 12:00 -",
        "11-01 00:00 Mara",
        "11-01 13:00 -",
        "11-03 01:00 otto",
        "11-03 02:00 -",
    ];
    assert_eq!(told, expected);
    // Twelve hours are twelve hours, also that night.
    let (told, _) = in_december(
        "UTC",
        "2026-10-24T12:00",
        "2026-10-25T12:00",
        "BEGIN:VEVENT\nDTSTART;TZID=Europe/Berlin:20261024T200000\nDURATION:PT12H\nSUMMARY:lin\nEND:VEVENT",
    );
    assert_eq!(told, ["10-24 12:00 -", "10-24 18:00 lin", "10-25 06:00 -"]);
}

#[test]
fn all_later_ones_may_be_called_off_and_extra_ones_have_lengths_of_their_own() {
    let (told, warnings) = in_december(
        "UTC",
        "2026-12-01T00:00",
        "2026-12-09T00:00",
        "BEGIN:VEVENT\nUID:1\nDTSTART:20261201T080000Z\nDTEND:20261201T100000Z\nRRULE:FREQ=DAILY;COUNT=5\n\
         RDATE;VALUE=PERIOD:20261208T080000Z/PT1H\nSUMMARY:lin\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:1\nSTATUS:CANCELLED\nRECURRENCE-ID;RANGE=THISANDFUTURE:20261203T080000Z\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:2\nDTSTART:20261206T080000Z\nDTEND:20261206T080000Z\nSUMMARY:lin\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:3\nDTSTART:20261206T080000Z\nDTEND:20261206T100000Z\nRRULE:FREQ=FORTNIGHTLY;COUNT=4\n\
         SUMMARY:mara\nEND:VEVENT",
    );
    assert_eq!(
        told,
        ["12-01 00:00 -", "12-01 08:00 lin", "12-01 10:00 -", "12-02 08:00 lin", "12-02 10:00 -"]
    );
    let [lin, mara] = warnings.as_slice() else { panic!("{warnings:?}") };
    assert!(mara.contains("how \"mara\" repeats cannot be read") && lin.contains("\"lin\" takes no time"));
}

#[test]
fn a_zone_is_what_the_calendar_says_of_it_and_never_a_guess() {
    let standard = |month: u8, offset: &str, from: &str| {
        format!(
            "BEGIN:STANDARD\nDTSTART:16010101T030000\nTZOFFSETFROM:{from}\nTZOFFSETTO:{offset}\n\
             RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH={month}\nEND:STANDARD\n"
        )
    };
    let fixed = |offset: &str| {
        format!(
            "BEGIN:STANDARD\nDTSTART:16010101T000000\nTZOFFSETFROM:{offset}\nTZOFFSETTO:{offset}\nEND:STANDARD\n"
        )
    };
    let daylight = "BEGIN:DAYLIGHT\nDTSTART:16010101T020000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\n\
                    RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\nEND:DAYLIGHT\n";
    let begins = |zone: &str, described: Option<&str>, day: &str| {
        let zone_is = described.map(|parts| format!("BEGIN:VTIMEZONE\nTZID:{zone}\n{parts}END:VTIMEZONE\n"));
        let text = calendar(&format!(
            "{}BEGIN:VEVENT\nDTSTART;TZID=\"{zone}\":{day}T100000\nDURATION:PT1H\nSUMMARY:lin\nEND:VEVENT",
            zone_is.unwrap_or_default()
        ));
        let (rules, _) = load(&rules("UTC", "[{ical: c.ics}]"), &text).ok()?;
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let shifts = rules.shifts("s", at("2026-01-01T00:00:00Z"), at("2027-12-31T00:00:00Z"));
        Some(shifts[0].from.to_string())
    };
    let indian = "(UTC+05:30) Chennai, Kolkata, Mumbai, New Delhi";
    let berlin = [standard(10, "+0100", "+0200"), daylight.to_owned()].concat();
    let shanghai = fixed("+0800");
    let until_2037 = berlin.replace("BYMONTH=3", "BYMONTH=3;UNTIL=20371231T000000Z");
    let listed = berlin.replace("RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3", "RDATE:20260329T020000");
    for (zone, described, day, expected) in [
        (indian, Some(fixed("+0530").as_str()), "20261202", Some("2026-12-02T04:30:00Z")),
        ("Customized Time Zone", Some(&berlin), "20261202", Some("2026-12-02T09:00:00Z")),
        ("Customized Time Zone", Some(&berlin), "20260702", Some("2026-07-02T08:00:00Z")),
        ("China Standard Time", Some(&shanghai), "20261202", Some("2026-12-02T02:00:00Z")),
        ("China Standard Time", None, "20261202", Some("2026-12-02T02:00:00Z")),
        ("W. Europe Standard Time", None, "20260702", Some("2026-07-02T08:00:00Z")),
        ("/freeassociation.sourceforge.net/Europe/Berlin", None, "20260702", Some("2026-07-02T08:00:00Z")),
        ("america/argentina/buenos_aires", None, "20260702", Some("2026-07-02T13:00:00Z")),
        ("UTC", None, "20260702", Some("2026-07-02T10:00:00Z")),
        ("EST", Some(&berlin), "20260702", Some("2026-07-02T08:00:00Z")),
        ("Until 2037", Some(&until_2037), "20260702", Some("2026-07-02T08:00:00Z")),
        // Times that are listed one by one: who knows for how long.
        ("Listed", Some(&listed), "20260702", None),
        // It tells an offset, and hides that clocks change there.
        ("(UTC+00:00) Dublin, Edinburgh, Lisbon, London", None, "20260702", None),
        (indian, None, "20261202", None),
    ] {
        assert_eq!(begins(zone, described, day).as_deref(), expected, "{zone} {described:?}");
    }
    // One that concerns nobody any more is no reason to refuse the rest.
    let (told, _) = in_december(
        "UTC",
        "2026-12-01T00:00",
        "2026-12-02T00:00",
        "BEGIN:VEVENT\nDTSTART;TZID=Eastern Standard Time 1:20150101T000000\nDTEND;TZID=Eastern Standard Time 1:20150102T000000\n\
         SUMMARY:otto\nEND:VEVENT\nBEGIN:VEVENT\nDTSTART:20261201T000000Z\nDURATION:P1D\nSUMMARY:lin\nEND:VEVENT",
    );
    assert_eq!(told, ["12-01 00:00 lin"]);
}

#[test]
fn a_name_that_is_written_just_so_wins_and_old_series_are_not_counted_out() {
    let yaml = "people: {Lin: {open_id: ou_a}, lin: {open_id: ou_b}}\nchats: {sre: oc_sre}\n\
                rules: [{name: all, chat: sre}]\nschedules: {s: {timezone: UTC, layers: [{ical: c.ics}]}}";
    let ics = calendar(
        "BEGIN:VEVENT\nDTSTART:19700101T080000Z\nDTEND:19700101T160000Z\nRRULE:FREQ=DAILY\nSUMMARY:lin\nEND:VEVENT\n\
         BEGIN:VEVENT\nDTSTART:19700105T160000Z\nDTEND:19700105T170000Z\nRRULE:FREQ=WEEKLY;INTERVAL=2\nSUMMARY:Lin\nEND:VEVENT",
    );
    for ends in ["\r\n", "\n", "\r"] {
        let (rules, warnings) = load(yaml, &ics.replace("\r\n", ends)).unwrap();
        assert_eq!(warnings, []);
        // Mondays; 2026-12-07 is 2,970 weeks after 1970-01-05.
        let expected = ["11-30 00:00 -", "11-30 08:00 lin", "11-30 16:00 -"];
        assert_eq!(told(&rules, "2026-11-30T00:00", "2026-12-01T00:00"), expected, "{ends:?}");
        let expected = ["12-07 00:00 -", "12-07 08:00 lin", "12-07 16:00 Lin", "12-07 17:00 -"];
        assert_eq!(told(&rules, "2026-12-07T00:00", "2026-12-08T00:00"), expected);
    }
}

#[test]
fn of_several_versions_the_latest_counts_and_what_was_called_off_is_off() {
    let series = |more: &str| {
        format!(
            "BEGIN:VEVENT\nUID:1\nSEQUENCE:3\nDTSTART:20261201T000000Z\nDTEND:20261202T000000Z\n{more}\
             RRULE:FREQ=DAILY;COUNT=3\nSUMMARY:lin\nEND:VEVENT\n"
        )
    };
    let instead = |sequence: u8, more: &str, who: &str| {
        format!(
            "BEGIN:VEVENT\nUID:1\nSEQUENCE:{sequence}\nRECURRENCE-ID:20261202T000000Z\nDTSTART:20261202T000000Z\n\
             DTEND:20261203T000000Z\n{more}SUMMARY:{who}\nEND:VEVENT\n"
        )
    };
    let (off, otto) = ("STATUS:CANCELLED\n", instead(1, "", "otto"));
    let second = |events: &[String]| {
        let (told, _) = in_december("UTC", "2026-12-02T00:00", "2026-12-03T00:00", &events.concat());
        told.join(", ")
    };
    assert_eq!(second(&[series(""), otto.clone()]), "12-02 00:00 otto");
    assert_eq!(second(&[instead(2, "", "mara"), otto.clone(), series("")]), "12-02 00:00 Mara");
    assert_eq!(second(&[series(""), instead(2, off, "mara"), otto.clone()]), "12-02 00:00 -");
    assert_eq!(second(&[series(off), otto]), "12-02 00:00 -");
    // Changed for good, long before what is looked at.
    let (told, _) = in_december(
        "UTC",
        "2026-12-07T00:00",
        "2026-12-09T00:00",
        "BEGIN:VEVENT\nUID:1\nDTSTART:20190107T100000Z\nDURATION:PT7200S\nRRULE:FREQ=WEEKLY\nSUMMARY:lin\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:1\nRECURRENCE-ID;RANGE=THISANDFUTURE:20200106T100000Z\nDTSTART:20200107T140000Z\n\
         DURATION:PT1H\nSUMMARY:mara\nEND:VEVENT",
    );
    assert_eq!(told, ["12-07 00:00 -", "12-08 14:00 Mara", "12-08 15:00 -"]);
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
