//! The card of a storm: what it says at each stage, in both languages, and
//! that it stays harmless and small whatever its incidents say.

use super::hostile::assert_harmless;
use super::*;
use crate::domain::StormId;

const COUNTS: [(u64, u64, u64, u64); 5] =
    [(80, 0, 0, 0), (3, 40, 2, 35), (0, 45, 0, 35), (0, 0, 1, 79), (0, 0, 0, 80)];

fn incidents(title: &str, count: i64) -> Vec<Incident> {
    let scene = Scene::of("am-0.33_single-firing", SourceKind::Alertmanager);
    let incident =
        |id| Incident { id: Some(IncidentId(id)), title: title.to_owned(), ..scene.incident.clone() };
    (1..=count).map(incident).collect()
}

fn input(counts: (u64, u64, u64, u64), worst: &[Incident]) -> StormInput<'_> {
    let (triggered, acknowledged, snoozed, resolved) = counts;
    let began_at = "2026-11-22T03:00:00Z".parse().unwrap();
    StormInput { id: StormId(7), began_at, triggered, acknowledged, snoozed, resolved, worst }
}

fn drawn(cards: &Cards, input: &StormInput<'_>) -> (Rendered, Value) {
    let rendered = cards.render_storm(input, input.began_at + SignedDuration::from_mins(1));
    assert_eq!(rendered.problem, None);
    let card = serde_json::from_str(&rendered.json).unwrap();
    (rendered, card)
}

#[test]
fn its_colour_and_words_tell_how_far_it_is() {
    let worst = incidents("HighErrorRate", 2);
    let colours = ["orange", "orange", "blue", "blue", "green"];
    for (counts, colour) in COUNTS.into_iter().zip(colours) {
        for (locale, title) in [(Locale::En, "Storm: 80 incidents"), (Locale::ZhCn, "告警风暴：80 个事件")]
        {
            let (rendered, card) = drawn(&cards(locale), &input(counts, &worst));
            assert!(!rendered.shrunk);
            assert_eq!(card["header"]["template"], colour, "{counts:?}");
            assert_eq!(card["header"]["title"]["content"], title);
            for said in ["INC-1", "INC-2", "HighErrorRate", "78"] {
                assert!(rendered.json.contains(said), "{said}: {}", rendered.json);
            }
        }
    }
}

#[test]
fn its_button_says_how_many_were_seen_and_goes_when_all_are_answered() {
    let worst = incidents("HighErrorRate", 2);
    for locale in LOCALES {
        let silent = drawn(&cards(locale), &input(COUNTS[1], &worst)).0.json;
        assert!(!silent.contains("acknowledge_all"), "where presses are not heard there is none");
        let cards = cards(locale).with_buttons();
        let (_, card) = drawn(&cards, &input(COUNTS[1], &worst));
        let elements = card["body"]["elements"].as_array().unwrap();
        let button = elements.iter().find(|element| element["tag"] == "button").unwrap();
        let value = &button["behaviors"][0]["value"];
        assert_eq!(value.to_string(), r#"{"do":"acknowledge_all","seen":80,"storm":7,"v":1}"#);
        assert!(!drawn(&cards, &input(COUNTS[2], &worst)).0.json.contains("acknowledge_all"));
    }
}

#[test]
fn whatever_its_incidents_say_is_only_text() {
    let hostile = [
        "<at id=all></at>",
        "**b** [x](https://evil.example)",
        "\u{202E}x\u{200B}",
        "\"}]}",
        "{{title}}",
        "- a\n# b",
        "~~~",
        "",
    ];
    for locale in LOCALES {
        for title in hostile {
            let rendered = drawn(&cards(locale).with_buttons(), &input(COUNTS[0], &incidents(title, 30))).0;
            assert_harmless(&rendered.json);
        }
        let long = drawn(&cards(locale), &input(COUNTS[0], &incidents(&"\"<长>".repeat(4000), 30))).0;
        assert_harmless(&long.json);
    }
}

#[test]
fn a_bad_template_of_the_operators_gives_way_to_the_shipped_one() {
    let bad = cards_with(Locale::En, &[("en/storm.hbs", "{\"a\": \"{{nothing}}\"}")]);
    let rendered = bad.render_storm(&input(COUNTS[0], &[]), Timestamp::UNIX_EPOCH);
    assert!(rendered.problem.is_some_and(|problem| problem.contains("storm.hbs")));
    assert!(rendered.json.contains("Storm: 80 incidents"));
    let own = cards_with(Locale::En, &[("en/storm.hbs", "{\"total\": {{total}} }")]);
    assert_eq!(drawn(&own, &input(COUNTS[0], &[])).0.json, r#"{"total":80}"#);
}

#[test]
fn without_a_card_it_is_a_line_and_the_bare_card_says_the_same() {
    let line = cards(Locale::En).storm_line(&input(COUNTS[1], &[]));
    assert_eq!(line, "Storm: 80 incidents · 3 firing, 40 acknowledged, 2 snoozed, 35 resolved");
    for locale in LOCALES {
        let bare = storm::minimal(locale, &input(COUNTS[1], &[]));
        assert_harmless(&bare);
        assert!(bare.contains(&cards(locale).storm_line(&input(COUNTS[1], &[]))));
    }
}
