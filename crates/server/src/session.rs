//! One session as it lives on this server: an authenticated client, the rooms it is in, and its connections.
//!
//! It is shared. Rooms and the lobby put what they have to say on its lanes from their own tasks and never wait; the
//! task of each connection takes off what is to be written. A session without a connection waits for the grace time.

mod questions;
mod watching;
mod writing;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::Duration;

use anteroom_core::Time;
use anteroom_core::flush::Outgoing;
use anteroom_core::lanes::{Accepted, Claim, ConnectionId, Lanes, NotMoving, Refused, SessionBounds, Verdict};
use anteroom_core::room::{MemberId, Share};
use anteroom_protocol::lane::CountNotSent;
use anteroom_protocol::message::resume::Counts;
use anteroom_protocol::{Batch, CloseCode, Codec, ErrorBody, ErrorCode, LaneId, RoomId, SessionId};
use anteroom_transport::Connection;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

pub(crate) use questions::{Asked, Question, Wish};
pub(crate) use writing::Written;

use crate::budget::Budget;
use crate::clock::Clock;
use crate::identity::Identity;
use crate::rooms::RoomHandle;
use questions::Questions;
use writing::Pipe;

/// A room this session is in.
#[derive(Debug, Clone)]
pub(crate) struct Membership {
    pub(crate) room: RoomHandle,
    pub(crate) lane: LaneId,
    pub(crate) member: MemberId,
    /// How much of the session's input may wait for the room; none if it only watches.
    pub(crate) share: Option<Arc<Share>>,
}

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

impl Membership {
    /// Whether it is of this room, whose id is read without regard to case.
    fn is_of(&self, room_id: &str) -> bool {
        self.room.room_id.as_str().eq_ignore_ascii_case(room_id)
    }
}

/// How a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Departure {
    /// The client said goodbye: its seats become free.
    Goodbye,
    /// It was without a connection for too long: so do they.
    Expired,
    /// It was ended for another reason: the player may come back to the seats in another session.
    Abandoned,
    /// The server could not keep it while nobody is connected: so they may.
    Forgotten,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) identity: Identity,
    pub(crate) codec: Codec,
    clock: Clock,
    /// Whether the client acknowledges, so that what it has not got is kept for it.
    pub(crate) keeps: bool,
    outbox_bytes_max: usize,
    budget: Arc<Budget>,
    state: Mutex<State>,
    /// A connection came, or the session ended: for whoever waits out the grace time.
    changed: Notify,
    /// Whether there are questions: for those who look at it all the time.
    is_asking: AtomicBool,
}

#[derive(Debug)]
struct State {
    lanes: Lanes,
    rooms: Vec<Membership>,
    /// The lane for a room that is asked to let the session in.
    knocking: Option<LaneId>,
    questions: Questions,
    /// Which publication of the list of rooms the session has been given, if it wants to hear of the next.
    watches_since: Option<u64>,
    pipes: Vec<Pipe>,
    /// What the connection that carries the lanes holds and has not handed down.
    held: Held,
    /// Since when there is no connection.
    away_since: Option<Instant>,
    ended: bool,
}

/// What a connection holds of what was written on it.
#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    written_bytes: u64,
    /// Since when it has taken nothing of it.
    since: Option<Instant>,
    /// The memory is needed.
    is_given_up: bool,
}

impl Held {
    fn look(&mut self, connection: &Connection) {
        self.bytes = connection.queued_bytes();
        let before = std::mem::replace(&mut self.written_bytes, connection.written_bytes());
        if self.bytes == 0 {
            self.since = None;
        } else if before != self.written_bytes || self.since.is_none() {
            self.since = Some(Instant::now());
        }
    }
}

/// What a session is made with.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(crate) id: SessionId,
    pub(crate) identity: Identity,
    pub(crate) codec: Codec,
    /// Whether the client acknowledges.
    pub(crate) keeps: bool,
    pub(crate) bounds: SessionBounds,
    pub(crate) outbox_bytes_max: usize,
    pub(crate) datagram_bytes_max: Option<usize>,
    /// What all sessions together may keep.
    pub(crate) budget: Arc<Budget>,
}

