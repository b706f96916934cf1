//! Connections that carry records on lanes: one closed [`Connection`] over QUIC, WebTransport, WebSocket and memory,
//! and the listeners and dialers that make them.
//!
//! Nothing here knows what a record says, who sent it or whether it arrived: sessions, acknowledgement and resuming
//! are above. What it does promise is the same on every transport: whole records, in order on each lane, within
//! stated bounds, and one close code with a reason at the end.
//!
//! | module | what it holds |
//! |---|---|
//! | [`connection`] | the interface: [`Connection`], [`Event`] |
//! | [`config`] | every bound and interval |
//! | [`error`] | why a connection ended, or never began |
//! | [`memory`] | two connected ends in one process, for tests and bots |
//! | [`websocket`] | WebSocket over any byte stream |
//! | [`quic`] | raw QUIC and WebTransport on one UDP socket, by ALPN |
//! | [`tls`] | server certificates, and TLS over TCP |
//! | `dial` | the client's side of all of them, with the feature of that name |
//!
//! The feature `simulation` adds a network inside the process, seeded and in virtual time, for tests.

pub mod config;
pub mod connection;
#[cfg(feature = "dial")]
pub mod dial;
pub mod error;
mod link;
mod liveness;
pub mod memory;
mod metered;
pub mod quic;
mod random;
#[cfg(feature = "simulation")]
pub mod simulation;
pub mod tls;
pub mod websocket;

pub use config::TransportConfig;
pub use connection::{Connection, Event, Transport};
#[cfg(feature = "dial")]
pub use dial::{Address, Dialer, Trust};
pub use error::{Closed, DatagramRefused, DialError, EstablishError};
pub use metered::Metered;
pub use quic::{Established, Incoming};
pub use tls::ServerTls;
