//! The connection's own streams: our control stream, and the peer's unidirectional ones.

use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use quinn::{ConnectionError, ReadError, RecvStream, SendStream};
use tokio::time::timeout;

use super::fault::{Code, Fault};
use super::kind::stream;
use super::settings::{self, Settings};
use super::unidirectional::{Found, Reader};
use super::values::SKIPPED_BYTES_MAX;
use crate::quic::session::Waiting;

/// How much is taken off a stream at once.
pub(super) const READ_BYTES: usize = 1024;
/// How long a peer may take to close the connection once the last thing was said.
const LEAVE_MAX: Duration = Duration::from_secs(3);
/// How many streams a peer may open that nobody here reads.
const REFUSED_MAX: u32 = 64;

/// What a connection has besides its requests. Dropping it closes the connection.
pub(super) struct Connection {
    quic: quinn::Connection,
    /// It says nothing after the settings, but its end would be the connection's. A peer that stops it is not noticed:
    /// to wait for that would make every idle session some hundreds of bytes larger.
    _control: SendStream,
    accepting: Option<Waiting<RecvStream>>,
    /// No more than QUIC allows at a time.
    streams: Vec<(RecvStream, Reader)>,
    /// A bit for each kind of which there can be one.
    seen: u8,
    settings: Option<Settings>,
    refused: u32,
    /// How many bytes have come that carry none of the session's records.
    spent: u64,
}

impl Connection {
    /// Sends our settings.
    pub(super) async fn open(quic: quinn::Connection) -> Result<Self, ConnectionError> {
        let mut control = quic.open_uni().await?;
        // Fails with the connection, whose end others see, or if the peer does not want to know.
        let _ = control.write_all(&settings::control_stream()).await;
        let mut connection = Self {
            quic,
            _control: control,
            accepting: None,
            streams: Vec::new(),
            seen: 0,
            settings: None,
            refused: 0,
            spent: 0,
        };
        connection.accepting = Some(connection.accept());
        Ok(connection)
    }

    pub(super) fn quic(&self) -> &quinn::Connection {
        &self.quic
    }

    /// The peer's, once they are here.
    pub(super) fn settings(&self) -> Option<Settings> {
        self.settings
    }

    /// Counts a stream that is given up unread.
    pub(super) fn refuse(&mut self) -> Result<(), Fault> {
        self.refused += 1;
        if self.refused > REFUSED_MAX {
            return Err(Code::ExcessiveLoad.says("too many streams that nobody knows"));
        }
        Ok(())
    }

    /// Counts what has come on the connection's own streams and on the session's. Each may say next to nothing over and
    /// over, within every rule, and all of it is read.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), Fault> {
        self.spent += bytes as u64;
        if self.spent > SKIPPED_BYTES_MAX {
            return Err(Code::ExcessiveLoad.says("too much that is not the session's"));
        }
        Ok(())
    }

    /// Reads what is there. Whether the connection is lost is for others to find.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Result<(), Fault> {
        while let Some(accepting) = &mut self.accepting {
            match accepting.as_mut().poll(cx) {
                Poll::Pending => break,
                Poll::Ready(Ok(stream)) => {
                    self.streams.push((stream, Reader::new()));
                    self.accepting = Some(self.accept());
                }
                Poll::Ready(Err(_)) => self.accepting = None,
            }
        }
        self.read(cx)
    }

    fn accept(&self) -> Waiting<RecvStream> {
        let quic = self.quic.clone();
        Box::pin(async move { quic.accept_uni().await.map_err(crate::quic::session::closed) })
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Result<(), Fault> {
        let mut place = 0;
        while place < self.streams.len() {
            if self.read_stream(place, cx)? {
                place += 1;
            } else {
                self.streams.swap_remove(place);
            }
        }
        Ok(())
    }

    /// Whether there is more to come.
    fn read_stream(&mut self, place: usize, cx: &mut Context<'_>) -> Result<bool, Fault> {
        loop {
            let (stream, reader) = &mut self.streams[place];
            let mut input = match poll_chunk(stream, cx) {
                Poll::Pending => return Ok(true),
                Poll::Ready(Ok(Some(input))) => input,
                Poll::Ready(Err(ReadError::ConnectionLost(_))) => return Ok(false),
                Poll::Ready(Ok(None) | Err(_)) => {
                    reader.ended()?;
                    self.refuse()?;
                    return Ok(false);
                }
            };
            self.spend(input.len())?;
            while let Some(found) = self.streams[place].1.next(&mut input)? {
                match found {
                    Found::Settings(settings) => self.settings = Some(settings),
                    Found::Kind(kind) if self.is_read(kind)? => {}
                    Found::Kind(kind) => {
                        let code = match kind {
                            stream::WEBTRANSPORT => Code::BufferedStreamRejected,
                            _ => Code::StreamCreation,
                        };
                        // Fails on a stream that has ended, which is as well.
                        let _ = self.streams[place].0.stop(code.into());
                        self.refuse()?;
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// Whether streams of that kind are read; of those there is one of each.
    fn is_read(&mut self, kind: u64) -> Result<bool, Fault> {
        match kind {
            stream::PUSH => Err(Code::StreamCreation.says("clients do not push")),
            stream::CONTROL | stream::QPACK_ENCODER | stream::QPACK_DECODER => {
                let bit = 1 << kind;
                if self.seen & bit != 0 {
                    return Err(Code::StreamCreation.says("a stream of the connection's own a second time"));
                }
                self.seen |= bit;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

/// The streams are about to end as they are dropped, and would seem to be given up one by one.
impl Drop for Connection {
    fn drop(&mut self) {
        if self.quic.close_reason().is_none() {
            self.quic.close(Code::NoError.into(), &[]);
        }
    }
}

/// Says the last thing on a stream, and gives the peer some time to read it and to close the connection. That the bytes
/// are acknowledged, or that the peer's half of the stream ends, says nothing: a browser's network does so by itself, and
/// what its page has not read by the connection's end is lost to it. Chromium lets go of a connection without a word, so
/// that there it is always waited for as long as can be.
pub(super) async fn say_last(quic: &quinn::Connection, send: &mut SendStream, bytes: &[u8]) {
    let said = async {
        // Fails on a stream that the peer has stopped, or with the connection, which is over then.
        if send.write_all(bytes).await.is_ok() && send.finish().is_ok() {
            quic.closed().await;
        }
    };
    // Who takes longer, or never means to go, is not waited for.
    let _ = timeout(LEAVE_MAX, said).await;
}

pub(super) fn poll_chunk(stream: &mut RecvStream, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, ReadError>> {
    let chunk = pin!(stream.read_chunk(READ_BYTES, true)).poll(cx);
    chunk.map_ok(|chunk| chunk.map(|chunk| chunk.bytes))
}
