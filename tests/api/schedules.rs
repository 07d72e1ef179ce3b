//! Schedules, against tables and against an oracle that knows no intervals: it
//! walks through all minutes of 400 days and asks of each who is on call.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::civil::{Date, Weekday, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use larkhorn::domain::Target;
use larkhorn::rules::{RuleSet, Source, SourceFile};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

fn load(schedules: &str) -> RuleSet {
    let text = format!(
        "chats: {{sre: oc_sre}}
people: {{a: {{open_id: ou_a}}, b: {{open_id: ou_b}}, c: {{open_id: ou_c}}, d: {{open_id: ou_d}}}}
rules: [{{name: all, chat: sre}}]
{schedules}"
    );
    match RuleSet::load(&[SourceFile { path: "schedules.yaml", text: &text }]) {
        Ok((rules, _)) => rules,
        Err(errors) => panic!("{errors:#?}\n{text}"),
    }
}

/// A schedule `s` with these layers and overrides, in YAML.
fn schedule(zone: &str, rest: &str) -> RuleSet {
    load(&format!("schedules:\n  s:\n    timezone: {zone}\n{rest}"))
}

fn at(zone: &str, wall: &str) -> Timestamp {
    let zone = TimeZone::get(zone).unwrap();
    zone.to_zoned(wall.parse().unwrap()).unwrap().timestamp()
}

/// `09:00 a, 18:00 -`: who is on call from when, by the zone's wall clock.
fn told(rules: &RuleSet, zone: &str, from: &str, to: &str) -> String {
    let (from, to) = (at(zone, from), at(zone, to));
    let clock = TimeZone::get(zone).unwrap();
    let mut changes: BTreeMap<Timestamp, String> = BTreeMap::new();
    for shift in rules.shifts("s", from, to) {
        changes.insert(shift.from, shift.people[0].name.clone());
    }
    for gap in rules.gaps("s", from, to) {
        changes.insert(gap.from, "-".to_owned());
    }
    let line =
        |(at, who): (Timestamp, String)| format!("{} {who}", clock.to_datetime(at).strftime("%d %H:%M"));
    changes.into_iter().map(line).collect::<Vec<_>>().join(", ")
}

#[test]
fn weeks_hand_over_on_their_day_and_nights_win_over_them() {
    let rules = schedule(
        "Asia/Shanghai",
        "    layers:
      - {rotate: weekly, at: 'mon 10:00', who: [a, b]}
      - {who: [c], hours: '22:00-08:00', days: [sat, sun]}",
    );
    let said = told(&rules, "Asia/Shanghai", "2024-01-05T00:00", "2024-01-16T00:00");
    assert_eq!(
        said,
        "05 00:00 a, 06 22:00 c, 07 08:00 a, 07 22:00 c, 08 08:00 a, 08 10:00 b, 13 22:00 c, 14 08:00 b, 14 22:00 c, 15 08:00 b, 15 10:00 a"
    );
    let on_call = |wall| rules.on_call("s", at("Asia/Shanghai", wall)).unwrap();
    let night = on_call("2024-01-07T03:00");
    assert_eq!((night.people[0].name.as_str(), night.source), ("c", Some(Source::Layer(1))));
    assert_eq!(night.until, Some(at("Asia/Shanghai", "2024-01-07T08:00")));
    assert_eq!(on_call("2024-01-08T08:00").until, Some(at("Asia/Shanghai", "2024-01-08T10:00")));
}

#[test]
fn a_week_in_the_middle_of_which_somebody_else_takes_over() {
    let rules = schedule(
        "Asia/Shanghai",
        "    layers:
      - {rotate: weekly, at: 'mon 10:00', who: [a, b]}
    overrides:
      - {who: c, from: '2024-01-03 09:00', to: '2024-01-04 09:00'}
      - {who: d, from: '2024-01-03 12:00', to: '2024-01-03 13:00'}
      - {who: a, from: '2024-01-08 09:00', to: '2024-01-08 11:00'}",
    );
    let said = told(&rules, "Asia/Shanghai", "2024-01-02T00:00", "2024-01-09T00:00");
    let expected = "02 00:00 a, 03 09:00 c, 03 12:00 d, 03 13:00 c, 04 09:00 a, 08 09:00 a, 08 11:00 b";
    assert_eq!(said, expected);
    let during = rules.on_call("s", at("Asia/Shanghai", "2024-01-03T12:30")).unwrap();
    assert_eq!(during.source, Some(Source::Override(1)));
    // The override changes the reason, not the person.
    let before = rules.on_call("s", at("Asia/Shanghai", "2024-01-08T08:00")).unwrap();
    assert_eq!(before.until, Some(at("Asia/Shanghai", "2024-01-08T11:00")));
}

