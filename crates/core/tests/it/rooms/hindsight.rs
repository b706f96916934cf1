//! What those who watch late find in pages, lists and answers is of then; what is about themselves is of now.

use std::time::Duration;

use anteroom_core::Command;
use anteroom_core::room::{Change, MemberId, Terms};
use anteroom_protocol::message::chat::{ChatEntry, MessageId};
use anteroom_protocol::message::member::ChatPage;
use serde_json::{Value, json};

use crate::rooms::hall::{Hall, by_ada};
use crate::rooms::rounds::{Rounds, Told};

const DELAY_MS: u64 = 10_000;

/// A room with Ada in it, whose beginning everybody has seen.
fn late(terms: Terms) -> (Hall, MemberId) {
    let terms = Terms { spectator_delay: Duration::from_millis(DELAY_MS), ..terms };
    let mut hall = Hall::of::<Rounds<Told>>(&json!({"seats": 4}), terms);
    let ada = hall.sit("ada");
    hall.pass(2 * DELAY_MS);
    (hall, ada)
}

fn done(hall: &mut Hall, member: MemberId, kind: &str, data: Value) {
    let answer = hall.ask(member, kind, data);
    assert!(answer.is_object(), "{kind}: {answer}");
}

fn edit(hall: &mut Hall, member: MemberId, message_id: u64, text: &str) {
    done(hall, member, "chat_edit", json!({"message_id": message_id.to_string(), "text": text}));
}

/// The texts of a page, and whether they are taken back.
fn texts(page: &Value) -> Vec<String> {
    let entries = page["messages"].as_array().unwrap().iter();
    entries
        .map(|entry| if entry["deleted"] == true { "-".into() } else { entry["text"].as_str().unwrap().into() })
        .collect()
}

fn page(hall: &mut Hall, member: MemberId, before: u64) -> Vec<String> {
    texts(&hall.ask(member, "chat_history", json!({"before": before.to_string(), "limit": 100})))
}

#[test]
fn a_page_has_what_was_said_as_it_was_then_however_long_ago() {
    let (mut hall, ada) = late(by_ada());
    let eve = hall.watch("eve");
    for n in 1..=30 {
        done(&mut hall, ada, "chat", json!({"text": format!("said {n}")}));
    }
    hall.pass(DELAY_MS);
    edit(&mut hall, ada, 3, "three");
    done(&mut hall, ada, "chat_delete", json!({"message_id": "4"}));
    hall.pass(1000);
    edit(&mut hall, ada, 3, "THREE");
    // The last ones that are told with the room are others by then.
    done(&mut hall, ada, "chat", json!({"text": "said 31"}));
    edit(&mut hall, ada, 31, "one more");
    for n in 32..=60 {
        done(&mut hall, ada, "chat", json!({"text": format!("said {n}")}));
    }
    assert_eq!(page(&mut hall, ada, 5)[2..], ["THREE", "-"]);
    assert_eq!(page(&mut hall, eve, 5)[2..], ["said 3", "said 4"]);
    hall.rebuild::<Rounds<Told>>();
    hall.pass(DELAY_MS - 1001);
    assert_eq!(page(&mut hall, eve, 5)[2..], ["said 3", "said 4"], "nothing is shown early");
    hall.pass(1);
    assert_eq!(page(&mut hall, eve, 5)[2..], ["three", "-"], "each change in its own time");
    assert_eq!(page(&mut hall, eve, 99).len(), 30);
    hall.pass(1000);
    assert_eq!(page(&mut hall, eve, 5)[2..], ["THREE", "-"]);
    assert_eq!(page(&mut hall, eve, 99)[30], "one more");
}

