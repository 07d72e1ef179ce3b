//! Looks at phones and timelines after each turn, and remembers what is new.
//!
//! What rang is read from the phones, what was decided from the timelines. A
//! phone rings for a step: the latest that wanted its owner paged that loudly.

use std::collections::BTreeMap;

use anyhow::bail;
use jiff::Timestamp;

use super::stage::Names;
use super::told::{Deed, Moment, Told};
use crate::domain::{Destination, Fact, Incident, IncidentId, MessageId, RecordedEntry, Target, Urgent};
use crate::rules::RuleSet;
use crate::sandbox::{Chat, Message, Pinned, Sandbox};
use crate::store::Store;

/// See the module.
pub(super) struct Witness {
    names: Names,
    told: BTreeMap<IncidentId, Memory>,
    /// Of every card its colour, and whose it is.
    cards: BTreeMap<String, (usize, String, Option<IncidentId>)>,
    buzzes: usize,
    pins: BTreeMap<String, Vec<Pinned>>,
}

/// What is remembered of an incident.
#[derive(Default)]
struct Memory {
    moments: Vec<Moment>,
    entries: usize,
    /// What each step was: when it ran, which, how loud and for whom.
    steps: Vec<Ran>,
    card: Option<(String, String)>,
}

struct Ran {
    step: Option<(u16, u16)>,
    urgent: Option<Urgent>,
    people: Vec<String>,
}

impl Witness {
    pub(super) fn new(names: Names) -> Self {
        let (told, cards, pins) = Default::default();
        Self { names, told, cards, buzzes: 0, pins }
    }

    /// Looks at everything; in the order in which a page comes about.
    pub(super) async fn look(
        &mut self,
        sandbox: &Sandbox,
        store: &dyn Store,
        incidents: &[Incident],
    ) -> anyhow::Result<()> {
        for id in incidents.iter().filter_map(|incident| incident.id) {
            let timeline = store.timeline(id).await?;
            let memory = self.told.entry(id).or_default();
            for entry in timeline.get(memory.entries..).unwrap_or_default() {
                memory.read(entry, &self.names);
            }
            memory.entries = timeline.len();
        }
        let chats = sandbox.chats();
        self.look_at_cards(sandbox, store, &chats).await?;
        self.look_at_pins(sandbox, incidents);
        self.look_at_buzzes(sandbox, store).await
    }

    async fn look_at_cards(
        &mut self,
        sandbox: &Sandbox,
        store: &dyn Store,
        chats: &[Chat],
    ) -> anyhow::Result<()> {
        for chat in chats {
            for message in sandbox.messages(&chat.id).into_iter().filter(Message::is_card) {
                let known = self.cards.get(&message.id);
                if known.is_some_and(|(revisions, ..)| *revisions == message.revisions.len()) {
                    continue;
                }
                let owner = match known {
                    Some((.., owner)) => *owner,
                    None => store.incident_of(MessageId(message.id.clone())).await?,
                };
                let colour = colour(message.content());
                let before = known.map(|(_, colour, _)| colour.clone());
                let seen = (message.revisions.len(), colour.clone(), owner);
                self.cards.insert(message.id.clone(), seen);
                let Some(memory) = owner.map(|id| self.told.entry(id).or_default()) else { continue };
                let first = || message.revisions.first().map(|r| r.content.clone()).unwrap_or_default();
                let card = memory.card.get_or_insert_with(|| (first(), String::new()));
                message.content().clone_into(&mut card.1);
                let place = self.names.chat(&chat.id).unwrap_or(&chat.name).to_owned();
                let what = if before.is_none() { Deed::Card } else { Deed::CardUpdated };
                if before.as_ref() != Some(&colour) {
                    memory.moments.push(Moment {
                        at: message.updated_at(),
                        what,
                        urgent: None,
                        to: vec![place],
                        step: None,
                        more: colour,
                    });
                }
            }
        }
        Ok(())
    }

    /// Pins belong to a place; they are told of the incident there that paged the person last.
    fn look_at_pins(&mut self, sandbox: &Sandbox, incidents: &[Incident]) {
        let people: Vec<(String, String)> =
            self.names.people().map(|(id, name)| (id.to_owned(), name.to_owned())).collect();
        let at = sandbox.now();
        for (open_id, name) in people {
            let pins = sandbox.pins(&open_id);
            let before = self.pins.insert(open_id, pins.clone()).unwrap_or_default();
            let new = pins.iter().filter(|pin| !before.contains(pin)).map(|pin| (Deed::Pin, pin));
            let gone = before.iter().filter(|pin| !pins.contains(pin)).map(|pin| (Deed::Unpin, pin));
            for (what, pin) in new.chain(gone) {
                let owner = incidents.iter().rev().find(|incident| concerns(incident, &name, pin));
                let Some(memory) = owner.and_then(|incident| self.told.get_mut(&incident.id?)) else {
                    continue;
                };
                memory.add(Moment {
                    at,
                    what,
                    urgent: None,
                    to: vec![name.clone()],
                    step: None,
                    more: place(&self.names, pin),
                });
            }
        }
    }

