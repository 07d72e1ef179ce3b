//! Where the database is, and how a connection to it is made.
//!
//! The address is a URL of libpq's kind. TLS is verified or not used at all: by
//! default it is demanded of every host but those of this machine, and
//! `sslmode=disable` does without it. Several hosts are tried in turn, for one that takes writes. `sslrootcert=FILE` names the authority of a private
//! certificate; without it the machine's own authorities count.
//!
//! # Invariants
//!
//! * Neither the password nor the URL is part of any message.
//! * A connection that hangs is given up: connecting after [`CONNECT`], a peer that
//!   does not acknowledge after [`UNHEARD`], a statement after [`STATEMENT`]. A transaction
//!   that is left open is ended by the server after [`IDLE`], so that a process that
//!   stands still holds up nobody for longer.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::client::Client;
use super::session::Session;
use crate::store::StoreError;

/// For connecting.
const CONNECT: Duration = Duration::from_secs(4);
/// For an acknowledgement of what was sent.
const UNHEARD: Duration = Duration::from_secs(5);
/// For a statement, a wait for other writers included.
const STATEMENT: Duration = Duration::from_secs(7);
/// For the next statement of a transaction.
const IDLE: Duration = Duration::from_secs(4);

/// Where the database is. Cheap to clone.
#[derive(Clone)]
pub(super) struct Address {
    config: Config,
    /// `None`: without TLS.
    tls: Option<MakeRustlsConnect>,
    /// Host and database, as messages name them.
    name: Arc<str>,
}

impl Address {
    /// Reads a URL; `password`, where there is one, takes the place of the URL's.
    pub(super) fn parse(url: &SecretString, password: Option<&SecretString>) -> Result<Self, StoreError> {
        let wrong = |why: String| StoreError::Unavailable(format!("store.url: {why}"));
        let (url, root) = without_root(url.expose_secret());
        let (url, mode) = with_known_mode(&url);
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| wrong(plain(&error)))?;
        if let Some(password) = password {
            config.password(password.expose_secret());
        }
        if config.get_hosts().is_empty() {
            return Err(wrong("it names no host; write postgres://user@host/database".to_owned()));
        }
        config
            .application_name("larkhorn")
            // Of several hosts the one that takes writes, whichever it is after a failover.
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .connect_timeout(CONNECT)
            .tcp_user_timeout(UNHEARD)
            .keepalives_idle(Duration::from_secs(3))
            .keepalives_interval(Duration::from_secs(2))
            .keepalives_retries(2);
        let local = config.get_hosts().iter().all(is_here);
        let tls = match mode {
            Some(SslMode::Disable) => None,
            None if local && root.is_none() => None,
            _ => Some(tls(root.as_deref().map(Path::new)).map_err(wrong)?),
        };
        config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        let name = name(&config).into();
        Ok(Self { config, tls, name })
    }

    /// Host and database, without anything secret.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Connects. Blocks, for [`CONNECT`] at most for each host.
    pub(super) fn connect(&self) -> Result<Session, StoreError> {
        let client = self.client()?;
        Ok(Session::of(client))
    }

    /// The same, for one's own statements.
    pub(super) fn client(&self) -> Result<Client, StoreError> {
        let connected = match &self.tls {
            Some(tls) => Client::connect(&self.config, tls.clone()),
            None => Client::connect(&self.config, NoTls),
        };
        let settled = connected.and_then(|client| {
            // Tables that empty and fill by the second are never what statistics say
            // they are: every statement has its index, and compiling none is worth it.
            client.batch(&format!(
                "SET statement_timeout = {}; SET lock_timeout = {}; \
                 SET idle_in_transaction_session_timeout = {}; SET client_min_messages = warning; \
                 SET synchronous_commit = on; SET enable_seqscan = off; SET jit = off",
                STATEMENT.as_millis(),
                STATEMENT.as_millis(),
                IDLE.as_millis()
            ))?;
            Ok(client)
        });
        settled.map_err(|error| self.named(error))
    }

    /// Says why the database cannot be used.
    pub(super) fn unavailable(&self, why: impl std::fmt::Display) -> StoreError {
        StoreError::Unavailable(format!("database {}: {why}", self.name))
    }

    /// Names the database in a message that does not.
    pub(super) fn named(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::Unavailable(why) if why.starts_with("database ") => StoreError::Unavailable(why),
            StoreError::Unavailable(why) => self.unavailable(why),
            StoreError::Conflict => StoreError::Conflict,
        }
    }
}

