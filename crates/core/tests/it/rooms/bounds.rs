//! How much of everything a room keeps, asked of it as its members would.

use anteroom_core::room::{Join, MemberId};
use anteroom_protocol::message::Role;
use serde_json::{Map, Value, json};

use crate::rooms::hall::{Hall, by_ada};
use crate::rooms::rounds::{Rounds, Told};

/// How many users are on a list, and how many wait for a seat.
const USERS_MAX: usize = 256;

fn hall() -> (Hall, MemberId) {
    let mut hall = Hall::of::<Rounds<Told>>(&json!({}), by_ada());
    let ada = hall.sit("ada");
    (hall, ada)
}

fn user(number: usize) -> String {
    format!("user-{number}")
}

fn visit(hall: &mut Hall, number: usize) -> Result<MemberId, String> {
    hall.knock(Hall::visitor(&user(number), Role::Spectator))
}

#[test]
fn the_longest_banned_makes_space_for_the_next() {
    let (mut hall, ada) = hall();
    for number in 0..USERS_MAX {
        assert_eq!(hall.ask(ada, "ban", json!({"user_id": user(number)})), json!({}));
    }
    assert!(visit(&mut hall, 0).unwrap_err().starts_with("banned"));
    // Whoever is banned again is the newest, and one more is one too many.
    hall.ask(ada, "ban", json!({"user_id": user(0)}));
    hall.ask(ada, "ban", json!({"user_id": user(USERS_MAX)}));
    assert!(visit(&mut hall, 1).is_ok(), "the oldest is let in again");
    for number in [0, 2, USERS_MAX] {
        assert!(visit(&mut hall, number).unwrap_err().starts_with("banned"), "{number}");
    }
    assert_eq!(hall.ask(ada, "unban", json!({"user_id": user(1)})), "invalid_data", "not on the list any more");
}

#[test]
fn the_longest_kicked_and_the_longest_muted_make_space_for_the_next() {
    let (mut hall, ada) = hall();
    for number in 0..=USERS_MAX {
        let member = visit(&mut hall, number).unwrap();
        hall.ask(ada, "mute", json!({"user_id": user(number), "muted": true}));
        assert_eq!(hall.ask(member, "chat", json!({"text": "hello"})), "rejected");
        assert_eq!(hall.ask(ada, "kick", json!({"user_id": user(number)})), json!({}));
    }
    let first = visit(&mut hall, 0).unwrap();
    assert!(hall.ask(first, "chat", json!({"text": "hello"})).is_object(), "neither sent out nor muted any more");
    for number in [1, USERS_MAX] {
        assert_eq!(visit(&mut hall, number).unwrap_err(), r#"banned {"reason":"kicked"}"#, "{number}");
    }
}

#[test]
fn only_so_many_wait_for_a_seat() {
    let mut hall = Hall::of::<Rounds<Told>>(&json!({"seats": 1}), by_ada());
    let ada = hall.sit("ada");
    let members: Vec<_> = (0..=USERS_MAX).map(|number| visit(&mut hall, number).unwrap()).collect();
    for (position, member) in members[..USERS_MAX].iter().enumerate() {
        assert_eq!(hall.ask(*member, "queue_for_seat", json!({"queued": true}))["position"], position);
    }
    assert_eq!(hall.ask(members[USERS_MAX], "queue_for_seat", json!({"queued": true})), "room_full");
    assert_eq!(hall.snapshot(ada)["seat_queue"].as_array().unwrap().len(), USERS_MAX);
    hall.rebuild::<Rounds<Told>>();
    hall.ask(members[0], "queue_for_seat", json!({"queued": false}));
    assert_eq!(hall.ask(members[USERS_MAX], "queue_for_seat", json!({"queued": true}))["position"], USERS_MAX - 1);
}

#[test]
fn the_oldest_invite_makes_space_for_the_next() {
    let (mut hall, ada) = hall();
    hall.ask(ada, "update_room", json!({"visibility": "private"}));
    for number in 0..33 {
        let with = format!("CODE{number} https://a.b/");
        assert!(hall.ask_with(ada, "create_invite", json!({}), Some(&with)).is_object());
    }
    let with =
        |number: usize| Join { invite: Some(format!("CODE{number}")), ..Hall::visitor(&user(number), Role::Spectator) };
    assert_eq!(hall.knock(with(0)).unwrap_err(), "room_not_found");
    assert!(hall.knock(with(1)).is_ok() && hall.knock(with(32)).is_ok());
    for wrong in
        [json!({"uses": 0}), json!({"uses": 1001}), json!({"expires_ms": 0}), json!({"expires_ms": 2_592_000_001_u64})]
    {
        assert_eq!(
            hall.ask_with(ada, "create_invite", wrong.clone(), Some("C https://a.b/")),
            "invalid_data",
            "{wrong}"
        );
    }
    let most = json!({"uses": 1000, "expires_ms": 2_592_000_000_u64});
    assert!(hall.ask_with(ada, "create_invite", most, Some("MOST https://a.b/")).is_object());
}

#[test]
fn data_has_so_many_keys_and_values_so_many_bytes() {
    let (mut hall, ada) = hall();
    let set = |hall: &mut Hall, data: Value| {
        let room = hall.ask(ada, "update_room", json!({ "data": data }));
        let own = hall.ask(ada, "set_member_data", json!({ "data": data }));
        assert_eq!(room, own);
        room
    };
    // One key is of 64 bytes, and its value of 1024 with the quotes.
    let mut most: Map<String, Value> = (1..32).map(|number| (format!("k{number}"), json!(number))).collect();
    most.insert("k".repeat(64), json!("x".repeat(1022)));
    assert_eq!(set(&mut hall, Value::Object(most)), json!({}));
    assert_eq!(set(&mut hall, json!({"one": "more"})), "invalid_data");
    assert_eq!(set(&mut hall, json!({"one": "more", "k1": null})), json!({}), "as another one goes");
    assert_eq!(set(&mut hall, json!({"k2": 22})), json!({}));
    for wrong in [json!({"k".repeat(65): 1}), json!({"": 1}), json!({"k2": "x".repeat(1023)})] {
        assert_eq!(set(&mut hall, wrong), "invalid_data");
    }
    let there = hall.snapshot(ada);
    for data in [&there["data"], &there["members"][0]["data"]] {
        let data = data.as_object().unwrap();
        assert_eq!((data.len(), &data["k2"], data.get("k1")), (32, &json!(22), None));
    }
}
