//! Where each message goes: answered here, handed to the lobby, or handed to a room.

use anteroom_core::room::{Join, MemberId};
use anteroom_protocol::code::floor_char_boundary;
use anteroom_protocol::codec::InvalidData;
use anteroom_protocol::envelope::Empty;
use anteroom_protocol::message::request::{
    CreateRoom, JoinRoom, LeaveRoom, ListRooms, Ping, SubscribeRooms, UnsubscribeRooms,
};
use anteroom_protocol::message::result::Pong;
use anteroom_protocol::message::{Message, Role};
use anteroom_protocol::{Batch, Data, Envelope, ErrorBody, ErrorCode, Header, LaneId, RoomId};
use bytes::Bytes;
use std::borrow::Cow;

use super::{End, Established, Membership, Session};
use crate::rooms::{Input, RoomHandle};

/// How many rooms a quick join tries before it makes one.
const QUICK_JOIN_TRIES: usize = 4;

/// What became of a message.
pub(super) enum Route {
    /// It was answered, handed on, or is to be refused.
    Done(Result<(), ErrorBody>),
    /// A room has to be asked first: [`Session::ask_room`].
    AskRoom,
}

impl Session {
    /// Sends a message where it belongs.
    pub(super) fn route(&mut self, payload: &Bytes, message: &Envelope<'_>) -> Result<Route, End> {
        Ok(Route::Done(match message.kind.as_ref() {
            "ping" => self.ping(message),
            "list_rooms" => self.list_rooms(message),
            "subscribe_rooms" => self.subscribe_rooms(message),
            "unsubscribe_rooms" => self.unsubscribe_rooms(message),
            "create_room" | "join_room" | "leave_room" => return Ok(Route::AskRoom),
            "goodbye" => return Err(End::Goodbye),
            "handshake" | "reconnect" => {
                self.refuse_second_handshake(message);
                Ok(())
            }
            _ if message.room_id.is_some() => self.act(payload, message),
            _ => Err(ErrorBody::new(ErrorCode::UnknownType, "There is no message of that type outside a room.")),
        }))
    }

    /// Does what a room has to agree to.
    pub(super) async fn ask_room(&mut self, message: &Envelope<'_>) -> Result<(), ErrorBody> {
        match message.kind.as_ref() {
            "create_room" => self.create_room(message).await,
            "join_room" => self.join_room(message).await,
            _ => self.leave_room(message).await,
        }
    }

    fn established(&mut self) -> Result<&mut Established, ErrorBody> {
        self.established.as_mut().ok_or_else(|| ErrorBody::new(ErrorCode::Internal, "The session has no handshake."))
    }

    fn ping(&mut self, message: &Envelope<'_>) -> Result<(), ErrorBody> {
        let Ping { ts } = read(message.data)?;
        if ts.text().len() > PING_BYTES_MAX {
            return Err(ErrorBody::new(ErrorCode::InvalidData, "`ts` may have at most 64 bytes."));
        }
        let codec = self.established()?.codec;
        let pong = Pong { ts, server_time_ms: self.shared.clock.server_time_ms() };
        let header = Header { reference: message.reference.as_ref(), ..Header::new(Pong::TYPE) };
        self.put(Batch::one(codec, &header, &pong));
        Ok(())
    }

    fn list_rooms(&mut self, message: &Envelope<'_>) -> Result<(), ErrorBody> {
        let ListRooms { game } = read(message.data)?;
        let codec = self.established()?.codec;
        let list = self.shared.lobby.list(game.as_deref());
        self.answer(codec, "list_rooms_result", message.reference.as_ref(), &list);
        Ok(())
    }

    fn subscribe_rooms(&mut self, message: &Envelope<'_>) -> Result<(), ErrorBody> {
        let SubscribeRooms { game } = read(message.data)?;
        if let Some(game) = &game {
            self.shared.rooms.check_game(game)?;
        }
        let established = self.established()?;
        established.subscribed = true;
        let (id, codec) = (established.id, established.codec);
        self.shared.lobby.subscribe(id, game, codec, &self.outbox, |list| {
            self.answer(codec, "subscribe_rooms_result", message.reference.as_ref(), list);
        });
        Ok(())
    }

