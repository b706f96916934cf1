//! The settings of QUIC. Every default that lets a peer use memory without bound is replaced here.

use std::sync::Arc;

use anteroom_protocol::ALPN;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{IdleTimeout, TransportConfig as QuicTransport, VarInt};

use crate::config::TransportConfig;
use crate::tls::ServerTls;

/// HTTP/3, which carries WebTransport.
pub(crate) const H3_ALPN: &[u8] = b"h3";
/// What HTTP/3 needs besides our streams: its control stream and QPACK's two, and one of an unknown kind.
const H3_STREAMS: u32 = 4;
/// The CONNECT stream of WebTransport and our control stream.
const BIDI_STREAMS: u32 = 2;
/// The most lane streams a client allows, whatever the server says: QUIC keeps a note of each.
const LANES_MAX: u32 = 4096;
/// How many rooms that were left may have their streams still, until the client has read that they are over.
const LANES_ENDING: u32 = 64;
/// The widest window of a stream. A larger record still passes, over several round trips.
const STREAM_WINDOW_BYTES_MAX: usize = 256 << 10;
/// Room for HTTP/3's own streams beside control.
const H3_WINDOW_BYTES: usize = 16 << 10;
/// How many lanes can wait for the reader before they hold up the others.
#[cfg(feature = "dial")]
const LANE_WINDOWS: u32 = 4;
/// What quinn takes off our hands before a stream counts as full.
const SEND_WINDOW_BYTES: u64 = 256 << 10;
/// A few datagrams: they go before streams, so a long queue of them would starve records.
pub(super) const DATAGRAM_BUFFER_BYTES: usize = 8 << 10;
/// How many handshakes may wait to be looked at, and what they may send meanwhile.
const INCOMING_MAX: usize = 1024;
const INCOMING_BYTES_MAX: u64 = 16 << 10;
const INCOMING_BYTES_TOTAL_MAX: u64 = 4 << 20;

/// The server's settings, with both protocols on one socket.
pub(super) fn server(tls: &ServerTls, config: &TransportConfig) -> Result<quinn::ServerConfig, rustls::Error> {
    let tls = tls.config(&[&rustls::version::TLS13], &[H3_ALPN, ALPN])?;
    let crypto = QuicServerConfig::try_from(tls).map_err(|error| rustls::Error::General(error.to_string()))?;
    let window = stream_window(config);
    let mut transport = transport(config, window, window + H3_WINDOW_BYTES as u32);
    transport.max_concurrent_bidi_streams(BIDI_STREAMS.into()).max_concurrent_uni_streams(H3_STREAMS.into());
    let mut server = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    server
        .transport_config(Arc::new(transport))
        .max_incoming(INCOMING_MAX)
        .incoming_buffer_size(INCOMING_BYTES_MAX)
        .incoming_buffer_size_total(INCOMING_BYTES_TOTAL_MAX);
    Ok(server)
}

/// A client's settings: the server opens a stream for each lane, and none in both directions.
#[cfg(feature = "dial")]
pub(crate) fn client_transport(config: &TransportConfig) -> QuicTransport {
    let window = stream_window(config);
    let mut transport = transport(config, window, window.saturating_mul(LANE_WINDOWS));
    transport.max_concurrent_bidi_streams(VarInt::from_u32(0)).max_concurrent_uni_streams(streams_at_first(config));
    transport
}

/// How many streams a client allows before it knows how many rooms there may be.
pub(super) fn streams_at_first(config: &TransportConfig) -> VarInt {
    VarInt::from_u32(config.lanes_max.saturating_add(H3_STREAMS))
}

/// How many streams a client allows a server whose sessions may be in so many rooms. Some more than those: QUIC tells of
/// streams that have ended only when they are an eighth of all.
pub(super) fn streams_for(rooms_max: u32) -> VarInt {
    let lanes = rooms_max.saturating_add(LANES_ENDING).min(LANES_MAX);
    VarInt::from_u32(lanes + lanes / 4 + H3_STREAMS)
}

fn stream_window(config: &TransportConfig) -> u32 {
    config.inbound_bytes_max.saturating_mul(2).min(STREAM_WINDOW_BYTES_MAX) as u32
}

fn transport(config: &TransportConfig, stream_window: u32, window: u32) -> QuicTransport {
    let mut transport = QuicTransport::default();
    transport
        .stream_receive_window(stream_window.into())
        .receive_window(window.into())
        .send_window(SEND_WINDOW_BYTES)
        .datagram_receive_buffer_size(Some(2 * DATAGRAM_BUFFER_BYTES))
        .datagram_send_buffer_size(DATAGRAM_BUFFER_BYTES)
        // A silence too long for a variable-length integer is none that anybody waits for.
        .max_idle_timeout(IdleTimeout::try_from(config.silence_max).ok())
        .keep_alive_interval(Some(config.quic_keep_alive));
    transport
}
