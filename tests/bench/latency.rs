//! From a webhook to what Feishu has taken: the card, and the phone buzz.
//!
//! Webhooks leave at their appointed times, whether or not earlier ones were
//! answered, and the clock starts at the appointed time. The Feishu is the fake that
//! answers at once. Alerts of severity `info` have a card alone, `critical` ones a
//! card, the line below it and a phone buzz: three calls in a row. So many come
//! that Feishu's 1000 calls a minute are not used up; `pace` is about what
//! happens beyond.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::fake::{Fake, PROBE, Times};
use crate::pager::Pager;
use crate::payload::{body, request};
use crate::table::{head, line, median_and_worst, percentile_ms, verdict};

const ROUNDS: usize = 5;
const PER_SECOND: usize = 12;
const ROUND_SECONDS: usize = 6;
const CHATS: usize = 50;
/// Each sends every 250 ms.
const SENDERS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn run() {
    let each = PER_SECOND * ROUND_SECONDS;
    let fake = Fake::start(2 * ROUNDS * each, Duration::ZERO);
    let pager = Pager::start(&rules(), fake.addr, None);
    println!(
        "{PER_SECOND} webhooks/s, each a new incident, over {CHATS} chats; {ROUNDS} rounds of {ROUND_SECONDS} s of either kind in turns.\n"
    );
    let mut rows = [Row::new("card alone", "info"), Row::new("card and phone buzz", "critical")];
    for round in 0..ROUNDS {
        for (kind, row) in rows.iter_mut().enumerate() {
            row.round(&pager, &fake, (2 * round + kind) * each, each);
        }
    }
    head(&["alerts", "webhook →", "p50 ms (worst)", "p99 ms (worst)", "slowest ms", "goal", ""]);
    let [plain, loud] = &mut rows;
    plain.cards.print("card alone", "card accepted", Some((5.0, 50.0)));
    loud.cards.print("card and phone buzz", "card accepted", None);
    loud.buzzes.print("card and phone buzz", "phone buzz accepted", Some((f64::MAX, 80.0)));
}

/// A chat for each of the last two digits of a probe, so that no chat gets more than 4/s.
fn rules() -> String {
    let chats: Vec<String> = (0..CHATS).map(|n| format!("c{n}: oc_{n}")).collect();
    let rules: Vec<String> = (0..CHATS)
        .map(|n| {
            format!(
                "  - {{name: r{n}, match: ['alertname=~\".*({:02}|{:02})\"'], chat: c{n}, notify: [lin]}}\n",
                n,
                n + CHATS
            )
        })
        .collect();
    format!(
        "people: {{lin: {{open_id: ou_lin}}}}\nchats: {{{}}}\n\
         storm: {{cards_per_minute: 0, share_buzz: 0}}\n\
         severities: [{{name: critical, urgent: phone}}, {{name: info, urgent: none}}]\nrules:\n{}",
        chats.join(", "),
        rules.concat()
    )
}

struct Row {
    name: &'static str,
    severity: &'static str,
    cards: Delays,
    buzzes: Delays,
}

impl Row {
    fn new(name: &'static str, severity: &'static str) -> Self {
        Self { name, severity, cards: Delays::default(), buzzes: Delays::default() }
    }

    fn round(&mut self, pager: &Pager, fake: &Fake, first: usize, count: usize) {
        let sent = send(pager, self.severity, first, count);
        self.cards.collect(&fake.cards, first, &sent, self.name);
        if self.severity == "critical" {
            self.buzzes.collect(&fake.buzzes, first, &sent, self.name);
        }
    }
}

/// The appointed time of each probe, after all have been answered.
fn send(pager: &Pager, severity: &str, first: usize, count: usize) -> Vec<Instant> {
    let start = Instant::now() + Duration::from_millis(50);
    let due: Vec<Instant> =
        (0..count).map(|n| start + Duration::from_secs(1) * n as u32 / PER_SECOND as u32).collect();
    thread::scope(|scope| {
        for sender in 0..SENDERS {
            let due = &due;
            scope.spawn(move || {
                let mut stream = TcpStream::connect(pager.addr).unwrap();
                stream.set_nodelay(true).unwrap();
                for n in (sender..count).step_by(SENDERS) {
                    let group = format!("{PROBE}{:08}", first + n);
                    let request = request(&body(&group, severity, first + n, 1));
                    thread::sleep(due[n].saturating_duration_since(Instant::now()));
                    ask(&mut stream, &request);
                }
            });
        }
    });
    due
}

fn ask(stream: &mut TcpStream, request: &[u8]) {
    stream.write_all(request).unwrap();
    let (mut answer, mut part) = (Vec::new(), [0; 1024]);
    while !answer.ends_with(b"}") {
        let read = stream.read(&mut part).unwrap();
        assert!(read > 0, "the connection was closed instead of an answer");
        answer.extend_from_slice(&part[..read]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
}

/// Percentiles of each round, in milliseconds.
#[derive(Default)]
struct Delays {
    p50: Vec<f64>,
    p99: Vec<f64>,
    slowest: Vec<f64>,
}

impl Delays {
    /// Waits until all have arrived.
    fn collect(&mut self, times: &Times, first: usize, sent: &[Instant], name: &str) {
        let started = Instant::now();
        let mut delays: Vec<Duration> = loop {
            let arrived = times.lock().unwrap();
            let delay = |(n, due): (usize, &Instant)| Some(arrived[first + n]?.duration_since(*due));
            let known: Vec<Duration> = sent.iter().enumerate().filter_map(delay).collect();
            if known.len() == sent.len() {
                break known;
            }
            let missing = sent.len() - known.len();
            assert!(started.elapsed() < PATIENCE, "{name}: {missing} never reached Feishu");
            drop(arrived);
            thread::sleep(Duration::from_millis(20));
        };
        self.p50.push(percentile_ms(&mut delays, 0.5));
        self.p99.push(percentile_ms(&mut delays, 0.99));
        self.slowest.push(percentile_ms(&mut delays, 1.0));
    }

    /// `goal`: p50 at most, p99 below.
    fn print(&mut self, name: &str, what: &str, goal: Option<(f64, f64)>) {
        let (p50, worst_p50) = median_and_worst(&mut self.p50, false);
        let (p99, worst_p99) = median_and_worst(&mut self.p99, false);
        let (_, slowest) = median_and_worst(&mut self.slowest, false);
        let wanted = match goal {
            None => "–".to_owned(),
            Some((p50, p99)) if p50 < 1e3 => format!("p50 ≤ {p50:.0}, p99 < {p99:.0}"),
            Some((_, p99)) => format!("p99 < {p99:.0}"),
        };
        line(&[
            name.to_owned(),
            what.to_owned(),
            format!("{p50:.1} ({worst_p50:.1})"),
            format!("{p99:.1} ({worst_p99:.1})"),
            format!("{slowest:.0}"),
            wanted,
            goal.map_or_else(String::new, |(most, below)| verdict(p50 <= most && p99 < below)),
        ]);
    }
}
