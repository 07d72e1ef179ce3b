//! Cards: posted once per place, then kept up to date.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::forms::Refused;
use super::people::LookUpError;
use super::{Courier, Outcome};
use crate::domain::{Destination, Fact, Happening, Incident, Job, RecordedEntry, Urgent};
use crate::feishu::{Address, CallError, CardInput, ListedAlert, Paged, Verdict};
use crate::store::{Card, Claim, StoreError};

/// Alerts that a card lists at most; the rest is counted.
const LISTED_MAX: usize = 60;
/// How long to wait before trying again what only an operator can mend, while
/// the incident is open: somebody may add the bot to the chat.
const REFUSED_PAUSE: SignedDuration = SignedDuration::from_mins(5);
/// How long a card is edited; Feishu allows 14 days, and buttons live as long.
const EDITABLE_FOR: SignedDuration = SignedDuration::from_hours(13 * 24);
/// The version that a card which can never be edited counts as showing.
const FOR_GOOD: u64 = u64::MAX >> 1;
/// The channel's word in metrics.
pub(super) const CHANNEL: &str = "card";

impl Courier {
    /// Posts the incident's card, unless it is there already.
    pub(super) async fn post(&self, claim: &Claim, to: &Destination) -> Result<Outcome, StoreError> {
        let Some(incident) = self.incident(claim).await? else { return Ok(Outcome::done()) };
        let Some(id) = incident.id else { return Ok(Outcome::done()) };
        if let Some(card) = self.store.card(id, to.clone()).await?
            && self.is_editable(&card)
        {
            // Reporting the card again makes the store add an edit if it is out of date.
            return Ok(Outcome { card: Some(card), ..Outcome::done() });
        }
        let address = match self.address(to).await {
            Ok(Some(address)) => address,
            Ok(None) => return Ok(self.post_failed(claim, &incident, &unknown_person())),
            Err(LookUpError::Store(error)) => return Err(error),
            Err(LookUpError::Feishu(error)) => return Ok(self.post_failed(claim, &incident, &error)),
        };
        let (mut sent, mut refused) = self.tell(claim, &address, &incident).await?;
        if let Err(error) = &sent
            && let Some(fresh) = self.fresh_address(to, error).await?
        {
            (sent, refused) = self.tell(claim, &fresh, &incident).await?;
        }
        let refused = self.refusals(claim, refused);
        match sent {
            Err(error) => Ok(self.post_failed(claim, &incident, &error)),
            Ok(message) => {
                let now = self.clock.now();
                self.reach.takes(to);
                self.metrics.notified(CHANNEL, seconds_since(claim.created_at, now));
                // After a repeat it is unknown which attempt's content Feishu kept.
                let first = claim.attempts == 0 && !claim.interrupted;
                let shown_version = if first { incident.version } else { 0 };
                let card = Card { to: to.clone(), message: message.clone(), shown_version, posted_at: now };
                let posted = Happening::CardPosted { to: to.to_string(), message: message.0 };
                let outcome = Outcome { card: Some(card), ..Outcome::done() }.note(posted);
                Ok(refused.into_iter().fold(outcome, Outcome::note))
            }
        }
    }

