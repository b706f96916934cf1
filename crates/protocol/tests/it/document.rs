//! `PROTOCOL.md` says what the code does: its examples are messages, and its tables are those of the code.

use std::collections::{BTreeMap, BTreeSet};

use anteroom_protocol::codec::Data;
use anteroom_protocol::envelope::{Envelope, decode_batch};
use anteroom_protocol::lane::UNCOUNTED_TYPES;
use anteroom_protocol::limits::*;
use anteroom_protocol::message::request::CreateRoom;
use anteroom_protocol::message::row::{Row, Sender, Shape};
use anteroom_protocol::message::table::{NAMED_SHAPES, ROWS};
use anteroom_protocol::{Codec, ErrorCode, Limits, SCHEMA};

use crate::table::{full_name, row_of_example};

const DOCUMENT: &str = include_str!("../../PROTOCOL.md");

/// The texts of the fenced blocks of one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    DOCUMENT.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect()
}

/// Whether the data of one of the protocol's own messages is what its type asks for; `None` for other types.
fn check_data(envelope: &Envelope<'_>) -> Option<Result<(), String>> {
    let row = row_of_example(&envelope.kind, envelope.data).filter(|row| row.shape != Shape::Game)?;
    if envelope.success == Some(false) {
        return Some(if envelope.data == Data::Json("{}") { Ok(()) } else { Err("a failure has no data".into()) });
    }
    Some(row.translate(envelope.data, Codec::Json).map(drop).map_err(|error| error.to_string()))
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
    let games =
        ["choose_next", "game_state", "make_move", "message", "rematch", "roll", "select", "send", "set", "set_aside"];
    assert_eq!(others, [&games[..], &["sidebet_propose", "value"]].concat(), "what games say");
}

#[test]
fn every_type_is_described() {
    for Row { name, .. } in ROWS {
        assert!(DOCUMENT.contains(&format!("`{name}`")) || DOCUMENT.contains(&format!("`{name} ")), "{name}");
    }
}

/// The rows of a table of the document by the words at its head, cell by cell.
fn rows(head: &str) -> Vec<Vec<&'static str>> {
    let (_, rest) = DOCUMENT.split_once(head).unwrap_or_else(|| panic!("no table {head:?}"));
    let rows = rest.trim_start().lines().take_while(|line| line.starts_with('|'));
    rows.filter(|row| !row.starts_with("|---"))
        .map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

/// The names in backticks.
fn names(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_binary_shapes_are_those_of_the_table() {
    let described: BTreeMap<String, &str> = rows("| type | fields of `data` |")
        .iter()
        .flat_map(|row| {
            let side = [" (sent)", " (told)"].into_iter().find(|side| row[0].ends_with(side)).unwrap_or_default();
            let shape = if row[1] == "none" { "" } else { row[1] };
            names(row[0]).into_iter().map(move |name| (format!("{name}{side}"), shape))
        })
        .collect();
    let binary = |row: &Row| match row.shape {
        Shape::Binary(shape) => Some((full_name(row), shape)),
        Shape::Game => Some((full_name(row), "the game's view")),
        Shape::Json => None,
    };
    assert_eq!(described, ROWS.iter().filter_map(binary).collect());

    let head = "\n| name | shape |";
    let mut named: BTreeMap<&str, String> = rows(head).iter().map(|row| (row[0], row[1].to_owned())).collect();
    let fields: Vec<String> = rows("| field | type |\n")
        .iter()
        .map(|row| format!("{}: {}", names(row[0])[0], row[1].split(':').next().unwrap_or_default()))
        .collect();
    named.insert("envelope", fields.join(", "));
    assert_eq!(named, NAMED_SHAPES.iter().map(|(name, shape)| (*name, (*shape).to_owned())).collect());
}

#[test]
fn what_is_json_in_every_session_is_said() {
    let (_, rest) = DOCUMENT.split_once("### Where a binary session is JSON").expect("the section");
    let section = rest.split("\n## ").next().unwrap_or_default();
    for row in ROWS.iter().filter(|row| row.shape == Shape::Json) {
        assert!(section.contains(&format!("`{}`", row.name)), "{}", row.name);
    }
}

#[test]
fn what_is_not_counted_is_listed() {
    let (_, rest) = DOCUMENT.split_once("a record or frame, except\n\n- ").expect("the list");
    let listed: BTreeSet<&str> = names(rest.lines().next().unwrap_or_default()).into_iter().collect();
    assert_eq!(listed, UNCOUNTED_TYPES.iter().copied().collect());
    // A server sends no ping, but could.
    let uncounted = ROWS.iter().filter(|row| !row.is_counted && (row.sender != Sender::Client || row.name == "ping"));
    assert_eq!(listed, uncounted.map(|row| row.name).collect());
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
        (
            "| nesting of a value that is passed on (`payload`, `options`, `ts`, `details`, values of data), and of a filter |",
            JSON_VALUE_DEPTH_MAX,
        ),
        ("| rooms in a list, and in each part of `rooms_changed` |", ROOMS_LISTED_MAX),
        ("| keys of data of a room, and of a member |", DATA_KEYS_MAX),
        ("| a key of data |", DATA_KEY_BYTES_MAX),
        ("| a value of data |", DATA_VALUE_BYTES_MAX),
        ("| keys and values of data of all listed members of a room |", MEMBERS_DATA_BYTES_MAX),
        ("| the password of a room |", PASSWORD_BYTES_MAX),
        ("| what is said at once |", CHAT_BYTES_MAX),
        ("| spectators that are listed by name |", SPECTATORS_LISTED_MAX),
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
    assert_eq!(envelope.data.decode(), Ok(CreateRoom { game: "tic_tac_toe".into(), name, ..CreateRoom::default() }));
}
