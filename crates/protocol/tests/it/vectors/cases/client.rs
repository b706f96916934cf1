//! What clients send.

use anteroom_protocol::message::member::UpdateRoom;
use anteroom_protocol::message::request::*;
use anteroom_protocol::message::resume::{Ack, Reconnect, Resume};
use anteroom_protocol::message::{Access, AccessMap, DataMap, OwnerPolicy, Role, Visibility};
use anteroom_protocol::{Codec, Header, Json, RoomId, SCHEMA, SessionId, VERSION};

use super::{Vector, counts, json_always, message, reference};

pub(super) fn session() -> Vec<Vector> {
    let mut vectors = handshakes();
    vectors.extend(reconnects());
    vectors.extend(counting());
    vectors.push(json_always(
        "goodbye from a client",
        Header::new("goodbye"),
        &Goodbye { code: 1000, reason: "Done for today.".into() },
    ));
    vectors
}

fn handshakes() -> Vec<Vector> {
    vec![
        json_always(
            "handshake, the least",
            Header::new("handshake"),
            &Handshake { version: VERSION, ..Handshake::default() },
        ),
        json_always(
            "handshake, everything",
            Header::new("handshake"),
            &Handshake {
                version: VERSION,
                name: Some("Ada".into()),
                token: Some("eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl".into()),
                client: Some("example/1.0".into()),
                resume: true,
                codec: Some(Codec::Bincode),
                schema: Some(schema_placeholder()),
                nonce: Some("b3ab8c0e".into()),
            },
        ),
    ]
}

