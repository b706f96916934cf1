//! A session that stands: its CONNECT stream, on which either side ends it.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use quinn::{ReadError, RecvStream, SendStream};

use super::capsule::{self, Close};
use super::connection::{Connection, poll_chunk, say_last};
use super::fault::{Code, Fault};
use super::kind::{frame, stream};
use super::values::{Fate, Part, Values};
use crate::error::Closed;

/// A session, and the connection that is there for it alone. Dropping it closes the connection.
pub(in crate::quic) struct Session {
    connection: Connection,
    send: SendStream,
    recv: RecvStream,
    /// What came along with the request.
    early: Bytes,
    frames: Values,
    capsules: Values,
    end: Option<Closed>,
}

impl Session {
    pub(super) fn new(connection: Connection, send: SendStream, recv: RecvStream, early: Bytes) -> Self {
        let (frames, capsules) = (Values::default(), Values::default());
        Self { connection, send, recv, early, frames, capsules, end: None }
    }

    /// Its end, if the peer has closed it or broken a rule. That of the connection is not seen from here.
    pub(in crate::quic) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        if let Some(end) = &self.end {
            return Poll::Ready(end.clone());
        }
        let end = match self.connection.poll(cx).map(|()| self.poll_end(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(end))) => end,
            // Nothing is wrong with what it says, so it can be told why it has to go like anybody else.
            Err(Fault { code: Code::ExcessiveLoad, says })
            | Ok(Poll::Ready(Err(Fault { code: Code::ExcessiveLoad, says }))) => Closed::Flooded(says.into()),
            Err(fault) | Ok(Poll::Ready(Err(fault))) => fault.end(self.connection.quic()),
        };
        Poll::Ready(self.end.insert(end).clone())
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<Closed, Fault>> {
        loop {
            if let Some(close) = self.close()? {
                return Poll::Ready(Ok(Closed::by_peer(close.code.into(), &close.reason)));
            }
            self.early = match ready!(poll_chunk(&mut self.recv, cx)) {
                Ok(Some(bytes)) => bytes,
                // Finishing it says as much as closing with no code and no reason.
                Ok(None) if self.frames.is_between() && self.capsules.is_between() => {
                    return Poll::Ready(Ok(Closed::by_peer(0, &[])));
                }
                // RFC 9297, section 3.3: here it is the message that is malformed, not its framing.
                Ok(None) if self.frames.is_between() => {
                    return Poll::Ready(Err(Code::Message.says("a capsule that is not whole")));
                }
                Ok(None) => return Poll::Ready(Err(Code::Frame.says("a frame that is not whole"))),
                Err(ReadError::ConnectionLost(_)) => return Poll::Pending,
                Err(_) => return Poll::Ready(Ok(Closed::Lost("the peer gave the session up".into()))),
            };
            self.connection.spend(self.early.len())?;
        }
    }

    /// Looks for it in what has been read.
    fn close(&mut self) -> Result<Option<Close>, Fault> {
        while let Some(part) = self.frames.next(&mut self.early, fate)? {
            let Part::Piece(mut capsules) = part else { continue };
            if let Some(Part::Whole(_, value)) = self.capsules.next(&mut capsules, capsule::fate)? {
                return Ok(Close::parse(&value));
            }
        }
        Ok(None)
    }

    /// Closes the session unless it has ended otherwise than by a flood. Its streams are over with it.
    pub(in crate::quic) async fn close_with(&mut self, code: u16, reason: &str) {
        if self.end.as_ref().is_some_and(|end| !matches!(end, Closed::Flooded(_))) {
            return;
        }
        let close = Close { code: code.into(), reason: reason.into() };
        say_last(self.connection.quic(), &mut self.send, &close.frame()).await;
    }
}

/// What becomes of a frame behind the request: capsules are in DATA (RFC 9114, section 4.4).
fn fate(kind: u64, _: u64) -> Result<Fate, Fault> {
    match kind {
        frame::DATA => Ok(Fate::Pass),
        stream::WEBTRANSPORT_BIDI => Err(Code::Frame.says("a stream that begins within another")),
        frame::HEADERS
        | frame::CANCEL_PUSH
        | frame::SETTINGS
        | frame::PUSH_PROMISE
        | frame::GOAWAY
        | frame::MAX_PUSH_ID => Err(Code::FrameUnexpected.says("a frame that has no place in a session")),
        kind if frame::is_reserved(kind) => Err(Code::FrameUnexpected.says("a frame of HTTP/2")),
        _ => Ok(Fate::Skip),
    }
}
