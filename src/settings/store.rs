//! `store`: where state is kept, and for how long.

use std::fmt;
use std::path::PathBuf;

use jiff::SignedDuration;
use secrecy::{ExposeSecret as _, SecretString};

use super::raw::RawStore;
use super::resolve::Problems;
use crate::rules::parse_duration;

const FILE: &str = "larkhorn.db";
const CONNECTIONS: usize = 8;
/// Fewer do not do: see the store.
const CONNECTIONS_MIN: usize = 4;
const RESOLVED: SignedDuration = SignedDuration::from_hours(90 * 24);
/// Within it an incident may come back, and a month's budget counts it.
const RESOLVED_MIN: SignedDuration = SignedDuration::from_hours(24);
const WEBHOOKS: SignedDuration = SignedDuration::from_hours(7 * 24);
const WEBHOOKS_BYTES: u64 = 256 << 20;

/// `store`: where state is kept, and for how long.
#[derive(Debug, Clone)]
pub struct Store {
    /// Which database.
    pub url: StoreUrl,
    /// Its password, if it is not in the URL.
    pub password: Option<SecretString>,
    /// Connections to PostgreSQL, at most.
    pub connections: usize,
    /// How long incidents are kept after they were resolved.
    pub keep_resolved: SignedDuration,
    /// How long webhooks are kept after they were dealt with.
    pub keep_webhooks: SignedDuration,
    /// How much of them is kept, in bytes; whichever ends first.
    pub keep_webhooks_bytes: u64,
}

/// A database.
#[derive(Clone)]
pub enum StoreUrl {
    /// A SQLite file, from `sqlite://PATH`.
    Sqlite(PathBuf),
    /// A PostgreSQL database, from `postgres://…`, which may hold a password.
    Postgres(SecretString),
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(_) => f.write_str("Postgres(…)"),
        }
    }
}

/// Checks the section.
pub(super) fn store(raw: RawStore, problems: &mut Problems) -> Store {
    let url = problems.secret("store.url", raw.url, raw.url_file);
    let url = url.as_ref().map(store_url).transpose();
    let keep = raw.keep;
    let span = |key: &str, text: Option<String>, least: SignedDuration| {
        text.map(|text| match parse_duration(&text) {
            Some(span) if span >= least => Ok(span),
            Some(_) => Err(format!("{key} is {text:?}: that is too short; {} h at least", least.as_hours())),
            None => Err(format!("{key} is {text:?}: write a length of time, such as 90d or 12h")),
        })
        .transpose()
    };
    Store {
        url: problems.take(url, StoreUrl::Sqlite(FILE.into())),
        password: problems.secret("store.password", raw.password, raw.password_file),
        connections: problems.take(raw.connections.map(connections).transpose(), CONNECTIONS),
        keep_resolved: problems.take(span("store.keep.resolved", keep.resolved, RESOLVED_MIN), RESOLVED),
        keep_webhooks: problems
            .take(span("store.keep.webhooks", keep.webhooks, SignedDuration::ZERO), WEBHOOKS),
        keep_webhooks_bytes: keep.webhooks_bytes.unwrap_or(WEBHOOKS_BYTES),
    }
}

fn connections(number: u64) -> Result<usize, String> {
    let usable = usize::try_from(number).ok().filter(|n| (CONNECTIONS_MIN..=100).contains(n));
    usable.ok_or_else(|| format!("store.connections is {number}: write {CONNECTIONS_MIN} to 100"))
}

fn store_url(text: &SecretString) -> Result<StoreUrl, String> {
    // The URL itself is not repeated: it may carry a password.
    let text = text.expose_secret();
    let (scheme, path) = text.split_once("://").unwrap_or((text, ""));
    match scheme {
        "sqlite" if path.is_empty() || path.ends_with('/') => Err(
            "store.url names no file: write sqlite://larkhorn.db or sqlite:///var/lib/larkhorn/larkhorn.db"
                .into(),
        ),
        "sqlite" => Ok(StoreUrl::Sqlite(PathBuf::from(path))),
        "postgres" | "postgresql" if path.is_empty() => {
            Err("store.url names no database: write postgres://user@host/database".into())
        }
        "postgres" | "postgresql" => Ok(StoreUrl::Postgres(text.into())),
        _ => Err("store.url must start with sqlite:// or postgres://, such as sqlite://larkhorn.db".into()),
    }
}
