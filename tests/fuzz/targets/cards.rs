//! Cards of any incident: valid JSON within Feishu's limits, no mention and no
//! link but to web pages, lines short and without markup.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::{
    Alert, AlertStatus, ChatId, Destination, Fingerprint, Hold, Incident, IncidentId, IncidentKey, Labels, Ladder,
    Member, MemberState, Policy, Response, Severity, Standing, Step, StormId, Urgent,
};
use larkhorn::feishu::{CardInput, Cards, ListedAlert, Paged, StormInput};
use larkhorn::settings::Locale;
use libfuzzer_sys::arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// What Feishu takes as a card: bytes of the string in the request, and elements.
const BYTES_MAX: usize = 30 * 1000;
const ELEMENTS_MAX: usize = 200;

static CARDS: LazyLock<[Cards; 2]> = LazyLock::new(|| {
    [Locale::ZhCn, Locale::En].map(|locale| Cards::new(locale, TimeZone::UTC, &[]).0.with_buttons())
});

fuzz_target!(|data: &[u8]| {
    let Ok(scene) = Scene::arbitrary(&mut Unstructured::new(data)) else { return };
    let incident = &scene.incident;
    let listed: Vec<ListedAlert<'_>> =
        scene.alerts.iter().map(|(alert, member)| ListedAlert { alert, member: *member }).collect();
    let input = CardInput { incident, alerts: &listed, paged: &scene.paged };
    let cards = &CARDS[usize::from(data.first().is_some_and(|byte| byte % 2 == 1))];
    let rendered = cards.render(&input, scene.now);
    assert!(rendered.problem.is_none(), "the shipped template does not do: {:?}", rendered.problem);
    let storm = StormInput {
        id: StormId(7),
        began_at: scene.now,
        triggered: 3,
        acknowledged: 1,
        snoozed: 0,
        resolved: 2,
        worst: std::slice::from_ref(incident),
    };
    let stormy = cards.render_storm(&storm, scene.now);
    for card in [rendered.json, cards.bare(incident), cards.redacted(incident), stormy.json] {
        harmless(&card);
    }
    let people: Vec<String> = scene.paged.iter().map(|paged| paged.name.clone()).collect();
    let buzz = cards.buzz_line(incident, &incident.summary, (1, 4), &people);
    assert!(buzz.chars().count() <= 200, "{} characters: {buzz}", buzz.chars().count());
    let plain = cards.plain(incident);
    assert!(plain.chars().count() <= 500, "{} characters: {plain}", plain.chars().count());
    for line in [buzz, plain, cards.redacted_line(incident), cards.storm_line(&storm)] {
        let tag = line.split('<').skip(1).any(|after| after.starts_with(|c: char| c.is_alphabetic() || c == '/'));
        assert!(!tag && !line.contains("://"), "markup: {line}");
        assert!(!line.contains(|c: char| c.is_control() && c != '\n'), "controls: {line:?}");
    }
});

fn harmless(json: &str) {
    let card: Value = serde_json::from_str(json).expect("a card is JSON");
    let in_request = serde_json::to_string(json).expect("a card goes into a request").len();
    assert!(in_request <= BYTES_MAX, "{in_request} bytes in the request");
    let mut elements = 0;
    look(&card, &mut elements);
    assert!(elements <= ELEMENTS_MAX, "{elements} elements");
}

