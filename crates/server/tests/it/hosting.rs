//! Rooms that a program has the server keep: with nobody in them, and seats kept.

use std::collections::BTreeSet;
use std::time::Duration;

use anteroom_protocol::message::request::CreateRoom;
use anteroom_protocol::{RoomId, UserId};
use anteroom_server::Hosting;
use serde_json::json;

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
