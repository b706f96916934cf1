//! One lane of a session: what is on its way to the client, and how far the client's own messages were taken.

use std::collections::VecDeque;
use std::sync::Arc;

use anteroom_protocol::lane::{Bounds, Marks, Outbound};
use anteroom_protocol::{Batch, LaneId, RoomId};

use crate::flush::{Outgoing, is_in_snapshots};
use crate::time::Time;

/// The most datagrams that wait on one lane; a further one takes the place of the oldest.
pub const DATAGRAMS_MAX: usize = 64;
/// The most lanes that have ended and whose last messages are kept until they are acknowledged.
pub const LANES_KEPT_MAX: usize = 64;

#[derive(Debug)]
pub(super) struct Lane {
    /// The room, if it existed before its lane.
    pub(super) room_id: Option<RoomId>,
    pub(super) out: Outbound,
    pub(super) datagrams: VecDeque<(Arc<str>, Arc<Batch>)>,
    /// How far the client's messages have come.
    pub(super) marks: Marks,
    /// What was acknowledged of them.
    pub(super) told: u64,
    pub(super) ended: bool,
    /// What was said last, for a client that has lost what led there: it stands where a snapshot would.
    pub(super) farewell: Option<Arc<Batch>>,
    /// The end was said on the connection there is.
    pub(super) finished: bool,
}

impl Lane {
    pub(super) fn new(keeps: bool, attached: bool) -> Self {
        Self {
            room_id: None,
            out: Outbound::new(keeps, attached),
            datagrams: VecDeque::new(),
            marks: Marks::default(),
            told: 0,
            ended: false,
            farewell: None,
            finished: false,
        }
    }

    /// Bytes of all that is kept, and of the memory for it.
    pub(super) fn retained_bytes(&self) -> usize {
        let datagrams = self.datagrams.iter().map(|(_, message)| message.payload().len());
        self.out.retained_bytes() + datagrams.sum::<usize>()
    }

    /// Whether there is nothing to write, so that a writer has to be told when there is.
    pub(super) fn is_idle(&self) -> bool {
        self.datagrams.is_empty() && (self.out.is_written() || self.out.is_in_gap())
    }

    /// Whether it is over its bounds now.
    pub(super) fn put(
        &mut self,
        now: Time,
        outgoing: Outgoing,
        bounds: &Bounds,
        datagram_bytes_max: Option<usize>,
    ) -> bool {
        if self.ended {
            return false;
        }
        match outgoing {
            Outgoing::Reliable(batch) => return self.out.put(now.as_millis(), batch, bounds).is_err(),
            Outgoing::Snapshot { message, .. } => {
                if self.out.is_in_gap() {
                    // What it says is newer, and meant for this reader.
                    self.out.forget_values(is_in_snapshots);
                }
                self.out.put_snapshot(now.as_millis(), message);
            }
            Outgoing::Unreliable { key, message } if datagram_bytes_max >= Some(message.payload().len()) => {
                // What waits is replaced, as everywhere; what was written must not come back as the newest.
                if self.out.replace_latest(&key, &message) == Some(true) {
                    return false;
                }
                if self.datagrams.len() == DATAGRAMS_MAX {
                    self.datagrams.pop_front();
                }
                self.datagrams.push_back((key, message));
            }
            Outgoing::Latest { key, message } | Outgoing::Unreliable { key, message } => {
                self.datagrams.retain(|(other, _)| *other != key);
                return self.out.put_latest(key, message, bounds).is_err();
            }
        }
        false
    }

    /// Nothing follows the last message: newest values go in front of it, and datagrams that wait are lost. In a gap
    /// it stands where the snapshot would.
    pub(super) fn end(&mut self, now: Time, mut last: Vec<Outgoing>, bounds: &Bounds) {
        if self.ended {
            return;
        }
        let farewell = last.pop();
        let overflows =
            last.into_iter().fold(false, |is_over, outgoing| self.put(now, outgoing, bounds, None) | is_over);
        if overflows {
            self.out.start_gap();
        }
        self.out.settle(now.as_millis());
        self.datagrams.clear();
        if let Some(farewell) = farewell {
            self.farewell = Some(farewell.batch().clone());
            if self.out.is_in_gap() {
                self.out.put_snapshot(now.as_millis(), farewell.batch().clone());
            } else {
                // What was settled pushes out nothing, and nothing more comes.
                self.put(now, farewell, &Bounds::NONE, None);
            }
        }
        self.ended = true;
    }

    /// What was applied, if that moved since it was told.
    pub(super) fn take_ack(&mut self) -> Option<u64> {
        let applied = self.marks.applied();
        let moved = applied > self.told;
        self.told = applied;
        moved.then_some(applied)
    }
}

/// Bounds what is kept of lanes after their end for a client that does not acknowledge: so many, and so many bytes of all
/// of them besides how each ended. Gives how many there are that it has not even read to their end.
pub(super) fn forget_ended(rooms: &mut Vec<(LaneId, Lane)>, kept_bytes_max: usize) -> usize {
    let ended = |lane: &Lane| lane.ended && lane.finished;
    let unread = rooms.iter().filter(|(_, lane)| lane.ended && !lane.finished).count();
    let mut kept = rooms.iter().filter(|(_, lane)| ended(lane)).count();
    let mut bytes: usize = rooms.iter().filter(|(_, lane)| ended(lane)).map(|(_, lane)| lane.out.kept_bytes()).sum();
    rooms.retain_mut(|(_, lane)| {
        if !ended(lane) {
            return true;
        }
        let (goes, is_much) = (kept > LANES_KEPT_MAX, bytes > kept_bytes_max);
        if goes || is_much {
            bytes -= lane.out.kept_bytes();
            lane.out.shed_all();
        }
        kept -= usize::from(goes);
        !goes
    });
    unread
}
