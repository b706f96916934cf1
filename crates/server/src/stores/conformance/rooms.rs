//! Rooms: order, repetition, removal, lists.

use super::*;
use crate::stores::{Kept, Turn};

fn owned(texts: &[(u64, &str)]) -> Option<Vec<(u64, String)>> {
    Some(texts.iter().map(|(index, text)| (*index, (*text).to_owned())).collect())
}

pub(in crate::stores) async fn writes_of_a_room_are_applied_in_their_order(bed: &impl Bed) {
    let store = bed.open(WALL_MS);
    let mut script = Script::new(&*store);
    script.snapshot(1, 1, "one").await;
    script.turn(1, 2, "two").await;
    script.snapshot(2, 1, "another").await;
    script.turn(1, 3, "three").await;
    script.snapshot(1, 4, "four").await;
    script.turn(1, 5, "five").await;
    script.turn(1, 6, "six").await;
    script.committed().await;
    assert_eq!(texts(&*store, 1).await, owned(&[(4, "four"), (5, "five"), (6, "six")]));
    assert_eq!(texts(&*store, 2).await, owned(&[(1, "another")]));
    assert_eq!(texts(&*store, 3).await, None);
}

pub(in crate::stores) async fn what_was_committed_is_seen_by_everybody(bed: &impl Bed) {
    let store = bed.open(WALL_MS);
    for index in 1..50 {
        let place = store.place().await;
        let text = index.to_string();
        let mut receipt = store.snapshot(place, WALL_MS, room(1), index, row(&text), snapshot(&text));
        receipt.committed().await.unwrap();
        assert_eq!(texts(&*store, 1).await, owned(&[(index, &text)]));
    }
}

pub(in crate::stores) async fn a_snapshot_deletes_the_turns_before_it(bed: &impl Bed) {
    let store = bed.open(WALL_MS);
    // From small to large and back: a medium may keep them in different places.
    let large = "large ".repeat(20_000);
    let mut script = Script::new(&*store);
    script.snapshot(1, 1, "small").await;
    script.turn(1, 2, "gone").await;
    script.snapshot(1, 3, &large).await;
    script.committed().await;
    assert_eq!(texts(&*store, 1).await, owned(&[(3, &large)]));
    let mut script = Script::new(&*store);
    script.turn(1, 4, "gone").await;
    script.turn(1, 5, &large).await;
    script.committed().await;
    assert_eq!(texts(&*store, 1).await, owned(&[(3, &large), (4, "gone"), (5, &large)]));
    let mut script = Script::new(&*store);
    script.snapshot(1, 6, "small again").await;
    script.committed().await;
    assert_eq!(texts(&*store, 1).await, owned(&[(6, "small again")]));
    assert_eq!(store.mentioning(b"gone".to_vec()).await.unwrap(), []);
    assert_eq!(store.mentioning(b"large".to_vec()).await.unwrap(), []);
}

pub(in crate::stores) async fn a_repetition_changes_nothing(bed: &impl Bed) {
    let store = bed.open(WALL_MS);
    let mut script = Script::new(&*store);
    script.snapshot(1, 5, "five").await;
    script.turn(1, 6, "six").await;
    script.turn(1, 6, "six, otherwise").await;
    script.snapshot(1, 5, "five, otherwise").await;
    script.snapshot(1, 6, "six, otherwise").await;
    script.turn(1, 4, "four").await;
    // The same of a room that has nothing but its snapshot.
    script.snapshot(2, 5, "five").await;
    script.snapshot(2, 5, "five, otherwise").await;
    script.snapshot(2, 4, "four").await;
    script.committed().await;
    assert_eq!(texts(&*store, 1).await, owned(&[(5, "five"), (6, "six")]));
    assert_eq!(texts(&*store, 2).await, owned(&[(5, "five")]));
}

pub(in crate::stores) async fn a_write_of_who_had_it_before_is_dropped(bed: &impl Bed) {
    let store = bed.open(WALL_MS);
    let mut script = Script::new(&*store);
    script.snapshot(1, 1, "one").await;
    script.committed().await;
    bed.usurp();
    let mut script = Script::new(&*store);
    script.snapshot(1, 2, "two").await;
    script.turn(1, 3, "three").await;
    script.remove(&[1]).await;
    assert_eq!(script.results().await, vec![Err(StoreError::Closed); 3]);
    drop(store);
    assert_eq!(texts(&*bed.open(WALL_MS), 1).await, owned(&[(1, "one")]));
}

pub(in crate::stores) async fn rooms_are_removed_together(bed: &impl Bed) {
    let store = bed.open(WALL_MS);
    let mut script = Script::new(&*store);
    for n in 1..=4 {
        script.snapshot(n, 1, &"text ".repeat(3000)).await;
        script.turn(n, 2, "turn").await;
    }
    script.remove(&[1, 3, 9]).await;
    script.snapshot(3, 1, "three again").await;
    script.committed().await;
    assert_eq!(texts(&*store, 1).await, None);
    assert_eq!(texts(&*store, 3).await, owned(&[(1, "three again")]));
    let listed = store.rows(None, 9).await.unwrap();
    assert_eq!(listed.iter().map(|row| row.room_id).collect::<Vec<_>>(), [2, 3, 4].map(room));
}

