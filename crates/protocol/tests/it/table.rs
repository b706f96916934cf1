//! The table of messages: what it makes of each type, and that nobody's type has become another.

use std::collections::BTreeSet;

use anteroom_protocol::Codec;
use anteroom_protocol::envelope::decode_batch;
use anteroom_protocol::message::row::{Form, Owner, Sender};
use anteroom_protocol::message::table::ROWS;
use anteroom_protocol::message::{RESERVED_TYPES, Request, RequestKind};

fn kind_of(text: &str) -> (RequestKind, Result<Request, String>) {
    let mut messages = decode_batch(Codec::Json, text.as_bytes()).expect("JSON");
    let envelope = messages.next().expect("a message").expect("an envelope");
    let kind = RequestKind::of(&envelope);
    (kind, Request::parse(kind, &envelope).map_err(|error| error.to_string()))
}

/// Clients and servers that are out there know these.
#[test]
fn no_name_is_given_up() {
    let names = "ack client_disconnected client_joined client_left client_reconnected create_room error game_state goodbye \
        handshake handshake_accepted join_room lane leave_room list_rooms ping pong reconnect resume room_closed \
        rooms_changed session_state subscribe_rooms unsubscribe_rooms";
    for name in names.split_whitespace() {
        assert!(RESERVED_TYPES.contains(&name), "{name}");
    }
}

#[test]
fn every_type_is_there_once() {
    let names: BTreeSet<&str> = ROWS.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), ROWS.len());
    for row in ROWS {
        let is_result = row.name.ends_with("_result");
        assert!(RESERVED_TYPES.contains(&row.name) != is_result, "{}", row.name);
        assert!(!is_result || row.form == Form::Answer && row.sender == Sender::Server, "{}", row.name);
    }
}

#[test]
fn a_type_is_what_its_name_says_whatever_room_it_names() {
    for kind in RequestKind::ALL.iter().copied() {
        let name = kind.name().unwrap_or("make_move");
        let (in_room, _) = kind_of(&format!(r#"{{"type":"{name}","room_id":"x"}}"#));
        let (on_control, _) = kind_of(&format!(r#"{{"type":"{name}"}}"#));
        match kind.row() {
            Some(row) => {
                assert_eq!((in_room, on_control), (kind, kind));
                assert_eq!((row.name, row.owner, row.is_counted), (name, kind.owner(), kind.is_counted()));
                assert_ne!(row.sender, Sender::Server);
            }
            None => assert_eq!((in_room, on_control), (RequestKind::Action, RequestKind::Unknown)),
        }
    }
    // What only the server says is nothing to it.
    for name in ["pong", "game_state", "error", "join_room_result"] {
        assert_eq!(kind_of(&format!(r#"{{"type":"{name}"}}"#)).0, RequestKind::Unknown, "{name}");
    }
    assert_eq!(RequestKind::Action.owner(), Owner::Game);
}

#[test]
fn data_is_read_where_there_is_some() {
    assert_eq!(kind_of(r#"{"type":"fly","data":[]}"#), (RequestKind::Unknown, Ok(Request::Unknown)));
    assert_eq!(kind_of(r#"{"type":"fly","room_id":"x","data":7}"#), (RequestKind::Action, Ok(Request::Action)));
    for refused in [r#"{"type":"list_rooms","data":7}"#, r#"{"type":"leave_room","data":7}"#, r#"{"type":"reconnect"}"#]
    {
        assert!(kind_of(refused).1.is_err(), "{refused}");
    }
    // On its room's lane it says all there is to say; and a goodbye is one, whatever it says.
    for taken in [r#"{"type":"leave_room","room_id":"x","data":7}"#, r#"{"type":"goodbye","data":7}"#] {
        assert!(kind_of(taken).1.is_ok(), "{taken}");
    }
}
