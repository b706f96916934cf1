//! Every message of the protocol, once: its type, whom it concerns, who sends it, whether it counts, and its shape.
//!
//! Names, requests, and what the schema freezes come from here, and tests hold `PROTOCOL.md`, the golden vectors and the
//! SDK against it. It does not say what a message is for; that is in `PROTOCOL.md` and beside the types.

mod define;

use define::messages;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::row::{Access, Form, Owner, Row, Sender, Shape};
use super::{Answered, Message, chat, member, push, request, result, resume};
use crate::codec::{Codec, Data, InvalidData, Payload};
use crate::envelope::{Empty, Envelope};

const ROOM_JOINED: &str = "lane: u32, room_id: string, game: string, game_version: u16, name: string, \
    seat: option u16, role: Role, durable: bool, recorded: bool, created_at_ms: u64, created_by: option string, owner: option string, \
    seats_max: u16, visibility: Visibility, locked: bool, has_password: bool, state: RoomState, spectators: u32, \
    spectator_delay_ms: u32, data: Data, seat_queue: list of string, vote: option Vote, chat: list of ChatEntry, \
    members: list of Member, view: bytes (the game's view)";
const ROOM_LIST: &str = "rooms: list of Room, total: u32, next: option string";
const CHAT_ENTRY: &str = "ChatEntry";

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
            ListRooms = "list_rooms": Client, Request, Inside, counted, binary request::ListRooms
                    as "game: option string, filter: option json, sort: option string, cursor: option string, limit: option u16"
                => counted, binary result::RoomList as ROOM_LIST;
            SubscribeRooms = "subscribe_rooms": Client, Request, Inside, counted,
                binary request::SubscribeRooms as "game: option string, filter: option json"
                => counted, binary result::RoomList as ROOM_LIST;
            UnsubscribeRooms = "unsubscribe_rooms": Client, Request, Inside, counted,
                binary request::UnsubscribeRooms as ""
                => counted, binary Empty as "";
        }
        /// About a room: to make one, to come in, to go.
        Room(RoomRequest) {
            CreateRoom = "create_room": Client, Request, Inside, counted,
                binary request::CreateRoom
                    as "game: string, name: option string, options: option json, durable: option bool, \
                        visibility: option Visibility, password: option string, seats_max: option u16, \
                        data: option Data, access: option AccessMap, spectator_delay_ms: option u32, \
                        owner_policy: option OwnerPolicy, empty_ttl_ms: option u64, idle_ttl_ms: option u64, \
                        lifetime_max_ms: option u64, record: option bool"
                => counted, binary result::RoomJoined as ROOM_JOINED;
            JoinRoom = "join_room": Client, Request, Inside, counted,
                binary request::JoinRoom
                    as "room_id: option string, game: option string, quick: bool, as: option Role, \
                        password: option string, invite: option string, filter: option json"
                => counted, binary result::RoomJoined as ROOM_JOINED;
            LeaveRoom = "leave_room": Client, Request, Inside, counted,
                on_control request::LeaveRoom as "room_id: option string"
                => counted, binary Empty as "";
        }
        /// What a member asks of a room that they are in. The room reads it, and answers on its lane.
        Member(MemberRequest) {
            UpdateRoom = "update_room": Client, Request, Inside, counted, binary member::UpdateRoom
                    as "name: option string, visibility: option Visibility, locked: option bool, password: option (option string), seats_max: option u16, \
                        data: option Data, access: option AccessMap"
                => counted, binary Empty as "";
            SetMemberData = "set_member_data": Client, Request, Inside, counted, binary member::SetMemberData
                    as "data: Data, access: option AccessMap"
                => counted, binary Empty as "";
            Kick = "kick": Client, Request, Inside, counted, binary member::Kick
                    as "user_id: string"
                => counted, binary Empty as "";
            Ban = "ban": Client, Request, Inside, counted, binary member::Ban
                    as "user_id: string"
                => counted, binary Empty as "";
            Unban = "unban": Client, Request, Inside, counted, binary member::Unban
                    as "user_id: string"
                => counted, binary Empty as "";
            TransferOwner = "transfer_owner": Client, Request, Inside, counted, binary member::TransferOwner
                    as "user_id: string"
                => counted, binary Empty as "";
            Mute = "mute": Client, Request, Inside, counted, binary member::Mute
                    as "user_id: string, muted: bool"
                => counted, binary Empty as "";
            Ready = "ready": Client, Request, Inside, counted, binary member::Ready
                    as "ready: bool"
                => counted, binary Empty as "";
            ChooseSeat = "choose_seat": Client, Request, Inside, counted, binary member::ChooseSeat
                    as "seat: u16"
                => counted, binary member::SeatChosen as "seat: u16";
            QueueForSeat = "queue_for_seat": Client, Request, Inside, counted, binary member::QueueForSeat
                    as "queued: bool"
                => counted, binary member::SeatQueued as "position: option u32";
            AddBot = "add_bot": Client, Request, Inside, counted, binary member::AddBot
                    as "seat: option u16"
                => counted, binary member::BotAdded as "seat: u16, user_id: string";
            RemoveBot = "remove_bot": Client, Request, Inside, counted, binary member::RemoveBot
                    as "seat: u16"
                => counted, binary Empty as "";
            Pause = "pause": Client, Request, Inside, counted, binary member::Pause
                    as ""
                => counted, binary Empty as "";
            Unpause = "unpause": Client, Request, Inside, counted, binary member::Unpause
                    as ""
                => counted, binary Empty as "";
            Vote = "vote": Client, Request, Inside, counted, binary member::CastVote
                    as "continue: bool"
                => counted, binary Empty as "";
            CreateInvite = "create_invite": Client, Request, Inside, counted, binary member::CreateInvite
                    as "uses: option u32, expires_ms: option u64"
                => counted, binary member::InviteCreated as "code: string, url: string";
            GetParticipants = "get_participants": Client, Request, Inside, counted, binary member::GetParticipants
                    as ""
                => counted, binary member::Participants as "members: list of Member, spectators: u32";
            Chat = "chat": Client, Request, Inside, counted, binary member::Chat
                    as "text: string"
                => counted, binary member::ChatSaid as "message_id: u64";
            ChatEdit = "chat_edit": Client, Request, Inside, counted, binary member::ChatEdit
                    as "message_id: u64, text: string"
                => counted, binary Empty as "";
            ChatDelete = "chat_delete": Client, Request, Inside, counted, binary member::ChatDelete
                    as "message_id: u64"
                => counted, binary Empty as "";
            ChatHistory = "chat_history": Client, Request, Inside, counted, binary member::ChatHistory
                    as "before: option u64, limit: option u16"
                => counted, binary member::ChatPage as "messages: list of ChatEntry, next: option u64";
            Presence = "presence": Client, Request, Inside, counted, binary member::SetPresence
                    as "typing: option bool, away: option bool"
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
        "room_updated": Room, Push, counted, binary push::RoomUpdated
            as "name: option string, visibility: option Visibility, locked: option bool, has_password: option bool, \
                seats_max: option u16, owner: option (option string), state: option RoomState, \
                spectators: option u32, seat_queue: option (list of string), vote: option (option Vote), \
                data: option Data";
        "member_updated": Room, Push, counted, binary push::MemberUpdated
            as "user_id: string, number: u32, role: option Role, seat: option (option u16), ready: option bool, \
                bot: option bool, muted: option bool, wants_seat: option (option u16), data: option Data";
        "chat": Room, Push, counted, binary chat::ChatEntry as CHAT_ENTRY;
        "presence": Room, Push, counted, binary push::PresenceChanged
            as "user_id: string, number: u32, typing: bool, away: bool";
        "system": Room, Push, counted, binary push::SystemSaid
            as "event: SystemEvent, user_id: string, username: string, at_ms: u64";
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
    (
        "Member",
        "user_id: string, username: string, role: Role, seat: option u16, connected: bool, number: u32, ready: bool, \
         bot: bool, joined_at_ms: u64, data: Data, muted: bool, away: bool, typing: bool, wants_seat: option u16",
    ),
    (
        "Room",
        "room_id: string, game: string, name: string, players: u16, seats_max: u16, spectators: u16, \
         state: RoomState, durable: bool, locked: bool, has_password: bool, created_at_ms: u64, data: Data",
    ),
    ("Counts", "map of u32 (the lane) to u64"),
    ("LaneOfRoom", "lane: u32, room_id: string"),
    ("Subscription", "to: string, game: option string, filter: option json"),
    ("Data", "map of string to json"),
    ("AccessMap", "map of string to Access"),
    (
        "ChatEntry",
        "message_id: u64, user_id: string, username: string, text: string, at_ms: u64, edited: bool, deleted: bool",
    ),
    ("Vote", "absent: list of string, yes: list of string, no: list of string, ends_at_ms: u64"),
    ("Access", "enum: public, members, owner, server"),
    ("Visibility", "enum: public, unlisted, private"),
    ("OwnerPolicy", "enum: automatic, manual, none"),
    ("SystemEvent", "enum: joined, left, owner_changed"),
    ("Role", "enum: player, spectator"),
    ("RoomState", "enum: waiting, playing, finished, paused"),
    ("LeftReason", "enum: left, timed_out, disconnected, kicked, banned"),
    ("ClosedReason", "enum: replaced, game_failed, shutting_down, kicked, banned, idle, expired, closed"),
];

fn translate_json<T: DeserializeOwned + Serialize>(data: Data<'_>, to: Codec) -> Result<Payload, InvalidData> {
    match to {
        Codec::Json => Ok(Payload::Json(serde_json::value::to_raw_value(&data.decode_json::<T>()?)?)),
        Codec::Bincode => Err(InvalidData::new("it is JSON in every session")),
    }
}

/// The row of a type as one side sends it: a few types mean one thing from a client and another from the server.
#[must_use]
pub fn row_of(name: &str, is_from_server: bool) -> Option<&'static Row> {
    let other = if is_from_server { Sender::Client } else { Sender::Server };
    ROWS.iter().find(|row| row.name == name && row.sender != other)
}

impl RequestKind {
    /// Its row; none if its type is not the protocol's.
    #[must_use]
    pub fn row(self) -> Option<&'static Row> {
        let name = self.name()?;
        row_of(name, false)
    }
}
