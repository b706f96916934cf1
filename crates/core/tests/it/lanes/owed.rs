//! What the server owes the client on one lane, and what of it may be lost: what PROTOCOL.md promises in "Delivery
//! classes" and "What the server keeps", counted apart from the lane itself.
//!
//! - What waits and never was on its way is lost only when more of it waits than may: more bytes of reliable messages, or
//!   more of them. Values are not among them.
//! - What was on its way and is not acknowledged is lost only when more than may be kept was on its way behind it, when
//!   it is one of more messages than may be kept, or when it is old. What waits is not among it. A cut loses something only
//!   if more is left than one connection could leave.
//! - A newest value is lost only when there are more of them than may be, of what is not known to have arrived, or more
//!   bytes of them; then everything is.
//! - Where the control lane has no connection no more of it waits than may of a room's.
//! - Anything else is lost only if the server was told that it needs the memory, or where nothing is kept.

use std::collections::{BTreeMap, VecDeque};

use anteroom_protocol::lane::Bounds;

/// More than a snapshot of the control lane has.
const STATE_BYTES_MAX: usize = 300;

/// What was put on the lane at once.
#[derive(Debug)]
struct Portion {
    /// Its last word.
    last: u64,
    count: u64,
    bytes: usize,
    at_ms: u64,
    /// The number of its last message, once it was written.
    number: u64,
}

/// A newest value.
#[derive(Debug)]
struct Value {
    bytes: usize,
    /// Once it is written: the last word in front of it.
    behind: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Owed {
    keeps: bool,
    bounds: Bounds,
    /// How many bytes may wait while there is no connection.
    away_bytes_max: usize,
    is_away: bool,
    /// What is not known to have arrived; how much of it was written on the connection there is, and how much of it on
    /// any.
    portions: VecDeque<Portion>,
    written: usize,
    sent: usize,
    /// By key, as far as they are not known to have arrived; and the last word in front of one that may be lost.
    values: BTreeMap<usize, Value>,
    value_lost: Option<u64>,
    /// The last word that was said, the last that is known to have arrived, and the last that may be lost.
    said: u64,
    has: u64,
    lost_to: u64,
    /// It may have been dropped at once, so that it does not matter any more whether it arrives.
    is_gone: bool,
    /// A snapshot is due whatever else has arrived, until the client has as many messages.
    due_until: u64,
    /// The number of the next message that is written, and whether it stands for what was lost.
    next: u64,
    is_snapshot: bool,
    /// What stands for what was lost was announced and is not written yet. If it is dropped as well, that is told.
    snapshot_waits: bool,
    /// Everything is dropped until there is a snapshot.
    in_gap: bool,
    /// Something was turned away from here, and the client may not have heard of it, which a gap may have to say.
    is_turned_away: bool,
    /// How many words had arrived with each message that was written, by its number.
    words_at: BTreeMap<u64, u64>,
    acked: u64,
    /// The most bytes that were put on the lane at once.
    largest: usize,
}

impl Owed {
    pub(crate) fn new(keeps: bool, bounds: Bounds, away_bytes_max: usize) -> Self {
        Self {
            keeps,
            bounds,
            away_bytes_max,
            is_away: false,
            portions: VecDeque::new(),
            written: 0,
            sent: 0,
            values: BTreeMap::new(),
            value_lost: None,
            said: 0,
            has: 0,
            lost_to: 0,
            is_gone: false,
            due_until: 0,
            next: 1,
            is_snapshot: false,
            snapshot_waits: false,
            in_gap: false,
            is_turned_away: false,
            words_at: BTreeMap::new(),
            acked: 0,
            largest: 0,
        }
    }

    /// Words are put on the lane, up to a last one.
    pub(crate) fn say(&mut self, at_ms: u64, last: u64, bytes: usize) {
        let count = last - std::mem::replace(&mut self.said, last);
        self.largest = self.largest.max(bytes);
        if self.in_gap {
            return self.lose_all();
        }
        self.portions.push_back(Portion { last, count, bytes, at_ms, number: 0 });
        self.lose_what_waits();
        self.lose_what_is_kept(at_ms);
    }

    fn lose_what_waits(&mut self) {
        // Control may have to say where the session stands as well.
        let (mut count, mut bytes) = if self.is_control() { (1, STATE_BYTES_MAX) } else { (0, 0) };
        for portion in self.portions.range(self.sent..) {
            count += portion.count;
            bytes += portion.bytes;
        }
        let bytes_max = if self.is_away { self.away_bytes_max } else { self.bounds.waiting_bytes_max };
        // One that comes alone may have any size.
        let is_one = !self.is_control() && self.portions.len() == self.sent + 1;
        if !is_one && (count > self.bounds.messages_max || bytes > bytes_max) {
            self.lose_all();
        }
    }

