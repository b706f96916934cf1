//! Requests that come at a wrong time, twice, or at the same time as another one.

use anteroom_core::room::MemberId;
use serde_json::{Value, json};

use crate::rooms::hall::{Hall, by_ada, nobodys};
use crate::rooms::rounds::{Botless, Rounds, Rules, Told, WhenReady};

fn three<R: Rules>() -> (Hall, [MemberId; 3]) {
    let mut hall = Hall::of::<Rounds<R>>(&json!({}), by_ada());
    let members = [hall.sit("ada"), hall.sit("bob"), hall.watch("eve")];
    (hall, members)
}

/// Once it is done, and then it is so already.
fn twice(hall: &mut Hall, member: MemberId, kind: &str, data: Value) {
    assert!(hall.ask(member, kind, data.clone()).is_object(), "{kind}");
    assert_eq!(hall.ask(member, kind, data), "conflict", "{kind}");
}

#[test]
fn whoever_was_the_owner_gives_the_room_away_once() {
    let (mut hall, [ada, bob, _]) = three::<Told>();
    hall.ask(ada, "add_bot", json!({}));
    for nobody in ["bot-1", "ada", "zoe"] {
        assert_eq!(hall.ask(ada, "transfer_owner", json!({"user_id": nobody})), "invalid_data", "{nobody}");
    }
    assert_eq!(hall.ask(ada, "transfer_owner", json!({"user_id": "bob"})), json!({}));
    assert_eq!(hall.ask(ada, "transfer_owner", json!({"user_id": "bob"})), "not_owner");
    assert_eq!(hall.ask(ada, "transfer_owner", json!({"user_id": "eve"})), "not_owner");
    assert_eq!(hall.snapshot(ada)["owner"], "bob");
    // Each would send the other one out: the owner's request counts, whichever is first.
    assert_eq!(hall.ask(ada, "kick", json!({"user_id": "bob"})), "not_owner");
    assert_eq!(hall.ask(bob, "kick", json!({"user_id": "ada"})), json!({}));
    assert_eq!(hall.ask(ada, "kick", json!({"user_id": "bob"})), Value::Null, "who is out is not heard");
    assert_eq!(hall.ask(bob, "kick", json!({"user_id": "ada"})), "invalid_data", "nor there to be sent out again");
    assert_eq!(hall.seats(), ["bob:1", "bot-1:2"]);
}

#[test]
fn of_two_who_want_a_free_seat_one_has_it() {
    let (mut hall, [ada, bob, _]) = three::<Told>();
    assert_eq!(hall.ask(ada, "choose_seat", json!({"seat": 2})), json!({"seat": 2}));
    assert_eq!(hall.ask(bob, "choose_seat", json!({"seat": 2})), json!({"seat": 1}), "it is wished for");
    assert_eq!(hall.seats(), ["bob:1", "ada:2"]);
    assert_eq!(hall.ask(bob, "choose_seat", json!({"seat": 0})), json!({"seat": 0}));
    assert_eq!(hall.member(ada, "bob")["wants_seat"], Value::Null, "a wish is over with the seat that was offered");
}

#[test]
fn what_is_so_already_is_a_conflict() {
    let (mut hall, [ada, _, eve]) = three::<Told>();
    twice(&mut hall, ada, "ready", json!({"ready": true}));
    twice(&mut hall, ada, "mute", json!({"user_id": "eve", "muted": true}));
    twice(&mut hall, ada, "mute", json!({"user_id": "eve", "muted": false}));
    hall.ask(ada, "add_bot", json!({}));
    twice(&mut hall, eve, "queue_for_seat", json!({"queued": true}));
    twice(&mut hall, eve, "queue_for_seat", json!({"queued": false}));
    twice(&mut hall, ada, "remove_bot", json!({"seat": 2}));
    assert_eq!(hall.act(ada, "begin", json!({})), json!({}));
    twice(&mut hall, ada, "pause", json!({}));
    twice(&mut hall, ada, "unpause", json!({}));
}

