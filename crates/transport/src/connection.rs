//! The interface that everything above the transports is written against.
//!
//! A [`Connection`] is owned by one task, which alternates between [`recv`](Connection::recv) and sending. Nothing
//! happens in the background: bytes move while one of its futures is polled.

use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use anteroom_protocol::code::close_reason;
use anteroom_protocol::{Batch, Codec, LaneId};
use bytes::Bytes;
use tokio::time::timeout;

use crate::error::{Closed, DatagramRefused};
use crate::link::{Driver, Link};
use crate::memory::Memory;
use crate::quic::Quic;
use crate::websocket::{Direct, WebSocket};

/// How long [`Connection::close`] waits for what is queued to be taken by the peer.
pub(crate) const CLOSE_FLUSH_MAX: Duration = Duration::from_secs(2);

/// What carries a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// QUIC with our own ALPN.
    Quic,
    /// WebTransport over HTTP/3.
    WebTransport,
    /// WebSocket, with or without TLS.
    WebSocket,
    /// Two ends in one process.
    Memory,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quic => "QUIC",
            Self::WebTransport => "WebTransport",
            Self::WebSocket => "WebSocket",
            Self::Memory => "memory",
        })
    }
}

/// What [`Connection::recv`] gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A whole record.
    Record {
        /// The lane it came on; `None` on WebSocket, which does not tell. Clients send everything on control.
        lane: Option<LaneId>,
        /// Its codec: by the frame's kind on WebSocket, by its first byte elsewhere.
        codec: Codec,
        /// The payload; on WebSocket valid UTF-8 if the codec is JSON. It may be empty.
        payload: Bytes,
    },
    /// An unreliable message. It may be lost, doubled or overtake others.
    Datagram {
        /// The lane it names, known or not.
        lane: LaneId,
        /// What follows the lane number.
        payload: Bytes,
    },
    /// The peer will send nothing more on that lane.
    LaneEnded {
        /// The lane; control when a client closes its sending half.
        lane: LaneId,
    },
    /// There is room again after a record was handed back.
    Writable,
}

/// One link to a peer. Dropping it ends the link without a code; [`close`](Self::close) says goodbye first.
///
/// Needs a tokio runtime with time enabled.
pub enum Connection {
    /// QUIC with our own ALPN.
    Quic(Box<Link<Quic>>),
    /// WebTransport over HTTP/3.
    WebTransport(Box<Link<Quic>>),
    /// WebSocket, with or without TLS.
    WebSocket(Box<Link<WebSocket>>),
    /// Two ends in one process.
    Memory(Box<Link<Memory>>),
}

impl Connection {
    /// What carries it.
    #[must_use]
    pub fn transport(&self) -> Transport {
        match self {
            Self::Quic(_) => Transport::Quic,
            Self::WebTransport(_) => Transport::WebTransport,
            Self::WebSocket(_) => Transport::WebSocket,
            Self::Memory(_) => Transport::Memory,
        }
    }

