//! Users: known by what was seen of them last, and forgotten on demand.

use super::*;
use crate::stores::UserRow;

fn known(user_id: &str, username: &str) -> UserRow {
    UserRow { user_id: user(user_id), username: username.to_owned(), is_guest: false, seen_ms: WALL_MS }
}

pub(in crate::stores) async fn users_are_noted(bed: &impl Bed) {
    let store = bed.open(WALL_MS);
    let place = store.place().await;
    store.note(place, vec![known("anna", "Anna"), known("bert", "Bert")]).committed().await.unwrap();
    let place = store.place().await;
    let changed = UserRow { is_guest: true, seen_ms: 0, ..known("anna", "Ännchen 'x' \u{1f600}") };
    store.note(place, vec![changed.clone()]).committed().await.unwrap();
    drop(store);
    let store = bed.open(WALL_MS);
    assert_eq!(store.user(user("anna")).await.unwrap(), Some(changed));
    assert_eq!(store.user(user("bert")).await.unwrap(), Some(known("bert", "Bert")));
    assert_eq!(store.user(user("carl")).await.unwrap(), None);
}

pub(in crate::stores) async fn a_user_is_erased_with_their_sessions(bed: &impl Bed) {
    let store = bed.open(WALL_MS);
    let place = store.place().await;
    store.note(place, vec![known("anna", "Anna"), known("bert", "Bert")]).committed().await.unwrap();
    let mut script = Script::new(&*store);
    script.keep(vec![session_row(1, "anna", 0), session_row(2, "bert", 0), session_row(3, "anna", 0)]).await;
    script.committed().await;
    for user_id in ["anna", "nobody"] {
        let place = store.place().await;
        store.erase(place, user(user_id)).committed().await.unwrap();
    }
    assert_eq!(store.user(user("anna")).await.unwrap(), None);
    assert_eq!(store.user(user("bert")).await.unwrap(), Some(known("bert", "Bert")));
    assert_eq!(store.sessions().await.unwrap(), [session_row(2, "bert", 0)]);
}