#[test]
fn a_page_of_the_store_is_of_then_as_well() {
    let (mut hall, ada) = late(by_ada());
    let eve = hall.watch("eve");
    done(&mut hall, ada, "chat", json!({"text": "then"}));
    hall.pass(DELAY_MS);
    edit(&mut hall, ada, 1, "now");
    done(&mut hall, ada, "chat", json!({"text": "not seen yet"}));
    let entry = |id, text: &str| ChatEntry {
        message_id: MessageId(id),
        user_id: "ada".parse().unwrap(),
        username: "ADA".into(),
        text: text.into(),
        at_ms: hall.now.as_millis(),
        edited: id == 1,
        deleted: false,
    };
    let stored = ChatPage { messages: vec![entry(1, "now"), entry(2, "not seen yet")], next: None };
    for (member, seen) in [(eve, vec!["then"]), (ada, vec!["now", "not seen yet"])] {
        hall.hush();
        hall.handle(Command::History { member, reference: None, page: Some(stored.clone()), change: None });
        assert_eq!(texts(&hall.told(member, "chat_history_result")[0]), seen);
    }
}

#[test]
fn what_is_not_at_hand_any_more_is_as_it_was_then_too() {
    let (mut hall, ada) = late(by_ada());
    let eve = hall.watch("eve");
    for n in 1..=60 {
        done(&mut hall, ada, "chat", json!({"text": format!("said {n}")}));
    }
    hall.pass(DELAY_MS);
    let found = ChatEntry {
        message_id: MessageId(2),
        user_id: "ada".parse().unwrap(),
        username: "ADA".into(),
        text: "said 2".into(),
        at_ms: hall.now.as_millis(),
        edited: false,
        deleted: false,
    };
    let page = Some(ChatPage { messages: vec![found], next: None });
    let change = Some(Change { message_id: MessageId(2), text: Some("now".into()) });
    hall.handle(Command::History { member: ada, reference: None, page: page.clone(), change });
    let seen = |hall: &mut Hall, member| {
        hall.hush();
        hall.handle(Command::History { member, reference: None, page: page.clone(), change: None });
        texts(&hall.told(member, "chat_history_result")[0])
    };
    assert_eq!((seen(&mut hall, ada), seen(&mut hall, eve)), (vec!["now".to_owned()], vec!["said 2".to_owned()]));
    hall.pass(DELAY_MS);
    assert_eq!(seen(&mut hall, eve), ["now"]);
}

#[test]
fn what_the_store_has_not_forgotten_yet_is_in_no_page() {
    let terms = Terms { chat_kept: Some(Duration::from_millis(60_000)), ..by_ada() };
    let (mut hall, ada) = late(terms);
    let eve = hall.watch("eve");
    done(&mut hall, ada, "chat", json!({"text": "old"}));
    let at_ms = hall.now.as_millis();
    hall.pass(60_000);
    assert_eq!(hall.snapshot(eve)["chat"].as_array().unwrap().len(), 1);
    hall.pass(1);
    assert_eq!(hall.snapshot(eve)["chat"], json!([]), "though nothing has happened in the room");
    let entry = |id, at_ms| ChatEntry {
        message_id: MessageId(id),
        user_id: "ada".parse().unwrap(),
        username: "ADA".into(),
        text: "old".into(),
        at_ms,
        edited: false,
        deleted: false,
    };
    let stored = ChatPage { messages: vec![entry(8, at_ms), entry(9, at_ms + 1)], next: Some(MessageId(8)) };
    hall.hush();
    hall.handle(Command::History { member: ada, reference: None, page: Some(stored), change: None });
    let told = hall.told(ada, "chat_history_result").remove(0);
    assert_eq!((told["messages"][0]["message_id"].as_str(), told["next"].as_str()), (Some("9"), None));
}

