//! Raw QUIC and WebTransport: one driver for both, since a WebTransport session is a QUIC connection with a preamble.
//!
//! The client opens one bidirectional stream, control. The server opens a unidirectional one for each room lane,
//! which begins with the lane's number. On each, records follow one another. Datagrams name their lane.

mod config;
#[cfg_attr(not(feature = "dial"), path = "undialed.rs")]
mod dialed;
mod http;
mod incoming;
mod listener;
mod outgoing;
mod pending;
mod session;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use anteroom_protocol::record::{VARINT_BYTES_MAX, put_datagram};
use anteroom_protocol::{Batch, LaneId};
use quinn::{SendDatagramError, VarInt};
use tokio::time::{sleep, timeout};

pub use self::listener::{Established, Incoming, Listener};
use self::outgoing::{Outgoing, Side};
use self::session::{Receiving, Sending, Served, Session};
use crate::config::TransportConfig;
use crate::connection::{CLOSE_FLUSH_MAX, Event};
use crate::error::{Closed, DatagramRefused};
use crate::link::{Driver, Link};

#[cfg(feature = "dial")]
pub(crate) use self::config::{H3_ALPN, client_transport};
#[cfg(feature = "dial")]
pub(crate) use self::dialed::{dialed, dialed_session};

/// How long to wait for the packet that tells the peer to have left.
const CLOSE_SENT_MAX: Duration = Duration::from_millis(100);

/// How long a page may take to read what it was told last, and close; it may be busy.
const PAGE_CLOSE_MAX: Duration = Duration::from_secs(1);

/// The same for another client of WebTransport, which reads as it comes.
const PROGRAM_CLOSE_MAX: Duration = Duration::from_millis(250);

/// The driver of [`Connection::Quic`](crate::Connection::Quic) and
/// [`Connection::WebTransport`](crate::Connection::WebTransport).
pub struct Quic {
    /// A server's session of WebTransport. The first, since dropping it closes the connection before streams end.
    http: Option<Box<http::Session>>,
    session: Session,
    outgoing: Outgoing,
    incoming: incoming::Incoming,
    /// Whether a browser's page is at the other end.
    is_page: bool,
    /// A client's: how many streams it let the server have at first.
    streams_max: VarInt,
}

impl Quic {
    fn link(
        side: Side,
        session: Session,
        (send, recv): (Sending, Receiving),
        config: &TransportConfig,
    ) -> Box<Link<Self>> {
        let outgoing = Outgoing::new(side, send, session.stream_prefix());
        let incoming = incoming::Incoming::new(side, &session, recv, config.inbound_bytes_max);
        let streams_max = config::streams_at_first(config);
        let driver = Self { http: None, session, outgoing, incoming, is_page: false, streams_max };
        Box::new(Link::new(driver, config.write_queue_bytes_max))
    }

    /// A server's end of a session.
    fn served(accepted: http::Accepted, connection: quinn::Connection, config: &TransportConfig) -> Box<Link<Self>> {
        let http::Accepted { session, request, id, settings, control: (send, recv), early } = accepted;
        let served = Session::Served(Served { connection, id, datagrams: settings.datagrams });
        let streams = (Sending::Quic(send), Receiving::Quic(recv));
        let mut link = Self::link(Side::Server, served, streams, config);
        link.driver.http = Some(Box::new(session));
        link.driver.is_page = request.origin.is_some();
        link.driver.incoming.begin_with(&early);
        link
    }

    /// A client's answer to how many rooms it may be in. Never fewer streams than it began with.
    pub(crate) fn allow_rooms(&mut self, rooms_max: u32) {
        if self.outgoing.side() == Side::Client {
            let streams = config::streams_for(rooms_max).max(self.streams_max);
            self.session.quic().set_max_concurrent_uni_streams(streams);
        }
    }

    /// Waits until the peer has acknowledged the streams, then closes the session, if there is one, and the connection.
    pub(crate) async fn close(self, code: u16, reason: &str) {
        let Self { mut http, session, outgoing, mut incoming, is_page, .. } = self;
        // A peer that does not acknowledge in time does not get the rest.
        let _ = timeout(CLOSE_FLUSH_MAX, outgoing.settle()).await;
        if http.is_some() {
            // A client's network acknowledges what its program has not read, and throws that away when the session closes.
            let gone = poll_fn(|cx| poll_gone(&mut http, &mut incoming, &session, cx));
            let _ = timeout(if is_page { PAGE_CLOSE_MAX } else { PROGRAM_CLOSE_MAX }, gone).await;
        }
        if let Some(http) = &mut http {
            http.close_with(code, reason).await;
        }
        drop(incoming);
        close_connection(session.quic(), code, reason).await;
    }
}

