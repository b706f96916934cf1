//! The grace time: how long a session that nobody is connected to waits for its client. One timer for all of them. Whoever comes
//! back stays on the list until then, once: the session knows since when nobody is connected.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anteroom_protocol::SessionId;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::Sessions;
use crate::session::Departure;

/// How many sessions end before other tasks get their turn.
const SLICE_SESSIONS_MAX: usize = 64;

/// Those who wait, by when they are given up: each once, however often its client comes and goes.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    state: Mutex<State>,
    /// The first one is another.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    by_time: BTreeSet<(Instant, SessionId)>,
    times: HashMap<SessionId, Instant>,
}

impl State {
    fn remove(&mut self, session: SessionId) {
        if let Some(until) = self.times.remove(&session) {
            self.by_time.remove(&(until, session));
        }
    }
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, until: Instant, session: SessionId) {
        let mut state = self.lock();
        state.remove(session);
        state.times.insert(session, until);
        state.by_time.insert((until, session));
        if state.by_time.first() == Some(&(until, session)) {
            self.changed.notify_one();
        }
    }

    pub(super) fn remove(&self, session: SessionId) {
        self.lock().remove(session);
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let state = self.lock();
        state.by_time.is_empty() && state.times.is_empty()
    }

    fn first(&self) -> Option<Instant> {
        self.lock().by_time.first().map(|(until, _)| *until)
    }

    /// Takes a few of those whose time has come.
    fn take_due(&self, now: Instant) -> Vec<SessionId> {
        let mut state = self.lock();
        let due = state.by_time.iter().take_while(|(until, _)| *until <= now).take(SLICE_SESSIONS_MAX);
        let due: Vec<SessionId> = due.map(|(_, session)| *session).collect();
        due.iter().for_each(|session| state.remove(*session));
        due
    }
}

impl Sessions {
    /// Ends the sessions whose clients have not come back in time, for ever.
    pub(crate) async fn end_those_who_stay_away(&self) {
        loop {
            let first = self.waiting.first();
            tokio::select! {
                biased;
                () = self.waiting.changed.notified() => continue,
                () = async {
                    match first {
                        Some(until) => sleep_until(until).await,
                        None => std::future::pending().await,
                    }
                } => {}
            }
            let now = Instant::now();
            for id in self.waiting.take_due(now) {
                let Some(session) = self.find(id) else { continue };
                // Whoever was back meanwhile has gone again later, or is there.
                match session.carrier.away_since().map(|since| since + self.limits.grace) {
                    Some(until) if until > now => self.waiting.add(until, id),
                    Some(_) => _ = self.end(&session, Departure::Expired, None, "nobody came back"),
                    None => {}
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// Ends all sessions that nobody is connected to: the server is shutting down.
    pub(crate) fn end_all_who_are_away(&self) {
        for session in self.all().into_iter().filter(|session| session.carrier.away_since().is_some()) {
            self.end(&session, Departure::Expired, None, "nobody came back");
        }
    }
}
