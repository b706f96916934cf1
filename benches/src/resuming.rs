//! What a member does so that its session can be resumed: it numbers what it sends, counts what it hears, and
//! acknowledges that as the protocol says.
//!
//! It counts without decoding: what a server sends here says `"type":` once for each message, and nowhere else. A
//! member that counted too much would be thrown out for it.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anteroom_protocol::lane::{AckDue, UNCOUNTED_TYPES};
use anteroom_protocol::message::resume::Ack;
use anteroom_protocol::{Batch, Codec, Header, LaneId};
use anyhow::{Context, Result};
use memchr::memmem::{self, Finder};

use crate::workload::put_digits;

/// The number of a member's first message: all of them have so many digits, to be changed in place.
pub(crate) const FIRST_N: u64 = 10_000_000;
const N_DIGITS: usize = 8;

static TYPE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br#""type":""#));
/// The time that acknowledgements go by.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Something that no other session has said in its handshake.
pub(crate) fn nonce() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{:016x}{:016x}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Milliseconds since some start, the same for everybody here.
pub(crate) fn now_ms() -> u64 {
    START.elapsed().as_millis() as u64
}

/// One member's part in it.
#[derive(Debug)]
pub(crate) struct Resuming {
    lane: LaneId,
    received: u64,
    due: AckDue,
    next_n: u64,
}

impl Resuming {
    /// Before the first message of a session.
    pub(crate) fn new() -> Self {
        Self { lane: LaneId::CONTROL, received: 0, due: AckDue::default(), next_n: FIRST_N }
    }

    /// In a room, on this lane. Nothing was counted before.
    pub(crate) fn enters(&mut self, lane: LaneId) {
        self.lane = lane;
    }

    /// Counts the messages of a payload.
    pub(crate) fn hears(&mut self, now_ms: u64, payload: &[u8]) {
        let counted = counted(payload);
        for _ in 0..counted {
            self.due.note(now_ms, payload.len() / counted);
        }
        self.received += counted as u64;
    }

    /// What to say, if it is time to acknowledge.
    pub(crate) fn acknowledgement(&mut self, now_ms: u64) -> Result<Option<Batch>> {
        if !self.due.is_due(now_ms) {
            return Ok(None);
        }
        self.due.reset();
        let ack = Ack { counts: [(self.lane, self.received)].into() };
        Ok(Some(Batch::one(Codec::Json, &Header::new("ack"), &ack)?))
    }

    /// Writes the next number into a message that was made with [`FIRST_N`].
    pub(crate) fn number(&mut self, message: &mut [u8]) -> Result<()> {
        let place = memmem::find(message, br#""n":"#).context("the message has no number")? + br#""n":"#.len();
        put_digits(&mut message[place..place + N_DIGITS], self.next_n);
        self.next_n += 1;
        Ok(())
    }
}

/// How many messages of a payload count.
fn counted(payload: &[u8]) -> usize {
    let counts = |place: &usize| {
        let kind = &payload[place + TYPE.needle().len()..];
        !UNCOUNTED_TYPES
            .iter()
            .any(|uncounted| kind.strip_prefix(uncounted.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'"')))
    };
    TYPE.find_iter(payload).filter(counts).count()
}

#[cfg(test)]
mod tests {
    use anteroom_protocol::lane::ACK_AFTER;

    use super::*;

    const HEARD: &[u8] = br#"[{"type":"message","room_id":"k3v9","data":{"payload":1}},
        {"type":"ack","data":{"3":9}},{"type":"client_joined","data":{}},{"type":"acknowledged","data":{}}]"#;

    #[test]
    fn what_counts_is_acknowledged_in_time() {
        let mut resuming = Resuming::new();
        resuming.enters(LaneId(3));
        resuming.hears(10, HEARD);
        assert!(resuming.acknowledgement(10 + ACK_AFTER.ms - 1).unwrap().is_none());
        let ack = resuming.acknowledgement(10 + ACK_AFTER.ms).unwrap().unwrap();
        assert_eq!(ack.payload(), br#"{"type":"ack","data":{"3":3}}"#);
        for _ in 0..ACK_AFTER.messages / 3 {
            resuming.hears(20, HEARD);
            assert!(resuming.acknowledgement(20).unwrap().is_none());
        }
        resuming.hears(20, HEARD);
        assert_eq!(resuming.acknowledgement(20).unwrap().unwrap().payload(), br#"{"type":"ack","data":{"3":69}}"#);
    }

    #[test]
    fn messages_are_numbered_in_place() {
        let mut resuming = Resuming::new();
        let mut message = format!(r#"{{"type":"send","n":{FIRST_N},"data":{{}}}}"#).into_bytes();
        for _ in 0..2 {
            resuming.number(&mut message).unwrap();
        }
        assert_eq!(message, br#"{"type":"send","n":10000001,"data":{}}"#);
        assert!(resuming.number(&mut b"{}".to_vec()).is_err());
    }
}
