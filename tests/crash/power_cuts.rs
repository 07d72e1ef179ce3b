//! The power goes: what was not flushed is lost or torn, and the pager starts
//! on what the disk holds. `LARKHORN_CUTS` sets how often,
//! `LARKHORN_CRASH_LANES` how many pagers share the work.
//!
//! That the cuts bite is shown by a pager whose flushes are swallowed: it must
//! be found out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use larkhorn::sandbox::{Api, Fault, Outcome};
use tempfile::TempDir;

use crate::audit::Findings;
use crate::backend::Backend;
use crate::dice::Dice;
use crate::disk::{Disk, Losses, Mood};
use crate::lane::{CHAT, LIN, Lane, MARA};
use crate::shim::{self, Clockwork};
use crate::table::{Row, wanted};

const CUTS: usize = 16;
const LANES: usize = 2;
/// A file lives for so many cuts; then a new one begins, for a small file is rebuilt sooner.
const CUTS_PER_FILE: usize = 25;
/// After so many cuts everything accepted has to be delivered, and is looked at.
const LOOK_EVERY: usize = 8;
const RATE: u32 = 8;
const WEBHOOKS: usize = 12;
/// The longest life of a process, in milliseconds.
const LIFE_MAX_MS: u64 = 100;

#[tokio::test(flavor = "multi_thread")]
async fn power_cuts() {
    let (cuts, lanes) = (wanted("LARKHORN_CUTS", CUTS), wanted("LARKHORN_CRASH_LANES", LANES));
    let mut running = tokio::task::JoinSet::new();
    for n in 0..lanes {
        running.spawn(lives((cuts + n) / lanes, 0xc07 + u64::try_from(n).unwrap()));
    }
    let mut whole = Row { scenario: format!("power cuts under load, {lanes} lanes"), ..Row::default() };
    let mut taken = Losses::default();
    while let Some(ended) = running.join_next().await {
        let (row, losses) = ended.unwrap();
        whole.rounds += row.rounds;
        whole.findings.add(row.findings);
        whole.worst_recovery = whole.worst_recovery.max(row.worst_recovery);
        taken.pending += losses.pending;
        taken.lost += losses.lost;
    }
    assert_eq!(whole.rounds, cuts);
    whole.remarks = format!("{} writes were under way, {} lost or torn", taken.pending, taken.lost);
    assert!(cuts < CUTS || taken.lost > 0, "the power was cut and nothing was ever at stake");
    whole.settle();
}

/// One file after the other.
async fn lives(cuts: usize, seed: u64) -> (Row, Losses) {
    let (mut row, mut taken) = (Row { rounds: cuts, ..Row::default() }, Losses::default());
    let mut done = 0;
    while done < cuts {
        let some = (cuts - done).min(CUTS_PER_FILE);
        let mut life = Life::new(seed + u64::try_from(done).unwrap(), false);
        for cut in 1..=some {
            life.until_the_cut().await;
            life.start().await;
            if cut % LOOK_EVERY == 0 {
                life.lane.quiet().await;
                let found = life.lane.audit().await;
                assert!(
                    found.lost.is_empty() && found.beyond_rule.is_empty(),
                    "cut {cut} of {seed}: {found:#?}"
                );
                life.lane.answer_some(40).await;
            }
        }
        row.worst_recovery = row.worst_recovery.max(life.lane.pager.worst_start);
        taken.pending += life.taken.pending;
        taken.lost += life.taken.lost;
        row.findings.add(life.end().await);
        done += some;
    }
    (row, taken)
}

/// A file and what befalls it.
struct Life {
    lane: Lane,
    dice: Dice,
    log: PathBuf,
    swallow: bool,
    taken: Losses,
    /// The disk as it was when the process started.
    disk: Option<Disk>,
    _folders: (TempDir, TempDir),
}

