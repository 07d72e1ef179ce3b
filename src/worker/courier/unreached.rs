//! People whom no buzz reaches any more, and what that means for the ladder.
//!
//! Whoever has left 200 buzzes unread is deaf to the app, SMS and phone alike
//! (feishu-api.md §4). Feishu then refuses the whole call, so the people are
//! tried one by one. When nobody of a step is left the next one runs at once:
//! waiting for the deaf helps nobody.

use jiff::{SignedDuration, Timestamp};

use super::budget::Means;
use super::buzz::Buzz;
use super::cards::failed;
use super::people::Known;
use super::{Courier, Outcome, PAID_PAUSE};
use crate::domain::{Incident, Ladder, MessageId, Person, Urgent};
use crate::feishu::{CallError, UserId, Verdict};

/// What became of people who were buzzed one by one.
#[derive(Default)]
struct Tried {
    reached: Known,
    refused: Vec<UserId>,
    deaf: Vec<Person>,
    left: Vec<Person>,
    /// Whether one of those left may have been buzzed all the same.
    unsure: bool,
    /// Names of those who surely were not buzzed.
    unspent: Vec<String>,
}

impl Courier {
    /// Buzzes people singly, after Feishu has refused them together because one
    /// of them is deaf.
    pub(super) async fn one_by_one(
        &self,
        buzz: &Buzz<'_>,
        means: &Means,
        line: &MessageId,
        incident: &Incident,
        cause: &CallError,
    ) -> Outcome {
        let (urgent, known) = (means.urgent, &means.known);
        let mut tried = match known.ids.as_slice() {
            [(only, _)] => {
                Tried { deaf: vec![only.clone()], unspent: vec![only.name.clone()], ..Tried::default() }
            }
            _ => self.try_each(buzz, urgent, known, line).await,
        };
        tried.reached.unknown.clone_from(&known.unknown);
        // Whom a second look found to be unknown was paid for and is not buzzed.
        tried.unspent.extend(known.unknown.iter().map(|person| person.name.clone()));
        let somebody = !tried.reached.ids.is_empty();
        let mut outcome = if somebody || !known.unknown.is_empty() {
            self.settle(buzz, urgent, &tried.reached, &tried.refused)
        } else {
            Outcome::done()
        };
        let over = !somebody && tried.left.is_empty() && outcome.follow_ups.is_empty();
        if over {
            outcome.due_by = awaited(buzz, incident).map(|_| self.clock.now());
        }
        let instead =
            if outcome.due_by.is_some() { "the next step, at once" } else { "the others are buzzed" };
        for person in tried.deaf {
            outcome = outcome.note(failed(buzz.claim, "buzz", &format!("{}: {cause}", person.name), instead));
        }
        let pause = if tried.unsure && buzz.is_paid() { PAID_PAUSE } else { SignedDuration::ZERO };
        outcome.unspent = tried.unspent;
        outcome.follow_ups.extend(buzz.of(tried.left).map(|job| (job, pause)));
        outcome
    }

    async fn try_each(&self, buzz: &Buzz<'_>, urgent: Urgent, known: &Known, line: &MessageId) -> Tried {
        let (client, mut tried) = (self.client_for(buzz.claim), Tried::default());
        for (person, id) in &known.ids {
            match client.urge(self.clock.now(), line, urgent, std::slice::from_ref(id)).await {
                Ok(urged) => {
                    tried.unspent.extend(urged.refused.first().map(|_| person.name.clone()));
                    tried.refused.extend(urged.refused);
                    tried.reached.ids.push((person.clone(), id.clone()));
                }
                Err(partly) if partly.cause.verdict == Verdict::TooManyUnread => {
                    tried.unspent.push(person.name.clone());
                    tried.deaf.push(person.clone());
                }
                Err(partly) => {
                    self.count_failure(buzz.claim, urgent.as_str(), &partly.cause);
                    if partly.cause.verdict == Verdict::Unknown {
                        tried.unsure = true;
                    } else {
                        tried.unspent.push(person.name.clone());
                    }
                    tried.left.push(person.clone());
                }
            }
        }
        tried
    }
}

/// The deadline that the people of this buzz have to answer by; `None` if the
/// ladder has gone on since, or is used up and the last resort is paged.
fn awaited(buzz: &Buzz<'_>, incident: &Incident) -> Option<Timestamp> {
    let standing = &incident.standing;
    let waits = matches!(standing.ladder, Ladder::Waiting { .. } | Ladder::Spent);
    standing.due_at.filter(|_| waits && standing.last_step == Some((buzz.step, buzz.round)))
}

/// Half-way between now and that deadline.
pub(super) fn half_way(buzz: &Buzz<'_>, incident: &Incident, now: Timestamp) -> Option<Timestamp> {
    let left = awaited(buzz, incident)?.duration_since(now);
    left.checked_div(2).filter(SignedDuration::is_positive).and_then(|half| now.checked_add(half).ok())
}
