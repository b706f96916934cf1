//! Rooms that outlive the server: stored before they are shown, and gone on with after a restart.

use std::sync::Arc;
use std::time::Duration;

use anteroom_server::stores::{Memory, RoomStore as _, Store};
use anteroom_server::{Config, Server};
use serde_json::{Value, json};

use crate::player::{Player, open, send};

const WALL_MS: u64 = 1_700_000_000_000;

fn server_on(store: &Arc<Memory>, config: Config) -> Server {
    let store: Arc<dyn Store> = store.clone();
    // Each makes ids of its own.
    let seed = store.boot().number;
    Server::simulate_with(config, anteroom_games::registry().unwrap(), seed, Some(store)).unwrap()
}

fn create(game: &str, durable: Value) -> Value {
    json!({"type": "create_room", "ref": 0, "n": 1, "data": {"game": game, "durable": durable}})
}

/// Makes a durable room of relay, and gives its id.
async fn room_of(player: &mut Player) -> String {
    player.say(&[create("relay", json!(true))]).await;
    let created = player.hear("create_room_result").await;
    assert_eq!((&created["success"], &created["data"]["durable"]), (&json!(true), &json!(true)), "{created}");
    created["room_id"].as_str().unwrap().to_owned()
}

/// The server is killed, and another one has its store after a while.
fn killed(store: &Arc<Memory>, later: Duration) -> Arc<Memory> {
    Arc::new(store.reopen(WALL_MS + u64::try_from(later.as_millis()).unwrap()))
}

/// Goes on with a session on another server, where nothing is known to have been received.
async fn back(server: &Server, session: &Value) -> Player {
    Player::go_on(server, session).await
}

