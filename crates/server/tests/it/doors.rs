//! The doors of rooms: passwords, invites, what a stranger learns of a private room, and many who want in at once.

use std::sync::Arc;
use std::time::Duration;

use anteroom_protocol::Codec;
use anteroom_server::Server;
use anteroom_server::stores::{Memory, Store};
use serde_json::{Value, json};

use crate::parlor::with_parlor;
use crate::player::{Player, open, server_with};

/// How a request was answered.
pub(crate) fn outcome(answer: &Value) -> &str {
    if answer["success"] == true { "ok" } else { answer["error"]["code"].as_str().unwrap() }
}

async fn ask(player: &mut Player, kind: &str, room_id: Option<&str>, data: Value) -> Value {
    player.say(&[json!({"type": kind, "ref": "asked", "room_id": room_id, "data": data})]).await;
    player.until(kind, |message| message["ref"] == "asked").await
}

async fn make(player: &mut Player, data: Value) -> String {
    let made = ask(player, "create_room", None, data).await;
    assert_eq!(outcome(&made), "ok", "{made}");
    made["room_id"].as_str().unwrap().to_owned()
}

async fn knock(player: &mut Player, room_id: &str, data: Value) -> Value {
    let mut data = data;
    data["room_id"] = json!(room_id);
    ask(player, "join_room", None, data).await
}

async fn leave(player: &mut Player, room_id: &str) {
    assert_eq!(outcome(&ask(player, "leave_room", Some(room_id), json!({})).await), "ok");
}

async fn invite(player: &mut Player, room_id: &str, data: Value) -> (String, String) {
    let made = ask(player, "create_invite", Some(room_id), data).await;
    assert_eq!(outcome(&made), "ok", "{made}");
    let text = |key: &str| made["data"][key].as_str().unwrap().to_owned();
    (text("code"), text("url"))
}

/// Two who come one after the other to a server.
async fn two() -> (Server, Player, Player) {
    let server = server_with(open(), with_parlor());
    let ada = Player::enter_to_stay(&server, "Ada").await;
    let bob = Player::enter_to_stay(&server, "Bob").await;
    (server, ada, bob)
}

#[tokio::test(start_paused = true)]
async fn what_a_room_is_made_with_is_checked() {
    let (_server, mut ada, _) = two().await;
    let long = "a".repeat(129);
    for (key, value) in [
        ("password", json!(long)),
        ("password", json!(7)),
        ("seats_max", json!(0)),
        ("seats_max", json!(1)),
        ("seats_max", json!(5)),
        ("visibility", json!("secret")),
        ("spectator_delay_ms", json!(300_001)),
        ("owner_policy", json!("mine")),
        ("empty_ttl_ms", json!(3_600_001)),
        ("idle_ttl_ms", json!(0)),
        ("lifetime_max_ms", json!(u64::MAX)),
        ("data", json!({"": 1})),
        ("data", json!({"k": "a".repeat(1025)})),
        ("access", json!({"k": "server"})),
    ] {
        let mut data = json!({"game": "parlor"});
        data[key] = value.clone();
        if key == "access" {
            data["data"] = json!({"k": 1});
        }
        let refused = ask(&mut ada, "create_room", None, data).await;
        assert_eq!(outcome(&refused), "invalid_data", "{key} {value}: {refused}");
    }
    let all = json!({"game": "parlor", "name": "The parlor", "visibility": "unlisted", "password": "sesame", "seats_max": 3,
        "data": {"mode": "fast"}, "spectator_delay_ms": 1000, "owner_policy": "manual", "empty_ttl_ms": 60_000,
        "idle_ttl_ms": 60_000, "lifetime_max_ms": 3_600_000});
    let made = ask(&mut ada, "create_room", None, all).await;
    let data = &made["data"];
    let has = ["seats_max", "visibility", "has_password", "locked", "spectator_delay_ms"].map(|key| data[key].clone());
    assert_eq!(has, [json!(3), json!("unlisted"), json!(true), json!(false), json!(1000)], "{made}");
    assert_eq!((&data["owner"], &data["created_by"]), (&ada.session["user_id"], &ada.session["user_id"]));
    assert_eq!(data["data"], json!({"mode": "fast"}));
    assert!(!made.to_string().contains("sesame") && !made.to_string().contains("argon2"), "{made}");
}

