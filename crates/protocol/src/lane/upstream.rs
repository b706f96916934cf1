//! Upstream: messages with a number of their own, kept until the server has them, and applied once.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::batch::Batch;
use crate::id::LaneId;

/// A message on its way to the server.
#[derive(Debug, Clone, PartialEq)]
pub struct Upstream {
    /// Its number, increasing over the session.
    pub n: u64,
    /// The lane it belongs to: that of its room, or control.
    pub lane: LaneId,
    /// The message, its `n` included.
    pub batch: Arc<Batch>,
}

/// The client's queue of messages that the server may not have. It outlives connections.
#[derive(Debug, Default)]
pub struct Unacknowledged {
    queue: VecDeque<Upstream>,
    bytes: usize,
    last_n: u64,
}

impl Unacknowledged {
    /// The number for the next message. Every number is given once.
    pub fn next_n(&mut self) -> u64 {
        self.last_n += 1;
        self.last_n
    }

    /// Goes on behind a number, if it is behind that already: the server has seen it in this session.
    pub fn skip_to(&mut self, last_n: u64) {
        self.last_n = self.last_n.max(last_n);
    }

    /// Keeps a message whose number came from [`next_n`](Self::next_n), in the order of the numbers.
    pub fn push(&mut self, message: Upstream) {
        self.bytes += message.batch.payload().len();
        self.queue.push_back(message);
    }

    /// How many messages wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes of payload that wait.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets what a lane's owner has: everything up to its watermark.
    pub fn acknowledge(&mut self, lane: LaneId, applied: u64) {
        self.retain(|message| message.lane != lane || message.n > applied);
    }

    /// Forgets one message, because its answer has come. Whether it was there.
    pub fn answered(&mut self, n: u64) -> bool {
        let before = self.queue.len();
        self.retain(|message| message.n != n);
        self.queue.len() < before
    }

    /// What to send again on a lane whose owner has everything up to `applied`: the rest, in order. What it has is
    /// forgotten.
    pub fn resend(&mut self, lane: LaneId, applied: u64) -> impl Iterator<Item = &Upstream> {
        self.acknowledge(lane, applied);
        self.queue.iter().filter(move |message| message.lane == lane)
    }

    /// Takes out what waits on a lane that has ended. Its outcome is unknown; it is never sent again.
    pub fn end_lane(&mut self, lane: LaneId) -> Vec<Upstream> {
        let mut ended = Vec::new();
        self.retain(|message| {
            let stays = message.lane != lane;
            if !stays {
                ended.push(message.clone());
            }
            stays
        });
        ended
    }

    fn retain(&mut self, mut stays: impl FnMut(&Upstream) -> bool) {
        let bytes = &mut self.bytes;
        self.queue.retain(|message| {
            let stays = stays(message);
            if !stays {
                *bytes -= message.batch.payload().len();
            }
            stays
        });
    }
}

/// The server's mark on one lane: the highest `n` that its owner has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Watermark(u64);

impl Watermark {
    /// The highest number taken: what `lane.applied` and the server's `ack` say.
    #[must_use]
    pub fn applied(self) -> u64 {
        self.0
    }

    /// Whether a message is new. One without a number always is: it is sent at most once.
    #[must_use]
    pub fn is_new(self, n: Option<u64>) -> bool {
        n.is_none_or(|n| n > self.0)
    }

    /// Moves the mark over a message that the owner has taken.
    pub fn take(&mut self, n: Option<u64>) {
        self.0 = self.0.max(n.unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;
    use crate::envelope::{Empty, Header};

    fn message(n: u64, lane: u32) -> Upstream {
        let batch = Batch::one(Codec::Json, &Header { n: Some(n), ..Header::new("x") }, &Empty {}).unwrap();
        Upstream { n, lane: LaneId(lane), batch: Arc::new(batch) }
    }

    fn numbers<'a>(messages: impl IntoIterator<Item = &'a Upstream>) -> Vec<u64> {
        messages.into_iter().map(|message| message.n).collect()
    }

    #[test]
    fn each_lane_is_acknowledged_by_itself() {
        let mut kept = Unacknowledged::default();
        for lane in [0, 3, 0, 3, 4] {
            let n = kept.next_n();
            kept.push(message(n, lane));
        }
        kept.acknowledge(LaneId(3), 2);
        assert_eq!(numbers(kept.resend(LaneId(3), 2)), [4]);
        assert_eq!(numbers(kept.resend(LaneId(0), 1)), [3]);
        assert_eq!(numbers(&kept.end_lane(LaneId(3))), [4]);
        assert!(kept.answered(5) && !kept.answered(5));
        assert_eq!((kept.len(), kept.bytes()), (1, message(3, 0).batch.payload().len()));
        kept.skip_to(9);
        kept.skip_to(2);
        assert_eq!(kept.next_n(), 10);
    }

    #[test]
    fn a_number_passes_once() {
        let mut mark = Watermark::default();
        assert!(mark.is_new(Some(4)) && mark.is_new(None));
        mark.take(Some(4));
        mark.take(None);
        assert!(!mark.is_new(Some(4)) && !mark.is_new(Some(3)) && mark.is_new(Some(5)));
        assert_eq!(mark.applied(), 4);
    }
}
