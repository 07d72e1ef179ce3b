//! A PostgreSQL of our own: Debian's programs, a folder of ours, a port that was
//! free. It lives as long as the value, and never longer than the process that
//! started it; nothing of a server that is installed on the machine is touched.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The superuser of the cluster, and whom we connect as.
pub(crate) const USER: &str = "larkhorn";

/// A server that runs.
pub(crate) struct Cluster {
    folder: PathBuf,
    pub(crate) port: u16,
    watch: Child,
    /// What the server finds in its environment besides.
    env: Vec<(String, String)>,
}

/// Waits until its input ends, which it does however this process ends, and then
/// ends the server and clears its folder away.
const WATCH: &str = r#"
    read -r _
    pid=$(head -n 1 "$1/files/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
    rm -rf "$1"
"#;

/// Where Debian keeps the programs of the newest version that is installed.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .unwrap_or_else(|error| panic!("PostgreSQL is not installed ({error}): apt-get install postgresql"));
    let newest = versions
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("bin/initdb").exists())
        .max_by_key(|path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()));
    newest.expect("PostgreSQL is not installed: apt-get install postgresql").join("bin")
}

impl Cluster {
    /// A new one in an empty folder, running. The folder is cleared away afterwards.
    pub(crate) fn start_in(folder: PathBuf, env: Vec<(String, String)>) -> Self {
        let cluster = Self::in_folder(folder, env);
        let files = cluster.files();
        cluster.run("initdb", &["-D", &files, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"]);
        let main = Path::new(&files).join("postgresql.conf");
        let text = fs::read_to_string(&main).unwrap();
        fs::write(&main, format!("{text}\ninclude_dir = 'conf.d'\n")).unwrap();
        fs::create_dir(Path::new(&files).join("conf.d")).unwrap();
        cluster.configure();
        cluster.up();
        cluster
    }

    /// One of which nothing is there yet.
    pub(crate) fn in_folder(folder: PathBuf, env: Vec<(String, String)>) -> Self {
        let watch = Command::new("sh")
            .args(["-c", WATCH, "watch"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let cluster = Self { folder, port, watch, env };
        cluster.give_away();
        cluster
    }

    /// Writes what is ours of the configuration.
    pub(crate) fn configure(&self) {
        let config = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = ''\n\
             max_connections = 200\nlogging_collector = off\n",
            self.port
        );
        fs::write(Path::new(&self.files()).join("conf.d/ours.conf"), config).unwrap();
        self.give_away();
    }

    /// Starts the server and waits until it answers.
    pub(crate) fn up(&self) {
        self.control(&["-w", "-t", "60", "-l", &self.log(), "start"]);
    }

    /// The address of one of its schemas.
    pub(crate) fn url(&self, schema: &str) -> String {
        let port = self.port;
        format!("postgres://{USER}@127.0.0.1:{port}/postgres?options=-csearch_path%3D{schema}")
    }

    /// Has the server carry out statements; what they print.
    pub(crate) fn psql(&self, sql: &str) -> String {
        let port = self.port.to_string();
        let arguments =
            ["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", &port, "-U", USER];
        self.run("psql", &[&arguments[..], &["-d", "postgres", "-c", sql]].concat())
    }

    pub(crate) fn files(&self) -> String {
        self.folder.join("files").to_str().unwrap().to_owned()
    }

    fn log(&self) -> String {
        self.folder.join("log").to_str().unwrap().to_owned()
    }

    /// `pg_ctl` on it.
    pub(crate) fn control(&self, arguments: &[&str]) {
        self.run("pg_ctl", &[&["-D", &self.files()], arguments].concat());
    }

    /// The server refuses to be root: then all is done as the user that Debian made for it.
    fn give_away(&self) {
        if is_root() {
            let path = self.folder.to_str().unwrap();
            succeed("chown", Command::new("chown").args(["-R", "postgres", path]));
        }
    }

    /// Runs a program of the server's; what it prints.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = server_program(program);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        // A server that stays would hold our pipes open for ever.
        let starts = arguments.contains(&"start");
        if starts {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        }
        command.current_dir("/").args(arguments);
        succeed(program, &mut command)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.watch.stdin.take());
        self.watch.wait().unwrap();
    }
}

/// A program of the server's, as the user that it wants to be.
fn server_program(name: &str) -> Command {
    let path = programs().join(name);
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(path);
    command
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8_lossy(&id.stdout).trim() == "0"
}

fn succeed(what: &str, command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(status.success(), "{what} failed: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap().trim_end().to_owned()
}
