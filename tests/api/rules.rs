//! Rules files, read as the program reads them: shipped, good and bad ones.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::civil::Weekday;
use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::{Budget, ChatId, Days, Hours, Labels, Limits, Ranks, Target, Urgent, When, Window};
use larkhorn::rules::{Finding, HeartbeatRule, Origin, RuleError, RuleSet, SourceFile, Storm, Warning};

/// Every `*.yaml` of a folder, or the one file, with names relative to `base`.
fn read(base: &Path, path: &Path) -> Vec<(String, String)> {
    let mut paths = if path.is_dir() { entries(path) } else { vec![path.to_owned()] };
    paths.retain(|p| p.extension().is_some_and(|e| e == "yaml"));
    let name = |p: &Path| p.strip_prefix(base).unwrap().to_str().unwrap().replace('\\', "/");
    paths.iter().map(|p| (name(p), fs::read_to_string(p).unwrap())).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn load(files: &[(String, String)]) -> Result<(RuleSet, Vec<Warning>), Vec<RuleError>> {
    let files: Vec<SourceFile<'_>> = files.iter().map(|(path, text)| SourceFile { path, text }).collect();
    RuleSet::load(&files)
}

fn load_text(text: &str) -> RuleSet {
    load(&[("rules.yaml".to_owned(), text.to_owned())]).unwrap().0
}

fn lines(findings: &[Finding]) -> String {
    findings.iter().fold(String::new(), |text, finding| text + &finding.to_string() + "\n")
}

/// Compares with what the file next to `path` says; nothing when there is none.
fn assert_says(path: &Path, extension: &str, said: &str) {
    let expected = fs::read_to_string(path.with_extension(extension)).unwrap_or_default();
    assert_eq!(said, expected, "\n{}: said\n{said}expected\n{expected}", path.display());
}

#[test]
fn shipped_rules_load_without_a_word() {
    let base = folder("");
    // A folder beneath them holds their tests; it is not read with them.
    for path in entries(&folder("rules")).into_iter().filter(|path| path.is_file()) {
        let (_, warnings) = load(&read(&base, &path)).unwrap_or_else(|errors| panic!("{}", lines(&errors)));
        assert_eq!(lines(&warnings), "");
    }
}

#[test]
fn good_rules_load_with_the_warnings_next_to_them() {
    let base = folder("tests/rules/good");
    for path in entries(&base).iter().filter(|p| p.extension().is_some_and(|e| e == "yaml")) {
        let (rules, warnings) =
            load(&read(&base, path)).unwrap_or_else(|errors| panic!("{}", lines(&errors)));
        let ahead = rules.warnings("2026-11-22T10:00:00Z".parse().unwrap());
        assert_says(path, "warnings", &(lines(&warnings) + &lines(&ahead)));
    }
}

#[test]
fn bad_rules_are_refused_with_the_errors_next_to_them() {
    let base = folder("tests/rules/bad");
    let mut mistakes = 0;
    // What is in folders named lint-… is allowed, see tests/real/command_line.rs.
    let is_lint = |p: &PathBuf| p.file_name().is_some_and(|name| name.to_string_lossy().starts_with("lint-"));
    let is_case = |p: &&PathBuf| p.extension().is_none_or(|e| e == "yaml") && !is_lint(p);
    for path in entries(&base).iter().filter(is_case) {
        let Err(errors) = load(&read(&base, path)) else { panic!("{} was accepted", path.display()) };
        assert_says(path, "expected", &lines(&errors));
        mistakes += errors.len();
    }
    assert!(mistakes > 150, "only {mistakes} mistakes were seen: are the files gone?");
}

/// Labels of the alerts of a captured payload.
fn alerts(payload: &str) -> Vec<Labels<'static>> {
    let text = fs::read_to_string(folder("tests/payloads").join(payload)).unwrap();
    let payload: serde_json::Value = serde_json::from_str(&text).unwrap();
    let labels = |alert: &serde_json::Value| -> BTreeMap<String, String> {
        serde_json::from_value(alert["labels"].clone()).unwrap()
    };
    payload["alerts"].as_array().unwrap().iter().map(|alert| labels(alert).into_iter().collect()).collect()
}