#[test]
fn requests_that_have_no_place_just_now() {
    let (mut hall, [ada, bob, eve]) = three::<Told>();
    for (who, kind, data, code) in [
        (ada, "mute", json!({"user_id": "zoe", "muted": true}), "invalid_data"),
        (ada, "mute", json!({"user_id": "ada", "muted": true}), "invalid_data"),
        (ada, "kick", json!({"user_id": "zoe"}), "invalid_data"),
        (ada, "kick", json!({"user_id": "ada"}), "invalid_data"),
        (ada, "unban", json!({"user_id": "bob"}), "invalid_data"),
        (ada, "remove_bot", json!({"seat": 1}), "conflict"),
        (ada, "queue_for_seat", json!({"queued": true}), "conflict"),
        (eve, "queue_for_seat", json!({"queued": false}), "conflict"),
        (eve, "ready", json!({"ready": true}), "not_a_player"),
        (eve, "choose_seat", json!({"seat": 2}), "not_a_player"),
        (eve, "vote", json!({"continue": true}), "not_a_player"),
        (bob, "vote", json!({"continue": true}), "conflict"),
        (ada, "pause", json!({}), "conflict"),
        (ada, "unpause", json!({}), "conflict"),
    ] {
        let before = hall.snapshot(ada);
        assert_eq!(hall.ask(who, kind, data.clone()), code, "{kind} {data}");
        assert_eq!(hall.snapshot(ada), before, "{kind} {data} has changed nothing");
    }
    hall.act(ada, "begin", json!({}));
    for (kind, data) in [("ready", json!({"ready": true})), ("choose_seat", json!({"seat": 2}))] {
        assert_eq!(hall.ask(bob, kind, data), "conflict", "{kind} while a match is played");
    }
    // A seat is free, so that one need not wait for it.
    assert_eq!(hall.ask(eve, "queue_for_seat", json!({"queued": true})), json!({"position": null}));
    assert_eq!(hall.seats(), ["ada:0", "bob:1", "eve:2"]);
}

#[test]
fn bots_are_for_games_that_have_some_and_seats_that_are_free() {
    let (mut hall, [ada, ..]) = three::<Botless>();
    assert_eq!(hall.ask(ada, "add_bot", json!({"seat": 2})), "invalid_data");
    let (mut hall, [ada, bob, _]) = three::<WhenReady>();
    assert_eq!(hall.ask(ada, "add_bot", json!({"seat": 2})), json!({"seat": 2, "user_id": "bot-1"}));
    assert_eq!(hall.ask(ada, "add_bot", json!({"seat": 2})), "conflict");
    hall.ask(ada, "remove_bot", json!({"seat": 2}));
    hall.ask(ada, "ready", json!({"ready": true}));
    hall.ask(bob, "ready", json!({"ready": true}));
    assert_eq!(hall.ask(ada, "add_bot", json!({"seat": 2})), "conflict", "nobody comes late");
}

#[test]
fn a_vote_that_is_over_takes_no_more_votes() {
    let options = json!({"seats": 3, "absent_ms": 5000, "then": "vote"});
    let mut hall = Hall::of::<Rounds<Told>>(&options, nobodys());
    let [ada, bob, cyd] = ["ada", "bob", "cyd"].map(|user| hall.sit(user));
    hall.act(ada, "begin", json!({}));
    hall.lose(cyd);
    hall.pass(5000);
    assert_eq!(hall.ask(ada, "pause", json!({})), "conflict", "it stands still already");
    assert_eq!(hall.ask(bob, "vote", json!({"continue": false})), json!({}));
    for member in [ada, bob] {
        assert_eq!(hall.ask(member, "vote", json!({"continue": true})), "conflict");
    }
    // Whoever may go on anyhow does.
    assert_eq!(hall.ask(ada, "unpause", json!({})), json!({}));
    assert_eq!(hall.ask(bob, "unpause", json!({})), "conflict");
}
