//! What the server sends.

use anteroom_protocol::codec::Payload;
use anteroom_protocol::envelope::Empty;
use anteroom_protocol::message::chat::{ChatEntry, MessageId};
use anteroom_protocol::message::push::*;
use anteroom_protocol::message::request::Goodbye;
use anteroom_protocol::message::result::*;
use anteroom_protocol::message::resume::{LaneOfRoom, LaneOpened, Reconnected, SessionState, Subscription};
use anteroom_protocol::message::{DataMap, Member, Role, RoomState, RoomSummary, Visibility};
use anteroom_protocol::{
    CloseCode, Codec, ErrorBody, ErrorCode, Header, Json, LaneId, Limits, RoomId, SessionId, UserId,
};
use serde_json::json;

use super::{Vector, json_always, message, per_codec, reference, view};

const ROOM: &str = "k3v9k3v9k3";

fn room_id() -> RoomId {
    ROOM.parse().expect("a room id")
}

fn user(name: &str) -> UserId {
    name.parse().expect("a user id")
}

pub(super) fn session() -> Vec<Vector> {
    let goodbye = |code: CloseCode| Goodbye { code: code.number(), reason: code.sentence().into() };
    let mut vectors = accepted();
    vectors.extend(lanes());
    vectors.extend(snapshots());
    vectors.extend([
        json_always("goodbye, shutting down", Header::new("goodbye"), &goodbye(CloseCode::ShuttingDown)),
        json_always("goodbye, malformed", Header::new("goodbye"), &goodbye(CloseCode::Malformed)),
        json_always("goodbye, the session moves", Header::new("goodbye"), &goodbye(CloseCode::Move)),
    ]);
    vectors
}

