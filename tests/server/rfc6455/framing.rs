//! Sizes, masks, reserved bits and opcodes.

use anteroom_protocol::{Codec, Header, envelope};
use anteroom_tests::frame::{BINARY, CLOSE, LAST, PING, TEXT, frame, frame_masked_with, header, ping, text};

use super::wire::{asks, message};
use super::{Row, binary, echo, fails, json, nothing, unknown};

/// What a session may send at once, unless configured otherwise.
pub(crate) const MESSAGE_BYTES_MAX: usize = 65_536;

/// Where the length of a frame takes another form, and where it ends.
const SIZES: [usize; 7] = [124, 125, 126, 127, 128, 65_535, MESSAGE_BYTES_MAX];

/// A message in JSON, filled up with spaces to a size.
pub(crate) fn filled(ts: &str, size: usize) -> String {
    let mut message = asks(ts);
    message.extend(std::iter::repeat_n(' ', size - message.len()));
    message
}

/// A binary message of a type that there is not, filled up to a size.
fn filled_binary(size: usize) -> Vec<u8> {
    let encoded = |filler: usize| {
        let mut out = Vec::new();
        envelope::encode(Codec::Bincode, &Header::new("pad"), &"x".repeat(filler), &mut out).unwrap();
        out
    };
    let fits = |filler: &usize| encoded(*filler).len() == size;
    let filler = (0..size).rev().find(fits).unwrap_or_else(|| panic!("no filler for {size} bytes"));
    encoded(filler)
}

/// Section 1.
pub(crate) fn sizes() -> Vec<Row> {
    let mut rows = vec![
        json("text of 0 bytes, which is no JSON", [text("")], fails(4501)),
        binary("binary of 0 bytes, which is no message", [frame(LAST | BINARY, "")], fails(4501)),
        json("the shortest text", [text(r#"{"type":"ping"}"#)], echo(serde_json::Value::Null)),
        json("a mask of zeros", [frame_masked_with([0; 4], LAST | TEXT, asks("a"))], echo("a")),
        json("a mask of ones", [frame_masked_with([0xff; 4], LAST | TEXT, asks("a"))], echo("a")),
        json("text that is not masked", [[&[0x81, 0x02][..], b"[]"].concat()], fails(4501)),
        json("a ping that is not masked", [vec![0x89, 0x00]], fails(4501)),
        json("a length above what 63 bits hold", [vec![0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0]], fails(4502)),
        json("the largest length that 63 bits hold", [header(LAST | TEXT, u64::MAX >> 1)], fails(4502)),
    ];
    for size in SIZES {
        rows.push(json(format!("text of {size} bytes"), [text(filled("a", size))], echo("a")));
        let sent = [frame(LAST | BINARY, filled_binary(size))];
        rows.push(binary(format!("binary of {size} bytes"), sent, unknown()));
    }
    for size in [MESSAGE_BYTES_MAX + 1, 16 * MESSAGE_BYTES_MAX] {
        rows.push(json(format!("text of {size} bytes"), [text(filled("a", size))], fails(4502)));
        let sent = [frame(LAST | BINARY, vec![0; size])];
        rows.push(binary(format!("binary of {size} bytes"), sent, fails(4502)));
    }
    let many = (0..100).map(|number| text(asks(&number.to_string()))).collect::<Vec<_>>();
    rows.push(json("many texts", many, (0..100).fold(nothing(), |heard, number| heard.echo(number.to_string()))));
    rows
}

/// Section 3: there are no extensions, so nobody may set a bit of one.
pub(crate) fn reserved_bits() -> Vec<Row> {
    let mut rows = Vec::new();
    for bits in 1..8_u8 {
        let rsv = bits << 4;
        rows.extend([
            json(format!("reserved bits {bits:03b} on text"), [frame(LAST | rsv | TEXT, asks("a"))], fails(4501)),
            json(
                format!("reserved bits {bits:03b} behind text, in front of a ping"),
                [text(asks("a")), frame(LAST | rsv | TEXT, asks("b")), ping("")],
                echo("a").fails(4501),
            ),
            binary(format!("reserved bits {bits:03b} on binary"), [frame(LAST | rsv | BINARY, [0; 8])], fails(4501)),
            json(format!("reserved bits {bits:03b} on a ping"), [frame(LAST | rsv | PING, "p")], fails(4501)),
            json(
                format!("reserved bits {bits:03b} on a close frame"),
                [frame(LAST | rsv | CLOSE, 1000_u16.to_be_bytes())],
                fails(4501),
            ),
        ]);
    }
    rows
}

/// Section 4: opcodes that nobody has given a meaning.
pub(crate) fn opcodes() -> Vec<Row> {
    let mut rows = Vec::new();
    for opcode in (3..8).chain(11..16) {
        let kind = if opcode < 8 { "a message" } else { "a control frame" };
        rows.extend([
            json(format!("{kind} of opcode {opcode}"), [frame(LAST | opcode, "")], fails(4501)),
            json(format!("{kind} of opcode {opcode} with a payload"), [frame(LAST | opcode, asks("a"))], fails(4501)),
            json(
                format!("{kind} of opcode {opcode} behind text, in front of a ping"),
                [text(asks("a")), frame(LAST | opcode, ""), ping("")],
                echo("a").fails(4501),
            ),
            binary(
                format!("{kind} of opcode {opcode} with a payload behind binary"),
                [message(Codec::Bincode, "a"), frame(LAST | opcode, "payload"), ping("")],
                echo("a").fails(4501),
            ),
        ]);
    }
    rows
}
