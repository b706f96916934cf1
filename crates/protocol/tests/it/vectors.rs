//! The golden vectors: `vectors/*.json` pin every message of the protocol in both codecs, byte for byte.
//!
//! To write the files anew after a deliberate change of the wire, run this test with `ANTEROOM_BLESS=1` and review
//! the difference:
//!
//! ```text
//! ANTEROOM_BLESS=1 cargo test -p anteroom-protocol --test it vectors
//! ```

mod cases;
mod shapes;
mod tables;

use std::collections::BTreeSet;
use std::path::PathBuf;

use anteroom_protocol::envelope::decode_batch;
use anteroom_protocol::message::row::Shape;
use anteroom_protocol::message::table::ROWS;
use anteroom_protocol::{Codec, Data};
use cases::Vector;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use shapes::{Reader, is_same};

use crate::table::{full_name, row_of_example};

#[derive(Serialize, Deserialize)]
struct Row<'a> {
    name: String,
    #[serde(borrow)]
    json: &'a RawValue,
    bincode_hex: Option<String>,
}

impl<'a> Row<'a> {
    fn new(vector: &'a Vector) -> Self {
        let json = serde_json::from_str(&vector.json).expect("JSON");
        Self { name: vector.name.clone(), json, bincode_hex: vector.bincode.as_deref().map(hex) }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One row per line: the JSON stays exactly the text that travels, and a change shows as one line.
fn lines(rows: &[Row<'_>]) -> String {
    let rows: Vec<_> = rows.iter().map(|row| to_raw_value(row).expect("JSON").get().to_owned()).collect();
    format!("[\n{}\n]\n", rows.join(",\n"))
}

fn path(file: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "vectors", &format!("{file}.json")].iter().collect()
}

/// Writes a file if asked to; gives what it holds.
fn bless_and_read(file: &str, expected: &str) -> String {
    let path = path(file);
    if std::env::var_os("ANTEROOM_BLESS").is_some() {
        std::fs::write(&path, expected).expect("a file that can be written");
    }
    std::fs::read_to_string(&path).expect("a file that can be read")
}

#[test]
fn every_message_has_exactly_these_bytes_in_both_codecs() {
    for (file, vectors) in cases::files() {
        let expected = lines(&vectors.iter().map(Row::new).collect::<Vec<_>>());
        let found = bless_and_read(file, &expected);
        for (found, expected) in found.lines().zip(expected.lines()) {
            assert_eq!(found, expected, "{file}.json differs; see the head of tests/it/vectors.rs");
        }
        assert_eq!(found, expected, "{file}.json has other rows; see the head of tests/it/vectors.rs");
    }
}

#[test]
fn names_are_unique() {
    let names: Vec<_> = cases::files().into_iter().flat_map(|(_, vectors)| vectors).map(|vector| vector.name).collect();
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), names.len());
}

#[test]
fn the_tables_of_codes_and_of_framing_are_as_published() {
    for (file, expected) in [("codes", tables::codes()), ("framing", tables::framing())] {
        // The order of keys is serde_json's affair here, and depends on the features it is built with.
        let found: Value = serde_json::from_str(&bless_and_read(file, &expected)).expect("JSON");
        let expected: Value = serde_json::from_str(&expected).expect("JSON");
        assert_eq!(found, expected, "{file}.json differs; see the head of tests/it/vectors.rs");
    }
}

/// What the schema freezes are these words, so they have to say what the bytes are.
#[test]
fn the_words_of_the_table_describe_the_bytes() {
    let mut described = BTreeSet::new();
    let vectors = cases::files().into_iter().flat_map(|(_, vectors)| vectors);
    let examples: Vec<_> = cases::examples().map(|(_, vector)| vector).collect();
    assert!(examples.len() > 12, "{} examples in PROTOCOL.md", examples.len());
    for vector in vectors.chain(examples) {
        let Vector { name, json, bincode: Some(bytes) } = vector else { continue };
        let json: Value = serde_json::from_str(&json).expect("JSON");
        let mut reader = Reader(&bytes);
        let envelope = reader.value("envelope");
        assert!(reader.0.is_empty(), "{name}: {} bytes are left", reader.0.len());
        assert!(is_same(&envelope, &json), "{name}: {envelope} is not {json}");

        let envelope = decode_batch(Codec::Bincode, &bytes).expect("a batch").next().expect("one").expect("a message");
        let text = json["data"].to_string();
        let Some(row) = row_of_example(&envelope.kind, Data::Json(&text)) else { continue };
        let Shape::Binary(shape) = row.shape else { continue };
        let is_failure = envelope.success == Some(false);
        let shape = if is_failure { "" } else { shape };
        let Data::Binary(data) = envelope.data else { panic!("{name} is not binary") };
        let mut reader = Reader(data);
        let data = reader.value(shape);
        assert!(reader.0.is_empty(), "{name}: {} bytes are left", reader.0.len());
        assert!(is_same(&data, &json["data"]), "{name}: {data} is not {}", json["data"]);
        if !is_failure || envelope.kind == "error" {
            described.insert(full_name(row));
        }
    }
    let binary = ROWS.iter().filter(|row| matches!(row.shape, Shape::Binary(_)));
    assert_eq!(described, binary.map(full_name).collect(), "each has a vector, or an example in PROTOCOL.md");
}
