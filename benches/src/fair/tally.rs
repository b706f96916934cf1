//! What became of each move, without IO.

use std::collections::BTreeMap;
use std::fmt;

use anteroom_bench::Latencies;

/// Which move: whose, and the how manieth.
pub(super) type Move = (usize, u32);

/// How moves fared, in milliseconds from when they were due until the opponent had them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beat {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    pub(crate) moves: u64,
    /// Not taken, with any code.
    pub(crate) refused: u64,
    /// Never heard of again. They count as having taken as long as somebody listened for them.
    pub(crate) lost: u64,
    /// How long after they were due they were handed to the connection.
    pub(crate) late_p99_ms: f64,
    pub(crate) late_max_ms: f64,
    /// The share of its core that the server used, and of time that it was ready and somebody else was there.
    pub(crate) server_share: f64,
    pub(crate) waited_share: f64,
}

impl fmt::Display for Beat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50_ms, p99_ms, max_ms, refused, lost, late_p99_ms, .. } = self;
        let (used, waited) = (self.server_share * 100.0, self.waited_share * 100.0);
        write!(f, "p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms, max {max_ms:.1} ms, {refused} refused, {lost} lost, ")?;
        write!(f, "sent {late_p99_ms:.2} ms late, server {used:.0} % and waited {waited:.0} %")
    }
}

/// The moves of one look.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Moves that were due earlier do not count.
    pub(super) from_us: u64,
    /// When moves were due that are under way.
    pending: BTreeMap<Move, u64>,
    latencies: Latencies,
    lateness: Latencies,
    moves: u64,
    refused: u64,
    /// Why a player is not there any more.
    pub(super) failure: Option<String>,
}

impl Tally {
    /// Forgets all but what has failed.
    pub(super) fn begin(&mut self, from_us: u64) {
        *self = Self { from_us, failure: self.failure.take(), ..Self::default() };
    }

    pub(super) fn sends(&mut self, which: Move, due_us: u64) {
        if due_us >= self.from_us {
            self.moves += 1;
            self.pending.insert(which, due_us);
        }
    }

    pub(super) fn has_sent(&mut self, due_us: u64, now_us: u64) {
        if due_us >= self.from_us {
            self.lateness.record_us(now_us.saturating_sub(due_us));
        }
    }

    /// The opponent has it.
    pub(super) fn hears(&mut self, which: Move, now_us: u64) {
        if let Some(due_us) = self.pending.remove(&which) {
            self.latencies.record_us(now_us.saturating_sub(due_us));
        }
    }

    /// The player is told that it was not taken.
    pub(super) fn is_refused(&mut self, which: Move) {
        self.refused += u64::from(self.pending.remove(&which).is_some());
    }

    pub(super) fn is_complete(&self) -> bool {
        self.pending.is_empty()
    }

    /// Nobody listens any longer.
    pub(super) fn end(&mut self, now_us: u64) -> Beat {
        let pending = std::mem::take(&mut self.pending);
        for due_us in pending.values() {
            self.latencies.record_us(now_us.saturating_sub(*due_us));
        }
        Beat {
            p50_ms: self.latencies.quantile_ms(0.5),
            p99_ms: self.latencies.quantile_ms(0.99),
            max_ms: self.latencies.max_ms(),
            moves: self.moves,
            refused: self.refused,
            lost: pending.len() as u64,
            late_p99_ms: self.lateness.quantile_ms(0.99),
            late_max_ms: self.lateness.max_ms(),
            server_share: f64::NAN,
            waited_share: f64::NAN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_move_is_heard_refused_or_lost() {
        let mut tally = Tally::default();
        tally.begin(1_000);
        tally.sends((0, 0), 999);
        for (number, due_us) in (1..=3).zip([1_000, 2_000, 3_000]) {
            tally.sends((0, number), due_us);
            tally.has_sent(due_us, due_us + 50);
        }
        tally.hears((0, 0), 5_000);
        tally.hears((0, 1), 5_000);
        tally.hears((0, 1), 9_000);
        tally.is_refused((0, 2));
        assert!(!tally.is_complete());
        let beat = tally.end(13_000);
        assert_eq!((beat.moves, beat.refused, beat.lost), (3, 1, 1));
        assert!((beat.p50_ms - 4.0).abs() < 0.01 && (beat.max_ms - 10.0).abs() < 0.01, "{beat:?}");
        assert!((beat.late_max_ms - 0.05).abs() < 0.001, "{beat:?}");
        assert!(tally.is_complete());
    }
}
