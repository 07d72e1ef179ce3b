//! Decoding a webhook against what the JSON parser needs for the same body.
//!
//! The reference is `serde_json` reading the fields that larkhorn reads into a
//! plain struct that borrows its text: no path for errors, no instants, no
//! fingerprints, no telling of formats. Goal: within 1.5 times of it.

use std::borrow::Cow;
use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use larkhorn::domain::SourceKind;
use larkhorn::sources::{Hint, decode, inspect, visit};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

const ROUNDS: usize = 101;
const ROUND_TIME: Duration = Duration::from_millis(2);
const GOAL: f64 = 1.5;

pub(crate) fn run() {
    let thousand = payload("am-0.33_thousand");
    let bodies = [
        ("1 alert", payload("am-0.33_single-firing")),
        ("10 alerts", first_ten(&thousand)),
        ("1,000 alerts", thousand),
    ];
    println!(
        "{:<13} {:<8} {:>12} {:>12} {:>8} {:>8}  goal {GOAL}",
        "body", "what", "µs", "parser µs", "median", "worst"
    );
    for (name, body) in &bodies {
        let body = body.as_bytes();
        let kind = SourceKind::Alertmanager;
        row(name, "decode", body, |body| drop(black_box(decode(kind, body).unwrap())));
        row(name, "visit", body, |body| {
            drop(black_box(visit(kind, body, &mut |alert| drop(black_box(alert))).unwrap()));
        });
        row(name, "inspect", body, |body| {
            black_box(inspect(Hint::Any, body).unwrap());
        });
    }
}

/// Measures `work` and the reference in turns and prints a line of the table.
fn row(name: &str, what: &str, body: &[u8], work: impl Fn(&[u8])) {
    let reference = |body: &[u8]| drop(black_box(serde_json::from_slice::<Payload<'_>>(body).unwrap()));
    let once = time(1, || reference(body)).max(Duration::from_nanos(100));
    let times = u32::try_from(ROUND_TIME.as_nanos() / once.as_nanos()).unwrap().max(1);
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let parser = time(times, || reference(body)).as_secs_f64() * 1e6;
        let larkhorn = time(times, || work(body)).as_secs_f64() * 1e6;
        ratios.push(larkhorn / parser);
        theirs.push(parser);
        ours.push(larkhorn);
    }
    let median = median(&mut ratios);
    println!(
        "{name:<13} {what:<8} {:>12.2} {:>12.2} {median:>8.2} {:>8.2}  {}",
        self::median(&mut ours),
        self::median(&mut theirs),
        ratios.last().unwrap(),
        if median <= GOAL { "met" } else { "MISSED" }
    );
}

/// How long one run takes, averaged over `times`.
fn time(times: u32, work: impl Fn()) -> Duration {
    let start = Instant::now();
    for _ in 0..times {
        work();
    }
    start.elapsed() / times
}

/// Sorts, too.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn payload(name: &str) -> String {
    let path = format!("{}/tests/payloads/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The body with its first ten alerts, byte for byte as they were sent.
fn first_ten(body: &str) -> String {
    let (cut, _) = body.match_indices(r#"},{"status":"#).nth(9).unwrap();
    let rest = body.rfind(r#"],"notification_reason""#).unwrap();
    let ten = format!("{}{}", &body[..=cut], &body[rest..]);
    assert_eq!(inspect(Hint::Any, ten.as_bytes()).unwrap().1, 10);
    ten
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "the parser fills it, nobody reads it")]
struct Payload<'a> {
    #[serde(borrow)]
    version: Cow<'a, str>,
    #[serde(borrow)]
    receiver: Cow<'a, str>,
    #[serde(borrow)]
    group_key: Cow<'a, str>,
    #[serde(borrow)]
    group_labels: Pairs<'a>,
    #[serde(borrow, rename = "externalURL")]
    external_url: Cow<'a, str>,
    truncated_alerts: u64,
    #[serde(borrow)]
    alerts: Vec<Alert<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "the parser fills it, nobody reads it")]
struct Alert<'a> {
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    labels: Pairs<'a>,
    #[serde(borrow)]
    annotations: Pairs<'a>,
    #[serde(borrow)]
    starts_at: Cow<'a, str>,
    #[serde(borrow)]
    ends_at: Cow<'a, str>,
    #[serde(borrow, rename = "generatorURL")]
    generator_url: Cow<'a, str>,
    #[serde(borrow)]
    fingerprint: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

struct Pairs<'a>(#[expect(dead_code, reason = "as above")] Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(parser: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some((Text(name), Text(value))) = map.next_entry()? {
                    pairs.push((name, value));
                }
                Ok(Pairs(pairs))
            }
        }
        parser.deserialize_map(Collect)
    }
}
