//! The table of messages: what it makes of each type, and that nobody's type has become another.

use std::collections::BTreeSet;

use anteroom_protocol::Codec;
use anteroom_protocol::codec::Data;
use anteroom_protocol::envelope::decode_batch;
use anteroom_protocol::message::row::{Form, Owner, Row, Sender};
use anteroom_protocol::message::table::{ROWS, row_of};
use anteroom_protocol::message::{RESERVED_TYPES, Request, RequestKind};

fn kind_of(text: &str) -> (RequestKind, Result<Request, String>) {
    let mut messages = decode_batch(Codec::Json, text.as_bytes()).expect("JSON");
    let envelope = messages.next().expect("a message").expect("an envelope");
    let kind = RequestKind::of(&envelope);
    (kind, Request::parse(kind, &envelope).map_err(|error| error.to_string()))
}

/// The row that a message in JSON is of. Of two with one name it is the server's if it has what that asks for, since
/// a client's has not.
pub(crate) fn row_of_example(name: &str, data: Data<'_>) -> Option<&'static Row> {
    let mut rows: Vec<_> = ROWS.iter().filter(|row| row.name == name).collect();
    rows.sort_by_key(|row| row.sender == Sender::Client);
    let last = rows.last().copied();
    rows.into_iter().find(|row| row.translate(data, Codec::Json).is_ok()).or(last)
}

/// A name for a row that no other row has.
pub(crate) fn full_name(row: &Row) -> String {
    match (ROWS.iter().filter(|other| other.name == row.name).count(), row.sender) {
        (1, _) => row.name.to_owned(),
        (_, Sender::Client) => format!("{} (sent)", row.name),
        _ => format!("{} (told)", row.name),
    }
}

/// Clients and servers that are out there know these.
#[test]
fn no_name_is_given_up() {
    let names = "ack add_bot ban chat chat_delete chat_edit chat_history choose_seat client_disconnected client_joined \
        client_left client_reconnected create_invite create_room error game_state get_participants goodbye handshake \
        handshake_accepted join_room kick lane leave_room list_rooms member_updated mute pause ping pong presence \
        queue_for_seat ready reconnect remove_bot resume room_closed room_updated rooms_changed session_state \
        set_member_data subscribe_rooms system transfer_owner unban unpause unsubscribe_rooms update_room vote";
    for name in names.split_whitespace() {
        assert!(RESERVED_TYPES.contains(&name), "{name}");
    }
}

#[test]
fn every_type_is_there_once() {
    let names: BTreeSet<String> = ROWS.iter().map(full_name).collect();
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

/// What is said in a room has one name on its way there and back, and two shapes.
#[test]
fn a_type_that_both_sides_send_is_looked_up_by_who_sends_it() {
    for name in ["chat", "presence"] {
        let [asked, told] = [false, true].map(|from_server| row_of(name, from_server).expect("a row"));
        assert_eq!((asked.sender, asked.form), (Sender::Client, Form::Request), "{name}");
        assert_eq!((told.sender, told.form), (Sender::Server, Form::Push), "{name}");
        assert_ne!(asked.shape, told.shape, "{name}");
    }
    assert!(row_of("kick", true).is_none() && row_of("system", false).is_none());
    assert_eq!(row_of("ack", true).map(|row| row.name), row_of("ack", false).map(|row| row.name));
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
