//! What the budget makes of a buzz: asked just before the call, and told in the
//! timeline where it makes the buzz quieter.

use super::Courier;
use super::buzz::Buzz;
use super::people::Known;
use crate::domain::{Happening, Incident, Job, Urgent};
use crate::feishu::{UrgeFailed, UserId, Verdict};
use crate::store::{Spending, StoreError};

/// People who are buzzed together.
pub(super) struct Means {
    /// How loudly.
    pub(super) urgent: Urgent,
    /// Who, with those that Feishu does not know.
    pub(super) known: Known,
    /// The others, who may only be buzzed more quietly.
    pub(super) later: Vec<Job>,
    /// What the timeline says of it.
    pub(super) notes: Vec<Happening>,
}

impl Courier {
    /// Pays for a buzz: as many of the people as may be buzzed so loudly, or all
    /// of them more quietly. `unspent`: the names of those for whom the job has just paid in vain.
    pub(super) async fn pay(
        &self,
        buzz: &Buzz<'_>,
        urgent: Urgent,
        known: &Known,
        incident: &Incident,
        unspent: Vec<String>,
    ) -> Result<Means, StoreError> {
        let as_wanted = || Means { urgent, known: known.clone(), later: Vec::new(), notes: Vec::new() };
        let (Some(purse), Some(id), true) = (&self.purse, incident.id, urgent > Urgent::App) else {
            return Ok(as_wanted());
        };
        let at = self.clock.now();
        let spending = Spending {
            ticket: buzz.claim.ticket,
            incident: id,
            at,
            month_from: at,
            people: known.names(),
            unspent,
        };
        let allotted = purse.spend(incident, urgent, spending).await?;
        let later = allotted.quieter.iter().rev().filter_map(|(urgent, names)| {
            let people = known.named(names).into_iter().map(|(person, _)| person);
            Buzz { urgent: *urgent, ..*buzz }.of(people.collect())
        });
        let held_back = allotted.held_back.into_iter();
        let notes = held_back.map(|((wanted, cap, urgent), people)| Happening::HeldBack {
            people,
            wanted,
            cap,
            urgent,
        });
        Ok(Means {
            urgent: allotted.urgent,
            known: Known { ids: known.named(&allotted.people), unknown: known.unknown.clone() },
            later: later.collect(),
            notes: notes.collect(),
        })
    }
}

impl Means {
    /// Names of those who were paid for and not buzzed, by the end of the call.
    /// Who may have been buzzed all the same counts as buzzed.
    pub(super) fn unspent(&self, called: Result<&[UserId], &UrgeFailed>) -> Vec<String> {
        let left: Vec<&UserId> = match called {
            Ok(refused) => refused.iter().collect(),
            Err(partly) => {
                let sure = partly.cause.verdict != Verdict::Unknown;
                let failed = partly.failed.iter().filter(|_| sure);
                partly.refused.iter().chain(&partly.untried).chain(failed).collect()
            }
        };
        let ids = self.known.ids.iter().filter(|(_, id)| left.contains(&id));
        let people = ids.map(|(person, _)| person).chain(&self.known.unknown);
        people.map(|person| person.name.clone()).collect()
    }
}
