//! Sessions: kept as they are, but for the generation, which says how often the store was opened since.

use super::*;

async fn committed(store: &dyn Store, rows: Vec<SessionRow>) {
    let mut script = Script::new(store);
    script.keep(rows).await;
    script.committed().await;
}

pub(in crate::stores) async fn sessions_are_kept_and_forgotten(bed: &impl Bed) {
    let store = bed.open(WALL_MS);
    committed(&*store, vec![session_row(2, "bert", 0), session_row(1, "anna", 0), session_row(3, "anna", 0)]).await;
    committed(&*store, vec![session_row(2, "another", 0)]).await;
    let place = store.place().await;
    store.forget(place, vec![session(3), session(9)]).committed().await.unwrap();
    assert_eq!(store.sessions().await.unwrap(), [session_row(1, "anna", 0), session_row(2, "another", 0)]);
}

pub(in crate::stores) async fn opening_raises_every_generation(bed: &impl Bed) {
    let store = bed.open(WALL_MS);
    committed(&*store, vec![session_row(1, "anna", 0), session_row(2, "bert", 7)]).await;
    committed(&*store, vec![session_row(3, "carl", u16::MAX), session_row(4, "dora", u16::MAX - 1)]).await;
    drop(store);
    let store = bed.open(WALL_MS);
    // A generation above the last one cannot be: that session is over.
    let raised = [session_row(1, "anna", 1), session_row(2, "bert", 8), session_row(4, "dora", u16::MAX)];
    assert_eq!(store.sessions().await.unwrap(), raised);
    drop(store);
    let store = bed.open(WALL_MS);
    assert_eq!(store.sessions().await.unwrap(), [session_row(1, "anna", 2), session_row(2, "bert", 9)]);
}
