//! What is said in a room, and what a newcomer and a reader of its history find of it.

use std::time::Duration;

use anteroom_core::Command;
use anteroom_core::room::{Terms, Wanted};
use anteroom_protocol::message::Role;
use anteroom_protocol::message::chat::{ChatEntry, MessageId};
use anteroom_protocol::message::member::ChatPage;
use serde_json::{Value, json};

use crate::rooms::gallery::Gallery;
use crate::rooms::hall::{Hall, by_ada};
use crate::rooms::probe::Open;

fn ids(page: &Value) -> Vec<&str> {
    page["messages"].as_array().unwrap().iter().map(|entry| entry["message_id"].as_str().unwrap()).collect()
}

#[test]
fn what_is_said_is_heard_by_everyone_and_found_by_newcomers() {
    let mut hall = Gallery::new(false);
    let (ada, eve) = (hall.enter("ada", Role::Player), hall.enter("eve", Role::Spectator));
    assert_eq!(hall.ask(eve, "chat", json!({"text": " <b>hello</b> "})), json!({"message_id": "1"}));
    let entry = json!({"message_id": "1", "user_id": "eve", "username": "EVE", "text": "<b>hello</b>", "at_ms": 1000,
        "edited": false});
    assert_eq!(hall.pushed(ada, "chat"), std::slice::from_ref(&entry));
    assert_eq!(hall.heard.iter().find(|(to, _)| *to == eve).unwrap().1["type"], "chat_result", "the answer goes first");
    assert_eq!(hall.flush.effects.chat.len(), 1);
    hall.heard.clear();
    let bob = hall.enter("bob", Role::Player);
    assert_eq!(hall.pushed(bob, "join_room_result")[0]["chat"], json!([entry]));
    for text in ["", "\u{202e}x"] {
        assert_eq!(hall.ask(ada, "chat", json!({ "text": text })), "invalid_data");
    }
    assert!(hall.pushed(bob, "chat").is_empty());
}

#[test]
fn only_the_author_edits_and_the_owner_deletes_too() {
    let mut hall = Gallery::new(false);
    let [ada, bob] = ["ada", "bob"].map(|user| hall.enter(user, Role::Player));
    let eve = hall.enter("eve", Role::Spectator);
    hall.ask(bob, "chat", json!({"text": "one"}));
    let change = json!({"message_id": "1", "text": "two"});
    assert_eq!(hall.ask(ada, "chat_edit", change.clone()), "not_owner");
    assert_eq!(hall.ask(eve, "chat_delete", json!({"message_id": "1"})), "not_owner");
    assert_eq!(hall.ask(bob, "chat_edit", json!({"message_id": "9", "text": "x"})), "invalid_data");
    assert_eq!(hall.ask(bob, "chat_edit", change.clone()), json!({}));
    let heard = &hall.pushed(eve, "chat")[0];
    assert_eq!((&heard["text"], &heard["edited"], &heard["message_id"]), (&json!("two"), &json!(true), &json!("1")));
    assert_eq!(hall.ask(ada, "chat_delete", json!({"message_id": "1"})), json!({}));
    let heard = &hall.pushed(eve, "chat")[0];
    assert_eq!((&heard["text"], &heard["deleted"]), (&json!(""), &json!(true)));
    assert_eq!(hall.ask(bob, "chat_delete", json!({"message_id": "1"})), "conflict");
    assert_eq!(hall.ask(bob, "chat_edit", change), "conflict");
}

#[test]
fn the_history_is_read_back_page_by_page() {
    for durable in [false, true] {
        let mut hall = Gallery::new(durable);
        let ada = hall.enter("ada", Role::Player);
        for n in 0..60 {
            hall.ask(ada, "chat", json!({"text": n.to_string()}));
        }
        for limit in [0, 101] {
            assert_eq!(hall.ask(ada, "chat_history", json!({ "limit": limit })), "invalid_data");
        }
        let page = hall.ask(ada, "chat_history", json!({"limit": 40}));
        assert_eq!((ids(&page)[0], page["next"].as_str()), ("21", Some("21")));
        let page = hall.ask(ada, "chat_history", json!({"limit": 40, "before": "21"}));
        if durable {
            // Ten of them are at hand; all of them are for the store to find.
            assert_eq!(page, Value::Null);
            let wanted = hall.flush.effects.wanted.pop().unwrap();
            assert_eq!((wanted.before.map(|id| id.0), wanted.limit), (Some(21), 40));
            let (member, reference) = (ada, wanted.reference);
            hall.room.handle(
                hall.now,
                Command::History { member, reference, page: None, change: None },
                &mut hall.flush,
            );
            hall.end();
            assert_eq!(hall.heard.last().unwrap().1["error"]["code"], "storage_unavailable");
        } else {
            assert_eq!((ids(&page).len(), ids(&page)[0], page["next"].as_str()), (20, "1", None));
        }
    }
}