fn look(value: &Value, elements: &mut usize) {
    match value {
        Value::Object(fields) => {
            *elements += usize::from(fields.contains_key("tag"));
            for (name, value) in fields {
                if let (true, Some(url)) = (name.ends_with("url"), value.as_str()) {
                    assert!(url.starts_with("https://") || url.starts_with("http://"), "a link to {url:?}");
                }
                look(value, elements);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| look(item, elements)),
        Value::String(text) => assert!(!text.contains("<at"), "a mention: {text}"),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

struct Scene {
    incident: Incident,
    alerts: Vec<(Alert<'static>, Member)>,
    paged: Vec<Paged>,
    now: Timestamp,
}

impl<'a> Arbitrary<'a> for Scene {
    fn arbitrary(from: &mut Unstructured<'a>) -> Result<Self> {
        let opened_at = Timestamp::from_second(1_790_000_000).expect("a time that exists");
        let now = opened_at + SignedDuration::from_secs(from.int_in_range(0..=10_000_000)?);
        let (title, summary) = (text(from)?, text(from)?);
        let (label, alert) = (labels(from)?, text(from)?);
        let count = *from.choose(&[0, 1, 1, 2, 3, 5, 30])?;
        let mut alerts = Vec::new();
        for n in 0..count {
            let firing = n % 3 != 2;
            let mut one = Alert::new(
                if firing { AlertStatus::Firing } else { AlertStatus::Resolved },
                Fingerprint(n),
                labels(from)?,
            );
            one.annotations = [("description".to_owned(), alert.clone()), ("summary".to_owned(), text(from)?)]
                .into_iter()
                .collect();
            one.generator_url = text(from)?.into();
            one.values = text(from)?.into();
            one.starts_at = Some(opened_at);
            let state = if firing { MemberState::Firing } else { MemberState::Resolved };
            alerts.push((one, Member { state, starts_at: Some(opened_at), changed_at: now, listing: None }));
        }
        let mut paged = Vec::new();
        for _ in 0..from.int_in_range(0..=30)? {
            let urgent = *from.choose(&Urgent::ALL)?;
            paged.push(Paged { name: text(from)?, urgent, seen: from.arbitrary()? });
        }
        let by = text(from)?;
        let response = match from.int_in_range(0..=2)? {
            0 => Response::Open,
            1 => Response::Acknowledged { by: by.clone(), at: now, expires_at: Some(now), reminded: false },
            _ => Response::Resolved { at: now, by: Some(by.clone()) },
        };
        let hold = match from.int_in_range(0..=2)? {
            0 => Some(Hold::Snoozed { by, until: now }),
            1 => Some(Hold::Unlisted { since: opened_at, stale_at: now }),
            _ => None,
        };
        let step = Step { wait: SignedDuration::from_mins(3), notify: Vec::new(), urgent: None, when: None };
        let standing = Standing {
            members: alerts.iter().map(|(alert, member)| (alert.fingerprint, *member)).collect::<BTreeMap<_, _>>(),
            severity: Severity {
                rank: from.int_in_range(0..=3)?,
                name: text(from)?,
                urgent: Urgent::Phone,
                pin: true,
                ack_timeout: None,
                acknowledge_by_targets: false,
            },
            response,
            hold,
            ladder: Ladder::Waiting { step: 1, round: 0 },
            due_at: Some(now),
            last_step: Some((0, 0)),
            policy: Policy { steps: vec![step; 4], repeat: 1 },
            generation: 3,
            epoch: 1,
            paged: BTreeSet::new(),
            catch_alls: 0,
            opened_at,
            reopens: from.arbitrary()?,
        };
        let incident = Incident {
            id: Some(IncidentId(142)),
            version: 3,
            key: IncidentKey { rule: text(from)?, group: "00c0ffee".to_owned() },
            source: "alertmanager".to_owned(),
            title,
            summary,
            labels: label,
            external_url: text(from)?,
            places: vec![Destination::Chat(ChatId("oc_1".to_owned()))],
            template: "alert".to_owned(),
            pin: true,
            thread: false,
            invite: false,
            standing,
        };
        Ok(Self { incident, alerts, paged, now })
    }
}

fn labels(from: &mut Unstructured<'_>) -> Result<Labels<'static>> {
    let count = from.int_in_range(0..=6)?;
    (0..count).map(|_| Ok((text(from)?, text(from)?))).collect::<Result<Vec<_>>>().map(|pairs| pairs.into_iter().collect())
}

/// A piece of the input, some of them repeated until they are long.
fn text(from: &mut Unstructured<'_>) -> Result<String> {
    let piece: &str = from.arbitrary()?;
    let times = *from.choose(&[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 40, 2_000])?;
    Ok(piece.get(..piece.len().min(400)).unwrap_or_default().repeat(times))
}
