//! Reads the peer's unidirectional streams, whatever they turn out to be. Pure: bytes go in, faults come out.

use anteroom_protocol::record::read_varint;
use bytes::{Buf, Bytes};

use super::fault::{Code, Fault};
use super::kind::{frame, stream};
use super::settings::{self, SETTINGS_BYTES_MAX, Settings};
use super::values::{Fate, Part, Values};

/// A number of at most this many bytes.
const VARINT_BYTES_MAX: u64 = 8;
/// An integer of QPACK's: a stream's number takes no more bytes behind the prefix.
const INTEGER_BYTES_MAX: u8 = 9;

/// A stream, as far as it is known.
#[derive(Debug)]
pub(super) enum Reader {
    /// Its kind is not here yet.
    Unknown(Vec<u8>),
    Control(Control),
    Encoder,
    /// How many bytes of an instruction are here.
    Decoder(u8),
}

/// What a reader finds out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// What kind of stream it is, one time.
    Kind(u64),
    Settings(Settings),
}

#[derive(Debug, Default)]
pub(super) struct Control {
    frames: Values,
    /// Whether the settings, which come first, have been read.
    open: bool,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self::Unknown(Vec::new())
    }

    /// Takes from `input` up to the next find, or all of it if there is none yet.
    pub(super) fn next(&mut self, input: &mut Bytes) -> Result<Option<Found>, Fault> {
        match self {
            Self::Unknown(head) => {
                while input.has_remaining() {
                    head.push(input.get_u8());
                    if let Some((kind, _)) = read_varint(head) {
                        *self = Self::of(kind);
                        return Ok(Some(Found::Kind(kind)));
                    }
                }
            }
            Self::Control(control) => return control.next(input),
            Self::Encoder => {
                // The one instruction that an empty table allows sets its size to 0.
                if input.iter().any(|byte| *byte != 0b0010_0000) {
                    return Err(Code::QpackEncoderStream.says("there is no dynamic table"));
                }
                input.clear();
            }
            Self::Decoder(len) => {
                for byte in std::mem::take(input) {
                    *len = cancellation(*len, byte)?;
                }
            }
        }
        Ok(None)
    }

    /// Streams of other kinds are not read, and remain as they are.
    fn of(kind: u64) -> Self {
        match kind {
            stream::CONTROL => Self::Control(Control::default()),
            stream::QPACK_ENCODER => Self::Encoder,
            stream::QPACK_DECODER => Self::Decoder(0),
            _ => Self::new(),
        }
    }

    /// What it means that the stream ends.
    pub(super) fn ended(&self) -> Result<(), Fault> {
        match self {
            Self::Unknown(_) => Ok(()),
            _ => Err(Code::ClosedCriticalStream.says("a stream of the connection's own has ended")),
        }
    }

    #[cfg(test)]
    fn held_bytes(&self) -> usize {
        match self {
            Self::Unknown(head) => head.len(),
            Self::Control(control) => control.frames.held_bytes(),
            Self::Encoder | Self::Decoder(_) => 0,
        }
    }
}

/// Reads a byte of a stream's cancellation, the one instruction for who never refers to a dynamic table. Gives how
/// many bytes of it are here.
fn cancellation(len: u8, byte: u8) -> Result<u8, Fault> {
    let more = match len {
        0 if byte >> 6 != 0b01 => return Err(Code::QpackDecoderStream.says("there is no dynamic table")),
        0 => byte & 0x3f == 0x3f,
        _ => byte & 0x80 != 0,
    };
    match more {
        true if len >= INTEGER_BYTES_MAX => Err(Code::QpackDecoderStream.says("a number that is too long")),
        true => Ok(len + 1),
        false => Ok(0),
    }
}

impl Control {
    fn next(&mut self, input: &mut Bytes) -> Result<Option<Found>, Fault> {
        let open = self.open;
        while let Some(part) = self.frames.next(input, |kind, len| fate(open, kind, len))? {
            match part {
                Part::Whole(frame::SETTINGS, payload) => {
                    self.open = true;
                    return settings::parse(&payload).map(Found::Settings).map(Some);
                }
                Part::Whole(_, payload) => {
                    // Each of those is one number. What it says concerns pushes, and requests of ours.
                    if read_varint(&payload).is_none_or(|(_, len)| len != payload.len()) {
                        return Err(Code::Frame.says("a frame that is not a number"));
                    }
                }
                Part::Piece(_) => {}
            }
        }
        Ok(None)
    }
}

