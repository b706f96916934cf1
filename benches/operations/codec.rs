//! Writing and reading messages: envelopes around the protocol's own bodies, and around those of a game.

use std::hint::black_box;

use anteroom_games::relay::{Action, Event};
use anteroom_protocol::envelope::decode_batch;
use anteroom_protocol::message::push::ClientJoined;
use anteroom_protocol::message::{DataMap, Member, Message, Role};
use anteroom_protocol::{Batch, BatchBuilder, Codec, Header, variant};

use crate::messages::{self, ROOM, append};
use crate::{Operation, Step};

pub(crate) const ALL: &[Operation] = &[
    operation("encode_json_1", 1, || encode(Codec::Json, 1)),
    operation("encode_json_32", 32, || encode(Codec::Json, 32)),
    operation("encode_bincode_1", 1, || encode(Codec::Bincode, 1)),
    operation("encode_bincode_32", 32, || encode(Codec::Bincode, 32)),
    operation("decode_json_1", 1, || decode(Codec::Json, 1)),
    operation("decode_json_32", 32, || decode(Codec::Json, 32)),
    operation("decode_bincode_1", 1, || decode(Codec::Bincode, 1)),
    operation("decode_bincode_32", 32, || decode(Codec::Bincode, 32)),
    operation("inbound_action_json", 1, || inbound_action(Codec::Json)),
    operation("inbound_action_bincode", 1, || inbound_action(Codec::Bincode)),
    operation("encode_own_json", 1, || encode_own(Codec::Json)),
    operation("encode_own_bincode", 1, || encode_own(Codec::Bincode)),
    operation("decode_own_json", 1, || decode_own(Codec::Json)),
    operation("decode_own_bincode", 1, || decode_own(Codec::Bincode)),
];

const fn operation(name: &'static str, messages: u32, prepare: fn() -> Step) -> Operation {
    Operation { group: "codec", name, repetitions: 2048 / messages, messages, prepare }
}

/// Events of a game into a batch, framed.
fn encode(codec: Codec, count: usize) -> Step {
    let (event, mut data, mut message) = (messages::event(), Vec::new(), Vec::new());
    Box::new(move || {
        let mut batch = BatchBuilder::new(codec);
        for _ in 0..count {
            message.clear();
            append(codec, Header::default().in_room(ROOM), black_box(&event), &mut data, &mut message);
            batch.push_encoded(&message);
        }
        black_box(batch.finish());
    })
}

/// Events of a game out of a batch, as a client does.
fn decode(codec: Codec, count: usize) -> Step {
    let batch = messages::events(codec, count);
    Box::new(move || {
        for message in decode_batch(codec, black_box(batch.payload())).expect("a batch") {
            let message = message.expect("a message");
            black_box(variant::decode::<Event>(&message.kind, message.data).expect("an event"));
        }
    })
}

/// What a client sent, as far as the game's action in it.
fn inbound_action(codec: Codec) -> Step {
    let payload = messages::sent_action(codec);
    Box::new(move || {
        let mut batch = decode_batch(codec, black_box(&payload)).expect("a batch");
        let message = batch.next().expect("one").expect("a message");
        black_box(variant::decode::<Action>(&message.kind, message.data).expect("an action"));
        black_box(message);
    })
}

fn joined() -> ClientJoined {
    let user_id = "user-0007".parse().expect("a user id");
    let member = Member {
        user_id,
        username: "Ada".into(),
        role: Role::Player,
        seat: Some(3),
        connected: true,
        number: 7,
        ready: false,
        bot: false,
        joined_at_ms: 1_700_000_000_000,
        data: DataMap::new(),
        muted: false,
        away: false,
        typing: false,
        wants_seat: None,
    };
    ClientJoined { member }
}

fn own(codec: Codec, body: &ClientJoined) -> Batch {
    Batch::one(codec, &Header::new(ClientJoined::TYPE).in_room(ROOM), body).expect("a message that can be encoded")
}

/// A message of the protocol's own into a batch of one, framed.
fn encode_own(codec: Codec) -> Step {
    let body = joined();
    Box::new(move || {
        black_box(own(codec, black_box(&body)));
    })
}

/// A message of the protocol's own out of a batch of one.
fn decode_own(codec: Codec) -> Step {
    let batch = own(codec, &joined());
    Box::new(move || {
        let mut batch = decode_batch(codec, black_box(batch.payload())).expect("a batch");
        let message = batch.next().expect("one").expect("a message");
        black_box(message.data.decode::<ClientJoined>().expect("a body"));
    })
}
