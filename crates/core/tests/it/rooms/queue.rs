//! Those who wait for a seat, and seats that wait for somebody.

use std::time::Duration;

use anteroom_core::Command;
use anteroom_core::room::Terms;
use anteroom_protocol::message::Role;
use serde_json::{Value, json};

use crate::rooms::hall::{Hall, by_ada};
use crate::rooms::rounds::{Rounds, Told, WhenReady};

const QUEUE: fn(bool) -> Value = |queued| json!({ "queued": queued });

#[test]
fn the_first_who_waits_has_the_next_free_seat() {
    let mut hall = Hall::of::<Rounds<Told>>(&json!({"seats": 2}), by_ada());
    let (ada, bob) = (hall.sit("ada"), hall.sit("bob"));
    let (eve, fay) = (hall.watch("eve"), hall.watch("fay"));
    assert_eq!(hall.ask(eve, "queue_for_seat", QUEUE(true)), json!({"position": 0}));
    assert_eq!(hall.ask(fay, "queue_for_seat", QUEUE(true)), json!({"position": 1}));
    assert_eq!(hall.snapshot(ada)["seat_queue"], json!(["eve", "fay"]));
    hall.hush();
    hall.leave(bob);
    assert_eq!(hall.seats(), ["ada:0", "eve:1"]);
    assert_eq!(hall.roles, [(eve, Role::Player)]);
    let update = json!({"user_id": "eve", "number": 3, "role": "player", "seat": 1});
    assert_eq!(hall.told(fay, "member_updated"), std::slice::from_ref(&update));
    assert_eq!(hall.told(eve, "member_updated"), [update]);
    let lines: Vec<Value> =
        hall.told(fay, "system").iter().map(|line| json!([line["event"], line["user_id"]])).collect();
    assert_eq!(lines, [json!(["left", "bob"]), json!(["joined", "eve"])], "whoever had the seat, and has it now");
    assert_eq!(hall.told(ada, "room_updated").last().unwrap()["seat_queue"], json!(["fay"]));
    let view = hall.told(eve, "game_state").pop().unwrap();
    assert_eq!(view["mine"], 1, "they see what is theirs");
    assert!(hall.told(fay, "game_state").is_empty());
    // From now on they play.
    assert_eq!(hall.act(eve, "begin", json!({})), json!({}));
    assert_eq!(hall.ask(eve, "queue_for_seat", QUEUE(true)), "conflict");
    assert_eq!(hall.act(fay, "begin", json!({})), "not_a_player");
}

#[test]
fn whoever_gets_a_seat_is_not_counted_among_those_who_watch() {
    let mut hall = Hall::of::<Rounds<Told>>(&json!({"seats": 2}), by_ada());
    let (ada, bob) = (hall.sit("ada"), hall.sit("bob"));
    let (eve, _) = (hall.watch("eve"), hall.watch("fay"));
    hall.ask(eve, "queue_for_seat", QUEUE(true));
    hall.pass(250);
    assert_eq!(hall.told(ada, "room_updated").last().unwrap()["spectators"], 2);
    hall.hush();
    hall.leave(bob);
    hall.pass(250);
    assert_eq!(hall.told(ada, "room_updated").last().unwrap()["spectators"], 1);
}

#[test]
fn whoever_does_not_wait_any_more_is_passed_over() {
    let mut hall = Hall::of::<Rounds<Told>>(&json!({"seats": 1}), by_ada());
    let ada = hall.sit("ada");
    let [eve, fay, guy] = ["eve", "fay", "guy"].map(|user| hall.watch(user));
    for member in [eve, fay, guy] {
        hall.ask(member, "queue_for_seat", QUEUE(true));
    }
    assert_eq!(hall.ask(eve, "queue_for_seat", QUEUE(true)), "conflict");
    assert_eq!(hall.ask(eve, "queue_for_seat", QUEUE(false)), json!({"position": null}));
    assert_eq!(hall.ask(eve, "queue_for_seat", QUEUE(false)), "conflict");
    hall.leave(fay);
    assert_eq!(hall.snapshot(ada)["seat_queue"], json!(["guy"]));
    hall.rebuild::<Rounds<Told>>();
    hall.lose(ada);
    assert!(hall.seats()[0].starts_with("ada"), "the seat is kept");
    hall.pass(super::hall::KEPT_MS);
    assert_eq!(hall.seats(), ["guy:0"]);
}