fn accepted() -> Vec<Vector> {
    let seven = reference("7");
    let unknown = ErrorBody::new(ErrorCode::SessionUnknown, "This server does not know that session.");
    let reconnected = |lanes, last_n| Reconnected { resume_token: "bmV4dCB0b2tlbg".into(), lanes, last_n };
    let success = Header { success: Some(true), ..Header::new(Reconnected::TYPE) };
    vec![
        json_always(
            "handshake_accepted",
            Header::new("handshake_accepted"),
            &HandshakeAccepted {
                session_id: SessionId::from_bits(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
                resume_token: "c2Vzc2lvbiB0b2tlbg".into(),
                user_id: UserId::guest(0x0123_4567_89ab_cdef),
                username: "Ada".into(),
                codec: Codec::Json,
                limits: Limits::default(),
                grace_ms: 60_000,
                server_time_ms: 1_790_000_000_000,
            },
        ),
        json_always(
            "reconnect_result, refused",
            Header { success: Some(false), error: Some(&unknown), ..Header::new("reconnect_result") },
            &Empty {},
        ),
        json_always("reconnect_result", success, &reconnected(vec![of_room(3), of_room(300)], 12)),
        json_always(
            "reconnect_result, no rooms",
            Header { reference: Some(&seven), ..success },
            &reconnected(vec![], 0),
        ),
    ]
}

fn of_room(lane: u32) -> LaneOfRoom {
    LaneOfRoom { lane: LaneId(lane), room_id: room_id() }
}

fn lanes() -> Vec<Vector> {
    let control = LaneOpened { lane: LaneId::CONTROL, room_id: None, next: 18, applied: 12, gap: false };
    let room = LaneOpened { lane: LaneId(3), room_id: Some(room_id()), next: 403, applied: 0, gap: true };
    let lane = Header::new("lane");
    vec![
        message("lane, control goes on", lane, &control),
        message("lane, control with a gap", lane, &LaneOpened { next: 70_000, gap: true, ..control }),
        message("lane of a room, with a gap", lane.in_room(ROOM), &room),
        message("lane of a room goes on", lane.in_room(ROOM), &LaneOpened { applied: u64::MAX, gap: false, ..room }),
    ]
}

fn snapshots() -> Vec<Vector> {
    let json = |text: &str| Json::from_text(text.into()).expect("JSON");
    let rooms = |game: Option<&str>| Subscription { to: "rooms".into(), game: game.map(Into::into), filter: None };
    let state = Header::new("session_state");
    vec![
        message("session_state, nothing", state, &SessionState::default()),
        message(
            "session_state, rooms and a subscription",
            state,
            &SessionState {
                rooms: vec![of_room(3)],
                subscriptions: vec![rooms(Some("tic_tac_toe"))],
                ..SessionState::default()
            },
        ),
        message(
            "session_state, everything",
            state,
            &SessionState {
                rooms: vec![of_room(3), of_room(300)],
                party: Some(json(r#"{"party_id":"p1"}"#)),
                tickets: vec![json(r#"{"ticket_id":"t1"}"#), json("2")],
                subscriptions: vec![rooms(None)],
            },
        ),
    ]
}

pub(super) fn results() -> Vec<Vector> {
    let mut vectors = joined();
    vectors.extend(lists());
    vectors.extend(failures());
    vectors
}

fn members() -> Vec<Member> {
    vec![
        Member::of(user("ada"), "Ada", Role::Player, Some(0), true),
        Member::of(user("guest-0000000000000007"), "Zoë 🎲", Role::Spectator, None, false),
    ]
}

/// A room of which much is told, or of which nothing more is known.
fn room_joined(lane: u32, seat: Option<u16>, role: Role, codec: Codec) -> RoomJoined {
    let is_full = lane == 3;
    let data = |key: &str, value: &str| {
        [(key.to_owned(), Json::from_text(value.into()).expect("JSON"))].into_iter().filter(|_| is_full).collect()
    };
    let mut members = members();
    if is_full {
        let first = &mut members[0];
        (first.number, first.ready, first.bot, first.joined_at_ms) = (70_000, true, true, 1_790_000_000_000);
        (first.muted, first.away, first.typing, first.wants_seat) = (true, true, true, Some(0));
        first.data = data("color", r#""red""#);
    }
    RoomJoined {
        lane: LaneId(lane),
        room_id: room_id(),
        game: "tic_tac_toe".into(),
        game_version: 2,
        name: "Ada's table".into(),
        seat,
        role,
        durable: lane == 1,
        created_at_ms: 1_790_000_000_000,
        created_by: is_full.then(|| user("ada")),
        owner: is_full.then(|| user("ada")),
        seats_max: 2,
        visibility: if is_full { Visibility::Private } else { Visibility::Public },
        locked: is_full,
        recorded: is_full,
        has_password: is_full,
        state: if is_full { RoomState::Paused } else { RoomState::Waiting },
        spectators: if is_full { 10_000 } else { 0 },
        spectator_delay_ms: if is_full { 300_000 } else { 0 },
        data: data("level", r#"{"at":[3]}"#),
        seat_queue: is_full.then(|| user("eve")).into_iter().collect(),
        vote: is_full.then(|| Vote {
            absent: vec![user("bob")],
            yes: vec![user("ada")],
            no: vec![],
            ends_at_ms: 1_790_000_030_000,
        }),
        chat: is_full.then(entry).into_iter().collect(),
        members,
        view: Payload::encode(codec, &view()).expect("a view"),
    }
}

fn entry() -> ChatEntry {
    ChatEntry {
        message_id: MessageId(u64::MAX),
        user_id: user("ada"),
        username: "Ada".into(),
        text: "Hello,\n\"Zoë\" 🎲".into(),
        at_ms: 1_790_000_000_000,
        edited: true,
        deleted: false,
    }
}

fn joined() -> Vec<Vector> {
    let (one, text) = (reference("7"), reference(r#""create-1""#));
    let result = |name, kind, reference, lane, seat, role| {
        per_codec(
            name,
            Header { reference: Some(reference), success: Some(true), ..Header::new(kind) }.in_room(ROOM),
            &room_joined(lane, seat, role, Codec::Json),
            &room_joined(lane, seat, role, Codec::Bincode),
        )
    };
    vec![
        result("create_room_result", "create_room_result", &text, 1, Some(0), Role::Player),
        result("join_room_result", "join_room_result", &one, 3, Some(1), Role::Player),
        result("join_room_result of a spectator", "join_room_result", &one, 300, None, Role::Spectator),
        message(
            "leave_room_result",
            Header { reference: Some(&one), success: Some(true), ..Header::new("leave_room_result") }.in_room(ROOM),
            &Empty {},
        ),
    ]
}

fn summary(name: &str, players: u16, state: RoomState) -> RoomSummary {
    RoomSummary {
        room_id: room_id(),
        game: "tic_tac_toe".into(),
        name: name.into(),
        players,
        seats_max: 2,
        spectators: 1000,
        state,
        durable: players == 2,
        locked: players == 2,
        has_password: players == 2,
        created_at_ms: 1_790_000_000_000,
        data: DataMap::from([("level".into(), Json::from(u64::from(players)))]),
    }
}

fn lists() -> Vec<Vector> {
    let truth = reference("true");
    let success = |kind| Header { reference: Some(&truth), success: Some(true), ..Header::new(kind) };
    let rooms = vec![
        summary("Ada's table", 1, RoomState::Waiting),
        summary("\"2\"\n\\", 2, RoomState::Playing),
        summary("三", 2, RoomState::Finished),
    ];
    let ts = Json::from_text(r#"{"sent":1.5}"#.into()).expect("JSON");
    vec![
        message("pong", Header::new("pong"), &Pong { ts, server_time_ms: 1_790_000_000_000 }),
        message(
            "list_rooms_result, empty",
            success("list_rooms_result"),
            &RoomList { rooms: vec![], total: 0, next: None },
        ),
        message(
            "list_rooms_result",
            success("list_rooms_result"),
            &RoomList { rooms: rooms.clone(), total: 70_000, next: None },
        ),
        message("subscribe_rooms_result", success("subscribe_rooms_result"), &RoomList { rooms, total: 3, next: None }),
        message("unsubscribe_rooms_result", success("unsubscribe_rooms_result"), &Empty {}),
    ]
}

fn failures() -> Vec<Vector> {
    let reason = |reason: &str| json!({ "reason": reason });
    let seven = reference("7");
    let failed = |name, kind, reference, error: ErrorBody| {
        message(name, Header { reference, success: Some(false), error: Some(&error), ..Header::new(kind) }, &Empty {})
    };
    vec![
        failed(
            "join_room_result, full",
            "join_room_result",
            Some(&seven),
            ErrorBody::new(ErrorCode::RoomFull, "Room k3v9k3v9k3 has no free seat.")
                .with_details(&json!({ "room_id": ROOM })),
        ),
        failed(
            "join_room_result, wrong password",
            "join_room_result",
            Some(&seven),
            ErrorBody::new(ErrorCode::WrongPassword, "That is not the room's password."),
        ),
        failed(
            "join_room_result, locked",
            "join_room_result",
            Some(&seven),
            ErrorBody::new(ErrorCode::RoomLocked, "The room is locked.").with_details(&reason("locked")),
        ),
        failed(
            "join_room_result, kicked",
            "join_room_result",
            Some(&seven),
            ErrorBody::new(ErrorCode::Banned, "You were sent out of the room.").with_details(&reason("kicked")),
        ),
        failed(
            "list_rooms_result, no such operator",
            "list_rooms_result",
            Some(&seven),
            ErrorBody::new(ErrorCode::InvalidData, "The filter is wrong at part 1.")
                .with_details(&json!({ "position": 1, "reason": "The operator must be =, !=, <, <=, >, >= or in." })),
        ),
        failed(
            "kick_result, not the owner",
            "kick_result",
            Some(&seven),
            ErrorBody::new(ErrorCode::NotOwner, "Only the room's owner may do that."),
        ),
        failed(
            "add_bot_result, conflict",
            "add_bot_result",
            Some(&seven),
            ErrorBody::new(ErrorCode::Conflict, "Seat 1 is taken."),
        ),
        failed(
            "make_move_result, refused",
            "make_move_result",
            Some(&seven),
            ErrorBody::new(ErrorCode::NotYourTurn, "It is Zoë's turn."),
        ),
        failed(
            "create_room_result, no such game",
            "create_room_result",
            Some(&seven),
            ErrorBody::new(ErrorCode::GameNotFound, "There is no game \"chess\" here."),
        ),
    ]
}

pub(super) fn pushes() -> Vec<Vector> {
    let mut vectors = presence();
    vectors.extend(lobby());
    vectors.extend(room());
    vectors.extend(updates());
    vectors.extend(errors());
    vectors
}

/// What has changed, and what is gone.
fn updates() -> Vec<Vector> {
    let room = Header::new("room_updated").in_room(ROOM);
    let member = Header::new("member_updated").in_room(ROOM);
    let gone = || DataMap::from([("level".to_owned(), Json::default())]);
    let nobody =
        RoomUpdated { owner: Some(None), vote: Some(None), seat_queue: Some(vec![]), ..RoomUpdated::default() };
    let everything = RoomUpdated {
        name: Some("Zoë 🎲".into()),
        visibility: Some(Visibility::Unlisted),
        locked: Some(false),
        has_password: Some(true),
        seats_max: Some(300),
        owner: Some(Some(user("bob"))),
        state: Some(RoomState::Playing),
        spectators: Some(70_000),
        seat_queue: Some(vec![user("eve")]),
        vote: Some(Some(Vote::default())),
        data: None,
    };
    let of = MemberUpdated::of(user("ada"), 300);
    let all_of_them = MemberUpdated {
        role: Some(Role::Player),
        seat: Some(Some(1)),
        ready: Some(true),
        bot: Some(false),
        muted: Some(true),
        wants_seat: Some(Some(0)),
        ..of.clone()
    };
    let away = MemberUpdated { role: Some(Role::Spectator), seat: Some(None), wants_seat: Some(None), ..of.clone() };
    let chat = Header::new("chat").in_room(ROOM);
    let deleted = ChatEntry { text: String::new(), edited: false, deleted: true, ..entry() };
    vec![
        message("room_updated, nothing", room, &RoomUpdated::default()),
        message("room_updated, nobody any more", room, &nobody),
        message("room_updated, everything", room, &everything),
        message(
            "room_updated, a key is gone",
            Header { latest: Some("d.level"), ..room },
            &RoomUpdated { data: Some(gone()), ..RoomUpdated::default() },
        ),
        message("member_updated, everything", member, &all_of_them),
        message("member_updated, no seat any more", member, &away),
        message(
            "member_updated, a key is gone",
            Header { latest: Some("m300.level"), ..member },
            &MemberUpdated { data: Some(gone()), ..of },
        ),
        message("chat, edited", chat, &entry()),
        message("chat, deleted", chat, &deleted),
    ]
}

fn presence() -> Vec<Vector> {
    let member = members().swap_remove(0);
    let (user_id, username) = (user("ada"), "Ada".to_owned());
    let left = |reason| ClientLeft { user_id: user("ada"), username: "Ada".into(), reason };
    vec![
        message("client_joined", Header::new("client_joined").in_room(ROOM), &ClientJoined { member }),
        message(
            "client_disconnected",
            Header::new("client_disconnected").in_room(ROOM),
            &ClientDisconnected { user_id: user_id.clone(), username: username.clone(), grace_ms: 60_000 },
        ),
        message(
            "client_reconnected",
            Header::new("client_reconnected").in_room(ROOM),
            &ClientReconnected { user_id, username },
        ),
        message("client_left, by choice", Header::new("client_left").in_room(ROOM), &left(LeftReason::Left)),
        message("client_left, timed out", Header::new("client_left").in_room(ROOM), &left(LeftReason::TimedOut)),
        message("client_left, kicked", Header::new("client_left").in_room(ROOM), &left(LeftReason::Kicked)),
        message("client_left, banned", Header::new("client_left").in_room(ROOM), &left(LeftReason::Banned)),
        message("client_left, disconnected", Header::new("client_left").in_room(ROOM), &left(LeftReason::Disconnected)),
    ]
}

fn lobby() -> Vec<Vector> {
    vec![message(
        "rooms_changed",
        Header::new("rooms_changed"),
        &RoomsChanged {
            added: vec![summary("new", 0, RoomState::Waiting)],
            updated: vec![summary("old", 2, RoomState::Playing)],
            removed: vec![room_id(), RoomId::from_bits(7)],
        },
    )]
}

fn room() -> Vec<Vector> {
    let state = Header::new(GAME_STATE).in_room(ROOM);
    let closed = |name, reason, words: &str| {
        message(name, Header::new("room_closed").in_room(ROOM), &RoomClosed { reason, message: words.into() })
    };
    vec![
        message("game_state", state, &view()),
        message("game_state, latest", Header { latest: Some("game_state"), ..state }, &view()),
        closed("room_closed, replaced", ClosedReason::Replaced, "You took this seat from elsewhere."),
        closed("room_closed, the game failed", ClosedReason::GameFailed, "The game failed; the room is gone."),
        closed("room_closed, kicked", ClosedReason::Kicked, "The room's owner has sent you out."),
        closed("room_closed, banned", ClosedReason::Banned, "The room's owner has sent you out."),
        closed("room_closed, idle", ClosedReason::Idle, "Nobody did anything here for too long."),
        closed("room_closed, expired", ClosedReason::Expired, "The room has been there for as long as it may."),
        closed("room_closed, closed", ClosedReason::Closed, "The room was closed."),
        closed("room_closed, shutting down", ClosedReason::ShuttingDown, "The server is shutting down."),
    ]
}

fn errors() -> Vec<Vector> {
    let error = |name, room_id, error: ErrorBody| {
        let header = Header { room_id, success: Some(false), error: Some(&error), ..Header::new("error") };
        message(name, header, &Empty {})
    };
    vec![
        error(
            "error with details",
            None,
            ErrorBody::new(ErrorCode::UnknownType, "There is no message of type \"fly\" here.")
                .with_details(&json!({ "type": "fly" })),
        ),
        error("error, retryable", None, ErrorBody::new(ErrorCode::RateLimited, "Too many messages; slow down.")),
        error("error in a room", Some(ROOM), ErrorBody::new(ErrorCode::InvalidMove, "That cell is taken.")),
    ]
}
