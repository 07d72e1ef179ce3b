//! `larkhorn demo`: the whole way of a page, played in a second.
//!
//! A fake Feishu and a real pager are started side by side, in memory and in a
//! temporary folder; captured webhooks are posted to the pager over HTTP, and
//! each line printed was read back from what arrived on the phones.

mod clock;
mod story;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use self::clock::DemoClock;
use super::output::say;
use super::words::Words;
use crate::app;
use crate::sandbox::{self, Sandbox};
use crate::settings::Settings;

/// A ladder of three steps for payments, one step for the rest.
const RULES: &str = include_str!("rules.yaml");
/// Ports that are tried first; any free ones serve as well.
const PAGER_PORT: u16 = 9119;
const PHONES_PORT: u16 = 9120;
/// How long the pager may take to connect.
const CONNECTED: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  larkhorn demo
  larkhorn demo --once")]
pub(super) struct Options {
    /// End when the story has been told instead of leaving the pages open
    #[arg(long)]
    once: bool,
}

pub(super) async fn run(options: Options, words: Words) -> anyhow::Result<ExitCode> {
    // Heeded from here on: an early Ctrl-C must not leave the folder behind.
    let told_to_stop = super::told_to_stop()?;
    let folder = tempfile::Builder::new().prefix("larkhorn-demo-").tempdir()?;
    let clock = Arc::new(DemoClock::default());
    let world = sandbox::Options { open_world: true, ..sandbox::Options::default() };
    let sandbox = Sandbox::new(clock.clone(), world);
    story::set_the_stage(&sandbox, words);
    let phones = sandbox.serve(listen(PHONES_PORT)?)?;
    let listener = listen(PAGER_PORT)?;
    let settings = settings(folder.path(), &listener.local_addr()?, &phones.url(), words)?;
    let pager = app::start_on(listener, settings, clock.clone()).await?;
    let pager_url = format!("http://{}", pager.addr());

    let show = async {
        connected(&sandbox).await?;
        play(&sandbox, &phones.url(), &pager_url, words, clock.as_ref()).await?;
        if !options.once {
            say(words.pick(
                "\nOpen the pages in a browser. Ctrl-C ends the demo.",
                "\n用浏览器打开以上页面。按 Ctrl-C 结束演示。",
            ));
            std::future::pending::<()>().await;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        shown = show => shown?,
        () = told_to_stop => {}
    }
    pager.stop().await;
    phones.stop().await;
    folder.close().context("the demo's temporary folder could not be removed")?;
    Ok(ExitCode::SUCCESS)
}

/// Waits until the pager hears what is pressed on the phones.
async fn connected(sandbox: &Sandbox) -> anyhow::Result<()> {
    let open = sandbox.until(|sandbox| sandbox.connections() > 0);
    tokio::time::timeout(CONNECTED, open)
        .await
        .with_context(|| format!("the demo's pager opened no long connection in {} s", CONNECTED.as_secs()))
}

/// Tells the story, then where to look at it.
async fn play(
    sandbox: &Sandbox,
    phones_url: &str,
    pager_url: &str,
    words: Words,
    clock: &DemoClock,
) -> anyhow::Result<()> {
    say(words.pick(
        "larkhorn demo: a fake Feishu, a real pager, webhooks captured from real senders\n",
        "larkhorn 演示：假飞书、真值班呼叫、从真实系统截获的 webhook\n",
    ));
    story::play(sandbox, pager_url, words, clock).await?;
    say(&format!("\n  {}  {phones_url}/", words.pick("two phones  ", "两部手机")));
    say(&format!("  {}  {pager_url}/", words.pick("the pager   ", "值班呼叫")));
    Ok(())
}

/// A listener on loopback, on the port if it is free.
fn listen(port: u16) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .context("no free port on 127.0.0.1")?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Settings as a user would write them, touching nothing outside the folder.
fn settings(folder: &Path, listen: &SocketAddr, feishu: &str, words: Words) -> anyhow::Result<Settings> {
    std::fs::write(folder.join("oncall.yaml"), RULES)?;
    let text = format!(
        "server: {{listen: {listen}, external_url: \"http://{listen}\"}}\n\
         store: {{url: \"sqlite://{db}\"}}\n\
         feishu: {{base_url: {feishu}, app_id: cli_demo, app_secret: demo, locale: {locale}}}\n\
         rules: oncall.yaml\n",
        db = folder.join("larkhorn.db").display(),
        locale = words.0.as_str(),
    );
    let file = folder.join("larkhorn.yaml");
    std::fs::write(&file, text)?;
    Ok(Settings::load(Some(&file), std::iter::empty())?)
}
