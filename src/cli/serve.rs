//! `larkhorn serve`: the pager.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use crate::app::{self, SystemClock};
use crate::settings::{Settings, parse_listen};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  larkhorn serve
  larkhorn serve --config larkhorn.yaml --listen 127.0.0.1:0 --rules rules")]
pub(super) struct Options {
    /// Address and port to listen on, in place of server.listen
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = parse_listen)]
    listen: Option<SocketAddr>,
    /// Rules file or folder, in place of rules
    #[arg(long, value_name = "PATH")]
    rules: Option<PathBuf>,
}

pub(super) async fn run(options: Options, mut settings: Settings) -> anyhow::Result<ExitCode> {
    if let Some(listen) = options.listen {
        settings.server.listen = listen;
    }
    if let Some(rules) = options.rules {
        settings.rules = rules;
    }
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut told_to_stop = std::pin::pin!(super::told_to_stop()?);
    let mut pager = app::start(settings, Arc::new(SystemClock)).await?;
    loop {
        tokio::select! {
            () = &mut told_to_stop => break,
            _ = hang_up.recv() => pager.reload().await,
            error = pager.ended() => return Err(error),
        }
    }
    tracing::info!("stopping");
    pager.stop().await;
    Ok(ExitCode::SUCCESS)
}
