//! Rooms that your program has the server keep, for a matchmaker or an event: made with nobody in them, and seats kept in them.

use std::time::Duration;

#[cfg(doc)]
use anteroom_protocol::message::Access;
use anteroom_protocol::message::request::CreateRoom;
use anteroom_protocol::message::{AccessMap, DataMap};
use anteroom_protocol::{ErrorBody, RoomId, UserId};

use super::Server;
use crate::passwords;

/// How a room is kept that nobody has asked for.
#[derive(Debug, Clone, Default)]
pub struct Hosting {
    /// For whom seats are kept.
    pub users: Vec<UserId>,
    /// How long, and how long the room waits for the first of them.
    pub kept_for: Duration,
    /// Whether the room stays, whoever is in it, until [`Server::close_room`].
    pub persistent: bool,
}

impl Server {
    /// Makes a room that nobody owns and nobody is in, and keeps seats there. What clients may ask for is what holds here, too,
    /// but that the room waits for `hosting.kept_for` at least.
    ///
    /// # Errors
    /// As `create_room` is refused; `room_full` if there are not so many seats.
    pub async fn open_room(&self, request: &CreateRoom, hosting: Hosting) -> Result<RoomId, ErrorBody> {
        let Hosting { users, kept_for, persistent } = hosting;
        let services = &self.parts.services;
        let mut plan = services.rooms.plan(request, None)?;
        if let Some(password) = passwords::checked(request.password.as_deref())? {
            plan.terms.password = Some(services.passwords.hash(password).await?);
        }
        let lifecycle = &mut plan.terms.lifecycle;
        if users.is_empty() {
            // Seats that are kept keep the room; without any it waits by itself.
            lifecycle.empty_ttl = lifecycle.empty_ttl.max(kept_for);
        }
        lifecycle.persistent = persistent;
        let room_id = services.rooms.host(plan, users.clone(), kept_for)?;
        if let Err(error) = self.reserve(&room_id, users, kept_for).await {
            // Nobody has been told of it.
            drop(self.close_room(&room_id));
            return Err(error);
        }
        Ok(room_id)
    }

    /// Keeps a seat of a room for each of these users who is not there yet. Others find it taken until they come or the time is
    /// over. When this returns it holds, and in a durable room it is stored. Not cancel-safe: they may be kept then.
    ///
    /// # Errors
    /// `room_not_found`; `room_full` if there are not so many seats; `room_suspended`, `storage_unavailable`.
    pub async fn reserve(&self, room_id: &RoomId, users: Vec<UserId>, kept_for: Duration) -> Result<(), ErrorBody> {
        self.parts.services.rooms.keep_seats(room_id, users, kept_for).await
    }

    /// Sets data of a room, and who may read it, as its owner may, and the keys of [`Access::Server`] besides, which no client sees
    /// or sets. Null removes a key. Who may read what is heard of it. When this returns it holds, and in a durable room it is
    /// stored. Not cancel-safe: it may be set then.
    ///
    /// # Errors
    /// `invalid_data`, naming the key in the details; `room_not_found`, `room_suspended`, `storage_unavailable`.
    pub async fn set_data(&self, room_id: &RoomId, data: DataMap, access: AccessMap) -> Result<(), ErrorBody> {
        self.parts.services.rooms.set_data(room_id, None, data, access).await
    }

    /// The same of a user's data in a room.
    ///
    /// # Errors
    /// As [`set_data`](Self::set_data); `not_in_room` if the user is not there.
    pub async fn set_member_data(
        &self,
        room_id: &RoomId,
        user_id: &UserId,
        data: DataMap,
        access: AccessMap,
    ) -> Result<(), ErrorBody> {
        self.parts.services.rooms.set_data(room_id, Some(user_id.clone()), data, access).await
    }

    /// Closes a room for everyone in it, who hear `room_closed` with the reason `closed`.
    ///
    /// # Errors
    /// `room_not_found`, `room_suspended`.
    pub fn close_room(&self, room_id: &RoomId) -> Result<(), ErrorBody> {
        self.parts.services.rooms.end(room_id)
    }
}
