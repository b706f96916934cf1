//! What waits to be written to one session: a queue for each lane, and the newest values behind them.
//!
//! Lane owners (the session for control, a room for its members) put things in from their own tasks and never
//! wait; the session's task takes them out as its connection has room. Bounded: a session that does not read
//! overflows, which ends its connection, and nobody else notices.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anteroom_core::flush::Outgoing;
use anteroom_protocol::{Batch, LaneId, RoomId};
use tokio::sync::Notify;

/// The most keys of newest values that wait on one lane; a further key takes the place of the oldest.
const LATEST_KEYS_MAX: usize = 64;
/// The most datagrams that wait on one lane; a further one takes the place of the oldest.
const DATAGRAMS_MAX: usize = 64;
/// Beyond this many times what may wait, nothing more is kept.
const HARD_MAX_FACTOR: usize = 2;
/// Queues that grew beyond this give their memory back when they run empty.
const IDLE_CAPACITY: usize = 16;

/// The queues of one session.
#[derive(Debug)]
pub(crate) struct Outbox {
    lanes: Mutex<Lanes>,
    filled: Notify,
    overflowed: AtomicBool,
}

#[derive(Debug)]
struct Lanes {
    control: Lane,
    rooms: Vec<(LaneId, Lane)>,
    /// The place in `rooms` whose turn it is.
    turn: usize,
    bytes: usize,
    bytes_max: usize,
    /// The largest datagram the connection can send, if any.
    datagram_bytes_max: Option<usize>,
}

#[derive(Debug, Default)]
struct Lane {
    /// The room, if it existed before its lane.
    room_id: Option<RoomId>,
    reliable: VecDeque<Arc<Batch>>,
    latest: Vec<(Arc<str>, Arc<Batch>)>,
    datagrams: VecDeque<(Arc<str>, Arc<Batch>)>,
    ended: bool,
}

/// What the session's task does next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Write a record on a lane.
    Record(LaneId, Arc<Batch>),
    /// Send a datagram on a lane, or conflate it by the key if it does not fit.
    Datagram(LaneId, Arc<str>, Arc<Batch>),
    /// A lane is over, and everything on it was taken.
    LaneEnded(LaneId),
}

impl Lane {
    fn is_empty(&self) -> bool {
        self.reliable.is_empty() && self.latest.is_empty() && self.datagrams.is_empty()
    }

    fn next(&mut self, id: LaneId, bytes: &mut usize) -> Option<Next> {
        let record = self.reliable.pop_front().or_else(|| (!self.latest.is_empty()).then(|| self.latest.remove(0).1));
        if let Some(record) = record {
            *bytes -= record.payload().len();
            if self.reliable.is_empty() && self.reliable.capacity() > IDLE_CAPACITY {
                self.reliable = VecDeque::new();
            }
            return Some(Next::Record(id, record));
        }
        self.datagrams.pop_front().map(|(key, message)| Next::Datagram(id, key, message))
    }

    fn put_latest(&mut self, key: Arc<str>, message: Arc<Batch>, bytes: &mut usize) {
        *bytes += message.payload().len();
        self.datagrams.retain(|(other, _)| *other != key);
        if let Some((_, old)) = self.latest.iter_mut().find(|(other, _)| *other == key) {
            *bytes -= std::mem::replace(old, message).payload().len();
            return;
        }
        if self.latest.len() == LATEST_KEYS_MAX {
            *bytes -= self.latest.remove(0).1.payload().len();
        }
        self.latest.push((key, message));
    }

    fn put_datagram(&mut self, key: Arc<str>, message: Arc<Batch>) {
        if self.datagrams.len() == DATAGRAMS_MAX {
            self.datagrams.pop_front();
        }
        self.datagrams.push_back((key, message));
    }
}

