//! The golden vectors: `vectors/*.json` pin every message of the protocol in both codecs, byte for byte.
//!
//! To write the files anew after a deliberate change of the wire, run this test with `ANTEROOM_BLESS=1` and review
//! the difference:
//!
//! ```text
//! ANTEROOM_BLESS=1 cargo test -p anteroom-protocol --test it vectors
//! ```

mod cases;
mod tables;

use std::path::PathBuf;

use anteroom_protocol::SCHEMA;
use cases::Vector;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

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

/// FNV-1a, 64 bits (<https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>).
fn fnv_1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[test]
fn the_schema_names_the_binary_shapes() {
    assert_eq!(fnv_1a(b"foobar".iter().copied()), 0x8594_4171_f739_67e8);
    let lines = cases::files()
        .into_iter()
        .flat_map(|(_, vectors)| vectors)
        .filter_map(|vector| vector.bincode)
        .map(|bytes| hex(&bytes) + "\n");
    let schema = format!("{:016x}", fnv_1a(lines.flat_map(String::into_bytes)));
    assert_eq!(
        SCHEMA, schema,
        "the binary vectors changed. If a shape changed, older clients can no longer read it: say so in \
         CHANGELOG.md. Either way put the new value into SCHEMA in src/lib.rs, bless the files (see the head of \
         this test), and change PROTOCOL.md with them; clients with another value are served JSON until they are \
         rebuilt."
    );
}
