//! What comes from the client: whether it is new, who has it, and how far it is acknowledged. What it says is not known here.

use anteroom_protocol::message::resume::Counts;
use anteroom_protocol::{LaneId, RoomId};

use super::lane::Lane;
use super::{ConnectionId, Lanes};
use crate::time::Time;

/// The most refused numbers that are remembered; no client that keeps to its limits has more on the way.
const REFUSED_MAX: usize = 1024;

/// What becomes of a message from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is new.
    New,
    /// It was taken before, or comes on a connection that the lanes are not attached to. It is to be ignored: if it
    /// matters, it is on its way again.
    Ignored,
}

impl Lanes {
    /// Judges a message that came on a lane: note that its owner has it by [`handed`](Self::handed), or [`took`](Self::took).
    #[must_use]
    pub fn judge(&self, connection: ConnectionId, lane: LaneId, n: Option<u64>) -> Verdict {
        let was_refused = n.is_some_and(|n| self.refused.contains_key(&n));
        let is_lost = lane == LaneId::CONTROL && n.is_some_and(|n| self.answers.is_lost(n));
        let is_new = !was_refused && (is_lost || self.lane(lane).is_some_and(|lane| lane.marks.is_new(n)));
        if is_new && self.carrying.attached() == Some(connection) { Verdict::New } else { Verdict::Ignored }
    }

    /// Whether a message for a room that the session is not in any more was on its lane, and has come to the room already: it is
    /// sent again because it was not acknowledged then, and the lane's end, which may still be to come, says more than a refusal.
    #[must_use]
    pub fn has_passed(&self, room_id: &RoomId, n: Option<u64>) -> bool {
        let of_room = self.rooms.iter().filter(|(_, lane)| lane.room_id.as_ref() == Some(room_id));
        n.is_some_and(|n| of_room.into_iter().any(|(_, lane)| lane.marks.have_passed(n)))
    }

    /// Notes that a message of so many bytes was handed over to a lane's owner. It is not handed over again, and not
    /// acknowledged before it is [applied](Self::applied): on the control lane, before it is [done](Self::done). How much may
    /// wait there at a time is for the caller to bound.
    pub fn handed(&mut self, now: Time, lane: LaneId, n: Option<u64>, bytes: usize) {
        let Some(n) = n else { return };
        self.hand(now, lane, n, bytes);
        if lane == LaneId::CONTROL {
            let done = self.answers.wait(n);
            // Refusals in front of it are answers, too, which the mark covers as soon as anything moves it.
            let refused = self.refused.range(..n).next_back().map(|(n, _)| *n).filter(|_| self.answers.is_first(n));
            self.apply_control(done.max(refused));
        }
    }

    fn hand(&mut self, now: Time, lane: LaneId, n: u64, bytes: usize) {
        self.last_n = self.last_n.max(n);
        if let Some(lane) = self.lane_mut(lane) {
            lane.marks.hand(now.as_millis(), n, bytes);
        }
    }

    /// Notes that a message which was handed over on the control lane is answered: what came of it is on a lane, and stored
    /// where it has to be. It is acknowledged when everything in front of it there is answered, too, and not handed over again.
    pub fn done(&mut self, n: Option<u64>) {
        let done = n.and_then(|n| self.answers.done(n));
        self.apply_control(done);
    }

    fn apply_control(&mut self, done: Option<u64>) {
        done.into_iter().for_each(|n| self.applied(LaneId::CONTROL, n));
    }

    /// Notes that a lane's owner has acted on everything up to a number that was handed over, or refused it.
    pub fn applied(&mut self, lane: LaneId, n: u64) {
        if let Some(due) = self.lane_mut(lane).map(|lane| lane.marks.apply(n)) {
            self.ack.add(due);
        }
    }

    /// Notes that a lane's owner has a message of so many bytes and acts on it at once.
    pub fn took(&mut self, now: Time, lane: LaneId, n: Option<u64>, bytes: usize) {
        let Some(n) = n else { return };
        self.hand(now, lane, n, bytes);
        let done = if lane == LaneId::CONTROL { self.answers.answer(n) } else { Some(n) };
        done.into_iter().for_each(|n| self.applied(lane, n));
    }

    /// When what a lane's owner has, and has not applied, would be to be acknowledged; nothing if there is none.
    #[must_use]
    pub fn in_flight_at(&self, lane: LaneId) -> Option<Time> {
        self.lane(lane)?.marks.in_flight_at_ms().map(Time::from_millis)
    }

    /// Notes a number whose message is refused in the place of its lane's owner; of a room that the session is not in, on the
    /// control lane. The answer goes on the control lane next; unless that is lost in a gap the message does not pass any more,
    /// so nobody is refused and obeyed as well.
    pub fn saw(&mut self, lane: LaneId, n: Option<u64>) {
        let Some(n) = n else { return };
        self.last_n = self.last_n.max(n);
        self.refused.insert(n, lane);
        if self.refused.len() > REFUSED_MAX {
            self.refused.pop_first();
        }
    }

    /// The same for a message on the control lane.
    pub fn saw_on_control(&mut self, n: Option<u64>) {
        self.saw(LaneId::CONTROL, n);
        let done = n.and_then(|n| self.answers.refuse(n));
        self.apply_control(done);
    }

    /// When to acknowledge what the client has sent, if there is anything; in the past if it is time.
    #[must_use]
    pub fn ack_at(&self) -> Option<Time> {
        self.ack.at_ms().map(Time::from_millis)
    }

    /// What to acknowledge now: the marks that moved since the last time.
    pub fn take_ack(&mut self) -> Counts {
        self.ack.reset();
        let rooms = self.rooms.iter_mut().map(|(id, lane)| (*id, lane));
        let lanes = rooms.chain([(LaneId::CONTROL, &mut self.control)]);
        lanes.filter_map(|(id, lane)| Some((id, lane.take_ack()?))).collect()
    }

    /// Forgets refusals and answers that the client will not hear of: it will send those messages again.
    pub(super) fn forget_refusals(&mut self) {
        if !self.control.out.is_in_gap() {
            return;
        }
        self.answers.lose();
        // What a room has acknowledged since with a later message is not sent again. A gap there says that answers are lost.
        let refused = std::mem::take(&mut self.refused);
        let has_passed =
            |id, lane: &Lane| refused.iter().any(|(n, refused_on)| *refused_on == id && lane.marks.have_passed(*n));
        let passed =
            self.rooms.iter_mut().filter(|(id, lane)| !lane.ended && !lane.out.is_in_gap() && has_passed(*id, lane));
        passed.for_each(|(_, lane)| lane.out.start_gap());
    }
}
