//! Rooms that a program has the server keep: made with nobody in them, with seats kept for those who are to come, and closed.

use std::sync::Arc;
use std::time::Duration;

use anteroom_core::room::Command;
use anteroom_protocol::message::push::ClosedReason;
use anteroom_protocol::message::{AccessMap, DataMap};
use anteroom_protocol::{ErrorBody, RoomId, UserId};

use super::link::RoomHandle;
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
        self.ask(room_id, async |room: &RoomHandle| room.reserve(users.clone(), until).await).await
    }

    /// Sets data of a room, or of a user in it.
    ///
    /// # Errors
    /// `invalid_data`, `not_in_room`, `room_not_found`, `room_suspended`, `storage_unavailable`.
    pub(crate) async fn set_data(
        self: &Arc<Self>,
        room_id: &RoomId,
        whose: Option<UserId>,
        data: DataMap,
        access: AccessMap,
    ) -> Result<(), ErrorBody> {
        let set = async |room: &RoomHandle| room.set_data(whose.clone(), data.clone(), access.clone()).await;
        self.ask(room_id, set).await
    }

    async fn ask(
        self: &Arc<Self>,
        room_id: &RoomId,
        what: impl AsyncFn(&RoomHandle) -> Result<(), ErrorBody>,
    ) -> Result<(), ErrorBody> {
        loop {
            let room = self.reach(room_id)?.ok_or_else(not_found)?;
            match what(&room).await {
                // It has gone out of memory since it was found.
                Err(_) if self.has_moved(&room) => {}
                done => return done,
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