pub(in crate::stores) async fn a_suspended_room_is_kept_until_its_next_snapshot(bed: &impl Bed) {
    let store = bed.open(WALL_MS);
    let mut script = Script::new(&*store);
    script.snapshot(1, 1, "one").await;
    script.turn(1, 2, "two").await;
    script.committed().await;
    for n in [1, 2] {
        let place = store.place().await;
        store.suspend(place, room(n), "another version".into()).committed().await.unwrap();
    }
    let why = Some("another version".to_owned());
    assert_eq!(store.load(room(1)).await.unwrap().unwrap().suspended, why);
    assert_eq!(store.rows(None, 9).await.unwrap()[0].suspended, why);
    assert_eq!(texts(&*store, 1).await, owned(&[(1, "one"), (2, "two")]));
    assert_eq!(texts(&*store, 2).await, None);
    let mut script = Script::new(&*store);
    script.snapshot(1, 3, "three").await;
    script.committed().await;
    assert_eq!(store.load(room(1)).await.unwrap().unwrap().suspended, None);
}

pub(in crate::stores) async fn rooms_are_listed_in_pages(bed: &impl Bed) {
    let store = bed.open(WALL_MS);
    assert_eq!(store.rows(None, 9).await.unwrap(), []);
    let mut script = Script::new(&*store);
    // The first and the last id that there can be.
    let ids = [(1 << 50) - 1, 77, 0, 12_345_678_901_234, 5];
    for n in ids {
        script.snapshot(n, 1, &n.to_string()).await;
    }
    script.committed().await;
    let mut listed = Vec::new();
    loop {
        let page = store.rows(listed.last().copied(), 2).await.unwrap();
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        for kept in page {
            assert_eq!(room(String::from_utf8(kept.row.entry.clone()).unwrap().parse().unwrap()), kept.room_id);
            assert_eq!(kept.row, row(std::str::from_utf8(&kept.row.entry).unwrap()));
            listed.push(kept.room_id);
        }
    }
    let mut expected = ids.map(room);
    expected.sort_unstable();
    assert_eq!(listed, expected);
}

pub(in crate::stores) async fn rooms_are_found_by_what_they_contain(bed: &impl Bed) {
    let store = bed.open(WALL_MS);
    let mut script = Script::new(&*store);
    script.snapshot(1, 1, r#"{"members":["anna","bert"]}"#).await;
    script.snapshot(2, 1, r#"{"members":["bert"]}"#).await;
    script.snapshot(3, 1, &format!("{} anna", "x".repeat(50_000))).await;
    script.snapshot(4, 1, "nobody").await;
    script.turn(4, 2, "anna comes").await;
    script.turn(4, 3, "anna goes").await;
    script.committed().await;
    assert_eq!(store.mentioning(b"anna".to_vec()).await.unwrap(), [1, 3, 4].map(room));
    assert_eq!(store.mentioning(b"carl".to_vec()).await.unwrap(), []);
}

pub(in crate::stores) async fn rooms_are_as_they_were_when_the_store_is_opened_again(bed: &impl Bed) {
    let store = bed.open(WALL_MS);
    let bare = RoomRow { durable: false, members: u32::MAX, due: None, down_ms: u64::MAX >> 1, entry: Vec::new() };
    let place = store.place().await;
    store.snapshot(place, WALL_MS, room(1), 7, bare.clone(), snapshot("")).committed().await.unwrap();
    let place = store.place().await;
    let due = RoomRow { due: Some(u64::MAX >> 1), ..row("entry") };
    store.turn(place, WALL_MS, room(1), 8, due.clone(), turn("\0")).committed().await.unwrap();
    let expected = Kept {
        row: due,
        index: 7,
        snapshot: snapshot(""),
        turns: vec![Turn { index: 8, turn: turn("\0") }],
        suspended: None,
    };
    assert_eq!(store.load(room(1)).await.unwrap().as_ref(), Some(&expected));
    drop(store);
    let store = bed.open(WALL_MS);
    assert_eq!(store.load(room(1)).await.unwrap(), Some(expected));
}

pub(in crate::stores) async fn a_turn_of_a_room_that_is_not_stored_holds_up_nobody(bed: &impl Bed) {
    let store = bed.open(WALL_MS);
    let mut script = Script::new(&*store);
    script.snapshot(1, 1, "one").await;
    script.turn(2, 1, "of nobody").await;
    script.turn(1, 2, "two").await;
    assert_eq!(script.results().await, [Ok(()), Err(StoreError::Closed), Ok(())]);
    assert_eq!(texts(&*store, 1).await, owned(&[(1, "one"), (2, "two")]));
    assert!(store.health().is_good());
}
