//! What is known for certain of the rooms from what was answered: who may not be let in, who is not heard, which rooms nobody is
//! to find. What may have changed since is not certain, and is believed of nobody.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tokio::time::Instant;

use crate::message::Message;

/// Something that was asked, by whom, and when among all that was.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) at: u64,
    pub(super) kind: &'static str,
    /// The room, unless one is to be made or found.
    pub(super) room_id: Option<String>,
    pub(super) user_id: String,
    pub(super) data: Value,
    /// What must not be done, as it was certain then.
    forbidden: Option<&'static str>,
}

/// What became of it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome<'a> {
    Done(&'a Message),
    /// It was refused, and nothing of it happened.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// An invite that there is.
#[derive(Debug, Clone)]
pub(super) struct Invite {
    pub(super) code: String,
    pub(super) uses: Option<u64>,
    /// When it was made; one that was asked for before somebody was sent out may be older than that.
    asked_at: u64,
}

/// One room.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) owner_policy: String,
    /// Somebody may have made it public, ever.
    was_public: bool,
    /// Since when nobody finds it.
    hidden_since: Option<Instant>,
    /// Since when, for each user; nobody who is not here for certain is.
    banned: BTreeMap<String, u64>,
    kicked: BTreeMap<String, u64>,
    muted: BTreeMap<String, u64>,
    /// What may be undone: when it was asked for last, by what and for whom.
    undone: BTreeMap<(&'static str, String), u64>,
    pub(super) invites: Vec<Invite>,
    /// The password, if it is known.
    pub(super) password: Option<String>,
    /// Until when a seat is kept for whom.
    pub(super) reserved: BTreeMap<String, Instant>,
    /// Seats may be kept for somebody, and nobody knows.
    pub(super) had_reservations: bool,
    /// Who may not be in it any more, whatever they have heard.
    out: BTreeSet<String>,
    /// Of whom nothing is known.
    pub(super) unsure: BTreeSet<String>,
}

/// All rooms that there ever were.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) rooms: BTreeMap<String, Facts>,
    /// What was asked and is not answered, by session and number.
    pub(super) open: BTreeMap<(usize, u64), Asked>,
    asked_ever: u64,
}

impl World {
    /// Somebody asks for something.
    pub(super) fn asks(&mut self, session: usize, n: u64, mut asked: Asked) {
        self.asked_ever += 1;
        asked.at = self.asked_ever;
        if let Some(room_id) = asked.room_id.clone() {
            asked.forbidden = self.forbidden(&room_id, &asked);
            let facts = self.rooms.entry(room_id).or_default();
            if asked.kind == "leave_room" {
                facts.out.insert(asked.user_id.clone());
            }
            if let Some(user_id) = asked.data["user_id"].as_str() {
                if matches!(asked.kind, "kick" | "ban") {
                    facts.out.insert(user_id.to_owned());
                }
                let undoes = match asked.kind {
                    "unban" => Some("ban"),
                    "mute" if asked.data["muted"] == false => Some("mute"),
                    _ => None,
                };
                for kind in undoes.into_iter().chain((asked.kind == "unban").then_some("kick")) {
                    facts.undone.insert((kind, user_id.to_owned()), asked.at);
                }
            }
            if asked.data["visibility"] == "public" {
                (facts.was_public, facts.hidden_since) = (true, None);
            }
        }
        self.open.insert((session, n), asked);
    }

    /// Why it must not be done, if that is certain.
    fn forbidden(&self, room_id: &str, asked: &Asked) -> Option<&'static str> {
        let facts = self.rooms.get(room_id)?;
        let is = |list: &BTreeMap<String, u64>| list.contains_key(&asked.user_id);
        match asked.kind {
            "join_room" if is(&facts.banned) => Some("ban"),
            "join_room" if is(&facts.kicked) && asked.data["invite"].is_null() => Some("kick"),
            "chat" if is(&facts.muted) => Some("mute"),
            _ => None,
        }
    }

    /// Something was answered, or will not be.
    ///
    /// # Panics
    /// If it must not have been done.
    pub(super) fn answered(&mut self, asked: &Asked, outcome: Outcome<'_>) {
        let found = match outcome {
            Outcome::Done(message) => message.room_id.clone(),
            _ => None,
        };
        let Some(room_id) = asked.room_id.clone().or(found) else { return };
        let pending: Vec<Asked> =
            self.open.values().filter(|open| open.room_id.as_ref() == Some(&room_id)).cloned().collect();
        let facts = self.rooms.entry(room_id).or_default();
        match outcome {
            Outcome::Done(message) => facts.is_done(asked, message, &pending),
            Outcome::Unknown => facts.may_be_done(asked),
            Outcome::Refused => {}
        }
    }

    /// Whether somebody may have been sent out of a room, or have left it.
    pub(super) fn may_be_out(&self, room_id: &str, user_id: &str) -> bool {
        self.rooms.get(room_id).is_some_and(|facts| facts.out.contains(user_id))
    }

    /// Nobody finds that room, and nobody did for a while.
    pub(super) fn is_hidden(&self, room_id: &str, since: Instant) -> bool {
        self.rooms.get(room_id).is_some_and(|facts| facts.hidden_since.is_some_and(|hidden| hidden <= since))
    }

    /// Nobody ever could find that room.
    pub(super) fn was_never_public(&self, room_id: &str) -> bool {
        self.rooms.get(room_id).is_some_and(|facts| !facts.was_public)
    }
}

