//! Which ways to a server have failed lately, so that nobody waits for them again.
//!
//! Only what runs over UDP is ever avoided: a WebSocket gets through where anything does, so there is nothing to use
//! in its place.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long a server whose UDP did not get through is remembered.
const BLOCKED_FOR: Duration = Duration::from_secs(600);
/// How long UDP is not tried after it failed while it carried a session, at first and at most.
const BARRED_FOR: Duration = Duration::from_secs(300);
const BARRED_FOR_MAX: Duration = Duration::from_secs(3600);
/// How many servers are remembered; a further one takes the place of the one that was noted longest ago.
const ORIGINS_MAX: usize = 1024;

static PROCESS_WIDE: LazyLock<PathMemory> = LazyLock::new(PathMemory::new);

/// What is remembered of the ways to servers, by their addresses. Clones share it.
///
/// It counts for [`TransportChoice::Automatic`](crate::TransportChoice::Automatic) alone.
#[derive(Debug, Clone)]
pub struct PathMemory {
    origins: Arc<Mutex<BTreeMap<String, Noted>>>,
}

#[derive(Debug, Clone, Copy)]
struct Noted {
    at: Instant,
    /// Until when UDP is not waited for.
    blocked_until: Option<Instant>,
    /// Until when UDP is not tried, and how long that is in all.
    barred: Option<(Instant, Duration)>,
}

/// How to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advice {
    /// QUIC, and WebSocket if it takes long.
    QuicFirst,
    /// Both at once.
    Together,
    /// WebSocket, and QUIC only if that fails.
    WebSocketFirst,
}

impl Default for PathMemory {
    /// The one that all clients of this process share unless told otherwise.
    fn default() -> Self {
        PROCESS_WIDE.clone()
    }
}

impl PathMemory {
    /// One that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { origins: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Noted>> {
        // Nothing panics while it holds the lock, and the map is valid at every step.
        self.origins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// UDP did not get through, although a WebSocket did.
    pub(crate) fn note_blocked(&self, origin: &str, now: Instant) {
        self.note(origin, now, |noted| noted.blocked_until = Some(now + BLOCKED_FOR));
    }

    /// UDP carried a session, and failed.
    pub(crate) fn note_broken(&self, origin: &str, now: Instant) {
        self.note(origin, now, |noted| {
            let next = match noted.barred {
                // Failing again soon after it was let off is the same trouble.
                Some((until, barred_for)) if now < until + barred_for => (2 * barred_for).min(BARRED_FOR_MAX),
                _ => BARRED_FOR,
            };
            noted.barred = Some((now + next, next));
        });
    }

    /// UDP gets through.
    pub(crate) fn note_open(&self, origin: &str) {
        if let Some(noted) = self.lock().get_mut(origin) {
            noted.blocked_until = None;
        }
    }

    fn note(&self, origin: &str, now: Instant, change: impl FnOnce(&mut Noted)) {
        let mut origins = self.lock();
        if !origins.contains_key(origin) && origins.len() >= ORIGINS_MAX {
            let oldest = origins.iter().min_by_key(|(_, noted)| noted.at).map(|(origin, _)| origin.clone());
            origins.remove(&oldest.unwrap_or_default());
        }
        let nothing = Noted { at: now, blocked_until: None, barred: None };
        let noted = origins.entry(origin.to_owned()).or_insert(nothing);
        noted.at = now;
        change(noted);
    }

    pub(crate) fn advice(&self, origin: &str, now: Instant) -> Advice {
        let Some(noted) = self.lock().get(origin).copied() else { return Advice::QuicFirst };
        if noted.barred.is_some_and(|(until, _)| now < until) {
            Advice::WebSocketFirst
        } else if noted.blocked_until.is_some_and(|until| now < until) {
            Advice::Together
        } else {
            Advice::QuicFirst
        }
    }

    /// When UDP may be tried from a WebSocket that works; in the past if now.
    pub(crate) fn udp_at(&self, origin: &str, now: Instant) -> Instant {
        let Some(noted) = self.lock().get(origin).copied() else { return now };
        let barred_until = noted.barred.map(|(until, _)| until);
        [noted.blocked_until, barred_until].into_iter().flatten().fold(now, Instant::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn what_is_blocked_is_forgotten_with_time() {
        let (paths, now) = (PathMemory::new(), Instant::now());
        assert_eq!(paths.advice("a", now), Advice::QuicFirst);
        paths.note_blocked("a", now);
        assert_eq!(paths.clone().advice("a", now + 9 * MINUTE), Advice::Together);
        assert_eq!(paths.udp_at("a", now), now + 10 * MINUTE);
        assert_eq!(paths.advice("b", now), Advice::QuicFirst);
        assert_eq!(paths.advice("a", now + 10 * MINUTE), Advice::QuicFirst);
        paths.note_open("a");
        assert_eq!(paths.advice("a", now), Advice::QuicFirst);
    }

    #[test]
    fn what_breaks_again_and_again_is_left_alone_for_longer() {
        let (paths, mut now) = (PathMemory::new(), Instant::now());
        for minutes in [5, 10, 20, 40, 60, 60] {
            paths.note_broken("a", now);
            let until = now + minutes * MINUTE;
            assert_eq!(paths.advice("a", until - MINUTE), Advice::WebSocketFirst, "{minutes}");
            assert_eq!((paths.advice("a", until), paths.udp_at("a", now)), (Advice::QuicFirst, until), "{minutes}");
            now = until + MINUTE;
        }
        now += 3 * 60 * MINUTE;
        paths.note_broken("a", now);
        assert_eq!(paths.udp_at("a", now), now + 5 * MINUTE);
    }

    #[test]
    fn the_memory_is_bounded() {
        let (paths, now) = (PathMemory::new(), Instant::now());
        for number in 0..2 * ORIGINS_MAX {
            paths.note_blocked(&number.to_string(), now + Duration::from_millis(number as u64));
        }
        assert_eq!(paths.lock().len(), ORIGINS_MAX);
        assert_eq!(paths.advice("0", now), Advice::QuicFirst);
        assert_eq!(paths.advice(&(2 * ORIGINS_MAX - 1).to_string(), now), Advice::Together);
    }
}
