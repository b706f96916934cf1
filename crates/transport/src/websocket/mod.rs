//! WebSocket over any byte stream, on both sides, from after the handshake on.
//!
//! A server's records are written as [`Batch`] framed them, shared with everyone they go to. An idle connection
//! holds no buffers. Compression is not negotiated.

mod allowance;
mod closing;
mod direct;
mod frame;
mod outbox;

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use anteroom_protocol::{Batch, LaneId};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::Instant;
#[cfg(feature = "dial")]
use tokio_rustls::client;
use tokio_rustls::server;

use self::allowance::Allowance;
use self::direct::Sink;
pub use self::direct::{Direct, Opening};
use self::frame::{FrameReader, Message, Role};
use crate::config::TransportConfig;
use crate::connection::{Connection, Event};
use crate::error::{Closed, DatagramRefused};
use crate::link::{Driver, Link};
use crate::liveness::{Liveness, Tick};
use crate::metered::Metered;

/// How much one read takes, on the stack.
const READ_BYTES: usize = 16 << 10;
/// How much unsent data the kernel takes before a socket counts as full; what waits here can still be replaced.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NOTSENT_LOWAT_BYTES: u32 = 16 << 10;

/// A server's end of a WebSocket over plain TCP whose upgrade was answered elsewhere; `early` is what was read behind
/// the request. The stream should have been given to [`tune`] before. Such a connection has a
/// [`Direct`](Connection::direct) writer.
#[must_use]
pub fn accept_tcp(tcp: TcpStream, early: Bytes, peer: SocketAddr, config: TransportConfig) -> Connection {
    let (read, write) = tcp.into_split();
    let sink = Sink::tcp(Role::Server, write);
    WebSocket::connection((Source::Tcp(read), sink), &early, peer, &config, Role::Server)
}

/// The same over TLS.
#[must_use]
pub fn accept_tls<S>(
    tls: server::TlsStream<Metered<S>>,
    early: Bytes,
    peer: SocketAddr,
    config: TransportConfig,
) -> Connection
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let meter = tls.get_ref().0.meter();
    let streams = (Source::Stream(Box::new(tls)), Sink::shared(Role::Server, Some(meter)));
    WebSocket::connection(streams, &early, peer, &config, Role::Server)
}

/// The same over any byte stream. What it has taken and not flushed counts as waiting until all of it is flushed.
#[must_use]
pub fn accept(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    early: Bytes,
    peer: SocketAddr,
    config: TransportConfig,
) -> Connection {
    let streams = (Source::Stream(Box::new(io)), Sink::shared(Role::Server, None));
    WebSocket::connection(streams, &early, peer, &config, Role::Server)
}

/// A client's end of a WebSocket whose upgrade was answered; `early` is what was read behind the response.
/// [`Dialer::websocket`](crate::Dialer::websocket) does all of it.
#[must_use]
pub fn connected(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    early: Bytes,
    peer: SocketAddr,
    config: TransportConfig,
) -> Connection {
    let streams = (Source::Stream(Box::new(io)), Sink::shared(Role::Client, None));
    WebSocket::connection(streams, &early, peer, &config, Role::Client)
}

/// The same over TLS.
#[cfg(feature = "dial")]
pub(crate) fn connected_tls<S>(
    tls: client::TlsStream<Metered<S>>,
    early: Bytes,
    peer: SocketAddr,
    config: TransportConfig,
) -> Connection
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let meter = tls.get_ref().0.meter();
    let streams = (Source::Stream(Box::new(tls)), Sink::shared(Role::Client, Some(meter)));
    WebSocket::connection(streams, &early, peer, &config, Role::Client)
}

/// Sets a socket's options for many small messages: no delay, and little that was taken but not sent.
///
/// # Errors
/// What the operating system says.
pub fn tune(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket2::SockRef::from(socket).set_tcp_notsent_lowat(NOTSENT_LOWAT_BYTES)?;
    Ok(())
}

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// Where input comes from; a stream that is not split is written on, too.
enum Source {
    Tcp(OwnedReadHalf),
    Stream(Box<dyn Io>),
}

/// The driver of [`Connection::WebSocket`].
pub struct WebSocket {
    role: Role,
    source: Source,
    sink: Sink,
    peer: SocketAddr,
    reader: FrameReader,
    liveness: Liveness,
    ping_sent: Option<Instant>,
    pings: u64,
    rtt: Option<Duration>,
    control_frames: Allowance,
    /// The peer's close frame has come, and this answers it.
    answer: Option<u16>,
    /// What the peer sends makes no sense any more.
    unreadable: bool,
}

impl WebSocket {
    fn connection(
        (source, sink): (Source, Sink),
        early: &[u8],
        peer: SocketAddr,
        config: &TransportConfig,
        role: Role,
    ) -> Connection {
        let ping = (role == Role::Server).then_some(config.websocket_ping);
        let mut reader = FrameReader::new(role, config.inbound_bytes_max);
        reader.push(early);
        let driver = Self {
            role,
            source,
            sink,
            peer,
            reader,
            liveness: Liveness::new(config.silence_max, ping),
            ping_sent: None,
            pings: 0,
            rtt: None,
            control_frames: Allowance::new(),
            answer: None,
            unreadable: false,
        };
        Connection::WebSocket(Box::new(Link::new(driver, config.write_queue_bytes_max)))
    }

