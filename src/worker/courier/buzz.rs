//! Buzzing people: one line that says what burns, sent as a reply to the card,
//! then urged.
//!
//! The line can be sent twice without harm (its `uuid`); the buzz cannot, so
//! the line's id is kept before the buzz is made, and a buzz whose outcome is
//! unknown waits before it is made again.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::cards::{failed, gave_up, seconds_since};
use super::people::{Known, LookUpError, is_unknown_to_feishu};
use super::{Courier, Outcome, PAID_PAUSE, backoff, unreached};
use crate::domain::{Destination, Happening, Incident, Job, MessageId, Person, Phase, Urgent};
use crate::escalation::budget::quieter;
use crate::feishu::{CallError, Content, Placed, UrgeFailed, Urged, UserId, Verdict};
use crate::settings::UrgentVia;
use crate::store::{Claim, JobEnd, Report, StoreError};

/// A buzz job, taken apart.
#[derive(Clone, Copy)]
pub(super) struct Buzz<'a> {
    pub(super) claim: &'a Claim,
    pub(super) to: &'a Destination,
    pub(super) people: &'a [Person],
    pub(super) urgent: Urgent,
    pub(super) step: u16,
    pub(super) round: u16,
}

impl Buzz<'_> {
    /// Whether it uses the tenant's quota and reaches beyond the app.
    pub(super) fn is_paid(&self) -> bool {
        self.urgent > Urgent::App
    }

    /// The same for some of the people; `None` for nobody.
    pub(super) fn of(&self, people: Vec<Person>) -> Option<Job> {
        let (to, urgent, step, round) = (self.to.clone(), self.urgent, self.step, self.round);
        (!people.is_empty()).then_some(Job::Buzz { to, people, urgent, step, round })
    }
}

impl Courier {
    /// Buzzes the people of a step.
    pub(super) async fn buzz(&self, claim: &Claim) -> Result<Outcome, StoreError> {
        let Job::Buzz { to, people, urgent, step, round } = &claim.job else { return Ok(Outcome::done()) };
        let buzz = Buzz { claim, to, people, urgent: *urgent, step: *step, round: *round };
        let Some(incident) = self.incident(claim).await? else { return Ok(Outcome::done()) };
        if claim.interrupted && claim.sent.is_some() && buzz.is_paid() {
            // It may have been made just before we died: give it time to be answered.
            return Ok(Outcome::retry(self.after(PAID_PAUSE), false));
        }
        let shared = self.share(&buzz).await?;
        let ring = shared.ring.clone();
        let outcome = if ring.is_empty() {
            Outcome::done()
        } else {
            self.buzz_now(&Buzz { people: &ring, ..buzz }, &incident).await?
        };
        Ok(shared.with(&buzz, self.clock.now(), outcome))
    }

    /// Buzzes these people, whoever else was buzzed of late.
    async fn buzz_now(&self, buzz: &Buzz<'_>, incident: &Incident) -> Result<Outcome, StoreError> {
        let claim = buzz.claim;
        let known = match self.know(buzz.people).await {
            Ok(known) => known,
            Err(LookUpError::Store(error)) => return Err(error),
            Err(LookUpError::Feishu(error)) => return self.without_directory(buzz, &error).await,
        };
        if known.ids.is_empty() {
            let reason = "Feishu knows none of these people, or the app may not see them";
            return Ok(self.later(
                claim,
                "buzz",
                reason,
                "the ladder climbs on; it is tried again every 5 minutes",
            ));
        }
        let line = match self.line(buzz, incident).await? {
            Ok(line) => line,
            Err(error) => return Ok(self.buzz_failed(buzz, &error)),
        };
        // Sending the line took its time.
        let now = self.incident(claim).await?;
        let Some(incident) = now.filter(|now| now.standing.phase() == Phase::Triggered) else {
            return Ok(Outcome::done());
        };
        self.urge(buzz, &known, &line, &incident).await
    }

