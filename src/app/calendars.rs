//! Reads the calendars of others that the rules name, again and again, and keeps
//! the last good copies.
//!
//! # Invariants
//!
//! * A copy gives way only to one that can be understood: a server that is away, or
//!   answers with a page to log in, changes nobody's shifts.
//! * Copies are in the store too, so that a start needs nobody else: what is in force
//!   at first is what was last.
//! * Only calendars are read on the clock, never the rules: those change when somebody
//!   says so.
//! * Addresses are secrets; they are shown as [`CalendarAddress`] shows them.
//!
//! What is in a calendar, and who that puts on call, is said by `rules`.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, MutexGuard, watch};

use super::clients::{CALL_TIMEOUT, CONNECT_TIMEOUT};
use super::files::RuleFiles;
use crate::domain::Clock;
use crate::rules::{CalendarAddress, CalendarCopy, Calendars, RuleSet, calendar_problem};
use crate::store::Store;
use crate::telemetry::Metrics;
use crate::wire;

/// How often calendars are read. As often as Grafana `OnCall` did.
const EVERY: Duration = Duration::from_mins(10);
/// The largest calendar that is read, in bytes.
const BYTES_MAX: usize = 8 * 1024 * 1024;
/// A calendar that takes longer to understand is refused.
const UNDERSTOOD_IN: Duration = Duration::from_secs(10);
/// A copy that has not changed is written down again after so long.
const KEEP_EVERY: SignedDuration = SignedDuration::from_hours(6);
/// What repeats is worked out anew after so long, though nothing has changed.
const REBUILD_EVERY: SignedDuration = SignedDuration::from_hours(24);
/// Somebody is told of a calendar that could not be read for so long.
const STALE: SignedDuration = SignedDuration::from_hours(24);

/// Reads calendars, side by side.
pub(super) async fn read_all(addresses: &BTreeSet<CalendarAddress>, now: Timestamp) -> Calendars {
    let any_url = addresses.iter().any(|address| address.url().is_some());
    let http = any_url.then(|| wire::client(CALL_TIMEOUT, CONNECT_TIMEOUT));
    let read = addresses.iter().map(async |address| {
        let text = match (address.file(), address.url(), &http) {
            (Some(file), ..) => read_file(file),
            (_, Some(url), Some(Ok(http))) => ask(http, url).await,
            (_, _, Some(Err(error))) => Err(error.clone()),
            _ => Err("it is neither a file nor an address".to_owned()),
        };
        let copy = match text {
            Ok(text) => usable(CalendarCopy { text, read_at: now }).await,
            Err(why) => Err(why),
        };
        (address.clone(), copy)
    });
    join_all(read).await.into_iter().collect()
}

/// A copy that can be understood, and in good time: it will be again and again.
async fn usable(copy: CalendarCopy) -> Result<CalendarCopy, String> {
    // In somebody else's parser a small text can take long.
    let look = tokio::task::spawn_blocking(move || match calendar_problem(&copy) {
        None => Ok(copy),
        Some(why) => Err(why),
    });
    match tokio::time::timeout(UNDERSTOOD_IN, look).await {
        Ok(looked) => looked.unwrap_or_else(|_| Err("it cannot be understood".to_owned())),
        Err(_) => Err(format!("it cannot be understood within {} s", UNDERSTOOD_IN.as_secs())),
    }
}

fn read_file(file: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("it cannot be read: {error}");
    let is_file = std::fs::metadata(file).map_err(unreadable)?.is_file();
    if !is_file {
        return Err("it is no file".to_owned());
    }
    let most = u64::try_from(BYTES_MAX).unwrap_or(u64::MAX);
    let mut text = String::new();
    let mut opened = std::fs::File::open(file).map_err(unreadable)?.take(most.saturating_add(1));
    opened.read_to_string(&mut text).map_err(unreadable)?;
    if text.len() > BYTES_MAX { Err(format!("it is larger than {BYTES_MAX} bytes")) } else { Ok(text) }
}

async fn ask(http: &reqwest::Client, url: &str) -> Result<String, String> {
    let url = wire::address(url).ok_or("it is not an http or https address")?;
    let secrets = [url.as_str().into()];
    match wire::answer(http.get(url), BYTES_MAX, &secrets).await {
        Ok((200, body)) => String::from_utf8(body).map_err(|_| "it is not UTF-8".to_owned()),
        Ok((status @ 300..=399, _)) => {
            Err(format!("its server answers {status}, as if it had moved; name the address it moved to"))
        }
        Ok((status, _)) => Err(format!("its server answers {status}")),
        Err(error) => Err(error.message),
    }
}

/// Who has not been read for too long: since when, and which.
pub(super) type Stale = Option<(Timestamp, String)>;

/// The rules files in force with the calendars they name.
pub(super) struct SharedCalendars {
    store: Arc<dyn Store>,
    rules: Arc<ArcSwap<RuleSet>>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    in_force: Mutex<InForce>,
    stale: watch::Sender<Stale>,
}

/// Rules files and when a set was last made of them.
pub(super) struct InForce {
    pub(super) files: RuleFiles,
    built_at: Timestamp,
}

impl SharedCalendars {
    pub(super) fn new(
        files: RuleFiles,
        store: Arc<dyn Store>,
        rules: Arc<ArcSwap<RuleSet>>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Self {
        let in_force = Mutex::new(InForce { files, built_at: clock.now() });
        Self { store, rules, clock, metrics, in_force, stale: watch::Sender::new(None) }
    }

    /// The calendar that was not read for longest, if that is too long.
    pub(super) fn stale(&self) -> watch::Receiver<Stale> {
        self.stale.subscribe()
    }

    /// What is in force, for whoever puts something else in its place: until it is
    /// let go no calendar changes anything.
    pub(super) async fn in_force(&self) -> MutexGuard<'_, InForce> {
        self.in_force.lock().await
    }