/// What [`Session::attend`] found.
#[derive(Debug, Default)]
pub(crate) struct Attended {
    pub(crate) written: Written,
    /// What is to be acknowledged now.
    pub(crate) ack: Counts,
    /// When there will be something to acknowledge.
    pub(crate) ack_at: Option<Instant>,
    /// Whether more waits on the control lane than may wait for a client to read it.
    pub(crate) has_overflowed: bool,
}

/// A place on a session: its connection's number, and where to hear of it.
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

impl Session {
    pub(crate) fn new(clock: Clock, beginning: Beginning) -> (Arc<Self>, Place) {
        let Beginning { id, identity, codec, keeps, bounds, outbox_bytes_max, datagram_bytes_max, budget } = beginning;
        let (lanes, connection) = Lanes::new(codec, keeps, bounds, datagram_bytes_max);
        let lanes = lanes.counted(budget.total().clone());
        let place = Place { id: connection, over: Arc::default() };
        let pipes = vec![place.pipe()];
        let state = State {
            lanes,
            rooms: Vec::new(),
            knocking: None,
            questions: Questions::default(),
            watches_since: None,
            pipes,
            held: Held::default(),
            away_since: None,
            ended: false,
        };
        let session = Self {
            id,
            identity,
            codec,
            clock,
            keeps,
            outbox_bytes_max,
            budget,
            state: Mutex::new(state),
            changed: Notify::new(),
            is_asking: AtomicBool::new(false),
        };
        (Arc::new(session), place)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, and the lanes are valid at every step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts something on a lane. On a lane that is not open it is dropped.
    pub(crate) fn put(&self, now: Time, lane: LaneId, outgoing: Outgoing) {
        let mut state = self.lock();
        if state.lanes.put(now, lane, outgoing) {
            state.write_one(now, lane);
        }
        self.keep_to_budget(&mut state);
    }

    /// Puts something on a lane for the connection's task to write, which takes the least time here: for whoever holds
    /// up others.
    pub(crate) fn leave(&self, lane: LaneId, outgoing: Outgoing) {
        let now = self.clock.now();
        let mut state = self.lock();
        if state.lanes.put(now, lane, outgoing) {
            state.wake();
        }
        self.keep_to_budget(&mut state);
    }

    /// What the session keeps has grown, perhaps.
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
        state.lanes.end(now, lane, last);
        state.write_all(now);
        self.keep_to_budget(&mut state);
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
        let (mut ack, mut ack_at) = (Counts::default(), None);
        if state.lanes.attached() == Some(id) {
            match state.lanes.ack_at() {
                Some(at) if at <= now => ack = state.lanes.take_ack(),
                at => ack_at = at.map(|at| self.clock.instant(at)),
            }
        }
        if state.lanes.attached() == Some(id) {
            state.held.look(connection);
        }
        let has_overflowed = state.lanes.has_overflowed(self.outbox_bytes_max) || state.held.is_given_up;
        Attended { written, ack, ack_at, has_overflowed }
    }

    /// Moves what waits into a connection, as far as it has room.
    pub(crate) fn write_on(&self, id: ConnectionId, connection: &mut Connection) -> Written {
        self.lock().write_on(self.clock.now(), id, connection)
    }

    /// Whether so much waits that it was no use to keep more. Cheap enough to ask after every message.
    pub(crate) fn is_beyond_hope(&self) -> bool {
        self.lock().lanes.is_beyond_hope()
    }

    /// The membership whose lane it is; `None` before the room has let the session in, and after the end.
    pub(crate) fn membership(&self, lane: LaneId) -> Option<Membership> {
        self.lock().rooms.iter().find(|membership| membership.lane == lane).cloned()
    }

    /// The rooms this session is in: not those that have ended its lane, though the end may not be written yet.
    pub(crate) fn rooms(&self) -> Vec<Membership> {
        let state = self.lock();
        state.rooms.iter().filter(|membership| !state.lanes.has_ended(membership.lane)).cloned().collect()
    }