#[test]
fn captured_alerts_take_the_rules_the_sample_means_for_them() {
    let (rules, _) = load(&read(&folder(""), &folder("rules"))).unwrap();
    for (payload, source, rule, severity) in [
        ("am-0.33_single-firing.json", "alertmanager", "hosts", "warning"),
        ("am-0.33_group3-firing.json", "alertmanager", "hosts", "warning"),
        ("prom-2.42_am-0.25_rule-firing.json", "alertmanager", "payments", "critical"),
        ("grafana-unified_firing.json", "grafana", "payments-business", "critical"),
        ("prom-3.5_am-0.33_watchdog.json", "alertmanager", "everything-else", "info"),
        ("am-0.33_minimal.json", "alertmanager", "everything-else", "warning"),
    ] {
        for labels in alerts(payload) {
            let owners = rules.route(&labels, Origin { source, receiver: "feishu" });
            let names: Vec<&str> = owners.iter().map(|at| rules.rules()[*at].name.as_str()).collect();
            assert_eq!(names, [rule], "{payload}");
            assert_eq!(rules.severity(&labels).name, severity, "{payload}");
        }
    }
    let payments = rules.rules().iter().find(|rule| rule.name == "payments").unwrap();
    assert_eq!(payments.chats, [ChatId("oc_oncall".to_owned())]);
    assert_eq!(payments.policy.steps[0].notify, [Target::Person("lin".to_owned())]);
    assert_eq!(payments.pin, Some(true));
}

#[test]
fn defaults_are_as_documented() {
    let rules = load_text("{chats: {sre: oc_sre}, rules: [{name: all, chat: sre}]}");
    let rule = &rules.rules()[0];
    assert!(rule.matchers.is_empty() && rule.policy.steps.is_empty() && !rule.continues);
    assert_eq!((rule.pin, rule.template.as_str(), &rule.group_by), (None, "alert", &None));
    assert_eq!((rule.group_wait, rule.reopen_within), (SignedDuration::ZERO, SignedDuration::from_mins(10)));
    let table: Vec<_> = rules.severities().iter().map(|s| (s.name.as_str(), s.urgent, s.pin)).collect();
    let expected =
        [("critical", Urgent::Phone, true), ("warning", Urgent::App, false), ("info", Urgent::None, false)];
    assert_eq!(table, expected);
}

#[test]
fn every_form_of_every_key_is_understood() {
    let (rules, _) = load(&read(&folder(""), &folder("tests/rules/good/everything.yaml"))).unwrap();
    let rule = &rules.rules()[1];
    assert_eq!(rule.chats, [ChatId("oc_sre".to_owned()), ChatId("oc_db".to_owned())]);
    let step = &rule.policy.steps[0];
    let person = |name: &str| Target::Person(name.to_owned());
    assert_eq!(step.notify, [person("lin"), person("mara"), Target::Chat("sre".to_owned()), person("王伟")]);
    assert_eq!((step.wait, step.urgent, rule.policy.repeat), (SignedDuration::ZERO, None, 0));
    assert_eq!(rule.group_by.as_deref().unwrap(), ["alertname", "cluster"]);
    assert_eq!(
        (rule.group_wait, rule.reopen_within),
        (SignedDuration::from_secs(90), SignedDuration::from_hours(48))
    );
    assert_eq!((rules.rules()[0].matchers.len(), rules.rules()[0].continues), (2, true));
    let contacts: Vec<_> =
        rules.people().map(|p| (p.name.as_str(), p.contact.kind(), p.contact.value())).collect();
    assert_eq!(
        contacts,
        [
            ("lin", "open_id", "ou_lin"),
            ("mara", "email", "mara@example.com"),
            ("otto", "user_id", "4a5b"),
            ("zoe", "union_id", "on_zoe"),
            ("王伟", "mobile", "+8613800138000"),
        ]
    );
    let severity = |word: &str| rules.severity(&[("severity", word)].into_iter().collect()).name.clone();
    assert_eq!(
        ["p0", "1", "P2", "NOTICE", "none", "purple"].map(severity),
        ["critical", "critical", "warning", "notice", "info", "notice"]
    );
}

#[test]
fn files_are_joined_in_the_order_of_their_names() {
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let mut files = vec![
        file("20-rest.yaml", "rules: [{name: rest, chat: sre, notify: [lin]}]"),
        file("10-db.yaml", "chats: {db: oc_db}\nrules: [{name: db, match: 'team=db', chat: db}]"),
        file("00-who.yaml", "people: {lin: {open_id: ou_lin}}\nchats: {sre: oc_sre}"),
        file("99-empty.yaml", "# nothing yet"),
    ];
    let names = |files: &[(String, String)]| -> Vec<String> {
        load(files).unwrap().0.rules().iter().map(|rule| rule.name.clone()).collect()
    };
    assert_eq!(names(&files), ["db", "rest"]);
    files.reverse();
    assert_eq!(names(&files), ["db", "rest"]);
}

