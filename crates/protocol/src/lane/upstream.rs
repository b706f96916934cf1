//! Upstream: messages with a number of their own, kept until the server has them, and applied once.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::batch::Batch;
use crate::id::LaneId;
use crate::lane::AckDue;

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

    /// Whether the message with this number waits.
    #[must_use]
    pub fn has(&self, n: u64) -> bool {
        self.queue.iter().any(|message| message.n == n)
    }

    /// Bytes of payload that wait.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets what a lane's owner has: everything up to the number that it has applied.
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

/// The server's marks on one lane. What is not in order cannot be told from what came before, so both only rise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// What came before the lane.
    before: u64,
    handed: u64,
    applied: u64,
    /// What was handed over and is not applied yet, and when it would have to be acknowledged.
    in_flight: AckDue,
    /// When something was handed over last.
    handed_ms: u64,
}

impl Marks {
    /// Marks behind a number: nothing up to it is on this lane.
    #[must_use]
    pub fn behind(n: u64) -> Self {
        Self { before: n, handed: n, applied: n, in_flight: AckDue::default(), handed_ms: 0 }
    }

    /// The highest number that the lane's owner has acted on, or refused: what `lane.applied` and the server's `ack` say.
    #[must_use]
    pub fn applied(self) -> u64 {
        self.applied
    }

    /// When what the owner has and has not acted on would be to be acknowledged, in milliseconds; nothing if there is none.
    #[must_use]
    pub fn in_flight_at_ms(self) -> Option<u64> {
        self.in_flight.at_ms()
    }

    /// Whether a message is new: it was not handed over. One without a number always is: it is sent at most once.
    #[must_use]
    pub fn is_new(self, n: Option<u64>) -> bool {
        n.is_none_or(|n| n > self.handed)
    }

    /// Whether a message that the lane could be meant for has come to its owner, or one behind it.
    #[must_use]
    pub fn have_passed(self, n: u64) -> bool {
        n > self.before && n <= self.handed
    }

    /// A message of so many bytes is handed over to the owner: it is not handed over again, and not acknowledged yet.
    pub fn hand(&mut self, now_ms: u64, n: u64, bytes: usize) {
        self.handed = self.handed.max(n);
        self.in_flight.note(now_ms, bytes);
        self.handed_ms = now_ms;
    }

    /// The owner has acted on everything up to a number, or refused it. Gives what is to be acknowledged for it. Of several that
    /// are in flight all are given with the first: acknowledging a little early does no harm.
    pub fn apply(&mut self, n: u64) -> AckDue {
        let n = n.min(self.handed);
        if n <= self.applied {
            return AckDue::default();
        }
        self.applied = n;
        let due = self.in_flight;
        // Those behind it count no more, and wait no longer than the newest of them.
        self.in_flight = if n == self.handed { AckDue::default() } else { AckDue::since(self.handed_ms) };
        due
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
        let mut marks = Marks::default();
        assert!(marks.is_new(Some(4)) && marks.is_new(None));
        marks.hand(9, 4, 10);
        assert!(!marks.is_new(Some(4)) && !marks.is_new(Some(3)) && marks.is_new(Some(5)));
        assert_eq!((marks.applied(), marks.in_flight_at_ms()), (0, Some(1009)), "nobody has acted on it");
        marks.hand(20, 7, 5);
        assert_eq!(marks.apply(4).at_ms(), Some(1009));
        assert_eq!((marks.apply(4).at_ms(), marks.apply(3).at_ms()), (None, None));
        assert_eq!((marks.applied(), marks.in_flight_at_ms()), (4, Some(1020)), "the other one still is");
        assert_eq!(marks.apply(9).at_ms(), Some(1020));
        assert_eq!((marks.applied(), marks.in_flight_at_ms()), (7, None), "never above what was handed over");
        let mut marks = Marks::behind(3);
        assert!(!marks.is_new(Some(3)) && marks.is_new(Some(4)));
        marks.hand(0, 5, 1);
        assert_eq!([3, 4, 5, 6].map(|n| marks.have_passed(n)), [false, true, true, false]);
    }
}
