//! People's answers: from cards, chat and the API to the engine, and back to
//! them in words.
//!
//! Who somebody is, is looked for among the people of the rules. What they may
//! do is decided by `escalation`; a stranger in Feishu may only look.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;

use crate::domain::{Action, Actor, Answer, Clock, Contact, Incident, IncidentId, MessageId, Via};
use crate::feishu::callbacks::{Inbound, OperatorIds, Pressed, StormButton, Toast, ToastKind, spoken};
use crate::feishu::listening::{Heard, Listener, Unheard};
use crate::http::{ActError, Actions};
use crate::rules::RuleSet;
use crate::settings::Reactions;
use crate::store::{Store, StoreError};
use crate::worker::courier::Courier;
use crate::worker::engine::{Answered, Engine};

/// Incidents that the card of a storm lists at most.
const STORM_LISTED_MAX: usize = 30;

/// See the module.
pub(super) struct Conversation {
    pub(super) engine: Arc<Engine>,
    pub(super) courier: Arc<Courier>,
    pub(super) store: Arc<dyn Store>,
    pub(super) rules: Arc<ArcSwap<RuleSet>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) reactions: Reactions,
}

#[async_trait]
impl Actions for Conversation {
    async fn act(
        &self,
        id: IncidentId,
        action: Action,
        actor: Actor,
        epoch: Option<u64>,
    ) -> Result<(Answer, Option<Incident>), ActError> {
        let known = self.rules.load().person(&actor.name).is_some();
        let actor = Actor { known, ..actor };
        match self.engine.act(id, &action, &actor, epoch, self.clock.now()).await {
            Ok(Some((answer, incident))) => Ok((answer, Some(incident))),
            Ok(None) => Err(ActError::NotFound),
            Err(error) => {
                tracing::error!(incident = %id, %error, "an action cannot be kept");
                Err(ActError::Unavailable)
            }
        }
    }
}

#[async_trait]
impl Listener for Conversation {
    async fn hear(&self, inbound: Inbound) -> Result<Heard, Unheard> {
        self.take(inbound).await.map_err(|error| {
            tracing::error!(%error, "what Feishu said cannot be kept");
            Unheard
        })
    }
}

impl Conversation {
    async fn take(&self, inbound: Inbound) -> Result<Heard, StoreError> {
        match inbound {
            Inbound::Press { operator, value: Pressed::Incident(button), .. } => {
                self.answer(&operator, button.incident, button.action, Some(button.epoch), Via::Card).await
            }
            Inbound::Press { operator, value: Pressed::Storm(button), .. } => {
                self.answer_storm(&operator, button).await
            }
            Inbound::Said { event_id, sender, parent, root, text, .. } => {
                let Some(action) = spoken(&text) else { return Ok(Heard::default()) };
                let about: Vec<MessageId> = root.into_iter().chain(parent).collect();
                self.once(event_id, &sender, about, action, Via::Reply).await
            }
            Inbound::Reacted { event_id, operator, message, emoji, added } => {
                let action = match (added, emoji) {
                    (true, emoji) if emoji == self.reactions.acknowledge => Action::Acknowledge,
                    (false, emoji) if emoji == self.reactions.acknowledge => Action::Unacknowledge,
                    (true, emoji) if emoji == self.reactions.resolve => Action::Resolve,
                    (_, _) => return Ok(Heard::default()),
                };
                self.once(event_id, &operator, vec![message], action, Via::Reaction).await
            }
            Inbound::Read { reader, messages, .. } => {
                self.saw(&reader, messages).await?;
                Ok(Heard::default())
            }
            Inbound::Challenge(_) | Inbound::Other { .. } => Ok(Heard::default()),
        }
    }

    /// An event, which Feishu may repeat, about one of these messages.
    async fn once(
        &self,
        event: String,
        who: &OperatorIds,
        about: Vec<MessageId>,
        action: Action,
        via: Via,
    ) -> Result<Heard, StoreError> {
        if self.store.was_heard(event.clone()).await? {
            return Ok(Heard::default());
        }
        for message in about {
            if let Some(incident) = self.store.incident_of(message).await? {
                self.answer(who, incident, action, None, via).await?;
                break;
            }
        }
        self.store.mark_heard(event, self.clock.now()).await?;
        Ok(Heard::default())
    }

    /// Somebody has read messages; what of them is about incidents is noted, once
    /// for each person. Repeating it changes nothing.
    async fn saw(&self, who: &OperatorIds, messages: Vec<MessageId>) -> Result<(), StoreError> {
        let Some(name) = self.name_of(who).await? else { return Ok(()) };
        let mut incidents = BTreeSet::new();
        for message in messages {
            incidents.extend(self.store.incident_of(message).await?);
        }
        for incident in incidents {
            self.engine.saw(incident, &name, self.clock.now()).await?;
        }
        Ok(())
    }

    async fn answer(
        &self,
        who: &OperatorIds,
        id: IncidentId,
        action: Action,
        epoch: Option<u64>,
        via: Via,
    ) -> Result<Heard, StoreError> {
        let Some(name) = self.name_of(who).await? else { return Ok(stranger()) };
        let actor = Actor { name, known: true, via };
        let Some((answer, incident)) = self.engine.act(id, &action, &actor, epoch, self.clock.now()).await?
        else {
            let toast = toast(ToastKind::Error, "这个事件已不存在", "This incident is gone");
            return Ok(Heard { toast: Some(toast), card: None });
        };
        let card = self.courier.draw(&incident).await?;
        Ok(Heard { toast: Some(words(&action, &answer)), card: Some(card) })
    }

