//! A test page outside any incident: does a card arrive, does a phone ring?

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context, bail};
use jiff::Timestamp;
use uuid::Uuid;

use super::{Counted, connect, files};
use crate::domain::{
    ChatId, Clock, Contact, Fingerprint, Incident, IncidentKey, Labels, Ladder, Member, MemberState, Person,
    Policy, Response, Severity, Standing, Urgent,
};
use crate::feishu::{Address, CardInput, Client, Content, Paged, Placed, UserId, UserIdKind};
use crate::rules::RuleSet;
use crate::settings::Settings;
use crate::telemetry::Metrics;

/// What to try.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The chat's name in the rules; `None`: the person's conversation with the bot.
    pub chat: Option<String>,
    /// The person's name in the rules; `None`: nobody is buzzed.
    pub person: Option<String>,
    /// How loudly.
    pub urgent: Urgent,
}

/// Sends a test card and buzzes somebody about it; what was done, line by line.
///
/// # Errors
///
/// The first thing that did not work, with Feishu's words and log id.
pub async fn send_test(
    settings: &Settings,
    trial: Trial,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Vec<String>> {
    let checked = files::read_rules(std::slice::from_ref(&settings.rules), clock.now()).await?;
    let (cards, _) = files::read_cards(settings)?;
    let client = connect(settings, Counted::new(Metrics::new(env!("CARGO_PKG_VERSION")), clock.clone()))?;
    let person = trial.person.as_deref().map(|name| find_person(&checked.rules, name)).transpose()?;
    let chat = trial.chat.as_deref().map(|name| find_chat(&checked.rules, name)).transpose()?;
    let now = clock.now();
    let id = match &person {
        Some(person) => Some(user_id(&client, person, now).await?),
        None => None,
    };
    let address = match (chat, &id) {
        (Some(chat), _) => Address::Chat(chat),
        (None, Some(id)) => Address::User(id.clone()),
        (None, None) => bail!("nowhere to send to: name a --chat, a --person or both"),
    };
    let incident = incident(now);
    let paged: Vec<Paged> =
        person.iter().map(|p| Paged { name: p.name.clone(), urgent: trial.urgent, seen: false }).collect();
    let card = cards.render(&CardInput { incident: &incident, alerts: &[], paged: &paged }, now).json;
    let sent = client.send(now, &address, &Content::Card(card), &Uuid::new_v4()).await?;
    let mut lines = vec![format!("card sent: {} in {}", sent.message.0, sent.chat.0)];
    let (Some(person), Some(id)) = (person, id) else { return Ok(lines) };
    let text = cards.buzz_line(&incident, "", (1, 1), std::slice::from_ref(&person.name));
    let line =
        client.reply(now, &sent.message, &Content::Text(text), Placed::InChat, &Uuid::new_v4()).await?;
    let urged = client
        .urge(now, &line.message, trial.urgent, std::slice::from_ref(&id))
        .await
        .map_err(|failed| failed.cause)?;
    if !urged.refused.is_empty() {
        bail!("Feishu would not buzz {}: not in that chat; try again without --chat", person.name);
    }
    if trial.urgent > Urgent::None {
        lines.push(format!("{} buzz accepted for {}; did it arrive?", trial.urgent, person.name));
    }
    Ok(lines)
}

fn find_person<'a>(rules: &'a RuleSet, name: &str) -> anyhow::Result<&'a Person> {
    let known = || rules.people().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", ");
    rules.person(name).with_context(|| format!("the rules know no person {name:?}; known: {}", known()))
}

pub(super) fn find_chat(rules: &RuleSet, name: &str) -> anyhow::Result<ChatId> {
    let known = || rules.chats().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
    rules.chat(name).cloned().with_context(|| format!("the rules know no chat {name:?}; known: {}", known()))
}

async fn user_id(client: &Client, person: &Person, now: Timestamp) -> anyhow::Result<UserId> {
    if let Some(id) = UserId::of(&person.contact) {
        return Ok(id);
    }
    let contact: &Contact = &person.contact;
    let found = client.look_up(now, std::slice::from_ref(contact)).await?;
    let open_id = found.get(contact).cloned().flatten();
    open_id.map(|open_id| UserId::new(UserIdKind::OpenId, open_id)).with_context(|| {
        format!(
            "Feishu knows nobody by the {} of {}, or the app's contact data range leaves them out",
            contact.kind(),
            person.name
        )
    })
}

/// An incident that is none.
pub(super) fn incident(now: Timestamp) -> Incident {
    let member = Member { state: MemberState::Firing, starts_at: Some(now), changed_at: now, listing: None };
    Incident {
        id: None,
        version: 1,
        key: IncidentKey { rule: "send-test".to_owned(), group: String::new() },
        source: "larkhorn".to_owned(),
        title: "LarkhornTest".to_owned(),
        summary: "This is a test. Nothing is wrong. 这是一次测试，一切正常。".to_owned(),
        labels: [("alertname", "LarkhornTest")].into_iter().collect::<Labels<'_>>().into_owned(),
        external_url: String::new(),
        places: Vec::new(),
        template: "alert".to_owned(),
        pin: false,
        thread: false,
        invite: false,
        standing: Standing {
            members: BTreeMap::from([(Fingerprint(0), member)]),
            severity: Severity {
                rank: 0,
                name: "test".to_owned(),
                urgent: Urgent::None,
                pin: false,
                ack_timeout: None,
                acknowledge_by_targets: false,
            },
            response: Response::Open,
            hold: None,
            epoch: 1,
            paged: BTreeSet::new(),
            catch_alls: 0,
            ladder: Ladder::Idle,
            due_at: None,
            last_step: None,
            policy: Policy::default(),
            generation: 1,
            opened_at: now,
            reopens: 0,
        },
    }
}
