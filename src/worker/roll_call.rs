//! The roll call: whether Feishu still knows the people of the rules, before
//! one of them has to be paged.
//!
//! Asks about everybody who is named by e-mail address or mobile number and was
//! not asked about lately, and keeps the answers, so that a page need not wait for the
//! directory. Who is unknown is counted by `larkhorn_people_unknown` and
//! named in the log, once per change. People named by an id are not asked about:
//! that takes another call and another permission.
//!
//! What to do when somebody turns out unknown in the middle of a page is up to the courier.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::domain::{Clock, Contact};
use crate::feishu::{CallError, Client, UserId};
use crate::rules::RuleSet;
use crate::store::{DirectoryEntry, Store, StoreError};
use crate::telemetry::Metrics;

/// How often the roll is looked at: rules change, and people join.
const EVERY: Duration = Duration::from_mins(10);
/// Age at which an answer is asked for anew: once a day, before the courier
/// would have to ask by itself.
const KNOWN_FOR: SignedDuration = SignedDuration::from_hours(23);

/// See the module.
pub struct RollCall {
    store: Arc<dyn Store>,
    client: Client,
    rules: Arc<ArcSwap<RuleSet>>,
    metrics: Metrics,
    /// Who was unknown when it was last told.
    told: Mutex<BTreeSet<String>>,
}

/// Why the roll was not called.
#[derive(Debug, thiserror::Error)]
pub enum RollCallError {
    /// The directory cannot be asked.
    #[error("Feishu's directory: {0}")]
    Feishu(#[from] CallError),
    /// The store cannot keep the answers.
    #[error("store: {0}")]
    Store(#[from] StoreError),
}

impl RollCall {
    /// A roll call of the rules in force.
    pub fn new(
        store: Arc<dyn Store>,
        client: Client,
        rules: Arc<ArcSwap<RuleSet>>,
        metrics: Metrics,
    ) -> Self {
        Self { store, client, rules, metrics, told: Mutex::default() }
    }

    /// Calls the roll at once and then every few minutes until `stop` is true.
    pub async fn run(self, clock: Arc<dyn Clock>, mut stop: watch::Receiver<bool>) {
        loop {
            let round = async {
                if let Err(error) = self.call(clock.now()).await {
                    tracing::warn!(%error, "whether Feishu knows the people of the rules cannot be told");
                }
                tokio::time::sleep(EVERY).await;
            };
            tokio::select! {
                () = round => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Asks about those who were not asked about lately, or were unknown; the names of those
    /// whom Feishu does not know.
    ///
    /// # Errors
    ///
    /// When Feishu or the store cannot be asked; nothing is told then.
    pub async fn call(&self, now: Timestamp) -> Result<BTreeSet<String>, RollCallError> {
        let rules = self.rules.load_full();
        let by_address = rules.people().filter(|person| UserId::of(&person.contact).is_none());
        let people: BTreeMap<&str, &Contact> = by_address.map(|p| (p.name.as_str(), &p.contact)).collect();
        let contacts: Vec<Contact> = people.values().map(|contact| (*contact).clone()).collect();
        let mut found = self.store.directory(contacts.clone()).await?;
        let stale: Vec<Contact> =
            contacts.into_iter().filter(|c| !found.get(c).is_some_and(|entry| is_good(entry, now))).collect();
        if !stale.is_empty() {
            let answers = self.client.look_up(now, &stale).await?.into_iter();
            let entries: Vec<_> = answers
                .map(|(contact, open_id)| (contact, DirectoryEntry { open_id, looked_up_at: now }))
                .collect();
            self.store.remember(entries.clone()).await?;
            found.extend(entries);
        }
        let is_known = |contact: &Contact| found.get(contact).is_some_and(|entry| entry.open_id.is_some());
        let unknown = people.into_iter().filter(|(_, contact)| !is_known(contact));
        let unknown: BTreeSet<String> = unknown.map(|(name, _)| name.to_owned()).collect();
        self.metrics.people_unknown(unknown.len());
        self.tell(&unknown);
        Ok(unknown)
    }

    /// Logs a change once, not at every call.
    fn tell(&self, unknown: &BTreeSet<String>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told == *unknown {
            return;
        }
        if unknown.is_empty() {
            tracing::info!("Feishu knows everybody of the rules");
        } else {
            let people = unknown.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            tracing::error!(
                people,
                "Feishu does not know these people of the rules, so they cannot be paged: correct their \
                 email or mobile under people, take them out if they have left, or widen the app's contact \
                 data range in Feishu's console"
            );
        }
        told.clone_from(unknown);
    }
}

fn is_good(entry: &DirectoryEntry, now: Timestamp) -> bool {
    entry.open_id.is_some() && now.duration_since(entry.looked_up_at) < KNOWN_FOR
}
