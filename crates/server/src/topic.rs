//! Something that many sessions watch: a snapshot, and then changes, encoded once and fanned out to control lanes.
//!
//! Changes are published in batches that are numbered. Whoever begins to watch is given the snapshot as of the last one, and
//! hears of the next like everyone. Who is told takes a moment for each: the lock is held for a few of them at a time, and
//! nothing is encoded under it. What is watched, a topic does not know.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anteroom_protocol::message::resume::Subscription;
use anteroom_protocol::{Batch, Codec, SessionId};

use crate::carrier::Carrier;

/// How many watchers are told before others get their turn.
const SLICE_WATCHERS_MAX: usize = 64;

/// How much is encoded before others get their turn.
const SLICE_ENCODINGS_MAX: usize = 4;

/// Which part of a topic somebody watches. What is encoded for one is for all who watch an equal one.
pub(crate) trait Part: Clone + Ord {
    /// Whether there are few of its kind, and always may be one more.
    fn is_common(&self) -> bool;

    /// What a session's state says of it.
    fn subscription(&self, to: &str) -> Subscription;
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Topic<P> {
    /// What it is called in a session's state.
    pub(crate) name: &'static str,
    /// How many different parts are watched at most: each costs something with every publication.
    parts_max: usize,
    state: Mutex<State<P>>,
}

#[derive(Debug)]
struct State<P> {
    /// How often changes were published.
    publication: u64,
    watchers: BTreeMap<SessionId, Watcher<P>>,
    /// How many watch which part.
    parts: BTreeMap<Arc<P>, usize>,
}

#[derive(Debug)]
struct Watcher<P> {
    part: Arc<P>,
    carrier: Arc<Carrier>,
}

impl<P> Clone for Watcher<P> {
    fn clone(&self) -> Self {
        Self { part: self.part.clone(), carrier: self.carrier.clone() }
    }
}

/// Why a session does not watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unwatched {
    /// Changes were published since the snapshot was made; another one is needed.
    Outdated,
    /// Too many different parts are watched.
    TooMany,
}

impl<P: Part> State<P> {
    /// Whether one more may watch this, who is a session that may watch something else by now.
    fn has_place(&self, part: &P, session: SessionId, parts_max: usize) -> bool {
        let own = self.watchers.get(&session).is_some_and(|watcher| self.parts.get(&watcher.part) == Some(&1));
        part.is_common() || self.parts.contains_key(part) || self.parts.len() - usize::from(own) < parts_max
    }

    fn insert(&mut self, part: &P, carrier: &Arc<Carrier>) {
        self.remove(carrier.id);
        let part = self.parts.get_key_value(part).map_or_else(|| Arc::new(part.clone()), |(part, _)| part.clone());
        *self.parts.entry(part.clone()).or_default() += 1;
        self.watchers.insert(carrier.id, Watcher { part, carrier: carrier.clone() });
    }

    fn remove(&mut self, session: SessionId) {
        let Some(Watcher { part, .. }) = self.watchers.remove(&session) else { return };
        if let Some(count) = self.parts.get_mut(&part) {
            *count -= 1;
            if *count == 0 {
                self.parts.remove(&part);
            }
        }
    }
}

