//! How much may come on a connection and how long it may be silent: its part of the tables `limits` and `times`.

use std::time::Duration;

use anteroom_protocol::limits;
use anteroom_transport::TransportConfig;

use crate::error::Problems;
use crate::tables::{LimitList, Times};

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionLimits {
    /// How long it may take to send its handshake.
    pub(crate) handshake_max: Duration,
    /// How long its client may read nothing while something waits for it.
    pub(crate) stall_max: Duration,
    /// What the transport sees to.
    pub(crate) transport: TransportConfig,
}

impl ConnectionLimits {
    pub(crate) fn of(limits: &LimitList, times: &Times) -> Self {
        Self {
            handshake_max: Duration::from_millis(times.handshake_ms),
            stall_max: Duration::from_millis(times.stall_ms),
            transport: TransportConfig {
                inbound_bytes_max: limits.message_bytes_max as usize,
                websocket_ping: Duration::from_millis(times.websocket_ping_ms),
                quic_keep_alive: Duration::from_millis(times.quic_keep_alive_ms),
                silence_max: Duration::from_millis(times.silence_ms),
                ..TransportConfig::default()
            },
        }
    }

    pub(crate) fn check(limits: &LimitList, times: &Times, problems: &mut Problems) {
        // What a client sends may come back to others with more around it, in a frame that every client takes.
        if !(1024..=limits::SERVER_FRAME_BYTES_MAX as u32 / 2).contains(&limits.message_bytes_max) {
            problems.add("limits.message_bytes_max", "must be 1024 to 524288");
        }
        problems.milliseconds("times.handshake_ms", times.handshake_ms);
        problems.milliseconds("times.websocket_ping_ms", times.websocket_ping_ms);
        problems.milliseconds("times.quic_keep_alive_ms", times.quic_keep_alive_ms);
        problems.milliseconds("times.silence_ms", times.silence_ms);
        problems.milliseconds("times.stall_ms", times.stall_ms);
        if times.silence_ms <= times.websocket_ping_ms.max(times.quic_keep_alive_ms) {
            problems.add("times.silence_ms", "must be longer than the ping and keep-alive times, or nobody stays");
        }
    }
}
