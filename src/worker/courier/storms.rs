//! The card of a storm: one for many incidents in a chat, posted once, then kept
//! up to date as they come, are answered and end.
//!
//! Refused, it is told in plainer forms, as an incident's own card is: without
//! the list, which alone holds words of alerts; at last as a line of text.

use super::cards::{CHANNEL, gave_up, seconds_since};
use super::people::LookUpError;
use super::{Courier, Outcome};
use crate::domain::{Destination, IncidentId, MessageId, Phase, StormId};
use crate::feishu::{Address, CallError, Content, StormInput, Verdict};
use crate::store::{Card, Claim, StoreError, Storm};

/// Incidents that a card lists at most; the rest is counted.
const LISTED_MAX: usize = 30;

impl Courier {
    /// Brings the storm's card up to date.
    pub(super) async fn storm(
        &self,
        claim: &Claim,
        to: &Destination,
        id: StormId,
    ) -> Result<Outcome, StoreError> {
        let Some(storm) = self.store.storm(id, LISTED_MAX).await? else { return Ok(Outcome::done()) };
        if let Some((message, posted_at)) = &storm.card {
            if self.is_young(*posted_at)
                && let Some(outcome) = self.storm_retold(claim, message, &storm).await
            {
                return Ok(outcome);
            }
            if !storm.is_open() {
                return Ok(Outcome::done());
            }
        }
        let address = match self.address(to).await {
            Ok(Some(address)) => address,
            Ok(None) => return Ok(gave_up(claim, "post", "Feishu knows nobody there", "")),
            Err(LookUpError::Store(error)) => return Err(error),
            Err(LookUpError::Feishu(error)) => return Ok(self.storm_untold(claim, &storm, &error)),
        };
        Ok(match self.storm_told(claim, &address, &storm).await {
            Ok(message) => {
                let now = self.clock.now();
                self.metrics.notified(CHANNEL, seconds_since(claim.created_at, now));
                let card = Card { to: to.clone(), message, shown_version: 0, posted_at: now };
                Outcome { card: Some(card), ..Outcome::done() }
            }
            Err(error) => self.storm_untold(claim, &storm, &error),
        })
    }

    /// The storm's card as it is now, its JSON as text.
    pub fn draw_storm(&self, storm: &Storm) -> String {
        let rendered = self.cards.load().render_storm(&input(storm), self.clock.now());
        if let Some(problem) = rendered.problem {
            self.metrics.template_failed();
            tracing::warn!(template = "storm", problem, "the template failed; the built-in card serves");
        }
        rendered.json
    }

    /// The message that lines about the incident hang on: its card there, else
    /// that of the storm it was folded into.
    pub(super) async fn anchor(
        &self,
        id: IncidentId,
        to: &Destination,
    ) -> Result<Option<MessageId>, StoreError> {
        if let Some(card) = self.store.card(id, to.clone()).await? {
            return Ok(Some(card.message));
        }
        Ok(self.store.folded(id, to.clone()).await?.and_then(|folded| folded.message))
    }

    /// `None`: the message is gone.
    async fn storm_retold(&self, claim: &Claim, message: &MessageId, storm: &Storm) -> Option<Outcome> {
        let client = self.client_for(claim);
        let mut result = client.edit_card(self.clock.now(), message, &self.draw_storm(storm)).await;
        if let Err(error) = &result
            && is_refused(error)
        {
            self.count_failure(claim, CHANNEL, error);
            result = client.edit_card(self.clock.now(), message, &self.draw_storm(&bare(storm))).await;
        }
        match result {
            Ok(()) => Some(Outcome::done()),
            Err(error) => {
                self.count_failure(claim, CHANNEL, &error);
                let outcome = self
                    .again(claim, &error)
                    .unwrap_or_else(|| gave_up(claim, "edit", &error.to_string(), "the old card stays"));
                (error.verdict != Verdict::MessageGone).then_some(outcome)
            }
        }
    }

    async fn storm_told(
        &self,
        claim: &Claim,
        address: &Address,
        storm: &Storm,
    ) -> Result<MessageId, CallError> {
        let (client, cards) = (self.client_for(claim), self.cards.load());
        let plainer =
            [Content::Card(self.draw_storm(&bare(storm))), Content::Text(cards.storm_line(&input(storm)))];
        let full = Content::Card(self.draw_storm(storm));
        let mut sent = client.send(self.clock.now(), address, &full, &claim.uuid).await;
        for content in plainer {
            let Some(error) = sent.as_ref().err().filter(|error| is_refused(error)) else { break };
            self.count_failure(claim, CHANNEL, error);
            sent = client.send(self.clock.now(), address, &content, &claim.uuid).await;
        }
        sent.map(|sent| sent.message)
    }

    fn storm_untold(&self, claim: &Claim, storm: &Storm, error: &CallError) -> Outcome {
        self.count_failure(claim, CHANNEL, error);
        if let Some(outcome) = self.again(claim, error) {
            return outcome;
        }
        let reason = error.to_string();
        if !storm.is_open() {
            return gave_up(claim, "post", &reason, "");
        }
        self.later(claim, "post", &reason, "it is tried again every 5 minutes")
    }
}

/// Whether another form may be accepted.
fn is_refused(error: &CallError) -> bool {
    matches!(error.verdict, Verdict::CardRejected | Verdict::TooLong | Verdict::ContentRefused)
}

/// The storm without a word of its incidents.
fn bare(storm: &Storm) -> Storm {
    Storm { worst: Vec::new(), ..storm.clone() }
}

fn input(storm: &Storm) -> StormInput<'_> {
    StormInput {
        id: storm.id,
        began_at: storm.began_at,
        triggered: storm.count(Phase::Triggered),
        acknowledged: storm.count(Phase::Acknowledged),
        snoozed: storm.count(Phase::Snoozed),
        resolved: storm.count(Phase::Resolved),
        worst: &storm.worst,
    }
}
