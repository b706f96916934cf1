//! The queue in front of the writer's thread: who submits never waits here, since a place in it was waited for before.
//!
//! It is taken from in groups, each of which becomes one transaction, bounded in writes and bytes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anteroom_protocol::RoomId;

use super::super::write::Queued;

/// How many writes share a transaction at most.
const GROUP_WRITES_MAX: usize = 1024;
/// How many bytes share one, unless a single write has more.
const GROUP_BYTES_MAX: usize = 4 << 20;

#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct State {
    writes: VecDeque<Queued>,
    end: Option<End>,
}

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// What is in it is to be committed, however long that takes.
    Closed,
    /// It may be tried once more, but nobody waits for it.
    Abandoned,
}

/// What the writer does next.
#[derive(Debug)]
pub(super) enum Next {
    Store(Vec<Queued>),
    /// Nothing came for a while.
    Idle,
    /// Nothing will come.
    End,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a write, or drops it if the queue has ended.
    pub(super) fn add(&self, queued: Queued) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.writes.push_back(queued);
            self.news.notify_one();
        }
    }

    /// Takes no more, and hands out what is in it.
    pub(super) fn close(&self) {
        self.lock().end.get_or_insert(End::Closed);
        self.news.notify_one();
    }

    /// The same, but nobody waits for a medium that fails.
    pub(super) fn abandon(&self) {
        self.lock().end = Some(End::Abandoned);
        self.news.notify_one();
    }

    /// Takes no more, and drops what is in it.
    pub(super) fn clear(&self) {
        let mut state = self.lock();
        state.end = Some(End::Abandoned);
        let dropped = std::mem::take(&mut state.writes);
        drop(state);
        drop(dropped);
    }

    /// Drops what is in it of a room.
    pub(super) fn drop_room(&self, room_id: RoomId) {
        self.lock().writes.retain(|queued| queued.write.room_id() != Some(room_id));
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().end.is_some()
    }

    /// Waits for writes, but not longer than that.
    pub(super) fn next(&self, idle: Duration) -> Next {
        let waits = |state: &mut State| state.writes.is_empty() && state.end.is_none();
        let waited = self.news.wait_timeout_while(self.lock(), idle, waits);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        match (state.writes.is_empty(), state.end) {
            (false, _) => Next::Store(state.group()),
            (true, None) => Next::Idle,
            (true, Some(_)) => Next::End,
        }
    }

    /// Waits that long before something is tried again; whether it should be.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut state = self.lock();
        while state.end != Some(End::Abandoned) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            state = self.news.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }
}

impl State {
    /// The next writes. One for which the whole database is written anew is alone, so that no other waits for that.
    fn group(&mut self) -> Vec<Queued> {
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some(queued) = self.writes.front() {
            bytes += queued.write.bytes();
            let is_full = group.len() == GROUP_WRITES_MAX || bytes > GROUP_BYTES_MAX || queued.write.tidies();
            if is_full && !group.is_empty() {
                break;
            }
            let is_alone = queued.write.tidies();
            group.extend(self.writes.pop_front());
            if is_alone {
                break;
            }
        }
        group
    }
}
