//! The sending end of a lane to a client: numbers what is put on it, keeps it until it is acknowledged, and says
//! what to write next on the connection that the lane is attached to.
//!
//! Three things can be on a lane: reliable batches in order; the newest values behind them; or a gap, while what is
//! put on it is dropped until its owner has given a snapshot. A gap burns a number, so it can never go untold.

mod values;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::batch::{Batch, Tally};
use values::{Value, Values};

/// Queues that grew beyond this give their memory back when they run empty.
const IDLE_CAPACITY: usize = 16;

/// How much a lane keeps: of reliable messages that were on their way and are not acknowledged, of those that wait, and of
/// newest values, each by itself. A single batch may have any size in each of them.
///
/// A lane that is put on never has more bytes than all three bounds together, and a batch for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Messages that may be kept, and that may wait to be written.
    pub messages_max: u64,
    /// How long a message is kept that was on its way, in milliseconds.
    pub age_max_ms: u64,
    /// Bytes of payload that may be kept of what was on its way behind the oldest batch that is. Beyond it the oldest is
    /// forgotten.
    pub kept_bytes_max: usize,
    /// Bytes of payload that may wait and never were on their way. Beyond it the lane has to begin again.
    pub waiting_bytes_max: usize,
    /// How many keys may have a newest value. Beyond it one is given up.
    pub values_max: usize,
    /// Bytes of payload of all newest values. Beyond it one is given up.
    pub value_bytes_max: usize,
}

impl Bounds {
    /// No bounds, for tests.
    pub const NONE: Self = Self {
        messages_max: u64::MAX,
        age_max_ms: u64::MAX,
        kept_bytes_max: usize::MAX,
        waiting_bytes_max: usize::MAX,
        values_max: usize::MAX,
        value_bytes_max: usize::MAX,
    };
}

/// More waits on a lane than its bounds allow. Nothing reliable was dropped yet, and perhaps a value that nobody has read;
/// see [`Outbound::start_gap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more waits than may wait")]
pub struct Overflow;

/// A peer claims to have more than was ever sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{count} messages were acknowledged, {written} were sent")]
pub struct CountNotSent {
    /// What it claims.
    pub count: u64,
    /// What there was.
    pub written: u64,
}

/// What to do next for a lane.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Announce the lane on a connection that is new to it.
    Opening {
        /// The number of the next counted message.
        next: u64,
        /// Whether messages before it were lost; it is a snapshot then.
        gap: bool,
    },
    /// Write a record.
    Record(Arc<Batch>),
    /// Ask the owner for [`Outbound::put_snapshot`]. Asked once; nothing comes before it.
    Snapshot,
}

#[derive(Debug)]
struct Entry {
    /// The number of its first message.
    first: u64,
    /// How many of its messages count: all or none.
    counted: u64,
    at_ms: u64,
    batch: Arc<Batch>,
}

impl Entry {
    /// The number behind its last message.
    fn end(&self) -> u64 {
        self.first + self.counted
    }

    /// Whether whoever has so many messages has this. Of what is not counted that is known when something behind it
    /// has arrived.
    fn is_behind(&self, received: u64) -> bool {
        self.end() <= received + 1 && self.first <= received
    }

    fn len(&self) -> usize {
        self.batch.payload().len()
    }

