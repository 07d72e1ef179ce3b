//! `kill -9` in the middle of paging and of recovering: whatever was accepted
//! is carried on by the next process.
//!
//! Alertmanager's repeats would hide a loss, so it repeats itself hourly here:
//! what the dead process had answered with 200 is told by nobody again.

use larkhorn::domain::Urgent;
use larkhorn::sandbox::{Api, Outcome};

use crate::alerting::Alerting;
use crate::pager::Pager;
use crate::patience::eventually;
use crate::phones::{LIN, Phones};

struct Story {
    phones: Phones,
    pager: Pager,
    alerting: Alerting,
}

impl Story {
    async fn begin() -> Self {
        let phones = Phones::on();
        let mut pager = Pager::new(&phones.url());
        pager.start().await;
        let alerting = Alerting::start(&pager, "1h").await;
        Self { phones, pager, alerting }
    }

    /// Kills the pager when the call that `spoil` spoils has arrived.
    async fn kill_at(&mut self, api: Api, spoil: impl FnOnce(&Phones), begin: impl FnOnce(&Alerting)) {
        let before = self.phones.called(api);
        spoil(&self.phones);
        begin(&self.alerting);
        let what = format!("the call {}", api.as_str());
        eventually(&what, async || self.phones.called(api) > before).await;
        self.pager.kill();
        self.phones.sandbox.clear_faults();
    }

    /// As [`Self::kill_at`]: the call is done, its answer never arrives.
    async fn kill_during(&mut self, api: Api, begin: impl FnOnce(&Alerting)) {
        self.kill_at(api, |phones| phones.hold(api), begin).await;
    }

    /// While the pager is dead the case recovers, and Alertmanager says so in vain.
    async fn recovers_unheard(&self, case: &str) {
        let before = self.alerting.failed_calls().await;
        self.alerting.checkouts_fail(case, 0.0);
        let vain = async || self.alerting.failed_calls().await > before;
        eventually("Alertmanager to call in vain", vain).await;
    }

    async fn paged(&self, case: &str) {
        eventually("a red card", async || self.phones.shows(case, "red")).await;
        eventually("the chat on top for Lin", async || self.phones.is_pinned(LIN)).await;
        let card = self.phones.card(case).unwrap();
        eventually("Lin's phone to ring", async || !self.phones.buzzes(&card, LIN).is_empty()).await;
    }

    /// It is over, with one card, one line and one call in all.
    async fn recovered(&self, case: &str) {
        eventually("a green card", async || self.phones.shows(case, "green")).await;
        eventually("the pin to be taken off", async || !self.phones.is_pinned(LIN)).await;
        assert_eq!(self.pager.states("case", case).await, ["resolved"]);
        let card = self.phones.card(case).unwrap();
        assert_eq!(self.phones.lines(&card).len(), 1, "lines under the card of {case}");
        assert_eq!(self.phones.buzzes(&card, LIN), [Urgent::Phone], "buzzes of {case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_paging_it_pages_once() {
    let mut story = Story::begin().await;
    // Accepted, and nothing delivered yet.
    let refuse = |phones: &Phones| phones.spoil(Api::Send, None, Outcome::Http(503));
    story.kill_at(Api::Send, refuse, |shop| shop.checkouts_fail("caseAccepted", 6.0)).await;
    story.pager.start().await;
    story.paged("caseAccepted").await;
    story.alerting.checkouts_fail("caseAccepted", 0.0);
    story.recovered("caseAccepted").await;

    // A call whose outcome the dead process did not live to see. A phone that
    // may have rung rings again only after a minute; by then all is over.
    for api in [Api::Send, Api::ChatFeedCard, Api::Reply, Api::UrgentPhone] {
        let case = format!("case{api:?}");
        story.kill_during(api, |shop| shop.checkouts_fail(&case, 6.0)).await;
        story.pager.start().await;
        story.paged(&case).await;
        story.alerting.checkouts_fail(&case, 0.0);
        story.recovered(&case).await;
    }
    assert_eq!(story.phones.cards().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_recovering_it_ends_green_and_unpinned() {
    let mut story = Story::begin().await;
    for api in [Api::UpdateCard, Api::ChatFeedCard] {
        let case = format!("case{api:?}");
        story.alerting.checkouts_fail(&case, 6.0);
        story.paged(&case).await;
        story.pager.quiet().await;
        story.kill_during(api, |shop| shop.checkouts_fail(&case, 0.0)).await;
        story.pager.start().await;
        story.recovered(&case).await;
    }
    assert_eq!(story.phones.cards().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_recovers_while_the_pager_is_dead_ends_green_and_unpinned() {
    let mut story = Story::begin().await;
    story.alerting.checkouts_fail("caseAlone", 6.0);
    story.paged("caseAlone").await;
    story.pager.quiet().await;
    story.pager.kill();
    story.recovers_unheard("caseAlone").await;
    assert!(story.phones.shows("caseAlone", "red") && story.phones.is_pinned(LIN));
    story.pager.start().await;
    story.recovered("caseAlone").await;

    // The pin is there, the pager died before it knew, and when it is told to
    // unpin, the next one has never pinned anything.
    story.kill_during(Api::ChatFeedCard, |shop| shop.checkouts_fail("caseOrphan", 6.0)).await;
    assert!(story.phones.is_pinned(LIN));
    story.recovers_unheard("caseOrphan").await;
    story.phones.spoil(Api::ChatFeedCard, None, Outcome::Http(503));
    story.pager.start().await;
    let resolved = async || story.pager.states("case", "caseOrphan").await == ["resolved"];
    eventually("the recovery to be known", resolved).await;
    assert!(story.phones.is_pinned(LIN));
    story.phones.sandbox.clear_faults();
    eventually("the orphaned pin to be taken off", async || !story.phones.is_pinned(LIN)).await;
    eventually("the card in green", async || story.phones.shows("caseOrphan", "green")).await;
    assert_eq!(story.phones.cards().len(), 2);
}