    /// Reads once; how many bytes, 0 at the end of the stream.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [MaybeUninit::uninit(); READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(self.source.poll_read(cx, &mut buffer))?;
        // What follows a close frame, or what cannot be read, means nothing.
        if self.answer.is_none() && !self.unreadable {
            self.reader.push(buffer.filled());
        }
        Poll::Ready(Ok(buffer.filled().len()))
    }

    fn message(&mut self, message: Message, cx: &mut Context<'_>) -> Result<Option<Event>, Closed> {
        match message {
            Message::Data { codec, payload } => return Ok(Some(Event::Record { lane: None, codec, payload })),
            Message::Ping(payload) => {
                self.count_control()?;
                self.sink.lock().outbox.pong(payload);
            }
            Message::Pong(payload) => {
                self.count_control()?;
                if *payload == self.pings.to_be_bytes() {
                    self.rtt = self.ping_sent.take().map(|sent| sent.elapsed()).or(self.rtt);
                }
            }
            Message::Close { code, reason, answer } => {
                self.answer = Some(answer);
                // A server answers when it closes this end, behind what it has to say still.
                if self.role == Role::Client {
                    self.answer_close(cx);
                }
                return Err(Closed::by_peer(code.into(), reason.as_bytes()));
            }
        }
        Ok(None)
    }

    fn count_control(&mut self) -> Result<(), Closed> {
        match self.control_frames.take() {
            true => Ok(()),
            false => Err(Closed::Flooded("pings come too often".into())),
        }
    }

    fn poll_sink(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.sink.poll_write(cx, self.source.stream())
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.sink.poll_shutdown(cx, self.source.stream())
    }

    /// Writes records at once from any task; none where the stream is not plain TCP.
    pub(crate) fn direct(&self) -> Option<Direct> {
        self.sink.direct()
    }

    fn next_message(&mut self) -> Result<Option<Message>, Closed> {
        let message = self.reader.next();
        self.unreadable = message.is_err();
        message
    }
}

impl Source {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Self::Stream(stream) => Pin::new(&mut **stream).poll_read(cx, buffer),
        }
    }

    /// What to write on where the sink has no stream of its own.
    fn stream(&mut self) -> Option<&mut dyn Io> {
        match self {
            Self::Tcp(_) => None,
            Self::Stream(stream) => Some(&mut **stream),
        }
    }
}

impl Driver for WebSocket {
    fn queue(&mut self, _lane: LaneId, batch: Arc<Batch>) {
        self.sink.lock().outbox.record(batch);
    }

    fn has_room(&self, _lane: LaneId, bytes_max: usize) -> bool {
        self.sink.lock().outbox.queued_bytes() < bytes_max
    }

    fn queued_bytes(&self) -> usize {
        self.sink.lock().outbox.queued_bytes()
    }

    fn written_bytes(&self) -> u64 {
        self.sink.lock().outbox.written_bytes()
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        self.poll_sink(cx).map_err(Closed::from)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Closed>> {
        loop {
            while let Some(message) = self.next_message()? {
                if let Some(event) = self.message(message, cx)? {
                    return Poll::Ready(Ok(event));
                }
            }
            match self.poll_fill(cx)? {
                Poll::Ready(1..) => {
                    self.liveness.heard_at(Instant::now());
                }
                Poll::Ready(0) => return Poll::Ready(Err(Closed::Lost("the stream ended without a close".into()))),
                Poll::Pending => break,
            }
        }
        while let Poll::Ready(tick) = self.liveness.poll(cx) {
            match tick {
                Tick::Beat => {
                    self.pings += 1;
                    self.ping_sent = Some(Instant::now());
                    self.sink.lock().outbox.ping(self.pings.to_be_bytes());
                }
                Tick::Silence => {
                    // Whoever reads slowly has not come to the ping yet, which waits behind what it reads.
                    let moved_at = self.sink.lock().outbox.moved_at();
                    if !moved_at.is_some_and(|at| self.liveness.heard_at(at)) {
                        return Poll::Ready(Err(Closed::Silence));
                    }
                }
            }
        }
        Poll::Pending
    }

    fn send_datagram(&mut self, _lane: LaneId, _payload: &[u8]) -> Result<(), DatagramRefused> {
        Err(DatagramRefused::Unsupported)
    }

    fn max_datagram_size(&self) -> Option<usize> {
        None
    }

    fn end_lane(&mut self, _lane: LaneId) {}

    fn peer_addr(&self) -> Option<SocketAddr> {
        Some(self.peer)
    }

    fn rtt(&self) -> Option<Duration> {
        self.rtt
    }
}