#[test]
fn somebody_alone_is_on_call_without_an_end() {
    let rules = schedule("Asia/Shanghai", "    layers: [{who: a}]");
    let now = at("Asia/Shanghai", "2026-11-22T11:00");
    let on_call = rules.on_call("s", now).unwrap();
    assert_eq!((on_call.people.len(), on_call.until), (1, None));
    assert_eq!(rules.shifts("s", now, now + 9000.hours()).len(), 1);
    assert!(rules.shifts("s", now, now).is_empty());
}

#[test]
fn a_layer_with_a_beginning_takes_over_then() {
    let rules = schedule(
        "Asia/Shanghai",
        "    layers:
      - {who: d}
      - {rotate: 14d, at: 'wed 10:00', from: 2026-10-01, who: [a, b]}",
    );
    let said = told(&rules, "Asia/Shanghai", "2026-10-01T00:00", "2026-11-05T00:00");
    assert_eq!(said, "01 00:00 d, 07 10:00 a, 21 10:00 b, 04 10:00 a");
}

/// The Chinese calendar of autumn 2026: a Sunday and a Saturday are worked.
#[test]
fn make_up_days_are_worked_and_holidays_cost_nobody_their_turn() {
    let rules = load(
        "calendars:
  cn: {days: mon-fri, closed: ['2026-09-25', '2026-10-01..2026-10-07'], open: ['2026-09-20', '2026-10-10']}
schedules:
  s:
    timezone: Asia/Shanghai
    layers:
      - {rotate: daily, from: 2026-09-16, hours: '09:00-18:00', calendar: cn, who: [a, b, c]}",
    );
    let shifts =
        rules.shifts("s", at("Asia/Shanghai", "2026-09-16T00:00"), at("Asia/Shanghai", "2026-10-14T00:00"));
    let day =
        |at: Timestamp| TimeZone::get("Asia/Shanghai").unwrap().to_datetime(at).strftime("%m-%d").to_string();
    let days: Vec<String> = shifts.iter().map(|s| format!("{} {}", day(s.from), s.people[0].name)).collect();
    let expected = "09-16 a,09-17 b,09-18 c,09-20 a,09-21 b,09-22 c,09-23 a,09-24 b,09-28 c,09-29 a,09-30 b,\
                    10-08 c,10-09 a,10-10 b,10-12 c,10-13 a";
    assert_eq!(days.join(","), expected);
}

#[test]
fn a_night_lasts_from_wall_time_to_wall_time_whatever_the_clocks_do() {
    let rules = schedule(
        "Europe/Berlin",
        "    layers:
      - {rotate: daily, at: '22:00', hours: '22:00-06:00', who: [a, b]}",
    );
    for (from, to, hours) in [
        ("2026-03-27T12:00", "2026-03-28T12:00", 8),
        ("2026-03-28T12:00", "2026-03-29T12:00", 7),
        ("2026-10-24T12:00", "2026-10-25T12:00", 9),
    ] {
        let shifts = rules.shifts("s", at("Europe/Berlin", from), at("Europe/Berlin", to));
        assert_eq!(shifts.len(), 1);
        assert_eq!(shifts[0].to.duration_since(shifts[0].from), SignedDuration::from_hours(hours), "{from}");
    }
    // Handing over in the hour that is skipped, and in the one that comes twice.
    let rules = schedule("Europe/Berlin", "    layers: [{rotate: 12h, at: '02:30', who: [a, b]}]");
    let starts = |from: &str, to: &str| -> Vec<String> {
        let shifts = rules.shifts("s", at("Europe/Berlin", from), at("Europe/Berlin", to));
        shifts.iter().skip(1).map(|shift| shift.from.to_string()).collect()
    };
    let spring = starts("2026-03-28T03:00", "2026-03-29T20:00");
    assert_eq!(spring, ["2026-03-28T13:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T12:30:00Z"]);
    let autumn = starts("2026-10-24T03:00", "2026-10-25T20:00");
    assert_eq!(autumn, ["2026-10-24T12:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T13:30:00Z"]);
    // It is 02:10 twice, but whoever took over at 02:30 does not give back.
    let on_call = |at: &str| rules.on_call("s", at.parse().unwrap()).unwrap().people[0].name.clone();
    let doubled = ["00:10", "00:30", "01:10", "01:40"].map(|time| on_call(&format!("2026-10-25T{time}:00Z")));
    assert_eq!(doubled, ["b", "a", "a", "a"]);
}

