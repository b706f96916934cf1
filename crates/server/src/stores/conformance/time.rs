//! Time, and the end: how long nobody had the store, and what becomes of what was submitted.

use super::*;
use crate::stores::{Boot, PLACES};

async fn alive(store: &dyn Store, now_ms: u64) {
    let place = store.place().await;
    store.alive(place, now_ms).committed().await.unwrap();
}

pub(in crate::stores) async fn time_goes_on_where_it_was(bed: &impl Bed) {
    let store = bed.open(WALL_MS);
    assert_eq!(store.boot(), Boot { number: 1, start_ms: WALL_MS, down_ms: 0 });
    alive(&*store, WALL_MS + 500).await;
    alive(&*store, WALL_MS + 400).await;
    drop(store);
    let store = bed.open(WALL_MS + 2500);
    assert_eq!(store.boot(), Boot { number: 2, start_ms: WALL_MS + 2500, down_ms: 2000 });
    // Whatever says when it was says that the server was alive then.
    let place = store.place().await;
    let mut receipt = store.snapshot(place, WALL_MS + 3000, room(1), 1, row(""), snapshot(""));
    receipt.committed().await.unwrap();
    drop(store);
    let store = bed.open(WALL_MS + 4000);
    assert_eq!(store.boot(), Boot { number: 3, start_ms: WALL_MS + 4000, down_ms: 3000 });
    drop(store);
    assert_eq!(bed.open(WALL_MS + 4001).boot(), Boot { number: 4, start_ms: WALL_MS + 4001, down_ms: 3001 });
}

pub(in crate::stores) async fn a_wall_clock_that_goes_back_takes_no_time_with_it(bed: &impl Bed) {
    let store = bed.open(WALL_MS);
    alive(&*store, WALL_MS + 10_000).await;
    drop(store);
    let store = bed.open(WALL_MS - 5_000_000);
    assert_eq!(store.boot(), Boot { number: 2, start_ms: WALL_MS + 10_001, down_ms: 1 });
    drop(store);
    assert_eq!(bed.open(0).boot(), Boot { number: 3, start_ms: WALL_MS + 10_002, down_ms: 2 });
}

pub(in crate::stores) async fn closing_commits_what_was_submitted(bed: &impl Bed) {
    let store = bed.open(WALL_MS);
    let mut script = Script::new(&*store);
    for index in 1..200 {
        script.snapshot(index.into(), index, "text").await;
    }
    store.close().await;
    script.committed().await;
    let mut script = Script::new(&*store);
    script.snapshot(1, 500, "too late").await;
    assert_eq!(script.results().await, [Err(StoreError::Closed)]);
    assert_eq!(store.load(room(1)).await, Err(StoreError::Closed));
    store.close().await;
    drop(store);
    assert_eq!(bed.open(WALL_MS).rows(None, 1000).await.unwrap().len(), 199);
}

pub(in crate::stores) async fn places_are_bounded(bed: &impl Bed) {
    let store = bed.open(WALL_MS);
    let mut places = Vec::new();
    for _ in 0..PLACES {
        places.push(store.place().await);
    }
    let mut next = store.place();
    assert!(futures_pending(&mut next).await);
    // A write gives its place back when it is committed.
    store.alive(places.pop().unwrap(), WALL_MS).committed().await.unwrap();
    drop(next.await);
}

async fn futures_pending<T>(later: &mut crate::stores::Later<'static, T>) -> bool {
    std::future::poll_fn(|context| std::task::Poll::Ready(later.as_mut().poll(context).is_pending())).await
}
