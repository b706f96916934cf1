//! Frames from a client, as much of RFC 6455 as clients of a benchmark send: none in fragments, none with extensions.

use std::io;

const MASK_BYTES: usize = 4;
/// No message of a benchmark is longer.
const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// What a whole frame is.
#[derive(Debug, PartialEq)]
pub(super) enum Taken<'a> {
    Message(Masked<'a>),
    Ping(Masked<'a>),
    /// An answer to a ping.
    Nothing,
}

/// A payload as it came.
#[derive(Debug, PartialEq)]
pub(super) struct Masked<'a> {
    opcode: u8,
    mask: [u8; MASK_BYTES],
    payload: &'a [u8],
}

/// The frame at the front and its length, if it is whole. Whatever is not known, and a close, is an error.
pub(super) fn take(bytes: &[u8]) -> io::Result<Option<(Taken<'_>, usize)>> {
    let [first, second, ..] = *bytes else { return Ok(None) };
    if first & 0xf0 != 0x80 || second & 0x80 == 0 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let (start, len) = match (second & 0x7f, &bytes[2..]) {
        (126, [a, b, ..]) => (4, u16::from_be_bytes([*a, *b]).into()),
        (127, [a, b, c, d, e, f, g, h, ..]) => (10, u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) as usize),
        (126 | 127, _) => return Ok(None),
        (len, _) => (2, len.into()),
    };
    if len > PAYLOAD_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let end = start + MASK_BYTES + len;
    let Some(frame) = bytes.get(start..end) else { return Ok(None) };
    let (mask, payload) = frame.split_at(MASK_BYTES);
    let masked = Masked { opcode: first & 0x0f, mask: [mask[0], mask[1], mask[2], mask[3]], payload };
    let taken = match masked.opcode {
        1 | 2 => Taken::Message(masked),
        9 => Taken::Ping(masked),
        10 => Taken::Nothing,
        _ => return Err(io::ErrorKind::InvalidData.into()),
    };
    Ok(Some((taken, end)))
}

impl Masked<'_> {
    /// Appends it as a server's frame.
    pub(super) fn frame_into(&self, out: &mut Vec<u8>) {
        self.append(self.opcode, out);
    }

    pub(super) fn pong_into(&self, out: &mut Vec<u8>) {
        self.append(10, out);
    }

    fn append(&self, opcode: u8, out: &mut Vec<u8>) {
        out.push(0x80 | opcode);
        match u16::try_from(self.payload.len()) {
            Ok(len @ ..126) => out.push(len as u8),
            Ok(len) => {
                out.push(126);
                out.extend_from_slice(&len.to_be_bytes());
            }
            Err(_) => {
                out.push(127);
                out.extend_from_slice(&(self.payload.len() as u64).to_be_bytes());
            }
        }
        let start = out.len();
        out.extend_from_slice(self.payload);
        for four in out[start..].chunks_mut(MASK_BYTES) {
            four.iter_mut().zip(self.mask).for_each(|(byte, mask)| *byte ^= mask);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let mut frame = vec![first];
        match payload.len() {
            len @ ..126 => frame.push(0x80 | len as u8),
            len @ ..65536 => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(len as u16).to_be_bytes());
            }
            len => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(&mask);
        frame.extend(payload.iter().enumerate().map(|(place, byte)| byte ^ mask[place % 4]));
        frame
    }

    fn relayed(frame: &[u8]) -> Vec<u8> {
        let (taken, len) = take(frame).unwrap().unwrap();
        assert_eq!(len, frame.len());
        let mut out = Vec::new();
        match taken {
            Taken::Message(message) => message.frame_into(&mut out),
            Taken::Ping(payload) => payload.pong_into(&mut out),
            Taken::Nothing => {}
        }
        out
    }

    #[test]
    fn messages_of_every_length_are_unmasked_and_framed() {
        // The example of RFC 6455, section 5.7.
        let example = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(relayed(&example), b"\x81\x05Hello");
        for (len, header) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let payload: Vec<u8> = (0..len).map(|place| place as u8).collect();
            let out = relayed(&masked(0x82, &payload));
            assert_eq!((out[0], out.len()), (0x82, header + len));
            assert_eq!(out[header..], payload);
        }
    }

    #[test]
    fn a_part_of_a_frame_is_waited_for() {
        for len in [5, 126, 65_536] {
            let frame = masked(0x81, &vec![b'x'; len]);
            for end in (0..20.min(frame.len())).chain([frame.len() - 1]) {
                assert_eq!(take(&frame[..end]).unwrap(), None, "{end} bytes of {len}");
            }
        }
    }

    #[test]
    fn pings_are_answered_and_nothing_else_is_known() {
        assert_eq!(relayed(&masked(0x89, b"you?")), b"\x8a\x04you?");
        assert_eq!(relayed(&masked(0x8a, b"")), b"");
        for first in [0x01, 0x80, 0x88, 0x83, 0xc1] {
            assert!(take(&masked(first, b"")).is_err(), "{first:#x}");
        }
        assert!(take(b"\x81\x05Hello").is_err(), "not masked");
        assert!(take(&[0x81, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).is_err(), "endless");
    }
}