#[test]
fn following_the_sun_leaves_gaps_only_where_zones_change_on_different_days() {
    let rules = schedule(
        "Europe/Berlin",
        "    layers:
      - {who: a, hours: '08:00-20:00'}
      - {who: b, hours: '14:00-02:00', timezone: America/New_York}",
    );
    let gaps =
        |from: &str, to: &str| rules.gaps("s", at("Europe/Berlin", from), at("Europe/Berlin", to)).len();
    assert_eq!(gaps("2026-01-10T12:00", "2026-02-10T12:00"), 0);
    assert_eq!(gaps("2026-07-10T12:00", "2026-08-10T12:00"), 0);
    // New York turns its clocks three weeks earlier.
    assert_eq!(gaps("2026-03-08T12:00", "2026-03-28T12:00"), 20);
}

#[test]
fn a_rotation_that_rests_at_weekends_serves_everybody_alike() {
    let who = |n: usize| format!("p{n}");
    let names: Vec<String> = (0..14).map(who).collect();
    let people: Vec<String> = names.iter().map(|n| format!("{n}: {{open_id: ou_{n}}}")).collect();
    for (rotate, days, weeks) in [("daily", "mon-fri", 14), ("12h", "[mon, thu]", 7), ("2d", "sat", 14)] {
        let text = format!(
            "{{people: {{{}}}, chats: {{sre: oc_1}}, rules: [{{name: all, chat: sre}}], schedules: {{s: {{timezone: UTC,
              layers: [{{rotate: {rotate}, who: [{}], days: {days}}}]}}}}}}",
            people.join(", "),
            names.join(", ")
        );
        let (rules, _) = RuleSet::load(&[SourceFile { path: "p.yaml", text: &text }]).unwrap();
        let from = at("UTC", "2024-01-01T00:00");
        let shifts = rules.shifts("s", from, from + (weeks * 7 * 24).hours());
        let served: Vec<&str> = shifts.iter().map(|shift| shift.people[0].name.as_str()).collect();
        let in_turn: Vec<&str> = names.iter().map(String::as_str).cycle().take(served.len()).collect();
        assert_eq!(served, in_turn, "{rotate}");
        assert!(served.len() >= 14 && served.len().is_multiple_of(14), "{rotate}: {}", served.len());
    }
}

const ZONES: [&str; 6] = [
    "Asia/Shanghai",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Asia/Kolkata",
];

const PEOPLE: [&str; 4] = ["a", "b", "c", "d"];
const DAYS: usize = 400;
/// Days of wall time before and after what is compared.
const MARGIN: usize = 3;
const DAY: usize = 1440;
const WALL: usize = (DAYS + 2 * MARGIN) * DAY;

/// A layer as the rules write it, and as the oracle reads it.
#[derive(Debug, Clone)]
struct LayerCase {
    rotate: String,
    /// Minutes from hand-over to hand-over.
    period: usize,
    weekday: Option<usize>,
    at: usize,
    /// Days after the first day of all.
    from: usize,
    who: Vec<usize>,
    hours: Option<(usize, usize)>,
    days: Vec<usize>,
    calendar: bool,
    zone: Option<&'static str>,
}

#[derive(Debug, Clone)]
struct CalendarCase {
    days: Vec<usize>,
    closed: Vec<(usize, usize)>,
    open: Vec<usize>,
}

#[derive(Debug, Clone)]
struct Case {
    calendar: CalendarCase,
    layers: Vec<LayerCase>,
    /// Who, and wall minutes since the first day.
    overrides: Vec<(usize, usize, usize)>,
}

fn clock(minute: usize) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

fn day_list(days: &[usize]) -> String {
    days.iter().map(|day| NAMES[*day]).collect::<Vec<_>>().join(", ")
}