#[test]
fn what_too_many_changes_leave_no_space_for_is_not_seen_until_they_are() {
    let (mut hall, ada) = late(by_ada());
    let eve = hall.watch("eve");
    let long = "x".repeat(1900);
    for _ in 0..100 {
        done(&mut hall, ada, "chat", json!({ "text": long }));
    }
    hall.pass(DELAY_MS);
    for text in ["first", &"y".repeat(1900)] {
        (1..=100).for_each(|id| edit(&mut hall, ada, id, text));
        (1..=100).for_each(|id| edit(&mut hall, ada, id, "now"));
    }
    let seen = page(&mut hall, eve, 999);
    assert!(!seen.is_empty() && seen.len() < 100, "{} are seen", seen.len());
    assert!(seen.iter().all(|text| *text == long), "nothing of now");
    hall.pass(DELAY_MS);
    assert_eq!(page(&mut hall, eve, 999), vec!["now"; 100]);
    for n in 0..4096 {
        edit(&mut hall, ada, 1 + n % 100, "again");
    }
    assert_eq!(hall.ask(ada, "chat_edit", json!({"message_id": "1", "text": "x"})), "busy");
    assert_eq!(hall.ask(ada, "chat_delete", json!({"message_id": "1"})), "busy");
    hall.pass(DELAY_MS);
    edit(&mut hall, ada, 1, "later");
}

#[test]
fn the_whole_row_is_of_then() {
    let (mut hall, ada) = late(by_ada());
    let before = hall.room.summary();
    hall.watch("eve");
    done(&mut hall, ada, "update_room", json!({"name": "Now", "locked": true, "seats_max": 3, "data": {"map": "now"}}));
    assert!(hall.ask_with(ada, "update_room", json!({"password": "p"}), Some("hash")).is_object());
    hall.summary = None;
    hall.pass(DELAY_MS - 1);
    assert_eq!(hall.room.summary(), before);
    assert!(hall.summary.as_ref().is_none_or(|told| *told == before), "whatever the lobby is told");
    hall.pass(DELAY_MS);
    let row = hall.summary.clone().unwrap();
    assert_eq!(row, hall.room.summary());
    assert_eq!((&*row.name, row.locked, row.has_password, row.seats_max), ("Now", true, true, 3));
    assert_eq!((row.data.get("map").map(|map| map.text()), row.spectators), (Some("\"now\""), 1));
    // Each alone is told.
    for change in
        [json!({"name": "Then"}), json!({"locked": false}), json!({"data": {"map": null}}), json!({"password": ""})]
    {
        done(&mut hall, ada, "update_room", change.clone());
        hall.pass(1);
        hall.summary = None;
        hall.pass(DELAY_MS);
        assert!(hall.summary.is_some(), "{change}");
    }
}

#[test]
fn of_themselves_they_hear_at_once_and_see_what_is_theirs() {
    let (mut hall, ada) = late(by_ada());
    let eve = hall.watch("eve");
    hall.hush();
    done(&mut hall, eve, "set_member_data", json!({"data": {"a": 1, "b": 2}, "access": {"a": "owner"}}));
    done(&mut hall, ada, "mute", json!({"user_id": "eve", "muted": true}));
    let told = hall.told(eve, "member_updated");
    assert_eq!(
        told.iter().map(|told| told["data"].clone()).collect::<Vec<_>>()[..2],
        [json!({"a": 1}), json!({"b": 2})]
    );
    let me = hall.member(eve, "eve");
    assert_eq!((&me["data"], &me["muted"]), (&json!({"a": 1, "b": 2}), &json!(true)));
    hall.hush();
    hall.pass(DELAY_MS);
    assert!(hall.told(eve, "member_updated").is_empty(), "and not again");
    let max = hall.watch("max");
    assert_eq!(hall.member(max, "eve")["data"], json!({"b": 2}));
}

#[test]
fn an_owner_who_watches_sees_what_owners_see_as_it_was_then() {
    let (mut hall, ada) = late(by_ada());
    let eve = hall.watch("eve");
    let bob = hall.sit("bob");
    done(&mut hall, ada, "transfer_owner", json!({"user_id": "eve"}));
    hall.pass(DELAY_MS);
    done(&mut hall, bob, "set_member_data", json!({"data": {"k": 1}, "access": {"k": "owner"}}));
    hall.hush();
    assert_eq!(hall.member(eve, "bob")["data"], json!({}));
    hall.rebuild::<Rounds<Told>>();
    hall.pass(DELAY_MS);
    assert_eq!(hall.told(eve, "member_updated")[0]["data"], json!({"k": 1}));
    assert_eq!(hall.member(eve, "bob")["data"], json!({"k": 1}));
    let max = hall.watch("max");
    assert_eq!(hall.member(max, "bob")["data"], json!({}));
}

