//! Pins: what is on top of people's chat lists is made equal to what is wanted.

use super::people::{Known, LookUpError};
use super::{Courier, Outcome};
use crate::domain::{Destination, Person};
use crate::feishu::{CallError, Place, Verdict};
use crate::store::{Claim, JobEnd, PinState, Report, StoreError};

/// The channel's word in metrics.
const CHANNEL: &str = "pin";

impl Courier {
    /// Pins and unpins one place until shown and wanted agree.
    pub(super) async fn pin(&self, claim: &Claim, to: &Destination) -> Result<Outcome, StoreError> {
        let pins = self.store.pins(to.clone()).await?;
        let missing: Vec<Person> = pins.wanted.iter().filter(|p| !pins.shown.contains(p)).cloned().collect();
        let surplus: Vec<Person> = pins.shown.iter().filter(|p| !pins.wanted.contains(p)).cloned().collect();
        let mut outcome = Outcome::done();
        for (on, people) in [(true, missing), (false, surplus)] {
            if people.is_empty() {
                continue;
            }
            match self.pin_people(claim, to, on, &people).await? {
                Ok(states) => outcome.pins.extend(states),
                Err(error) => {
                    self.count_failure(claim, CHANNEL, &error);
                    // A pin is decoration: what cannot be pinned is let be. What cannot
                    // be unpinned is gone with its place, or else tried again at the next start.
                    let Some(again) = self.again(claim, &error) else {
                        if on || is_gone(&error) {
                            outcome.pins.extend(people.into_iter().map(|p| (p, PinState::Off)));
                        }
                        continue;
                    };
                    return Ok(Outcome { end: again.end, ..outcome });
                }
            }
        }
        Ok(outcome)
    }

    async fn pin_people(
        &self,
        claim: &Claim,
        to: &Destination,
        on: bool,
        people: &[Person],
    ) -> Result<Result<Vec<(Person, PinState)>, CallError>, StoreError> {
        let known: Known = match self.know(people).await {
            Ok(known) => known,
            Err(LookUpError::Store(error)) => return Err(error),
            Err(LookUpError::Feishu(error)) => return Ok(Err(error)),
        };
        if on {
            self.store.report(self.unsure(claim, people)).await?;
        }
        let place = match to {
            Destination::Chat(chat) => Place::Chat(chat.clone()),
            Destination::Direct(_) => Place::Bot,
        };
        let pinned = match self.client_for(claim).pin(self.clock.now(), &place, on, &known.user_ids()).await {
            Ok(pinned) => pinned,
            Err(error) => return Ok(Err(error)),
        };
        let mut failed = known.unknown.clone();
        for (id, reason) in &pinned.failed {
            self.metrics.notification_failed(CHANNEL, "refused");
            tracing::warn!(to = %to, on, user = id.value, reason, "Feishu would not pin for somebody");
            failed.extend(known.behind(std::slice::from_ref(id)));
        }
        let state = |person: &Person| {
            if on && !failed.contains(person) { PinState::On } else { PinState::Off }
        };
        Ok(Ok(people.iter().map(|p| (p.clone(), state(p))).collect()))
    }

    /// Journals that a pin may exist, before it does: a crash leaves no orphan.
    fn unsure(&self, claim: &Claim, people: &[Person]) -> Report {
        let pins = people.iter().map(|p| (p.clone(), PinState::Unsure)).collect();
        Report { pins, ..claim.report(self.clock.now(), JobEnd::Held) }
    }
}

/// Whether there is no such place or person any more, and so no pin.
fn is_gone(error: &CallError) -> bool {
    matches!(
        error.verdict,
        Verdict::TargetInvalid | Verdict::NotInChat | Verdict::ChatGone | Verdict::PersonGone
    )
}