    /// The membership of a room, whose id is read without regard to case.
    pub(crate) fn room(&self, room_id: &str) -> Option<Membership> {
        let state = self.lock();
        state.rooms.iter().find(|there| there.is_of(room_id) && !state.lanes.has_ended(there.lane)).cloned()
    }

    /// Opens a lane for a room, unless the session is in as many as it may be in. One at a time, and the same for
    /// whoever has to ask again, until a room lets the session in by [`enter`](Self::enter), or the lane is
    /// [taken back](Self::retract_lane). `last_n` is the last number that had come when the question did.
    pub(crate) fn open_lane(&self, room_id: Option<RoomId>, last_n: u64, rooms_max: usize) -> Option<LaneId> {
        let mut state = self.lock();
        let State { lanes, rooms, knocking, ended, .. } = &mut *state;
        if *ended {
            return None;
        }
        if knocking.is_some() {
            return *knocking;
        }
        rooms.retain(|membership| !lanes.has_ended(membership.lane));
        if rooms.len() >= rooms_max {
            return None;
        }
        let lane = lanes.open_later(room_id, last_n);
        *knocking = Some(lane);
        Some(lane)
    }

    /// Whether somebody is there who wants to be let in on a lane. Who has gone takes no seat.
    pub(crate) fn knocks(&self, lane: LaneId) -> bool {
        let state = self.lock();
        state.knocking == Some(lane) && !state.ended && state.lanes.is_connected()
    }

    /// The room has let the session in: said by the room itself, before anything of it can be seen. `false` if the
    /// session has ended meanwhile, or does not want it any more.
    pub(crate) fn enter(&self, membership: Membership) -> bool {
        let mut state = self.lock();
        let lane = membership.lane;
        if state.ended || state.knocking != Some(lane) {
            return false;
        }
        state.knocking = None;
        state.lanes.assign(lane, membership.room.room_id);
        state.rooms.push(membership);
        // It may have wanted a snapshot that nobody could be asked for.
        state.lanes.ask_again(lane);
        state.wake();
        true
    }

    /// The room has not, or nobody waits for it any more. `false` if it has, just now.
    pub(crate) fn retract_lane(&self, lane: LaneId) -> bool {
        let mut state = self.lock();
        let is_retracted = state.knocking == Some(lane);
        if is_retracted {
            state.knocking = None;
            state.lanes.retract(lane);
        }
        is_retracted
    }

    /// Nobody asks for a lane any more that was kept for another try.
    pub(crate) fn retract_waiting_lane(&self) {
        let mut state = self.lock();
        if let Some(lane) = state.knocking.take() {
            state.lanes.retract(lane);
        }
    }

    /// The session leaves a room: the membership is over, and its lane's end is to come.
    pub(crate) fn take_room(&self, lane: LaneId) {
        self.lock().rooms.retain(|membership| membership.lane != lane);
    }

    /// Whether a message is to be handled. One that is, is taken now: its lane's owner will answer for it.
    pub(crate) fn take(&self, id: ConnectionId, lane: LaneId, n: Option<u64>, bytes: usize) -> bool {
        let now = self.clock.now();
        let mut state = self.lock();
        let is_new = !state.ended && state.lanes.judge(id, lane, n) == Verdict::New;
        if is_new {
            state.lanes.took(now, lane, n, bytes);
        }
        is_new
    }

    /// Hands a message over to the room it names, if it is new. What the room does not take was not taken.
    ///
    /// # Errors
    /// What the room refuses with, or `not_in_room`.
    pub(crate) fn hand_over(
        &self,
        id: ConnectionId,
        room_id: &str,
        n: Option<u64>,
        bytes: usize,
        hand_over: impl FnOnce(&Membership) -> Result<(), ErrorBody>,
    ) -> Result<(), ErrorBody> {
        let now = self.clock.now();
        let State { lanes, rooms, ended, .. } = &mut *self.lock();
        if *ended {
            return Ok(());
        }
        let Some(membership) = rooms.iter().find(|there| there.is_of(room_id) && !lanes.has_ended(there.lane)) else {
            return refuse_in_front(lanes, id, n);
        };
        if lanes.judge(id, membership.lane, n) == Verdict::Ignored {
            return Ok(());
        }
        let handed = hand_over(membership);
        match handed {
            Ok(()) => lanes.took(now, membership.lane, n, bytes),
            Err(_) => lanes.saw(n),
        }
        handed
    }