    /// Puts rules in force, with the files they were made of.
    pub(super) fn put(&self, in_force: &mut InForce, files: RuleFiles, rules: RuleSet) {
        self.rules.store(Arc::new(rules));
        *in_force = InForce { files, built_at: self.clock.now() };
        self.tell(&in_force.files);
    }

    /// Reads again and again until `stop` turns true.
    pub(super) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = self.refresh() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Gives rules files that somebody wants in force what they lack of calendars; see [`supply`].
    pub(super) async fn supply(&self, files: &mut RuleFiles) {
        supply(files, &*self.store, self.clock.now(), false).await;
    }

    /// Reads all once, and puts in force what has changed.
    async fn refresh(&self) {
        let now = self.clock.now();
        let files = self.in_force().await.files.clone();
        let read = read_all(&files.named(), now).await;
        let mut in_force = self.in_force().await;
        let mut files = in_force.files.clone();
        let mut changed = !read.is_empty() && now.duration_since(in_force.built_at) >= REBUILD_EVERY;
        for (address, copy) in read {
            match copy {
                Ok(copy) => changed |= self.renew(&mut files, address, copy).await,
                Err(why) => tracing::warn!(calendar = %address, why, "a shared calendar cannot be read"),
            }
        }
        if changed {
            self.put_if_good(&mut in_force, files).await;
        } else {
            in_force.files = files;
        }
        let files = in_force.files.clone();
        drop(in_force);
        self.tell(&files);
    }

    /// Puts files in force whose calendars have changed.
    async fn put_if_good(&self, in_force: &mut InForce, files: RuleFiles) {
        let load = tokio::task::spawn_blocking(move || (files.load(), files));
        let Ok((loaded, files)) = load.await else { return };
        match loaded {
            Ok((rules, warnings)) => {
                let of_calendars = warnings.iter().filter(|warning| warning.code.contains("calendar"));
                of_calendars.for_each(|warning| tracing::warn!("{warning}"));
                tracing::info!("shared calendars have changed");
                self.put(in_force, files, rules);
            }
            Err(errors) => errors
                .iter()
                .for_each(|error| tracing::error!("changed calendars cannot be put in force: {error}")),
        }
    }

    /// Takes a copy among the files, and into the store; whether it says anything new.
    async fn renew(&self, files: &mut RuleFiles, address: CalendarAddress, copy: CalendarCopy) -> bool {
        // Rules may have been read again meanwhile, and name it no more.
        if !files.named().contains(&address) {
            return false;
        }
        let before = files.calendar(&address);
        let new = before.is_none_or(|before| before.text != copy.text);
        let due = before.is_none_or(|before| copy.read_at.duration_since(before.read_at) >= KEEP_EVERY);
        if new || due {
            keep(&*self.store, &address, &copy).await;
        }
        files.give(address, Ok(copy));
        new
    }

    fn tell(&self, files: &RuleFiles) {
        let read_at = |address: &CalendarAddress| {
            files.calendar(address).map_or(Timestamp::UNIX_EPOCH, |copy| copy.read_at)
        };
        let named = files.named();
        let times: Vec<_> = named.iter().map(|address| (read_at(address), address.to_string())).collect();
        self.metrics.calendars_read(&times);
        let too_long = |at: Timestamp| self.clock.now().duration_since(at) >= STALE;
        let oldest = times.into_iter().min().filter(|(at, _)| too_long(*at));
        self.stale.send_replace(oldest);
    }
}

/// Gives rules files the calendars that they name: files as they are, of addresses the
/// copies that are kept, else what is read now. What could be had of neither stays unread;
/// `lenient`, a file that cannot be read gives way to its copy.
pub(super) async fn supply(files: &mut RuleFiles, store: &dyn Store, now: Timestamp, lenient: bool) {
    let (here, there): (BTreeSet<_>, BTreeSet<_>) =
        files.lacking().into_iter().partition(|address| address.file().is_some());
    for (address, copy) in read_all(&here, now).await {
        let copy = match copy {
            Err(why) if lenient => match kept(store, &address).await {
                Some(copy) => {
                    tracing::error!(calendar = %address, why, "a shared calendar cannot be read; its last copy serves");
                    Ok(copy)
                }
                None => Err(why),
            },
            copy => copy,
        };
        supplied(files, store, address, copy).await;
    }
    let mut unread = BTreeSet::new();
    for address in there {
        match kept(store, &address).await {
            Some(copy) => files.give(address, Ok(copy)),
            None => drop(unread.insert(address)),
        }
    }
    for (address, copy) in read_all(&unread, now).await {
        supplied(files, store, address, copy).await;
    }
}

async fn supplied(
    files: &mut RuleFiles,
    store: &dyn Store,
    address: CalendarAddress,
    copy: Result<CalendarCopy, String>,
) {
    if let Ok(copy) = &copy {
        keep(store, &address, copy).await;
    }
    files.give(address, copy);
}

/// The copy that the store keeps, if this release can use it.
async fn kept(store: &dyn Store, address: &CalendarAddress) -> Option<CalendarCopy> {
    let found = store.calendar(address.digest()).await.unwrap_or_else(|error| {
        tracing::warn!(calendar = %address, %error, "no copy of a shared calendar can be read from the store");
        None
    });
    usable(found?).await.ok()
}

async fn keep(store: &dyn Store, address: &CalendarAddress, copy: &CalendarCopy) {
    if let Err(error) = store.keep_calendar(address.digest(), copy.clone()).await {
        tracing::warn!(calendar = %address, %error, "the copy of a shared calendar cannot be kept");
    }
}
