//! Webhooks are kept, in order, whole, until they are dealt with.

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use larkhorn::store::{Commit, InboxId, Store};

use super::Database;
use super::support::{at, change, commit, conflicts, delivery, incident, put};

async fn bodies(store: &dyn Store) -> Vec<Bytes> {
    store.inbox(1000, usize::MAX).await.unwrap().into_iter().map(|d| d.content.body).collect()
}

pub(crate) async fn deliveries_wait_in_order_until_they_are_done(db: &impl Database) {
    let store = db.open();
    let mut ids = Vec::new();
    for body in ["a", "b", ""] {
        ids.push(store.accept(delivery(body, 5)).await.unwrap());
    }
    assert!(ids.is_sorted());
    let waiting = store.inbox(10, 1000).await.unwrap();
    assert_eq!(waiting.iter().map(|d| d.id).collect::<Vec<_>>(), ids);
    let first = &waiting[0];
    assert_eq!((first.content.source.as_str(), first.content.received_at), ("prod", at(5)));
    assert_eq!((first.content.kind.as_str(), first.taken), ("alertmanager", 0));

    store.commit(Commit { done: vec![ids[1]], ..commit(6, vec![]) }).await.unwrap();
    assert_eq!(bodies(&*store).await, ["a", ""]);
    drop(store);
    let store = db.open();
    assert_eq!(bodies(&*store).await, ["a", ""]);
    store.commit(Commit { done: vec![ids[0], ids[2]], ..commit(7, vec![]) }).await.unwrap();
    assert!(bodies(&*store).await.is_empty());
}

pub(crate) async fn a_read_of_the_inbox_is_bounded_by_count_and_bytes(db: &impl Database) {
    let store = db.open();
    for body in ["12345", "123", "12"] {
        store.accept(delivery(body, 0)).await.unwrap();
    }
    for (limit, max_bytes, expected) in
        [(2, 100, 2), (10, 8, 2), (10, 9, 2), (10, 10, 3), (10, 0, 1), (0, 9, 0)]
    {
        let found = store.inbox(limit, max_bytes).await.unwrap();
        assert_eq!(found.len(), expected, "limit {limit}, {max_bytes} bytes");
    }
}

pub(crate) async fn a_huge_body_comes_back_byte_for_byte(db: &impl Database) {
    let body: Bytes = (0..1_700_003_u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect::<Vec<_>>()
        .into();
    let store = db.open();
    let id = store.accept(delivery(body.clone(), 0)).await.unwrap();
    drop(store);
    let store = db.open();
    assert!(bodies(&*store).await == [body], "the body changed on its way");
    store.commit(Commit { done: vec![id], ..commit(1, vec![]) }).await.unwrap();
    assert_eq!(store.backlog().await.unwrap().inbox, 0);
}

pub(crate) async fn what_was_taken_of_a_delivery_is_remembered(db: &impl Database) {
    let store = db.open();
    let id = store.accept(delivery("many alerts", 0)).await.unwrap();
    store.commit(Commit { taken: Some((id, 500)), ..commit(1, vec![]) }).await.unwrap();
    let stale = put(&*store, change(incident("g"))).await;
    put(&*store, change(stale.clone())).await;
    let refused = Commit { taken: Some((id, 900)), done: vec![id], ..commit(2, vec![change(stale)]) };
    assert!(conflicts(&store.commit(refused).await));
    drop(store);
    let waiting = db.open().inbox(1, 100).await.unwrap();
    assert_eq!((waiting[0].id, waiting[0].taken), (id, 500));
}

pub(crate) async fn sixty_four_callers_at_once_are_all_on_disk(db: &impl Database) {
    let store = db.open();
    let accepted = join_all((0..64).map(|n| store.accept(delivery(format!("body {n}"), n)))).await;
    let mut ids: Vec<InboxId> = accepted.into_iter().map(Result::unwrap).collect();
    drop(store);
    let waiting = db.open().inbox(100, usize::MAX).await.unwrap();
    for found in &waiting {
        assert_eq!(
            found.content.body,
            format!("body {}", found.content.received_at.as_second() - 1_800_000_000)
        );
    }
    ids.sort();
    assert_eq!(waiting.iter().map(|d| d.id).collect::<Vec<_>>(), ids);
}

pub(crate) async fn a_caller_that_gives_up_leaves_a_whole_delivery_or_none(db: &impl Database) {
    let store = db.open();
    let body = vec![7_u8; 3 << 20];
    for polls in 0..3 {
        let mut accept = store.accept(delivery(body.clone(), 0));
        for _ in 0..polls {
            drop((&mut accept).now_or_never());
        }
    }
    // Whatever was queued is carried out before this one.
    store.accept(delivery("last", 1)).await.unwrap();
    let found = bodies(&*store).await;
    let (last, given_up) = found.split_last().unwrap();
    assert_eq!(last, "last");
    assert!(given_up.len() <= 2 && given_up.iter().all(|b| *b == body), "{} deliveries", given_up.len());
}

pub(crate) async fn a_delivery_is_decided_about_once(db: &impl Database) {
    let store = db.open();
    let (first, second) =
        (store.accept(delivery("a", 0)).await.unwrap(), store.accept(delivery("b", 0)).await.unwrap());
    let finish = |done| store.commit(Commit { at: at(1), done, ..Commit::default() });
    let take = |taken| store.commit(Commit { at: at(1), taken: Some((second, taken)), ..Commit::default() });
    finish(vec![first]).await.unwrap();
    assert!(conflicts(&finish(vec![second, first]).await), "somebody else has decided about the first");
    take(500).await.unwrap();
    assert!(conflicts(&take(500).await), "somebody else has got as far");
    take(1_000).await.unwrap();
    finish(vec![second]).await.unwrap();
    assert!(conflicts(&take(1_500).await));
    assert_eq!(store.inbox(10, 1_000).await.unwrap().len(), 0);
}

pub(crate) async fn what_is_dealt_with_can_be_read_again(db: &impl Database) {
    let store = db.open();
    let mut ids = Vec::new();
    for second in 0..4 {
        ids.push(store.accept(delivery(format!("{second}"), second)).await.unwrap());
    }
    let done = vec![ids[0], ids[2]];
    store.commit(Commit { at: at(5), done, ..Commit::default() }).await.unwrap();
    let read = |after, since, limit| store.journal(after, at(since), limit, 1_000);
    let bodies = |found: Vec<larkhorn::store::Delivery>| -> Vec<_> {
        found.into_iter().map(|delivery| (delivery.id, delivery.content.body)).collect()
    };
    let all: Vec<_> = ids.iter().copied().zip(["0", "1", "2", "3"].map(Into::into)).collect();
    assert_eq!(bodies(read(None, 0, 10).await.unwrap()), all);
    assert_eq!(bodies(read(Some(ids[0]), 0, 2).await.unwrap()), all[1..3]);
    assert_eq!(bodies(read(None, 2, 10).await.unwrap()), all[2..]);
}
