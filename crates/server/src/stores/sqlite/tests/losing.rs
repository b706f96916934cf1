//! Files that are deleted, replaced, locked by others, or on a disk that is full.

use std::fs;

use super::*;
use crate::stores::conformance::{Script, WALL_MS, room, row, session, session_row, snapshot, texts};
use crate::stores::sqlite::fault::Fault;
use crate::stores::{RoomStore, StoreError};

fn open(scratch: &Scratch) -> Sqlite {
    Sqlite::open_with(scratch.path(), WALL_MS, AT_ONCE, |database| database).unwrap()
}

async fn stored() -> (Scratch, Sqlite) {
    let scratch = Scratch::new();
    let store = open(&scratch);
    let mut script = Script::new(&store);
    script.snapshot(1, 1, "one").await;
    script.committed().await;
    (scratch, store)
}

async fn submit(store: &Sqlite, index: u64) -> Receipt {
    let text = index.to_string();
    store.snapshot(store.place().await, WALL_MS, room(1), index, row(&text), snapshot(&text))
}

/// Waits until the store has noticed that it fails, before it has acknowledged this.
async fn fails(store: &Sqlite, receipt: &mut Receipt) {
    let noticed = async {
        while store.health().is_good() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        committed = receipt.committed() => panic!("it is said to be stored: {committed:?}"),
        () = noticed => {}
    }
}

async fn is_stored(store: &Sqlite, receipt: &mut Receipt, index: u64) {
    receipt.committed().await.unwrap();
    assert!(store.health().is_good());
    assert_eq!(texts(store, 1).await.unwrap(), [(index, index.to_string())]);
}

#[tokio::test]
async fn a_database_that_was_moved_away_is_missed_until_it_is_back() {
    let (scratch, store) = stored().await;
    let away = scratch.path().join("away");
    fs::rename(scratch.database(), &away).unwrap();
    let mut receipt = submit(&store, 2).await;
    fails(&store, &mut receipt).await;
    // Another one in its place is not taken for it, nor is what was in its log put into that.
    fs::write(scratch.database(), "").unwrap();
    let mut later = submit(&store, 3).await;
    tokio::task::yield_now().await;
    assert_eq!(fs::metadata(scratch.database()).unwrap().len(), 0);
    assert!(!store.health().is_good());
    fs::rename(&away, scratch.database()).unwrap();
    receipt.committed().await.unwrap();
    is_stored(&store, &mut later, 3).await;
    drop(store);
    assert_eq!(
        check(scratch.path()).unwrap().to_string(),
        "1 rooms (0 suspended), 0 turns, 0 sessions, 0 users: all in order"
    );
}

