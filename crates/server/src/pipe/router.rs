//! Where each message goes: answered here, handed to the lobby, or handed to a room.

use std::borrow::Cow;
use std::sync::Arc;

use anteroom_core::room::Join;
use anteroom_core::session::PipeId;
use anteroom_protocol::code::floor_char_boundary;
use anteroom_protocol::codec::InvalidData;
use anteroom_protocol::envelope::Empty;
use anteroom_protocol::message::request::{
    CreateRoom, JoinRoom, LeaveRoom, ListRooms, Ping, SubscribeRooms, UnsubscribeRooms,
};
use anteroom_protocol::message::result::Pong;
use anteroom_protocol::message::resume::Subscription;
use anteroom_protocol::message::{Message, Role};
use anteroom_protocol::{Batch, Data, Envelope, ErrorBody, ErrorCode, Header, LaneId, RoomId};
use bytes::Bytes;

use super::ending::End;
use super::{Carried, Pipe};
use crate::rooms::{Input, RoomHandle};
use crate::session::{Membership, Session};

/// How many rooms a quick join tries before it makes one.
const QUICK_JOIN_TRIES: usize = 4;

/// What became of a message.
pub(super) enum Route {
    /// It was answered, handed on, or is to be refused.
    Done(Result<(), ErrorBody>),
    /// The session answers: [`Pipe::on_control`].
    Control,
    /// A room has to be asked first: [`Pipe::ask_room`].
    AskRoom,
}

impl Route {
    /// It was taken before, or does not belong here.
    const IGNORED: Self = Self::Done(Ok(()));
}

impl Pipe {
    /// Sends a message where it belongs.
    pub(super) fn route(&mut self, payload: &Bytes, message: &Envelope<'_>) -> Result<Route, End> {
        let Some(Carried { session, place, .. }) = &self.carried else { return Ok(Route::IGNORED) };
        let kind = message.kind.as_ref();
        Ok(match (kind, message.room_id.as_deref()) {
            ("ping", _) => Route::Done(self.ping(message)),
            ("ack", _) => Route::Done(self.on_ack(message)?),
            ("resume", _) => Route::Done(self.resume(message)?),
            ("goodbye", _) => return Err(End::Goodbye),
            ("create_room" | "join_room", _) | ("leave_room", None) => self.take_control(message, Route::AskRoom),
            ("leave_room", Some(room_id)) => leave(session, place.id, room_id, message),
            // Whatever room they name, these are the session's.
            ("list_rooms" | "subscribe_rooms" | "unsubscribe_rooms" | "handshake" | "reconnect", _) | (_, None) => {
                self.take_control(message, Route::Control)
            }
            (_, Some(room_id)) => {
                let act = |membership: &Membership| act(session, membership, payload, message);
                Route::Done(session.hand_over(place.id, room_id, message.n, bytes_of(message.data), act))
            }
        })
    }

    /// Takes a message of the control lane, if it is new.
    fn take_control(&self, message: &Envelope<'_>, new: Route) -> Route {
        let Some(Carried { session, place, .. }) = &self.carried else { return Route::IGNORED };
        let is_new = session.take(place.id, LaneId::CONTROL, message.n, bytes_of(message.data));
        if is_new { new } else { Route::IGNORED }
    }

    /// Does what the session itself answers.
    pub(super) fn on_control(&mut self, message: &Envelope<'_>) -> Result<(), ErrorBody> {
        let Some(Carried { session, .. }) = self.carried.clone() else { return Ok(()) };
        match message.kind.as_ref() {
            "list_rooms" => self.list_rooms(&session, message),
            "subscribe_rooms" => self.subscribe_rooms(&session, message),
            "unsubscribe_rooms" => self.unsubscribe_rooms(&session, message),
            "handshake" | "reconnect" => {
                self.refuse_second_handshake(message);
                Ok(())
            }
            _ => Err(ErrorBody::new(ErrorCode::UnknownType, "There is no message of that type outside a room.")),
        }
    }

    /// Does what a room has to agree to.
    pub(super) async fn ask_room(&mut self, message: &Envelope<'_>) -> Result<(), ErrorBody> {
        let Some(Carried { session, .. }) = self.carried.clone() else { return Ok(()) };
        match message.kind.as_ref() {
            "create_room" => self.create_room(&session, message).await,
            "join_room" => self.join_room(&session, message).await,
            _ => self.leave_room(&session, message).await,
        }
    }