    fn unsubscribe_rooms(&mut self, message: &Envelope<'_>) -> Result<(), ErrorBody> {
        let UnsubscribeRooms {} = read(message.data)?;
        let established = self.established()?;
        established.subscribed = false;
        let (id, codec) = (established.id, established.codec);
        self.shared.lobby.unsubscribe(id);
        self.answer(codec, "unsubscribe_rooms_result", message.reference.as_ref(), &Empty {});
        Ok(())
    }

    async fn create_room(&mut self, message: &Envelope<'_>) -> Result<(), ErrorBody> {
        let request: CreateRoom = read(message.data)?;
        self.create(message, "create_room_result", request).await
    }

    async fn create(
        &mut self,
        message: &Envelope<'_>,
        answer: &'static str,
        request: CreateRoom,
    ) -> Result<(), ErrorBody> {
        let join = self.prepare(message, answer, Role::Player, None)?;
        let (lane, member) = (join.lane, join.member);
        let created = self.shared.rooms.create(request, join, self.outbox.clone()).await;
        self.enter(lane, member, created)
    }

    async fn join_room(&mut self, message: &Envelope<'_>) -> Result<(), ErrorBody> {
        let request: JoinRoom = read(message.data)?;
        let role = request.role.unwrap_or_default();
        let room_id = request.room_id.as_deref().or(message.room_id.as_deref());
        match (room_id, &request.game) {
            (Some(room_id), _) => {
                let room = self.shared.rooms.find(room_id).map_err(|error| about_room(error, room_id))?;
                self.join(message, room, role).await.map_err(|error| about_room(error, room_id))
            }
            (None, Some(game)) if request.quick => self.quick_join(message, game, role).await,
            _ => Err(ErrorBody::new(ErrorCode::InvalidData, "Name a `room_id`, or a `game` with `quick` set to true.")),
        }
    }

    async fn quick_join(&mut self, message: &Envelope<'_>, game: &str, role: Role) -> Result<(), ErrorBody> {
        self.shared.rooms.check_game(game)?;
        if role == Role::Spectator {
            return Err(ErrorBody::new(
                ErrorCode::InvalidData,
                "A quick join finds a seat; to watch, name a `room_id`.",
            ));
        }
        let rooms = self.shared.rooms.clone();
        let _seeking = rooms.seek(game).await;
        for room in rooms.open(game, QUICK_JOIN_TRIES) {
            match self.join(message, room, role).await {
                // The seat went to someone else, or it is a room we are in: the next one will do as well.
                Err(ErrorBody {
                    code: ErrorCode::RoomFull | ErrorCode::RoomNotFound | ErrorCode::AlreadyInRoom,
                    ..
                }) => {}
                joined => return joined,
            }
        }
        let request = CreateRoom { game: game.to_owned(), ..CreateRoom::default() };
        self.create(message, "join_room_result", request).await
    }

    async fn join(&mut self, message: &Envelope<'_>, room: RoomHandle, role: Role) -> Result<(), ErrorBody> {
        if self.rooms()?.iter().any(|membership| membership.room.room_id == room.room_id) {
            return Err(ErrorBody::new(ErrorCode::AlreadyInRoom, "You are in that room already."));
        }
        let join = self.prepare(message, "join_room_result", role, Some(room.room_id))?;
        let (lane, member) = (join.lane, join.member);
        let joined = room.join(join, self.outbox.clone()).await.map(|()| room);
        self.enter(lane, member, joined)
    }

    /// The rooms this session is in. One that has ended its lane is none of them, though the end may not be written yet.
    fn rooms(&mut self) -> Result<&mut Vec<Membership>, ErrorBody> {
        let outbox = self.outbox.clone();
        let rooms = &mut self.established()?.rooms;
        rooms.retain(|membership| !outbox.has_ended(membership.lane));
        Ok(rooms)
    }

    /// Gives a room a lane of this session, to be used if the room lets us in; a new room has no id yet.
    fn prepare(
        &mut self,
        message: &Envelope<'_>,
        answer: &'static str,
        role: Role,
        room_id: Option<RoomId>,
    ) -> Result<Join, ErrorBody> {
        let rooms_max = self.shared.config.limits.rooms_per_session_max as usize;
        let member = self.shared.next_member();
        if self.rooms()?.len() >= rooms_max {
            let sentence = format!("A session may be in at most {rooms_max} rooms; leave one first.");
            return Err(ErrorBody::new(ErrorCode::LimitReached, sentence));
        }
        let established = self.established()?;
        let lane = LaneId(established.last_lane.0 + 1);
        established.last_lane = lane;
        let join = Join {
            member,
            user_id: established.identity.user_id.clone(),
            username: established.identity.username.clone(),
            role,
            lane,
            codec: established.codec,
            answer,
            reference: message.reference.clone(),
        };
        self.outbox.open(lane, room_id);
        Ok(join)
    }

