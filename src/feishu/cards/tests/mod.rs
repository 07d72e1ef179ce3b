//! Cards as people will see them: goldens of captured payloads, templates, lines.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use jiff::SignedDuration;

use super::*;
use crate::domain::{
    AlertStatus, Fingerprint, IncidentId, IncidentKey, Labels, Ladder, MemberState, Policy, Response,
    Severity, SourceKind, Standing, Step,
};
use crate::sources::decode;

mod hostile;
mod storms;

const LOCALES: [Locale; 2] = [Locale::ZhCn, Locale::En];

/// An incident as the engine would make it of a captured payload.
#[derive(Debug)]
struct Scene {
    incident: Incident,
    alerts: Vec<(Alert<'static>, Member)>,
    paged: Vec<Paged>,
    now: Timestamp,
}

impl Scene {
    fn of(payload: &str, kind: SourceKind) -> Self {
        let path = root().join("tests/payloads").join(format!("{payload}.json"));
        let body = std::fs::read(path).unwrap();
        let group = decode(kind, &body).unwrap();
        let opened_at = group.alerts[0].starts_at.unwrap() + SignedDuration::from_secs(12);
        let mut scene = Self::new(group.alerts.into_iter().map(Alert::into_owned).collect(), opened_at);
        scene.incident.external_url = group.header.external_url.into_owned();
        scene.incident.source = kind.as_str().to_owned();
        scene
    }

    fn new(alerts: Vec<Alert<'static>>, opened_at: Timestamp) -> Self {
        let now = opened_at + SignedDuration::from_mins(1);
        let member = |alert: &Alert<'_>| Member {
            state: match alert.status {
                AlertStatus::Firing => MemberState::Firing,
                AlertStatus::Resolved => MemberState::Resolved,
            },
            starts_at: alert.starts_at,
            changed_at: alert.ends_at.unwrap_or(opened_at),
            listing: None,
        };
        let mut alerts: Vec<_> = alerts.into_iter().map(|alert| (member(&alert), alert)).collect();
        alerts.sort_by_key(|(member, _)| member.state == MemberState::Resolved);
        let alerts: Vec<(Alert<'static>, Member)> = alerts.into_iter().map(|(m, a)| (a, m)).collect();
        let labels = alerts.iter().map(|(a, _)| a.labels.clone()).reduce(|all, one| all.common(&one));
        let notes = alerts.iter().map(|(a, _)| a.annotations.clone()).reduce(|all, one| all.common(&one));
        let (labels, notes) = (labels.unwrap_or_default(), notes.unwrap_or_default());
        let name = labels.get("severity").unwrap_or("none");
        let (rank, urgent) = if name == "critical" { (0, Urgent::Phone) } else { (1, Urgent::App) };
        let severity = Severity {
            rank,
            name: name.to_owned(),
            urgent,
            pin: false,
            ack_timeout: None,
            acknowledge_by_targets: false,
        };
        let step = Step { wait: SignedDuration::from_mins(3), notify: Vec::new(), urgent: None, when: None };
        let firing = alerts.iter().any(|(_, m)| m.state == MemberState::Firing);
        let ends_at = alerts.iter().filter_map(|(a, _)| a.ends_at).max().unwrap_or(now);
        let standing = Standing {
            members: alerts.iter().map(|(a, m)| (a.fingerprint, *m)).collect(),
            severity,
            response: if firing { Response::Open } else { Response::Resolved { at: ends_at, by: None } },
            hold: None,
            ladder: if firing { Ladder::Waiting { step: 1, round: 0 } } else { Ladder::Idle },
            due_at: firing.then(|| opened_at + SignedDuration::from_mins(3)),
            last_step: Some((0, 0)),
            policy: Policy { steps: vec![step; 4], repeat: 1 },
            generation: 3,
            epoch: 1,
            paged: BTreeSet::new(),
            catch_alls: 0,
            opened_at,
            reopens: 0,
        };
        let incident = Incident {
            id: Some(IncidentId(142)),
            version: 3,
            key: IncidentKey { rule: "infra".to_owned(), group: "00c0ffee".to_owned() },
            source: "alertmanager".to_owned(),
            title: labels.get("alertname").unwrap_or("alerts").to_owned(),
            summary: notes.get("summary").unwrap_or_default().to_owned(),
            labels,
            external_url: String::new(),
            places: Vec::new(),
            template: "alert".to_owned(),
            pin: false,
            thread: false,
            invite: false,
            standing,
        };
        let paged = vec![
            Paged { name: "lin".to_owned(), urgent: Urgent::Phone, seen: true },
            Paged { name: "mara".to_owned(), urgent: Urgent::App, seen: false },
        ];
        Self { incident, alerts, paged, now }
    }