impl Asked {
    pub(super) fn new(kind: &'static str, room_id: Option<String>, user_id: String, data: Value) -> Self {
        Self { at: 0, kind, room_id, user_id, data, forbidden: None }
    }

    fn is_about(&self, kind: &str, user_id: &str) -> bool {
        self.kind == kind && self.data["user_id"] == user_id
    }
}

impl Facts {
    pub(super) fn is_banned(&self, user_id: &str) -> bool {
        self.banned.contains_key(user_id)
    }

    pub(super) fn is_kicked(&self, user_id: &str) -> bool {
        self.kicked.contains_key(user_id)
    }

    /// Whether an invite is newer than the moment at which a user was sent out.
    pub(super) fn readmits(&self, invite: &Invite, user_id: &str) -> bool {
        self.kicked.get(user_id).is_none_or(|kicked| invite.asked_at > *kicked)
    }

    fn is_done(&mut self, asked: &Asked, message: &Message, pending: &[Asked]) {
        let undone_since = |kind: &'static str, user_id: &str| {
            self.undone.get(&(kind, user_id.to_owned())).is_some_and(|undone| *undone > asked.at)
        };
        if let Some(reason) = asked.forbidden {
            let is_undone = undone_since(reason, &asked.user_id);
            assert!(is_undone, "done in spite of a {reason}: {asked:?}, {message:?}, {self:?}");
        }
        let user_id = asked.data["user_id"].as_str().unwrap_or_default().to_owned();
        let none_pending = |kind: &str| !pending.iter().any(|open| open.is_about(kind, &user_id));
        let is_certain = |kind: &'static str, by: &str| !undone_since(kind, &user_id) && none_pending(by);
        match asked.kind {
            "create_room" | "join_room" if asked.room_id.is_none() => self.is_made(asked, message),
            "join_room" => {
                let user_id = &asked.user_id;
                if !pending.iter().any(|open| open.is_about("kick", user_id) || open.is_about("ban", user_id)) {
                    self.out.remove(user_id);
                }
                if !asked.data["invite"].is_null() {
                    self.kicked.remove(user_id);
                }
            }
            "ban" if is_certain("ban", "unban") => {
                self.unsure.remove(&user_id);
                self.reserved.remove(&user_id);
                self.banned.insert(user_id, asked.at);
            }
            "ban" => {
                self.reserved.remove(&user_id);
                self.unsure.insert(user_id);
            }
            "unban" => {
                self.banned.remove(&user_id);
                self.kicked.remove(&user_id);
                if !none_pending("ban") || !none_pending("kick") {
                    self.unsure.insert(user_id);
                }
            }
            "kick" if is_certain("kick", "unban") && !is_coming(&user_id, pending) => {
                self.kicked.insert(user_id, asked.at);
            }
            "kick" => drop(self.unsure.insert(user_id)),
            "mute" if asked.data["muted"] == true && is_certain("mute", "mute") => {
                self.muted.insert(user_id, asked.at);
            }
            "mute" => drop(self.muted.remove(&user_id)),
            "create_invite" => self.invites.push(Invite {
                code: message.data["code"].as_str().unwrap().to_owned(),
                uses: asked.data["uses"].as_u64(),
                asked_at: asked.at,
            }),
            "update_room" => self.is_changed(asked, pending),
            _ => {}
        }
    }

    /// The room was made, or found among those of strangers.
    fn is_made(&mut self, asked: &Asked, message: &Message) {
        if self.owner_policy.is_empty() {
            let policy = asked.data["owner_policy"].as_str().unwrap_or("automatic");
            self.owner_policy = if asked.kind == "create_room" { policy } else { "none" }.to_owned();
        }
        if asked.kind == "create_room" {
            self.password = asked.data["password"].as_str().map(str::to_owned);
        }
        if message.data["visibility"] == "public" {
            (self.was_public, self.hidden_since) = (true, None);
        } else {
            assert_eq!(asked.kind, "create_room", "somebody was led into a room that is not for all: {message:?}");
            self.hidden_since = Some(Instant::now());
        }
    }

    fn is_changed(&mut self, asked: &Asked, pending: &[Asked]) {
        let changes = |open: &&Asked| open.kind == "update_room";
        let is_alone = |key: &str| !pending.iter().filter(changes).any(|open| !open.data[key].is_null());
        if !asked.data["password"].is_null() {
            let password = asked.data["password"].as_str().unwrap().to_owned();
            self.password = Some(password).filter(|password| !password.is_empty() && is_alone("password"));
        }
        if !asked.data["visibility"].is_null() && asked.data["visibility"] != "public" && is_alone("visibility") {
            self.hidden_since.get_or_insert(Instant::now());
        }
    }

    fn may_be_done(&mut self, asked: &Asked) {
        let user_id = asked.data["user_id"].as_str().unwrap_or_default().to_owned();
        match asked.kind {
            "ban" | "kick" => drop(self.unsure.insert(user_id)),
            "unban" => {
                self.banned.remove(&user_id);
                self.kicked.remove(&user_id);
                self.unsure.insert(user_id);
            }
            "mute" => drop(self.muted.remove(&user_id)),
            "update_room" if !asked.data["password"].is_null() => self.password = None,
            "join_room" => drop(self.kicked.remove(&asked.user_id)),
            _ => {}
        }
    }
}

/// Whether a user may be let in just now, by an invite perhaps.
fn is_coming(user_id: &str, pending: &[Asked]) -> bool {
    pending.iter().any(|open| open.kind == "join_room" && open.user_id == user_id)
}
