//! Matches that stand still, and what becomes of them while a player is away.

use anteroom_core::Command;
use anteroom_core::room::MemberId;
use serde_json::{Value, json};

use crate::rooms::hall::{Hall, KEPT_MS, by_ada, nobodys};
use crate::rooms::rounds::{Botless, Rounds, Rules, Ticks, Told};

/// Three play, and one is away for so long that something becomes of it.
fn without_cyd<R: Rules>(then: &str) -> (Hall, [MemberId; 3]) {
    let options = json!({"seats": 3, "absent_ms": 5000, "then": then});
    let mut hall = Hall::of::<Rounds<R>>(&options, nobodys());
    let members = ["ada", "bob", "cyd"].map(|user| hall.sit(user));
    hall.act(members[0], "begin", json!({}));
    hall.lose(members[2]);
    hall.pass(4999);
    assert_eq!(hall.snapshot(members[0])["state"], "playing");
    hall.hush();
    hall.pass(1);
    hall.rebuild::<Rounds<R>>();
    (hall, members)
}

fn vote(hall: &mut Hall, member: MemberId, goes_on: bool) -> Value {
    hall.ask(member, "vote", json!({ "continue": goes_on }))
}

#[test]
fn a_bot_plays_until_the_player_is_back() {
    let (mut hall, [ada, ..]) = without_cyd::<Told>("bot");
    assert_eq!(hall.told(ada, "member_updated"), [json!({"user_id": "cyd", "number": 3, "bot": true})]);
    hall.pass(1400);
    assert_eq!(hall.told(ada, "counted")[0], json!({"seat": 2, "mine": 2, "total": 1}));
    let there = hall.member(ada, "cyd");
    assert_eq!([&there["bot"], &there["connected"]], [true, false]);
    hall.act(ada, "count", json!({"mine": 0}));
    hall.hush();
    let cyd = hall.sit("cyd");
    assert_eq!(hall.told(ada, "member_updated"), [json!({"user_id": "cyd", "number": 3, "bot": false})]);
    hall.pass(100_000);
    assert!(hall.told(ada, "counted").is_empty(), "it is Cyd's own turn now");
    assert_eq!(hall.act(cyd, "count", json!({"mine": 2})), json!({}));
}

#[test]
fn where_there_are_no_bots_the_others_wait() {
    let (mut hall, [ada, ..]) = without_cyd::<Botless>("bot");
    hall.pass(KEPT_MS - 5001);
    assert_eq!(hall.seats().len(), 3);
    assert!(hall.told(ada, "member_updated").is_empty());
    hall.pass(1);
    assert_eq!(hall.seats().len(), 2, "the seat is given up as ever");
}

#[test]
fn a_stand_in_goes_with_the_match_and_with_the_seat() {
    let (mut hall, [ada, ..]) = without_cyd::<Told>("bot");
    hall.act(ada, "finish", json!({}));
    assert_eq!(hall.member(ada, "cyd")["bot"], false);
    let (mut hall, [ada, ..]) = without_cyd::<Told>("bot");
    hall.pass(KEPT_MS);
    assert_eq!(hall.seats(), ["ada:0", "bob:1"]);
    hall.hush();
    hall.pass(10_000);
    assert!(hall.told(ada, "counted").is_empty());
}

#[test]
fn most_of_those_who_are_there_decide_to_go_on_with_a_bot() {
    let (mut hall, [ada, bob, _]) = without_cyd::<Told>("vote");
    let told = hall.told(ada, "room_updated");
    let on = json!({"absent": ["cyd"], "yes": [], "no": [], "ends_at_ms": 36_000});
    assert_eq!(told, [json!({"vote": on}), json!({"state": "paused"})]);
    let eve = hall.watch("eve");
    assert_eq!(hall.snapshot(eve)["vote"], on);
    assert_eq!(vote(&mut hall, eve, true), "not_a_player");
    assert_eq!(vote(&mut hall, ada, true), json!({}));
    assert_eq!(vote(&mut hall, ada, true), "conflict", "once is enough");
    assert_eq!(hall.snapshot(eve)["vote"]["yes"], json!(["ada"]));
    assert_eq!(hall.snapshot(eve)["state"], "paused", "one of two is not most");
    hall.hush();
    vote(&mut hall, bob, true);
    assert_eq!(hall.told(eve, "room_updated").last().unwrap()["state"], "playing");
    assert_eq!(hall.member(eve, "cyd")["bot"], true);
    assert_eq!(hall.snapshot(eve)["vote"], Value::Null);
    assert_eq!(vote(&mut hall, bob, true), "conflict", "there is no vote any more");
}

