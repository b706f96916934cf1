//! The frame layer of RFC 6455, without IO: bytes in, messages and control frames out.
//!
//! tungstenite would do it too, but keeps a buffer as large as the largest message of the connection's life (64 KiB
//! after one of that size, 4 KiB before); this reader holds nothing between messages. Tests hold it against tungstenite.
//! Extensions are not negotiated, so none are understood.

use anteroom_protocol::Codec;
use bytes::{Buf, Bytes, BytesMut};

use crate::error::Closed;

/// The longest payload of a control frame (RFC 6455, section 5.5).
pub(super) const CONTROL_BYTES_MAX: usize = 125;
/// The longest header.
const HEADER_BYTES_MAX: usize = 14;
/// More parts without payload than this in one message are a way to waste the receiver's time. Others are bounded by
/// what a message may have in all.
const EMPTY_FRAGMENTS_MAX: u32 = 1024;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Which end of the connection: a client masks what it sends, a server does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Client,
    Server,
}

/// What arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    Data {
        codec: Codec,
        payload: Bytes,
    },
    Ping(Bytes),
    Pong(Bytes),
    /// The peer will say no more. `code` is [`NO_CODE`] if it gave none that may be sent, and `answer` what goes back.
    Close {
        code: u16,
        reason: String,
        answer: u16,
    },
}

/// Cuts the bytes of one direction into messages.
#[derive(Debug)]
pub(super) struct FrameReader {
    role: Role,
    message_bytes_max: usize,
    /// A message that came alone, and is in front of the buffer.
    whole: Option<Message>,
    buffer: BytesMut,
    fragments: Option<Fragments>,
}

/// The beginning of a message whose end has not come.
#[derive(Debug)]
struct Fragments {
    codec: Codec,
    payload: BytesMut,
    empty: u32,
}

struct FrameHeader {
    last: bool,
    opcode: u8,
    mask: [u8; 4],
    len: usize,
}

impl FrameReader {
    pub(super) fn new(role: Role, message_bytes_max: usize) -> Self {
        Self { role, message_bytes_max, whole: None, buffer: BytesMut::new(), fragments: None }
    }

