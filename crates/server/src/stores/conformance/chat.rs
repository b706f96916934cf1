//! What was said in rooms: read from the newest back, and forgotten with its room, its author, or its time.

use anteroom_protocol::message::chat::{ChatEntry, MessageId};

use super::*;
use crate::stores::ChatRow;

fn said(n: u128, id: u64, by: &str, at_ms: u64) -> ChatRow {
    let text = format!("entry {id} of {by}, 'quoted' \u{1f600}");
    let (user_id, username) = (user(by), by.to_uppercase());
    let entry = ChatEntry { message_id: MessageId(id), user_id, username, text, at_ms, edited: false, deleted: false };
    ChatRow { room_id: room(n), entry }
}

async fn say(store: &dyn Store, rows: Vec<ChatRow>) {
    store.say(store.place().await, rows).committed().await.unwrap();
}

async fn ids(store: &dyn Store, n: u128, before: Option<u64>, most: usize) -> Vec<u64> {
    let said = store.said(room(n), before.map(MessageId), most).await.unwrap();
    said.iter().map(|entry| entry.message_id.0).collect()
}

pub(in crate::stores) async fn what_was_said_is_read_in_pages(bed: &impl Bed) {
    let store = bed.open(WALL_MS);
    say(&*store, (1..=5).map(|id| said(1, id, "anna", WALL_MS)).collect()).await;
    say(&*store, vec![said(2, 9, "bert", WALL_MS), said(0, 3, "bert", WALL_MS)]).await;
    drop(store);
    let store = bed.open(WALL_MS);
    assert_eq!(ids(&*store, 1, None, 2).await, [4, 5]);
    assert_eq!(ids(&*store, 1, Some(4), 2).await, [2, 3]);
    assert_eq!(ids(&*store, 1, Some(2), 2).await, [1]);
    assert_eq!(ids(&*store, 1, Some(1), 2).await, [0; 0]);
    assert_eq!(ids(&*store, 1, Some(u64::MAX), 9).await, [1, 2, 3, 4, 5]);
    assert_eq!(store.said(room(2), None, 9).await.unwrap(), [said(2, 9, "bert", WALL_MS).entry]);
}

pub(in crate::stores) async fn what_is_said_anew_takes_the_place_of_what_was(bed: &impl Bed) {
    let store = bed.open(WALL_MS);
    say(&*store, vec![said(1, 1, "anna", WALL_MS), said(1, 2, "anna", WALL_MS)]).await;
    let mut row = said(1, 1, "anna", WALL_MS);
    row.entry.text.clear();
    (row.entry.edited, row.entry.deleted) = (true, true);
    say(&*store, vec![row.clone()]).await;
    assert_eq!(store.said(room(1), Some(MessageId(2)), 9).await.unwrap(), [row.entry]);
}

pub(in crate::stores) async fn what_was_said_goes_with_its_room(bed: &impl Bed) {
    let store = bed.open(WALL_MS);
    say(&*store, vec![said(1, 1, "anna", WALL_MS), said(2, 1, "anna", WALL_MS)]).await;
    let mut script = Script::new(&*store);
    script.remove(&[1]).await;
    script.committed().await;
    assert_eq!((ids(&*store, 1, None, 9).await, ids(&*store, 2, None, 9).await), (vec![], vec![1]));
}

pub(in crate::stores) async fn what_a_user_said_is_told_and_erased(bed: &impl Bed) {
    let store = bed.open(WALL_MS);
    let rows = [said(1, 1, "anna", WALL_MS), said(1, 2, "bert", WALL_MS), said(2, 7, "anna", WALL_MS)];
    say(&*store, rows.to_vec()).await;
    assert_eq!(store.said_by(user("anna")).await.unwrap(), [rows[0].clone(), rows[2].clone()]);
    store.erase(store.place().await, user("anna")).committed().await.unwrap();
    assert_eq!(store.said_by(user("anna")).await.unwrap(), []);
    assert_eq!((ids(&*store, 1, None, 9).await, ids(&*store, 2, None, 9).await), (vec![2], vec![]));
}

pub(in crate::stores) async fn what_is_old_is_forgotten(bed: &impl Bed) {
    let store = bed.open(WALL_MS);
    say(&*store, (1..=4).map(|id| said(1, id, "anna", WALL_MS + id)).collect()).await;
    store.prune(store.place().await, WALL_MS + 3).committed().await.unwrap();
    assert_eq!(ids(&*store, 1, None, 9).await, [3, 4]);
}