    /// The message to urge: sent by an earlier attempt, the card itself, or a
    /// line sent now.
    async fn line(
        &self,
        buzz: &Buzz<'_>,
        incident: &Incident,
    ) -> Result<Result<MessageId, CallError>, StoreError> {
        if let Some(sent) = &buzz.claim.sent {
            return Ok(Ok(sent.clone()));
        }
        let Some(id) = incident.id else { return Ok(Err(nowhere())) };
        let card = self.anchor(id, buzz.to).await?;
        let placed = super::placed(incident, buzz.to);
        let names: Vec<String> = buzz.people.iter().map(|p| p.name.clone()).collect();
        if let (UrgentVia::Message, Some(card)) = (self.urgent_via, &card) {
            if placed == Placed::InThread
                && let Err(error) = self.tell_in_thread(buzz.claim, incident, card, buzz.step, &names).await
            {
                // The thread is decoration; the buzz goes on.
                self.count_failure(buzz.claim, "thread", &error);
            }
            self.store.report(held(buzz.claim, self.clock.now(), card)).await?;
            return Ok(Ok(card.clone()));
        }
        let total = u16::try_from(incident.standing.policy.steps.len()).unwrap_or(u16::MAX);
        let worst = self.store.alerts(id, 1).await?;
        let values = worst.first().map(|held| held.alert.values.as_ref()).unwrap_or_default();
        let step = (buzz.step + 1, total);
        let text = Content::Text(self.cards.load().buzz_line(incident, values, step, &names));
        let now = self.clock.now();
        let mut sent = self.hang(buzz, (card.as_ref(), placed), &text).await?;
        if let Err(error) = &sent
            && matches!(error.verdict, Verdict::ContentRefused | Verdict::TooLong)
        {
            self.count_failure(buzz.claim, buzz.urgent.as_str(), error);
            let text = Content::Text(self.cards.load().redacted_line(incident));
            sent = self.hang(buzz, (card.as_ref(), placed), &text).await?;
        }
        if let Ok(message) = &sent {
            self.store.report(held(buzz.claim, now, message)).await?;
        }
        Ok(sent)
    }

    /// Sends the line below its card, or by itself where that is gone.
    async fn hang(
        &self,
        buzz: &Buzz<'_>,
        (card, placed): (Option<&MessageId>, Placed),
        text: &Content,
    ) -> Result<Result<MessageId, CallError>, StoreError> {
        let Some(card) = card else { return self.say(buzz, text).await };
        let (client, now) = (self.client_for(buzz.claim), self.clock.now());
        match client.reply(now, card, text, placed, &buzz.claim.uuid).await {
            Err(error) if error.verdict == Verdict::MessageGone => self.say(buzz, text).await,
            other => Ok(other.map(|sent| sent.message)),
        }
    }

    /// Sends the line by itself, hanging on no card.
    async fn say(&self, buzz: &Buzz<'_>, text: &Content) -> Result<Result<MessageId, CallError>, StoreError> {
        match self.address(buzz.to).await {
            Ok(Some(address)) => {
                let client = self.client_for(buzz.claim);
                let mut sent = client.send(self.clock.now(), &address, text, &buzz.claim.uuid).await;
                if let Err(error) = &sent
                    && let Some(fresh) = self.fresh_address(buzz.to, error).await?
                {
                    sent = client.send(self.clock.now(), &fresh, text, &buzz.claim.uuid).await;
                }
                Ok(sent.map(|sent| sent.message))
            }
            Ok(None) => Ok(Err(nowhere())),
            Err(LookUpError::Feishu(error)) => Ok(Err(error)),
            Err(LookUpError::Store(error)) => Err(error),
        }
    }

