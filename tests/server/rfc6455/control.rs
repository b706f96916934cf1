//! Pings and pongs.

use anteroom_tests::frame::{LAST, PING, PONG, frame, ping, text};

use super::wire::asks;
use super::{Row, echo, fails, json, nothing, pong};

/// No character begins like this.
const NO_TEXT: [u8; 8] = [0x00, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00, 0xff];

/// Section 2.
pub(crate) fn pings() -> Vec<Row> {
    let unsolicited = |payload: &[u8]| frame(LAST | PONG, payload);
    let ten: Vec<String> = (0..10).map(|number| format!("payload {number}")).collect();
    let ten_pings: Vec<Vec<u8>> = ten.iter().map(ping).collect();
    let ten_pongs = || ten.iter().fold(nothing(), |heard, payload| heard.pong(payload));
    let mut with_text = ten_pings.clone();
    with_text.insert(5, text(asks("a")));
    let long_form = [&[LAST | PING, 0xfe, 0, 5, 0, 0, 0, 0][..], b"hello"].concat();
    vec![
        json("a ping without payload", [ping("")], pong("")),
        json("a ping with text", [ping("Hello, world!")], pong("Hello, world!")),
        json("a ping with bytes that are no text", [ping(NO_TEXT)], pong(NO_TEXT)),
        json("a ping of 1 byte", [ping([0xfe])], pong([0xfe])),
        json("a ping of 124 bytes", [ping([0xfe; 124])], pong([0xfe; 124])),
        json("a ping of 125 bytes", [ping([0xfe; 125])], pong([0xfe; 125])),
        json("a ping of 126 bytes", [ping([0xfe; 126])], fails(4501)),
        json("a ping of 65,536 bytes", [ping(vec![0xfe; 65_536])], fails(4501)),
        json("a ping whose length has the longer form", [long_form], fails(4501)),
        json("a pong of 126 bytes", [unsolicited(&[0xfe; 126])], fails(4501)),
        json("a pong that nobody asked for", [unsolicited(b"")], nothing()),
        json("the same with a payload", [unsolicited(b"unsolicited")], nothing()),
        json("the same with 125 bytes that are no text", [unsolicited(&[0xff; 125])], nothing()),
        json("the same, then a ping", [unsolicited(b"unsolicited"), ping("p")], pong("p")),
        json("many of them", vec![unsolicited(b"unsolicited"); 100], nothing()),
        json("ten pings", ten_pings, ten_pongs()),
        json("ten pings, text between them", with_text, ten_pongs().echo("a")),
        json("a ping behind text", [text(asks("a")), ping("p")], echo("a").pong("p")),
    ]
}
