//! The table itself: a room, its people, and everything they have heard.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::time::Duration;

use anteroom_protocol::envelope::{Ref, decode_batch};
use anteroom_protocol::message::Role;
use anteroom_protocol::{Codec, Data, ErrorBody, LaneId, RoomId, variant};

use super::{Heard, Setup};
use crate::flush::{Dispatch, Outgoing};
use crate::game::{Game, Kind, Outcome, Seat};
use crate::replay::Recorder;
use crate::room::{Command, Flush, Join, MemberId, Room, RoomSpec, Snapshot};
use crate::time::Time;

/// The `type` of the answer to those who come in.
pub(super) const JOINED: &str = "join_room_result";

/// A room of the game `G` in a test. People go by their names, which are their user ids, too.
///
/// Every method flushes, so that what follows from it has been heard when it returns. Methods panic if the game fails,
/// and if they are given the name of someone who is not there.
pub struct Table<G: Game> {
    pub(super) room: Room,
    pub(super) now: Time,
    people: BTreeMap<String, Person<G>>,
    names: BTreeMap<MemberId, String>,
    joined: u32,
    asked: u64,
    pub(super) flush: Flush,
    pub(super) recorder: Recorder,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) transcript: Vec<String>,
    rebuilds: bool,
    game: PhantomData<fn() -> G>,
}

pub(super) struct Person<G: Game> {
    role: Role,
    /// None while not connected.
    member: Option<MemberId>,
    codec: Codec,
    pub(super) heard: Vec<Heard<G>>,
}

impl<G: Game> Default for Table<G> {
    fn default() -> Self {
        Self::new()
    }
}

