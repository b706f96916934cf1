//! What a session's client is sent, and how far it was heard: its lanes, and the connections that they are written on.
//!
//! It is shared. Rooms and topics put what they have to say on its lanes from their own tasks and never wait; the task of
//! each connection takes off what is to be written. It knows no room and no player: a lane is a number here, and whose it is
//! the [session](crate::session) knows.

mod applied;
mod held;
mod watching;
mod writing;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::Duration;

use anteroom_core::Time;
use anteroom_core::flush::Outgoing;
use anteroom_core::lanes::{Accepted, Claim, ConnectionId, Lanes, NotMoving, Refused, SessionBounds, Verdict};
use anteroom_protocol::lane::CountNotSent;
use anteroom_protocol::message::resume::Counts;
use anteroom_protocol::{Batch, CloseCode, Codec, ErrorBody, ErrorCode, LaneId, RoomId, SessionId};
use anteroom_transport::Connection;
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use applied::Applied;
pub(crate) use writing::Written;

use crate::budget::Budget;
use crate::clock::Clock;
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

#[derive(Debug)]
struct Knocking {
    lane: LaneId,
    door: Arc<Door>,
}

/// Whether the client is there, as a fact that can be told to others: whichever of two is greater is the newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Presence {
    /// The connection that came, or went, last.
    connection: ConnectionId,
    /// That it went.
    is_away: bool,
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

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, and the lanes are valid at every step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts something on a room's lane, and gives how many bytes are kept there now. On a lane that is not open it is dropped.
    pub(crate) fn put(&self, now: Time, lane: LaneId, outgoing: Outgoing) -> usize {
        let mut state = self.lock();
        if state.lanes.put(now, lane, outgoing) {
            state.write_one(now, lane);
        }
        self.keep_to_budget(&mut state);
        state.lanes.kept_bytes(lane)
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
    pub(crate) fn enter(&self, lane: LaneId, room_id: RoomId) -> Option<Arc<Applied>> {
        let mut state = self.lock();
        if state.ended || state.knocking.as_ref().is_none_or(|knocking| knocking.lane != lane) {
            return None;
        }
        state.knocking = None;
        state.lanes.assign(lane, room_id);
        let applied = Arc::<Applied>::default();
        state.applied.push((lane, applied.clone()));
        // It may have wanted a snapshot that nobody could be asked for.
        state.lanes.ask_again(lane);
        state.wake();
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
        let Judged { n, bytes, is_taken_later } = judged;
        // What is on a room's lane is judged when that is there.
        let n_judged = if is_taken_later { None } else { n };
        if !state.is_new(id, LaneId::CONTROL, n_judged) {
            return Ok(T::default());
        }
        let last_n = state.lanes.last_n().max(n_judged.unwrap_or(0));
        match take(last_n) {
            Ok(taken) => {
                if !is_taken_later {
                    state.lanes.took(now, LaneId::CONTROL, n, bytes);
                }
                Ok(taken)
            }
            Err(error) => {
                state.lanes.saw(n);
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
            Err(_) => state.lanes.saw(n),
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
        state.lanes.saw(n);
        Err(ErrorBody::new(ErrorCode::NotInRoom, "You are not in that room."))
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

    /// Lets go of everything that is kept for a room's lane, if it is more than so many bytes; what waits to be written becomes a
    /// gap. How much is kept then.
    pub(crate) fn shed(&self, lane: LaneId, bytes_max: usize) -> usize {
        let mut state = self.lock();
        if state.lanes.kept_bytes(lane) > bytes_max {
            state.lanes.shed(lane);
            state.wake();
        }
        state.lanes.kept_bytes(lane)
    }

    /// Goes on with the lanes on a new connection.
    ///
    /// # Errors
    /// [`Refused`]; [`Refused::Unknown`] too if the session has ended.
    pub(crate) fn reconnect(
        &self,
        claim: &Claim,
        datagram_bytes_max: Option<usize>,
    ) -> Result<(Accepted, Place), Refused> {
        let mut state = self.lock();
        if state.ended {
            return Err(Refused::Unknown);
        }
        let now = self.clock.now();
        state.look_at_applied(now);
        let accepted = state.lanes.reconnect(claim, datagram_bytes_max)?;
        let place = self.placed(&mut state, &accepted);
        Ok((accepted, place))
    }

    /// Begins again on a new connection, for a client that has not heard of the session; `None` if it has ended.
    pub(crate) fn restart(&self, datagram_bytes_max: Option<usize>) -> Option<(Accepted, Place)> {
        let mut state = self.lock();
        if state.ended {
            return None;
        }
        let now = self.clock.now();
        state.look_at_applied(now);
        let accepted = state.lanes.restart(datagram_bytes_max);
        let place = self.placed(&mut state, &accepted);
        Some((accepted, place))
    }

    fn placed(&self, state: &mut State, accepted: &Accepted) -> Place {
        for id in &accepted.displaced {
            state.end_pipe(*id, CloseCode::Superseded);
        }
        let place = Place { id: accepted.connection, over: Arc::default() };
        state.pipes.push(place.pipe());
        state.held = Held::default();
        state.away_since = None;
        state.note_presence(Presence { connection: accepted.connection, is_away: false });
        self.changed.notify_waiters();
        place
    }

    /// Lets the lanes of a live move come over.
    ///
    /// # Errors
    /// [`NotMoving`].
    pub(crate) fn resume(&self, id: ConnectionId, received: &Counts) -> Result<(), NotMoving> {
        let mut state = self.lock();
        let now = self.clock.now();
        state.look_at_applied(now);
        if let Some(before) = state.lanes.resume(id, received)? {
            state.end_pipe(before, CloseCode::Move);
        }
        Ok(())
    }

    /// A connection is gone. Since when nobody is connected, if it was the last one.
    pub(crate) fn lost(&self, id: ConnectionId) -> Option<Instant> {
        let mut state = self.lock();
        if state.lanes.attached() == Some(id) {
            state.held = Held::default();
        }
        state.lanes.lost(id);
        state.pipes.retain(|pipe| pipe.id != id);
        if state.lanes.is_connected() || state.ended {
            return None;
        }
        let connection = state.presence.connection.max(id);
        state.note_presence(Presence { connection, is_away: true });
        Some(*state.away_since.get_or_insert_with(Instant::now))
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

    /// Whether the client is there, as it was noted last.
    pub(crate) fn presence(&self) -> Presence {
        self.lock().presence
    }

    /// Waits until the client is there; `false` if the session has ended. Cancel-safe.
    pub(crate) async fn is_there(&self) -> bool {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            // From here on no change goes unnoticed.
            changed.as_mut().enable();
            let is_connected = {
                let state = self.lock();
                if state.ended {
                    return false;
                }
                state.lanes.is_connected()
            };
            if is_connected {
                return true;
            }
            changed.await;
        }
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

/// A message that is judged on the control lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judged {
    pub(crate) n: Option<u64>,
    pub(crate) bytes: usize,
    /// Whether its number is noted when its turn comes, and not when it comes in.
    pub(crate) is_taken_later: bool,
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

impl State {
    fn is_new(&self, id: ConnectionId, lane: LaneId, n: Option<u64>) -> bool {
        !self.ended && self.lanes.judge(id, lane, n) == Verdict::New
    }

    fn relieve(&mut self) {
        self.lanes.relieve();
        // Whoever reads is to hear of it.
        self.wake();
    }

    fn retract_lane(&mut self) {
        if let Some(Knocking { lane, door }) = self.knocking.take() {
            door.tell(false);
            self.lanes.retract(lane);
        }
    }

    fn note_presence(&mut self, presence: Presence) {
        self.presence = self.presence.max(presence);
        self.tell_door();
    }

    fn tell_door(&self) {
        if let Some(Knocking { door, .. }) = &self.knocking {
            door.tell(self.lanes.is_connected() && !self.ended);
        }
    }

    fn end_pipe(&mut self, id: ConnectionId, code: CloseCode) {
        if let Some(place) = self.pipes.iter().position(|pipe| pipe.id == id) {
            self.pipes.swap_remove(place).end(code);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