/// An error of the driver's with its causes, on one line.
pub(super) fn plain(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        return format!("{} ({})", said.message(), said.code().code());
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

fn name(config: &Config) -> String {
    let hosts = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    });
    let ports = config.get_ports().iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let (hosts, database) = (hosts.collect::<Vec<_>>().join(","), config.get_dbname().unwrap_or("(default)"));
    if ports.is_empty() { format!("{database} at {hosts}") } else { format!("{database} at {hosts}:{ports}") }
}

/// The URL without `sslrootcert`, which the driver does not know, and that.
fn without_root(url: &str) -> (String, Option<String>) {
    let mut root = None;
    let rest = with_query(url, |key, value| {
        let is_root = key == "sslrootcert";
        if is_root {
            root = Some(value.replace("%2F", "/").replace("%2f", "/"));
        }
        !is_root
    });
    (rest, root)
}

/// The URL without `sslmode`, and what that asked for. Verifying modes the driver
/// does not know are what `require` is here.
fn with_known_mode(url: &str) -> (String, Option<SslMode>) {
    let mut mode = None;
    let rest = with_query(url, |key, value| {
        let is_mode = key == "sslmode";
        if is_mode {
            mode = Some(if value == "disable" { SslMode::Disable } else { SslMode::Require });
        }
        !is_mode
    });
    (rest, mode)
}

/// The URL with those parameters of its query that `keep` wants.
fn with_query(url: &str, mut keep: impl FnMut(&str, &str) -> bool) -> String {
    let Some((base, query)) = url.split_once('?') else { return url.to_owned() };
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            keep(key, value)
        })
        .collect();
    if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) }
}

fn tls(root: Option<&Path>) -> Result<MakeRustlsConnect, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let Some(path) = root else {
        let config = versions.with_platform_verifier().map_err(|error| error.to_string())?;
        return Ok(MakeRustlsConnect::new(config.with_no_client_auth()));
    };
    let unusable = |why: String| format!("sslrootcert {} cannot be used: {why}", path.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.to_string()))? {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unusable("it holds no certificate".to_owned()));
    }
    Ok(MakeRustlsConnect::new(versions.with_root_certificates(roots).with_no_client_auth()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> Result<Address, StoreError> {
        Address::parse(&SecretString::from(url.to_owned()), None)
    }

    #[test]
    fn tls_is_demanded_of_other_machines_unless_it_is_switched_off() {
        for (url, with_tls) in [
            ("postgres://lark@localhost/lark", false),
            ("postgres://lark@127.0.0.1:5433/lark", false),
            ("postgres://lark@%2Fvar%2Frun%2Fpostgresql/lark", false),
            ("postgres://lark@localhost/lark?sslmode=require", true),
            ("postgres://lark@db.example.com/lark", true),
            ("postgres://lark@a.example.com,localhost/lark", true),
            ("postgres://lark@db.example.com/lark?sslmode=verify-full&connect_timeout=3", true),
            ("postgres://lark@db.example.com/lark?sslmode=prefer", true),
            ("postgres://lark@db.example.com/lark?sslmode=disable", false),
        ] {
            let found = address(url).unwrap();
            assert_eq!(found.tls.is_some(), with_tls, "{url}");
            let mode = if with_tls { SslMode::Require } else { SslMode::Disable };
            assert_eq!(found.config.get_ssl_mode(), mode, "{url}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_without_the_password() {
        for (url, why) in [
            ("postgres://lark:hunter2@h/d?sslmoode=x", "sslmoode"),
            ("postgres://lark:hunter2@h:notaport/d", "port"),
            ("postgres://lark:hunter2@h/d?sslrootcert=/nowhere.pem", "/nowhere.pem"),
        ] {
            let Err(error) = address(url) else { panic!("{url}") };
            assert!(error.to_string().contains(why), "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        assert_eq!(address("postgres://lark:hunter2@h:5433/d").unwrap().name(), "d at h:5433");
    }
}
