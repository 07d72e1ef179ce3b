//! Large webhooks, taken in slices.
//!
//! A storm can come as one body of 100,000 alerts. It is decoded alert by
//! alert and committed slice by slice; the inbox remembers how far it got, so
//! a crash repeats at most one slice and memory stays near the body's size.
//!
//! An incident that has grown large stays at hand from one slice to the next:
//! loading it again for each would make the whole quadratic. Should it change
//! in the store meanwhile, the commit is a conflict and the rest of the webhook
//! is taken anew.

use std::borrow::Cow;

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::desk::Desk;
use super::parcel::Parcel;
use super::{Engine, Reachable, heartbeats};
use crate::domain::{Alert, GroupHeader, Labels};
use crate::sources;
use crate::store::{Commit, Delivery, StoreError};

/// Alerts in a slice.
const SLICE: usize = 1000;
/// Slices in one turn. Deadlines come due while a storm is taken in.
const SLICES_MAX: usize = 10;

/// Takes a helping of a delivery's slices; the next turn goes on from there.
pub(super) async fn take(engine: &Engine, delivery: &Delivery, now: Timestamp) -> Result<(), StoreError> {
    let Some(header) = header(delivery).await? else {
        let commit = Commit { at: now, done: vec![delivery.id], ..Commit::default() };
        return engine.commit(commit).await.map(drop);
    };
    let mut slices = decode(delivery);
    let mut taken = delivery.taken;
    let mut at_hand = Vec::new();
    for _ in 0..SLICES_MAX {
        let Some(slice) = slices.recv().await else {
            let done = vec![delivery.id];
            let end = Commit { at: now, done, ..Commit::default() };
            return engine.commit(end).await.map(drop);
        };
        let mut desk = Desk::default();
        taken += u64::try_from(slice.len()).unwrap_or(u64::MAX);
        let rules = engine.rules.load_full();
        let parcel = Parcel::sort(&rules, &delivery.content.source, &header, slice).partial();
        engine.metrics.unmatched(parcel.unmatched);
        let (heartbeats, ends) =
            heartbeats::heard(&rules, &parcel, delivery.content.received_at, engine.locale);
        let parcels: Vec<Parcel> = [Some(parcel), ends].into_iter().flatten().collect();
        desk.load(engine.store.as_ref(), &parcels, at_hand).await?;
        for parcel in parcels {
            desk.apply(&rules, &Reachable { rules: &rules }, &parcel, now);
        }
        let (changes, large) = desk.changes_and_large(SLICE);
        let taken = Some((delivery.id, taken));
        let commit = Commit { at: now, taken, changes, heartbeats, ..Commit::default() };
        at_hand = large.committed(&engine.commit(commit).await?);
    }
    Ok(())
}

/// What the payload says of itself, partly behind its alerts.
async fn header(delivery: &Delivery) -> Result<Option<GroupHeader<'static>>, StoreError> {
    let content = delivery.content.clone();
    let read = move || {
        sources::visit(content.kind, &content.body, &mut |_| {}).map(|header| GroupHeader {
            kind: header.kind,
            receiver: own(&header.receiver),
            group_key: own(&header.group_key),
            group_labels: Labels::into_owned(header.group_labels),
            external_url: own(&header.external_url),
            truncated_alerts: header.truncated_alerts,
        })
    };
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(header)) => Ok(Some(header)),
        Ok(Err(error)) => {
            tracing::error!(inbox = delivery.id.0, %error, "a kept webhook cannot be read");
            Ok(None)
        }
        Err(error) => {
            Err(StoreError::Unavailable(format!("reading webhook {} failed: {error}", delivery.id.0)))
        }
    }
}

fn own(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.to_owned())
}

/// Decodes on a thread of its own, one slice ahead, past what is already taken.
fn decode(delivery: &Delivery) -> mpsc::Receiver<Vec<Alert<'static>>> {
    let (sender, receiver) = mpsc::channel(1);
    let (content, mut skip) = (delivery.content.clone(), delivery.taken);
    let read = move || {
        let mut slice = Vec::with_capacity(SLICE);
        let mut gone = false;
        let mut sink = |alert: Alert<'_>| {
            if skip > 0 || gone {
                skip = skip.saturating_sub(1);
                return;
            }
            slice.push(alert.into_owned());
            if slice.len() == SLICE {
                let full = std::mem::replace(&mut slice, Vec::with_capacity(SLICE));
                gone = sender.blocking_send(full).is_err();
            }
        };
        let read = sources::visit(content.kind, &content.body, &mut sink);
        if read.is_ok() && !slice.is_empty() && sender.blocking_send(slice).is_err() {
            tracing::debug!("the engine left a large webhook before its end");
        }
    };
    drop(tokio::task::spawn_blocking(read));
    receiver
}
