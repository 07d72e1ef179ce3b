//! The larkhorn binary as a server: started, killed and started again on the same database.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde_json::Value;
use tempfile::TempDir;

use crate::patience::{PATIENCE, eventually};
use crate::ports::free_address;
use crate::process::Process;

/// The program.
pub(crate) const LARKHORN: &str = env!("CARGO_BIN_EXE_larkhorn");
/// What senders have to show.
pub(crate) const TOKEN: &str = "a-token-of-the-real-programs";
/// The rules that ship with larkhorn.
const RULES: &str = include_str!("../../rules/oncall.yaml");
/// Each group is followed to its own card and buzz, however many come at once.
const NO_STORMS: &str = "storm: {cards_per_minute: 0, share_buzz: 0}\n";

/// A pager with a folder of its own. Not started when made.
pub(crate) struct Pager {
    // Before the folder: it has to end before the folder goes.
    process: Option<Process>,
    pub(crate) address: SocketAddr,
    http: Client,
    folder: TempDir,
}

impl Pager {
    /// With the shipped rules, for the Feishu at `feishu`.
    pub(crate) fn new(feishu: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        write_settings(folder.path(), address, feishu);
        let http = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self { process: None, address, http, folder }
    }

    /// From its next start on it knows that Alertmanager.
    pub(crate) fn knows_alertmanager(&self, url: &str) {
        let file = self.folder.path().join("larkhorn.yaml");
        let settings = fs::read_to_string(&file).unwrap();
        fs::write(file, format!("{settings}alertmanager: {{url: \"{url}\"}}\n")).unwrap();
    }

    /// From its next start on Feishu may call it back, with these settings besides.
    pub(crate) fn hears_events(&self, more: &str) {
        let file = self.folder.path().join("larkhorn.yaml");
        let settings = fs::read_to_string(&file).unwrap();
        let callbacks = format!(
            "locale: en, events: http, encrypt_key: key-of-the-tests, verification_token: token-of-the-tests, {more}"
        );
        fs::write(file, settings.replace("locale: en", &callbacks)).unwrap();
    }

    /// Starts it and waits until it answers.
    pub(crate) async fn start(&mut self) {
        let mut command = Command::new(LARKHORN);
        command.arg("serve").env_clear().current_dir(self.folder.path());
        let mut process = Process::start("larkhorn", &mut command, self.folder.path());
        let began = Instant::now();
        while self.get("/-/healthy").await.is_none_or(|(status, _)| status != StatusCode::OK) {
            let ended = process.status();
            assert!(ended.is_none() && began.elapsed() < PATIENCE, "larkhorn is not up: {ended:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.process = Some(process);
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process.take().unwrap().kill();
    }

    /// Sends a signal, such as `HUP`.
    pub(crate) fn signal(&self, signal: &str) {
        self.process.as_ref().unwrap().signal(signal);
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        self.process.take().unwrap().ended().await
    }

    /// All that its processes have logged.
    pub(crate) fn log(&self) -> String {
        self.process.as_ref().unwrap().log()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// From its next start on its API is for those who know a token.
    pub(crate) fn wants_api_token(&self, token: &str) {
        let file = self.folder.path().join("larkhorn.yaml");
        let settings = fs::read_to_string(&file).unwrap();
        fs::write(file, settings.replace("server: {", &format!("server: {{api_token: {token}, "))).unwrap();
    }

    pub(crate) fn rules_file(&self) -> PathBuf {
        self.folder.path().join("rules/oncall.yaml")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Status and body of an answer; `None` when there was none.
    pub(crate) async fn get(&self, path: &str) -> Option<(StatusCode, String)> {
        let answer = self.http.get(self.url(path)).send().await.ok()?;
        Some((answer.status(), answer.text().await.ok()?))
    }

    pub(crate) async fn post(&self, path: &str, body: String) -> (StatusCode, String) {
        let request = self.http.post(self.url(path)).bearer_auth(TOKEN).body(body);
        let answer = request.header("content-type", "application/json").send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    /// The sum of the numbers whose lines start so.
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

    /// Waits until it is [quiet](Self::is_quiet).
    pub(crate) async fn quiet(&self) {
        eventually("inbox and outbox to be empty", async || self.is_quiet().await).await;
    }

    /// The states of the incidents that have this label.
    pub(crate) async fn states(&self, label: &str, value: &str) -> Vec<String> {
        let all = self.incidents().await;
        all.iter().filter(|incident| incident["labels"][label] == value).map(state).collect()
    }

    /// The states of all incidents, newest first.
    pub(crate) async fn all_states(&self) -> Vec<String> {
        self.incidents().await.iter().map(state).collect()
    }

    /// What happened to an incident, oldest first.
    pub(crate) async fn timeline(&self, id: &str) -> Vec<Value> {
        let (_, text) = self.get(&format!("/api/v1/incidents/{id}")).await.unwrap();
        let incident: Value = serde_json::from_str(&text).unwrap();
        incident["timeline"].as_array().unwrap().clone()
    }

    async fn incidents(&self) -> Vec<Value> {
        let (_, text) = self.get("/api/v1/incidents?limit=500").await.unwrap();
        let page: Value = serde_json::from_str(&text).unwrap();
        page["incidents"].as_array().unwrap().clone()
    }
}

fn state(incident: &Value) -> String {
    incident["state"].as_str().unwrap().to_owned()
}

/// `larkhorn.yaml`, and the shipped rules beside it.
pub(crate) fn write_settings(folder: &Path, listen: SocketAddr, feishu: &str) {
    let database = folder.join("larkhorn.db");
    let settings = format!(
        "server: {{listen: \"{listen}\", external_url: \"http://{listen}\"}}\n\
         webhook: {{bearer_token: {TOKEN}}}\n\
         store: {{url: \"sqlite://{}\"}}\n\
         feishu: {{base_url: \"{feishu}\", app_id: cli_real, app_secret: secret-of-the-tests, locale: en}}\n",
        database.display()
    );
    fs::write(folder.join("larkhorn.yaml"), settings).unwrap();
    fs::create_dir_all(folder.join("rules")).unwrap();
    fs::write(folder.join("rules/oncall.yaml"), RULES).unwrap();
    fs::write(folder.join("rules/storm.yaml"), NO_STORMS).unwrap();
}
