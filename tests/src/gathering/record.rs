//! What one client knows of the room it is in: the room as its snapshot showed it, and what was told since. It is what a person
//! sees, so it has to be what the room is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::message::Message;

/// How many entries of what was said a snapshot has.
const CHAT_SHOWN: usize = 20;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Record {
    /// Whose it is.
    user_id: String,
    /// The fields of `join_room_result` that have no place of their own below.
    room: Map<String, Value>,
    pub(super) members: BTreeMap<String, Map<String, Value>>,
    pub(super) chat: BTreeMap<u64, Value>,
    view: Value,
}

impl Record {
    /// The room as a snapshot shows it.
    pub(super) fn of(user_id: &str, snapshot: &Value) -> Self {
        let mut room = snapshot.as_object().unwrap().clone();
        let mut take = |key: &str| room.remove(key).unwrap_or_else(|| panic!("no {key}: {snapshot}"));
        let (view, entries, list) = (take("view"), take("chat"), take("members"));
        let mut members = BTreeMap::new();
        for member in list.as_array().unwrap() {
            let before = members.insert(text(&member["user_id"]), whole(member));
            assert!(before.is_none(), "somebody is there twice: {snapshot}");
        }
        let chat = entries.as_array().unwrap().iter().map(|entry| (message_id(entry), entry.clone())).collect();
        let record = Self { user_id: user_id.to_owned(), room, members, chat, view };
        assert!(record.members.contains_key(user_id), "{user_id} is not there: {snapshot}");
        record
    }

    /// Something was told of the room.
    ///
    /// # Panics
    /// If it does not fit what is known.
    pub(super) fn hear(&mut self, message: &Message) {
        let data = &message.data;
        match &*message.kind {
            "game_state" => self.view = data.clone(),
            "room_updated" => self.room_changes(data),
            "member_updated" => self.member_changes(message),
            "chat" => {
                let newest = self.chat.keys().next_back().copied().unwrap_or(0);
                let is_new = message_id(data) > newest;
                assert!(is_new || data["edited"] == true || data["deleted"] == true, "said before: {message:?}");
                self.chat.insert(message_id(data), data.clone());
            }
            "presence" => {
                if let Some(member) = self.members.get_mut(&text(&data["user_id"]))
                    && member["number"] == data["number"]
                {
                    member["away"] = data["away"].clone();
                }
            }
            "client_joined" => {
                let user_id = text(&data["user_id"]);
                let member = whole(data);
                if user_id == self.user_id {
                    (self.room["role"], self.room["seat"]) = (member["role"].clone(), member["seat"].clone());
                }
                let number = member["number"].clone();
                let before = self.members.insert(user_id, member);
                // One who watches may come to play, too, which is the same stay.
                assert!(before.is_none_or(|before| before["number"] == number), "is there already: {message:?}");
            }
            "client_left" => {
                let gone = self.members.remove(&text(&data["user_id"]));
                assert!(gone.is_some(), "was not there: {message:?}, {self:?}");
            }
            "client_disconnected" => self.member_mut(message)["connected"] = json!(false),
            "client_reconnected" => self.member_mut(message)["connected"] = json!(true),
            "system" => {}
            kind => panic!("nobody says {kind}: {message:?}"),
        }
    }

    fn member_mut(&mut self, message: &Message) -> &mut Map<String, Value> {
        let member = self.members.get_mut(&text(&message.data["user_id"]));
        member.unwrap_or_else(|| panic!("of nobody who is there: {message:?}"))
    }

    fn room_changes(&mut self, data: &Value) {
        for (key, value) in data.as_object().unwrap() {
            match &**key {
                "data" => merge(&mut self.room["data"], value),
                _ => {
                    let place = self.room.get_mut(key).unwrap_or_else(|| panic!("a snapshot has no {key}: {data}"));
                    *place = value.clone();
                }
            }
        }
    }

    fn member_changes(&mut self, message: &Message) {
        let data = &message.data;
        let user_id = text(&data["user_id"]);
        let known = self.members.get_mut(&user_id).filter(|member| member["number"] == data["number"]);
        let Some(member) = known else {
            // Only values come late.
            assert!(message.latest.is_some(), "of nobody who is there: {message:?}");
            return;
        };
        for (key, value) in data.as_object().unwrap() {
            match &**key {
                "user_id" | "number" => {}
                "data" => merge(&mut member["data"], value),
                _ => member[key.as_str()] = value.clone(),
            }
        }
        if user_id == self.user_id {
            for key in ["role", "seat"] {
                self.room[key] = member[key].clone();
            }
        }
    }

