//! Rooms that a program has the server keep: with nobody in them, and seats kept.

use std::collections::BTreeSet;
use std::time::Duration;

use anteroom_protocol::message::request::CreateRoom;
use anteroom_protocol::message::{Access, AccessMap, DataMap};
use anteroom_protocol::{RoomId, UserId};
use anteroom_server::Hosting;
use serde_json::{Value, json};

use crate::doors::{CROWD, crowd, outcome, rush};
use crate::parlor::with_parlor;
use crate::player::{Player, open, server_with};

#[tokio::test(start_paused = true)]
async fn a_seat_that_is_kept_is_nobody_elses() {
    let server = server_with(open(), with_parlor());
    let mut crowd = crowd(&server, CROWD).await;
    let user = |player: &Player| player.session["user_id"].as_str().unwrap().parse::<UserId>().unwrap();
    let expected: Vec<UserId> = [3, 70].map(|place| user(&crowd[place])).into();
    let request = CreateRoom { game: "parlor".into(), seats_max: Some(2), ..CreateRoom::default() };
    let kept_for = Duration::from_secs(30);
    let hosting = Hosting { users: expected.clone(), kept_for, ..Hosting::default() };
    let room_id: RoomId = server.open_room(&request, hosting).await.unwrap();
    let refused = server.reserve(&room_id, vec![user(&crowd[5])], kept_for).await.unwrap_err();
    assert_eq!(refused.code.name(), "room_full");
    let answers = rush(&mut crowd, &json!({"room_id": room_id})).await;
    let in_it: BTreeSet<usize> = (0..CROWD).filter(|place| outcome(&answers[*place]) == "ok").collect();
    assert_eq!(in_it, BTreeSet::from([3, 70]), "{answers:?}");
    assert!(answers.iter().all(|answer| ["ok", "room_full"].contains(&outcome(answer))));
    server.close_room(&room_id).unwrap();
    assert_eq!(crowd[3].hear("room_closed").await["data"]["reason"], "closed");
    assert_eq!(server.close_room(&"k3v9k3v9k3".parse().unwrap()).unwrap_err().code.name(), "room_not_found");
}

#[tokio::test(start_paused = true)]
async fn a_room_that_nobody_comes_to_is_not_kept_longer_than_its_seats() {
    let server = server_with(open(), with_parlor());
    let bob = Player::enter_to_stay(&server, "Bob").await;
    let user: UserId = bob.session["user_id"].as_str().unwrap().parse().unwrap();
    let request = CreateRoom { game: "parlor".into(), ..CreateRoom::default() };
    let hosting = |persistent| Hosting { users: vec![user.clone()], kept_for: Duration::from_secs(30), persistent };
    server.open_room(&request, hosting(false)).await.unwrap();
    server.open_room(&request, hosting(true)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(server.rooms_in_memory(), 2);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(server.rooms_in_memory(), 1, "the one that stays until it is closed");
    let too_many = Hosting { users: vec![user.clone(); 1], kept_for: Duration::from_secs(1), persistent: false };
    let small = CreateRoom { seats_max: Some(1), ..request };
    assert_eq!(server.open_room(&small, too_many).await.unwrap_err().code.name(), "invalid_data");
}

fn map(data: Value) -> DataMap {
    serde_json::from_value(data).unwrap()
}

#[tokio::test(start_paused = true)]
async fn data_that_the_program_sets_is_told_to_those_who_may_read_it() {
    let server = server_with(open(), with_parlor());
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    let mut bob = Player::enter_to_stay(&server, "Bob").await;
    let bob_id: UserId = bob.session["user_id"].as_str().unwrap().parse().unwrap();
    let hidden = AccessMap::from([("seed".to_owned(), Access::Server)]);
    let request = CreateRoom {
        game: "parlor".into(),
        data: Some(map(json!({"seed": 7, "map": "moor"}))),
        access: Some(hidden.clone()),
        ..CreateRoom::default()
    };
    let room_id = server.open_room(&request, Hosting { persistent: true, ..Hosting::default() }).await.unwrap();
    ada.join(&room_id.to_string(), "player").await;
    bob.join(&room_id.to_string(), "player").await;
    let told = json!({"seed": 8, "map": "marsh", "round": 2});
    server.set_data(&room_id, map(told), AccessMap::new()).await.unwrap();
    let mut heard = Vec::new();
    while heard.len() < 2 {
        heard.push(ada.hear("room_updated").await["data"]["data"].take());
    }
    assert_eq!(heard, [json!({"map": "marsh"}), json!({"round": 2})], "the server's own is nobody's to read");
    server.set_member_data(&room_id, &bob_id, map(json!({"rank": 3})), AccessMap::new()).await.unwrap();
    let update = ada.hear("member_updated").await;
    assert_eq!((&update["data"]["user_id"], &update["data"]["data"]), (&json!(bob_id), &json!({"rank": 3})));
    // Whoever comes finds what there is.
    let mut eve = Player::enter_to_stay(&server, "Eve").await;
    eve.say(&[json!({"type": "join_room", "ref": 1, "data": {"room_id": room_id, "as": "spectator"}})]).await;
    assert_eq!(eve.answer(1).await["data"]["data"], json!({"map": "marsh", "round": 2}));
    // What cannot be is refused, and changes nothing.
    let wrong = server.set_data(&room_id, map(json!({"": 1, "round": 3})), AccessMap::new()).await.unwrap_err();
    assert_eq!(wrong.code.name(), "invalid_data");
    let nobody: UserId = "nobody".parse().unwrap();
    let wrong = server.set_member_data(&room_id, &nobody, DataMap::new(), AccessMap::new()).await.unwrap_err();
    assert_eq!(wrong.code.name(), "not_in_room");
    let gone: RoomId = "k3v9k3v9k3".parse().unwrap();
    let wrong = server.set_data(&gone, DataMap::new(), AccessMap::new()).await.unwrap_err();
    assert_eq!(wrong.code.name(), "room_not_found");
    assert_eq!(ada.unread("room_updated"), Vec::<&Value>::new());
}