#[tokio::test(start_paused = true)]
async fn a_password_opens_the_door_until_it_is_another() {
    let (_server, mut ada, mut bob) = two().await;
    let room_id = make(&mut ada, json!({"game": "parlor", "password": "sesame"})).await;
    for (data, wanted) in [
        (json!({}), "wrong_password"),
        (json!({"password": ""}), "wrong_password"),
        (json!({"password": "Sesame"}), "wrong_password"),
        (json!({"password": "a".repeat(129)}), "invalid_data"),
        (json!({"as": "spectator"}), "wrong_password"),
        (json!({"invite": "00000000000000000000"}), "wrong_password"),
        (json!({"invite": "a".repeat(65)}), "invalid_data"),
    ] {
        assert_eq!(outcome(&knock(&mut bob, &room_id, data.clone()).await), wanted, "{data}");
    }
    assert_eq!(outcome(&knock(&mut bob, &room_id, json!({"password": "sesame"})).await), "ok");
    leave(&mut bob, &room_id).await;
    // What is said to the room behind the new password is taken behind it.
    let said = [
        json!({"type": "update_room", "ref": 1, "room_id": room_id, "data": {"password": "open"}}),
        json!({"type": "get_participants", "ref": 2, "room_id": room_id}),
        json!({"type": "update_room", "ref": 3, "room_id": room_id, "data": {"locked": true}}),
    ];
    ada.say(&said).await;
    let mut order = Vec::new();
    for _ in 0..3 {
        let next = ada.until("an answer", |message| message["ref"].is_u64()).await;
        assert_eq!(outcome(&next), "ok", "{next}");
        order.push(next["ref"].as_u64().unwrap());
    }
    assert_eq!(order, [1, 2, 3]);
    assert_eq!(outcome(&ask(&mut ada, "update_room", Some(&room_id), json!({"locked": false})).await), "ok");
    assert_eq!(outcome(&knock(&mut bob, &room_id, json!({"password": "sesame"})).await), "wrong_password");
    assert_eq!(outcome(&knock(&mut bob, &room_id, json!({"password": "open"})).await), "ok");
    leave(&mut bob, &room_id).await;
    for none in [Value::Null, json!("")] {
        assert_eq!(outcome(&ask(&mut ada, "update_room", Some(&room_id), json!({"password": none})).await), "ok");
        assert_eq!(outcome(&knock(&mut bob, &room_id, json!({})).await), "ok");
        leave(&mut bob, &room_id).await;
    }
}

