//! The wall clock jumps by an hour, while the pager runs and while it is down,
//! and it crosses the hours that daylight saving time skips and repeats.
//! Whatever it shows, what is accepted is delivered at once.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

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
    let mut row = Row { scenario: "clock jumps by an hour, up and down".into(), ..Row::default() };
    for (hours, running) in [(1, true), (-1, true), (1, false), (-1, false)] {
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
        row.rounds += 1;
        let (found, took) = goes_on(lane).await;
        assert!(took < LATE, "{hours:+} h, running: {running}: delivered after {took:?} only");
        row.worst_recovery = row.worst_recovery.max(took);
        row.findings.add(found);
    }
    row.settle();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_crosses_daylight_saving_time() {
    let mut row = Row { scenario: "clock crosses DST, both ways".into(), ..Row::default() };
    // Berlin's spring and autumn of 2026, half a minute before.
    for before in ["2026-03-29T00:59:30Z", "2026-10-25T00:59:30Z"] {
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
        row.rounds += 1;
        let (found, took) = goes_on(lane).await;
        assert!(took < LATE, "after {before}: delivered after {took:?} only");
        row.worst_recovery = row.worst_recovery.max(took);
        row.findings.add(found);
    }
    row.settle();
}

/// What comes now is delivered at once, and everything can end.
async fn goes_on(mut lane: Lane) -> (Findings, Duration) {
    let began = Instant::now();
    lane.load.grant(WEBHOOKS);
    lane.quiet().await;
    let took = began.elapsed();
    let found = lane.audit().await;
    assert!(found.lost.is_empty() && found.beyond_rule.is_empty(), "{found:#?}");
    lane.answer_some(30).await;
    (lane.end().await, took)
}
