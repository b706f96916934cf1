//! One session: an authenticated client, and the rooms it is in. What it is sent and how far it was heard, its
//! [carrier](crate::carrier) knows; how it begins and ends, [`Sessions`](crate::sessions::Sessions).
//!
//! The lock here is taken before the carrier's, never after.

mod questions;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anteroom_core::lanes::ConnectionId;
use anteroom_core::room::{MemberId, Share};
use anteroom_protocol::{Batch, Codec, ErrorBody, LaneId, RoomId, SessionId};

pub(crate) use questions::{Asked, Question, Wish};

use crate::budget::Budget;
use crate::carrier::{Carrier, Knock, Unless};
use crate::hooks::SessionFacts;
use crate::identity::Identity;
use crate::rooms::{Admitted, Entrance, RoomLink};
use questions::Questions;

/// A room this session is in.
#[derive(Debug, Clone)]
pub(crate) struct Membership {
    pub(crate) room: RoomLink,
    pub(crate) lane: LaneId,
    pub(crate) member: MemberId,
    /// How much of the session's input may wait for the room; none if it only watches.
    pub(crate) share: Arc<Share>,
    /// The number of the request that it came in by, if the server was started again since: whether that was answered is not
    /// known.
    pub(crate) joined_by: Option<u64>,
}

impl Membership {
    /// Whether it is of this room, whose id is read without regard to case.
    fn is_of(&self, room_id: &str) -> bool {
        self.room.room_id().as_str().eq_ignore_ascii_case(room_id)
    }