    fn lose_what_is_kept(&mut self, now_ms: u64) {
        let (mut bytes, mut count) = (0, 0);
        for portion in self.portions.range(..self.sent).rev() {
            count += portion.count;
            let is_old = now_ms - portion.at_ms > self.bounds.age_max_ms;
            if bytes > self.bounds.kept_bytes_max || count > self.bounds.messages_max || is_old {
                // Nor is anything in front of it kept.
                self.due_until = self.due_until.max(portion.number);
                return;
            }
            bytes += portion.bytes;
        }
    }

    /// What one connection can leave on its way stays, whatever was kept when the last thing was said; not that of many.
    fn lose_what_many_connections_left(&mut self) {
        let Bounds { kept_bytes_max, waiting_bytes_max, .. } = self.bounds;
        let newest = self.sent.checked_sub(1).map_or(0, |place| self.portions[place].bytes);
        let most = kept_bytes_max.saturating_add(waiting_bytes_max.max(newest));
        let mut bytes = 0;
        for portion in self.portions.range(..self.sent).rev() {
            if bytes > most {
                self.due_until = self.due_until.max(portion.number);
                return;
            }
            bytes += portion.bytes;
        }
    }

    /// The newest value of a key is put on the lane.
    pub(crate) fn put_value(&mut self, key: usize, bytes: usize) {
        self.values.insert(key, Value { bytes, behind: None });
        self.largest = self.largest.max(bytes);
        let all: usize = self.values.values().map(|value| value.bytes).sum();
        let Bounds { values_max, value_bytes_max, .. } = self.bounds;
        if self.values.len() > 1 && (self.values.len() > values_max || all > value_bytes_max) {
            self.value_lost = Some(self.said);
        }
    }

    /// A datagram takes the place of a value.
    pub(crate) fn replace_value(&mut self, key: usize, bytes: usize) {
        if self.values.contains_key(&key) {
            self.put_value(key, bytes);
        }
    }

    /// The newest value of a key is written.
    pub(crate) fn write_value(&mut self, key: usize) {
        let behind = self.words_at.range(..self.next).next_back().map_or(0, |(_, words)| *words);
        if !self.keeps {
            self.values.remove(&key);
        } else if let Some(value) = self.values.get_mut(&key) {
            value.behind = Some(behind);
        }
    }

    /// All that is not known to have arrived may be lost.
    pub(crate) fn lose_all(&mut self) {
        self.is_gone |= self.snapshot_waits || !self.portions.is_empty() || self.has < self.said;
        self.due_until = self.portions.iter().map(|portion| portion.number).fold(self.due_until, u64::max);
        self.lost_to = self.said;
    }

    fn is_control(&self) -> bool {
        self.away_bytes_max < self.bounds.waiting_bytes_max
    }

    /// The connection is lost.
    pub(crate) fn detach(&mut self) {
        self.is_away = true;
        self.lose_what_many_connections_left();
        let bytes: usize = self.portions.iter().map(|portion| portion.bytes).sum();
        if self.is_control() && bytes + STATE_BYTES_MAX > self.away_bytes_max {
            self.lose_all();
        }
    }

    /// The server needs the memory of all that is kept.
    pub(crate) fn relieve(&mut self) {
        self.lose_all();
        if !self.values.is_empty() {
            self.value_lost = Some(self.said);
        }
    }

    /// A snapshot is asked for.
    pub(crate) fn miss(&mut self) {
        assert!(self.may_be_lost(), "a gap, and there was room for all that has not arrived: {self:?}");
        self.lose_all();
        self.snapshot_waits = false;
        self.in_gap = true;
        self.portions.clear();
        (self.written, self.sent) = (0, 0);
    }

    /// It is there.
    pub(crate) fn mend(&mut self, at_ms: u64, bytes: usize) {
        self.largest = self.largest.max(bytes);
        if std::mem::take(&mut self.in_gap) {
            self.portions.push_back(Portion { last: self.said, count: 1, bytes, at_ms, number: 0 });
        }
    }

