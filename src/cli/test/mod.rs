//! `larkhorn test`: unit tests of rules, played through the real pager.

mod compare;
mod junit;
mod play;
mod sender;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::ValueEnum;
use serde::Serialize;

use self::compare::Line;
use super::columns::{self, Cell};
use super::output::{Paint, Tone, complain, printable, say};
use super::scene::Scene;
use crate::settings::{Settings, SettingsError};

const MORE: &str = "\
A file names the rules under test and plays stories on virtual time:

  rules: ../oncall.yaml        # file or folder, or a list; relative to this file
  now: 2026-11-28 02:14        # when it begins: wall time in `timezone` (Asia/Shanghai), or RFC 3339
  tests:
    - name: lin acknowledges and nobody else is woken
      events:
        - {at: 0m, labels: {alertname: Down, team: payments, severity: critical}}    # it fires
        - {at: 4m, ack: lin}   # also unack, resolve, escalate, snooze: {by: lin, for: 1h}
        - {at: 9m, resolved: {alertname: Down, team: payments, severity: critical}}  # it recovers
        # - {at: 0m, payload: webhook.json}   a captured body
      expect:                  # all pages there are
        - {at: 0m, urgent: phone, to: [lin], step: 1, round: 1, rule: payments}
      expect_none_after: 4m    # for a day, or up to `until: 2h`

Of a page only at, urgent and to are needed. What is due happens before what the story has for the \
same instant.

Examples:
  larkhorn test rules/tests/oncall.yaml
  larkhorn test rules/tests/oncall.yaml --junit report.xml
  larkhorn test -o json rules/tests/oncall.yaml";

/// Pages of a failed test that are shown to people: a ladder goes on for a day.
const SHOWN_MAX: usize = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Junit,
}

#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub(super) struct Options {
    /// Files of tests; - is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Also write a report as JUnit's XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// How to print what came out
    #[arg(short, long, default_value = "text")]
    output: Format,
}

/// What came of a file.
#[derive(Debug, Serialize)]
struct Report {
    file: String,
    /// Why its tests could not be run.
    errors: Vec<String>,
    tests: Vec<Verdict>,
}

/// What came of a test.
#[derive(Debug, Serialize)]
struct Verdict {
    name: String,
    line: u64,
    ok: bool,
    /// What could not be done, or was not as expected, in words.
    problems: Vec<String>,
    /// Expected and real pages in order, where they differ.
    pages: Vec<Line>,
    /// On the machine's clock.
    #[serde(skip)]
    seconds: f64,
}

impl Report {
    fn passes(&self) -> bool {
        self.errors.is_empty() && self.tests.iter().all(|test| test.ok)
    }
}

pub(super) async fn run(
    options: Options,
    settings: impl FnOnce() -> Result<Settings, SettingsError>,
    paint: Paint,
) -> anyhow::Result<ExitCode> {
    let settings = settings().or_else(|_| Settings::defaults())?;
    let scene = Scene::of(&settings)?;
    let mut reports = Vec::new();
    for file in &options.files {
        let report = play::file(file, &scene).await?;
        if options.output == Format::Text {
            print(&report, paint);
        }
        reports.push(report);
    }
    let xml = junit::report(&reports);
    if let Some(file) = &options.junit {
        std::fs::write(file, &xml).with_context(|| format!("{}: cannot be written", file.display()))?;
    }
    let ok = reports.iter().all(Report::passes);
    match options.output {
        Format::Text => say(&summary(&reports, paint)),
        Format::Json => {
            let json = serde_json::json!({ "ok": ok, "files": serde_json::to_value(&reports)? });
            say(&json.to_string());
        }
        Format::Junit => say(xml.trim_end()),
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How a file is called in messages.
fn shown(file: &Path) -> String {
    if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() }
}

fn print(report: &Report, paint: Paint) {
    for error in &report.errors {
        complain(&format!("error: {}", printable(error)));
    }
    for test in &report.tests {
        let place = format!("{}:{}", report.file, test.line);
        let (word, tone) = if test.ok { ("ok  ", Tone::Green) } else { ("FAIL", Tone::Red) };
        say(&format!(
            "{}  {}  {}",
            paint.tint(tone, word),
            printable(&test.name),
            paint.tint(Tone::Dim, &printable(&place))
        ));
        for problem in &test.problems {
            say(&format!("      {}", printable(problem)));
        }
        let rows: Vec<Vec<Cell>> = test.pages.iter().take(SHOWN_MAX).map(Line::cells).collect();
        for line in columns::lines(&rows, paint) {
            say(&format!("      {line}"));
        }
        match test.pages.len().saturating_sub(SHOWN_MAX) {
            0 => {}
            more => say(&format!("      … and {more} more; -o json shows them all")),
        }
    }
}

fn summary(reports: &[Report], paint: Paint) -> String {
    let tests = || reports.iter().flat_map(|report| &report.tests);
    let (all, failed) = (tests().count(), tests().filter(|test| !test.ok).count());
    let broken = reports.iter().filter(|report| !report.errors.is_empty()).count();
    let mut words = format!("{} passed", all - failed);
    if failed > 0 {
        words = format!("{words}, {}", paint.tint(Tone::Red, &format!("{failed} failed")));
    }
    if broken > 0 {
        let files = if broken == 1 { "file" } else { "files" };
        words = format!("{words}, {}", paint.tint(Tone::Red, &format!("{broken} {files} not run")));
    }
    words
}
