//! What a client is told has arrived: only what its room has acted on, and shown.

use std::time::Duration;

use serde_json::{Value, json};

use crate::player::{Player, open, server_with};
use crate::puppet::{Gate, with_puppet};

fn act(room_id: &str, kind: &str, n: u64, data: Value) -> Value {
    json!({"type": kind, "n": n, "room_id": room_id, "data": data})
}

/// The highest number that is acknowledged for the only room's lane by what has come.
fn acknowledged(player: &Player) -> Option<u64> {
    player.unread("ack").iter().filter_map(|ack| ack["data"]["1"].as_u64()).max()
}

#[tokio::test(start_paused = true)]
async fn what_a_game_did_not_survive_is_not_acknowledged() {
    let server = server_with(open(), with_puppet());
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    let room_id = ada.create("puppet", json!({})).await;
    ada.say(&[act(&room_id, "live", 1, json!({}))]).await;
    ada.hear("ack").await;
    // In one turn: what is in front of the panic is heard, and nobody can tell what of it the game would have kept.
    let panic = act(&room_id, "panic", 3, json!({}));
    ada.say(&[act(&room_id, "live", 2, json!({})), panic, act(&room_id, "live", 4, json!({}))]).await;
    ada.hear("room_closed").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    // Whatever was to be said by now comes in front of this.
    ada.say(&[json!({"type": "list_rooms", "ref": 1})]).await;
    ada.answer(1).await;
    assert!(acknowledged(&ada).is_none_or(|n| n < 2), "{:?}", ada.unread("ack"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_room_has_not_come_to_is_announced_as_not_applied_and_done_once() {
    let (gate, server) = (Gate(71), server_with(open(), with_puppet()));
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    let room_id = ada.create("puppet", json!({})).await;
    ada.say(&[act(&room_id, "live", 1, json!({}))]).await;
    ada.hear("alive").await;
    ada.say(&[act(&room_id, "hold", 2, json!({"gate": gate.0}))]).await;
    gate.held().await;
    ada.say(&[act(&room_id, "live", 3, json!({})), json!({"type": "list_rooms", "ref": 1})]).await;
    ada.answer(1).await;
    let mut again = Player::go_on(&server, &ada.session).await;
    let opened = again.until("the lane", |message| message["type"] == "lane" && message["data"]["lane"] == 1).await;
    assert_eq!(opened["data"]["applied"], 1, "the room is busy with the second");
    // The client says again what it does not know to be applied.
    again.say(&[act(&room_id, "live", 3, json!({}))]).await;
    gate.open();
    let applied = |message: &Value| message["type"] == "ack" && message["data"]["1"] == 3;
    again.until("the acknowledgement", applied).await;
    again.say(&[json!({"type": "leave_room", "ref": 2, "room_id": room_id})]).await;
    again.answer(2).await;
    // Once on the connection before, of which nothing was received, and once now.
    assert_eq!(again.unread("alive").len(), 2, "{:?}", again.unread("alive"));
}