#[test]
fn a_free_seat_is_had_at_once_unless_others_wait_or_the_match_takes_nobody() {
    let mut hall = Hall::of::<Rounds<WhenReady>>(&json!({"min": 1}), by_ada());
    let (ada, eve, fay) = (hall.sit("ada"), hall.watch("eve"), hall.watch("fay"));
    assert_eq!(hall.ask(eve, "queue_for_seat", QUEUE(true)), json!({"position": null}));
    assert_eq!(hall.seats(), ["ada:0", "eve:1"]);
    hall.ask(ada, "ready", json!({"ready": true}));
    hall.ask(eve, "ready", json!({"ready": true}));
    assert_eq!(hall.ask(fay, "queue_for_seat", QUEUE(true)), json!({"position": 0}));
    assert_eq!(hall.seats().len(), 2, "a match is being played");
    hall.act(ada, "finish", json!({}));
    assert_eq!(hall.seats(), ["ada:0", "eve:1", "fay:2"]);
    assert_eq!(hall.snapshot(ada)["seat_queue"], json!([]));
}

#[test]
fn the_others_hear_who_does_not_wait_any_more() {
    let mut hall = Hall::of::<Rounds<Told>>(&json!({"seats": 3}), by_ada());
    let (ada, bob) = (hall.sit("ada"), hall.sit("bob"));
    hall.reserve("fay", 100_000);
    let (eve, guy) = (hall.watch("eve"), hall.watch("guy"));
    let fay = hall.watch("fay");
    hall.ask(eve, "queue_for_seat", QUEUE(true));
    hall.ask(guy, "queue_for_seat", QUEUE(true));
    hall.hush();
    assert_eq!(hall.ask(fay, "queue_for_seat", QUEUE(true)), json!({"position": null}), "one is kept for Fay");
    assert_eq!(hall.seats(), ["ada:0", "bob:1", "fay:2"]);
    assert!(hall.told(bob, "room_updated").is_empty(), "the others wait as before");
    hall.ask(ada, "ban", json!({"user_id": "eve"}));
    assert_eq!(hall.told(bob, "room_updated")[0]["seat_queue"], json!(["guy"]));
    hall.hush();
    hall.handle(Command::Erase { user_id: "guy".parse().unwrap(), username: None });
    assert_eq!(hall.told(bob, "room_updated")[0]["seat_queue"], json!([]));
}

#[test]
fn whoever_gets_a_seat_is_known_by_name_from_then_on() {
    let mut hall = Hall::of::<Rounds<Told>>(&json!({"seats": 2}), by_ada());
    let ada = hall.sit("ada");
    for number in 0..100 {
        hall.watch(&format!("w{number}"));
    }
    let eve = hall.watch("eve");
    assert_eq!(hall.snapshot(ada)["members"].as_array().unwrap().len(), 101, "she is one of many");
    hall.ask(eve, "set_member_data", json!({"data": {"hand": 7, "hat": 1}, "access": {"hand": "owner"}}));
    hall.hush();
    hall.ask(eve, "queue_for_seat", QUEUE(true));
    for member in [ada, eve] {
        assert_eq!(hall.told(member, "client_joined")[0]["data"], json!({"hat": 1}), "{member:?}");
        let told = hall.told(member, "member_updated");
        assert!(told.iter().any(|update| update["data"] == json!({"hand": 7})), "{member:?}");
    }
}

#[test]
fn whoever_asks_for_a_seat_is_the_one_who_plays() {
    for leaves in [false, true] {
        let mut hall = Hall::of::<Rounds<Told>>(&json!({"seats": 2}), by_ada());
        let (_, bob) = (hall.sit("ada"), hall.sit("bob"));
        let [first, second] = [hall.watch("eve"), hall.watch("eve")];
        assert_eq!(hall.ask(second, "queue_for_seat", QUEUE(true)), json!({"position": 0}));
        hall.rebuild::<Rounds<Told>>();
        if leaves {
            hall.leave(second);
        }
        hall.leave(bob);
        assert_eq!(hall.seats(), ["ada:0", "eve:1"]);
        let plays = if leaves { first } else { second };
        assert_ne!(hall.ask(plays, "ready", json!({"ready": true})), "not_a_player");
        if !leaves {
            assert_eq!(hall.ask(first, "ready", json!({"ready": true})), "not_a_player");
        }
    }
}

