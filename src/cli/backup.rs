//! `larkhorn backup`: a copy of the SQLite file, be the pager running or not.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;

use super::output::say;
use crate::settings::{Settings, StoreUrl};
use crate::store::sqlite::backup;

const EXAMPLES: &str = "Examples:
  larkhorn backup copy.db

The copy is consistent and as small as can be; the pager need not stop. To restore, stop the
pager, put the copy in place of the file that store.url names, remove the file's -wal and -shm
companions, and start. Webhooks that arrived after the copy was made are sent again by their
senders as long as their alerts fire.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// File to write; it must not exist
    #[arg(value_name = "FILE")]
    to: PathBuf,
}

pub(super) async fn run(options: Options, settings: Settings) -> anyhow::Result<ExitCode> {
    let StoreUrl::Sqlite(from) = settings.store.url else {
        bail!(
            "the store is a PostgreSQL database: copy it with its own tools, such as \
             `pg_dump --format=custom --file=larkhorn.dump DATABASE`; they need not stop the pager either"
        );
    };
    let to = options.to.clone();
    tokio::task::spawn_blocking(move || backup(&from, &to)).await??;
    say(&format!("{}: written", options.to.display()));
    Ok(ExitCode::SUCCESS)
}
