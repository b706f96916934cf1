//! What the two ends say to each other, besides what the protocol itself needs.

use std::sync::Arc;

use anteroom_core::bincode::{Decode, Encode};
use anteroom_protocol::codec::Body;
use anteroom_protocol::envelope::{Envelope, decode_batch};
use anteroom_protocol::{Batch, BatchBuilder, Codec, Header, LaneId, RoomId};
use serde::{Deserialize, Serialize};

pub(crate) const ROOMS: usize = 2;
pub(crate) const KEYS: usize = 6;

/// The data of every message that is not the protocol's own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, Encode, Decode)]
#[bincode(crate = "anteroom_core::bincode")]
pub(crate) struct Word {
    /// Its place among the counted words of its lane, from 1; of a value or a snapshot, how many words are in front.
    pub(crate) number: u64,
    /// The request that it is or answers.
    pub(crate) id: u64,
    /// In what opens a lane, and in snapshots: the lane.
    pub(crate) lane: u32,
    /// In snapshots: the newest value of each key; in a value, that of its own.
    pub(crate) values: [u64; KEYS],
    /// Makes it larger.
    pub(crate) fill: String,
}

/// What makes a message larger: mostly nothing, sometimes more than a lane may keep.
pub(crate) fn fill(dice: u32) -> String {
    " ".repeat(match dice % 32 {
        0..=23 => 0,
        24..=27 => 120,
        28..=30 => 900,
        _ => 3200,
    })
}

pub(crate) fn room_id(room: usize) -> RoomId {
    RoomId::from_bits(room as u128 + 1)
}

pub(crate) fn room_of(room_id: &str) -> usize {
    (0..ROOMS).find(|room| self::room_id(*room).as_str() == room_id).expect("a room of this world")
}

pub(crate) fn key_name(key: usize) -> Arc<str> {
    Arc::from(key.to_string())
}

pub(crate) fn key_of(key: &str) -> usize {
    key.parse().expect("a key of this world")
}

/// A batch of one.
pub(crate) fn one<T: Body>(codec: Codec, header: &Header<'_>, data: &T) -> Arc<Batch> {
    Arc::new(Batch::one(codec, header, data).unwrap())
}

/// Several in one batch.
pub(crate) fn several<'a>(codec: Codec, messages: impl IntoIterator<Item = (Header<'a>, Word)>) -> Arc<Batch> {
    let mut builder = BatchBuilder::new(codec);
    for (header, word) in messages {
        builder.push(&header, &word).unwrap();
    }
    Arc::new(builder.finish())
}

/// Every message of a batch.
pub(crate) fn messages(codec: Codec, batch: &Batch) -> Vec<Envelope<'_>> {
    decode_batch(codec, batch.payload()).unwrap().map(Result::unwrap).collect()
}

pub(crate) fn read<T: serde::de::DeserializeOwned + Decode<()>>(envelope: &Envelope<'_>) -> T {
    envelope.data.decode().unwrap()
}

/// What is JSON in every codec.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(envelope: &Envelope<'_>) -> T {
    let anteroom_protocol::Data::Json(text) = envelope.data else { panic!("it is JSON always") };
    serde_json::from_str(text).unwrap()
}

/// As the connection writes what is JSON in every codec.
pub(crate) fn json<T: Serialize>(header: &Header<'_>, data: &T) -> Arc<Batch> {
    let data = anteroom_protocol::Json::from_text(serde_json::to_string(data).unwrap()).unwrap();
    one(Codec::Json, header, &data)
}

pub(crate) const CONTROL: LaneId = LaneId::CONTROL;
