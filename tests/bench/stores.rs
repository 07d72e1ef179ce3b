//! What keeping webhooks costs on either database, against a web server that
//! keeps nothing and against Alertmanager, which keeps alerts in memory only; what
//! a second replica adds; and how soon a pager that was killed pages again.
//!
//! Intake: the same alert of an open incident again and again (a sender's daily life),
//! all in turns within a round. The PostgreSQL is one of our own, with its files on
//! the disk of the build and syncing as it does by default.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::fake::{Fake, PROBE};
use crate::ingest::RULES;
use crate::load::{Round, Send, Until, round};
use crate::pager::{Pager, folder, free_address};
use crate::payload::{body, request};
use crate::reference::Reference;
use crate::table::{head, line, median_and_worst, thousands, verdict};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(1500);
const CONNECTIONS: usize = 256;
/// Of Alertmanager's requests a second, at least.
const ALERTMANAGER_GOAL: f64 = 2.0;
/// Of one replica's, at least: measured noise is below that.
const REPLICAS_GOAL: f64 = 0.95;
const OPEN: usize = 100_000;
const RECOVERY_GOAL: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_mins(10);

pub(crate) fn run() {
    intake();
    println!();
    recovery();
}

fn intake() {
    let fake = Fake::start(0, Duration::from_millis(100));
    let (empty, alertmanager) = (Reference::start_empty(), Alertmanager::start());
    let cluster = Cluster::start_in(folder().keep(), Vec::new());
    let names = ["keeps nothing", "Alertmanager", "SQLite", "PostgreSQL", "PostgreSQL, two replicas"];
    let mut results: Vec<Vec<Round>> = names.iter().map(|_| Vec::new()).collect();
    for n in 0..ROUNDS {
        let file = Pager::start(RULES, fake.addr, None);
        let schema = |name: &str| {
            let name = format!("{name}_{n}");
            cluster.psql(&format!("CREATE SCHEMA {name}"));
            cluster.url(&name)
        };
        let (alone, shared) = (schema("alone"), schema("shared"));
        let single = Pager::start_on(&alone, RULES, fake.addr);
        let measured = |addr: SocketAddr, send| round(addr, CONNECTIONS, send, Until::Elapsed(ROUND));
        results[0].push(measured(empty.addr, Send::Again));
        results[1].push(measured(alertmanager.addr, Send::Alertmanager));
        results[2].push(measured(file.addr, Send::Again));
        let left = file.kill();
        assert_eq!(left.accepted, count(&results[2][n]), "answered, but lost");
        results[3].push(measured(single.addr, Send::Again));
        drop(single);
        let kept = cluster
            .psql("SELECT count(*) FROM SCHEMA.inbox".replace("SCHEMA", &format!("alone_{n}")).as_str());
        assert_eq!(kept, results[3][n].answered.to_string(), "answered, but lost");
        let pair = [Pager::start_on(&shared, RULES, fake.addr), Pager::start_on(&shared, RULES, fake.addr)];
        results[4].push(both(&pair));
        drop(pair);
    }
    head(&[
        "256 connections",
        "requests/s (worst)",
        "of keeping nothing",
        "of Alertmanager",
        "p99 ms",
        "goal",
        "",
    ]);
    let ratio = |mine: usize, other: usize| {
        let pairs = results[mine].iter().zip(&results[other]);
        median_and_worst(&mut pairs.map(|(a, b)| a.per_second / b.per_second).collect::<Vec<_>>(), true).0
    };
    for (at, name) in names.into_iter().enumerate() {
        let (middle, worst) =
            median_and_worst(&mut results[at].iter().map(|r| r.per_second).collect::<Vec<_>>(), true);
        let (p99, _) = median_and_worst(&mut results[at].iter().map(|r| r.p99_ms).collect::<Vec<_>>(), false);
        let (goal, met) = match at {
            2 | 3 => (format!("≥ {ALERTMANAGER_GOAL} × Alertmanager"), ratio(at, 1) >= ALERTMANAGER_GOAL),
            4 => (format!("no slower than one ({:.2} ×)", ratio(4, 3)), ratio(4, 3) >= REPLICAS_GOAL),
            _ => ("–".to_owned(), true),
        };
        line(&[
            name.to_owned(),
            format!("{} ({})", thousands(middle), thousands(worst)),
            format!("{:.2}", ratio(at, 0)),
            format!("{:.2}", ratio(at, 1)),
            format!("{p99:.1}"),
            goal,
            if at < 2 { String::new() } else { verdict(met) },
        ]);
    }
}

