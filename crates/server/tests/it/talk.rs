//! What is said in the rooms of a running server: filtered, read back page by page, kept through a restart, and forgotten in time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anteroom_protocol::Codec;
use anteroom_server::stores::{ChatStore as _, Memory, Sqlite, Store};
use anteroom_server::{ChatFacts, ChatFilter, Config, Mode, Server, Verdict};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::doors::outcome;
use crate::player::{Player, open, server};

const WALL_MS: u64 = 1_700_000_000_000;

async fn ask(player: &mut Player, room_id: &str, kind: &str, data: Value) -> Value {
    player.say(&[json!({"type": kind, "ref": "asked", "room_id": room_id, "data": data})]).await;
    player.until(kind, |message| message["ref"] == "asked").await
}

async fn does(player: &mut Player, room_id: &str, kind: &str, data: Value) {
    let answer = ask(player, room_id, kind, data).await;
    assert_eq!(outcome(&answer), "ok", "{kind}: {answer}");
}

async fn make(player: &mut Player, durable: bool) -> String {
    player.say(&[json!({"type": "create_room", "ref": 1, "data": {"game": "relay", "durable": durable}})]).await;
    let made = player.answer(1).await;
    assert_eq!(outcome(&made), "ok", "{made}");
    made["room_id"].as_str().unwrap().to_owned()
}

/// A page of the history, and what to ask for the one before.
async fn page(player: &mut Player, room_id: &str, data: Value) -> (Vec<Value>, Value) {
    let answer = ask(player, room_id, "chat_history", data).await;
    assert_eq!(outcome(&answer), "ok", "{answer}");
    (answer["data"]["messages"].as_array().unwrap().clone(), answer["data"]["next"].clone())
}

fn texts(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|entry| entry["text"].as_str().unwrap()).collect()
}

/// The ids of the first and the last.
fn ends(messages: &[Value]) -> (&str, &str) {
    let [first, last] = [0, messages.len() - 1].map(|place| messages[place]["message_id"].as_str().unwrap());
    (first, last)
}

/// Knows some words.
struct Words;

impl ChatFilter for Words {
    fn check(&self, text: &str, facts: &ChatFacts<'_>) -> Verdict {
        match text {
            "where" => Verdict::Replace(format!("{} {}", facts.game, facts.room_id)),
            "nothing" => Verdict::Replace(" ".into()),
            "fail" => panic!("a filter that fails"),
            _ if text.contains("curse") => Verdict::Refuse("Not that word.".into()),
            _ if text.contains("darn") => Verdict::Replace(text.replace("darn", "****")),
            _ => Verdict::Pass,
        }
    }
}