#[test]
fn without_bots_the_seat_is_given_up() {
    let (mut hall, [ada, bob, _]) = without_cyd::<Botless>("vote");
    vote(&mut hall, ada, true);
    vote(&mut hall, bob, true);
    assert_eq!(hall.seats(), ["ada:0", "bob:1"]);
    let left = hall.told(ada, "client_left");
    assert_eq!((left.len(), &left[0]["user_id"], &left[0]["reason"]), (1, &json!("cyd"), &json!("timed_out")));
    assert_eq!(hall.snapshot(ada)["state"], "playing");
}

#[test]
fn whose_seat_was_given_up_watches_when_the_session_is_there_still() {
    let options = json!({"seats": 2, "absent_ms": 5000, "then": "vote"});
    let mut hall = Hall::of::<Rounds<Botless>>(&options, nobodys());
    let (ada, bob) = (hall.sit("ada"), hall.sit("bob"));
    hall.act(ada, "begin", json!({}));
    hall.handle(Command::Disconnect { member: bob, kept: true });
    hall.pass(5000);
    hall.hush();
    vote(&mut hall, ada, true);
    assert_eq!(hall.seats(), ["ada:0"]);
    assert_eq!(hall.roles, [(bob, anteroom_protocol::message::Role::Spectator)]);
    hall.handle(Command::Reconnect { member: bob });
    assert_eq!(hall.act(bob, "count", json!({"mine": 1})), "not_a_player");
    assert_eq!(hall.member(ada, "bob")["role"], "spectator");
    assert_eq!(hall.snapshot(ada)["spectators"], 1);
}

#[test]
fn a_vote_that_is_lost_or_runs_out_waits_for_the_player() {
    for votes in [&[(0, false)][..], &[(0, true), (1, false)], &[(0, true), (0, false)], &[]] {
        let (mut hall, members) = without_cyd::<Told>("vote");
        let ada = members[0];
        for (voter, goes_on) in votes {
            vote(&mut hall, members[*voter], *goes_on);
        }
        if votes.is_empty() {
            hall.pass(29_999);
            assert_ne!(hall.snapshot(ada)["vote"], Value::Null);
            hall.pass(1);
        }
        let now = hall.snapshot(ada);
        assert_eq!((&now["vote"], &now["state"]), (&Value::Null, &json!("paused")), "{votes:?}");
        assert_eq!(hall.act(ada, "count", json!({"mine": 0})), "not_playing");
        hall.sit("cyd");
        assert_eq!(hall.snapshot(ada)["state"], "playing", "{votes:?}");
    }
}

#[test]
fn a_vote_ends_when_the_player_is_back_or_the_seat_is_given_up() {
    let (mut hall, [ada, ..]) = without_cyd::<Told>("vote");
    vote(&mut hall, ada, true);
    hall.sit("cyd");
    let now = hall.snapshot(ada);
    assert_eq!((&now["vote"], &now["state"]), (&Value::Null, &json!("playing")));
    let (mut hall, [ada, ..]) = without_cyd::<Told>("pause");
    assert_eq!(hall.snapshot(ada)["state"], "paused");
    assert_eq!(vote(&mut hall, ada, true), "conflict");
    hall.pass(KEPT_MS - 5000);
    assert_eq!((hall.seats().len(), &hall.snapshot(ada)["state"]), (2, &json!("playing")));
}