impl<P: Part> Topic<P> {
    pub(crate) fn new(name: &'static str, parts_max: usize) -> Self {
        let state = State { publication: 0, watchers: BTreeMap::new(), parts: BTreeMap::new() };
        Self { name, parts_max, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State<P>> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a session may watch this part.
    pub(crate) fn has_place(&self, part: &P, session: SessionId) -> bool {
        self.lock().has_place(part, session, self.parts_max)
    }

    /// Has a session watch, in place of what it watched before: gives it the snapshot as of a publication, and tells it of
    /// every change from then on.
    ///
    /// # Errors
    /// See [`Unwatched`]; nothing changed.
    pub(crate) fn watch(
        &self,
        carrier: &Arc<Carrier>,
        part: &P,
        publication: u64,
        snapshot: Batch,
    ) -> Result<(), Unwatched> {
        let mut state = self.lock();
        if state.publication != publication {
            return Err(Unwatched::Outdated);
        }
        if !state.has_place(part, carrier.id, self.parts_max) {
            return Err(Unwatched::TooMany);
        }
        carrier.watch(self.name, publication, part.subscription(self.name), snapshot);
        // Whoever ends a session takes it off the list afterwards, so one that has ended before must not come on it.
        if !carrier.has_ended() {
            state.insert(part, carrier);
        }
        Ok(())
    }

    /// What a session watches; nothing if it does not.
    pub(crate) fn part_of(&self, session: SessionId) -> Option<Arc<P>> {
        self.lock().watchers.get(&session).map(|watcher| watcher.part.clone())
    }

    /// Tells a session of no more changes.
    pub(crate) fn unwatch(&self, carrier: &Carrier) {
        // Both at once, or one that begins to watch in between is told nothing.
        let mut state = self.lock();
        carrier.stop_watching(self.name);
        state.remove(carrier.id);
    }

    /// Begins a publication: `take` gives what is published, under the lock that keeps whoever comes meanwhile from being given
    /// a snapshot of before.
    pub(crate) fn begin<T>(&self, take: impl FnOnce(u64) -> T) -> (u64, T) {
        let mut state = self.lock();
        state.publication += 1;
        (state.publication, take(state.publication))
    }

    /// Tells everyone of a publication, a few at a time. `encode` is called once for each part and codec.
    pub(crate) async fn publish(&self, publication: u64, encode: impl Fn(&P, Codec) -> Vec<Arc<Batch>>) {
        let mut encoded: BTreeMap<(Arc<P>, Codec), Vec<Arc<Batch>>> = BTreeMap::new();
        let mut last = None;
        loop {
            let slice = self.slice(last);
            let mut encodings = 0;
            for Watcher { part, carrier } in &slice {
                let batches = match encoded.entry((part.clone(), carrier.codec)) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(place) => {
                        encodings += 1;
                        if encodings > SLICE_ENCODINGS_MAX {
                            encodings = 1;
                            tokio::task::yield_now().await;
                        }
                        place.insert(encode(part, carrier.codec))
                    }
                };
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
    fn slice(&self, last: Option<SessionId>) -> Vec<Watcher<P>> {
        let from = last.map_or(Unbounded, Excluded);
        let state = self.lock();
        let slice = state.watchers.range((from, Unbounded)).take(SLICE_WATCHERS_MAX);
        slice.map(|(_, watcher)| watcher.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use anteroom_core::listing::Filter;
    use anteroom_protocol::envelope::Empty;
    use anteroom_protocol::{Header, Json};

    use super::*;
    use crate::carrier::tests::carrier_of;

    fn filter(seats: u32) -> Filter {
        Filter::parse(None, Some(&Json::new(&[("free_seats", ">", seats)]).unwrap()), &|_, _| false).unwrap()
    }

    fn batch(codec: Codec) -> Batch {
        Batch::one(codec, &Header::new("list"), &Empty {}).unwrap()
    }

    fn watch(topic: &Topic<Filter>, carrier: &Arc<Carrier>, filter: &Filter) -> Result<(), Unwatched> {
        topic.watch(carrier, filter, 0, batch(carrier.codec))
    }

    #[tokio::test]
    async fn a_publication_is_encoded_once_for_all_who_watch_the_same() {
        let topic = Topic::new("rooms", 4);
        let carriers: Vec<_> = (1..=10_000).map(|number| carrier_of(SessionId::from_bits(number)).0).collect();
        for carrier in &carriers {
            watch(&topic, carrier, &filter(1)).unwrap();
        }
        watch(&topic, &carriers[0], &filter(2)).unwrap();
        let encoded = AtomicUsize::new(0);
        let (publication, ()) = topic.begin(|_| ());
        let encode = |_: &Filter, codec| {
            encoded.fetch_add(1, SeqCst);
            vec![Arc::new(batch(codec))]
        };
        topic.publish(publication, encode).await;
        assert_eq!(encoded.load(SeqCst), 2, "one for each filter that is watched");
    }

    #[test]
    fn only_so_many_different_parts_are_watched_but_always_those_that_are_common() {
        let topic = Topic::new("rooms", 2);
        let [ada, bob, eve] = [1, 2, 3].map(|number| carrier_of(SessionId::from_bits(number)).0);
        watch(&topic, &ada, &filter(1)).unwrap();
        watch(&topic, &bob, &filter(2)).unwrap();
        assert_eq!(watch(&topic, &eve, &filter(3)), Err(Unwatched::TooMany));
        assert!(topic.part_of(eve.id).is_none());
        watch(&topic, &eve, &filter(1)).unwrap();
        watch(&topic, &eve, &Filter::of_game(Some("relay"))).unwrap();
        watch(&topic, &bob, &filter(1)).unwrap();
        assert_eq!(watch(&topic, &eve, &filter(4)), Ok(()), "what nobody watches any more makes place");
        assert_eq!(watch(&topic, &ada, &filter(5)), Err(Unwatched::TooMany));
        topic.unwatch(&eve);
        topic.unwatch(&eve);
        assert_eq!(watch(&topic, &ada, &filter(5)), Ok(()));
        // Whoever alone watches something may watch something else, however many there are.
        assert_eq!(watch(&topic, &ada, &filter(6)), Ok(()));
    }
}