#[tokio::test]
async fn a_filter_lets_pass_replaces_and_refuses() {
    let config = Config { listen: "127.0.0.1:0".into(), demo: false, ..Config::development() };
    let builder = Server::builder(config, Mode::Development { on_network: false });
    let server = builder.games(anteroom_games::registry().unwrap()).chat_filter(Words).start().unwrap();
    for codec in Codec::ALL {
        let mut ada = Player::enter_in(&server, codec, "Ada").await;
        let mut bob = Player::enter_in(&server, Codec::Json, "Bob").await;
        let room_id = make(&mut ada, false).await;
        bob.join(&room_id, "player").await;
        does(&mut ada, &room_id, "chat", json!({"text": "hello"})).await;
        does(&mut ada, &room_id, "chat", json!({"text": "darn it"})).await;
        does(&mut ada, &room_id, "chat", json!({"text": "where"})).await;
        does(&mut ada, &room_id, "chat_edit", json!({"message_id": "1", "text": "darn you"})).await;
        for (text, code) in [("a curse", "rejected"), ("nothing", "invalid_data"), ("fail", "rejected")] {
            for kind in ["chat", "chat_edit"] {
                let refused = ask(&mut ada, &room_id, kind, json!({"message_id": "1", "text": text})).await;
                assert_eq!(outcome(&refused), code, "{kind} {text}: {refused}");
                if text == "a curse" {
                    assert_eq!(refused["error"]["message"], "Not that word.", "{refused}");
                }
            }
        }
        does(&mut ada, &room_id, "chat", json!({"text": "bye"})).await;
        let place = format!("relay {room_id}");
        let heard = ["hello", "**** it", &place, "**** you", "bye"];
        for text in heard {
            assert_eq!(bob.hear("chat").await["data"]["text"], text);
        }
        let (messages, next) = page(&mut bob, &room_id, json!({})).await;
        assert_eq!((texts(&messages), next), (vec!["**** you", "**** it", &*place, "bye"], Value::Null));
    }
    server.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_text_is_bounded_in_its_normal_form_and_by_its_characters() {
    let server = server(open());
    for codec in Codec::ALL {
        let mut ada = Player::enter_in(&server, codec, "Ada").await;
        let room_id = make(&mut ada, false).await;
        does(&mut ada, &room_id, "chat", json!({"text": "one"})).await;
        for kind in ["chat", "chat_edit"] {
            for (text, wanted) in [
                ("x".repeat(2000), "ok"),
                ("x".repeat(2001), "invalid_data"),
                // Two letters and marks that become one each.
                ("e\u{301}".repeat(1000), "ok"),
                ("e\u{301}".repeat(1001), "invalid_data"),
                ("a\n".repeat(20) + "b", "ok"),
                ("a\n".repeat(21) + "b", "invalid_data"),
                (" \u{200b}\n".into(), "invalid_data"),
                ("tab\tstop".into(), "invalid_data"),
                ("\u{202e}backwards".into(), "invalid_data"),
                ("z\u{300}\u{301}\u{302}\u{303}".into(), "ok"),
                ("z\u{300}\u{301}\u{302}\u{303}\u{304}".into(), "invalid_data"),
                ("<script>alert(1)</script>".into(), "ok"),
            ] {
                let answer = ask(&mut ada, &room_id, kind, json!({"message_id": "1", "text": text})).await;
                assert_eq!(outcome(&answer), wanted, "{kind} {text:?}: {answer}");
            }
        }
        let (messages, _) = page(&mut ada, &room_id, json!({"limit": 1})).await;
        assert_eq!(texts(&messages), ["<script>alert(1)</script>"], "as it was said");
    }
}

#[tokio::test(start_paused = true)]
async fn an_author_changes_what_they_said_and_the_owner_takes_back_what_anybody_did() {
    let server = server(open());
    let [mut ada, mut bob, mut eve] = [
        Player::enter_to_stay(&server, "Ada").await,
        Player::enter_to_stay(&server, "Bob").await,
        Player::enter_to_stay(&server, "Eve").await,
    ];
    let room_id = make(&mut ada, false).await;
    bob.join(&room_id, "player").await;
    eve.join(&room_id, "spectator").await;
    for text in ["one", "two"] {
        does(&mut bob, &room_id, "chat", json!({ "text": text })).await;
    }
    let edit = json!({"message_id": "1", "text": "uno"});
    assert_eq!(outcome(&ask(&mut ada, &room_id, "chat_edit", edit.clone()).await), "not_owner");
    for kind in ["chat_edit", "chat_delete"] {
        assert_eq!(outcome(&ask(&mut eve, &room_id, kind, edit.clone()).await), "not_owner", "{kind}");
    }
    does(&mut bob, &room_id, "chat_edit", edit).await;
    does(&mut ada, &room_id, "chat_delete", json!({"message_id": "1"})).await;
    does(&mut bob, &room_id, "chat_delete", json!({"message_id": "2"})).await;
    let bob_id = bob.session["user_id"].clone();
    does(&mut ada, &room_id, "mute", json!({"user_id": bob_id, "muted": true})).await;
    for kind in ["chat", "chat_edit"] {
        let refused = ask(&mut bob, &room_id, kind, json!({"message_id": "1", "text": "three"})).await;
        assert_eq!(outcome(&refused), "rejected", "{kind}: {refused}");
    }
    does(&mut ada, &room_id, "mute", json!({"user_id": bob_id, "muted": false})).await;
    does(&mut bob, &room_id, "chat", json!({"text": "four"})).await;
    let mut heard: Vec<(String, String, bool, bool)> = Vec::new();
    while heard.last().is_none_or(|(_, text, ..)| text != "four") {
        let said = eve.hear("chat").await["data"].take();
        let text = |key: &str| said[key].as_str().unwrap().to_owned();
        heard.push((text("message_id"), text("text"), said["edited"] == true, said["deleted"] == true));
    }
    let told = |id: &str, text: &str, edited, deleted| (id.to_owned(), text.to_owned(), edited, deleted);
    assert_eq!(
        heard,
        [
            told("1", "one", false, false),
            told("2", "two", false, false),
            told("1", "uno", true, false),
            told("1", "", true, true),
            told("2", "", false, true),
            told("3", "four", false, false),
        ]
    );
}

/// A folder of its own, which goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("anteroom-talk-{}-{name}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn server_on(folder: &Path, seed: u64) -> Server {
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(folder, WALL_MS).unwrap());
    Server::simulate_with(open(), anteroom_games::registry().unwrap(), seed, Some(store)).unwrap()
}

