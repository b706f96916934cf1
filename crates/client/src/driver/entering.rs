//! The ways into rooms, and out of those that nobody has.

use anteroom_protocol::message::request::LeaveRoom;
use anteroom_protocol::{ErrorBody, ErrorCode, LaneId, RoomId};

use super::{Driver, RoomEntry};
use crate::draft::Draft;
use crate::shared::{Answer, PENDING_MAX};

impl Driver {
    /// Asks to be let into a room, but not into one that this session is in or has asked for. What is sent in a room
    /// names it, and not the membership: if that had ended unheard, it could come to be in the next one what it was
    /// not meant for.
    pub(super) fn enter(&mut self, draft: &Draft, room_id: Option<RoomId>) {
        // A room whose handle is gone is left first, so it can be joined again.
        self.leave_departed();
        let is_inside = |room_id| self.rooms.values().any(|entry| entry.room_id == room_id && entry.inbox.is_some());
        if room_id.is_some_and(|id| is_inside(id) || self.entering.values().any(|named| *named == Some(id))) {
            let error = ErrorBody::new(ErrorCode::AlreadyInRoom, "This session is in that room already.");
            return self.answer(draft.reference, Answer::Failed(error));
        }
        self.entering.extend(draft.reference.map(|reference| (reference, room_id)));
        if self.entering.len() > PENDING_MAX {
            // Nobody waits for the oldest any more.
            self.entering.pop_first();
        }
        self.submit(draft);
    }

    /// The request that led into a room: one that names it, or else the first that names none.
    fn entered_by(&self, room_id: RoomId) -> Option<u64> {
        let asked = |named| self.entering.iter().find(|entry| *entry.1 == named).map(|(reference, _)| *reference);
        asked(Some(room_id)).or_else(|| asked(None))
    }

    /// Leaves the rooms that nobody can be given, because the answer that led into them is lost, and tells who asked. A
    /// request that the server is to get again is answered again, so its room waits for that.
    pub(super) fn leave_unclaimed(&mut self) {
        let is_kept = |room_id| self.entered_by(room_id).is_some_and(|asked| self.session.is_kept(asked));
        let lost = self.unclaimed.iter().find(|(_, room_id)| !is_kept(**room_id));
        if let Some((lane, room_id)) = lost.map(|(lane, room_id)| (*lane, *room_id)) {
            self.unclaimed.remove(&lane);
            self.answer(self.entered_by(room_id), Answer::Lost);
            if self.session.is_live(lane) {
                self.leave_unknown(lane, Some(room_id));
            }
        }
    }

    /// Leaves the rooms whose handles are gone. Each is asked for by a `ref`, so that its lane ends with the answer.
    pub(super) fn leave_departed(&mut self) {
        for (room_id, lane) in self.shared.take_departures() {
            if let Some(entry) = self.rooms.get_mut(&lane) {
                entry.inbox = None;
                self.leave(room_id, lane);
            }
        }
    }

    fn leave(&mut self, room_id: RoomId, lane: LaneId) {
        self.request(|draft| draft.within(room_id, lane), &LeaveRoom::default());
    }

    /// Gets out of a room that this build cannot understand, or that nobody knows to have asked for.
    pub(super) fn leave_unknown(&mut self, lane: LaneId, room_id: Option<RoomId>) {
        if let Some(room_id) = room_id {
            self.rooms.insert(lane, RoomEntry { room_id, inbox: None });
            self.leave(room_id, lane);
        }
    }
}
