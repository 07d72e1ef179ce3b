//! `larkhorn fake-feishu`: the sandbox on its own.

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;

use super::output::say;
use crate::app::SystemClock;
use crate::sandbox::{self, Sandbox};
use crate::settings::parse_listen;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  larkhorn fake-feishu --listen 127.0.0.1:0")]
pub(super) struct Options {
    /// Address and port to listen on; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9120", value_parser = parse_listen)]
    listen: SocketAddr,
}

pub(super) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let told_to_stop = super::told_to_stop()?;
    let world = sandbox::Options { open_world: true, ..sandbox::Options::default() };
    let sandbox = Sandbox::new(Arc::new(SystemClock), world);
    let listener = TcpListener::bind(options.listen)
        .with_context(|| format!("cannot listen on {}; `--listen` names another address", options.listen))?;
    listener.set_nonblocking(true)?;
    let running = sandbox.serve(listener)?;
    say(&format!("fake Feishu listening on {}", running.url()));
    say("Any app id and secret will do. Chats and people come to be when they are first named.");
    told_to_stop.await;
    running.stop().await;
    Ok(ExitCode::SUCCESS)
}
