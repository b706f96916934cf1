//! What is sent and what is checked: every message says who sent it, the how manieth it is, and when.
//!
//! Reliable messages are counted by sender and receiver: each must come once and in order.

use std::time::{Duration, Instant};

/// The payload of every message, 60 bytes of JSON. The stamp is written over the zeros.
pub(crate) const BODY: &str = r#"{"at":"@0000.00000000.0000000000","move":"up","x":12,"y":40}"#;
/// Where a stamp begins. Nothing else that a server sends has one.
const MARK: u8 = b'@';
const STAMP_BYTES: usize = 25;

/// What a message says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The sender's place in the room.
    pub(crate) sender: usize,
    /// The sender's messages before this one.
    pub(crate) number: u32,
    /// Microseconds on this program's clock.
    pub(crate) at_us: u64,
}

impl Stamp {
    /// Writes it over the stamp in a message.
    pub(crate) fn put(self, message: &mut [u8]) {
        let Some(start) = memchr::memchr(MARK, message) else { return };
        let stamp = &mut message[start..start + STAMP_BYTES];
        put_digits(&mut stamp[1..5], self.sender as u64);
        put_digits(&mut stamp[6..14], self.number.into());
        put_digits(&mut stamp[15..25], self.at_us);
    }

    /// Every stamp in a payload, in order.
    pub(crate) fn all(payload: &[u8]) -> impl Iterator<Item = Self> + '_ {
        memchr::memchr_iter(MARK, payload).filter_map(|start| {
            let stamp = payload.get(start..start + STAMP_BYTES)?;
            Some(Self {
                sender: digits(&stamp[1..5]) as usize,
                number: digits(&stamp[6..14]) as u32,
                at_us: digits(&stamp[15..25]),
            })
        })
    }
}

/// Writes a number over digits, with leading zeros.
pub(crate) fn put_digits(place: &mut [u8], mut value: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

fn digits(text: &[u8]) -> u64 {
    text.iter().fold(0, |value, digit| value * 10 + u64::from(digit.wrapping_sub(b'0')))
}

/// How messages are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Load {
    /// Each member keeps one message under way.
    Closed,
    /// All together cause so many deliveries a second, evenly.
    Rate(u32),
}

impl Load {
    /// How long each member waits between two messages.
    pub(crate) fn period(self, members: usize, in_room: usize) -> Option<Duration> {
        match self {
            Self::Closed => None,
            Self::Rate(deliveries) => {
                Some(Duration::from_secs_f64((members * in_room) as f64 / f64::from(deliveries.max(1))))
            }
        }
    }
}

/// Everything that was heard during one load.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Members of each room.
    in_room: usize,
    start: Instant,
    /// The number expected next, by receiver and sender's place.
    expected: Vec<u32>,
    /// What each member has sent.
    sent: Vec<u32>,
    pub(crate) delivered: u64,
    pub(crate) missing: u64,
    pub(crate) repeated_or_late: u64,
    /// Whether latencies are kept now.
    pub(crate) keeps: bool,
    pub(crate) latencies_us: Vec<u32>,
}

impl Tally {
    pub(crate) fn new(members: usize, in_room: usize) -> Self {
        Self {
            in_room,
            start: Instant::now(),
            expected: vec![0; members * in_room],
            sent: vec![0; members],
            delivered: 0,
            missing: 0,
            repeated_or_late: 0,
            keeps: false,
            latencies_us: Vec::with_capacity(1 << 20),
        }
    }

    pub(crate) fn now_us(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    /// The stamp of a member's next message.
    pub(crate) fn sends(&mut self, member: usize) -> Stamp {
        let number = self.sent[member];
        self.sent[member] += 1;
        Stamp { sender: member % self.in_room, number, at_us: self.now_us() }
    }

    /// Notes everything in a payload; says whether the member's own newest message is among it.
    pub(crate) fn hears(&mut self, member: usize, payload: &[u8], now_us: u64) -> bool {
        let mut own = false;
        for stamp in Stamp::all(payload) {
            own |= stamp.sender == member % self.in_room && stamp.number + 1 == self.sent[member];
            let expected = &mut self.expected[member * self.in_room + stamp.sender];
            self.delivered += 1;
            if stamp.number < *expected {
                self.repeated_or_late += 1;
                continue;
            }
            self.missing += u64::from(stamp.number - *expected);
            *expected = stamp.number + 1;
            if self.keeps {
                self.latencies_us.push(now_us.saturating_sub(stamp.at_us) as u32);
            }
        }
        own
    }

    /// How many messages have not reached somebody.
    pub(crate) fn under_way(&self) -> u64 {
        let sent: u64 = self.sent.iter().map(|sent| u64::from(*sent) * self.in_room as u64).sum();
        sent.saturating_sub(self.delivered + self.missing)
    }

    /// The latency that this share of the messages does not exceed, in milliseconds.
    pub(crate) fn quantile_ms(&mut self, share: f64) -> f64 {
        if self.latencies_us.is_empty() {
            return f64::NAN;
        }
        let place = ((self.latencies_us.len() - 1) as f64 * share) as usize;
        let (_, latency, _) = self.latencies_us.select_nth_unstable(place);
        f64::from(*latency) / 1000.0
    }
}
