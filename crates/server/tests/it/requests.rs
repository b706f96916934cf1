//! Whatever a client may ask for, out of place: what becomes of it, and on which lane that is said. Who adds a type finds
//! it in here already.

use std::collections::BTreeSet;

use anteroom_protocol::message::RequestKind;
use anteroom_protocol::message::row::{Access, Owner, Sender};
use anteroom_protocol::message::table::ROWS;
use serde_json::{Value, json};

use crate::player::{Player, open, server};

/// The type of a kind; for what is not the protocol's one that no game has.
fn name(kind: RequestKind) -> &'static str {
    kind.name().unwrap_or("fly")
}

/// No request has such data.
fn misshapen(kind: RequestKind, room_id: Option<&str>) -> Value {
    json!({"type": name(kind), "ref": 1, "room_id": room_id, "data": 7})
}

/// It is refused with this code, on the control lane, and the details name it.
#[track_caller]
fn assert_refused(answer: &Value, kind: RequestKind, code: &str) {
    let (name, error) = (name(kind), &answer["error"]);
    assert_eq!(answer["type"], format!("{name}_result"), "{answer}");
    assert_eq!((&answer["success"], &error["code"]), (&json!(false), &json!(code)), "{answer}");
    assert_eq!((&answer["room_id"], &error["details"]["type"]), (&Value::Null, &json!(name)), "{answer}");
}

