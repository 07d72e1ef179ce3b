//! Prometheus and Alertmanager as Debian ships them, and a shop for them to watch.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::pager::{Pager, TOKEN};
use crate::patience::eventually;
use crate::ports::free_address;
use crate::process::Process;

/// Error rates of the shop by case, in percent.
type Rates = Arc<Mutex<BTreeMap<String, f64>>>;

/// What watches the shop and calls the pager.
pub(crate) struct Alerting {
    _prometheus: Process,
    _alertmanager: Process,
    alertmanager: SocketAddr,
    http: reqwest::Client,
    rates: Rates,
    _folder: TempDir,
}

impl Alerting {
    /// Starts both. Alertmanager repeats itself after `repeat`.
    pub(crate) async fn start(pager: &Pager, repeat: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rates = Rates::default();
        let shop = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (prometheus, alertmanager) = (free_address(), free_address());
        let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
        write("rules.yml", RULES.to_owned());
        write("prometheus.yml", prometheus_yml(shop.local_addr().unwrap(), alertmanager));
        write("alertmanager.yml", alertmanager_yml(pager, repeat));
        tokio::spawn(keep_shop(shop, rates.clone()));

        let at = folder.path();
        let mut command = Command::new("prometheus-alertmanager");
        command.args(["--config.file=alertmanager.yml", "--storage.path=alertmanager", "--log.level=debug"]);
        command.args([&format!("--web.listen-address={alertmanager}"), "--cluster.listen-address="]);
        let running_alertmanager = Process::start("alertmanager", command.current_dir(at), at);
        let mut command = Command::new("prometheus");
        command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=prometheus"]);
        command.arg(format!("--web.listen-address={prometheus}"));
        let running_prometheus = Process::start("prometheus", command.current_dir(at), at);

        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        for address in [alertmanager, prometheus] {
            eventually("Prometheus and Alertmanager to be ready", async || {
                let answer = http.get(format!("http://{address}/-/ready")).send().await;
                answer.is_ok_and(|a| a.status().is_success())
            })
            .await;
        }
        Self {
            _prometheus: running_prometheus,
            _alertmanager: running_alertmanager,
            alertmanager,
            http,
            rates,
            _folder: folder,
        }
    }

    /// From now on so many percent of the checkouts of a case fail. Above 5
    /// is critical.
    pub(crate) fn checkouts_fail(&self, case: &str, percent: f64) {
        self.rates.lock().unwrap().insert(case.to_owned(), percent);
    }

    /// Where Alertmanager is.
    pub(crate) fn alertmanager(&self) -> String {
        format!("http://{}", self.alertmanager)
    }

    /// What its API answers to a `GET`.
    pub(crate) async fn ask(&self, what: &str) -> Vec<Value> {
        let url = format!("{}/api/v2/{what}", self.alertmanager());
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// How often Alertmanager called the pager in vain.
    pub(crate) async fn failed_calls(&self) -> f64 {
        let url = format!("http://{}/metrics", self.alertmanager);
        let text = self.http.get(url).send().await.unwrap().text().await.unwrap();
        let name = "alertmanager_notification_requests_failed_total{integration=\"webhook\"} ";
        text.lines().find_map(|line| line.strip_prefix(name)?.parse().ok()).unwrap()
    }
}

const RULES: &str = r#"
groups:
  - name: checkout
    rules:
      - alert: CheckoutErrorRate
        expr: checkout_errors_percent > 5
        labels: {severity: critical, team: payments}
        annotations:
          summary: '{{ $value | printf "%.1f" }} % of checkouts fail in {{ $labels.case }}'
          runbook_url: https://runbooks.example.com/checkout
"#;

fn prometheus_yml(shop: SocketAddr, alertmanager: SocketAddr) -> String {
    format!(
        "global: {{scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}}\n\
         rule_files: [rules.yml]\n\
         alerting: {{alertmanagers: [{{static_configs: [{{targets: [\"{alertmanager}\"]}}]}}]}}\n\
         scrape_configs: [{{job_name: shop, static_configs: [{{targets: [\"{shop}\"]}}]}}]\n"
    )
}

fn alertmanager_yml(pager: &Pager, repeat: &str) -> String {
    format!(
        "route: {{receiver: larkhorn, group_by: [alertname, case], group_wait: 0s, group_interval: 1s, \
         repeat_interval: {repeat}}}\n\
         receivers:\n\
         - name: larkhorn\n  \
           webhook_configs:\n  \
           - {{url: \"{}\", http_config: {{authorization: {{credentials: {TOKEN}}}}}}}\n",
        pager.url("/webhook/alertmanager")
    )
}

/// Answers every request with the rates, as Prometheus reads them.
async fn keep_shop(listener: TcpListener, rates: Rates) {
    while let Ok((stream, _)) = listener.accept().await {
        let mut text = String::new();
        for (case, percent) in rates.lock().unwrap().iter() {
            writeln!(text, "checkout_errors_percent{{case=\"{case}\"}} {percent}").unwrap();
        }
        tokio::spawn(answer(stream, text));
    }
}

async fn answer(mut stream: TcpStream, text: String) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{text}",
        text.len()
    );
    stream.write_all(answer.as_bytes()).await
}
