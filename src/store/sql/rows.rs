//! Domain values as columns and JSON, and back.
//!
//! The only place that knows the written form of a value.
//! What is written here is read by later releases: fields may be added with a
//! default, never renamed or given another meaning without a migration.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{ChatId, Contact, Destination, Labels, Person, SourceKind, Urgent};
use crate::store::StoreError;

/// Labels as they are written.
pub(super) type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// A stored value that this release cannot read.
pub(super) fn unreadable(what: &str, why: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("a stored {what} cannot be read: {why}"))
}

/// The written form of an instant; see the head of `migrations/0001_initial.sql`.
pub(in crate::store) fn stamp(at: Timestamp) -> String {
    format!("{at:.9}")
}

/// Reads [`stamp`] back.
pub(super) fn instant(text: &str) -> Result<Timestamp, StoreError> {
    text.parse().map_err(|e| unreadable("instant", e))
}

/// Reads [`stamp`] back where it may be absent.
pub(super) fn instant_opt(text: Option<&str>) -> Result<Option<Timestamp>, StoreError> {
    text.map(instant).transpose()
}

/// A count or version as databases hold it; its range ends where no count ever gets.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Reads [`number`] back.
pub(super) fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A row limit as databases hold it.
pub(super) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// A value as JSON.
pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|e| StoreError::Unavailable(format!("a value cannot be written: {e}")))
}

/// Reads [`to_json`] back; `what` names the value should that fail.
pub(super) fn from_json<'a, T: Deserialize<'a>>(what: &str, text: &'a str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|e| unreadable(what, e))
}

/// The kind of a delivery, from [`SourceKind::as_str`].
pub(super) fn source_kind(word: &str) -> Result<SourceKind, StoreError> {
    [SourceKind::Alertmanager, SourceKind::Grafana, SourceKind::GrafanaLegacy]
        .into_iter()
        .find(|kind| kind.as_str() == word)
        .ok_or_else(|| unreadable("delivery", format_args!("unknown kind `{word}`")))
}

/// Reads [`Urgent::as_str`] back.
pub(super) fn urgent(word: &str) -> Result<Urgent, StoreError> {
    Urgent::from_word(word).ok_or_else(|| unreadable("loudness", format_args!("unknown word `{word}`")))
}

/// A person: name, kind of contact, contact. A list, so that equal ones are written alike.
#[derive(Serialize, Deserialize)]
pub(super) struct PersonRow<'a>(
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
);

impl<'a> From<&'a Person> for PersonRow<'a> {
    fn from(person: &'a Person) -> Self {
        let contact = &person.contact;
        Self(person.name.as_str().into(), contact.kind().into(), contact.value().into())
    }
}

impl TryFrom<PersonRow<'_>> for Person {
    type Error = StoreError;

    fn try_from(PersonRow(name, kind, value): PersonRow<'_>) -> Result<Self, StoreError> {
        let contact = Contact::new(&kind, value)
            .ok_or_else(|| unreadable("person", format_args!("unknown contact `{kind}`")))?;
        Ok(Self { name: name.into_owned(), contact })
    }
}

/// A chat, or a person.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PlaceRow<'a> {
    Chat(#[serde(borrow)] Cow<'a, str>),
    Direct(#[serde(borrow)] PersonRow<'a>),
}

impl<'a> From<&'a Destination> for PlaceRow<'a> {
    fn from(place: &'a Destination) -> Self {
        match place {
            Destination::Chat(chat) => Self::Chat(chat.0.as_str().into()),
            Destination::Direct(person) => Self::Direct(person.into()),
        }
    }
}

impl TryFrom<PlaceRow<'_>> for Destination {
    type Error = StoreError;

    fn try_from(row: PlaceRow<'_>) -> Result<Self, StoreError> {
        Ok(match row {
            PlaceRow::Chat(chat) => Self::Chat(ChatId(chat.into_owned())),
            PlaceRow::Direct(person) => Self::Direct(person.try_into()?),
        })
    }
}

/// A place as the text it is found by.
pub(super) fn place_key(place: &Destination) -> Result<String, StoreError> {
    to_json(&PlaceRow::from(place))
}

/// Reads [`place_key`] back.
pub(super) fn place(key: &str) -> Result<Destination, StoreError> {
    from_json::<PlaceRow<'_>>("place", key)?.try_into()
}

/// A person as the text they are found by.
pub(super) fn person_key(person: &Person) -> Result<String, StoreError> {
    to_json(&PersonRow::from(person))
}

/// Reads [`person_key`] back.
pub(super) fn person(key: &str) -> Result<Person, StoreError> {
    from_json::<PersonRow<'_>>("person", key)?.try_into()
}

/// A label set as pairs, in its order.
pub(super) fn pairs<'a>(labels: &'a Labels<'_>) -> Pairs<'a> {
    labels.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// Reads [`pairs`] back.
pub(super) fn labels(pairs: Pairs<'_>) -> Labels<'static> {
    Labels::from_pairs(pairs).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_come_back_exactly_and_sort_as_text() {
        let year_1: Timestamp = "0001-01-01T00:00:00Z".parse().unwrap();
        let precise: Timestamp = "2026-11-22T09:50:41.123456789Z".parse().unwrap();
        let whole: Timestamp = "2026-11-22T09:50:41Z".parse().unwrap();
        let sorted = [Timestamp::MIN, year_1, Timestamp::UNIX_EPOCH, whole, precise, Timestamp::MAX];
        for at in sorted {
            assert_eq!(instant(&stamp(at)).unwrap(), at, "{}", stamp(at));
        }
        assert!(sorted.map(stamp).is_sorted());
        assert!(instant("yesterday").unwrap_err().to_string().contains("instant"));
    }

    #[test]
    fn people_and_places_come_back_whatever_they_are_called() {
        let contacts = [
            Contact::OpenId("ou_1".to_owned()),
            Contact::UserId("\"7\"".to_owned()),
            Contact::UnionId("on_\\".to_owned()),
            Contact::Email("lin@example.com".to_owned()),
            Contact::Mobile("+8613800000000".to_owned()),
        ];
        let people = contacts.map(|contact| Person { name: "林 \"O'Hara\"".to_owned(), contact });
        for who in people {
            assert_eq!(person(&person_key(&who).unwrap()).unwrap(), who);
            let direct = Destination::Direct(who);
            assert_eq!(place(&place_key(&direct).unwrap()).unwrap(), direct);
        }
        let chat = Destination::Chat(ChatId("oc_1".to_owned()));
        assert_eq!(place(&place_key(&chat).unwrap()).unwrap(), chat);
        assert!(person("[\"lin\",\"pager\",\"7\"]").unwrap_err().to_string().contains("pager"));
    }
}
