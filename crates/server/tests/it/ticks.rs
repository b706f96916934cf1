//! Rooms that flush by ticks, in virtual time: what is said is heard when a tick ends, whoever knocks need not wait for
//! it, and what does not fit a tick ends it.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::player::{Player, patient, send, server};

const TICK: Duration = Duration::from_millis(1000);

async fn create(player: &mut Player) -> String {
    player.create("relay", json!({"flush": "tick", "tick_ms": TICK.as_millis() as u64})).await
}

#[tokio::test(start_paused = true)]
async fn what_is_said_is_heard_when_a_tick_ends() {
    let server = server(patient());
    let mut ada = Player::enter(&server).await;
    let room_id = create(&mut ada).await;
    let mut heard = Vec::new();
    for number in 0..3 {
        // Two things in one tick are heard together.
        ada.say(&[send(&room_id, number, &json!(1)), send(&room_id, number, &json!(2))]).await;
        ada.hear("message").await;
        heard.push(Instant::now());
        ada.hear("message").await;
        assert_eq!(heard.last(), Some(&Instant::now()));
    }
    for (before, after) in heard.iter().zip(&heard[1..]) {
        let between = *after - *before;
        assert!(between.abs_diff(TICK) <= Duration::from_millis(2), "{between:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_knocks_is_let_in_at_once() {
    let server = server(patient());
    let mut ada = Player::enter(&server).await;
    let began = Instant::now();
    let room_id = create(&mut ada).await;
    let mut bob = Player::enter(&server).await;
    bob.say(&[json!({"type": "join_room", "ref": 1, "room_id": room_id})]).await;
    assert_eq!(bob.hear("join_room_result").await["success"], true);
    ada.hear("client_joined").await;
    assert!(began.elapsed() < TICK / 10, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_a_tick_ends_it() {
    let server = server(patient());
    let mut ada = Player::enter(&server).await;
    let room_id = create(&mut ada).await;
    let fill = json!("z".repeat(30_000));
    for number in 0..100 {
        ada.say(&[send(&room_id, number, &fill)]).await;
    }
    for _ in 0..100 {
        let answer = ada.hear("send_result").await;
        assert_eq!(answer["success"], true, "{answer}");
    }
}
