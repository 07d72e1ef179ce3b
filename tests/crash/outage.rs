//! Feishu is away for ten minutes, by the pager's clock: refused, or a network in
//! between that swallows everything. The clock runs [`RATE`] times faster.

use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::lane::Lane;
use crate::shim::Clockwork;
use crate::table::Row;

const RATE: u32 = 40;
const OUTAGE: Duration = Duration::from_mins(10);
/// By the machine's own clock: how fast it is decides, not how fast the pager's runs.
const RECOVERY: Duration = Duration::from_secs(25);
const WEBHOOKS: usize = 30;

#[tokio::test(flavor = "multi_thread")]
async fn feishu_refuses_for_ten_minutes() {
    outage("Feishu down 10 min (40 x), refused", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn feishu_hangs_for_ten_minutes() {
    outage("Feishu down 10 min (40 x), hanging", false).await;
}

async fn outage(scenario: &str, refused: bool) {
    let mut lane = Lane::behind_a_network(Backend::sqlite(), 0x0ff, Some(Clockwork::of_rate(RATE))).await;
    lane.start().await;
    lane.load.grant(WEBHOOKS);
    lane.quiet().await;
    let network = lane.network.as_ref().unwrap();
    if refused {
        network.cut();
    } else {
        network.stall();
    }
    lane.load.grant(WEBHOOKS);
    // The outage itself; nothing is waited for.
    tokio::time::sleep(lane.clock.as_ref().unwrap().shortened(OUTAGE)).await;
    lane.load.idle().await;
    lane.network.as_ref().unwrap().heal();
    let began = Instant::now();
    lane.quiet().await;
    let recovery = began.elapsed();
    let worst_recovery = recovery * RATE;
    let findings = lane.end().await;
    let remarks = "recovery by the pager's clock".to_owned();
    Row { scenario: scenario.into(), rounds: 1, findings, worst_recovery, remarks }.settle();
    assert!(recovery < RECOVERY, "all was delivered after {recovery:?} only");
}
