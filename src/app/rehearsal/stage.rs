//! The stage: a clock that is moved by hand, and a Feishu with the people and
//! chats of the rules in it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::domain::{Clock, Contact, Person};
use crate::rules::RuleSet;
use crate::sandbox::{Account, Sandbox};

/// Stands still until it is moved.
#[derive(Debug)]
pub(super) struct StageClock(Mutex<Timestamp>);

impl StageClock {
    pub(super) fn new(begins: Timestamp) -> Self {
        Self(Mutex::new(begins))
    }

    pub(super) fn move_to(&self, at: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }
}

impl Clock for StageClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who and what is behind Feishu's ids.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// The rules' names of people, by `open_id`.
    people: BTreeMap<String, String>,
    /// The rules' names of chats, by id.
    chats: BTreeMap<String, String>,
}

impl Names {
    /// Puts everybody on the stage.
    pub(super) fn set_the_stage(sandbox: &Sandbox, rules: &RuleSet) -> Self {
        let mut names = Self::default();
        for person in rules.people() {
            let account = account(person);
            names.people.insert(account.open_id.clone(), person.name.clone());
            sandbox.add_person(account);
        }
        let everybody: Vec<&str> = names.people.keys().map(String::as_str).collect();
        for (name, id) in rules.chats() {
            sandbox.add_chat(&id.0, name, &everybody);
            names.chats.insert(id.0.clone(), name.to_owned());
        }
        names
    }

    pub(super) fn people(&self) -> impl Iterator<Item = (&str, &str)> {
        self.people.iter().map(|(id, name)| (id.as_str(), name.as_str()))
    }

    pub(super) fn person(&self, open_id: &str) -> String {
        self.people.get(open_id).map_or(open_id, String::as_str).to_owned()
    }

    pub(super) fn chat(&self, id: &str) -> Option<&str> {
        self.chats.get(id).map(String::as_str)
    }
}

/// An account that is found by what the rules say of the person.
fn account(person: &Person) -> Account {
    let own = Account::new(&format!("ou_{}", person.name), &person.name);
    match &person.contact {
        Contact::OpenId(id) => Account::new(id, &person.name),
        Contact::UserId(id) => Account { user_id: id.clone(), ..own },
        Contact::UnionId(id) => Account { union_id: id.clone(), ..own },
        Contact::Email(address) => own.email(address),
        Contact::Mobile(number) => own.mobile(number),
    }
}
