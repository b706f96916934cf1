//! Every message of the protocol, built from its type, in both codecs.
//!
//! A vector is checked as it is made: its bytes decode to the value it was made of. What the bytes have to be is
//! the business of `vectors.rs`.

mod client;
mod examples;
mod server;

pub(crate) use examples::all as examples;

use std::collections::BTreeSet;
use std::fmt::Debug;

use anteroom_protocol::bincode::Decode;
use anteroom_protocol::codec::Body;
use anteroom_protocol::envelope::{self, Ref, decode_batch};
use anteroom_protocol::message::resume::Counts;
use anteroom_protocol::message::row::{Form, Owner};
use anteroom_protocol::{Codec, Envelope, Header, Json, LaneId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::table::{full_name, row_of_example};

/// One message in both codecs; `bincode` is none for messages that are JSON in every session.
#[derive(Debug)]
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) json: String,
    pub(crate) bincode: Option<Vec<u8>>,
}

/// The files of vectors. A type that has none of its own has the example of `PROTOCOL.md`.
pub(crate) fn files() -> Vec<(&'static str, Vec<Vector>)> {
    let mut files = vec![
        ("session", client::session().into_iter().chain(server::session()).collect()),
        ("requests", client::requests()),
        ("results", server::results()),
        ("pushes", server::pushes()),
    ];
    let written: BTreeSet<String> = files.iter().flat_map(|(_, vectors)| vectors).map(Vector::kind).collect();
    for (row, vector) in examples::all().filter(|(row, _)| !written.contains(&full_name(row))) {
        let file = match (row.owner, row.form) {
            (Owner::Session, _) => 0,
            (_, Form::Request) => 1,
            (_, Form::Answer) => 2,
            (_, Form::Push | Form::Record) => 3,
        };
        files[file].1.push(vector);
    }
    files
}

impl Vector {
    fn kind(&self) -> String {
        let mut messages = decode_batch(Codec::Json, self.json.as_bytes()).expect("a batch");
        let envelope = messages.next().expect("a message").expect("an envelope");
        row_of_example(&envelope.kind, envelope.data).map_or_else(|| envelope.kind.into_owned(), full_name)
    }
}

/// A stand-in for the view of a game.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, anteroom_protocol::bincode::Encode, Decode)]
#[bincode(crate = "anteroom_protocol::bincode")]
struct View {
    count: u32,
    last: Option<String>,
}

fn view() -> View {
    View { count: 300, last: Some("ada".into()) }
}

fn reference(json: &str) -> Ref {
    Ref::from_json(json).expect("a ref")
}

fn counts(lanes: &[(u32, u64)]) -> Counts {
    lanes.iter().map(|(lane, count)| (LaneId(*lane), *count)).collect()
}

/// A message whose body is the same in both codecs.
fn message<T>(name: &str, header: Header<'_>, body: &T) -> Vector
where
    T: Body + DeserializeOwned + Decode<()> + PartialEq + Debug,
{
    per_codec(name, header, body, body)
}

/// A message whose body has something in it that is encoded already.
fn per_codec<T>(name: &str, header: Header<'_>, json: &T, binary: &T) -> Vector
where
    T: Body + DeserializeOwned + Decode<()> + PartialEq + Debug,
{
    let [text, bytes] = [(Codec::Json, json), (Codec::Bincode, binary)].map(|(codec, body)| {
        let mut bytes = Vec::new();
        envelope::encode(codec, &header, body, &mut bytes).expect("a body that can be encoded");
        let envelope = read(codec, &bytes, &header);
        assert_eq!(envelope.data.decode::<T>().as_ref(), Ok(body), "{name}");
        bytes
    });
    Vector { name: name.into(), json: String::from_utf8(text).expect("JSON"), bincode: Some(bytes) }
}

/// A message that is JSON in every session.
fn json_always<T>(name: &str, header: Header<'_>, body: &T) -> Vector
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let mut text = Vec::new();
    let data = Json::new(body).expect("a body that can be encoded");
    envelope::encode(Codec::Json, &header, &data, &mut text).expect("a body that can be encoded");
    let decoded: T = read(Codec::Json, &text, &header).data.decode::<Json>().expect("JSON").decode().expect("a body");
    assert_eq!(&decoded, body, "{name}");
    Vector { name: name.into(), json: String::from_utf8(text).expect("JSON"), bincode: None }
}

/// Reads the only message in a payload, checks what is around its data, and that it can be passed on unchanged.
fn read<'a>(codec: Codec, bytes: &'a [u8], header: &Header<'_>) -> Envelope<'a> {
    let mut messages = decode_batch(codec, bytes).expect("a batch");
    let envelope = messages.next().expect("a message").expect("an envelope");
    assert!(messages.next().is_none());
    assert_eq!(envelope.kind, header.kind);
    assert_eq!(envelope.reference.as_ref(), header.reference);
    assert_eq!(envelope.n, header.n);
    assert_eq!(envelope.room_id.as_deref(), header.room_id);
    assert_eq!(envelope.latest.as_deref(), header.latest);
    assert_eq!(envelope.success, header.success);
    assert_eq!(envelope.error.as_ref(), header.error);
    let mut again = Vec::new();
    envelope::encode_raw(header, envelope.data, &mut again).expect("a header that can be encoded");
    assert_eq!(again, bytes);
    envelope
}
