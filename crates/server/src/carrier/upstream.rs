//! What comes from the client: whether it is new, who has it, and how far it has been heard.

use std::sync::Arc;

use anteroom_core::lanes::{ConnectionId, Verdict};
use anteroom_protocol::lane::CountNotSent;
use anteroom_protocol::message::resume::Counts;
use anteroom_protocol::{ErrorBody, ErrorCode, LaneId};

use super::{Carrier, State};

/// A message that is judged on the control lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judged {
    pub(crate) n: Option<u64>,
    pub(crate) bytes: usize,
    /// Whether its number is noted when its turn comes, and not when it comes in.
    pub(crate) is_taken_later: bool,
    /// The lane that it came on then, if there is one; control otherwise.
    pub(crate) lane: LaneId,
}

/// A question that is answered by what a room has still to store: whatever becomes of that, it is done then.
#[derive(Debug)]
pub(crate) struct DoneLater {
    carrier: Arc<Carrier>,
    n: u64,
}

impl Drop for DoneLater {
    fn drop(&mut self) {
        self.carrier.done(Some(self.n));
    }
}

impl Carrier {
    /// Whether a message of the control lane is to be handled. One that is, is taken now: the session will answer for it.
    pub(crate) fn take(&self, id: ConnectionId, n: Option<u64>, bytes: usize) -> bool {
        let now = self.clock.now();
        let mut state = self.lock();
        let is_new = state.is_new(id, LaneId::CONTROL, n);
        if is_new {
            state.lanes.took(now, LaneId::CONTROL, n, bytes);
        }
        is_new
    }

    /// The same for a message that has to be taken elsewhere as well, under no other lock than this.
    ///
    /// # Errors
    /// What it is refused with there: it was not taken then.
    pub(crate) fn take_if<T: Default>(
        &self,
        id: ConnectionId,
        judged: Judged,
        take: impl FnOnce(u64) -> Result<T, ErrorBody>,
    ) -> Result<T, ErrorBody> {
        let now = self.clock.now();
        let mut state = self.lock();
        let Judged { n, bytes, is_taken_later, lane } = judged;
        // What is on a room's lane is judged when that is there.
        let n_judged = if is_taken_later { None } else { n };
        if !state.is_new(id, LaneId::CONTROL, n_judged) {
            return Ok(T::default());
        }
        let last_n = state.lanes.last_n().max(n_judged.unwrap_or(0));
        match take(last_n) {
            Ok(taken) => {
                if !is_taken_later {
                    // It is done when it is answered.
                    state.lanes.handed(now, LaneId::CONTROL, n, bytes);
                }
                Ok(taken)
            }
            Err(error) => {
                if is_taken_later {
                    state.lanes.saw(lane, n);
                } else {
                    state.lanes.saw_on_control(n);
                }
                Err(error)
            }
        }
    }

    /// Hands a message over to the room whose lane it came on, if it is new. What the room does not take was not handed over.
    /// Nothing if the room has ended the lane.
    pub(crate) fn hand_over(
        &self,
        id: ConnectionId,
        lane: LaneId,
        n: Option<u64>,
        bytes: usize,
        hand_over: impl FnOnce() -> Result<(), ErrorBody>,
    ) -> Option<Result<(), ErrorBody>> {
        let now = self.clock.now();
        let mut state = self.lock();
        if state.lanes.has_ended(lane) && !state.ended {
            return None;
        }
        if !state.is_new(id, lane, n) {
            return Some(Ok(()));
        }
        let handed = hand_over();
        match handed {
            Ok(()) => state.lanes.handed(now, lane, n, bytes),
            Err(_) => state.lanes.saw(lane, n),
        }
        Some(handed)
    }

    /// Refuses a message of a room that the session is not in, or not any more.
    ///
    /// # Errors
    /// `not_in_room`, unless the message comes on a connection that does not carry the lanes, or the room has had it and the
    /// end of its lane says the rest.
    pub(crate) fn refuse_in_front(&self, id: ConnectionId, room_id: &str, n: Option<u64>) -> Result<(), ErrorBody> {
        let mut state = self.lock();
        let has_passed = || room_id.parse().is_ok_and(|room_id| state.lanes.has_passed(&room_id, n));
        if !state.is_new(id, LaneId::CONTROL, None) || has_passed() {
            return Ok(());
        }
        state.lanes.saw(LaneId::CONTROL, n);
        Err(ErrorBody::new(ErrorCode::NotInRoom, "You are not in that room."))
    }

    /// A question has been answered, and what follows from it cannot be lost any more: it may be acknowledged.
    pub(crate) fn done(&self, n: Option<u64>) {
        if n.is_some() {
            let mut state = self.lock();
            state.lanes.done(n);
            state.wake();
        }
    }

    /// The same, when what is given is dropped.
    pub(crate) fn done_later(self: &Arc<Self>, n: Option<u64>) -> Option<DoneLater> {
        n.map(|n| DoneLater { carrier: self.clone(), n })
    }

    /// Notes that a message came on a connection.
    pub(crate) fn heard(&self, id: ConnectionId) {
        self.lock().lanes.heard(id);
    }

    /// Takes a client's acknowledgement.
    ///
    /// # Errors
    /// [`CountNotSent`].
    pub(crate) fn acknowledge(&self, counts: &Counts) -> Result<(), CountNotSent> {
        self.lock().lanes.acknowledge(counts)
    }
}

impl State {
    fn is_new(&self, id: ConnectionId, lane: LaneId, n: Option<u64>) -> bool {
        !self.ended && self.lanes.judge(id, lane, n) == Verdict::New
    }
}
