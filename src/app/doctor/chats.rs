//! Is the bot in every chat and allowed to speak and urge, and is everybody in
//! the chats that page them?

use std::collections::{BTreeMap, BTreeSet};

use super::people::KnownPeople;
use super::{Check, Patient};
use crate::domain::{ChatId, Target, Urgent};
use crate::feishu::UserIdKind;
use crate::rules::{Rule, RuleSet};

pub(super) async fn look(patient: &Patient<'_>, known: &KnownPeople, tell: &mut (dyn FnMut(Check) + Send)) {
    let Some(rules) = patient.rules else {
        tell(Check::skip("chats", "the rules cannot be read"));
        return;
    };
    for (chat, id) in rules.chats() {
        let name = format!("chat:{chat}");
        match patient.client.is_in_chat(patient.now, id).await {
            Ok(true) => {}
            Ok(false) => {
                let mend = "add the bot to the group: its settings, Bots, Add; cards go to people directly until then";
                tell(Check::fail(name, format!("the bot is not in {}", id.0), mend));
                continue;
            }
            Err(error) => {
                let mend = "copy the chat's id anew: the group's settings show it at their end";
                tell(Check::fail(name, format!("{}: {error}", id.0), mend));
                continue;
            }
        }
        match patient.client.chat_settings(patient.now, id).await {
            Ok(settings) => tell(allowed(&name, &settings, buzzes(rules))),
            Err(error) => {
                tell(Check::warn(name, format!("what it allows cannot be told: {error}"), "see scopes"));
            }
        }
        members(patient, rules, (chat, id), known, tell).await;
    }
}

/// Whether the bot may do there what it has to.
fn allowed(name: &str, chat: &crate::feishu::ChatSettings, buzzes: bool) -> Check {
    let title = &chat.name;
    if !chat.may_speak {
        let mend = "make the bot an administrator of the group, or let everybody write in it";
        return Check::fail(name, format!("the bot may not write in {title:?}"), mend);
    }
    if buzzes && chat.external {
        let mend = "use a group of this company alone; people are buzzed by direct message until then";
        return Check::warn(
            name,
            format!("{title:?} has members of other companies: nobody can be buzzed there"),
            mend,
        );
    }
    if buzzes && !chat.may_urge {
        let mend = "let everybody buzz in the group's settings, or make the bot an administrator; people are buzzed \
                    by direct message until then";
        return Check::warn(name, format!("the bot may not buzz people in {title:?}"), mend);
    }
    Check::ok(name, format!("the bot is in {title:?} and may write and buzz"))
}

fn buzzes(rules: &RuleSet) -> bool {
    rules.severities().iter().any(|row| row.urgent > Urgent::None)
}

/// Whether everybody whom a rule pages in a chat is in it.
async fn members(
    patient: &Patient<'_>,
    rules: &RuleSet,
    (chat, id): (&str, &ChatId),
    known: &KnownPeople,
    tell: &mut (dyn FnMut(Check) + Send),
) {
    // Whom rules with the card there page; whether all of these rules invite them.
    let mut paged: BTreeMap<&str, bool> = BTreeMap::new();
    for rule in rules.rules().iter().filter(|rule| rule.chats.first() == Some(id)) {
        for person in people_of(rules, rule) {
            let invited = paged.entry(person).or_insert(true);
            *invited &= rule.invite;
        }
    }
    if paged.is_empty() {
        return;
    }
    let kinds: BTreeSet<UserIdKind> =
        paged.keys().filter_map(|person| known.get(*person)).map(|id| id.kind).collect();
    let mut inside: BTreeSet<(UserIdKind, String)> = BTreeSet::new();
    for kind in kinds {
        match patient.client.members(patient.now, id, kind).await {
            Ok(members) => inside.extend(members.into_iter().map(|member| (kind, member))),
            Err(error) => {
                let why = format!("who is in it cannot be told: {error}");
                tell(Check::warn(format!("members:{chat}"), why, "see scopes"));
                return;
            }
        }
    }
    let outside =
        |person: &&str| known.get(*person).is_some_and(|id| !inside.contains(&(id.kind, id.value.clone())));
    let missing: Vec<&str> = paged
        .iter()
        .filter(|(person, invited)| !**invited && outside(person))
        .map(|(person, _)| *person)
        .collect();
    let name = format!("members:{chat}");
    tell(if missing.is_empty() {
        Check::ok(name, "everybody whom its rules page is in it, or will be added")
    } else {
        Check::warn(
            name,
            format!("not in it: {}; they get a direct message instead", missing.join(", ")),
            "add them to the group, or set invite: true in the rule",
        )
    });
}

/// Everybody a rule may page, whoever is on call.
fn people_of<'r>(rules: &'r RuleSet, rule: &'r Rule) -> BTreeSet<&'r str> {
    let mut people = BTreeSet::new();
    for target in rule.policy.steps.iter().flat_map(|step| &step.notify) {
        match target {
            Target::Person(name) => drop(people.insert(name.as_str())),
            Target::Team(name) => {
                let team = rules.teams().find(|(team, _)| team == name);
                people.extend(team.into_iter().flat_map(|(_, members)| members.iter().map(String::as_str)));
            }
            Target::Schedule(name) => people.extend(rules.schedule_people(name)),
            Target::Chat(_) => {}
        }
    }
    people
}
