//! A room whose members are all looked at, without anything of a server's around it.

use std::time::Duration;

use anteroom_core::flush::Dispatch;
use anteroom_core::game::Kind;
use anteroom_core::room::{Ask, Join, MemberId, RoomPolicy, RoomSpec, Snapshot, Terms};
use anteroom_core::{Command, Flush, Room, Time};
use anteroom_protocol::envelope::{Ref, decode_batch};
use anteroom_protocol::message::Role;
use anteroom_protocol::message::push::ClosedReason;
use anteroom_protocol::{Codec, Data, LaneId, RoomId};
use serde_json::{Value, json};

use crate::rooms::probe::Open;

/// A room whose members all speak JSON.
pub(crate) struct Gallery {
    pub(crate) room: Room,
    pub(crate) now: Time,
    pub(crate) flush: Flush,
    pub(crate) heard: Vec<(MemberId, Value)>,
    /// Whose lanes went on with a gap.
    pub(crate) lost: Vec<MemberId>,
}

impl Gallery {
    pub(crate) fn new(durable: bool) -> Self {
        Self::late(durable, 0)
    }

    /// Those who watch see things later, by so many milliseconds.
    pub(crate) fn late(durable: bool, delay_ms: u64) -> Self {
        let policy = RoomPolicy { grace: Duration::from_secs(1), seat_kept: None, spectators_max: 10_000 };
        let spectator_delay = Duration::from_millis(delay_ms);
        let terms = Terms { created_by: Some("ada".parse().unwrap()), spectator_delay, ..Terms::default() };
        let (room_id, name) = (RoomId::from_bits(5), "Hall".into());
        let spec = RoomSpec { room_id, name, options: None, seed: 1, policy, durable, terms };
        let now = Time::from_millis(1000);
        let room = Room::create(&Kind::of::<Open>(), spec, now).unwrap();
        Self { room, now, flush: Flush::default(), heard: Vec::new(), lost: Vec::new() }
    }

    pub(crate) fn enter(&mut self, user: &str, role: Role) -> MemberId {
        let join = Join {
            user_id: user.parse().unwrap(),
            username: user.to_uppercase(),
            role,
            lane: LaneId(1),
            codec: Codec::Json,
            answer: "join_room_result",
            reference: Some(Ref::from(1)),
            applied: 0,
            session_id: None,
            n: None,
            password: None,
            invite: None,
        };
        let member = self.room.join(self.now, join, &mut self.flush).unwrap();
        self.end();
        member
    }

    /// The answer: its data, or the code of the error.
    pub(crate) fn ask(&mut self, member: MemberId, kind: &str, data: Value) -> Value {
        self.heard.clear();
        let (data, reference) = (data.to_string(), Some(Ref::from(7)));
        let ask = Ask { kind, data: Data::Json(&data), with: None, reference, n: None };
        self.room.handle(self.now, Command::Ask { member, ask }, &mut self.flush);
        self.end();
        let is_answer = |(to, message): &&(MemberId, Value)| *to == member && message["ref"] == 7;
        match self.heard.iter().find(is_answer) {
            Some((_, message)) if message["success"] == true => message["data"].clone(),
            Some((_, message)) => message["error"]["code"].clone(),
            None => Value::Null,
        }
    }

    pub(crate) fn end(&mut self) {
        self.room.flush(&mut self.flush).unwrap();
        for dispatch in std::mem::take(&mut self.flush.effects.dispatches) {
            let (to, outgoing) = match dispatch {
                Dispatch::Enter(_) => continue,
                Dispatch::Lose(member) => {
                    self.lost.push(member);
                    continue;
                }
                Dispatch::Say { to, outgoing } => (to, outgoing),
            };
            for message in decode_batch(Codec::Json, outgoing.batch().payload()).unwrap() {
                let message = message.unwrap();
                let Data::Json(data) = message.data else { unreachable!() };
                let (data, error) = (serde_json::from_str::<Value>(data).unwrap_or_default(), &message.error);
                let code = error.as_ref().map(|error| error.code.name());
                let reference = message.reference.as_ref().map(|_| 7);
                let said = json!({"type": message.kind, "ref": reference, "success": message.success,
                    "error": {"code": code}, "latest": message.latest, "data": data});
                self.heard.push((to, said));
            }
        }
    }

    pub(crate) fn pass(&mut self, ms: u64) {
        self.heard.clear();
        self.now = self.now + Duration::from_millis(ms);
        self.room.advance(self.now, &mut self.flush);
        self.end();
    }

    pub(crate) fn pushed(&self, to: MemberId, kind: &str) -> Vec<Value> {
        let theirs = self.heard.iter().filter(|(who, message)| *who == to && message["type"] == kind);
        theirs.map(|(_, message)| message["data"].clone()).collect()
    }

    /// The room is closed from outside.
    pub(crate) fn close(&mut self, reason: ClosedReason) {
        self.heard.clear();
        self.room.handle(self.now, Command::Close { reason }, &mut self.flush);
        self.end();
    }

    /// Something is done in the game.
    pub(crate) fn act(&mut self, member: MemberId, kind: &str, data: &Value) {
        self.heard.clear();
        let data = data.to_string();
        let data = Data::Json(&data);
        self.room.handle(self.now, Command::Act { member, kind, data, reference: None, n: None }, &mut self.flush);
        self.end();
    }

    /// What a member is told whose lane has lost messages.
    pub(crate) fn snapshot(&mut self, member: MemberId) -> Value {
        self.heard.clear();
        self.room.handle(self.now, Command::Snapshot { member, answer: None }, &mut self.flush);
        self.end();
        self.pushed(member, "join_room_result").remove(0)
    }

    /// The server starts anew.
    pub(crate) fn restart(&mut self) {
        let mut stored = Vec::new();
        self.room.snapshot().unwrap().encode(&mut stored).unwrap();
        self.room = Room::restore(&Kind::of::<Open>(), Snapshot::decode(&stored).unwrap()).unwrap();
    }

    /// The types of what a member heard last.
    pub(crate) fn types(&self, to: MemberId) -> Vec<&str> {
        let theirs = self.heard.iter().filter(|(who, _)| *who == to);
        theirs.map(|(_, message)| message["type"].as_str().unwrap()).collect()
    }
}
