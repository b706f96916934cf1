//! What a session's client is sent, and how far it was heard: its lanes, and the connections that they are written on.
//!
//! It is shared. Rooms and topics put what they have to say on its lanes from their own tasks and never wait; the task of
//! each connection takes off what is to be written. It knows no room and no player: a lane is a number here, and whose it is
//! the [session](crate::session) knows.

mod applied;
mod door;
mod held;
mod places;
mod upstream;
mod watching;
mod writing;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::Duration;

use anteroom_core::Time;
use anteroom_core::flush::Outgoing;
use anteroom_core::lanes::{ConnectionId, KeptLanes, Lanes, SessionBounds};
use anteroom_protocol::message::resume::Counts;
use anteroom_protocol::{Batch, CloseCode, Codec, LaneId, SessionId};
use anteroom_transport::Connection;
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use applied::Applied;
pub(crate) use door::{Knock, Presence};
pub(crate) use upstream::{DoneLater, Judged};
pub(crate) use writing::Written;

use crate::budget::Budget;
use crate::clock::Clock;
use door::Knocking;
use held::Held;
use watching::Watch;
use writing::Pipe;

/// Why one connection of a session is over, if another one took the session over, or the session ended.
#[derive(Debug, Default)]
pub(crate) struct Over {
    code: OnceLock<CloseCode>,
}

impl Over {
    pub(crate) fn code(&self) -> Option<CloseCode> {
        self.code.get().copied()
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Carrier {
    pub(crate) id: SessionId,
    pub(crate) codec: Codec,
    /// Whether the client acknowledges, so that what it has not got is kept for it.
    pub(crate) keeps: bool,
    clock: Clock,
    outbox_bytes_max: usize,
    budget: Arc<Budget>,
    state: Mutex<State>,
    /// A connection came or went, or the session ended.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    lanes: Lanes,
    /// How far rooms have applied what came on their lanes.
    applied: Vec<(LaneId, Arc<Applied>)>,
    /// The lane for a room that is asked to let the session in.
    knocking: Option<Knocking>,
    watches: Vec<Watch>,
    pipes: Vec<Pipe>,
    /// What the connection that carries the lanes holds and has not handed down.
    held: Held,
    /// Since when there is no connection.
    away_since: Option<Instant>,
    /// What was noted last of whether the client is there.
    presence: Presence,
    ended: bool,
}

/// What a carrier is made with.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(crate) id: SessionId,
    pub(crate) codec: Codec,
    /// Whether the client acknowledges.
    pub(crate) keeps: bool,
    pub(crate) bounds: SessionBounds,
    pub(crate) outbox_bytes_max: usize,
    pub(crate) datagram_bytes_max: Option<usize>,
    /// What all sessions together may keep.
    pub(crate) budget: Arc<Budget>,
}

/// What [`Carrier::attend`] found.
#[derive(Debug, Default)]
pub(crate) struct Attended {
    pub(crate) written: Written,
    /// What is to be acknowledged now.
    pub(crate) ack: Counts,
    /// When there will be something to acknowledge.
    pub(crate) ack_at: Option<Instant>,
    /// Whether more waits on the control lane than may wait for a client to read it.
    pub(crate) has_overflowed: bool,
    /// Whether the client has read so far that it is to be given what it watches anew.
    pub(crate) wants_topics: bool,
}

/// A place on a carrier: its connection's number, and where to hear of it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) id: ConnectionId,
    pub(crate) over: Arc<Over>,
}

impl Place {
    fn pipe(&self) -> Pipe {
        Pipe { id: self.id, over: self.over.clone(), waker: None, direct: None }
    }
}

/// Whether an end that is only for who is away is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unless {
    /// It ends in any case.
    Never,
    /// Unless a connection has come at the last moment.
    Back,
}

impl Carrier {
    pub(crate) fn new(clock: Clock, beginning: Beginning) -> (Arc<Self>, Place) {
        let Beginning { id, codec, keeps, bounds, outbox_bytes_max, datagram_bytes_max, budget } = beginning;
        let (lanes, connection) = Lanes::new(codec, keeps, bounds, datagram_bytes_max);
        let place = Place { id: connection, over: Arc::default() };
        let state = State {
            lanes: lanes.counted(budget.total().clone()),
            applied: Vec::new(),
            knocking: None,
            watches: Vec::new(),
            pipes: vec![place.pipe()],
            held: Held::default(),
            away_since: None,
            presence: Presence { connection, is_away: false },
            ended: false,
        };
        let (state, changed) = (Mutex::new(state), Notify::new());
        let carrier = Self { id, codec, keeps, clock, outbox_bytes_max, budget, state, changed };
        (Arc::new(carrier), place)
    }

