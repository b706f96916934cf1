//! Who is ready, what begins a match, and who sits where until it does.

use serde_json::{Value, json};

use crate::rooms::hall::{Hall, by_ada, nobodys};
use crate::rooms::rounds::{Rounds, Told, WhenFull, WhenReady};

fn ready(hall: &mut Hall, member: anteroom_core::room::MemberId) -> Value {
    hall.ask(member, "ready", json!({"ready": true}))
}

#[test]
fn who_is_ready_is_told_to_all_and_to_the_game() {
    let mut hall = Hall::of::<Rounds<Told>>(&json!({}), by_ada());
    let (ada, bob, eve) = (hall.sit("ada"), hall.sit("bob"), hall.watch("eve"));
    hall.hush();
    assert_eq!(ready(&mut hall, ada), json!({}));
    let update = json!({"user_id": "ada", "number": 1, "ready": true});
    for member in [ada, bob, eve] {
        assert_eq!(hall.told(member, "member_updated"), std::slice::from_ref(&update));
        assert_eq!(hall.notes(member), ["ready 0 true"]);
    }
    assert_eq!(hall.types(ada)[0], "ready_result", "the answer goes first");
    hall.hush();
    assert_eq!(ready(&mut hall, ada), "conflict", "it is so already");
    assert_eq!(ready(&mut hall, eve), "not_a_player");
    assert_eq!(hall.ask(bob, "ready", json!({"ready": "yes"})), "invalid_data");
    assert!(hall.notes(bob).is_empty());
    assert_eq!(hall.member(eve, "ada")["ready"], true);
    hall.act(bob, "begin", json!({}));
    assert_eq!(hall.member(eve, "ada")["ready"], false, "and not for the next match");
    assert_eq!(ready(&mut hall, bob), "conflict", "a match is being played");
}

#[test]
fn a_match_begins_when_enough_are_there_and_all_of_them_are_ready() {
    let mut hall = Hall::of::<Rounds<WhenReady>>(&json!({"min": 2}), by_ada());
    let ada = hall.sit("ada");
    ready(&mut hall, ada);
    assert_eq!(hall.snapshot(ada)["state"], "waiting", "one is not enough");
    let bob = hall.sit("bob");
    hall.hush();
    ready(&mut hall, bob);
    assert_eq!(hall.told(ada, "room_updated"), [json!({"state": "playing"})]);
    assert_eq!(hall.notes(ada), ["ready 1 true", "start"]);
    assert!(["ada", "bob"].iter().all(|user| hall.member(ada, user)["ready"] == false));
    // A second match needs that all are ready again.
    hall.act(ada, "finish", json!({}));
    ready(&mut hall, ada);
    assert_eq!(hall.snapshot(ada)["state"], "finished");
    ready(&mut hall, bob);
    assert_eq!(hall.snapshot(ada)["state"], "playing");
}

#[test]
fn bots_are_ready_and_who_is_not_holds_the_match_up_until_they_go() {
    let mut hall = Hall::of::<Rounds<WhenReady>>(&json!({"min": 2}), by_ada());
    let (ada, bob) = (hall.sit("ada"), hall.sit("bob"));
    hall.ask(ada, "add_bot", json!({}));
    ready(&mut hall, ada);
    assert_eq!(hall.snapshot(ada)["state"], "waiting");
    hall.leave(bob);
    assert_eq!(hall.snapshot(ada)["state"], "playing");
    assert_eq!(
        hall.knock(Hall::visitor("cyd", anteroom_protocol::message::Role::Player)).unwrap_err(),
        r#"room_locked {"reason":"playing"}"#,
        "the game takes nobody late"
    );
    hall.watch("dan");
    assert_eq!(
        hall.knock(Hall::visitor("dan", anteroom_protocol::message::Role::Player)).unwrap_err(),
        r#"room_locked {"reason":"playing"}"#,
        "nor whoever watches already"
    );
    hall.lose(ada);
    hall.sit("ada");
}

#[test]
fn uneven_teams_do_not_begin() {
    let mut hall = Hall::of::<Rounds<WhenReady>>(&json!({"seats": 4, "min": 2, "teams": 2}), by_ada());
    let (ada, bob) = (hall.sit("ada"), hall.sit("bob"));
    hall.ask(bob, "choose_seat", json!({"seat": 2}));
    ready(&mut hall, ada);
    ready(&mut hall, bob);
    assert_eq!(hall.snapshot(ada)["state"], "waiting", "both are in one team");
    hall.ask(bob, "choose_seat", json!({"seat": 3}));
    assert_eq!(hall.snapshot(ada)["state"], "playing");
}

#[test]
fn a_match_begins_once_when_all_seats_are_taken() {
    let mut hall = Hall::of::<Rounds<WhenFull>>(&json!({"seats": 3, "min": 2}), by_ada());
    let (ada, bob) = (hall.sit("ada"), hall.sit("bob"));
    assert_eq!(hall.snapshot(ada)["state"], "waiting");
    assert_eq!(hall.ask(ada, "update_room", json!({"seats_max": 2})), json!({}));
    assert_eq!(hall.snapshot(ada)["state"], "playing", "there are no more seats");
    hall.act(bob, "finish", json!({}));
    hall.hush();
    hall.pass(10_000);
    assert_eq!(hall.snapshot(ada)["state"], "finished", "another one is for the game to ask for");
    hall.act(bob, "wait", json!({}));
    assert_eq!(hall.snapshot(ada)["state"], "playing");
}

