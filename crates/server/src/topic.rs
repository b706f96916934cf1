//! Something that many sessions watch: a snapshot, and then changes, encoded once and fanned out to control lanes.
//!
//! Changes are published in batches that are numbered. Whoever begins to watch is given the snapshot as of the last one, and
//! hears of the next like everyone. Who is told takes a moment for each: the lock is held for a few of them at a time, and
//! nothing is encoded under it. What is watched, a topic does not know.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anteroom_protocol::{Batch, Codec, SessionId};

use crate::carrier::Carrier;

/// How many watchers are told before others get their turn.
const SLICE_WATCHERS_MAX: usize = 64;

/// Which part of a topic somebody watches: what concerns a game, or all.
pub(crate) type Filter = Option<Arc<str>>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Topic {
    /// What it is called in a session's state.
    pub(crate) name: &'static str,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How often changes were published.
    publication: u64,
    watchers: BTreeMap<SessionId, Watcher>,
}

#[derive(Debug, Clone)]
struct Watcher {
    filter: Filter,
    carrier: Arc<Carrier>,
}

/// Changes were published since the snapshot was made; another one is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outdated;

impl Topic {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a session watch, in place of what it watched before: gives it the snapshot as of a publication, and tells it of
    /// every change from then on.
    ///
    /// # Errors
    /// [`Outdated`]: nothing changed.
    pub(crate) fn watch(
        &self,
        carrier: &Arc<Carrier>,
        filter: Filter,
        publication: u64,
        snapshot: Batch,
    ) -> Result<(), Outdated> {
        let mut state = self.lock();
        if state.publication != publication {
            return Err(Outdated);
        }
        carrier.watch(self.name, publication, filter.as_deref().map(str::to_owned), snapshot);
        // Whoever ends a session takes it off the list afterwards, so one that has ended before must not come on it.
        if !carrier.has_ended() {
            state.watchers.insert(carrier.id, Watcher { filter, carrier: carrier.clone() });
        }
        Ok(())
    }

    /// What a session watches; nothing if it does not.
    pub(crate) fn filter_of(&self, session: SessionId) -> Option<Filter> {
        self.lock().watchers.get(&session).map(|watcher| watcher.filter.clone())
    }

    /// Tells a session of no more changes.
    pub(crate) fn unwatch(&self, carrier: &Carrier) {
        // Both at once, or one that begins to watch in between is told nothing.
        let mut state = self.lock();
        carrier.stop_watching(self.name);
        state.watchers.remove(&carrier.id);
    }

    /// Begins a publication: `take` gives what is published, under the lock that keeps whoever comes meanwhile from being given
    /// a snapshot of before.
    pub(crate) fn begin<T>(&self, take: impl FnOnce(u64) -> T) -> (u64, T) {
        let mut state = self.lock();
        state.publication += 1;
        (state.publication, take(state.publication))
    }

    /// Tells everyone of a publication, a few at a time. `encode` is called once for each filter and codec.
    pub(crate) async fn publish(&self, publication: u64, encode: impl Fn(&Filter, Codec) -> Vec<Arc<Batch>>) {
        let mut encoded: BTreeMap<(Filter, Codec), Vec<Arc<Batch>>> = BTreeMap::new();
        let mut last = None;
        loop {
            let slice = self.slice(last);
            for Watcher { filter, carrier } in &slice {
                let batches =
                    encoded.entry((filter.clone(), carrier.codec)).or_insert_with(|| encode(filter, carrier.codec));
                if !batches.is_empty() {
                    carrier.tell_changes(self.name, publication, batches);
                }
            }
            last = slice.last().map(|watcher| watcher.carrier.id);
            if slice.len() < SLICE_WATCHERS_MAX {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// A few of those who watch, behind the one that was told last.
    fn slice(&self, last: Option<SessionId>) -> Vec<Watcher> {
        let from = last.map_or(Unbounded, Excluded);
        let state = self.lock();
        let slice = state.watchers.range((from, Unbounded)).take(SLICE_WATCHERS_MAX);
        slice.map(|(_, watcher)| watcher.clone()).collect()
    }
}