    fn enter(
        &mut self,
        lane: LaneId,
        member: MemberId,
        joined: Result<RoomHandle, ErrorBody>,
    ) -> Result<(), ErrorBody> {
        match joined {
            Ok(room) => {
                self.outbox.assign(lane, room.room_id);
                self.established()?.rooms.push(Membership { room, lane, member });
                Ok(())
            }
            Err(error) => {
                self.outbox.retract(lane);
                Err(error)
            }
        }
    }

    async fn leave_room(&mut self, message: &Envelope<'_>) -> Result<(), ErrorBody> {
        let request: LeaveRoom = read(message.data)?;
        let named = request.room_id.map(|room_id| room_id.to_string());
        let room_id = message.room_id.as_deref().or(named.as_deref());
        let rooms = self.rooms()?;
        let place = match room_id {
            Some(room_id) => place_of(rooms, room_id),
            None if rooms.len() == 1 => Some(0),
            None => None,
        };
        let Some(place) = place else { return Err(not_in_room(room_id)) };
        let Membership { room, member, .. } = rooms.remove(place);
        if room.leave(member, message.reference.clone()).await { Ok(()) } else { Err(not_in_room(room_id)) }
    }

    /// Hands a player's input to its room. The room reads it where it lies; nothing is copied.
    fn act(&mut self, payload: &Bytes, message: &Envelope<'_>) -> Result<(), ErrorBody> {
        let room_id = message.room_id.as_deref();
        let outbox = self.outbox.clone();
        let established = self.established()?;
        let place = room_id.and_then(|room_id| place_of(&established.rooms, room_id));
        let membership = place.map(|place| &established.rooms[place]).filter(|there| !outbox.has_ended(there.lane));
        let Some(Membership { room, member, .. }) = membership else { return Err(not_in_room(room_id)) };
        let data = match message.data {
            Data::Json(text) => slice_of(payload, text.as_bytes()),
            Data::Binary(bytes) => slice_of(payload, bytes),
        };
        let kind = match &message.kind {
            Cow::Borrowed(kind) => slice_of(payload, kind.as_bytes()),
            Cow::Owned(kind) => Bytes::copy_from_slice(kind.as_bytes()),
        };
        room.act(*member, Input { kind, data, codec: established.codec, reference: message.reference.clone() })
    }
}

/// Where the membership of a room stands; a room's id is read without regard to case.
fn place_of(rooms: &[Membership], room_id: &str) -> Option<usize> {
    rooms.iter().position(|membership| membership.room.room_id.as_str().eq_ignore_ascii_case(room_id))
}

/// The longest `ts` that is echoed, in bytes of JSON.
const PING_BYTES_MAX: usize = 64;

/// A part of a payload that shares its memory. Copied if it is a constant that a decoder filled in, or so small a
/// part that it would keep much more in memory than it is.
fn slice_of(payload: &Bytes, part: &[u8]) -> Bytes {
    let is_within = payload.as_ptr_range().contains(&part.as_ptr());
    if is_within && part.len() >= payload.len() / 8 { payload.slice_ref(part) } else { Bytes::copy_from_slice(part) }
}

fn read<T: serde::de::DeserializeOwned + anteroom_protocol::bincode::Decode<()>>(
    data: Data<'_>,
) -> Result<T, ErrorBody> {
    data.decode().map_err(|error: InvalidData| {
        ErrorBody::new(ErrorCode::InvalidData, format!("The data does not fit the message: {error}."))
    })
}

fn about_room(error: ErrorBody, room_id: &str) -> ErrorBody {
    let room_id = &room_id[..floor_char_boundary(room_id, 64)];
    error.with_details(&std::collections::BTreeMap::from([("room_id", room_id)]))
}

fn not_in_room(room_id: Option<&str>) -> ErrorBody {
    match room_id {
        Some(room_id) => about_room(ErrorBody::new(ErrorCode::NotInRoom, "You are not in that room."), room_id),
        None => ErrorBody::new(ErrorCode::NotInRoom, "Name the room to leave in `room_id`."),
    }
}
