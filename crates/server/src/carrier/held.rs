//! What a connection holds of what was written on it, and for how long it has taken nothing of it.

use std::time::Duration;

use anteroom_transport::Connection;
use tokio::time::Instant;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Held {
    bytes: usize,
    written_bytes: u64,
    /// Since when it has taken nothing of it.
    since: Option<Instant>,
    /// The memory is needed: the connection is to be closed.
    pub(super) is_given_up: bool,
}

impl Held {
    pub(super) fn look(&mut self, connection: &Connection) {
        self.bytes = connection.queued_bytes();
        let before = std::mem::replace(&mut self.written_bytes, connection.written_bytes());
        if self.bytes == 0 {
            self.since = None;
        } else if before != self.written_bytes || self.since.is_none() {
            self.since = Some(Instant::now());
        }
    }

    /// Gives the connection up if it holds so much and has taken nothing of it for so long. Whether it does.
    pub(super) fn give_up(&mut self, bytes_min: usize, time_min: Duration) -> bool {
        let is_stalled = self.since.is_some_and(|since| since.elapsed() >= time_min);
        let is_given_up = is_stalled && self.bytes >= bytes_min;
        self.is_given_up |= is_given_up;
        is_given_up
    }
}