impl Case {
    fn yaml(&self, zone: &str, first: Date) -> String {
        let day = |n: usize| (first + i64::try_from(n).unwrap().days()).to_string();
        let CalendarCase { days, closed, open } = &self.calendar;
        let closed: Vec<String> = closed.iter().map(|(a, b)| format!("'{}..{}'", day(*a), day(*b))).collect();
        let open: Vec<String> = open.iter().map(|a| day(*a)).collect();
        let mut text = format!(
            "calendars:\n  work: {{days: [{}], closed: [{}], open: [{}]}}\nschedules:\n  s:\n    timezone: {zone}\n    layers:\n",
            day_list(days),
            closed.join(", "),
            open.join(", ")
        );
        for layer in &self.layers {
            let who: Vec<&str> = layer.who.iter().map(|who| PEOPLE[*who]).collect();
            let weekday = layer.weekday.map(|day| format!("{} ", NAMES[day])).unwrap_or_default();
            write!(
                text,
                "      - {{rotate: {}, at: '{weekday}{}', from: {}, who: [{}], days: [{}]",
                layer.rotate,
                clock(layer.at),
                day(layer.from),
                who.join(", "),
                day_list(&layer.days),
            )
            .unwrap();
            if let Some((from, to)) = layer.hours {
                write!(text, ", hours: '{}-{}'", clock(from), clock(to)).unwrap();
            }
            if layer.calendar {
                text += ", calendar: work";
            }
            if let Some(zone) = layer.zone {
                text += ", timezone: ";
                text += zone;
            }
            text += "}\n";
        }
        text += "    overrides:\n";
        for (who, from, to) in &self.overrides {
            let wall = |minute: usize| format!("{} {}", day(minute / DAY), clock(minute % DAY));
            writeln!(text, "      - {{who: {}, from: '{}', to: '{}'}}", PEOPLE[*who], wall(*from), wall(*to))
                .unwrap();
        }
        text
    }
}

fn some_days() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        2 => Just((0..7).collect::<Vec<_>>()),
        2 => Just((0..5).collect::<Vec<_>>()),
        2 => prop::sample::subsequence((0..7).collect::<Vec<_>>(), 1..7),
    ]
}

/// Minutes of the day, often those at which clocks are turned.
fn minute() -> impl Strategy<Value = usize> {
    prop_oneof![
        4 => prop::sample::select(vec![0, 30, 60, 75, 90, 100, 105, 110, 120, 135, 150, 180, 1380, 1395, 1410]),
        1 => 0..DAY,
        1 => (0_usize..24).prop_map(|hour| hour * 60),
    ]
}

fn layer() -> impl Strategy<Value = LayerCase> {
    let rotate = prop_oneof![
        Just(("daily".to_owned(), DAY, 0)),
        Just(("weekly".to_owned(), 7 * DAY, 1)),
        (1_usize..50).prop_map(|n| (format!("{n}h"), n * 60, 2)),
        (1_usize..16).prop_map(|n| (format!("{n}d"), n * DAY, 2)),
    ];
    let hours = (minute(), minute()).prop_filter("hours are a part of the day", |(a, b)| a != b);
    let rhythm = (rotate, 0_usize..7, any::<bool>(), minute(), 0_usize..40);
    let mask = (prop::option::of(hours), some_days(), prop::bool::weighted(0.4));
    let zone = prop::option::weighted(0.25, prop::sample::select(ZONES.to_vec()));
    let who = prop::collection::vec(0..PEOPLE.len(), 1..5);
    (rhythm, who, mask, zone).prop_map(|(rhythm, who, (hours, days, calendar), zone)| {
        let ((rotate, period, kind), day, named, at, from) = rhythm;
        let weekday = (kind == 1 || (kind == 2 && named)).then_some(day);
        LayerCase { rotate, period, weekday, at, from, who, hours, days, calendar, zone }
    })
}

fn calendar() -> impl Strategy<Value = CalendarCase> {
    let closed = prop::collection::vec(0_usize..10, 0..20);
    let open = prop::collection::btree_set(0..DAYS, 0..15);
    (some_days(), closed, open).prop_map(|(days, lengths, open)| {
        let mut closed: Vec<(usize, usize)> = Vec::new();
        for (n, length) in lengths.into_iter().enumerate() {
            closed.push((n * 20 + length, n * 20 + 2 * length));
        }
        let free = |day: &usize| !closed.iter().any(|(a, b)| (a..=b).contains(&day));
        let open = open.into_iter().filter(free).collect();
        CalendarCase { days, closed, open }
    })
}

fn case() -> impl Strategy<Value = Case> {
    let replaced = (0..PEOPLE.len(), 0..DAYS * DAY, 1..20 * DAY)
        .prop_map(|(who, from, length)| (who, from, from + length));
    let overrides = prop::collection::vec(replaced, 0..6);
    (calendar(), prop::collection::vec(layer(), 1..4), overrides)
        .prop_map(|(calendar, layers, overrides)| Case { calendar, layers, overrides })
}

