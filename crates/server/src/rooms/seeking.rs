//! How somebody who looks for a game finds a seat: in a room where there is one that nobody else is on the way to, or
//! else in a room of their own, where others find seats from then on.
//!
//! Nobody waits for anybody. The seat is reserved while its room is asked, so those who look at the same time fill rooms
//! instead of making one each.

use std::sync::Arc;

use anteroom_core::game::Kind;
use anteroom_core::listing::Filter;
use anteroom_core::room::{Join, Terms};
use anteroom_protocol::{ErrorBody, ErrorCode, RoomId, UserId};
use tokio::sync::oneshot;

use super::{Declined, Reply, RoomHandle, Rooms, Slot, Visitor, default_name};
use crate::lobby::Reservation;

/// What there is for somebody who looks for a game.
#[derive(Debug)]
pub(crate) enum Sought {
    /// A seat in a room.
    Seat(RoomHandle, Reservation),
    /// None; here is a slot for another room.
    Slot(Slot, Reservation),
}

impl Rooms {
    /// Finds a seat for a user in a room that is wanted and none of these, or reserves a slot for a room.
    ///
    /// # Errors
    /// `game_not_found`, `limit_reached`, `shutting_down`.
    pub(crate) fn seek(
        self: &Arc<Self>,
        wanted: &Filter,
        user_id: &UserId,
        not_in: &[RoomId],
    ) -> Result<Sought, ErrorBody> {
        let passes = |room_id: &RoomId| !not_in.contains(room_id);
        // One that has just closed, or is suspended, is no place to be led to.
        let found = |seat: Reservation| Some(Sought::Seat(self.reach(&seat.room_id).ok()??, seat));
        if let Some(seat) = self.lobby.seek(wanted, user_id, passes)
            && let Some(found) = found(seat)
        {
            return Ok(found);
        }
        let (slot, seats_max) = self.place_of(wanted)?;
        // Somebody else may have made a room meanwhile.
        match self.lobby.seek_or_promise(wanted, user_id, passes, slot.handle.room_id, seats_max) {
            Ok(promised) => Ok(Sought::Slot(slot, promised)),
            Err(seat) => {
                self.give_back(&slot);
                found(seat).ok_or_else(|| ErrorBody::new(ErrorCode::Busy, "The room has just closed; try again."))
            }
        }
    }

    /// Reserves a slot for a room, wherever else there are seats.
    ///
    /// # Errors
    /// The same.
    pub(crate) fn place_for(&self, wanted: &Filter) -> Result<Sought, ErrorBody> {
        let (slot, seats_max) = self.place_of(wanted)?;
        let promised = self.lobby.promise(wanted, slot.handle.room_id, seats_max);
        Ok(Sought::Slot(slot, promised))
    }

    fn place_of(&self, wanted: &Filter) -> Result<(Slot, u16), ErrorBody> {
        let kind = *self.registry.kind(wanted.game().unwrap_or_default())?;
        let failed = || ErrorBody::new(ErrorCode::Internal, "The game failed while the room was made.");
        let seats = std::panic::catch_unwind(|| kind.seats(None)).map_err(|_| failed())??;
        let durable = self.settle_durable(&kind, None)?;
        let slot = self.reserve(durable, || RoomId::from_bits(self.randomness.bits()))?;
        Ok((slot, seats.max))
    }

    /// Nobody makes a room there.
    pub(crate) fn give_back(&self, slot: &Slot) {
        self.forget(&slot.handle.room_id);
    }

    /// Makes the room of somebody who found no seat, with the data that is wanted, so that whoever wants the same comes
    /// there; gives where the answer comes.
    ///
    /// # Errors
    /// What the game refuses with.
    pub(crate) fn make(
        self: &Arc<Self>,
        wanted: &Filter,
        slot: Slot,
        seat: Reservation,
        join: Join,
        visitor: Visitor,
    ) -> Result<oneshot::Receiver<Reply>, Declined> {
        let kind: Kind = *self.registry.kind(wanted.game().unwrap_or_default())?;
        let terms = Terms { data: wanted.wanted_data(), ..self.terms_of_strangers(&kind, slot.is_durable()) };
        let spec = self.spec(&slot, default_name(&join.username), None, terms);
        self.open(slot, &kind, spec, join, visitor, Some(seat))
    }

    /// Asks a room for the seat that is reserved there; gives where the answer comes.
    ///
    /// # Errors
    /// `room_not_found`, or [`Declined::Late`].
    pub(crate) fn knock(
        &self,
        room: &RoomHandle,
        seat: Reservation,
        join: Join,
        visitor: Visitor,
    ) -> Result<oneshot::Receiver<Reply>, Declined> {
        let answered = room.try_join(join, visitor, Some(seat))?;
        // A tick would hold that up.
        room.filling.notify_one();
        Ok(answered)
    }

    /// Leads nobody else to a room that does not answer in time.
    pub(crate) fn shun(&self, room: &RoomHandle) {
        self.lobby.shun(&room.room_id);
    }
}