/// How a session refuses what is misshapen or out of place, in a room that it is not in.
fn refusal(kind: RequestKind, is_in_room: bool) -> Option<&'static str> {
    match (kind, kind.access()) {
        (_, Access::Always) => None,
        (_, Access::Opening) => Some("already_authenticated"),
        (RequestKind::Unknown, _) => Some("unknown_type"),
        (RequestKind::Action, _) => Some("not_in_room"),
        // Nobody but the room reads it.
        _ if kind.owner() == Owner::Member => Some("not_in_room"),
        // On a room's lane it needs no data.
        (RequestKind::LeaveRoom, _) if is_in_room => Some("not_in_room"),
        (_, Access::Inside) => Some("invalid_data"),
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_session_there_is_nothing_to_ask_for() {
    let server = server(open());
    for kind in RequestKind::ALL.iter().copied() {
        let room_id = (kind == RequestKind::Action).then_some("k3v9k3v9k3");
        let mut stranger = Player::connect(&server);
        stranger.say(&[misshapen(kind, room_id)]).await;
        match kind.access() {
            Access::Always => assert_eq!(stranger.end().await, 1000),
            Access::Inside => {
                assert_eq!(stranger.hear("goodbye").await["data"]["code"], 4503, "{kind:?}");
                assert_eq!(stranger.end().await, 4503, "{kind:?}");
            }
            Access::Opening => {
                let answer = stranger.answer(1).await;
                assert_eq!(answer["type"], format!("{}_result", name(kind)));
                assert_eq!(answer["error"]["code"], "invalid_data", "{kind:?}");
                stranger.say(&[json!({"type": "handshake", "data": {"version": 1}})]).await;
                stranger.hear("handshake_accepted").await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn outside_of_a_room_everything_is_refused_on_control() {
    let server = server(open());
    for (kind, room_id) in RequestKind::ALL.iter().flat_map(|kind| [(*kind, None), (*kind, Some("k3v9k3v9k3"))]) {
        // What is neither is one or the other by the room that is named.
        if (kind == RequestKind::Action && room_id.is_none()) || (kind == RequestKind::Unknown && room_id.is_some()) {
            continue;
        }
        let mut ada = Player::enter_to_stay(&server, "Ada").await;
        ada.say(&[misshapen(kind, room_id)]).await;
        let Some(code) = refusal(kind, room_id.is_some()) else {
            assert_eq!(ada.end().await, 1000, "{kind:?}");
            continue;
        };
        assert_refused(&ada.answer(1).await, kind, code);
        // What is numbered was taken, or was refused in front of a lane that is not there: either way it is not done later.
        let numbered = json!({"type": name(kind), "n": 9, "room_id": room_id, "data": 7});
        ada.say(&[numbered]).await;
        let error = ada.hear("error").await;
        assert_eq!((&error["error"]["code"], &error["room_id"]), (&json!(code), &Value::Null), "{error}");
        assert_eq!(error["error"]["details"]["n"], 9, "{error}");
        ada.goodbye().await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_watches_may_leave_and_is_refused_what_makes_no_sense() {
    let server = server(open());
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    let room_id = ada.create("relay", json!({})).await;
    for kind in RequestKind::ALL.iter().copied().filter(|kind| *kind != RequestKind::Unknown) {
        let mut eve = Player::enter_to_stay(&server, "Eve").await;
        eve.say(&[json!({"type": "join_room", "ref": 0, "data": {"room_id": room_id, "as": "spectator"}})]).await;
        assert_eq!(eve.answer(0).await["success"], true);
        eve.say(&[misshapen(kind, Some(&room_id))]).await;
        match kind {
            RequestKind::Goodbye => assert_eq!(eve.end().await, 1000),
            RequestKind::LeaveRoom => {
                let answer = eve.answer(1).await;
                assert_eq!((&answer["success"], &answer["room_id"]), (&json!(true), &json!(room_id)), "{answer}");
            }
            RequestKind::Action => assert_refused(&eve.answer(1).await, kind, "not_a_player"),
            _ if kind.owner() == Owner::Member => {
                let answer = eve.answer(1).await;
                let told = (&answer["error"]["code"], &answer["room_id"]);
                assert_eq!(told, (&json!("invalid_data"), &json!(room_id)), "the room has read it: {answer}");
            }
            _ => assert_refused(&eve.answer(1).await, kind, refusal(kind, true).unwrap()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_datagram_nothing_is_asked_that_has_its_turn() {
    let server = server(open());
    for kind in RequestKind::ALL.iter().copied().filter(|kind| *kind != RequestKind::Unknown) {
        let mut ada = Player::enter_to_stay(&server, "Ada").await;
        ada.say(&[json!({"type": "create_room", "ref": 0, "data": {"game": "relay"}})]).await;
        let created = ada.answer(0).await;
        let (room_id, lane) = (created["room_id"].as_str().unwrap(), created["data"]["lane"].as_u64().unwrap());
        // Nothing of another room, or of none, is taken from this one's lane.
        ada.datagram(lane, &misshapen(kind, None));
        ada.datagram(lane, &misshapen(kind, Some("k3v9k3v9k3")));
        ada.datagram(lane, &misshapen(kind, Some(room_id)));
        ada.datagram(lane, &json!({"type": "ping", "ref": "mark", "room_id": room_id}));
        if kind == RequestKind::Goodbye {
            assert_eq!(ada.end().await, 1000);
            continue;
        }
        ada.until("the mark", |message| message["ref"] == "mark").await;
        // Behind whatever is refused on control, and behind what the room says.
        ada.say(&[json!({"type": "list_rooms", "ref": 2})]).await;
        ada.answer(2).await;
        ada.say(&[json!({"type": "leave_room", "ref": 3, "room_id": room_id})]).await;
        ada.answer(3).await;
        let answers = ada.unread(&format!("{}_result", name(kind)));
        match kind {
            // The game knows no such type.
            RequestKind::Action => {
                assert_eq!(answers.len(), 1, "{answers:?}");
                assert_eq!(answers[0]["error"]["code"], "unknown_type");
                assert_eq!(answers[0]["room_id"], room_id);
            }
            _ if kind.is_counted() => assert!(answers.is_empty(), "{kind:?}: {answers:?}"),
            _ => {
                assert_eq!(answers.len(), 1, "{answers:?}");
                assert_refused(answers[0], kind, "invalid_data");
            }
        }
    }
}

/// The SDK's source as it is served names messages in quotes where it sends, or looks for, one of a type.
#[test]
fn the_sdk_knows_the_types_of_the_table() {
    let sdk = anteroom_web::ASSETS.iter().find(|asset| asset.path == "/sdk/anteroom.js").unwrap();
    // Written one way, and served another.
    let sdk = sdk.content().replace(' ', "");
    let quoted: BTreeSet<&str> = sdk.split('"').collect();
    // Its handlers pass on what they do not know by name: the answer to a handshake, who is away, and what is worth a line.
    let unnamed = BTreeSet::from(["handshake_accepted", "client_disconnected", "system"]);
    // What it need not ask for it need not know.
    for row in ROWS.iter().filter(|row| row.sender != Sender::Client && !row.name.ends_with("_result")) {
        assert!(quoted.contains(row.name) != unnamed.contains(row.name), "{}", row.name);
    }
    let before = ["request(\"", "ask(\"", "note(\"", "type===\"", "{type:\""];
    let named: BTreeSet<&str> =
        before.iter().flat_map(|before| sdk.split(before).skip(1)).filter_map(|rest| rest.split('"').next()).collect();
    // Events of its own, and what JavaScript calls a text.
    let others = BTreeSet::from(["gap", "string"]);
    let is_known = |name: &str| {
        let known = ROWS.iter().any(|row| row.name == name);
        // A request that is not answered if it succeeds is answered if it fails.
        let refused = name.strip_suffix("_result");
        known || ROWS.iter().any(|row| row.sender != Sender::Server && Some(row.name) == refused)
    };
    let unknown: Vec<_> = named.iter().filter(|name| !others.contains(*name) && !is_known(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(named.len() > 15, "only {named:?} was found");
}