    /// Buzzes as loudly as the budget and the tenant's quota allow. Who is buzzed more quietly
    /// than the step wants has half as long to answer.
    async fn urge(
        &self,
        buzz: &Buzz<'_>,
        known: &Known,
        line: &MessageId,
        incident: &Incident,
    ) -> Result<Outcome, StoreError> {
        let (claim, client) = (buzz.claim, self.client_for(buzz.claim));
        let (mut notes, mut held_back, mut later, mut asked) = (Vec::new(), Vec::new(), Vec::new(), false);
        let mut means = self.pay(buzz, buzz.urgent, known, incident, Vec::new()).await?;
        let mut outcome = loop {
            held_back.append(&mut means.notes);
            later.append(&mut means.later);
            let called = client.urge(self.clock.now(), line, means.urgent, &means.known.user_ids()).await;
            // Nobody has been buzzed yet, so the store may still fail the job.
            if !asked && is_in_vain(&called, &means.known) {
                asked = true;
                if let Some(fresh) = self.look_again(&means.known).await? {
                    means.known = fresh;
                    continue;
                }
            }
            let partly = match called {
                Ok(urged) => {
                    let took = seconds_since(claim.created_at, self.clock.now());
                    self.metrics.notified(means.urgent.as_str(), took);
                    let about = (incident, line, means.urgent);
                    let refused = self.invite(buzz, about, urged.refused).await;
                    let unspent = means.unspent(Ok(&refused));
                    break Outcome { unspent, ..self.settle(buzz, means.urgent, &means.known, &refused) };
                }
                Err(partly) => partly,
            };
            self.count_failure(claim, means.urgent.as_str(), &partly.cause);
            let (nobody, unspent) = (partly.urged.is_empty(), means.unspent(Err(&partly)));
            match (partly.cause.verdict, quieter(means.urgent)) {
                (Verdict::QuotaUsedUp, Some(quieter)) if nobody => {
                    notes.push(failed(claim, "buzz", &partly.cause.to_string(), quieter.as_str()));
                    means = self.pay(buzz, quieter, &means.known, incident, unspent).await?;
                }
                (Verdict::TooManyUnread, _) if nobody => {
                    break self.one_by_one(buzz, &means, line, incident, &partly.cause).await;
                }
                _ => {
                    if nobody {
                        // The job goes on with all its people, who are paid for anew.
                        (held_back, later) = (Vec::new(), Vec::new());
                    }
                    break Outcome { unspent, ..self.stopped(buzz, means.urgent, &means.known, &partly) };
                }
            }
        };
        if buzz.is_paid() && means.urgent == Urgent::App {
            // Whatever was paid for before the quota said no.
            outcome.unspent = known.names();
        }
        if means.urgent < buzz.urgent && outcome.end == JobEnd::Done {
            outcome.due_by = outcome.due_by.or_else(|| unreached::half_way(buzz, incident, self.clock.now()));
        }
        outcome.follow_ups.extend(later.into_iter().map(|job| (job, SignedDuration::ZERO)));
        notes.append(&mut held_back);
        notes.append(&mut outcome.timeline);
        Ok(Outcome { timeline: notes, ..outcome })
    }

    /// The buzz stopped half-way. Whoever was reached is not buzzed again: the
    /// job is over, and the rest goes on as jobs of their own.
    fn stopped(&self, buzz: &Buzz<'_>, urgent: Urgent, known: &Known, partly: &UrgeFailed) -> Outcome {
        if partly.urged.is_empty() {
            return self.urge_failed(buzz, &partly.cause);
        }
        let reached = Known {
            ids: known.ids.iter().filter(|(_, id)| is_settled(partly, id)).cloned().collect(),
            unknown: known.unknown.clone(),
        };
        let mut outcome = self.settle(buzz, urgent, &reached, &partly.refused);
        let unknown = partly.cause.verdict == Verdict::Unknown && buzz.is_paid();
        let pause = if unknown { PAID_PAUSE } else { SignedDuration::ZERO };
        for (left, pause) in [(&partly.untried, SignedDuration::ZERO), (&partly.failed, pause)] {
            outcome.follow_ups.extend(buzz.of(known.behind(left)).map(|job| (job, pause)));
        }
        outcome
    }

    /// The buzz was made. Whoever was refused is in no chat of ours: their own
    /// conversation with the bot is the other way.
    pub(super) fn settle(
        &self,
        buzz: &Buzz<'_>,
        urgent: Urgent,
        known: &Known,
        refused: &[UserId],
    ) -> Outcome {
        let refused: BTreeSet<Person> =
            known.behind(refused).into_iter().chain(known.unknown.clone()).collect();
        let reached = known.ids.iter().map(|(person, _)| person).filter(|p| !refused.contains(*p));
        let mut outcome = Outcome::done().note(Happening::Buzzed {
            urgent,
            people: reached.map(|p| p.name.clone()).collect(),
            refused: refused.iter().map(|p| p.name.clone()).collect(),
        });
        for _ in &refused {
            self.metrics.notification_failed(urgent.as_str(), "not_in_chat");
        }
        outcome.follow_ups = directly(buzz, refused.into_iter());
        outcome
    }

