//! A lane: one ordered sequence of messages inside a session, counted so that it survives the loss of a connection.
//!
//! Both ends use it. Downstream, from the server, nothing is added to the wire: both ends count, [`Outbound`] keeps
//! what is not acknowledged, [`Inbound`] drops what it has. Upstream a message carries its number `n`:
//! [`Unacknowledged`] keeps it, a [`Marks`] lets it pass once.
//!
//! Pure: time comes in as milliseconds since any fixed start. Knows no connection; who owns one says when a lane is
//! attached to it and takes what is to be written.

mod ack;
mod inbound;
mod outbound;
mod upstream;

pub use ack::{ACK_AFTER, AckDue};
pub use inbound::{Inbound, Opened, UntoldGap};
pub use outbound::{Bounds, CountNotSent, Next, Outbound, Overflow};
pub use upstream::{Marks, Unacknowledged, Upstream};

use crate::envelope::Envelope;

/// Messages from the server that are not counted, besides datagrams and those with `latest`. They concern one
/// connection, not the session.
pub const UNCOUNTED_TYPES: &[&str] =
    &["ack", "goodbye", "handshake_accepted", "lane", "ping", "pong", "reconnect_result"];

/// Whether a message that came as a record counts on its lane.
#[must_use]
pub fn is_counted(message: &Envelope<'_>) -> bool {
    message.latest.is_none() && UNCOUNTED_TYPES.binary_search(&message.kind.as_ref()).is_err()
}

#[cfg(test)]
mod tests {
    use super::UNCOUNTED_TYPES;

    #[test]
    fn the_list_can_be_searched() {
        assert!(UNCOUNTED_TYPES.is_sorted());
    }
}