#[test]
fn whoever_gives_up_the_seat_has_no_vote_and_the_others_decide() {
    let options = json!({"seats": 4, "absent_ms": 5000, "then": "vote"});
    let mut hall = Hall::of::<Rounds<Told>>(&options, nobodys());
    let [ada, bob, cyd, dan] = ["ada", "bob", "cyd", "dan"].map(|user| hall.sit(user));
    hall.act(ada, "begin", json!({}));
    hall.lose(dan);
    hall.pass(5000);
    vote(&mut hall, ada, true);
    vote(&mut hall, bob, false);
    hall.hush();
    hall.leave(bob);
    let told = hall.told(ada, "room_updated");
    assert_eq!((&told[0]["vote"]["yes"], &told[0]["vote"]["no"]), (&json!(["ada"]), &json!([])));
    assert_eq!(hall.snapshot(ada)["state"], "paused", "one of two is not most");
    hall.leave(cyd);
    assert_eq!(hall.snapshot(ada)["state"], "playing");
    assert_eq!(hall.member(ada, "dan")["bot"], true);
}

#[test]
fn nothing_falls_due_while_a_match_stands_still() {
    let mut hall = Hall::of::<Rounds<Ticks>>(&json!({}), by_ada());
    let (ada, bob) = (hall.sit("ada"), hall.sit("bob"));
    hall.ask(ada, "add_bot", json!({}));
    hall.act(ada, "begin", json!({}));
    hall.act(ada, "remind", json!({"ms": 250}));
    hall.pass(250 - 50);
    hall.hush();
    assert_eq!(hall.ask(bob, "pause", json!({})), "not_owner");
    assert_eq!(hall.ask(ada, "unpause", json!({})), "conflict");
    assert_eq!(hall.ask(ada, "pause", json!({})), json!({}));
    assert_eq!(hall.ask(ada, "pause", json!({})), "conflict");
    assert_eq!(hall.told(bob, "room_updated"), [json!({"state": "paused"})]);
    assert_eq!(hall.summary.as_ref().unwrap().state, anteroom_protocol::message::RoomState::Paused);
    hall.hush();
    hall.pass(100_000);
    hall.rebuild::<Rounds<Ticks>>();
    assert_eq!(hall.act(bob, "count", json!({"mine": 1})), "not_playing");
    assert!(hall.notes(bob).is_empty() && hall.told(bob, "counted").is_empty());
    assert_eq!(hall.ask(ada, "unpause", json!({})), json!({}));
    hall.pass(100);
    assert_eq!(hall.notes(bob), ["rang at 101250", "tick at 101300"]);
    hall.pass(1400);
    assert_eq!(hall.told(bob, "counted").len(), 1, "the bot thinks on");
}

#[test]
fn only_a_match_is_paused() {
    let mut hall = Hall::of::<Rounds<Told>>(&json!({}), nobodys());
    let (ada, eve) = (hall.sit("ada"), hall.watch("eve"));
    assert_eq!(hall.ask(ada, "pause", json!({})), "conflict");
    assert_eq!(hall.ask(eve, "pause", json!({})), "not_a_player");
    hall.act(ada, "begin", json!({}));
    hall.ask(ada, "pause", json!({}));
    assert_eq!(hall.ask(eve, "unpause", json!({})), "not_a_player");
    assert_eq!(hall.ask(ada, "choose_seat", json!({"seat": 1})), "conflict");
    assert_eq!(hall.ask(ada, "ready", json!({"ready": true})), "conflict");
    hall.act(ada, "finish", json!({}));
    assert_eq!(hall.snapshot(ada)["state"], "paused", "a game that stands still is not finished by a player");
}

#[test]
fn who_is_away_before_a_match_is_away_from_its_beginning() {
    let options = json!({"seats": 2, "absent_ms": 5000, "then": "pause"});
    let mut hall = Hall::of::<Rounds<Told>>(&options, nobodys());
    let (ada, bob) = (hall.sit("ada"), hall.sit("bob"));
    hall.lose(bob);
    hall.pass(20_000);
    assert_eq!(hall.snapshot(ada)["state"], "waiting");
    hall.act(ada, "begin", json!({}));
    hall.pass(4999);
    assert_eq!(hall.snapshot(ada)["state"], "playing");
    hall.pass(1);
    assert_eq!(hall.snapshot(ada)["state"], "paused");
}
