//! One session: its lanes, and the connection they are attached to.
//!
//! A session outlives its connections. Whatever has something to say puts it on a lane; whichever connection the
//! lanes are attached to takes off what is to be written; a new one takes them over by [`Lanes::reconnect`], at once or live. All
//! lanes move together, so no message can be on two connections at a time.
//!
//! Knows no player, no room and no socket: who may resume is proven elsewhere, and only the number of the proof
//! comes in here.

mod answers;
mod faults;
mod lane;
mod restore;
mod resume;
#[cfg(test)]
mod tests;
mod upstream;

use std::collections::BTreeMap;
use std::sync::Arc;

use anteroom_protocol::lane::{AckDue, Bounds, CountNotSent, Marks, Next};
use anteroom_protocol::message::Message;
use anteroom_protocol::message::resume::{Counts, LaneOfRoom, LaneOpened, SessionState, Subscription};
use anteroom_protocol::{Batch, Codec, Header, LaneId, RoomId, Tally};

pub use lane::{DATAGRAMS_MAX, LANES_KEPT_MAX};
pub use restore::{KeptLane, KeptLanes};
pub use resume::{Accepted, Carrying, Claim, NotMoving, Refused};
pub use upstream::Verdict;

use crate::flush::Outgoing;
use crate::time::Time;
use lane::Lane;

/// Names one connection of a session. Never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// Before the first connection of a session, or of one that was restored.
    pub const NONE: Self = Self(0);
}

/// How much a session keeps and lets wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionBounds {
    /// On the control lane. Beyond it the connection is to be closed.
    pub control: Bounds,
    /// On each room's lane. Beyond it the lane starts again with a gap.
    pub room: Bounds,
}

/// What to do next on a connection.
#[derive(Debug)]
pub enum Write {
    /// Write a record on a lane.
    Record(LaneId, Arc<Batch>),
    /// Send a datagram on a lane, or [put it back](Lanes::put_back) with its key if it does not fit.
    Datagram(LaneId, Arc<str>, Arc<Batch>),
    /// Ask the lane's room for a snapshot: a batch of one, put there as [`Outgoing::Snapshot`].
    Snapshot(LaneId),
    /// A lane is over, and everything on it was taken.
    LaneEnded(LaneId),
}

/// See the module.
#[derive(Debug)]
pub struct Lanes {
    codec: Codec,
    keeps: bool,
    bounds: SessionBounds,
    /// How often the session was restored.
    generation: u16,
    proof: resume::Proof,
    carrying: resume::Connections,
    faults: faults::Faults,
    control: Lane,
    /// In the order in which they were opened.
    rooms: Vec<(LaneId, Lane)>,
    /// The place in `rooms` whose turn it is.
    turn: usize,
    last_lane: LaneId,
    last_n: u64,
    /// Numbers that were refused in the place of a lane's owner, and the lane, whose mark does not cover them. The answers
    /// are on the control lane.
    refused: BTreeMap<u64, LaneId>,
    /// What the control lane's mark does not cover, because something in front of it waits for its answer.
    answers: answers::Answers,
    ack: AckDue,
    /// The control lane waits for more than it may. Its connection is as good as lost, and what is put there from now
    /// on is.
    overflowed: bool,
    /// What was on the control lane when it came over to its connection has not been written yet.
    catching_up: bool,
    /// What the session is subscribed to, for the control lane's snapshot.
    subscriptions: Vec<Subscription>,
    /// Where the memory of its lanes is counted.
    tally: Option<Tally>,
}

impl Lanes {
    /// A session on its first connection. `keeps` says whether the client acknowledges, so that what it has not got
    /// is kept for it. `datagram_bytes_max` is the largest datagram the connection can send, if any.
    #[must_use]
    pub fn new(
        codec: Codec,
        keeps: bool,
        bounds: SessionBounds,
        datagram_bytes_max: Option<usize>,
    ) -> (Self, ConnectionId) {
        let mut carrying = resume::Connections::default();
        let connection = carrying.first(datagram_bytes_max);
        let session = Self {
            codec,
            keeps,
            bounds,
            generation: 0,
            proof: resume::Proof::default(),
            carrying,
            faults: faults::Faults::default(),
            control: Lane::new(keeps, true),
            rooms: Vec::new(),
            turn: 0,
            last_lane: LaneId::CONTROL,
            last_n: 0,
            refused: BTreeMap::new(),
            answers: answers::Answers::default(),
            ack: AckDue::default(),
            overflowed: false,
            catching_up: false,
            subscriptions: Vec::new(),
            tally: None,
        };
        (session, connection)
    }

