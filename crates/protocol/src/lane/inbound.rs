//! The receiving end of a lane from the server: counts what arrives, and drops what has arrived before.

/// How many numbers of a lane belong to one generation. A server that was started anew goes on in a higher one.
const GENERATION_BITS: u32 = 32;

/// The receiver's count of one lane. It outlives connections; [`Inbound::opened`] places it on a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inbound {
    received: u64,
    next: u64,
}

/// What a `lane` announcement means to the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// The lane goes on; what comes twice is dropped.
    GoesOn,
    /// Messages were lost, and the next counted message is a snapshot.
    Gap {
        /// How many numbers were jumped, or 0 if the server was started anew: then nobody knows. What a full queue
        /// swallowed has none, so more may be lost than this says.
        missed: u64,
    },
}

/// A server went on behind messages that never arrived, without saying so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the lane goes on at message {next}, but only {received} arrived, and no gap was told")]
pub struct UntoldGap {
    /// The number announced.
    pub next: u64,
    /// The last number that arrived.
    pub received: u64,
}

impl Default for Inbound {
    fn default() -> Self {
        Self { received: 0, next: 1 }
    }
}

impl Inbound {
    /// The number of the last message received: what `ack` and `received` say.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Goes on as a `lane` announcement says.
    ///
    /// # Errors
    /// [`UntoldGap`], which an honest server never causes.
    pub fn opened(&mut self, next: u64, gap: bool) -> Result<Opened, UntoldGap> {
        if gap {
            let is_anew = next >> GENERATION_BITS != self.received >> GENERATION_BITS;
            let missed = if is_anew { 0 } else { next.saturating_sub(self.received.saturating_add(1)) };
            // A snapshot is not a repetition, whatever its number.
            self.received = next.saturating_sub(1);
            self.next = next;
            return Ok(Opened::Gap { missed });
        }
        if next > self.received.saturating_add(1) {
            return Err(UntoldGap { next, received: self.received });
        }
        self.next = next;
        Ok(Opened::GoesOn)
    }

    /// Counts a message. `false` if it has arrived before, and is to be dropped.
    pub fn take(&mut self) -> bool {
        let number = self.next;
        self.next = number.saturating_add(1);
        if number <= self.received {
            return false;
        }
        self.received = number;
        true
    }

    /// Counts so many messages at once, and says how many of them are new. Those that have arrived before are in front.
    pub fn take_all(&mut self, messages: u64) -> u64 {
        self.next = self.next.saturating_add(messages);
        let received = self.received.max(self.next.saturating_sub(1));
        let new = received - self.received;
        self.received = received;
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_arrived_is_dropped() {
        let mut lane = Inbound::default();
        assert!((0..5).all(|_| lane.take()));
        assert_eq!(lane.received(), 5);
        assert_eq!(lane.opened(4, false), Ok(Opened::GoesOn));
        assert_eq!([lane.take(), lane.take(), lane.take()], [false, false, true]);
        assert_eq!(lane.received(), 6);
    }

    #[test]
    fn many_at_once_are_counted_as_one_by_one() {
        for (received, next, messages) in [(0, 1, 3), (5, 6, 0), (5, 4, 1), (5, 4, 2), (5, 4, 7), (5, 1, 5)] {
            let (mut at_once, mut one_by_one) = (Inbound { received, next }, Inbound { received, next });
            let new = (0..messages).filter(|_| one_by_one.take()).count() as u64;
            assert_eq!((at_once.take_all(messages), at_once), (new, one_by_one), "{messages} behind {received}");
        }
    }

    #[test]
    fn a_gap_is_told_and_begins_with_a_snapshot() {
        let mut lane = Inbound::default();
        assert!(lane.take());
        assert_eq!(lane.opened(9, false), Err(UntoldGap { next: 9, received: 1 }));
        assert_eq!(lane.opened(9, true), Ok(Opened::Gap { missed: 7 }));
        assert_eq!((lane.take(), lane.received()), (true, 9));
        // Asked for, as by a page that was loaded anew: nothing is lost, but a snapshot comes.
        assert_eq!(lane.opened(10, true), Ok(Opened::Gap { missed: 0 }));
        assert_eq!((lane.take(), lane.received()), (true, 10));
    }

    #[test]
    fn what_a_server_that_was_started_anew_has_lost_is_not_known() {
        let mut lane = Inbound::default();
        assert!(lane.take());
        for generation in [1, 2, u64::from(u16::MAX)] {
            let first = (generation << 32) + 1;
            assert_eq!(lane.opened(first, true), Ok(Opened::Gap { missed: 0 }));
            assert_eq!((lane.take(), lane.received()), (true, first));
            assert_eq!(lane.opened(first + 3, true), Ok(Opened::Gap { missed: 2 }));
        }
    }
}
