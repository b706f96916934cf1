//! Between a turn of a durable room and its commit: nothing of it is seen, whatever it is. And what a restart makes of what was
//! stored, and of what was not.

use std::sync::Arc;
use std::time::Duration;

use anteroom_server::Server;
use anteroom_server::stores::{Medium, Memory, Store};
use serde_json::{Value, json};

use crate::player::{Player, open};

const WALL_MS: u64 = 1_700_000_000_000;
/// Longer than anything waits that does not wait for the store.
const LONG: Duration = Duration::from_secs(10);

fn server_on(store: &Arc<Memory>) -> Server {
    let games = anteroom_games::registry().unwrap();
    // Each makes ids of its own.
    let seed = store.boot().number;
    let store: Arc<dyn Store> = store.clone();
    Server::simulate_with(open(), games, seed, Some(store)).unwrap()
}

/// The server is killed, and another one has its store.
fn restarted(store: &Arc<Memory>) -> (Arc<Memory>, Server) {
    let store = Arc::new(store.reopen(WALL_MS));
    let server = server_on(&store);
    (store, server)
}

/// Goes on with a session, of which nothing was received, for the n-th time.
async fn back(server: &Server, session: &mut Value, attempt: u64) -> Player {
    let mut player = Player::connect(server);
    let data = json!({"session_id": session["session_id"], "resume_token": session["resume_token"],
        "attempt": attempt, "received": {}});
    player.say(&[json!({"type": "reconnect", "data": data})]).await;
    let result = player.hear("reconnect_result").await;
    assert_eq!(result["success"], true, "{result}");
    session["resume_token"] = result["data"]["resume_token"].clone();
    player
}

/// A room of tic-tac-toe, and the two who play.
async fn pair(server: &Server) -> (Player, Player, String) {
    let mut ada = Player::enter_to_stay(server, "Ada").await;
    let mut bob = Player::enter_to_stay(server, "Bob").await;
    ada.say(&[json!({"type": "create_room", "ref": 1, "n": 1, "data": {"game": "tic_tac_toe"}})]).await;
    let room_id = ada.answer(1).await["room_id"].as_str().unwrap().to_owned();
    bob.say(&[json!({"type": "join_room", "ref": 1, "n": 1, "data": {"room_id": room_id}})]).await;
    assert_eq!(bob.answer(1).await["success"], true);
    for player in [&mut ada, &mut bob] {
        player.until("the match", |message| message["data"]["status"] == "playing").await;
    }
    (ada, bob, room_id)
}

fn make_move(room_id: &str, n: u64) -> Value {
    json!({"type": "make_move", "ref": n, "n": n, "room_id": room_id, "data": {"row": 1, "col": 1}})
}

fn leave(room_id: &str, n: u64) -> Value {
    json!({"type": "leave_room", "ref": n, "n": n, "room_id": room_id})
}