    /// Counts the memory of its lanes besides batches. For a session on which nothing was put yet.
    #[must_use]
    pub fn counted(mut self, tally: Tally) -> Self {
        self.control.out = self.control.out.counted(Some(&tally));
        self.tally = Some(tally);
        self
    }

    /// The codec of every message of the session.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Whether the client acknowledges, so that what it has not got is kept for it.
    #[must_use]
    pub fn keeps(&self) -> bool {
        self.keeps
    }

    /// Opens a lane for a room, once the request for it was [taken](Self::took); a new room may have no id yet. Nothing
    /// is written on it before an earlier lane of the same room: on WebSocket a client knows the lane of a message by
    /// its room alone.
    pub fn open(&mut self, room_id: Option<RoomId>) -> LaneId {
        self.open_later(room_id, self.last_n)
    }

    /// The same for a request that was taken a while ago: `last_n` is what [`last_n`](Self::last_n) said then. What was
    /// sent behind it may be meant for this lane.
    pub fn open_later(&mut self, room_id: Option<RoomId>, last_n: u64) -> LaneId {
        let lane = LaneId(self.last_lane.0 + 1);
        self.last_lane = lane;
        let attached = self.carrying.attached().is_some();
        // What has a lower number was meant for an earlier lane of the room, and comes again because that had ended.
        let (marks, told) = (Marks::behind(last_n), last_n);
        let mut opened = Lane { room_id, marks, told, ..Lane::new(self.keeps, attached) };
        opened.out = opened.out.counted(self.tally.as_ref());
        self.rooms.push((lane, opened));
        lane
    }

    /// The highest number that has come.
    #[must_use]
    pub fn last_n(&self) -> u64 {
        self.last_n
    }

    /// Says which room a lane was opened for, once it exists.
    pub fn assign(&mut self, lane: LaneId, room_id: RoomId) {
        if let Some(lane) = self.lane_mut(lane) {
            lane.room_id = Some(room_id);
        }
    }

    /// Takes back the opening of a lane on which nothing was put.
    pub fn retract(&mut self, lane: LaneId) {
        self.rooms.retain(|(id, _)| *id != lane);
    }

    /// Puts something on a lane. On a lane that is not open it is dropped. Says whether whoever writes has to be
    /// told.
    pub fn put(&mut self, now: Time, id: LaneId, outgoing: Outgoing) -> bool {
        if id == LaneId::CONTROL && self.overflowed {
            // The connection is lost, and a gap will stand for this: nothing gathers until whoever closes it does.
            return false;
        }
        if let Outgoing::Snapshot { applied, .. } = &outgoing {
            // Before the gap is announced: what of it was answered in the gap has an unknown outcome.
            self.applied(id, *applied);
        }
        let datagram_bytes_max = self.carrying.datagram_bytes_max();
        let bounds = self.bounds_of(id);
        let told = id == LaneId::CONTROL && self.end_gap_of_control(now);
        let Some(lane) = self.lane_mut(id) else { return false };
        let was_idle = lane.is_idle();
        let overflows = lane.put(now, outgoing, &bounds, datagram_bytes_max);
        if overflows && id == LaneId::CONTROL && self.carrying.attached().is_some() {
            self.overflowed = true;
            return true;
        }
        if overflows && let Some(lane) = self.lane_mut(id) {
            lane.out.start_gap();
            self.forget_refusals();
        }
        was_idle || told
    }

