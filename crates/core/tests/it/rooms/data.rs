//! What is set for a room and its members, and who reads it.

use anteroom_core::room::Terms;
use anteroom_protocol::message::{Access, Role};
use serde_json::{Value, json};

use crate::rooms::hall::{Hall, by_ada};
use crate::rooms::rounds::{Rounds, Told};

type Game = Rounds<Told>;

#[test]
fn keys_are_told_one_by_one_and_found_by_newcomers() {
    let mut hall = Hall::of::<Game>(&json!({}), by_ada());
    let (ada, bob) = (hall.sit("ada"), hall.sit("bob"));
    hall.hush();
    assert_eq!(hall.ask(ada, "update_room", json!({"data": {"a": 1, "b": [2]}})), json!({}));
    let heard: Vec<_> = hall.heard[&bob].iter().map(|said| (said["latest"].clone(), said["data"].clone())).collect();
    assert_eq!(heard, [(json!("d.a"), json!({"data": {"a": 1}})), (json!("d.b"), json!({"data": {"b": [2]}}))]);
    hall.hush();
    hall.ask(ada, "update_room", json!({"data": {"a": null, "b": [2], "c": null}}));
    assert_eq!(hall.told(bob, "room_updated"), [json!({"data": {"a": null}})], "only what has changed");
    assert_eq!(hall.snapshot(bob)["data"], json!({"b": [2]}));
    hall.ask(bob, "set_member_data", json!({"data": {"hat": "red"}}));
    let said = hall.heard[&ada].last().unwrap();
    assert_eq!(said["latest"], "m2.hat");
    assert_eq!(said["data"], json!({"user_id": "bob", "number": 2, "data": {"hat": "red"}}));
    hall.rebuild::<Game>();
    let eve = hall.watch("eve");
    assert_eq!(hall.member(eve, "bob")["data"], json!({"hat": "red"}));
    assert_eq!(hall.ask(eve, "set_member_data", json!({"data": {"hat": "blue"}})), json!({}), "who watches, too");
}

#[test]
fn what_is_for_owners_is_told_to_them_alone() {
    let mut hall = Hall::of::<Game>(&json!({}), by_ada());
    let (ada, bob, cyd) = (hall.sit("ada"), hall.sit("bob"), hall.sit("cyd"));
    hall.hush();
    hall.ask(ada, "update_room", json!({"data": {"note": 1}, "access": {"note": "owner"}}));
    hall.ask(bob, "set_member_data", json!({"data": {"hand": 7}, "access": {"hand": "owner"}}));
    assert!(hall.heard[&cyd].is_empty(), "{:?}", hall.heard[&cyd]);
    assert_eq!(hall.told(ada, "room_updated"), [json!({"data": {"note": 1}})]);
    for member in [ada, bob] {
        assert_eq!(hall.told(member, "member_updated")[0]["data"], json!({"hand": 7}));
    }
    let (for_bob, for_cyd) = (hall.snapshot(bob), hall.snapshot(cyd));
    assert_eq!([&for_bob["data"], &for_cyd["data"]], [&json!({}), &json!({})]);
    let hand = |list: &Value| list["members"][1]["data"].clone();
    assert_eq!([hand(&for_bob), hand(&for_cyd)], [json!({"hand": 7}), json!({})]);
    let listed = hall.ask(cyd, "get_participants", json!({}));
    assert_eq!(hand(&listed), json!({}));
    // Whoever owns the room next has the owner's keys, and who owned it is not told what becomes of them.
    hall.hush();
    hall.ask(ada, "transfer_owner", json!({"user_id": "cyd"}));
    assert!(hall.told(cyd, "room_updated").contains(&json!({"data": {"note": 1}})));
    assert_eq!(hall.told(cyd, "member_updated")[0]["data"], json!({"hand": 7}));
    hall.hush();
    hall.ask(cyd, "update_room", json!({"data": {"note": 2}}));
    assert!(hall.told(ada, "room_updated").is_empty());
    // What is hidden from the others goes from their eyes.
    hall.ask(cyd, "update_room", json!({"data": {"open": 1}}));
    hall.hush();
    hall.ask(cyd, "update_room", json!({"access": {"open": "owner"}}));
    assert_eq!(hall.told(bob, "room_updated"), [json!({"data": {"open": null}})]);
    assert_eq!(hall.told(cyd, "room_updated").last(), Some(&json!({"data": {"open": 1}})));
}

#[test]
fn what_is_for_owners_is_told_again_with_whoever_is_announced_again() {
    let mut hall = Hall::of::<Game>(&json!({"seats": 2}), by_ada());
    let (ada, bob, eve) = (hall.sit("ada"), hall.sit("bob"), hall.watch("eve"));
    let also = hall.watch("bob");
    hall.ask(bob, "set_member_data", json!({"data": {"hand": 7, "hat": 1}, "access": {"hand": "owner"}}));
    hall.hush();
    hall.leave(bob);
    for member in [ada, also] {
        assert_eq!(hall.told(member, "client_joined")[0]["data"], json!({"hat": 1}));
        assert_eq!(hall.told(member, "member_updated")[0]["data"], json!({"hand": 7}), "{member:?}");
    }
    assert!(hall.told(eve, "member_updated").is_empty());
    // Whoever owned the room does not read them any more.
    hall.ask(ada, "update_room", json!({"data": {"note": 1}, "access": {"note": "owner"}}));
    hall.hush();
    hall.ask(ada, "transfer_owner", json!({"user_id": "eve"}));
    assert!(hall.told(ada, "room_updated").contains(&json!({"data": {"note": null}})));
    assert_eq!(hall.told(ada, "member_updated")[0]["data"], json!({"hand": null}));
    assert!(hall.told(also, "member_updated").is_empty(), "it is Bob's own");
}

