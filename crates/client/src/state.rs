//! How a session is connected just now.

use anteroom_transport::{Closed, Transport};
use tokio::time::Instant;

use crate::error::SessionEnd;
use crate::options::TransportChoice;

/// See [`Client::state`](crate::Client::state).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionState {
    /// Everything flows.
    Connected {
        /// What carries it.
        transport: Transport,
    },
    /// Everything flows, and the session is on its way from one connection to another.
    Moving {
        /// What it leaves.
        from: Transport,
        /// What it goes to.
        to: TransportChoice,
    },
    /// The connection was lost; the seats are kept, and what is sent meanwhile waits.
    Reconnecting {
        /// The number of the attempt that is being made or is made next, counted from 1.
        attempt: u32,
        /// When it is or was made.
        next_try: Instant,
        /// When the connection was lost.
        since: Instant,
        /// When this client gives up. The server gives the seats up earlier, if it is there all the time.
        until: Instant,
        /// How the connection was lost: closed with [`CloseCode::ShuttingDown`](crate::CloseCode::ShuttingDown) by a
        /// server that goes, and comes back.
        why: Closed,
    },
    /// The server has closed the connection for what this program sent: something malformed (4501), too large (4502) or
    /// of the other codec (4507). The same would happen again, so no other connection is made, and what is sent or
    /// asked fails. What was sent before and was not answered is not sent again. The seats are kept, and
    /// [`Client::reconnect`](crate::Client::reconnect) goes on.
    Closed {
        /// What the server said.
        why: SessionEnd,
        /// When the seats are given up, and the session ends.
        until: Instant,
    },
    /// It is over.
    Ended(SessionEnd),
}
