//! What a client says is told again only within bounds.

use serde_json::{Value, json};

use crate::player::{Player, open, server};

/// The largest answer to a refused message, however large that was.
const REFUSAL_BYTES_MAX: usize = 1024;

#[tokio::test(start_paused = true)]
async fn a_refusal_is_small_however_large_the_message_was() {
    let server = server(open());
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    // Cut between characters.
    let long = "ü".repeat(12_000);
    // Of 64 bytes each, which are written as several times as many.
    let (kind, reference) = ("\u{1}".repeat(57), "\u{1}".repeat(10));
    let refused: Vec<Value> = vec![
        json!({"type": kind, "room_id": long, "n": u64::MAX}),
        json!({"type": kind, "room_id": long, "ref": reference}),
        json!({"type": kind, "data": {"room_id": long}}),
        json!({"type": "leave_room", "room_id": long}),
        json!({"type": "leave_room", "data": {"room_id": long}}),
        json!({"type": "join_room", "room_id": long}),
        json!({"type": "join_room", "data": {"room_id": long}}),
        json!({"type": "join_room", "room_id": long, "data": {"as": long}}),
        json!({"type": "join_room", "room_id": long, "data": {"game": "none", "quick": true}}),
        json!({"type": "create_room", "room_id": long, "data": {"game": "none"}}),
        json!({"type": "create_room", "data": {"game": long}}),
        json!({"type": "create_room", "data": {"game": "relay", "name": long}}),
        json!({"type": "create_room", "data": {"game": "relay", "options": {"flush": long}}}),
        json!({"type": "subscribe_rooms", "data": {"game": long}}),
        json!({"type": "list_rooms", "room_id": long, "data": {"game": 1}}),
        json!({"type": "handshake", "room_id": long, "data": {"version": 1, "name": long}}),
        json!({"type": "ping", "room_id": long, "data": {"ts": long}}),
        json!({"type": "resume", "room_id": long}),
        json!({"type": "ack", "room_id": long, "data": {long.clone(): 1}}),
    ];
    for message in refused {
        let shown = &message.to_string().chars().take(90).collect::<String>();
        ada.say(std::slice::from_ref(&message)).await;
        let answer = ada.until(shown, |answer| answer["success"] == false).await;
        assert!(answer.to_string().len() <= REFUSAL_BYTES_MAX, "{shown}: {} bytes", answer.to_string().len());
        let named = answer["error"]["details"]["room_id"].as_str();
        assert!(named.is_none_or(|named| named == "ü".repeat(32)), "{shown}: {named:?}");
    }
}
