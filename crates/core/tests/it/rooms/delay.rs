//! Those who watch see a room later than it happens, and nothing of what has happened since.

use anteroom_core::Command;
use anteroom_protocol::message::push::ClosedReason;
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
    hall.close(ClosedReason::Closed);
    assert!(hall.types(eve).is_empty() && hall.lost.is_empty(), "whoever was sent out sees nothing more");
}

#[test]
fn all_that_is_left_is_shown_when_the_room_is_over() {
    let mut hall = Gallery::late(false, DELAY_MS);
    let (ada, eve) = (hall.enter("ada", Role::Player), hall.enter("eve", Role::Spectator));
    pass(&mut hall, DELAY_MS);
    for n in 1..=3 {
        hall.act(ada, "say", &json!({ "n": n }));
        hall.act(ada, "say_latest", &json!({"key": "k", "n": 10 * n}));
        pass(&mut hall, 1000);
    }
    assert!(hall.pushed(eve, "said").is_empty());
    hall.close(ClosedReason::Idle);
    let numbers: Vec<_> = hall.pushed(eve, "said").iter().map(|said| said["n"].clone()).collect();
    assert_eq!(numbers, [1, 2, 3, 30], "of what is replaced only the newest");
    assert_eq!(hall.types(eve).last(), Some(&"room_closed"));
    assert_eq!(hall.types(ada), ["room_closed"]);
    assert!(hall.lost.is_empty());
}

#[test]
fn what_is_not_there_any_more_when_the_room_is_over_is_a_gap() {
    let mut hall = Gallery::late(true, DELAY_MS);
    let (ada, eve) = (hall.enter("ada", Role::Player), hall.enter("eve", Role::Spectator));
    hall.enter("bob", Role::Player);
    pass(&mut hall, DELAY_MS);
    hall.act(ada, "say", &json!({"n": 1}));
    let user_id = "bob".parse().unwrap();
    hall.room.handle(hall.now, Command::Erase { user_id, username: None }, &mut hall.flush);
    hall.end();
    hall.close(ClosedReason::Closed);
    assert_eq!((&hall.lost[..], hall.types(eve)), (&[eve][..], vec!["room_closed"]));
}

/// What the room is stored as, in bytes.
fn stored(hall: &Gallery) -> usize {
    let mut stored = Vec::new();
    hall.room.snapshot().unwrap().encode(&mut stored).unwrap();
    stored.len()
}

#[test]
fn too_much_is_joined_and_beyond_that_a_gap() {
    let mut hall = Gallery::late(false, 300_000);
    let (ada, eve) = (hall.enter("ada", Role::Player), hall.enter("eve", Role::Spectator));
    pass(&mut hall, 300_000);
    // Newest values are joined, so that the last one of them is shown in any case.
    for n in 0..20_000 {
        if n % 500 == 0 {
            let user = format!("guest{}", n % 3000);
            let guest = hall.enter(&user, Role::Spectator);
            hall.enter(&format!("friend{}", n % 3000), Role::Spectator);
            hall.ask(guest, "chat", json!({"text": user}));
            hall.ask(guest, "chat_edit", json!({"message_id": (n / 500 + 1).to_string(), "text": n.to_string()}));
            hall.ask(ada, "update_room", json!({"data": {"round": n}}));
        }
        if n == 10_000 {
            hall.restart();
        }
        hall.act(ada, "say_latest", &json!({"key": "k", "n": n}));
        pass(&mut hall, 10);
    }
    assert!(stored(&hall) < 4 << 20, "{} bytes", stored(&hall));
    let shown = pass(&mut hall, 300_000);
    let shown: Vec<_> = shown.iter().filter(|(to, message)| *to == eve && message["type"] == "said").collect();
    assert!(shown.len() > 3 && shown.last().unwrap().1["data"]["n"] == 19_999, "{} are shown", shown.len());
    assert!(hall.lost.is_empty());
    // What is different in the room is told whole, however it was joined.
    let (late, now) = (hall.snapshot(eve), hall.snapshot(ada));
    for part in ["members", "chat", "data", "view", "spectators", "state"] {
        assert_eq!(late[part], now[part], "{part}");
    }
    for _ in 0..400 {
        hall.act(ada, "big", &json!({"bytes": 10_000}));
        pass(&mut hall, 10);
    }
    assert!(stored(&hall) < 4 << 20, "{} bytes", stored(&hall));
    pass(&mut hall, 300_000);
    assert!(hall.lost.contains(&eve));
}