    /// Takes what was read.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        match self.whole_message(bytes) {
            None => self.buffer.extend_from_slice(bytes),
            whole => self.whole = whole,
        }
    }

    /// What was read is mostly just one message, which is copied once then. What is wrong with it is found again, and
    /// said, when it is read from the buffer.
    fn whole_message(&mut self, bytes: &[u8]) -> Option<Message> {
        if !self.buffer.is_empty() || self.whole.is_some() || self.fragments.is_some() {
            return None;
        }
        let (header, len) = self.header(bytes).ok()??;
        if !header.last || len + header.len != bytes.len() {
            return None;
        }
        self.message(&header, BytesMut::from(&bytes[len..])).ok()?
    }

    /// The next message or control frame; `None` if more bytes are needed.
    pub(super) fn next(&mut self) -> Result<Option<Message>, Closed> {
        if let Some(message) = self.whole.take() {
            return Ok(Some(message));
        }
        while let Some((header, len)) = self.header(&self.buffer)? {
            self.buffer.advance(len);
            let payload = self.buffer.split_to(header.len);
            if let Some(message) = self.message(&header, payload)? {
                return Ok(Some(message));
            }
        }
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        Ok(None)
    }

    fn message(&mut self, header: &FrameHeader, mut payload: BytesMut) -> Result<Option<Message>, Closed> {
        if self.role == Role::Server {
            apply_mask(&mut payload, header.mask);
        }
        self.frame(header, payload)
    }

    /// The header of a frame that has arrived whole, and the header's own length.
    fn header(&self, bytes: &[u8]) -> Result<Option<(FrameHeader, usize)>, Closed> {
        let &[first, second, ..] = bytes else { return Ok(None) };
        self.check_bits(first, second)?;
        let mut start = &bytes[2..];
        let len = match second & 0x7f {
            126 => start.try_get_u16().map(u64::from),
            127 => start.try_get_u64(),
            short => Ok(short.into()),
        };
        let Ok(len) = len else { return Ok(None) };
        self.check_length(first, len)?;
        let mut mask = [0; 4];
        if self.role == Role::Server && start.try_copy_to_slice(&mut mask).is_err() {
            return Ok(None);
        }
        // The length is checked to be one of a message that is allowed.
        let len = len as usize;
        if start.len() < len {
            return Ok(None);
        }
        let header = FrameHeader { last: first & 0x80 != 0, opcode: first & 0x0f, mask, len };
        Ok(Some((header, bytes.len() - start.len())))
    }

    fn check_bits(&self, first: u8, second: u8) -> Result<(), Closed> {
        let opcode = first & 0x0f;
        let broken = if first & 0x70 != 0 {
            "a frame uses an extension that was not agreed on"
        } else if (second & 0x80 != 0) != (self.role == Role::Server) {
            "a frame is not masked as its direction asks"
        } else if opcode >= CLOSE && (first & 0x80 == 0 || second & 0x7f > CONTROL_BYTES_MAX as u8) {
            "a control frame is too long or in parts"
        } else {
            match (opcode, self.fragments.is_some()) {
                (TEXT | BINARY, false) | (CONTINUATION, true) | (CLOSE | PING | PONG, _) => return Ok(()),
                (TEXT | BINARY, true) => "a message begins inside another",
                (CONTINUATION, false) => "a message continues that never began",
                _ => "a frame of unknown kind",
            }
        };
        Err(Closed::Malformed(broken.into()))
    }

    fn check_length(&self, first: u8, len: u64) -> Result<(), Closed> {
        let before = match &self.fragments {
            Some(fragments) if first & 0x0f < CLOSE => fragments.payload.len() as u64,
            _ => 0,
        };
        let len = before.saturating_add(len);
        // Control frames have a bound of their own, whatever messages are allowed.
        if first & 0x0f < CLOSE && len > self.message_bytes_max as u64 {
            return Err(Closed::TooLarge { len, max: self.message_bytes_max });
        }
        Ok(())
    }

    fn frame(&mut self, header: &FrameHeader, payload: BytesMut) -> Result<Option<Message>, Closed> {
        let codec = match header.opcode {
            CLOSE => return Ok(Some(close(&payload))),
            PING => return Ok(Some(Message::Ping(payload.freeze()))),
            PONG => return Ok(Some(Message::Pong(payload.freeze()))),
            TEXT => Codec::Json,
            _ => Codec::Bincode,
        };
        let (codec, payload) = match self.fragments.take() {
            None if header.last => (codec, payload),
            None => {
                let empty = u32::from(payload.is_empty());
                self.fragments = Some(Fragments { codec, payload: BytesMut::from(&payload[..]), empty });
                return Ok(None);
            }
            Some(mut fragments) => {
                fragments.payload.extend_from_slice(&payload);
                fragments.empty += u32::from(payload.is_empty());
                if fragments.empty > EMPTY_FRAGMENTS_MAX {
                    return Err(Closed::Flooded("a message in too many parts without payload".into()));
                }
                if !header.last {
                    self.fragments = Some(fragments);
                    return Ok(None);
                }
                (fragments.codec, fragments.payload)
            }
        };
        if codec == Codec::Json && std::str::from_utf8(&payload).is_err() {
            return Err(Closed::Malformed("a text message is not UTF-8".into()));
        }
        Ok(Some(Message::Data { codec, payload: payload.freeze() }))
    }
}

