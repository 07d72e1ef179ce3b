//! Does Feishu know everybody who may be paged?

use std::collections::BTreeMap;

use super::{Check, Patient};
use crate::domain::Contact;
use crate::feishu::{UserId, UserIdKind};

/// How Feishu names the people of the rules, by the rules' name for them. Who is
/// not in it is unknown to Feishu.
pub(super) type KnownPeople = BTreeMap<String, UserId>;

pub(super) async fn look(patient: &Patient<'_>, tell: &mut (dyn FnMut(Check) + Send)) -> KnownPeople {
    let mut known = KnownPeople::new();
    let Some(rules) = patient.rules else {
        tell(Check::skip("people", "the rules cannot be read"));
        return known;
    };
    let contacts: Vec<Contact> = rules.people().map(|person| person.contact.clone()).collect();
    let found = match patient.client.look_up(patient.now, &contacts).await {
        Ok(found) => found,
        Err(error) => {
            let mend = "grant contact:user.id:readonly, see scopes";
            tell(Check::fail("people", format!("nobody can be looked up: {error}"), mend));
            BTreeMap::new()
        }
    };
    for person in rules.people() {
        let name = format!("person:{}", person.name);
        let kind = person.contact.kind();
        let Some(id) = UserId::of(&person.contact) else {
            match found.get(&person.contact) {
                Some(Some(open_id)) => {
                    known.insert(person.name.clone(), UserId::new(UserIdKind::OpenId, open_id.clone()));
                    tell(Check::ok(name, format!("found by {kind}")));
                }
                Some(None) => tell(Check::fail(
                    name,
                    format!("Feishu knows nobody by that {kind}, or the app may not see them"),
                    "correct it under people, take out who has left, or widen the app's contact data range",
                )),
                None => tell(Check::skip(name, "nobody can be looked up")),
            }
            continue;
        };
        match patient.client.knows(patient.now, &id).await {
            Ok(true) => {
                known.insert(person.name.clone(), id);
                tell(Check::ok(name, format!("found by {kind}")));
            }
            Ok(false) => tell(Check::fail(
                name,
                format!("Feishu knows nobody by that {kind}, or the app may not see them"),
                "open_ids are of one app: take them anew for this one, or use email or mobile; \
                 else widen the app's availability and contact data range",
            )),
            // Paging goes by the id; only this look at the person needs a scope.
            Err(error) => {
                known.insert(person.name.clone(), id);
                tell(Check::skip(name, format!("whether Feishu knows them cannot be told: {error}")));
            }
        }
    }
    known
}
