//! Messages as tests read and write them: JSON values, whatever codec the session has.

use std::collections::HashMap;

use anteroom_games::{dice, owe_drahn, relay, tic_tac_toe};
use anteroom_protocol::codec::{Body, Payload};
use anteroom_protocol::envelope::{Empty, Ref, decode_batch, encode, encode_raw};
use anteroom_protocol::message::chat::ChatEntry;
use anteroom_protocol::message::member::{
    BotAdded, ChatPage, ChatSaid, InviteCreated, Participants, SeatChosen, SeatQueued,
};
use anteroom_protocol::message::push::{
    ClientDisconnected, ClientJoined, ClientLeft, ClientReconnected, MemberUpdated, PresenceChanged, RoomClosed,
    RoomUpdated, RoomsChanged, SystemSaid,
};
use anteroom_protocol::message::request::{
    CreateRoom, JoinRoom, LeaveRoom, ListRooms, Ping, SubscribeRooms, UnsubscribeRooms,
};
use anteroom_protocol::message::result::{Pong, RoomJoined, RoomList};
use anteroom_protocol::message::resume::{Ack, LaneOpened, Resume, SessionState};
use anteroom_protocol::message::row::Sender;
use anteroom_protocol::message::table::ROWS;
use anteroom_protocol::{Codec, Data, Envelope, ErrorBody, Header, variant};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::gathering::circle;

/// What a message came on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A WebSocket frame, which names no lane.
    Frame,
    /// A stream: control is 0.
    Stream(u32),
    /// A datagram for that lane.
    Datagram(u32),
}

/// A message from the server.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its `type`.
    pub kind: String,
    /// Its `ref`.
    pub reference: Option<Value>,
    /// The room whose lane it is on.
    pub room_id: Option<String>,
    /// The key it is the newest value of.
    pub latest: Option<String>,
    /// On results.
    pub success: Option<bool>,
    /// On failures.
    pub error: Option<ErrorBody>,
    /// Everything else.
    pub data: Value,
    /// What it came on.
    pub by: By,
}

impl Message {
    /// The code of its error, empty if there is none.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.error.as_ref().map_or("", |error| error.code.name())
    }

    /// Whether it is a line of the room's own, or how many watch: what comes beside everything else, now or in a moment.
    #[must_use]
    pub fn is_aside(&self) -> bool {
        self.kind == "system" || self.kind == "room_updated"
    }

    /// The number of the message that it refuses, if it says so.
    #[must_use]
    pub fn refused_n(&self) -> Option<u64> {
        let details: Value = self.error.as_ref()?.details.as_ref()?.decode().ok()?;
        details["n"].as_u64()
    }
}

/// Which game is played in which room; binary views cannot be read without.
pub type GamesOfRooms = HashMap<String, String>;

/// Reads a payload.
///
/// # Panics
/// If the server sent something that is not of the protocol.
pub fn read(codec: Codec, payload: &[u8], by: By, games: &mut GamesOfRooms) -> Vec<Message> {
    let messages = decode_batch(codec, payload).unwrap();
    messages.map(|envelope| message(envelope.unwrap(), by, games)).collect()
}

/// A message as tests read it.
pub(crate) fn message(envelope: Envelope<'_>, by: By, games: &mut GamesOfRooms) -> Message {
    let Envelope { kind, reference, room_id, latest, success, error, data, .. } = envelope;
    let room_id = room_id.map(|id| id.into_owned());
    let data = match data {
        Data::Json(text) => serde_json::from_str(text).unwrap(),
        Data::Binary(_) if success == Some(false) => decoded::<Empty>(data),
        Data::Binary(_) => binary(&kind, room_id.as_deref(), data, games),
    };
    Message {
        kind: kind.into_owned(),
        reference: reference.map(|text| serde_json::from_str(text.as_str()).unwrap()),
        room_id,
        latest: latest.map(|key| key.into_owned()),
        success,
        error,
        data,
        by,
    }
}

fn binary(kind: &str, room_id: Option<&str>, data: Data<'_>, games: &mut GamesOfRooms) -> Value {
    match kind {
        "pong" => decoded::<Pong>(data),
        "ack" => decoded::<Ack>(data),
        "lane" => decoded::<LaneOpened>(data),
        "session_state" => decoded::<SessionState>(data),
        "create_room_result" | "join_room_result" => joined(data.decode().unwrap(), games),
        "list_rooms_result" | "subscribe_rooms_result" => decoded::<RoomList>(data),
        "rooms_changed" => decoded::<RoomsChanged>(data),
        "client_joined" => decoded::<ClientJoined>(data),
        "client_disconnected" => decoded::<ClientDisconnected>(data),
        "client_reconnected" => decoded::<ClientReconnected>(data),
        "client_left" => decoded::<ClientLeft>(data),
        "room_closed" => decoded::<RoomClosed>(data),
        "room_updated" => decoded::<RoomUpdated>(data),
        "member_updated" => decoded::<MemberUpdated>(data),
        "presence" => decoded::<PresenceChanged>(data),
        "system" => decoded::<SystemSaid>(data),
        "chat" => decoded::<ChatEntry>(data),
        "chat_result" => decoded::<ChatSaid>(data),
        "chat_history_result" => decoded::<ChatPage>(data),
        "choose_seat_result" => decoded::<SeatChosen>(data),
        "queue_for_seat_result" => decoded::<SeatQueued>(data),
        "add_bot_result" => decoded::<BotAdded>(data),
        "create_invite_result" => decoded::<InviteCreated>(data),
        "get_participants_result" => decoded::<Participants>(data),
        "game_state" => view(&games[room_id.unwrap()], data),
        "message" | "value" | "host_changed" => {
            serde_json::to_value(variant::decode::<relay::Event>(kind, data).unwrap()).unwrap()[kind].take()
        }
        _ => decoded::<Empty>(data),
    }
}

