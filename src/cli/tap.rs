//! `larkhorn tap`: what comes in and what is decided on a running server, as it happens.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::incidents::{facts, word};
use super::output::{Format, Paint, Tone, printable, say};
use super::server::{self, Server};
use crate::settings::{Settings, SettingsError};

/// The server shows that it is alive more often than that.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// No event is longer.
const EVENT_BYTES_MAX: usize = 1 << 20;

const MORE: &str = "\
Webhooks as they are accepted, incidents as they open, climb, are answered and end, and jobs as they are delivered. \
What happens while nobody watches is not shown; `larkhorn incidents show` tells it. Ctrl-C ends it.

Examples:
  larkhorn tap
  larkhorn tap --count 1 -o json";

#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub(super) struct Options {
    #[command(flatten)]
    server: server::ServerOptions,
    /// End after so many events
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// How to print them; JSON is one object a line
    #[arg(short, long, default_value = "text")]
    output: Format,
}

pub(super) async fn run(
    options: Options,
    settings: impl FnOnce() -> Result<Settings, SettingsError>,
    paint: Paint,
) -> anyhow::Result<ExitCode> {
    let told_to_stop = super::told_to_stop()?;
    let settings = server::settings(&options.server, settings)?;
    let server = Server::new(&options.server, &settings)?;
    let watch = watch(&server, &options, &settings.timezone, paint);
    tokio::select! {
        watched = watch => watched?,
        () = told_to_stop => {}
    }
    Ok(ExitCode::SUCCESS)
}

async fn watch(server: &Server, options: &Options, zone: &TimeZone, paint: Paint) -> anyhow::Result<()> {
    let mut response = server.stream(&["api", "v1", "tap"]).await?;
    let (mut events, mut seen) = (Events::default(), 0_u64);
    loop {
        let part = tokio::time::timeout(SILENCE_MAX, response.chunk()).await;
        let part = part.with_context(|| format!("nothing came for {} s", SILENCE_MAX.as_secs()))?;
        let Some(bytes) = part.context("the line broke")? else { bail!("the server has ended the stream") };
        for (name, data) in events.feed(&bytes)? {
            match options.output {
                Format::Text => say(&line(&name, &data, zone, paint)),
                Format::Json => say(&json!({ "event": name, "data": data }).to_string()),
            }
            seen += 1;
            if options.count.is_some_and(|count| seen >= count) {
                return Ok(());
            }
        }
    }
}

/// Puts server-sent events together as their bytes come.
#[derive(Default)]
struct Events {
    bytes: Vec<u8>,
    name: String,
    data: String,
}

impl Events {
    /// The events that are complete with these bytes.
    fn feed(&mut self, bytes: &[u8]) -> anyhow::Result<Vec<(String, Value)>> {
        self.bytes.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\r', '\n']);
            if let Some(name) = line.strip_prefix("event: ") {
                name.clone_into(&mut self.name);
            } else if let Some(data) = line.strip_prefix("data: ") {
                self.data.push_str(data);
            } else if line.is_empty() && !self.data.is_empty() {
                let data = serde_json::from_str(&self.data).context("an event is not larkhorn's")?;
                events.push((std::mem::take(&mut self.name), data));
                self.data.clear();
            }
        }
        if self.bytes.len() + self.data.len() > EVENT_BYTES_MAX {
            bail!("an event is longer than {EVENT_BYTES_MAX} bytes; is this larkhorn?");
        }
        Ok(events)
    }
}

/// An event for people.
fn line(name: &str, data: &Value, zone: &TimeZone, paint: Paint) -> String {
    let at = word(data, "at");
    let wall =
        at.parse::<Timestamp>().map_or(at, |at| at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string());
    let (subject, what, tone, rest) = match name {
        "webhook" => {
            (word(data, "source"), "accepted".to_owned(), Tone::Cyan, facts(data, &["at", "source"]))
        }
        "incident" => {
            let kind = word(data, "kind");
            let tone = match kind.as_str() {
                "opened" | "reopened" | "exhausted" | "catch_all" | "severity_rose" => Tone::Red,
                "delivery_failed" | "fell_back" | "held_back" => Tone::Yellow,
                "acknowledged" | "resolved" | "resolved_by" => Tone::Green,
                _ => Tone::Bold,
            };
            (word(data, "incident"), kind.replace('_', " "), tone, facts(data, &["at", "incident", "kind"]))
        }
        "job" => {
            let what = format!("{} {}", word(data, "job"), word(data, "end").replace('_', " "));
            (word(data, "incident"), what, Tone::Dim, facts(data, &["at", "incident", "job", "end"]))
        }
        _ => (String::new(), name.to_owned(), Tone::Yellow, facts(data, &["at"])),
    };
    let line = format!(
        "{wall:8}  {name:8}  {:12}  {}  {}",
        printable(&subject),
        paint.tint(tone, &printable(&what)),
        printable(&rest)
    );
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_put_together_however_their_bytes_come() {
        let text = ": watching\n\nevent: incident\ndata: {\"title\":\"磁盘\"}\n\n: alive\n\nevent: skipped\ndata: {\"count\":3}\n\n";
        for size in [1, 2, 7, 1000] {
            let mut events = Events::default();
            let parts = text.as_bytes().chunks(size);
            let seen: Vec<_> = parts.flat_map(|part| events.feed(part).unwrap()).collect();
            assert_eq!(
                seen,
                [
                    ("incident".to_owned(), json!({"title": "磁盘"})),
                    ("skipped".to_owned(), json!({"count": 3}))
                ]
            );
        }
        assert!(Events::default().feed(b"data: no\n\n").is_err());
        assert!(Events::default().feed(&vec![b'x'; EVENT_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn an_event_reads_as_a_line() {
        let plain = Paint::of_env(&[("NO_COLOR".to_owned(), "1".to_owned())]);
        let data = json!({"at": "2026-11-27T18:14:00.000Z", "incident": "INC-1", "kind": "opened", "severity": "critical", "title": "a\nb"});
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let shown = line("incident", &data, &zone, plain);
        assert_eq!(shown, "02:14:00  incident  INC-1         opened  severity=critical title=a\u{fffd}b");
    }
}
