//! The larkhorn binary as a server that is killed and started again.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde_json::Value;
use tempfile::TempDir;

use crate::backend::Backend;
use crate::patience::PATIENCE;
use crate::ports::free_address;

const RULES: &str = include_str!("rules.yaml");
/// So often it is started before its database counts as gone.
const STARTS: usize = 5;
/// In every secret of the settings; in no output (I5).
pub(crate) const CANARY: &str = "canary7c1f";

/// What the pager is started with besides its settings.
pub(crate) type Prepare<'a> = &'a (dyn Fn(&mut Command) + Sync);

/// A pager. Not started when made; killed when dropped.
pub(crate) struct Pager {
    child: Option<Child>,
    pub(crate) address: SocketAddr,
    pub(crate) http: Client,
    folder: TempDir,
    /// The longest time from a start to the first answer.
    pub(crate) worst_start: Duration,
    /// When processes were killed or told to stop.
    pub(crate) ends: Vec<Instant>,
}

impl Pager {
    /// One that keeps its things at `backend` and talks to the Feishu at `feishu`.
    pub(crate) fn new(backend: &Backend, feishu: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        let settings = format!(
            "server: {{listen: \"{address}\", external_url: \"http://{address}\", api_token: api-{CANARY}}}\n\
             webhook: {{bearer_token: webhook-{CANARY}}}\n\
             store: {{url: \"{}\"}}\n\
             feishu: {{base_url: \"{feishu}\", app_id: cli_crash, app_secret: secret-{CANARY}, events: \"off\", locale: en}}\n\
             rules: rules.yaml\n",
            backend.url(),
        );
        fs::write(folder.path().join("larkhorn.yaml"), settings).unwrap();
        fs::write(folder.path().join("rules.yaml"), RULES).unwrap();
        let http = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self { child: None, address, http, folder, worst_start: Duration::ZERO, ends: Vec::new() }
    }

    /// Finds its store there from the next start on.
    pub(crate) fn keep_at(&self, url: &str) {
        let file = self.folder.path().join("larkhorn.yaml");
        let settings: Vec<String> = fs::read_to_string(&file)
            .unwrap()
            .lines()
            .map(|line| {
                if line.starts_with("store:") {
                    format!("store: {{url: \"{url}\"}}")
                } else {
                    line.to_owned()
                }
            })
            .collect();
        fs::write(file, settings.join("\n")).unwrap();
    }

    fn spawn(&self, prepare: Prepare<'_>) -> Child {
        let out = File::options().create(true).append(true).open(self.log_file()).unwrap();
        let errors = out.try_clone().unwrap();
        let mut command = Command::new(program());
        command.arg("serve").env_clear().current_dir(self.folder.path());
        prepare(&mut command);
        command.stdin(Stdio::null()).stdout(out).stderr(errors).spawn().unwrap()
    }

    /// Starts it and waits until it answers. Where its database did not answer in time (which
    /// a faster clock makes short), it is started again, as whoever supervises it would.
    pub(crate) async fn start(&mut self, prepare: Prepare<'_>) {
        for _ in 0..STARTS {
            if self.try_start(prepare).await {
                return;
            }
            let said = self.end_of_log();
            assert!(said.contains("it does not answer"), "larkhorn is not up:\n{said}");
        }
        panic!("larkhorn is not up after {STARTS} starts:\n{}", self.end_of_log());
    }