#[test]
fn a_seat_is_kept_for_somebody_until_then() {
    let mut hall = Hall::of::<Rounds<Told>>(&json!({"seats": 2}), by_ada());
    let ada = hall.sit("ada");
    hall.reserve("bob", 1000);
    let eve = hall.watch("eve");
    assert_eq!(hall.knock(Hall::visitor("cyd", Role::Player)).unwrap_err(), "room_full");
    assert_eq!(hall.ask(eve, "queue_for_seat", QUEUE(true)), json!({"position": 0}));
    assert_eq!(hall.ask(ada, "add_bot", json!({})), "room_full");
    assert_eq!(hall.seats(), ["ada:0"]);
    hall.pass(999);
    assert_eq!(hall.seats(), ["ada:0"]);
    hall.pass(1);
    assert_eq!(hall.seats(), ["ada:0", "eve:1"], "it has lapsed");
    assert_eq!(hall.knock(Hall::visitor("bob", Role::Player)).unwrap_err(), "room_full");
}

#[test]
fn seats_are_kept_for_all_of_them_or_for_none() {
    let mut hall = Hall::of::<Rounds<Told>>(&json!({"seats": 3}), by_ada());
    hall.sit("ada");
    let users = ["bob", "cyd", "dan"].map(|user| user.parse().unwrap());
    let until = hall.now + Duration::from_secs(60);
    hall.handle(Command::Reserve { users: users.to_vec(), until });
    hall.sit("eve");
    assert_eq!(hall.seats(), ["ada:0", "eve:1"], "there were two free ones");
    hall.handle(Command::Reserve { users: vec![users[0].clone(), users[0].clone(), "ada".parse().unwrap()], until });
    assert_eq!(hall.knock(Hall::visitor("fay", Role::Player)).unwrap_err(), "room_full");
    hall.sit("bob");
}

#[test]
fn who_is_awaited_comes_in_through_every_door_but_a_ban() {
    let mut terms = Terms { password: Some("hash".into()), ..by_ada() };
    let until = anteroom_core::Time::from_millis(10_000);
    terms.reserved = vec![("bob".parse().unwrap(), until), ("cyd".parse().unwrap(), until)];
    let mut hall = Hall::of::<Rounds<Told>>(&json!({"seats": 3}), terms);
    let ada = hall.sit("ada");
    hall.ask(ada, "update_room", json!({"locked": true, "visibility": "private"}));
    hall.rebuild::<Rounds<Told>>();
    hall.sit("bob");
    assert_eq!(hall.ask(ada, "ban", json!({"user_id": "cyd"})), json!({}));
    assert_eq!(hall.knock(Hall::visitor("cyd", Role::Player)).unwrap_err(), "room_not_found");
    assert_eq!(hall.seats(), ["ada:0", "bob:1"]);
}

#[test]
fn seats_are_not_made_fewer_than_are_taken_or_kept() {
    let mut hall = Hall::of::<Rounds<Told>>(&json!({"seats": 5, "min": 2}), by_ada());
    let ada = hall.sit("ada");
    hall.sit("bob");
    hall.reserve("cyd", 1000);
    for wrong in [0, 1, 2, 6, 65_535] {
        assert_eq!(hall.ask(ada, "update_room", json!({ "seats_max": wrong })), "invalid_data", "{wrong}");
    }
    assert_eq!(hall.ask(ada, "update_room", json!({"seats_max": 3})), json!({}));
    assert_eq!(hall.summary.as_ref().unwrap().seats_max, 3);
    hall.pass(1000);
    assert_eq!(hall.ask(ada, "update_room", json!({"seats_max": 2})), json!({}));
}

#[test]
fn more_seats_let_those_in_who_wait() {
    let mut hall = Hall::of::<Rounds<Told>>(&json!({"seats": 3}), Terms { seats_max: Some(1), ..by_ada() });
    let (ada, eve) = (hall.sit("ada"), hall.watch("eve"));
    hall.ask(eve, "queue_for_seat", QUEUE(true));
    hall.ask(ada, "update_room", json!({"seats_max": 2}));
    assert_eq!(hall.seats(), ["ada:0", "eve:1"]);
}

#[test]
fn who_has_lost_the_connection_misses_the_seat() {
    let mut hall = Hall::of::<Rounds<Told>>(&json!({"seats": 1}), by_ada());
    let (ada, eve, fay) = (hall.sit("ada"), hall.watch("eve"), hall.watch("fay"));
    hall.ask(eve, "queue_for_seat", QUEUE(true));
    hall.ask(fay, "queue_for_seat", QUEUE(true));
    hall.handle(Command::Disconnect { member: eve, kept: true });
    hall.leave(ada);
    assert_eq!(hall.seats(), ["fay:0"]);
}