    /// The lane goes on on another connection, behind what was received, or with a snapshot if that is not known.
    pub(crate) fn attach(&mut self, received: Option<u64>) {
        match received {
            Some(count) if self.keeps => self.acknowledge(count),
            _ => self.due_until = u64::MAX,
        }
        while self.sent > 0 && self.portions.front().is_some_and(|portion| portion.number <= self.acked) {
            self.pop();
        }
        // It begins with a gap from now on, even if what is lost arrives on the old connection after all.
        self.is_gone = self.may_be_lost();
        self.is_away = false;
        self.values.values_mut().for_each(|value| value.behind = None);
        self.written = 0;
        self.next = 1;
        self.is_snapshot = false;
    }

    fn pop(&mut self) {
        self.portions.pop_front();
        self.written = self.written.saturating_sub(1);
        self.sent -= 1;
    }

    /// So many messages have arrived.
    pub(crate) fn acknowledge(&mut self, count: u64) {
        self.acked = self.acked.max(count);
        let words = self.words_at.range(..=count).next_back().map_or(0, |(_, words)| *words);
        self.has = self.has.max(words);
        let has = self.has;
        self.values.retain(|_, value| value.behind.is_none_or(|behind| behind >= has));
        self.value_lost = self.value_lost.filter(|behind| *behind >= has);
        if count >= self.due_until {
            self.due_until = 0;
        }
        // What is to be written again is, whoever has it: the lane was announced from its number on.
        while self.written > 0 && self.portions.front().is_some_and(|portion| portion.number <= self.acked) {
            self.pop();
        }
    }

    /// A message that came on the lane is refused in front of its owner, on the control lane.
    pub(crate) fn turn_away(&mut self) {
        self.is_turned_away = true;
    }

    /// The client has everything that was said on the control lane.
    pub(crate) fn hear_refusals(&mut self) {
        self.is_turned_away = false;
    }

    /// Whether the client has all that was said on the lane.
    pub(crate) fn has_arrived(&self) -> bool {
        self.has == self.said && !self.may_be_lost()
    }

    /// Whether a gap is no breach of what was promised.
    fn may_be_lost(&self) -> bool {
        self.is_turned_away
            || self.has < self.lost_to
            || self.is_gone
            || self.value_lost.is_some()
            || self.due_until > 0
    }

    /// The lane is announced.
    pub(crate) fn open(&mut self, next: u64, gap: bool) {
        assert!(!gap || self.may_be_lost(), "a gap, and there was room for all that has not arrived: {self:?}");
        (self.next, self.is_snapshot) = (next, gap);
        // So nothing was dropped, or a snapshot stands for it.
        self.is_gone = false;
        if gap {
            self.value_lost = None;
            self.due_until = next - 1;
            self.snapshot_waits = true;
        }
    }

    /// The number of the next message that is written.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Where the session stands is written, which nobody has put on the lane.
    pub(crate) fn write_state(&mut self, words: u64, bytes: usize) {
        // Its gap may have been told on an earlier connection.
        self.is_snapshot |= self.portions.front().is_none_or(|portion| portion.number != self.next);
        self.write(words, bytes);
    }

    /// A message is written that counts: with it so many words have arrived.
    pub(crate) fn write(&mut self, words: u64, bytes: usize) {
        self.words_at.insert(self.next, words);
        self.next += 1;
        (self.is_gone, self.snapshot_waits) = (false, false);
        if std::mem::take(&mut self.is_snapshot) {
            let at_ms = self.portions.front().map_or(0, |portion| portion.at_ms);
            self.portions.retain(|portion| portion.last > words);
            self.portions.push_front(Portion { last: words, count: 1, bytes, at_ms, number: 0 });
            (self.written, self.sent) = (0, 0);
        }
        while self.portions.get(self.written).is_some_and(|portion| portion.last <= words) {
            self.portions[self.written].number = self.next - 1;
            self.written += 1;
            self.sent = self.sent.max(self.written);
            if !self.keeps {
                self.pop();
            }
        }
    }

    /// The bytes that are not known to have arrived.
    pub(crate) fn bytes(&self) -> usize {
        let values: usize = self.values.values().map(|value| value.bytes).sum();
        self.portions.iter().map(|portion| portion.bytes).sum::<usize>() + values
    }

    /// The most bytes of reliable messages that the lane may keep.
    pub(crate) fn bytes_max(&self) -> usize {
        let Bounds { kept_bytes_max, waiting_bytes_max, value_bytes_max, .. } = self.bounds;
        // What is to be written again stays until something is put behind it that was written.
        let sent: usize = self.portions.range(..self.sent).map(|portion| portion.bytes).sum();
        // At its end a lane keeps newest values in the order of what was said.
        let bounds = [waiting_bytes_max, value_bytes_max, 3 * self.largest];
        bounds.into_iter().fold(kept_bytes_max.max(sent), usize::saturating_add)
    }
}
