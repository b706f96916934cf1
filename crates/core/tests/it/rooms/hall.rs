//! A room whose members all speak JSON, and everything they have heard as it was written.

use std::collections::BTreeMap;
use std::time::Duration;

use anteroom_core::flush::Dispatch;
use anteroom_core::game::Kind;
use anteroom_core::room::{Ask, Join, MemberId, RoomPolicy, RoomSpec, Snapshot, Terms};
use anteroom_core::{Command, Flush, Game, Json, Room, Time};
use anteroom_protocol::envelope::{Ref, decode_batch};
use anteroom_protocol::message::{OwnerPolicy, Role, RoomSummary};
use anteroom_protocol::{Codec, Data, ErrorBody, LaneId, RoomId};
use serde_json::{Value, json};

/// How long a seat is kept for who has lost the connection.
pub(crate) const KEPT_MS: u64 = 60_000;

pub(crate) struct Hall {
    pub(crate) room: Room,
    pub(crate) now: Time,
    pub(crate) flush: Flush,
    /// What each heard, as `{type, success, error, latest, data}`.
    pub(crate) heard: BTreeMap<MemberId, Vec<Value>>,
    /// Who takes part otherwise than before.
    pub(crate) roles: Vec<(MemberId, Role)>,
    pub(crate) summary: Option<RoomSummary>,
    pub(crate) closed: bool,
}

/// The terms of a room that `ada` has made.
pub(crate) fn by_ada() -> Terms {
    Terms { created_by: Some("ada".parse().unwrap()), ..Terms::default() }
}

/// The terms of a room that nobody owns.
pub(crate) fn nobodys() -> Terms {
    Terms { owner_policy: OwnerPolicy::None, ..Terms::default() }
}

impl Hall {
    pub(crate) fn of<G: Game>(options: &Value, terms: Terms) -> Self {
        Self::create::<G>(options, terms).unwrap()
    }

    pub(crate) fn create<G: Game>(options: &Value, terms: Terms) -> Result<Self, ErrorBody> {
        let grace = Duration::from_millis(KEPT_MS);
        let spec = RoomSpec {
            room_id: RoomId::from_bits(5),
            name: "Hall".into(),
            options: Some(Json::new(options).unwrap()),
            seed: 1,
            policy: RoomPolicy { grace, seat_kept: None, spectators_max: 200 },
            durable: false,
            terms,
        };
        let now = Time::from_millis(1000);
        let room = Room::create(&Kind::of::<G>(), spec, now)?;
        let (flush, heard, roles) = (Flush::default(), BTreeMap::new(), Vec::new());
        Ok(Self { room, now, flush, heard, roles, summary: None, closed: false })
    }

    /// Who wants to come in, with nothing to show for it.
    pub(crate) fn visitor(user: &str, role: Role) -> Join {
        Join {
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
        }
    }

    /// The member, or the code and the reason of the refusal.
    pub(crate) fn knock(&mut self, join: Join) -> Result<MemberId, String> {
        let joined = self.room.join(self.now, join, &mut self.flush);
        self.end();
        joined.map_err(|error| match error.details.map(|details| details.text().to_owned()) {
            Some(details) => format!("{} {details}", error.code.name()),
            None => error.code.name().to_owned(),
        })
    }

    pub(crate) fn sit(&mut self, user: &str) -> MemberId {
        self.knock(Self::visitor(user, Role::Player)).unwrap()
    }

    pub(crate) fn watch(&mut self, user: &str) -> MemberId {
        self.knock(Self::visitor(user, Role::Spectator)).unwrap()
    }

    /// The data of the answer, or the code of the error.
    pub(crate) fn ask(&mut self, member: MemberId, kind: &str, data: Value) -> Value {
        self.ask_with(member, kind, data, None)
    }

    pub(crate) fn ask_with(&mut self, member: MemberId, kind: &str, data: Value, with: Option<&str>) -> Value {
        let (data, reference) = (data.to_string(), Some(Ref::from(7)));
        let ask = Ask { kind, data: Data::Json(&data), with, reference, n: None };
        self.answered(Command::Ask { member, ask }, member)
    }

    /// What became of an action: `{}`, or the code of the error.
    pub(crate) fn act(&mut self, member: MemberId, kind: &str, data: Value) -> Value {
        let data = data.to_string();
        let reference = Some(Ref::from(7));
        self.answered(Command::Act { member, kind, data: Data::Json(&data), reference, n: None }, member)
    }

