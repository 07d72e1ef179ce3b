//! A disk that is full, read-only or broken while the pager runs: 503, never
//! 200, what is there stays readable, and once the disk is well so is the pager.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use tempfile::TempDir;

use crate::backend::Backend;
use crate::lane::Lane;
use crate::load::webhook;
use crate::patience::eventually;
use crate::shim::{Clockwork, Fault};
use crate::table::Row;

/// What a failed report leaves behind is taken up again after minutes of the pager's.
const RATE: u32 = 20;
const WEBHOOKS: usize = 20;
/// So often it is refused before the disk is mended.
const REFUSALS: usize = 20;
const TMPFS: &str = "size=6m";
/// A group that no sender sends.
const STRANGER: usize = 900_000;

/// A small file system of its own; unmounted when dropped.
struct Small(TempDir);

impl Small {
    /// `None` where it cannot be mounted; says so.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        let done = mount.args(["-t", "tmpfs", "-o", TMPFS, "larkhorn-crash"]).arg(folder.path()).output();
        if done.as_ref().is_ok_and(|output| output.status.success()) {
            return Some(Self(folder));
        }
        eprintln!("SKIPPED: a tmpfs cannot be mounted here (it takes root): {done:?}");
        None
    }

    fn remount(&self, how: &str) {
        let options = format!("remount,{how},{TMPFS}");
        let done = Command::new("mount").args(["-o", &options]).arg(self.0.path()).status().unwrap();
        assert!(done.success(), "mount -o {options}");
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: a process of a test that failed may still have files open there.
        drop(Command::new("umount").arg("-l").arg(self.0.path()).status());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_heals_by_itself() {
    let Some(disk) = Small::mount() else { return };
    let folder = fs::canonicalize(disk.0.path()).unwrap();
    let filler = folder.join("filler");
    let lane = Lane::new(Backend::sqlite_in(&folder), 0xf011, Some(Clockwork::of_rate(RATE)));
    let fill = || {
        // As much as there is, down to the last page.
        let mut file = fs::File::create(&filler).unwrap();
        for size in [1 << 20, 1 << 16, 1 << 12, 1] {
            while std::io::Write::write_all(&mut file, &vec![7; size]).is_ok() {}
        }
    };
    let row = refuse_and_heal("disk full", lane, fill, || fs::remove_file(&filler).unwrap()).await;
    row.settle();
    drop(disk);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_or_broken_disk_refuses_and_heals_by_itself() {
    // EIO, EROFS, ENOSPC of every write.
    let cases = [("I/O errors", 5), ("read-only while running", 30), ("no space, not even for the log", 28)];
    let rows = cases.map(async |(scenario, errno)| {
        let fault = Fault::none();
        let lane = Lane::new(Backend::sqlite(), 0xe10, Some(Clockwork::of_rate(RATE)));
        let folder = lane.backend.folder().to_owned();
        let prepare = |command: &mut Command| fault.apply(command, &folder);
        refuse_and_heal_with(scenario, lane, prepare, || fault.set(errno), || fault.set(0)).await
    });
    for row in futures_util::future::join_all(rows).await {
        row.settle();
    }
}

async fn refuse_and_heal(scenario: &str, lane: Lane, break_it: impl Fn(), mend: impl Fn()) -> Row {
    refuse_and_heal_with(scenario, lane, |_| {}, break_it, mend).await
}

async fn refuse_and_heal_with(
    scenario: &str,
    mut lane: Lane,
    prepare: impl Fn(&mut Command) + Sync,
    break_it: impl Fn(),
    mend: impl Fn(),
) -> Row {
    lane.start_with(prepare).await;
    lane.load.grant(WEBHOOKS);
    lane.quiet().await;
    let known = lane.pager.incidents().await.len();
    break_it();
    // Full is full once nothing fits any more; what was answered 200 until then must be there.
    let mut stored = 0;
    let refused = loop {
        let (status, body) = lane.pager.deliver(webhook(STRANGER + stored, false, true)).await.unwrap();
        if status != StatusCode::OK {
            break (status, body);
        }
        stored += 1;
        assert!(stored < 20_000, "the disk never fills");
    };
    assert_eq!(refused.0, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.1);
    assert!(refused.1.contains("not accepted: send them again"), "{}", refused.1);
    assert_eq!(lane.pager.get("/-/healthy").await.unwrap().0, StatusCode::OK);
    assert!(lane.pager.incidents().await.len() >= known, "what is there can be read");
    // The sender insists meanwhile. A log that begins anew may take one more: what is answered 200 is stored.
    lane.load.grant(WEBHOOKS);
    let mut refusals = 0;
    while refusals < REFUSALS {
        let (status, body) = lane.pager.deliver(webhook(STRANGER + stored, false, true)).await.unwrap();
        match status {
            StatusCode::OK => stored += 1,
            StatusCode::SERVICE_UNAVAILABLE => refusals += 1,
            other => panic!("{other}: {body}"),
        }
        assert!(stored < 20_000, "the disk never fills");
    }
    mend();
    let began = Instant::now();
    lane.load.idle().await;
    let recovery = began.elapsed();
    assert!(recovery < Duration::from_secs(10), "it took {recovery:?} to accept again");
    lane.quiet().await;
    let strangers = async || {
        let all = lane.pager.incidents().await;
        let theirs = |incident: &&serde_json::Value| {
            incident["labels"]["case"].as_str().is_some_and(|case| case >= "case900000")
        };
        all.iter().filter(theirs).count()
    };
    eventually("what was stored at the last moment to be there", async || strangers().await >= stored).await;
    let remarks = format!("{stored} more were stored before it was full");
    for n in 0..stored {
        assert_eq!(lane.pager.deliver(webhook(STRANGER + n, false, false)).await.unwrap().0, StatusCode::OK);
    }
    let findings = lane.end().await;
    Row { scenario: scenario.into(), rounds: 1, findings, worst_recovery: recovery, remarks }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_file_system_is_refused_at_the_start() {
    let Some(disk) = Small::mount() else { return };
    let folder = fs::canonicalize(disk.0.path()).unwrap();
    let mut lane = Lane::new(Backend::sqlite_in(&folder), 0x0, None);
    lane.start().await;
    lane.load.grant(WEBHOOKS);
    lane.quiet().await;
    lane.pager.stop().await;
    disk.remount("ro");
    let before = contents(&folder);
    let ended = lane.pager.start_in_vain(&|_| {});
    assert_eq!(ended.code(), Some(1), "{}", lane.pager.end_of_log());
    let said = lane.pager.end_of_log();
    assert!(said.contains("larkhorn.db") && said.contains("Read-only file system"), "{said}");
    assert!(contents(&folder) == before, "it was changed");
    disk.remount("rw");
    lane.start().await;
    drop(lane.end().await);
}

/// Every file below a folder, byte for byte; locks left out.
pub(crate) fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .filter(|(name, _)| !name.ends_with("-lock"))
        .collect();
    files.sort();
    files
}
