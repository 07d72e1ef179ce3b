//! A line in the card's thread for a step that buzzes nobody, so that the
//! thread tells every rung of the ladder.

use super::cards::gave_up;
use super::{Courier, Outcome};
use crate::domain::{Destination, Incident, MessageId};
use crate::feishu::{CallError, Content, Placed, Verdict};
use crate::store::{Claim, StoreError};

impl Courier {
    /// Tells what step ran and whom it names. Without a card there is no thread to tell it in.
    pub(super) async fn tell_step(
        &self,
        claim: &Claim,
        to: &Destination,
        step: u16,
        people: &[String],
    ) -> Result<Outcome, StoreError> {
        let Some(incident) = self.incident(claim).await? else { return Ok(Outcome::done()) };
        let card = match incident.id {
            Some(id) => self.anchor(id, to).await?,
            None => None,
        };
        let Some(card) = card else { return Ok(Outcome::done()) };
        match self.tell_in_thread(claim, &incident, &card, step, people).await {
            Ok(()) => Ok(Outcome::done()),
            Err(error) if error.verdict == Verdict::MessageGone => Ok(Outcome::done()),
            Err(error) => {
                self.count_failure(claim, "thread", &error);
                Ok(self
                    .again(claim, &error)
                    .unwrap_or_else(|| gave_up(claim, "tell", &error.to_string(), "")))
            }
        }
    }

    /// The line of a step, in the thread of a card.
    pub(super) async fn tell_in_thread(
        &self,
        claim: &Claim,
        incident: &Incident,
        card: &MessageId,
        step: u16,
        people: &[String],
    ) -> Result<(), CallError> {
        let total = u16::try_from(incident.standing.policy.steps.len()).unwrap_or(u16::MAX);
        let text = self.cards.load().buzz_line(incident, "", (step + 1, total), people);
        let (now, text) = (self.clock.now(), Content::Text(text));
        self.client_for(claim).reply(now, card, &text, Placed::InThread, &claim.uuid).await.map(drop)
    }
}
