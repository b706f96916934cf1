//! Decoding allocates in proportion to its input, whatever lengths the input claims.
//!
//! Counts every byte allocated on the way, freed again or not, which is more than is held at any time. One test
//! alone in its process, since the counter sees all threads.

#[path = "it/corpus.rs"]
mod corpus;

use std::alloc::System;

use anteroom_protocol::binary::{DECODE_BYTES_FREE, DECODE_BYTES_PER_INPUT_BYTE};
use anteroom_protocol::message::resume::{Ack, SessionState};
use anteroom_protocol::{Codec, Data, LaneId, binary};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The most bytes that decoding an input of so many bytes may allocate.
///
/// The decoder's own bound holds for what is allocated for lengths; the rest is for the words of an error and the
/// growth of lists in JSON.
fn allowed(input: usize) -> usize {
    input * DECODE_BYTES_PER_INPUT_BYTE + DECODE_BYTES_FREE + 2048
}

fn allocated(read: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    read();
    region.change().bytes_allocated
}

fn check_batch(codec: Codec, payload: &[u8]) {
    let used = allocated(|| drop(anteroom_protocol::envelope::decode_batch(codec, payload).map(Iterator::count)));
    let allowed = allowed(payload.len());
    assert!(used <= allowed, "{used} bytes allocated, {allowed} allowed for the batch {}", show(payload));
}

fn check_bodies(data: Data<'_>) {
    let bytes = match data {
        Data::Json(text) => text.as_bytes(),
        Data::Binary(bytes) => bytes,
    };
    let allowed = allowed(bytes.len());
    for (number, body) in corpus::BODIES.iter().enumerate() {
        let used = allocated(|| body(data));
        assert!(used <= allowed, "{used} bytes allocated, {allowed} allowed for body {number} of {}", show(bytes));
    }
}

fn show(bytes: &[u8]) -> String {
    format!("{} bytes: {}", bytes.len(), bytes[..bytes.len().min(200)].escape_ascii())
}

