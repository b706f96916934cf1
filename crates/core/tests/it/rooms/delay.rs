//! Those who watch see a room later than it happens, and nothing of what has happened since.

use anteroom_core::Command;
use anteroom_protocol::message::{Role, RoomState};
use serde_json::{Value, json};

use crate::rooms::gallery::Gallery;

const DELAY_MS: u64 = 10_000;

/// Lets time pass as whoever runs a room does: each thing that falls due has a turn of its own.
fn pass(hall: &mut Gallery, ms: u64) -> Vec<(anteroom_core::room::MemberId, Value)> {
    let until = hall.now + std::time::Duration::from_millis(ms);
    let mut heard = Vec::new();
    while let Some(due) = hall.room.next_deadline().filter(|due| *due <= until) {
        let wait = due.as_millis() - hall.now.as_millis();
        hall.pass(wait);
        heard.append(&mut hall.heard);
    }
    let wait = until.as_millis() - hall.now.as_millis();
    hall.pass(wait);
    heard.append(&mut hall.heard);
    hall.heard.clone_from(&heard);
    heard
}

#[test]
fn what_is_said_is_heard_by_players_now_and_by_others_later() {
    let mut hall = Gallery::late(false, DELAY_MS);
    let (ada, eve) = (hall.enter("ada", Role::Player), hall.enter("eve", Role::Spectator));
    pass(&mut hall, 2 * DELAY_MS);
    hall.act(ada, "say", &json!({"n": 1}));
    assert_eq!((hall.types(ada), hall.types(eve)), (vec!["said"], vec![]));
    assert_eq!(hall.ask(ada, "chat", json!({"text": "hush"})), json!({"message_id": "1"}));
    assert!(hall.types(eve).is_empty());
    pass(&mut hall, DELAY_MS - 1);
    assert!(hall.types(eve).is_empty(), "nothing is shown early");
    pass(&mut hall, 1);
    assert_eq!((hall.types(ada), hall.types(eve)), (vec![], vec!["said", "chat"]));
}

