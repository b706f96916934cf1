//! What the server sends.

use anteroom_protocol::codec::Payload;
use anteroom_protocol::envelope::Empty;
use anteroom_protocol::message::push::*;
use anteroom_protocol::message::request::Goodbye;
use anteroom_protocol::message::result::*;
use anteroom_protocol::message::resume::{LaneOfRoom, LaneOpened, Reconnected, SessionState, Subscription};
use anteroom_protocol::message::{Member, Role, RoomState, RoomSummary};
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

fn joined() -> Vec<Vector> {
    let (one, text) = (reference("7"), reference(r#""create-1""#));
    let joined = |lane, seat, role, codec| RoomJoined {
        lane: LaneId(lane),
        room_id: room_id(),
        game: "tic_tac_toe".into(),
        game_version: 2,
        name: "Ada's table".into(),
        seat,
        role,
        durable: lane == 1,
        members: members(),
        view: Payload::encode(codec, &view()).expect("a view"),
        created_at_ms: 0,
        created_by: None,
        owner: None,
        seats_max: 2,
        visibility: Default::default(),
        locked: false,
        has_password: false,
        state: Default::default(),
        spectators: 0,
        spectator_delay_ms: 0,
        data: Default::default(),
        seat_queue: Vec::new(),
        vote: None,
        chat: Vec::new(),
    };
    let result = |name, kind, reference, lane, seat, role| {
        per_codec(
            name,
            Header { reference: Some(reference), success: Some(true), ..Header::new(kind) }.in_room(ROOM),
            &joined(lane, seat, role, Codec::Json),
            &joined(lane, seat, role, Codec::Bincode),
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
        locked: false,
        has_password: false,
        created_at_ms: 0,
        data: std::collections::BTreeMap::new(),
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
    vectors.extend(errors());
    vectors
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
