//! What senders post, decoded: every captured body, and every way to spoil one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use larkhorn::domain::{AlertStatus, Fingerprint, SourceKind};
use larkhorn::sources::{Hint, decode, detect, inspect, visit};
use proptest::prelude::*;

use SourceKind::{Alertmanager, Grafana, GrafanaLegacy};

const HINTS: [Hint; 3] = [Hint::Any, Hint::Alertmanager, Hint::Grafana];
const KINDS: [SourceKind; 3] = [Alertmanager, Grafana, GrafanaLegacy];

/// File, kind, receiver, firing, resolved, truncated.
type Row = (&'static str, SourceKind, &'static str, usize, usize, u64);

const ACCEPTED: &[Row] = &[
    ("am-0.25_group3-firing", Alertmanager, "group3", 3, 0, 0),
    ("am-0.25_group3-mixed", Alertmanager, "group3", 2, 1, 0),
    ("am-0.25_single-firing", Alertmanager, "single", 1, 0, 0),
    ("am-0.25_single-resolved", Alertmanager, "single", 0, 1, 0),
    ("am-0.33_amtool", Alertmanager, "feishu", 1, 0, 0),
    ("am-0.33_auth-basic", Alertmanager, "basic", 1, 0, 0),
    ("am-0.33_auth-bearer", Alertmanager, "bearer", 1, 0, 0),
    ("am-0.33_auth-hdrs", Alertmanager, "hdrs", 1, 0, 0),
    ("am-0.33_flap-1", Alertmanager, "flap", 1, 0, 0),
    ("am-0.33_flap-2", Alertmanager, "flap", 0, 1, 0),
    ("am-0.33_flap-3", Alertmanager, "flap", 1, 0, 0),
    ("am-0.33_group-by-all", Alertmanager, "groupall", 1, 0, 0),
    ("am-0.33_group3-all-resolved", Alertmanager, "group3", 0, 3, 0),
    ("am-0.33_group3-firing", Alertmanager, "group3", 3, 0, 0),
    ("am-0.33_group3-mixed", Alertmanager, "group3", 2, 1, 0),
    ("am-0.33_group3-new-alert", Alertmanager, "group3", 3, 0, 0),
    ("am-0.33_long-annotations", Alertmanager, "long", 1, 0, 0),
    ("am-0.33_max-alerts-truncated", Alertmanager, "maxalerts", 2, 0, 3),
    ("am-0.33_minimal", Alertmanager, "minimal", 1, 0, 0),
    ("am-0.33_no-group-labels", Alertmanager, "nogroup", 2, 0, 0),
    ("am-0.33_receiver-regex-quoted", Alertmanager, "ops.feishu (P1)+oncall|值班", 1, 0, 0),
    ("am-0.33_repeat-1", Alertmanager, "repeat", 1, 0, 0),
    ("am-0.33_repeat-2", Alertmanager, "repeat", 1, 0, 0),
    ("am-0.33_resolved-by-timeout", Alertmanager, "timeoutres", 0, 1, 0),
    ("am-0.33_send-resolved-false", Alertmanager, "noresolved", 2, 0, 0),
    ("am-0.33_single-firing", Alertmanager, "single", 1, 0, 0),
    ("am-0.33_single-resolved", Alertmanager, "single", 0, 1, 0),
    ("am-0.33_thousand", Alertmanager, "thousand", 1000, 0, 0),
    ("am-0.33_unicode", Alertmanager, "unicode", 1, 0, 0),
    ("am-0.34_route-labels", Alertmanager, "single", 1, 0, 0),
    ("grafana-legacy_alerting", GrafanaLegacy, "", 1, 0, 0),
    ("grafana-legacy_ok", GrafanaLegacy, "", 0, 1, 0),
    ("grafana-legacy_test", GrafanaLegacy, "", 1, 0, 0),
    ("grafana-unified_custom-default-template", Grafana, "feishu", 1, 0, 0),
    ("grafana-unified_error", Grafana, "feishu", 1, 0, 0),
    ("grafana-unified_firing", Grafana, "feishu", 2, 0, 0),
    ("grafana-unified_firing-v10", Grafana, "feishu", 1, 0, 0),
    ("grafana-unified_hmac-timestamp", Grafana, "feishu", 1, 0, 0),
    ("grafana-unified_mixed", Grafana, "feishu", 1, 1, 0),
    ("grafana-unified_nodata", Grafana, "feishu", 1, 0, 0),
    ("grafana-unified_nodata-as-alerting", Grafana, "feishu", 1, 0, 0),
    ("grafana-unified_resolved", Grafana, "feishu", 0, 1, 0),
    ("grafana-unified_test-button", Grafana, "webhook", 1, 0, 0),
    ("grafana-unified_test-button-v10", Grafana, "test", 1, 0, 0),
    ("grafana-unified_truncated", Grafana, "feishu", 1, 0, 4),
    ("prom-2.42_am-0.25_rule-firing", Alertmanager, "feishu", 1, 0, 0),
    ("prom-2.42_am-0.25_rule-resolved", Alertmanager, "feishu", 0, 1, 0),
    ("prom-2.42_am-0.25_watchdog", Alertmanager, "feishu", 1, 0, 0),
    ("prom-3.5_am-0.33_watchdog", Alertmanager, "feishu", 1, 0, 0),
];