/// Whether anything has come that acknowledges a number on the room's lane.
fn is_acknowledged(player: &Player, n: u64) -> bool {
    player.unread("ack").iter().any(|ack| ack["data"]["1"].as_u64() >= Some(n))
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_move_is_seen_before_it_is_stored() {
    let store = Arc::new(Memory::new(WALL_MS));
    let server = server_on(&store);
    let (mut ada, mut bob, room_id) = pair(&server).await;
    store.hold(true);
    ada.say(&[make_move(&room_id, 2)]).await;
    tokio::time::sleep(LONG).await;
    for player in [&mut ada, &mut bob] {
        player.say(&[json!({"type": "ping", "ref": 9})]).await;
        player.hear("pong").await;
        assert!(player.unread("make_move_result").is_empty(), "{:?}", player.unread("make_move_result"));
        for state in player.unread("game_state") {
            assert_eq!(state["data"]["board"][1][1], Value::Null, "{state}");
        }
        assert!(!is_acknowledged(player, 2), "{:?}", player.unread("ack"));
    }
    store.hold(false);
    assert_eq!(ada.answer(2).await["success"], true);
    bob.until("the move", |message| message["data"]["board"][1][1] == "X").await;
}

#[tokio::test(start_paused = true)]
async fn the_list_shows_nothing_of_a_room_that_is_not_stored() {
    let store = Arc::new(Memory::new(WALL_MS));
    let server = server_on(&store);
    let (_ada, mut bob, room_id) = pair(&server).await;
    let mut eve = Player::enter_to_stay(&server, "Eve").await;
    // Changes of the list are gathered for a moment.
    tokio::time::sleep(LONG).await;
    eve.say(&[json!({"type": "subscribe_rooms", "ref": 1})]).await;
    let listed = eve.answer(1).await;
    assert_eq!(listed["data"]["rooms"][0]["players"], 2, "{listed}");
    store.hold(true);
    bob.say(&[leave(&room_id, 2)]).await;
    eve.say(&[json!({"type": "create_room", "ref": 2, "n": 1, "data": {"game": "tic_tac_toe"}})]).await;
    tokio::time::sleep(LONG).await;
    eve.say(&[json!({"type": "list_rooms", "ref": 3})]).await;
    let listed = eve.answer(3).await;
    assert_eq!((&listed["data"]["total"], &listed["data"]["rooms"][0]["players"]), (&json!(1), &json!(2)), "{listed}");
    assert!(eve.unread("rooms_changed").is_empty(), "{:?}", eve.unread("rooms_changed"));
    store.hold(false);
    assert_eq!(bob.answer(2).await["success"], true);
    assert_eq!(eve.answer(2).await["success"], true);
    eve.hear("rooms_changed").await;
}

#[tokio::test(start_paused = true)]
async fn a_wish_to_leave_that_is_not_stored_yet_is_not_refused_when_it_comes_again() {
    let store = Arc::new(Memory::new(WALL_MS));
    let server = server_on(&store);
    let (_ada, mut bob, room_id) = pair(&server).await;
    store.hold(true);
    bob.say(&[leave(&room_id, 2), json!({"type": "ping", "ref": 9})]).await;
    bob.hear("pong").await;
    let mut bob = Player::go_on(&server, &bob.session).await;
    bob.say(&[leave(&room_id, 2), json!({"type": "ping", "ref": 9})]).await;
    bob.hear("pong").await;
    assert!(bob.unread("leave_room_result").is_empty(), "{:?}", bob.unread("leave_room_result"));
    store.hold(false);
    assert_eq!(bob.answer(2).await["success"], true);
}

#[tokio::test(start_paused = true)]
async fn a_move_that_was_not_stored_is_made_when_it_comes_again_and_one_that_was_is_not() {
    let store = Arc::new(Memory::new(WALL_MS));
    let server = server_on(&store);
    let (mut ada, bob, room_id) = pair(&server).await;
    store.hold(true);
    ada.say(&[make_move(&room_id, 2), json!({"type": "ping", "ref": 9})]).await;
    ada.hear("pong").await;
    tokio::time::sleep(LONG).await;
    let mut session = ada.session;
    let (store, server) = restarted(&store);
    let mut ada = back(&server, &mut session, 1).await;
    assert_eq!(ada.hear("join_room_result").await["data"]["view"]["board"][1][1], Value::Null);
    ada.say(&[make_move(&room_id, 2)]).await;
    assert_eq!(ada.answer(2).await["success"], true);
    // And once it is stored, it is not made again.
    let (_store, server) = restarted(&store);
    let mut ada = back(&server, &mut session, 2).await;
    let there = ada.hear("join_room_result").await;
    assert_eq!(there["data"]["view"]["board"][1][1], "X", "{there}");
    ada.say(&[make_move(&room_id, 2), json!({"type": "ping", "ref": 9})]).await;
    ada.hear("pong").await;
    assert!(ada.unread("make_move_result").is_empty(), "{:?}", ada.unread("make_move_result"));
    let mut bob = Player::go_on(&server, &bob.session).await;
    assert_eq!(bob.hear("join_room_result").await["data"]["view"]["board"][1][1], "X");
}

#[tokio::test(start_paused = true)]
async fn a_second_restart_counts_above_the_first() {
    let mut store = Arc::new(Memory::new(WALL_MS));
    let mut server = server_on(&store);
    let (ada, _bob, _) = pair(&server).await;
    let mut session = ada.session.clone();
    for generation in 1..4 {
        (store, server) = restarted(&store);
        let mut ada = back(&server, &mut session, generation).await;
        for lane in [0, 1] {
            let opened =
                ada.until("a lane", |message| message["type"] == "lane" && message["data"]["lane"] == lane).await;
            assert_eq!(opened["data"]["next"].as_u64().map(|next| next >> 32), Some(generation), "{opened}");
        }
        // A room that is made now has a lane above all that were.
        ada.say(&[json!({"type": "create_room", "ref": 1, "data": {"game": "relay", "durable": true}})]).await;
        let made =
            ada.until("the answer", |message| message["ref"] == 1 && message["type"] == "create_room_result").await;
        assert_eq!(made["data"]["lane"].as_u64().map(|lane| lane >> 16), Some(generation), "{made}");
    }
    drop(store);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_in_a_room_is_known_after_a_kill() {
    let store = Arc::new(Memory::new(WALL_MS));
    let server = server_on(&store);
    // At the same moment, so that nothing has been written behind.
    let (ada, bob, room_id) = pair(&server).await;
    let (_store, server) = restarted(&store);
    for (player, seat) in [(ada, 0), (bob, 1)] {
        let mut player = Player::go_on(&server, &player.session).await;
        let there = player.hear("join_room_result").await;
        assert_eq!((&there["room_id"], &there["data"]["seat"]), (&json!(room_id), &json!(seat)), "{there}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_room_is_asked_to_let_a_session_in_that_is_not_stored() {
    let store = Arc::new(Memory::new(WALL_MS));
    let server = server_on(&store);
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    store.hold(true);
    ada.say(&[json!({"type": "create_room", "ref": 1, "n": 1, "data": {"game": "tic_tac_toe"}})]).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(server.rooms_in_memory(), 0);
    store.hold(false);
    assert_eq!(ada.answer(1).await["success"], true);
    assert_eq!(server.rooms_in_memory(), 1);
}
