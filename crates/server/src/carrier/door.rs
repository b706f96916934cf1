//! Coming into a room: the lane that is kept for it, and whether the client still waits, told as a fact.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anteroom_core::lanes::ConnectionId;
use anteroom_protocol::{LaneId, RoomId};

use super::{Applied, Carrier, State};

#[derive(Debug)]
pub(super) struct Knocking {
    lane: LaneId,
    door: Arc<Door>,
}

/// Whether the client is there, as a fact that can be told to others: whichever of two is greater is the newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Presence {
    /// The connection that came, or went, last.
    pub(super) connection: ConnectionId,
    /// That it went.
    pub(super) is_away: bool,
}

impl Presence {
    /// Whether the client is there.
    pub(crate) fn is_here(self) -> bool {
        !self.is_away
    }
}

/// Whether somebody still waits to be let into a room: told by the session, so that a room need not ask for it.
#[derive(Debug)]
pub(crate) struct Door {
    is_waiting: AtomicBool,
}

impl Door {
    fn new(is_waiting: bool) -> Arc<Self> {
        Arc::new(Self { is_waiting: AtomicBool::new(is_waiting) })
    }

    fn tell(&self, is_waiting: bool) {
        self.is_waiting.store(is_waiting, Ordering::Release);
    }

    /// Who has gone takes no seat.
    pub(crate) fn is_waiting(&self) -> bool {
        self.is_waiting.load(Ordering::Acquire)
    }
}

/// Somebody at the door of a room.
#[derive(Debug, Clone)]
pub(crate) struct Knock {
    /// The lane that is kept for them.
    pub(crate) lane: LaneId,
    pub(crate) door: Arc<Door>,
    /// Whether they are there, as it was known when they knocked.
    pub(crate) presence: Presence,
    /// The last number that had come by then: no message up to it is on the lane.
    pub(crate) last_n: u64,
}

impl Carrier {
    /// Opens a lane for a room. One at a time, and the same for whoever has to ask again, until a room [enters](Self::enter)
    /// it, or it is [taken back](Self::retract_lane). `last_n` is the last number that had come when the question did.
    pub(crate) fn open_lane(&self, room_id: Option<RoomId>, last_n: u64) -> Option<Knock> {
        let mut state = self.lock();
        let State { lanes, knocking, presence, ended, .. } = &mut *state;
        if *ended {
            return None;
        }
        let knocking = knocking.get_or_insert_with(|| {
            let lane = lanes.open_later(room_id, last_n);
            Knocking { lane, door: Door::new(lanes.is_connected()) }
        });
        Some(Knock { lane: knocking.lane, door: knocking.door.clone(), presence: *presence, last_n })
    }

    /// Whether a lane is kept for whoever asks again.
    pub(crate) fn is_knocking(&self) -> bool {
        self.lock().knocking.is_some()
    }

    /// The room has let the session in: said by the room itself, before anything of it is put on the lane. Gives where the
    /// room tells how far it has applied what comes on the lane; nothing if the session has ended meanwhile, or does not want
    /// to come in any more.
    /// `enters` is called first, so that whoever has read what is on the lane finds the session in the room.
    pub(crate) fn enter(&self, lane: LaneId, room_id: RoomId, enters: impl FnOnce()) -> Option<Arc<Applied>> {
        let mut state = self.lock();
        if state.ended || state.knocking.as_ref().is_none_or(|knocking| knocking.lane != lane) {
            return None;
        }
        enters();
        state.knocking = None;
        state.lanes.assign(lane, room_id);
        let applied = Arc::<Applied>::default();
        state.applied.push((lane, applied.clone()));
        // It may have wanted a snapshot that nobody could be asked for.
        state.lanes.ask_again(lane);
        state.wake();
        Some(applied)
    }

    /// The lane of a room that was restored. Gives where the room tells how far it has applied what comes on it; nothing if there
    /// is no such lane.
    pub(crate) fn rejoin(&self, lane: LaneId) -> Option<Arc<Applied>> {
        let mut state = self.lock();
        if state.lanes.has_ended(lane) {
            return None;
        }
        let applied = Arc::<Applied>::default();
        state.applied.push((lane, applied.clone()));
        Some(applied)
    }

    /// The room has not, or nobody waits for it any more. `false` if it has, just now.
    pub(crate) fn retract_lane(&self, lane: LaneId) -> bool {
        let mut state = self.lock();
        let is_retracted = state.knocking.as_ref().is_some_and(|knocking| knocking.lane == lane);
        if is_retracted {
            state.retract_lane();
        }
        is_retracted
    }

    /// Nobody asks for a lane any more that was kept for another try.
    pub(crate) fn retract_waiting_lane(&self) {
        self.lock().retract_lane();
    }
}

impl State {
    fn retract_lane(&mut self) {
        if let Some(Knocking { lane, door }) = self.knocking.take() {
            door.tell(false);
            self.lanes.retract(lane);
        }
    }

    pub(super) fn note_presence(&mut self, presence: Presence) {
        self.presence = self.presence.max(presence);
        self.tell_door();
    }

    pub(super) fn tell_door(&self) {
        if let Some(Knocking { door, .. }) = &self.knocking {
            door.tell(self.lanes.is_connected() && !self.ended);
        }
    }
}
