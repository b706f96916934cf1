//! A store in memory, for tests, simulations and embedders: what another [`Memory::reopen`]s it with has what was committed.
//!
//! A write is committed as it is submitted, unless the store is told to [fail](Memory::fail). It has no task and no clock, so that
//! a simulation that uses it does the same again. It outlives no process.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anteroom_protocol::message::chat::{ChatEntry, MessageId};
use anteroom_protocol::{RoomId, SessionId, UserId};
use tokio::sync::{Notify, Semaphore};

use super::write::{Queued, Write};
use super::{
    Boot, ChatRow, ChatStore, Health, Kept, KeptRow, Later, Medium, PLACES, PRUNED_MAX, Place, Receipt, RoomRow,
    RoomStore, Sealed, SessionRow, SessionStore, StoreError, Turn, UserRow, UserStore, wait_for_place,
};

/// A store in memory.
#[derive(Debug)]
pub struct Memory {
    content: Arc<Mutex<Content>>,
    boot: Boot,
    health: Health,
    places: Arc<Semaphore>,
    /// What was submitted while it failed, and whether it was closed.
    waiting: Mutex<Waiting>,
    drained: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    writes: VecDeque<Queued>,
    is_held: bool,
    is_closed: bool,
}

/// What is committed.
#[derive(Debug, Default)]
struct Content {
    boot: u64,
    alive_ms: u64,
    down_ms: u64,
    rooms: BTreeMap<RoomId, Room>,
    sessions: BTreeMap<SessionId, SessionRow>,
    users: BTreeMap<UserId, UserRow>,
    chat: BTreeMap<(RoomId, MessageId), ChatEntry>,
}

#[derive(Debug)]
struct Room {
    kept: Kept,
    newest: u64,
}

/// Nothing panics while it holds one of the locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new(wall_ms: u64) -> Self {
        Self::open(Arc::default(), wall_ms)
    }

    /// What another process would find that opens it now. What this one writes from then on is dropped.
    #[must_use]
    pub fn reopen(&self, wall_ms: u64) -> Self {
        Self::open(Arc::clone(&self.content), wall_ms)
    }

    fn open(content: Arc<Mutex<Content>>, wall_ms: u64) -> Self {
        let boot = lock(&content).boot(wall_ms);
        Self {
            content,
            boot,
            health: Health::default(),
            places: Arc::new(Semaphore::new(PLACES)),
            waiting: Mutex::default(),
            drained: Notify::new(),
        }
    }

    /// From now on nothing is committed, though the store says that it is well; or, again, everything is, and first what was
    /// submitted meanwhile.
    pub fn hold(&self, holds: bool) {
        self.set(holds, true);
    }

    /// The same, and the store says so.
    pub fn fail(&self, fails: bool) {
        self.set(fails, !fails);
    }

    fn set(&self, holds: bool, is_good: bool) {
        let mut waiting = lock(&self.waiting);
        self.health.note(is_good);
        waiting.is_held = holds;
        if !holds {
            while let Some(queued) = waiting.writes.pop_front() {
                self.commit(queued);
            }
            self.drained.notify_waiters();
        }
    }

    fn submit(&self, place: Place, write: Write) -> Receipt {
        let (queued, receipt) = Queued::new(place, write);
        let mut waiting = lock(&self.waiting);
        if waiting.is_closed {
            return receipt;
        }
        if waiting.is_held {
            waiting.writes.push_back(queued)
        } else {
            self.commit(queued)
        }
        receipt
    }

    fn commit(&self, queued: Queued) {
        let mut content = lock(&self.content);
        if content.boot == self.boot.number && content.apply(queued.write.clone()) {
            queued.committed();
        }
    }

    fn read<T: Send + 'static>(&self, read: impl FnOnce(&Content) -> T) -> Later<'_, Result<T, StoreError>> {
        let is_closed = lock(&self.waiting).is_closed;
        let read = if is_closed { Err(StoreError::Closed) } else { Ok(read(&lock(&self.content))) };
        Box::pin(std::future::ready(read))
    }
}

