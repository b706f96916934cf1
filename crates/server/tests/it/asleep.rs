//! Many durable rooms in which nobody is: out of memory until somebody wants in or something falls due.

use std::sync::Arc;
use std::time::Duration;

use anteroom_server::stores::{Memory, RoomStore as _, Store};
use anteroom_server::{Config, Server};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::player::{Player, open};

const HOSTS: usize = 100;
const ROOMS_EACH: usize = 100;
/// Every so manieth is looked at.
const STEP: usize = 50;
const WALL_MS: u64 = 1_700_000_000_000;
/// How long a seat outlives its session: longer than it takes until all sleep.
const SEAT_KEPT: Duration = Duration::from_secs(3600);

fn start(store: &Arc<Memory>) -> Server {
    let mut config: Config = open();
    config.limits.rooms_per_session_max = ROOMS_EACH as u32;
    config.times.durable_seat_ms = SEAT_KEPT.as_millis().try_into().unwrap();
    let store: Arc<dyn Store> = store.clone();
    let seed = store.boot().number;
    Server::simulate_with(config, anteroom_games::registry().unwrap(), seed, Some(store)).unwrap()
}

/// Joins a room, and gives the answer.
async fn join(player: &mut Player, room_id: &str) -> Value {
    player.say(&[json!({"type": "join_room", "ref": 1, "data": {"room_id": room_id}})]).await;
    player.answer(1).await
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_rooms_sleep_through_a_restart_and_each_wakes_by_itself() {
    let store = Arc::new(Memory::new(WALL_MS));
    let server = start(&store);
    let mut rooms = Vec::new();
    for number in 0..HOSTS {
        let mut host = Player::enter_to_stay(&server, &format!("Host {number}")).await;
        for _ in 0..ROOMS_EACH {
            let room_id = host.create("tic_tac_toe", Value::Null).await;
            rooms.push((room_id, host.session["user_id"].clone()));
        }
    }
    // Their sessions are over, and then nobody has been there for so long that the rooms sleep.
    sleep(Duration::from_secs(60 + 600 + 60)).await;
    assert_eq!(server.rooms_in_memory(), 0);
    let mut eve = Player::enter_to_stay(&server, "Eve").await;
    eve.say(&[json!({"type": "list_rooms", "ref": 2})]).await;
    assert_eq!(eve.answer(2).await["data"]["total"], 0, "nobody is there to be met");
    drop((eve, server));

    let store = Arc::new(store.reopen(WALL_MS + 3_600_000));
    let server = start(&store);
    let mut woken = 0;
    for chunk in rooms.chunks(STEP * ROOMS_EACH) {
        let mut bob = Player::enter_to_stay(&server, "Bob").await;
        for (room_id, host) in chunk.iter().step_by(STEP) {
            let joined = join(&mut bob, room_id).await;
            assert_eq!((&joined["success"], &joined["data"]["seat"]), (&json!(true), &json!(1)), "{joined}");
            let there = &joined["data"]["members"][0];
            assert_eq!((&there["user_id"], &there["connected"]), (host, &json!(false)), "{joined}");
            woken += 1;
            assert_eq!(server.rooms_in_memory(), woken, "the others sleep");
        }
    }
    // Nobody has come back: their seats fall due, and with them the rooms.
    sleep(2 * SEAT_KEPT).await;
    assert_eq!(server.rooms_in_memory(), 0);
    assert_eq!(store.rows(None, 1).await.unwrap(), []);
    let mut late = Player::enter_to_stay(&server, "Late").await;
    for (room_id, _) in rooms.iter().step_by(STEP) {
        assert_eq!(join(&mut late, room_id).await["error"]["code"], "room_not_found");
    }
}
