//! `larkhorn replay`: what the webhooks of the last days would have done under other rules.
//!
//! The webhooks that the store keeps are played twice through the real pager, on
//! virtual time: by the old rules, and by the new ones. Nobody answers in either
//! play, so both climb as far as the alerts' own recovery lets them.

mod compare;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use jiff::Timestamp;

use super::output::{Format, Paint, say};
use super::scene::Scene;
use super::when::When;
use crate::app::rehearsal::{Cue, Curtain, Happens, Told};
use crate::app::{self, SystemClock};
use crate::domain::Clock;
use crate::rules::{RuleSet, parse_duration};
use crate::settings::{Settings, SettingsError, StoreUrl};
use crate::store::sqlite::backup;
use crate::store::{Delivery, Store};

const MORE: &str = "\
The webhooks are those that the store of the settings keeps (7 days unless the settings say more); the \
pager need not stop. Nobody answers in a replay: both sides climb until the alerts recover, or page the \
last resort until the next webhook. Incidents are the same when they open at the same time with the same title.

Examples:
  larkhorn replay --new rules
  larkhorn replay --old rules --new rules --since 24h -o json";

/// Webhooks read at a time, and bytes of their bodies.
const PAGE: (usize, usize) = (256, 16 << 20);

#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub(super) struct Options {
    /// Rules to compare with: a file or folder (default: `rules` of the settings)
    #[arg(long, value_name = "PATH")]
    old: Option<PathBuf>,
    /// Rules that are to be judged: a file or folder
    #[arg(long, value_name = "PATH")]
    new: PathBuf,
    /// Only webhooks that came since then: a time, or how long ago, such as 24h (default: all that are kept)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// How to print it
    #[arg(short, long, default_value = "text")]
    output: Format,
}

pub(super) async fn run(
    options: Options,
    settings: impl FnOnce() -> Result<Settings, SettingsError>,
    paint: Paint,
) -> anyhow::Result<ExitCode> {
    let settings = settings()?;
    let scene = Scene::of(&settings)?;
    let read = async |path: &PathBuf| {
        let checked = app::read_rules(std::slice::from_ref(path), SystemClock.now()).await?;
        Ok::<_, anyhow::Error>(Arc::new(checked.rules))
    };
    let old = read(options.old.as_ref().unwrap_or(&settings.rules)).await?;
    let new = read(&options.new).await?;
    let since = match options.since.as_deref() {
        Some(text) => since(text, &scene)?,
        None => Timestamp::UNIX_EPOCH,
    };
    let webhooks = journal(&settings, since).await?;
    if webhooks.is_empty() {
        bail!("the store keeps no webhook since then, so there is nothing to replay");
    }
    let mut progress = Progress::new(webhooks.len() * 2);
    let before = play(&scene, &old, &webhooks, &mut progress).await?;
    let after = play(&scene, &new, &webhooks, &mut progress).await?;
    progress.clear();
    let found = compare::Found::of(&before, &after, webhooks.len());
    match options.output {
        Format::Json => say(&serde_json::to_string(&found.json(&scene.zone))?),
        Format::Text => found.lines(&scene.zone, paint).iter().for_each(|line| say(line)),
    }
    Ok(ExitCode::SUCCESS)
}

fn since(text: &str, scene: &Scene) -> anyhow::Result<Timestamp> {
    if let Some(span) = parse_duration(text) {
        return SystemClock.now().checked_sub(span).with_context(|| format!("--since {text}: too long ago"));
    }
    let when =
        When::parse(text).map_err(|why| anyhow::anyhow!("--since {text}: {why}; or how long ago, as 24h"))?;
    when.instant(&scene.zone)
}

/// The webhooks that the store keeps. A file is copied first: it may be in use.
async fn journal(settings: &Settings, since: Timestamp) -> anyhow::Result<Vec<Delivery>> {
    let folder = tempfile::Builder::new().prefix("larkhorn-replay-").tempdir()?;
    let mut place = settings.store.clone();
    if let StoreUrl::Sqlite(file) = &settings.store.url {
        let (from, to) = (file.clone(), folder.path().join("copy.db"));
        place.url = StoreUrl::Sqlite(to.clone());
        tokio::task::spawn_blocking(move || backup(&from, &to)).await??;
    }
    let store = tokio::task::spawn_blocking(move || app::open_store(&place)).await??;
    let webhooks = read(store.as_ref(), since).await;
    // Before the folder goes.
    drop(store);
    webhooks
}

async fn read(store: &dyn Store, since: Timestamp) -> anyhow::Result<Vec<Delivery>> {
    let mut webhooks: Vec<Delivery> = Vec::new();
    loop {
        let page = store.journal(webhooks.last().map(|last| last.id), since, PAGE.0, PAGE.1).await?;
        if page.is_empty() {
            return Ok(webhooks);
        }
        webhooks.extend(page);
    }
}

/// What happens by these rules.
async fn play(
    scene: &Scene,
    rules: &Arc<RuleSet>,
    webhooks: &[Delivery],
    progress: &mut Progress,
) -> anyhow::Result<Vec<Told>> {
    let begins = webhooks.iter().map(|webhook| webhook.content.received_at).min().unwrap_or_default();
    let mut rehearsal = scene.rehearse(rules.clone(), begins, Vec::new())?;
    for webhook in webhooks {
        let content = &webhook.content;
        // Clocks of several processes may differ; the order of arrival counts.
        let after = content.received_at.max(rehearsal.now()).duration_since(begins);
        let what =
            Happens::Kept { source: content.source.clone(), kind: content.kind, body: content.body.clone() };
        rehearsal.play(vec![Cue { after, what }], Curtain::After(after)).await?;
        progress.step();
    }
    rehearsal.play(Vec::new(), Curtain::AtRest).await?;
    let told = rehearsal.told().await?;
    rehearsal.end().await;
    Ok(told)
}

/// How far it is, on a terminal.
struct Progress {
    done: usize,
    all: usize,
    shown: bool,
}

impl Progress {
    const WIDTH: usize = 30;

    fn new(all: usize) -> Self {
        Self { done: 0, all: all.max(1), shown: std::io::stderr().is_terminal() }
    }

    fn step(&mut self) {
        self.done += 1;
        // Sixty changes to look at will do.
        let every = (self.all / 60).max(1);
        if self.shown && self.done.is_multiple_of(every) {
            let filled = (self.done * Self::WIDTH / self.all).min(Self::WIDTH);
            let bar = format!("{}{}", "█".repeat(filled), "░".repeat(Self::WIDTH - filled));
            draw(&format!("\r{bar} {}/{} webhooks", self.done, self.all));
        }
    }

    fn clear(&self) {
        if self.shown {
            draw("\r\x1b[K");
        }
    }
}

/// A bar that cannot be drawn is no reason to fail.
fn draw(text: &str) {
    let mut out = std::io::stderr().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}