#[tokio::test(start_paused = true)]
async fn nothing_is_seen_of_a_turn_before_it_is_stored() {
    let store = Arc::new(Memory::new(WALL_MS));
    let server = server_on(&store, open());
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    let mut eve = Player::enter_to_stay(&server, "Eve").await;
    eve.say(&[json!({"type": "subscribe_rooms", "ref": 1})]).await;
    eve.answer(1).await;
    store.fail(true);
    ada.say(&[json!({"type": "create_room", "ref": 1, "data": {"game": "relay", "durable": true}})]).await;
    let refused = ada.answer(1).await;
    assert_eq!(refused["error"]["code"], "storage_unavailable", "{refused}");
    assert_eq!(refused["error"]["retryable"], true);
    store.fail(false);
    let room_id = room_of(&mut ada).await;
    eve.until("the room", |message| message["type"] == "rooms_changed").await;
    let mut bob = Player::enter_to_stay(&server, "Bob").await;
    bob.join(&room_id, "player").await;
    eve.until("the second player", |message| message["type"] == "rooms_changed").await;
    ada.hear("client_joined").await;
    // It is not known to fail yet, so what comes is taken.
    store.hold(true);
    let mut message = send(&room_id, 7, &json!("hello"));
    message["n"] = json!(2);
    ada.say(&[message, json!({"type": "list_rooms", "ref": 8})]).await;
    bob.say(&[json!({"type": "leave_room", "ref": 9, "n": 1, "room_id": room_id})]).await;
    ada.answer(8).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    for player in [&mut ada, &mut bob, &mut eve] {
        player.say(&[json!({"type": "list_rooms", "ref": 10})]).await;
        let listed = player.answer(10).await;
        assert_eq!(listed["data"]["rooms"][0]["players"], 2, "{listed}");
        for kind in ["message", "send_result", "leave_room_result", "client_left", "rooms_changed"] {
            assert!(player.unread(kind).is_empty(), "{kind}: {:?}", player.unread(kind));
        }
        assert!(player.unread("ack").iter().all(|ack| ack["data"].get("1").is_none()), "{:?}", player.unread("ack"));
    }
    store.hold(false);
    assert_eq!(ada.answer(7).await["success"], true);
    assert_eq!(bob.answer(9).await["success"], true);
    ada.hear("client_left").await;
    eve.until("the change", |message| message["type"] == "rooms_changed").await;
    ada.until("the acknowledgement", |message| message["type"] == "ack" && message["data"]["1"] == 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_room_and_its_players_are_back_after_a_kill() {
    let store = Arc::new(Memory::new(WALL_MS));
    let server = server_on(&store, open());
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    let mut bob = Player::enter_to_stay(&server, "Bob").await;
    ada.say(&[json!({"type": "create_room", "ref": 0, "n": 1, "data": {"game": "tic_tac_toe"}})]).await;
    let created = ada.hear("create_room_result").await;
    let room_id = created["room_id"].as_str().unwrap().to_owned();
    assert_eq!(created["data"]["durable"], true, "{created}");
    bob.say(&[json!({"type": "join_room", "ref": 1, "n": 1, "data": {"room_id": room_id}})]).await;
    bob.answer(1).await;
    ada.say(&[json!({"type": "make_move", "ref": 2, "n": 2, "room_id": room_id, "data": {"row": 1, "col": 1}})]).await;
    assert_eq!(ada.answer(2).await["success"], true);
    let (ada, bob) = (ada.session, bob.session);

    let store = killed(&store, Duration::from_secs(3600));
    let server = server_on(&store, open());
    let mut ada = back(&server, &ada).await;
    let opened = ada.until("the lane", |message| message["type"] == "lane" && message["data"]["lane"] == 1).await;
    assert_eq!(opened["data"]["gap"], true, "{opened}");
    assert_eq!(opened["data"]["applied"], 2, "{opened}");
    assert!(opened["data"]["next"].as_u64().unwrap() > 1 << 32, "{opened}");
    let there = ada.hear("join_room_result").await;
    assert_eq!(there["data"]["view"]["board"][1][1], "X", "{there}");
    assert_eq!(there["data"]["seat"], 0);
    let connected: Vec<_> = there["data"]["members"].as_array().unwrap().iter().map(|who| &who["connected"]).collect();
    assert_eq!(connected, [&json!(true), &json!(false)], "{there}");
    let state = ada.hear("session_state").await;
    assert_eq!(state["data"]["rooms"][0]["room_id"], json!(room_id), "{state}");
    // The move was acknowledged, or was not; it is done once either way.
    ada.say(&[json!({"type": "make_move", "ref": 2, "n": 2, "room_id": room_id, "data": {"row": 1, "col": 1}})]).await;
    let mut bob = back(&server, &bob).await;
    assert_eq!(bob.hear("join_room_result").await["data"]["seat"], 1);
    bob.say(&[json!({"type": "make_move", "ref": 3, "n": 2, "room_id": room_id, "data": {"row": 0, "col": 0}})]).await;
    assert_eq!(bob.answer(3).await["success"], true);
    let state = ada.until("Bob's move", |message| message["data"]["board"][0][0] == "O").await;
    assert_eq!(state["data"]["board"][1][1], "X", "{state}");
    assert!(ada.unread("make_move_result").is_empty(), "{:?}", ada.unread("make_move_result"));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_carried_out_is_answered_again_and_not_done_again() {
    let store = Arc::new(Memory::new(WALL_MS));
    let server = server_on(&store, open());
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    let room_id = room_of(&mut ada).await;
    let ada = ada.session;

    // The answer was lost, so she asks again.
    let store = killed(&store, Duration::ZERO);
    let server = server_on(&store, open());
    let mut ada = back(&server, &ada).await;
    ada.say(&[create("relay", json!(true))]).await;
    let again = ada.until("the answer", |message| message["type"] == "create_room_result").await;
    assert_eq!((&again["ref"], &again["success"], &again["room_id"]), (&json!(0), &json!(true), &json!(room_id)));
    ada.say(&[json!({"type": "list_rooms", "ref": 6})]).await;
    assert_eq!(ada.answer(6).await["data"]["rooms"].as_array().unwrap().len(), 1);
    let mut bob = Player::enter_to_stay(&server, "Bob").await;
    let join = json!({"type": "join_room", "ref": 5, "n": 1, "data": {"room_id": room_id}});
    bob.say(std::slice::from_ref(&join)).await;
    bob.answer(5).await;
    let bob = bob.session;

    // So does he.
    let store = killed(&store, Duration::ZERO);
    let server = server_on(&store, open());
    let mut bob = back(&server, &bob).await;
    bob.say(&[join]).await;
    let again = bob.answer(5).await;
    assert_eq!((&again["success"], &again["data"]["seat"]), (&json!(true), &json!(1)), "{again}");
    assert_eq!(again["data"]["members"].as_array().unwrap().len(), 2, "{again}");
}

#[tokio::test(start_paused = true)]
async fn what_was_not_stored_never_was() {
    let store = Arc::new(Memory::new(WALL_MS));
    let server = server_on(&store, open());
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    let room_id = room_of(&mut ada).await;
    let mut bob = Player::enter_to_stay(&server, "Bob").await;
    // So that he is stored, and only what he asks for is not.
    bob.say(&[json!({"type": "join_room", "ref": 5, "n": 1, "data": {"room_id": room_id}})]).await;
    bob.answer(5).await;
    bob.say(&[json!({"type": "leave_room", "ref": 6, "n": 2, "data": {"room_id": room_id}})]).await;
    bob.answer(6).await;
    store.hold(true);
    let join = json!({"type": "join_room", "ref": 7, "n": 3, "data": {"room_id": room_id}});
    bob.say(&[join.clone(), json!({"type": "list_rooms", "ref": 8, "n": 4})]).await;
    bob.answer(8).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let told = bob.unread("ack").iter().filter_map(|ack| ack["data"]["0"].as_u64()).max();
    assert!(told.is_none_or(|n| n < 3), "a later answer acknowledged an earlier join that is not stored");
    let bob = bob.session;

    let store = killed(&store, Duration::ZERO);
    let server = server_on(&store, open());
    let mut bob = back(&server, &bob).await;
    bob.say(&[json!({"type": "list_rooms", "ref": 9})]).await;
    bob.say(&[join]).await;
    let joined = bob.answer(7).await;
    assert_eq!(joined["success"], true, "{joined}");
}

#[tokio::test(start_paused = true)]
async fn a_seat_outlives_its_session_and_the_room_sleeps_and_wakes() {
    let store = Arc::new(Memory::new(WALL_MS));
    let server = server_on(&store, open());
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    let room_id = room_of(&mut ada).await;
    let user_id = ada.session["user_id"].clone();
    drop(ada);
    // The session is over, and then nobody has been there for so long that the room sleeps.
    tokio::time::sleep(Duration::from_secs(60 + 600 + 10)).await;
    assert_eq!(server.rooms_in_memory(), 0);
    let mut bob = Player::enter_to_stay(&server, "Bob").await;
    bob.join(&room_id, "player").await;
    assert_eq!(server.rooms_in_memory(), 1);
    bob.say(&[send(&room_id, 3, &json!("anybody?"))]).await;
    assert_eq!(bob.answer(3).await["success"], true);
    bob.say(&[json!({"type": "leave_room", "ref": 4, "room_id": room_id})]).await;
    bob.answer(4).await;
    // Her seat is kept for a week, in a room that sleeps; then the room is over.
    tokio::time::sleep(Duration::from_secs(6 * 86_400)).await;
    assert_eq!(server.rooms_in_memory(), 0);
    let watching = Player::enter_to_stay(&server, "Eve").await;
    let mut watching = watching;
    watching.say(&[json!({"type": "join_room", "ref": 5, "data": {"room_id": room_id, "as": "spectator"}})]).await;
    let there = watching.answer(5).await;
    assert_eq!(there["data"]["members"][0]["user_id"], user_id, "{there}");
    assert_eq!(there["data"]["members"][0]["connected"], false, "{there}");
    watching.say(&[json!({"type": "leave_room", "ref": 6, "room_id": room_id})]).await;
    watching.answer(6).await;
    tokio::time::sleep(Duration::from_secs(2 * 86_400)).await;
    let mut late = Player::enter_to_stay(&server, "Late").await;
    late.say(&[json!({"type": "join_room", "ref": 7, "data": {"room_id": room_id}})]).await;
    assert_eq!(late.answer(7).await["error"]["code"], "room_not_found");
}

#[tokio::test(start_paused = true)]
async fn an_orderly_stop_keeps_what_a_kill_would_not() {
    let store = Arc::new(Memory::new(WALL_MS));
    let server = server_on(&store, open());
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    ada.say(&[create("relay", json!(false))]).await;
    let created = ada.hear("create_room_result").await;
    assert_eq!(created["data"]["durable"], false, "{created}");
    let idle = Player::enter_to_stay(&server, "Idle").await;
    let (ada_session, idle_session) = (ada.session.clone(), idle.session.clone());
    // Whoever hears that the server stops finds everything again, though it may be killed in that moment.
    let stopping = tokio::spawn(server.shutdown());
    assert_eq!(ada.end().await, 4000);
    let kept = killed(&store, Duration::from_secs(9));
    assert_eq!(idle.end().await, 4000);
    stopping.await.unwrap();

    let store = kept;
    let server = server_on(&store, open());
    let mut ada = back(&server, &ada_session).await;
    let there = ada.hear("join_room_result").await;
    assert_eq!(there["room_id"], created["room_id"], "{there}");
    back(&server, &idle_session).await;
    drop(ada);
    // It was kept once, not for good.
    let store = killed(&store, Duration::from_secs(10));
    let server = server_on(&store, open());
    let mut late = Player::enter_to_stay(&server, "Late").await;
    late.say(&[json!({"type": "join_room", "ref": 7, "data": {"room_id": created["room_id"]}})]).await;
    assert_eq!(late.answer(7).await["error"]["code"], "room_not_found");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_served_until_it_is_stored_that_a_room_goes_on_once() {
    let store = Arc::new(Memory::new(WALL_MS));
    let server = server_on(&store, open());
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    ada.say(&[create("relay", json!(false))]).await;
    assert_eq!(ada.hear("create_room_result").await["success"], true);
    let session = ada.session.clone();
    server.shutdown().await;

    let store = killed(&store, Duration::ZERO);
    store.fail(true);
    let server = server_on(&store, open());
    let mut ada = Player::connect(&server);
    let data = json!({"session_id": session["session_id"], "resume_token": session["resume_token"], "attempt": 1,
        "received": {}});
    ada.say(&[json!({"type": "reconnect", "data": data})]).await;
    let mut answer = std::pin::pin!(ada.hear("reconnect_result"));
    let early = tokio::time::timeout(Duration::from_secs(5), &mut answer).await;
    assert!(early.is_err(), "the room could go on twice: {early:?}");
    store.fail(false);
    assert_eq!(answer.await["success"], true);
    assert_eq!(store.rows(None, 9).await.unwrap().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_room_with_members_does_not_sleep_however_soon_others_do() {
    let store = Arc::new(Memory::new(WALL_MS));
    let mut config = open();
    config.times.hibernate_after_ms = 1000;
    let server = server_on(&store, config.clone());
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    let room_id = room_of(&mut ada).await;
    let session = ada.session.clone();
    // She is away when it is stored, so nothing has to be done in it when it is back.
    let (_, code) = tokio::join!(server.shutdown(), ada.end());
    assert_eq!(code, 4000);
    let server = server_on(&killed(&store, Duration::ZERO), config);
    tokio::time::sleep(Duration::from_secs(30)).await;
    let mut ada = back(&server, &session).await;
    assert_eq!(ada.hear("join_room_result").await["room_id"], json!(room_id));
    ada.say(&[send(&room_id, 3, &json!("here"))]).await;
    assert_eq!(ada.answer(3).await["success"], true);
}

#[tokio::test(start_paused = true)]
async fn a_room_that_cannot_store_its_turns_stands_still() {
    let store = Arc::new(Memory::new(WALL_MS));
    let server = server_on(&store, open());
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    let room_id = room_of(&mut ada).await;
    let mut bob = Player::enter_to_stay(&server, "Bob").await;
    bob.join(&room_id, "player").await;
    let user_id = bob.session["user_id"].clone();
    store.hold(true);
    ada.say(&[send(&room_id, 1, &json!("one"))]).await;
    // The room has taken it by then, before the store says how it is.
    tokio::time::sleep(Duration::from_secs(1)).await;
    store.fail(true);
    // For far longer than a seat is kept.
    drop(bob);
    tokio::time::sleep(Duration::from_secs(9 * 86_400)).await;
    store.fail(false);
    assert_eq!(ada.answer(1).await["success"], true);
    let mut eve = Player::enter_to_stay(&server, "Eve").await;
    eve.say(&[json!({"type": "join_room", "ref": 2, "data": {"room_id": room_id, "as": "spectator"}})]).await;
    let there = eve.answer(2).await;
    let players = there["data"]["members"].as_array().unwrap();
    assert!(players.iter().any(|who| who["user_id"] == user_id), "{there}");
}

#[tokio::test(start_paused = true)]
async fn who_said_goodbye_does_not_come_back() {
    let store = Arc::new(Memory::new(WALL_MS));
    let server = server_on(&store, open());
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    room_of(&mut ada).await;
    let session = ada.session.clone();
    ada.goodbye().await;
    let server = server_on(&killed(&store, Duration::ZERO), open());
    let mut ada = Player::connect(&server);
    let data = json!({"session_id": session["session_id"], "resume_token": session["resume_token"], "attempt": 1,
        "received": {}});
    ada.say(&[json!({"type": "reconnect", "data": data})]).await;
    assert_eq!(ada.hear("reconnect_result").await["error"]["code"], "session_unknown");
}

#[tokio::test(start_paused = true)]
async fn without_a_store_nothing_is_durable_and_rooms_say_so() {
    let server = crate::player::server(open());
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    ada.say(&[create("relay", json!(true))]).await;
    assert_eq!(ada.hear("create_room_result").await["error"]["code"], "invalid_options");
    ada.say(&[json!({"type": "create_room", "ref": 1, "data": {"game": "tic_tac_toe"}})]).await;
    assert_eq!(ada.answer(1).await["data"]["durable"], false);
    ada.say(&[json!({"type": "list_rooms", "ref": 2})]).await;
    assert_eq!(ada.answer(2).await["data"]["rooms"][0]["durable"], false);
}
