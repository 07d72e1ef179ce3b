//! Child processes that do not outlive their test and tell what they said when it fails.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::patience::eventually;

/// Lines of a child's output that a failed test shows.
const SHOWN_LINES: usize = 60;

/// A child process; killed when dropped.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it. What it says goes to `<name>.log` in the folder, after what
    /// its predecessors said.
    ///
    /// # Panics
    ///
    /// When it cannot be started; a missing program with what installs it.
    pub(crate) fn start(name: &'static str, command: &mut Command, folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        let out = File::options().create(true).append(true).open(&log).unwrap();
        let errors = out.try_clone().unwrap();
        let child = command.stdin(Stdio::null()).stdout(out).stderr(errors).spawn().unwrap_or_else(|error| {
            panic!(
                "{name} ({}) cannot be started: {error}; the real programs are in Debian's packages \
                     prometheus and prometheus-alertmanager: apt-get install both",
                command.get_program().display()
            )
        });
        Self { name, child, log }
    }

    /// `SIGKILL`: it gets no chance to do anything more.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, signal: &str) {
        // The child is not waited for yet, so its number cannot be another's.
        let line = format!("kill -{signal} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success(), "{line} failed");
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        let child = std::cell::RefCell::new(&mut self.child);
        eventually("the process to end", async || child.borrow_mut().try_wait().unwrap().is_some()).await;
        self.child.wait().unwrap()
    }

    /// Its status if it has ended.
    pub(crate) fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// All it has said.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Either fails only when it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
            eprintln!("---- the end of what {} said:\n{}", self.name, last.join("\n"));
        }
    }
}
