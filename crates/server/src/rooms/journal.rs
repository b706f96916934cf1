//! The journal of a durable room: every turn is stored before anything of it can be seen (persist before reveal).
//!
//! A turn that has ended is submitted to the store and held. When its record is committed it is shown, in the order of the turns;
//! meanwhile the room goes on. How much is held is bounded: beyond it the room takes no input, and its clock stands. What a turn
//! means is not known here.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;

use anteroom_core::Time;
use anteroom_core::listing::Entry;
use anteroom_core::room::{Room, Snapshot};
use anteroom_protocol::RoomId;
use anteroom_protocol::message::chat::ChatEntry;

use super::record::{TurnRecord, state_of};
use super::turn::Turn;
use crate::stores::{ChatRow, Kind, Place, Receipt, RoomRow, Sealed, Store};

/// How many turns are held.
const HELD_TURNS_MAX: usize = 64;
/// How many bytes of what they say are held. One turn may be larger.
const HELD_BYTES_MAX: usize = 8 << 20;
/// How large a snapshot may be that is stored after every turn, in bytes: it is the record of the turn, and nothing is replayed.
const SNAPSHOT_RECORD_BYTES_MAX: usize = 4 << 10;
/// How many turns are stored behind a snapshot at most: as many are replayed when the room is restored.
const TAIL_TURNS_MAX: usize = 256;
/// The same in bytes, where the snapshot is not larger.
const TAIL_BYTES_MIN: usize = 64 << 10;

/// See the module.
#[derive(Debug)]
pub(super) struct Journal {
    store: Arc<dyn Store>,
    room_id: RoomId,
    /// What the lobby shows of the room.
    entry: Vec<u8>,
    /// How many turns were stored, which numbers them.
    index: u64,
    /// The room as it is stored, or about to be.
    last: Option<Snapshot>,
    /// What is stored behind the last snapshot.
    tail: Tail,
    held: VecDeque<Held>,
    held_bytes: usize,
}

/// A turn that is ready to be stored.
#[derive(Debug)]
pub(super) struct Prepared(What);

#[derive(Debug)]
enum What {
    /// It changed nothing, and waits for those before.
    Nothing,
    /// The room is over.
    Remove,
    /// The room as it is, or what came in behind the last snapshot.
    Store { row: RoomRow, record: Sealed, is_turn: bool },
}

#[derive(Debug, Default)]
struct Tail {
    turns: usize,
    bytes: usize,
    /// How large the snapshot is in front of it; nothing if the next record has to be one.
    snapshot_bytes: Option<usize>,
}

/// A turn that is not to be seen yet.
#[derive(Debug)]
struct Held {
    turn: Box<Turn>,
    /// Nothing if it changed nothing, and waits for those before.
    receipt: Option<Receipt>,
    bytes: usize,
}

/// What a journal has been waiting for.
#[derive(Debug)]
pub(super) enum Next {
    /// A turn is stored.
    Show(Box<Turn>),
    /// The store is closed, or somebody else's: nothing more is shown.
    Closed,
}

impl Journal {
    /// A journal of a room of which nothing is stored yet.
    pub(super) fn new(store: Arc<dyn Store>, room_id: RoomId) -> Self {
        Self {
            store,
            room_id,
            entry: Vec::new(),
            index: 0,
            last: None,
            tail: Tail::default(),
            held: VecDeque::new(),
            held_bytes: 0,
        }
    }

    /// The journal of a room that was restored, behind a turn, by replaying so many. The next record is a snapshot: the room's
    /// time was put off.
    pub(super) fn restored(store: Arc<dyn Store>, room: &Room, index: u64, turns: usize, entry: Vec<u8>) -> Self {
        let (last, tail) = (room.snapshot().ok(), Tail { turns, ..Tail::default() });
        Self { index, entry, last, tail, ..Self::new(store, room.summary().room_id) }
    }

    /// Whether another turn may begin. While the store fails none does that would have to wait behind others.
    pub(super) fn may_begin(&self) -> bool {
        let fits = self.held.len() < HELD_TURNS_MAX && self.held_bytes < HELD_BYTES_MAX;
        self.held.is_empty() || fits && self.store.health().is_good()
    }

    /// The room's time was put off while nothing was stored: what is stored next is all of it.
    pub(super) fn begin_anew(&mut self) {
        self.tail.snapshot_bytes = None;
    }

    /// Whether everything was shown.
    pub(super) fn is_idle(&self) -> bool {
        self.held.is_empty()
    }

    /// Waits until a turn is stored. Cancel-safe.
    pub(super) async fn next(&mut self) -> Next {
        let Self { held, held_bytes, .. } = self;
        let Some(Held { receipt, .. }) = held.front_mut() else { return pending().await };
        if let Some(receipt) = receipt
            && receipt.committed().await.is_err()
        {
            return Next::Closed;
        }
        let Some(Held { turn, bytes, .. }) = held.pop_front() else { return pending().await };
        *held_bytes -= bytes;
        Next::Show(turn)
    }

