//! Telling somebody that they have an incident, or soon will not: a line in
//! reply to the card, and a buzz in the app. Nobody is called for it.

use super::buzz::is_in_vain;
use super::cards::gave_up;
use super::people::LookUpError;
use super::{Courier, Outcome};
use crate::domain::{Destination, Happening, Person, Urgent};
use crate::feishu::{CallError, Content};
use crate::store::{Claim, StoreError};

impl Courier {
    /// Reminds one person.
    pub(super) async fn remind(
        &self,
        claim: &Claim,
        to: &Destination,
        person: &Person,
    ) -> Result<Outcome, StoreError> {
        let Some(incident) = self.incident(claim).await? else { return Ok(Outcome::done()) };
        let mut known = match self.know(std::slice::from_ref(person)).await {
            Ok(known) => known,
            Err(LookUpError::Store(error)) => return Err(error),
            Err(LookUpError::Feishu(error)) => return Ok(self.not_reminded(claim, &error)),
        };
        let card = match incident.id {
            Some(id) => self.anchor(id, to).await?,
            None => None,
        };
        let (Some(card), false) = (card, known.ids.is_empty()) else {
            return Ok(gave_up(claim, "remind", "there is no card, or Feishu does not know the person", ""));
        };
        let text = self.cards.load().buzz_line(&incident, "", (0, 0), std::slice::from_ref(&person.name));
        let (now, placed) = (self.clock.now(), super::placed(&incident, to));
        let client = self.client_for(claim);
        let line = match client.reply(now, &card, &Content::Text(text), placed, &claim.uuid).await {
            Ok(sent) => sent.message,
            Err(error) => return Ok(self.not_reminded(claim, &error)),
        };
        let mut called = client.urge(self.clock.now(), &line, Urgent::App, &known.user_ids()).await;
        if is_in_vain(&called, &known)
            && let Some(fresh) = self.look_again(&known).await?
        {
            known = fresh;
            called = client.urge(self.clock.now(), &line, Urgent::App, &known.user_ids()).await;
        }
        match called {
            Ok(urged) => {
                let refused = known.behind(&urged.refused).into_iter().map(|p| p.name).collect::<Vec<_>>();
                let people = if refused.is_empty() { vec![person.name.clone()] } else { Vec::new() };
                Ok(Outcome::done().note(Happening::Buzzed { urgent: Urgent::App, people, refused }))
            }
            Err(partly) => Ok(self.not_reminded(claim, &partly.cause)),
        }
    }

    fn not_reminded(&self, claim: &Claim, error: &CallError) -> Outcome {
        self.count_failure(claim, Urgent::App.as_str(), error);
        self.again(claim, error).unwrap_or_else(|| gave_up(claim, "remind", &error.to_string(), ""))
    }
}
