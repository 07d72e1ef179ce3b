//! SIGTERM while alerts pour in, again and again, as an upgrade does it: nothing
//! is lost, and since calls under way are finished, nothing is done twice.
//! `LARKHORN_RESTARTS` sets how often.

use std::time::Duration;

use crate::backend::Backend;
use crate::lane::Lane;
use crate::table::{Row, wanted};

const RESTARTS: usize = 8;
const WEBHOOKS: usize = 10;
const LIFE_MAX_MS: u64 = 120;
/// What a stop may take while Feishu answers.
const STOP: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn rolling_restarts() {
    let rounds = wanted("LARKHORN_RESTARTS", RESTARTS);
    let mut lane = Lane::new(Backend::sqlite(), 0x7e57, None);
    let mut slowest = Duration::ZERO;
    lane.start().await;
    for round in 1..=rounds {
        lane.load.grant(WEBHOOKS);
        tokio::time::sleep(Duration::from_millis(lane.dice.below(LIFE_MAX_MS))).await;
        let (ended, took) = lane.pager.stop().await;
        assert_eq!(ended.code(), Some(0), "{}", lane.pager.end_of_log());
        assert!(took < STOP, "the stop took {took:?}");
        slowest = slowest.max(took);
        lane.start().await;
        if round % 4 == 0 {
            lane.quiet().await;
            lane.answer_some(40).await;
        }
    }
    let worst_recovery = lane.pager.worst_start;
    let findings = lane.end().await;
    let doubles = findings.doubles;
    let remarks = format!("slowest stop {} ms", slowest.as_millis());
    Row { scenario: "SIGTERM under load".into(), rounds, findings, worst_recovery, remarks }.settle();
    assert_eq!(doubles, 0, "calls under way at a stop were made again");
}
