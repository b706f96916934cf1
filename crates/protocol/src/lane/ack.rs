//! When to acknowledge: soon enough that the other side can let go, and seldom enough to cost nothing.

/// When something must be acknowledged, whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckAfter {
    /// So many messages since the last acknowledgement.
    pub messages: u32,
    /// So many bytes.
    pub bytes: usize,
    /// So many milliseconds since the first of them.
    pub ms: u64,
}

/// The rule of this protocol: 64 messages, 16 KiB, or one second.
pub const ACK_AFTER: AckAfter = AckAfter { messages: 64, bytes: 16 << 10, ms: 1000 };

/// Counts what came since the last acknowledgement, over all lanes: one `ack` speaks for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AckDue {
    messages: u32,
    bytes: usize,
    since_ms: Option<u64>,
}

impl AckDue {
    /// Notes a counted message of so many bytes.
    pub fn note(&mut self, now_ms: u64, bytes: usize) {
        self.note_all(now_ms, 1, bytes);
    }

    /// Notes so many counted messages, of so many bytes together.
    pub fn note_all(&mut self, now_ms: u64, messages: u32, bytes: usize) {
        self.add(Self { messages, bytes, since_ms: Some(now_ms) });
    }

    /// Notes what was noted elsewhere.
    pub fn add(&mut self, other: Self) {
        self.messages = self.messages.saturating_add(other.messages);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.since_ms = [self.since_ms, other.since_ms].into_iter().flatten().min();
    }

    /// Something that came then, and does not count for how much there is.
    pub(super) fn since(ms: u64) -> Self {
        Self { messages: 0, bytes: 0, since_ms: Some(ms) }
    }

    /// When to acknowledge, in the milliseconds of [`note`](Self::note); in the past if it is time. `None` if there
    /// is nothing to acknowledge.
    #[must_use]
    pub fn at_ms(&self) -> Option<u64> {
        let since = self.since_ms?;
        let much = self.messages >= ACK_AFTER.messages || self.bytes >= ACK_AFTER.bytes;
        Some(if much { since } else { since.saturating_add(ACK_AFTER.ms) })
    }

    /// Whether it is time to acknowledge.
    #[must_use]
    pub fn is_due(&self, now_ms: u64) -> bool {
        self.at_ms().is_some_and(|at| at <= now_ms)
    }

    /// Begins anew: an acknowledgement is on its way, or the connection it would have gone on is gone.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_messages_many_bytes_or_a_second() {
        let mut due = AckDue::default();
        assert_eq!(due.at_ms(), None);
        due.note(5, 10);
        due.note(900, 10);
        assert!(!due.is_due(1004) && due.is_due(1005));
        due.reset();
        (0..63).for_each(|_| due.note(5, 1));
        assert!(!due.is_due(5));
        due.note(5, 1);
        assert!(due.is_due(5));
        due.reset();
        due.note(7, ACK_AFTER.bytes);
        assert!(due.is_due(7));
    }
}