    /// Where the peer is. It can change on QUIC, when a client's network does. `None` in memory.
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.link().driver.peer_addr()
    }

    /// The round trip: QUIC's estimate, or the last ping's of a WebSocket server. `None` if nothing was measured.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        self.link().driver.rtt()
    }

    /// How many bytes of payload fit a datagram now, on whatever lane. `None` where there are no datagrams.
    #[must_use]
    pub fn max_datagram_size(&self) -> Option<usize> {
        self.link().driver.max_datagram_size()
    }

    /// Whether [`try_send`](Self::try_send) takes a record: less than
    /// [`write_queue_bytes_max`](crate::TransportConfig::write_queue_bytes_max) waits to be written. On QUIC and
    /// WebTransport each lane of a server has room of its own, but for a new one while others wait until the client lets
    /// the server open a stream; elsewhere all lanes share it.
    ///
    /// It tells how things are now. Where there is a [`direct`](Self::direct) writer, the room may be gone the next moment.
    #[must_use]
    pub fn has_room(&self, lane: LaneId) -> bool {
        self.link().has_room(lane)
    }

    /// How many bytes wait for the peer to read, on all lanes together: records with their framing, and on WebSocket the
    /// control frames between them. Under TLS what is encrypted and not yet sent counts as waiting. What waits until the
    /// client lets the server open another stream does not: reading would not help it.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.link().driver.queued_bytes()
    }

    /// How many bytes of records, with their framing, were handed to the operating system or to QUIC since the
    /// connection began, on all lanes together. It never falls. While something waits, it grows for a peer that reads
    /// slowly and stands still for one that does not read at all; pings, pongs and datagrams do not move it.
    ///
    /// What lies below takes some amount before it waits for the peer: the buffers of TCP, 256 KiB on QUIC, in memory
    /// [`write_queue_bytes_max`](crate::TransportConfig::write_queue_bytes_max). Under TLS it grows with what TLS hands
    /// down. On QUIC a client tells that it has read in steps of its own: ours of an eighth of its window, 32 KiB.
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        self.link().driver.written_bytes()
    }

    /// Queues a whole record, which [`recv`](Self::recv), [`send`](Self::send) and [`flush`](Self::flush) then write.
    /// A client's records all go on control, whatever `lane` says.
    ///
    /// # Errors
    /// Hands the batch back if there is no room; [`Event::Writable`] tells when there is again.
    pub fn try_send(&mut self, lane: LaneId, batch: Arc<Batch>) -> Result<(), Arc<Batch>> {
        self.link_mut().try_send(lane, batch)
    }

    /// Queues a whole record, room or not: for one that nobody could take back, because it was let go of when there
    /// [was room](Self::has_room). So the queue may exceed its bound by what came in between; ask each time.
    pub fn queue(&mut self, lane: LaneId, batch: Arc<Batch>) {
        self.link_mut().driver.queue(lane, batch);
    }

    /// Lets the server have streams for so many rooms at a time, and for those that are on their way out: for a client
    /// that has heard in how many it may be. Nothing happens on WebSocket, in memory, and at a server's end.
    pub fn allow_rooms(&mut self, rooms_max: u32) {
        if let Self::Quic(link) | Self::WebTransport(link) = self {
            link.driver.allow_rooms(rooms_max);
        }
    }

    /// Asks for [`Event::Writable`] when there is room on a lane that has none, as a refused record does.
    pub fn want_room(&mut self, lane: LaneId) {
        self.link_mut().want_room(lane);
    }

    /// A second way to write, for those who have records for this connection and are not its task; `None` but for a
    /// server's WebSocket over plain TCP ([`websocket::accept_tcp`](crate::websocket::accept_tcp)).
    #[must_use]
    pub fn direct(&self) -> Option<Direct> {
        match self {
            Self::WebSocket(link) => link.driver.direct(),
            _ => None,
        }
    }

    /// Queues a whole record, waiting for room.
    ///
    /// Cancel-safe: a dropped future has queued the record or nothing, and it queues it only when it completes.
    /// While it waits it reads at most one event ahead, which [`recv`](Self::recv) gives first.
    ///
    /// # Errors
    /// [`Closed`] if the connection ends before there is room.
    pub async fn send(&mut self, lane: LaneId, batch: Arc<Batch>) -> Result<(), Closed> {
        poll_fn(|cx| self.link_mut().poll_room(lane, cx)).await?;
        self.link_mut().driver.queue(lane, batch);
        Ok(())
    }

    /// Sends an unreliable message at once or not at all. The oldest waiting one makes place for it if there are
    /// too many.
    ///
    /// # Errors
    /// [`DatagramRefused`] says why it stayed here.
    pub fn send_datagram(&mut self, lane: LaneId, payload: &[u8]) -> Result<(), DatagramRefused> {
        self.link_mut().driver.send_datagram(lane, payload)
    }

    /// Says that nothing more will be sent on the lane. On QUIC and WebTransport its stream is finished behind what
    /// is queued; a client ends control, its only stream, with any lane. Nothing happens on WebSocket, or if the
    /// lane was never sent on.
    pub fn end_lane(&mut self, lane: LaneId) {
        self.link_mut().driver.end_lane(lane);
    }

    /// Waits for the next event, and writes what is queued, pings and pongs meanwhile.
    ///
    /// Cancel-safe: a dropped future has taken no event.
    ///
    /// # Errors
    /// [`Closed`], after everything that arrived before the end.
    pub async fn recv(&mut self) -> Result<Event, Closed> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// [`recv`](Self::recv) for a task that waits for other things as well. The context's waker is told of all that it
    /// waits for.
    ///
    /// # Errors
    /// [`Closed`], after everything that arrived before the end.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Closed>> {
        self.link_mut().poll_recv(cx)
    }

    /// Waits until everything queued is handed to the operating system or to QUIC.
    ///
    /// Cancel-safe. It waits as long as the peer does not read; put a timeout around it. Like [`send`](Self::send)
    /// it reads at most one event ahead.
    ///
    /// # Errors
    /// [`Closed`] if the connection ends before.
    pub async fn flush(&mut self) -> Result<(), Closed> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// The same, for a task that does other things as well.
    ///
    /// # Errors
    /// [`Closed`] if the connection ends before.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        self.link_mut().poll_flush(cx)
    }

    /// Writes what is queued, then ends the connection with a code and a reason, which is cut to 123 bytes.
    ///
    /// On QUIC and WebTransport it takes at most about 4 seconds, for the peer to acknowledge what is queued. A server's
    /// session of WebTransport takes up to 3 more until the peer, which is told that the session is closed, closes the
    /// connection, and before that 1 more for a page to close first, or a quarter of one. On WebSocket it takes until the peer has closed its
    /// side, at most 10 seconds, or 2 in which nothing moves; what the peer sends meanwhile is thrown away, at most 64 MiB.
    /// A peer that has closed is answered with its own code. Dropping the future ends the connection at once.
    pub async fn close(self, code: u16, reason: &str) {
        let reason = close_reason(reason);
        match self {
            Self::Quic(mut link) | Self::WebTransport(mut link) => {
                write_out(&mut *link).await;
                link.driver.close(code, reason).await;
            }
            Self::WebSocket(link) => link.driver.close(code, reason).await,
            Self::Memory(mut link) => {
                write_out(&mut *link).await;
                link.driver.close(code, reason);
            }
        }
    }

    fn link(&self) -> &Link<dyn Driver> {
        match self {
            Self::Quic(link) | Self::WebTransport(link) => &**link,
            Self::WebSocket(link) => &**link,
            Self::Memory(link) => &**link,
        }
    }

    fn link_mut(&mut self) -> &mut Link<dyn Driver> {
        match self {
            Self::Quic(link) | Self::WebTransport(link) => &mut **link,
            Self::WebSocket(link) => &mut **link,
            Self::Memory(link) => &mut **link,
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("transport", &self.transport()).field("peer", &self.peer_addr()).finish()
    }
}

/// Gives the peer a while to take what is queued, however the connection stands.
async fn write_out(link: &mut Link<dyn Driver>) {
    // Whether it worked makes no difference to what follows.
    let _ = timeout(CLOSE_FLUSH_MAX, poll_fn(|cx| link.driver.poll_write(cx))).await;
}