    /// Brings a posted card up to date.
    pub(super) async fn edit(&self, claim: &Claim, to: &Destination) -> Result<Outcome, StoreError> {
        let Some(incident) = self.incident(claim).await? else { return Ok(Outcome::done()) };
        let Some(id) = incident.id else { return Ok(Outcome::done()) };
        let Some(card) = self.store.card(id, to.clone()).await? else { return Ok(Outcome::done()) };
        if !self.is_editable(&card) {
            return Ok(anew(&incident, card));
        }
        if card.shown_version == FOR_GOOD {
            return Ok(Outcome::done());
        }
        let (edited, refused) = self.retell(claim, &card.message, &incident).await?;
        let refused = self.refusals(claim, refused);
        match edited {
            Err(error) if error.verdict == Verdict::MessageGone => {
                self.count_failure(claim, CHANNEL, &error);
                // Somebody deleted it: it counts as posted at no time.
                Ok(anew(&incident, Card { posted_at: Timestamp::UNIX_EPOCH, ..card }))
            }
            Ok(()) => {
                let card = Card { shown_version: incident.version, ..card };
                let outcome = Outcome { card: Some(card), ..Outcome::done() };
                Ok(refused.into_iter().fold(outcome, Outcome::note))
            }
            Err(error) => {
                self.count_failure(claim, CHANNEL, &error);
                // A card that cannot be edited counts as shown, or it would be tried for
                // ever. What is no card, or not known to Feishu, never will be one.
                let no_card = error.verdict == Verdict::TargetInvalid;
                let shown_version = if no_card { FOR_GOOD } else { incident.version };
                let shown = Card { shown_version, ..card };
                Ok(self.again(claim, &error).unwrap_or_else(|| Outcome {
                    card: Some(shown),
                    ..gave_up(claim, "edit", &error.to_string(), "the old card stays")
                }))
            }
        }
    }

    /// Whether Feishu still lets the card be edited.
    fn is_editable(&self, card: &Card) -> bool {
        self.is_young(card.posted_at)
    }

    /// Whether Feishu still lets a card posted then be edited.
    pub(super) fn is_young(&self, posted_at: Timestamp) -> bool {
        self.clock.now().duration_since(posted_at) < EDITABLE_FOR
    }

    /// Counts the forms that were refused; what the timeline says of them.
    fn refusals(&self, claim: &Claim, refused: Vec<Refused>) -> Vec<Happening> {
        let told = refused.into_iter().map(|(error, instead)| {
            self.count_failure(claim, CHANNEL, &error);
            failed(claim, "card", &error.to_string(), instead.as_str())
        });
        told.collect()
    }

    /// The incident's card as it is now, its JSON as text.
    ///
    /// # Errors
    ///
    /// When the store cannot tell what it shows.
    pub async fn draw(&self, incident: &Incident) -> Result<String, StoreError> {
        let alerts = match incident.id {
            Some(id) => self.store.alerts(id, LISTED_MAX).await?,
            None => Vec::new(),
        };
        let timeline = match incident.id {
            Some(id) => self.store.timeline(id).await?,
            None => Vec::new(),
        };
        let listed: Vec<ListedAlert<'_>> =
            alerts.iter().map(|held| ListedAlert { alert: &held.alert, member: held.member }).collect();
        let input = CardInput { incident, alerts: &listed, paged: &paged(&timeline) };
        let rendered = self.cards.load().render(&input, self.clock.now());
        if let Some(problem) = rendered.problem {
            self.metrics.template_failed();
            tracing::warn!(
                template = incident.template,
                problem,
                "the template failed; the built-in card serves"
            );
        }
        Ok(rendered.json)
    }

    /// Where a destination is for Feishu; `None` if it knows no such person.
    pub(super) async fn address(&self, to: &Destination) -> Result<Option<Address>, LookUpError> {
        match to {
            Destination::Chat(chat) => Ok(Some(Address::Chat(chat.clone()))),
            Destination::Direct(person) => {
                let known = self.know(std::slice::from_ref(person)).await?;
                Ok(known.ids.into_iter().next().map(|(_, id)| Address::User(id)))
            }
        }
    }

    fn post_failed(&self, claim: &Claim, incident: &Incident, error: &CallError) -> Outcome {
        self.count_failure(claim, CHANNEL, error);
        if let Some(outcome) = self.again(claim, error) {
            return outcome;
        }
        let reason = error.to_string();
        if !incident.standing.is_open() {
            return gave_up(claim, "post", &reason, "");
        }
        if let (Some(place), Some(id)) = (claim.job.to(), incident.id) {
            self.reach.refuses(place, format!("{reason} ({id} {})", incident.title), self.clock.now());
        }
        let instead = if incident.standing.policy.steps.is_empty() {
            "the catch-all is told; it is tried again every 5 minutes"
        } else {
            "people are paged directly; it is tried again every 5 minutes"
        };
        self.later(claim, "post", &reason, instead)
    }