impl Outbox {
    /// An empty outbox with the control lane open. `bytes_max` bounds what may wait, in bytes of payload;
    /// `datagram_bytes_max` is the largest datagram the connection can send, if it can send any.
    pub(crate) fn new(bytes_max: usize, datagram_bytes_max: Option<usize>) -> Arc<Self> {
        let lanes =
            Lanes { control: Lane::default(), rooms: Vec::new(), turn: 0, bytes: 0, bytes_max, datagram_bytes_max };
        Arc::new(Self { lanes: Mutex::new(lanes), filled: Notify::new(), overflowed: AtomicBool::new(false) })
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        // Nothing panics while it holds the lock, and the queues are valid at every step.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a room's lane. Nothing is taken from it before an earlier lane of the same room has ended: on WebSocket a
    /// client knows the lane of a message by its room alone.
    pub(crate) fn open(&self, lane: LaneId, room_id: Option<RoomId>) {
        self.lock().rooms.push((lane, Lane { room_id, ..Lane::default() }));
    }

    /// Says which room a lane was opened for, once it exists.
    pub(crate) fn assign(&self, lane: LaneId, room_id: RoomId) {
        if let Some(lane) = self.lock().lane(lane) {
            lane.room_id = Some(room_id);
        }
    }

    /// Takes back the opening of a lane on which nothing was put.
    pub(crate) fn retract(&self, lane: LaneId) {
        self.lock().rooms.retain(|(id, _)| *id != lane);
    }

    /// Puts the last messages on a room's lane and ends it: nobody sees them without seeing the end, and nothing
    /// follows the very last one. So newest values that wait go in front of it, and datagrams that wait are lost.
    pub(crate) fn end(&self, id: LaneId, mut last: Vec<Outgoing>) {
        let farewell = last.pop();
        let mut lanes = self.lock();
        for outgoing in last {
            self.put_locked(&mut lanes, id, outgoing);
        }
        if let Some(lane) = lanes.lane(id) {
            let newest = lane.latest.drain(..).map(|(_, message)| message);
            lane.reliable.extend(newest);
            lane.datagrams.clear();
        }
        if let Some(farewell) = farewell {
            self.put_locked(&mut lanes, id, farewell);
        }
        if let Some(lane) = lanes.lane(id) {
            lane.ended = true;
        }
        drop(lanes);
        self.filled.notify_one();
    }

    /// Whether a lane is over, written to its end or not.
    pub(crate) fn has_ended(&self, lane: LaneId) -> bool {
        self.lock().lane(lane).is_none_or(|lane| lane.ended)
    }

    /// Puts something on a lane. On a lane that is not open it is dropped.
    pub(crate) fn put(&self, lane: LaneId, outgoing: Outgoing) {
        let mut lanes = self.lock();
        let wake = self.put_locked(&mut lanes, lane, outgoing);
        drop(lanes);
        if wake {
            self.filled.notify_one();
        }
    }

    /// Says whether whoever writes has to be told.
    fn put_locked(&self, lanes: &mut Lanes, lane: LaneId, outgoing: Outgoing) -> bool {
        // Whoever is this far behind is closed before reading any of it.
        if lanes.bytes > HARD_MAX_FACTOR * lanes.bytes_max {
            self.overflowed.store(true, Ordering::Relaxed);
            return true;
        }
        // A writer leaves nothing behind but on lanes that are blocked, and hears when those are not any more.
        let was_empty = lanes.lane(lane).is_some_and(|lane| lane.is_empty());
        lanes.put(lane, outgoing);
        was_empty
    }

    /// Puts a batch on the control lane.
    pub(crate) fn put_control(&self, batch: Batch) {
        self.put(LaneId::CONTROL, Outgoing::Reliable(Arc::new(batch)));
    }

    /// Takes the next thing to write on a lane that is not blocked: control first, then the rooms in turn.
    pub(crate) fn next(&self, is_blocked: impl Fn(LaneId) -> bool) -> Option<Next> {
        let mut guard = self.lock();
        let lanes = &mut *guard;
        if !is_blocked(LaneId::CONTROL)
            && let Some(next) = lanes.control.next(LaneId::CONTROL, &mut lanes.bytes)
        {
            return Some(next);
        }
        for _ in 0..lanes.rooms.len() {
            let place = lanes.turn % lanes.rooms.len();
            lanes.turn = place + 1;
            let (id, room_id) = (lanes.rooms[place].0, lanes.rooms[place].1.room_id);
            let follows = room_id.is_some() && lanes.rooms[..place].iter().any(|(_, lane)| lane.room_id == room_id);
            if follows || is_blocked(id) {
                continue;
            }
            let lane = &mut lanes.rooms[place].1;
            if let Some(next) = lane.next(id, &mut lanes.bytes) {
                return Some(next);
            }
            if lane.ended {
                lanes.rooms.remove(place);
                return Some(Next::LaneEnded(id));
            }
        }
        None
    }

    /// Whether more waits than the session may let wait. A writer asks when it has written what it could: what came
    /// in one burst says nothing about how fast somebody reads.
    pub(crate) fn has_overflowed(&self) -> bool {
        let lanes = self.lock();
        self.overflowed.load(Ordering::Relaxed) || lanes.bytes > lanes.bytes_max
    }

    /// Whether so much waits that it was no use to keep more. Cheap enough to ask after every message.
    pub(crate) fn is_beyond_hope(&self) -> bool {
        self.overflowed.load(Ordering::Relaxed)
    }

    /// Waits until something was put in. Cancel-safe: what was put in while nobody waited counts.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }
}

impl Lanes {
    fn put(&mut self, lane: LaneId, outgoing: Outgoing) {
        let (mut bytes, datagram_bytes_max) = (self.bytes, self.datagram_bytes_max);
        let Some(queue) = self.lane(lane) else { return };
        match outgoing {
            Outgoing::Reliable(batch) => {
                bytes += batch.payload().len();
                queue.reliable.push_back(batch);
            }
            Outgoing::Unreliable { key, message } if datagram_bytes_max >= Some(message.payload().len()) => {
                queue.put_datagram(key, message);
            }
            Outgoing::Latest { key, message } | Outgoing::Unreliable { key, message } => {
                queue.put_latest(key, message, &mut bytes);
            }
        }
        self.bytes = bytes;
    }