    async fn look_at_buzzes(&mut self, sandbox: &Sandbox, store: &dyn Store) -> anyhow::Result<()> {
        let buzzes = sandbox.buzzes();
        for buzz in buzzes.get(self.buzzes..).unwrap_or_default() {
            let paged = store.incident_of(MessageId(buzz.message.clone())).await?;
            let owner = match paged {
                Some(id) => Some(id),
                // A reminder answers the card; no step asked for it.
                None => match sandbox.message(&buzz.message).and_then(|message| message.parent) {
                    Some(card) => store.incident_of(MessageId(card)).await?,
                    None => None,
                },
            };
            let Some(memory) = owner.map(|id| self.told.entry(id).or_default()) else {
                bail!("{} was buzzed about nothing that is known", self.names.person(&buzz.person));
            };
            let name = self.names.person(&buzz.person);
            let step = paged.and_then(|_| memory.step_of(&name, buzz.urgent));
            memory.add(Moment {
                at: buzz.at,
                what: Deed::Buzz,
                urgent: Some(buzz.urgent),
                to: vec![name],
                step,
                more: String::new(),
            });
        }
        self.buzzes = buzzes.len();
        Ok(())
    }

    /// Who was paged last about the incident; else the first person of the rules.
    pub(super) fn last_paged(&self, id: IncidentId, rules: &RuleSet) -> String {
        let moments = self.told.get(&id).map(|memory| memory.moments.as_slice()).unwrap_or_default();
        let paged = moments.iter().rev().find(|moment| moment.what == Deed::Buzz);
        let anybody = || rules.people().next().map(|person| person.name.clone());
        paged.and_then(|page| page.to.first().cloned()).or_else(anybody).unwrap_or_default()
    }

    /// What happened until now.
    pub(super) fn tell(&self, incidents: Vec<Incident>, rules: &RuleSet, now: Timestamp) -> Vec<Told> {
        let told = incidents.into_iter().map(|incident| {
            let memory = incident.id.and_then(|id| self.told.get(&id));
            let mut moments = memory.map(|memory| memory.moments.clone()).unwrap_or_default();
            let last = moments.last().map_or(now, |moment| moment.at);
            moments.extend(changes_on_call(&incident, rules, last));
            moments.sort_by_key(|moment| moment.at);
            Told { incident, moments, card: memory.and_then(|memory| memory.card.clone()) }
        });
        told.collect()
    }
}

impl Memory {
    fn read(&mut self, entry: &RecordedEntry, names: &Names) {
        let step = number(entry, "step").zip(number(entry, "round"));
        let urgent = text(entry, "urgent").and_then(|word| Urgent::from_word(&word));
        let people = list(entry, "people");
        if matches!(entry.kind.as_str(), "stepped" | "catch_all") {
            self.steps.push(Ran { step, urgent, people: people.clone() });
        }
        match entry.kind.as_str() {
            // The phones tell.
            "card_posted" | "buzzed" | "seen" => return,
            // So they do of a step that buzzes somebody.
            "stepped" if urgent != Some(Urgent::None) && !people.is_empty() => return,
            _ => {}
        }
        let who = [people, list(entry, "refused"), text(entry, "by").into_iter().collect()].concat();
        let place = |to: String| names.chat(&to).map_or(to.clone(), str::to_owned);
        let to = if who.is_empty() { text(entry, "to").map(place).into_iter().collect() } else { who };
        let urgent = urgent.filter(|urgent| *urgent > Urgent::None);
        let what = Deed::Other(entry.kind.clone());
        self.moments.push(Moment { at: entry.at, what, urgent, to, step, more: more(entry) });
    }

    /// Adds something; to what has just happened, if it is the same for somebody else.
    fn add(&mut self, moment: Moment) {
        let same = |last: &&mut Moment| {
            (last.at, &last.what, last.urgent, last.step)
                == (moment.at, &moment.what, moment.urgent, moment.step)
                && last.more == moment.more
                && !last.to.iter().any(|name| moment.to.contains(name))
        };
        match self.moments.last_mut().filter(same) {
            Some(last) => last.to.extend(moment.to),
            None => self.moments.push(moment),
        }
    }