/// File and what its refusal says.
const REFUSED: &[(&str, &str)] = &[
    ("am-0.25_api-v2-transcript", "which is an object, got an array"),
    ("am-0.33_api-v2-transcript", "which is an object, got an array"),
    ("am-0.33_custom-payload", "remove `payload` from the sender's configuration"),
    ("grafana-unified_custom-payload", "got an object with the fields `link`, `msgtype`"),
    ("prom-2.42_api-v2-alerts_firing", "larkhorn wants Alertmanager's webhook"),
    ("prom-2.42_api-v2-alerts_resolved", "larkhorn wants Alertmanager's webhook"),
    ("prom-3.5_api-v2-alerts_firing", "larkhorn wants Alertmanager's webhook"),
    ("prom-3.5_api-v2-alerts_resolved", "larkhorn wants Alertmanager's webhook"),
    ("vmalert-1.145_api-v2-alerts_firing", "larkhorn wants Alertmanager's webhook"),
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/payloads")
}

fn payload(name: &str) -> Vec<u8> {
    let path = folder().join(format!("{name}.json"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn refusal(hint: Hint, body: &[u8]) -> String {
    inspect(hint, body).expect_err("the body should be refused").to_string()
}

#[test]
fn every_captured_body_is_in_a_table() {
    let listed: BTreeSet<String> =
        ACCEPTED.iter().map(|row| row.0).chain(REFUSED.iter().map(|row| row.0)).map(str::to_owned).collect();
    let present: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| {
            entry.unwrap().file_name().to_str().unwrap().strip_suffix(".json").map(str::to_owned)
        })
        .collect();
    assert_eq!(listed, present);
}

#[test]
fn every_webhook_decodes_as_its_sender_meant_it() {
    for &(name, kind, receiver, firing, resolved, truncated) in ACCEPTED {
        let body = payload(name);
        for hint in HINTS {
            assert_eq!(detect(hint, &body), Ok(kind), "{name} with {hint:?}");
            let total = u64::try_from(firing + resolved).unwrap();
            assert_eq!(inspect(hint, &body), Ok((kind, total)), "{name} with {hint:?}");
        }
        let group = decode(kind, &body).unwrap_or_else(|error| panic!("{name}: {error}"));
        let count = |status| group.alerts.iter().filter(|alert| alert.status == status).count();
        assert_eq!(group.header.kind, kind, "{name}");
        assert_eq!(group.header.receiver, receiver, "{name}");
        assert_eq!(group.header.truncated_alerts, truncated, "{name}");
        assert_eq!(count(AlertStatus::Firing), firing, "{name}: firing");
        assert_eq!(count(AlertStatus::Resolved), resolved, "{name}: resolved");
        assert!(!group.header.group_key.is_empty(), "{name}");
        for alert in &group.alerts {
            let over = alert.status == AlertStatus::Resolved && kind != GrafanaLegacy;
            assert_eq!(alert.ends_at.is_some(), over, "{name}: ends when it is over");
            assert_eq!(alert.starts_at.is_some(), kind != GrafanaLegacy, "{name}: start");
        }
    }
}

#[test]
fn every_other_body_is_refused_with_the_reason() {
    for &(name, reason) in REFUSED {
        let body = payload(name);
        for hint in HINTS {
            let text = refusal(hint, &body);
            assert!(text.contains(reason), "{name} with {hint:?}: {text}");
            assert_eq!(detect(hint, &body).unwrap_err().to_string(), text, "{name}");
        }
    }
}

#[test]
fn fields_agree_with_an_independent_reading() {
    for &(name, kind, ..) in ACCEPTED.iter().filter(|row| row.1 != GrafanaLegacy) {
        let body = payload(name);
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let group = decode(kind, &body).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let pairs = |value: &serde_json::Value| -> BTreeMap<String, String> {
            value.as_object().unwrap().iter().map(|(n, v)| (n.clone(), text(v))).collect()
        };
        let own = |labels: &larkhorn::domain::Labels<'_>| -> BTreeMap<String, String> {
            labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
        };
        assert_eq!(group.header.group_key, text(&json["groupKey"]), "{name}");
        assert_eq!(group.header.external_url, text(&json["externalURL"]), "{name}");
        assert_eq!(own(&group.header.group_labels), pairs(&json["groupLabels"]), "{name}");
        for (alert, sent) in group.alerts.iter().zip(json["alerts"].as_array().unwrap()) {
            assert_eq!(own(&alert.labels), pairs(&sent["labels"]), "{name}");
            assert_eq!(own(&alert.annotations), pairs(&sent["annotations"]), "{name}");
            assert_eq!(alert.fingerprint.to_string(), text(&sent["fingerprint"]), "{name}");
            assert_eq!(alert.starts_at, text(&sent["startsAt"]).parse().ok(), "{name}");
            assert_eq!(alert.generator_url, text(&sent["generatorURL"]), "{name}");
            assert_eq!(alert.silence_url, text(&sent["silenceURL"]), "{name}");
            assert_eq!(alert.dashboard_url, text(&sent["dashboardURL"]), "{name}");
            assert_eq!(alert.panel_url, text(&sent["panelURL"]), "{name}");
        }
    }
}

#[test]
fn computed_fingerprints_agree_with_every_captured_one() {
    let mut checked = 0;
    for &(name, kind, ..) in ACCEPTED.iter().filter(|row| row.1 == Alertmanager) {
        let body = payload(name);
        for alert in decode(kind, &body).unwrap().alerts {
            assert_eq!(Fingerprint::of(&alert.labels), alert.fingerprint, "{name}");
            checked += 1;
        }
    }
    assert!(checked > 1000, "only {checked} alerts were compared");
}

#[test]
fn a_missing_or_unreadable_fingerprint_is_computed() {
    let body = String::from_utf8(payload("am-0.33_single-firing")).unwrap();
    for other in ["", r#","fingerprint":null"#, r#","fingerprint":"""#, r#","fingerprint":"not-hex""#] {
        let spoiled = body.replace(r#","fingerprint":"404ccb5301e067c2""#, other);
        let group = decode(Alertmanager, spoiled.as_bytes()).unwrap();
        assert_eq!(group.alerts[0].fingerprint.to_string(), "404ccb5301e067c2", "{other}");
    }
}

#[test]
fn grafana_values_read_sorted_and_keep_their_sentinels() {
    let table = [
        ("grafana-unified_firing", "B=12.5, C=1"),
        ("grafana-unified_nodata", ""),
        ("grafana-unified_error", "B=-1, C=-1"),
        ("grafana-unified_test-button", ""),
    ];
    for (name, values) in table {
        let body = payload(name);
        assert_eq!(decode(Grafana, &body).unwrap().alerts[0].values, values, "{name}");
    }
    let body = br#"{"version":"1","alerts":[{"status":"firing",
        "values":{"C":1e300,"A":44.23943737541908,"B":null,"D":-0.5}}]}"#;
    assert_eq!(decode(Grafana, body).unwrap().alerts[0].values, "A=44.23943737541908, C=1e300, D=-0.5");
}

