//! Durable intake: a webhook is answered after its bytes are on disk. Against
//! the same web server that looks a body through and forgets it.
//!
//! Two kinds of load on the whole product, with engine, courier and a Feishu
//! behind: *new* (every request opens an incident, with card and phone buzz: as
//! heavy as an alert can be) and *again* (every request repeats an alert of an open
//! incident, as Alertmanager does all day). Each round has a fresh database;
//! afterwards the pager is killed and its database must hold every request
//! that was answered.
//!
//! The rules are the smallest with a phone buzz. The fake Feishu knows no limits and
//! answers after 100 ms, which is about what the way to the real one takes.

use std::time::Duration;

use crate::fake::Fake;
use crate::load::{Round, Send, Until, round};
use crate::pager::{Pager, SlowDisk};
use crate::reference::Reference;
use crate::table::{head, line, median_and_worst, thousands, verdict};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(1500);
const CONNECTIONS: [usize; 2] = [64, 256];
const FEISHU: Duration = Duration::from_millis(100);
const SHARE_GOAL: f64 = 0.5;
const P99_GOAL_MS: f64 = 25.0;
const STALL_GOAL_MS: f64 = 100.0;

pub(crate) const RULES: &str = "people: {lin: {open_id: ou_lin}}\n\
    chats: {oncall: oc_oncall}\n\
    storm: {cards_per_minute: 0, share_buzz: 0}\n\
    severities: [{name: critical, urgent: phone}, {name: info, urgent: none}]\n\
    rules: [{name: all, chat: oncall, notify: [lin]}]\n";

pub(crate) fn run() {
    let fake = Fake::start(0, FEISHU);
    let reference = Reference::start();
    println!(
        "Larkhorn and the reference (parses, forgets) in turns, {ROUNDS} rounds of {} s.\n\
         Goals: at 256 connections at least {SHARE_GOAL} of the reference; p99 below {P99_GOAL_MS} ms; \
         no answer later than {STALL_GOAL_MS} ms.\n",
        ROUND.as_secs_f64()
    );
    head(&[
        "disk",
        "load",
        "connections",
        "requests/s",
        "reference/s",
        "share (worst)",
        "p99 ms (worst)",
        "slowest ms",
        "dealt with meanwhile",
        "goals",
    ]);
    measure("as it is", &fake, &reference, None);
    match SlowDisk::build() {
        Some(disk) => measure("1 ms per flush", &fake, &reference, Some(&disk)),
        None => println!("\nThere is no C compiler (`cc`): the half with 1 ms per flush is left out."),
    }
}

fn measure(name: &str, fake: &Fake, reference: &Reference, disk: Option<&SlowDisk>) {
    let cases: Vec<(Send, usize)> =
        [Send::New, Send::Again].into_iter().flat_map(|send| CONNECTIONS.map(|c| (send, c))).collect();
    let mut results: Vec<Vec<Outcome>> = vec![Vec::new(); cases.len()];
    for _ in 0..ROUNDS {
        for ((send, connections), results) in cases.iter().zip(&mut results) {
            let reference = round(reference.addr, *connections, *send, Until::Elapsed(ROUND));
            results.push(Outcome::of(fake, disk, *send, *connections, &reference));
        }
    }
    for ((send, connections), results) in cases.into_iter().zip(&results) {
        print(name, send, connections, results);
    }
}

/// What a pair of rounds came to.
#[derive(Clone, Copy)]
struct Outcome {
    per_second: f64,
    reference: f64,
    p99_ms: f64,
    worst_ms: f64,
    /// Share of the webhooks that the engine had dealt with when the pager was killed.
    dealt: f64,
}

impl Outcome {
    fn of(fake: &Fake, disk: Option<&SlowDisk>, send: Send, connections: usize, reference: &Round) -> Self {
        let pager = Pager::start(RULES, fake.addr, disk);
        let round = round(pager.addr, connections, send, Until::Elapsed(ROUND));
        let left = pager.kill();
        let dealt = left.accepted - left.waiting;
        assert_eq!(left.accepted, i64::try_from(round.answered).unwrap(), "webhooks answered, but lost");
        let incidents = if send == Send::New { dealt } else { 1 };
        assert_eq!(left.incidents, incidents, "webhooks dealt with, but no incident");
        Self {
            per_second: round.per_second,
            reference: reference.per_second,
            p99_ms: round.p99_ms,
            worst_ms: round.worst_ms,
            dealt: dealt as f64 / left.accepted as f64,
        }
    }
}

fn print(disk: &str, send: Send, connections: usize, outcomes: &[Outcome]) {
    let over = |of: fn(&Outcome) -> f64, higher_is_better| {
        median_and_worst(&mut outcomes.iter().map(of).collect::<Vec<_>>(), higher_is_better)
    };
    let (share, worst_share) = over(|o| o.per_second / o.reference, true);
    let (p99, worst_p99) = over(|o| o.p99_ms, false);
    let (_, slowest) = over(|o| o.worst_ms, false);
    let wanted = connections < 256 || share >= SHARE_GOAL;
    line(&[
        disk.to_owned(),
        if send == Send::New { "new" } else { "again" }.to_owned(),
        connections.to_string(),
        thousands(over(|o| o.per_second, true).0),
        thousands(over(|o| o.reference, true).0),
        format!("{share:.2} ({worst_share:.2})"),
        format!("{p99:.1} ({worst_p99:.1})"),
        format!("{slowest:.0}"),
        format!("{:.0} %", over(|o| o.dealt, true).0 * 100.0),
        verdict(wanted && p99 < P99_GOAL_MS && slowest <= STALL_GOAL_MS),
    ]);
}
