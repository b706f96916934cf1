//! As much of RFC 6455 as a load generator needs: whole frames from a server, and masked ones to it.

use crate::stamp::Stamp;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// UTF-8.
    Text,
    /// Bytes.
    Binary,
}

/// A whole message from a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Text or bytes.
    pub kind: FrameKind,
    /// What it says.
    pub payload: &'a [u8],
}

/// Appends a masked frame. The mask is zero, which leaves the payload as it is: a server works the same, and the
/// generator changes a stamp in place.
pub fn push_frame(kind: FrameKind, payload: &[u8], out: &mut Vec<u8>) {
    let opcode = match kind {
        FrameKind::Text => Opcode::TEXT,
        FrameKind::Binary => Opcode::BINARY,
    };
    push(opcode, payload, out);
}

/// A message whose stamp alone changes, framed once.
#[derive(Debug, Clone)]
pub struct Template {
    frame: Vec<u8>,
    place: usize,
}

impl Template {
    /// Frames a message; `None` if it has no stamp.
    #[must_use]
    pub fn new(kind: FrameKind, message: &[u8]) -> Option<Self> {
        let mut frame = Vec::with_capacity(message.len() + 14);
        push_frame(kind, message, &mut frame);
        let place = Stamp::place(&frame)?;
        Some(Self { frame, place })
    }

    /// Appends the message with this stamp.
    pub fn push(&mut self, stamp: Stamp, out: &mut Vec<u8>) {
        stamp.put(&mut self.frame, self.place);
        out.extend_from_slice(&self.frame);
    }
}

/// What the first byte of a frame says, as it stands there with FIN.
pub(crate) struct Opcode;

impl Opcode {
    pub(crate) const TEXT: u8 = 0x81;
    pub(crate) const BINARY: u8 = 0x82;
    pub(crate) const CLOSE: u8 = 0x88;
    pub(crate) const PING: u8 = 0x89;
    pub(crate) const PONG: u8 = 0x8A;
}

pub(crate) fn push(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(opcode);
    match payload.len() {
        len @ ..126 => out.push(0x80 | len as u8),
        len @ ..=0xFFFF => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

/// The first whole frame of what a server sent: its first byte, its payload, and how long all of it is.
pub(crate) fn first(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (start, len) = match *bytes.get(1)? {
        126 => (4, u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into()),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize),
        len => (2, len.into()),
    };
    let end = len.checked_add(start)?;
    Some((bytes[0], bytes.get(start..end)?, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::BODY;

    #[test]
    fn frames_of_every_length_have_the_right_header() {
        for (len, header) in [
            (0, &[0x81, 0x80][..]),
            (125, &[0x81, 0x80 | 125]),
            (126, &[0x81, 0x80 | 126, 0, 126]),
            (0xFFFF, &[0x81, 0x80 | 126, 0xFF, 0xFF]),
            (0x10000, &[0x81, 0x80 | 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut frame = Vec::new();
            push_frame(FrameKind::Text, &vec![b'a'; len], &mut frame);
            assert_eq!(&frame[..header.len()], header);
            assert_eq!(frame.len(), header.len() + 4 + len);
        }
    }

    #[test]
    fn only_whole_frames_are_taken() {
        let mut bytes = vec![0x82, 126, 0, 200];
        bytes.extend_from_slice(&[7; 200]);
        for end in 0..bytes.len() {
            assert_eq!(first(&bytes[..end]), None);
        }
        assert_eq!(first(&bytes), Some((0x82, &[7; 200][..], 204)));
        assert_eq!(first(&[0x81, 127, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0]), None);
    }

    #[test]
    fn a_template_changes_only_its_stamp() {
        let mut template = Template::new(FrameKind::Text, BODY.as_bytes()).unwrap();
        let mut out = Vec::new();
        for number in [3, 4] {
            template.push(Stamp { sender: 2, number, at_us: 1 }, &mut out);
        }
        assert_eq!(Stamp::all(&out).map(|stamp| stamp.number).collect::<Vec<_>>(), [3, 4]);
        assert!(Template::new(FrameKind::Text, b"no stamp").is_none());
    }
}
