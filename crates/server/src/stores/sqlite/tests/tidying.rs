//! What is erased is gone from the files, and what the tools find and make.

use std::fs;

use super::*;
use crate::stores::UserRow;
use crate::stores::conformance::{Script, WALL_MS, room, row, session_row, snapshot, texts, user};

/// How often these bytes are in the files of a store.
fn count(scratch: &Scratch, bytes: &str) -> usize {
    fs::read_dir(scratch.path())
        .unwrap()
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .map(|content| content.windows(bytes.len()).filter(|window| *window == bytes.as_bytes()).count())
        .sum()
}

fn random(seed: u64) -> impl FnMut(u32) -> u64 {
    let mut rng = anteroom_core::Rng::new(seed);
    move |below| rng.below(below).into()
}

/// A store in which the pages of its trees have been split, merged and freed, with a user in all of it.
async fn lived_in(scratch: &Scratch) -> Sqlite {
    let store = Sqlite::open(scratch.path(), WALL_MS).unwrap();
    let mut random = random(7);
    let mut script = Script::new(&store);
    for index in 1..3000 {
        let n = u128::from(random(150) * 7_000_001);
        let text = format!("{} anna-the-first {}", "x".repeat(random(900) as usize), "y".repeat(random(2500) as usize));
        match random(5) {
            0 => script.remove(&[n]).await,
            1 => script.snapshot(n, index, &text.repeat(9)).await,
            _ => script.snapshot(n, index, &text).await,
        }
        if random(2) == 0 {
            script.snapshot(n, index + 10_000, "z").await;
            script.turn(n, index + 20_000, &text).await;
        }
        if random(4) == 0 {
            script.keep(vec![session_row(random(90).into(), "anna-the-first", 0)]).await;
        }
    }
    script.committed().await;
    let anna = UserRow {
        user_id: user("anna-the-first"),
        username: "Anna The Great".into(),
        is_guest: false,
        seen_ms: WALL_MS,
    };
    store.note(store.place().await, vec![anna]).committed().await.unwrap();
    store
}

#[tokio::test]
async fn not_a_byte_is_left_of_who_was_erased() {
    let scratch = Scratch::new();
    let store = lived_in(&scratch).await;
    assert!(count(&scratch, "anna-the-first") > 1000);
    assert!(count(&scratch, "Anna The Great") > 0);
    // The rooms' owners put a stranger in their place.
    let mut receipts = Vec::new();
    for room_id in store.mentioning(b"anna-the-first".to_vec()).await.unwrap() {
        let place = store.place().await;
        receipts.push(store.snapshot(place, WALL_MS, room_id, 1_000_000, row(""), snapshot("somebody")));
    }
    let place = store.place().await;
    receipts.push(store.erase(place, user("anna-the-first")));
    for mut receipt in receipts {
        receipt.committed().await.unwrap();
    }
    // While the store is open: database, log and free pages.
    assert_eq!(count(&scratch, "anna-the-first"), 0);
    assert_eq!(count(&scratch, "Anna The Great"), 0);
    assert!(count(&scratch, "somebody") > 0);
}

/// SQLite overwrites what is deleted, but when it rebuilds a page it leaves copies between the cells, about one in ten thousand
/// writes: they are no part of anything, and only writing the database anew gets rid of them.
#[tokio::test]
async fn no_copy_is_left_in_the_gaps_of_a_page() {
    let scratch = Scratch::in_memory();
    let store = Sqlite::open(scratch.path(), WALL_MS).unwrap();
    let mut random = random(1);
    let mut live = std::collections::BTreeMap::new();
    for _ in 0..60 {
        let mut script = Script::new(&store);
        for _ in 0..400 {
            let n = u128::from(random(600));
            let number = live.len() as u64 + 1_000_000_000 + random(1_000_000_000);
            if random(5) < 3 {
                let mut row = session_row(n, "anna", 0);
                let text = format!("<{number}>{}", "x".repeat(random(600) as usize));
                row.session = Sealed::from_stored(text.into_bytes());
                script.keep(vec![row]).await;
                live.insert(n, number);
            } else {
                script.forget(n).await;
                live.remove(&n);
            }
        }
        script.committed().await;
    }
    store.erase(store.place().await, user("bert")).committed().await.unwrap();
    let mut found = Vec::new();
    for file in fs::read_dir(scratch.path()).unwrap() {
        let content = fs::read(file.unwrap().path()).unwrap();
        let numbers = content.windows(12).filter(|window| window[0] == b'<' && window[11] == b'>');
        found.extend(numbers.filter_map(|window| std::str::from_utf8(&window[1..11]).ok()?.parse::<u64>().ok()));
    }
    found.sort_unstable();
    let mut live: Vec<u64> = live.into_values().collect();
    live.sort_unstable();
    assert_eq!(found, live);
}