/// Every way to write a length that is far too large, in front of a little or a lot.
fn lies() -> Vec<Vec<u8>> {
    let lengths: [&[u8]; 6] = [
        &[250],
        &[251, 0xff, 0xff],
        &[252, 0xff, 0xff, 0x0f, 0],
        &[252, 0xff, 0xff, 0xff, 0xff],
        &[253, 0, 0, 0, 0, 1, 0, 0, 0],
        &[253, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    ];
    let tails = [vec![], vec![0; 10], vec![1; 1000], vec![0; 60_000], vec![0xff; 60_000]];
    lengths.iter().flat_map(|length| tails.iter().map(move |tail| [length, &tail[..]].concat())).collect()
}

/// Puts a lie at every place of a valid message where a length can be.
fn liars() {
    for (codec, payload) in corpus::payloads().into_iter().filter(|(codec, _)| *codec == Codec::Bincode) {
        for at in 0..=payload.len() {
            for lie in [&[251, 0xff, 0xff][..], &[252, 0xff, 0xff, 0xff, 0x7f], &[253, 0, 0, 0, 0, 0, 1, 0, 0]] {
                for skipped in 0..2 {
                    let rest = payload.get(at + skipped..).unwrap_or_default();
                    let liar = [&payload[..at], lie, rest].concat();
                    check_batch(codec, &liar);
                    // From here on the bytes may be the data of a message as well.
                    check_bodies(Data::Binary(&liar[at..]));
                }
            }
        }
    }
}

/// JSON that takes more room in memory than most, and quotes itself in errors.
fn wasteful_json() -> Vec<String> {
    let repeat = |open: &str, item: &str, count: usize, close: &str| open.to_owned() + &item.repeat(count) + close;
    vec![
        repeat("[", "1,", 30_000, "1]"),
        repeat("[", "{},", 255, "{}]"),
        repeat("[", r#"{"type":"x"},"#, 255, r#"{"type":"x"}]"#),
        repeat("", "[", 60_000, ""),
        "[".repeat(60_000) + &"]".repeat(60_000),
        format!(r#"{{"type":"x","data":{}{}}}"#, "[".repeat(60_000), "]".repeat(60_000)),
        format!(r#"{{"type":"x","error":{{"details":{}{}}}}}"#, "[".repeat(60_000), "]".repeat(60_000)),
        format!(r#"{{"game":"x","options":{}{}}}"#, "[".repeat(60_000), "]".repeat(60_000)),
        repeat("\"", "\u{7f}", 60_000, "\""),
        repeat("\"", "\\u0000", 10_000, "\""),
        repeat(r#"{"type":""#, "\\n", 30_000, r#""}"#),
        repeat(r#"{"type":"x","ref":""#, "\u{7f}", 30_000, r#""}"#),
        repeat(r#"{"type":"x","data":{"rooms":["#, "{},", 10_000, "{}]}}"),
        repeat(r#"{"rooms":["#, "[],", 10_000, "[]]}"),
        repeat(r#"{"added":[],"updated":[],"removed":["#, r#""0000000000","#, 4_000, r#""0000000000"]}"#),
        repeat(r#"{"game":""#, "\u{7f}", 30_000, r#"","quick":"x"}"#),
        repeat(r#"{"#, r#""a":1,"#, 8_000, r#""b":2}"#),
        repeat(r#"{"quick":""#, "\u{7f}", 30_000, r#""}"#),
        repeat(r#"{"rooms":[],"tickets":["#, "1,", 30_000, "1]}"),
        repeat(r#"{"rooms":[],"subscriptions":["#, r#"{"to":""},"#, 6_000, r#"{"to":""}]}"#),
        repeat(r#"{"rooms":["#, r#"[1,"0000000000"],"#, 4_000, r#"[1,"0000000000"]]}"#),
        format!("{{{}}}", lanes(6_000)),
        format!(r#"{{"received":{{{}}}}}"#, lanes(6_000)),
    ]
}

/// A count of 1 for so many lanes, as the inside of an object.
fn lanes(count: u32) -> String {
    (0..count).map(|lane| format!(r#""{lane}":1"#)).collect::<Vec<_>>().join(",")
}

/// Real lists, as long as a frame lets them be, of the smallest elements there are.
fn long_lists() -> Vec<Vec<u8>> {
    let list = |element: &[u8], count: u16| {
        let mut bytes = vec![251];
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend(element.repeat(count.into()));
        bytes
    };
    // A `RoomSummary` without names, as `RoomList` and `RoomsChanged` have them, and a room id.
    let summary = list(b"\x0a0000000000\0\0\0\0\0\0\0\0\0\0\0", 2_900);
    let ids = list(b"\x0a0000000000", 5_000);
    // What a `SessionState` has lists of: rooms, tickets of one digit, and subscriptions to nothing.
    let state = [
        [&list(b"\x01\x0a0000000000", 5_000)[..], &[0, 0, 0]].concat(),
        [&[0, 0], &list(b"\x010", 30_000)[..], &[0]].concat(),
        [&[0, 0, 0], &list(b"\0\0\0", 20_000)[..]].concat(),
    ];
    let mut lists =
        vec![[&summary[..], &[0, 0]].concat(), [&summary[..], &[0, 0]].concat(), [&[0, 0], &ids[..]].concat()];
    lists.extend(state);
    lists
}

/// Counts of as many lanes as a frame has room for, and of one lane over and over.
fn many_counts() -> [Vec<u8>; 2] {
    let mut distinct = Vec::new();
    let counts = (0..15_000).map(|lane| (LaneId(lane), 1)).collect();
    binary::encode(&Ack { counts }, &mut distinct).expect("a value that can be encoded");
    [distinct, [&[251, 0x30, 0x75], &[7, 1].repeat(30_000)[..]].concat()]
}

#[test]
fn decoding_allocates_a_small_multiple_of_its_input() {
    for (codec, payload) in corpus::payloads() {
        check_batch(codec, &payload);
    }
    for lie in lies() {
        check_batch(Codec::Bincode, &lie);
        check_bodies(Data::Binary(&lie));
    }
    liars();
    for text in wasteful_json() {
        check_batch(Codec::Json, text.as_bytes());
        check_bodies(Data::Json(&text));
    }
    for list in long_lists() {
        check_bodies(Data::Binary(&list));
    }
    for counts in many_counts() {
        check_bodies(Data::Binary(&counts));
        assert!(Data::Binary(&counts).decode::<Ack>().is_ok());
    }
    assert!(Data::Binary(&long_lists()[0]).decode::<anteroom_protocol::message::result::RoomList>().is_ok());
    for list in &long_lists()[3..] {
        assert!(Data::Binary(list).decode::<SessionState>().is_ok());
    }

    let config = Config { cases: 4096, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let inputs = (prop::sample::select(corpus::payloads()), any::<[prop::sample::Index; 4]>(), any::<[u8; 4]>());
    runner
        .run(&inputs, |((codec, mut payload), places, bytes)| {
            for (place, byte) in places.iter().zip(bytes) {
                let at = place.index(payload.len());
                payload[at] = byte;
            }
            check_batch(codec, &payload);
            if codec == Codec::Bincode {
                check_bodies(Data::Binary(&payload[places[0].index(payload.len())..]));
            }
            Ok(())
        })
        .expect("no input that allocates more");
}