    fn ping(&mut self, message: &Envelope<'_>) -> Result<(), ErrorBody> {
        let Some(Carried { session, .. }) = &self.carried else { return Ok(()) };
        let codec = session.codec;
        let Ping { ts } = read(message.data)?;
        if ts.text().len() > PING_BYTES_MAX {
            return Err(ErrorBody::new(ErrorCode::InvalidData, "`ts` may have at most 64 bytes."));
        }
        let pong = Pong { ts, server_time_ms: self.shared.clock.server_time_ms() };
        let header = Header { reference: message.reference.as_ref(), ..Header::new(Pong::TYPE) };
        self.say(Batch::one(codec, &header, &pong));
        Ok(())
    }

    fn list_rooms(&mut self, session: &Session, message: &Envelope<'_>) -> Result<(), ErrorBody> {
        let ListRooms { game } = read(message.data)?;
        let list = self.shared.lobby.list(game.as_deref());
        self.answer(session.codec, "list_rooms_result", message.reference.as_ref(), &list);
        Ok(())
    }

    fn subscribe_rooms(&mut self, session: &Arc<Session>, message: &Envelope<'_>) -> Result<(), ErrorBody> {
        let SubscribeRooms { game } = read(message.data)?;
        if let Some(game) = &game {
            self.shared.rooms.check_game(game)?;
        }
        session.set_subscription(Some(Subscription { to: "rooms".into(), game: game.clone() }));
        let lobby = self.shared.lobby.clone();
        lobby.subscribe(session, game, |list| {
            self.answer(session.codec, "subscribe_rooms_result", message.reference.as_ref(), list);
        });
        Ok(())
    }

    fn unsubscribe_rooms(&mut self, session: &Session, message: &Envelope<'_>) -> Result<(), ErrorBody> {
        let UnsubscribeRooms {} = read(message.data)?;
        session.set_subscription(None);
        self.shared.lobby.unsubscribe(session.id);
        self.answer(session.codec, "unsubscribe_rooms_result", message.reference.as_ref(), &Empty {});
        Ok(())
    }

    async fn create_room(&mut self, session: &Arc<Session>, message: &Envelope<'_>) -> Result<(), ErrorBody> {
        let request: CreateRoom = read(message.data)?;
        self.create(session, message, "create_room_result", request).await
    }

    async fn create(
        &mut self,
        session: &Arc<Session>,
        message: &Envelope<'_>,
        answer: &'static str,
        request: CreateRoom,
    ) -> Result<(), ErrorBody> {
        let join = self.prepare(session, message, answer, Role::Player, None)?;
        let lane = join.lane;
        settled(session, lane, self.shared.rooms.create(request, join, session.clone()).await)
    }

    async fn join_room(&mut self, session: &Arc<Session>, message: &Envelope<'_>) -> Result<(), ErrorBody> {
        let request: JoinRoom = read(message.data)?;
        let role = request.role.unwrap_or_default();
        let room_id = request.room_id.as_deref().or(message.room_id.as_deref());
        match (room_id, &request.game) {
            (Some(room_id), _) => {
                let room = self.shared.rooms.find(room_id).map_err(|error| about_room(error, room_id))?;
                self.join(session, message, room, role).await.map_err(|error| about_room(error, room_id))
            }
            (None, Some(game)) if request.quick => self.quick_join(session, message, game, role).await,
            _ => Err(ErrorBody::new(ErrorCode::InvalidData, "Name a `room_id`, or a `game` with `quick` set to true.")),
        }
    }

    async fn quick_join(
        &mut self,
        session: &Arc<Session>,
        message: &Envelope<'_>,
        game: &str,
        role: Role,
    ) -> Result<(), ErrorBody> {
        self.shared.rooms.check_game(game)?;
        if role == Role::Spectator {
            return Err(ErrorBody::new(
                ErrorCode::InvalidData,
                "A quick join finds a seat; to watch, name a `room_id`.",
            ));
        }
        let rooms = self.shared.rooms.clone();
        let _seeking = rooms.seek(game).await;
        for room in rooms.open(game, &session.identity.user_id, QUICK_JOIN_TRIES) {
            match self.join(session, message, room, role).await {
                // The seat went to someone else, or it is a room we are in: the next one will do as well.
                Err(ErrorBody {
                    code: ErrorCode::RoomFull | ErrorCode::RoomNotFound | ErrorCode::AlreadyInRoom,
                    ..
                }) => {}
                joined => return joined,
            }
        }
        let request = CreateRoom { game: game.to_owned(), ..CreateRoom::default() };
        self.create(session, message, "join_room_result", request).await
    }