#[test]
fn no_file_at_all_is_an_error_without_a_place() {
    let errors = load(&[]).unwrap_err();
    assert_eq!(lines(&errors), "there is no rule; add one under rules: with a name, and a chat or notify\n");
}

#[test]
fn incidents_are_told_apart_by_what_the_rule_groups_by() {
    let rules = load_text(
        "{chats: {sre: oc_sre}, rules: [
            {name: sender, chat: sre, match: 'x=1'},
            {name: labels, chat: sre, match: 'x=2', group_by: [cluster, alertname]},
            {name: reordered, chat: sre, match: 'x=3', group_by: [alertname, cluster]},
            {name: source, chat: sre, match: 'x=4', group_by: [__source__]},
            {name: one, chat: sre, group_by: []}]}",
    );
    let [sender, labels, reordered, source, one] = rules.rules() else { panic!("five rules") };
    let alert: Labels<'_> =
        [("alertname", "Disk"), ("cluster", "a"), ("severity", "critical")].into_iter().collect();
    let worse: Labels<'_> =
        [("alertname", "Disk"), ("cluster", "a"), ("severity", "info")].into_iter().collect();
    let other: Labels<'_> = [("alertname", "Disk"), ("cluster", "b")].into_iter().collect();
    let moved: Labels<'_> = [("alertname", "Diska"), ("cluster", "")].into_iter().collect();
    let am = |receiver| Origin { source: "am", receiver };

    let key = |rule: &larkhorn::rules::Rule, labels: &Labels<'_>, origin, group: &str| {
        let key = rule.incident_key(labels, origin, group);
        assert_eq!((key.rule.as_str(), key.group.len()), (rule.name.as_str(), 32));
        key.group
    };
    assert_eq!(key(sender, &alert, am("r"), "g"), key(sender, &other, am("r"), "g"));
    assert_ne!(key(sender, &alert, am("r"), "g"), key(sender, &alert, am("r"), "h"));
    assert_ne!(key(sender, &alert, am("r"), "g"), key(sender, &alert, am("rg"), ""));
    assert_eq!(key(labels, &alert, am("r"), "g"), key(labels, &worse, am("s"), "h"));
    assert_ne!(key(labels, &alert, am("r"), "g"), key(labels, &other, am("r"), "g"));
    assert_ne!(key(labels, &alert, am("r"), "g"), key(labels, &moved, am("r"), "g"));
    assert_eq!(key(labels, &alert, am("r"), "g"), key(reordered, &alert, am("r"), "g"));
    assert_eq!(key(source, &alert, am("r"), "g"), key(source, &other, am("s"), "h"));
    assert_eq!(key(one, &alert, am("r"), "g"), key(one, &other, am("s"), "h"));
    // Stored by every release: these must never change.
    assert_eq!(key(sender, &alert, am("r"), "g"), "4e27dba57b4d1e420781a25d89eeb53e");
    assert_eq!(key(labels, &alert, am("r"), "g"), "8e0e9cde5bbfe9a0fdaa6da0bc5c01c1");
}

#[test]
fn recipients_are_found_once_and_those_gone_are_named() {
    let rules = load_text(
        "{chats: {sre: oc_sre}, people: {lin: {open_id: ou_lin}, mara: {open_id: ou_mara}},
          rules: [{name: all, chat: sre}]}",
    );
    let person = |name: &str| Target::Person(name.to_owned());
    let chat = |name: &str| Target::Chat(name.to_owned());
    let targets = [
        person("mara"),
        chat("sre"),
        person("gone"),
        person("lin"),
        person("mara"),
        chat("sre"),
        chat("closed"),
    ];
    let (found, missing) = rules.recipients(&targets, Timestamp::UNIX_EPOCH);
    assert_eq!(found.people.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["mara", "lin"]);
    assert_eq!(found.chats, [ChatId("oc_sre".to_owned())]);
    assert_eq!(missing, ["gone", "closed"]);
    assert!(rules.person("lin").is_some() && rules.person("gone").is_none());
    assert!(rules.chat("sre").is_some() && rules.chat("closed").is_none());
}

