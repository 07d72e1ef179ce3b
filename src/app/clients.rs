//! Clients to whoever the settings name: none of them connects before it is used.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::ExposeSecret as _;

use super::Counted;
use crate::alertmanager;
use crate::feishu::{Client, ClientConfig};
use crate::settings::Settings;
use crate::wire;
use crate::worker::self_check::Watcher;

/// For a whole call to Feishu or Alertmanager, in seconds. Shorter than a job's lease.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// For connecting to either.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client to the Feishu of the settings.
pub(super) fn connect(settings: &Settings, counted: Counted) -> anyhow::Result<Client> {
    let credentials = settings.feishu_required()?;
    let config = ClientConfig {
        base_url: settings.feishu.base_url.clone(),
        app_id: credentials.app_id,
        app_secret: credentials.app_secret,
        timeout: CALL_TIMEOUT,
        connect_timeout: CONNECT_TIMEOUT,
    };
    Ok(Client::new(config, Arc::new(counted))?)
}

/// The outside watcher of the settings, if they name one.
pub(super) fn watcher(settings: &Settings) -> anyhow::Result<Option<Watcher>> {
    let Some(url) = &settings.heartbeat_url else { return Ok(None) };
    let http = wire::client(CALL_TIMEOUT, CONNECT_TIMEOUT).map_err(anyhow::Error::msg)?;
    let watcher = Watcher::new(http, url.expose_secret());
    Ok(Some(watcher.context("self_check.heartbeat_url is not an http or https address")?))
}

/// A client to the Alertmanager of the settings, if they name one.
pub(super) fn connect_alertmanager(settings: &Settings) -> anyhow::Result<Option<alertmanager::Client>> {
    let Some(url) = settings.alertmanager_url.clone() else { return Ok(None) };
    let config = alertmanager::ClientConfig {
        url,
        bearer_token: None,
        timeout: CALL_TIMEOUT,
        connect_timeout: CONNECT_TIMEOUT,
    };
    Ok(Some(alertmanager::Client::new(&config)?))
}