    fn render(&self, cards: &Cards) -> Rendered {
        let listed = |(alert, member): &'_ (Alert<'static>, Member)| (alert.clone(), *member);
        let alerts: Vec<_> = self.alerts.iter().take(30).map(listed).collect();
        let alerts: Vec<ListedAlert<'_>> =
            alerts.iter().map(|(alert, member)| ListedAlert { alert, member: *member }).collect();
        let input = CardInput { incident: &self.incident, alerts: &alerts, paged: &self.paged };
        cards.render(&input, self.now)
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn cards(locale: Locale) -> Cards {
    cards_with(locale, &[])
}

fn cards_with(locale: Locale, overrides: &[(&str, &str)]) -> Cards {
    let overrides: Vec<_> = overrides.iter().map(|(p, t)| ((*p).to_owned(), (*t).to_owned())).collect();
    let (cards, problems) = Cards::new(locale, TimeZone::get("Asia/Shanghai").unwrap(), &overrides);
    assert_eq!(problems, Vec::<String>::new());
    cards
}

/// The text of a captured payload must come out exactly as in `tests/golden/cards`;
/// `UPDATE_GOLDEN=1 cargo test golden` writes those anew, for a human to look at.
#[test]
fn golden_cards_of_captured_payloads() {
    use SourceKind::{Alertmanager, Grafana};
    let scenes = [
        ("single", "am-0.33_single-firing", Alertmanager),
        ("mixed", "am-0.33_group3-mixed", Alertmanager),
        ("resolved", "am-0.33_single-resolved", Alertmanager),
        ("group-resolved", "am-0.33_group3-all-resolved", Alertmanager),
        ("thousand", "am-0.33_thousand", Alertmanager),
        ("unicode", "am-0.33_unicode", Alertmanager),
        ("long", "am-0.33_long-annotations", Alertmanager),
        ("minimal", "am-0.33_minimal", Alertmanager),
        ("grafana", "grafana-unified_firing", Grafana),
    ];
    let update = std::env::vars().any(|(name, value)| name == "UPDATE_GOLDEN" && value == "1");
    for (name, payload, kind) in scenes {
        for locale in LOCALES {
            let rendered = Scene::of(payload, kind).render(&cards(locale));
            assert_eq!(rendered.problem, None, "{name}");
            let card: Value = serde_json::from_str(&rendered.json).unwrap();
            let pretty = format!("{}\n", serde_json::to_string_pretty(&card).unwrap());
            let path = root().join(format!("tests/golden/cards/{name}.{}.json", locale.as_str()));
            if update {
                std::fs::write(&path, &pretty).unwrap();
            }
            let golden = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(golden == pretty, "{} differs; it would be:\n{pretty}", path.display());
        }
    }
}

/// Every text of a card, with the tag of the element it is in.
fn texts(card: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if let Value::Object(fields) = card {
        let tag = fields.get("tag").and_then(Value::as_str).unwrap_or("plain_text");
        if let Some(text) = fields.get("content").and_then(Value::as_str) {
            found.push((tag.to_owned(), text.to_owned()));
        }
        found.extend(fields.values().flat_map(texts));
    } else if let Value::Array(items) = card {
        found.extend(items.iter().flat_map(texts));
    }
    found
}

#[test]
fn a_thousand_alerts_are_counted_but_not_listed() {
    let rendered = Scene::of("am-0.33_thousand", SourceKind::Alertmanager).render(&cards(Locale::En));
    let all = texts(&serde_json::from_str(&rendered.json).unwrap());
    let has = |part: &str| all.iter().any(|(_, text)| text.contains(part));
    assert!(has("1000 firing") && has("+975 more"), "{all:#?}");
}

#[test]
fn a_card_too_large_in_full_loses_alerts_before_anything_else() {
    let mut scene = Scene::of("am-0.33_thousand", SourceKind::Alertmanager);
    for (alert, _) in &mut scene.alerts {
        alert.values = "告警".repeat(500).into();
        let long: Labels<'static> =
            ["a", "b", "c"].map(|n| (n.to_owned(), "*".repeat(100))).into_iter().collect();
        alert.labels = long;
    }
    let rendered = scene.render(&cards(Locale::ZhCn));
    assert!(rendered.shrunk && rendered.problem.is_none());
    hostile::assert_harmless(&rendered.json);
    assert!(rendered.json.contains("另有 988 条未列出"), "{}", rendered.json);
}

#[test]
fn operators_templates_replace_and_add() {
    let overrides = [
        ("en/alert.hbs", r#"{"body": "{{md title}} {{time opened_at}}"}"#),
        ("en/mine.hbs", r#"{"mine": "{{plain title}}"}"#),
        ("zh-CN/alert.hbs", r#"{"not": "this language"}"#),
    ];
    let cards = cards_with(Locale::En, &overrides);
    let mut scene = Scene::of("am-0.33_single-firing", SourceKind::Alertmanager);
    assert_eq!(scene.render(&cards).json, r#"{"body":"DiskAlmostFull 2026-11-22 11:45:26 UTC+8"}"#);
    scene.incident.template = "mine".to_owned();
    assert_eq!(scene.render(&cards).json, r#"{"mine":"DiskAlmostFull"}"#);
    scene.incident.template = "gone".to_owned();
    let rendered = scene.render(&cards);
    assert!(rendered.json.starts_with(r#"{"body""#));
    assert_eq!(rendered.problem.unwrap(), "there is no template gone.hbs; alert.hbs is used");
}

#[test]
fn templates_that_fail_give_way_to_the_shipped_one() {
    let scene = Scene::of("am-0.33_single-firing", SourceKind::Alertmanager);
    let shipped = scene.render(&cards(Locale::En)).json;
    let long = "x".repeat(40_000);
    let table = [
        (r#"{"a": "{{no_such_field}}"}"#, "no_such_field"),
        (r#"{"a": "{{no_such_helper title}}"}"#, "no_such_helper"),
        (r#"{"a": "{{{title}}}""#, "JSON that cannot be read"),
        (r#"["{{title}}"]"#, "JSON that is no object"),
        (r#"{"a": "{{time title}}"}"#, "is not a time"),
        (&format!(r#"{{"a": "{long}"}}"#), "above Feishu's limits"),
    ];
    for (text, expected) in table {
        let rendered = scene.render(&cards_with(Locale::En, &[("en/alert.hbs", text)]));
        assert_eq!(rendered.json, shipped);
        let problem = rendered.problem.unwrap();
        assert!(problem.contains("template alert.hbs") && problem.contains(expected), "{problem}");
    }
}

#[test]
fn templates_that_cannot_be_read_are_named_at_the_start() {
    let table = [
        ("en/alert.hbs", "{{#if x}}", "en/alert.hbs"),
        ("zh-CN/alert.hbs", "{{#if x}}", "zh-CN/alert.hbs"),
        ("fr/alert.hbs", "{}", "expected a name like"),
        ("alert.hbs", "{}", "expected a name like"),
        ("en/alert.txt", "{}", "expected a name like"),
    ];
    for (path, text, expected) in table {
        let overrides = [(path.to_owned(), text.to_owned())];
        let (cards, problems) = Cards::new(Locale::En, TimeZone::UTC, &overrides);
        let [problem] = &problems[..] else { panic!("{path}: {problems:?}") };
        assert!(problem.contains(expected) && problem.contains(path), "{problem}");
        let scene = Scene::of("am-0.33_single-firing", SourceKind::Alertmanager);
        assert_eq!(scene.render(&cards).problem, None, "{path}");
    }
}

#[test]
fn colour_tells_state_first_then_severity() {
    let colour = |scene: &Scene| -> String {
        let card: Value = serde_json::from_str(&scene.render(&cards(Locale::En)).json).unwrap();
        card["header"]["template"].as_str().unwrap().to_owned()
    };
    let mut scene = Scene::of("am-0.33_single-firing", SourceKind::Alertmanager);
    let table: [(&str, Urgent, &str); 7] = [
        ("critical", Urgent::None, "red"),
        ("Warning", Urgent::Phone, "orange"),
        ("info", Urgent::App, "blue"),
        ("sev1", Urgent::Phone, "red"),
        ("sev2", Urgent::Sms, "orange"),
        ("sev3", Urgent::App, "orange"),
        ("sev4", Urgent::None, "blue"),
    ];
    for (name, urgent, expected) in table {
        scene.incident.standing.severity = Severity {
            rank: 0,
            name: name.to_owned(),
            urgent,
            pin: false,
            ack_timeout: None,
            acknowledge_by_targets: false,
        };
        assert_eq!(colour(&scene), expected, "{name}");
    }
    scene.incident.standing.ladder = Ladder::Exhausted;
    assert_eq!(colour(&scene), "carmine");
    scene.incident.standing.response = Response::Resolved { at: scene.now, by: None };
    assert_eq!(colour(&scene), "green");
}

#[test]
fn buzz_lines_say_what_burns_where_and_who_is_called() {
    let mut scene = Scene::of("am-0.33_single-firing", SourceKind::Alertmanager);
    scene.incident.title = "CheckoutErrorRate".to_owned();
    scene.incident.standing.severity.name = "critical".to_owned();
    scene.incident.labels = [("env", "prod")].into_iter().collect();
    let people = |names: &[&str]| -> Vec<String> { names.iter().map(|n| (*n).to_owned()).collect() };
    let line = |locale, hint: &str, step, names: &[&str]| {
        cards(locale).buzz_line(&scene.incident, hint, step, &people(names))
    };
    let en = Locale::En;
    let table = [
        (line(en, "5.2 %", (2, 4), &["lin"]), "[critical] CheckoutErrorRate 5.2 % · prod · step 2/4 → lin"),
        (
            line(en, "", (1, 1), &["a", "b", "c", "d"]),
            "[critical] CheckoutErrorRate · Disk almost full on node-1 · prod → a, b +2",
        ),
        (line(en, "", (0, 0), &[]), "[critical] CheckoutErrorRate · Disk almost full on node-1 · prod"),
        (
            line(Locale::ZhCn, "5.2 %", (2, 4), &["林", "Mara"]),
            "[critical] CheckoutErrorRate 5.2 % · prod · 第 2/4 级 → 林、Mara",
        ),
        (
            line(en, "<at user_id=\"all\"></at> [x](http://e.com)", (1, 2), &["<b>lin"]),
            "[critical] CheckoutErrorRate ‹at user_id=\"all\">‹/at> [x］(h… · prod · step 1/2 → ‹b>lin",
        ),
    ];
    for (line, expected) in table {
        assert_eq!(line, expected);
    }
}

#[test]
fn last_resort_text_says_the_same_as_the_card() {
    let firing = Scene::of("am-0.33_single-firing", SourceKind::Alertmanager).incident;
    let over = Scene::of("am-0.33_single-resolved", SourceKind::Alertmanager).incident;
    let table = [
        (
            cards(Locale::En).plain(&firing),
            "[warning] DiskAlmostFull · Disk almost full on node-1 · INC-142 · 1 firing · since 11:45 UTC+8",
        ),
        (
            cards(Locale::ZhCn).plain(&over),
            "[warning] DiskAlmostFull · Disk almost full on node-1 · INC-142 · 11:46 UTC+8 已恢复",
        ),
    ];
    for (line, expected) in table {
        assert_eq!(line, expected);
    }
}

#[test]
fn silences_are_offered_where_the_sender_has_them() {
    let silence = |scene: &Scene| -> Option<String> {
        let listed: Vec<ListedAlert<'_>> =
            scene.alerts.iter().map(|(alert, member)| ListedAlert { alert, member: *member }).collect();
        let found = links::links(&scene.incident, &listed);
        let by_kind: BTreeMap<&str, String> = found.into_iter().map(|link| (link.kind, link.url)).collect();
        by_kind.get("silence").cloned()
    };
    let mut alertmanager = Scene::of("am-0.33_minimal", SourceKind::Alertmanager);
    let expected = "http://alertmanager.example.com:9093/#/silences/new?filter=%7Bcase%3D%22minimal%22%7D";
    assert_eq!(silence(&alertmanager).as_deref(), Some(expected));
    alertmanager.incident.labels = Labels::default();
    assert_eq!(silence(&alertmanager), None, "a silence of everything");
    assert_eq!(silence(&Scene::of("am-0.33_single-resolved", SourceKind::Alertmanager)), None, "it is over");

    let mut grafana = Scene::of("grafana-unified_firing", SourceKind::Grafana);
    assert_eq!(silence(&grafana), None, "each of the two has its own");
    grafana.alerts.truncate(1);
    assert!(silence(&grafana).unwrap().starts_with("https://grafana.example.com/alerting/silence/new?"));
}
