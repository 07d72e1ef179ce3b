//! Builds what is preloaded into the pager; see `shim.c`.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

/// Built once for all scenarios.
static LIBRARY: LazyLock<(PathBuf, TempDir)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let (source, library) = (folder.path().join("shim.c"), folder.path().join("shim.so"));
    fs::write(&source, include_str!("shim.c")).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]).args(["-ldl", "-lpthread"]);
    let built = cc.status().expect("the crash harness needs a C compiler: apt-get install gcc libc6-dev");
    assert!(built.success(), "shim.c does not compile");
    for_everybody(&library);
    (library, folder)
});

/// A database server runs as a user of its own.
fn for_everybody(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(file.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Preloads it into a command.
pub(crate) fn preload(command: &mut Command) {
    command.env("LD_PRELOAD", &LIBRARY.0);
}

/// Has the writes below a folder written down.
pub(crate) fn watch(command: &mut Command, folder: &Path, log: &Path, swallow: bool) {
    preload(command);
    command.env("LARKHORN_CRASH_LOG", log).env("LARKHORN_CRASH_FOLDER", folder);
    if swallow {
        command.env("LARKHORN_CRASH_SWALLOW", "1");
    }
}

/// Writes of a pager that fail while they are told to.
pub(crate) struct Fault {
    file: PathBuf,
    _folder: TempDir,
}

impl Fault {
    /// None yet.
    pub(crate) fn none() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fault = Self { file: folder.path().join("fault"), _folder: folder };
        fault.set(0);
        fault
    }

    /// Below that folder.
    pub(crate) fn apply(&self, command: &mut Command, folder: &Path) {
        preload(command);
        command.env("LARKHORN_CRASH_FAULT", &self.file).env("LARKHORN_CRASH_FOLDER", folder);
    }

    /// From now on they fail with this errno; 0: they do not.
    pub(crate) fn set(&self, errno: i64) {
        in_place(&self.file, &[i128::from(errno)]);
    }
}

/// The pager has the file mapped.
fn in_place(file: &Path, numbers: &[i128]) {
    let bytes: Vec<u8> = numbers.iter().flat_map(|n| i64::try_from(*n).unwrap().to_le_bytes()).collect();
    let mut file = fs::File::options().write(true).create(true).truncate(false).open(file).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.write_all(&bytes).unwrap();
}

/// The clock of a pager, which can be made to run faster and to jump.
pub(crate) struct Clockwork {
    file: PathBuf,
    rate: u32,
    offset: SignedDuration,
    wall: i128,
    monotonic: i128,
    _folder: TempDir,
}

impl Clockwork {
    /// One that runs so many times faster from now on.
    pub(crate) fn of_rate(rate: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Self {
            file: folder.path().join("clock"),
            rate,
            offset: SignedDuration::ZERO,
            wall: wall(),
            monotonic: monotonic(),
            _folder: folder,
        };
        clock.write();
        for_everybody(&clock.file);
        clock
    }

    pub(crate) fn apply(&self, command: &mut Command) {
        preload(command);
        command.env("LARKHORN_CRASH_CLOCK", &self.file);
    }

    /// What a process finds in its environment whose clock this is.
    pub(crate) fn env(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        vec![("LD_PRELOAD".into(), text(&LIBRARY.0)), ("LARKHORN_CRASH_CLOCK".into(), text(&self.file))]
    }

    /// The wall clock jumps; running pagers notice at once.
    pub(crate) fn jump(&mut self, by: SignedDuration) {
        self.offset += by;
        self.write();
    }

    /// What the pager takes for the time.
    pub(crate) fn now(&self) -> Timestamp {
        let ns = self.wall + (wall() - self.wall) * i128::from(self.rate) + self.offset.as_nanos();
        Timestamp::from_nanosecond(ns).unwrap()
    }

    /// How long something takes here that takes so long there.
    pub(crate) fn shortened(&self, span: Duration) -> Duration {
        span / self.rate
    }

    /// How long something took there that took so long here.
    pub(crate) fn stretched(&self, span: SignedDuration) -> SignedDuration {
        span * i32::try_from(self.rate).unwrap()
    }

    fn write(&self) {
        in_place(&self.file, &[self.offset.as_nanos(), i128::from(self.rate), self.wall, self.monotonic]);
    }
}

#[expect(clippy::disallowed_methods, reason = "the beginning of a clock that the test owns")]
fn wall() -> i128 {
    i128::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

/// Linux counts it from the start of the machine, and says so in seconds with two decimals.
fn monotonic() -> i128 {
    let uptime = fs::read_to_string("/proc/uptime").unwrap();
    let (seconds, hundredths) = uptime.split(' ').next().unwrap().split_once('.').unwrap();
    let (seconds, hundredths): (i128, i128) = (seconds.parse().unwrap(), hundredths.parse().unwrap());
    seconds * 1_000_000_000 + hundredths * 10_000_000
}