impl Life {
    fn new(seed: u64, swallow: bool) -> Self {
        let (database, log) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folder = std::fs::canonicalize(database.path()).unwrap();
        // Phones of unknown outcome ring again after a minute of the pager's.
        let lane = Lane::new(Backend::sqlite_in(&folder), seed, Some(Clockwork::of_rate(RATE)));
        Self {
            lane,
            dice: Dice::new(seed ^ 0xcafe),
            log: log.path().join("writes"),
            swallow,
            taken: Losses::default(),
            disk: None,
            _folders: (database, log),
        }
    }

    fn folder(&self) -> &Path {
        self.lane.backend.folder()
    }

    async fn start(&mut self) {
        drop(std::fs::remove_file(&self.log));
        self.disk = Some(Disk::of(self.folder()));
        let (folder, log, swallow) = (self.folder().to_owned(), self.log.clone(), self.swallow);
        self.lane.start_with(move |command| shim::watch(command, &folder, &log, swallow)).await;
    }

    /// Takes webhooks in and works on them until the power goes. Every other
    /// time Feishu is away, so that what was accepted is nowhere but on the disk.
    async fn until_the_cut(&mut self) {
        if self.disk.is_none() {
            self.start().await;
        }
        if self.dice.percent(50) {
            for api in [Api::Send, Api::Reply, Api::UpdateCard] {
                self.lane.sandbox.inject(Fault { api, times: None, outcome: Outcome::Http(503) });
            }
        }
        self.lane.load.grant(WEBHOOKS);
        tokio::time::sleep(Duration::from_millis(self.dice.below(LIFE_MAX_MS))).await;
        self.cut();
        self.lane.sandbox.clear_faults();
        self.lane.sandbox.read_chat(CHAT, LIN);
        self.lane.sandbox.read_chat(CHAT, MARA);
    }

    fn cut(&mut self) {
        self.lane.pager.kill();
        let mut disk = self.disk.take().unwrap();
        disk.hear(&std::fs::read(&self.log).unwrap_or_default());
        let mood = Mood::any(&mut self.dice);
        let losses = disk.cut(self.lane.backend.folder(), mood, &mut self.dice);
        self.taken.pending += losses.pending;
        self.taken.lost += losses.lost;
    }

    async fn end(self) -> Findings {
        self.lane.end().await
    }
}

/// The planted fault: its answers come before its flushes, for these never happen.
#[tokio::test(flavor = "multi_thread")]
async fn a_pager_that_does_not_sync_is_found_out() {
    let mut caught = 0;
    for seed in 0..4 {
        let mut life = Life::new(0xbad + seed, true);
        life.start().await;
        let refused = Outcome::Http(503);
        life.lane.sandbox.inject(Fault { api: Api::Send, times: None, outcome: refused });
        life.lane.load.grant(WEBHOOKS);
        life.lane.load.idle().await;
        life.lane.pager.kill();
        let mut disk = life.disk.take().unwrap();
        disk.hear(&std::fs::read(&life.log).unwrap());
        let losses = disk.cut(life.lane.backend.folder(), Mood { kept: 20, torn: 50 }, &mut life.dice);
        assert!(losses.pending > 0 && losses.lost > 0, "nothing was at stake: {losses:?}");
        life.lane.sandbox.clear_faults();
        life.swallow = false;
        caught += usize::from(is_found_out(life).await);
    }
    assert_eq!(caught, 4, "webhooks were answered and never flushed, and nobody noticed");
}

/// Whether the next process misses what was accepted, or finds a file it cannot trust.
async fn is_found_out(mut life: Life) -> bool {
    let folder = life.folder().to_owned();
    let log = life.log.clone();
    drop(std::fs::remove_file(&log));
    let prepare = move |command: &mut std::process::Command| shim::watch(command, &folder, &log, false);
    let clock = life.lane.clock.take().unwrap();
    let prepare = |command: &mut std::process::Command| {
        clock.apply(command);
        prepare(command);
    };
    let started = life.lane.pager.try_start(&prepare).await;
    life.lane.clock = Some(clock);
    if !started {
        return true;
    }
    life.lane.quiet().await;
    !life.lane.audit().await.lost.is_empty()
}