/// Who a layer puts on call in each minute of its wall time.
fn oracle(layer: &LayerCase, calendar: &CalendarCase, first: Date) -> Vec<Option<usize>> {
    let monday = usize::try_from(first.weekday().to_monday_zero_offset()).unwrap();
    let weekday = |day: usize| (day + monday) % 7;
    let works = |day: usize| {
        let closed = calendar.closed.iter().any(|(a, b)| (*a..=*b).contains(&day));
        calendar.open.contains(&day) || (calendar.days.contains(&weekday(day)) && !closed)
    };
    let mut on = vec![false; WALL + 2 * DAY];
    for day in 0..WALL / DAY {
        if layer.days.contains(&weekday(day)) && (!layer.calendar || works(day)) {
            let (from, to) = layer.hours.unwrap_or((0, DAY));
            let to = if to > from { to } else { to + DAY };
            on[day * DAY + from..day * DAY + to].fill(true);
        }
    }
    // Hours of the day before the first may reach into it.
    let eve = (monday + 6) % 7;
    if let Some((from, to)) = layer.hours
        && to < from
        && layer.days.contains(&eve)
        && (!layer.calendar || calendar.days.contains(&eve))
    {
        on[..to].fill(true);
    }
    let mut start = layer.from * DAY + layer.at;
    while layer.weekday.is_some_and(|day| weekday(start / DAY) != day) {
        start += DAY;
    }
    let mut answers = vec![None; WALL];
    let mut turn = 0;
    while start < WALL {
        // The last slot may end beyond what is looked at; it is nobody's next.
        let slot = start..(start + layer.period).min(WALL);
        let active = on[slot.clone()].contains(&true);
        for minute in slot {
            answers[minute] = on[minute].then_some(layer.who[turn % layer.who.len()]);
        }
        turn += usize::from(active);
        start += layer.period;
    }
    answers
}

/// For each minute from `from` on, which minute of wall time it is: the latest
/// that the zone's clocks have shown so far, as clocks turned back repeat themselves.
fn wall_minutes(zone: &str, first: Date, from: Timestamp, minutes: usize) -> Vec<usize> {
    let zone = TimeZone::get(zone).unwrap();
    let midnight = first.at(0, 0, 0, 0);
    let mut latest = 0;
    let mut walls = Vec::with_capacity(minutes);
    for quarter in 0..minutes / 15 {
        // All changes of offset in these years fall on quarters of an hour.
        let at = from + i64::try_from(quarter * 15).unwrap().minutes();
        let shown = zone.to_datetime(at).duration_since(midnight).as_mins();
        for minute in 0..15 {
            latest = latest.max(usize::try_from(shown).unwrap() + minute);
            walls.push(latest);
        }
    }
    walls
}

/// What is the same for all schedules of a zone.
struct Times {
    first: Date,
    from: Timestamp,
    walls: BTreeMap<&'static str, Vec<usize>>,
    /// The minutes around those in which a zone turns its clocks on or back.
    odd: BTreeMap<&'static str, BTreeSet<usize>>,
}

impl Times {
    fn new(first: Date) -> Self {
        let from = TimeZone::UTC.to_timestamp((first + MARGIN_DAYS.days()).at(0, 0, 0, 0)).unwrap();
        let walls = BTreeMap::from(ZONES.map(|zone| (zone, wall_minutes(zone, first, from, DAYS * DAY))));
        let odd = |walls: &Vec<usize>| {
            let turned = (1..walls.len()).filter(|minute| walls[*minute] != walls[minute - 1] + 1);
            turned.flat_map(|minute| minute - 40..minute + 40).collect()
        };
        let odd = walls.iter().map(|(zone, walls)| (*zone, odd(walls))).collect();
        Self { first, from, walls, odd }
    }

    fn end(&self) -> Timestamp {
        self.from + i64::try_from(DAYS * DAY).unwrap().minutes()
    }

    fn minute(&self, at: Timestamp) -> usize {
        usize::try_from(at.duration_since(self.from).as_mins()).unwrap()
    }
}

const MARGIN_DAYS: i64 = 3;

