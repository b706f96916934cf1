//! How long to wait before the next attempt: exponentially longer with full jitter, so that a server that comes back
//! is not run over by everyone at once.
//!
//! Pure: randomness comes from a seed.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);

/// See the module. Attempts are counted from the beginning or the last [`Backoff::reset`].
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    random: u64,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: seed, failures: 0 }
    }

    /// Something has worked.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// How long to wait after one more failure: not at all at first, then anything up to 100 ms, 200 ms, and so on up
    /// to 5 s.
    pub(crate) fn next(&mut self) -> Duration {
        let failures = self.failures;
        self.failures = failures.saturating_add(1);
        match failures {
            0 => Duration::ZERO,
            _ => FIRST.saturating_mul(1 << (failures - 1).min(16)).min(LONGEST).mul_f64(self.fraction()),
        }
    }

    /// How long to wait when the server asks for a pause, so that all who were sent away do not come back at once: 1 s
    /// to 2 s, or as long as any other failure would take by now.
    pub(crate) fn next_after_pause(&mut self) -> Duration {
        PAUSE.mul_f64(1.0 + self.fraction()).max(self.next())
    }

    /// SplitMix64 (Steele, Lea, Flood, 2014), as a number from 0 up to 1.
    fn fraction(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_differ() {
        for seed in 0..100 {
            let mut backoff = Backoff::new(seed);
            let waits: Vec<_> = (0..20).map(|_| backoff.next()).collect();
            for (wait, longest) in waits.iter().zip([0, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]) {
                assert!(*wait <= Duration::from_millis(longest), "{waits:?}");
            }
            assert!(waits.iter().any(|wait| *wait > Duration::from_secs(3)), "{waits:?}");
            let mut same = Backoff::new(seed);
            assert!(waits.iter().all(|wait| *wait == same.next()));
            backoff.reset();
            assert_eq!(backoff.next(), Duration::ZERO);
        }
    }

    #[test]
    fn a_pause_is_one_and_differs() {
        let pauses: Vec<_> = (0..100).map(|seed| Backoff::new(seed).next_after_pause()).collect();
        assert!(pauses.iter().all(|pause| (1..2).contains(&pause.as_secs())), "{pauses:?}");
        assert!(
            pauses.iter().any(|pause| pause.as_millis() < 1200) && pauses.iter().any(|pause| pause.as_millis() > 1800)
        );
        let mut backoff = Backoff::new(1);
        let longer = (0..20).map(|_| backoff.next_after_pause()).max();
        assert!(longer > Some(Duration::from_secs(2)), "{longer:?}");
    }
}
