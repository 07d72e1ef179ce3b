//! Larkhorn as its users run it: a process of its own with settings, rules and
//! a database in a folder, to be looked at from outside.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

const START_MAX: Duration = Duration::from_secs(10);
/// Between two looks at a process that may be at rest.
const LOOK: Duration = Duration::from_millis(500);

/// A library to preload that makes each flush of the disk a millisecond longer.
pub(crate) struct SlowDisk {
    library: PathBuf,
    _folder: TempDir,
}

impl SlowDisk {
    /// `None` where there is no C compiler.
    pub(crate) fn build() -> Option<Self> {
        let folder = folder();
        let (source, library) = (folder.path().join("fsync_delay.c"), folder.path().join("fsync_delay.so"));
        fs::write(&source, include_str!("fsync_delay.c")).unwrap();
        let mut cc = Command::new("cc");
        let built = cc.args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]).arg("-ldl").status();
        let built = built.is_ok_and(|status| status.success());
        built.then_some(Self { library, _folder: folder })
    }
}

/// A process that runs; killed when dropped.
pub(crate) struct Pager {
    child: Child,
    folder: TempDir,
    pub(crate) addr: SocketAddr,
}

impl Pager {
    /// Starts with these rules, on a file of its own, and waits until it listens.
    pub(crate) fn start(rules: &str, feishu: SocketAddr, disk: Option<&SlowDisk>) -> Self {
        let folder = folder();
        let store = format!("sqlite://{}", folder.path().join("larkhorn.db").display());
        Self::start_in(folder, &store, rules, feishu, disk)
    }

    /// The same on a database that is there.
    pub(crate) fn start_on(store: &str, rules: &str, feishu: SocketAddr) -> Self {
        Self::start_in(folder(), store, rules, feishu, None)
    }

    fn start_in(
        folder: TempDir,
        store: &str,
        rules: &str,
        feishu: SocketAddr,
        disk: Option<&SlowDisk>,
    ) -> Self {
        let at = |name: &str| folder.path().join(name);
        let addr = free_address();
        fs::write(at("rules.yaml"), rules).unwrap();
        let settings = format!(
            "server: {{listen: \"{addr}\", external_url: \"http://{addr}\"}}\n\
             store: {{url: \"{store}\"}}\n\
             feishu: {{base_url: \"http://{feishu}\", app_id: cli_bench, app_secret: bench}}\n\
             rules: rules.yaml\n"
        );
        fs::write(at("larkhorn.yaml"), settings).unwrap();
        let child = serve(&folder, disk);
        let mut pager = Self { child, folder, addr };
        pager.wait();
        pager
    }

    /// Kills it and starts it again; when that was.
    pub(crate) fn start_again(&mut self) -> Instant {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let began = Instant::now();
        self.child = serve(&self.folder, None);
        self.wait();
        began
    }

    fn wait(&mut self) {
        let started = Instant::now();
        while TcpStream::connect(self.addr).is_err() {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && started.elapsed() < START_MAX,
                "larkhorn does not start: {}",
                self.log()
            );
            sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Posts on a connection of its own; how long the answer took.
    pub(crate) fn post(&self, request: &[u8]) -> Duration {
        let mut stream = TcpStream::connect(self.addr).unwrap();
        let asked = Instant::now();
        stream.write_all(request).unwrap();
        let (mut answer, mut part) = (Vec::new(), [0; 1024]);
        while !answer.ends_with(b"}") {
            let read = stream.read(&mut part).unwrap();
            assert!(read > 0, "no answer: {}", self.log());
            answer.extend_from_slice(&part[..read]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        asked.elapsed()
    }

    /// A figure of `/proc/PID/status` in MiB, such as `VmRSS`.
    pub(crate) fn mebibytes(&self, name: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap().trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }

    /// Resident MiB once the process has nothing more to do after its start: it
    /// neither ran nor grew from one look to the next.
    pub(crate) fn at_rest(&self) -> f64 {
        let started = Instant::now();
        let look = || (self.ticks(), self.mebibytes("VmRSS"));
        let mut seen = look();
        loop {
            sleep(LOOK);
            let now = look();
            if now == seen {
                return now.1;
            }
            assert!(started.elapsed() < START_MAX, "larkhorn does not come to rest: {}", self.log());
            seen = now;
        }
    }

    /// Ticks of processor time that the process has used.
    fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The name in parentheses may hold spaces; user and system time are fields 14 and 15.
        let (_, after_name) = stat.rsplit_once(") ").unwrap();
        after_name.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }

    /// Waits until a query of the database gives a number.
    pub(crate) fn wait_for(&self, sql: &str, wanted: i64, patience: Duration) {
        let (store, started) = (self.store(), Instant::now());
        loop {
            let found = number(&store, sql);
            if found == wanted {
                return;
            }
            assert!(
                started.elapsed() < patience,
                "`{sql}` gives {found}, not {wanted}: lost? {}",
                self.log()
            );
            sleep(Duration::from_millis(100));
        }
    }

    /// The database, for reading.
    fn store(&self) -> Connection {
        let path = self.folder.path().join("larkhorn.db");
        let store = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        store.busy_timeout(Duration::from_secs(5)).unwrap();
        store
    }

    /// Kills it in the middle of its work; what it leaves behind.
    pub(crate) fn kill(mut self) -> Left {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let store = Connection::open(self.folder.path().join("larkhorn.db")).unwrap();
        Left {
            accepted: number(&store, "SELECT seq FROM sqlite_sequence WHERE name = 'inbox'"),
            waiting: number(&store, "SELECT count(*) FROM inbox WHERE done = 0"),
            incidents: number(&store, "SELECT count(*) FROM incidents"),
        }
    }
}

/// The process of a folder.
fn serve(folder: &TempDir, disk: Option<&SlowDisk>) -> Child {
    let at = |name: &str| folder.path().join(name);
    let mut command = Command::new(env!("CARGO_BIN_EXE_larkhorn"));
    command.env_clear().arg("--config").arg(at("larkhorn.yaml")).arg("serve");
    if let Some(disk) = disk {
        command.env("LD_PRELOAD", &disk.library);
    }
    let log = File::create(at("log")).unwrap();
    command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

impl Drop for Pager {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }
}

/// What is in the database of a process that was killed.
#[derive(Clone, Copy)]
pub(crate) struct Left {
    pub(crate) accepted: i64,
    pub(crate) waiting: i64,
    pub(crate) incidents: i64,
}

pub(crate) fn number(store: &Connection, sql: &str) -> i64 {
    store.query_row(sql, (), |row| row.get(0)).unwrap()
}

/// On the disk of the build, which is a real one where the temporary folder may be memory.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap()
}

pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}