#[test]
fn lists_show_the_keys_that_the_game_declares() {
    let mut terms = by_ada();
    terms.data = [("map".to_owned(), anteroom_core::Json::new(&"islands").unwrap())].into();
    let mut hall = Hall::of::<Game>(&json!({}), terms);
    let ada = hall.sit("ada");
    hall.ask(ada, "update_room", json!({"data": {"other": 1}, "access": {"other": "public"}}));
    let row = serde_json::to_value(hall.summary.as_ref().unwrap()).unwrap();
    assert_eq!(row["data"], json!({"map": "islands"}));
    for access in ["members", "owner", "server"] {
        let data = json!({"data": {"map": "hills"}, "access": {"map": access}});
        assert_eq!(hall.ask(ada, "update_room", data), "invalid_data", "{access}");
    }
    hall.ask(ada, "update_room", json!({"data": {"map": null}}));
    assert_eq!(serde_json::to_value(hall.summary.as_ref().unwrap()).unwrap()["data"].get("map"), None);
}

#[test]
fn data_that_cannot_be_set_changes_nothing() {
    let mut hall = Hall::of::<Game>(&json!({}), by_ada());
    let (ada, bob) = (hall.sit("ada"), hall.sit("bob"));
    hall.hush();
    let long = "x".repeat(1023);
    let many: serde_json::Map<String, Value> = (0..33).map(|n| (format!("k{n}"), json!(n))).collect();
    for data in [
        json!({"": 1}),
        json!({"a\u{7}": 1}),
        json!({"k".repeat(65): 1}),
        json!({"a": 1, "b": long}),
        Value::Object(many),
    ] {
        assert_eq!(hall.ask(ada, "update_room", json!({"data": data, "locked": true})), "invalid_data");
        assert_eq!(hall.ask(bob, "set_member_data", json!({ "data": data })), "invalid_data");
    }
    let for_server = json!({"data": {"a": 1}, "access": {"a": "server"}});
    assert_eq!(hall.ask(bob, "set_member_data", for_server), "invalid_data");
    for wrong in [json!({"data": 1}), json!({"data": {"a": 1}, "access": {"a": "everyone"}}), json!({})] {
        assert_eq!(hall.ask(bob, "set_member_data", wrong), "invalid_data");
    }
    assert!(hall.told(bob, "room_updated").is_empty(), "not even the lock");
    let now = hall.snapshot(bob);
    assert_eq!((&now["data"], &now["locked"]), (&json!({}), &json!(false)));
}

#[test]
fn what_a_room_begins_with_has_its_readers_and_a_stay_its_own_data() {
    let mut terms = Terms { access: [("secret".to_owned(), Access::Owner)].into(), ..by_ada() };
    terms.data = [("secret".to_owned(), anteroom_core::Json::new(&1).unwrap())].into();
    let mut hall = Hall::of::<Game>(&json!({}), terms);
    let ada = hall.sit("ada");
    let bob = hall.knock(Hall::visitor("bob", Role::Spectator)).unwrap();
    assert_eq!(hall.snapshot(ada)["data"], json!({"secret": 1}));
    assert_eq!(hall.snapshot(bob)["data"], json!({}));
    // A member's data is gone with the stay.
    hall.ask(bob, "set_member_data", json!({"data": {"hat": 1}}));
    hall.leave(bob);
    hall.watch("bob");
    assert_eq!(hall.member(ada, "bob")["data"], json!({}));
}

/// So many keys of a value each.
fn keys(count: usize, bytes: usize) -> Value {
    (0..count).map(|number| (format!("k{number}"), json!("x".repeat(bytes)))).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn the_data_of_all_members_is_bounded_and_each_has_a_share() {
    let mut hall = Hall::of::<Game>(&json!({"seats": 2}), by_ada());
    hall.sit("ada");
    let many: Vec<_> = (0..60).map(|number| hall.watch(&format!("eve-{number}"))).collect();
    let greedy =
        many.iter().filter(|eve| hall.ask(**eve, "set_member_data", json!({"data": keys(32, 1000)})) == json!({}));
    let greedy = greedy.count();
    assert_eq!(greedy, (128 << 10) / (32 * 1005), "as much as there is");
    let last = many[59];
    assert_eq!(hall.ask(last, "set_member_data", json!({"data": keys(3, 1000)})), "limit_reached");
    assert_eq!(
        hall.ask(last, "set_member_data", json!({"data": keys(2, 1000)})),
        json!({}),
        "a share is for everybody"
    );
    assert!(hall.snapshot(last).to_string().len() < 256 << 10);
    hall.ask(
        many[0],
        "set_member_data",
        json!({"data": (0..32).map(|number| (format!("k{number}"), Value::Null)).collect::<serde_json::Map<_, _>>()}),
    );
    assert_eq!(
        hall.ask(last, "set_member_data", json!({"data": keys(20, 1000)})),
        json!({}),
        "somebody has given up theirs"
    );
}
