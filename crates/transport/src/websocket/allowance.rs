//! How many pings and pongs a peer may send: so many at once, and so many a second in the long run.
//!
//! What has gathered while a peer, the network or this process stood still comes at once, and is no flood. Answering
//! costs less than a message does.

use std::time::Duration;

use tokio::time::Instant;

/// As many as a client gathers in a minute that pings several times a second.
const AT_ONCE: u32 = 1000;
/// After how long there may be one more: 100 a second.
const EVERY: Duration = Duration::from_millis(10);

/// A bucket of tokens, full at the beginning.
#[derive(Debug)]
pub(super) struct Allowance {
    left: u32,
    /// When the last token came back; what has passed since is kept for the next.
    counted: Instant,
}

impl Allowance {
    pub(super) fn new() -> Self {
        Self { left: AT_ONCE, counted: Instant::now() }
    }

    /// Whether there may be one more now.
    pub(super) fn take(&mut self) -> bool {
        let passed = self.counted.elapsed();
        if passed >= EVERY * AT_ONCE {
            *self = Self::new();
        } else {
            let due = (passed.as_millis() / EVERY.as_millis()) as u32;
            self.counted += EVERY * due;
            self.left = (self.left + due).min(AT_ONCE);
        }
        let is_allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    /// How many are allowed at once now.
    fn burst(allowance: &mut Allowance) -> usize {
        std::iter::repeat_with(|| allowance.take()).take_while(|is_allowed| *is_allowed).count()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_spent_comes_back_with_time() {
        let mut allowance = Allowance::new();
        assert_eq!(burst(&mut allowance), 1000);
        assert_eq!(burst(&mut allowance), 0);
        advance(Duration::from_millis(9)).await;
        assert_eq!(burst(&mut allowance), 0);
        advance(Duration::from_millis(1)).await;
        assert_eq!(burst(&mut allowance), 1);
        advance(Duration::from_secs(3)).await;
        assert_eq!(burst(&mut allowance), 300);
        advance(Duration::from_secs(86_400 * 800)).await;
        assert_eq!(burst(&mut allowance), 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn who_keeps_to_the_rate_goes_on_for_ever() {
        let mut allowance = Allowance::new();
        burst(&mut allowance);
        for _ in 0..10_000 {
            advance(EVERY).await;
            assert!(allowance.take());
            assert!(!allowance.take());
        }
    }
}
