//! Seats that computers play.

use anteroom_protocol::message::Role;
use serde_json::{Value, json};

use crate::rooms::hall::{Hall, by_ada, nobodys};
use crate::rooms::rounds::{Botless, Rounds, Told, WhenReady};

#[test]
fn a_bot_is_a_member_and_sees_what_a_player_sees() {
    let mut hall = Hall::of::<Rounds<Told>>(&json!({}), by_ada());
    let (ada, eve) = (hall.sit("ada"), hall.watch("eve"));
    hall.hush();
    assert_eq!(hall.ask(ada, "add_bot", json!({"seat": 2})), json!({"seat": 2, "user_id": "bot-1"}));
    let joined = &hall.told(eve, "client_joined")[0];
    let known = [&joined["user_id"], &joined["username"], &joined["seat"], &joined["bot"], &joined["connected"]];
    assert_eq!(known, [&json!("bot-1"), &json!("Bot 1"), &json!(2), &json!(true), &json!(true)]);
    assert_eq!(hall.summary.as_ref().unwrap().players, 2);
    let line = &hall.told(eve, "system")[0];
    assert_eq!([&line["event"], &line["user_id"]], ["joined", "bot-1"], "as `left` is said when it goes");
    hall.act(ada, "begin", json!({}));
    hall.hush();
    hall.pass(399);
    assert!(hall.told(ada, "counted").is_empty(), "it thinks");
    hall.pass(1001);
    assert_eq!(hall.told(ada, "counted"), [json!({"seat": 2, "mine": 2, "total": 1})]);
    hall.pass(100_000);
    assert_eq!(hall.told(ada, "counted").len(), 1, "it is for Ada to count");
    hall.act(ada, "count", json!({"mine": 0}));
    hall.pass(1400);
    assert_eq!(hall.told(ada, "counted").len(), 3);
}

#[test]
fn bots_that_cannot_be_added_or_removed() {
    let mut hall = Hall::of::<Rounds<Told>>(&json!({}), by_ada());
    let (ada, bob, eve) = (hall.sit("ada"), hall.sit("bob"), hall.watch("eve"));
    for member in [bob, eve] {
        assert_eq!(hall.ask(member, "add_bot", json!({})), "not_owner");
        assert_eq!(hall.ask(member, "remove_bot", json!({"seat": 2})), "not_owner");
    }
    for (seat, code) in [(1, "conflict"), (3, "invalid_data"), (65_535, "invalid_data")] {
        assert_eq!(hall.ask(ada, "add_bot", json!({ "seat": seat })), code);
        assert_eq!(hall.ask(ada, "remove_bot", json!({ "seat": seat })), code, "Bob is no bot");
    }
    assert_eq!(hall.ask(ada, "remove_bot", json!({"seat": 2})), "conflict");
    hall.ask(ada, "add_bot", json!({}));
    assert_eq!(hall.ask(ada, "add_bot", json!({})), "room_full");
    // A bot owns nothing, and goes by its own door.
    for kind in ["kick", "ban", "transfer_owner"] {
        assert_eq!(hall.ask(ada, kind, json!({"user_id": "bot-1"})), "invalid_data", "{kind}");
    }
    hall.hush();
    assert_eq!(hall.ask(ada, "remove_bot", json!({"seat": 2})), json!({}));
    assert_eq!(hall.told(eve, "client_left")[0]["user_id"], "bot-1");
    assert_eq!(hall.ask(ada, "add_bot", json!({}))["user_id"], "bot-2", "another one");

    let mut hall = Hall::of::<Rounds<Botless>>(&json!({}), by_ada());
    let ada = hall.sit("ada");
    assert_eq!(hall.ask(ada, "add_bot", json!({})), "invalid_data", "the game has none");
    let mut hall = Hall::of::<Rounds<WhenReady>>(&json!({}), by_ada());
    let ada = hall.sit("ada");
    hall.ask(ada, "ready", json!({"ready": true}));
    assert_eq!(hall.ask(ada, "add_bot", json!({})), "conflict", "nobody comes in late");
}

#[test]
fn where_nobody_owns_the_room_players_add_bots() {
    let mut hall = Hall::of::<Rounds<Told>>(&json!({}), nobodys());
    let (ada, eve) = (hall.sit("ada"), hall.watch("eve"));
    assert_eq!(hall.ask(eve, "add_bot", json!({})), "not_a_player");
    assert_eq!(hall.ask(ada, "add_bot", json!({}))["seat"], 1);
}

#[test]
fn a_bot_that_is_refused_again_and_again_rests_until_the_game_changes() {
    let mut hall = Hall::of::<Rounds<Told>>(&json!({"stubborn": true}), by_ada());
    let ada = hall.sit("ada");
    hall.ask(ada, "add_bot", json!({}));
    hall.hush();
    hall.pass(60_000);
    assert_eq!(hall.room.next_deadline(), None, "it rests");
    assert!(hall.types(ada).is_empty(), "nobody hears of what was refused");
    hall.act(ada, "begin", json!({}));
    hall.pass(1400);
    assert_eq!(hall.told(ada, "counted").len(), 1);
}

#[test]
fn bots_alone_keep_no_room() {
    let mut hall = Hall::of::<Rounds<Told>>(&json!({}), by_ada());
    let ada = hall.sit("ada");
    hall.ask(ada, "add_bot", json!({}));
    hall.ask(ada, "add_bot", json!({}));
    hall.act(ada, "begin", json!({}));
    hall.leave(ada);
    assert!(hall.closed);
}

#[test]
fn bots_do_the_same_again_after_a_restart() {
    let played = |rebuilds: bool| {
        let mut hall = Hall::of::<Rounds<Told>>(&json!({"goal": 40}), by_ada());
        let ada = hall.watch("ada");
        for _ in 0..2 {
            hall.ask(ada, "add_bot", json!({}));
        }
        let bob = hall.sit("bob");
        hall.act(bob, "begin", json!({}));
        for _ in 0..400 {
            if rebuilds {
                hall.rebuild::<Rounds<Told>>();
            }
            hall.pass(100);
        }
        hall.heard.remove(&ada).unwrap_or_default()
    };
    let there = played(false);
    assert!(there.iter().any(|said| said["data"] == json!({"state": "finished"})), "they play to the end");
    assert_eq!(there, played(true));
}

#[test]
fn a_user_who_is_called_like_a_bot_keeps_the_name() {
    let mut hall = Hall::of::<Rounds<Told>>(&json!({}), by_ada());
    let ada = hall.sit("ada");
    hall.sit("bot-1");
    assert_eq!(hall.ask(ada, "add_bot", json!({}))["user_id"], "bot-2");
    let refused: Result<_, String> = hall.knock(Hall::visitor("bot-2", Role::Player));
    assert_eq!(refused.unwrap_err(), "conflict");
    assert_eq!(hall.member(ada, "bot-1")["bot"], Value::Bool(false));
}
