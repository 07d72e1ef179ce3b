//! Storms: of many incidents that come new to a chat at once, the first have a
//! card each, the rest shares one.
//!
//! Whoever comes new while the chat got as many as allowed within the minute
//! before is folded. So the first of a storm are posted as ever, at once; as
//! long as more come than allowed, all of them are folded, and when fewer came
//! for a minute, the next has a card again.
//!
//! # Invariants
//!
//! * An incident that is folded exists, climbs and resolves as any other. Nothing
//!   but its card at that place is left out; whoever is paged for it is buzzed at once.
//! * What a chat has got is counted in the store: a restart changes nothing.
//! * Only group chats are counted. What goes to one person alone is posted.
//!
//! What the card of a storm shows is drawn by the courier.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::desk::Desk;
use super::{CONFLICTS_MAX, Engine, Reachable};
use crate::domain::{Action, Actor, Answer, Destination, Happening, IncidentId, Job, Phase, TimelineEntry};
use crate::store::{Arrival, Change, Commit, Fold, StoreError};

/// The span in which arrivals are counted.
const WINDOW: SignedDuration = SignedDuration::from_mins(1);
/// A storm takes no more incidents after that: a card of days ago is far up in
/// its chat, and what is answered at once should have come about at once.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

/// What the chats have got within the minute before.
struct Recent {
    limit: u64,
    now: Timestamp,
    counts: BTreeMap<Destination, u64>,
}

impl Recent {
    /// Counts one more, and says what becomes of it.
    fn arrive(&mut self, to: &Destination) -> Arrival {
        let before = self.counts.entry(to.clone()).or_default();
        let fold = (*before >= self.limit)
            .then(|| Fold { began_after: ago(self.now, LONGEST), last_after: ago(self.now, WINDOW) });
        *before += 1;
        Arrival { to: to.clone(), forget: ago(self.now, WINDOW), fold }
    }
}

fn ago(now: Timestamp, span: SignedDuration) -> Timestamp {
    now.checked_sub(span).unwrap_or(Timestamp::MIN)
}

impl Engine {
    /// Takes the cards out of a commit that a storm's shall stand for.
    pub(super) async fn fold(&self, commit: &mut Commit) -> Result<(), StoreError> {
        let Some(limit) = self.rules.load().storm().cards_per_minute else { return Ok(()) };
        let mut recent = Recent { limit: limit.into(), now: commit.at, counts: BTreeMap::new() };
        for change in &mut commit.changes {
            for to in chats(change) {
                if let Some(shown) = self.shown(change, &to).await? {
                    if shown == Shown::InStorm {
                        withdraw(change, &to);
                    }
                    continue;
                }
                if !recent.counts.contains_key(&to) {
                    let came = self.store.arrivals(to.clone(), ago(commit.at, WINDOW)).await?;
                    recent.counts.insert(to.clone(), came);
                }
                let arrival = recent.arrive(&to);
                if arrival.fold.is_some() {
                    withdraw(change, &to);
                    let what = Happening::Folded { to: to.to_string() };
                    change.timeline.push(TimelineEntry { at: commit.at, what });
                }
                change.arrivals.push(arrival);
            }
        }
        Ok(())
    }

    /// Whether the incident is no news there.
    async fn shown(&self, change: &Change, to: &Destination) -> Result<Option<Shown>, StoreError> {
        let Some(id) = change.incident.id else { return Ok(None) };
        if self.store.card(id, to.clone()).await?.is_some() {
            return Ok(Some(Shown::OnItsCard));
        }
        Ok(self.store.folded(id, to.clone()).await?.map(|_| Shown::InStorm))
    }
}

/// Incidents answered in one commit, at most.
const ANSWERED_MAX: usize = 128;

/// What came of answering many incidents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answered {
    /// So many are now the actor's.
    pub taken: u64,
    /// So many the actor may not answer.
    pub not_allowed: u64,
}

impl Engine {
    /// Acknowledges those of the incidents that nobody has answered, each as if
    /// by itself.
    ///
    /// # Errors
    ///
    /// When the store cannot. Some may be acknowledged then; trying again does the rest.
    pub async fn acknowledge_all(
        &self,
        ids: &[IncidentId],
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Answered, StoreError> {
        let mut all = Answered::default();
        for ids in ids.chunks(ANSWERED_MAX) {
            let some = self.acknowledge_some(ids, actor, now).await?;
            all.taken += some.taken;
            all.not_allowed += some.not_allowed;
        }
        Ok(all)
    }

    async fn acknowledge_some(
        &self,
        ids: &[IncidentId],
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Answered, StoreError> {
        for _ in 0..CONFLICTS_MAX {
            let rules = self.rules.load_full();
            let (mut desk, mut answered) = (Desk::default(), Answered::default());
            for id in ids {
                let found = self.store.incident(*id).await?;
                let Some(incident) = found.filter(|i| i.standing.phase() == Phase::Triggered) else {
                    continue;
                };
                let slot = desk.place(incident);
                let action = (&Action::Acknowledge, actor, None);
                match desk.act(slot, action, &rules, &Reachable { rules: &rules }, now) {
                    Some(Answer::Done) => answered.taken += 1,
                    Some(Answer::NotAllowed) => answered.not_allowed += 1,
                    Some(
                        Answer::Already { .. }
                        | Answer::Outdated { .. }
                        | Answer::Over
                        | Answer::Impossible { .. },
                    )
                    | None => {}
                }
            }
            match self.commit(Commit { at: now, changes: desk.changes(), ..Commit::default() }).await {
                Ok(_) => return Ok(answered),
                // Somebody else was faster; they may have changed the answers.
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict)
    }
}

/// How an incident is shown at a place already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    OnItsCard,
    InStorm,
}

/// The chats that a change posts a card in.
fn chats(change: &Change) -> Vec<Destination> {
    let posts = change.jobs.iter().filter_map(|new| {
        let Job::Post { to: to @ Destination::Chat(_) } = &new.job else { return None };
        Some(to.clone())
    });
    posts.collect()
}

/// Leaves the card out.
fn withdraw(change: &mut Change, to: &Destination) {
    change.jobs.retain(|new| !matches!(&new.job, Job::Post { to: there } if there == to));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ChatId;

    fn chat(id: &str) -> Destination {
        Destination::Chat(ChatId(id.to_owned()))
    }

    #[test]
    fn so_many_cards_a_chat_and_minute_then_a_storm() {
        let now: Timestamp = "2026-11-22T03:00:00Z".parse().unwrap();
        // Allowed, come before, come now; folded of these.
        let table =
            [(20, 0, 19, 0), (20, 0, 20, 0), (20, 0, 21, 1), (20, 0, 100, 80), (20, 20, 3, 3), (1, 0, 2, 1)];
        for (limit, before, come, folded) in table {
            let counts = BTreeMap::from([(chat("a"), before), (chat("b"), 0)]);
            let mut recent = Recent { limit, now, counts };
            let arrivals: Vec<Arrival> = (0..come).map(|_| recent.arrive(&chat("a"))).collect();
            let first = arrivals.iter().position(|arrival| arrival.fold.is_some());
            let count = arrivals.iter().filter(|arrival| arrival.fold.is_some()).count();
            assert_eq!(count, folded, "{limit} {before} {come}");
            assert!(first.is_none_or(|first| first == come - folded), "the first have their cards");
            assert_eq!(recent.arrive(&chat("b")).fold, None, "another chat is another matter");
        }
    }
}