impl Content {
    fn boot(&mut self, wall_ms: u64) -> Boot {
        let is_first = self.boot == 0;
        let start_ms = if is_first { wall_ms } else { wall_ms.max(self.alive_ms.saturating_add(1)) };
        if !is_first {
            self.down_ms = self.down_ms.saturating_add(start_ms - self.alive_ms);
        }
        self.boot += 1;
        self.alive_ms = start_ms;
        self.sessions.retain(|_, row| row.generation < u16::MAX);
        for row in self.sessions.values_mut() {
            row.generation += 1;
        }
        Boot { number: self.boot, start_ms, down_ms: self.down_ms }
    }

    /// Whether it could be written.
    fn apply(&mut self, write: Write) -> bool {
        let now_ms = write.now_ms();
        match write {
            Write::Snapshot { room_id, index, row, snapshot, .. } => {
                if self.rooms.get(&room_id).is_none_or(|room| room.newest < index) {
                    let kept = Kept { row, index, snapshot, turns: Vec::new(), suspended: None };
                    self.rooms.insert(room_id, Room { kept, newest: index });
                }
            }
            Write::Turn { room_id, index, row, turn, .. } => {
                let Some(room) = self.rooms.get_mut(&room_id) else { return false };
                if room.newest < index {
                    room.newest = index;
                    room.kept.row = row;
                    room.kept.turns.push(Turn { index, turn });
                }
            }
            Write::Remove(room_ids) => {
                room_ids.iter().for_each(|room_id| drop(self.rooms.remove(room_id)));
                self.chat.retain(|(room_id, _), _| !room_ids.contains(room_id));
            }
            Write::Suspend { room_id, why } => {
                if let Some(room) = self.rooms.get_mut(&room_id) {
                    room.kept.suspended = Some(why);
                }
            }
            Write::Keep(rows) => self.sessions.extend(rows.into_iter().map(|row| (row.session_id, row))),
            Write::Forget(sessions) => sessions.iter().for_each(|session_id| drop(self.sessions.remove(session_id))),
            Write::Note(rows) => self.users.extend(rows.into_iter().map(|row| (row.user_id.clone(), row))),
            Write::Erase(user_id) => {
                self.users.remove(&user_id);
                self.sessions.retain(|_, row| row.user_id != user_id);
                self.chat.retain(|_, entry| entry.user_id != user_id);
            }
            Write::Say(rows) => {
                let entries = rows.into_iter().map(|row| ((row.room_id, row.entry.message_id), row.entry));
                self.chat.extend(entries);
            }
            Write::Prune { before_ms } => {
                let old = self.chat.iter().filter(|(_, entry)| entry.at_ms < before_ms);
                let mut old: Vec<_> = old.map(|(key, entry)| (entry.at_ms, *key)).collect();
                old.sort_unstable();
                old.iter().take(PRUNED_MAX).for_each(|(_, key)| drop(self.chat.remove(key)));
            }
            Write::Alive { .. } | Write::Tidy => {}
        }
        self.alive_ms = self.alive_ms.max(now_ms);
        true
    }
}

impl Room {
    fn mentions(&self, bytes: &[u8]) -> bool {
        let mut records = self.kept.turns.iter().map(|turn| &turn.turn).chain([&self.kept.snapshot]);
        records.any(|sealed| sealed.mentions(bytes))
    }
}

impl Medium for Memory {
    fn boot(&self) -> Boot {
        self.boot
    }

    fn health(&self) -> &Health {
        &self.health
    }

    fn lasts(&self) -> bool {
        false
    }

    fn place(&self) -> Later<'static, Place> {
        wait_for_place(&self.places)
    }

    fn alive(&self, place: Place, now_ms: u64) -> Receipt {
        self.submit(place, Write::Alive { now_ms })
    }

    fn close(&self) -> Later<'_, ()> {
        Box::pin(async move {
            loop {
                let drained = self.drained.notified();
                {
                    let mut waiting = lock(&self.waiting);
                    if waiting.writes.is_empty() {
                        waiting.is_closed = true;
                        return;
                    }
                }
                drained.await;
            }
        })
    }
}

