//! How much one task does before others get their turn.
//!
//! The runtime has no way to interrupt a task, so whatever input drives counts what it does, and gives way. Who has given
//! way goes on when every other task has had its turn, and sockets and timers were looked at.

use std::time::Duration;

use tokio::time::Instant;

/// What handling anything costs, however small it is, as bytes that take about as long to read and to encode.
const PIECE_BYTES: usize = 1 << 10;
/// How much is done in a slice: some tens of microseconds' worth.
const SLICE_BYTES: usize = 32 << 10;
/// How long a slice may take, where pieces may cost anything.
const SLICE_MAX: Duration = Duration::from_micros(250);

/// See the module.
#[derive(Debug)]
pub(crate) struct Slice {
    spent: usize,
    /// When it began, if it is timed.
    since: Option<Instant>,
}

impl Slice {
    /// For a task whose pieces cost what they have in bytes.
    pub(crate) fn counted() -> Self {
        Self { spent: 0, since: None }
    }

    /// For a task that runs a game's code, or writes on sockets. In a simulation its slices are counted, too: no time
    /// passes while a task runs.
    pub(crate) fn timed() -> Self {
        Self { spent: 0, since: Some(Instant::now()) }
    }

    /// Counts a piece of so many bytes.
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.spent += PIECE_BYTES + bytes;
    }

    /// Counts bytes more of a piece.
    pub(crate) fn spend_more(&mut self, bytes: usize) {
        self.spent += bytes;
    }

    /// Others have had their turn.
    pub(crate) fn begin(&mut self) {
        self.spent = 0;
        self.since = self.since.map(|_| Instant::now());
    }

    /// Lets others have their turn if the slice is used up. Cancel-safe.
    pub(crate) async fn give_way(&mut self) {
        if self.spent >= SLICE_BYTES || self.since.is_some_and(|since| since.elapsed() >= SLICE_MAX) {
            tokio::task::yield_now().await;
            self.begin();
        }
    }
}
