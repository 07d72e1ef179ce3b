//! What the numbers were measured on.

use std::fs::{self, File};
use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::table::percentile_ms;

const FLUSHES: usize = 200;

/// Prints cores, processor and what a flush of the disk costs.
pub(crate) fn print() {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let (mut flushes, size) = (probe(), 4);
    println!("- machine: {cores} cores, {}", model.map_or("unknown processor", |(_, name)| name));
    println!(
        "- disk: append {size} KiB and flush, p50 {:.0} µs, p99 {:.0} µs",
        percentile_ms(&mut flushes, 0.5) * 1e3,
        percentile_ms(&mut flushes, 0.99) * 1e3,
    );
    println!("- load before the run: {}", load.split(' ').next().unwrap_or("unknown"));
}

/// Appends to a file where the stores of the benchmark will be.
fn probe() -> Vec<Duration> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut file = File::create(folder.path().join("probe")).unwrap();
    let flush = |_| {
        let started = Instant::now();
        file.write_all(&[7; 4096]).unwrap();
        file.sync_data().unwrap();
        started.elapsed()
    };
    (0..FLUSHES).map(flush).collect()
}