impl RoomStore for Memory {
    fn snapshot(
        &self,
        place: Place,
        now_ms: u64,
        room_id: RoomId,
        index: u64,
        row: RoomRow,
        snapshot: Sealed,
    ) -> Receipt {
        self.submit(place, Write::Snapshot { now_ms, room_id, index, row, snapshot })
    }

    fn turn(&self, place: Place, now_ms: u64, room_id: RoomId, index: u64, row: RoomRow, turn: Sealed) -> Receipt {
        self.submit(place, Write::Turn { now_ms, room_id, index, row, turn })
    }

    fn remove(&self, place: Place, room_ids: Vec<RoomId>) -> Receipt {
        self.submit(place, Write::Remove(room_ids))
    }

    fn suspend(&self, place: Place, room_id: RoomId, why: String) -> Receipt {
        self.submit(place, Write::Suspend { room_id, why })
    }

    fn load(&self, room_id: RoomId) -> Later<'_, Result<Option<Kept>, StoreError>> {
        self.read(|content| content.rooms.get(&room_id).map(|room| room.kept.clone()))
    }

    fn rows(&self, after: Option<RoomId>, most: usize) -> Later<'_, Result<Vec<KeptRow>, StoreError>> {
        self.read(|content| {
            let from = after.map_or(Bound::Unbounded, Bound::Excluded);
            let rooms = content.rooms.range((from, Bound::Unbounded)).take(most);
            let row = |(room_id, room): (&RoomId, &Room)| KeptRow {
                room_id: *room_id,
                row: room.kept.row.clone(),
                suspended: room.kept.suspended.clone(),
            };
            rooms.map(row).collect()
        })
    }

    fn mentioning(&self, bytes: Vec<u8>) -> Later<'_, Result<Vec<RoomId>, StoreError>> {
        self.read(|content| {
            content.rooms.iter().filter(|(_, room)| room.mentions(&bytes)).map(|(room_id, _)| *room_id).collect()
        })
    }
}

impl SessionStore for Memory {
    fn keep(&self, place: Place, rows: Vec<SessionRow>) -> Receipt {
        self.submit(place, Write::Keep(rows))
    }

    fn forget(&self, place: Place, sessions: Vec<SessionId>) -> Receipt {
        self.submit(place, Write::Forget(sessions))
    }

    fn sessions(&self) -> Later<'_, Result<Vec<SessionRow>, StoreError>> {
        self.read(|content| content.sessions.values().cloned().collect())
    }
}

impl UserStore for Memory {
    fn note(&self, place: Place, rows: Vec<UserRow>) -> Receipt {
        self.submit(place, Write::Note(rows))
    }

    fn user(&self, user_id: UserId) -> Later<'_, Result<Option<UserRow>, StoreError>> {
        self.read(|content| content.users.get(&user_id).cloned())
    }

    fn erase(&self, place: Place, user_id: UserId) -> Receipt {
        self.submit(place, Write::Erase(user_id))
    }
}

impl ChatStore for Memory {
    fn say(&self, place: Place, rows: Vec<ChatRow>) -> Receipt {
        self.submit(place, Write::Say(rows))
    }

    fn said(
        &self,
        room_id: RoomId,
        before: Option<MessageId>,
        most: usize,
    ) -> Later<'_, Result<Vec<ChatEntry>, StoreError>> {
        self.read(|content| {
            let end =
                before.map_or(Bound::Included((room_id, MessageId(u64::MAX))), |id| Bound::Excluded((room_id, id)));
            let said = content.chat.range((Bound::Included((room_id, MessageId(0))), end)).rev().take(most);
            let mut said: Vec<_> = said.map(|(_, entry)| entry.clone()).collect();
            said.reverse();
            said
        })
    }

    fn said_by(&self, user_id: UserId) -> Later<'_, Result<Vec<ChatRow>, StoreError>> {
        self.read(|content| {
            let theirs = content.chat.iter().filter(|(_, entry)| entry.user_id == user_id);
            theirs.map(|((room_id, _), entry)| ChatRow { room_id: *room_id, entry: entry.clone() }).collect()
        })
    }

    fn prune(&self, place: Place, before_ms: u64) -> Receipt {
        self.submit(place, Write::Prune { before_ms })
    }
}