#[test]
fn answers_are_not_late_and_tell_nothing_of_now() {
    let mut hall = Gallery::late(false, DELAY_MS);
    let (ada, eve) = (hall.enter("ada", Role::Player), hall.enter("eve", Role::Spectator));
    pass(&mut hall, 2 * DELAY_MS);
    hall.enter("bob", Role::Player);
    hall.ask(ada, "chat", json!({"text": "one"}));
    let names = |there: &Value| {
        let members = there["members"].as_array().unwrap().iter();
        members.map(|member| member["user_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&hall.ask(eve, "get_participants", json!({}))), ["ada", "eve"]);
    assert_eq!(hall.ask(eve, "chat_history", json!({}))["messages"], json!([]));
    assert_eq!(names(&hall.ask(ada, "get_participants", json!({}))), ["ada", "bob", "eve"]);
    pass(&mut hall, DELAY_MS);
    hall.ask(ada, "chat_edit", json!({"message_id": "1", "text": "two"}));
    assert_eq!(names(&hall.ask(eve, "get_participants", json!({}))), ["ada", "bob", "eve"]);
    assert_eq!(hall.ask(eve, "chat_history", json!({}))["messages"][0]["text"], "one");
    assert_eq!(hall.ask(ada, "chat_history", json!({}))["messages"][0]["text"], "two");
}

#[test]
fn a_newcomer_and_one_who_lost_messages_see_the_room_of_then() {
    let mut hall = Gallery::late(false, DELAY_MS);
    let ada = hall.enter("ada", Role::Player);
    pass(&mut hall, DELAY_MS);
    hall.act(ada, "begin", &json!({}));
    hall.act(ada, "publish", &json!({}));
    hall.ask(ada, "chat", json!({"text": "now"}));
    hall.heard.clear();
    let eve = hall.enter("eve", Role::Spectator);
    let welcome = hall.pushed(eve, "join_room_result").remove(0);
    let seen = |of: &Value| (of["state"].clone(), of["view"]["turn"].clone(), of["chat"].as_array().unwrap().len());
    assert_eq!(seen(&welcome), (json!("waiting"), json!(0), 0));
    assert_eq!(welcome["spectator_delay_ms"], DELAY_MS);
    let listed = welcome["members"].as_array().unwrap().iter().any(|member| member["user_id"] == "eve");
    assert!(listed, "they themselves are here");
    assert_eq!(seen(&hall.snapshot(eve)), seen(&welcome));
    assert_eq!(seen(&hall.snapshot(ada)), (json!("playing"), json!(1), 1));
    pass(&mut hall, DELAY_MS);
    assert_eq!(hall.pushed(eve, "chat").len(), 1);
    assert_eq!(seen(&hall.snapshot(eve)), (json!("playing"), json!(1), 1));
}

#[test]
fn the_lobby_shows_the_room_of_then() {
    let mut hall = Gallery::late(false, DELAY_MS);
    let ada = hall.enter("ada", Role::Player);
    pass(&mut hall, DELAY_MS);
    hall.enter("bob", Role::Player);
    hall.act(ada, "begin", &json!({}));
    let row = |hall: &Gallery| (hall.room.summary().state, hall.room.summary().players);
    assert_eq!(row(&hall), (RoomState::Waiting, 1));
    hall.flush.effects.entry = None;
    pass(&mut hall, DELAY_MS);
    assert_eq!(row(&hall), (RoomState::Playing, 2));
    let told = hall.flush.effects.entry.as_ref().map(|entry| (entry.summary.state, entry.summary.players));
    assert_eq!(told, Some((RoomState::Playing, 2)), "the lobby is told when it is shown");
}

#[test]
fn what_is_still_to_be_shown_outlasts_the_server() {
    let mut hall = Gallery::late(true, DELAY_MS);
    let (ada, eve) = (hall.enter("ada", Role::Player), hall.enter("eve", Role::Spectator));
    pass(&mut hall, DELAY_MS);
    hall.act(ada, "say", &json!({"n": 1}));
    hall.act(ada, "say_latest", &json!({"key": "k", "n": 2}));
    pass(&mut hall, DELAY_MS / 2);
    hall.restart();
    pass(&mut hall, DELAY_MS / 2 - 1);
    assert!(hall.types(eve).is_empty());
    pass(&mut hall, 1);
    assert_eq!(hall.types(eve), ["said", "said"]);
    assert_eq!(hall.heard.last().unwrap().1["latest"], "k");
}

#[test]
fn who_is_forgotten_is_in_nothing_that_is_still_to_be_shown() {
    let mut hall = Gallery::late(true, DELAY_MS);
    let ada = hall.enter("ada", Role::Player);
    let (bob, eve) = (hall.enter("bob", Role::Player), hall.enter("eve", Role::Spectator));
    pass(&mut hall, DELAY_MS);
    hall.ask(bob, "chat", json!({"text": "I was here"}));
    hall.ask(ada, "chat", json!({"text": "goodbye"}));
    let user_id = "bob".parse().unwrap();
    hall.room.handle(hall.now, Command::Erase { user_id, username: None }, &mut hall.flush);
    hall.end();
    let mut stored = Vec::new();
    hall.room.snapshot().unwrap().encode(&mut stored).unwrap();
    let stored = String::from_utf8(stored).unwrap();
    assert!(!stored.contains("bob") && !stored.contains("BOB") && !stored.contains("I was here"));
    assert!(!hall.room.snapshot().unwrap().mentions(&"bob".parse().unwrap()));
    pass(&mut hall, DELAY_MS);
    assert_eq!(hall.lost, [eve], "what was let go of is a gap");
    assert_eq!(hall.snapshot(eve)["chat"].as_array().unwrap().len(), 1);
}

#[test]
fn who_takes_a_seat_hears_at_once_what_they_were_still_to_hear() {
    let mut hall = Gallery::late(false, DELAY_MS);
    let (ada, eve) = (hall.enter("ada", Role::Player), hall.enter("eve", Role::Spectator));
    let max = hall.enter("max", Role::Spectator);
    pass(&mut hall, DELAY_MS);
    for n in [1, 2] {
        hall.act(ada, "say", &json!({ "n": n }));
    }
    assert_eq!(hall.ask(eve, "queue_for_seat", json!({"queued": true})), json!({"position": null}));
    let numbers: Vec<_> = hall.pushed(eve, "said").iter().map(|said| said["n"].clone()).collect();
    assert_eq!(numbers, [1, 2]);
    assert_eq!(hall.types(eve)[0], "queue_for_seat_result", "the answer is in front of what it caused");
    assert_eq!(hall.types(max), Vec::<&str>::new());
    hall.act(ada, "say", &json!({"n": 3}));
    assert_eq!(hall.pushed(eve, "said").len(), 1);
    pass(&mut hall, DELAY_MS);
    assert_eq!((hall.pushed(eve, "said").len(), hall.pushed(max, "said").len()), (0, 3));
}

#[test]
fn a_farewell_is_not_late() {
    let mut hall = Gallery::late(false, DELAY_MS);
    let (ada, eve) = (hall.enter("ada", Role::Player), hall.enter("eve", Role::Spectator));
    pass(&mut hall, DELAY_MS);
    hall.act(ada, "say", &json!({"n": 1}));
    assert_eq!(hall.ask(ada, "kick", json!({"user_id": "eve"})), json!({}));
    assert_eq!(hall.types(eve), ["room_closed"]);
}
