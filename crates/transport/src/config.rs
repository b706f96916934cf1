//! Every bound and interval of a connection, all of them explicit. Nothing is read from the environment.

use std::time::Duration;

/// The bounds of connections and how they keep themselves alive. One value serves all transports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportConfig {
    /// The largest record or frame accepted, in bytes of payload. A larger one ends the connection with
    /// [`Closed::TooLarge`](crate::Closed::TooLarge) before anything is allocated for it. Clients use
    /// [`SERVER_FRAME_BYTES_MAX`](anteroom_protocol::limits::SERVER_FRAME_BYTES_MAX).
    pub inbound_bytes_max: usize,
    /// How many bytes may wait to be written before [`Connection::has_room`](crate::Connection::has_room) is false.
    /// A record is queued whole, so the queue exceeds it by at most one record.
    pub write_queue_bytes_max: usize,
    /// How many lane streams a client lets the server have open at a time on QUIC and WebTransport, before it says more
    /// by [`Connection::allow_rooms`](crate::Connection::allow_rooms).
    pub lanes_max: u32,
    /// How long a QUIC or WebTransport connection is idle before it sends a packet to stay alive.
    pub quic_keep_alive: Duration,
    /// How often a WebSocket server pings. Clients only answer.
    pub websocket_ping: Duration,
    /// How long nothing at all may be heard from the peer; then the connection ends with
    /// [`Closed::Silence`](crate::Closed::Silence). Any received byte counts; on WebSocket also that the peer takes what
    /// had to wait for it.
    pub silence_max: Duration,
    /// How long it may take until a connection stands: TLS, QUIC, HTTP/3 and its control stream, or the WebSocket
    /// handshake when dialing.
    pub establish_timeout: Duration,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            inbound_bytes_max: 64 << 10,
            write_queue_bytes_max: 64 << 10,
            lanes_max: 64,
            quic_keep_alive: Duration::from_secs(20),
            websocket_ping: Duration::from_secs(25),
            silence_max: Duration::from_secs(60),
            establish_timeout: Duration::from_secs(10),
        }
    }
}
