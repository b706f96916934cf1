//! One timer per connection for both questions of liveness: is it time to send a sign of life, and has the peer been
//! silent for too long?
//!
//! Hearing from the peer only notes the time; the timer finds out when it fires. So a busy connection pays nothing.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// What the timer found when it fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tick {
    /// A sign of life is due.
    Beat,
    /// The peer has been silent for too long.
    Silence,
}

#[derive(Debug)]
pub(crate) struct Liveness {
    sleep: Pin<Box<Sleep>>,
    heard: Instant,
    silence_max: Duration,
    beat_every: Option<Duration>,
    beat_at: Option<Instant>,
}

impl Liveness {
    /// Starts now, as if the peer had just been heard.
    pub(crate) fn new(silence_max: Duration, beat_every: Option<Duration>) -> Self {
        let heard = Instant::now();
        let beat_at = beat_every.map(|every| heard + every);
        let first = beat_every.map_or(silence_max, |every| every.min(silence_max));
        Self { sleep: Box::pin(sleep(first)), heard, silence_max, beat_every, beat_at }
    }

    /// Notes when the peer was last heard. Says whether that is news.
    pub(crate) fn heard_at(&mut self, at: Instant) -> bool {
        let is_news = at > self.heard;
        self.heard = self.heard.max(at);
        is_news
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Tick> {
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            let now = Instant::now();
            let silent_at = self.heard + self.silence_max;
            if now >= silent_at {
                return Poll::Ready(Tick::Silence);
            }
            let beat = self.beat_at.is_some_and(|at| now >= at);
            if beat {
                self.beat_at = self.beat_every.map(|every| now + every);
            }
            self.sleep.as_mut().reset(self.beat_at.map_or(silent_at, |at| at.min(silent_at)));
            if beat {
                return Poll::Ready(Tick::Beat);
            }
        }
    }
}