#[test]
fn teams_and_schedules_stand_for_people_of_the_moment() {
    let rules = load_text(
        "{chats: {sre: oc_sre}, people: {lin: {open_id: ou_lin}, mara: {open_id: ou_mara}, otto: {open_id: ou_otto}},
          teams: {leads: [otto, lin]},
          schedules: {
            day: {timezone: Asia/Shanghai, layers: [{who: mara, hours: '09:00-18:00'}]},
            week: {timezone: Asia/Shanghai, layers: [{rotate: weekly, at: 'mon 10:00', who: [lin, mara]}]}},
          rules: [{name: all, chat: sre}]}",
    );
    let team = |name: &str| Target::Team(name.to_owned());
    let schedule = |name: &str| Target::Schedule(name.to_owned());
    let at = |text: &str| -> Timestamp { text.parse().unwrap() };
    let names = |targets: &[Target], now: &str| -> (Vec<String>, Vec<String>) {
        let (found, missing) = rules.recipients(targets, at(now));
        (found.people.into_iter().map(|p| p.name).collect(), missing)
    };
    let everybody = [schedule("day"), team("leads"), schedule("week"), team("gone"), schedule("old")];
    let missing = vec!["gone".to_owned(), "old".to_owned()];
    // Monday 10:00 in Shanghai is 02:00 in London.
    for (now, people) in [
        ("2024-01-01T02:00:00Z", &["mara", "otto", "lin"][..]),
        ("2024-01-01T10:00:00Z", &["otto", "lin"]),
        ("2024-01-08T01:59:59Z", &["mara", "otto", "lin"]),
        ("2024-01-08T10:00:00Z", &["otto", "lin", "mara"]),
    ] {
        assert_eq!(
            names(&everybody, now),
            (people.iter().map(|p| (*p).to_owned()).collect(), missing.clone())
        );
    }
    assert_eq!(names(&[schedule("day")], "2024-01-01T10:00:00Z"), (vec![], vec![]));
}

#[test]
fn windows_are_read_in_their_zone_and_outlive_their_calendar() {
    let rules = load_text(
        "{chats: {sre: oc_sre}, calendars: {cn: {days: mon-fri, closed: ['2026-10-01..2026-10-07'], open: ['2026-10-10']}},
          rules: [{name: all, chat: sre}]}",
    );
    let office = Window {
        hours: Hours::new(9 * 60, 18 * 60),
        days: Days::ALL,
        calendar: Some("cn".to_owned()),
        timezone: "Asia/Shanghai".to_owned(),
    };
    let weekend = Days::default().with(Weekday::Saturday).with(Weekday::Sunday);
    let nights =
        Window { hours: Hours::new(22 * 60, 6 * 60), days: weekend, calendar: None, ..office.clone() };
    let gone = Window { calendar: Some("gone".to_owned()), ..office.clone() };
    for (now, expected) in [
        ("2026-09-30T01:00:00Z", [true, false, true]),
        ("2026-09-30T00:59:59Z", [false, false, false]),
        ("2026-10-01T02:00:00Z", [false, false, true]),
        ("2026-10-10T09:59:59Z", [true, false, true]),
        ("2026-10-10T10:00:00Z", [false, false, false]),
        ("2026-10-10T14:00:00Z", [false, true, false]),
        ("2026-10-11T21:59:59Z", [false, true, false]),
        ("2026-10-11T22:00:00Z", [false, false, false]),
        ("2026-10-11T02:00:00Z", [false, false, true]),
    ] {
        let now: Timestamp = now.parse().unwrap();
        assert_eq!([&office, &nights, &gone].map(|window| rules.within(window, now)), expected, "{now}");
    }
}

