//! `kill -9` again and again, at any moment, while alerts pour in, on one file
//! that lives through all rounds.
//!
//! `LARKHORN_CRASHES` sets how often, `LARKHORN_CRASH_LANES` how many pagers
//! share the work, each with its own file. The pagers' clocks run
//! [`RATE`] times faster, so that ladders climb and phones ring again while the
//! rounds go by.

use std::time::Duration;

use crate::backend::Backend;
use crate::dice::Dice;
use crate::lane::{CHAT, LIN, Lane, MARA};
use crate::shim::Clockwork;
use crate::table::{Row, wanted};

const KILLS: usize = 24;
const LANES: usize = 2;
const RATE: u32 = 8;
/// Webhooks let in per life of a process.
const WEBHOOKS: usize = 10;
/// The longest life of a process, in milliseconds.
const LIFE_MAX_MS: u64 = 120;
/// The longest time that a process lives on after a certain webhook was accepted, in microseconds.
const GRACE_MAX_US: u64 = 5_000;
/// After so many rounds everything accepted has to be delivered, and is looked at.
const LOOK_EVERY: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn kills() {
    let (kills, lanes) = (wanted("LARKHORN_CRASHES", KILLS), wanted("LARKHORN_CRASH_LANES", LANES));
    let mut running = tokio::task::JoinSet::new();
    for n in 0..lanes {
        let rounds = (kills + n) / lanes;
        let seed = 0x1a4c_4042 + u64::try_from(n).unwrap();
        running.spawn(lane(rounds, seed));
    }
    let mut whole = Row { scenario: format!("kill -9 under load, {lanes} files"), ..Row::default() };
    while let Some(row) = running.join_next().await {
        let row = row.unwrap();
        whole.rounds += row.rounds;
        whole.findings.add(row.findings);
        whole.worst_recovery = whole.worst_recovery.max(row.worst_recovery);
        whole.remarks = format!("{} {}", whole.remarks, row.remarks);
    }
    assert_eq!(whole.rounds, kills);
    whole.settle();
}

async fn lane(rounds: usize, seed: u64) -> Row {
    let mut lane = Lane::new(Backend::sqlite(), seed, Some(Clockwork::of_rate(RATE)));
    let mut dice = Dice::new(seed ^ 0xd1ce);
    let mut row = Row { rounds, ..Row::default() };
    lane.start().await;
    for round in 1..=rounds {
        live_and_die(&mut lane, &mut dice).await;
        // Feishu lets a person have 200 unread urgents.
        lane.sandbox.read_chat(CHAT, LIN);
        lane.sandbox.read_chat(CHAT, MARA);
        lane.start().await;
        if round % LOOK_EVERY == 0 {
            lane.quiet().await;
            let found = lane.audit().await;
            if !found.lost.is_empty() || !found.beyond_rule.is_empty() {
                // Said while it happens; the last look finds it again.
                eprintln!("after {round} rounds of {seed:#x}: {found:#?}");
            }
            lane.answer_some(70).await;
        }
    }
    row.worst_recovery = lane.pager.worst_start;
    let refused = lane.ledger.refused.load(std::sync::atomic::Ordering::SeqCst);
    row.remarks = format!("{refused} refused;");
    row.findings = lane.end().await;
    row
}

/// Every other kill lands while webhooks are accepted, the rest while what was
/// accepted is delivered. Neither sleep waits for something.
async fn live_and_die(lane: &mut Lane, dice: &mut Dice) {
    lane.load.grant(WEBHOOKS);
    if dice.percent(50) {
        let accepted = || lane.ledger.accepted.load(std::sync::atomic::Ordering::SeqCst);
        let enough = accepted() + dice.among(WEBHOOKS);
        while accepted() < enough && !lane.load.is_idle() {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        tokio::time::sleep(Duration::from_micros(dice.below(GRACE_MAX_US))).await;
    } else {
        tokio::time::sleep(Duration::from_millis(dice.below(LIFE_MAX_MS))).await;
    }
    lane.pager.kill();
}