    /// Where this says something else of the room than what the room says of itself. Nobody is told of their own connection; as
    /// what a session takes part is not known of a user who is there in two.
    pub(super) fn differs(&self, truth: &Self, is_there_twice: bool) -> Vec<String> {
        let mut differences = Vec::new();
        let mut compare = |what: String, here: Option<&Value>, there: Option<&Value>| {
            if here != there {
                let show = |value: Option<&Value>| value.map_or("nothing".into(), Value::to_string);
                differences.push(format!("{what}: {} instead of {}", show(here), show(there)));
            }
        };
        for key in truth.room.keys().filter(|key| !is_there_twice || !matches!(&***key, "role" | "seat")) {
            compare(key.clone(), self.room.get(key), truth.room.get(key));
        }
        compare("view".into(), Some(&self.view), Some(&truth.view));
        let users: BTreeSet<_> = self.members.keys().chain(truth.members.keys()).collect();
        for user_id in users {
            let (here, there) = (self.members.get(user_id), truth.members.get(user_id));
            let (Some(here), Some(there)) = (here, there) else {
                let whole = |member: Option<&Map<String, Value>>| member.map(|member| json!(member));
                compare(user_id.clone(), whole(here).as_ref(), whole(there).as_ref());
                continue;
            };
            for key in there.keys().filter(|key| *user_id != self.user_id || *key != "connected") {
                // It is over after some seconds without a word.
                if key != "typing" {
                    compare(format!("{key} of {user_id}"), here.get(key), there.get(key));
                }
            }
        }
        for (id, entry) in self.chat.iter().rev().take(CHAT_SHOWN) {
            compare(format!("chat {id}"), Some(entry), truth.chat.get(id));
        }
        for (id, entry) in &truth.chat {
            compare(format!("chat {id}"), self.chat.get(id), Some(entry));
        }
        differences
    }

    /// What holds of a room as soon as a turn of it is over.
    ///
    /// # Panics
    /// If it does not.
    pub(super) fn check(&self) {
        let mut seats = BTreeSet::new();
        // To who watches late the others are of then, and what is about themselves is of now: from another session of theirs they
        // may have a seat that somebody has there still.
        let is_late = self.room["spectator_delay_ms"].as_u64() > Some(0);
        for (user_id, member) in &self.members {
            let is_player = member["role"] == "player";
            assert_eq!(is_player, !member["seat"].is_null(), "{user_id}: {self:?}");
            if is_late && *user_id == self.user_id {
                continue;
            }
            if let Some(seat) = member["seat"].as_u64() {
                assert!(seats.insert(seat), "seat {seat} is held twice: {self:?}");
            }
        }
        assert!(seats.len() as u64 <= self.seats_max(), "more players than seats: {self:?}");
    }

    pub(super) fn room_id(&self) -> &str {
        self.room["room_id"].as_str().unwrap()
    }

    pub(super) fn user_id(&self) -> &str {
        &self.user_id
    }

    pub(super) fn field(&self, key: &str) -> &Value {
        &self.room[key]
    }

    pub(super) fn seats_max(&self) -> u64 {
        self.room["seats_max"].as_u64().unwrap()
    }

    pub(super) fn owner(&self) -> Option<&str> {
        self.room["owner"].as_str()
    }

    pub(super) fn is_on(&self) -> bool {
        matches!(self.room["state"].as_str(), Some("playing" | "paused"))
    }

    /// Whether it shows the room as it was before.
    pub(super) fn is_behind(&self) -> bool {
        self.room["spectator_delay_ms"] != 0 && self.room["role"] == "spectator"
    }

    /// Who has a seat.
    pub(super) fn players(&self) -> impl Iterator<Item = &str> {
        self.members.iter().filter(|(_, member)| member["role"] == "player").map(|(user_id, _)| &**user_id)
    }

    /// What is said of its own user; of then, for whoever is behind.
    pub(super) fn own(&self) -> Option<&Map<String, Value>> {
        self.members.get(&self.user_id)
    }
}

/// A member with all that may be left out.
fn whole(member: &Value) -> Map<String, Value> {
    let mut member = member.as_object().unwrap().clone();
    for (key, value) in
        [("muted", json!(false)), ("away", json!(false)), ("typing", json!(false)), ("wants_seat", Value::Null)]
    {
        member.entry(key).or_insert(value);
    }
    member
}

fn merge(data: &mut Value, changes: &Value) {
    let data = data.as_object_mut().unwrap();
    for (key, value) in changes.as_object().unwrap() {
        if value.is_null() {
            data.remove(key);
        } else {
            data.insert(key.clone(), value.clone());
        }
    }
}

fn message_id(entry: &Value) -> u64 {
    entry["message_id"].as_str().unwrap().parse().unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