    /// The directory cannot be asked. Whoever is known without it is not kept waiting.
    async fn without_directory(&self, buzz: &Buzz<'_>, error: &CallError) -> Result<Outcome, StoreError> {
        let contacts = buzz.people.iter().map(|person| person.contact.clone()).collect();
        let kept = self.store.directory(contacts).await?;
        let is_known = |person: &Person| {
            let looked_up = kept.get(&person.contact).is_some_and(|entry| entry.open_id.is_some());
            looked_up || UserId::of(&person.contact).is_some()
        };
        let (sure, unsure): (Vec<Person>, Vec<Person>) = buzz.people.iter().cloned().partition(is_known);
        if sure.is_empty() || unsure.is_empty() {
            return Ok(self.buzz_failed(buzz, error));
        }
        let jobs = buzz.of(sure).into_iter().chain(buzz.of(unsure));
        let follow_ups = jobs.map(|job| (job, SignedDuration::ZERO)).collect();
        Ok(Outcome { follow_ups, ..Outcome::done() })
    }

    /// The buzz itself failed. If it may have been made all the same, and costs
    /// money or sleep, it is given time to be answered.
    fn urge_failed(&self, buzz: &Buzz<'_>, error: &CallError) -> Outcome {
        if error.verdict == Verdict::Unknown && buzz.is_paid() {
            let outcome = Outcome::retry(self.after(backoff::paid(buzz.claim)), false);
            let instead = "it may have rung all the same; again in a minute or more";
            return outcome.note(failed(buzz.claim, "buzz", &error.to_string(), instead));
        }
        self.buzz_failed(buzz, error)
    }

    /// Nobody was buzzed. What time can heal is tried until the incident is
    /// answered or over: giving up would lose the page.
    fn buzz_failed(&self, buzz: &Buzz<'_>, error: &CallError) -> Outcome {
        let (claim, reason) = (buzz.claim, error.to_string());
        if let Some(outcome) = self.again(claim, error) {
            return outcome;
        }
        let follow_ups = directly(buzz, buzz.people.iter().cloned());
        let instead = if follow_ups.is_empty() { "the ladder climbs on" } else { "direct messages" };
        Outcome { follow_ups, ..gave_up(claim, "buzz", &reason, instead) }
    }

    fn after(&self, pause: SignedDuration) -> Timestamp {
        self.clock.now().checked_add(pause).unwrap_or(Timestamp::MAX)
    }
}

/// Whether the call has buzzed nobody because of who they are to Feishu.
pub(super) fn is_in_vain(called: &Result<Urged, Box<UrgeFailed>>, known: &Known) -> bool {
    match called {
        Ok(urged) => !known.ids.is_empty() && known.ids.iter().all(|(_, id)| urged.refused.contains(id)),
        Err(partly) => partly.urged.is_empty() && is_unknown_to_feishu(partly.cause.verdict),
    }
}

/// Whether it is known what came of a person's buzz.
fn is_settled(partly: &UrgeFailed, id: &UserId) -> bool {
    !partly.failed.contains(id) && !partly.untried.contains(id)
}

/// The same card and the same buzz in each person's own conversation; nothing
/// if that is where it was tried.
fn directly(buzz: &Buzz<'_>, people: impl Iterator<Item = Person>) -> Vec<(Job, SignedDuration)> {
    if matches!(buzz.to, Destination::Direct(_)) {
        return Vec::new();
    }
    let jobs = people.flat_map(|person| {
        let to = Destination::Direct(person.clone());
        let (urgent, step, round) = (buzz.urgent, buzz.step, buzz.round);
        [Job::Post { to: to.clone() }, Job::Buzz { to, people: vec![person], urgent, step, round }]
    });
    jobs.map(|job| (job, SignedDuration::ZERO)).collect()
}

/// Remembers the line before it is urged.
fn held(claim: &Claim, at: Timestamp, message: &MessageId) -> Report {
    Report { sent: Some(message.clone()), ..claim.report(at, JobEnd::Held) }
}

/// There is nothing to hang the line on.
fn nowhere() -> CallError {
    CallError {
        api: "send",
        http: None,
        code: None,
        message: "there is nobody and no chat to send it to".to_owned(),
        log_id: None,
        verdict: Verdict::TargetInvalid,
    }
}