    /// Somebody wants to have all incidents of a storm that its card showed.
    async fn answer_storm(&self, who: &OperatorIds, button: StormButton) -> Result<Heard, StoreError> {
        let Some(name) = self.name_of(who).await? else { return Ok(stranger()) };
        let actor = Actor { name, known: true, via: Via::Card };
        let ids = self.store.storm_open(button.storm, button.seen).await?;
        let answered = self.engine.acknowledge_all(&ids, &actor, self.clock.now()).await?;
        let Some(storm) = self.store.storm(button.storm, STORM_LISTED_MAX).await? else {
            let toast =
                toast(ToastKind::Error, "这张卡片上的事件已不存在", "The incidents of this card are gone");
            return Ok(Heard { toast: Some(toast), card: None });
        };
        let came_since = storm.total().saturating_sub(button.seen);
        let toast = storm_words(answered, came_since);
        Ok(Heard { toast: Some(toast), card: Some(self.courier.draw_storm(&storm)) })
    }

    /// The rules' name of somebody, by any of their ids; `None`: a stranger.
    async fn name_of(&self, who: &OperatorIds) -> Result<Option<String>, StoreError> {
        let rules = self.rules.load_full();
        let ids = who.contacts();
        if let Some(person) = rules.people().find(|person| ids.contains(&person.contact)) {
            return Ok(Some(person.name.clone()));
        }
        let by_address: BTreeMap<Contact, String> = rules
            .people()
            .filter(|person| matches!(person.contact, Contact::Email(_) | Contact::Mobile(_)))
            .map(|person| (person.contact.clone(), person.name.clone()))
            .collect();
        let known = self.store.directory(by_address.keys().cloned().collect()).await?;
        let found = known.into_iter().find(|(_, entry)| {
            entry.open_id.as_ref().is_some_and(|open_id| ids.contains(&Contact::OpenId(open_id.clone())))
        });
        Ok(found.and_then(|(contact, _)| by_address.get(&contact).cloned()))
    }
}

/// Who is not among the people of the rules may only look.
fn stranger() -> Heard {
    let toast = toast(
        ToastKind::Warning,
        "规则的 people 里没有你，请联系管理员添加",
        "You are not among the people of the rules; ask to be added",
    );
    Heard { toast: Some(toast), card: None }
}

/// What whoever wanted to have all incidents of a storm reads.
fn storm_words(answered: Answered, came_since: u64) -> Toast {
    let Answered { taken, not_allowed } = answered;
    let (zh, en) = match taken {
        0 => ("没有需要认领的事件".to_owned(), "There is nothing left to acknowledge".to_owned()),
        1 => ("已认领 1 个事件".to_owned(), "1 incident is yours".to_owned()),
        taken => (format!("已认领 {taken} 个事件"), format!("{taken} incidents are yours")),
    };
    let (zh, en) = match not_allowed {
        0 => (zh, en),
        n => (
            format!("{zh}；{n} 个只有被呼叫的人可以认领"),
            format!("{en}; only the people paged may answer {n}"),
        ),
    };
    let (zh, en) = match came_since {
        0 => (zh, en),
        n => (
            format!("{zh}；之后又来了 {n} 个，请再看一眼"),
            format!("{en}; {n} came since, please look again"),
        ),
    };
    let kind = match (taken, not_allowed) {
        (_, 1..) => ToastKind::Warning,
        (0, 0) => ToastKind::Info,
        (1.., 0) => ToastKind::Success,
    };
    Toast::new(kind, zh, en)
}

fn toast(kind: ToastKind, zh: &str, en: &str) -> Toast {
    Toast::new(kind, zh, en)
}

/// What whoever pressed a button reads.
fn words(action: &Action, answer: &Answer) -> Toast {
    match answer {
        Answer::Done => {
            let (zh, en) = match action {
                Action::Acknowledge => ("已认领，不再呼叫其他人", "It is yours; nobody else is called"),
                Action::Unacknowledge => ("已取消认领，将重新开始呼叫", "Taken back; paging starts over"),
                Action::Snooze { .. } => ("已静音", "Snoozed"),
                Action::Resolve => ("已关闭", "Resolved"),
                Action::Escalate => ("已升级到下一步", "Escalated to the next step"),
                Action::HandOver { .. } => ("已转交", "Handed over"),
                Action::Silence { .. } => ("已静默", "Silenced"),
            };
            toast(ToastKind::Success, zh, en)
        }
        Answer::Already { by: Some(by) } | Answer::Outdated { by: Some(by) } => {
            Toast::new(ToastKind::Info, format!("{by} 已经在处理"), format!("{by} has it already"))
        }
        Answer::Already { by: None } => toast(ToastKind::Info, "已经是这个状态", "It is so already"),
        Answer::Outdated { by: None } => {
            toast(ToastKind::Info, "卡片已更新，请再看一眼", "The card has changed; please look again")
        }
        Answer::Over => toast(ToastKind::Info, "事件已经结束", "It is over already"),
        Answer::NotAllowed => toast(
            ToastKind::Warning,
            "这个级别只有被呼叫的人可以认领",
            "Only the people paged may answer this severity",
        ),
        Answer::Impossible { .. } => toast(ToastKind::Warning, "这里做不到", "That cannot be done here"),
    }
}