fn assert_agrees(case: &Case, zone: &'static str, times: &Times) {
    let yaml = case.yaml(zone, times.first);
    let rules = load(&yaml);
    let layers: Vec<_> = case
        .layers
        .iter()
        .map(|layer| {
            let walls = &times.walls[layer.zone.unwrap_or(zone)];
            (oracle(layer, &case.calendar, times.first), walls)
        })
        .collect();
    let walls = &times.walls[zone];
    let asked = |minute: usize| -> Option<usize> {
        let wall = walls[minute];
        let replaced = case.overrides.iter().rev().find(|(_, from, to)| (*from..*to).contains(&wall));
        replaced
            .map(|(who, _, _)| *who)
            .or_else(|| layers.iter().rev().find_map(|(answers, walls)| answers[walls[minute]]))
    };

    let shifts = rules.shifts("s", times.from, times.end());
    let mut found: Vec<Option<usize>> = vec![None; DAYS * DAY];
    for shift in &shifts {
        assert!(shift.from < shift.to && shift.people.len() == 1, "{shift:?}");
        let who = PEOPLE.iter().position(|name| *name == shift.people[0].name);
        for slot in &mut found[times.minute(shift.from)..times.minute(shift.to)] {
            assert_eq!(*slot, None, "two shifts at once: {shift:?}");
            *slot = who;
        }
    }
    for (minute, found) in found.iter().enumerate() {
        if *found != asked(minute) {
            let at = times.from + i64::try_from(minute).unwrap().minutes();
            panic!("{at}: found {found:?}, expected {:?}\n{yaml}", asked(minute));
        }
    }
    let gaps = rules.gaps("s", times.from, times.end());
    let covered: i64 = shifts.iter().map(|s| s.to.duration_since(s.from).as_secs()).sum();
    let uncovered: i64 = gaps.iter().map(|g| g.to.duration_since(g.from).as_secs()).sum();
    assert_eq!(covered + uncovered, times.end().duration_since(times.from).as_secs());
    assert!(gaps.iter().all(|gap| found[times.minute(gap.from)].is_none()));

    // Asked for an instant, the answer must not depend on where a span began.
    let other = case.layers[0].zone.unwrap_or(zone);
    for minute in times.odd[zone].union(&times.odd[other]) {
        let at = times.from + i64::try_from(*minute).unwrap().minutes() + 59.seconds();
        let (now, _) = rules.recipients(&[Target::Schedule("s".to_owned())], at);
        let name = now.people.first().map(|person| person.name.as_str());
        assert_eq!(name, found[*minute].map(|who| PEOPLE[who]), "{at}\n{yaml}");
    }

    let name = |at: Timestamp| -> Option<usize> { found.get(times.minute(at)).copied().flatten() };
    let far = shifts.len() / 15 + 1;
    for shift in shifts.iter().step_by(far) {
        for at in [shift.from, shift.to - 1.nanoseconds()] {
            let on_call = rules.on_call("s", at).unwrap();
            assert_eq!(
                (&on_call.people, on_call.source),
                (&shift.people, Some(shift.source)),
                "{at}\n{yaml}"
            );
            let until = on_call.until.unwrap_or(times.end()).min(times.end());
            let change = (times.minute(at)..DAYS * DAY).find(|minute| found[*minute] != name(at));
            assert_eq!(times.minute(until), change.unwrap_or(DAYS * DAY), "{at}\n{yaml}");
        }
    }
}

#[test]
fn every_minute_of_400_days_agrees_with_the_oracle_in_six_zones() {
    // Brazil has had no summer time since 2019.
    let now = Times::new(date(2026, 1, 14));
    let history = Times::new(date(2017, 9, 1));
    for zone in ZONES {
        let times = if zone == "America/Sao_Paulo" { &history } else { &now };
        let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
        let ran = TestRunner::new(config).run(&case(), |case| {
            assert_agrees(&case, zone, times);
            Ok(())
        });
        if let Err(error) = ran {
            panic!("{zone}: {error}");
        }
    }
}

#[test]
fn the_first_monday_of_all_is_where_counting_starts() {
    assert_eq!(date(2024, 1, 1).weekday(), Weekday::Monday);
    let rules =
        schedule("America/New_York", "    layers: [{rotate: weekly, at: 'thu 09:00', who: [a, b, c]}]");
    let said = told(&rules, "America/New_York", "2023-12-20T00:00", "2024-01-13T00:00");
    assert_eq!(said, "20 00:00 a, 21 09:00 b, 28 09:00 c, 04 09:00 a, 11 09:00 b");
}
