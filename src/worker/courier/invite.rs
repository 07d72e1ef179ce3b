//! Whoever is to be buzzed in a chat without being in it is added to it first,
//! where the rule says so; whoever cannot be is told directly.

use super::Courier;
use super::buzz::Buzz;
use crate::domain::{Destination, Incident, MessageId, Urgent};
use crate::feishu::UserId;

impl Courier {
    /// Of people whom Feishu would not buzz in the chat: who is left out even
    /// after they were invited and buzzed again.
    pub(super) async fn invite(
        &self,
        buzz: &Buzz<'_>,
        (incident, line, urgent): (&Incident, &MessageId, Urgent),
        refused: Vec<UserId>,
    ) -> Vec<UserId> {
        let Destination::Chat(chat) = buzz.to else { return refused };
        if !incident.invite || refused.is_empty() {
            return refused;
        }
        let client = self.client_for(buzz.claim);
        let outside = match client.add_members(self.clock.now(), chat, &refused).await {
            Ok(outside) => outside,
            Err(error) => {
                self.count_failure(buzz.claim, "invite", &error);
                return refused;
            }
        };
        let (left, added): (Vec<UserId>, Vec<UserId>) =
            refused.into_iter().partition(|person| outside.contains(person));
        if added.is_empty() {
            return left;
        }
        match client.urge(self.clock.now(), line, urgent, &added).await {
            Ok(urged) => left.into_iter().chain(urged.refused).collect(),
            Err(partly) => {
                self.count_failure(buzz.claim, urgent.as_str(), &partly.cause);
                // Who may have been buzzed all the same is told directly too: rather twice than not at all.
                left.into_iter().chain(added).collect()
            }
        }
    }
}