#[test]
fn a_legacy_rule_is_one_alert_that_fires_and_recovers() {
    let (firing, ok) = (payload("grafana-legacy_alerting"), payload("grafana-legacy_ok"));
    let (firing, ok) = (decode(GrafanaLegacy, &firing).unwrap(), decode(GrafanaLegacy, &ok).unwrap());
    assert_eq!(firing.header, ok.header);
    assert_eq!(firing.header.group_key, "legacy:1:12");
    let (alert, recovered) = (&firing.alerts[0], &ok.alerts[0]);
    assert_eq!(alert.fingerprint, recovered.fingerprint);
    assert_eq!(alert.labels, recovered.labels);
    assert_eq!(
        alert.labels.iter().collect::<Vec<_>>(),
        [("alertname", "CPU使用率过高"), ("severity", "critical"), ("team", "infra")]
    );
    assert_eq!(
        alert.annotations.iter().collect::<Vec<_>>(),
        [("message", "严重，CPU使用率过高"), ("summary", "CPU使用率过高")]
    );
    assert_eq!(alert.values, r#"{instance="10.0.0.1:9100"}=93.5"#);
    assert_eq!(
        alert.generator_url,
        "http://grafana.example.com/d/hZ7BuVbWz/hosts?tab=alert&viewPanel=2&orgId=1"
    );
    assert_eq!(recovered.values, "");
}

#[test]
fn large_rule_ids_stay_exact() {
    let body = payload("grafana-legacy_test");
    assert_eq!(decode(GrafanaLegacy, &body).unwrap().header.group_key, "legacy:0:7533874832689366674");
    let quoted = String::from_utf8(body).unwrap().replace("7533874832689366674", r#""7533874832689366675""#);
    let group = decode(GrafanaLegacy, quoted.as_bytes()).unwrap();
    assert_eq!(group.header.group_key, "legacy:0:7533874832689366675");
}

#[test]
fn a_mistake_is_named_with_its_place() {
    const BODY: &str = r#"{"version":"4","groupKey":"{}:{}","receiver":"ops","truncatedAlerts":0,"alerts":[{"status":"firing","labels":{},"startsAt":"2026-11-22T03:45:14Z"},{"status":"firing","labels":{"severity":"critical"},"annotations":{},"startsAt":"2026-11-22T03:45:14Z"}]}"#;
    inspect(Hint::Any, BODY.as_bytes()).expect("the unspoilt body is fine");
    let table = [
        (r#""critical""#, "3", "alerts[1].labels.severity: expected a string, got the number 3"),
        (r#""critical""#, "true", "alerts[1].labels.severity: expected a string, got the boolean true"),
        (r#""critical""#, "[]", "alerts[1].labels.severity: expected a string, got an array"),
        (r#""critical""#, "[[]]", "alerts[1].labels.severity: expected a string, got an array"),
        (
            r#""annotations":{}"#,
            r#""annotations":"x""#,
            r#"alerts[1].annotations: expected an object of strings, got "x""#,
        ),
        (
            r#""annotations":{}"#,
            r#""annotations":{"a":{}}"#,
            "alerts[1].annotations.a: expected a string, got an object",
        ),
        (r#"{"status":"firing","labels":{},"#, "{", "alerts[0]: missing field `status`"),
        (
            r#""status":"firing","labels":{}"#,
            r#""status":"on""#,
            r#"alerts[0].status: expected "firing" or "resolved", got "on""#,
        ),
        (r#""ops""#, "7", "receiver: expected a string, got the number 7"),
        (
            r#""truncatedAlerts":0"#,
            r#""truncatedAlerts":-1"#,
            "truncatedAlerts: expected a whole number that is not negative, got the number -1",
        ),
        (r#""version":"4""#, r#""version":4"#, "version: expected a string, got the number 4"),
        (r#":"2026-11-22T03:45:14Z"}]"#, r#":"soon"}]"#, "alerts[1].startsAt: expected an RFC 3339 time"),
        (
            r#"{"severity":"critical"}"#,
            "1.5",
            "alerts[1].labels: expected an object of strings, got the number 1.5",
        ),
        ("]}", "],\"alerts\":[]}", "duplicate field `alerts`"),
    ];
    for (from, to, expected) in table {
        assert!(BODY.contains(from), "{from}");
        let text = refusal(Hint::Any, BODY.replacen(from, to, 1).as_bytes());
        assert!(text.contains(expected), "{from} → {to}: {text}");
        assert!(text.contains("line 1 column"), "{text}");
    }
}

#[test]
fn what_is_no_webhook_is_told_so() {
    let table: [(&[u8], &str); 16] = [
        (b"", "the body is empty"),
        (b" \n", "the body is empty"),
        (b"hello", "the body is not JSON"),
        (b"alert=1&x=2", "the body is not JSON"),
        (b"{\"alerts\":[]", "the JSON is cut off at line 1 column 12"),
        (b"{\"alerts\":[]} x", "the body is not JSON: trailing characters"),
        (b"\xff\xfe{}", "the body is not UTF-8: byte 1 "),
        (b"{\"version\":\"4\",\"x\":\"\xc3\x28\"}", "the body is not UTF-8: byte 21 "),
        (b"{}", "got an object with no fields"),
        (b"[]", "got an array"),
        (b"[3]", "got an array"),
        (b"null", "got null"),
        (b"\"hi\"", "got a string"),
        (br#"{"rule_name":"cpu","severity":1,"trigger_time":1}"#, "an event of Nightingale"),
        (br#"[{"rule_name":"cpu","severity":1,"tags":[]}]"#, "an event of Nightingale"),
        (br#"{"status":"firing","alerts":[]}"#, "without `groupKey` or `version`"),
    ];
    for (body, expected) in table {
        for hint in HINTS {
            let text = refusal(hint, body);
            assert!(text.contains(expected), "{hint:?}: {text}");
        }
    }
}

#[test]
fn a_refusal_repeats_little_of_the_body() {
    let long = "长".repeat(5000);
    let bodies = [
        format!(r#"{{"{long}":1}}"#),
        format!(r#"{{{}"z":1}}"#, r#""field":1,"#.repeat(1000)),
        format!(r#"{{"version":"4","alerts":[{{"status":"{long}"}}]}}"#),
        format!(r#"{{"version":"4","alerts":[{{"status":"firing","labels":{{"{long}":1}}}}]}}"#),
        format!(r#"{{"version":"4","alerts":[{{"status":"firing","labels":"{long}"}}]}}"#),
        format!(r#"{{"ruleId":1,"ruleName":"x","state":"{long}"}}"#),
    ];
    for body in bodies {
        let text = refusal(Hint::Any, body.as_bytes());
        assert!(text.chars().count() < 300, "{text}");
        assert!(!text.contains(&"长".repeat(81)), "{text}");
    }
}

#[test]
fn deep_nesting_neither_overflows_nor_passes_for_a_webhook() {
    for depth in [200, 10_000, 100_000] {
        let array = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let object = format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        for nested in [&array, &object, &"[".repeat(depth)] {
            refusal(Hint::Any, nested.as_bytes());
            for (head, tail) in [
                (r#"{"version":"4","alerts":"#, "}"),
                (r#"{"version":"4","alerts":["#, "]}"),
                (r#"{"version":"4","alerts":[{"status":"firing","labels":{"a":"#, "}}]}"),
                (r#"{"ruleId":1,"ruleName":"x","state":"ok","tags":"#, "}"),
            ] {
                let body = format!("{head}{nested}{tail}");
                for hint in HINTS {
                    refusal(hint, body.as_bytes());
                }
            }
        }
        let unknown = format!(r#"{{"version":"4","alerts":[],"field_of_2031":{array}}}"#);
        assert_eq!(inspect(Hint::Any, unknown.as_bytes()), Ok((Alertmanager, 0)));
    }
}

#[test]
fn a_swapped_url_does_not_change_what_a_body_is() {
    let bare = |fields: &str| format!(r#"{{"alerts":[]{fields}}}"#).into_bytes();
    let (any, am, grafana) = (Hint::Any, Hint::Alertmanager, Hint::Grafana);
    let table = [
        (r#","version":"4","groupKey":"k""#, [Some(Alertmanager); 3]),
        (r#","version":"1""#, [Some(Grafana); 3]),
        (r#","orgId":1,"groupKey":"k""#, [Some(Grafana); 3]),
        (r#","state":"ok","title":"t""#, [Some(Grafana); 3]),
        // Contradicting proofs: the URL decides.
        (r#","version":"4","orgId":1"#, [Some(Grafana), Some(Alertmanager), Some(Grafana)]),
        // Both send `groupKey`.
        (r#","groupKey":"k""#, [Some(Alertmanager), Some(Alertmanager), Some(Grafana)]),
        // Little proof is enough where the URL says the rest.
        (r#","version":"5""#, [None, Some(Alertmanager), Some(Grafana)]),
        (r#","receiver":"r""#, [None, Some(Alertmanager), Some(Grafana)]),
        (r#","groupLabels":{}"#, [None, Some(Alertmanager), Some(Grafana)]),
        (r#","state":"ok""#, [None; 3]),
        ("", [None; 3]),
    ];
    for (fields, kinds) in table {
        for (hint, kind) in [any, am, grafana].into_iter().zip(kinds) {
            let body = bare(fields);
            assert_eq!(detect(hint, &body).ok(), kind, "{fields} with {hint:?}");
            assert_eq!(inspect(hint, &body).ok(), kind.map(|kind| (kind, 0)), "{fields} with {hint:?}");
        }
    }
}

#[test]
fn a_body_cut_anywhere_is_refused() {
    for name in ["am-0.33_unicode", "grafana-unified_firing", "grafana-legacy_alerting"] {
        let body = payload(name);
        let whole = body.trim_ascii_end().len();
        for cut in 0..whole {
            let part = &body[..cut];
            assert!(inspect(Hint::Any, part).is_err(), "{name} cut at {cut}");
            assert!(KINDS.iter().all(|kind| decode(*kind, part).is_err()), "{name} cut at {cut}");
        }
    }
}

/// Small webhooks of all kinds, to be spoiled.
fn samples() -> impl Strategy<Value = Vec<u8>> {
    let names: Vec<&str> =
        ACCEPTED.iter().map(|row| row.0).filter(|name| payload(name).len() < 5000).collect();
    prop::sample::select(names).prop_map(payload)
}

/// Whatever the body: no panic, and all ways of reading it agree.
fn readings_agree(body: &[u8]) -> Result<(), TestCaseError> {
    for kind in KINDS {
        let mut seen = Vec::new();
        let header = visit(kind, body, &mut |alert| seen.push(alert));
        match decode(kind, body) {
            Ok(group) => {
                prop_assert_eq!(Ok(group.header), header);
                prop_assert_eq!(group.alerts, seen);
            }
            Err(error) => prop_assert_eq!(Err(error), header),
        }
    }
    for hint in HINTS {
        match (inspect(hint, body), detect(hint, body)) {
            (Ok((kind, count)), detected) => {
                prop_assert_eq!(detected, Ok(kind));
                let group = decode(kind, body);
                prop_assert_eq!(group.map(|g| u64::try_from(g.alerts.len()).unwrap()), Ok(count));
            }
            (Err(_), Ok(kind)) => prop_assert!(decode(kind, body).is_err()),
            (Err(error), Err(same)) => prop_assert_eq!(error, same),
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..200)) {
        readings_agree(&body)?;
    }

    #[test]
    fn whole_webhooks_read_the_same_every_way(body in samples()) {
        readings_agree(&body)?;
    }

    #[test]
    fn spoiled_webhooks_are_survived(
        mut body in samples(),
        spots in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for (at, byte) in spots {
            let at = at.index(body.len());
            body[at] = byte;
        }
        readings_agree(&body)?;
    }

    #[test]
    fn rearranged_webhooks_are_survived(
        body in samples(),
        other in samples(),
        cut in any::<prop::sample::Index>(),
        splice in any::<prop::sample::Index>(),
    ) {
        let mut mixed = body[..cut.index(body.len())].to_vec();
        mixed.extend_from_slice(&other[splice.index(other.len())..]);
        readings_agree(&mixed)?;
    }

    #[test]
    fn swapped_json_types_are_survived(
        body in samples(),
        spot in any::<prop::sample::Index>(),
        word in prop::sample::select(vec!["null", "true", "3", "-1", "1e999", "\"x\"", "[]", "{}", "[[{}]]"]),
    ) {
        let text = String::from_utf8(body).unwrap();
        let colons: Vec<usize> = text.match_indices("\":").map(|(at, found)| at + found.len()).collect();
        let at = colons[spot.index(colons.len())];
        let end = text[at..].find([',', '}']).map_or(text.len(), |length| at + length);
        let spoiled = format!("{}{word}{}", &text[..at], &text[end..]);
        readings_agree(spoiled.as_bytes())?;
    }
}

#[test]
fn a_value_that_is_null_or_empty_counts_as_absent_and_costs_nothing_else() {
    let body = r#"{"version":"4","groupKey":"g","alerts":[{"status":"firing","startsAt":"2026-11-22T03:45:14Z",
        "labels":{"alertname":"X","pod":null,"zone":""},"annotations":{"summary":null,"description":"d"}}]}"#;
    let group = decode(Alertmanager, body.as_bytes()).unwrap();
    let alert = &group.alerts[0];
    assert_eq!(alert.labels.iter().collect::<Vec<_>>(), [("alertname", "X")]);
    assert_eq!(alert.annotations.iter().collect::<Vec<_>>(), [("description", "d")]);
}