fn reconnects() -> Vec<Vector> {
    let seven = reference("7");
    let live = Reconnect {
        session_id: SessionId::from_bits(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
        resume_token: "c2Vzc2lvbiB0b2tlbg".into(),
        attempt: 1,
        received: None,
        fresh: false,
    };
    let received = |lanes: &[(u32, u64)]| Reconnect { attempt: 2, received: Some(counts(lanes)), ..live.clone() };
    let header = Header::new("reconnect");
    vec![
        json_always("reconnect, a live move", header, &live),
        json_always("reconnect after a loss", header, &received(&[(0, 17), (3, 402)])),
        json_always("reconnect after a loss, nothing received", header, &received(&[])),
        json_always(
            "reconnect, fresh",
            Header { reference: Some(&seven), ..header },
            &Reconnect { attempt: u64::MAX, fresh: true, ..live.clone() },
        ),
    ]
}

fn counting() -> Vec<Vector> {
    let ack = Header::new("ack");
    let resume = Header::new("resume");
    vec![
        message("ack from either side", ack, &Ack { counts: counts(&[(0, 17), (3, 402)]) }),
        message("ack, numbers of all sizes", ack, &Ack { counts: counts(&[(300, 70_000), (u32::MAX, u64::MAX)]) }),
        message("resume", resume, &Resume { received: counts(&[(0, 250), (3, 251)]) }),
        message("resume, nothing received", resume, &Resume::default()),
    ]
}

/// A value of the right form; the true one is derived from the vectors and cannot be in them.
fn schema_placeholder() -> String {
    "0".repeat(SCHEMA.len())
}

pub(super) fn requests() -> Vec<Vector> {
    let mut vectors = pings();
    vectors.extend(create_room());
    vectors.extend(join_room());
    vectors.extend(leave_room());
    vectors.extend(listing());
    vectors.extend(updates());
    vectors
}

fn pings() -> Vec<Vector> {
    let ping = |name, ts: &str| {
        message(name, Header::new("ping"), &Ping { ts: Json::from_text(ts.to_owned()).expect("JSON") })
    };
    vec![
        ping("ping, a number", "1790000000000"),
        ping("ping, null", "null"),
        ping("ping, an object", r#"{"sent":1.5,"by":"clock \"A\" ü"}"#),
    ]
}

fn create_room() -> Vec<Vector> {
    let (number, text) = (reference("7"), reference(r#""create-1""#));
    vec![
        message(
            "create_room, the least",
            Header::new("create_room"),
            &CreateRoom { game: "tic_tac_toe".into(), ..CreateRoom::default() },
        ),
        message(
            "create_room, ref a number",
            Header { reference: Some(&number), ..Header::new("create_room") },
            &CreateRoom { game: "tic_tac_toe".into(), name: Some("Ada's table".into()), ..CreateRoom::default() },
        ),
        message(
            "create_room, ref a string, numbered",
            Header { reference: Some(&text), n: Some(1), ..Header::new("create_room") },
            &CreateRoom {
                game: "relay".into(),
                name: Some("Zoë 🎲".into()),
                options: Some(Json::from_text(r#"{"seats":4}"#.into()).expect("JSON")),
                durable: Some(true),
                ..CreateRoom::default()
            },
        ),
        message(
            "create_room, everything",
            Header::new("create_room"),
            &CreateRoom {
                game: "relay".into(),
                name: Some("Zoë 🎲".into()),
                options: Some(Json::from_text("{}".into()).expect("JSON")),
                durable: Some(false),
                visibility: Some(Visibility::Private),
                password: Some("swordfish".into()),
                seats_max: Some(300),
                data: Some(DataMap::from([("level".into(), Json::from(3))])),
                access: Some(AccessMap::from([("level".into(), Access::Owner), ("map".into(), Access::Public)])),
                spectator_delay_ms: Some(300_000),
                owner_policy: Some(OwnerPolicy::Manual),
                empty_ttl_ms: Some(0),
                idle_ttl_ms: Some(600_000),
                lifetime_max_ms: Some(5_000_000_000),
                record: Some(true),
            },
        ),
    ]
}

/// The differences that are hard to see: what is not named, and what is taken away.
fn updates() -> Vec<Vector> {
    let header = Header::new("update_room").in_room("k3v9k3v9k3");
    let gone = DataMap::from([("level".to_owned(), Json::default())]);
    vec![
        message("update_room, nothing", header, &UpdateRoom::default()),
        message(
            "update_room, no password any more",
            header,
            &UpdateRoom { password: Some(None), ..UpdateRoom::default() },
        ),
        message(
            "update_room, everything",
            header,
            &UpdateRoom {
                name: Some("Zoë 🎲".into()),
                visibility: Some(Visibility::Unlisted),
                locked: Some(false),
                password: Some(Some("swordfish".into())),
                seats_max: Some(300),
                data: Some(gone),
                access: Some(AccessMap::from([("map".to_owned(), Access::Members)])),
            },
        ),
    ]
}

fn join_room() -> Vec<Vector> {
    let (number, text) = (reference("-1.50"), reference(r#""j\u00fc\"\\""#));
    vec![
        message(
            "join_room by id",
            Header { reference: Some(&number), n: Some(250), ..Header::new("join_room") },
            &JoinRoom { room_id: Some("k3v9k3v9k3".into()), ..JoinRoom::default() },
        ),
        message(
            "join_room as a spectator",
            Header { reference: Some(&text), n: Some(251), ..Header::new("join_room") },
            &JoinRoom { room_id: Some("k3v9k3v9k3".into()), role: Some(Role::Spectator), ..JoinRoom::default() },
        ),
        message(
            "join_room, password and invite",
            Header::new("join_room"),
            &JoinRoom {
                room_id: Some("k3v9k3v9k3".into()),
                password: Some("swordfish".into()),
                invite: Some("4m0ztq8c5ha2gk9x7d1r".into()),
                ..JoinRoom::default()
            },
        ),
        message(
            "join_room, quick",
            Header { n: Some(70_000), ..Header::new("join_room") },
            &JoinRoom {
                game: Some("tic_tac_toe".into()),
                quick: true,
                role: Some(Role::Player),
                ..JoinRoom::default()
            },
        ),
    ]
}

fn leave_room() -> Vec<Vector> {
    let one = reference("1");
    let room_id: RoomId = "k3v9k3v9k3".parse().expect("a room id");
    vec![
        message(
            "leave_room on the room's lane",
            Header { reference: Some(&one), n: Some(5_000_000_000), ..Header::new("leave_room") }.in_room("k3v9k3v9k3"),
            &LeaveRoom::default(),
        ),
        message("leave_room by its data", Header::new("leave_room"), &LeaveRoom { room_id: Some(room_id) }),
        message("leave_room, the only one", Header::new("leave_room"), &LeaveRoom::default()),
    ]
}

fn listing() -> Vec<Vector> {
    let truth = reference("true");
    let game = Some("relay".to_owned());
    vec![
        message(
            "list_rooms, ref a boolean",
            Header { reference: Some(&truth), ..Header::new("list_rooms") },
            &ListRooms::default(),
        ),
        message(
            "list_rooms of a game",
            Header::new("list_rooms"),
            &ListRooms { game: game.clone(), ..ListRooms::default() },
        ),
        message(
            "list_rooms, a page of a filter",
            Header::new("list_rooms"),
            &ListRooms {
                game: game.clone(),
                filter: Some(Json::from_text(r#"[["free_seats",">",0]]"#.into()).expect("JSON")),
                sort: Some("-players".into()),
                cursor: Some("2a".into()),
                limit: Some(500),
            },
        ),
        message("subscribe_rooms", Header::new("subscribe_rooms"), &SubscribeRooms::default()),
        message("subscribe_rooms of a game", Header::new("subscribe_rooms"), &SubscribeRooms { game, filter: None }),
        message("unsubscribe_rooms", Header::new("unsubscribe_rooms"), &UnsubscribeRooms {}),
    ]
}
