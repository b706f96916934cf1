//! The capsules on the CONNECT stream (RFC 9297, section 3.2): one of them ends the session with a code.

use anteroom_protocol::record::put_varint;

use super::fault::{Code, Fault};
use super::kind::frame;
use super::values::Fate;

/// CLOSE_WEBTRANSPORT_SESSION.
const CLOSE: u64 = 0x2843;
/// A code of four bytes, and a reason of at most this much.
const REASON_BYTES_MAX: u64 = 1024;

/// How a peer has closed the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Close {
    pub(super) code: u32,
    pub(super) reason: Vec<u8>,
}

/// What becomes of a capsule. Those that nobody knows are skipped, DRAIN_WEBTRANSPORT_SESSION among them: a client
/// that is about to leave says so in a record.
pub(super) fn fate(kind: u64, len: u64) -> Result<Fate, Fault> {
    match (kind, len) {
        (CLOSE, 4..) if len <= 4 + REASON_BYTES_MAX => Ok(Fate::Keep),
        (CLOSE, _) => Err(Code::Message.says("a session cannot be closed like that")),
        _ => Ok(Fate::Skip),
    }
}

impl Close {
    /// Reads the value of the one capsule that is kept.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let (code, reason) = value.split_first_chunk()?;
        Some(Self { code: u32::from_be_bytes(*code), reason: reason.to_vec() })
    }

    /// The capsule in a frame of its own, which some peers expect.
    pub(super) fn frame(&self) -> Vec<u8> {
        let mut capsule = Vec::new();
        put_varint(CLOSE, &mut capsule);
        put_varint(4 + self.reason.len() as u64, &mut capsule);
        capsule.extend_from_slice(&self.code.to_be_bytes());
        capsule.extend_from_slice(&self.reason);
        let mut bytes = Vec::new();
        put_varint(frame::DATA, &mut bytes);
        put_varint(capsule.len() as u64, &mut bytes);
        bytes.append(&mut capsule);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_has_these_bytes() {
        let close = Close { code: 4000, reason: b"bye".to_vec() };
        assert_eq!(close.frame(), b"\x00\x0a\x68\x43\x07\x00\x00\x0f\xa0bye");
        assert_eq!(Close::parse(b"\x00\x00\x0f\xa0bye"), Some(close));
    }

    #[test]
    fn a_close_is_bounded() {
        let code = |len| fate(CLOSE, len).map_err(|fault| fault.code);
        assert_eq!([4, 1028].map(code), [Ok(Fate::Keep), Ok(Fate::Keep)]);
        assert_eq!([0, 3, 1029, 1 << 61].map(code), [Err(Code::Message); 4]);
        assert_eq!(fate(0x78ae, 0), Ok(Fate::Skip));
        assert_eq!(fate(0x21, 1 << 61), Ok(Fate::Skip));
    }
}
