//! `kill -9` again and again, at any moment, while alerts pour in.
//!
//! `LARKHORN_KILLS` sets how often (10 when not set).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use larkhorn::domain::Urgent;
use larkhorn::sandbox::Limits;

use crate::pager::Pager;
use crate::patience::eventually;
use crate::phones::{CHAT, MARA, Phones};
use crate::sender::{Sender, cards_of};

const KILLS: usize = 10;
/// Alert groups let in per life of a process.
const GROUPS: usize = 12;
/// Groups of a life after which, at the latest, it is killed. Fewer than are let
/// in, so that the connections are still busy.
const KILLED_WITHIN: u64 = 10;
/// The longest life of a process that is killed while it delivers, in milliseconds.
const LIFE_MAX_MS: u64 = 500;
/// The longest time that a process lives on after a certain group was
/// accepted, in microseconds: about as long as it takes to accept another.
const GRACE_MAX_US: u64 = 5_000;
const SEED: u64 = 0x1a4c_4042;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_survives_any_number_of_kills() {
    let kills = kills();
    let mut phones = Phones::off(Limits::Off);
    phones.switch_on();
    let mut pager = Pager::new(&phones.url());
    let sender = Sender::to(&pager);
    let mut dice = SEED;
    let began = Instant::now();
    pager.start().await;
    for kill in 0..kills {
        let accepted = sender.accepted();
        sender.grant(GROUPS);
        // Every other kill lands while groups are accepted, the rest while
        // what was accepted is delivered. Neither sleep waits for something.
        if kill % 2 == 0 {
            let some = accepted + usize::try_from(below(&mut dice, KILLED_WITHIN)).unwrap();
            eventually("some groups to be accepted", async || sender.accepted() >= some).await;
            tokio::time::sleep(Duration::from_micros(below(&mut dice, GRACE_MAX_US))).await;
        } else {
            tokio::time::sleep(Duration::from_millis(below(&mut dice, LIFE_MAX_MS))).await;
        }
        pager.kill();
        // Feishu lets a person have 200 unread urgents; Mara reads.
        phones.sandbox.read_chat(CHAT, MARA);
        pager.start().await;
    }
    let groups = sender.granted();
    eventually("everything to be accepted", async || sender.accepted() == groups).await;
    let refused = sender.refused();
    sender.finish().await;
    while !pager.is_quiet().await {
        // Patience is for a helping, since many kills leave much to deliver.
        let enough = phones.sandbox.buzzes().len() + GROUPS;
        phones.sandbox.read_chat(CHAT, MARA);
        eventually("more buzzes, or everything to be delivered", async || {
            phones.sandbox.buzzes().len() >= enough || pager.is_quiet().await
        })
        .await;
    }

    let about: BTreeMap<String, usize> = lines_to_groups(&phones, groups);
    let mut buzzes = vec![0; groups];
    for buzz in phones.sandbox.buzzes() {
        assert_eq!((buzz.person.as_str(), buzz.urgent), (MARA, Urgent::App));
        buzzes[about[&buzz.message]] += 1;
    }
    let twice = buzzes.iter().filter(|n| **n > 1).count();
    eprintln!(
        "{kills} kills in {:.1} s: {groups} groups accepted after {refused} refused attempts, {groups} cards, {} buzzes, {twice} groups buzzed more than once",
        began.elapsed().as_secs_f64(),
        buzzes.iter().sum::<usize>()
    );
    for (group, buzzes) in buzzes.into_iter().enumerate() {
        assert!((1..=1 + kills).contains(&buzzes), "group {group} was buzzed {buzzes} times");
    }
}

/// Which group each line under a card is about. One card and one line each.
fn lines_to_groups(phones: &Phones, groups: usize) -> BTreeMap<String, usize> {
    let mut cards = BTreeMap::new();
    for (group, card) in cards_of(phones, groups).into_iter().enumerate() {
        let card = card.unwrap_or_else(|| panic!("group {group} was accepted and has no card"));
        cards.insert(card.message, group);
    }
    let mut lines = BTreeMap::new();
    let mut answered = vec![0; groups];
    for message in phones.sandbox.messages(CHAT).into_iter().filter(|m| m.msg_type == "text") {
        let group = cards[&message.parent.expect("every line answers a card")];
        answered[group] += 1;
        lines.insert(message.id, group);
    }
    assert!(answered.iter().all(|n| *n == 1), "lines of each group: {answered:?}");
    lines
}

#[expect(clippy::disallowed_methods, reason = "the one thing this test is told from outside")]
fn kills() -> usize {
    std::env::var("LARKHORN_KILLS").map_or(KILLS, |text| text.parse().expect("LARKHORN_KILLS is a number"))
}

/// A random number below `bound`; `SplitMix64`.
fn below(state: &mut u64, bound: u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % bound
}
