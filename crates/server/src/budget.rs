//! What all sessions together keep for their clients, and what goes when that is too much.
//!
//! Counted is what is in memory: batches on whatever lanes, each once, the queues that hold them, and sessions. Beyond the
//! bound those who are furthest behind lose what waits for them, and are told so by a gap; then connections close that take
//! nothing of what they hold; then sessions that nobody is connected to end, those that were left first, first. Who keeps up
//! has nothing that could be taken.

use std::sync::Arc;
use std::time::Duration;

use anteroom_protocol::Tally;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::connection::{end_session, go_on};
use crate::session::{Departure, Session};
use crate::shared::Shared;

/// What a session takes in memory, however little it keeps: itself, what finds it, and the task that waits for its client.
pub(crate) const SESSION_BYTES: usize = 3 << 10;
/// Nobody who keeps less is behind: as much is on its way to any client that acknowledges as it is asked to.
const BEHIND_BYTES_MIN: usize = 32 << 10;
/// One session that keeps more than this, when all together keep far too much, need not be compared with others.
const ALONE_BYTES_MAX: usize = 256 << 10;
/// How long a connection that holds much has taken nothing of it, before it is given up.
const STALLED_MIN: Duration = Duration::from_secs(1);
/// How long it takes until what was given up is out of memory: a connection is given a while to say goodbye.
const GIVEN_UP: Duration = Duration::from_secs(3);
/// How many sessions are looked at before other tasks get their turn.
const SLICE_SESSIONS_MAX: usize = 64;

/// See the module.
#[derive(Debug)]
pub(crate) struct Budget {
    total: Tally,
    /// Batches that no room has said.
    control: Tally,
    bytes_max: usize,
    exceeded: Notify,
}

impl Budget {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let total = Tally::default();
        Self { control: Tally::within(&total), total, bytes_max, exceeded: Notify::new() }
    }

    /// Where memory is counted that is no batch.
    pub(crate) fn total(&self) -> &Tally {
        &self.total
    }

    /// Where batches are counted that no room has said.
    pub(crate) fn control(&self) -> &Tally {
        &self.control
    }

    fn is_exceeded(&self) -> bool {
        self.total.bytes() > self.bytes_max
    }

    /// How much there may be once too much was found: a little less, so that it is not found again with the next message.
    fn target(&self) -> usize {
        self.bytes_max - self.bytes_max / 8
    }

    /// Looks whether it is too much, after something was put on a session's lanes. Whether that session is to be relieved at
    /// once, for which `retained_bytes` gives what it keeps: waiting for [`run`] would let memory grow meanwhile.
    pub(crate) fn is_too_much(&self, retained_bytes: impl FnOnce() -> usize) -> bool {
        let bytes = self.total.bytes();
        if bytes <= self.bytes_max {
            return false;
        }
        self.exceeded.notify_one();
        bytes > self.bytes_max + self.bytes_max / 16 && retained_bytes() > ALONE_BYTES_MAX
    }
}

/// Keeps to the budget, for ever.
pub(crate) async fn run(shared: &Arc<Shared>) {
    let budget = &shared.budget;
    loop {
        budget.exceeded.notified().await;
        if !budget.is_exceeded() {
            continue;
        }
        let before = budget.total.bytes();
        let relieved = relieve(shared).await;
        let mut closed = 0;
        if budget.is_exceeded() {
            // Whether a connection takes what it holds shows after a while.
            sleep(STALLED_MIN).await;
            closed = close_stalled(shared).await;
        }
        if closed > 0 {
            sleep(GIVEN_UP).await;
        }
        let ended = if budget.is_exceeded() && closed == 0 { end_oldest(shared).await } else { 0 };
        let bytes = budget.total.bytes();
        tracing::warn!(before, bytes, relieved, closed, ended, "sessions kept more than limits.retained_bytes_max");
        if bytes <= budget.bytes_max {
            continue;
        }
        // Nobody may put anything anywhere meanwhile.
        budget.exceeded.notify_one();
    }
}

/// Closes connections that hold much and take nothing of it; what they hold cannot be taken from them otherwise. How many.
async fn close_stalled(shared: &Shared) -> usize {
    let mut closed = 0;
    for sessions in shared.sessions.all().chunks(SLICE_SESSIONS_MAX) {
        let stalled = sessions.iter().filter(|session| session.give_up_stalled(BEHIND_BYTES_MIN, STALLED_MIN));
        closed += stalled.count();
        yield_now().await;
    }
    closed
}

/// Relieves sessions of what they keep, those that are furthest behind first. How many.
async fn relieve(shared: &Shared) -> usize {
    let mut behind: Vec<(usize, Arc<Session>)> = Vec::new();
    for sessions in shared.sessions.all().chunks(SLICE_SESSIONS_MAX) {
        let keeping = sessions.iter().map(|session| (session.retained_bytes(), session.clone()));
        behind.extend(keeping.filter(|(bytes, _)| *bytes > BEHIND_BYTES_MIN));
        yield_now().await;
    }
    behind.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    let mut relieved = 0;
    for (_, session) in behind {
        if shared.budget.total.bytes() <= shared.budget.target() {
            break;
        }
        session.relieve();
        relieved += 1;
        if relieved % SLICE_SESSIONS_MAX == 0 {
            yield_now().await;
        }
    }
    relieved
}

/// Ends sessions without a connection, those that were left first, first. How many.
async fn end_oldest(shared: &Arc<Shared>) -> usize {
    let all = shared.sessions.all();
    let mut away: Vec<_> = all.into_iter().filter_map(|session| Some((session.away_since()?, session))).collect();
    away.sort_unstable_by_key(|(since, _)| *since);
    let mut ended = 0;
    for (_, session) in away {
        if shared.budget.total.bytes() <= shared.budget.target() {
            break;
        }
        session.relieve();
        let shared_too = shared.clone();
        // A room that does not answer keeps nobody else in memory.
        go_on(
            shared,
            Box::pin(async move {
                end_session(&shared_too, &session, Departure::Forgotten, None, "the server needs the memory").await;
            }),
        );
        ended += 1;
        yield_now().await;
    }
    ended
}