#[tokio::test(start_paused = true)]
async fn after_five_wrong_passwords_one_waits_for_the_rest_of_the_minute() {
    let (_server, mut ada, mut bob) = two().await;
    let room_id = make(&mut ada, json!({"game": "parlor", "password": "sesame"})).await;
    for _ in 0..5 {
        assert_eq!(outcome(&knock(&mut bob, &room_id, json!({"password": "x"})).await), "wrong_password");
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    let refused = knock(&mut bob, &room_id, json!({"password": "sesame"})).await;
    assert_eq!(outcome(&refused), "rate_limited", "{refused}");
    assert_eq!(refused["error"]["details"], json!({"retry_after_ms": 40_000}));
    assert_eq!(refused["error"]["retryable"], true);
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(outcome(&knock(&mut bob, &room_id, json!({"password": "sesame"})).await), "ok");
}

/// Whatever a stranger asks of a private room, the answer is that there is none.
#[tokio::test(start_paused = true)]
async fn a_private_room_is_as_if_it_were_not_there() {
    let (server, mut ada, mut bob) = two().await;
    let absent = "k3v9k3v9k3";
    ask(&mut bob, "subscribe_rooms", None, json!({})).await;
    let private = json!({"game": "parlor", "name": "Hidden", "visibility": "private", "password": "sesame"});
    let room_id = make(&mut ada, private).await;
    let (code, _) = invite(&mut ada, &room_id, json!({"uses": 1})).await;
    let mut cid = Player::enter_to_stay(&server, "Cid").await;
    assert_eq!(outcome(&knock(&mut cid, &room_id, json!({"invite": code})).await), "ok");
    let banned = ask(&mut ada, "ban", Some(&room_id), json!({"user_id": bob.session["user_id"]})).await;
    assert_eq!(outcome(&banned), "ok", "{banned}");
    for data in [
        json!({}),
        json!({"as": "spectator"}),
        json!({"password": "sesame"}),
        json!({"password": "x", "as": "spectator"}),
        json!({"invite": code}),
        json!({"invite": "00000000000000000000", "password": "sesame"}),
        json!({"password": "a".repeat(129)}),
        json!({"password": "4"}),
        json!({"password": "5"}),
        json!({"password": "6"}),
    ] {
        let mut said = Vec::new();
        for asked in [&*room_id, absent] {
            said.push(knock(&mut bob, asked, data.clone()).await.to_string().replace(asked, "ID"));
        }
        assert_eq!(said[0], said[1], "{data}");
    }
    for kind in ["leave_room", "get_participants", "finish"] {
        let mut said = Vec::new();
        for asked in [&*room_id, absent] {
            said.push(ask(&mut bob, kind, Some(asked), json!({})).await.to_string().replace(asked, "ID"));
        }
        assert_eq!(said[0], said[1], "{kind}");
    }
    let quick = ask(&mut bob, "join_room", None, json!({"game": "parlor", "quick": true})).await;
    assert_ne!(quick["room_id"], room_id, "nobody is led there");
    // Nor is it gone from a list that it was never on.
    leave(&mut cid, &room_id).await;
    leave(&mut ada, &room_id).await;
    let listed = ask(&mut bob, "list_rooms", None, json!({})).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    ask(&mut bob, "list_rooms", None, json!({})).await;
    let changes = bob.forget();
    assert!(!listed.to_string().contains(&room_id), "{listed}");
    assert!(changes.iter().all(|change| !change.to_string().contains(&room_id)), "{changes:?}");
}

#[tokio::test(start_paused = true)]
async fn an_invite_lets_as_many_in_as_it_says_and_for_so_long() {
    let (server, mut ada, mut bob) = two().await;
    let room_id = make(&mut ada, json!({"game": "parlor", "visibility": "private"})).await;
    let (code, url) = invite(&mut ada, &room_id, json!({"uses": 1, "expires_ms": 20_000})).await;
    assert_eq!(url, format!("http://127.0.0.1:0/#room={room_id}&invite={code}"));
    assert_eq!(outcome(&knock(&mut bob, &room_id, json!({"invite": code})).await), "ok");
    let mut cid = Player::enter_to_stay(&server, "Cid").await;
    assert_eq!(outcome(&knock(&mut cid, &room_id, json!({"invite": code})).await), "room_not_found", "it is used up");
    let (code, _) = invite(&mut ada, &room_id, json!({"expires_ms": 20_000})).await;
    tokio::time::sleep(Duration::from_millis(20_000)).await;
    assert_eq!(outcome(&knock(&mut cid, &room_id, json!({"invite": code})).await), "room_not_found", "it has expired");
    let (code, _) = invite(&mut ada, &room_id, json!({})).await;
    assert_eq!(outcome(&knock(&mut cid, &room_id, json!({"invite": code})).await), "ok");
}

/// Rooms of which a stranger is told that one may not come in, and why.
#[tokio::test(start_paused = true)]
async fn one_is_told_why_one_is_not_let_in() {
    let (_server, mut ada, mut bob) = two().await;
    let room_id = make(&mut ada, json!({"game": "parlor"})).await;
    let bobs = bob.session["user_id"].clone();
    assert_eq!(outcome(&ask(&mut ada, "update_room", Some(&room_id), json!({"locked": true})).await), "ok");
    let refused = knock(&mut bob, &room_id, json!({})).await;
    assert_eq!(
        (outcome(&refused), &refused["error"]["details"]["reason"]),
        ("room_locked", &json!("locked")),
        "{refused}"
    );
    assert_eq!(outcome(&ask(&mut ada, "update_room", Some(&room_id), json!({"locked": false})).await), "ok");
    assert_eq!(outcome(&knock(&mut bob, &room_id, json!({})).await), "ok");
    assert_eq!(outcome(&ask(&mut ada, "kick", Some(&room_id), json!({"user_id": bobs})).await), "ok");
    assert_eq!(bob.hear("room_closed").await["data"]["reason"], "kicked");
    let refused = knock(&mut bob, &room_id, json!({})).await;
    assert_eq!((outcome(&refused), &refused["error"]["details"]["reason"]), ("banned", &json!("kicked")), "{refused}");
    let (code, _) = invite(&mut ada, &room_id, json!({})).await;
    assert_eq!(outcome(&knock(&mut bob, &room_id, json!({"invite": code})).await), "ok", "an invite since then");
    assert_eq!(outcome(&ask(&mut ada, "ban", Some(&room_id), json!({"user_id": bobs})).await), "ok");
    let (code, _) = invite(&mut ada, &room_id, json!({})).await;
    assert_eq!(outcome(&knock(&mut bob, &room_id, json!({"invite": code})).await), "banned", "with any invite");
}

/// So many want the last place.
pub(crate) const CROWD: usize = 100;

pub(crate) async fn crowd(server: &Server, count: usize) -> Vec<Player> {
    let mut crowd = Vec::new();
    for _ in 0..count {
        crowd.push(Player::enter_in(server, Codec::Json, "Crowd").await);
    }
    crowd
}

/// What they are answered, all having asked before anybody has read.
pub(crate) async fn rush(crowd: &mut [Player], data: &Value) -> Vec<Value> {
    for player in crowd.iter_mut() {
        player.say(&[json!({"type": "join_room", "ref": "asked", "data": data})]).await;
    }
    let mut answers = Vec::new();
    for player in crowd {
        answers.push(player.until("join_room", |message| message["ref"] == "asked").await);
    }
    answers
}

#[tokio::test(start_paused = true)]
async fn one_seat_is_taken_once_by_those_who_join() {
    let (server, mut ada, _bob) = two().await;
    let room_id = make(&mut ada, json!({"game": "parlor", "seats_max": 2, "password": "sesame"})).await;
    let mut crowd = crowd(&server, CROWD).await;
    let answers = rush(&mut crowd, &json!({"room_id": room_id, "password": "sesame"})).await;
    let in_it = answers.iter().filter(|answer| outcome(answer) == "ok").count();
    assert_eq!(in_it, 1);
    assert!(answers.iter().all(|answer| ["ok", "room_full", "busy"].contains(&outcome(answer))), "{answers:?}");
    assert!(answers.iter().any(|answer| outcome(answer) == "room_full"));
}

#[tokio::test(start_paused = true)]
async fn one_use_of_an_invite_is_used_once() {
    let (server, mut ada, _bob) = two().await;
    let room_id = make(&mut ada, json!({"game": "parlor", "visibility": "private"})).await;
    let (code, _) = invite(&mut ada, &room_id, json!({"uses": 1})).await;
    let mut crowd = crowd(&server, CROWD).await;
    let answers = rush(&mut crowd, &json!({"room_id": room_id, "invite": code, "as": "spectator"})).await;
    let outcomes: Vec<&str> = answers.iter().map(outcome).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "ok").count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "room_not_found").count(), CROWD - 1, "{outcomes:?}");
}