impl<G: Game> Table<G> {
    /// A table with nobody at it, as [`Setup::default`] has it.
    ///
    /// # Panics
    /// If the game does not accept its default options.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Setup::default())
    }

    /// A table with nobody at it.
    ///
    /// # Panics
    /// If the game does not accept the options.
    #[must_use]
    pub fn with(setup: Setup) -> Self {
        Self::create(setup).unwrap_or_else(|refusal| panic!("{} is not to be had like this: {refusal}", G::KIND))
    }

    /// A table with nobody at it, if the game accepts the options.
    ///
    /// # Errors
    /// What the creator of the room would be told.
    pub fn create(setup: Setup) -> Result<Self, ErrorBody> {
        let Setup { options, seed, policy, rebuilds } = setup;
        let spec = RoomSpec {
            room_id: RoomId::from_bits(1),
            name: "Table".into(),
            options,
            seed,
            policy,
            durable: false,
            terms: crate::room::Terms::default(),
        };
        let room = Room::create(&Kind::of::<G>(), spec, Time::default())?.logged();
        Ok(Self {
            recorder: super::recording::begin::<G>(&room),
            room,
            now: Time::default(),
            people: BTreeMap::new(),
            names: BTreeMap::new(),
            joined: 0,
            asked: 0,
            flush: Flush::default(),
            outcomes: Vec::new(),
            transcript: Vec::new(),
            rebuilds,
            game: PhantomData,
        })
    }

    /// Somebody takes a seat; the one they have, if they have one.
    ///
    /// # Panics
    /// If the room does not let them.
    pub fn sit(&mut self, name: &str) -> Seat {
        self.try_sit(name).unwrap_or_else(|refusal| panic!("{name} cannot sit down: {refusal}"))
    }

    /// Somebody takes a seat, if they may.
    ///
    /// # Errors
    /// What the player is told.
    ///
    /// # Panics
    /// If they are watching.
    pub fn try_sit(&mut self, name: &str) -> Result<Seat, ErrorBody> {
        self.join(name, Role::Player)?;
        Ok(self.seat(name).expect("a player has a seat"))
    }

    /// Somebody watches.
    ///
    /// # Panics
    /// If the room does not let them.
    pub fn watch(&mut self, name: &str) {
        self.try_watch(name).unwrap_or_else(|refusal| panic!("{name} cannot watch: {refusal}"));
    }

    /// Somebody watches, if they may.
    ///
    /// # Errors
    /// What the spectator is told.
    ///
    /// # Panics
    /// If they have a seat.
    pub fn try_watch(&mut self, name: &str) -> Result<(), ErrorBody> {
        self.join(name, Role::Spectator)
    }

    fn join(&mut self, name: &str, role: Role) -> Result<(), ErrorBody> {
        if let Some(person) = self.people.get(name) {
            assert!(person.member.is_none() || person.role == role, "{name} is here in another role");
        }
        // Both codecs come up in every test with two people.
        let codec = Codec::ALL[self.joined as usize % Codec::ALL.len()];
        self.joined += 1;
        let join = Join {
            user_id: name.parse().unwrap_or_else(|error| panic!("{name:?} cannot be a name: {error}")),
            username: name.into(),
            role,
            lane: LaneId(self.joined),
            codec,
            answer: JOINED,
            reference: Some(self.next_reference()),
            applied: 0,
            session_id: None,
            n: None,
            password: None,
            invite: None,
        };
        let member = self.room.join(self.now, join, &mut self.flush)?;
        let heard = self.people.remove(name).map(|person| person.heard).unwrap_or_default();
        self.people.insert(name.into(), Person { role, member: Some(member), codec, heard });
        self.names.insert(member, name.into());
        self.settle();
        Ok(())
    }

    pub(super) fn next_reference(&mut self) -> Ref {
        self.asked += 1;
        Ref::from(self.asked)
    }

    /// A player acts.
    ///
    /// # Errors
    /// What the player is told.
    pub fn act(&mut self, name: &str, action: G::Action) -> Result<(), ErrorBody> {
        let codec = self.codec_of(name);
        let mut bytes = Vec::new();
        let kind = variant::encode(codec, &action, &mut bytes).expect("an action that can be encoded");
        let text;
        let data = match codec {
            Codec::Json => {
                text = String::from_utf8(bytes).expect("JSON is UTF-8");
                Data::Json(&text)
            }
            Codec::Bincode => Data::Binary(&bytes),
        };
        self.act_as_sent(name, kind, data)
    }

    /// A player sends something that need not be an action: a `type`, and the JSON text of its data.
    ///
    /// # Errors
    /// What the player is told.
    pub fn act_json(&mut self, name: &str, kind: &str, data: &str) -> Result<(), ErrorBody> {
        self.act_as_sent(name, kind, Data::Json(data))
    }

    fn act_as_sent(&mut self, name: &str, kind: &str, data: Data<'_>) -> Result<(), ErrorBody> {
        let member = self.member_of(name);
        let reference = Some(self.next_reference());
        self.handle(Command::Act { member, kind, data, reference, n: None });
        self.take_answer(name)
    }

    pub(super) fn take_answer(&mut self, name: &str) -> Result<(), ErrorBody> {
        let heard = &mut self.person_mut(name).heard;
        // The result stands before all that the request caused, behind what was heard earlier.
        let place = heard.iter().rposition(|heard| matches!(heard, Heard::Answer(_))).expect("a request is answered");
        match heard.remove(place) {
            Heard::Answer(answer) => answer,
            other => unreachable!("{other:?} is no answer"),
        }
    }

    /// Somebody leaves for good.
    pub fn leave(&mut self, name: &str) {
        let member = self.member_of(name);
        self.handle(Command::Leave { member, reference: None, n: None });
    }

    /// Somebody's connection is lost. A player's seat is kept for the grace time.
    pub fn disconnect(&mut self, name: &str) {
        let member = self.member_of(name);
        self.handle(Command::Abandon { member });
    }

    /// Somebody is back, in the same role; see [`Table::disconnect`].
    ///
    /// # Panics
    /// If the room does not let them in any more.
    pub fn reconnect(&mut self, name: &str) {
        let role = self.person(name).role;
        self.join(name, role).unwrap_or_else(|refusal| panic!("{name} cannot come back: {refusal}"));
    }

    pub(super) fn handle(&mut self, command: Command<'_>) {
        self.room.handle(self.now, command, &mut self.flush);
        self.settle();
    }

    /// Time passes: what falls due happens, each thing at its own time.
    pub fn advance(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(due) = self.room.next_deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.room.advance(self.now, &mut self.flush);
            self.settle();
        }
        self.now = until;
    }

    /// Delivers everything.
    fn settle(&mut self) {
        if let Err(failure) = self.room.flush(&mut self.flush) {
            panic!("{} failed: {failure}", G::KIND);
        }
        let mut flush = std::mem::take(&mut self.flush);
        self.recorder.turn(&flush.log, &self.room);
        let effects = &mut flush.effects;
        for (to, outgoing) in effects.dispatches.iter().filter_map(Dispatch::said) {
            let name = self.names.get(&to).expect("nothing is sent to someone who is not there");
            self.transcript.push(line(self.now, name, outgoing));
            let heard = &mut self.people.get_mut(name).expect("a member is a person").heard;
            let messages = decode_batch(outgoing.batch().codec(), outgoing.batch().payload()).expect("a batch");
            heard.extend(messages.map(|message| Heard::read(&message.expect("a message"))));
        }
        for member in &effects.released {
            let name = self.names.remove(member).expect("a member is released once");
            if let Some(person) = self.people.get_mut(&name).filter(|person| person.member == Some(*member)) {
                person.member = None;
            }
        }
        for (member, role) in effects.roles.drain(..) {
            if let Some(person) = self.names.get(&member).and_then(|name| self.people.get_mut(name)) {
                person.role = role;
            }
        }
        self.outcomes.append(&mut effects.outcomes);
        if self.rebuilds && !effects.closed {
            self.room = self.rebuilt().logged();
        }
        flush.clear();
        self.flush = flush;
    }

    /// The same room, made of what it is stored as.
    fn rebuilt(&self) -> Room {
        let mut stored = Vec::new();
        let snapshot = self.room.snapshot().unwrap_or_else(|error| panic!("{} has no snapshot: {error}", G::KIND));
        snapshot.encode(&mut stored).expect("a snapshot that can be encoded");
        let restored = Snapshot::decode(&stored).and_then(|snapshot| Room::restore(&Kind::of::<G>(), snapshot));
        restored.unwrap_or_else(|error| panic!("{} cannot be restored: {error}", G::KIND))
    }

    fn person(&self, name: &str) -> &Person<G> {
        self.people.get(name).unwrap_or_else(|| panic!("nobody here is named {name:?}"))
    }

    pub(super) fn person_mut(&mut self, name: &str) -> &mut Person<G> {
        self.people.get_mut(name).unwrap_or_else(|| panic!("nobody here is named {name:?}"))
    }

    pub(super) fn codec_of(&self, name: &str) -> Codec {
        self.person(name).codec
    }

    pub(super) fn member_of(&self, name: &str) -> MemberId {
        self.person(name).member.unwrap_or_else(|| panic!("{name} is not connected"))
    }
}

fn line(now: Time, name: &str, outgoing: &Outgoing) -> String {
    let class = match outgoing {
        Outgoing::Reliable(_) => String::new(),
        Outgoing::Snapshot { .. } => " snapshot".to_owned(),
        Outgoing::Latest { key, .. } => format!(" latest {key:?}"),
        Outgoing::Unreliable { key, .. } => format!(" unreliable {key:?}"),
    };
    let payload = outgoing.batch().payload();
    let text = match outgoing.batch().codec() {
        Codec::Json => String::from_utf8_lossy(payload).into_owned(),
        Codec::Bincode => payload.escape_ascii().to_string(),
    };
    format!("{} ms, to {name}{class}: {text}", now.as_millis())
}
