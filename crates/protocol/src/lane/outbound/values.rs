//! The newest values of a lane: one of each key, written in turn.

use std::sync::Arc;

use super::Bounds;
use crate::batch::Batch;

/// One key's newest value.
#[derive(Debug)]
pub(super) struct Value {
    key: Arc<str>,
    pub(super) batch: Arc<Batch>,
    /// Once it is written: the number of the last message in front of it.
    pub(super) behind: Option<u64>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Values {
    /// By key, so that one among many is found soon.
    all: Vec<Value>,
    /// Where to look for the next to write: each key has its turn, however often others change.
    turn: usize,
    /// How many are still to be written.
    waiting: usize,
    /// Of all payloads.
    bytes: usize,
    /// The highest number of a message in front of a value that was written, may not have arrived, and is not kept.
    lost: Option<u64>,
}

impl Values {
    fn place(&self, key: &str) -> Result<usize, usize> {
        self.all.binary_search_by(|value| (*value.key).cmp(key))
    }

    /// Puts the newest value of a key in the place of an older one. Gives the place.
    pub(super) fn put(&mut self, key: Arc<str>, batch: Arc<Batch>) -> usize {
        self.bytes += batch.payload().len();
        match self.place(&key) {
            Ok(place) => {
                let value = &mut self.all[place];
                self.bytes -= value.batch.payload().len();
                value.batch = batch;
                self.waiting += usize::from(value.behind.take().is_some());
                place
            }
            Err(place) => {
                self.all.insert(place, Value { key, batch, behind: None });
                self.turn += usize::from(place < self.turn);
                self.waiting += 1;
                place
            }
        }
    }

    /// Puts the newest value of a key in the place of an older one, if there is one. Whether that is still to be written; if
    /// not, it goes another way behind the message with that number.
    pub(super) fn replace(&mut self, key: &str, batch: &Arc<Batch>, behind: u64) -> Option<bool> {
        let place = self.place(key).ok()?;
        let value = &mut self.all[place];
        self.bytes = self.bytes + batch.payload().len() - value.batch.payload().len();
        value.batch = batch.clone();
        value.behind = value.behind.map(|_| behind);
        Some(value.behind.is_none())
    }

    /// Lets go of values as far as the bounds demand, never of that which was put last, at `newest`: first of those that
    /// were written, then of any. Whether one of them has not been written.
    pub(super) fn bound(&mut self, mut newest: usize, bounds: &Bounds) -> bool {
        let mut is_unread = false;
        while self.all.len() > 1 && (self.all.len() > bounds.values_max || self.bytes > bounds.value_bytes_max) {
            let is_written = |place: &usize| *place != newest && self.all[*place].behind.is_some();
            let place = (0..self.all.len()).find(is_written).unwrap_or(usize::from(newest == 0));
            is_unread |= self.remove(place);
            newest -= usize::from(place < newest);
        }
        is_unread
    }

    /// Lets go of those that something else says.
    pub(super) fn forget(&mut self, is_said: impl Fn(&str) -> bool) {
        let (bytes, waiting) = (&mut self.bytes, &mut self.waiting);
        self.all.retain(|value| {
            let stays = !is_said(&value.key);
            if !stays {
                *bytes -= value.batch.payload().len();
                *waiting -= usize::from(value.behind.is_none());
            }
            stays
        });
        self.turn = self.turn.min(self.all.len());
        self.give_back();
    }

    /// Whether it has not been written.
    fn remove(&mut self, place: usize) -> bool {
        let value = self.all.remove(place);
        self.turn -= usize::from(place < self.turn);
        self.bytes -= value.batch.payload().len();
        self.lost = self.lost.max(value.behind);
        let is_unread = value.behind.is_none();
        self.waiting -= usize::from(is_unread);
        self.give_back();
        is_unread
    }

    /// The next to write. `keep` says behind which message it is, if it is kept until it has arrived.
    pub(super) fn next(&mut self, keep: Option<u64>) -> Option<Arc<Batch>> {
        if self.waiting == 0 {
            return None;
        }
        let (before, after) = self.all.split_at(self.turn.min(self.all.len()));
        let is_waiting = |value: &Value| value.behind.is_none();
        let place = match after.iter().position(is_waiting) {
            Some(place) => before.len() + place,
            None => before.iter().position(is_waiting)?,
        };
        self.turn = place + 1;
        let batch = self.all[place].batch.clone();
        match keep {
            Some(_) => {
                self.all[place].behind = keep;
                self.waiting -= 1;
            }
            None => drop(self.remove(place)),
        }
        Some(batch)
    }

    /// A message with this number has arrived, and so have values that were written in front of it.
    pub(super) fn acknowledge(&mut self, acked: u64) {
        if self.waiting < self.all.len() {
            let bytes = &mut self.bytes;
            self.all.retain(|value| {
                let stays = value.behind.is_none_or(|behind| behind >= acked);
                *bytes -= if stays { 0 } else { value.batch.payload().len() };
                stays
            });
            self.turn = self.turn.min(self.all.len());
            self.give_back();
        }
        self.lost = self.lost.filter(|behind| *behind >= acked);
    }

    /// All of them are to be written again, on a new connection. Whether one is missing that may not have arrived.
    pub(super) fn rewind(&mut self) -> bool {
        self.all.iter_mut().for_each(|value| value.behind = None);
        self.waiting = self.all.len();
        self.turn = 0;
        self.lost.take().is_some()
    }

    /// Lets go of all of them. Whether one has not been written.
    pub(super) fn shed(&mut self) -> bool {
        let is_unread = self.waiting > 0;
        let lost = self.all.iter().filter_map(|value| value.behind).max().max(self.lost);
        *self = Self { lost, ..Self::default() };
        is_unread
    }

    /// Takes all of them.
    pub(super) fn take(&mut self) -> Vec<Value> {
        let lost = self.lost;
        std::mem::replace(self, Self { lost, ..Self::default() }).all
    }

    /// Notes that one is lost that was written behind the message with this number.
    pub(super) fn lose(&mut self, behind: u64) {
        self.lost = self.lost.max(Some(behind));
    }

    fn give_back(&mut self) {
        if self.all.is_empty() {
            self.all = Vec::new();
        }
    }

    pub(super) fn is_written(&self) -> bool {
        self.waiting == 0
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn capacity_bytes(&self) -> usize {
        self.all.capacity() * size_of::<Value>()
    }
}