/// Reads a close frame. A broken one closes as well; what is wrong with it is the answer (RFC 6455, section 7.4.1).
fn close(payload: &[u8]) -> Message {
    let wrong = |answer| (NO_CODE, "", answer);
    let (code, reason, answer) = match payload {
        [] => wrong(NO_CODE),
        [high, low, reason @ ..] => match (u16::from_be_bytes([*high, *low]), std::str::from_utf8(reason)) {
            (code, _) if !may_be_sent(code) => wrong(PROTOCOL_ERROR),
            (_, Err(_)) => wrong(INVALID_PAYLOAD),
            (code, Ok(reason)) => (code, reason, code),
        },
        [_] => wrong(PROTOCOL_ERROR),
    };
    Message::Close { code, reason: reason.to_owned(), answer }
}

/// What stands for a close frame without a code; never sent (RFC 6455, section 7.4.1).
const NO_CODE: u16 = 1005;
const PROTOCOL_ERROR: u16 = 1002;
const INVALID_PAYLOAD: u16 = 1007;

/// Whether a close frame may have this code: one that IANA's registry has and that is sent, or one of an application or
/// a library.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// The payload of a close frame.
pub(super) fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    let mut payload = Vec::with_capacity(2 + reason.len());
    if code != NO_CODE {
        payload.extend_from_slice(&code.to_be_bytes());
        payload.extend_from_slice(reason.as_bytes());
    }
    payload
}

/// Control frames that are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    Close,
    Ping,
    Pong,
}

/// A whole control frame, masked with `mask` if there is one.
pub(super) fn control_frame(kind: Control, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let opcode = match kind {
        Control::Close => CLOSE,
        Control::Ping => PING,
        Control::Pong => PONG,
    };
    let payload = &payload[..payload.len().min(CONTROL_BYTES_MAX)];
    let mut frame = Vec::with_capacity(HEADER_BYTES_MAX + payload.len());
    frame.extend_from_slice(&[0x80 | opcode, payload.len() as u8]);
    frame.extend_from_slice(payload);
    match mask {
        Some(mask) => masked_frame(&frame, mask),
        None => frame,
    }
}

/// A copy of an unmasked frame as a client has to send it.
pub(super) fn masked_frame(frame: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let header_len = match frame.get(1) {
        Some(126) => 4,
        Some(127) => 10,
        _ => 2,
    };
    let (header, payload) = frame.split_at(header_len.min(frame.len()));
    let mut masked = Vec::with_capacity(frame.len() + mask.len());
    masked.extend_from_slice(header);
    masked[1] |= 0x80;
    masked.extend_from_slice(&mask);
    masked.extend_from_slice(payload);
    apply_mask(&mut masked[header_len + mask.len()..], mask);
    masked
}

