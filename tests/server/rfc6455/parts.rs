//! Messages in parts, by hand and as libraries cut them.

use anteroom_protocol::Codec;
use anteroom_tests::frame::{BINARY, CLOSE, CONTINUATION, LAST, PING, PONG, TEXT, close, frame, ping, text};
use anteroom_tests::message::write;
use serde_json::json as value;

use super::framing::{MESSAGE_BYTES_MAX, filled};
use super::wire::{asks, opcode};
use super::{Row, binary, echo, fails, json, nothing, pong};

/// One message as frames of so many bytes, with what is to come after each of them but the last.
fn cut(codec: Codec, message: impl AsRef<[u8]>, bytes: usize, between: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let parts: Vec<&[u8]> = message.as_ref().chunks(bytes).collect();
    let mut frames = Vec::new();
    for (place, part) in parts.iter().enumerate() {
        let kind = if place == 0 { opcode(codec) } else { CONTINUATION };
        let is_last = place + 1 == parts.len();
        frames.push(frame(if is_last { LAST | kind } else { kind }, part));
        if !is_last {
            frames.extend_from_slice(between);
        }
    }
    frames
}

/// Section 5.
pub(crate) fn rows() -> Vec<Row> {
    let (a, b) = (asks("a"), asks("b"));
    let (begin, end) = a.split_at(10);
    let (first, more, last) = (frame(TEXT, begin), |part: &str| frame(CONTINUATION, part), frame(LAST, end));
    let bare = write(Codec::Bincode, &value!({"type": "ping", "data": {"ts": "a"}}));
    let pings = [ping("1"), ping("2")];
    let pongs = |heard: super::Heard, times: usize| (0..times).fold(heard, |heard, _| heard.pong("1").pong("2"));
    let single = a.len() - 1;
    let mut rows = vec![
        json("a ping in two parts", [frame(PING, "a"), frame(LAST, "b")], fails(4501)),
        json("a pong in two parts", [frame(PONG, "a"), frame(LAST, "b")], fails(4501)),
        json("a close frame in two parts", [frame(CLOSE, [3]), frame(LAST, [232])], fails(4501)),
        json("text in two parts", [first.clone(), last.clone()], echo("a")),
        json("text in parts of one byte", cut(Codec::Json, &a, 1, &[]), echo("a")),
        binary("binary in two parts", cut(Codec::Bincode, &bare, 9, &[]), echo("a")),
        binary("binary in parts of one byte", cut(Codec::Bincode, &bare, 1, &[]), echo("a")),
        json("a ping between two parts", [first.clone(), ping("p"), last.clone()], echo("a").pong("p")),
        json("a pong between two parts", [first.clone(), frame(LAST | PONG, "p"), last.clone()], echo("a")),
        json("pings between parts of one byte", cut(Codec::Json, &a, 1, &pings), pongs(echo("a"), single)),
        json("a close frame between two parts", [first.clone(), close(1000, ""), last.clone()], nothing().closes(1000)),
        json("empty parts around text", [frame(TEXT, ""), more(""), more(&a), more(""), frame(LAST, "")], echo("a")),
        json("an empty message in parts", [frame(TEXT, ""), more(""), frame(LAST, "")], fails(4501)),
        json("an empty last part, messages behind it", [more_of(&a), text(&b)], echo("a").echo("b")),
        json("the end of a message that never began", [last.clone(), text(&b)], fails(4501)),
        json("the same behind text", [text(&b), frame(LAST, "x"), ping("")], echo("b").fails(4501)),
        json("the middle of a message that never began", [more("x"), text(&b)], fails(4501)),
        json("the same without payload", [more(""), text(&b)], fails(4501)),
        json("an end without payload of what never began", [frame(LAST, ""), text(&b)], fails(4501)),
        json("a part behind the last", [first.clone(), last.clone(), more("x"), text(&b)], echo("a").fails(4501)),
        json("a last part twice", [first.clone(), last.clone(), last.clone(), text(&b)], echo("a").fails(4501)),
        json("text within text", [first.clone(), text(&b)], fails(4501)),
        json("parts that all say text", [first.clone(), frame(LAST | TEXT, end)], fails(4501)),
        json("parts that all say text, none of them the last", [first.clone(), frame(TEXT, end)], fails(4501)),
        json("binary within text", [first.clone(), frame(LAST | BINARY, end)], fails(4501)),
        json("a part with reserved bits", [first.clone(), frame(LAST | 0x40, end)], fails(4501)),
        json("a part of an opcode without meaning", [first, frame(LAST | 3, end)], fails(4501)),
    ];
    let full = filled("a", MESSAGE_BYTES_MAX);
    for bytes in [1, 125, 126, 1000, 65_535] {
        let sent = cut(Codec::Json, &full, bytes, &[]);
        rows.push(json(format!("text of 65,536 bytes in parts of {bytes}"), sent, echo("a")));
    }
    for bytes in [1, 32_768, 65_536] {
        let sent = cut(Codec::Json, filled("a", MESSAGE_BYTES_MAX + 1), bytes, &[]);
        rows.push(json(format!("text of 65,537 bytes in parts of {bytes}"), sent, fails(4502)));
    }
    let sent = cut(Codec::Json, filled("a", 6000), 1000, &pings);
    rows.push(json("text of 6,000 bytes in parts, pings between them", sent, pongs(echo("a"), 5)));
    rows.push(json(
        "a ping behind a message in parts",
        [cut(Codec::Json, &a, 7, &[]), vec![ping("p")]].concat(),
        pong("p").echo("a"),
    ));
    rows
}

/// Text in one part, and a last one without payload, as streams in libraries end.
fn more_of(message: &str) -> Vec<u8> {
    [frame(TEXT, message), frame(LAST, "")].concat()
}

/// Section 10.
pub(crate) fn automatic() -> Vec<Row> {
    [1300, 4096, 16_384]
        .map(|bytes| {
            let sent = cut(Codec::Json, filled("a", MESSAGE_BYTES_MAX), bytes, &[]);
            json(format!("text of 65,536 bytes in parts of {bytes}"), sent, echo("a"))
        })
        .into()
}
