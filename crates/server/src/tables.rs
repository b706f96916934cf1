//! The tables `limits` and `times`: one of each on the outside, so that a key is found where one looks for it.
//!
//! What a key means inside is not here: each part of the server takes the values that are its own, and checks them.

use anteroom_protocol::Limits;
use serde::{Deserialize, Serialize};

/// What each session, and all of them together, may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitList {
    /// The largest frame or record a client may send, in bytes.
    pub message_bytes_max: u32,
    /// Connections at a time, with or without a session.
    pub connections_max: u32,
    /// Rooms at a time. Beyond it those give way that nobody is in and no seat is kept in: a durable one sleeps, any other ends.
    pub rooms_max: u32,
    /// Rooms in the store at a time, those that sleep included.
    pub stored_rooms_max: u32,
    /// Rooms one session may be in at a time.
    pub rooms_per_session_max: u32,
    /// Members who only watch, in each room.
    pub spectators_per_room_max: u16,
    /// Sessions at a time, with or without a connection.
    pub sessions_max: u32,
    /// What may wait for one client to read it, besides what its rooms say, in bytes. Beyond it the connection ends.
    pub outbox_bytes_max: u32,
    /// What may wait of what one room says to one client, in bytes. Beyond it the client gets a snapshot instead.
    pub lane_bytes_max: u32,
    /// What is kept of a lane for a client that has not acknowledged it, in bytes.
    pub kept_bytes_max: u32,
    /// What all members of a room together may leave unread or unacknowledged, in bytes.
    pub room_bytes_max: u32,
    /// Keys of newest values that may wait on one lane. Beyond it the client gets a snapshot instead of one of them.
    pub latest_keys_max: u32,
    /// Bytes of newest values that may wait on one lane. The same beyond it.
    pub latest_bytes_max: u32,
    /// What may be kept for all sessions together, in bytes. Beyond it those that are furthest behind get snapshots, and
    /// then sessions without a connection end.
    pub retained_bytes_max: u64,
}

/// How long things may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Times {
    /// How long a session, and its seats, are kept for a player who lost the connection, in milliseconds.
    pub grace_ms: u64,
    /// The same in durable rooms, whose seats outlive the session, in milliseconds.
    pub durable_seat_ms: u64,
    /// How long nobody is connected to a durable room until it leaves memory, in milliseconds.
    pub hibernate_after_ms: u64,
    /// How long a durable room stays that nobody is in and no seat is kept in, in milliseconds.
    pub durable_empty_ttl_ms: u64,
    /// How long its creator may have any room stay that nobody is in, in milliseconds.
    pub empty_ttl_max_ms: u64,
    /// After how long without anybody doing anything in it a room closes, in milliseconds; 0 is never.
    pub room_idle_ttl_ms: u64,
    /// After how long a room closes in any case, in milliseconds; 0 is never.
    pub room_lifetime_max_ms: u64,
    /// How long a connection may take to send its handshake, in milliseconds.
    pub handshake_ms: u64,
    /// How often an idle WebSocket is pinged, in milliseconds.
    pub websocket_ping_ms: u64,
    /// How often an idle QUIC connection is kept alive, in milliseconds.
    pub quic_keep_alive_ms: u64,
    /// How long a connection may be silent before it counts as lost, in milliseconds.
    pub silence_ms: u64,
    /// How long an HTTP connection is kept for the next request, in milliseconds.
    pub http_idle_ms: u64,
    /// How long a client may read nothing while something waits for it, in milliseconds.
    pub stall_ms: u64,
    /// How long a shutdown may take to say goodbye, in milliseconds.
    pub shutdown_ms: u64,
}

impl Default for LimitList {
    fn default() -> Self {
        Self {
            message_bytes_max: Limits::default().message_bytes_max,
            connections_max: 50_000,
            rooms_max: 10_000,
            stored_rooms_max: 1_000_000,
            rooms_per_session_max: Limits::default().rooms_max,
            spectators_per_room_max: 10_000,
            sessions_max: 100_000,
            outbox_bytes_max: 4 << 20,
            lane_bytes_max: 1 << 20,
            kept_bytes_max: 256 << 10,
            room_bytes_max: 32 << 20,
            latest_keys_max: Limits::default().latest_keys_max,
            latest_bytes_max: Limits::default().latest_bytes_max,
            retained_bytes_max: 1 << 30,
        }
    }
}

impl Default for Times {
    fn default() -> Self {
        Self {
            grace_ms: 60_000,
            durable_seat_ms: 7 * 24 * 3600 * 1000,
            hibernate_after_ms: 600_000,
            durable_empty_ttl_ms: 600_000,
            empty_ttl_max_ms: 3_600_000,
            room_idle_ttl_ms: 0,
            room_lifetime_max_ms: 0,
            handshake_ms: 10_000,
            websocket_ping_ms: 25_000,
            quic_keep_alive_ms: 20_000,
            silence_ms: 60_000,
            http_idle_ms: 75_000,
            stall_ms: 20_000,
            shutdown_ms: 5_000,
        }
    }
}
