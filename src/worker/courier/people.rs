//! Who people are to Feishu: ids as the rules give them, or looked up by e-mail
//! address or mobile number and kept.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::Courier;
use crate::domain::{Contact, Destination, Person};
use crate::feishu::{Address, CallError, UserId, UserIdKind, Verdict};
use crate::store::{DirectoryEntry, StoreError};

/// How long an answer of the directory is good.
const KNOWN_FOR: SignedDuration = SignedDuration::from_hours(24);
/// How long "nobody by that address" is believed: people join.
const UNKNOWN_FOR: SignedDuration = SignedDuration::from_mins(10);

/// People, with the ids that Feishu knows them by.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// Those with an id.
    pub(super) ids: Vec<(Person, UserId)>,
    /// Those that Feishu does not know.
    pub(super) unknown: Vec<Person>,
}

impl Known {
    /// The people behind ids.
    pub(super) fn behind(&self, ids: &[UserId]) -> Vec<Person> {
        self.ids.iter().filter(|(_, id)| ids.contains(id)).map(|(person, _)| person.clone()).collect()
    }

    /// Names of those with an id.
    pub(super) fn names(&self) -> Vec<String> {
        self.ids.iter().map(|(person, _)| person.name.clone()).collect()
    }

    /// Those of these names, with their ids.
    pub(super) fn named(&self, names: &[String]) -> Vec<(Person, UserId)> {
        self.ids.iter().filter(|(person, _)| names.contains(&person.name)).cloned().collect()
    }

    /// Just the ids.
    pub(super) fn user_ids(&self) -> Vec<UserId> {
        self.ids.iter().map(|(_, id)| id.clone()).collect()
    }
}

/// Why people could not be looked up.
#[derive(Debug)]
pub(super) enum LookUpError {
    Feishu(CallError),
    Store(StoreError),
}

impl From<StoreError> for LookUpError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Courier {
    /// Finds everybody's id. Feishu is asked at most once, about all that is
    /// unknown or out of date; if it cannot answer, what is out of date still serves.
    pub(super) async fn know(&self, people: &[Person]) -> Result<Known, LookUpError> {
        let by_address: Vec<Contact> = people
            .iter()
            .map(|p| &p.contact)
            .filter(|contact| UserId::of(contact).is_none())
            .cloned()
            .collect();
        let found = self.directory(by_address).await?;
        let mut known = Known::default();
        for person in people {
            let looked_up = || found.get(&person.contact).and_then(|entry| entry.open_id.clone());
            let id = UserId::of(&person.contact)
                .or_else(|| looked_up().map(|open_id| UserId::new(UserIdKind::OpenId, open_id)));
            match id {
                Some(id) => known.ids.push((person.clone(), id)),
                None => known.unknown.push(person.clone()),
            }
        }
        for person in &known.unknown {
            tracing::warn!(
                person = person.name,
                by = person.contact.kind(),
                "Feishu knows nobody by this contact"
            );
        }
        Ok(known)
    }

    /// Asks Feishu anew about those of the people whom it was asked about before: somebody
    /// who came back, or got another address, has another id. `None`: nobody has.
    pub(super) async fn look_again(&self, known: &Known) -> Result<Option<Known>, StoreError> {
        let asked = known.ids.iter().map(|(person, _)| &person.contact);
        let contacts: Vec<Contact> = asked.filter(|c| UserId::of(c).is_none()).cloned().collect();
        if contacts.is_empty() {
            return Ok(None);
        }
        let now = self.clock.now();
        let answers = match self.client.look_up(now, &contacts).await {
            Ok(answers) => answers,
            Err(error) => {
                tracing::warn!(%error, "the directory cannot be asked again about people who were refused");
                return Ok(None);
            }
        };
        let entries = answers.iter().map(|(contact, open_id)| {
            (contact.clone(), DirectoryEntry { open_id: open_id.clone(), looked_up_at: now })
        });
        self.store.remember(entries.collect()).await?;
        let (mut fresh, mut changed) = (Known { ids: Vec::new(), unknown: known.unknown.clone() }, false);
        for (person, id) in &known.ids {
            match answers.get(&person.contact) {
                None => fresh.ids.push((person.clone(), id.clone())),
                Some(None) => fresh.unknown.push(person.clone()),
                Some(Some(open_id)) => {
                    let now_known = UserId::new(UserIdKind::OpenId, open_id.clone());
                    changed |= now_known != *id;
                    fresh.ids.push((person.clone(), now_known));
                }
            }
        }
        Ok(changed.then_some(fresh))
    }

    /// Where a person is now whom Feishu has just refused; `None`: still there, or nowhere.
    pub(super) async fn fresh_address(
        &self,
        to: &Destination,
        error: &CallError,
    ) -> Result<Option<Address>, StoreError> {
        let Destination::Direct(person) = to else { return Ok(None) };
        if !is_unknown_to_feishu(error.verdict) {
            return Ok(None);
        }
        let known = match self.know(std::slice::from_ref(person)).await {
            Ok(known) => known,
            Err(LookUpError::Store(error)) => return Err(error),
            Err(LookUpError::Feishu(_)) => return Ok(None),
        };
        let fresh = self.look_again(&known).await?;
        Ok(fresh.and_then(|known| known.ids.into_iter().next()).map(|(_, id)| Address::User(id)))
    }

    async fn directory(
        &self,
        contacts: Vec<Contact>,
    ) -> Result<BTreeMap<Contact, DirectoryEntry>, LookUpError> {
        if contacts.is_empty() {
            return Ok(BTreeMap::new());
        }
        let now = self.clock.now();
        let mut found = self.store.directory(contacts.clone()).await?;
        let stale: Vec<Contact> =
            contacts.into_iter().filter(|c| !found.get(c).is_some_and(|e| is_fresh(e, now))).collect();
        if stale.is_empty() {
            return Ok(found);
        }
        match self.client.look_up(now, &stale).await {
            Ok(answers) => {
                let entries: Vec<_> = answers
                    .into_iter()
                    .map(|(contact, open_id)| (contact, DirectoryEntry { open_id, looked_up_at: now }))
                    .collect();
                self.store.remember(entries.clone()).await?;
                found.extend(entries);
            }
            Err(error) if stale.iter().all(|c| found.contains_key(c)) => {
                tracing::warn!(%error, "the directory cannot be asked; old answers serve");
            }
            Err(error) => return Err(LookUpError::Feishu(error)),
        }
        Ok(found)
    }
}

/// Whether Feishu may have refused somebody because the id that is kept of them is
/// not theirs any more.
pub(super) fn is_unknown_to_feishu(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::TargetInvalid | Verdict::PersonGone)
}

fn is_fresh(entry: &DirectoryEntry, now: Timestamp) -> bool {
    let good_for = if entry.open_id.is_some() { KNOWN_FOR } else { UNKNOWN_FOR };
    now.duration_since(entry.looked_up_at) < good_for
}
