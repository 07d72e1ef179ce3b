//! Every example of every command's help runs as it is printed.
//!
//! The commands are found in the command line itself. Each example runs in a
//! shell, in a folder of its own with everything an installation has: settings
//! for a Feishu that answers, the shipped rules with their tests, and a payload.
//! Those in [`EXPECTED`] are looked at more closely.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use larkhorn::cli;
use reqwest::Client;
use tempfile::TempDir;

// Commands whose examples need a folder of another kind; `lab` runs them.
use crate::lab::COMMANDS as ELSEWHERE;
use crate::pager::{LARKHORN, TOKEN, write_settings};
use crate::patience::{PATIENCE, eventually};
use crate::phones::Phones;
use crate::ports::free_address;
use crate::process::Process;

/// What an example needs besides the folder.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// Nothing.
    Nothing,
    /// A server with an incident.
    Server,
    /// A server to which alerts come while it runs.
    Alerts,
    /// To be told to stop once it has said what is expected of it.
    Stopping,
    /// Both.
    AlertsAndStopping,
}

/// How examples begin, what they need, and what they say. The first that fits counts.
const EXPECTED: &[(&str, Needs, &str)] = &[
    ("larkhorn serve", Needs::Stopping, "larkhorn is up"),
    ("larkhorn demo --once", Needs::Nothing, "the same card turns green"),
    ("larkhorn demo", Needs::Stopping, "Ctrl-C ends the demo"),
    ("larkhorn fake-feishu", Needs::Stopping, "fake Feishu listening on"),
    ("larkhorn simulate --payload payload.json --at", Needs::Nothing, "acknowledged"),
    ("larkhorn simulate --payload payload.json --fault", Needs::Nothing, "230024"),
    ("larkhorn simulate --payload payload.json -o card", Needs::Nothing, "\"schema\": \"2.0\""),
    (
        "larkhorn simulate --payload - -o json",
        Needs::Nothing,
        "{\"rule\":\"payments\",\"severity\":\"critical\"",
    ),
    ("larkhorn simulate", Needs::Nothing, "cost: "),
    ("larkhorn test -o json", Needs::Nothing, "\"ok\":true"),
    ("larkhorn test", Needs::Nothing, "8 passed"),
    ("larkhorn send-test", Needs::Nothing, "card sent"),
    ("larkhorn backup", Needs::Server, "written"),
    ("larkhorn replay --new", Needs::Server, "different: 0"),
    ("larkhorn replay", Needs::Server, "\"different\":[]"),
    ("larkhorn incidents list -o json", Needs::Server, "\"id\":\"INC-1\""),
    ("larkhorn incidents list", Needs::Server, "INC-1"),
    ("larkhorn incidents show", Needs::Server, "buzzed"),
    ("larkhorn incidents acknowledge", Needs::Server, "acknowledged"),
    ("larkhorn incidents snooze", Needs::Server, "snoozed"),
    ("larkhorn incidents resolve", Needs::Server, "resolved"),
    ("larkhorn incidents", Needs::Server, "INC-1"),
    ("larkhorn tap --count 1", Needs::Alerts, "\"event\":"),
    ("larkhorn tap", Needs::AlertsAndStopping, "webhook"),
];

/// The examples in a command's help and in those below it.
fn examples(command: &clap::Command, path: &str, found: &mut Vec<String>) {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let printed =
        Command::new(LARKHORN).args(path.split_whitespace().skip(1)).arg("--help").output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    let listed: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Examples:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .collect();
    assert!(!listed.is_empty(), "the help of {path:?} gives no example");
    for line in listed {
        assert!(
            printed.lines().any(|known| known == line),
            "{path} --help does not print {line:?} as one line"
        );
        // What follows two spaces is about the example.
        let line = line.trim();
        let line = line.split_once("  ").map_or(line, |(line, _)| line);
        if !ELSEWHERE.iter().any(|name| line.split(' ').nth(1) == Some(name)) {
            found.push(line.to_owned());
        }
    }
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        examples(below, &format!("{path} {}", below.get_name()), found);
    }
}

