//! What goes when all sessions together keep more than they may: those who are furthest behind lose what waits for them, and are
//! told so by a gap; then connections close that take nothing of what they hold; then sessions that nobody is connected to end,
//! those that were left first, first. Who keeps up has nothing that could be taken.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::sleep;

use super::Sessions;
use crate::session::{Departure, Session};

/// Nobody who keeps less is behind: as much is on its way to any client that acknowledges as it is asked to.
const BEHIND_BYTES_MIN: usize = 32 << 10;
/// How long a connection that holds much has taken nothing of it, before it is given up.
const STALLED_MIN: Duration = Duration::from_secs(1);
/// How long it takes until what was given up is out of memory: a connection is given a while to say goodbye.
const GIVEN_UP: Duration = Duration::from_secs(3);
/// How many sessions are looked at before other tasks get their turn.
const SLICE_SESSIONS_MAX: usize = 64;

/// Keeps to the budget, for ever.
pub(crate) async fn keep_to_budget(sessions: &Sessions) {
    let budget = &sessions.budget;
    loop {
        budget.exceeded().await;
        if !budget.is_exceeded() {
            continue;
        }
        let before = budget.total().bytes();
        let relieved = relieve(sessions).await;
        let mut closed = 0;
        if budget.is_exceeded() {
            // Whether a connection takes what it holds shows after a while.
            sleep(STALLED_MIN).await;
            closed = close_stalled(sessions).await;
        }
        if closed > 0 {
            sleep(GIVEN_UP).await;
        }
        let ended = if budget.is_exceeded() && closed == 0 { end_oldest(sessions).await } else { 0 };
        let bytes = budget.total().bytes();
        tracing::warn!(before, bytes, relieved, closed, ended, "sessions kept more than limits.retained_bytes_max");
        if !budget.is_exceeded() {
            continue;
        }
        // Nobody may put anything anywhere meanwhile.
        budget.look_again();
    }
}

/// Closes connections that hold much and take nothing of it; what they hold cannot be taken from them otherwise. How many.
async fn close_stalled(sessions: &Sessions) -> usize {
    let mut closed = 0;
    for some in sessions.all().chunks(SLICE_SESSIONS_MAX) {
        let stalled = some.iter().filter(|session| session.carrier.give_up_stalled(BEHIND_BYTES_MIN, STALLED_MIN));
        closed += stalled.count();
        yield_now().await;
    }
    closed
}

/// Relieves sessions of what they keep, those that are furthest behind first. How many.
async fn relieve(sessions: &Sessions) -> usize {
    let mut behind: Vec<(usize, Arc<Session>)> = Vec::new();
    for some in sessions.all().chunks(SLICE_SESSIONS_MAX) {
        let keeping = some.iter().map(|session| (session.carrier.retained_bytes(), session.clone()));
        behind.extend(keeping.filter(|(bytes, _)| *bytes > BEHIND_BYTES_MIN));
        yield_now().await;
    }
    behind.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    let mut relieved = 0;
    for (_, session) in behind {
        if sessions.budget.total().bytes() <= sessions.budget.target() {
            break;
        }
        session.carrier.relieve();
        relieved += 1;
        if relieved % SLICE_SESSIONS_MAX == 0 {
            yield_now().await;
        }
    }
    relieved
}

/// Ends sessions without a connection, those that were left first, first. How many.
async fn end_oldest(sessions: &Sessions) -> usize {
    let all = sessions.all();
    let mut away: Vec<_> =
        all.into_iter().filter_map(|session| Some((session.carrier.away_since()?, session))).collect();
    away.sort_unstable_by_key(|(since, _)| *since);
    let mut ended = 0;
    for (_, session) in away {
        if sessions.budget.total().bytes() <= sessions.budget.target() {
            break;
        }
        session.carrier.relieve();
        sessions.end(&session, Departure::Forgotten, None, "the server needs the memory");
        ended += 1;
        yield_now().await;
    }
    ended
}