#[tokio::test]
async fn what_was_said_is_read_back_page_by_page_after_a_restart() {
    let scratch = Scratch::new("pages");
    let server = server_on(&scratch.0, 1);
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    let room_id = make(&mut ada, true).await;
    for number in 1..=60 {
        does(&mut ada, &room_id, "chat", json!({"text": number.to_string()})).await;
        if number == 5 {
            does(&mut ada, &room_id, "chat_edit", json!({"message_id": "3", "text": "three"})).await;
            does(&mut ada, &room_id, "chat_delete", json!({"message_id": "4"})).await;
        }
    }
    let session = ada.session.clone();
    server.shutdown().await;
    drop(ada);

    let server = server_on(&scratch.0, 2);
    let mut ada = Player::go_on(&server, &session).await;
    let there = ada.hear("join_room_result").await;
    let last: Vec<String> = (41..=60).map(|number| number.to_string()).collect();
    assert_eq!(texts(there["data"]["chat"].as_array().unwrap()), last);
    // What the room has at hand, up to what is in the store alone.
    let (messages, next) = page(&mut ada, &room_id, json!({})).await;
    assert_eq!((messages.len(), ends(&messages), &next), (50, ("11", "60"), &json!("11")));
    let (messages, next) = page(&mut ada, &room_id, json!({"limit": 25})).await;
    assert_eq!((messages.len(), ends(&messages), &next), (25, ("36", "60"), &json!("36")));
    let (messages, next) = page(&mut ada, &room_id, json!({"before": next, "limit": 25})).await;
    assert_eq!((messages.len(), ends(&messages), &next), (25, ("11", "35"), &json!("11")));
    let (messages, next) = page(&mut ada, &room_id, json!({"before": next, "limit": 6})).await;
    assert_eq!((messages.len(), ends(&messages), &next), (6, ("5", "10"), &json!("5")));
    let (messages, next) = page(&mut ada, &room_id, json!({"before": next, "limit": 100})).await;
    assert_eq!((texts(&messages), &next), (vec!["1", "2", "three", ""], &Value::Null));
    let marks: Vec<_> = messages.iter().map(|entry| (entry["edited"] == true, entry["deleted"] == true)).collect();
    assert_eq!(marks, [(false, false), (false, false), (true, false), (false, true)]);
    // Of both.
    let (messages, next) = page(&mut ada, &room_id, json!({"before": "21", "limit": 15})).await;
    assert_eq!((messages.len(), ends(&messages), &next), (15, ("6", "20"), &json!("6")));
    let (messages, next) = page(&mut ada, &room_id, json!({"limit": 100})).await;
    assert_eq!((messages.len(), ends(&messages), &next), (60, ("1", "60"), &Value::Null));
    let (messages, next) = page(&mut ada, &room_id, json!({"before": "1"})).await;
    assert_eq!((messages.len(), next), (0, Value::Null));
    // What is in the store alone is changed and taken back, too.
    let mut bob = Player::enter_to_stay(&server, "Bob").await;
    bob.join(&room_id, "player").await;
    let edit = json!({"message_id": "5", "text": "five"});
    assert_eq!(outcome(&ask(&mut bob, &room_id, "chat_edit", edit.clone()).await), "not_owner");
    does(&mut ada, &room_id, "chat_edit", edit.clone()).await;
    let heard = bob.hear("chat").await["data"].take();
    assert_eq!((&heard["message_id"], &heard["text"], &heard["edited"]), (&json!("5"), &json!("five"), &json!(true)));
    does(&mut ada, &room_id, "chat_delete", json!({"message_id": "6"})).await;
    assert_eq!(bob.hear("chat").await["data"]["deleted"], true);
    for (kind, id, code) in
        [("chat_delete", "6", "conflict"), ("chat_edit", "4", "conflict"), ("chat_edit", "999", "invalid_data")]
    {
        let refused = ask(&mut ada, &room_id, kind, json!({"message_id": id, "text": "x"})).await;
        assert_eq!(outcome(&refused), code, "{kind} {id}");
    }
    let (messages, _) = page(&mut bob, &room_id, json!({"before": "8", "limit": 4})).await;
    assert_eq!(texts(&messages), ["", "five", "", "7"]);
    // Numbers go on where they were.
    let said = ask(&mut ada, &room_id, "chat", json!({"text": "again"})).await;
    assert_eq!(said["data"], json!({"message_id": "61"}));
    server.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_said_too_long_ago_is_forgotten_in_the_room_and_in_the_store() {
    let store = Arc::new(Memory::new(WALL_MS));
    let mut config = open();
    config.chat.keep_ms = 3_600_000;
    let given: Arc<dyn Store> = store.clone();
    let server = Server::simulate_with(config, anteroom_games::registry().unwrap(), 1, Some(given)).unwrap();
    let mut ada = Player::enter_to_stay(&server, "Ada").await;
    let room_id = make(&mut ada, true).await;
    for (text, minutes) in [("old", 40), ("new", 30)] {
        does(&mut ada, &room_id, "chat", json!({ "text": text })).await;
        for _ in 0..2 * minutes {
            sleep(Duration::from_secs(30)).await;
            ada.say(&[json!({"type": "list_rooms", "ref": 9})]).await;
            ada.answer(9).await;
        }
    }
    let (messages, next) = page(&mut ada, &room_id, json!({})).await;
    assert_eq!((texts(&messages), next), (vec!["new"], Value::Null));
    let mut bob = Player::enter_to_stay(&server, "Bob").await;
    bob.say(&[json!({"type": "join_room", "ref": 1, "data": {"room_id": room_id}})]).await;
    assert_eq!(texts(bob.answer(1).await["data"]["chat"].as_array().unwrap()), ["new"]);
    let stored = store.said(room_id.parse().unwrap(), None, 9).await.unwrap();
    assert_eq!(stored.iter().map(|entry| &*entry.text).collect::<Vec<_>>(), ["new"]);
}