fn fate(open: bool, kind: u64, len: u64) -> Result<Fate, Fault> {
    match (open, kind) {
        (false, frame::SETTINGS) if len <= SETTINGS_BYTES_MAX => Ok(Fate::Keep),
        (false, frame::SETTINGS) => Err(Code::ExcessiveLoad.says("settings that are too long")),
        (false, _) => Err(Code::MissingSettings.says("settings come first")),
        (true, frame::SETTINGS) => Err(Code::FrameUnexpected.says("settings a second time")),
        (true, frame::GOAWAY | frame::MAX_PUSH_ID | frame::CANCEL_PUSH) if len <= VARINT_BYTES_MAX => Ok(Fate::Keep),
        (true, frame::GOAWAY | frame::MAX_PUSH_ID | frame::CANCEL_PUSH) => {
            Err(Code::Frame.says("a frame that is not a number"))
        }
        (true, frame::DATA | frame::HEADERS | frame::PUSH_PROMISE | stream::WEBTRANSPORT_BIDI) => {
            Err(Code::FrameUnexpected.says("a frame of requests"))
        }
        (true, kind) if frame::is_reserved(kind) => Err(Code::FrameUnexpected.says("a frame of HTTP/2")),
        (true, _) => Ok(Fate::Skip),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a stream gives, some bytes at a time.
    fn read(bytes: &[u8], step: usize) -> (Vec<Found>, Result<(), Code>) {
        let (mut reader, mut found) = (Reader::new(), Vec::new());
        for piece in bytes.chunks(step) {
            let mut input = Bytes::copy_from_slice(piece);
            loop {
                match reader.next(&mut input) {
                    Ok(Some(one)) => found.push(one),
                    Ok(None) => break,
                    Err(fault) => return (found, Err(fault.code)),
                }
                if matches!(reader, Reader::Unknown(_)) {
                    return (found, Ok(()));
                }
            }
            assert!(reader.held_bytes() <= SETTINGS_BYTES_MAX as usize);
        }
        (found, Ok(()))
    }

    fn fails(bytes: &[u8]) -> Code {
        let whole = read(bytes, bytes.len());
        assert_eq!(read(bytes, 1), whole, "byte by byte");
        whole.1.expect_err("it is accepted")
    }

    #[test]
    fn streams_are_read_however_they_arrive() {
        let settings = Found::Settings(Settings { datagrams: true });
        // Settings, an unknown frame, GOAWAY, MAX_PUSH_ID, an unknown frame with a long type.
        let control = b"\x40\x00\x04\x02\x33\x01\x21\x03abc\x07\x01\x00\x0d\x02\x40\x40\xc0\0\0\0\0\x0f\x07\0\x02hi";
        for step in 1..=control.len() {
            assert_eq!(
                read(control, step),
                (vec![Found::Kind(0), Found::Settings(Settings { datagrams: true })], Ok(()))
            );
        }
        assert_eq!(read(b"\x00\x04\x02\x33\x01", 5).0[1], settings);
        assert_eq!(read(b"\x02\x20\x20", 1), (vec![Found::Kind(2)], Ok(())));
        assert_eq!(read(b"\x03\x40\x7f\x80\x01\x44", 1), (vec![Found::Kind(3)], Ok(())));
        assert_eq!(read(b"\x40\x54\x00abc", 1), (vec![Found::Kind(0x54)], Ok(())));
    }

    #[test]
    fn settings_come_first_and_once() {
        assert_eq!(fails(b"\x00\x04\x00\x04\x00"), Code::FrameUnexpected);
        for first in [&b"\x00\x07\x01\x00"[..], b"\x00\x21\x00", b"\x00\x01\x00", b"\x00\x40\x41\x00"] {
            assert_eq!(fails(first), Code::MissingSettings, "{first:x?}");
        }
        assert_eq!(fails(b"\x00\x04\x44\x01"), Code::ExcessiveLoad);
        assert_eq!(fails(b"\x00\x04\xff\xff\xff\xff\xff\xff\xff\xff"), Code::ExcessiveLoad);
        assert_eq!(fails(b"\x00\x04\x02\x02\x00"), Code::Settings);
        assert_eq!(fails(b"\x00\x04\x01\x33"), Code::Frame);
    }

    #[test]
    fn frames_of_requests_and_of_http_2_have_no_place_on_the_control_stream() {
        for kind in [0x00, 0x01, 0x02, 0x05, 0x06, 0x08, 0x09] {
            assert_eq!(fails(&[0, 4, 0, kind, 0]), Code::FrameUnexpected, "{kind}");
        }
        assert_eq!(fails(b"\x00\x04\x00\x40\x41\x00"), Code::FrameUnexpected);
        for number in [&b"\x00\x04\x00\x07\x00"[..], b"\x00\x04\x00\x07\x02\x00\x00", b"\x00\x04\x00\x0d\x09"] {
            assert_eq!(fails(number), Code::Frame, "{number:x?}");
        }
    }

    #[test]
    fn nothing_can_be_put_into_a_table_that_is_not_there() {
        // RFC 9204, appendixes B.2 to B.5: a capacity, insertions, a duplicate; then a size of more than 0.
        for instruction in [&b"\x02\x3f\xbd\x01"[..], b"\x02\xc0\x0f", b"\x02\x4a\x63", b"\x02\x02", b"\x02\x21"] {
            assert_eq!(fails(instruction), Code::QpackEncoderStream, "{instruction:x?}");
        }
        // An acknowledgement, a count, a number without an end.
        for instruction in [&b"\x03\x84"[..], b"\x03\x01", b"\x03\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"] {
            assert_eq!(fails(instruction), Code::QpackDecoderStream, "{instruction:x?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_arrives_is_read_or_refused(
            kind in 0_u8..4,
            open in any::<bool>(),
            noise in prop::collection::vec(any::<u8>(), 0..400),
            step in 1_usize..50,
        ) {
            let settings: &[u8] = if open { &[4, 0] } else { &[] };
            let stream = [&[kind], settings, &noise].concat();
            prop_assert_eq!(read(&stream, step), read(&stream, stream.len()));
        }
    }
}
