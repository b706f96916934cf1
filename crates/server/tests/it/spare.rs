//! A server that is full: rooms that nobody is in give way to those that somebody wants.

use std::sync::Arc;
use std::time::Duration;

use anteroom_protocol::message::request::CreateRoom;
use anteroom_server::stores::{Memory, Store};
use anteroom_server::{Config, Hosting, Server};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::doors::outcome;
use crate::player::{Player, open, server};

const ROOMS_MAX: u32 = 20;

fn small(rooms_max: u32) -> Config {
    let mut config = open();
    config.limits.rooms_max = rooms_max;
    config.times.hibernate_after_ms = 60_000;
    config
}

fn with_store(rooms_max: u32) -> Server {
    let store: Arc<dyn Store> = Arc::new(Memory::new(1_700_000_000_000));
    Server::simulate_with(small(rooms_max), anteroom_games::registry().unwrap(), 1, Some(store)).unwrap()
}

async fn ask(player: &mut Player, kind: &str, data: Value) -> Value {
    player.say(&[json!({"type": kind, "ref": "asked", "data": data})]).await;
    player.until(kind, |message| message["ref"] == "asked").await
}

async fn make(player: &mut Player, data: Value) -> String {
    let made = ask(player, "create_room", data).await;
    assert_eq!(outcome(&made), "ok", "{made}");
    made["room_id"].as_str().unwrap().to_owned()
}

async fn leave(player: &mut Player, room_id: &str) {
    let left = ask(player, "leave_room", json!({"room_id": room_id})).await;
    assert_eq!(outcome(&left), "ok", "{left}");
}

/// Makes rooms and leaves them behind.
async fn litter(player: &mut Player, rooms: u32, data: &Value) -> Vec<String> {
    let mut left = Vec::new();
    for _ in 0..rooms {
        let room_id = make(player, data.clone()).await;
        leave(player, &room_id).await;
        left.push(room_id);
    }
    left
}

async fn join(player: &mut Player, room_id: &str) -> Value {
    ask(player, "join_room", json!({"room_id": room_id})).await
}

#[tokio::test(start_paused = true)]
async fn empty_rooms_keep_nobody_from_making_one() {
    let server = server(small(ROOMS_MAX));
    let mut eve = Player::enter_to_stay(&server, "Eve").await;
    let (mut ada, mut bob) = (Player::enter_to_stay(&server, "Ada").await, Player::enter_to_stay(&server, "Bob").await);
    let hers = make(&mut ada, json!({"game": "relay", "empty_ttl_ms": 3_600_000})).await;
    let empty = json!({"game": "relay", "empty_ttl_ms": 3_600_000});
    let left = litter(&mut eve, 3 * ROOMS_MAX, &empty).await;
    make(&mut bob, json!({"game": "relay"})).await;
    assert_eq!(outcome(&ask(&mut bob, "join_room", json!({"game": "tic_tac_toe", "quick": true})).await), "ok");
    // Nobody has to wait until the rooms that give way have gone.
    sleep(Duration::from_millis(1)).await;
    assert!(server.rooms_in_memory() <= ROOMS_MAX as usize, "{}", server.rooms_in_memory());
    assert_eq!(outcome(&join(&mut bob, &hers).await), "ok", "whoever is in a room keeps it");
    // The one that was empty for the longest went first.
    let there = left.len() - (ROOMS_MAX as usize - 3);
    for (place, room_id) in left.iter().enumerate() {
        let expected = if place < there { "room_not_found" } else { "ok" };
        let joined = join(&mut eve, room_id).await;
        assert_eq!(outcome(&joined), expected, "{place}: {joined}");
        if place >= there {
            leave(&mut eve, room_id).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_room_that_is_in_use_gives_way_to_nobody() {
    let server = server(small(4));
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    let mut bob = Player::enter_to_stay(&server, "Bob").await;
    let request = CreateRoom { game: "relay".into(), ..CreateRoom::default() };
    let user = bob.session["user_id"].as_str().unwrap().parse().unwrap();
    let kept_for = Duration::from_secs(60);
    let waits = Hosting { users: vec![user], kept_for, ..Hosting::default() };
    let stays = Hosting { persistent: true, ..Hosting::default() };
    let (waits, stays) =
        (server.open_room(&request, waits).await.unwrap(), server.open_room(&request, stays).await.unwrap());
    // A connection that is lost, with a seat that is kept: the room is somebody's.
    let mut cleo = Player::enter(&server).await;
    let kept = make(&mut cleo, json!({"game": "relay", "empty_ttl_ms": 60_000})).await;
    drop(cleo);
    make(&mut ada, json!({"game": "relay"})).await;
    for _ in 0..5 {
        let refused = ask(&mut ada, "create_room", json!({"game": "relay"})).await;
        assert_eq!(outcome(&refused), "limit_reached", "{refused}");
        let refused = ask(&mut ada, "join_room", json!({"game": "tic_tac_toe", "quick": true})).await;
        assert_eq!(outcome(&refused), "limit_reached", "{refused}");
    }
    for room_id in [kept, waits.to_string(), stays.to_string()] {
        assert_eq!(outcome(&join(&mut bob, &room_id).await), "ok");
        leave(&mut bob, &room_id).await;
    }
    // Now nobody is expected there any more.
    sleep(Duration::from_millis(1)).await;
    make(&mut bob, json!({"game": "relay"})).await;
}

#[tokio::test(start_paused = true)]
async fn a_sleeping_room_wakes_in_the_place_of_an_empty_one_which_sleeps() {
    let server = with_store(2);
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    let durable = json!({"game": "relay", "durable": true});
    let hers = litter(&mut ada, 1, &durable).await.remove(0);
    sleep(Duration::from_secs(61)).await;
    assert_eq!(server.rooms_in_memory(), 0);
    let mut eve = Player::enter_to_stay(&server, "Eve").await;
    let left = litter(&mut eve, 5, &durable).await;
    assert_eq!(server.rooms_in_memory(), 2);
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    assert_eq!(outcome(&join(&mut ada, &hers).await), "ok");
    for room_id in left.iter().rev() {
        assert_eq!(outcome(&join(&mut eve, room_id).await), "ok", "it has slept");
        leave(&mut eve, room_id).await;
    }
    sleep(Duration::from_millis(1)).await;
    assert!(server.rooms_in_memory() <= 2);
    // In both rooms somebody is: another one does not wake.
    make(&mut eve, json!({"game": "relay"})).await;
    let refused = join(&mut eve, &left[0]).await;
    assert_eq!(outcome(&refused), "busy", "{refused}");
}