#[test]
fn what_was_said_of_an_earlier_stay_does_not_undo_this_one() {
    let (mut hall, ada) = late(by_ada());
    let eve = hall.watch("eve");
    hall.leave(eve);
    let eve = hall.watch("eve");
    hall.hush();
    hall.pass(DELAY_MS);
    let of_her = |hall: &Hall| {
        let kinds = ["client_joined", "client_left", "client_disconnected", "client_reconnected", "member_updated"];
        kinds.iter().flat_map(|kind| hall.told(eve, kind)).filter(|told| told["user_id"] == "eve").count()
    };
    assert_eq!(of_her(&hall), 0);
    // Who played, and watches within the delay.
    let bob = hall.sit("bob");
    hall.leave(bob);
    let bob = hall.watch("bob");
    let me = hall.member(bob, "bob");
    assert_eq!((&me["role"], &me["seat"]), (&json!("spectator"), &Value::Null));
    hall.hush();
    hall.pass(DELAY_MS);
    assert_eq!((hall.told(eve, "client_joined").len(), hall.told(eve, "client_left").len()), (2, 1));
    let theirs = |kind: &str| hall.told(bob, kind).iter().any(|told| told["user_id"] == "bob");
    assert!(!theirs("client_joined") && !theirs("client_left"));
    assert_eq!(hall.member(bob, "bob")["number"], hall.member(ada, "bob")["number"]);
}

#[test]
fn another_session_hears_at_once_of_their_connection() {
    let (mut hall, ada) = late(by_ada());
    let first = hall.sit("bob");
    let second = hall.watch("bob");
    hall.pass(DELAY_MS);
    hall.hush();
    hall.handle(Command::Disconnect { member: first, kept: true });
    assert_eq!(hall.types(second), ["client_disconnected"]);
    hall.handle(Command::Reconnect { member: first });
    assert_eq!(hall.types(second), ["client_disconnected", "client_reconnected"]);
    hall.hush();
    hall.pass(DELAY_MS);
    assert!(!hall.types(second).iter().any(|kind| kind.starts_with("client_")));
    assert!(hall.types(ada).is_empty());
}

#[test]
fn of_what_they_do_not_see_yet_they_learn_nothing_by_changing_it() {
    let (mut hall, ada) = late(by_ada());
    let eve = hall.watch("eve");
    done(&mut hall, ada, "chat", json!({"text": "seen"}));
    hall.pass(DELAY_MS);
    done(&mut hall, ada, "chat", json!({"text": "not seen"}));
    done(&mut hall, eve, "chat", json!({"text": "mine"}));
    for id in ["2", "99"] {
        assert_eq!(hall.ask(eve, "chat_delete", json!({"message_id": id})), "invalid_data");
        assert_eq!(hall.ask(eve, "chat_edit", json!({"message_id": id, "text": "x"})), "invalid_data");
    }
    assert_eq!(hall.ask(eve, "chat_delete", json!({"message_id": "1"})), "not_owner");
    edit(&mut hall, eve, 3, "my own");
    // She owns the room, and takes back what is taken back already.
    done(&mut hall, ada, "transfer_owner", json!({"user_id": "eve"}));
    done(&mut hall, ada, "chat_delete", json!({"message_id": "1"}));
    done(&mut hall, eve, "chat_delete", json!({"message_id": "1"}));
    hall.pass(DELAY_MS);
    assert_eq!(hall.ask(eve, "chat_delete", json!({"message_id": "1"})), "conflict");
}