fn count(round: &Round) -> i64 {
    i64::try_from(round.answered).unwrap()
}

/// Half of the connections to each.
fn both(pair: &[Pager; 2]) -> Round {
    let half = |pager: &Pager| round(pager.addr, CONNECTIONS / 2, Send::Again, Until::Elapsed(ROUND));
    thread::scope(|scope| {
        let [one, two] = pair;
        let other = scope.spawn(|| half(two));
        let (one, two) = (half(one), other.join().unwrap());
        Round {
            answered: one.answered + two.answered,
            per_second: one.per_second + two.per_second,
            p99_ms: one.p99_ms.max(two.p99_ms),
            worst_ms: one.worst_ms.max(two.worst_ms),
        }
    })
}

/// Debian's Alertmanager with one group, which it never tells of.
struct Alertmanager {
    child: Child,
    addr: SocketAddr,
}

impl Alertmanager {
    fn start() -> Self {
        let (place, addr) = (folder().keep(), free_address());
        let config = "route: {receiver: nobody, group_wait: 1h}\nreceivers: [{name: nobody}]\n";
        std::fs::write(place.join("alertmanager.yml"), config).unwrap();
        let child = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", place.join("alertmanager.yml").display()))
            .arg(format!("--storage.path={}", place.display()))
            .arg(format!("--web.listen-address={addr}"))
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("apt-get install prometheus-alertmanager");
        let started = Instant::now();
        while std::net::TcpStream::connect(addr).is_err() {
            assert!(started.elapsed() < Duration::from_secs(20), "Alertmanager does not start");
            thread::sleep(Duration::from_millis(20));
        }
        Self { child, addr }
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Rules that make an incident of every alert.
/// The page that is waited for goes to a chat of its own, so that its card can be told
/// from that of the storm.
const EACH: &str = "people: {lin: {open_id: ou_lin}}\n\
    chats: {oncall: oc_oncall, many: oc_many}\n\
    severities: [{name: critical, urgent: phone}, {name: info, urgent: none}]\n\
    rules: [{name: page, match: 'severity=\"critical\"', chat: oncall, notify: [lin]},\n        \
            {name: all, chat: many, notify: [lin], group_by: [alertname, pod]}]\n";

fn recovery() {
    let fake = Fake::start(1, Duration::ZERO);
    head(&["100 000 open incidents, killed and started again", "first page after", "goal", ""]);
    let cluster = Cluster::start_in(folder().keep(), Vec::new());
    cluster.psql("CREATE SCHEMA recovery");
    for (name, url) in [("SQLite", None), ("PostgreSQL", Some(cluster.url("recovery")))] {
        let mut pager = match &url {
            None => Pager::start(EACH, fake.addr, None),
            Some(url) => Pager::start_on(url, EACH, fake.addr),
        };
        for n in 0..OPEN / 1_000 {
            pager.post(&request(&body("Burning", "info", n * 1_000, 1_000)));
        }
        let open = "SELECT count(*) FROM incidents WHERE resolved_at IS NULL";
        if url.is_none() {
            pager.wait_for(open, i64::try_from(OPEN).unwrap(), PATIENCE);
        } else {
            let open = format!("SET search_path TO recovery; {open}");
            wait(|| cluster.psql(&open) == OPEN.to_string());
        }
        let began = pager.start_again();
        fake.buzzes.lock().unwrap()[0] = None;
        pager.post(&request(&body(&format!("{PROBE}00000000"), "critical", OPEN + 1, 1)));
        wait(|| fake.buzzes.lock().unwrap()[0].is_some());
        let rang = fake.buzzes.lock().unwrap()[0].unwrap();
        let took = rang.duration_since(began);
        line(&[
            name.to_owned(),
            format!("{:.2} s", took.as_secs_f64()),
            format!("< {} s", RECOVERY_GOAL.as_secs()),
            verdict(took < RECOVERY_GOAL),
        ]);
    }
}

fn wait(mut until: impl FnMut() -> bool) {
    let started = Instant::now();
    while !until() {
        assert!(started.elapsed() < PATIENCE, "it does not come");
        thread::sleep(Duration::from_millis(5));
    }
}
