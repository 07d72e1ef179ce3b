//! Resident memory of the process: idle, holding 100,000 open alerts, and while
//! it takes 100,000 alerts in one body.
//!
//! Peaks are `VmHWM`, the kernel's own record. Every case has a fresh process
//! and ends when the store holds each alert.

use std::time::{Duration, Instant};

use crate::fake::Fake;
use crate::ingest::RULES;
use crate::load::{Send, Until, round};
use crate::pager::Pager;
use crate::payload::{body, request};
use crate::table::{head, line, verdict};

const ALERTS: usize = 100_000;
const GROUPS: usize = 100;
const IDLE_MIB: f64 = 25.0;
const OPEN_MIB: f64 = 256.0;
const ADDED: f64 = 1.5;
const FIRING: &str = "SELECT count(*) FROM members WHERE state = 2";
const WAITING: &str = "SELECT count(*) FROM inbox WHERE done = 0";
const PATIENCE: Duration = Duration::from_mins(3);

pub(crate) fn run() {
    let fake = Fake::start(0, Duration::ZERO);
    head(&["case", "resident MiB", "peak MiB", "answered in s", "in the store after s", "goal", ""]);
    idle(&fake);
    hundred_payloads(&fake);
    one_by_one(&fake);
    one_body(&fake);
}

fn idle(fake: &Fake) {
    let pager = Pager::start(RULES, fake.addr, None);
    let resident = pager.at_rest();
    print(&pager, "idle", resident, None, &format!("≤ {IDLE_MIB:.0} resident"), resident <= IDLE_MIB);
}

fn hundred_payloads(fake: &Fake) {
    let pager = Pager::start(RULES, fake.addr, None);
    let mut answered = Duration::ZERO;
    let started = Instant::now();
    for n in 0..GROUPS {
        let group = format!("Disk{n:08}");
        let each = ALERTS / GROUPS;
        answered += pager.post(&request(&body(&group, "critical", n * each, each)));
    }
    settled(&pager);
    open(&pager, "100 webhooks × 1 000 alerts", (answered, started.elapsed()));
}

fn one_by_one(fake: &Fake) {
    let pager = Pager::start(RULES, fake.addr, None);
    let started = Instant::now();
    round(pager.addr, 64, Send::New, Until::Answered(ALERTS));
    let answered = started.elapsed();
    settled(&pager);
    open(&pager, "100 000 webhooks × 1 alert, as many incidents", (answered, started.elapsed()));
}

fn open(pager: &Pager, case: &str, times: (Duration, Duration)) {
    let peak = pager.mebibytes("VmHWM");
    let resident = pager.mebibytes("VmRSS");
    print(pager, case, resident, Some(times), &format!("≤ {OPEN_MIB:.0} at peak"), peak <= OPEN_MIB);
}

fn one_body(fake: &Fake) {
    let pager = Pager::start(RULES, fake.addr, None);
    let request = request(&body("Storm", "critical", 0, ALERTS));
    let (before, started) = (pager.at_rest(), Instant::now());
    let answered = pager.post(&request);
    let at_answer = pager.mebibytes("VmHWM");
    settled(&pager);
    let size = request.len() as f64 / 1024.0 / 1024.0;
    let share = |peak: f64| (peak - before) / size;
    let added = share(pager.mebibytes("VmHWM"));
    let case = format!(
        "one webhook of 100 000 alerts, {size:.0} MiB: adds {added:.2} × its size ({:.2} × until answered)",
        share(at_answer)
    );
    let resident = pager.mebibytes("VmRSS");
    let times = Some((answered, started.elapsed()));
    print(&pager, &case, resident, times, &format!("adds ≤ {ADDED} × its size"), added <= ADDED);
}

/// Waits until every alert is part of an incident and nothing is left to do.
fn settled(pager: &Pager) {
    pager.wait_for(FIRING, i64::try_from(ALERTS).unwrap(), PATIENCE);
    pager.wait_for(WAITING, 0, PATIENCE);
}

fn print(
    pager: &Pager,
    case: &str,
    resident: f64,
    times: Option<(Duration, Duration)>,
    goal: &str,
    met: bool,
) {
    let seconds = |time: Duration| format!("{:.1}", time.as_secs_f64());
    let (answered, stored) =
        times.map_or((String::from("–"), String::from("–")), |(a, s)| (seconds(a), seconds(s)));
    line(&[
        case.to_owned(),
        format!("{resident:.0}"),
        format!("{:.0}", pager.mebibytes("VmHWM")),
        answered,
        stored,
        goal.to_owned(),
        verdict(met),
    ]);
}
