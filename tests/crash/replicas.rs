//! Several pagers on one PostgreSQL: they are killed, told to stop, cut off; the
//! database crashes, or a standby takes its place. Alerts pour in all the while.
//!
//! `LARKHORN_REPLICA_KILLS`, `LARKHORN_REPLICA_RESTARTS` and `LARKHORN_DATABASE_CRASHES`
//! set how often. The clocks of pagers and server run [`RATE`] times faster.

use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::lane::{CHAT, LIN, Lane, MARA};
use crate::proxy::Proxy;
use crate::servers::Servers;
use crate::shim::Clockwork;
use crate::table::{Row, wanted};

const RATE: u32 = 10;
const REPLICAS: usize = 3;
const WEBHOOKS: usize = 10;
/// The longest time between two kills, in milliseconds.
const LIFE_MAX_MS: u64 = 300;
/// After so many rounds everything accepted has to be delivered, and is looked at.
const LOOK_EVERY: usize = 10;
/// How long after its leader is gone the others may do without one, by their own clock.
const LEADERLESS: Duration = Duration::from_secs(10);
/// For a machine that is busy with other scenarios.
const SLACK: Duration = Duration::from_secs(5);

fn lane(two_servers: bool, seed: u64, rate: u32) -> Lane {
    let clock = Clockwork::of_rate(rate);
    let servers = if two_servers { Servers::two(clock.env()) } else { Servers::one(clock.env()) };
    let backend = Backend::Postgres { servers, replicas: REPLICAS, by_way_of: None };
    let leaderless = clock.shortened(LEADERLESS);
    let mut lane = Lane::new(backend, seed, Some(clock));
    lane.leaderless = leaderless;
    lane
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_are_killed() {
    let rounds = wanted("LARKHORN_REPLICA_KILLS", 12);
    let mut lane = lane(false, 0x9e91, RATE);
    lane.start_all().await;
    for round in 1..=rounds {
        lane.load.grant(WEBHOOKS);
        let life = lane.dice.below(LIFE_MAX_MS);
        tokio::time::sleep(Duration::from_millis(life)).await;
        let victim = lane.dice.among(REPLICAS);
        lane.replica(victim).kill();
        // Sometimes another one goes before it is back.
        let other = (victim + 1) % REPLICAS;
        let two = lane.dice.percent(20);
        if two {
            lane.replica(other).kill();
            lane.start_replica(other).await;
        }
        lane.start_replica(victim).await;
        look(&mut lane, round).await;
    }
    settle(lane, format!("kill -9 of one of {REPLICAS} replicas, PostgreSQL"), rounds).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_are_upgraded_one_after_the_other() {
    let rounds = wanted("LARKHORN_REPLICA_RESTARTS", 6);
    // A stop has ten seconds, which a faster clock would make too few for a busy machine.
    let mut lane = lane(false, 0x0b9, 1);
    lane.start_all().await;
    for round in 1..=rounds {
        lane.load.grant(WEBHOOKS);
        let (life, next) = (lane.dice.below(LIFE_MAX_MS), round % REPLICAS);
        tokio::time::sleep(Duration::from_millis(life)).await;
        let (ended, took) = lane.replica(next).stop().await;
        assert_eq!(ended.code(), Some(0), "{}", lane.pager.end_of_log());
        assert!(took < Duration::from_secs(10), "the stop took {took:?}");
        lane.start_replica(next).await;
        look(&mut lane, round).await;
    }
    let doubles = settle(lane, format!("SIGTERM of one of {REPLICAS} replicas"), rounds).await;
    assert_eq!(doubles, 0, "calls under way at a stop were made again");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_crashes() {
    let rounds = wanted("LARKHORN_DATABASE_CRASHES", 3);
    let mut lane = lane(false, 0xdb, RATE);
    lane.start_all().await;
    for round in 1..=rounds {
        lane.load.grant(WEBHOOKS);
        let life = lane.dice.below(LIFE_MAX_MS);
        tokio::time::sleep(Duration::from_millis(life)).await;
        tokio::task::block_in_place(|| lane.backend.servers().crash_and_recover());
        lane.ends.push(Instant::now());
        lane.quiet().await;
        look(&mut lane, round).await;
    }
    settle(lane, "PostgreSQL: immediate stop and start".to_owned(), rounds).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_the_place_of_the_database() {
    let mut lane = lane(true, 0x57b, RATE);
    lane.start_all().await;
    lane.load.grant(3 * WEBHOOKS);
    tokio::time::sleep(Duration::from_millis(150)).await;
    tokio::task::block_in_place(|| lane.backend.servers().fail_over());
    lane.ends.push(Instant::now());
    lane.load.grant(WEBHOOKS);
    lane.quiet().await;
    settle(lane, "PostgreSQL: standby promoted".to_owned(), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_cut_off_from_the_database() {
    let clock = Clockwork::of_rate(1);
    let servers = Servers::one(clock.env());
    let port = servers.primary.port;
    let link = Proxy::to(([127, 0, 0, 1], port).into()).await;
    let way = Some(link.address);
    let mut lane = Lane::new(Backend::Postgres { servers, replicas: 2, by_way_of: way }, 0xc07, Some(clock));
    // The second one has a way of its own.
    let direct = lane.backend.servers().url();
    lane.more[0].keep_at(&direct);
    lane.start_all().await;
    assert!(lane.leads(0).await, "the first that was there leads");
    lane.load.grant(WEBHOOKS);
    lane.quiet().await;
    link.stall();
    let began = Instant::now();
    while !lane.leads(1).await {
        assert!(began.elapsed() < LEADERLESS + SLACK, "nobody leads");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took_over = began.elapsed();
    lane.load.grant(WEBHOOKS);
    lane.load.idle().await;
    assert!(!lane.leads(0).await, "it cannot know that it still leads");
    link.heal();
    lane.ends.push(Instant::now());
    lane.quiet().await;
    while lane.leads(0).await == lane.leads(1).await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut row = Row { scenario: "replica cut off from PostgreSQL".into(), rounds: 1, ..Row::default() };
    row.worst_recovery = took_over;
    row.findings = lane.end().await;
    row.settle();
}

/// From time to time everything has to be delivered, and is looked at.
async fn look(lane: &mut Lane, round: usize) {
    // Feishu lets a person have 200 unread urgents.
    lane.sandbox.read_chat(CHAT, LIN);
    lane.sandbox.read_chat(CHAT, MARA);
    if round.is_multiple_of(LOOK_EVERY) {
        lane.quiet().await;
        let found = lane.audit().await;
        assert!(found.lost.is_empty() && found.beyond_rule.is_empty(), "after {round} rounds: {found:#?}");
        lane.answer_some(40).await;
    }
}

/// Ends it all and prints its row; how many calls were made twice.
async fn settle(mut lane: Lane, scenario: String, rounds: usize) -> usize {
    lane.quiet().await;
    let worst_recovery = (0..REPLICAS).map(|n| lane.replica(n).worst_start).max().unwrap();
    let findings = lane.end().await;
    let doubles = findings.doubles;
    Row { scenario, rounds, findings, worst_recovery, ..Row::default() }.settle();
    doubles
}