    fn answered(&mut self, command: Command<'_>, member: MemberId) -> Value {
        let before = self.heard.get(&member).map_or(0, Vec::len);
        self.room.handle(self.now, command, &mut self.flush);
        self.end();
        let answer = self.heard.get(&member).and_then(|heard| heard[before..].iter().find(|said| said["ref"] == 7));
        match answer {
            Some(answer) if answer["success"] == true => answer["data"].clone(),
            Some(answer) => answer["error"].clone(),
            None => Value::Null,
        }
    }

    pub(crate) fn handle(&mut self, command: Command<'_>) {
        self.room.handle(self.now, command, &mut self.flush);
        self.end();
    }

    pub(crate) fn leave(&mut self, member: MemberId) {
        self.handle(Command::Leave { member, reference: None, n: None });
    }

    /// The connection and the session are lost; the seat is kept for [`KEPT_MS`].
    pub(crate) fn lose(&mut self, member: MemberId) {
        self.handle(Command::Abandon { member });
    }

    pub(crate) fn reserve(&mut self, user: &str, ms: u64) {
        let (users, until) = (vec![user.parse().unwrap()], self.now + Duration::from_millis(ms));
        self.handle(Command::Reserve { users, until });
    }

    /// Time passes; what falls due happens, each thing at its own time.
    pub(crate) fn pass(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        while let Some(due) = self.room.next_deadline().filter(|due| *due <= until && !self.closed) {
            self.now = self.now.max(due);
            self.room.advance(self.now, &mut self.flush);
            self.end();
        }
        self.now = until;
    }

    pub(crate) fn end(&mut self) {
        if self.closed {
            return self.flush.clear();
        }
        self.room.flush(&mut self.flush).unwrap();
        let mut flush = std::mem::take(&mut self.flush);
        for dispatch in &flush.effects.dispatches {
            let Dispatch::Say { to, outgoing } = dispatch else { continue };
            for message in decode_batch(Codec::Json, outgoing.batch().payload()).unwrap() {
                let message = message.unwrap();
                let Data::Json(data) = message.data else { unreachable!() };
                let reference = message.reference.as_ref().map(|mark| if *mark == Ref::from(7) { 7 } else { 1 });
                let said = json!({"type": message.kind, "ref": reference, "success": message.success,
                    "error": message.error.as_ref().map(|error| error.code.name()), "latest": message.latest,
                    "data": serde_json::from_str::<Value>(data).unwrap_or_default()});
                self.heard.entry(*to).or_default().push(said);
            }
        }
        self.roles.append(&mut flush.effects.roles);
        if let Some(entry) = flush.effects.entry.take() {
            self.summary = Some(entry.summary);
        }
        self.closed = flush.effects.closed;
        flush.clear();
        self.flush = flush;
    }

    /// Forgets what everyone heard.
    pub(crate) fn hush(&mut self) {
        self.heard.values_mut().for_each(Vec::clear);
    }

    /// The data of what a member heard of a type.
    pub(crate) fn told(&self, member: MemberId, kind: &str) -> Vec<Value> {
        let heard = self.heard.get(&member).into_iter().flatten().filter(|said| said["type"] == kind);
        heard.map(|said| said["data"].clone()).collect()
    }

    /// The notes of the game that a member heard.
    pub(crate) fn notes(&self, member: MemberId) -> Vec<String> {
        self.told(member, "note").iter().map(|note| note["text"].as_str().unwrap().to_owned()).collect()
    }

    /// The types of what a member heard, in order.
    pub(crate) fn types(&self, member: MemberId) -> Vec<&str> {
        self.heard.get(&member).into_iter().flatten().map(|said| said["type"].as_str().unwrap()).collect()
    }

    /// What a snapshot of the room tells a member now.
    pub(crate) fn snapshot(&mut self, member: MemberId) -> Value {
        self.handle(Command::Snapshot { member, answer: None });
        let said = self.heard.get_mut(&member).and_then(Vec::pop).unwrap();
        assert_eq!(said["type"], "join_room_result");
        said["data"].clone()
    }

    /// Somebody as the list has them.
    pub(crate) fn member(&mut self, asker: MemberId, user: &str) -> Value {
        let list = self.snapshot(asker)["members"].clone();
        list.as_array().unwrap().iter().find(|member| member["user_id"] == user).cloned().unwrap_or_default()
    }

    /// Who has which seat, by the room itself.
    pub(crate) fn seats(&self) -> Vec<String> {
        self.room.seating().taken().map(|(seat, who)| format!("{}:{}", who.user_id, seat.0)).collect()
    }

    /// The room is made anew from what it is stored as.
    pub(crate) fn rebuild<G: Game>(&mut self) {
        let mut stored = Vec::new();
        self.room.snapshot().unwrap().encode(&mut stored).unwrap();
        self.room = Room::restore(&Kind::of::<G>(), Snapshot::decode(&stored).unwrap()).unwrap();
    }
}
