//! Frames of RFC 6455 as a client sends them, right or wrong.

/// The opcode of a part that is not the first.
pub const CONTINUATION: u8 = 0;
/// The opcode of text.
pub const TEXT: u8 = 1;
/// The opcode of a message that is not text.
pub const BINARY: u8 = 2;
/// The opcode of a close frame.
pub const CLOSE: u8 = 8;
/// The opcode of a ping.
pub const PING: u8 = 9;
/// The opcode of its answer.
pub const PONG: u8 = 10;
/// The bit of a frame that ends its message.
pub const LAST: u8 = 0x80;

/// A frame with this first byte, masked.
#[must_use]
pub fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame_masked_with([0x37, 0xfa, 0x21, 0x3d], first, payload)
}

/// The same with this mask.
#[must_use]
pub fn frame_masked_with(mask: [u8; 4], first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut frame = header(first, payload.len() as u64);
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// The beginning of a frame up to its mask, of which it says that it follows.
#[must_use]
pub fn header(first: u8, len: u64) -> Vec<u8> {
    let mut header = vec![first];
    match len {
        0..126 => header.push(0x80 | len as u8),
        126..0x1_0000 => {
            header.push(0x80 | 126);
            header.extend((len as u16).to_be_bytes());
        }
        _ => {
            header.push(0x80 | 127);
            header.extend(len.to_be_bytes());
        }
    }
    header
}

/// A whole text message.
#[must_use]
pub fn text(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(LAST | TEXT, payload)
}

/// A ping frame.
#[must_use]
pub fn ping(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(LAST | PING, payload)
}

/// A close frame with a code and a reason.
#[must_use]
pub fn close(code: u16, reason: impl AsRef<[u8]>) -> Vec<u8> {
    frame(LAST | CLOSE, [&code.to_be_bytes(), reason.as_ref()].concat())
}
