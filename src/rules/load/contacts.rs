//! `people` and `chats`: names and how Feishu knows them.

use super::{CHAT, Documents, Notes, PERSON, Place, Registry, lint, place_of};
use crate::domain::{ChatId, Contact, Person};
use crate::rules::SourceFile;
use crate::rules::document::{PersonEntry, place};

/// Everybody under `people`.
pub(super) fn people<'a>(documents: &mut Documents<'a>, notes: &mut Notes) -> Registry<'a, Person> {
    let mut people = Registry::new(PERSON);
    for (file, document) in documents.iter_mut() {
        for (name, entry) in document.people.take().map(|entries| entries.0).unwrap_or_default() {
            let at = place(file.path, entry.referenced);
            let contact = contact(&name.value, entry.value, (file, at), notes);
            // A person with a bad contact is known all the same: naming them is no second mistake.
            let contact = contact.unwrap_or_else(|| Contact::OpenId(String::new()));
            let person = Person { name: name.value.clone(), contact };
            people.add(&name.value, place_of(file, &name), person, notes);
        }
    }
    people
}

/// All chats under `chats`.
pub(super) fn chats<'a>(documents: &mut Documents<'a>, notes: &mut Notes) -> Registry<'a, ChatId> {
    let mut chats = Registry::new(CHAT);
    for (file, document) in documents.iter_mut() {
        for (name, id) in document.chats.take().map(|entries| entries.0).unwrap_or_default() {
            let at = place_of(file, &id);
            if id.value.trim().is_empty() {
                notes.error(at, format!("chat {:?} has an empty id; give it the chat's oc_… id", name.value));
            } else if !id.value.starts_with("oc_") {
                notes.warning(
                    lint::ODD_ID,
                    at,
                    format!("{:?} does not look like a chat's id; those start with oc_", id.value),
                );
            }
            chats.add(&name.value, place_of(file, &name), ChatId(id.value), notes);
        }
    }
    chats
}

/// The one contact of a person.
fn contact(
    name: &str,
    entry: PersonEntry,
    (file, at): (&SourceFile<'_>, Place<'_>),
    notes: &mut Notes,
) -> Option<Contact> {
    let PersonEntry { open_id, user_id, union_id, email, mobile } = entry;
    let given = [
        ("open_id", open_id),
        ("user_id", user_id),
        ("union_id", union_id),
        ("email", email),
        ("mobile", mobile),
    ];
    let mut given = given.into_iter().filter_map(|(kind, text)| Some((kind, text?)));
    let Some((kind, text)) = given.next() else {
        let kinds = "open_id, user_id, union_id, email or mobile";
        notes.error(at, format!("person {name:?} cannot be reached; give one of {kinds}"));
        return None;
    };
    if let Some((other, text)) = given.next() {
        let message = format!("person {name:?} has both {kind} and {other}; keep one");
        notes.error(place_of(file, &text), message);
        return None;
    }
    let at = place_of(file, &text);
    let value = text.value.trim();
    let looks_right = match kind {
        "open_id" => value.starts_with("ou_"),
        "union_id" => value.starts_with("on_"),
        "email" => value.contains('@'),
        "mobile" => value.trim_start_matches('+').chars().all(|c| c.is_ascii_digit()),
        _ => true,
    };
    if value.is_empty() {
        notes.error(at, format!("person {name:?} has an empty {kind}"));
        return None;
    }
    if !looks_right {
        let form = match kind {
            "open_id" => "those start with ou_",
            "union_id" => "those start with on_",
            "email" => "those hold an @",
            _ => "those are digits, with + and the country code outside China",
        };
        notes.warning(lint::ODD_ID, at, format!("{value:?} does not look like {kind}; {form}"));
    }
    Contact::new(kind, value)
}