    /// Goes on with lanes that were stored. Nobody is connected.
    pub(crate) fn restored(
        clock: Clock,
        id: SessionId,
        lanes: Lanes,
        outbox_bytes_max: usize,
        budget: Arc<Budget>,
    ) -> Arc<Self> {
        let presence = Presence { connection: ConnectionId::NONE, is_away: true };
        let (codec, keeps) = (lanes.codec(), lanes.keeps());
        let state = State {
            lanes: lanes.counted(budget.total().clone()),
            applied: Vec::new(),
            knocking: None,
            watches: Vec::new(),
            pipes: Vec::new(),
            held: Held::default(),
            away_since: Some(Instant::now()),
            presence,
            ended: false,
        };
        let (state, changed) = (Mutex::new(state), Notify::new());
        Arc::new(Self { id, codec, keeps, clock, outbox_bytes_max, budget, state, changed })
    }

    /// What has to be stored to go on with the lanes elsewhere.
    pub(crate) fn kept(&self) -> KeptLanes {
        let mut state = self.lock();
        let now = self.clock.now();
        state.look_at_applied(now);
        state.lanes.kept()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, and the lanes are valid at every step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts something on a room's lane. On a lane that is not open it is dropped.
    pub(crate) fn put(&self, now: Time, lane: LaneId, outgoing: Outgoing) {
        let mut state = self.lock();
        if state.lanes.put(now, lane, outgoing) {
            state.write_one(now, lane);
        }
        self.keep_to_budget(&mut state);
    }

    /// Puts something on a lane for the connection's task to write, which takes the least time here: for whoever holds
    /// up others.
    fn leave(&self, lane: LaneId, outgoing: Outgoing) {
        let now = self.clock.now();
        let mut state = self.lock();
        if state.lanes.put(now, lane, outgoing) {
            state.wake();
        }
        self.keep_to_budget(&mut state);
    }

    /// What is kept has grown, perhaps.
    fn keep_to_budget(&self, state: &mut State) {
        if self.budget.is_too_much(|| state.lanes.retained_bytes()) {
            state.relieve();
        }
    }

    /// Puts an answer on the control lane. The connection's task, which mostly is who says it, writes it with the others of
    /// the same input.
    pub(crate) fn put_control(&self, batch: Batch) {
        let batch = batch.counted(self.budget.control());
        self.leave(LaneId::CONTROL, Outgoing::Reliable(Arc::new(batch)));
    }

    /// Puts the last messages on a room's lane and ends it.
    pub(crate) fn end_lane(&self, now: Time, lane: LaneId, last: Vec<Outgoing>) {
        let mut state = self.lock();
        state.take_applied(lane);
        state.lanes.end(now, lane, last);
        state.write_all(now);
        self.keep_to_budget(&mut state);
    }

    /// A room has applied something that is to be acknowledged.
    pub(crate) fn wake(&self) {
        self.lock().wake();
    }

    /// What the task of a connection does before it waits: writes, and sees what else there is to do. The waker is told
    /// when there is more. `opens` lets others write on the connection from now on: what goes before everything else on
    /// it has been written.
    pub(crate) fn attend(
        &self,
        id: ConnectionId,
        now: Instant,
        connection: &mut Connection,
        waker: &Waker,
        opens: bool,
    ) -> Attended {
        let now = self.clock.time(now);
        let mut state = self.lock();
        let written = state.write_on(now, id, connection);
        if let Some(pipe) = state.pipes.iter_mut().find(|pipe| pipe.id == id) {
            if !pipe.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
                pipe.waker = Some(waker.clone());
            }
            if opens {
                pipe.direct = connection.direct();
            }
        }
        let (mut ack, mut ack_at, mut wants_topics) = (Counts::default(), None, false);
        if state.lanes.attached() == Some(id) {
            let in_flight_at = state.look_at_applied(now);
            match state.lanes.ack_at() {
                Some(at) if at <= now => ack = state.lanes.take_ack(),
                at => ack_at = [at, in_flight_at].into_iter().flatten().min().map(|at| self.clock.instant(at)),
            }
            state.held.look(connection);
            wants_topics = state.wants_topics();
        }
        let has_overflowed = state.lanes.has_overflowed(self.outbox_bytes_max) || state.held.is_given_up;
        Attended { written, ack, ack_at, has_overflowed, wants_topics }
    }