    /// Nobody reads the control lane of a session that is away, and what it says can be asked for again: no more waits there
    /// than on a room's.
    fn bounds_of(&self, id: LaneId) -> Bounds {
        let SessionBounds { control, room } = self.bounds;
        match id {
            LaneId::CONTROL if self.carrying.attached().is_some() => control,
            LaneId::CONTROL => Bounds { waiting_bytes_max: room.waiting_bytes_max, ..control },
            _ => room,
        }
    }

    /// Puts a message on a lane that does not fit into a datagram after all, unless a newer one of its key waits there.
    pub fn put_back(&mut self, now: Time, id: LaneId, key: Arc<str>, message: Arc<Batch>) {
        let is_newest = self.lane(id).is_some_and(|lane| lane.datagrams.iter().all(|(other, _)| *other != key));
        if is_newest {
            self.put(now, id, Outgoing::Latest { key, message });
        }
    }

    /// Puts the last messages on a room's lane and ends it: nobody sees them without seeing the end, and nothing
    /// follows the very last one.
    pub fn end(&mut self, now: Time, id: LaneId, last: Vec<Outgoing>) {
        let bounds = self.bounds.room;
        if let Some(lane) = self.lane_mut(id) {
            lane.end(now, last, &bounds);
        }
        self.drop_unheard_ends();
        let unread = lane::forget_ended(&mut self.rooms, bounds.kept_bytes_max);
        self.overflowed |= unread > LANES_KEPT_MAX && self.carrying.attached().is_some();
    }

    /// Whether a lane is over, written to its end or not.
    #[must_use]
    pub fn has_ended(&self, lane: LaneId) -> bool {
        self.lane(lane).is_none_or(|lane| lane.ended)
    }

    /// What to do next on a connection, on a lane that is not blocked: control first, then the rooms in turn.
    /// Nothing on a connection that the lanes are not attached to.
    pub fn next(&mut self, now: Time, connection: ConnectionId, is_blocked: impl Fn(LaneId) -> bool) -> Option<Write> {
        if self.carrying.attached() != Some(connection) {
            return None;
        }
        if !is_blocked(LaneId::CONTROL)
            && let Some(write) = self.next_of_control(now)
        {
            return Some(write);
        }
        for _ in 0..self.rooms.len() {
            let place = self.turn % self.rooms.len();
            self.turn = place + 1;
            let id = self.rooms[place].0;
            if is_blocked(id) || self.follows(place) {
                continue;
            }
            if let Some(write) = self.next_of_room(now, place, id) {
                return Some(write);
            }
        }
        None
    }

    /// The same on one lane, for whoever has just put something there that [`put`](Self::put) says has to be written.
    /// Mostly that is all there is, which [`is_idle`](Self::is_idle) tells.
    pub fn next_on(&mut self, now: Time, connection: ConnectionId, id: LaneId) -> Option<Write> {
        if self.carrying.attached() != Some(connection) {
            return None;
        }
        if id == LaneId::CONTROL {
            return self.next_of_control(now);
        }
        let place = self.rooms.iter().position(|(other, _)| *other == id)?;
        if self.follows(place) { None } else { self.next_of_room(now, place, id) }
    }

    /// Whether there is nothing to write on a lane.
    #[must_use]
    pub fn is_idle(&self, lane: LaneId) -> bool {
        self.lane(lane).is_none_or(Lane::is_idle)
    }

    fn next_of_control(&mut self, now: Time) -> Option<Write> {
        self.end_gap_of_control(now);
        let batch = match self.control.out.next()? {
            Next::Record(batch) => batch,
            Next::Opening { next, gap } => self.announcement(LaneId::CONTROL, &self.control, next, gap)?,
            Next::Snapshot => return None,
        };
        Some(Write::Record(LaneId::CONTROL, batch))
    }

    /// The session knows its own state, so on a connection nothing has to be lost for want of a snapshot. Whether there
    /// was a gap.
    fn end_gap_of_control(&mut self, now: Time) -> bool {
        if self.carrying.attached().is_none() || !self.control.out.is_in_gap() {
            return false;
        }
        let snapshot = Batch::one(self.codec, &Header::new(SessionState::TYPE), &self.state());
        snapshot.map(|snapshot| self.control.out.put_snapshot(now.as_millis(), Arc::new(snapshot))).is_ok()
    }

