//! What every store does, whatever its medium: one suite that each of them passes.
//!
//! A medium is something that can be opened again after whoever had it is gone. What only one of them can do is tested beside it.

pub(super) mod chat;
pub(super) mod rooms;
pub(super) mod sessions;
pub(super) mod time;
pub(super) mod users;

use std::sync::Arc;

use anteroom_protocol::{RoomId, SessionId, UserId};

use super::{Kind, Memory, Receipt, RoomRow, Sealed, SessionRow, Store, StoreError};

/// What a store is opened on.
pub(super) trait Bed {
    /// Opens it. Whoever had it before is gone, or is somebody else from now on.
    fn open(&self, wall_ms: u64) -> Arc<dyn Store>;

    /// Opens it behind the back of whoever has it.
    fn usurp(&self);
}

/// When the clocks of these tests begin.
pub(super) const WALL_MS: u64 = 1_700_000_000_000;

/// Makes a test of each part of the suite, on a bed that is made anew for each.
macro_rules! conforms {
    ($bed:expr) => {
        $crate::stores::conformance::conforms!($bed, rooms:
            writes_of_a_room_are_applied_in_their_order,
            what_was_committed_is_seen_by_everybody,
            a_snapshot_deletes_the_turns_before_it,
            a_repetition_changes_nothing,
            a_write_of_who_had_it_before_is_dropped,
            rooms_are_removed_together,
            a_suspended_room_is_kept_until_its_next_snapshot,
            rooms_are_listed_in_pages,
            rooms_are_found_by_what_they_contain,
            rooms_are_as_they_were_when_the_store_is_opened_again,
            a_turn_of_a_room_that_is_not_stored_holds_up_nobody,
        );
        $crate::stores::conformance::conforms!($bed, sessions:
            sessions_are_kept_and_forgotten,
            opening_raises_every_generation,
        );
        $crate::stores::conformance::conforms!($bed, users:
            users_are_noted,
            a_user_is_erased_with_their_sessions,
        );
        $crate::stores::conformance::conforms!($bed, chat:
            what_was_said_is_read_in_pages,
            what_is_said_anew_takes_the_place_of_what_was,
            what_was_said_goes_with_its_room,
            what_a_user_said_is_told_and_erased,
            what_is_old_is_forgotten,
        );
        $crate::stores::conformance::conforms!($bed, time:
            time_goes_on_where_it_was,
            a_wall_clock_that_goes_back_takes_no_time_with_it,
            closing_commits_what_was_submitted,
            places_are_bounded,
        );
    };
    ($bed:expr, $part:ident: $($test:ident,)*) => {
        $(
            #[tokio::test]
            async fn $test() {
                $crate::stores::conformance::$part::$test(&$bed).await;
            }
        )*
    };
}
pub(super) use conforms;

/// Keeps what the store before left.
#[derive(Default)]
pub(super) struct InMemory(std::sync::Mutex<Option<Arc<Memory>>>);

impl Bed for InMemory {
    fn open(&self, wall_ms: u64) -> Arc<dyn Store> {
        let mut last = self.0.lock().unwrap();
        let memory = last.as_ref().map_or_else(|| Memory::new(wall_ms), |last| last.reopen(wall_ms));
        Arc::clone(last.insert(Arc::new(memory))) as _
    }

    fn usurp(&self) {
        let _ = self.0.lock().unwrap().as_ref().map(|memory| memory.reopen(WALL_MS));
    }
}

mod memory {
    conforms!(super::InMemory::default());
}

pub(super) fn room(n: u128) -> RoomId {
    RoomId::from_bits(n)
}

pub(super) fn session(n: u128) -> SessionId {
    SessionId::from_bits(n)
}

pub(super) fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

pub(super) fn row(entry: &str) -> RoomRow {
    RoomRow { durable: true, members: 2, due: Some(17), down_ms: 3, entry: entry.as_bytes().to_vec() }
}

pub(super) fn snapshot(text: &str) -> Sealed {
    Sealed::seal(Kind::Snapshot, text.as_bytes()).unwrap()
}

pub(super) fn turn(text: &str) -> Sealed {
    Sealed::seal(Kind::Turn, text.as_bytes()).unwrap()
}

pub(super) fn session_row(n: u128, user_id: &str, generation: u16) -> SessionRow {
    let sealed = Sealed::seal(Kind::Session, format!("session {n} of {user_id}").as_bytes()).unwrap();
    SessionRow { session_id: session(n), user_id: user(user_id), generation, session: sealed }
}

/// Writes that are submitted one after the other, without waiting for any.
pub(super) struct Script<'a> {
    store: &'a dyn Store,
    receipts: Vec<Receipt>,
}

impl<'a> Script<'a> {
    pub(super) fn new(store: &'a dyn Store) -> Self {
        Self { store, receipts: Vec::new() }
    }

    pub(super) async fn snapshot(&mut self, n: u128, index: u64, text: &str) {
        let place = self.store.place().await;
        self.receipts.push(self.store.snapshot(place, WALL_MS + index, room(n), index, row(text), snapshot(text)));
    }

    pub(super) async fn turn(&mut self, n: u128, index: u64, text: &str) {
        let place = self.store.place().await;
        self.receipts.push(self.store.turn(place, WALL_MS + index, room(n), index, row(text), turn(text)));
    }

    pub(super) async fn remove(&mut self, rooms: &[u128]) {
        let place = self.store.place().await;
        self.receipts.push(self.store.remove(place, rooms.iter().map(|n| room(*n)).collect()));
    }

    pub(super) async fn keep(&mut self, rows: Vec<SessionRow>) {
        let place = self.store.place().await;
        self.receipts.push(self.store.keep(place, rows));
    }

    pub(super) async fn forget(&mut self, n: u128) {
        let place = self.store.place().await;
        self.receipts.push(self.store.forget(place, vec![session(n)]));
    }

    /// Waits for all of them.
    pub(super) async fn results(self) -> Vec<Result<(), StoreError>> {
        let mut results = Vec::new();
        for mut receipt in self.receipts {
            results.push(receipt.committed().await);
        }
        results
    }

    /// The same, when all of them are to be committed.
    pub(super) async fn committed(self) {
        assert!(self.results().await.iter().all(Result::is_ok));
    }
}

/// A room as its texts: the snapshot's and each turn's, with their indexes.
pub(super) async fn texts(store: &dyn Store, n: u128) -> Option<Vec<(u64, String)>> {
    let kept = store.load(room(n)).await.unwrap()?;
    let text = |sealed: &Sealed, kind| String::from_utf8(sealed.open(kind).unwrap().to_vec()).unwrap();
    let mut texts = vec![(kept.index, text(&kept.snapshot, Kind::Snapshot))];
    texts.extend(kept.turns.iter().map(|kept| (kept.index, text(&kept.turn, Kind::Turn))));
    // The row is that of the newest write.
    let newest = texts.last().unwrap().1.as_bytes();
    assert_eq!(kept.row.entry, newest);
    Some(texts)
}
