//! Rooms that a program has the server keep: made with nobody in them, with seats kept for those who are to come, and closed.

use std::sync::Arc;
use std::time::Duration;

use anteroom_core::room::Command;
use anteroom_protocol::message::push::ClosedReason;
use anteroom_protocol::{ErrorBody, ErrorCode, RoomId, UserId};

use super::{Plan, Rooms, not_found};

impl Rooms {
    /// Makes a room with nobody in it, and keeps seats there. It is there when this returns, though nobody may have seen it.
    ///
    /// # Errors
    /// `invalid_data`, `invalid_options`, `limit_reached`, `shutting_down`, or what the game refuses with.
    pub(crate) fn host(
        self: &Arc<Self>,
        plan: Plan,
        users: Vec<UserId>,
        kept_for: Duration,
    ) -> Result<RoomId, ErrorBody> {
        let Plan { kind, name, options, durable, terms } = plan;
        let slot = self.reserve(durable, || RoomId::from_bits(self.randomness.bits()))?;
        let spec = self.spec(&slot, name, options, terms);
        let handle = slot.handle.clone();
        let room = self.build(&handle, &kind, spec)?;
        // Its first turn, which shows it in the list.
        let first = vec![Command::Reserve { users, until: self.clock.now() + kept_for }];
        self.run(slot, room, first);
        Ok(handle.room_id)
    }

    /// Keeps seats of a room for users who are not in it yet.
    ///
    /// # Errors
    /// `room_not_found`, `room_full` if there are not so many seats, `room_suspended`, `storage_unavailable`.
    pub(crate) async fn keep_seats(
        self: &Arc<Self>,
        room_id: &RoomId,
        users: Vec<UserId>,
        kept_for: Duration,
    ) -> Result<(), ErrorBody> {
        let until = self.clock.now() + kept_for;
        loop {
            let room = self.reach(room_id)?.ok_or_else(not_found)?;
            match room.reserve(users.clone(), until).await {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(ErrorBody::new(ErrorCode::RoomFull, "The room has not so many free seats.")),
                // It has gone out of memory since it was found.
                Err(_) if self.has_moved(&room) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Closes a room for everyone in it.
    ///
    /// # Errors
    /// `room_not_found`, `room_suspended`.
    pub(crate) fn end(self: &Arc<Self>, room_id: &RoomId) -> Result<(), ErrorBody> {
        self.reach(room_id)?.ok_or_else(not_found)?.close(ClosedReason::Closed);
        Ok(())
    }
}