/// RFC 6455, section 5.3. Its own inverse.
fn apply_mask(payload: &mut [u8], mask: [u8; 4]) {
    let word = u64::from(u32::from_ne_bytes(mask));
    let word = (word << 32 | word).to_ne_bytes();
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        chunk.iter_mut().zip(word).for_each(|(byte, mask)| *byte ^= mask);
    }
    chunks.into_remainder().iter_mut().zip(word).for_each(|(byte, mask)| *byte ^= mask);
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn read(role: Role, max: usize, bytes: &[u8], step: usize) -> Result<Vec<Message>, Closed> {
        let mut reader = FrameReader::new(role, max);
        let mut messages = Vec::new();
        for chunk in bytes.chunks(step) {
            reader.push(chunk);
            while let Some(message) = reader.next()? {
                messages.push(message);
            }
        }
        Ok(messages)
    }

    fn data(payload: &'static [u8]) -> Message {
        Message::Data { codec: Codec::Json, payload: Bytes::from_static(payload) }
    }

    /// The examples of RFC 6455, section 5.7.
    #[test]
    fn the_examples_of_rfc_6455() {
        let unmasked = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
        let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        let parts = [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f];
        for step in 1..12 {
            assert_eq!(read(Role::Client, 5, &unmasked, step), Ok(vec![data(b"Hello")]));
            assert_eq!(read(Role::Server, 5, &masked, step), Ok(vec![data(b"Hello")]));
            assert_eq!(read(Role::Client, 5, &parts, step), Ok(vec![data(b"Hello")]));
        }
        assert_eq!(masked_frame(&unmasked, [0x37, 0xfa, 0x21, 0x3d]), masked);
    }

    #[test]
    fn control_frames_come_between_parts() {
        let bytes = [0x01, 0x01, b'a', 0x89, 0x01, b'p', 0x88, 0x03, 0x0f, 0xa0, b'x', 0x80, 0x00];
        let expected = [Message::Ping(Bytes::from_static(b"p")), closing(4000, "x", 4000), data(b"a")];
        assert_eq!(read(Role::Client, 1, &bytes, 1), Ok(expected.into()));
    }

    fn closing(code: u16, reason: &str, answer: u16) -> Message {
        Message::Close { code, reason: reason.into(), answer }
    }

    #[test]
    fn a_close_frame_that_may_not_be_is_answered_by_what_is_wrong_with_it() {
        let bare = [0x88, 0];
        assert_eq!(read(Role::Client, 1, &bare, 1), Ok(vec![closing(1005, "", 1005)]));
        let half = [0x88, 1, 3];
        assert_eq!(read(Role::Client, 1, &half, 1), Ok(vec![closing(1005, "", 1002)]));
        let not_utf8 = [0x88, 3, 0x0f, 0xa0, 0xff];
        assert_eq!(read(Role::Client, 1, &not_utf8, 1), Ok(vec![closing(1005, "", 1007)]));
        let sent: Vec<u16> = (0..=u16::MAX).filter(|code| may_be_sent(*code)).collect();
        assert_eq!(sent, (1000..1004).chain(1007..1015).chain(3000..5000).collect::<Vec<_>>());
        for code in 0..=u16::MAX {
            let frame = [&[0x88, 2][..], &code.to_be_bytes()].concat();
            let expected = if may_be_sent(code) { closing(code, "", code) } else { closing(1005, "", 1002) };
            assert_eq!(read(Role::Client, 1, &frame, 4), Ok(vec![expected]));
        }
    }

    #[test]
    fn too_large_is_known_from_the_header() {
        let claim = [0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(read(Role::Client, 64, &claim, 10), Err(Closed::TooLarge { len: u64::MAX, max: 64 }));
        let parts = [0x02, 0x02, 0, 0, 0x80, 0x02];
        assert_eq!(read(Role::Client, 3, &parts, 6), Err(Closed::TooLarge { len: 4, max: 3 }));
    }

    #[test]
    fn what_the_rfc_forbids_is_malformed() {
        let cases: [&[u8]; 9] = [
            &[0xc1, 0x00],
            &[0x81, 0x80, 0, 0, 0, 0],
            &[0x83, 0x00],
            &[0x8b, 0x00],
            &[0x80, 0x00],
            &[0x01, 0x00, 0x01, 0x00],
            &[0x09, 0x00],
            &[0x89, 126, 0, 126],
            &[0x81, 0x01, 0xff],
        ];
        for bytes in cases {
            assert!(matches!(read(Role::Client, 64, bytes, 64), Err(Closed::Malformed(_))), "{bytes:x?}");
        }
        assert!(matches!(read(Role::Server, 64, &[0x81, 0x00], 2), Err(Closed::Malformed(_))));
    }

    #[test]
    fn a_flood_of_empty_parts_ends_and_small_ones_pass() {
        let empty = [0x00, 0x00].repeat(EMPTY_FRAGMENTS_MAX as usize);
        let flood = [&[0x01, 0x00][..], &empty].concat();
        assert!(matches!(read(Role::Client, 64, &flood, 64), Err(Closed::Flooded(_))));
        let text = [&[0x01, 0x01, b'a'][..], &empty, &[0x80, 0x01, b'b']].concat();
        assert_eq!(read(Role::Client, 64, &text, 64), Ok(vec![data(b"ab")]));
        let small = [&[0x02, 0x01, b'a'][..], &[0x00, 0x01, b'a'].repeat(65_534), &[0x80, 0x01, b'a']].concat();
        let whole = Message::Data { codec: Codec::Bincode, payload: vec![b'a'; 65_536].into() };
        assert_eq!(read(Role::Client, 65_536, &small, 16_384), Ok(vec![whole]));
    }

    /// A generator that tests can repeat (SplitMix64).
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: u64) -> usize {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            ((bits ^ (bits >> 31)) % bound) as usize
        }
    }

    /// What tungstenite's client writes, in parts or not, comes out as it went in.
    #[test]
    fn tungstenite_writes_the_same_language() {
        use tokio_tungstenite::tungstenite::protocol::frame::Frame;
        use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
        use tokio_tungstenite::tungstenite::protocol::{self, WebSocket};

        let mut random = Random(1);
        for _ in 0..300 {
            let mut client = WebSocket::from_raw_socket(Cursor::new(Vec::new()), protocol::Role::Client, None);
            let mut expected = Vec::new();
            for _ in 0..=random.below(6) {
                let payload = vec![b'a' + random.below(26) as u8; [5, 200, 70_000][random.below(3)]];
                let (codec, kind) = [(Codec::Json, Data::Text), (Codec::Bincode, Data::Binary)][random.below(2)];
                let parts = payload.len().div_ceil(random.below(4) + 1).max(1);
                let count = payload.chunks(parts).count();
                for (place, part) in payload.chunks(parts).enumerate() {
                    let kind = if place == 0 { kind } else { Data::Continue };
                    let frame = Frame::message(part.to_vec(), OpCode::Data(kind), place + 1 == count);
                    client.send(protocol::Message::Frame(frame)).unwrap();
                    if place + 1 == count {
                        expected.push(Message::Data { codec, payload: payload.clone().into() });
                    }
                    if random.below(3) == 0 {
                        let ping = Bytes::from(vec![7; random.below(126)]);
                        client.send(protocol::Message::Ping(ping.clone())).unwrap();
                        expected.push(Message::Ping(ping));
                    }
                }
            }
            let written = client.into_inner().into_inner();
            let step = [1 + random.below(40), 70_000][random.below(2)];
            assert_eq!(read(Role::Server, 70_000, &written, step), Ok(expected));
        }
    }

    /// Whatever arrives, reading neither panics nor keeps more than a message and what came with its end.
    #[test]
    fn noise_is_survived_within_bounds() {
        let mut random = Random(2);
        for round in 0..2000 {
            let role = [Role::Client, Role::Server][round % 2];
            let mut reader = FrameReader::new(role, 1000);
            for _ in 0..50 {
                // Bytes that frames often begin with, so that some of them are frames.
                let noise: Vec<u8> = (0..random.below(60))
                    .map(|_| [0x81, 0x01, 0x80, 0x82, 0x89, 0, 5, random.below(256) as u8][random.below(8)])
                    .collect();
                reader.push(&noise);
                while let Ok(Some(_)) = reader.next() {}
                let kept = reader.fragments.as_ref().map_or(0, |fragments| fragments.payload.len());
                assert!(kept <= 1000);
                if reader.next().is_err() {
                    break;
                }
                assert!(reader.buffer.len() < 1000 + HEADER_BYTES_MAX);
            }
        }
    }

    #[test]
    fn nothing_is_held_between_messages() {
        let mut reader = FrameReader::new(Role::Client, 1 << 16);
        reader.push(&[0x82, 126, 0xff, 0xff]);
        assert_eq!(reader.next(), Ok(None));
        reader.push(&[0; 0xffff]);
        assert!(matches!(reader.next(), Ok(Some(Message::Data { .. }))));
        assert_eq!(reader.next(), Ok(None));
        assert_eq!(reader.buffer.capacity(), 0);
    }
}
