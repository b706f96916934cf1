//! How long rooms stay in a server: in memory, asleep, and through a restart.

use std::sync::Arc;
use std::time::Duration;

use anteroom_server::stores::{Memory, RoomStore as _, Store};
use anteroom_server::{Config, Server};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::player::{Player, open, server};

const WALL_MS: u64 = 1_700_000_000_000;

fn start(store: &Arc<Memory>) -> Server {
    let mut config: Config = open();
    config.times.hibernate_after_ms = 1000;
    let store: Arc<dyn Store> = store.clone();
    let seed = store.boot().number;
    Server::simulate_with(config, anteroom_games::registry().unwrap(), seed, Some(store)).unwrap()
}

async fn make(player: &mut Player, data: Value) -> String {
    player.say(&[json!({"type": "create_room", "ref": 1, "data": data})]).await;
    let created = player.answer(1).await;
    assert_eq!(created["success"], true, "{created}");
    created["room_id"].as_str().unwrap().to_owned()
}

async fn leave(player: &mut Player, room_id: &str) {
    player.say(&[json!({"type": "leave_room", "ref": 2, "room_id": room_id})]).await;
    assert_eq!(player.answer(2).await["success"], true);
}

/// Why somebody does not get in, who leaves at once if they do.
async fn refusal(player: &mut Player, room_id: &str) -> Option<String> {
    player.say(&[json!({"type": "join_room", "ref": 3, "data": {"room_id": room_id}})]).await;
    let joined = player.answer(3).await;
    if joined["success"] == true {
        leave(player, room_id).await;
        return None;
    }
    Some(joined["error"]["code"].as_str().unwrap().to_owned())
}

fn gone() -> Option<String> {
    Some("room_not_found".to_owned())
}

#[tokio::test(start_paused = true)]
async fn an_empty_room_that_sleeps_is_woken_by_who_comes_and_ends_when_its_time_is_over() {
    let store = Arc::new(Memory::new(WALL_MS));
    let server = start(&store);
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    let room_id = make(&mut ada, json!({"game": "relay", "durable": true, "empty_ttl_ms": 60_000})).await;
    leave(&mut ada, &room_id).await;
    sleep(Duration::from_secs(50)).await;
    assert_eq!(server.rooms_in_memory(), 0);
    assert_eq!(refusal(&mut ada, &room_id).await, None, "it waits for somebody");
    // From then on it waits as long again, wherever it is.
    sleep(Duration::from_secs(50)).await;
    assert_eq!(server.rooms_in_memory(), 0);
    assert_eq!(store.rows(None, 9).await.unwrap().len(), 1);
    sleep(Duration::from_secs(11)).await;
    assert_eq!(store.rows(None, 9).await.unwrap(), []);
    // Who was silent for a minute has no connection any more.
    let mut bob = Player::enter_to_stay(&server, "Bob").await;
    assert_eq!(refusal(&mut bob, &room_id).await, gone());
}

#[tokio::test(start_paused = true)]
async fn what_passes_while_no_server_runs_does_not_end_a_room() {
    let store = Arc::new(Memory::new(WALL_MS));
    let server = start(&store);
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    let mut rooms = Vec::new();
    for key in ["empty_ttl_ms", "idle_ttl_ms", "lifetime_max_ms"] {
        let mut data = json!({"game": "relay", "durable": true});
        data[key] = json!(60_000);
        let room_id = make(&mut ada, data).await;
        leave(&mut ada, &room_id).await;
        rooms.push(room_id);
    }
    sleep(Duration::from_secs(30)).await;
    drop((ada, server));
    let store = Arc::new(store.reopen(WALL_MS + 30_000 + 3_600_000));
    let server = start(&store);
    sleep(Duration::from_secs(25)).await;
    assert_eq!(store.rows(None, 9).await.unwrap().len(), 3);
    // A server in whose memory there is no room notes once a minute that it runs; what it has not noted is nobody's time.
    sleep(Duration::from_secs(40)).await;
    assert_eq!(store.rows(None, 9).await.unwrap(), []);
    let mut bob = Player::enter_to_stay(&server, "Bob").await;
    for room_id in &rooms {
        assert_eq!(refusal(&mut bob, room_id).await, gone());
    }
}

#[tokio::test(start_paused = true)]
async fn everyone_in_a_room_hears_why_it_ends_by_itself_and_is_in_it_no_more() {
    for (key, reason) in [("idle_ttl_ms", "idle"), ("lifetime_max_ms", "expired")] {
        let server = server(open());
        let mut ada = Player::enter_to_stay(&server, "Ada").await;
        let mut bob = Player::enter_to_stay(&server, "Bob").await;
        let mut data = json!({"game": "relay"});
        data[key] = json!(5000);
        let room_id = make(&mut ada, data).await;
        bob.join(&room_id, "player").await;
        for player in [&mut ada, &mut bob] {
            assert_eq!(player.hear("room_closed").await["data"]["reason"], reason);
            player.say(&[json!({"type": "leave_room", "ref": 2, "room_id": room_id})]).await;
            assert_eq!(player.answer(2).await["error"]["code"], "not_in_room");
            assert_eq!(refusal(player, &room_id).await, gone());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_room_that_is_not_durable_waits_in_memory_if_that_was_asked_for() {
    let server = server(open());
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    let kept = make(&mut ada, json!({"game": "relay", "empty_ttl_ms": 60_000})).await;
    let other = make(&mut ada, json!({"game": "relay"})).await;
    for room_id in [&kept, &other] {
        leave(&mut ada, room_id).await;
    }
    assert_eq!(refusal(&mut ada, &other).await, gone());
    sleep(Duration::from_secs(59)).await;
    assert_eq!(refusal(&mut ada, &kept).await, None);
    sleep(Duration::from_secs(61)).await;
    assert_eq!(server.rooms_in_memory(), 0);
    let mut bob = Player::enter_to_stay(&server, "Bob").await;
    assert_eq!(refusal(&mut bob, &kept).await, gone());
}