    fn step_of(&self, name: &str, urgent: Urgent) -> Option<(u16, u16)> {
        let paged = |ran: &&Ran| ran.people.iter().any(|person| person == name);
        // A buzz may come out quieter than its step wanted, never louder.
        let wanted = |ran: &&Ran| ran.urgent >= Some(urgent);
        self.steps.iter().rev().filter(paged).find(wanted).and_then(|ran| ran.step)
    }
}

/// Changes of who is on call by the schedules that an incident pages, after it
/// opened and up to `end`.
fn changes_on_call(incident: &Incident, rules: &RuleSet, end: Timestamp) -> Vec<Moment> {
    let opened = incident.standing.opened_at;
    let last_resort = rules.catch_all().map(|all| all.targets.as_slice()).unwrap_or_default();
    let targets = incident.standing.policy.steps.iter().flat_map(|step| &step.notify).chain(last_resort);
    let mut schedules: Vec<&str> = targets
        .filter_map(|target| match target {
            Target::Schedule(name) => Some(name.as_str()),
            Target::Person(_) | Target::Team(_) | Target::Chat(_) => None,
        })
        .collect();
    schedules.sort_unstable();
    schedules.dedup();
    let mut moments = Vec::new();
    for schedule in schedules {
        let mut at = opened;
        while let Some(until) = rules.on_call(schedule, at).and_then(|duty| duty.until) {
            if until > end || until <= at {
                break;
            }
            at = until;
            let duty = rules.on_call(schedule, at);
            let people = duty.into_iter().flat_map(|duty| duty.people).map(|person| person.name);
            moments.push(Moment {
                at,
                what: Deed::OnCall,
                urgent: None,
                to: people.collect(),
                step: None,
                more: schedule.to_owned(),
            });
        }
    }
    moments
}

/// Whether a pin of the person may be the incident's.
fn concerns(incident: &Incident, name: &str, pin: &Pinned) -> bool {
    let there = match pin {
        Pinned::Chat(id) => {
            incident.places.iter().any(|place| matches!(place, Destination::Chat(chat) if chat.0 == *id))
        }
        Pinned::Bot => true,
    };
    there && incident.standing.paged.contains(name)
}

fn place(names: &Names, pin: &Pinned) -> String {
    match pin {
        Pinned::Chat(id) => names.chat(id).unwrap_or(id).to_owned(),
        Pinned::Bot => "bot".to_owned(),
    }
}

/// The colour of a card's header.
fn colour(card: &str) -> String {
    let card: serde_json::Value = serde_json::from_str(card).unwrap_or_default();
    card.pointer("/header/template").and_then(serde_json::Value::as_str).unwrap_or("plain").to_owned()
}

fn fact<'e>(entry: &'e RecordedEntry, name: &str) -> Option<&'e Fact> {
    entry.facts.iter().find(|(known, _)| known == name).map(|(_, fact)| fact)
}

fn text(entry: &RecordedEntry, name: &str) -> Option<String> {
    match fact(entry, name) {
        Some(Fact::Text(text)) => Some(text.clone()),
        Some(Fact::Number(_) | Fact::List(_)) | None => None,
    }
}

fn list(entry: &RecordedEntry, name: &str) -> Vec<String> {
    match fact(entry, name) {
        Some(Fact::List(words)) => words.clone(),
        Some(Fact::Number(_) | Fact::Text(_)) | None => Vec::new(),
    }
}

fn number(entry: &RecordedEntry, name: &str) -> Option<u16> {
    match fact(entry, name) {
        Some(Fact::Number(number)) => u16::try_from(*number).ok(),
        Some(Fact::Text(_) | Fact::List(_)) | None => None,
    }
}

/// What of an entry is neither who nor when, in its own words.
fn more(entry: &RecordedEntry) -> String {
    if entry.kind == "delivery_failed" {
        let [what, reason, instead] =
            ["what", "reason", "instead"].map(|name| text(entry, name).unwrap_or_default());
        let instead = if instead.is_empty() { "given up".to_owned() } else { format!("instead: {instead}") };
        return format!("{what}: {reason}; {instead}");
    }
    let told = ["urgent", "people", "refused", "by", "to", "step", "round", "via"];
    let words = entry.facts.iter().filter(|(name, _)| !told.contains(&name.as_str()));
    let words = words.map(|(name, fact)| match fact {
        Fact::Text(text) => format!("{name}: {text}"),
        Fact::Number(number) => format!("{name}: {number}"),
        Fact::List(words) => format!("{name}: {}", words.join(", ")),
    });
    words.collect::<Vec<_>>().join(", ")
}
