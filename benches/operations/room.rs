//! A relay room at work: ten members say something, and everyone is told in one flush.

use std::hint::black_box;
use std::time::Duration;

use anteroom_core::room::{Join, MemberId, RoomPolicy, RoomSpec};
use anteroom_core::{Command, Flush, Room, Time};
use anteroom_games::relay::Action;
use anteroom_protocol::message::Role;
use anteroom_protocol::{Codec, LaneId, RoomId, variant};

use crate::messages::{self, as_data};
use crate::{Operation, Step};

/// How many members say something before the flush.
const INPUTS: u32 = 10;

pub(crate) const ALL: &[Operation] = &[
    operation("10_members_json", 10, || flush(10, &[Codec::Json])),
    operation("10_members_half_bincode", 10, || flush(10, &Codec::ALL)),
    operation("1000_members_json", 1000, || flush(1000, &[Codec::Json])),
    operation("1000_members_half_bincode", 1000, || flush(1000, &Codec::ALL)),
];

/// A turn of a durable room of two, with what is stored of it, but for sealing and storing it.
pub(crate) const STORED: &[Operation] =
    &[Operation { group: "room_flush", name: "2_members_stored", repetitions: 256, messages: 2, prepare: stored }];

const fn operation(name: &'static str, members: u32, prepare: fn() -> Step) -> Operation {
    let repetitions = if members > 100 { 64 } else { 256 };
    Operation { group: "room_flush", name, repetitions, messages: INPUTS * members, prepare }
}

/// What a member says, in its codec.
struct Input {
    member: MemberId,
    codec: Codec,
    kind: &'static str,
    data: Vec<u8>,
}

impl Input {
    fn new(number: u32, codecs: &[Codec]) -> Self {
        let (codec, mut data) = (codec_of(number, codecs), Vec::new());
        let kind = variant::encode::<Action>(codec, &messages::action(), &mut data).expect("an action");
        Self { member: MemberId(u64::from(number) + 1), codec, kind, data }
    }

    fn command(&self) -> Command<'_> {
        let data = as_data(self.codec, black_box(&self.data));
        Command::Act { member: self.member, kind: self.kind, data, reference: None, n: None }
    }
}

/// Members speak the codecs by turns.
fn codec_of(number: u32, codecs: &[Codec]) -> Codec {
    codecs[number as usize % codecs.len()]
}

fn flush(members: u32, codecs: &[Codec]) -> Step {
    let (mut room, mut flush) = seated(members, codecs);
    let inputs: Vec<Input> = (0..INPUTS).map(|number| Input::new(number, codecs)).collect();
    Box::new(move || {
        for input in &inputs {
            room.handle(Time::default(), input.command(), &mut flush);
        }
        room.flush(&mut flush).expect("messages that can be sent");
        assert!(flush.effects.dispatches.len() >= members as usize, "everyone hears of it");
        black_box(&flush);
        flush.clear();
    })
}

fn stored() -> Step {
    let (room, mut flush) = seated(2, &[Codec::Json]);
    let mut room = room.logged();
    let input = Input::new(0, &[Codec::Json]);
    let (mut n, mut last, mut bytes) = (0, room.snapshot().expect("it is between two turns"), Vec::new());
    Box::new(move || {
        n += 1;
        let Command::Act { member, kind, data, reference, .. } = input.command() else { return };
        room.handle(Time::default(), Command::Act { member, kind, data, reference, n: Some(n) }, &mut flush);
        room.flush(&mut flush).expect("messages that can be sent");
        let snapshot = room.snapshot().expect("it is between two turns");
        assert!(!snapshot.is_as(&last), "a number was applied");
        bytes.clear();
        snapshot.encode(&mut bytes).expect("it has a stored form");
        last = black_box(snapshot);
        black_box((&flush, &bytes));
        flush.clear();
    })
}

/// A room that everyone has come into.
fn seated(members: u32, codecs: &[Codec]) -> (Room, Flush) {
    let registry = anteroom_games::registry().expect("the games go together");
    let policy = RoomPolicy { grace: Duration::ZERO, seat_kept: None, spectators_max: 0 };
    let spec = RoomSpec {
        room_id: RoomId::from_bits(1),
        name: "Relay".into(),
        options: None,
        seed: 0,
        policy,
        durable: false,
        terms: anteroom_core::room::Terms::default(),
    };
    let kind = registry.kind("relay").expect("a game of the registry");
    let (mut room, mut flush) = (Room::create(kind, spec, Time::default()).expect("a room"), Flush::default());
    for number in 0..members {
        let join = Join {
            user_id: format!("user-{number:04}").parse().expect("a user id"),
            username: format!("User {number}"),
            role: Role::Player,
            lane: LaneId(1),
            codec: codec_of(number, codecs),
            answer: "join_room_result",
            reference: None,
            applied: 0,
            session_id: None,
            n: None,
            password: None,
            invite: None,
        };
        room.join(Time::default(), join, &mut flush).expect("there is a seat");
        flush.clear();
    }
    room.flush(&mut flush).expect("messages that can be sent");
    flush.clear();
    (room, flush)
}
