//! The examples of `PROTOCOL.md`, in both codecs.

use std::collections::BTreeMap;

use anteroom_protocol::envelope::{decode_batch, encode_raw};
use anteroom_protocol::message::row::{Row, Shape};
use anteroom_protocol::{Codec, Envelope, Header};

use super::Vector;
use crate::table::{full_name, row_of_example};

const DOCUMENT: &str = include_str!("../../../../PROTOCOL.md");

/// The first example of each type that has a binary shape of its own, other than of failures.
pub(crate) fn all() -> impl Iterator<Item = (&'static Row, Vector)> {
    let mut found = BTreeMap::new();
    for block in DOCUMENT.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        for envelope in
            decode_batch(Codec::Json, block.as_bytes()).expect("a batch").map(|read| read.expect("a message"))
        {
            let row = row_of_example(&envelope.kind, envelope.data).filter(|row| matches!(row.shape, Shape::Binary(_)));
            let vector = row.filter(|_| envelope.success != Some(false)).and_then(|row| vector(row, &envelope));
            if let (Some(row), Some(vector)) = (row, vector) {
                found.entry(full_name(row)).or_insert((row, vector));
            }
        }
    }
    found.into_values()
}

/// `None` if a game's view is in it, which only the game can translate.
fn vector(row: &Row, envelope: &Envelope<'_>) -> Option<Vector> {
    let Envelope { kind, reference, n, room_id, latest, success, data, .. } = envelope;
    let header = Header {
        reference: reference.as_ref(),
        n: *n,
        room_id: room_id.as_deref(),
        latest: latest.as_deref(),
        success: *success,
        ..Header::new(kind)
    };
    let [text, bytes] = Codec::ALL.map(|codec| {
        let mut out = Vec::new();
        let data = row.translate(*data, codec).ok()?;
        encode_raw(&header, data.data(), &mut out).expect("a header that can be encoded");
        Some(out)
    });
    let json = String::from_utf8(text?).expect("JSON");
    Some(Vector { name: format!("{}, the example", full_name(row)), json, bincode: Some(bytes?) })
}
