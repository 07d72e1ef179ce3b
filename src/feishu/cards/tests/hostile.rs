//! Whatever alerts say: properties of every card and line.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// What the shipped templates write into markdown, and entities.
static OURS: LazyLock<regex::Regex> = LazyLock::new(|| {
    regex::Regex::new("</?font( color='(grey|red|green|blue|orange)')?>|&#[0-9]+;").unwrap()
});
/// A tag that begins in plain text. Text is cut with `…`, which begins none.
static TAG: LazyLock<regex::Regex> = LazyLock::new(|| regex::Regex::new("<[^ =0-9…]").unwrap());

pub(super) fn assert_harmless(json: &str) {
    let card: Value = serde_json::from_str(json).unwrap();
    assert!(fits(&card, json), "{} bytes, {} elements", json.len(), elements(&card));
    for (tag, text) in texts(&card) {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "control: {text}");
        assert!(!text.contains(['\u{202E}', '\u{200B}', '\u{2066}']), "unseen: {text}");
        assert!(!text.contains("](") && !text.contains("://"), "link: {text}");
        if tag == "markdown" {
            let rest = OURS.replace_all(&text, "x");
            assert!(
                !rest.contains(['<', '>', '[', ']', '`', '@', '{', '\\', '_', '#', '&']),
                "markup: {text}"
            );
            assert!(!rest.contains("***") && !rest.contains("~~~"), "markup: {text}");
            let bullets = rest.lines().any(|line| line.trim_start().starts_with(['-', '+', '=']));
            assert!(!bullets, "list: {text}");
        } else {
            assert!(!TAG.is_match(&text), "tag: {text}");
        }
    }
    for url in values_of(&card, "default_url") {
        assert!(url.starts_with("https://") || url.starts_with("http://"), "{url}");
    }
}

fn values_of(value: &Value, key: &str) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let own = fields.get(key).and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(fields.values().flat_map(|v| values_of(v, key))).collect()
        }
        Value::Array(items) => items.iter().flat_map(|v| values_of(v, key)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// What an attacker, or a careless exporter, would put into a label.
fn hostile() -> impl Strategy<Value = String> {
    let fragments = prop::sample::select(vec![
        "<at id=all></at>",
        "<at user_id=\"all\">",
        "[t](https://evil.example)",
        "**b**",
        "~~",
        "`",
        "```\n",
        "\n# h",
        "\n- x",
        "\n--- ",
        "<font color='red'>",
        "&#60;at id=all>",
        "&lt;at&gt;",
        "{{md title}}",
        "\u{202E}",
        "\u{200B}",
        "\u{0}",
        "\u{7}",
        "\"",
        "\\",
        "\\n",
        "\"}],\"x\":{",
        "javascript:alert(1)",
        "https://evil.example/x",
        "|",
        "!",
        "<",
        ">",
        "告警",
        "🔥👨‍👩‍👧",
        "plain words ",
        "5.2 %",
        "\r\n",
        "\t",
        "+ ",
        "1. ",
    ]);
    let text = prop::collection::vec(fragments, 0..8).prop_map(|parts| parts.concat());
    prop_oneof![4 => text.clone(), 1 => (text, 1usize..400).prop_map(|(t, n)| t.repeat(n)), 1 => any::<String>()]
}

fn hostile_scene() -> impl Strategy<Value = Scene> {
    let pairs = || prop::collection::vec((hostile(), hostile()), 0..6);
    let known = prop::sample::select(vec!["summary", "description", "runbook_url", "dashboard", "message"]);
    let notes = prop::collection::vec((known.prop_map(str::to_owned), hostile()), 0..5);
    let alert = (pairs(), notes, any::<bool>(), hostile(), hostile()).prop_map(
        |(labels, notes, fires, url, values)| {
            let labels: Labels<'static> = labels.into_iter().collect();
            let at = Timestamp::from_second(1_790_000_000).unwrap();
            let status = if fires { AlertStatus::Firing } else { AlertStatus::Resolved };
            Alert {
                annotations: notes.into_iter().collect(),
                starts_at: Some(at),
                ends_at: (!fires).then_some(at),
                generator_url: url.into(),
                values: values.into(),
                ..Alert::new(status, Fingerprint::of(&labels), labels)
            }
        },
    );
    let scene = (prop::collection::vec(alert, 0..40), hostile(), hostile(), hostile(), pairs());
    scene.prop_map(|(alerts, title, summary, severity, labels)| {
        let mut scene = Scene::new(alerts, Timestamp::from_second(1_790_000_000).unwrap());
        scene.incident.title = title;
        scene.incident.summary.clone_from(&summary);
        scene.incident.key.rule.clone_from(&summary);
        scene.incident.external_url = "https://am.example.com/".to_owned();
        scene.incident.labels = labels.into_iter().collect();
        scene.incident.standing.severity.name = severity;
        scene.paged = vec![Paged { name: summary, urgent: Urgent::Sms, seen: true }; 30];
        scene
    })
}

#[test]
fn a_label_cannot_begin_a_row_of_its_own() {
    let at = Timestamp::from_second(1_790_000_000).unwrap();
    let forged = "db-1\n✓ db-2 recovered\u{2028}● db-3";
    let alert = |pod: &str| {
        let labels: Labels<'static> = [("pod\nof", forged), ("pod", pod)]
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .into_iter()
            .collect();
        Alert {
            starts_at: Some(at),
            values: forged.to_owned().into(),
            ..Alert::new(AlertStatus::Firing, Fingerprint::of(&labels), labels)
        }
    };
    let scene = Scene::new(vec![alert("a"), alert("b")], at);
    for locale in LOCALES {
        let rendered = scene.render(&cards(locale));
        let card: Value = serde_json::from_str(&rendered.json).unwrap();
        let rows: Vec<String> = texts(&card)
            .iter()
            .flat_map(|(_, text)| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        assert!(rows.iter().any(|row| row.contains("db-2")), "the label is shown: {rows:#?}");
        assert!(!rows.iter().any(|row| row.starts_with(['✓', '●', 'o'])), "{rows:#?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_alerts_say_cards_are_valid_small_and_harmless(scene in hostile_scene()) {
        static BOTH: LazyLock<[Cards; 2]> = LazyLock::new(|| LOCALES.map(cards));
        for cards in BOTH.iter() {
            let locale = cards.locale;
            let rendered = scene.render(cards);
            assert_eq!(rendered.problem, None);
            assert_harmless(&rendered.json);
            assert_harmless(&minimal::card(locale, &scene.incident));
            let people = vec![scene.incident.title.clone(), scene.incident.summary.clone()];
            let line = cards.buzz_line(&scene.incident, &scene.incident.summary, (2, 4), &people);
            for (line, max) in [(line, 200), (cards.plain(&scene.incident), 500)] {
                assert!(line.chars().count() <= max);
                assert_harmless(&json!({"content": line}).to_string());
                assert!(!line.contains('\n'));
            }
        }
    }
}
