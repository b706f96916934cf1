//! Reads the beginning of the peer's bidirectional streams: requests, and streams of a session. Pure: bytes go in.

use std::mem;

use anteroom_protocol::record::read_varint;
use bytes::{Buf, Bytes};

use super::fault::{Code, Fault};
use super::kind::{frame, stream};
use super::request::HEADERS_BYTES_MAX;
use super::values::{Fate, Part, Values};

/// A stream that has not said enough.
#[derive(Debug)]
pub(super) enum Reader {
    /// What it is is not here yet.
    Unknown(Vec<u8>),
    Request(Values),
}

/// What a stream is there for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It belongs to the session of this id.
    Session(u64),
    /// A request with these compressed fields.
    Request(Vec<u8>),
    /// A request with more fields than are read.
    TooLarge,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self::Unknown(Vec::new())
    }

    /// Takes from `input` up to the purpose, or all of it if that is not here yet.
    pub(super) fn next(&mut self, input: &mut Bytes) -> Result<Option<Purpose>, Fault> {
        if let Self::Unknown(head) = self {
            loop {
                match read_varint(head) {
                    Some((stream::WEBTRANSPORT_BIDI, len)) => {
                        if let Some((id, _)) = read_varint(&head[len..]) {
                            return session(id).map(Some);
                        }
                    }
                    Some(_) => break,
                    None => {}
                }
                if !input.has_remaining() {
                    return Ok(None);
                }
                head.push(input.get_u8());
            }
            let mut head = Bytes::from(mem::take(head));
            let mut frames = Values::default();
            // A type alone is no frame.
            frames.next(&mut head, fate)?;
            *self = Self::Request(frames);
        }
        let Self::Request(frames) = self else { return Ok(None) };
        Ok(frames.next(input, fate)?.map(|part| match part {
            Part::Whole(_, section) => Purpose::Request(section),
            Part::Piece(_) => Purpose::TooLarge,
        }))
    }

    #[cfg(test)]
    fn held_bytes(&self) -> usize {
        match self {
            Self::Unknown(head) => head.len(),
            Self::Request(frames) => frames.held_bytes(),
        }
    }
}

/// A session has the number of its request's stream, which the client has opened in both directions.
fn session(id: u64) -> Result<Purpose, Fault> {
    if id.is_multiple_of(4) { Ok(Purpose::Session(id)) } else { Err(Code::Id.says("a session that cannot be")) }
}

fn fate(kind: u64, len: u64) -> Result<Fate, Fault> {
    match kind {
        frame::HEADERS if len <= HEADERS_BYTES_MAX => Ok(Fate::Keep),
        frame::HEADERS => Ok(Fate::Pass),
        stream::WEBTRANSPORT_BIDI => Err(Code::Frame.says("a stream that begins within another")),
        frame::DATA
        | frame::CANCEL_PUSH
        | frame::SETTINGS
        | frame::PUSH_PROMISE
        | frame::GOAWAY
        | frame::MAX_PUSH_ID => Err(Code::FrameUnexpected.says("a request begins with its fields")),
        kind if frame::is_reserved(kind) => Err(Code::FrameUnexpected.says("a frame of HTTP/2")),
        _ => Ok(Fate::Skip),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The purpose of a stream and what is left behind it, some bytes at a time.
    fn read(stream: &[u8], step: usize) -> Result<Option<(Purpose, Vec<u8>)>, Code> {
        let mut reader = Reader::new();
        for (place, piece) in stream.chunks(step).enumerate() {
            let mut input = Bytes::copy_from_slice(piece);
            if let Some(purpose) = reader.next(&mut input).map_err(|fault| fault.code)? {
                let rest = stream.get((place + 1) * step..).unwrap_or_default();
                return Ok(Some((purpose, [&input, rest].concat())));
            }
            assert!(input.is_empty() && reader.held_bytes() <= HEADERS_BYTES_MAX as usize);
        }
        Ok(None)
    }

    fn purpose(stream: &[u8]) -> Result<Option<(Purpose, Vec<u8>)>, Code> {
        let whole = read(stream, stream.len());
        for step in 1..stream.len().min(20) {
            assert_eq!(read(stream, step), whole, "{step} bytes at a time");
        }
        whole
    }

    #[test]
    fn streams_say_what_they_are_for() {
        assert_eq!(purpose(b"\x40\x41\x00\x02{}"), Ok(Some((Purpose::Session(0), b"\x02{}".to_vec()))));
        assert_eq!(purpose(b"\x80\x00\x00\x41\x40\x08"), Ok(Some((Purpose::Session(8), Vec::new()))));
        let request = Ok(Some((Purpose::Request(b"abc".to_vec()), b"\x00\x01x".to_vec())));
        assert_eq!(purpose(b"\x01\x03abc\x00\x01x"), request);
        // What nobody knows goes before it.
        assert_eq!(purpose(b"\x21\x00\x40\x40\x02hi\xc0\0\0\x0f\0\0\0\x21\x01x\x40\x01\x03abc\x00\x01x"), request);
        assert_eq!(purpose(b"\x01\x00"), Ok(Some((Purpose::Request(Vec::new()), Vec::new()))));
    }

    #[test]
    fn a_stream_that_does_not_say_enough_has_no_purpose_yet() {
        for stream in [&b"\x40"[..], b"\x40\x41", b"\x40\x41\x40", b"\x01", b"\x01\x03ab", b"\x21", b"\x21\x03ab"] {
            assert_eq!(purpose(stream), Ok(None), "{stream:x?}");
        }
        assert_eq!(purpose(b"\x21\xff\xff\xff\xff\xff\xff\xff\xffabc"), Ok(None));
    }

    #[test]
    fn what_cannot_begin_a_stream_is_refused() {
        for kind in [0x00, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0d] {
            assert_eq!(purpose(&[kind, 0]), Err(Code::FrameUnexpected), "{kind}");
            assert_eq!(purpose(&[0x21, 0, kind, 0]), Err(Code::FrameUnexpected), "{kind}");
        }
        assert_eq!(purpose(b"\x21\x00\x40\x41\x00"), Err(Code::Frame));
        for id in [1, 2, 3, 7] {
            assert_eq!(purpose(&[0x40, 0x41, id]), Err(Code::Id), "{id}");
        }
    }

    #[test]
    fn fields_that_are_too_long_are_not_gathered() {
        let stream = [&b"\x01\x60\x01"[..], &[0; 0x2001]].concat();
        let Ok(Some((Purpose::TooLarge, _))) = read(&stream, 700) else { panic!() };
        let Ok(Some((Purpose::TooLarge, _))) = read(b"\x01\xff\xff\xff\xff\xff\xff\xff\xffx", 1) else { panic!() };
        let longest = [&b"\x01\x60\x00"[..], &[0; 0x2000]].concat();
        let Ok(Some((Purpose::Request(_), _))) = read(&longest, 700) else { panic!() };
    }

    proptest! {
        #[test]
        fn whatever_arrives_is_read_or_refused(
            start in prop::sample::select(vec![&b""[..], b"\x40\x41", b"\x01", b"\x01\x40\x80", b"\x21", b"\x01\x80\0"]),
            noise in prop::collection::vec(any::<u8>(), 0..400),
            step in 1_usize..50,
        ) {
            let stream = [start, &noise].concat();
            let whole = read(&stream, stream.len().max(1)).map(|found| found.map(|found| found.0));
            prop_assert_eq!(read(&stream, step).map(|found| found.map(|found| found.0)), whole);
        }
    }
}