    /// What is to be stored of a turn that has ended.
    ///
    /// # Errors
    /// Why the room cannot be stored as it is.
    pub(super) fn prepare(&mut self, room: &Room, turn: &Turn) -> Result<Prepared, String> {
        if let Some(entry) = &turn.flush.effects.entry {
            self.entry = encoded(entry);
        }
        if turn.flush.effects.closed {
            return Ok(Prepared(What::Remove));
        }
        let snapshot = room.snapshot().map_err(|error| error.to_string())?;
        if self.last.as_ref().is_some_and(|last| snapshot.is_as(last)) {
            return Ok(Prepared(What::Nothing));
        }
        let mut bytes = Vec::new();
        snapshot.encode(&mut bytes).map_err(|error| error.to_string())?;
        #[cfg(debug_assertions)]
        super::record::check(room, &snapshot, &bytes)?;
        let row = row(self.store.as_ref(), room, true, &self.entry);
        let (record, is_turn) = match self.tail.takes(&bytes, &turn.flush.log, &snapshot) {
            Some(record) => (record, true),
            None => (Sealed::seal(Kind::Snapshot, &bytes).ok_or("the room is too large to be stored")?, false),
        };
        if !is_turn {
            self.tail = Tail { snapshot_bytes: Some(bytes.len()), ..Tail::default() };
        }
        self.last = Some(snapshot);
        Ok(Prepared(What::Store { row, record, is_turn }))
    }

    /// Submits a turn to the store, and holds it until it is stored. Waits for a place in the store's queue; a room that has
    /// nothing to store has none. It is taken.
    pub(super) async fn submit(&mut self, now: Time, prepared: Prepared, turn: &mut Turn) {
        let Self { store, room_id, index, .. } = self;
        let (now_ms, room_id) = (now.as_millis(), *room_id);
        let receipt = match prepared.0 {
            What::Nothing => None,
            What::Remove => Some(store.remove(store.place().await, vec![room_id])),
            What::Store { row, record, is_turn } => {
                *index += 1;
                if !turn.flush.effects.chat.is_empty() {
                    // In front of the turn, so that it is stored when the turn is.
                    let row = |entry: ChatEntry| ChatRow { room_id, entry };
                    let rows = turn.flush.effects.chat.drain(..).map(row).collect();
                    drop(store.say(store.place().await, rows));
                }
                let place = store.place().await;
                Some(match is_turn {
                    true => store.turn(place, now_ms, room_id, *index, row, record),
                    false => store.snapshot(place, now_ms, room_id, *index, row, record),
                })
            }
        };
        let bytes = turn.bytes();
        self.held_bytes += bytes;
        self.held.push_back(Held { turn: Box::new(std::mem::take(turn)), receipt, bytes });
    }

    /// Where it stores.
    pub(super) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Stores the room as it is, so that nothing has to be replayed, and waits for it. For a room of which everything was shown.
    ///
    /// # Errors
    /// Why it cannot be stored.
    pub(super) async fn rest(&mut self, now: Time, room: &mut Room) -> Result<(), String> {
        let is_stored = |last: &Snapshot| room.snapshot().is_ok_and(|snapshot| snapshot.is_as(last));
        if self.tail.turns == 0 && self.last.as_ref().is_some_and(is_stored) {
            return Ok(());
        }
        self.renew(now, room).await
    }

    /// The same, also if it is stored like that: the turns before are deleted.
    ///
    /// # Errors
    /// The same.
    pub(super) async fn renew(&mut self, now: Time, room: &mut Room) -> Result<(), String> {
        self.index += 1;
        let place = self.store.place().await;
        self.tail = Tail::default();
        let kept = keep(self.store.as_ref(), place, now, room, self.index, true, &self.entry);
        kept?.committed().await.map_err(|error| error.to_string())
    }

    /// Forgets the room; nothing of it was restored or nothing more of it will be shown.
    pub(super) async fn forget(&mut self) {
        let place = self.store.place().await;
        // If the store is closed there is nobody to forget anything.
        drop(self.store.remove(place, vec![self.room_id]).committed().await);
    }
}

impl Tail {
    /// The record of a turn, if it is stored as one behind the last snapshot.
    fn takes(&mut self, state: &[u8], log: &anteroom_core::room::Log, snapshot: &Snapshot) -> Option<Sealed> {
        let snapshot_bytes = self.snapshot_bytes?;
        if state.len() <= SNAPSHOT_RECORD_BYTES_MAX || self.turns >= TAIL_TURNS_MAX {
            return None;
        }
        let record = TurnRecord { log: log.clone(), state: state_of(snapshot)?, build: super::record::BUILD.into() };
        let record =
            record.seal().filter(|record| self.bytes + record.stored().len() <= snapshot_bytes.max(TAIL_BYTES_MIN))?;
        self.turns += 1;
        self.bytes += record.stored().len();
        Some(record)
    }
}

fn encoded(entry: &Entry) -> Vec<u8> {
    serde_json::to_vec(entry).unwrap_or_default()
}

/// What is stored beside a room.
pub(super) fn row(store: &dyn Store, room: &Room, durable: bool, entry: &[u8]) -> RoomRow {
    let down_ms = store.boot().down_ms;
    RoomRow {
        durable,
        members: u32::try_from(room.sessions()).unwrap_or(u32::MAX),
        due: room.next_deadline().map(|due| due.as_millis().saturating_sub(down_ms)),
        down_ms,
        entry: entry.to_vec(),
    }
}

/// Stores a room as it is.
///
/// # Errors
/// Why it cannot be stored.
pub(super) fn keep(
    store: &dyn Store,
    place: Place,
    now: Time,
    room: &Room,
    index: u64,
    durable: bool,
    entry: &[u8],
) -> Result<Receipt, String> {
    let mut bytes = Vec::new();
    room.snapshot().and_then(|snapshot| snapshot.encode(&mut bytes)).map_err(|error| error.to_string())?;
    let sealed = Sealed::seal(Kind::Snapshot, &bytes).ok_or("the room is too large to be stored")?;
    let row = row(store, room, durable, entry);
    Ok(store.snapshot(place, now.as_millis(), room.summary().room_id, index, row, sealed))
}