    /// Whether it answers; not if it ends before.
    pub(crate) async fn try_start(&mut self, prepare: Prepare<'_>) -> bool {
        let began = Instant::now();
        self.child = Some(self.spawn(prepare));
        while self.get("/-/healthy").await.is_none_or(|(status, _)| status != StatusCode::OK) {
            if self.child.as_mut().unwrap().try_wait().unwrap().is_some() {
                self.child = None;
                return false;
            }
            assert!(began.elapsed() < PATIENCE, "larkhorn is not up:\n{}", self.end_of_log());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.worst_start = self.worst_start.max(began.elapsed());
        true
    }

    /// Starts it where it will not stay; how it ended.
    pub(crate) fn start_in_vain(&self, prepare: Prepare<'_>) -> ExitStatus {
        let mut child = self.spawn(prepare);
        let began = Instant::now();
        loop {
            if let Some(ended) = child.try_wait().unwrap() {
                return ended;
            }
            if began.elapsed() > PATIENCE {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("larkhorn runs where it should have refused to:\n{}", self.end_of_log());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        self.ends.push(Instant::now());
        let ended = child.wait().unwrap();
        assert_eq!(ended.signal(), Some(9), "it had ended before: {ended:?}\n{}", self.end_of_log());
    }

    /// SIGTERM; how it ended and how long that took.
    pub(crate) async fn stop(&mut self) -> (ExitStatus, Duration) {
        let mut child = self.child.take().unwrap();
        let began = Instant::now();
        self.ends.push(began);
        // Not waited for yet, so the number cannot be another's.
        let line = format!("kill -TERM {}", child.id());
        assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success(), "{line} failed");
        loop {
            if let Some(ended) = child.try_wait().unwrap() {
                return (ended, began.elapsed());
            }
            assert!(began.elapsed() < PATIENCE, "it does not stop\n{}", self.end_of_log());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Status and body of an answer; `None` when there was none.
    pub(crate) async fn get(&self, path: &str) -> Option<(StatusCode, String)> {
        let request = self.http.get(self.url(path)).bearer_auth(format!("api-{CANARY}"));
        let answer = request.send().await.ok()?;
        Some((answer.status(), answer.text().await.ok()?))
    }

    /// Delivers a webhook; `None` when nobody answered.
    pub(crate) async fn deliver(&self, body: String) -> Option<(StatusCode, String)> {
        let answer = deliver(&self.http, &self.url("/webhook/alertmanager"), body).await.ok()?;
        Some((answer.status(), answer.text().await.ok()?))
    }

    /// Acts on an incident; whether that was done.
    pub(crate) async fn act(&self, incident: &str, action: &str) -> bool {
        let request = self.http.post(self.url(&format!("/api/v1/incidents/{incident}/{action}")));
        let request = request.bearer_auth(format!("api-{CANARY}")).header("content-type", "application/json");
        request.body("{\"by\":\"lin\"}").send().await.is_ok_and(|answer| answer.status() == StatusCode::OK)
    }

    /// The sum of the numbers whose lines start so; `None` when there is none.
    pub(crate) async fn metric(&self, start: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics").await?;
        let values: Vec<f64> = text
            .lines()
            .filter(|line| line.starts_with(start))
            .filter_map(|line| line.rsplit_once(' ')?.1.parse().ok())
            .collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// Whether everything accepted has been dealt with and delivered.
    pub(crate) async fn is_quiet(&self) -> bool {
        // In the order of the way of a webhook, so that none slips through between the looks.
        self.metric("larkhorn_inbox_oldest_seconds").await == Some(0.0)
            && self.metric("larkhorn_outbox_oldest_seconds").await == Some(0.0)
    }

    /// What the API says. A pager whose clock runs fast leaves a harness that is
    /// slow, so it is asked again.
    async fn read(&self, path: &str) -> Value {
        let began = Instant::now();
        loop {
            match self.get(path).await {
                Some((StatusCode::OK, text)) => return serde_json::from_str(&text).unwrap(),
                answer => assert!(began.elapsed() < PATIENCE, "{path}: {answer:?}"),
            }
        }
    }

    /// All incidents, newest first.
    pub(crate) async fn incidents(&self) -> Vec<Value> {
        let (mut all, mut before) = (Vec::new(), String::new());
        loop {
            let page = self.read(&format!("/api/v1/incidents?limit=500{before}")).await;
            all.extend(page["incidents"].as_array().unwrap().iter().cloned());
            let Some(next) = page["next"].as_str() else { return all };
            before = format!("&before={next}");
        }
    }

    /// What happened to an incident, oldest first.
    pub(crate) async fn timeline(&self, incident: &str) -> Vec<Value> {
        let incident = self.read(&format!("/api/v1/incidents/{incident}")).await;
        incident["timeline"].as_array().unwrap().clone()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("larkhorn.log")
    }

    /// All its processes have said.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_file()).unwrap_or_default()).into_owned()
    }

    pub(crate) fn end_of_log(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Pager {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Either fails only when it has ended already.
            drop(child.kill());
            drop(child.wait());
        }
        if std::thread::panicking() {
            eprintln!("---- the end of the log:\n{}", self.end_of_log());
        }
    }
}

/// The program, or another build of it that `LARKHORN_BIN` names.
#[expect(clippy::disallowed_methods, reason = "which program is tried may be told from outside")]
fn program() -> String {
    std::env::var("LARKHORN_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_larkhorn").to_owned())
}

/// Posts a webhook.
pub(crate) async fn deliver(http: &Client, url: &str, body: String) -> reqwest::Result<reqwest::Response> {
    let request = http.post(url).bearer_auth(format!("webhook-{CANARY}"));
    request.header("content-type", "application/json").body(body).send().await
}