    /// Refuses a message of a room that the session is not in.
    ///
    /// # Errors
    /// `not_in_room`, unless the message comes on a connection that does not carry the lanes.
    pub(crate) fn refuse_in_front(&self, id: ConnectionId, n: Option<u64>) -> Result<(), ErrorBody> {
        refuse_in_front(&mut self.lock().lanes, id, n)
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
        let is_stalled = state.held.since.is_some_and(|since| since.elapsed() >= time_min);
        if !is_stalled || state.held.bytes < bytes_min || state.lanes.attached().is_none() {
            return false;
        }
        state.held.is_given_up = true;
        state.wake();
        true
    }

    /// Since when nobody is connected.
    pub(crate) fn away_since(&self) -> Option<Instant> {
        self.lock().away_since
    }

    /// Bytes kept for a lane.
    pub(crate) fn kept_bytes(&self, lane: LaneId) -> usize {
        self.lock().lanes.kept_bytes(lane)
    }

    /// Lets go of everything that is kept for a room's lane; what waits to be written becomes a gap.
    pub(crate) fn shed(&self, lane: LaneId) {
        let mut state = self.lock();
        state.lanes.shed(lane);
        state.wake();
    }

    /// Goes on with the session on a new connection.
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
        self.changed.notify_waiters();
        place
    }

    /// Lets the lanes of a live move come over.
    ///
    /// # Errors
    /// [`NotMoving`].
    pub(crate) fn resume(&self, id: ConnectionId, received: &Counts) -> Result<(), NotMoving> {
        let mut state = self.lock();
        if let Some(before) = state.lanes.resume(id, received)? {
            state.end_pipe(before, CloseCode::Move);
        }
        Ok(())
    }

    /// A connection is gone. Whether it was the last one.
    pub(crate) fn lost(&self, id: ConnectionId) -> bool {
        let mut state = self.lock();
        if state.lanes.attached() == Some(id) {
            state.held = Held::default();
        }
        state.lanes.lost(id);
        state.pipes.retain(|pipe| pipe.id != id);
        self.drop_what_was_said_on(&mut state, id);
        let is_away = !state.lanes.is_connected() && !state.ended;
        if is_away && state.away_since.is_none() {
            state.away_since = Some(Instant::now());
        }
        is_away
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

    /// Whether there is anything to come back to: what was kept, or a room.
    pub(crate) fn is_worth_keeping(&self) -> bool {
        self.keeps || !self.rooms().is_empty()
    }

    /// Whether the client is there.
    pub(crate) fn is_connected(&self) -> bool {
        self.lock().lanes.is_connected()
    }

    /// Tells the rooms whether the client is there. They look themselves, so it does not matter who tells them last.
    pub(crate) async fn tell_rooms(&self) {
        for Membership { room, member, .. } in self.rooms() {
            room.look_for(member).await;
        }
    }

    /// Waits for the end of the grace time; `false` if a connection came in time, or the session ended.
    pub(crate) async fn is_given_up(&self, grace: Duration) -> bool {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            // From here on no change goes unnoticed.
            changed.as_mut().enable();
            let Some(since) = self.lock().away_since else { return false };
            tokio::select! {
                biased;
                () = changed => {}
                () = sleep_until(since + grace) => return true,
            }
        }
    }

    /// Ends the session, once: its connections are told why, its rooms how. `false` if it had ended.
    pub(crate) async fn end(&self, departure: Departure, code: Option<CloseCode>) -> bool {
        let rooms = {
            let mut state = self.lock();
            // A connection may have come at the last moment.
            let is_of_who_is_away = matches!(departure, Departure::Expired | Departure::Forgotten);
            let is_back = is_of_who_is_away && state.away_since.is_none();
            if is_back || std::mem::replace(&mut state.ended, true) {
                return false;
            }
            state.away_since = None;
            for pipe in state.pipes.drain(..) {
                pipe.end(code.unwrap_or(CloseCode::Superseded));
            }
            std::mem::take(&mut state.rooms)
        };
        self.changed.notify_waiters();
        for Membership { room, member, .. } in rooms {
            match departure {
                // One that is over needs no telling.
                Departure::Goodbye => drop(room.leave(member, None).await),
                Departure::Expired => room.expire(member).await,
                Departure::Abandoned | Departure::Forgotten => room.abandon(member).await,
            }
        }
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

/// The room's lane is not there to take the message, so it is refused in front of it.
fn refuse_in_front(lanes: &mut Lanes, id: ConnectionId, n: Option<u64>) -> Result<(), ErrorBody> {
    if lanes.judge(id, LaneId::CONTROL, None) == Verdict::Ignored {
        return Ok(());
    }
    lanes.saw(n);
    Err(ErrorBody::new(ErrorCode::NotInRoom, "You are not in that room."))
}

#[cfg(test)]
mod tests {
    use anteroom_protocol::lane::Bounds;

    use super::*;

    pub(super) fn session() -> (Arc<Session>, Place) {
        let bounds = Bounds { messages_max: 9, kept_bytes_max: 999, waiting_bytes_max: 999, ..Bounds::NONE };
        let beginning = Beginning {
            id: SessionId::from_bits(1),
            identity: Identity { user_id: "ada".parse().unwrap(), username: "Ada".into(), is_guest: true },
            codec: Codec::Json,
            keeps: true,
            bounds: SessionBounds { control: bounds, room: bounds },
            outbox_bytes_max: 999,
            datagram_bytes_max: None,
            budget: Arc::new(Budget::new(usize::MAX)),
        };
        Session::new(Clock::start(), beginning)
    }

    #[tokio::test]
    async fn a_session_that_has_ended_does_nothing_more() {
        let (session, place) = session();
        assert!(session.take(place.id, LaneId::CONTROL, Some(1), 1));
        assert!(session.open_lane(None, 0, 9).is_some());
        assert!(session.end(Departure::Abandoned, Some(CloseCode::Malformed)).await);
        assert!(!session.end(Departure::Goodbye, None).await, "it ends once");
        assert_eq!(place.over.code(), Some(CloseCode::Malformed));
        // Its connection may be busy with a batch of messages still.
        assert!(!session.take(place.id, LaneId::CONTROL, Some(2), 1));
        assert!(session.open_lane(None, 0, 9).is_none());
        let handed = session.hand_over(place.id, "k3v9", None, 1, |_| unreachable!());
        assert!(handed.is_ok());
        assert!(session.restart(None).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_back_in_time_is_not_given_up() {
        let grace = Duration::from_secs(60);
        let (session, place) = session();
        assert!(session.lost(place.id));
        let (given_up, accepted) = tokio::join!(session.is_given_up(grace), async {
            tokio::time::sleep(grace - Duration::from_millis(1)).await;
            session.restart(None)
        });
        assert!(!given_up);
        assert!(!session.end(Departure::Expired, None).await, "somebody is there");
        let (_, place) = accepted.unwrap();
        assert!(session.lost(place.id));
        assert!(session.is_given_up(grace).await);
        assert!(session.end(Departure::Expired, None).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_counts_until_it_is_forgotten() {
        let forgotten_after = Duration::from_secs(120);
        let (session, mut place) = session();
        let outlives = |place: &mut Place| {
            let outlives = session.outlives_fault(place.id, forgotten_after);
            session.lost(place.id);
            (_, *place) = session.restart(None).unwrap();
            outlives
        };
        for _ in 0..3 {
            assert!(outlives(&mut place) && outlives(&mut place), "twice in a row");
            tokio::time::advance(forgotten_after).await;
        }
        assert!(outlives(&mut place) && outlives(&mut place));
        tokio::time::advance(forgotten_after - Duration::from_millis(1)).await;
        assert!(!outlives(&mut place), "not long enough");
    }
}
