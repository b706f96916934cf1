//! Somebody who watches the list of rooms: never hears of a room that is for nobody's eyes, and has the list that there is.

use std::collections::BTreeMap;
use std::time::Duration;

use anteroom_core::Rng;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::facts::World;
use crate::lasting::Host;
use crate::message::Message;
use crate::peer::{Via, Way};
use crate::resuming::{Back, Resuming};
use crate::token;

/// How long the list may still show what has been hidden: changes of that time are told together.
const LATE: Duration = Duration::from_millis(200);
/// What rooms that begin hidden are called; nobody calls another one so.
pub(super) const HIDDEN: &str = "Hidden";

/// See the module.
#[derive(Debug)]
pub(super) struct Watcher {
    user_id: String,
    client: Resuming,
    filter: Value,
    /// The list as it was told; none before the subscription is answered.
    rooms: Option<BTreeMap<String, Value>>,
    asked: Option<u64>,
}

impl Watcher {
    pub(super) async fn enter(number: usize, host: &impl Host, rng: &mut Rng) -> Self {
        let filters = [
            json!(null),
            json!([["state", "!=", "playing"]]),
            json!([["free_seats", ">", 0], ["locked", "=", false]]),
            json!([["data.level", "=", "easy"]]),
        ];
        let filter = filters[rng.below(filters.len() as u32) as usize].clone();
        let user_id = format!("watcher-{number}");
        let client = begin(host, &user_id).await;
        Self { user_id, client, filter, rooms: None, asked: None }
    }

    /// Takes in everything that has come. Whether anything had.
    pub(super) async fn hear(&mut self, world: &World, host: &impl Host) -> bool {
        while self.client.is_connected() && self.client.step_if_ready().await {}
        self.client.forget();
        if !self.client.is_connected() {
            self.go_on(host).await;
        }
        if self.rooms.is_none() && self.asked.is_none() && self.client.is_open() {
            self.asked = Some(self.client.request("subscribe_rooms", json!({"filter": self.filter})).await);
        }
        self.client.step_unless(std::future::ready(())).await;
        let mut has_heard = false;
        for heard in std::mem::take(&mut self.client.log) {
            has_heard |= heard.message.kind != "pong";
            self.take(world, &heard.message);
        }
        has_heard
    }

    fn take(&mut self, world: &World, message: &Message) {
        assert!(message.error.is_none(), "{message:?}");
        let data = &message.data;
        match &*message.kind {
            "subscribe_rooms_result" if message.reference == self.asked.map(|n| json!(n)) => {
                self.rooms = Some(rows(&data["rooms"]));
                data["rooms"].as_array().unwrap().iter().for_each(|row| check(world, row));
                self.asked = None;
            }
            "rooms_changed" => {
                if let Some(rooms) = &mut self.rooms {
                    change(rooms, world, data);
                }
            }
            // What was said of the list may be lost.
            "lane" | "session_state" => (self.rooms, self.asked) = (None, None),
            _ => {}
        }
    }

    async fn go_on(&mut self, host: &impl Host) {
        (self.rooms, self.asked) = (None, None);
        self.client.cut();
        let peer = host.dial(self.client.way(Via::Quic)).await.unwrap();
        if self.client.try_reconnect(peer).await != Back::Here {
            self.client = begin(host, &self.user_id).await;
        }
    }

    /// The server is gone.
    pub(super) fn lose(&mut self) {
        self.client.cut();
    }

    /// The list is at rest: it is what whoever asks for it is told.
    pub(super) async fn compare(&mut self, world: &World) {
        let Some(rooms) = self.rooms.clone() else { return };
        let list = self.client.ask("list_rooms", json!({"filter": self.filter})).await.data;
        list["rooms"].as_array().unwrap().iter().for_each(|row| check(world, row));
        assert_eq!(rooms, rows(&list["rooms"]), "the list was told otherwise than it is: {}", self.filter);
    }
}

async fn begin(host: &impl Host, user_id: &str) -> Resuming {
    let peer = host.dial(Way::json(Via::Quic)).await.unwrap();
    let mut client = Resuming::over(peer, json!({"version": 1, "resume": true, "token": token::of(user_id)})).await;
    client.outlives = true;
    client
}

fn rows(list: &Value) -> BTreeMap<String, Value> {
    let rows = list.as_array().unwrap().iter();
    rows.map(|row| (row["room_id"].as_str().unwrap().to_owned(), row.clone())).collect()
}

/// A row that is shown.
fn check(world: &World, row: &Value) {
    let room_id = row["room_id"].as_str().unwrap();
    let late = Instant::now().checked_sub(LATE).unwrap();
    assert!(!world.was_never_public(room_id), "was never to be seen: {row}");
    assert!(!world.is_hidden(room_id, late), "is not to be seen any more: {row}");
    // One whose creator has not heard of it is known by its name.
    let is_known = world.rooms.contains_key(room_id);
    assert!(is_known || !row["name"].as_str().unwrap().starts_with(HIDDEN), "was never to be seen: {row}");
    assert!(row["players"].as_u64() <= row["seats_max"].as_u64(), "more players than seats: {row}");
}

fn change(rooms: &mut BTreeMap<String, Value>, world: &World, changes: &Value) {
    for (key, is_new) in [("added", true), ("updated", false)] {
        for (room_id, row) in rows(&changes[key]) {
            check(world, &row);
            let before = rooms.insert(room_id, row);
            assert_eq!(before.is_none(), is_new, "{key}: {before:?}, {changes}");
        }
    }
    for room_id in changes["removed"].as_array().unwrap() {
        assert!(rooms.remove(room_id.as_str().unwrap()).is_some(), "was not there: {changes}");
    }
}