/// An installation, and what runs beside the example.
struct Stage {
    folder: TempDir,
    _phones: Phones,
    server: Option<Process>,
    address: std::net::SocketAddr,
}

impl Stage {
    async fn set(needs: Needs) -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (folder, phones, address) = (tempfile::tempdir().unwrap(), Phones::on(), free_address());
        let at = |name: &str| folder.path().join(name);
        write_settings(folder.path(), address, &phones.url());
        fs::create_dir(at("rules/tests")).unwrap();
        fs::remove_file(at("rules/storm.yaml")).unwrap();
        fs::copy(repository.join("rules/tests/oncall.yaml"), at("rules/tests/oncall.yaml")).unwrap();
        let payload = "tests/payloads/prom-2.42_am-0.25_rule-firing.json";
        fs::copy(repository.join(payload), at("payload.json")).unwrap();
        let mut stage = Self { folder, _phones: phones, server: None, address };
        if !matches!(needs, Needs::Nothing | Needs::Stopping) {
            stage.serve().await;
        }
        stage
    }

    async fn serve(&mut self) {
        let mut command = Command::new(LARKHORN);
        command.arg("serve").env_clear().current_dir(self.folder.path());
        self.server = Some(Process::start("server", &mut command, self.folder.path()));
        let there = format!("http://{}/api/v1/incidents/INC-1", self.address);
        eventually("an incident that has been paged", async || {
            self.alert().await;
            let Ok(answer) = reqwest::get(&there).await else { return false };
            answer.text().await.is_ok_and(|text| text.contains("\"buzzed\""))
        })
        .await;
    }

    /// Sends the payload; whether it was taken.
    async fn alert(&self) {
        let body = fs::read(self.folder.path().join("payload.json")).unwrap();
        let request = Client::new().post(format!("http://{}/webhook", self.address)).bearer_auth(TOKEN);
        drop(request.header("content-type", "application/json").body(body).send().await);
    }

    async fn run(&self, line: &str, needs: Needs, expected: &str) {
        let out = fs::File::create(self.folder.path().join("said")).unwrap();
        let folder = Path::new(LARKHORN).parent().unwrap().display();
        let mut child = Command::new("sh")
            // `exec` makes the example the child that is signalled.
            .args(["-c", &format!("exec {line}")])
            .env_clear()
            .env("PATH", format!("{folder}:/usr/bin:/bin"))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stderr(out.try_clone().unwrap())
            .stdout(out)
            .spawn()
            .unwrap();
        let said = || fs::read_to_string(self.folder.path().join("said")).unwrap();
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if began.elapsed() > PATIENCE {
                child.kill().unwrap();
                panic!("{line}: does not end; it said:\n{}", said());
            }
            if matches!(needs, Needs::Alerts | Needs::AlertsAndStopping) {
                self.alert().await;
            }
            if matches!(needs, Needs::Stopping | Needs::AlertsAndStopping) && said().contains(expected) {
                let stop = format!("kill -TERM {}", child.id());
                Command::new("sh").args(["-c", &stop]).status().unwrap();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert!(status.success(), "{line}: {status}; it said:\n{}", said());
        match line.split_once(" > ") {
            Some((_, file)) => {
                let length = fs::metadata(self.folder.path().join(file.trim())).unwrap().len();
                assert_ne!(length, 0, "{line}: wrote nothing");
            }
            None => assert!(said().contains(expected), "{line}: does not say {expected:?}:\n{}", said()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_runs_as_printed() {
    let mut found = Vec::new();
    examples(&cli::command(), "larkhorn", &mut found);
    found.sort();
    found.dedup();
    for (start, ..) in EXPECTED {
        assert!(
            found.iter().any(|line| line.starts_with(start)),
            "no example begins with {start:?} any more"
        );
    }
    for line in found {
        let fits = EXPECTED.iter().find(|(start, ..)| line.starts_with(start));
        let (needs, expected) = fits.map_or((Needs::Nothing, ""), |(_, needs, expected)| (*needs, *expected));
        Stage::set(needs).await.run(&line, needs, expected).await;
    }
}