#[tokio::test(start_paused = true)]
async fn one_seat_is_taken_once_by_those_who_look_for_any() {
    let (server, mut ada, _bob) = two().await;
    let room_id = make(&mut ada, json!({"game": "parlor", "seats_max": 2})).await;
    // Seats are free here, too, but not for strangers.
    let locked = make(&mut ada, json!({"game": "parlor", "seats_max": 2})).await;
    assert_eq!(outcome(&ask(&mut ada, "update_room", Some(&locked), json!({"locked": true})).await), "ok");
    let closed = make(&mut ada, json!({"game": "parlor", "seats_max": 2, "password": "sesame"})).await;
    let unlisted = make(&mut ada, json!({"game": "parlor", "visibility": "unlisted"})).await;
    let mut crowd = crowd(&server, 500).await;
    let answers = rush(&mut crowd, &json!({"game": "parlor", "quick": true})).await;
    assert!(answers.iter().all(|answer| outcome(answer) == "ok"), "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| answer["room_id"] == room_id).count(), 1);
    for room in [locked, closed, unlisted] {
        assert_eq!(answers.iter().filter(|answer| answer["room_id"] == room).count(), 0);
    }
    // Nobody owns the rooms of strangers.
    let owned = answers.iter().filter(|answer| !answer["data"]["owner"].is_null()).count();
    assert_eq!(owned, 1, "the room that Ada made");
}

/// A durable private room of Ada's that sleeps, in a server that has space for so many rooms.
async fn hidden_and_asleep(rooms_max: u32) -> (Server, Player, String) {
    let mut config = open();
    config.limits.rooms_max = rooms_max;
    config.times.hibernate_after_ms = 1000;
    let store: Arc<dyn Store> = Arc::new(Memory::new(1_700_000_000_000));
    let server = Server::simulate_with(config, anteroom_games::registry().unwrap(), 1, Some(store)).unwrap();
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    let data = json!({"game": "relay", "durable": true, "visibility": "private", "password": "sesame"});
    let room_id = make(&mut ada, data).await;
    leave(&mut ada, &room_id).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(server.rooms_in_memory(), 0);
    (server, ada, room_id)
}

#[tokio::test(start_paused = true)]
async fn a_stranger_does_not_wake_a_private_room() {
    let (server, mut ada, room_id) = hidden_and_asleep(9).await;
    let mut eve = Player::enter_to_stay(&server, "Eve").await;
    for data in [json!({}), json!({"password": "sesame"}), json!({"as": "spectator"}), json!({"invite": "0"})] {
        let refused = knock(&mut eve, &room_id, data.clone()).await;
        let absent = knock(&mut eve, "k3v9k3v9k3", data).await;
        assert_eq!(outcome(&refused), "room_not_found");
        assert_eq!(refused.to_string().replace(&room_id, "k3v9k3v9k3"), absent.to_string());
        assert_eq!(server.rooms_in_memory(), 0, "it sleeps");
    }
    assert_eq!(outcome(&knock(&mut ada, &room_id, json!({})).await), "ok");
}

#[tokio::test(start_paused = true)]
async fn a_private_room_is_not_found_out_by_what_else_is_refused() {
    let (server, mut ada, room_id) = hidden_and_asleep(1).await;
    let mut eve = Player::enter_to_stay(&server, "Eve").await;
    make(&mut eve, json!({"game": "relay"})).await;
    // There is no space to wake it, which is nothing to a stranger.
    assert_eq!(outcome(&knock(&mut eve, &room_id, json!({})).await), "room_not_found");
    assert_eq!(outcome(&knock(&mut ada, &room_id, json!({})).await), "busy");
    let mut config = open();
    config.limits.rooms_per_session_max = 1;
    let server = server_with(config, with_parlor());
    let (mut ada, mut eve) = (Player::enter_to_stay(&server, "Ada").await, Player::enter_to_stay(&server, "Eve").await);
    let hidden = make(&mut ada, json!({"game": "parlor", "visibility": "private"})).await;
    let hers = make(&mut eve, json!({"game": "parlor"})).await;
    for password in [json!(null), json!("sesame")] {
        let answer = async |eve: &mut Player, room_id: &str| {
            outcome(&knock(eve, room_id, json!({"password": password})).await).to_owned()
        };
        assert_eq!(answer(&mut eve, &hidden).await, "limit_reached");
        assert_eq!(answer(&mut eve, "k3v9k3v9k3").await, "limit_reached");
        assert_eq!(answer(&mut eve, &hers).await, "already_in_room");
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_nothing_to_prove_is_not_held_up_by_wrong_passwords() {
    let (_server, mut ada, mut bob) = two().await;
    let room_id = make(&mut ada, json!({"game": "parlor", "password": "sesame"})).await;
    let (code, _) = invite(&mut ada, &room_id, json!({})).await;
    for _ in 0..5 {
        assert_eq!(outcome(&knock(&mut bob, &room_id, json!({"password": "wrong"})).await), "wrong_password");
    }
    assert_eq!(outcome(&knock(&mut bob, &room_id, json!({"password": "sesame"})).await), "rate_limited");
    let invited = knock(&mut bob, &room_id, json!({"password": "wrong", "invite": code})).await;
    assert_eq!(outcome(&invited), "ok", "{invited}");
    // Nobody but the owner sets one, whatever it is.
    for password in [json!("open"), json!("a".repeat(128))] {
        let refused = ask(&mut bob, "update_room", Some(&room_id), json!({"password": password})).await;
        assert_eq!(outcome(&refused), "not_owner", "{refused}");
    }
}