    fn next_of_room(&mut self, now: Time, place: usize, id: LaneId) -> Option<Write> {
        let lane = &mut self.rooms[place].1;
        match lane.out.next() {
            Some(Next::Record(batch)) => return Some(Write::Record(id, batch)),
            Some(Next::Opening { next, gap }) => {
                let announcement = self.announcement(id, &self.rooms[place].1, next, gap)?;
                return Some(Write::Record(id, announcement));
            }
            // Nobody is left who could give one.
            Some(Next::Snapshot) if lane.ended => {
                let Some(farewell) = lane.farewell.clone() else {
                    self.rooms.remove(place);
                    return Some(Write::LaneEnded(id));
                };
                lane.out.put_snapshot(now.as_millis(), farewell);
                return self.next_of_room(now, place, id);
            }
            Some(Next::Snapshot) => return Some(Write::Snapshot(id)),
            None => {}
        }
        if let Some((key, message)) = lane.datagrams.pop_front() {
            return Some(Write::Datagram(id, key, message));
        }
        if lane.ended && !lane.finished && lane.out.is_written() {
            lane.finished = true;
            if lane.out.is_received() {
                self.rooms.remove(place);
            }
            return Some(Write::LaneEnded(id));
        }
        None
    }

    /// Whether an earlier lane of the same room has something to write still.
    fn follows(&self, place: usize) -> bool {
        if place == 0 {
            return false;
        }
        let room_id = self.rooms[place].1.room_id;
        room_id.is_some() && self.rooms[..place].iter().any(|(_, lane)| lane.room_id == room_id && !lane.finished)
    }

    fn announcement(&self, id: LaneId, lane: &Lane, next: u64, gap: bool) -> Option<Arc<Batch>> {
        let opened = LaneOpened { lane: id, room_id: lane.room_id, next, applied: lane.marks.applied(), gap };
        let room_id = lane.room_id.as_ref().map(RoomId::as_str);
        let header = Header { room_id, ..Header::new(LaneOpened::TYPE) };
        Batch::one(self.codec, &header, &opened).ok().map(Arc::new)
    }

    /// The room of a lane could not be asked for a snapshot: [`Write::Snapshot`] comes again.
    pub fn ask_again(&mut self, lane: LaneId) {
        if let Some(lane) = self.lane_mut(lane) {
            lane.out.ask_again();
        }
    }

    /// The connection that carries the lanes.
    #[must_use]
    pub fn attached(&self) -> Option<ConnectionId> {
        self.carrying.attached()
    }

    /// Whether more waits on the control lane than may. `waiting_bytes_max` is for now, when a writer has written
    /// what it could: what came in one burst, or has waited for the connection, says nothing about how fast somebody
    /// reads.
    #[must_use]
    pub fn has_overflowed(&mut self, waiting_bytes_max: usize) -> bool {
        let out = &self.control.out;
        let exceeds = out.kept_bytes() > waiting_bytes_max && out.waiting_bytes() > waiting_bytes_max;
        self.catching_up &= exceeds;
        self.overflowed || exceeds && !self.catching_up
    }

    /// Whether so much waits on the control lane that its connection is lost, written to or not.
    #[must_use]
    pub fn is_beyond_hope(&self) -> bool {
        self.overflowed
    }

    /// Takes an acknowledgement, from whatever connection of the session.
    ///
    /// # Errors
    /// [`CountNotSent`]. Counts of lanes before the wrong one are taken.
    pub fn acknowledge(&mut self, counts: &Counts) -> Result<(), CountNotSent> {
        for (id, count) in counts {
            if let Some(lane) = self.lane_mut(*id) {
                lane.out.acknowledge(*count)?;
            }
        }
        if self.control.out.is_received() {
            // The client has heard of each refusal, so nothing of it is on its way any more.
            self.refused.clear();
        }
        self.rooms.retain(|(_, lane)| !(lane.finished && lane.out.is_received()));
        Ok(())
    }