#[tokio::test]
async fn a_log_that_was_deleted_takes_nothing_with_it() {
    let (scratch, store) = stored().await;
    fs::remove_file(scratch.path().join("anteroom.db-wal")).unwrap();
    let mut receipt =
        store.turn(store.place().await, WALL_MS, room(1), 2, row("two"), crate::stores::conformance::turn("two"));
    receipt.committed().await.unwrap();
    // The snapshot was in the log only.
    assert_eq!(texts(&store, 1).await.unwrap(), [(1, "one".to_owned()), (2, "two".to_owned())]);
    drop(store);
    assert_eq!(texts(&open(&scratch), 1).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_store_whose_database_was_deleted_lives_and_acknowledges_nothing() {
    let (scratch, store) = stored().await;
    fs::remove_file(scratch.database()).unwrap();
    let mut receipt = submit(&store, 2).await;
    fails(&store, &mut receipt).await;
    // It can be ended all the same.
    drop(store);
    assert_eq!(receipt.committed().await, Err(StoreError::Closed));
}

#[tokio::test]
async fn what_another_program_has_locked_waits_for_it() {
    let (scratch, store) = stored().await;
    let other = scratch.connect();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut receipt = submit(&store, 2).await;
    fails(&store, &mut receipt).await;
    // Reading goes on.
    assert_eq!(texts(&store, 1).await.unwrap(), [(1, "one".to_owned())]);
    other.execute_batch("ROLLBACK").unwrap();
    is_stored(&store, &mut receipt, 2).await;
}

#[tokio::test]
async fn a_full_disk_is_waited_for() {
    let scratch = Scratch::new();
    // The connection says that the disk is full, until it is opened again.
    let store = Sqlite::open_with(scratch.path(), WALL_MS, AT_ONCE, |database| {
        let pages: i64 =
            database.connection().unwrap().query_row("PRAGMA max_page_count = 1", [], |row| row.get(0)).unwrap();
        assert!(pages > 1);
        database
    });
    let store = store.unwrap();
    let text = "text ".repeat(100_000);
    let mut script = Script::new(&store);
    script.snapshot(1, 1, "one").await;
    script.snapshot(2, 1, &text).await;
    script.committed().await;
    assert_eq!(texts(&store, 2).await.unwrap(), [(1, text)]);
}

#[tokio::test]
async fn a_damaged_page_is_said_to_who_reads_it() {
    let (scratch, store) = stored().await;
    let mut script = Script::new(&store);
    for n in 2..100 {
        script.snapshot(n, 1, &"text ".repeat(300)).await;
    }
    script.committed().await;
    store.close().await;
    drop(store);
    let mut bytes = fs::read(scratch.database()).unwrap();
    let at = bytes.len() / 2 / 4096 * 4096;
    bytes[at..at + 4096].fill(0xff);
    fs::write(scratch.database(), bytes).unwrap();
    let report = check(scratch.path());
    assert!(report.is_err() || !report.unwrap().is_good());
    let store = open(&scratch);
    assert!(matches!(store.mentioning(b"anna".to_vec()).await, Err(StoreError::Damaged(_))));
}

#[tokio::test]
async fn a_room_without_its_newest_record_is_damaged() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    let mut script = Script::new(&store);
    for n in 1..=2 {
        script.snapshot(n, 1, "one").await;
        script.turn(n, 2, "two").await;
    }
    script.committed().await;
    scratch
        .connect()
        .execute_batch("DELETE FROM turns WHERE room = 1; UPDATE rooms SET newest = 9 WHERE room = 2")
        .unwrap();
    for (n, (last, newest)) in [(1, (1, 2)), (2, (2, 9))] {
        let why = format!("what is stored ends with turn {last}, and turn {newest} was stored");
        assert_eq!(store.load(room(n)).await, Err(StoreError::Damaged(why.clone())));
        assert!(store.check().await.unwrap().faults.contains(&format!("room {}: {why}", room(n))));
    }
}

#[tokio::test]
async fn a_row_that_is_damaged_keeps_no_other_from_being_read() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    let mut script = Script::new(&store);
    for n in 1..=4 {
        script.snapshot(n, 1, "one").await;
    }
    script.keep((1..=4).map(|n| session_row(n, "anna", 0)).collect()).await;
    script.committed().await;
    let damage = format!(
        "UPDATE sessions SET session_id = 'no id of one' WHERE session_id = '{}';
         UPDATE sessions SET user_id = '' WHERE session_id = '{}';
         UPDATE sessions SET generation = -1 WHERE session_id = '{}';
         UPDATE rooms SET members = -1 WHERE room = 2;
         UPDATE rooms SET room = -7 WHERE room = 3;
         UPDATE rooms SET room = {} WHERE room = 4;",
        session(1),
        session(2),
        session(3),
        i64::MAX,
    );
    scratch.connect().execute_batch(&damage).unwrap();
    assert_eq!(store.sessions().await.unwrap(), [session_row(4, "anna", 0)]);
    // Whoever wants into the room is told why not, and nobody is told of what is no room.
    let rows = store.rows(None, 9).await.unwrap();
    assert_eq!(rows.iter().map(|kept| kept.room_id).collect::<Vec<_>>(), [room(1), room(2)]);
    assert!(rows[0].suspended.is_none() && rows[1].suspended.is_some());
    assert!(matches!(store.load(room(2)).await, Err(StoreError::Damaged(_))));
    assert_eq!(store.rows(Some(room(2)), 9).await.unwrap(), []);
    let faults = store.check().await.unwrap().faults;
    assert_eq!(faults.len(), 6, "{faults:?}");
}

#[test]
fn only_what_is_known_to_be_the_contents_fault_is_given_up() {
    use rusqlite::ffi;
    let fault = |code| Fault::from(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
    for code in [ffi::SQLITE_CONSTRAINT, ffi::SQLITE_TOOBIG, ffi::SQLITE_MISMATCH] {
        assert!(matches!(fault(code), Fault::Content(_)));
    }
    for code in [
        ffi::SQLITE_FULL,
        ffi::SQLITE_IOERR,
        ffi::SQLITE_IOERR_FSYNC,
        ffi::SQLITE_BUSY,
        ffi::SQLITE_LOCKED,
        ffi::SQLITE_CORRUPT,
        ffi::SQLITE_NOTADB,
        ffi::SQLITE_READONLY,
        ffi::SQLITE_CANTOPEN,
        ffi::SQLITE_NOMEM,
        ffi::SQLITE_ERROR,
    ] {
        assert!(matches!(fault(code), Fault::Medium(_)));
    }
}
