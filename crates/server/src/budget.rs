//! What all sessions together keep for their clients, and what goes when that is too much.
//!
//! Counted is what is in memory: batches on whatever lanes, each once, the queues that hold them, and sessions. Beyond the
//! bound `sessions::relief` takes it from those who are furthest behind.

use anteroom_protocol::Tally;
use tokio::sync::Notify;

use crate::error::Problems;
use crate::tables::LimitList;

/// What a session takes in memory, however little it keeps: itself, what finds it, and its place among those who wait for their clients.
pub(crate) const SESSION_BYTES: usize = 3 << 10;
/// Less would be gone with a few large rooms.
const RETAINED_BYTES_MIN: u64 = 16 << 20;
/// One session that keeps more than this, when all together keep far too much, need not be compared with others.
const ALONE_BYTES_MAX: usize = 256 << 10;

/// See the module.
#[derive(Debug)]
pub(crate) struct Budget {
    total: Tally,
    /// Batches that no room has said.
    control: Tally,
    bytes_max: usize,
    exceeded: Notify,
}

impl Budget {
    /// What the limits leave for all sessions together.
    pub(crate) fn of(limits: &LimitList) -> Self {
        Self::new(usize::try_from(limits.retained_bytes_max).unwrap_or(usize::MAX))
    }

    pub(crate) fn check(limits: &LimitList, problems: &mut Problems) {
        if limits.retained_bytes_max < RETAINED_BYTES_MIN {
            problems.add("limits.retained_bytes_max", "must be at least 16777216 (16 MiB)");
        }
    }

    pub(crate) fn new(bytes_max: usize) -> Self {
        let total = Tally::default();
        Self { control: Tally::within(&total), total, bytes_max, exceeded: Notify::new() }
    }

    /// Where memory is counted that is no batch.
    pub(crate) fn total(&self) -> &Tally {
        &self.total
    }

    /// Where batches are counted that no room has said.
    pub(crate) fn control(&self) -> &Tally {
        &self.control
    }

    /// Waits until there may be too much. Cancel-safe.
    pub(crate) async fn exceeded(&self) {
        self.exceeded.notified().await;
    }

    /// There is too much still.
    pub(crate) fn look_again(&self) {
        self.exceeded.notify_one();
    }

    pub(crate) fn is_exceeded(&self) -> bool {
        self.total.bytes() > self.bytes_max
    }

    /// How much there may be once too much was found: a little less, so that it is not found again with the next message.
    pub(crate) fn target(&self) -> usize {
        self.bytes_max - self.bytes_max / 8
    }

    /// Looks whether it is too much, after something was put on a session's lanes. Whether that session is to be relieved at
    /// once, for which `retained_bytes` gives what it keeps: waiting for the relief would let memory grow meanwhile.
    pub(crate) fn is_too_much(&self, retained_bytes: impl FnOnce() -> usize) -> bool {
        let bytes = self.total.bytes();
        if bytes <= self.bytes_max {
            return false;
        }
        self.exceeded.notify_one();
        bytes > self.bytes_max + self.bytes_max / 16 && retained_bytes() > ALONE_BYTES_MAX
    }
}
