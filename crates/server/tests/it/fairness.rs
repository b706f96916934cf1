//! What one client sends keeps nobody waiting: every loop that input drives lets others have their turn. Told by the order
//! in which things happen, not by how long they take.

use anteroom_server::Server;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::player::{Player, patient, send, server, server_with};
use crate::puppet::{FIRST, LOG, with_puppet};

/// How many small messages are handled in a row, at most.
const IN_A_ROW: usize = 32;

/// Ada sends this, then Bob one message to the same room. How many of hers are handled before his: what a room hears, it
/// hears in that order.
async fn before_bob(ada: &mut Player, bob: &mut Player, room_id: &str, ada_sends: &[Vec<Value>]) -> usize {
    for messages in ada_sends {
        ada.say(messages).await;
    }
    bob.say(&[send(room_id, 0, &json!("bob"))]).await;
    let mut before = 0;
    while bob.hear("message").await["data"]["payload"] != "bob" {
        before += 1;
    }
    before
}

async fn at_a_table() -> (Player, Player, String) {
    let server = server(patient());
    let (mut ada, mut bob) = (Player::enter(&server).await, Player::enter(&server).await);
    let room_id = ada.create("relay", json!({})).await;
    bob.join(&room_id, "player").await;
    (ada, bob, room_id)
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_handled_in_slices() {
    let (mut ada, mut bob, room_id) = at_a_table().await;
    let batch = vec![send(&room_id, 0, &json!(1)); 256];
    let before = before_bob(&mut ada, &mut bob, &room_id, &[batch]).await;
    assert!((1..=IN_A_ROW).contains(&before), "{before}");
}

#[tokio::test(start_paused = true)]
async fn frames_that_come_together_are_handled_in_slices() {
    let (mut ada, mut bob, room_id) = at_a_table().await;
    let frames = vec![vec![send(&room_id, 0, &json!(1))]; 200];
    let before = before_bob(&mut ada, &mut bob, &room_id, &frames).await;
    assert!((1..=IN_A_ROW).contains(&before), "{before}");
}

#[tokio::test(start_paused = true)]
async fn large_messages_are_handled_in_smaller_numbers() {
    let (mut ada, mut bob, room_id) = at_a_table().await;
    // As much as fits on the way.
    let large = json!("x".repeat(4_000));
    let frames = vec![vec![send(&room_id, 0, &large)]; 15];
    let before = before_bob(&mut ada, &mut bob, &room_id, &frames).await;
    assert!((1..=6).contains(&before), "{before}");
}

#[tokio::test(start_paused = true)]
async fn what_is_answered_counts_as_well() {
    let mut config = patient();
    config.limits.rooms_per_session_max = 400;
    let server = server(config);
    let (mut ada, mut bob, mut cyd) =
        (Player::enter(&server).await, Player::enter(&server).await, Player::enter(&server).await);
    for _ in 0..400 {
        cyd.create("relay", json!({})).await;
    }
    let room_id = ada.create("relay", json!({})).await;
    bob.join(&room_id, "player").await;
    let list = json!({"type": "list_rooms", "ref": 0});
    let batch = [send(&room_id, 0, &json!(1)), list].iter().cycle().take(60).cloned().collect();
    let before = before_bob(&mut ada, &mut bob, &room_id, &[batch]).await;
    assert!((1..=2).contains(&before), "{before} lists of 400 rooms");
}

#[tokio::test(start_paused = true)]
async fn datagrams_are_handled_in_slices() {
    let (mut ada, mut bob, room_id) = at_a_table().await;
    let lane = anteroom_protocol::LaneId(1);
    for _ in 0..60 {
        let datagram = send(&room_id, 0, &json!(1)).to_string();
        ada.connection.send_datagram(lane, datagram.as_bytes()).unwrap();
    }
    let before = before_bob(&mut ada, &mut bob, &room_id, &[]).await;
    assert!((1..=IN_A_ROW).contains(&before), "{before}");
}

fn note(room_id: &str, by: u8) -> Value {
    json!({"type": "note", "ref": 0, "room_id": room_id, "data": {"by": by}})
}

fn noted() -> Server {
    server_with(patient(), with_puppet())
}

/// A thousand messages wait in one room for its tick; when the first is handled, somebody does something in another room.
#[tokio::test(start_paused = true)]
async fn a_room_takes_its_turn_in_slices() {
    let server = noted();
    let mut bob = Player::enter(&server).await;
    let other = bob.create("puppet", json!({})).await;
    let mut ada = Player::enter(&server).await;
    let room_id = ada.create("puppet", json!({"tick_ms": 1000})).await;
    let mut players = vec![ada];
    for _ in 0..3 {
        players.push(Player::enter(&server).await);
        players.last_mut().unwrap().join(&room_id, "player").await;
    }
    let (first, mut begun) = mpsc::channel(1);
    FIRST.set(Some(first));
    let acting = tokio::spawn(async move {
        begun.recv().await;
        bob.say(&[note(&other, b'b')]).await;
        bob.hear("note_result").await;
    });
    for player in &mut players {
        player.say(&vec![note(&room_id, b'a'); 256]).await;
    }
    acting.await.unwrap();
    for _ in 0..256 {
        players[3].hear("note_result").await;
    }
    let before = LOG.with_borrow(|log| {
        assert_eq!(log.len(), 4 * 256 + 1, "all of it was handled");
        log.iter().position(|by| *by == b'b').unwrap()
    });
    assert!(before < 512, "{before}");
}

/// Of a room of many, the first who hears something says something in another room, and it is answered before the last
/// one has heard.
#[tokio::test(start_paused = true)]
async fn a_room_tells_its_members_in_slices() {
    const MEMBERS: usize = 300;
    let server = noted();
    let mut bob = Player::enter(&server).await;
    let other = bob.create("puppet", json!({})).await;
    let mut ada = Player::enter(&server).await;
    let room_id = ada.create("puppet", json!({})).await;
    let (heard, mut hearing) = mpsc::channel(MEMBERS + 1);
    for _ in 0..MEMBERS {
        let mut member = Player::enter(&server).await;
        member.join(&room_id, "player").await;
        let heard = heard.clone();
        tokio::spawn(async move {
            member.hear("game_state").await;
            heard.send(b'm').await.unwrap();
        });
    }
    let (first, mut begun) = mpsc::channel(1);
    let acting = tokio::spawn(async move {
        begun.recv().await;
        bob.say(&[note(&other, b'b')]).await;
        bob.hear("note_result").await;
        heard.send(b'b').await.unwrap();
    });
    ada.say(&[note(&room_id, b'a')]).await;
    let mut order = Vec::new();
    while order.len() <= MEMBERS {
        order.push(hearing.recv().await.unwrap());
        // Whoever was first tells Bob.
        let _ = first.try_send(());
    }
    acting.await.unwrap();
    let before = order.iter().position(|who| *who == b'b').unwrap();
    assert!(before < MEMBERS, "{before}: all of them were told first");
}
