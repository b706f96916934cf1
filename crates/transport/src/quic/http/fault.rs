//! The rules of HTTP/3 that a peer can break, and the numbers by which it is told.

use std::borrow::Cow;

use quinn::VarInt;

use crate::error::Closed;

/// A broken rule. It ends the connection with its number, unless the caller says that it ends a stream alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{says}")]
pub(in crate::quic) struct Fault {
    pub(super) code: Code,
    pub(super) says: &'static str,
}

/// RFC 9114, section 8.1; RFC 9204, section 6; RFC 9297, section 5.2; draft-ietf-webtrans-http3, section 9.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(in crate::quic) enum Code {
    Datagram = 0x33,
    NoError = 0x100,
    StreamCreation = 0x103,
    ClosedCriticalStream = 0x104,
    FrameUnexpected = 0x105,
    Frame = 0x106,
    ExcessiveLoad = 0x107,
    Id = 0x108,
    Settings = 0x109,
    MissingSettings = 0x10a,
    RequestRejected = 0x10b,
    RequestIncomplete = 0x10d,
    Message = 0x10e,
    QpackDecompression = 0x200,
    QpackEncoderStream = 0x201,
    QpackDecoderStream = 0x202,
    BufferedStreamRejected = 0x3994_bd84,
}

impl Code {
    pub(in crate::quic) const fn says(self, says: &'static str) -> Fault {
        Fault { code: self, says }
    }
}

impl From<Code> for VarInt {
    fn from(code: Code) -> Self {
        Self::from_u32(code as u32)
    }
}

impl Fault {
    /// Ends the connection because of it.
    pub(in crate::quic) fn end(self, connection: &quinn::Connection) -> Closed {
        connection.close(self.code.into(), self.says.as_bytes());
        match self.code {
            // A program that is dropped has its streams finished for it, and some of that may arrive before the end of the
            // connection does. It has gone, which a session survives; it has not said anything wrong.
            Code::ClosedCriticalStream => Closed::Lost(Cow::Borrowed(self.says)),
            _ => Closed::Malformed(Cow::Borrowed(self.says)),
        }
    }
}
