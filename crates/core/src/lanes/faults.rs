//! Connections that are closed for what came on them.
//!
//! That is a fault of one connection, so the session outlives it as any loss. A client that does it again and again is
//! broken, and no connection will help it: then the session is over.

use std::time::Duration;

use super::{ConnectionId, Lanes};
use crate::time::Time;

/// The fault that ends the session, if none of those before it is forgotten.
const FAULTS_MAX: u32 = 3;

/// The faults that are not forgotten yet.
#[derive(Debug, Default)]
pub(super) struct Faults {
    count: u32,
    last: Time,
}

impl Lanes {
    /// Notes that a connection is closed for what came on it; that it is [`lost`](Self::lost) is said as well. Whether
    /// the session outlives it. Faults are forgotten when there was no other for so long. Only a connection that the
    /// lanes are attached to, or will move to, speaks for the session: its client has proven who it is.
    #[must_use]
    pub fn outlives_fault(&mut self, now: Time, connection: ConnectionId, forgotten_after: Duration) -> bool {
        if !self.carrying.has(connection) {
            return true;
        }
        let Faults { count, last } = &mut self.faults;
        if now.since(*last) >= forgotten_after {
            *count = 0;
        }
        *count += 1;
        *last = now;
        *count < FAULTS_MAX
    }
}
