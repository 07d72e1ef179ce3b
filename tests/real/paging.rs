//! A rule of Prometheus fires, repeats and recovers: what Lin sees of it.

use larkhorn::domain::Urgent;

use crate::alerting::Alerting;
use crate::pager::Pager;
use crate::patience::eventually;
use crate::phones::{LIN, MARA, Phones};

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_fires_repeats_and_recovers_on_one_card() {
    let phones = Phones::on();
    let mut pager = Pager::new(&phones.url());
    pager.start().await;
    let alerting = Alerting::start(&pager, "2s").await;
    assert_eq!(phones.cards(), []);

    alerting.checkouts_fail("tuesday", 7.5);
    eventually("a red card", async || phones.shows("7.5 % of checkouts fail in tuesday", "red")).await;
    eventually("the chat on top for Lin", async || phones.is_pinned(LIN)).await;
    let buzzes = || phones.buzzes(&phones.card("tuesday").unwrap(), LIN);
    eventually("Lin's phone to ring", async || buzzes() == [Urgent::Phone]).await;
    let line = phones.sandbox.buzzes().remove(0).text;
    assert!(line.contains("critical") && line.contains("CheckoutErrorRate"), "the phone says {line:?}");

    // One alert in the group, and it stays as it is: all that follows is repeats.
    let accepted = "larkhorn_webhook_requests_total{source=\"alertmanager\",code=\"200\"}";
    eventually("Alertmanager to repeat itself twice", async || {
        pager.metric(accepted).await.is_some_and(|n| n >= 3.0)
    })
    .await;
    pager.quiet().await;
    assert!(phones.shows("tuesday", "red"));
    assert_eq!(phones.cards().len(), 1);
    assert_eq!(buzzes(), [Urgent::Phone]);

    alerting.checkouts_fail("tuesday", 0.0);
    eventually("the same card in green", async || phones.shows("tuesday", "green")).await;
    eventually("the pin to be taken off", async || !phones.is_pinned(LIN)).await;
    pager.quiet().await;
    assert_eq!(pager.states("case", "tuesday").await, ["resolved"]);
    assert_eq!(phones.cards().len(), 1);
    assert_eq!(phones.sandbox.buzzes().len(), 1);
    assert!(phones.sandbox.pins(MARA).is_empty());
}
