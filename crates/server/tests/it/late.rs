//! Those who watch with a delay, when something of what they were to see is gone: they are told the gap, and how things stood then.

use std::sync::Arc;
use std::time::Duration;

use anteroom_server::Server;
use anteroom_server::stores::{Memory, Store};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::player::{Player, patient, send};

const DELAY: Duration = Duration::from_secs(20);

const WALL_MS: u64 = 1_700_000_000_000;

fn server_on(store: Memory) -> (Server, Arc<Memory>) {
    let store = Arc::new(store);
    let given: Arc<dyn Store> = store.clone();
    let seed = given.boot().number;
    (Server::simulate_with(patient(), anteroom_games::registry().unwrap(), seed, Some(given)).unwrap(), store)
}

/// A room of ada's, which eve has watched for longer than the delay.
async fn watched(server: &Server, durable: bool) -> (Player, Player, String) {
    let mut ada = Player::enter_to_stay(server, "Ada").await;
    let mut eve = Player::enter_to_stay(server, "Eve").await;
    let data = json!({"game": "relay", "durable": durable, "spectator_delay_ms": DELAY.as_millis()});
    ada.say(&[json!({"type": "create_room", "ref": 1, "data": data})]).await;
    let room_id = ada.answer(1).await["room_id"].as_str().unwrap().to_owned();
    eve.join(&room_id, "spectator").await;
    sleep(DELAY + Duration::from_secs(1)).await;
    read(&mut eve, &room_id).await;
    (ada, eve, room_id)
}

/// Reads what has come by now.
async fn read(player: &mut Player, room_id: &str) -> Vec<Value> {
    player.say(&[json!({"type": "get_participants", "ref": 3, "room_id": room_id})]).await;
    player.answer(3).await;
    player.forget()
}

/// Ada says something long, so many times.
async fn say(ada: &mut Player, room_id: &str, times: u64) {
    for number in 100..100 + times {
        ada.say(&[send(room_id, number, &json!("x".repeat(40_000)))]).await;
        assert_eq!(ada.answer(number).await["success"], true);
    }
}

async fn chat(player: &mut Player, room_id: &str, text: &str) {
    player.say(&[json!({"type": "chat", "ref": 2, "room_id": room_id, "data": {"text": text}})]).await;
    assert_eq!(player.answer(2).await["success"], true);
}

/// Who is there and what was said, as a snapshot has it.
fn seen(there: &Value) -> (Vec<&str>, Vec<&str>) {
    let texts = |list: &'static str, key: &'static str| -> Vec<&str> {
        there["data"][list].as_array().unwrap().iter().map(|entry| entry[key].as_str().unwrap()).collect()
    };
    (texts("members", "username"), texts("chat", "text"))
}

#[tokio::test(start_paused = true)]
async fn what_was_let_go_of_is_a_gap_and_the_room_of_then() {
    let (server, _) = server_on(Memory::new(WALL_MS));
    let (mut ada, mut eve, room_id) = watched(&server, false).await;
    chat(&mut ada, &room_id, "before").await;
    // More than is kept of what is still to be shown.
    say(&mut ada, &room_id, 60).await;
    sleep(DELAY / 2).await;
    let mut bob = Player::enter_to_stay(&server, "Bob").await;
    bob.join(&room_id, "player").await;
    chat(&mut bob, &room_id, "after").await;
    assert_eq!(read(&mut eve, &room_id).await, Vec::<Value>::new(), "nothing is shown early, a gap neither");
    let gap = eve.until("the gap", |message| message["type"] == "lane" && message["data"]["gap"] == true).await;
    assert_eq!(gap["room_id"], room_id, "{gap}");
    let there = eve.hear("join_room_result").await;
    assert_eq!(seen(&there), (vec!["Ada", "Eve"], vec!["before"]), "{there}");
    // What has happened since is told in its time, behind it.
    let joined = eve.hear("client_joined").await;
    assert_eq!(joined["data"]["username"], "Bob", "{joined}");
    assert_eq!(eve.hear("chat").await["data"]["text"], "after");
    assert!(eve.unread("message").is_empty(), "it is gone");
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_after_a_kill_is_told_of_the_room_of_then() {
    let (server, store) = server_on(Memory::new(WALL_MS));
    let (mut ada, eve, room_id) = watched(&server, true).await;
    chat(&mut ada, &room_id, "now").await;
    let (server, _) = server_on(store.reopen(WALL_MS + 3_600_000));
    let mut eve = Player::go_on(&server, &eve.session).await;
    eve.until("the gap", |message| message["type"] == "lane" && message["data"]["gap"] == true).await;
    let there = eve.hear("join_room_result").await;
    assert_eq!(seen(&there), (vec!["Ada", "Eve"], vec![]), "{there}");
    let state = eve.hear("session_state").await;
    assert_eq!(state["data"]["rooms"][0]["room_id"], room_id, "{state}");
    assert!(eve.unread("chat").is_empty());
    assert_eq!(eve.hear("chat").await["data"]["text"], "now");
}

#[tokio::test(start_paused = true)]
async fn when_the_room_is_closed_they_see_the_rest_and_then_that_it_is() {
    let (server, _) = server_on(Memory::new(WALL_MS));
    for too_much in [false, true] {
        let (mut ada, mut eve, room_id) = watched(&server, false).await;
        if too_much {
            say(&mut ada, &room_id, 60).await;
        }
        chat(&mut ada, &room_id, "well played").await;
        server.close_room(&room_id.parse().unwrap()).unwrap();
        let is_end = |message: &Value| message["type"] == "chat" || message["type"] == "room_closed";
        if !too_much {
            assert_eq!(eve.until("the rest", is_end).await["data"]["text"], "well played");
        }
        assert_eq!(eve.until("the end", is_end).await["data"]["reason"], "closed");
        assert!(eve.unread("message").is_empty());
        assert_eq!(ada.hear("room_closed").await["data"]["reason"], "closed");
    }
}
