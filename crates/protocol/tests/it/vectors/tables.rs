//! What else an implementation of the protocol in another language can be checked against: the codes, and the
//! framing below the messages.

use std::fmt::Debug;

use anteroom_protocol::bincode::{Decode, Encode};
use anteroom_protocol::code::{CloseCode, ErrorCode};
use anteroom_protocol::record::{RecordReader, put_datagram, put_varint, read_datagram, read_varint};
use anteroom_protocol::{BatchBuilder, Codec, Header, Json, LaneId, SCHEMA, VERSION, binary, message::request::Ping};
use serde::Serialize;
use serde_json::{Value, json};

use super::hex;

/// `{"key": [one row per line]}`, so that a change shows as one line.
fn document(sections: &[(&str, Vec<Value>)]) -> String {
    let sections: Vec<_> = sections
        .iter()
        .map(|(name, rows)| {
            let rows: Vec<_> = rows.iter().map(Value::to_string).collect();
            format!("\"{name}\": [\n{}\n]", rows.join(",\n"))
        })
        .collect();
    format!("{{\n{}\n}}\n", sections.join(",\n"))
}

pub(crate) fn codes() -> String {
    let errors = ErrorCode::ALL
        .iter()
        .map(|code| json!({ "number": code.number(), "name": code.name(), "retryable": code.retryable() }));
    let closes = CloseCode::ALL.iter().map(|code| {
        json!({
            "number": code.number(),
            "name": code.name(),
            "reason": code.sentence(),
            "reconnect_may_help": CloseCode::reconnect_may_help(code.number()),
        })
    });
    document(&[
        ("protocol", vec![json!({ "version": VERSION, "schema": SCHEMA })]),
        ("error_codes", errors.collect()),
        ("close_codes", closes.collect()),
    ])
}

pub(crate) fn framing() -> String {
    document(&[
        ("varints", varints()),
        ("records", records()),
        ("datagrams", datagrams()),
        ("batches", batches()),
        ("bincode", values()),
    ])
}

fn varints() -> Vec<Value> {
    let edges = [0, 37, 63, 64, 15_293, 16_383, 16_384, 494_878_333, (1 << 30) - 1, 1 << 30, (1 << 62) - 1];
    edges.into_iter().map(varint).collect()
}

fn varint(value: u64) -> Value {
    let mut bytes = Vec::new();
    put_varint(value, &mut bytes);
    assert_eq!(read_varint(&bytes), Some((value, bytes.len())));
    json!({ "value": value.to_string(), "hex": hex(&bytes) })
}

fn records() -> Vec<Value> {
    [b"".to_vec(), b"{\"type\":\"ping\"}".to_vec(), vec![b'x'; 64]].into_iter().map(record).collect()
}

fn record(payload: Vec<u8>) -> Value {
    let mut bytes = Vec::new();
    put_varint(payload.len() as u64, &mut bytes);
    bytes.extend_from_slice(&payload);
    let mut reader = RecordReader::new(64);
    reader.push(&bytes);
    assert_eq!(reader.next_record().expect("a record that fits").expect("a whole record"), payload);
    json!({ "payload_hex": hex(&payload), "record_hex": hex(&bytes) })
}

fn datagrams() -> Vec<Value> {
    [(1, &b"{}"[..]), (64, b"[]"), (u32::MAX, b"")].into_iter().map(datagram).collect()
}

fn datagram((lane, payload): (u32, &[u8])) -> Value {
    let mut bytes = Vec::new();
    put_datagram(LaneId(lane), payload, &mut bytes);
    let (read_lane, read_payload) = read_datagram(bytes.clone().into()).expect("a datagram");
    assert_eq!((read_lane, &read_payload[..]), (LaneId(lane), payload));
    json!({ "lane": lane, "payload_hex": hex(payload), "datagram_hex": hex(&bytes) })
}

fn batches() -> Vec<Value> {
    Codec::ALL.into_iter().flat_map(|codec| [1, 2, 12].map(|count| batch(codec, count))).collect()
}

/// So many pings, `ts` counting from 0.
fn batch(codec: Codec, count: u64) -> Value {
    let mut builder = BatchBuilder::new(codec);
    for ts in 0..count {
        builder.push(&Header::new("ping"), &Ping { ts: Json::from(ts) }).expect("a message that can be encoded");
    }
    let batch = builder.finish();
    json!({
        "codec": codec,
        "pings": count,
        "payload_hex": hex(batch.payload()),
        "websocket_frame_hex": hex(batch.websocket_frame()),
    })
}

#[derive(Debug, PartialEq, Serialize, Encode, Decode)]
#[bincode(crate = "anteroom_protocol::bincode")]
enum Shape {
    Point {},
    Rectangle { width: u16, height: u16 },
}

/// bincode's shapes one by one, for whoever writes the codec from the document.
fn values() -> Vec<Value> {
    let unsigned = [0, 250, 251, 0xffff, 0x1_0000, 0xffff_ffff, 0x1_0000_0000, u64::MAX];
    let signed = [0, -1, 1, -125, 125, -126, 126, i64::MIN, i64::MAX];
    let mut rows: Vec<_> = unsigned.into_iter().map(|value| scalar("u64", value)).collect();
    rows.extend(signed.into_iter().map(|value| scalar("i64", value)));
    rows.extend([0_u8, 250, 251, 255].map(|value| scalar("u8", value)));
    rows.extend([0_i8, -1, 127, -128].map(|value| scalar("i8", value)));
    rows.extend([false, true].map(|value| scalar("bool", value)));
    rows.extend([1.5_f32, -0.25].map(|value| scalar("f32", value)));
    rows.extend([1.5_f64, -0.1].map(|value| scalar("f64", value)));
    rows.extend(["", "ü🎲"].map(|value| scalar("string", value.to_owned())));
    rows.push(scalar("string", "x".repeat(251)));
    rows.extend([None, Some(300)].map(|value| shape("option of u32", value)));
    rows.push(shape("list of i16", vec![1_i16, -1, 1000]));
    rows.push(shape("array of 3 u16, no length", [1_u16, 2, 300]));
    rows.push(shape("enum, variant 0 without fields", Shape::Point {}));
    rows.push(shape("enum, variant 1 with fields width and height (u16)", Shape::Rectangle { width: 3, height: 300 }));
    rows
}

/// A value written as a string, so that no reader of this file rounds it.
fn scalar<T: ToString + Encode + Decode<()> + PartialEq + Debug>(kind: &str, value: T) -> Value {
    json!({ "type": kind, "value": value.to_string(), "hex": round_trip(&value) })
}

fn shape<T: Serialize + Encode + Decode<()> + PartialEq + Debug>(kind: &str, value: T) -> Value {
    json!({ "type": kind, "value": value, "hex": round_trip(&value) })
}

fn round_trip<T: Encode + Decode<()> + PartialEq + Debug>(value: &T) -> String {
    let mut bytes = Vec::new();
    binary::encode(value, &mut bytes).expect("a value that can be encoded");
    assert_eq!(binary::decode::<T>(&bytes).as_ref(), Ok(value));
    hex(&bytes)
}
