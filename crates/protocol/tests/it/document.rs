//! `PROTOCOL.md` says what the code does: its examples are messages, and its tables are those of the code.

use anteroom_protocol::codec::Data;
use anteroom_protocol::envelope::{Envelope, decode_batch};
use anteroom_protocol::limits::*;
use anteroom_protocol::message::push::*;
use anteroom_protocol::message::request::*;
use anteroom_protocol::message::result::*;
use anteroom_protocol::message::resume::*;
use anteroom_protocol::message::{Message, RESERVED_TYPES, Request};
use anteroom_protocol::{Codec, ErrorCode, Limits, SCHEMA};
use serde::de::DeserializeOwned;

const DOCUMENT: &str = include_str!("../../PROTOCOL.md");

/// The texts of the fenced blocks of one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    DOCUMENT.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect()
}

fn data_is<T: DeserializeOwned>(data: Data<'_>) -> Result<(), String> {
    let Data::Json(text) = data else { return Err("not JSON".into()) };
    serde_json::from_str::<T>(text).map(drop).map_err(|error| error.to_string())
}

/// Whether the data of one of the protocol's own messages is what its type asks for; `None` for other types.
fn check_data(envelope: &Envelope<'_>) -> Option<Result<(), String>> {
    let data = envelope.data;
    if envelope.success == Some(false) {
        return Some(if data == Data::Json("{}") { Ok(()) } else { Err("a failure has no data".into()) });
    }
    let request = |kind: &str| envelope.kind.strip_suffix("_result") == Some(kind);
    Some(match &*envelope.kind {
        "handshake" => data_is::<Handshake>(data),
        "handshake_accepted" => data_is::<HandshakeAccepted>(data),
        "reconnect" => data_is::<Reconnect>(data),
        Reconnected::TYPE => data_is::<Reconnected>(data),
        Resume::TYPE => data_is::<Resume>(data),
        Ack::TYPE => data_is::<Ack>(data),
        LaneOpened::TYPE => data_is::<LaneOpened>(data),
        SessionState::TYPE => data_is::<SessionState>(data),
        "goodbye" => data_is::<Goodbye>(data),
        Ping::TYPE => data_is::<Ping>(data),
        Pong::TYPE => data_is::<Pong>(data),
        CreateRoom::TYPE => data_is::<CreateRoom>(data),
        JoinRoom::TYPE => data_is::<JoinRoom>(data),
        LeaveRoom::TYPE => data_is::<LeaveRoom>(data),
        ListRooms::TYPE => data_is::<ListRooms>(data),
        SubscribeRooms::TYPE => data_is::<SubscribeRooms>(data),
        UnsubscribeRooms::TYPE => data_is::<UnsubscribeRooms>(data),
        ClientJoined::TYPE => data_is::<ClientJoined>(data),
        ClientDisconnected::TYPE => data_is::<ClientDisconnected>(data),
        ClientReconnected::TYPE => data_is::<ClientReconnected>(data),
        ClientLeft::TYPE => data_is::<ClientLeft>(data),
        RoomsChanged::TYPE => data_is::<RoomsChanged>(data),
        RoomClosed::TYPE => data_is::<RoomClosed>(data),
        _ if request(JoinRoom::TYPE) => data_is::<<JoinRoom as Request>::Answer>(data),
        _ if request(LeaveRoom::TYPE) => data_is::<<LeaveRoom as Request>::Answer>(data),
        _ if request(ListRooms::TYPE) => data_is::<<ListRooms as Request>::Answer>(data),
        _ => return None,
    })
}

#[test]
fn every_example_is_a_message_of_its_type() {
    let (mut checked, mut others) = (0, Vec::new());
    for block in blocks("json") {
        let messages = decode_batch(Codec::Json, block.as_bytes()).unwrap_or_else(|error| panic!("{error}: {block}"));
        for message in messages {
            let envelope = message.unwrap_or_else(|error| panic!("{error}: {block}"));
            match check_data(&envelope) {
                Some(result) => {
                    result.unwrap_or_else(|error| panic!("{error}: {block}"));
                    checked += 1;
                }
                None => others.push(envelope.kind.into_owned()),
            }
        }
    }
    assert!(checked >= 25, "only {checked} examples were found");
    others.sort_unstable();
    others.dedup();
    assert_eq!(others, ["game_state", "make_move", "message", "rematch", "send"]);
}