#[test]
fn what_was_found_is_not_older_than_what_was_changed_last() {
    let mut hall = Gallery::new(true);
    let [ada, bob] = ["ada", "bob"].map(|user| hall.enter(user, Role::Player));
    for n in 1..=60 {
        hall.ask(bob, "chat", json!({"text": n.to_string()}));
    }
    // Bob changes it, and Ada takes it back before it is found; both find it as it was.
    let mut wanted = |member, kind, data| {
        assert_eq!(hall.ask(member, kind, data), Value::Null, "it is answered when it is found");
        hall.flush.effects.wanted.pop().unwrap()
    };
    let edit = wanted(bob, "chat_edit", json!({"message_id": "3", "text": "three"}));
    let delete = wanted(ada, "chat_delete", json!({"message_id": "3"}));
    assert_eq!((delete.before.map(|id| id.0), delete.limit), (Some(4), 1));
    let said = ChatEntry {
        message_id: MessageId(3),
        user_id: "bob".parse().unwrap(),
        username: "BOB".into(),
        text: "3".into(),
        at_ms: 1000,
        edited: false,
        deleted: false,
    };
    let mut find = |wanted: Wanted| {
        hall.heard.clear();
        let Wanted { member, reference, change, .. } = wanted;
        let page = Some(ChatPage { messages: vec![said.clone()], next: None });
        hall.room.handle(hall.now, Command::History { member, reference, page, change }, &mut hall.flush);
        hall.end();
        let answer = hall.heard.iter().find(|(to, message)| *to == member && message["ref"] == 7).unwrap().1.clone();
        (answer["type"].clone(), answer["error"]["code"].clone(), hall.pushed(ada, "chat"), hall.pushed(bob, "chat"))
    };
    let (kind, code, for_ada, for_bob) = find(delete);
    assert_eq!((kind, code, &for_ada), (json!("chat_delete_result"), Value::Null, &for_bob));
    assert_eq!((&for_bob[0]["deleted"], &for_bob[0]["text"]), (&json!(true), &json!("")));
    let (kind, code, for_ada, _) = find(edit);
    assert_eq!((kind, code, for_ada.len()), (json!("chat_edit_result"), json!("conflict"), 0));
    // Nor is it in a page that was read before.
    let page = Wanted { member: ada, reference: Some(7.into()), before: None, limit: 1, change: None };
    find(page);
    let told = &hall.heard.iter().find(|(_, message)| message["ref"] == 7).unwrap().1["data"]["messages"][0];
    assert_eq!(told["deleted"], true);
}

#[test]
fn what_was_said_lasts_and_is_forgotten_with_its_author() {
    let mut hall = Gallery::new(true);
    let [ada, bob] = ["ada", "bob"].map(|user| hall.enter(user, Role::Player));
    hall.ask(ada, "chat", json!({"text": "one"}));
    hall.ask(bob, "chat", json!({"text": "two"}));
    hall.restart();
    assert_eq!(ids(&hall.ask(ada, "chat_history", json!({}))), ["1", "2"]);
    let user_id = "bob".parse().unwrap();
    hall.room.handle(hall.now, Command::Erase { user_id, username: None }, &mut hall.flush);
    hall.end();
    assert_eq!(ids(&hall.ask(ada, "chat_history", json!({}))), ["1"]);
    assert!(!hall.room.snapshot().unwrap().mentions(&"bob".parse().unwrap()));
}

