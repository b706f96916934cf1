//! A room that does not answer holds up those who want into it, and nobody else, in nothing else.

use anteroom_server::Server;
use serde_json::{Value, json};

use crate::player::{Player, open, server_with};
use crate::puppet::{Gate, with_puppet};

fn server() -> Server {
    server_with(open(), with_puppet())
}

/// A room whose game is held, and who is in it.
async fn hung(server: &Server, gate: &Gate) -> (Player, String) {
    let mut ada = Player::enter_to_stay(server, "Ada").await;
    let room_id = ada.create("puppet", json!({})).await;
    ada.say(&[json!({"type": "hold", "room_id": room_id, "data": {"gate": gate.0}})]).await;
    gate.held().await;
    (ada, room_id)
}

fn quick(reference: u64) -> Value {
    json!({"type": "join_room", "ref": reference, "data": {"game": "puppet", "quick": true}})
}

fn join(room_id: &str, reference: u64) -> Value {
    json!({"type": "join_room", "ref": reference, "data": {"room_id": room_id}})
}

fn live(room_id: &str, reference: u64) -> Value {
    json!({"type": "live", "ref": reference, "room_id": room_id})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_waits_for_a_room_is_answered_in_everything_else() {
    let (gate, server) = (Gate(1), server());
    let (_ada, room_id) = hung(&server, &gate).await;
    let mut bob = Player::enter_to_stay(&server, "Bob").await;
    let other = bob.create("relay", json!({})).await;
    bob.say(&[
        join(&room_id, 1),
        json!({"type": "ping", "ref": 2, "data": {}}),
        json!({"type": "list_rooms", "ref": 3}),
        json!({"type": "send", "ref": 4, "room_id": other, "data": {"payload": 1}}),
    ])
    .await;
    assert_eq!(bob.answer(2).await["type"], "pong");
    assert_eq!(bob.answer(3).await["data"]["total"], 2);
    assert_eq!(bob.answer(4).await["success"], true);
    // A room that one is in can be left meanwhile, and nothing is done there any more.
    bob.say(&[
        json!({"type": "leave_room", "ref": 5, "room_id": other}),
        json!({"type": "send", "ref": 6, "room_id": other, "data": {"payload": 2}}),
    ])
    .await;
    assert_eq!(bob.answer(5).await["success"], true);
    assert_eq!(bob.answer(6).await["error"]["code"], "not_in_room");
    gate.open();
    assert_eq!(bob.answer(1).await["success"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_looks_for_a_seat_is_led_past_a_room_that_does_not_answer() {
    let (gate, server) = (Gate(2), server());
    let (_ada, room_id) = hung(&server, &gate).await;
    let mut bob = Player::enter_to_stay(&server, "Bob").await;
    let mut cleo = Player::enter_to_stay(&server, "Cleo").await;
    bob.say(&[quick(1)]).await;
    cleo.say(&[quick(1)]).await;
    let rooms = [bob.answer(1).await, cleo.answer(1).await].map(|joined| joined["room_id"].clone());
    assert_ne!(rooms[0], json!(room_id));
    assert_eq!(rooms[0], rooms[1], "they have found each other");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_has_gone_takes_no_seat() {
    let (gate, server) = (Gate(3), server());
    let (mut ada, room_id) = hung(&server, &gate).await;
    let mut bob = Player::enter_to_stay(&server, "Bob").await;
    bob.say(&[join(&room_id, 1)]).await;
    bob.goodbye().await;
    let mut eve = Player::enter_to_stay(&server, "Eve").await;
    let other = eve.create("relay", json!({})).await;
    let mut cleo = Player::enter_to_stay(&server, "Cleo").await;
    cleo.say(&[join(&other, 1)]).await;
    assert_eq!(cleo.answer(1).await["success"], true);
    let asks = json!({"type": "join_room", "n": 1, "data": {"room_id": room_id}});
    cleo.say(&[asks, json!({"type": "list_rooms", "ref": 2})]).await;
    let session = cleo.session.clone();
    // What comes behind it is answered at once, so it was taken.
    cleo.answer(2).await;
    drop(cleo);
    eve.hear("client_disconnected").await;
    eve.say(&[join(&room_id, 1)]).await;
    gate.open();
    assert_eq!(eve.answer(1).await["success"], true);
    let joined = ada.hear("client_joined").await;
    assert_eq!(joined["data"]["username"], "Eve", "{:?}", ada.unread("client_joined"));
    // What was taken is carried out when the player is back.
    let mut cleo = Player::go_on(&server, &session).await;
    while cleo.hear("join_room_result").await["room_id"] != room_id {}
    assert_eq!(ada.hear("client_joined").await["data"]["username"], "Cleo");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_said_to_a_room_behind_a_join_waits_for_it() {
    let (gate, server) = (Gate(4), server());
    let (mut ada, room_id) = hung(&server, &gate).await;
    let mut bob = Player::enter_to_stay(&server, "Bob").await;
    let mut messages = vec![
        join(&room_id, 1),
        live(&room_id, 2),
        json!({"type": "leave_room", "ref": 3, "room_id": room_id.to_uppercase()}),
        live(&room_id, 4),
        join(&room_id, 5),
        live(&room_id, 6),
        // Has its turn at once, and a higher number than what has not.
        json!({"type": "list_rooms", "ref": 7}),
    ];
    for (number, message) in messages.iter_mut().enumerate() {
        message["n"] = json!(number + 1);
    }
    bob.say(&messages).await;
    assert_eq!(bob.answer(7).await["success"], true);
    gate.open();
    for (reference, code) in [(1, None), (2, None), (3, None), (4, Some("not_in_room")), (5, None), (6, None)] {
        let answer = bob.answer(reference).await;
        assert_eq!(answer["error"]["code"].as_str(), code, "{answer}");
        assert_eq!(answer["success"], code.is_none(), "{answer}");
    }
    ada.hear("client_left").await;
    for _ in 0..2 {
        ada.hear("alive").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn so_many_questions_wait_and_no_more() {
    let (gate, server) = (Gate(5), server());
    let (_ada, room_id) = hung(&server, &gate).await;
    let mut bob = Player::enter_to_stay(&server, "Bob").await;
    // One is asked, and as many wait.
    let questions: Vec<Value> = (0..80)
        .map(|number| json!({"type": "join_room", "ref": number, "n": number + 1, "data": {"room_id": room_id}}))
        .collect();
    bob.say(&questions).await;
    for number in 65..80 {
        let refused = bob.answer(number).await;
        assert_eq!(refused["error"]["code"], "busy", "{refused}");
        assert_eq!(refused["error"]["details"]["n"], number + 1, "{refused}");
    }
    assert_eq!(bob.unread("ack"), Vec::<&Value>::new(), "nothing is done yet");
    gate.open();
    assert_eq!(bob.answer(0).await["success"], true);
    for number in 1..65 {
        assert_eq!(bob.answer(number).await["error"]["code"], "already_in_room");
    }
    let last = |message: &Value| message["type"] == "ack" && message["data"]["0"].as_u64() >= Some(65);
    assert_eq!(bob.until("the last ack", last).await["data"]["0"], 65, "what was refused so was not taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_room_that_does_not_answer_at_all_is_busy() {
    let (gate, server) = (Gate(6), server());
    let (_ada, room_id) = hung(&server, &gate).await;
    let mut bob = Player::enter_to_stay(&server, "Bob").await;
    bob.say(&[join(&room_id, 1), json!({"type": "create_room", "ref": 2, "data": {"game": "relay"}})]).await;
    let refused = bob.answer(1).await;
    assert_eq!((&refused["error"]["code"], &refused["error"]["retryable"]), (&json!("busy"), &json!(true)));
    assert_eq!(bob.answer(2).await["success"], true, "the next question has its turn");
    gate.open();
    bob.say(&[join(&room_id, 3)]).await;
    let joined = bob.answer(3).await;
    assert_eq!(joined["data"]["members"].as_array().unwrap().len(), 2, "{joined}");
}
