//! Close frames: what answers them, and that nothing counts behind them.

use anteroom_protocol::Codec;
use anteroom_tests::frame::{CLOSE, CONTINUATION, LAST, TEXT, close, frame, ping, text};

use super::framing::{MESSAGE_BYTES_MAX, filled};
use super::wire::{asks, message};
use super::{End, Heard, Row, binary, closes, echo, fails, json, nothing};

/// What may be in a close frame (RFC 6455, section 7.4, and IANA's registry), and comes back.
const CODES: [u16; 19] =
    [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4001, 4500, 4998, 4999];

/// What may not: without a meaning, or with one that is not sent.
const NO_CODES: [u16; 21] = [
    0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1017, 1099, 1100, 1999, 2000, 2001, 2999, 5000, 5001, 9999, 32_768,
    65_534, 65_535,
];

/// Section 7.
pub(crate) fn rows() -> Vec<Row> {
    let (a, b) = (asks("a"), asks("b"));
    let (begin, end) = a.split_at(10);
    let bare = |payload: &[u8]| frame(LAST | CLOSE, payload);
    let without_code = || Heard { end: Some(End::Closed(None)), ..nothing() };
    let mut rows = vec![
        json("a close frame behind text", [text(&a), close(1000, "")], echo("a").closes(1000)),
        json("a close frame behind many texts", [vec![text(&a); 30], vec![close(1000, "")]].concat(), {
            (0..30).fold(nothing(), |heard, _| heard.echo("a")).closes(1000)
        }),
        json(
            "a close frame behind the largest text, in front of a ping",
            [text(filled("a", MESSAGE_BYTES_MAX)), close(1000, ""), ping("p")],
            echo("a").closes(1000),
        ),
        json("a close frame behind a ping", [ping("p"), close(1000, "")], nothing().pong("p").closes(1000)),
        json("two close frames", [close(1000, ""), close(1001, "")], closes(1000)),
        json("a ping behind a close frame", [close(1000, ""), ping("p")], closes(1000)),
        json("text behind a close frame", [close(1000, ""), text(&b)], closes(1000)),
        json("what nobody can read behind a close frame", [close(1000, ""), vec![0xff; 100]], closes(1000)),
        json("a lot of it", [close(1000, ""), vec![0xff; 300_000]], closes(1000)),
        json(
            "the rest of a message behind one",
            [frame(TEXT, begin), close(1000, ""), frame(LAST | CONTINUATION, end)],
            closes(1000),
        ),
        json("a close frame within a frame that has not ended", [text(&a), frame(TEXT, begin), close(1000, "")], {
            echo("a").closes(1000)
        }),
        json("no payload", [bare(b"")], without_code()),
        json("no payload, behind text", [text(&a), bare(b"")], Heard { end: Some(End::Closed(None)), ..echo("a") }),
        json("half a code", [bare(&[3])], closes(1002)),
        json("half a code, behind text", [text(&a), bare(&[3])], echo("a").closes(1002)),
        json("a code and a reason", [close(1000, "Hello, world!")], closes(1000)),
        json("a reason of 123 bytes", [close(1000, [b'*'; 123])], closes(1000)),
        json("a reason of 124 bytes", [close(1000, [b'*'; 124])], fails(4501)),
        json("a reason beyond ASCII", [close(1000, "κόσμε \u{1f600}")], closes(1000)),
        json("a reason that is no text", [close(1000, [0xff])], closes(1007)),
        json(
            "a reason that is cut within a character",
            [close(1000, "κόσμε\u{20ac}".as_bytes().split_last().unwrap().1)],
            closes(1007),
        ),
        json("a reason with a surrogate", [close(1000, [0xed, 0xa0, 0x80])], closes(1007)),
        json("no code, and a reason that is no text", [close(1004, [0xff])], closes(1002)),
        json("a close frame before its time", [close(4000, "Hello"), close(1002, "")], closes(4000)),
        binary("no payload, in a binary session", [bare(b"")], without_code()),
        binary("a close frame behind binary", [message(Codec::Bincode, "a"), close(1000, "")], echo("a").closes(1000)),
        binary("no code, in a binary session", [close(1005, "")], closes(1002)),
    ];
    for code in CODES {
        rows.push(json(format!("code {code}"), [close(code, "")], closes(code)));
        rows.push(json(format!("code {code} with a reason"), [close(code, "It is over.")], closes(code)));
    }
    for code in NO_CODES {
        rows.push(json(format!("{code}, which is no code"), [close(code, "")], closes(1002)));
        rows.push(json(format!("{code}, which is no code, with a reason"), [close(code, "It is over.")], closes(1002)));
    }
    rows
}