    /// How much it counts against what may be kept and wait of reliable messages: newest values push none of them out.
    fn weight(&self) -> usize {
        if self.counted == 0 { 0 } else { self.len() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Flowing,
    /// Nothing is kept until there is a snapshot.
    Gap {
        asked: bool,
    },
}

/// See the module.
#[derive(Debug)]
pub struct Outbound {
    keeps: bool,
    attached: bool,
    flow: Flow,
    /// The lane is to be announced, and whether with a gap.
    opening: Option<bool>,
    queue: VecDeque<Entry>,
    /// The first entry that is not written on this connection, and how many of its messages the peer has.
    cursor: usize,
    skip: usize,
    /// The first entry that never was on its way, on any connection.
    fresh: usize,
    values: Values,
    /// The number given last.
    last: u64,
    /// The highest number that ever was on its way.
    written: u64,
    acked: u64,
    /// Of everything reliable in the queue.
    bytes: usize,
    /// Of newest values that were put in it at the end.
    settled_bytes: usize,
    /// Of what never was on its way.
    fresh_bytes: usize,
    /// Where memory besides batches is counted, and how much was.
    tally: Option<Tally>,
    counted_bytes: usize,
}

impl Outbound {
    /// A new lane. `keeps` says whether written messages are kept until they are acknowledged; `attached`, whether
    /// there is a connection to write on now.
    #[must_use]
    pub fn new(keeps: bool, attached: bool) -> Self {
        Self {
            keeps,
            attached,
            flow: Flow::Flowing,
            opening: None,
            queue: VecDeque::new(),
            cursor: 0,
            skip: 0,
            fresh: 0,
            values: Values::default(),
            last: 0,
            written: 0,
            acked: 0,
            bytes: 0,
            settled_bytes: 0,
            fresh_bytes: 0,
            tally: None,
            counted_bytes: 0,
        }
    }

    /// A lane that goes on behind a number without anything that was put on it: nobody knows how much of that the peer has. It
    /// is in a gap, and no number up to this one is given again.
    #[must_use]
    pub fn restored(keeps: bool, last: u64) -> Self {
        let mut lane = Self::new(keeps, false);
        (lane.last, lane.written) = (last, last);
        lane.start_gap();
        lane
    }

    /// Counts what the lane takes in memory besides its batches.
    #[must_use]
    pub fn counted(mut self, tally: Option<&Tally>) -> Self {
        self.tally = tally.cloned();
        self.count();
        self
    }

    /// Puts reliable messages on the lane. In a gap they are dropped: the snapshot will say what they said.
    ///
    /// # Errors
    /// [`Overflow`]: they are on the lane, and it is over its bounds.
    pub fn put(&mut self, now_ms: u64, batch: Arc<Batch>, bounds: &Bounds) -> Result<(), Overflow> {
        if self.flow != Flow::Flowing {
            return Ok(());
        }
        let counted = batch.messages() as u64;
        self.push(now_ms, counted, batch);
        self.forget_sent(now_ms, bounds);
        let is_many =
            || self.queue.get(self.fresh).is_some_and(|entry| self.last + 1 - entry.first > bounds.messages_max);
        let overflows = self.queue.len() - self.fresh > 1 && (self.fresh_bytes > bounds.waiting_bytes_max || is_many());
        if overflows { Err(Overflow) } else { Ok(()) }
    }

    /// Puts the newest value of a key on the lane, in place of an older one, behind everything reliable. `message` is
    /// a batch of one.
    ///
    /// # Errors
    /// [`Overflow`]: the value of another key, which nobody has read, was given up for it.
    pub fn put_latest(&mut self, key: Arc<str>, message: Arc<Batch>, bounds: &Bounds) -> Result<(), Overflow> {
        let place = self.values.put(key, message);
        let is_unread_lost = self.values.bound(place, bounds);
        self.count();
        if is_unread_lost && self.flow == Flow::Flowing { Err(Overflow) } else { Ok(()) }
    }

    /// Puts the newest value of a key in the place of an older one, for a message that goes another way unless the older
    /// one is still to be written. Whether it is; nothing changes if there is none.
    pub fn replace_latest(&mut self, key: &str, message: &Arc<Batch>) -> Option<bool> {
        self.values.replace(key, message, self.last)
    }

    /// Lets go of the newest values of these keys, written or not: a snapshot that is about to be put says them, too.
    pub fn forget_values(&mut self, is_said: impl Fn(&str) -> bool) {
        self.values.forget(is_said);
        self.count();
    }

    /// Ends a gap with a snapshot: one message that says where things stand. Without a gap it is not needed, and
    /// dropped.
    pub fn put_snapshot(&mut self, now_ms: u64, snapshot: Arc<Batch>) {
        if self.flow == Flow::Flowing {
            return;
        }
        self.flow = Flow::Flowing;
        self.opening = Some(true);
        let counted = snapshot.messages() as u64;
        self.push(now_ms, counted, snapshot);
    }

    /// Moves newest values in front of what is put from now on, so that nothing follows a lane's last message. One that
    /// was written and may not have arrived goes where it was, so that it is written again where that matters.
    pub fn settle(&mut self, now_ms: u64) {
        for Value { batch, behind, .. } in self.values.take() {
            match behind {
                Some(behind) => self.insert_written(now_ms, behind, batch),
                None if self.flow == Flow::Flowing => self.push(now_ms, 0, batch),
                None => {}
            }
        }
        self.count();
    }

    /// What was in front of it then had been written, too, so its place is not behind the cursor; that of what went another
    /// way may be, and it is written again. If what was in front of it is not kept any more, it has arrived, or a snapshot or
    /// a gap stands for it.
    fn insert_written(&mut self, at_ms: u64, behind: u64, batch: Arc<Batch>) {
        let place = self.queue.partition_point(|entry| entry.first <= behind);
        let follows = place > 0 || self.queue.front().is_some_and(|entry| entry.first == behind + 1);
        if self.flow == Flow::Flowing && (follows || self.last == behind) {
            self.settled_bytes += batch.payload().len();
            self.queue.insert(place, Entry { first: behind + 1, counted: 0, at_ms, batch });
            self.cursor += usize::from(place <= self.cursor);
            self.fresh += usize::from(place <= self.fresh);
        }
    }

    fn push(&mut self, at_ms: u64, counted: u64, batch: Arc<Batch>) {
        let is_full = self.queue.len() == self.queue.capacity();
        let len = batch.payload().len();
        if counted == 0 {
            self.settled_bytes += len;
        } else {
            self.bytes += len;
            self.fresh_bytes += len;
        }
        self.queue.push_back(Entry { first: self.last + 1, counted, at_ms, batch });
        self.last += counted;
        if is_full {
            self.count();
        }
    }

    /// Drops everything reliable, and everything that follows, until there is a snapshot.
    pub fn start_gap(&mut self) {
        self.queue = VecDeque::new();
        (self.cursor, self.skip, self.fresh) = (0, 0, 0);
        (self.bytes, self.fresh_bytes, self.settled_bytes) = (0, 0, 0);
        self.opening = None;
        if self.flow == Flow::Flowing {
            // The number burned: a receiver that has everything up to here still learns of the gap.
            self.last += 1;
        }
        self.flow = Flow::Gap { asked: false };
        self.count();
    }

    /// Lets go of everything reliable that is kept: of what was written, untold, since the gap is found out if it matters;
    /// and with a gap if something waits.
    pub fn shed(&mut self) {
        while self.cursor > 0 {
            self.forget();
        }
        // A single batch stays: it may be the snapshot that was waited for.
        if self.queue.len() > 1 {
            self.start_gap();
        }
    }

    /// The same with newest values as well, written or not. Without a connection nothing is kept that waits.
    pub fn shed_all(&mut self) {
        let is_value_unread = self.values.shed();
        while (if self.attached { self.cursor } else { self.fresh }) > 0 {
            self.forget();
        }
        let waits = self.queue.len() > usize::from(self.attached);
        if (is_value_unread || waits) && self.flow == Flow::Flowing {
            self.start_gap();
        }
        self.count();
    }

    /// Begins again if it has more than one batch, and more bytes than these.
    pub fn trim(&mut self, bytes_max: usize) {
        if self.queue.len() > 1 && self.bytes > bytes_max {
            self.start_gap();
        }
    }

    /// Counts the memory that is not batches, after it may have changed.
    fn count(&mut self) {
        let Some(tally) = &self.tally else { return };
        let bytes = self.capacity_bytes();
        if bytes != self.counted_bytes {
            tally.add(bytes);
            tally.take(std::mem::replace(&mut self.counted_bytes, bytes));
        }
    }

    fn capacity_bytes(&self) -> usize {
        size_of::<Self>() + self.queue.capacity() * size_of::<Entry>() + self.values.capacity_bytes()
    }

    /// The owner could not be asked: [`Next::Snapshot`] comes again.
    pub fn ask_again(&mut self) {
        if self.is_in_gap() {
            self.flow = Flow::Gap { asked: false };
        }
    }

    /// Whether it waits for a snapshot.
    #[must_use]
    pub fn is_in_gap(&self) -> bool {
        self.flow != Flow::Flowing
    }

    /// What to do next on the connection; `None` if there is nothing, or no connection.
    #[expect(clippy::should_implement_trait, reason = "no iterator: there may be more after `None`")]
    pub fn next(&mut self) -> Option<Next> {
        if !self.attached {
            return None;
        }
        match &mut self.flow {
            Flow::Flowing => {}
            Flow::Gap { asked: true } => return None,
            Flow::Gap { asked } => {
                *asked = true;
                return Some(Next::Snapshot);
            }
        }
        if let Some(gap) = self.opening.take() {
            let next = self.queue.get(self.cursor).map_or(self.last + 1, |entry| entry.first + self.skip as u64);
            self.written = self.written.max(next - 1);
            return Some(Next::Opening { next, gap });
        }
        self.next_entry().or_else(|| self.next_value()).map(Next::Record)
    }

    fn next_entry(&mut self) -> Option<Arc<Batch>> {
        let entry = self.queue.get(self.cursor)?;
        let skip = std::mem::take(&mut self.skip);
        let batch = if skip == 0 { entry.batch.clone() } else { Arc::new(entry.batch.after(skip)) };
        self.written = self.written.max(entry.end() - 1);
        if self.cursor == self.fresh {
            self.fresh += 1;
            self.fresh_bytes -= entry.weight();
        }
        self.cursor += 1;
        if !self.keeps {
            self.pop();
        }
        Some(batch)
    }

    fn next_value(&mut self) -> Option<Arc<Batch>> {
        let value = self.values.next(self.keeps.then_some(self.last))?;
        if !self.keeps {
            self.count();
        }
        Some(value)
    }

    /// Takes the first entry off the queue, which was on its way once.
    fn pop(&mut self) {
        if let Some(entry) = self.queue.pop_front() {
            let bytes = if entry.counted == 0 { &mut self.settled_bytes } else { &mut self.bytes };
            *bytes -= entry.len();
            (self.cursor, self.fresh) = (self.cursor.saturating_sub(1), self.fresh.saturating_sub(1));
        }
        if self.queue.is_empty() && self.queue.capacity() > IDLE_CAPACITY {
            self.queue = VecDeque::new();
            self.count();
        }
    }

    /// Lets go of the first entry, which was on its way and may not have arrived. A value has no number that would be missed.
    fn forget(&mut self) {
        if let Some(entry) = self.queue.front().filter(|entry| entry.counted == 0) {
            self.values.lose(entry.first - 1);
        }
        self.pop();
    }

    /// Bytes of what was on its way behind the oldest of it.
    fn sent_bytes(&self) -> usize {
        let oldest = self.queue.front().filter(|_| self.fresh > 0).map_or(0, Entry::weight);
        self.bytes - self.fresh_bytes - oldest
    }

    /// Lets go of what was on its way, oldest first, as far as the bounds demand. If the peer has not got it, the gap is
    /// found out when it comes back. What is to be written again on this connection stays: it was announced.
    fn forget_sent(&mut self, now_ms: u64, bounds: &Bounds) {
        while let Some(oldest) = self.queue.front()
            && (if self.attached { self.cursor } else { self.fresh }) > 0
        {
            let end = self.queue.get(self.fresh).map_or(self.last + 1, |entry| entry.first);
            let stays = self.sent_bytes() <= bounds.kept_bytes_max
                && end - oldest.first <= bounds.messages_max
                && now_ms.saturating_sub(oldest.at_ms) <= bounds.age_max_ms;
            if stays {
                break;
            }
            self.forget();
        }
    }

    /// Takes an acknowledgement. Only this lets go of what was written within the bounds. An older one than before
    /// says nothing new.
    ///
    /// # Errors
    /// [`CountNotSent`]; nothing changed.
    pub fn acknowledge(&mut self, count: u64) -> Result<(), CountNotSent> {
        self.check(count)?;
        self.acked = self.acked.max(count);
        // What is still to be written stays, whoever has it: the lane was announced from its number on.
        while self.cursor > 0 && self.queue.front().is_some_and(|entry| entry.is_behind(self.acked)) {
            self.pop();
        }
        // A message behind a value has arrived, so the value has, too.
        self.values.acknowledge(self.acked);
        Ok(())
    }

    /// Checks what a peer claims to have received.
    ///
    /// # Errors
    /// [`CountNotSent`].
    pub fn check(&self, count: u64) -> Result<(), CountNotSent> {
        if count > self.written { Err(CountNotSent { count, written: self.written }) } else { Ok(()) }
    }

    /// Goes on on a new connection, behind the last message that the peer has; with a snapshot if that is not known,
    /// or what follows is not kept any more. `announce` puts [`Next::Opening`] in front.
    ///
    /// # Errors
    /// [`CountNotSent`]; nothing changed.
    pub fn attach(&mut self, received: Option<u64>, announce: bool) -> Result<(), CountNotSent> {
        if let Some(received) = received {
            self.acknowledge(received)?;
        }
        // An acknowledgement that was sent later may have been faster.
        let received = received.map(|received| received.max(self.acked));
        self.attached = true;
        let is_value_lost = self.values.rewind();
        let head = self.queue.front().map_or(self.last + 1, |entry| entry.first);
        match (self.flow, received) {
            // Whoever was asked may have answered to nobody; a second snapshot does no harm.
            (Flow::Gap { .. }, _) => self.flow = Flow::Gap { asked: false },
            (Flow::Flowing, Some(received))
                if received + 1 >= head && !is_value_lost && (self.keeps || self.written == 0) =>
            {
                self.rewind(received + 1);
                self.opening = announce.then_some(false);
            }
            (Flow::Flowing, _) => self.start_gap(),
        }
        Ok(())
    }

    /// Places the cursor at a message that is in the queue, or will be the next one.
    fn rewind(&mut self, next: u64) {
        self.cursor = 0;
        while self.queue.front().is_some_and(|entry| entry.is_behind(next - 1)) {
            self.pop();
        }
        self.skip = self.queue.front().map_or(0, |entry| next.saturating_sub(entry.first) as usize);
    }

    /// The connection is gone. What is not acknowledged waits for another one, or, where nothing is kept, becomes a gap. It
    /// is as much as one connection can leave, so that a lane does not grow with every further one.
    pub fn detach(&mut self, bounds: &Bounds) {
        self.attached = false;
        let newest = self.fresh.checked_sub(1).map_or(0, |place| self.queue[place].weight());
        let most = bounds.kept_bytes_max.saturating_add(bounds.waiting_bytes_max.max(newest));
        while self.sent_bytes() > most {
            self.forget();
        }
        if !self.keeps && self.last > 0 {
            self.start_gap();
        }
    }

    /// Whether everything that ever was put on the lane is still there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.is_in_gap() && self.queue.front().map_or(self.last + 1, |entry| entry.first) == 1
    }

    /// Does not announce the lane on this connection after all.
    pub fn skip_opening(&mut self) {
        self.opening = None;
    }

    /// Whether the peer may have heard of the lane: there is something to announce on a new connection.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.written > 0 || !self.is_whole()
    }

    /// Whether nothing is left to be written on this connection.
    #[must_use]
    pub fn is_written(&self) -> bool {
        self.flow == Flow::Flowing && self.cursor == self.queue.len() && self.values.is_written()
    }

    /// Whether the peer has everything, as far as can be known.
    #[must_use]
    pub fn is_received(&self) -> bool {
        self.is_written() && (!self.keeps || self.acked >= self.last)
    }

    /// Bytes of reliable messages that are still to be written on this connection.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.queue.range(self.cursor..).map(Entry::len).sum()
    }

    /// Bytes of reliable messages that are kept, written or not, and of newest values that were put among them at the end.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.bytes + self.settled_bytes
    }

    /// Bytes of everything that is kept, and of the memory for it; a batch counts for every lane that it is on.
    #[must_use]
    pub fn retained_bytes(&self) -> usize {
        self.kept_bytes() + self.values.bytes() + self.capacity_bytes()
    }

    /// The number of the newest message.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }
}

impl Drop for Outbound {
    fn drop(&mut self) {
        if let Some(tally) = &self.tally {
            tally.take(self.counted_bytes);
        }
    }
}

#[cfg(test)]
mod tests;