#[test]
fn what_was_said_too_long_ago_is_not_kept() {
    let terms = Terms { chat_kept: Some(Duration::from_secs(60)), ..by_ada() };
    let mut hall = Hall::of::<Open>(&json!({}), terms);
    let ada = hall.sit("ada");
    for text in ["old", "new"] {
        hall.ask(ada, "chat", json!({ "text": text }));
        hall.pass(30_000);
    }
    let texts = |page: &Value| -> Vec<String> {
        page.as_array().unwrap().iter().map(|entry| entry["text"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(texts(&hall.ask(ada, "chat_history", json!({}))["messages"]), ["old", "new"]);
    hall.pass(1);
    assert_eq!(texts(&hall.ask(ada, "chat_history", json!({}))["messages"]), ["new"]);
    assert_eq!(texts(&hall.snapshot(ada)["chat"]), ["new"]);
    assert_eq!(hall.ask(ada, "chat_edit", json!({"message_id": "1", "text": "x"})), "invalid_data");
}

#[test]
fn presence_is_the_newest_of_each_and_typing_ends() {
    let mut hall = Gallery::new(false);
    let [ada, bob] = ["ada", "bob"].map(|user| hall.enter(user, Role::Player));
    hall.ask(ada, "presence", json!({"typing": true}));
    let typing = json!({"user_id": "ada", "number": 1, "typing": true, "away": false});
    assert_eq!(hall.pushed(bob, "presence"), [typing]);
    hall.ask(ada, "chat", json!({"text": "done"}));
    assert_eq!(hall.pushed(bob, "presence")[0]["typing"], false);
    hall.ask(ada, "presence", json!({"typing": true, "away": true}));
    assert_eq!(hall.pushed(bob, "presence")[0]["typing"], true);
    hall.pass(10_000);
    assert_eq!(hall.pushed(bob, "presence")[0]["typing"], false, "what is newest is true, whenever it is heard");
    let there = hall.ask(bob, "get_participants", json!({}));
    let ada = &there["members"][0];
    assert_eq!((ada["typing"] == true, &ada["away"]), (false, &json!(true)));
}

#[test]
fn many_spectators_are_a_number() {
    let mut hall = Gallery::new(false);
    let ada = hall.enter("ada", Role::Player);
    let watchers: Vec<_> = (0..150).map(|n| hall.enter(&format!("w{n}"), Role::Spectator)).collect();
    assert_eq!(hall.pushed(ada, "client_joined").len(), 100);
    assert!(hall.pushed(ada, "room_updated").is_empty());
    hall.pass(250);
    assert_eq!(hall.pushed(ada, "room_updated"), [json!({"spectators": 150})]);
    let there = hall.ask(ada, "get_participants", json!({}));
    assert_eq!((there["members"].as_array().unwrap().len(), &there["spectators"]), (101, &json!(150)));
    hall.heard.clear();
    for (member, n) in [(watchers[149], 149), (watchers[0], 0)] {
        hall.room.handle(hall.now, Command::Leave { member, reference: None, n: None }, &mut hall.flush);
        hall.end();
        assert_eq!(hall.pushed(ada, "client_left").len(), usize::from(n == 0));
    }
    hall.pass(250);
    assert_eq!(hall.pushed(ada, "room_updated"), [json!({"spectators": 148})]);
}

#[test]
fn how_many_watch_is_told_again_to_whoever_has_seen_another_number_meanwhile() {
    let mut hall = Gallery::new(false);
    let (ada, eve) = (hall.enter("ada", Role::Player), hall.enter("eve", Role::Spectator));
    hall.pass(250);
    assert_eq!(hall.pushed(ada, "room_updated").last().unwrap()["spectators"], 1);
    let dan = hall.enter("dan", Role::Spectator);
    let bob = hall.enter("bob", Role::Player);
    assert_eq!(hall.pushed(bob, "join_room_result")[0]["spectators"], 2);
    for member in [dan, eve] {
        hall.room.handle(hall.now, Command::Leave { member, reference: None, n: None }, &mut hall.flush);
        hall.end();
    }
    hall.enter("eve", Role::Spectator);
    hall.pass(250);
    assert_eq!(hall.pushed(bob, "room_updated").last().unwrap()["spectators"], 1);
}