    async fn join(
        &mut self,
        session: &Arc<Session>,
        message: &Envelope<'_>,
        room: RoomHandle,
        role: Role,
    ) -> Result<(), ErrorBody> {
        if session.room(room.room_id.as_str()).is_some() {
            return Err(ErrorBody::new(ErrorCode::AlreadyInRoom, "You are in that room already."));
        }
        let join = self.prepare(session, message, "join_room_result", role, Some(room.room_id))?;
        let lane = join.lane;
        settled(session, lane, room.join(join, session.clone()).await)
    }

    /// Gives a room a lane of this session, to be used if the room lets us in; a new room has no id yet.
    fn prepare(
        &self,
        session: &Session,
        message: &Envelope<'_>,
        answer: &'static str,
        role: Role,
        room_id: Option<RoomId>,
    ) -> Result<Join, ErrorBody> {
        let rooms_max = self.shared.config.limits.rooms_per_session_max as usize;
        let Some(lane) = session.open_lane(room_id, rooms_max) else {
            let sentence = format!("A session may be in at most {rooms_max} rooms; leave one first.");
            return Err(ErrorBody::new(ErrorCode::LimitReached, sentence));
        };
        Ok(Join {
            member: self.shared.next_member(),
            user_id: session.identity.user_id.clone(),
            username: session.identity.username.clone(),
            role,
            lane,
            codec: session.codec,
            answer,
            reference: message.reference.clone(),
        })
    }

    async fn leave_room(&mut self, session: &Session, message: &Envelope<'_>) -> Result<(), ErrorBody> {
        let request: LeaveRoom = read(message.data)?;
        let named = request.room_id.map(|room_id| room_id.to_string());
        let room_id = message.room_id.as_deref().or(named.as_deref());
        let left = match room_id {
            Some(room_id) => session.room(room_id),
            None => Some(session.rooms()).filter(|rooms| rooms.len() == 1).and_then(|mut rooms| rooms.pop()),
        };
        let Some(Membership { room, lane, member, .. }) = left else { return Err(not_in_room(room_id)) };
        session.take_room(lane);
        if room.leave(member, message.reference.clone()).await { Ok(()) } else { Err(not_in_room(room_id)) }
    }
}

/// A wish to leave a room that the message names on its lane.
fn leave(session: &Session, pipe: PipeId, room_id: &str, message: &Envelope<'_>) -> Route {
    match session.room(room_id) {
        Some(there) if session.take(pipe, there.lane, message.n, bytes_of(message.data)) => Route::AskRoom,
        Some(_) => Route::IGNORED,
        None => Route::Done(session.refuse_in_front(pipe, message.n)),
    }
}

/// Hands a player's input to its room. The room reads it where it lies.
fn act(session: &Session, membership: &Membership, payload: &Bytes, message: &Envelope<'_>) -> Result<(), ErrorBody> {
    let data = match message.data {
        Data::Json(text) => slice_of(payload, text.as_bytes()),
        Data::Binary(bytes) => slice_of(payload, bytes),
    };
    let kind = match &message.kind {
        Cow::Borrowed(kind) => slice_of(payload, kind.as_bytes()),
        Cow::Owned(kind) => Bytes::copy_from_slice(kind.as_bytes()),
    };
    let input = Input { kind, data, codec: session.codec, reference: message.reference.clone() };
    membership.room.act(membership.member, membership.share.as_ref(), input)
}

/// Takes the lane back from a room that did not let the session in; one that did has entered it itself.
fn settled(session: &Session, lane: LaneId, joined: Result<(), ErrorBody>) -> Result<(), ErrorBody> {
    joined.inspect_err(|_| session.retract_lane(lane))
}

/// How many bytes of data a message has.
fn bytes_of(data: Data<'_>) -> usize {
    match data {
        Data::Json(text) => text.len(),
        Data::Binary(bytes) => bytes.len(),
    }
}

/// The longest `ts` that is echoed, in bytes of JSON.
const PING_BYTES_MAX: usize = 64;

/// A part of a payload that shares its memory. Copied if it is a constant that a decoder filled in, or so small a
/// part that it would keep much more in memory than it is.
fn slice_of(payload: &Bytes, part: &[u8]) -> Bytes {
    let is_within = payload.as_ptr_range().contains(&part.as_ptr());
    if is_within && part.len() >= payload.len() / 8 { payload.slice_ref(part) } else { Bytes::copy_from_slice(part) }
}

pub(super) fn read<T: serde::de::DeserializeOwned + anteroom_protocol::bincode::Decode<()>>(
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