#[test]
fn who_else_is_there_and_what_was_said_is_not_kept_with_each_turn() {
    let mut hall = Gallery::late(false, DELAY_MS);
    let (ada, eve) = (hall.enter("ada", Role::Player), hall.enter("eve", Role::Spectator));
    for n in 0..90 {
        hall.enter(&format!("guest{n}"), Role::Spectator);
    }
    for n in 0..20 {
        hall.ask(ada, "chat", json!({"text": format!("{n} {}", "x".repeat(1900))}));
    }
    pass(&mut hall, DELAY_MS);
    let mut shown = 0;
    for n in 0..400 {
        hall.act(ada, "say_latest", &json!({"key": "k", "n": n}));
        pass(&mut hall, 20);
        shown += hall.pushed(eve, "said").len();
    }
    pass(&mut hall, DELAY_MS);
    assert_eq!(shown + hall.pushed(eve, "said").len(), 400, "each is shown in its own time");
}

#[test]
fn what_only_owners_read_of_a_member_is_in_the_room_of_then_too() {
    let mut hall = Gallery::late(false, DELAY_MS);
    let (_, eve) = (hall.enter("ada", Role::Player), hall.enter("eve", Role::Spectator));
    hall.ask(eve, "set_member_data", json!({"data": {"key": 1}, "access": {"key": "owner"}}));
    pass(&mut hall, 2 * DELAY_MS);
    let own = |snapshot: &Value| {
        let mut members = snapshot["members"].as_array().unwrap().iter();
        members.find(|member| member["user_id"] == "eve").unwrap()["data"].clone()
    };
    assert_eq!(own(&hall.snapshot(eve)), json!({"key": 1}), "her own");
    let bob = hall.enter("bob", Role::Spectator);
    assert_eq!(own(&hall.snapshot(bob)), json!({}), "another's");
    let owner = hall.enter("ada", Role::Spectator);
    assert_eq!(own(&hall.snapshot(owner)), json!({"key": 1}), "the owner's to read");
}

#[test]
fn who_goes_and_comes_again_within_the_delay_hears_nothing_of_their_going() {
    let mut hall = Gallery::late(false, DELAY_MS);
    let [_, eve, fay] = [("ada", Role::Player), ("eve", Role::Spectator), ("fay", Role::Spectator)]
        .map(|(user, role)| hall.enter(user, role));
    pass(&mut hall, 2 * DELAY_MS);
    hall.room.handle(hall.now, Command::Leave { member: eve, reference: None, n: None }, &mut hall.flush);
    hall.end();
    let again = hall.enter("eve", Role::Spectator);
    let is_there = |snapshot: &Value| {
        let members = snapshot["members"].as_array().unwrap();
        members.iter().filter(|member| member["user_id"] == "eve").count() == 1
    };
    assert!(is_there(&hall.snapshot(again)));
    pass(&mut hall, DELAY_MS);
    // Told late, it would take her out of what she has of the room. The others hear of both.
    assert!(hall.pushed(again, "client_left").is_empty());
    let (left, joined) = (hall.pushed(fay, "client_left"), hall.pushed(fay, "client_joined"));
    assert_eq!((&left[0]["user_id"], &joined[0]["user_id"]), (&json!("eve"), &json!("eve")));
    assert!(is_there(&hall.snapshot(again)));
}
