//! HTTP/3 (RFC 9114) as far as a server of WebTransport needs it: one session for each connection, polled along with
//! it. No task, no channel, and no dynamic table of QPACK.
//!
//! [`establish`] finds the session's request and its one bidirectional stream among whatever arrives, in whatever
//! order. [`session`] then watches for the session's end. Readers below them know nothing of QUIC.

mod bidirectional;
mod capsule;
mod connection;
mod establish;
mod fault;
mod huffman;
mod kind;
mod qpack;
mod request;
mod session;
mod settings;
mod table;
mod unidirectional;
mod values;

pub(super) use self::establish::{Accepted, Refused, accept};
pub(super) use self::fault::Code;
pub(super) use self::kind::stream::WEBTRANSPORT as UNIDIRECTIONAL;
pub(super) use self::session::Session;