    fn lane(&mut self, id: LaneId) -> Option<&mut Lane> {
        if id == LaneId::CONTROL {
            return Some(&mut self.control);
        }
        self.rooms.iter_mut().find(|(other, _)| *other == id).map(|(_, lane)| lane)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anteroom_protocol::{Codec, Header, envelope::Empty};

    fn batch(kind: &str) -> Arc<Batch> {
        Arc::new(Batch::one(Codec::Json, &Header::new(kind), &Empty {}).unwrap())
    }

    fn drained(outbox: &Outbox) -> Vec<String> {
        std::iter::from_fn(|| outbox.next(|_| false))
            .map(|next| match next {
                Next::Record(lane, batch) | Next::Datagram(lane, _, batch) => {
                    let text: serde_json::Value = serde_json::from_slice(batch.payload()).unwrap();
                    format!("{lane} {}", text["type"].as_str().unwrap())
                }
                Next::LaneEnded(lane) => format!("{lane} ended"),
            })
            .collect()
    }

    #[test]
    fn control_goes_first_and_rooms_take_turns() {
        let outbox = Outbox::new(1 << 20, None);
        outbox.open(LaneId(1), None);
        outbox.open(LaneId(2), None);
        for (lane, kind) in [(1, "a"), (1, "b"), (2, "c"), (2, "d"), (0, "e")] {
            outbox.put(LaneId(lane), Outgoing::Reliable(batch(kind)));
        }
        assert!(!outbox.has_ended(LaneId(1)));
        outbox.end(LaneId(1), Vec::new());
        assert!(outbox.has_ended(LaneId(1)));
        assert_eq!(drained(&outbox), ["0 e", "1 a", "2 c", "1 b", "2 d", "1 ended"]);
        outbox.put(LaneId(1), Outgoing::Reliable(batch("late")));
        assert_eq!(drained(&outbox), [""; 0]);
    }

    #[test]
    fn the_newest_value_comes_behind_what_was_sent_before_it() {
        let outbox = Outbox::new(1 << 20, None);
        outbox.open(LaneId(1), None);
        outbox.put(LaneId(1), Outgoing::Latest { key: "k".into(), message: batch("old") });
        outbox.put(LaneId(1), Outgoing::Reliable(batch("reliable")));
        outbox.put(LaneId(1), Outgoing::Unreliable { key: "k".into(), message: batch("new") });
        assert_eq!(drained(&outbox), ["1 reliable", "1 new"]);
        assert_eq!(outbox.lock().bytes, 0);
    }

    #[test]
    fn nothing_follows_the_last_message_of_a_lane() {
        let outbox = Outbox::new(1 << 20, Some(1200));
        outbox.open(LaneId(1), None);
        outbox.put(LaneId(1), Outgoing::Latest { key: "k".into(), message: batch("newest") });
        outbox.put(LaneId(1), Outgoing::Unreliable { key: "other".into(), message: batch("datagram") });
        outbox.end(LaneId(1), vec![Outgoing::Reliable(batch("before")), Outgoing::Reliable(batch("farewell"))]);
        assert_eq!(drained(&outbox), ["1 before", "1 newest", "1 farewell", "1 ended"]);
        assert_eq!(outbox.lock().bytes, 0);
    }

    #[test]
    fn a_blocked_lane_holds_up_no_other() {
        let outbox = Outbox::new(1 << 20, None);
        outbox.open(LaneId(1), None);
        outbox.open(LaneId(2), None);
        for (lane, kind) in [(1, "a"), (2, "b"), (0, "c")] {
            outbox.put(LaneId(lane), Outgoing::Reliable(batch(kind)));
        }
        outbox.end(LaneId(1), Vec::new());
        let next = || outbox.next(|lane| lane == LaneId(1));
        assert!(matches!(next(), Some(Next::Record(LaneId::CONTROL, _))));
        assert!(matches!(next(), Some(Next::Record(LaneId(2), _))));
        assert!(next().is_none());
        assert_eq!(drained(&outbox), ["1 a", "1 ended"]);
    }

    #[test]
    fn what_is_conflated_is_bounded() {
        let outbox = Outbox::new(1 << 20, Some(1200));
        outbox.open(LaneId(1), None);
        for key in 0..1000 {
            outbox.put(LaneId(1), Outgoing::Latest { key: key.to_string().into(), message: batch("latest") });
            outbox.put(LaneId(1), Outgoing::Unreliable { key: "k".into(), message: batch("datagram") });
        }
        assert_eq!(drained(&outbox).len(), LATEST_KEYS_MAX + DATAGRAMS_MAX);
        assert_eq!(outbox.lock().bytes, 0);
    }

    #[test]
    fn a_room_joined_again_speaks_after_its_farewell() {
        let outbox = Outbox::new(1 << 20, None);
        let room_id = Some(RoomId::from_bits(1));
        outbox.open(LaneId(1), None);
        outbox.open(LaneId(2), room_id);
        outbox.open(LaneId(3), room_id);
        for (lane, kind) in [(3, "joined"), (2, "tail"), (2, "more"), (1, "other")] {
            outbox.put(LaneId(lane), Outgoing::Reliable(batch(kind)));
        }
        outbox.end(LaneId(2), vec![Outgoing::Reliable(batch("left"))]);
        assert_eq!(drained(&outbox), ["1 other", "2 tail", "2 more", "2 left", "2 ended", "3 joined"]);
    }

    #[test]
    fn a_room_that_was_made_here_is_known_by_its_id_too() {
        let outbox = Outbox::new(1 << 20, None);
        outbox.open(LaneId(1), None);
        outbox.assign(LaneId(1), RoomId::from_bits(1));
        outbox.open(LaneId(2), Some(RoomId::from_bits(1)));
        outbox.put(LaneId(2), Outgoing::Reliable(batch("joined")));
        assert_eq!(drained(&outbox), [""; 0]);
        outbox.end(LaneId(1), vec![Outgoing::Reliable(batch("left"))]);
        assert_eq!(drained(&outbox), ["1 left", "1 ended", "2 joined"]);
    }

    #[test]
    fn a_free_lane_wakes_the_writer_while_another_is_blocked() {
        let outbox = Outbox::new(1 << 20, None);
        let woken = || {
            let context = &mut std::task::Context::from_waker(std::task::Waker::noop());
            std::pin::pin!(outbox.filled()).poll(context).is_ready()
        };
        outbox.open(LaneId(1), None);
        outbox.put(LaneId(1), Outgoing::Reliable(batch("stuck")));
        assert!(woken() && outbox.next(|lane| lane == LaneId(1)).is_none());
        outbox.put(LaneId(1), Outgoing::Reliable(batch("stuck")));
        assert!(!woken());
        outbox.put(LaneId::CONTROL, Outgoing::Reliable(batch("free")));
        assert!(woken());
    }

    #[test]
    fn what_is_too_large_for_a_datagram_is_conflated() {
        let outbox = Outbox::new(1 << 20, Some(10));
        outbox.open(LaneId(1), None);
        for kind in ["old", "new"] {
            outbox.put(LaneId(1), Outgoing::Unreliable { key: "k".into(), message: batch(kind) });
        }
        assert_eq!(drained(&outbox), ["1 new"]);
    }

    #[test]
    fn a_session_that_does_not_read_overflows() {
        let outbox = Outbox::new(120, None);
        let put = || outbox.put(LaneId::CONTROL, Outgoing::Reliable(batch(&"x".repeat(32))));
        for _ in 0..3 {
            assert!(!outbox.has_overflowed());
            put();
        }
        assert!(outbox.has_overflowed() && !outbox.is_beyond_hope());
        (0..100).for_each(|_| put());
        assert!(outbox.is_beyond_hope());
        assert!(drained(&outbox).len() < 10, "what is beyond hope is not kept");
    }
}