#[tokio::test]
async fn a_check_says_what_is_in_a_store_and_what_is_wrong() {
    let scratch = Scratch::new();
    let store = Sqlite::open(scratch.path(), WALL_MS).unwrap();
    let mut script = Script::new(&store);
    for n in 1..=6 {
        script.snapshot(n, 1, &"large ".repeat(2000)).await;
        script.turn(n, 2, "two").await;
        script.turn(n, 3, "three").await;
    }
    script.keep(vec![session_row(1, "anna", 0)]).await;
    script.committed().await;
    store.suspend(store.place().await, room(5), "why".into()).committed().await.unwrap();
    let report = store.check().await.unwrap();
    assert_eq!(report.to_string(), "6 rooms (1 suspended), 12 turns, 1 sessions, 0 users: all in order");
    drop(store);
    assert_eq!(check(scratch.path()).unwrap(), report);

    scratch
        .connect()
        .execute_batch(
            "UPDATE snapshots SET snapshot = x'0101' WHERE room = 1;
             DELETE FROM snapshots WHERE room = 2;
             DELETE FROM turns WHERE room = 3 AND turn_index = 2;
             UPDATE turns SET turn = zeroblob(50) WHERE room = 4 AND turn_index = 3;
             DELETE FROM rooms WHERE room = 5;
             DELETE FROM turns WHERE room = 6 AND turn_index = 3;
             UPDATE sessions SET session = CAST(x'02' || session AS BLOB);",
        )
        .unwrap();
    let report = check(scratch.path()).unwrap();
    assert!(!report.is_good());
    let ids: Vec<String> = (1..=6).map(|n| room(n).to_string()).collect();
    assert_eq!(
        report.faults,
        [
            format!("room {}: its snapshot: the record is damaged: it is too short", ids[0]),
            format!("room {}: it has no snapshot", ids[1]),
            format!("room {}: what is stored ends with turn 2, and turn 3 was stored", ids[5]),
            format!("room {}: turn 3 follows 1", ids[2]),
            format!("room {}: turn 3: the record has version 0; 1 is known", ids[3]),
            format!("turn 2 of room {}, which is not stored", ids[4]),
            format!("turn 3 of room {}, which is not stored", ids[4]),
            format!("session {}: the record has version 2; 1 is known", crate::stores::conformance::session(1)),
        ]
    );
    // A check changes nothing.
    assert_eq!(Sqlite::open(scratch.path(), WALL_MS).unwrap().boot().number, 2);
}

#[tokio::test]
async fn a_backup_is_a_store_and_is_taken_while_the_store_is_in_use() {
    let scratch = Scratch::new();
    let store = Sqlite::open(scratch.path(), WALL_MS).unwrap();
    let mut script = Script::new(&store);
    script.snapshot(1, 1, "one").await;
    script.turn(1, 2, "two").await;
    script.committed().await;
    let copies = [Scratch::new(), Scratch::new()];
    copies.iter().for_each(|copy| fs::create_dir(copy.path()).unwrap());
    store.backup(copies[0].database()).await.unwrap();
    let mut script = Script::new(&store);
    script.turn(1, 3, "three").await;
    script.committed().await;
    // What is there already is not overwritten.
    let again = store.backup(copies[0].database()).await.unwrap_err().to_string();
    assert!(again.contains("is there already; name a file that is not"), "{again}");
    drop(store);
    backup(scratch.path(), &copies[1].database()).unwrap();
    for (copy, turns) in copies.iter().zip([2, 3]) {
        assert_eq!(fs::read_dir(copy.path()).unwrap().count(), 1);
        let store = Sqlite::open(copy.path(), WALL_MS).unwrap();
        assert_eq!(store.boot().number, 2);
        assert_eq!(texts(&store, 1).await.unwrap().len(), turns);
    }
}

#[tokio::test]
async fn a_store_is_made_small_with_and_without_a_server() {
    let scratch = Scratch::new();
    let size = || fs::metadata(scratch.database()).unwrap().len();
    for is_running in [true, false] {
        let store = Sqlite::open(scratch.path(), WALL_MS).unwrap();
        let mut script = Script::new(&store);
        for n in 1..100 {
            script.snapshot(n, 1, &"text ".repeat(2000)).await;
        }
        script.remove(&(1..100).collect::<Vec<_>>()).await;
        script.snapshot(100, 1, "left").await;
        script.committed().await;
        if is_running {
            store.vacuum(store.place().await).committed().await.unwrap();
        } else {
            store.close().await;
            assert!(size() > 500_000);
            drop(store);
            vacuum(scratch.path()).unwrap();
        }
        assert!(size() < 50_000);
    }
    assert_eq!(check(scratch.path()).unwrap().rooms, 1);
}

#[test]
fn the_tools_make_no_store() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path()).unwrap();
    for said in [
        check(scratch.path()).unwrap_err(),
        backup(scratch.path(), &scratch.path().join("copy")).unwrap_err(),
        vacuum(scratch.path()).unwrap_err(),
    ] {
        let sentence = format!("there is no store at {}; name the folder of one", scratch.database().display());
        assert_eq!(said.to_string(), sentence);
    }
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
}