    fn depart(&self, departure: Departure) {
        let Self { room, member, .. } = self;
        match departure {
            // One that is over needs no telling.
            Departure::Goodbye => drop(room.leave(*member, None, None, None)),
            Departure::Expired => room.expire(*member),
            Departure::Abandoned | Departure::Forgotten => room.abandon(*member),
        }
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

impl Departure {
    /// Who comes back at the last moment is not gone.
    pub(crate) fn unless(self) -> Unless {
        match self {
            Self::Goodbye | Self::Abandoned => Unless::Never,
            Self::Expired | Self::Forgotten => Unless::Back,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) identity: Identity,
    pub(crate) codec: Codec,
    pub(crate) carrier: Arc<Carrier>,
    budget: Arc<Budget>,
    state: Mutex<State>,
    /// Whether there are questions: for those who look at it all the time.
    is_asking: AtomicBool,
    /// Whether it was stored.
    is_kept: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    rooms: Vec<Membership>,
    /// The room that is asked to let the session in puts there that it has.
    entering: Option<(LaneId, Arc<Entrance>)>,
    /// How the session has ended.
    departed: Option<Departure>,
    questions: Questions,
}

impl Session {
    /// Whose it is, for whoever is told of it.
    pub(crate) fn facts(&self) -> SessionFacts<'_> {
        let Identity { user_id, username, is_guest } = &self.identity;
        SessionFacts { session_id: self.id, user_id, username, is_guest: *is_guest }
    }

    pub(crate) fn new(identity: Identity, carrier: Arc<Carrier>, budget: Arc<Budget>) -> Arc<Self> {
        Arc::new(Self {
            id: carrier.id,
            identity,
            codec: carrier.codec,
            carrier,
            budget,
            state: Mutex::default(),
            is_asking: AtomicBool::new(false),
            is_kept: AtomicBool::new(false),
        })
    }

    /// Whether it was stored, so that a room may count on it after a restart.
    pub(crate) fn is_kept(&self) -> bool {
        self.is_kept.load(Ordering::Acquire)
    }

    pub(crate) fn note_kept(&self, is_kept: bool) {
        self.is_kept.store(is_kept, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, with the room that has let the session in just now.
    fn looked(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.look_at_entrance();
        state
    }

    /// Puts an answer on the control lane.
    pub(crate) fn put_control(&self, batch: Batch) {
        self.carrier.put_control(batch);
    }

    /// The membership whose lane it is; `None` before the room has let the session in, and after the end.
    pub(crate) fn membership(&self, lane: LaneId) -> Option<Membership> {
        let found = self.looked().rooms.iter().find(|membership| membership.lane == lane).cloned();
        found.filter(|there| !self.carrier.has_ended_lane(there.lane))
    }

    /// The rooms this session is in: not those that have ended its lane, though the end may not be written yet.
    pub(crate) fn rooms(&self) -> Vec<Membership> {
        self.looked().rooms(&self.carrier).to_vec()
    }

    /// The membership of a room, whose id is read without regard to case.
    pub(crate) fn room(&self, room_id: &str) -> Option<Membership> {
        self.looked().rooms(&self.carrier).iter().find(|there| there.is_of(room_id)).cloned()
    }

    /// Opens a lane for a room, unless the session is in as many as it may be in, and a place where the room puts that it has let
    /// the session in. `last_n` is the last number that had come when the question did.
    pub(crate) fn open_lane(
        &self,
        room_id: Option<RoomId>,
        last_n: u64,
        rooms_max: usize,
    ) -> Option<(Knock, Arc<Entrance>)> {
        let mut state = self.looked();
        let is_full = state.rooms(&self.carrier).len() >= rooms_max;
        if is_full && !self.carrier.is_knocking() {
            return None;
        }
        let knock = self.carrier.open_lane(room_id, last_n)?;
        let entrance = Arc::<Entrance>::default();
        state.entering = Some((knock.lane, entrance.clone()));
        Some((knock, entrance))
    }

    /// The room has answered that the session is in.
    pub(crate) fn enter(&self) {
        self.looked().entering = None;
    }

    /// A room that was restored has the session in it.
    pub(crate) fn rejoin(&self, membership: Membership) {
        self.lock().rooms.push(membership);
    }

    /// The membership that a request has made before the server was started again.
    pub(crate) fn joined_by(&self, n: u64) -> Option<Membership> {
        self.looked().rooms(&self.carrier).iter().find(|there| there.joined_by == Some(n)).cloned()
    }

    /// The session leaves a room: the membership is over, and its lane's end is to come.
    pub(crate) fn take_room(&self, lane: LaneId) {
        self.lock().rooms.retain(|membership| membership.lane != lane);
    }

    /// Whether a message of the control lane is to be handled. One that is, is taken now.
    pub(crate) fn take(&self, id: ConnectionId, n: Option<u64>, bytes: usize) -> bool {
        self.carrier.take(id, n, bytes)
    }

    /// Hands a message over to the room it names, if it is new. What the room does not take was not handed over.
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
        let state = self.looked();
        // The newest, should one be over already.
        let there = state.rooms.iter().rev().find(|there| there.is_of(room_id));
        let handed = there.and_then(|there| self.carrier.hand_over(id, there.lane, n, bytes, || hand_over(there)));
        handed.unwrap_or_else(|| self.carrier.refuse_in_front(id, room_id, n))
    }

    /// The same for a wish to leave the room. Whatever is said to it from then on is not done there.
    ///
    /// # Errors
    /// The same.
    pub(crate) fn hand_leave_over(
        &self,
        id: ConnectionId,
        room_id: &str,
        n: Option<u64>,
        bytes: usize,
        leave: impl FnOnce(&Membership) -> Result<(), ErrorBody>,
    ) -> Result<(), ErrorBody> {
        let mut state = self.looked();
        let mut left = None;
        let handed = state.rooms.iter().rev().find(|there| there.is_of(room_id)).and_then(|there| {
            self.carrier.hand_over(id, there.lane, n, bytes, || {
                left = Some(there.lane);
                leave(there)
            })
        });
        if let Some(left) = left {
            state.rooms.retain(|there| there.lane != left);
        }
        handed.unwrap_or_else(|| self.carrier.refuse_in_front(id, room_id, n))
    }

    /// Whether there is anything to come back to: what was kept, or a room.
    pub(crate) fn is_worth_keeping(&self) -> bool {
        self.carrier.keeps || !self.rooms().is_empty()
    }

    /// Tells the rooms whether the client is there. Whatever comes from elsewhere meanwhile, the newest fact counts.
    pub(crate) fn tell_rooms(&self) {
        let rooms = self.rooms();
        let presence = self.carrier.presence();
        for Membership { room, member, .. } in rooms {
            room.tell(member, presence);
        }
    }

    /// A connection is gone. Since when nobody is connected, if it was the last one.
    pub(crate) fn lost(&self, id: ConnectionId) -> Option<tokio::time::Instant> {
        let since = self.carrier.lost(id);
        self.drop_what_was_said_on(id);
        since
    }

    /// Tells the rooms that the session has ended, and how. A room that lets it in at that moment is told as well.
    pub(crate) fn depart(&self, departure: Departure) {
        let mut state = self.looked();
        state.departed = Some(departure);
        std::mem::take(&mut state.rooms).iter().for_each(|there| there.depart(departure));
    }
}

impl State {
    /// Takes note of the room that has let the session in; one that comes too late is told so.
    fn look_at_entrance(&mut self) {
        let Some((lane, entrance)) = &self.entering else { return };
        let Some(Admitted { room, member, share }) = entrance.take() else { return };
        let membership = Membership { room, lane: *lane, member, share, joined_by: None };
        self.entering = None;
        match self.departed {
            None => self.rooms.push(membership),
            Some(departure) => membership.depart(departure),
        }
    }

    /// Those whose lane has not ended.
    fn rooms(&mut self, carrier: &Carrier) -> &[Membership] {
        self.rooms.retain(|there| !carrier.has_ended_lane(there.lane));
        &self.rooms
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::carrier::{Place, tests::carrier};

    pub(crate) fn session() -> (Arc<Session>, Place) {
        let (carrier, place) = carrier();
        let identity = Identity { user_id: "ada".parse().unwrap(), username: "Ada".into(), is_guest: true };
        (Session::new(identity, carrier, Arc::new(Budget::new(usize::MAX))), place)
    }

    #[tokio::test]
    async fn what_is_said_to_a_room_that_the_session_is_not_in_is_refused_once() {
        let (session, place) = session();
        let hand_over = |n| session.hand_over(place.id, "k3v9k3v9k3", Some(n), 1, |_| unreachable!());
        assert!(hand_over(1).is_err());
        assert!(session.carrier.end(Unless::Never, None));
        assert!(hand_over(2).is_ok(), "nobody is there who could be refused anything");
    }
}