fn decoded<T: DeserializeOwned + Serialize + anteroom_protocol::bincode::Decode<()>>(data: Data<'_>) -> Value {
    serde_json::to_value(data.decode::<T>().unwrap()).unwrap()
}

fn joined(joined: RoomJoined, games: &mut GamesOfRooms) -> Value {
    games.insert(joined.room_id.to_string(), joined.game.clone());
    let view = view(&joined.game, joined.view.data());
    // Of the view only the game knows what it is in JSON.
    let rest = RoomJoined { view: Payload::Json(serde_json::value::RawValue::NULL.to_owned()), ..joined };
    let mut joined = serde_json::to_value(rest).unwrap();
    joined["view"] = view;
    joined
}

fn view(game: &str, data: Data<'_>) -> Value {
    match game {
        "tic_tac_toe" => decoded::<tic_tac_toe::View>(data),
        "dice" => decoded::<dice::View>(data),
        "owe_drahn" => decoded::<owe_drahn::View>(data),
        "relay" => decoded::<relay::View>(data),
        "circle" | "closed_circle" => decoded::<circle::View>(data),
        _ => Value::Null,
    }
}

/// Writes an envelope given as JSON in a codec.
///
/// # Panics
/// If it has another shape than its type asks for; write such a one as bytes.
#[must_use]
pub fn write(codec: Codec, envelope: &Value) -> Vec<u8> {
    match codec {
        Codec::Json => serde_json::to_vec(envelope).unwrap(),
        Codec::Bincode => write_binary(envelope),
    }
}

fn write_binary(envelope: &Value) -> Vec<u8> {
    let kind = envelope["type"].as_str().unwrap();
    let reference = envelope.get("ref").and_then(Value::as_u64).map(Ref::from);
    let (n, room_id) = (envelope["n"].as_u64(), envelope["room_id"].as_str());
    let header = Header { reference: reference.as_ref(), n, room_id, ..Header::new(kind) };
    let data = envelope.get("data").cloned().unwrap_or_else(|| json!({}));
    match kind {
        "ping" => body::<Ping>(&header, data),
        "ack" => body::<Ack>(&header, data),
        "resume" => body::<Resume>(&header, data),
        "create_room" => body::<CreateRoom>(&header, data),
        "join_room" => body::<JoinRoom>(&header, data),
        "leave_room" => body::<LeaveRoom>(&header, data),
        "list_rooms" => body::<ListRooms>(&header, data),
        "subscribe_rooms" => body::<SubscribeRooms>(&header, data),
        "unsubscribe_rooms" => body::<UnsubscribeRooms>(&header, data),
        _ if header.room_id.is_none() => body::<Empty>(&header, data),
        "make_move" | "rematch" => action::<tic_tac_toe::Action>(&header, data),
        "send" => action::<relay::Action>(&header, data),
        "count" => action::<circle::Action>(&header, data),
        _ => of_the_table(&header, &data),
    }
}

fn body<T: DeserializeOwned + Body>(header: &Header<'_>, data: Value) -> Vec<u8> {
    let mut out = Vec::new();
    encode(Codec::Bincode, header, &serde_json::from_value::<T>(data).unwrap(), &mut out).unwrap();
    out
}

/// What a member asks of the room, and anything that has no shape.
fn of_the_table(header: &Header<'_>, data: &Value) -> Vec<u8> {
    let text = data.to_string();
    let mut rows = ROWS.iter().filter(|row| row.name == header.kind && row.sender != Sender::Server);
    let data = rows.next().and_then(|row| row.translate(Data::Json(&text), Codec::Bincode).ok());
    let Some(data) = data else { return body::<Empty>(header, json!({})) };
    let mut out = Vec::new();
    encode_raw(header, data.data(), &mut out).unwrap();
    out
}

fn action<T: DeserializeOwned + Body>(header: &Header<'_>, data: Value) -> Vec<u8> {
    // A `Json` inside is raw text, which serde_json gives from text only.
    let tagged = json!({ header.kind: data }).to_string();
    let (mut fields, mut out) = (Vec::new(), Vec::new());
    variant::encode(Codec::Bincode, &serde_json::from_str::<T>(&tagged).unwrap(), &mut fields).unwrap();
    encode_raw(header, Data::Binary(&fields), &mut out).unwrap();
    out
}
