//! The Anteroom wire protocol, version 1: what travels between a client and the server, and nothing about how.
//!
//! `PROTOCOL.md` beside this crate is the specification; `vectors/*.json` pin both codecs byte for byte, and
//! `tests/it/vectors.rs` says how to write them anew after a deliberate change.
//!
//! Pure: no sockets, no clock, no randomness of its own. Decoding never panics and never allocates more than a
//! small multiple of its input, whatever lengths the input claims.
//!
//! | module | what it fixes |
//! |---|---|
//! | [`envelope`] | the frame around every message, and reading a batch of them |
//! | [`batch`] | one flush in one codec, framed once and shared by everyone it goes to |
//! | [`message`] | the table of all messages, and their typed bodies: requests, results, pushes |
//! | [`json`], [`binary`] | the two codecs |
//! | [`variant`] | enums whose variants are messages, such as a game's actions |
//! | [`lane`] | counting, keeping, acknowledging and sending again: both ends of a lane |
//! | [`record`] | length-prefixed records on byte streams, datagrams |
//! | [`code`] | the tables of error and close codes |
//! | [`limits`] | every bound a peer can run into |

pub mod batch;
pub mod binary;
pub mod code;
pub mod codec;
pub mod delivery;
pub mod envelope;
pub mod id;
pub mod json;
pub mod lane;
pub mod limits;
pub mod message;
pub mod record;
mod schema;
pub mod variant;
mod words;

pub use batch::{Batch, BatchBuilder, Tally};
pub use code::{CloseCode, ErrorCode};
pub use codec::{Body, Codec, Data, Payload};
pub use delivery::Delivery;
pub use envelope::{Envelope, Header, MalformedBatch};
pub use id::{LaneId, RoomId, SessionId, UserId};
pub use json::Json;
pub use limits::Limits;
pub use message::error::ErrorBody;

/// Re-exported for types that travel: derive `Encode` and `Decode` with `#[bincode(crate = "...::bincode")]`
/// pointing here, so that one pinned version defines every binary shape.
pub use bincode;

/// The protocol version this crate speaks, sent as `handshake.version`.
pub const VERSION: u32 = 1;

/// Names the binary shapes of the protocol's own messages. A client that asks for `bincode` under a name of other
/// shapes is served JSON; see [`message::schema`].
pub const SCHEMA: &str = message::schema::CURRENT.name;

/// The ALPN of raw QUIC connections.
pub const ALPN: &[u8] = b"anteroom/1";

/// The path of WebTransport sessions.
pub const WEBTRANSPORT_PATH: &str = "/wt";

/// The path of WebSocket upgrades.
pub const WEBSOCKET_PATH: &str = "/ws";

/// The port of both sockets, TCP and UDP, unless configured otherwise.
pub const DEFAULT_PORT: u16 = 7350;