/// The end of the session or its connection, by the peer.
fn poll_gone(
    http: &mut Option<Box<http::Session>>,
    incoming: &mut incoming::Incoming,
    session: &Session,
    cx: &mut Context<'_>,
) -> Poll<Closed> {
    match incoming.poll_end(session, cx) {
        Poll::Pending => http.as_mut().map_or(Poll::Pending, |http| http.poll(cx)),
        closed => closed,
    }
}

/// Closes it, and waits a moment until the packet that says so is sent.
async fn close_connection(connection: &quinn::Connection, code: u16, reason: &str) {
    let ended = connection.close_reason().is_some();
    let sent = || connection.stats().udp_tx.datagrams;
    let sent_before = sent();
    connection.close(VarInt::from(code), reason.as_bytes());
    // The packet is written by QUIC's own task; a program that ends right now would take it along.
    let told = async {
        while !ended && sent() == sent_before {
            sleep(Duration::from_millis(1)).await;
        }
    };
    let _ = timeout(CLOSE_SENT_MAX, told).await;
}

impl Driver for Quic {
    fn queue(&mut self, lane: LaneId, batch: Arc<Batch>) {
        self.outgoing.record(lane, batch);
    }

    fn has_room(&self, lane: LaneId, bytes_max: usize) -> bool {
        self.outgoing.has_room(lane, bytes_max)
    }

    fn queued_bytes(&self) -> usize {
        self.outgoing.queued_bytes()
    }

    fn written_bytes(&self) -> u64 {
        self.outgoing.written_bytes()
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        match self.outgoing.poll_write(&self.session, cx) {
            // The streams know that the connection has ended, and not always why.
            Poll::Ready(Err(_)) if self.session.quic().close_reason().is_some() => {
                self.incoming.poll_end(&self.session, cx).map(Err)
            }
            other => other,
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Closed>> {
        let end = self.http.as_mut().map_or(Poll::Pending, |http| http.poll(cx));
        match (self.incoming.poll_read(&self.session, cx), end) {
            // What arrived before the session's end is read first; that of the connection follows from it.
            (Poll::Pending | Poll::Ready(Err(_)), Poll::Ready(end)) => Poll::Ready(Err(end)),
            (read, _) => read,
        }
    }

    fn send_datagram(&mut self, lane: LaneId, payload: &[u8]) -> Result<(), DatagramRefused> {
        let max = self.max_datagram_size().ok_or(DatagramRefused::Unsupported)?;
        if payload.len() > max {
            return Err(DatagramRefused::TooLarge { len: payload.len(), max });
        }
        let connection = self.session.quic();
        // Datagrams go before streams. While records wait, half of the buffer must do, so that records get through.
        if self.outgoing.queued_bytes() > 0
            && connection.datagram_send_buffer_space() < config::DATAGRAM_BUFFER_BYTES / 2
        {
            return Err(DatagramRefused::Congested);
        }
        let mut datagram = Vec::with_capacity(2 * VARINT_BYTES_MAX + payload.len());
        self.session.put_datagram_prefix(&mut datagram);
        put_datagram(lane, payload, &mut datagram);
        let len = payload.len();
        connection.send_datagram(datagram.into()).map_err(|error| match error {
            SendDatagramError::UnsupportedByPeer | SendDatagramError::Disabled => DatagramRefused::Unsupported,
            SendDatagramError::TooLarge => DatagramRefused::TooLarge { len, max },
            SendDatagramError::ConnectionLost(_) => DatagramRefused::Closed,
        })
    }

    fn max_datagram_size(&self) -> Option<usize> {
        let mut prefix = Vec::new();
        self.session.put_datagram_prefix(&mut prefix);
        self.session.max_datagram_size()?.checked_sub(prefix.len() + VARINT_BYTES_MAX)
    }

    fn end_lane(&mut self, lane: LaneId) {
        self.outgoing.end(lane);
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        Some(self.session.quic().remote_address())
    }

    fn rtt(&self) -> Option<Duration> {
        Some(self.session.quic().rtt())
    }
}
