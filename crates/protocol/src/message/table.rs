//! Every message of the protocol, once: its type, whom it concerns, who sends it, whether it counts, and its shape.
//!
//! Names, requests, and what the schema freezes come from here, and tests hold `PROTOCOL.md`, the golden vectors and the
//! SDK against it. It does not say what a message is for; that is in `PROTOCOL.md` and beside the types.

mod define;

use define::messages;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::row::{Access, Form, Owner, Row, Sender, Shape};
use super::{Answered, Message, push, request, result, resume};
use crate::codec::{Codec, Data, InvalidData, Payload};
use crate::envelope::{Empty, Envelope};

const ROOM_JOINED: &str = "lane: u32, room_id: string, game: string, game_version: u16, name: string, \
    seat: option u16, role: Role, durable: bool, members: list of Member, view: bytes (the game's view)";
const ROOM_LIST: &str = "rooms: list of Room, total: u32";

messages! {
    // Type: who sends it, what it is, where it may stand, whether it counts, the codec and shape of its data, and the
    // same of its result. `unread`: no data is needed. `on_control`: on a room's lane there is no data.
    requests {
        /// About the session, or the connection that carries it.
        Session(SessionRequest) {
            Handshake = "handshake": Client, Request, Opening, counted, json request::Handshake;
            Reconnect = "reconnect": Client, Request, Opening, counted, json resume::Reconnect
                => uncounted, json resume::Reconnected;
            Resume = "resume": Client, Record, Inside, uncounted, binary resume::Resume as "received: Counts";
            Ack = "ack": Both, Record, Inside, uncounted, binary resume::Ack as "Counts";
            Ping = "ping": Client, Request, Inside, uncounted, binary request::Ping as "ts: json";
            Goodbye = "goodbye": Both, Record, Always, uncounted, unread request::Goodbye;
        }
        /// About the list of rooms.
        Lobby(LobbyRequest) {
            ListRooms = "list_rooms": Client, Request, Inside, counted, binary request::ListRooms as "game: option string"
                => counted, binary result::RoomList as ROOM_LIST;
            SubscribeRooms = "subscribe_rooms": Client, Request, Inside, counted,
                binary request::SubscribeRooms as "game: option string"
                => counted, binary result::RoomList as ROOM_LIST;
            UnsubscribeRooms = "unsubscribe_rooms": Client, Request, Inside, counted,
                binary request::UnsubscribeRooms as ""
                => counted, binary Empty as "";
        }
        /// About a room: to make one, to come in, to go.
        Room(RoomRequest) {
            CreateRoom = "create_room": Client, Request, Inside, counted,
                binary request::CreateRoom
                    as "game: string, name: option string, options: option json, durable: option bool"
                => counted, binary result::RoomJoined as ROOM_JOINED;
            JoinRoom = "join_room": Client, Request, Inside, counted,
                binary request::JoinRoom as "room_id: option string, game: option string, quick: bool, as: option Role"
                => counted, binary result::RoomJoined as ROOM_JOINED;
            LeaveRoom = "leave_room": Client, Request, Inside, counted,
                on_control request::LeaveRoom as "room_id: option string"
                => counted, binary Empty as "";
        }
    }
    // Type: whom it concerns, what it is, whether it counts, the codec and shape of its data.
    server {
        "handshake_accepted": Session, Answer, uncounted, json result::HandshakeAccepted;
        "pong": Session, Answer, uncounted, binary result::Pong as "ts: json, server_time_ms: u64";
        "error": Session, Answer, counted, none Empty as "";
        "lane": Session, Record, uncounted, binary resume::LaneOpened
            as "lane: u32, room_id: option string, next: u64, applied: u64, gap: bool";
        "session_state": Session, Push, counted, binary resume::SessionState
            as "rooms: list of LaneOfRoom, party: option json, tickets: list of json, subscriptions: list of Subscription";
        "rooms_changed": Lobby, Push, counted, binary push::RoomsChanged
            as "added: list of Room, updated: list of Room, removed: list of string";
        "client_joined": Room, Push, counted, binary push::ClientJoined as "Member";
        "client_disconnected": Room, Push, counted, binary push::ClientDisconnected
            as "user_id: string, username: string, grace_ms: u64";
        "client_reconnected": Room, Push, counted, binary push::ClientReconnected
            as "user_id: string, username: string";
        "client_left": Room, Push, counted, binary push::ClientLeft
            as "user_id: string, username: string, reason: LeftReason";
        "room_closed": Room, Push, counted, binary push::RoomClosed as "reason: ClosedReason, message: string";
        "game_state": Game, Push, counted, game Empty;
    }
}

/// The shapes that have a name, and are parts of others.
pub const NAMED_SHAPES: &[(&str, &str)] = &[
    (
        "envelope",
        "type: string, ref: option string, n: option u64, room_id: option string, latest: option string, \
         success: option bool, error: option Error, data: bytes",
    ),
    ("Error", "code: u16 (the number), message: string, retryable: bool, details: option json"),
    ("Member", "user_id: string, username: string, role: Role, seat: option u16, connected: bool"),
    (
        "Room",
        "room_id: string, game: string, name: string, players: u16, seats_max: u16, spectators: u16, \
         state: RoomState, durable: bool",
    ),
    ("Counts", "map of u32 (the lane) to u64"),
    ("LaneOfRoom", "lane: u32, room_id: string"),
    ("Subscription", "to: string, game: option string"),
    ("Role", "enum: player, spectator"),
    ("RoomState", "enum: waiting, playing, finished"),
    ("LeftReason", "enum: left, timed_out, disconnected"),
    ("ClosedReason", "enum: replaced, game_failed, shutting_down"),
];

fn translate_json<T: DeserializeOwned + Serialize>(data: Data<'_>, to: Codec) -> Result<Payload, InvalidData> {
    match to {
        Codec::Json => Ok(Payload::Json(serde_json::value::to_raw_value(&data.decode_json::<T>()?)?)),
        Codec::Bincode => Err(InvalidData::new("it is JSON in every session")),
    }
}

impl RequestKind {
    /// Its row; none if its type is not the protocol's.
    #[must_use]
    pub fn row(self) -> Option<&'static Row> {
        let name = self.name()?;
        ROWS.iter().find(|row| row.name == name)
    }
}
