//! How far rooms have applied what came on their lanes. A room tells it by an atomic with each flush: a lock for each member who
//! has said something would be taken even where nobody waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anteroom_core::Time;
use anteroom_protocol::LaneId;

use super::State;

/// How far a room has applied what came on one lane.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    n: AtomicU64,
    /// An acknowledgement is due, and nothing to acknowledge was there.
    is_awaited: AtomicBool,
}

impl Applied {
    /// The room has applied everything up to a number, and what follows from it is on the lane. Whether the connection's task has to
    /// be told of it.
    pub(crate) fn tell(&self, n: u64) -> bool {
        // In one order with `wait`: either the room sees that it is waited for, or whoever waits sees the number.
        self.n.fetch_max(n, Ordering::SeqCst);
        self.is_awaited.load(Ordering::SeqCst) && self.is_awaited.swap(false, Ordering::SeqCst)
    }

    fn seen(&self) -> u64 {
        self.n.load(Ordering::SeqCst)
    }

    /// Asks to be told. What was applied by then.
    fn wait(&self) -> u64 {
        self.is_awaited.store(true, Ordering::SeqCst);
        self.seen()
    }
}

impl State {
    /// Looks how far rooms have come. When to look again at the latest; where it is time already, the room tells.
    pub(super) fn look_at_applied(&mut self, now: Time) -> Option<Time> {
        let mut next = None;
        for (lane, applied) in &self.applied {
            self.lanes.applied(*lane, applied.seen());
            match self.lanes.in_flight_at(*lane) {
                Some(at) if at <= now => self.lanes.applied(*lane, applied.wait()),
                at => next = [next, at].into_iter().flatten().min(),
            }
        }
        next
    }

    /// The room says nothing more.
    pub(super) fn take_applied(&mut self, lane: LaneId) {
        if let Some(place) = self.applied.iter().position(|(other, _)| *other == lane) {
            let (lane, applied): (LaneId, Arc<Applied>) = self.applied.swap_remove(place);
            self.lanes.applied(lane, applied.seen());
        }
    }
}
