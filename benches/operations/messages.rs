//! The messages that every operation works on: of the relay, as a client and the server write them.

use anteroom_games::relay::{Action, DeliveryClass, Event};
use anteroom_protocol::codec::Body;
use anteroom_protocol::envelope::{Ref, encode_raw};
use anteroom_protocol::{Batch, BatchBuilder, Codec, Data, Header, Json, variant};
use serde::de::DeserializeOwned;

/// The room of every message.
pub(crate) const ROOM: &str = "k3v9k3v9k3";

/// A position and a word: what a small game says often.
const PAYLOAD: &str = r#"{"x":-1203.25,"y":88.5,"tick":731004,"say":"over here"}"#;

pub(crate) fn action() -> Action {
    Action::Send { payload: payload(), delivery: Some(DeliveryClass::Reliable), key: None, to: None }
}

pub(crate) fn event() -> Event {
    Event::Message { from: "user-0007".parse().expect("a user id"), payload: payload() }
}

fn payload() -> Json {
    Json::from_text(PAYLOAD.into()).expect("JSON")
}

/// Appends a variant as a message, through a buffer for its data.
pub(crate) fn append<T>(codec: Codec, header: Header<'_>, value: &T, data: &mut Vec<u8>, out: &mut Vec<u8>)
where
    T: Body + DeserializeOwned,
{
    data.clear();
    let kind = variant::encode(codec, value, data).expect("a variant that can be encoded");
    encode_raw(&Header { kind, ..header }, as_data(codec, data), out).expect("a message that can be encoded");
}

/// The bytes of encoded data as data.
pub(crate) fn as_data(codec: Codec, bytes: &[u8]) -> Data<'_> {
    match codec {
        Codec::Json => Data::Json(std::str::from_utf8(bytes).expect("JSON is UTF-8")),
        Codec::Bincode => Data::Binary(bytes),
    }
}

/// A batch of so many events, as a room sends them.
pub(crate) fn events(codec: Codec, count: usize) -> Batch {
    let (mut data, mut message, event) = (Vec::new(), Vec::new(), event());
    let mut batch = BatchBuilder::new(codec);
    for _ in 0..count {
        message.clear();
        append(codec, Header::default().in_room(ROOM), &event, &mut data, &mut message);
        batch.push_encoded(&message);
    }
    batch.finish()
}

/// What a client sends to act: a reliable message with a number and a mark.
pub(crate) fn sent_action(codec: Codec) -> Vec<u8> {
    let (reference, mut message) = (Ref::from(418), Vec::new());
    let header = Header { n: Some(40_213), reference: Some(&reference), ..Header::default() };
    append(codec, header.in_room(ROOM), &action(), &mut Vec::new(), &mut message);
    message
}