#[test]
fn a_policy_is_read_as_written() {
    let (rules, _) = load(&read(&folder(""), &folder("tests/rules/good/ladders.yaml"))).unwrap();
    let rule = |name: &str| rules.rules().iter().find(|rule| rule.name == name).unwrap();
    let person = |name: &str| Target::Person(name.to_owned());
    let team = |name: &str| Target::Team(name.to_owned());
    let schedule = |name: &str| Target::Schedule(name.to_owned());
    let core = rule("core");
    let steps: Vec<_> =
        core.policy.steps.iter().map(|s| (s.wait.as_mins(), s.notify.clone(), s.urgent)).collect();
    let chat = Target::Chat("sre".to_owned());
    let expected = [
        (0, vec![schedule("week")], None),
        (1, vec![team("db"), person("lin")], Some(Urgent::Sms)),
        (1, vec![team("leads")], None),
        (1, vec![person("otto"), chat], None),
    ];
    assert_eq!(steps, expected);
    let when = |severity: Option<(u16, u16)>, firing, window| {
        let severity = severity.map(|(loudest, quietest)| Ranks { loudest, quietest });
        Some(When { severity, firing, window })
    };
    let window = Window {
        hours: Hours::new(22 * 60, 8 * 60),
        days: Days::default().with(Weekday::Friday).with(Weekday::Saturday),
        calendar: Some("cn".to_owned()),
        timezone: "Asia/Shanghai".to_owned(),
    };
    let conditions: Vec<_> = core.policy.steps.iter().map(|s| s.when.clone()).collect();
    let expected =
        [None, when(None, 3, None), when(Some((0, 0)), 2, None), when(Some((1, u16::MAX)), 0, Some(window))];
    assert_eq!(conditions, expected);
    assert_eq!(
        (core.thread, core.stale_after, core.heartbeat.clone()),
        (true, SignedDuration::from_hours(2), None)
    );
    let beat = rule("beat");
    let expected = HeartbeatRule { every: SignedDuration::from_mins(10), severity: "warning".to_owned() };
    assert_eq!((beat.heartbeat.as_ref(), beat.thread), (Some(&expected), false));
    assert_eq!(beat.policy.steps[0].notify, [schedule("week"), team("leads")]);
    assert_eq!(rule("rest").stale_after, SignedDuration::from_hours(1));
    let catch_all = rules.catch_all().unwrap();
    assert_eq!(catch_all.targets, [schedule("sun")]);
    assert_eq!((&catch_all.chat, catch_all.every), (&None, SignedDuration::from_hours(1)));
    let answers: Vec<_> =
        rules.severities().iter().map(|s| (s.ack_timeout, s.acknowledge_by_targets)).collect();
    let hours = |h| Some(SignedDuration::from_mins(h));
    assert_eq!(answers, [(hours(30), true), (hours(240), false), (None, false)]);
    assert_eq!(rules.schedules().collect::<Vec<_>>(), ["sun", "week"]);
    assert_eq!(
        rules.teams().map(|(name, people)| (name, people.len())).collect::<Vec<_>>(),
        [("db", 1), ("leads", 2)]
    );
}

#[test]
fn the_sample_of_the_contract_is_understood() {
    let (rules, _) = load(&read(&folder(""), &folder("tests/rules/good/contract.yaml"))).unwrap();
    let catch_all = rules.catch_all().unwrap();
    let expected = (Some(ChatId("oc_1".to_owned())), SignedDuration::from_mins(30));
    assert_eq!((catch_all.chat.clone(), catch_all.every), expected);
    let policies: Vec<_> = rules.rules().iter().map(|r| (r.policy.steps.len(), r.policy.repeat)).collect();
    assert_eq!(policies, [(4, 2), (4, 2), (0, 0)]);
    let phone = Limits { month: Some(300), reserve: 60, person_hour: Some(6), incident: Some(8) };
    assert_eq!(*rules.budget(), Budget { phone, sms: Limits { month: Some(1000), ..Limits::default() } });
    let gone = rules.on_call("nights", Timestamp::UNIX_EPOCH);
    assert_eq!((gone, rules.gaps("nights", Timestamp::MIN, Timestamp::MAX)), (None, vec![]));
}

#[test]
fn storms_are_on_unless_switched_off() {
    let storm = |line: &str| {
        let text = format!("{{chats: {{sre: oc_sre}}, rules: [{{name: all, chat: sre}}]{line}}}");
        load_text(&text).storm()
    };
    let (on, share) = (Some(20), SignedDuration::from_secs(30));
    for (line, cards_per_minute, share_buzz) in [
        ("", on, share),
        (", storm: {}", on, share),
        (", storm: {cards_per_minute: 5}", Some(5), share),
        (", storm: {share_buzz: 1m}", on, SignedDuration::from_mins(1)),
        (", storm: {cards_per_minute: 0, share_buzz: 0}", None, SignedDuration::ZERO),
        (", storm: {share_buzz: 0s}", on, SignedDuration::ZERO),
    ] {
        assert_eq!(storm(line), Storm { cards_per_minute, share_buzz }, "{line}");
    }
}
