//! Who comes in, who is sent out, and who owns the room.

use std::time::Duration;

use anteroom_core::room::{Join, Lifecycle, MemberId, Terms};
use anteroom_protocol::message::{OwnerPolicy, Role, Visibility};
use serde_json::{Value, json};

use crate::rooms::hall::{Hall, KEPT_MS, by_ada, nobodys};
use crate::rooms::rounds::{Rounds, Told, WhenReady};

type Game = Rounds<Told>;

fn invited(user: &str, code: &str) -> Join {
    Join { invite: Some(code.into()), ..Hall::visitor(user, Role::Player) }
}

fn knowing(user: &str, password: u32) -> Join {
    Join { password: Some(password), ..Hall::visitor(user, Role::Player) }
}

fn knock(hall: &mut Hall, user: &str) -> String {
    refused(hall, Hall::visitor(user, Role::Player))
}

fn refused(hall: &mut Hall, join: Join) -> String {
    hall.knock(join).unwrap_err()
}

fn invite(hall: &mut Hall, by: MemberId, code: &str, data: Value) -> Value {
    hall.ask_with(by, "create_invite", data, Some(&format!("{code} https://a.test/#room=R&invite={code}")))
}

#[test]
fn doors_are_tried_in_one_order() {
    let mut hall = Hall::of::<Rounds<WhenReady>>(&json!({"seats": 2}), by_ada());
    let (ada, bob) = (hall.sit("ada"), hall.sit("bob"));
    let dee = hall.watch("dee");
    hall.ask(ada, "kick", json!({"user_id": "dee"}));
    assert_eq!(hall.types(dee).last(), Some(&"room_closed"));
    assert_eq!(knock(&mut hall, "cyd"), "room_full");
    for member in [ada, bob] {
        hall.ask(member, "ready", json!({"ready": true}));
    }
    assert_eq!(knock(&mut hall, "cyd"), r#"room_locked {"reason":"playing"}"#);
    hall.knock(Hall::visitor("eve", Role::Spectator)).unwrap();
    hall.ask_with(ada, "update_room", json!({"password": "secret"}), Some("hash"));
    assert_eq!(knock(&mut hall, "cyd"), "wrong_password");
    assert_eq!(refused(&mut hall, Hall::visitor("cyd", Role::Spectator)), "wrong_password");
    hall.ask(ada, "update_room", json!({"locked": true}));
    assert_eq!(knock(&mut hall, "cyd"), r#"room_locked {"reason":"locked"}"#);
    assert_eq!(refused(&mut hall, knowing("cyd", 1)), r#"room_locked {"reason":"locked"}"#);
    assert_eq!(knock(&mut hall, "dee"), r#"banned {"reason":"kicked"}"#);
    hall.ask(ada, "ban", json!({"user_id": "dee"}));
    assert_eq!(knock(&mut hall, "dee"), r#"banned {"reason":"banned"}"#);
    hall.ask(ada, "update_room", json!({"visibility": "private"}));
    for user in ["cyd", "dee"] {
        assert_eq!(knock(&mut hall, user), "room_not_found");
        assert_eq!(refused(&mut hall, knowing(user, 1)), "room_not_found", "whatever the password");
    }
    invite(&mut hall, ada, "CODE", json!({}));
    assert_eq!(refused(&mut hall, invited("dee", "CODE")), r#"banned {"reason":"banned"}"#);
    assert_eq!(refused(&mut hall, invited("cyd", "CODE")), r#"room_locked {"reason":"locked"}"#);
    assert_eq!(refused(&mut hall, invited("cyd", "CODE2")), "room_not_found");
}

#[test]
fn who_belongs_to_the_room_comes_back_through_closed_doors() {
    let mut hall = Hall::of::<Game>(&json!({}), by_ada());
    let (ada, bob) = (hall.sit("ada"), hall.sit("bob"));
    hall.ask_with(ada, "update_room", json!({"password": "x", "locked": true, "visibility": "private"}), Some("h"));
    hall.lose(bob);
    hall.sit("bob");
    hall.watch("bob");
    hall.lose(ada);
    hall.sit("ada");
    assert_eq!(hall.seats(), ["ada:0", "bob:1"]);
}

#[test]
fn the_password_of_now_is_what_counts() {
    let mut hall = Hall::of::<Game>(&json!({}), Terms { password: Some("hash".into()), ..by_ada() });
    let ada = hall.sit("ada");
    let door = hall.room.door();
    assert_eq!(door.password, Some(("hash".into(), 0)));
    hall.ask_with(ada, "update_room", json!({"password": "other"}), Some("hash2"));
    assert_eq!(refused(&mut hall, knowing("bob", 0)), "wrong_password", "it was proved for the one before");
    assert_eq!(hall.room.door().password, Some(("hash2".into(), 1)));
    hall.knock(knowing("bob", 1)).unwrap();
    hall.ask(ada, "update_room", json!({"password": null}));
    assert_eq!(hall.told(ada, "room_updated").last(), Some(&json!({"has_password": false})));
    hall.sit("cyd");
    let long = "x".repeat(2000);
    assert_eq!(hall.ask_with(ada, "update_room", json!({ "password": long }), Some("h")), "invalid_data");
}

#[test]
fn an_invite_is_counted_by_those_whom_it_lets_in() {
    let private = Terms { visibility: Visibility::Private, ..by_ada() };
    let mut hall = Hall::of::<Game>(&json!({"seats": 4}), private);
    let ada = hall.sit("ada");
    let made = invite(&mut hall, ada, "CODE", json!({"uses": 2, "expires_ms": 5000}));
    assert_eq!(made, json!({"code": "CODE", "url": "https://a.test/#room=R&invite=CODE"}));
    hall.knock(invited("bob", "CODE")).unwrap();
    let bob = hall.knock(invited("bob", "CODE")).expect("who is in needs none, and uses none up");
    hall.rebuild::<Game>();
    hall.knock(invited("cyd", "CODE")).unwrap();
    assert_eq!(refused(&mut hall, invited("dee", "CODE")), "room_not_found");
    invite(&mut hall, ada, "LATER", json!({"expires_ms": 5000}));
    hall.pass(5000);
    assert_eq!(refused(&mut hall, invited("dee", "LATER")), "room_not_found");
    assert_eq!(invite(&mut hall, bob, "HIS", json!({})), "not_owner");
    for wrong in [
        json!({"uses": 0}),
        json!({"uses": 1001}),
        json!({"expires_ms": 0}),
        json!({"expires_ms": 30_u64 * 24 * 3_600_000 + 1}),
        json!({"uses": -1}),
        json!({"expires_ms": "1"}),
    ] {
        assert_eq!(invite(&mut hall, ada, "WRONG", wrong.clone()), "invalid_data", "{wrong}");
    }
    assert_eq!(refused(&mut hall, invited("dee", "WRONG")), "room_not_found");
}

#[test]
fn the_oldest_invite_makes_space() {
    let mut hall = Hall::of::<Game>(&json!({"seats": 9}), Terms { visibility: Visibility::Private, ..by_ada() });
    let ada = hall.sit("ada");
    for n in 0..33 {
        invite(&mut hall, ada, &format!("C{n}"), json!({}));
    }
    assert_eq!(refused(&mut hall, invited("bob", "C0")), "room_not_found");
    hall.knock(invited("bob", "C1")).unwrap();
}

#[test]
fn who_is_kicked_needs_an_invite_that_was_made_later() {
    let mut hall = Hall::of::<Game>(&json!({}), by_ada());
    let (ada, bob, eve) = (hall.sit("ada"), hall.sit("bob"), hall.watch("eve"));
    let window = hall.watch("bob");
    invite(&mut hall, ada, "BEFORE", json!({}));
    hall.hush();
    assert_eq!(hall.ask(bob, "kick", json!({"user_id": "eve"})), "not_owner");
    assert_eq!(hall.ask(ada, "kick", json!({"user_id": "ada"})), "invalid_data");
    assert_eq!(hall.ask(ada, "kick", json!({"user_id": "nobody"})), "invalid_data");
    assert_eq!(hall.ask(ada, "kick", json!({"user_id": "bob"})), json!({}));
    for lane in [bob, window] {
        assert_eq!(hall.told(lane, "room_closed")[0]["reason"], "kicked");
        assert_eq!(hall.types(lane).last(), Some(&"room_closed"), "nothing follows");
    }
    assert_eq!(hall.told(eve, "client_left"), [json!({"user_id": "bob", "username": "BOB", "reason": "kicked"})]);
    assert_eq!(hall.notes(eve), ["left 1"]);
    assert_eq!(hall.seats(), ["ada:0"]);
    assert_eq!(hall.ask(bob, "chat", json!({"text": "still here"})), Value::Null);
    hall.rebuild::<Game>();
    assert_eq!(refused(&mut hall, invited("bob", "BEFORE")), r#"banned {"reason":"kicked"}"#);
    invite(&mut hall, ada, "AFTER", json!({}));
    hall.knock(invited("bob", "AFTER")).unwrap();
    hall.ask(ada, "kick", json!({"user_id": "bob"}));
    assert_eq!(refused(&mut hall, invited("bob", "AFTER")), r#"banned {"reason":"kicked"}"#);
}

#[test]
fn a_ban_holds_for_a_seat_that_is_kept_and_until_it_is_lifted() {
    let mut hall = Hall::of::<Game>(&json!({}), by_ada());
    let (ada, bob) = (hall.sit("ada"), hall.sit("bob"));
    hall.lose(bob);
    assert_eq!(hall.ask(ada, "unban", json!({"user_id": "bob"})), "invalid_data");
    hall.ask(ada, "ban", json!({"user_id": "bob"}));
    assert_eq!(hall.seats(), ["ada:0"]);
    assert_eq!(knock(&mut hall, "bob"), r#"banned {"reason":"banned"}"#);
    hall.ask(ada, "ban", json!({"user_id": "stranger"}));
    assert_eq!(knock(&mut hall, "stranger"), r#"banned {"reason":"banned"}"#, "who was never here, too");
    hall.ask(ada, "unban", json!({"user_id": "bob"}));
    let bob = hall.sit("bob");
    for kind in ["ban", "unban", "transfer_owner"] {
        assert_eq!(hall.ask(bob, kind, json!({"user_id": "ada"})), "not_owner", "{kind}");
    }
    assert_eq!(hall.ask(bob, "update_room", json!({"locked": true})), "not_owner");
    assert_eq!(hall.ask(ada, "ban", json!({"user_id": "ada"})), "invalid_data");
}

#[test]
fn the_room_goes_to_who_has_played_for_longest() {
    let mut hall = Hall::of::<Game>(&json!({}), by_ada());
    let ada = hall.sit("ada");
    hall.ask(ada, "add_bot", json!({}));
    let eve = hall.watch("eve");
    let bob = hall.sit("bob");
    hall.lose(ada);
    assert_eq!(hall.snapshot(eve)["owner"], "ada", "a seat is kept");
    hall.hush();
    hall.pass(KEPT_MS);
    assert!(hall.told(eve, "room_updated").contains(&json!({"owner": "bob"})), "who plays, before who watches");
    let said = hall.told(eve, "system").pop().unwrap();
    assert_eq!([&said["event"], &said["user_id"]], ["owner_changed", "bob"]);
    hall.leave(bob);
    assert_eq!(hall.snapshot(eve)["owner"], "eve", "never a bot");
    assert_eq!(hall.ask(eve, "update_room", json!({"name": "Eve's"})), json!({}));
}

#[test]
fn who_leaves_last_owns_it_until_somebody_comes() {
    let lifecycle = Lifecycle { empty_ttl: Duration::from_secs(60), ..Lifecycle::default() };
    let mut hall = Hall::of::<Game>(&json!({}), Terms { lifecycle, ..by_ada() });
    let ada = hall.sit("ada");
    hall.ask(ada, "update_room", json!({"locked": true}));
    hall.leave(ada);
    let ada = hall.sit("ada");
    assert_eq!(hall.snapshot(ada)["owner"], "ada");
    assert_eq!(hall.ask(ada, "update_room", json!({"locked": false})), json!({}), "through her own lock");
    hall.leave(ada);
    let bob = hall.sit("bob");
    assert_eq!(hall.snapshot(bob)["owner"], "bob");
}

#[test]
fn a_room_is_given_away() {
    let mut hall = Hall::of::<Game>(&json!({}), by_ada());
    let (ada, bob) = (hall.sit("ada"), hall.sit("bob"));
    for wrong in ["ada", "nobody"] {
        assert_eq!(hall.ask(ada, "transfer_owner", json!({"user_id": wrong})), "invalid_data");
    }
    hall.hush();
    assert_eq!(hall.ask(ada, "transfer_owner", json!({"user_id": "bob"})), json!({}));
    assert_eq!(hall.told(ada, "room_updated"), [json!({"owner": "bob"})]);
    assert_eq!(hall.ask(ada, "kick", json!({"user_id": "bob"})), "not_owner");
    assert_eq!(hall.ask(bob, "kick", json!({"user_id": "ada"})), json!({}));
}

#[test]
fn by_hand_it_stays_theirs_and_without_owners_it_is_nobodys() {
    let by_hand = Terms { owner_policy: OwnerPolicy::Manual, ..by_ada() };
    let mut hall = Hall::of::<Game>(&json!({}), by_hand);
    let (ada, bob) = (hall.sit("ada"), hall.sit("bob"));
    hall.ask(ada, "update_room", json!({"locked": true}));
    hall.leave(ada);
    assert_eq!(hall.snapshot(bob)["owner"], "ada");
    assert_eq!(hall.ask(bob, "add_bot", json!({})), "not_owner");
    let ada = hall.sit("ada");
    assert_eq!(hall.ask(ada, "add_bot", json!({}))["seat"], 2);

    let mut hall = Hall::of::<Game>(&json!({}), nobodys());
    let (ada, eve) = (hall.sit("ada"), hall.watch("eve"));
    assert_eq!(hall.snapshot(ada)["owner"], Value::Null);
    for (kind, data) in [
        ("kick", json!({"user_id": "eve"})),
        ("ban", json!({"user_id": "eve"})),
        ("mute", json!({"user_id": "eve", "muted": true})),
        ("update_room", json!({"name": "Mine"})),
        ("transfer_owner", json!({"user_id": "ada"})),
    ] {
        assert_eq!(hall.ask(ada, kind, data), "not_owner", "{kind}");
    }
    assert_eq!(invite(&mut hall, ada, "CODE", json!({}))["code"], "CODE");
    assert_eq!(invite(&mut hall, eve, "CODE", json!({})), "not_a_player");
}

#[test]
fn who_is_muted_is_not_heard() {
    let mut hall = Hall::of::<Game>(&json!({}), by_ada());
    let (ada, eve) = (hall.sit("ada"), hall.watch("eve"));
    hall.hush();
    assert_eq!(hall.ask(eve, "mute", json!({"user_id": "ada", "muted": true})), "not_owner");
    assert_eq!(hall.ask(ada, "mute", json!({"user_id": "eve", "muted": true})), json!({}));
    assert_eq!(hall.told(eve, "member_updated"), [json!({"user_id": "eve", "number": 2, "muted": true})]);
    assert_eq!(hall.ask(eve, "chat", json!({"text": "hello"})), "rejected");
    assert_eq!(hall.member(ada, "eve")["muted"], true);
    hall.leave(eve);
    let eve = hall.watch("eve");
    assert_eq!(hall.ask(eve, "chat", json!({"text": "hello"})), "rejected", "nor by coming anew");
    hall.ask(ada, "mute", json!({"user_id": "eve", "muted": false}));
    assert!(hall.ask(eve, "chat", json!({"text": "hello"}))["message_id"].is_string());
}