    /// Moves what waits into a connection, as far as it has room.
    pub(crate) fn write_on(&self, id: ConnectionId, connection: &mut Connection) -> Written {
        self.lock().write_on(self.clock.now(), id, connection)
    }

    /// Whether so much waits that it was no use to keep more. Cheap enough to ask after every message.
    pub(crate) fn is_beyond_hope(&self) -> bool {
        self.lock().lanes.is_beyond_hope()
    }

    /// Whether a room has ended its lane, though the end may not be written yet.
    pub(crate) fn has_ended_lane(&self, lane: LaneId) -> bool {
        self.lock().lanes.has_ended(lane)
    }

    /// Bytes of all that is kept for the client, and of the memory for it.
    pub(crate) fn retained_bytes(&self) -> usize {
        self.lock().lanes.retained_bytes()
    }

    /// Lets go of all that is kept for the client, who is told where it matters.
    pub(crate) fn relieve(&self) {
        self.lock().relieve();
    }

    /// Has the connection closed that carries the lanes, if it holds so much and has taken nothing of it for so long.
    pub(crate) fn give_up_stalled(&self, bytes_min: usize, time_min: Duration) -> bool {
        let mut state = self.lock();
        let is_stalled = state.lanes.attached().is_some() && state.held.give_up(bytes_min, time_min);
        if is_stalled {
            state.wake();
        }
        is_stalled
    }

    /// Since when nobody is connected.
    pub(crate) fn away_since(&self) -> Option<Instant> {
        self.lock().away_since
    }

    /// Lets go of everything that is kept for a room's lane, which goes on with a gap.
    pub(crate) fn lose(&self, lane: LaneId) {
        let mut state = self.lock();
        state.lanes.lose(lane);
        state.wake();
    }

    /// Lets go of everything that is kept for a room's lane, if it is more than so many bytes; what waits to be written becomes a
    /// gap.
    pub(crate) fn shed(&self, lane: LaneId, bytes_max: usize) {
        let mut state = self.lock();
        if state.lanes.kept_bytes(lane) > bytes_max {
            state.lanes.shed(lane);
            state.wake();
        }
    }

    /// Notes that a connection is closed for what came on it. Whether the session outlives that, which it does unless it
    /// was the third time and none of them is forgotten.
    pub(crate) fn outlives_fault(&self, id: ConnectionId, forgotten_after: Duration) -> bool {
        let now = self.clock.now();
        self.lock().lanes.outlives_fault(now, id, forgotten_after)
    }

    /// Whether a connection carries the lanes.
    pub(crate) fn is_attached(&self, id: ConnectionId) -> bool {
        self.lock().lanes.attached() == Some(id)
    }

    /// Whether it is over.
    pub(crate) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Ends it, once: its connections are told why. `false` if it had ended, or somebody is back.
    pub(crate) fn end(&self, unless: Unless, code: Option<CloseCode>) -> bool {
        {
            let mut state = self.lock();
            let is_back = unless == Unless::Back && state.away_since.is_none();
            if is_back || std::mem::replace(&mut state.ended, true) {
                return false;
            }
            state.away_since = None;
            state.watches = Vec::new();
            for pipe in state.pipes.drain(..) {
                pipe.end(code.unwrap_or(CloseCode::Superseded));
            }
            state.tell_door();
        }
        self.changed.notify_waiters();
        true
    }
}

impl State {
    fn relieve(&mut self) {
        self.lanes.relieve();
        // Whoever reads is to hear of it.
        self.wake();
    }

    fn end_pipe(&mut self, id: ConnectionId, code: CloseCode) {
        if let Some(place) = self.pipes.iter().position(|pipe| pipe.id == id) {
            self.pipes.swap_remove(place).end(code);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
