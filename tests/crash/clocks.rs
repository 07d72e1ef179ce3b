//! The wall clock jumps by an hour, while the pager runs and while it is down,
//! and it crosses the hours that daylight saving time skips and repeats.
//! Whatever it shows, what is accepted is delivered at once.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;

use crate::audit::Findings;
use crate::backend::Backend;
use crate::lane::Lane;
use crate::shim::Clockwork;
use crate::table::Row;

const WEBHOOKS: usize = 15;
/// A page may be late by so much of the machine's own time.
const LATE: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_jumps_by_an_hour() {
    let mut cases = JoinSet::new();
    for (hours, running) in [(1, true), (-1, true), (1, false), (-1, false)] {
        cases.spawn(jump(hours, running));
    }
    join("clock jumps by an hour, up and down", cases).await;
}

async fn jump(hours: i64, running: bool) -> (Findings, Duration) {
    let mut lane = Lane::new(Backend::sqlite(), 0xc10c, Some(Clockwork::of_rate(1)));
    lane.start().await;
    lane.load.grant(WEBHOOKS);
    lane.quiet().await;
    lane.answer_some(30).await;
    if !running {
        lane.pager.stop().await;
    }
    lane.clock.as_mut().unwrap().jump(SignedDuration::from_hours(hours));
    if !running {
        lane.start().await;
    }
    goes_on(lane, &format!("{hours:+} h, running: {running}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_crosses_daylight_saving_time() {
    let mut cases = JoinSet::new();
    // Berlin's spring and autumn of 2026, half a minute before.
    for before in ["2026-03-29T00:59:30Z", "2026-10-25T00:59:30Z"] {
        cases.spawn(cross(before));
    }
    join("clock crosses DST, both ways", cases).await;
}

async fn cross(before: &'static str) -> (Findings, Duration) {
    let before: Timestamp = before.parse().unwrap();
    let mut clock = Clockwork::of_rate(20);
    clock.jump(before.duration_since(clock.now()));
    let mut lane = Lane::new(Backend::sqlite(), 0xd57, Some(clock));
    lane.start().await;
    lane.load.grant(WEBHOOKS);
    lane.quiet().await;
    let after = before + SignedDuration::from_secs(60);
    while lane.clock.as_ref().unwrap().now() < after {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    goes_on(lane, &format!("after {before}")).await
}

async fn join(scenario: &str, mut cases: JoinSet<(Findings, Duration)>) {
    let mut row = Row { scenario: scenario.into(), ..Row::default() };
    while let Some(ended) = cases.join_next().await {
        let (found, took) = ended.unwrap();
        row.rounds += 1;
        row.findings.add(found);
        row.worst_recovery = row.worst_recovery.max(took);
    }
    row.settle();
}

/// What comes now is delivered at once, and everything can end.
async fn goes_on(mut lane: Lane, case: &str) -> (Findings, Duration) {
    let began = Instant::now();
    lane.load.grant(WEBHOOKS);
    lane.quiet().await;
    let took = began.elapsed();
    assert!(took < LATE, "{case}: delivered after {took:?} only");
    let found = lane.audit().await;
    assert!(found.lost.is_empty() && found.beyond_rule.is_empty(), "{case}: {found:#?}");
    lane.answer_some(30).await;
    (lane.end().await, took)
}