#[test]
fn every_type_is_described() {
    for kind in RESERVED_TYPES {
        assert!(DOCUMENT.contains(&format!("`{kind}`")) || DOCUMENT.contains(&format!("`{kind} ")), "{kind}");
    }
}

#[test]
fn the_table_of_errors_says_what_is_retryable() {
    for code in ErrorCode::ALL.iter().filter(|code| **code != ErrorCode::Unrecognized) {
        let start = format!("| {} | `{}` |", code.number(), code.name());
        let row = DOCUMENT.lines().find(|line| line.starts_with(&start)).unwrap_or_default();
        assert!(row.ends_with(if code.retryable() { "| yes |" } else { "| no |" }), "{row:?} for {code}");
    }
}

#[test]
fn the_limits_are_those_of_the_code() {
    let limits = Limits::default();
    for (what, limit) in [
        ("| `type` | 1 to", TYPE_BYTES_MAX),
        ("| `ref` |", REF_BYTES_MAX),
        ("| `latest` and other keys |", KEY_BYTES_MAX),
        ("| `user_id` |", USER_ID_BYTES_MAX),
        ("| names of players and rooms |", NAME_CHARS_MAX),
        ("| `handshake.token` |", TOKEN_BYTES_MAX),
        ("| messages in a batch, either way |", BATCH_MESSAGES_MAX),
        ("| nesting of a message in JSON, counting the envelope, but not a batch's array |", JSON_DEPTH_MAX),
        ("| nesting of `data` in JSON |", JSON_DATA_DEPTH_MAX),
        ("| nesting of a value that is passed on (`payload`, `options`, `ts`, `details`) |", JSON_VALUE_DEPTH_MAX),
        ("| rooms in a list, and in each part of `rooms_changed` |", ROOMS_LISTED_MAX),
        ("| frame or record from the server |", SERVER_FRAME_BYTES_MAX),
        ("| reason of a close |", anteroom_protocol::code::CLOSE_REASON_BYTES_MAX),
        ("| `message_bytes_max` |", limits.message_bytes_max as usize),
        ("| `rooms_max` |", limits.rooms_max as usize),
        ("| `unacked_messages_max` |", limits.unacked_messages_max as usize),
        ("| `unacked_bytes_max` |", limits.unacked_bytes_max as usize),
    ] {
        assert!(DOCUMENT.contains(&format!("{what} {limit} ")), "{what} {limit}");
    }
    assert!(DOCUMENT.contains(&format!("cut at about {BATCH_BYTES_SOFT_MAX} |")));
}

#[test]
fn the_schema_is_that_of_the_code() {
    assert!(DOCUMENT.contains(&format!("The schema of this document is `{SCHEMA}`")), "{SCHEMA}");
}

/// The worked example of the appendix, its comments taken away, is the message it says it is.
#[test]
fn the_binary_example_is_right() {
    let text = blocks("text").into_iter().find(|block| block.starts_with("0b 63")).expect("the example");
    let is_byte = |word: &&str| word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bytes: Vec<u8> = text
        .lines()
        .flat_map(|line| line.split(' ').take_while(is_byte))
        .map(|byte| u8::from_str_radix(byte, 16).expect("hex"))
        .collect();
    let envelope = decode_batch(Codec::Bincode, &bytes).expect("a batch").next().expect("one").expect("a message");
    assert_eq!((&*envelope.kind, envelope.reference), ("create_room", Some(7.into())));
    let name = Some("Ada's table".to_owned());
    assert_eq!(envelope.data.decode(), Ok(CreateRoom { game: "tic_tac_toe".into(), name, options: None }));
}
