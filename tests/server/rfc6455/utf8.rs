//! Text that is UTF-8, and text that is not. The server looks at a message when it is whole, not at its parts.

use anteroom_protocol::Codec;
use anteroom_tests::frame::{BINARY, CONTINUATION, LAST, TEXT, frame, ping, text};

use super::wire::{asks, message};
use super::{Heard, Row, binary, echo, fails, json};

/// Text as it is written, and the same in bytes.
const TEXTS: [(&str, &[u8]); 26] = [
    ("Hello-µ@ßöäüàá-UTF-8!!", b"Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!"),
    ("κ\u{1f79}σμε", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"),
    // The first and the last of each length.
    (" ", b"\x20"),
    ("\u{7f}", b"\x7f"),
    ("\u{80}", b"\xc2\x80"),
    ("\u{7ff}", b"\xdf\xbf"),
    ("\u{800}", b"\xe0\xa0\x80"),
    ("\u{ffff}", b"\xef\xbf\xbf"),
    ("\u{10000}", b"\xf0\x90\x80\x80"),
    ("\u{10ffff}", b"\xf4\x8f\xbf\xbf"),
    // Beside the surrogates.
    ("\u{d7ff}", b"\xed\x9f\xbf"),
    ("\u{e000}", b"\xee\x80\x80"),
    // Specials, and code points that are no characters: text all the same.
    ("\u{feff}", b"\xef\xbb\xbf"),
    ("\u{fdd0}", b"\xef\xb7\x90"),
    ("\u{fff9}\u{fffa}\u{fffb}\u{fffc}", b"\xef\xbf\xb9\xef\xbf\xba\xef\xbf\xbb\xef\xbf\xbc"),
    ("\u{fffd}", b"\xef\xbf\xbd"),
    ("\u{fffe}", b"\xef\xbf\xbe"),
    ("\u{1fffe}\u{1ffff}", b"\xf0\x9f\xbf\xbe\xf0\x9f\xbf\xbf"),
    ("\u{2fffe}\u{2ffff}", b"\xf0\xaf\xbf\xbe\xf0\xaf\xbf\xbf"),
    ("\u{3fffe}\u{3ffff}", b"\xf0\xbf\xbf\xbe\xf0\xbf\xbf\xbf"),
    ("\u{4fffe}\u{4ffff}", b"\xf1\x8f\xbf\xbe\xf1\x8f\xbf\xbf"),
    ("\u{7fffe}\u{7ffff}", b"\xf1\xbf\xbf\xbe\xf1\xbf\xbf\xbf"),
    ("\u{8fffe}\u{8ffff}", b"\xf2\x8f\xbf\xbe\xf2\x8f\xbf\xbf"),
    ("\u{bfffe}\u{bffff}", b"\xf2\xbf\xbf\xbe\xf2\xbf\xbf\xbf"),
    ("\u{ffffe}\u{fffff}", b"\xf3\xbf\xbf\xbe\xf3\xbf\xbf\xbf"),
    ("\u{10fffe}\u{10ffff}", b"\xf4\x8f\xbf\xbe\xf4\x8f\xbf\xbf"),
];

/// Bytes that are no text, by what is wrong with them.
const NO_TEXTS: [(&str, &[u8]); 52] = [
    ("a text, then a surrogate", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"),
    ("a text, then a code point above the last", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited"),
    ("the code point above the last", b"\xf4\x90\x80\x80"),
    ("the first of 5 bytes", b"\xf8\x88\x80\x80\x80"),
    ("the first of 6 bytes", b"\xfc\x84\x80\x80\x80\x80"),
    ("the last of 4 bytes", b"\xf7\xbf\xbf\xbf"),
    ("the last of 5 bytes", b"\xfb\xbf\xbf\xbf\xbf"),
    ("the last of 6 bytes", b"\xfd\xbf\xbf\xbf\xbf\xbf"),
    ("the first continuation byte alone", b"\x80"),
    ("the last continuation byte alone", b"\xbf"),
    ("2 continuation bytes", b"\x80\xbf"),
    ("3 continuation bytes", b"\x80\xbf\x80"),
    ("4 continuation bytes", b"\x80\xbf\x80\xbf"),
    ("5 continuation bytes", b"\x80\xbf\x80\xbf\x80"),
    ("6 continuation bytes", b"\x80\xbf\x80\xbf\x80\xbf"),
    ("7 continuation bytes", b"\x80\xbf\x80\xbf\x80\xbf\x80"),
    ("first bytes of 2, each before a space", b"\xc2 \xc3 \xd0 \xdf "),
    ("first bytes of 3, each before a space", b"\xe0 \xe1 \xec \xed \xef "),
    ("first bytes of 4, each before a space", b"\xf0 \xf1 \xf4 \xf7 "),
    ("first bytes of 5, each before a space", b"\xf8 \xf9 \xfa \xfb "),
    ("first bytes of 6, each before a space", b"\xfc \xfd "),
    ("2 bytes without the last", b"\xc0"),
    ("3 bytes without the last", b"\xe0\x80"),
    ("4 bytes without the last", b"\xf0\x80\x80"),
    ("5 bytes without the last", b"\xf8\x80\x80\x80"),
    ("6 bytes without the last", b"\xfc\x80\x80\x80\x80"),
    ("the last of 2 bytes without its last", b"\xdf"),
    ("the last of 3 bytes without its last", b"\xef\xbf"),
    ("a character of 4 bytes without its last", b"\xf0\x9f\x98"),
    (
        "all that without the last, one behind the other",
        b"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xdf\xef\xbf\xf7\xbf\xbf",
    ),
    ("fe", b"\xfe"),
    ("ff", b"\xff"),
    ("fe and ff, twice", b"\xfe\xfe\xff\xff"),
    ("a slash in 2 bytes", b"\xc0\xaf"),
    ("a slash in 3 bytes", b"\xe0\x80\xaf"),
    ("a slash in 4 bytes", b"\xf0\x80\x80\xaf"),
    ("a slash in 5 bytes", b"\xf8\x80\x80\x80\xaf"),
    ("the last of 1 byte in 2", b"\xc1\xbf"),
    ("the last of 2 bytes in 3", b"\xe0\x9f\xbf"),
    ("the last of 3 bytes in 4", b"\xf0\x8f\xbf\xbf"),
    ("the last of 4 bytes in 5", b"\xf8\x87\xbf\xbf\xbf"),
    ("a zero in 2 bytes", b"\xc0\x80"),
    ("a zero in 3 bytes", b"\xe0\x80\x80"),
    ("a zero in 4 bytes", b"\xf0\x80\x80\x80"),
    ("the first surrogate", b"\xed\xa0\x80"),
    ("the last of the high surrogates", b"\xed\xaf\xbf"),
    ("the first of the low surrogates", b"\xed\xb0\x80"),
    ("the last surrogate", b"\xed\xbf\xbf"),
    ("a pair of surrogates, the first", b"\xed\xa0\x80\xed\xb0\x80"),
    ("a pair of surrogates, the last", b"\xed\xaf\xbf\xed\xbf\xbf"),
    ("Latin-1", b"Gr\xfc\xdfe"),
    ("UTF-16", b"\xff\xfeA\x20"),
];

/// JSON with these bytes as a string in it.
fn with(bytes: &[u8]) -> Vec<u8> {
    let json = asks("*");
    let (front, back) = json.split_once('*').unwrap();
    [front.as_bytes(), bytes, back.as_bytes()].concat()
}

/// A text message in parts of these lengths and a rest.
fn in_parts(message: &[u8], lengths: impl IntoIterator<Item = usize>) -> Vec<Vec<u8>> {
    let (mut frames, mut rest, mut kind) = (Vec::new(), message, TEXT);
    for length in lengths {
        let (part, behind) = rest.split_at(length);
        frames.push(frame(kind, part));
        (rest, kind) = (behind, CONTINUATION);
    }
    frames.push(frame(LAST | kind, rest));
    frames
}

fn no_text() -> Heard {
    fails(4501).since("UTF-8")
}

/// Section 6.
pub(crate) fn rows() -> Vec<Row> {
    let front = asks("*").find('*').unwrap();
    let mut rows = Vec::new();
    for (written, bytes) in TEXTS {
        let payload = with(bytes);
        let name = written.escape_unicode();
        rows.push(json(format!("text {name}"), [text(&payload)], echo(written)));
        // All parts end within a character somewhere.
        let single = in_parts(&payload, std::iter::repeat_n(1, payload.len() - 1));
        rows.push(json(format!("text {name} in parts of one byte"), single, echo(written)));
        rows.push(json(
            format!("text {name} cut behind its first byte"),
            in_parts(&payload, [front + 1]),
            echo(written),
        ));
    }
    for (name, bytes) in NO_TEXTS {
        let payload = with(bytes);
        rows.push(json(name, [text(&payload)], no_text()));
        rows.push(json(format!("{name}, cut behind its first byte"), in_parts(&payload, [front + 1]), no_text()));
        rows.push(json(format!("{name}, at the end of a message"), [text(&payload[..front + bytes.len()])], no_text()));
    }
    // Each beginning of a text: only what ends between two characters is one.
    let (_, kosme) = TEXTS[1];
    for length in 1..kosme.len() {
        let name = format!("the first {length} bytes of a text");
        let heard = match length {
            2 => echo("κ"),
            5 => echo("κ\u{1f79}"),
            7 => echo("κ\u{1f79}σ"),
            9 => echo("κ\u{1f79}σμ"),
            _ => no_text(),
        };
        rows.push(json(name, [text(with(&kosme[..length]))], heard));
    }
    let wrong = with(b"\xce\xba\xff");
    let pinged = |mut frames: Vec<Vec<u8>>| {
        frames.insert(1, ping("p"));
        frames
    };
    rows.extend([
        json(
            "no text in the first of two parts, a ping between them",
            pinged(in_parts(&wrong, [front + 3])),
            no_text().pong("p"),
        ),
        json("no text in the last part, a ping before it", pinged(in_parts(&wrong, [front])), no_text().pong("p")),
        json("what is no text behind what is", [text(asks("a")), text(&wrong)], echo("a").fails(4501).since("UTF-8")),
        json("empty parts within a character", in_parts(&with("€".as_bytes()), [front + 1, 0, 1, 0]), echo("€")),
        binary("text in a binary session", [message(Codec::Bincode, "κ\u{1f79}σμε")], echo("κ\u{1f79}σμε")),
        binary("no text in a binary session, in a text frame", [text(&wrong)], no_text()),
        binary(
            "bytes that are no text, which binary may be",
            [frame(LAST | BINARY, no_text_in_binary())],
            super::unknown(),
        ),
    ]);
    rows
}

/// A message of a type that there is not, with data that is no text.
fn no_text_in_binary() -> Vec<u8> {
    use anteroom_protocol::{Data, Header, envelope};
    let mut out = Vec::new();
    envelope::encode_raw(&Header::new("pad"), Data::Binary(b"\xff\xfe\xed\xa0\x80"), &mut out).unwrap();
    out
}