    /// What an operator has to mend first is tried again now and then, beside
    /// its lane; the timeline tells it once.
    pub(super) fn later(&self, claim: &Claim, what: &str, reason: &str, instead: &str) -> Outcome {
        let at = self.clock.now().checked_add(REFUSED_PAUSE).unwrap_or(Timestamp::MAX);
        let outcome = Outcome::retry(at, false);
        if claim.attempts > 0 { outcome } else { outcome.note(failed(claim, what, reason, instead)) }
    }
}

/// Who was paged so far, loudest first, as the steps in the timeline say.
fn paged(timeline: &[RecordedEntry]) -> Vec<Paged> {
    let mut loudest: BTreeMap<&str, Urgent> = BTreeMap::new();
    let seen: BTreeSet<&str> = timeline.iter().filter(|entry| entry.kind == "seen").filter_map(by).collect();
    for entry in timeline.iter().filter(|entry| entry.kind == "stepped") {
        let fact = |wanted: &str| entry.facts.iter().find(|(name, _)| name == wanted).map(|(_, fact)| fact);
        let Some(Fact::List(people)) = fact("people") else { continue };
        let Some(Fact::Text(word)) = fact("urgent") else { continue };
        let Some(urgent) = Urgent::from_word(word).filter(|urgent| *urgent > Urgent::None) else { continue };
        for name in people {
            let before = loudest.entry(name).or_default();
            *before = urgent.max(*before);
        }
    }
    let paged = loudest.into_iter();
    let mut paged: Vec<Paged> = paged
        .map(|(name, urgent)| Paged { name: name.to_owned(), urgent, seen: seen.contains(name) })
        .collect();
    paged.sort_by_key(|p| std::cmp::Reverse(p.urgent));
    paged
}

/// Who did it, by the timeline.
fn by(entry: &RecordedEntry) -> Option<&str> {
    entry.facts.iter().find_map(|(name, fact)| match fact {
        Fact::Text(text) if name == "by" => Some(text.as_str()),
        Fact::Text(_) | Fact::Number(_) | Fact::List(_) => None,
    })
}

/// A card that cannot be edited any more: an open incident gets another one, a
/// resolved one is let be.
fn anew(incident: &Incident, card: Card) -> Outcome {
    let to = card.to.clone();
    let shown = Card { shown_version: incident.version, ..card };
    let again = incident.standing.is_open().then_some((Job::Post { to }, SignedDuration::ZERO));
    Outcome { card: Some(shown), follow_ups: again.into_iter().collect(), ..Outcome::done() }
}

/// An address or number that leads to nobody.
fn unknown_person() -> CallError {
    CallError {
        api: "look_up",
        http: None,
        code: None,
        message: "Feishu knows nobody by this contact, or the app's contact data range leaves them out"
            .to_owned(),
        log_id: None,
        verdict: Verdict::TargetInvalid,
    }
}

/// The job ends without success, and the timeline says why.
pub(super) fn gave_up(claim: &Claim, what: &str, reason: &str, instead: &str) -> Outcome {
    Outcome::done().note(failed(claim, what, reason, instead))
}

/// What the timeline says of a failure.
pub(super) fn failed(claim: &Claim, what: &str, reason: &str, instead: &str) -> Happening {
    Happening::DeliveryFailed {
        what: what.to_owned(),
        to: claim.job.to().map_or_else(|| "Alertmanager".to_owned(), ToString::to_string),
        reason: reason.to_owned(),
        instead: instead.to_owned(),
    }
}

/// Seconds between two instants, never negative.
pub(super) fn seconds_since(then: Timestamp, now: Timestamp) -> f64 {
    now.duration_since(then).as_secs_f64().max(0.0)
}