#[test]
fn a_free_seat_is_moved_to_and_a_taken_one_swapped_by_consent() {
    let mut hall = Hall::of::<Rounds<Told>>(&json!({}), by_ada());
    let (ada, bob, eve) = (hall.sit("ada"), hall.sit("bob"), hall.watch("eve"));
    hall.hush();
    assert_eq!(hall.ask(ada, "choose_seat", json!({"seat": 2})), json!({"seat": 2}));
    assert_eq!(hall.told(eve, "member_updated"), [json!({"user_id": "ada", "number": 1, "seat": 2})]);
    assert_eq!(hall.notes(eve), ["left 0", "joined 2"]);
    assert_eq!(hall.seats(), ["bob:1", "ada:2"]);
    hall.hush();
    // Ada wants Bob's seat, and has it when Bob wants hers.
    assert_eq!(hall.ask(ada, "choose_seat", json!({"seat": 1})), json!({"seat": 2}));
    assert_eq!(hall.told(bob, "member_updated"), [json!({"user_id": "ada", "number": 1, "wants_seat": 1})]);
    assert_eq!(hall.member(bob, "ada")["wants_seat"], 1);
    assert_eq!(hall.ask(ada, "choose_seat", json!({"seat": 1})), "conflict");
    assert_eq!(hall.ask(bob, "choose_seat", json!({"seat": 2})), json!({"seat": 2}));
    assert_eq!(hall.seats(), ["ada:1", "bob:2"]);
    assert_eq!(hall.member(bob, "ada")["wants_seat"], Value::Null);
    // A wish is taken back by one's own seat, and moot when its seat is left.
    hall.ask(ada, "choose_seat", json!({"seat": 2}));
    assert_eq!(hall.ask(ada, "choose_seat", json!({"seat": 1})), json!({"seat": 1}));
    assert_eq!(hall.ask(ada, "choose_seat", json!({"seat": 1})), "conflict");
    // Whoever swaps acts in the new seat.
    hall.act(ada, "begin", json!({}));
    hall.hush();
    hall.act(ada, "count", json!({"mine": null}));
    assert_eq!(hall.told(bob, "counted")[0]["seat"], 1);
}

#[test]
fn where_there_are_fewer_seats_those_beyond_are_none_unless_they_are_taken() {
    let mut hall = Hall::of::<Rounds<Told>>(&json!({"seats": 4}), by_ada());
    let (ada, bob) = (hall.sit("ada"), hall.sit("bob"));
    assert_eq!(hall.ask(bob, "choose_seat", json!({"seat": 3})), json!({"seat": 3}));
    assert_eq!(hall.ask(ada, "update_room", json!({"seats_max": 2})), json!({}));
    assert_eq!(hall.ask(ada, "choose_seat", json!({"seat": 2})), "invalid_data");
    assert_eq!(hall.ask(ada, "add_bot", json!({"seat": 2})), "invalid_data");
    assert_eq!(hall.ask(ada, "choose_seat", json!({"seat": 3})), json!({"seat": 0}), "Bob may swap");
    assert_eq!(hall.ask(bob, "choose_seat", json!({"seat": 1})), json!({"seat": 1}));
    assert_eq!(hall.ask(bob, "choose_seat", json!({"seat": 3})), "invalid_data", "nobody is there any more");
}

#[test]
fn seats_that_cannot_be_chosen() {
    let mut hall = Hall::of::<Rounds<Told>>(&json!({}), nobodys());
    let (ada, eve) = (hall.sit("ada"), hall.watch("eve"));
    assert_eq!(hall.ask(eve, "choose_seat", json!({"seat": 1})), "not_a_player");
    for wrong in [json!(3), json!(65535), json!(-1), json!("1")] {
        assert_eq!(hall.ask(ada, "choose_seat", json!({ "seat": wrong })), "invalid_data");
    }
    hall.act(ada, "begin", json!({}));
    assert_eq!(hall.ask(ada, "choose_seat", json!({"seat": 1})), "conflict");
    assert_eq!(hall.seats(), ["ada:0"]);
    hall.act(ada, "finish", json!({}));
    assert_eq!(hall.ask(ada, "choose_seat", json!({"seat": 1})), json!({"seat": 1}), "after a match");
}

#[test]
fn a_bot_gives_its_seat_and_plays_on_in_the_other() {
    let mut hall = Hall::of::<Rounds<Told>>(&json!({}), by_ada());
    let ada = hall.sit("ada");
    hall.ask(ada, "add_bot", json!({"seat": 2}));
    assert_eq!(hall.ask(ada, "choose_seat", json!({"seat": 2})), json!({"seat": 2}));
    assert_eq!(hall.seats(), ["bot-1:0", "ada:2"]);
    hall.rebuild::<Rounds<Told>>();
    hall.act(ada, "begin", json!({}));
    hall.hush();
    hall.pass(1400);
    assert_eq!(hall.told(ada, "counted"), [json!({"seat": 0, "mine": 0, "total": 1})]);
}