    /// The session is subscribed to something, for its snapshot. A second time replaces the first.
    pub fn subscribe(&mut self, subscription: Subscription) {
        self.unsubscribe(&subscription.to);
        self.subscriptions.push(subscription);
    }

    /// The session is not subscribed to that any more.
    pub fn unsubscribe(&mut self, to: &str) {
        self.subscriptions.retain(|subscription| subscription.to != to);
    }

    /// The rooms' lanes that a new connection goes on with.
    #[must_use]
    pub fn lanes(&self) -> Vec<LaneOfRoom> {
        let known = self.rooms.iter().filter(|(_, lane)| lane.out.is_known());
        known.filter_map(|(id, lane)| Some(LaneOfRoom { lane: *id, room_id: lane.room_id? })).collect()
    }

    fn state(&self) -> SessionState {
        let rooms = self.lanes().into_iter().filter(|room| !self.has_ended(room.lane)).collect();
        SessionState { rooms, subscriptions: self.subscriptions.clone(), ..SessionState::default() }
    }

    /// Bytes of reliable messages that are kept for the lanes of rooms, or wait there.
    #[must_use]
    pub fn kept_bytes(&self, lane: LaneId) -> usize {
        self.lane(lane).map_or(0, |lane| lane.out.kept_bytes())
    }

    /// Bytes of reliable messages that wait to be written on a lane.
    #[must_use]
    pub fn waiting_bytes(&self, lane: LaneId) -> usize {
        self.lane(lane).map_or(0, |lane| lane.out.waiting_bytes())
    }

    /// Lets go of everything that is kept for a room's lane; what waits to be written becomes a gap.
    pub fn shed(&mut self, lane: LaneId) {
        if let Some(lane) = self.lane_mut(lane).filter(|lane| !lane.ended) {
            lane.out.shed();
        }
    }

    /// Lets go of everything on a room's lane, which goes on with a gap.
    pub fn lose(&mut self, lane: LaneId) {
        if let Some(lane) = self.lane_mut(lane).filter(|lane| !lane.ended) {
            lane.out.start_gap();
            lane.datagrams.clear();
        }
        self.forget_refusals();
    }

    /// Bytes of everything that is kept for the client, on all lanes, and of the memory for it.
    #[must_use]
    pub fn retained_bytes(&self) -> usize {
        let rooms = self.rooms.iter().map(|(_, lane)| lane.retained_bytes());
        self.control.retained_bytes() + rooms.sum::<usize>()
    }

    /// Lets go of all that is kept, since the server needs the memory: a lane on which something waits begins again, with a
    /// gap and what stands in its place. Whoever has read everything notices nothing, unless the connection is lost as well.
    pub fn relieve(&mut self) {
        for lane in self.rooms.iter_mut().map(|(_, lane)| lane).chain([&mut self.control]) {
            lane.out.shed_all();
        }
        // Where answers may be lost that move no mark, only a new connection makes the client ask again.
        let can_be_lost = !self.refused.is_empty() || self.answers.can_be_lost();
        self.overflowed |= self.attached().is_some() && self.control.out.is_in_gap() && can_be_lost;
        if !self.overflowed {
            self.forget_refusals();
        }
        self.drop_unheard_ends();
    }

    /// Whoever comes back has nothing to hear of lanes that have ended without a word.
    fn drop_unheard_ends(&mut self) {
        if self.carrying.attached().is_none() {
            self.rooms.retain(|(_, lane)| !(lane.ended && lane.out.is_in_gap() && lane.farewell.is_none()));
        }
    }

    fn lane(&self, id: LaneId) -> Option<&Lane> {
        if id == LaneId::CONTROL {
            return Some(&self.control);
        }
        self.rooms.iter().find(|(other, _)| *other == id).map(|(_, lane)| lane)
    }

    fn lane_mut(&mut self, id: LaneId) -> Option<&mut Lane> {
        if id == LaneId::CONTROL {
            return Some(&mut self.control);
        }
        self.rooms.iter_mut().find(|(other, _)| *other == id).map(|(_, lane)| lane)
    }
}
